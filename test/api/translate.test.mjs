// Clients of one protocol, providers of the other: nothing is lost on the way, or it is refused by name.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { answerMessage, ask, chunk, completion, message, Provider, Service, withProvider } from "./harness.mjs";

/** The data of each event of a stream. */
async function events(response) {
  const text = await response.text();
  return text.split("\n\n").filter(Boolean).map((e) => e.replace(/^data: /, ""));
}

const post = (s, where, body, headers = {}) =>
  s.fetch(where, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: typeof body === "string" ? body : JSON.stringify(body) });

const tools = [{ type: "function", function: { name: "weather", description: "The weather", parameters: { type: "object", properties: { city: { type: "string" } } } } }];

describe("chat completions over a provider that speaks Anthropic's protocol", () => {
  let x, answer;
  before(async () => { x = await withProvider((req, res, body) => answerMessage(res, body, answer), { type: "anthropic" }); });
  after(() => x.stop());
  const sent = () => JSON.parse(x.p.requests.at(-1).body);
  const full = message([
    { type: "thinking", thinking: "Let me see.", signature: "c2ln" },
    { type: "redacted_thinking", data: "cmVk" },
    { type: "text", text: "I ask." },
    { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Århus", n: 1 } },
    { type: "tool_use", id: "toolu_2", name: "weather", input: { city: "Odense" } },
  ], { stop_reason: "tool_use", usage: { input_tokens: 5, output_tokens: 9, cache_creation_input_tokens: 2, cache_read_input_tokens: 4 } });

  test("a whole answer: reasoning, signatures, text, parallel calls, usage", async () => {
    answer = full;
    const r = await x.s.client.chat.completions.create(ask("weather?", { tools }));
    const { message: m, finish_reason, logprobs } = r.choices[0];
    assert.deepEqual([m.role, m.content, m.refusal, finish_reason, logprobs], ["assistant", "I ask.", null, "tool_calls", null]);
    assert.equal(m.reasoning_content, "Let me see.");
    assert.deepEqual(m.thinking_blocks, [{ type: "thinking", thinking: "Let me see.", signature: "c2ln" }, { type: "redacted_thinking", data: "cmVk" }]);
    assert.deepEqual(m.tool_calls.map((c) => [c.id, c.type, c.function.name, JSON.parse(c.function.arguments)]), [
      ["toolu_1", "function", "weather", { city: "Århus", n: 1 }],
      ["toolu_2", "function", "weather", { city: "Odense" }],
    ]);
    assert.equal(r.model, "m");
    assert.deepEqual([r.usage.prompt_tokens, r.usage.completion_tokens, r.usage.total_tokens, r.usage.prompt_tokens_details.cached_tokens], [11, 9, 20, 4]);
  });

  test("calls without text: content is null", async () => {
    answer = message([{ type: "tool_use", id: "t", name: "weather", input: {} }], { stop_reason: "tool_use" });
    const r = await x.s.client.chat.completions.create(ask("weather?", { tools }));
    assert.equal(r.choices[0].message.content, null);
    assert.equal(r.choices[0].message.tool_calls[0].function.arguments, "{}");
  });

  test("the same as a stream, in the protocol's order", async () => {
    answer = full;
    const chunks = [];
    const stream = await x.s.client.chat.completions.create(ask("weather?", { tools, stream: true, stream_options: { include_usage: true } }));
    for await (const c of stream) chunks.push(c);
    const last = chunks.pop();
    assert.deepEqual(last.choices, []);
    assert.equal(last.usage.total_tokens, 20);
    assert.ok(chunks.every((c) => c.choices.length === 1 && "finish_reason" in c.choices[0] && c.object === "chat.completion.chunk"));
    assert.equal(new Set([...chunks, last].map((c) => `${c.id} ${c.created} ${c.model}`)).size, 1);
    const deltas = chunks.map((c) => c.choices[0].delta);
    assert.deepEqual(deltas[0], { role: "assistant", content: "" });
    assert.equal(deltas.filter((d) => "role" in d).length, 1);
    assert.deepEqual(deltas.at(-1), {});
    assert.deepEqual(chunks.map((c) => c.choices[0].finish_reason).filter(Boolean), ["tool_calls"]);
    assert.equal(deltas.map((d) => d.reasoning_content ?? "").join(""), "Let me see.");
    assert.deepEqual(deltas.flatMap((d) => d.thinking_blocks ?? []), [{ type: "thinking", thinking: "", signature: "c2ln" }, { type: "redacted_thinking", data: "cmVk" }]);
    assert.equal(deltas.map((d) => d.content ?? "").join(""), "I ask.");
    const calls = deltas.flatMap((d) => d.tool_calls ?? []);
    const first = calls.filter((c) => c.id);
    assert.deepEqual(first, [
      { index: 0, id: "toolu_1", type: "function", function: { name: "weather", arguments: "" } },
      { index: 1, id: "toolu_2", type: "function", function: { name: "weather", arguments: "" } },
    ]);
    const args = (i) => calls.filter((c) => c.index === i).map((c) => c.function.arguments).join("");
    assert.deepEqual([JSON.parse(args(0)).city, JSON.parse(args(1)).city], ["Århus", "Odense"]);
  });

  test("how it ended", async () => {
    for (const [stop_reason, finish] of [["end_turn", "stop"], ["stop_sequence", "stop"], ["max_tokens", "length"], ["refusal", "content_filter"]]) {
      answer = message("Hi.", { stop_reason });
      const r = await x.s.client.chat.completions.create(ask("x"));
      assert.equal(r.choices[0].finish_reason, finish, stop_reason);
    }
  });

  test("what the provider is sent: system text, images, calls, results, markers, options", async () => {
    answer = message("Fine.");
    const mark = { type: "ephemeral" };
    await x.s.client.chat.completions.create({
      model: "m", max_tokens: 50, temperature: 0.5, stop: "END", tools: [{ ...tools[0], cache_control: mark }], tool_choice: "required",
      messages: [
        { role: "system", content: [{ type: "text", text: "Be brief.", cache_control: mark }] },
        { role: "user", content: [{ type: "text", text: "Look" }, { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }] },
        { role: "assistant", content: null, thinking_blocks: [{ type: "thinking", thinking: "Hm.", signature: "c2ln" }], tool_calls: [{ id: "toolu_1", type: "function", function: { name: "weather", arguments: '{"city": "Århus", "n": 12345678901234567890}' } }] },
        { role: "tool", tool_call_id: "toolu_1", content: "rain" },
      ],
    });
    const body = sent();
    assert.deepEqual(body.system, [{ type: "text", text: "Be brief.", cache_control: mark }]);
    assert.deepEqual(body.messages[0], { role: "user", content: [{ type: "text", text: "Look" }, { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } }] });
    assert.equal(body.messages[1].content[0].signature, "c2ln");
    assert.equal(body.messages[1].content[1].id, "toolu_1");
    assert.match(x.p.requests.at(-1).body, /"input":\{"city": "Århus", "n": 12345678901234567890\}/);
    assert.deepEqual(body.messages[2], { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "rain" }] });
    assert.deepEqual([body.max_tokens, body.temperature, body.stop_sequences, body.tool_choice, body.tools[0].cache_control], [50, 0.5, ["END"], { type: "any" }, mark]);
    assert.equal(body.model, "upstream-model");
  });

  test("what it cannot be told is refused by name, and never reaches it", async () => {
    const before = x.p.requests.length;
    const cases = [
      [{ n: 2 }, "n"], [{ logprobs: true }, "logprobs"], [{ logit_bias: { 1: 1 } }, "logit_bias"], [{ metadata: { a: "b" } }, "metadata"], [{ new_thing: { a: 1 } }, "new_thing"],
      [{ messages: [{ role: "user", content: "x", name: "ann" }] }, "messages[0].name"],
      [{ messages: [{ role: "user", content: [{ type: "text", text: "x", extra: 1 }] }] }, "messages[0].content[0].extra"],
      [{ tools: [{ type: "custom", custom: { name: "f" } }] }, "tools[0].type"],
    ];
    for (const [extra, param] of cases)
      await assert.rejects(x.s.client.chat.completions.create({ ...ask("x"), ...extra }), (e) => e.status === 400 && e.param === param && /another protocol/.test(e.message), param);
    assert.equal(x.p.requests.length, before);
    answer = message("Fine.");
    await x.s.client.chat.completions.create(ask("x", { n: 1, logprobs: false, metadata: {}, store: false, frequency_penalty: 0, service_tier: "auto" }));
    assert.equal(x.p.requests.length, before + 1);
  });
});

