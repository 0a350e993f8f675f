// Anthropic's official client against a real service, in front of providers of both protocols.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { answerMessage, chunk, completion, event, message, messageEvents, Provider, raw, Service, withProvider } from "./harness.mjs";

const ask = (content, extra = {}) => ({ model: "m", max_tokens: 100, messages: [{ role: "user", content }], ...extra });
const weather = { name: "weather", description: "of a town", input_schema: { type: "object", properties: { town: { type: "string" } }, required: ["town"] } };

function json(res, body, status = 200) {
  res.writeHead(status, { "content-type": "application/json" });
  res.end(JSON.stringify(body));
}

/** Chunks of OpenAI's protocol with a usage at their end. */
function chunks(res, deltas, finish, usage) {
  res.setHeader("content-type", "text/event-stream");
  res.write(chunk({ role: "assistant", content: "" }));
  for (const d of deltas) res.write(chunk(d));
  res.write(chunk({}, finish));
  res.write(`data: ${JSON.stringify({ id: "chatcmpl-upstream", object: "chat.completion.chunk", created: 1, model: "upstream-model", choices: [], usage })}\n\n`);
  res.end("data: [DONE]\n\n");
}

const call = (index, rest) => ({ tool_calls: [{ index, ...rest }] });

/** The raw events of an answer: [{event, data}]. */
async function events(s, body) {
  const r = await s.fetch("/v1/messages", { method: "POST", body: JSON.stringify({ ...body, stream: true }), headers: { "content-type": "application/json" } });
  const text = await r.text();
  assert.equal(r.status, 200, text);
  assert.match(r.headers.get("content-type"), /^text\/event-stream/);
  return text.trim().split("\n\n").map((block) => {
    const [, name, data] = /^event: (.+)\ndata: (.+)$/.exec(block) ?? assert.fail(block);
    const parsed = JSON.parse(data);
    assert.equal(parsed.type, name);
    return parsed;
  });
}

