// OpenAI's official client through a provider that speaks Anthropic's protocol: nothing is lost on
// the way, in either direction, and what cannot be said is refused by its name.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import OpenAI from "openai";
import { answerMessage, ask, event, message, messageEvents, Service, Provider, temporary, withProvider } from "./harness.mjs";

let x, create, collect;
before(async () => {
  x = await withProvider(undefined, { type: "anthropic", rest: "  - name: claude-sonnet-4-5\n    provider: mock\n" });
  create = (body) => x.s.client.chat.completions.create(body);
  collect = async (body) => {
    const chunks = [];
    for await (const c of await create({ stream: true, ...body })) chunks.push(c);
    return chunks;
  };
});
after(() => x.stop());
beforeEach(() => {
  x.p.requests.length = 0;
  x.p.answer = Provider.claude;
});

const sent = (n = 0) => JSON.parse(x.p.requests[n].body);
const answers = (whole) => (req, res, body) => answerMessage(res, body, whole);
const json = (res, status, body, headers = {}) => {
  res.writeHead(status, { "content-type": "application/json", ...headers });
  res.end(JSON.stringify(body));
};
const failure = (type, text) => ({ type: "error", error: { type, message: text } });
const text = (chunks) => chunks.map((c) => c.choices[0]?.delta.content ?? "").join("");
const finish = (chunks) => chunks.map((c) => c.choices[0]?.finish_reason).find(Boolean);

const usage = { input_tokens: 5, output_tokens: 9, cache_creation_input_tokens: 20, cache_read_input_tokens: 100 };
const weather = { type: "function", function: { name: "weather", description: "Tells it", parameters: { type: "object", properties: { city: { type: "string" } } } } };

