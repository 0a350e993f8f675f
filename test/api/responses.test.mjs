// OpenAI's Responses through its own client, over providers of both protocols.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import OpenAI from "openai";
import { answerMessage, chunk, completion, message, Provider, Service } from "./harness.mjs";
import { dialects, sendJson } from "./scene.mjs";

const weather = {
  type: "function", name: "weather", description: "The weather of a city.", strict: true,
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
};
const reasons = { openai: { stop: "stop", length: "length", filter: "content_filter" }, anthropic: { stop: "end_turn", length: "max_tokens", filter: "refusal" } };

/** What a provider is told, in one form. */
function heardBy(kind, body) {
  const asked = JSON.parse(body);
  if (kind === "openai") return {
    asked,
    system: asked.messages.filter((m) => m.role === "system").map((m) => m.content).join("\n"),
    turns: asked.messages.filter((m) => m.role !== "system"),
    results: asked.messages.filter((m) => m.role === "tool").map((m) => m.content),
  };
  const blocks = asked.messages.flatMap((m) => (typeof m.content === "string" ? [{ type: "text", text: m.content }] : m.content));
  return {
    asked,
    system: typeof asked.system === "string" ? asked.system : (asked.system ?? []).map((b) => b.text).join("\n"),
    turns: asked.messages,
    results: blocks.filter((b) => b.type === "tool_result").map((b) => (typeof b.content === "string" ? b.content : b.content.map((c) => c.text).join(""))),
  };
}

/** Says these things: {text}, {thinking}, {refusal} or {call, args}; in pieces when it streams. */
function say(kind, res, body, parts, finish = "stop") {
  if (kind === "anthropic") {
    const content = parts.map((p) => (p.call ? { type: "tool_use", id: p.call, name: "weather", input: JSON.parse(p.args) } : p.thinking ? { type: "thinking", thinking: p.thinking, signature: "sig" } : { type: "text", text: p.text ?? p.refusal }));
    return answerMessage(res, body, message(content, { stop_reason: parts.some((p) => p.call) ? "tool_use" : reasons.anthropic[finish] }));
  }
  const calls = parts.filter((p) => p.call).map((p) => ({ id: p.call, type: "function", function: { name: "weather", arguments: p.args } }));
  const of = (name) => parts.map((p) => p[name] ?? "").join("") || undefined;
  const reason = calls.length ? "tool_calls" : reasons.openai[finish];
  if (!JSON.parse(body).stream) {
    const answer = completion(of("text") ?? null);
    Object.assign(answer.choices[0], { finish_reason: reason });
    Object.assign(answer.choices[0].message, { refusal: of("refusal") ?? null, reasoning_content: of("thinking"), ...(calls.length && { tool_calls: calls }) });
    return sendJson(res, 200, answer);
  }
  res.writeHead(200, { "content-type": "text/event-stream" });
  res.write(chunk({ role: "assistant", content: "" }));
  for (const [name, field] of [["thinking", "reasoning_content"], ["text", "content"], ["refusal", "refusal"]])
    for (const piece of of(name)?.match(/\S+\s?/g) ?? []) res.write(chunk({ [field]: piece }));
  calls.forEach((call, index) => {
    res.write(chunk({ tool_calls: [{ index, ...call, function: { ...call.function, arguments: "" } }] }));
    for (const piece of call.function.arguments.match(/.{1,6}/gu)) res.write(chunk({ tool_calls: [{ index, function: { arguments: piece } }] }));
  });
  res.write(chunk({}, reason));
  res.write(chunk(undefined, null, { choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } }));
  res.end("data: [DONE]\n\n");
}

const config = (p, kind) => `
providers:
  - {name: p, url: "${kind === "anthropic" ? new URL(p.url).origin : p.url}", key: up, type: ${kind}}
models:
  - {name: m, provider: p, upstream: upstream-model}
`;

