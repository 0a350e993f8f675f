// OpenRouter's reasoning_details: untouched in its own protocol, whole through the others and back.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { answerMessage, chunk, completion, message, Provider, Service } from "./harness.mjs";
import { sendJson } from "./scene.mjs";

/** Answers of models of three makers, as OpenRouter has them. */
const makers = {
  claude: [
    { type: "reasoning.text", text: "Let me see. A river.", signature: "c2ln", format: "anthropic-claude-v1", index: 0 },
    { type: "reasoning.encrypted", data: "cmVk", format: "anthropic-claude-v1", index: 1 },
  ],
  openai: [
    { type: "reasoning.summary", summary: "Thinking of rivers.", id: "rs_1", format: "openai-responses-v1", index: 0 },
    { type: "reasoning.encrypted", data: "Z0FBQUE=", id: "rs_1", format: "openai-responses-v1", index: 0 },
  ],
  gemini: [
    { type: "reasoning.text", text: "Rivers flow.", format: "google-gemini-v1", index: 0 },
    { type: "reasoning.encrypted", data: "R2Vt", id: "tool_1", format: "google-gemini-v1", index: 1 },
  ],
};
const textOf = (details) => details.map((d) => d.text ?? d.summary ?? "").join("");
/** What must come back: what is signed or sealed. */
const sealed = (details) => details.filter((d) => d.signature || d.data).map(({ index, ...d }) => d);
const call = { id: "tool_1", type: "function", function: { name: "f", arguments: "{}" } };

let s, p, claude, details;
before(async () => {
  p = await Provider.start((req, res, body) => {
    const reasoning = textOf(details);
    if (!JSON.parse(body).stream)
      return sendJson(res, 200, completion("x", { choices: [{ index: 0, finish_reason: "tool_calls", message: { role: "assistant", content: "Yes.", reasoning, reasoning_details: details, tool_calls: [call] } }] }));
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(chunk({ role: "assistant", content: "" }));
    for (const d of details) {
      const { text, summary, signature, ...rest } = d, field = summary ? "summary" : "text";
      for (const piece of (text ?? summary ?? "").match(/.{1,6}/gs) ?? []) res.write(chunk({ content: "", reasoning: piece, reasoning_details: [{ ...rest, [field]: piece }] }));
      if (signature || d.data) res.write(chunk({ content: "", reasoning: null, reasoning_details: [signature ? { ...rest, signature } : d] }));
    }
    res.write(chunk({ content: "Yes." }));
    res.write(chunk({ tool_calls: [{ index: 0, ...call }] }));
    res.write(chunk({}, "tool_calls"));
    res.end("data: [DONE]\n\n");
  });
  claude = await Provider.start((req, res, body) => answerMessage(res, body, message("Fine.")));
  s = await Service.start({
    config: `providers:
  - {name: router, type: openrouter, url: "${p.url}", key: up}
  - {name: claude, type: anthropic, url: "${new URL(claude.url).origin}", key: up}
models:
  - {name: m, provider: router, upstream: upstream-model}
  - {name: c, provider: claude, upstream: u}
`,
  });
});
after(async () => {
  assert.equal(await s?.stop(), 0);
  await p?.stop();
  await claude?.stop();
});
const sent = (to = p) => JSON.parse(to.requests.at(-1).body);
const post = (path, body) => s.fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: typeof body === "string" ? body : JSON.stringify(body) });
const fn = { name: "f", parameters: { type: "object", properties: {} } };