describe("an answer", () => {
  test("whole, with usage that counts the cache", async () => {
    x.p.answer = answers(message("Hello there.", { usage }));
    const r = await create({ model: "m", messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Hi" }] });
    assert.equal(r.object, "chat.completion");
    assert.equal(r.model, "m");
    assert.deepEqual(r.choices[0].message.content, "Hello there.");
    assert.equal(r.choices[0].finish_reason, "stop");
    assert.equal(r.usage.prompt_tokens, 125);
    assert.equal(r.usage.completion_tokens, 9);
    assert.equal(r.usage.total_tokens, 134);
    assert.equal(r.usage.prompt_tokens_details.cached_tokens, 100);
    const { url, headers } = x.p.requests[0];
    assert.equal(url, "/v1/messages");
    assert.equal(headers["x-api-key"], "upstream-secret");
    assert.equal(headers["anthropic-version"], "2023-06-01");
    assert.equal(headers.authorization, undefined);
    assert.deepEqual(sent(), {
      model: "upstream-model",
      max_tokens: 4096,
      system: [{ type: "text", text: "Be brief." }],
      messages: [{ role: "user", content: [{ type: "text", text: "Hi" }] }],
    });
  });

  test("as a stream", async () => {
    x.p.answer = answers(message("Grüße, Wörld 👋", { usage }));
    const chunks = await collect(ask("Hi", { stream_options: { include_usage: true } }));
    assert.equal(text(chunks), "Grüße, Wörld 👋");
    assert.equal(finish(chunks), "stop");
    assert.equal(chunks[0].choices[0].delta.role, "assistant");
    assert.ok(chunks.every((c) => c.model === "m" && c.id === chunks[0].id));
    assert.equal(chunks.at(-1).usage.prompt_tokens, 125);
    assert.equal(chunks.at(-1).usage.completion_tokens, 9);
    assert.equal(sent().stream, true);
  });

  for (const [reason, want] of Object.entries({ end_turn: "stop", stop_sequence: "stop", max_tokens: "length", tool_use: "tool_calls", refusal: "content_filter", model_context_window_exceeded: "length" }))
    test(`that ended by ${reason} ends by ${want}`, async () => {
      x.p.answer = answers(message("a", { stop_reason: reason, stop_sequence: reason === "stop_sequence" ? "END" : null }));
      assert.equal((await create(ask("Hi"))).choices[0].finish_reason, want);
      assert.equal(finish(await collect(ask("Hi"))), want);
    });
});

describe("tools", () => {
  const calls = message(
    [
      { type: "text", text: "Let me look." },
      { type: "tool_use", id: "toolu_01A", name: "weather", input: { city: "Aarhus" } },
      { type: "tool_use", id: "toolu_02B", name: "weather", input: { city: "Zürich" } },
    ],
    { stop_reason: "tool_use" },
  );
  const question = { model: "m", messages: [{ role: "user", content: "Weather?" }], tools: [weather] };

  const check = (message) => {
    assert.equal(message.content, "Let me look.");
    assert.deepEqual(message.tool_calls.map((c) => [c.id, c.type, c.function.name, JSON.parse(c.function.arguments)]), [
      ["toolu_01A", "function", "weather", { city: "Aarhus" }],
      ["toolu_02B", "function", "weather", { city: "Zürich" }],
    ]);
  };

  test("two calls side by side come back with their ids, and their results go to them", async () => {
    x.p.answer = answers(calls);
    const r = await create({ ...question, tool_choice: "required", parallel_tool_calls: false });
    assert.equal(r.choices[0].finish_reason, "tool_calls");
    check(r.choices[0].message);
    assert.deepEqual(sent().tools, [{ name: "weather", description: "Tells it", input_schema: weather.function.parameters }]);
    assert.deepEqual(sent().tool_choice, { type: "any", disable_parallel_tool_use: true });

    x.p.answer = Provider.claude;
    await create({
      ...question,
      messages: [
        ...question.messages,
        r.choices[0].message,
        { role: "tool", tool_call_id: "toolu_01A", content: "rain" },
        { role: "tool", tool_call_id: "toolu_02B", content: [{ type: "text", text: "sun" }] },
        { role: "user", content: "So?" },
      ],
    });
    assert.deepEqual(sent(1).messages, [
      { role: "user", content: [{ type: "text", text: "Weather?" }] },
      { role: "assistant", content: calls.content },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "toolu_01A", content: "rain" },
          { type: "tool_result", tool_use_id: "toolu_02B", content: [{ type: "text", text: "sun" }] },
          { type: "text", text: "So?" },
        ],
      },
    ]);
  });

  test("in a stream, as the client's own helper puts them together", async () => {
    x.p.answer = answers(calls);
    const final = await x.s.client.chat.completions.stream(question).finalChatCompletion();
    assert.equal(final.choices[0].finish_reason, "tool_calls");
    check(final.choices[0].message);
  });

  test("a call without arguments has an empty object", async () => {
    x.p.answer = (req, res, body) => {
      const events = messageEvents(message([{ type: "tool_use", id: "toolu_1", name: "now", input: {} }], { stop_reason: "tool_use" }));
      res.setHeader("content-type", "text/event-stream");
      for (const e of events) if (!e.includes("input_json_delta")) res.write(e);
      res.end();
    };
    const final = await x.s.client.chat.completions.stream(question).finalChatCompletion();
    assert.equal(final.choices[0].message.tool_calls[0].function.arguments, "{}");
  });

  test("named, none, auto", async () => {
    for (const [choice, want] of [
      [{ type: "function", function: { name: "weather" } }, { type: "tool", name: "weather" }],
      ["none", { type: "none" }],
      ["auto", { type: "auto" }],
      [undefined, undefined],
    ]) {
      x.p.requests.length = 0;
      await create({ ...question, tool_choice: choice });
      assert.deepEqual(sent().tool_choice, want);
    }
  });
});

describe("reasoning", () => {
  const thoughts = message([
    { type: "thinking", thinking: "Hm, let me see.", signature: "EqQBCg+/==" },
    { type: "redacted_thinking", data: "b3BhcXVl" },
    { type: "text", text: "42" },
  ]);

  test("keeps its signature over a round trip", async () => {
    x.p.answer = answers(thoughts);
    const r = await create(ask("Why?", { reasoning_effort: "low" }));
    const answer = r.choices[0].message;
    assert.equal(answer.content, "42");
    assert.equal(answer.reasoning_content, "Hm, let me see.");
    assert.deepEqual(sent().thinking, { type: "enabled", budget_tokens: 2048 });
    await create({ model: "m", messages: [{ role: "user", content: "Why?" }, answer, { role: "user", content: "And?" }] });
    assert.deepEqual(sent(1).messages[1], { role: "assistant", content: thoughts.content });
  });

  test("comes before the answer in a stream, with its signature", async () => {
    x.p.answer = (req, res, body) => {
      const events = messageEvents(thoughts);
      res.setHeader("content-type", "text/event-stream");
      for (const e of events) res.write(e);
      res.end();
    };
    const chunks = await collect(ask("Why?"));
    assert.equal(chunks.map((c) => c.choices[0]?.delta.reasoning_content ?? "").join(""), "Hm, let me see.");
    assert.equal(text(chunks), "42");
    const blocks = chunks.flatMap((c) => c.choices[0]?.delta.thinking_blocks ?? []);
    assert.ok(blocks.some((b) => b.signature === "EqQBCg+/=="), JSON.stringify(blocks));
  });
});