describe("a provider that speaks OpenAI's protocol", () => {
  let x;
  before(async () => { x = await withProvider(); });
  after(() => x.stop());
  const create = (body) => x.s.anthropic.messages.create(body);
  const received = () => JSON.parse(x.p.requests.at(-1).body);

  test("a plain question", async () => {
    x.p.answer = x.p.friendly;
    const m = await create(ask("hi", { system: "be brief", temperature: 0.5, stop_sequences: ["END"], metadata: { user_id: "u1" } }));
    assert.match(m.id, /^msg_/);
    assert.equal(m.type, "message");
    assert.equal(m.role, "assistant");
    assert.equal(m.model, "m");
    assert.deepEqual(m.content, [{ type: "text", text: "Hello there." }]);
    assert.equal(m.stop_reason, "end_turn");
    assert.equal(m.stop_sequence, null);
    assert.deepEqual(m.usage, { input_tokens: 7, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 3 });
    const asked = received();
    assert.equal(asked.model, "upstream-model");
    assert.deepEqual(asked.messages.map((v) => v.role), ["system", "user"]);
    assert.equal(asked.temperature, 0.5);
    assert.deepEqual(asked.stop, ["END"]);
    assert.equal(asked.max_tokens ?? asked.max_completion_tokens, 100);
  });

  test("a stream is the whole sequence of events, and the client puts it together", async () => {
    const list = await events(x.s, ask("hi"));
    assert.deepEqual(list.map((v) => v.type), ["message_start", "content_block_start", ...list.slice(2, -3).map(() => "content_block_delta"), "content_block_stop", "message_delta", "message_stop"]);
    assert.ok(list[0].message.usage.input_tokens > 0);
    assert.equal(list[0].message.stop_reason, null);
    assert.deepEqual(list[0].message.content, []);
    assert.deepEqual(list.at(-2).delta, { stop_reason: "end_turn", stop_sequence: null });
    assert.equal(list.at(-2).usage.output_tokens, 3);
    const m = await x.s.anthropic.messages.stream(ask("hi")).finalMessage();
    assert.deepEqual(m.content, [{ type: "text", text: "Hello there." }]);
    assert.equal(m.stop_reason, "end_turn");
    assert.equal(m.usage.input_tokens, 7);
    assert.equal(m.usage.output_tokens, 3);
  });

  test("cached tokens stand beside the input, not in it", async () => {
    x.p.answer = (req, res) => json(res, completion("x", { usage: { prompt_tokens: 100, completion_tokens: 3, total_tokens: 103, prompt_tokens_details: { cached_tokens: 60 } } }));
    assert.deepEqual((await create(ask("hi"))).usage, { input_tokens: 40, cache_creation_input_tokens: 0, cache_read_input_tokens: 60, output_tokens: 3 });
  });

  test("reasons to stop", async () => {
    const reason = async (finish, message = {}) => {
      x.p.answer = (req, res) => json(res, completion("x", { choices: [{ index: 0, finish_reason: finish, message: { role: "assistant", content: "x", ...message } }] }));
      return (await create(ask("hi"))).stop_reason;
    };
    assert.equal(await reason("length"), "max_tokens");
    assert.equal(await reason("content_filter"), "refusal");
    assert.equal(await reason("stop", { content: null, refusal: "No." }), "refusal");
  });

  test("tools, there and back: ids, digits and two calls at once", async () => {
    const calls = [
      { id: "call_a", type: "function", function: { name: "weather", arguments: '{"town":"Aarhus","n":12345678901234567890}' } },
      { id: "call_b", type: "function", function: { name: "weather", arguments: "" } },
    ];
    x.p.answer = (req, res, body) =>
      JSON.parse(body).stream
        ? chunks(res, [{ content: "Let me see." }, call(0, { id: "call_a", type: "function", function: { name: "weather", arguments: "" } }),
            call(0, { function: { arguments: '{"town":' } }), call(0, { function: { arguments: '"Aarhus"}' } }),
            call(1, { id: "call_b", type: "function", function: { name: "weather", arguments: "{}" } })], "tool_calls", { prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 })
        : json(res, completion(null, { choices: [{ index: 0, finish_reason: "tool_calls", message: { role: "assistant", content: null, tool_calls: calls } }] }));
    const r = await x.s.fetch("/v1/messages", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(ask("weather?", { tools: [weather], tool_choice: { type: "any", disable_parallel_tool_use: true } })) });
    const text = await r.text();
    assert.match(text, /"input":\{"town":"Aarhus","n":12345678901234567890\}/);
    const m = JSON.parse(text);
    assert.equal(m.stop_reason, "tool_use");
    assert.deepEqual(m.content.map((b) => [b.type, b.id, b.name]), [["tool_use", "call_a", "weather"], ["tool_use", "call_b", "weather"]]);
    assert.deepEqual(m.content[1].input, {});
    assert.equal(received().tool_choice, "required");
    assert.equal(received().parallel_tool_calls, false);
    assert.deepEqual(received().tools[0].function.parameters, weather.input_schema);

    const s = await x.s.anthropic.messages.stream(ask("weather?", { tools: [weather] })).finalMessage();
    assert.deepEqual(s.content.map((b) => b.type), ["text", "tool_use", "tool_use"]);
    assert.deepEqual(s.content[1].input, { town: "Aarhus" });
    assert.equal(s.stop_reason, "tool_use");

    x.p.answer = x.p.friendly;
    await create({ model: "m", max_tokens: 9, tools: [weather], messages: [
      { role: "user", content: "weather?" },
      { role: "assistant", content: s.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "call_a", content: "rain" }, { type: "tool_result", tool_use_id: "call_b", is_error: true, content: [{ type: "text", text: "no town" }] }, { type: "text", text: "and?" }] },
    ] });
    const sent = received().messages;
    assert.deepEqual(sent.map((v) => v.role), ["user", "assistant", "tool", "tool", "user"]);
    assert.deepEqual(sent[1].tool_calls.map((c) => c.id), ["call_a", "call_b"]);
    assert.deepEqual(JSON.parse(sent[1].tool_calls[0].function.arguments), { town: "Aarhus" });
    assert.deepEqual(sent.slice(2, 4).map((v) => v.tool_call_id), ["call_a", "call_b"]);
    assert.equal(sent[2].content, "rain");
  });

  test("arguments that are no JSON are no answer, and are no success", async () => {
    x.p.answer = (req, res) => json(res, completion(null, { choices: [{ index: 0, finish_reason: "tool_calls", message: { role: "assistant", content: null, tool_calls: [{ id: "a", type: "function", function: { name: "weather", arguments: '{"town":' } }] } }] }));
    await assert.rejects(create(ask("weather?", { tools: [weather] })), (e) => e instanceof Anthropic.InternalServerError && e.error.error.type === "api_error");
  });

  test("reasoning becomes thinking, with its signature", async () => {
    const blocks = [{ type: "thinking", thinking: "Hm. Well.", signature: "sig==" }, { type: "redacted_thinking", data: "secret" }];
    x.p.answer = (req, res, body) =>
      JSON.parse(body).stream
        ? chunks(res, [{ reasoning_content: "Hm. " }, { reasoning_content: "Well." }, { thinking_blocks: [{ type: "thinking", thinking: "", signature: "sig==" }] }, { thinking_blocks: [blocks[1]] }, { content: "Yes." }], "stop", { prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 })
        : json(res, completion("Yes.", { choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Yes.", thinking_blocks: blocks } }] }));
    const thinking = { type: "enabled", budget_tokens: 2048 };
    const want = [...blocks, { type: "text", text: "Yes." }];
    assert.deepEqual((await create(ask("?", { max_tokens: 4000, thinking }))).content, want);
    assert.deepEqual((await x.s.anthropic.messages.stream(ask("?", { max_tokens: 4000, thinking })).finalMessage()).content, want);
    assert.ok(received().reasoning_effort);
  });

  test("what OpenAI's protocol cannot express is refused by name, before the provider is asked", async () => {
    const before = x.p.requests.length;
    const refused = (extra, field) => assert.rejects(create(ask("hi", extra)), (e) => e instanceof Anthropic.BadRequestError && e.error.error.type === "invalid_request_error" && e.message.includes(field), field);
    await refused({ container: "c" }, "container");
    await refused({ tools: [{ type: "web_search_20250305", name: "web_search" }] }, "tools[0].type");
    await refused({ messages: [{ role: "user", content: [{ type: "document", source: { type: "url", url: "http://x/y.pdf" }, citations: { enabled: true } }] }] }, "messages[0].content[0].citations");
    assert.equal(x.p.requests.length, before);
  });

  test("a stream that breaks off raises in the client, and has no message_stop", async () => {
    x.p.answer = (req, res) => {
      res.setHeader("content-type", "text/event-stream");
      res.write(chunk({ role: "assistant", content: "" }));
      res.write(chunk({ content: "Hel" }), () => res.destroy());
    };
    const list = await events(x.s, ask("hi"));
    assert.equal(list.at(-1).type, "error");
    assert.equal(list.at(-1).error.type, "api_error");
    assert.ok(!list.some((v) => v.type === "message_stop" || v.type === "message_delta"));
    await assert.rejects(x.s.anthropic.messages.stream(ask("hi")).finalMessage(), (e) => e instanceof Anthropic.APIError);
  });

  test("tokens are counted here, tools included", async () => {
    const requests = x.p.requests.length;
    const body = { model: "m", messages: [{ role: "user", content: "How is the weather in Aarhus today?" }] };
    const plain = await x.s.anthropic.messages.countTokens(body);
    const tools = await x.s.anthropic.messages.countTokens({ ...body, tools: [weather], system: "Be brief." });
    assert.ok(plain.input_tokens > 5 && plain.input_tokens < 30, `${plain.input_tokens}`);
    assert.ok(tools.input_tokens > plain.input_tokens + 15, `${tools.input_tokens}`);
    assert.equal(x.p.requests.length, requests);
  });

  test("a client that leaves in mid-stream ends the provider's work", async () => {
    let closed;
    const gone = new Promise((resolve) => (closed = resolve));
    x.p.answer = (req, res) => {
      res.setHeader("content-type", "text/event-stream");
      res.write(chunk({ role: "assistant", content: "Hel" }));
      res.on("close", closed);
    };
    const stream = await create(ask("hi", { stream: true }));
    for await (const e of stream) if (e.type === "content_block_delta") break;
    await gone;
  });
});

describe("a provider that speaks Anthropic's protocol", () => {
  let x;
  before(async () => { x = await withProvider(undefined, { type: "anthropic" }); });
  after(() => x.stop());
  const post = (body, headers = {}) => x.s.fetch("/v1/messages", { method: "POST", body, headers: { "content-type": "application/json", ...headers } });
  const everything = message([
    { type: "thinking", thinking: "Hm.", signature: "sig==" },
    { type: "redacted_thinking", data: "secret" },
    { type: "text", text: "Yes." },
    { type: "tool_use", id: "toolu_1", name: "weather", input: { town: "Aarhus" } },
  ], { stop_reason: "tool_use", usage: { input_tokens: 7, output_tokens: 3, cache_creation_input_tokens: 11, cache_read_input_tokens: 13 } });

  test("the request reaches it byte for byte but for the model's name, cache markers and betas included", async () => {
    const body = (model) => `{ "model" : "${model}","max_tokens":1e2, "new_field":[1.0,"\\u0041"],
      "system":[{"type":"text","text":"long","cache_control":{"type":"ephemeral","ttl":"1h"}}],
      "tools":[{"name":"f","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}}],
      "messages":[{"role":"user","content":[{"type":"text","text":"h\\u00e9","cache_control":{"type":"ephemeral"}}]}]}`;
    const r = await post(body("m"), { "anthropic-beta": "a-1,b-2" });
    assert.equal(r.status, 200, await r.clone().text());
    const sent = x.p.requests.at(-1);
    assert.equal(sent.body, body("upstream-model"));
    assert.equal(sent.url, "/v1/messages");
    assert.equal(sent.headers["anthropic-beta"], "a-1,b-2");
    assert.equal(sent.headers["x-api-key"], "upstream-secret");
    assert.equal(sent.headers.authorization, undefined);
    await post(body("upstream-model"));
    assert.equal(x.p.requests.at(-1).body, body("upstream-model"));
  });

  test("the answer comes back byte for byte but for the model's name", async () => {
    x.p.answer = (req, res, body) => answerMessage(res, body, { ...everything, unknown: [1] });
    const r = await post(JSON.stringify(ask("hi")));
    assert.equal(await r.text(), JSON.stringify({ ...everything, model: "m", unknown: [1] }));
    const s = await post(JSON.stringify(ask("hi", { stream: true })));
    assert.equal(await s.text(), messageEvents({ ...everything, model: "m", unknown: [1] }).join(""));
  });

  test("the client reads thinking, signatures, tools and cached tokens", async () => {
    for (const m of [await x.s.anthropic.messages.create(ask("hi")), await x.s.anthropic.messages.stream(ask("hi")).finalMessage()]) {
      assert.deepEqual(m.content, everything.content);
      assert.equal(m.stop_reason, "tool_use");
      assert.equal(m.usage.cache_read_input_tokens, 13);
      assert.equal(m.usage.cache_creation_input_tokens, 11);
    }
  });

  test("tokens are counted by the provider", async () => {
    x.p.answer = (req, res, body) => (req.url === "/v1/messages/count_tokens" ? json(res, { input_tokens: 42 }) : Provider.claude(req, res, body));
    assert.deepEqual(await x.s.anthropic.messages.countTokens({ model: "m", messages: [{ role: "user", content: "hi" }] }), { input_tokens: 42 });
    assert.equal(JSON.parse(x.p.requests.at(-1).body).model, "upstream-model");
  });

  test("an error in mid-stream raises in the client", async () => {
    x.p.answer = (req, res) => {
      res.setHeader("content-type", "text/event-stream");
      for (const e of messageEvents(message("Hello")).slice(0, 3)) res.write(e);
      res.end(event("error", { error: { type: "overloaded_error", message: "busy" } }));
    };
    const list = await events(x.s, ask("hi"));
    assert.equal(list.at(-1).type, "error");
    assert.ok(!list.some((v) => v.type === "message_stop"));
    await assert.rejects(x.s.anthropic.messages.stream(ask("hi")).finalMessage(), (e) => e instanceof Anthropic.APIError);
  });
});

describe("a stream that broke off", () => {
  test("before its first word begins anew elsewhere, in the same message", async () => {
    const second = await Provider.start();
    const first = await Provider.start((req, res) => {
      res.setHeader("content-type", "text/event-stream");
      res.write(messageEvents(message("Hello"))[0], () => res.destroy());
    });
    const s = await Service.start({ config: `providers:
  - {name: one, type: anthropic, url: "http://127.0.0.1:${first.port}", key: k}
  - {name: two, url: "${second.url}", key: k}
models:
  - {name: m, provider: one, upstream: claude, fallback: [other]}
  - {name: other, provider: two, upstream: gpt}
` });
    const list = await events(s, ask("hi"));
    assert.equal(list.filter((v) => v.type === "message_start").length, 1);
    assert.equal(list[0].message.id, "msg_upstream");
    assert.equal(list.filter((v) => v.type === "content_block_delta").map((v) => v.delta.text).join(""), "Hello there.");
    assert.equal(list.at(-1).type, "message_stop");
    await s.stop();
    await first.stop();
    await second.stop();
  });

  test("in its text is taken up by a model that can, in the open block", async () => {
    const first = await Provider.start((req, res) => {
      res.setHeader("content-type", "text/event-stream");
      const [start, block, delta] = messageEvents(message("Hello"));
      res.write(start + block + delta, () => res.destroy());
    });
    const second = await Provider.start((req, res) => chunks(res, [{ content: " there" }, { content: "." }], "stop", { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 }));
    const s = await Service.start({ config: `providers:
  - {name: one, type: anthropic, url: "http://127.0.0.1:${first.port}", key: k}
  - {name: two, type: vllm, url: "${second.url}", key: k}
models:
  - {name: m, provider: one, upstream: claude, fallback: [other]}
  - {name: other, provider: two, upstream: local}
` });
    const list = await events(s, ask("hi"));
    assert.deepEqual(list.filter((v) => /_(start|stop)$/.test(v.type)).map((v) => v.type), ["message_start", "content_block_start", "content_block_stop", "message_stop"]);
    assert.equal(list.filter((v) => v.type === "content_block_delta").map((v) => v.delta.text).join(""), "Hello there.");
    assert.ok(list.every((v) => v.index === undefined || v.index === 0));
    assert.equal(JSON.parse(second.requests[0].body).messages.at(-1).content, "Hello");
    await s.stop();
    await first.stop();
    await second.stop();
  });
});

describe("errors and models", () => {
  let x;
  before(async () => { x = await withProvider(undefined, { model: "  - name: once\n    provider: mock\n    attempts: 1" }); });
  after(() => x.stop());
  const create = (body, client = x.s.anthropic) => client.messages.create(body);

  test("errors are raised as the right classes, in Anthropic's form", async () => {
    const other = new Anthropic({ baseURL: x.s.origin, apiKey: "wrong", maxRetries: 0 });
    const raised = (promise, type, kind) => assert.rejects(promise, (e) => {
      assert.ok(e instanceof type, `${e}`);
      assert.equal(e.error.type, "error");
      assert.equal(e.error.error.type, kind);
      assert.ok(e.error.error.message);
      assert.match(e.requestID, /^req_/);
      assert.equal(e.error.request_id, e.requestID);
      return true;
    });
    await raised(create(ask("x"), other), Anthropic.AuthenticationError, "authentication_error");
    await raised(create(ask("x", { model: "nope" })), Anthropic.NotFoundError, "not_found_error");
    await raised(create(ask("x", { messages: [] })), Anthropic.BadRequestError, "invalid_request_error");
    await raised(x.s.anthropic.models.retrieve("nope"), Anthropic.NotFoundError, "not_found_error");
    x.p.answer = (req, res) => json(res, { error: { message: "slow down" } }, 429);
    await raised(create(ask("x")), Anthropic.RateLimitError, "rate_limit_error");
    x.p.answer = (req, res) => json(res, { error: { message: "bad" } }, 400);
    await raised(create(ask("x")), Anthropic.BadRequestError, "invalid_request_error");
    x.p.answer = (req, res) => json(res, { error: { message: "busy" } }, 529);
    await raised(create(ask("x", { model: "once" })), Anthropic.InternalServerError, "overloaded_error");
    x.p.answer = (req, res) => json(res, { error: { message: "no" } }, 401);
    await raised(create(ask("x")), Anthropic.InternalServerError, "api_error");
  });

  test("so are broken JSON, a missing key, unknown paths and wrong methods", async () => {
    const form = async (r, status, kind) => {
      const body = await r.json();
      assert.equal(r.status, status);
      assert.deepEqual([body.type, body.error.type], ["error", kind]);
      assert.equal(body.request_id, r.headers.get("request-id"));
      assert.equal(body.request_id, r.headers.get("x-request-id"));
    };
    const post = (body, where = "/v1/messages") => x.s.fetch(where, { method: "POST", body, headers: { "content-type": "application/json" } });
    await form(await post("{"), 400, "invalid_request_error");
    await form(await post("[]"), 400, "invalid_request_error");
    await form(await post(""), 400, "invalid_request_error");
    await form(await fetch(x.s.origin + "/v1/messages", { method: "POST", body: "{}" }), 401, "authentication_error");
    await form(await x.s.fetch("/v1/messages"), 405, "invalid_request_error");
    await form(await post("{}", "/v1/messages/nothing"), 404, "not_found_error");
    const r = await raw(x.s.port, `POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: ${x.s.key}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n`, { until: /}}?$/ });
    assert.match(r, /^HTTP\/1\.1 413 /);
    assert.match(r, /"type":"error","error":\{"type":"request_too_large"/);
    const large = await raw(x.s.port, `POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n`, { until: /}}?$/ });
    assert.match(large, /^HTTP\/1\.1 413 /);
    assert.match(large, /"type":"error","error":\{"type":"request_too_large".*"request_id":"req_/);
  });

  test("models are listed and found by Anthropic's client too", async () => {
    const list = [];
    for await (const m of x.s.anthropic.models.list()) list.push(m);
    assert.ok(list.some((m) => m.id === "m"));
    const m = await x.s.anthropic.models.retrieve("m");
    assert.equal(m.type, "model");
    assert.equal(m.display_name, "m");
    assert.ok(!Number.isNaN(Date.parse(m.created_at)));
  });

  test("answers carry request-id beside x-request-id", async () => {
    x.p.answer = x.p.friendly;
    const { request_id, response } = await x.s.anthropic.messages.create(ask("hi")).withResponse();
    assert.match(request_id, /^req_/);
    assert.equal(response.headers.get("x-request-id"), request_id);
    const r = await x.s.fetch("/v1/models");
    assert.equal(r.headers.get("request-id"), null);
  });
});

describe("a knowledge base", () => {
  test("is cited as Anthropic cites", async () => {
    const s = await Service.start();
    const dir = path.join(s.data, "docs");
    fs.mkdirSync(dir);
    fs.writeFileSync(path.join(dir, "office.md"), "# Office\n\n## Keys\n\nThe spare key of the server room hangs in the safe behind the reception.\n");
    assert.equal((await s.cli("ingest", dir)).code, 0);
    const body = ask("Where is the spare key of the server room?", { model: "docs" });
    for (const m of [await s.anthropic.messages.create(body), await s.anthropic.messages.stream(body).finalMessage()]) {
      const cited = m.content.find((b) => b.citations?.length);
      assert.match(cited.text, /safe behind the reception/);
      assert.equal(cited.citations[0].type, "char_location");
      assert.match(cited.citations[0].cited_text, /spare key/);
      assert.equal(cited.citations[0].document_title, "office.md");
      assert.equal(cited.citations[0].document_index, 0);
      assert.equal(m.stop_reason, "end_turn");
    }
    await s.stop();
  });
});