/** The order that clients count on, and that what was said in pieces is what is said at the end. */
function checkEvents(events) {
  events.forEach((e, i) => assert.equal(e.sequence_number, i, "numbers without a gap"));
  assert.deepEqual(events.slice(0, 2).map((e) => [e.type, e.response.status, e.response.output.length]), [["response.created", "in_progress", 0], ["response.in_progress", "in_progress", 0]]);
  const last = events.at(-1).response;
  const open = new Map();
  for (const e of events.slice(2, -1)) {
    if (e.type === "response.output_item.added") {
      assert.equal(e.output_index, open.size, "items come in turn");
      open.set(e.output_index, { id: e.item.id, text: "", parts: 0 });
      assert.equal(e.item.status ?? "in_progress", "in_progress");
      if (e.item.content) assert.deepEqual(e.item.content, []);
      continue;
    }
    const at = open.get(e.output_index);
    assert.ok(at && !at.done, `${e.type} belongs to an open item`);
    if (e.item_id) assert.equal(e.item_id, at.id);
    if (e.type.endsWith(".delta")) at.text += e.delta;
    if (/(text|refusal|arguments)\.done$/.test(e.type)) {
      assert.equal(e.text ?? e.refusal ?? e.arguments, at.text);
      at.text = "";
    }
    if (e.type === "response.output_item.done") {
      assert.equal(e.item.id, at.id);
      at.done = true;
      assert.deepEqual(last.output[e.output_index], e.item);
    }
  }
  assert.ok([...open.values()].every((x) => x.done));
  assert.equal(last.output.length, open.size);
  assert.equal(events.at(-1).type, `response.${last.status}`);
  return last;
}

async function streamed(s, body) {
  const events = [];
  const stream = await s.client.responses.create({ ...body, stream: true });
  for await (const e of stream) events.push(e);
  return events;
}