describe("messages over a provider that speaks OpenAI's protocol", () => {
  let x, answer;
  const sse = (pieces) => (req, res) => { res.setHeader("content-type", "text/event-stream"); for (const p of pieces) res.write(p); res.end("data: [DONE]\n\n"); };
  const whole = (body) => (req, res) => { res.setHeader("content-type", "application/json"); res.end(JSON.stringify(body)); };
  before(async () => { x = await withProvider((...args) => answer(...args), { type: "openai-compatible" }); });
  after(() => x.stop());
  const call = (body) => post(x.s, "/v1/messages", body, { "anthropic-version": "2023-06-01" });
  const mark = { type: "ephemeral" };

  test("what the provider is sent", async () => {
    answer = whole(completion("Fine."));
    const r = await call(`{"model":"m","max_tokens":50,"temperature":0.70,"top_p":0.9,"stop_sequences":["END"],"metadata":{"user_id":"u1"},
      "thinking":{"type":"enabled","budget_tokens":2048},
      "system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],
      "tools":[{"name":"weather","description":"d","input_schema":{"type":"object", "x":1.0},"cache_control":{"type":"ephemeral"}}],
      "tool_choice":{"type":"any","disable_parallel_tool_use":true},
      "messages":[
        {"role":"user","content":[{"type":"text","text":"Look"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
          {"type":"document","title":"a.pdf","source":{"type":"base64","media_type":"application/pdf","data":"BBBB"}}]},
        {"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":"c2ln"},{"type":"text","text":"I ask."},
          {"type":"tool_use","id":"t1","name":"weather","input":{"city": "Århus","n":12345678901234567890}},{"type":"tool_use","id":"t2","name":"weather","input":{}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"rain"},
          {"type":"tool_result","tool_use_id":"t2","is_error":true,"content":[{"type":"text","text":"no"}]},{"type":"text","text":"And?"}]}]}`);
    assert.equal(r.status, 200, await r.clone().text());
    assert.equal(x.p.requests.at(-1).url, "/v1/chat/completions");
    assert.deepEqual(JSON.parse(x.p.requests.at(-1).body), {
      model: "upstream-model",
      messages: [
        { role: "system", content: [{ type: "text", text: "Be brief.", cache_control: mark }] },
        { role: "user", content: [
          { type: "text", text: "Look" },
          { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
          { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,BBBB" } },
        ] },
        { role: "assistant", content: "I ask.", reasoning_content: "Hm.", thinking_blocks: [{ type: "thinking", thinking: "Hm.", signature: "c2ln" }], tool_calls: [
          { id: "t1", type: "function", function: { name: "weather", arguments: '{"city": "Århus","n":12345678901234567890}' } },
          { id: "t2", type: "function", function: { name: "weather", arguments: "{}" } },
        ] },
        { role: "tool", tool_call_id: "t1", content: "rain" },
        { role: "tool", tool_call_id: "t2", content: "Error: no" },
        { role: "user", content: "And?" },
      ],
      max_tokens: 50, temperature: 0.7, top_p: 0.9, stop: ["END"],
      tools: [{ type: "function", function: { name: "weather", description: "d", parameters: { type: "object", x: 1 } }, cache_control: mark }],
      tool_choice: "required", parallel_tool_calls: false, reasoning_effort: "low", user: "u1",
    });
    assert.match(x.p.requests.at(-1).body, /"temperature":0\.70,.*\{"type":"object", "x":1\.0\}/);
  });

  test("a whole answer, and the same as a stream", async () => {
    const calls = [{ id: "c1", type: "function", function: { name: "weather", arguments: '{"n":1}' } }, { id: "c2", type: "function", function: { name: "weather", arguments: "{}" } }];
    const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10, prompt_tokens_details: { cached_tokens: 4 } };
    const thinking_blocks = [{ type: "thinking", thinking: "Hm.", signature: "c2ln" }];
    const ask = { model: "m", max_tokens: 50, messages: [{ role: "user", content: "x" }] };
    const content = [
      { type: "thinking", thinking: "Hm.", signature: "c2ln" },
      { type: "text", text: "I ask." },
      { type: "tool_use", id: "c1", name: "weather", input: { n: 1 } },
      { type: "tool_use", id: "c2", name: "weather", input: {} },
    ];
    answer = whole(completion("", { choices: [{ index: 0, message: { role: "assistant", content: "I ask.", reasoning_content: "Hm.", thinking_blocks, tool_calls: calls }, finish_reason: "tool_calls" }], usage }));
    const one = await x.s.anthropic.messages.create(ask);
    assert.deepEqual(one.content, content);
    assert.equal(one.stop_reason, "tool_use");
    assert.deepEqual([one.usage.input_tokens, one.usage.cache_read_input_tokens, one.usage.output_tokens], [3, 4, 3]);
    answer = sse([
      chunk({ role: "assistant", content: "" }), chunk({ reasoning_content: "Hm." }), chunk({ thinking_blocks: [{ type: "thinking", thinking: "", signature: "c2ln" }] }),
      chunk({ content: "I " }), chunk({ content: "ask." }),
      chunk({ tool_calls: [{ index: 0, ...calls[0], function: { name: "weather", arguments: "" } }] }), chunk({ tool_calls: [{ index: 0, function: { arguments: '{"n":1}' } }] }),
      chunk({ tool_calls: [{ index: 1, ...calls[1] }] }), chunk({}, "tool_calls"),
      `data: ${JSON.stringify({ id: "chatcmpl-upstream", object: "chat.completion.chunk", created: 1, model: "upstream-model", choices: [], usage })}\n\n`,
    ]);
    const two = await x.s.anthropic.messages.stream(ask).finalMessage();
    assert.deepEqual(two.content, content);
    assert.equal(two.stop_reason, "tool_use");
    assert.equal(two.usage.output_tokens, 3);
    assert.equal(JSON.parse(x.p.requests.at(-1).body).stream_options.include_usage, true);
  });

  test("what it cannot be told is refused by name, and never reaches it", async () => {
    answer = whole(completion("Fine."));
    const before = x.p.requests.length;
    const base = { model: "m", max_tokens: 50 };
    for (const [body, name] of [
      [{ ...base, top_k: 5, messages: [{ role: "user", content: "x" }] }, "top_k"],
      [{ ...base, system: "s", messages: [{ role: "user", content: [{ type: "text", text: "x" }, { type: "document", source: { type: "url", url: "https://x/a.pdf" } }] }] }, "messages[0].content[1]"],
    ]) {
      const r = await call(body);
      const { type, error } = await r.json();
      assert.deepEqual([r.status, type, error.type], [400, "error", "invalid_request_error"]);
      assert.ok(error.message.includes(name), error.message);
    }
    assert.equal(x.p.requests.length, before);
  });
});

describe("a stream that goes on with a provider of the other protocol", () => {
  test("keeps its id and time, has one role, one finish and its usage", async () => {
    const broken = await Provider.start((req, res) => {
      res.setHeader("content-type", "text/event-stream");
      res.write(chunk({ role: "assistant", content: "" }));
      setImmediate(() => res.destroy());
    });
    const good = await Provider.start(Provider.claude);
    const s = await Service.start({
      config: `providers:
  - {name: broken, url: ${broken.url}, key: k}
  - {name: good, type: anthropic, url: "http://127.0.0.1:${good.port}", key: k}
models:
  - {name: second, provider: good, upstream: claude-x}
  - {name: m, provider: broken, fallback: second}
`,
    });
    try {
      const all = await events(await post(s, "/v1/chat/completions", ask("x", { stream: true, stream_options: { include_usage: true } })));
      assert.equal(all.pop(), "[DONE]");
      const chunks = all.map((e) => JSON.parse(e));
      assert.ok(chunks.every((c) => c.id === "chatcmpl-upstream" && c.created === 1 && c.model === "m"), all.join("\n"));
      const deltas = chunks.map((c) => c.choices[0]?.delta ?? {});
      assert.equal(deltas.filter((d) => d.role).length, 1);
      assert.equal(deltas.map((d) => d.content ?? "").join(""), "Hello there.");
      assert.deepEqual(chunks.map((c) => c.choices[0]?.finish_reason).filter(Boolean), ["stop"]);
      assert.equal(chunks.at(-1).usage.total_tokens, 10);
    } finally {
      await s.stop();
      await broken.stop();
      await good.stop();
    }
  });
});

describe("a provider at Azure", () => {
  test("is asked by deployment and version, with its own header", async () => {
    const p = await Provider.start();
    const s = await Service.start({
      config: `providers:
  - {name: azure, type: azure, url: "http://127.0.0.1:${p.port}", key: azure-secret, api_version: 2024-10-21}
models:
  - {name: m, provider: azure, upstream: my gpt/4}
`,
    });
    try {
      const r = await s.client.chat.completions.create(ask("x", { max_tokens: 5 }));
      assert.equal(r.model, "m");
      const { url, headers, body } = p.requests.at(-1);
      assert.equal(url, "/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-10-21");
      assert.equal(headers["api-key"], "azure-secret");
      assert.equal(headers.authorization, undefined);
      assert.equal(JSON.parse(body).max_tokens, 5);
    } finally {
      await s.stop();
      await p.stop();
    }
  });
});