for (const [maker, list] of Object.entries(makers)) {
  describe(maker, () => {
    before(() => (details = list));

    test("chats: bytes as they are, there and back", async () => {
      const history = JSON.stringify({ role: "assistant", content: "Yes.", reasoning: textOf(list), reasoning_details: list, tool_calls: [call] });
      const body = `{"model":"m","messages":[{"role":"user","content":"x"}, ${history} ,{"role":"tool","tool_call_id":"tool_1","content":"y"}]}`;
      const whole = await (await post("/v1/chat/completions", body)).json();
      assert.equal(p.requests.at(-1).body, body.replace('"m"', '"upstream-model"'));
      assert.deepEqual(whole.choices[0].message.reasoning_details, list);
      const text = await (await post("/v1/chat/completions", body.replace('"m"', '"m","stream":true'))).text();
      for (const d of list) assert.ok(text.includes(JSON.stringify(d.data ?? d.signature ?? d.format)));
    });

    test("messages: thinking, and back in the next turn", async () => {
      const asked = { model: "m", max_tokens: 99, messages: [{ role: "user", content: "x" }], tools: [{ name: "f", input_schema: fn.parameters }] };
      for (const answer of [await s.anthropic.messages.create(asked), await s.anthropic.messages.stream(asked).finalMessage()]) {
        assert.deepEqual(answer.content.map((b) => b.type).filter((t) => !/thinking/.test(t)), ["text", "tool_use"]);
        assert.equal(answer.content.map((b) => b.thinking ?? "").join(""), textOf(list), "once");
        await s.anthropic.messages.create({ ...asked, messages: [...asked.messages, { role: "assistant", content: answer.content }, { role: "user", content: [{ type: "tool_result", tool_use_id: "tool_1", content: "y" }] }] });
        const back = sent().messages[1];
        assert.deepEqual(back.reasoning_details.map(({ index, ...d }) => d), sealed(list).map((d) => d));
        assert.equal(back.reasoning, textOf(list));
        assert.equal(back.thinking_blocks, undefined);
      }
    });

    test("responses: a reasoning item, and back in the next turn", async () => {
      const asked = { model: "m", input: [{ role: "user", content: "x" }], tools: [{ type: "function", ...fn, strict: false }] };
      for (const answer of [await s.client.responses.create(asked), await s.client.responses.stream(asked).finalResponse()]) {
        const items = answer.output.filter((o) => o.type === "reasoning");
        assert.equal(items.flatMap((o) => o.summary.map((t) => t.text)).join(""), textOf(list));
        const output = { type: "function_call_output", call_id: "tool_1", output: "y" };
        for (const next of [{ input: [...asked.input, ...answer.output, output] }, { previous_response_id: answer.id, input: [output] }]) {
          await s.client.responses.create({ ...asked, ...next });
          assert.deepEqual(sent().messages[1].reasoning_details.map(({ index, ...d }) => d), sealed(list));
        }
      }
    });
  });
}

test("a chat that goes on with Anthropic: its own reasoning is kept, what others sealed is not sent", async () => {
  const ask = (reasoning_details) => post("/v1/chat/completions", { model: "c", messages: [{ role: "user", content: "x" }, { role: "assistant", content: "Yes.", reasoning: "r", reasoning_details }, { role: "user", content: "y" }] });
  assert.equal((await ask(makers.claude)).status, 200);
  assert.deepEqual(sent(claude).messages[1].content, [{ type: "thinking", thinking: "Let me see. A river.", signature: "c2ln" }, { type: "redacted_thinking", data: "cmVk" }, { type: "text", text: "Yes." }]);
  const pieces = [{ type: "reasoning.text", text: "Let me" }, { type: "reasoning.text", text: " see.", signature: null }, { type: "reasoning.text", signature: "c2ln" }];
  await ask(pieces);
  assert.deepEqual(sent(claude).messages[1].content[0], { type: "thinking", thinking: "Let me see.", signature: "c2ln" });
  for (const maker of ["openai", "gemini"]) {
    assert.equal((await ask(makers[maker])).status, 200);
    assert.deepEqual(sent(claude).messages[1].content, [{ type: "text", text: "Yes." }]);
  }
  const bad = await ask({ type: "reasoning.text" });
  assert.equal(bad.status, 400);
  assert.equal((await bad.json()).error.param, "messages[1].reasoning_details");
});