test("cache markers stay where they were put", async () => {
  const mark = { cache_control: { type: "ephemeral", ttl: "1h" } };
  await create({
    model: "m",
    messages: [
      { role: "system", content: [{ type: "text", text: "Long rules.", ...mark }] },
      { role: "user", content: [{ type: "text", text: "Long text.", ...mark }, { type: "text", text: "Hi" }] },
    ],
    tools: [{ ...weather, ...mark }],
  });
  assert.deepEqual(sent().system, [{ type: "text", text: "Long rules.", ...mark }]);
  assert.deepEqual(sent().messages[0].content, [{ type: "text", text: "Long text.", ...mark }, { type: "text", text: "Hi" }]);
  assert.deepEqual(sent().tools[0].cache_control, mark.cache_control);
});

test("options have their counterparts", async () => {
  const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"], additionalProperties: false };
  await create(
    ask("Hi", {
      temperature: 0.7, top_p: 0.9, stop: ["END", "FIN"], max_completion_tokens: 77, user: "u-1", n: 1,
      response_format: { type: "json_schema", json_schema: { name: "x", schema, strict: true } },
    }),
  );
  const body = sent();
  assert.equal(body.temperature, 0.7);
  assert.equal(body.top_p, 0.9);
  assert.deepEqual(body.stop_sequences, ["END", "FIN"]);
  assert.equal(body.max_tokens, 77);
  assert.deepEqual(body.metadata, { user_id: "u-1" });
  assert.deepEqual(body.output_config, { format: { type: "json_schema", schema } });
});