for (const kind of ["openai", "anthropic"]) {
  describe(`${kind} behind`, () => {
    const serving = async (how, body) => {
      const p = await Provider.start((req, res, b) => how(res, b));
      const s = await Service.start({ config: config(p, kind) });
      try {
        await body(s, p);
      } finally {
        await s.stop();
        await p.stop();
      }
    };

    test("a text: the whole object, and what the provider was told", async () => {
      await serving((res, b) => say(kind, res, b, [{ text: "Hello there." }]), async (s, p) => {
        const r = await s.client.responses.create({
          model: "m", input: "hi", instructions: "Be kind.", max_output_tokens: 99, temperature: 0.5, top_p: 0.25,
          metadata: { a: "b" }, user: "u1", tools: [weather], tool_choice: "auto", parallel_tool_calls: false,
        });
        assert.match(r.id, /^resp_/);
        assert.equal(r.object, "response");
        assert.equal(r.status, "completed");
        assert.equal(r.output_text, "Hello there.");
        assert.equal(r.model, "m");
        assert.ok(Math.abs(r.created_at - Date.now() / 1000) < 60);
        for (const [k, v] of Object.entries({
          error: null, incomplete_details: null, instructions: "Be kind.", max_output_tokens: 99, temperature: 0.5, top_p: 0.25, metadata: { a: "b" },
          parallel_tool_calls: false, previous_response_id: null, store: true, background: false, truncation: "disabled", tool_choice: "auto", tools: [weather], text: { format: { type: "text" } },
        })) assert.deepEqual(r[k], v, k);
        assert.deepEqual(r.usage, { input_tokens: 7, input_tokens_details: { cached_tokens: 0 }, output_tokens: 3, output_tokens_details: { reasoning_tokens: 0 }, total_tokens: 10 });
        const [item] = r.output;
        assert.match(item.id, /^msg_/);
        assert.deepEqual(item, { id: item.id, type: "message", status: "completed", role: "assistant", content: [{ type: "output_text", text: "Hello there.", annotations: [], logprobs: [] }] });
        const heard = heardBy(kind, p.requests[0].body);
        assert.equal(heard.system, "Be kind.");
        assert.equal(heard.turns.length, 1);
        assert.match(JSON.stringify(heard.turns), /"hi"/);
        assert.equal(heard.asked.temperature, 0.5);
        assert.equal(heard.asked.max_tokens ?? heard.asked.max_completion_tokens, 99);
        assert.equal(heard.asked.model, "upstream-model");
      });
    });

    test("a text in events, and through the client's own accumulator", async () => {
      await serving((res, b) => say(kind, res, b, [{ text: "Hello there, you." }]), async (s) => {
        const events = await streamed(s, { model: "m", input: [{ role: "user", content: "hi" }] });
        const last = checkEvents(events);
        const types = events.map((e) => e.type).filter((t) => t !== "response.output_text.delta");
        assert.deepEqual(types, ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"]);
        assert.equal(last.output[0].content[0].text, "Hello there, you.");
        assert.equal(last.usage.total_tokens, 10);

        const final = await s.client.responses.stream({ model: "m", input: "hi" }).finalResponse();
        assert.equal(final.output_text, "Hello there, you.");
        assert.equal((await s.client.responses.retrieve(final.id)).output_text, "Hello there, you.");

        const raw = await s.fetch("/v1/responses", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "m", input: "hi", stream: true }) });
        assert.match(raw.headers.get("content-type"), /text\/event-stream/);
        for (const block of (await raw.text()).trim().split("\n\n")) {
          const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(block);
          assert.equal(JSON.parse(data).type, event);
        }
      });
    });

    test("functions: two calls at once, and their results given back", async () => {
      const parts = [{ call: "call_1", args: '{"city":"Århus"}' }, { call: "call_2", args: '{"city":"Odense"}' }];
      const how = (res, b) => say(kind, res, b, heardBy(kind, b).results.length ? [{ text: "Rain in both." }] : parts);
      await serving(how, async (s, p) => {
        const ask = { model: "m", input: [{ role: "user", content: "weather?" }], tools: [weather], tool_choice: "required" };
        const events = await streamed(s, ask);
        const first = checkEvents(events);
        assert.equal(first.status, "completed");
        assert.deepEqual(first.output.map((o) => [o.type, o.call_id, o.name, o.arguments, o.status]), parts.map((x) => ["function_call", x.call, "weather", x.args, "completed"]));
        assert.ok(events.some((e) => e.type === "response.function_call_arguments.done" && e.name === "weather"));
        const whole = await s.client.responses.create(ask);
        assert.deepEqual(whole.output.map((o) => o.arguments), parts.map((x) => x.args));

        const outputs = [{ type: "function_call_output", call_id: "call_1", output: "rain" }, { type: "function_call_output", call_id: "call_2", output: [{ type: "input_text", text: "more rain" }] }];
        const given = await s.client.responses.create({ model: "m", tools: [weather], input: [...ask.input, ...whole.output, ...outputs] });
        assert.equal(given.output_text, "Rain in both.");
        assert.deepEqual(heardBy(kind, p.requests.at(-1).body).results, ["rain", "more rain"]);
        const chained = await s.client.responses.create({ model: "m", tools: [weather], previous_response_id: whole.id, input: outputs });
        assert.equal(chained.output_text, "Rain in both.");
        assert.equal(chained.previous_response_id, whole.id);
        assert.deepEqual(heardBy(kind, p.requests.at(-1).body).turns, heardBy(kind, p.requests.at(-2).body).turns);
        await assert.rejects(s.client.responses.create({ model: "m", input: [outputs[0]] }), (e) => e.status === 400 && e.param === "input");
      });
    });

    test("reasoning comes as a summary, and goes back to its maker", async () => {
      await serving((res, b) => say(kind, res, b, [{ thinking: "Let me see." }, { text: "Yes." }]), async (s, p) => {
        const events = await streamed(s, { model: "m", input: "well?", reasoning: { effort: "low", summary: "auto" }, max_output_tokens: 9000 });
        const last = checkEvents(events);
        assert.deepEqual(last.output.map((o) => o.type), ["reasoning", "message"]);
        assert.deepEqual(last.output[0].summary, [{ type: "summary_text", text: "Let me see." }]);
        assert.ok(events.some((e) => e.type === "response.reasoning_summary_text.delta" && e.summary_index === 0));
        await s.client.responses.create({ model: "m", input: "and?", previous_response_id: last.id });
        const told = p.requests.at(-1).body;
        assert.match(told, /Yes\./);
        if (kind === "anthropic") assert.match(told, /"thinking":"Let me see\.".*"signature":"sig"/);
      });
    });

    test("an answer that is cut short is incomplete, not completed", async () => {
      await serving((res, b) => say(kind, res, b, [{ text: "Once upon a" }], "length"), async (s) => {
        const r = await s.client.responses.create({ model: "m", input: "tell", max_output_tokens: 20 });
        assert.equal(r.status, "incomplete");
        assert.deepEqual(r.incomplete_details, { reason: "max_output_tokens" });
        assert.equal(r.output[0].status, "incomplete");
        const last = checkEvents(await streamed(s, { model: "m", input: "tell", max_output_tokens: 20 }));
        assert.equal(last.status, "incomplete");
      });
    });

    test("a conversation: chains, references to items, a restart, and what is not kept", async () => {
      await serving((res, b) => say(kind, res, b, [{ text: `Answer ${heardBy(kind, b).turns.length}.` }]), async (s, p) => {
        const one = await s.client.responses.create({ model: "m", input: "first", instructions: "Only once." });
        const two = await s.client.responses.create({ model: "m", input: "second", previous_response_id: one.id });
        assert.equal(two.output_text, "Answer 3.");
        await s.kill();
        await s.launch();
        const three = await s.client.responses.create({ model: "m", input: [{ role: "user", content: [{ type: "input_text", text: "third" }] }], previous_response_id: two.id });
        assert.equal(three.output_text, "Answer 5.");
        const heard = heardBy(kind, p.requests.at(-1).body);
        assert.equal(heard.system, "", "instructions are of their request alone");
        const said = JSON.stringify(heard.turns);
        for (const words of ["first", "Answer 1.", "second", "Answer 3.", "third"]) assert.ok(said.includes(words), words);

        await s.client.responses.create({ model: "m", input: [{ role: "user", content: "q" }, { type: "item_reference", id: two.output[0].id }, { role: "user", content: "r" }] });
        assert.match(p.requests.at(-1).body, /Answer 3\./);
        await assert.rejects(s.client.responses.create({ model: "m", input: [{ type: "item_reference", id: "msg_nope_1" }] }), (e) => e.status === 404 && e.param === "input[0].id");

        const kept = await s.client.responses.retrieve(three.id);
        assert.deepEqual(kept.output, three.output);
        const items = await s.client.responses.inputItems.list(three.id);
        assert.equal(items.data.length, 1);
        assert.match(items.data[0].id, /^msg_/);
        assert.deepEqual(items.data[0].content, [{ type: "input_text", text: "third" }]);

        const loose = await s.client.responses.create({ model: "m", input: "x", store: false });
        assert.equal(loose.store, false);
        await assert.rejects(s.client.responses.retrieve(loose.id), OpenAI.NotFoundError);
        await assert.rejects(s.client.responses.create({ model: "m", input: "y", previous_response_id: loose.id }), (e) => e.status === 404 && e.param === "previous_response_id");

        await assert.rejects(s.client.responses.cancel(three.id), OpenAI.BadRequestError);
        const gone = await s.fetch(`/v1/responses/${two.id}`, { method: "DELETE" });
        assert.deepEqual(await gone.json(), { id: two.id, object: "response", deleted: true });
        await assert.rejects(s.client.responses.retrieve(two.id), OpenAI.NotFoundError);
        await assert.rejects(s.client.responses.create({ model: "m", input: "y", previous_response_id: three.id }), (e) => e.status === 404 && e.param === "previous_response_id");
        await assert.rejects(s.client.responses.delete(two.id), OpenAI.NotFoundError);
      });
    });

    test("a failure in the middle of a stream is raised, and nothing is kept", async () => {
      const d = dialects[kind];
      await serving((res, b) => {
        if (!JSON.parse(b).stream) return sendJson(res, 500, d.error);
        res.writeHead(200, { "content-type": "text/event-stream" });
        res.end([...d.head, ...d.words(["so far"]), d.errorEvent].join(""));
      }, async (s) => {
        const events = [];
        await assert.rejects(async () => {
          for await (const e of await s.client.responses.create({ model: "m", input: "hi", stream: true })) events.push(e);
        }, /engine on fire|provider/);
        assert.equal(events.at(-1).type, "response.output_text.delta");
        await assert.rejects(s.client.responses.stream({ model: "m", input: "hi" }).finalResponse());
        await assert.rejects(s.client.responses.retrieve(events[0].response.id), OpenAI.NotFoundError);
        const raw = await s.fetch("/v1/responses", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "m", input: "hi", stream: true }) });
        const blocks = (await raw.text()).trim().split("\n\n").map((x) => JSON.parse(/data: (.*)/.exec(x)[1]));
        blocks.forEach((x, i) => assert.equal(x.sequence_number, i));
        assert.equal(blocks.at(-1).type, "response.failed");
        assert.equal(blocks.at(-1).response.status, "failed");
        assert.ok(blocks.at(-1).response.error.message && blocks.at(-1).response.error.code);
        await assert.rejects(s.client.responses.create({ model: "m", input: "hi" }), (e) => e.status === 502);
      });
    });

    test("tokens of an input", async () => {
      await serving((res, b) => sendJson(res, 200, { input_tokens: 42 }), async (s) => {
        const r = await s.client.responses.inputTokens.count({ model: "m", input: "How many tokens are these?", instructions: "Count." });
        assert.equal(r.object, "response.input_tokens");
        if (kind === "anthropic") assert.equal(r.input_tokens, 42);
        else assert.ok(r.input_tokens >= 8 && r.input_tokens < 30, `${r.input_tokens}`);
      });
    });
  });
}

