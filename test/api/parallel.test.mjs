// Tools called in parallel, their arguments mixed, through translation: each client gets each call whole, in its protocol's order.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { chunk, event, message, withProvider } from "./harness.mjs";

const args = [{ city: "Århus", n: 1 }, { city: "}{\"" }, {}];
const parameters = { type: "object", properties: { city: { type: "string" } } };
const piece = (index, more) => chunk({ tool_calls: [{ index, ...more }] });
const begin = (index) => piece(index, { id: `call_${index}`, type: "function", function: { name: `f${index}`, arguments: "" } });
const cut = (text, n) => [...text].reduce((list, c, i) => (i % n ? list.with(-1, list.at(-1) + c) : [...list, c]), []);
const pieces = args.map((a, i) => cut(JSON.stringify(a), i + 2).map((arguments_) => piece(i, { function: { arguments: arguments_ } })));

/** Ways to send the same three calls. */
const orders = {
  "one after the other": pieces.flatMap((list, i) => [begin(i), ...list]),
  "all begun, then in turn": [0, 1, 2].map(begin).concat(Array.from({ length: 30 }, (_, k) => pieces.map((list) => list[k]).filter(Boolean)).flat()),
  "the last first": [0, 1, 2].map(begin).concat([...pieces].reverse().flat()),
  "two in one event": [begin(0), begin(1), begin(2), ...pieces[2], ...pieces[1].map((p, k) => p + (pieces[0][k] ?? "")), ...pieces[0].slice(pieces[1].length)],
};

describe("behind, a server that speaks OpenAI's protocol", () => {
  let x, order;
  before(async () => {
    x = await withProvider((req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      for (const p of [chunk({ role: "assistant", content: null }), ...orders[order], chunk({}, "tool_calls"), "data: [DONE]\n\n"]) res.write(p);
      res.end();
    });
  });
  after(() => x.stop());
  const tools = args.map((_, i) => ({ name: `f${i}`, input_schema: parameters }));

  for (const name of Object.keys(orders)) {
    test(`messages: ${name}`, async () => {
      order = name;
      const asked = { model: "m", max_tokens: 50, messages: [{ role: "user", content: "x" }], tools };
      const final = await x.s.anthropic.messages.stream(asked).finalMessage();
      assert.deepEqual(final.content.map((b) => [b.type, b.id, b.name, b.input]), args.map((a, i) => ["tool_use", `call_${i}`, `f${i}`, a]));
      assert.equal(final.stop_reason, "tool_use");
      let open = -1;
      for await (const e of await x.s.anthropic.messages.create({ ...asked, stream: true })) {
        if (e.type === "content_block_start") assert.equal(e.index, ++open);
        if (e.type === "content_block_delta" || e.type === "content_block_stop") assert.equal(e.index, open, "one block after the other");
      }
      assert.equal(open, 2);
    });

    test(`responses: ${name}`, async () => {
      order = name;
      const asked = { model: "m", input: "x", tools: tools.map((t) => ({ type: "function", name: t.name, parameters, strict: false })) };
      const final = await x.s.client.responses.stream(asked).finalResponse();
      assert.deepEqual(final.output.map((o) => [o.type, o.call_id, o.name, JSON.parse(o.arguments)]), args.map((a, i) => ["function_call", `call_${i}`, `f${i}`, a]));
      let open = -1;
      const got = {};
      for await (const e of await x.s.client.responses.create({ ...asked, stream: true })) {
        if (e.type === "response.output_item.added") open = e.output_index;
        if (e.type === "response.function_call_arguments.delta") {
          assert.equal(e.output_index, open);
          got[open] = (got[open] ?? "") + e.delta;
        }
      }
      assert.deepEqual(Object.values(got).map((t) => JSON.parse(t)), args);
    });

    test(`chat: ${name}, as it came`, async () => {
      order = name;
      const asked = { model: "m", messages: [{ role: "user", content: "x" }], tools: tools.map((t) => ({ type: "function", function: { name: t.name, parameters } })) };
      const final = await x.s.client.chat.completions.stream(asked).finalChatCompletion();
      assert.deepEqual(final.choices[0].message.tool_calls.map((c) => JSON.parse(c.function.arguments)), args);
      const text = await (await x.s.fetch("/v1/chat/completions", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ ...asked, stream: true }) })).text();
      assert.ok(text.includes(orders[name].join("").replaceAll('"upstream-model"', '"m"')));
    });
  }

  test("a cut while a call is held is told, and no half of it passes for whole", async () => {
    order = "cut";
    orders.cut = [begin(0), begin(1), ...pieces[1], pieces[0][0]];
    x.p.answer = (req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      for (const p of orders.cut) res.write(p);
      setTimeout(() => res.destroy(), 20);
    };
    await assert.rejects(x.s.anthropic.messages.stream({ model: "m", max_tokens: 50, messages: [{ role: "user", content: "x" }], tools }).finalMessage());
  });
});

describe("behind, a server that speaks Anthropic's protocol", () => {
  let x;
  before(async () => {
    x = await withProvider((req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write(event("message_start", { message: message([], { stop_reason: null }) }));
      args.forEach((a, index) => {
        res.write(event("content_block_start", { index, content_block: { type: "tool_use", id: `call_${index}`, name: `f${index}`, input: {} } }));
        for (const partial_json of cut(JSON.stringify(a), 3)) res.write(event("content_block_delta", { index, delta: { type: "input_json_delta", partial_json } }));
        res.write(event("content_block_stop", { index }));
      });
      res.write(event("message_delta", { delta: { stop_reason: "tool_use", stop_sequence: null }, usage: { output_tokens: 3 } }));
      res.end(event("message_stop"));
    }, { type: "anthropic" });
  });
  after(() => x.stop());

  test("chat and responses: each under its index", async () => {
    const functions = args.map((_, i) => ({ name: `f${i}`, parameters }));
    const chat = await x.s.client.chat.completions.stream({ model: "m", messages: [{ role: "user", content: "x" }], tools: functions.map((f) => ({ type: "function", function: f })) }).finalChatCompletion();
    assert.deepEqual(chat.choices[0].message.tool_calls.map((c) => [c.id, c.function.name, JSON.parse(c.function.arguments)]), args.map((a, i) => [`call_${i}`, `f${i}`, a]));
    const r = await x.s.client.responses.stream({ model: "m", input: "x", tools: functions.map((f) => ({ type: "function", strict: false, ...f })) }).finalResponse();
    assert.deepEqual(r.output.map((o) => [o.call_id, o.name, JSON.parse(o.arguments)]), args.map((a, i) => [`call_${i}`, `f${i}`, a]));
  });
});