test("images and PDFs", async () => {
  await create(
    ask([
      { type: "text", text: "What is it?" },
      { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } },
      { type: "image_url", image_url: { url: "https://example.com/a.jpg" } },
      { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERi0=" } },
    ]),
  );
  assert.deepEqual(sent().messages[0].content, [
    { type: "text", text: "What is it?" },
    { type: "image", source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" } },
    { type: "image", source: { type: "url", url: "https://example.com/a.jpg" } },
    { type: "document", title: "a.pdf", source: { type: "base64", media_type: "application/pdf", data: "JVBERi0=" } },
  ]);
});

describe("what cannot be said is refused by its name, and nobody is asked", () => {
  const audio = [{ type: "input_audio", input_audio: { data: "AAAA", format: "wav" } }];
  const broken = [{ role: "user", content: "a" }, { role: "assistant", tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{" } }] }];
  for (const [param, extra] of [
    ["seed", { seed: 1 }],
    ["temperature", { temperature: 1.5 }],
    ["frequency_penalty", { frequency_penalty: 0.5 }],
    ["presence_penalty", { presence_penalty: -0.5 }],
    ["response_format", { response_format: { type: "json_object" } }],
    ["logprobs", { logprobs: true }],
    ["n", { n: 2 }],
    ["logit_bias", { logit_bias: { 50256: -100 } }],
    ["modalities", { modalities: ["text", "audio"] }],
    ["audio", { audio: { voice: "alloy", format: "wav" } }],
    ["reasoning_effort", { reasoning_effort: "enormous" }],
    ["messages[0].content", { messages: [{ role: "user", content: audio }] }],
    ["messages[0].content", { messages: [{ role: "user", content: [{ type: "file", file: { file_id: "file-1" } }] }] }],
    ["messages[1].tool_calls", { messages: broken }],
    ["messages", { messages: [{ role: "system", content: "alone" }] }],
  ])
    test(param, async () => {
      await assert.rejects(create(ask("Hi", extra)), (e) => {
        assert.ok(e instanceof OpenAI.BadRequestError, String(e));
        assert.equal(e.param, param);
        assert.ok(e.message.includes(param.split("[")[0]), e.message);
        return true;
      });
      assert.equal(x.p.requests.length, 0);
    });
});

describe("a provider that misbehaves", () => {
  test("overloaded: tried again", async () => {
    for (const stream of [false, true]) {
      x.p.requests.length = 0;
      x.p.answer = (req, res, body, n) => (n === 1 ? json(res, 529, failure("overloaded_error", "Overloaded"), { "retry-after-ms": "10" }) : Provider.claude(req, res, body));
      const r = stream ? text(await collect(ask("Hi"))) : (await create(ask("Hi"))).choices[0].message.content;
      assert.equal(r, "Hello there.");
      assert.equal(x.p.requests.length, 2);
    }
  });

  test("overloaded before the first word of a stream: tried again, unnoticed", async () => {
    x.p.answer = (req, res, body, n) => {
      if (n > 1) return Provider.claude(req, res, body);
      res.setHeader("content-type", "text/event-stream");
      res.write(messageEvents(message("x"))[0]);
      res.end(event("error", { error: { type: "overloaded_error", message: "Overloaded" } }));
    };
    assert.equal(text(await collect(ask("Hi"))), "Hello there.");
  });

  test("too much at once: 429 with the time to wait", async () => {
    x.p.answer = (req, res) => json(res, 429, failure("rate_limit_error", "slow"), { "retry-after": "60" });
    await assert.rejects(create(ask("Hi")), (e) => e.status === 429 && Number(e.headers.get("retry-after")) >= 59);
  });

  test("our key is refused: 502, and nothing of the key is told", async () => {
    x.p.answer = (req, res) => json(res, 401, failure("authentication_error", "invalid x-api-key upstream-secret"));
    await assert.rejects(create(ask("Hi")), (e) => e.status === 502 && !e.message.includes("upstream-secret"));
  });

  test("a prompt that is too long: 400 context_length_exceeded, with the reason", async () => {
    x.p.answer = (req, res) => json(res, 400, failure("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"));
    await assert.rejects(create(ask("Hi")), (e) => e.status === 400 && e.code === "context_length_exceeded" && e.message.includes("210000"));
    assert.equal(x.p.requests.length, 1);
  });

  test("its own 400 is passed on with its reason", async () => {
    x.p.answer = (req, res) => json(res, 400, failure("invalid_request_error", "messages.0: no such thing"));
    await assert.rejects(create(ask("Hi")), (e) => e.status === 400 && e.message.includes("no such thing"));
  });

  const words = messageEvents(message("one two"));
  const call = messageEvents(message([{ type: "tool_use", id: "toolu_1", name: "f", input: { a: 1 } }], { stop_reason: "tool_use" }));
  const cuts = {
    "cut in its text": (res) => { res.write(words.slice(0, 3).join("")); setImmediate(() => res.destroy()); },
    "ended without its end": (res) => res.end(words.slice(0, 4).join("")),
    "silent in the middle": (res) => res.write(words.slice(0, 3).join("")),
    "cut in a tool call": (res) => { res.write(call.slice(0, 3).join("")); setImmediate(() => res.destroy()); },
    "ended in a tool call": (res) => res.end([...call.slice(0, 3), ...call.slice(4)].join("")),
    "an error in the middle": (res) => res.end(words.slice(0, 3).join("") + event("error", { error: { type: "api_error", message: "boom" } })),
  };
  for (const [name, act] of Object.entries(cuts))
    test(`${name}: an error that the client raises`, async () => {
      x.p.answer = (req, res) => {
        res.setHeader("content-type", "text/event-stream");
        act(res);
      };
      await assert.rejects(collect(ask("Hi")), (e) => e instanceof OpenAI.APIError);
    });

  test("whole answers that are not: an error", async () => {
    for (const body of [message("x", { stop_reason: null }), { ...message("x"), content: undefined }, failure("api_error", "boom"), "<html>"]) {
      x.p.answer = (req, res) => json(res, 200, body);
      await assert.rejects(create(ask("Hi")), (e) => e.status === 502);
    }
  });

  test("message_stop missing, pings, comments, CRLF, one byte at a time: read right", async () => {
    const events = messageEvents(message("Grüße 👋"));
    x.p.answer = (req, res) => {
      res.setHeader("content-type", "text/event-stream");
      const all = [": hello\n\n", events[0], event("ping"), ...events.slice(1, -1)].join("").replaceAll("\n", "\r\n");
      for (const byte of Buffer.from(all)) res.write(Buffer.of(byte));
      res.end();
    };
    const chunks = await collect(ask("Hi"));
    assert.equal(text(chunks), "Grüße 👋");
    assert.equal(finish(chunks), "stop");
  });
});

test("an answer that breaks off is taken up by a model that is known to do so", async (t) => {
  const a = await Provider.start(), b = await Provider.start();
  t.after(() => Promise.all([a.stop(), b.stop()]));
  const events = messageEvents(message("One two "));
  a.answer = (req, res) => {
    res.setHeader("content-type", "text/event-stream");
    res.write(events.slice(0, 3).join(""));
    setImmediate(() => res.destroy());
  };
  b.answer = (req, res, body) => answerMessage(res, body, message(" three."));
  const s = await Service.start({
    config: `providers:
  - {name: a, type: anthropic, url: "http://127.0.0.1:${a.port}", key: ka}
  - {name: b, type: anthropic, url: "http://127.0.0.1:${b.port}/v1", key: kb}
models:
  - {name: m, provider: a, upstream: claude-sonnet-5, fallback: [other]}
  - {name: other, provider: b, upstream: claude-sonnet-4-5}
`,
  });
  t.after(() => s.stop());
  const chunks = [];
  for await (const c of await s.client.chat.completions.create(ask("Count.", { stream: true, max_tokens: 50 }))) chunks.push(c);
  assert.equal(text(chunks), "One two three.");
  assert.equal(b.requests[0].url, "/v1/messages", "an address with the version is as good as one without");
  const asked = JSON.parse(b.requests[0].body);
  assert.deepEqual(asked.messages.at(-1), { role: "assistant", content: [{ type: "text", text: "One two" }] });
  assert.ok(asked.max_tokens < 50);
});

test("a grounded model shows the passages in front of the question", async (t) => {
  const g = await withProvider(undefined, { type: "anthropic" });
  t.after(() => g.stop());
  const docs = temporary();
  fs.writeFileSync(path.join(docs, "office.md"), "# Office\n\nThe spare key of the server room hangs in the safe behind the reception.\n");
  const read = await g.s.cli("ingest", docs);
  assert.equal(read.code, 0, read.err);
  g.p.answer = answers(message("It hangs in the safe [Source: office.md]."));
  const r = await g.s.client.chat.completions.create({ model: "grounded", messages: [{ role: "user", content: "Where is the spare key of the server room?" }] });
  assert.match(r.choices[0].message.content, /safe/);
  const body = JSON.parse(g.p.requests.at(-1).body);
  assert.match(body.system[0].text, /Answer the question/);
  assert.match(body.messages[0].content[0].text, /<passage source="office\.md"/);
  assert.equal(body.messages[0].content.at(-1).text, "Where is the spare key of the server room?");
  fs.rmSync(docs, { recursive: true, force: true });
});

describe("a client of the same protocol", () => {
  const mark = { cache_control: { type: "ephemeral" } };
  // Spelled as no library would: what comes out the same was not parsed and written again.
  const body = (model, more = "") =>
    `{ "model":"${model}" ,"max_tokens": 6.4e1, "x_unknown":[1E2, 1.50], "system":[{"type":"text","text":"Lo\\u006eg","cache_control":{"type":"ephemeral"}}],\n` +
    `"messages":[{"role":"user","content":[{"type":"text","text":"Gr\\u00fc\u00dfe","cache_control":{ "type":"ephemeral","ttl":"1h" }}]}]${more}}`;
  const post = (text, headers = {}) =>
    x.s.fetch("/v1/messages", { method: "POST", body: text, headers: { "content-type": "application/json", "anthropic-version": "2023-06-01", ...headers } });

  test("the provider gets its bytes, but for the model", async () => {
    assert.equal((await post(body("upstream-model"))).status, 200);
    assert.equal(x.p.requests[0].body, body("upstream-model"));
    assert.equal((await post(body("m"), { "anthropic-beta": "a-1,b-2" })).status, 200);
    assert.equal(x.p.requests[1].body, body("upstream-model"));
    assert.equal(x.p.requests[1].headers["anthropic-beta"], "a-1,b-2");
    assert.equal(x.p.requests[0].headers["anthropic-beta"], undefined);
  });

  test("the client gets the provider's bytes, but for the model", async () => {
    const answer = (model) => `{"id":"msg_1", "type":"message","role":"assistant","model":"${model}","content":[{"type":"text","text":"\\u00e4","citations":null}],"stop_reason":"end_turn","stop_sequence":null,"x":1e2,"usage":{"input_tokens":1,"output_tokens":1,"service_tier":"standard"}}`;
    x.p.answer = (req, res) => res.writeHead(200, { "content-type": "application/json" }).end(answer("upstream-model"));
    assert.equal(await (await post(body("m"))).text(), answer("m"));
  });

  test("and the events of a stream", async () => {
    const events = messageEvents(message([{ type: "thinking", thinking: "Hm", signature: "s+/=" }, { type: "text", text: "Grüße" }], { usage }));
    events.splice(1, 0, event("ping"), event("new_thing", { x: 1 }));
    x.p.answer = (req, res) => {
      res.setHeader("content-type", "text/event-stream");
      for (const e of events) res.write(e);
      res.end();
    };
    const got = await (await post(body("m", ',"stream":true'))).text();
    assert.equal(got, events.join("").replace('"model":"upstream-model"', '"model":"m"'));
  });

  test("its own client: whole, streamed, counted", async () => {
    x.p.answer = (req, res, text) => (req.url.endsWith("count_tokens") ? json(res, 200, { input_tokens: 42 }) : answerMessage(res, text, message("Hello there.", { usage })));
    const asked = { model: "m", max_tokens: 64, system: [{ type: "text", text: "Rules.", ...mark }], messages: [{ role: "user", content: "Hi" }] };
    const whole = await x.s.anthropic.messages.create(asked);
    assert.equal(whole.content[0].text, "Hello there.");
    assert.deepEqual(whole.usage, usage);
    const streamed = await x.s.anthropic.messages.stream(asked).finalMessage();
    assert.equal(streamed.content[0].text, "Hello there.");
    assert.equal(streamed.model, "m");
    assert.equal(streamed.usage.cache_read_input_tokens, 100);
    assert.equal((await x.s.anthropic.messages.countTokens({ model: "m", messages: asked.messages })).input_tokens, 42);
    assert.equal(x.p.requests.at(-1).url, "/v1/messages/count_tokens");
  });

  const words = messageEvents(message("One two "));
  const breaks = {
    "before a word": [words.slice(0, 1), "One two three."],
    "with a block begun": [words.slice(0, 2), "One two three."],
    "in the text": [words.slice(0, 3), " three."],
    "behind the block, before the end": [words.slice(0, 4), " three."],
  };
  for (const [name, [events, rest]] of Object.entries(breaks))
    test(`a stream that breaks off ${name} is finished by another model`, async (t) => {
      const a = await Provider.start(), b = await Provider.start();
      t.after(() => Promise.all([a.stop(), b.stop()]));
      a.answer = (req, res) => {
        res.setHeader("content-type", "text/event-stream");
        res.write(events.join(""));
        setImmediate(() => res.destroy());
      };
      b.answer = (req, res, text) => answerMessage(res, text, message(rest));
      const s = await Service.start({
        config: `providers:
  - {name: a, type: anthropic, url: "http://127.0.0.1:${a.port}", key: ka}
  - {name: b, type: anthropic, url: "http://127.0.0.1:${b.port}", key: kb}
models:
  - {name: m, provider: a, upstream: claude-sonnet-5, fallback: [other]}
  - {name: other, provider: b, upstream: claude-sonnet-4-5}
`,
      });
      t.after(() => s.stop());
      const final = await s.anthropic.messages.stream({ model: "m", max_tokens: 50, messages: [{ role: "user", content: "Count." }] }).finalMessage();
      assert.deepEqual(final.content.map((c) => [c.type, c.text]), [["text", "One two three."]]);
      assert.equal(final.stop_reason, "end_turn");
    });
});