describe("what is refused", () => {
  let s;
  before(async () => {
    s = await Service.start({ config: "models:\n  - {name: m, provider: p}\nproviders:\n  - {name: p, type: static, text: Fine.}\n" });
  });
  after(() => s.stop());
  const cases = [
    [{ input: undefined }, "input"], [{ input: [] }, "input"], [{ input: [1] }, "input[0]"], [{ input: [{ type: "x" }] }, "input[0].type"],
    [{ input: [{ role: "user", content: [{ type: "text", text: "x" }] }] }, "input[0].content[0].type"],
    [{ conversation: "conv_1" }, "conversation"], [{ background: true }, "background"], [{ prompt: { id: "p" } }, "prompt"],
    [{ tools: [{ type: "mcp", server_label: "x" }] }, "tools[0].type"], [{ tools: [{ type: "file_search" }] }, "tools[0].vector_store_ids"],
    [{ tools: [{ type: "file_search", vector_store_ids: [] }] }, "tools[0].vector_store_ids"],
    [{ tools: [{ type: "function" }] }, "tools[0].name"], [{ tool_choice: { type: "function", name: "f" } }, "tool_choice.name"],
    [{ temperature: 3 }, "temperature"], [{ max_output_tokens: 0 }, "max_output_tokens"], [{ metadata: { a: 1 } }, "metadata"],
    [{ text: { format: { type: "xml" } } }, "text.format.type"], [{ text: { format: { type: "json_schema", schema: {} } } }, "text.format.name"],
    [{ include: ["x"] }, "include[0]"], [{ truncation: "maybe" }, "truncation"], [{ something_new: 1 }, "something_new"], [{ stream: 1 }, "stream"],
    [{ model: undefined }, "model"], [{ input: [{ role: "user", content: "x", foo: 1 }] }, "input[0].foo"],
  ];
  for (const [change, param] of cases)
    test(`${JSON.stringify(change)} names ${param}`, async () => {
      const r = await s.fetch("/v1/responses", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "m", input: "hi", ...change }) });
      const { error } = await r.json();
      assert.equal(r.status, 400, error?.message);
      assert.equal(error.param, param);
    });
  test("an unknown model and another tenant's response do not exist", async () => {
    await assert.rejects(s.client.responses.create({ model: "nope", input: "x" }), (e) => e.status === 404 && e.code === "model_not_found");
    const mine = await s.client.responses.create({ model: "m", input: "hi" });
    assert.equal(mine.output_text, "Fine.");
    const made = await s.cli("keys", "create", "other", "--tenant", "other");
    const other = new OpenAI({ baseURL: s.url, apiKey: made.out.trim(), maxRetries: 0 });
    await assert.rejects(other.responses.retrieve(mine.id), OpenAI.NotFoundError);
    await assert.rejects(other.responses.delete(mine.id), OpenAI.NotFoundError);
    await assert.rejects(other.responses.inputItems.list(mine.id), OpenAI.NotFoundError);
    await assert.rejects(other.responses.create({ model: "m", input: "x", previous_response_id: mine.id }), (e) => e.status === 404 && e.param === "previous_response_id");
    await assert.rejects(other.responses.create({ model: "m", input: [{ type: "item_reference", id: mine.output[0].id }] }), (e) => e.status === 404);
  });
});
