// Models bound to vector stores: through every protocol in front, over providers of both; with tools, with rights, and with stores that
// a request names itself.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import OpenAI, { toFile } from "openai";
import Anthropic from "@anthropic-ai/sdk";
import { answerMessage, chunk, completion, message, Provider, Service } from "./harness.mjs";
import { sendJson } from "./scene.mjs";

const heron = "The grey heron stands still for hours and eats frogs.";
const otter = "The sea otter holds hands with its mate while it sleeps.";

/** Calls the function when it has one and nobody answered it; else says `words`. */
function provider(kind, state) {
  return (req, res, body) => {
    const asked = JSON.parse(body);
    const heard = body.includes('"tool_call_id"') || body.includes('"tool_use_id"');
    const calls = asked.tools?.length && !heard;
    if (kind === "anthropic")
      return answerMessage(res, body, calls ? message([{ type: "text", text: "Let me see." }, { type: "tool_use", id: "call_1", name: "weather", input: { city: "Oslo" } }], { stop_reason: "tool_use" }) : message(state.words));
    const call = { id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Oslo"}' } };
    if (!asked.stream) {
      const answer = completion(state.words);
      if (calls) Object.assign(answer.choices[0], { message: { role: "assistant", content: "Let me see.", tool_calls: [call] }, finish_reason: "tool_calls" });
      return sendJson(res, 200, answer);
    }
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(chunk({ role: "assistant", content: "" }));
    for (const piece of (calls ? "Let me see." : state.words).match(/.{1,7}/gsu)) res.write(chunk({ content: piece }));
    if (calls) res.write(chunk({ tool_calls: [{ index: 0, ...call }] }));
    res.write(chunk({}, calls ? "tool_calls" : "stop"));
    res.end("data: [DONE]\n\n");
  };
}

const weather = { name: "weather", description: "The weather", parameters: { type: "object", properties: { city: { type: "string" } } } };

/** Each protocol in front, in one form: what was said, which documents it cites, which functions it calls. */
const fronts = {
  async chat(s, { model = "m", asked, stream, tools, result, headers }) {
    const messages = [{ role: "user", content: asked }];
    if (result) messages.push({ role: "assistant", content: null, tool_calls: [{ id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Oslo"}' } }] }, { role: "tool", tool_call_id: "call_1", content: result });
    const body = { model, messages, ...(tools && { tools: [{ type: "function", function: weather }] }) };
    if (!stream) {
      const { message: m, finish_reason: finish } = (await s.client.chat.completions.create(body, { headers })).choices[0];
      return { text: m.content, files: m.annotations.map((a) => a.file_id), calls: m.tool_calls?.map((c) => c.function.arguments) ?? [], finish };
    }
    const got = { text: "", files: [], calls: [], order: [] };
    for await (const { choices: [c] } of await s.client.chat.completions.create({ ...body, stream }, { headers })) {
      got.text += c.delta.content ?? "";
      got.files.push(...(c.delta.annotations ?? []).map((a) => a.file_id));
      for (const call of c.delta.tool_calls ?? []) got.calls[call.index] = (got.calls[call.index] ?? "") + call.function.arguments;
      if (c.delta.tool_calls) got.textBeforeCall ??= got.text;
      got.finish = c.finish_reason ?? got.finish;
    }
    return got;
  },
  async messages(s, { model = "m", asked, stream, tools, result, headers }) {
    const messages = [{ role: "user", content: asked }];
    if (result) messages.push({ role: "assistant", content: [{ type: "tool_use", id: "call_1", name: "weather", input: { city: "Oslo" } }] }, { role: "user", content: [{ type: "tool_result", tool_use_id: "call_1", content: result }] });
    const body = { model, max_tokens: 500, messages, ...(tools && { tools: [{ name: weather.name, description: weather.description, input_schema: weather.parameters }] }) };
    const m = stream ? await s.anthropic.messages.stream(body, { headers }).finalMessage() : await s.anthropic.messages.create(body, { headers });
    const texts = m.content.filter((b) => b.type === "text");
    return { text: texts.map((b) => b.text).join(""), files: texts.flatMap((b) => (b.citations ?? []).map((c) => c.file_id)), calls: m.content.filter((b) => b.type === "tool_use").map((b) => JSON.stringify(b.input)), finish: m.stop_reason };
  },
  async responses(s, { model = "m", asked, stream, tools, result, headers }) {
    const input = [{ role: "user", content: asked }];
    if (result) input.push({ type: "function_call", call_id: "call_1", name: "weather", arguments: '{"city":"Oslo"}' }, { type: "function_call_output", call_id: "call_1", output: result });
    const body = { model, input, ...(tools && { tools: [{ type: "function", ...weather, strict: false }] }) };
    const r = stream ? await s.client.responses.stream(body, { headers }).finalResponse() : await s.client.responses.create(body, { headers });
    const parts = r.output.filter((o) => o.type === "message").flatMap((o) => o.content);
    return { text: parts.map((p) => p.text).join(""), files: parts.flatMap((p) => p.annotations.map((a) => a.file_id)), calls: r.output.filter((o) => o.type === "function_call").map((o) => o.arguments), finish: r.status };
  },
};

for (const kind of ["openai", "anthropic"]) {
  describe(`${kind} behind`, () => {
    const state = {}, files = {};
    let p, s, animals, secrets, bob;
    before(async () => {
      p = await Provider.start(provider(kind, state));
      const url = kind === "anthropic" ? new URL(p.url).origin : p.url;
      s = await Service.start({ config: `providers:\n  - {name: p, url: "${url}", key: up, type: ${kind}}\nmodels:\n  - {name: m, provider: p, upstream: u, knowledge: [animals]}\n  - {name: free, provider: p, upstream: u}\n  - {name: strict, provider: p, upstream: u, knowledge: [animals], unsupported: drop}\n` });
      animals = await s.client.vectorStores.create({ name: "animals" });
      secrets = await s.client.vectorStores.create({ name: "secrets" });
      for (const [name, text, store] of [["heron.md", heron, animals], ["otter.txt", otter, secrets]]) {
        const f = await s.client.files.create({ file: await toFile(Buffer.from(text), name), purpose: "assistants" });
        files[name] = f.id;
        await s.client.vectorStores.files.createAndPoll(store.id, { file_id: f.id });
      }
    });
    after(async () => {
      await s?.stop();
      await p?.stop();
    });
    const told = () => p.requests.at(-1).body;

    for (const [frontName, front] of Object.entries(fronts))
      for (const stream of [false, true]) {
        const name = `${frontName}, ${stream ? "streamed" : "whole"}`;
        test(`${name}: the answer cites what it was given`, async () => {
          state.words = `${heron} [Source: heron.md]`;
          const got = await front(s, { asked: "What does the grey heron eat?", stream });
          assert.match(told(), /eats frogs/);
          assert.ok(got.text.startsWith(heron), got.text);
          assert.deepEqual(got.files, [files["heron.md"]]);
        });

        test(`${name}: without a marker it is cited too, and what rests on nothing is not`, async () => {
          state.words = "A grey heron eats frogs. Turtles are nice.";
          assert.deepEqual((await front(s, { asked: "What does the grey heron eat?", stream })).files, [files["heron.md"]]);
          state.words = "Turtles are nice.";
          assert.deepEqual((await front(s, { asked: "What does the grey heron eat?", stream })).files, []);
        });

        test(`${name}: a tool is called, and its result is used`, async () => {
          const asked = "What does the grey heron eat, and what is the weather in Oslo?";
          const first = await front(s, { asked, stream, tools: true });
          assert.equal(first.text, "Let me see.");
          if ("textBeforeCall" in first) assert.equal(first.textBeforeCall, "Let me see.");
          assert.deepEqual(first.calls.map((c) => JSON.parse(c)), [{ city: "Oslo" }]);
          state.words = `${heron} [Source: heron.md] The weather in Oslo is heavy snow at 7 degrees.`;
          const last = await front(s, { model: "strict", asked, stream, tools: true, result: "The weather in Oslo: heavy snow at 7 degrees." });
          assert.match(last.text, /heavy snow at 7 degrees/, "what a tool has said is no invention");
          assert.deepEqual(last.files, [files["heron.md"]]);
          const body = told();
          assert.match(body, /eats frogs[^]*Question: [^]*What does the grey heron eat, and/, "the passages stand with the question, not with the result");
          state.words = "The weather in Oslo is heavy snow at 9 degrees.";
          const invented = await front(s, { model: "strict", asked, stream, tools: true, result: "The weather in Oslo: heavy snow at 7 degrees." });
          assert.doesNotMatch(invented.text, /9 degrees/);
        });

        test(`${name}: a request names its stores`, async () => {
          state.words = `${otter} [Source: otter.txt]`;
          for (const model of ["m", "free", "extractive"]) {
            const got = await front(s, { model, asked: "What does the sea otter hold?", stream, headers: { "x-penstock-vector-stores": secrets.id } });
            assert.deepEqual(got.files, [files["otter.txt"]], model);
          }
          assert.doesNotMatch(told(), /frogs/);
          state.words = "Hello.";
          const before = p.requests.length;
          await assert.rejects(front(s, { asked: "x", stream, headers: { "x-penstock-vector-stores": "vs_nope" } }), (e) => e.status === 404);
          assert.equal(p.requests.length, before);
        });
      }

    test("another tenant's key does not reach them", async () => {
      const made = await s.cli("keys", "create", "other", "--tenant", "other");
      const key = made.out.trim();
      const stranger = { client: new OpenAI({ baseURL: s.url, apiKey: key, maxRetries: 0 }), anthropic: new Anthropic({ baseURL: s.origin, apiKey: key, maxRetries: 0 }) };
      for (const front of Object.values(fronts)) {
        await assert.rejects(front(stranger, { asked: "x" }), (e) => e.status === 404);
        await assert.rejects(front(stranger, { model: "free", asked: "x", headers: { "x-penstock-vector-stores": animals.id } }), (e) => e.status === 404);
      }
    });
  });
}
