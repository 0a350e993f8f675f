// Text completions, embeddings, moderations and reranking: what official clients send and read, what
// the provider gets, and what becomes of a provider that misbehaves.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import OpenAI from "openai";
import { completion, Provider, Service } from "./harness.mjs";

const json = (res, status, body, headers = {}) => {
  res.writeHead(status, { "content-type": "application/json", ...headers });
  res.end(typeof body === "string" ? body : JSON.stringify(body));
};
const textCompletion = (texts, extra = {}) => ({
  id: "cmpl-up",
  object: "text_completion",
  created: 5,
  model: "up",
  choices: texts.map((text, index) => ({ text, index, logprobs: null, finish_reason: "stop" })),
  usage: { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 },
  ...extra,
});
const piece = (text, finish = null, index = 0) => `data: ${JSON.stringify({ id: "cmpl-up", object: "text_completion", created: 5, model: "up", choices: [{ text, index, logprobs: null, finish_reason: finish }] })}\n\n`;
const vectors = [[0.1, -2.5, 3e-8, 16777217], [1, 2, 3, 4]];
const base64 = (v) => Buffer.from(Float32Array.from(v).buffer).toString("base64");
const embeddings = (list, extra = {}) => ({
  object: "list",
  model: "up",
  data: list.map((embedding, index) => ({ object: "embedding", index, embedding })),
  usage: { prompt_tokens: 8, total_tokens: 8 },
  ...extra,
});
const verdict = { flagged: false, categories: { hate: false }, category_scores: { hate: 0.01 } };

let p, q, s, client;
const nth = (i = 0) => p.requests[i];
const post = async (path, body) => {
  const res = await s.fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: typeof body === "string" ? body : JSON.stringify(body) });
  return { status: res.status, headers: res.headers, body: await res.json() };
};
const refused = async (path, body, param) => {
  const r = await post(path, body);
  assert.equal(r.status, 400, JSON.stringify(r.body));
  assert.equal(r.body.error.param, param, r.body.error.message);
  assert.equal(p.requests.length, 0, "never reaches the provider");
};

// What fails too often is asked no more for a while, so tests of failures have models of their own.
const faults = ["completions", "embeddings", "verdicts", "rerank"].flatMap((op) => ["again", "broken", "rate", "next"].map((fault) => `${op}-${fault}`));

before(async () => {
  p = await Provider.start();
  q = await Provider.start();
  s = await Service.start({
    config: `providers:
  - {name: up, url: "${p.url}", key: k, first_byte_timeout: 2s, idle_timeout: 1s}
  - {name: spare, url: "${q.url}", key: k2}
  - {name: chats, type: groq, url: "${p.url}", key: k}
  - {name: claude, type: anthropic, url: "${p.url.replace("/v1", "")}", key: k}
  - {name: cohere, type: cohere, url: "${p.url.replace("/v1", "")}", key: k}
  - {name: sorry, type: static, text: "Sorry."}
  - name: faq
    type: static
    rules:
      - {match: [refund, "money back"], text: "Refunds take five days."}
      - {match: opening hours, text: "We open at nine."}
models:
  - {name: faq first, provider: faq, fallback: m}
  - {name: faq last, provider: up, fallback: [faq, sorry]}
  - {name: faq end, provider: up, fallback: faq}
  - {name: faq, provider: faq}
  - {name: m, provider: up, upstream: up, price_input: 1}
  - {name: fim, provider: up, upstream: up}
  - {name: chat, provider: chats, upstream: up}
  - {name: sonnet, provider: claude}
  - {name: spare, provider: spare}
  - {name: last, provider: up, fallback: sorry}
  - {name: sorry, provider: sorry}
  - {name: rank, provider: cohere, upstream: rerank-v3.5}
  - {name: broken, provider: up, price_input: 1}
${faults.map((name) => `  - {name: ${name}, provider: up, fallback: [${name.endsWith("next") ? "spare" : ""}]}`).join("\n")}
`,
  });
  client = s.client;
});
after(async () => {
  await s.stop();
  await p.stop();
  await q.stop();
});
beforeEach(() => {
  p.requests.length = q.requests.length = 0;
  q.answer = q.friendly;
});

// ---- Completions ----

test("a completion passes byte for byte, suffix and all its white space", async () => {
  const body = '{ "model" : "fim",\t"prompt":"def f(x):\\n  ", "suffix":" \\n\\treturn y \\n", "max_tokens":1e1 , "new_thing": [1.50] }';
  p.answer = (req, res) => json(res, 200, textCompletion(["  y = x"]));
  const r = await post("/v1/completions", body);
  assert.equal(r.status, 200);
  assert.equal(nth().url, "/v1/completions");
  assert.equal(nth().body, body.replace('"fim"', '"up"'));
  assert.deepEqual(r.body, textCompletion(["  y = x"], { model: "fim" }));
});

test("a list of prompts gives n choices for each; fewer are an error", async () => {
  p.answer = (req, res) => json(res, 200, textCompletion(["a", "b", "c", "d"]));
  const done = await client.completions.create({ model: "m", prompt: ["1", "2"], n: 2, best_of: 3 });
  assert.deepEqual(done.choices.map((c) => c.text), ["a", "b", "c", "d"]);
  p.answer = (req, res) => json(res, 200, textCompletion(["a", "b", "c"]));
  await assert.rejects(client.completions.create({ model: "broken", prompt: ["1", "2"], n: 2 }), { status: 502 });
  p.answer = (req, res) => json(res, 200, textCompletion(["x"], { choices: [{ text: "hi x", index: 0, logprobs: { tokens: ["x"] }, finish_reason: "stop" }] }));
  const echo = await client.completions.create({ model: "m", prompt: [1, 2, 3], echo: true, logprobs: 1 });
  assert.deepEqual(echo.choices[0].logprobs, { tokens: ["x"] });
});

const collect = async (stream) => {
  const all = [];
  for await (const c of stream) all.push(c);
  return all;
};
const streaming = (pieces, end = "data: [DONE]\n\n") => (req, res) => {
  res.writeHead(200, { "content-type": "text/event-stream" });
  for (const x of pieces) res.write(x);
  res.end(end);
};

test("a stream of a completion, with usage only for those who ask", async () => {
  const usage = `data: ${JSON.stringify({ id: "cmpl-up", object: "text_completion", created: 5, model: "up", choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } })}\n\n`;
  p.answer = streaming([piece("a"), piece(" b"), piece("", "stop"), usage]);
  const plain = await collect(await client.completions.create({ model: "m", prompt: "x", stream: true }));
  assert.equal(plain.map((c) => c.choices[0].text).join(""), "a b");
  assert.equal(plain.at(-1).choices[0].finish_reason, "stop");
  assert.ok(JSON.parse(nth().body).stream_options.include_usage);
  const told = await collect(await client.completions.create({ model: "m", prompt: "x", stream: true, stream_options: { include_usage: true } }));
  assert.equal(told.at(-1).usage.total_tokens, 5);
});

test("a stream of two prompts ends when both have ended, however late the second begins", async () => {
  p.answer = (req, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(piece("a") + piece("", "stop"));
    setTimeout(() => res.end(piece("b", null, 1) + piece("", "stop", 1) + "data: [DONE]\n\n"), 700);
  };
  const all = await collect(await client.completions.create({ model: "m", prompt: ["1", "2"], stream: true }));
  assert.deepEqual(all.map((c) => c.choices[0].text).filter(Boolean), ["a", "b"]);
  p.answer = streaming([piece("a"), piece("", "stop")]);
  await assert.rejects(async () => collect(await client.completions.create({ model: "m", prompt: ["1", "2"], stream: true })), OpenAI.APIError);
});

test("where there are only chats a prompt is one message", async () => {
  p.answer = (req, res) => json(res, 200, completion("Hello."));
  const done = await client.completions.create({ model: "chat", prompt: "Say hello", temperature: 0.5, stop: ["x"], max_tokens: 9 });
  const sent = JSON.parse(nth().body);
  assert.equal(nth().url, "/v1/chat/completions");
  assert.equal(sent.model, "up");
  assert.deepEqual(sent.messages.map((m) => [m.role, m.content]), [["user", "Say hello"]]);
  assert.equal(sent.temperature, 0.5);
  assert.equal(sent.prompt, undefined);
  assert.equal(done.object, "text_completion");
  assert.equal(done.model, "chat");
  assert.deepEqual(done.choices, [{ text: "Hello.", index: 0, logprobs: null, finish_reason: "stop" }]);
  assert.equal(done.usage.total_tokens, 10);
  p.answer = p.friendly;
  const all = await collect(await client.completions.create({ model: "chat", prompt: "x", stream: true, stream_options: { include_usage: true } }));
  assert.equal(all.map((c) => c.choices[0]?.text ?? "").join(""), "Hello there.");
  assert.equal(all.at(-2).choices[0].finish_reason, "stop");
  assert.equal(all.at(-1).usage.total_tokens, 10);
  assert.equal(new Set(all.map((c) => c.id)).size, 1);
});

test("a prompt for a provider of Anthropic's protocol", async () => {
  p.answer = (req, res) => json(res, 200, { id: "msg_1", type: "message", role: "assistant", model: "x", content: [{ type: "text", text: "Hi." }], stop_reason: "max_tokens", stop_sequence: null, usage: { input_tokens: 3, output_tokens: 2 } });
  const done = await client.completions.create({ model: "sonnet", prompt: "Say hi", max_tokens: 9, temperature: 0.25 });
  const sent = JSON.parse(nth().body);
  assert.equal(nth().url, "/v1/messages");
  assert.equal(sent.max_tokens, 9);
  assert.equal(sent.temperature, 0.25);
  assert.equal(done.choices[0].text, "Hi.");
  assert.equal(done.choices[0].finish_reason, "length");
  assert.equal(done.usage.total_tokens, 5);
});

for (const [name, extra, param] of [
  ["suffix", { suffix: "x" }, "suffix"],
  ["echo", { echo: true }, "echo"],
  ["no tokens", { max_tokens: 0 }, "max_tokens"],
  ["logprobs", { logprobs: 1 }, "logprobs"],
  ["best_of", { best_of: 2 }, "best_of"],
  ["several prompts", { prompt: ["a", "b"] }, "prompt"],
  ["tokens", { prompt: [1, 2] }, "prompt"],
])
  test(`only chats: ${name} is refused by name`, () => refused("/v1/completions", { model: "chat", prompt: "x", ...extra }, param));

test("the engines inside complete too", async () => {
  const done = await client.completions.create({ model: "sorry", prompt: "x" });
  assert.equal(done.choices[0].text, "Sorry.");
  p.answer = (req, res) => json(res, 500, {});
  const late = await client.completions.create({ model: "last", prompt: "x" }).withResponse();
  assert.equal(late.data.choices[0].text, "Sorry.");
  assert.equal(late.response.headers.get("x-penstock-tier"), "static");
});

for (const [body, param] of [
  [{ prompt: "x" }, "model"],
  [{ model: "m" }, "prompt"],
  [{ model: "m", prompt: [] }, "prompt"],
  [{ model: "m", prompt: ["a", {}] }, "prompt[1]"],
  [{ model: "m", prompt: ["a", []] }, "prompt[1]"],
  [{ model: "m", prompt: "x", logprobs: true }, "logprobs"],
  [{ model: "m", prompt: "x", n: 3, best_of: 2 }, "best_of"],
  [{ model: "m", prompt: "x", suffix: 1 }, "suffix"],
  [{ model: "m", prompt: "x", stream_options: {} }, "stream_options"],
])
  test(`completion refused: ${JSON.stringify(body)}`, () => refused("/v1/completions", body, param));

// ---- Embeddings ----

test("embeddings: the client's base64 default, from a provider that knows it", async () => {
  p.answer = (req, res) => json(res, 200, embeddings(vectors.map(base64)));
  const done = await client.embeddings.create({ model: "m", input: ["a", "b"], dimensions: 4 });
  assert.equal(JSON.parse(nth().body).encoding_format, "base64");
  assert.equal(JSON.parse(nth().body).dimensions, 4);
  assert.deepEqual(done.data.map((d) => [...d.embedding]), vectors.map((v) => [...Float32Array.from(v)]));
  assert.equal(done.model, "m");
});

test("embeddings: base64 wanted, floats given, and the other way round, exactly", async () => {
  p.answer = (req, res) => json(res, 200, embeddings(vectors));
  const coded = await post("/v1/embeddings", { model: "m", input: ["a", "b"], encoding_format: "base64" });
  assert.deepEqual(coded.body.data.map((d) => d.embedding), vectors.map(base64));
  assert.deepEqual(coded.body.usage, { prompt_tokens: 8, total_tokens: 8 });
  p.answer = (req, res) => json(res, 200, embeddings(vectors.map(base64)));
  const plain = await post("/v1/embeddings", { model: "m", input: ["a", "b"] });
  assert.deepEqual(plain.body.data.map((d) => d.embedding), vectors.map((v) => [...Float32Array.from(v)]));
});

test("embeddings: 2048 inputs, tokens, lists of tokens", async () => {
  const many = Array.from({ length: 2048 }, (_, i) => `text ${i}`);
  p.answer = (req, res, body) => {
    const { input } = JSON.parse(body);
    const n = Array.isArray(input) && typeof input[0] !== "number" ? input.length : 1;
    json(res, 200, embeddings(Array.from({ length: n }, (_, i) => [i, 0.5])));
  };
  const done = await client.embeddings.create({ model: "m", input: many });
  assert.equal(done.data.length, 2048);
  assert.equal(done.data[2047].embedding[0], 2047);
  assert.equal((await client.embeddings.create({ model: "m", input: [1, 2, 3] })).data.length, 1);
  assert.equal((await client.embeddings.create({ model: "m", input: [[1], [2, 3]] })).data.length, 2);
});

test("embeddings that are short, double or broken are an error", async () => {
  for (const data of [embeddings([vectors[0]]), embeddings([vectors[0], []]), embeddings([vectors[0], vectors[1], vectors[1]]), { ...embeddings(vectors), data: embeddings(vectors).data.reverse() }, embeddings([vectors[0], ["x"]])]) {
    p.answer = (req, res) => json(res, 200, data);
    await assert.rejects(client.embeddings.create({ model: "broken", input: ["a", "b"] }), { status: 502 });
  }
});

test("embeddings: a provider that has none is a 400 that names the model", async () => {
  for (const model of ["sonnet", "extractive", "sorry", "chat"]) await refused("/v1/embeddings", { model, input: "x" }, "model");
});

for (const [body, param] of [
  [{ model: "m" }, "input"],
  [{ model: "m", input: "" }, "input"],
  [{ model: "m", input: [] }, "input"],
  [{ model: "m", input: ["a", ""] }, "input[1]"],
  [{ model: "m", input: [[1], [1.5]] }, "input[1]"],
  [{ model: "m", input: "x", encoding_format: "hex" }, "encoding_format"],
  [{ model: "m", input: "x", dimensions: 0 }, "dimensions"],
])
  test(`embedding refused: ${JSON.stringify(body)}`, () => refused("/v1/embeddings", body, param));

// ---- Moderations ----

test("moderations: a result for each text, one for parts, and no model needed", async () => {
  p.answer = (req, res, body) => {
    const { input } = JSON.parse(body);
    json(res, 200, { id: "modr-1", model: "omni-moderation-latest", results: Array.isArray(input) && typeof input[0] === "string" ? input.map(() => verdict) : [verdict] });
  };
  assert.equal((await client.moderations.create({ model: "m", input: "x" })).results.length, 1);
  assert.equal(JSON.parse(nth().body).model, "up");
  const default_ = await client.moderations.create({ input: ["a", "b"] });
  assert.equal(default_.results.length, 2);
  assert.equal(default_.model, "omni-moderation-latest");
  assert.equal(nth(1).body, JSON.stringify({ input: ["a", "b"] }));
  assert.equal((await client.moderations.create({ input: [{ type: "text", text: "a" }, { type: "image_url", image_url: { url: "https://x" } }] })).results.length, 1);
  p.answer = (req, res) => json(res, 200, { id: "m", model: "o", results: [verdict] });
  await assert.rejects(client.moderations.create({ input: ["a", "b"] }), { status: 502 });
});

for (const [body, param] of [
  [{}, "input"],
  [{ input: [] }, "input"],
  [{ input: ["a", 1] }, "input[1]"],
  [{ input: [{ type: "text" }] }, "input[0].text"],
  [{ input: [{ type: "video" }] }, "input[0].type"],
  [{ input: [{ type: "image_url", image_url: {} }] }, "input[0].image_url.url"],
  [{ input: "x", model: 1 }, "model"],
])
  test(`moderation refused: ${JSON.stringify(body)}`, () => refused("/v1/moderations", body, param));

// ---- Rerank ----

const documents = ["The train leaves at ten.", { text: "Bananas are yellow." }, "The train to Ulm is late, and no other train goes."];

test("rerank: Cohere's provider, read by clients of Jina as well", async () => {
  p.answer = (req, res) => json(res, 200, { id: "x1", results: [{ index: 2, relevance_score: 0.9 }, { index: 0, relevance_score: 0.5 }], meta: { api_version: { version: "2" }, billed_units: { search_units: 1 } } });
  const r = await post("/v2/rerank", { model: "rank", query: "train", documents: ["a", "b", "c"], top_n: 2 });
  assert.equal(r.status, 200);
  assert.equal(nth().url, "/v2/rerank");
  assert.equal(JSON.parse(nth().body).model, "rerank-v3.5");
  assert.deepEqual(r.body.results.map((x) => x.index), [2, 0]);
  assert.equal(r.body.id, "x1");
  assert.equal(r.body.model, "rank");
  assert.ok(r.body.usage.total_tokens > 0);
  assert.deepEqual(r.body.meta.billed_units, { search_units: 1 });
});

test("rerank: Jina's provider, read by clients of Cohere as well; order and documents are made good", async () => {
  p.answer = (req, res) => json(res, 200, { model: "up", usage: { prompt_tokens: 17 }, results: [{ index: 0, relevance_score: 0.1 }, { index: 1, relevance_score: 0.8 }, { index: 2, relevance_score: 0.80 }] });
  const r = await post("/v1/rerank", { model: "m", query: "q", documents, return_documents: true });
  assert.deepEqual(r.body.results, [
    { index: 1, relevance_score: 0.8, document: { text: "Bananas are yellow." } },
    { index: 2, relevance_score: 0.8, document: { text: documents[2] } },
    { index: 0, relevance_score: 0.1, document: { text: documents[0] } },
  ]);
  assert.equal(r.body.usage.total_tokens, 17);
  assert.equal(r.body.model, "m");
  assert.ok(r.body.id);
  assert.equal(r.body.meta.api_version.version, "2");
});

test("rerank: short, double and broken answers are errors", async () => {
  for (const results of [[{ index: 0, relevance_score: 1 }], [{ index: 0, relevance_score: 1 }, { index: 0, relevance_score: 1 }], [{ index: 0, relevance_score: 1 }, { index: 9, relevance_score: 1 }], [{ index: 0, relevance_score: 1 }, { index: 1 }], []]) {
    p.answer = (req, res) => json(res, 200, { results });
    assert.equal((await post("/v1/rerank", { model: "broken", query: "q", documents: ["a", "b"] })).status, 502);
  }
});

test("rerank: the engine inside, 1000 documents, by words", async () => {
  const r = await post("/v1/rerank", { model: "extractive", query: "Which train goes to Ulm?", documents });
  assert.deepEqual(r.body.results.map((x) => x.index), [2, 0, 1]);
  assert.ok(r.body.results.every((x) => x.relevance_score >= 0 && x.relevance_score <= 1));
  assert.equal(r.body.results[2].relevance_score, 0);
  assert.equal(r.headers.get("x-penstock-tier"), "extractive");
  const many = Array.from({ length: 1000 }, (_, i) => (i === 700 ? "a needle in a haystack" : `just straw number ${i}`));
  const found = await post("/v1/rerank", { model: "extractive", query: "needle", documents: many });
  assert.equal(found.body.results[0].index, 700);
  assert.equal(found.body.results.length, 1000);
  assert.deepEqual(found.body.results.slice(1, 4).map((x) => x.index), [0, 1, 2], "equal scores by index");
  assert.equal((await post("/v1/rerank", { model: "extractive", query: "needle", documents: many, top_n: 3 })).body.results.length, 3);
});

for (const [body, param] of [
  [{ model: "m", documents }, "query"],
  [{ model: "m", query: "", documents }, "query"],
  [{ model: "m", query: "x" }, "documents"],
  [{ model: "m", query: "x", documents: [] }, "documents"],
  [{ model: "m", query: "x", documents: ["a", 1] }, "documents[1]"],
  [{ model: "m", query: "x", documents, top_n: 0 }, "top_n"],
  [{ query: "x", documents }, "model"],
])
  test(`rerank refused: ${JSON.stringify(body).slice(0, 60)}`, async () => {
    await refused("/v1/rerank", body, param);
    await refused("/v2/rerank", body, param);
  });

// ---- Static answers by rules ----

const chat = (model, content, extra = {}) => client.chat.completions.create({ model, messages: [{ role: "user", content: "I want my money back" }, { role: "assistant", content: "?" }, { role: "user", content }], ...extra }).withResponse();

test("rules answer before any model, and what they do not match goes on", async () => {
  p.answer = p.friendly;
  const hit = await chat("faq first", "How do I get a REFUND?");
  assert.equal(hit.data.choices[0].message.content, "Refunds take five days.");
  assert.equal(hit.response.headers.get("x-penstock-tier"), "rules");
  assert.equal(p.requests.length, 0);
  const miss = await chat("faq first", "Hello");
  assert.equal(miss.data.choices[0].message.content, "Hello there.");
  assert.equal(miss.response.headers.get("x-penstock-tier"), "fallback");
});

test("rules, then static text, when the provider fails", async () => {
  p.answer = (req, res) => json(res, 500, {});
  const hit = await chat("faq last", "What are your opening hours?");
  assert.equal(hit.data.choices[0].message.content, "We open at nine.");
  assert.equal(hit.response.headers.get("x-penstock-tier"), "rules");
  const miss = await chat("faq last", "Hello");
  assert.equal(miss.data.choices[0].message.content, "Sorry.");
  assert.equal(miss.response.headers.get("x-penstock-tier"), "static");
  let text = "";
  for await (const c of (await chat("faq last", "opening hours", { stream: true })).data) text += c.choices[0]?.delta?.content ?? "";
  assert.equal(text, "We open at nine.");
});

test("when no rule matches and nobody is left, why the provider failed is told", async () => {
  p.answer = (req, res) => json(res, 500, {});
  await assert.rejects(chat("faq end", "Hello"), { status: 502 });
  await assert.rejects(chat("faq", "Hello"), { status: 404 });
});

// ---- Faults, the same for all of them ----

const calls = {
  completions: { path: "/v1/completions", body: { prompt: "x" }, good: () => textCompletion(["fine"]) },
  embeddings: { path: "/v1/embeddings", body: { input: "x" }, good: () => embeddings([[1, 2]]) },
  moderations: { path: "/v1/moderations", body: { input: "x" }, good: () => ({ id: "m", model: "o", results: [verdict] }) },
  rerank: { path: "/v1/rerank", body: { query: "x", documents: ["a"] }, good: () => ({ results: [{ index: 0, relevance_score: 0.5 }] }) },
};
for (const [name, { path, body, good }] of Object.entries(calls)) {
  const call = (fault) => post(path, { model: `${name.replace("moderations", "verdicts")}-${fault}`, ...body });
  test(`${name}: a 500 and a reset are tried again`, async () => {
    p.answer = (req, res, _, n) => (n === 1 ? json(res, 500, {}) : n === 2 ? res.socket.destroy() : json(res, 200, good()));
    const r = await call("again");
    assert.equal(r.status, 200);
    assert.equal(p.requests.length, 3);
  });
  test(`${name}: truncated, not JSON, an error in disguise: 502`, async () => {
    const whole = JSON.stringify(good());
    for (const answer of [(res) => (res.writeHead(200, { "content-type": "application/json", "content-length": 5000 }), res.write(whole), setTimeout(() => res.socket.destroy(), 10)), (res) => json(res, 200, whole.slice(0, -3)), (res) => json(res, 200, "<html>"), (res) => json(res, 200, "{}"), (res) => json(res, 200, { error: { message: "no" } })]) {
      p.answer = (req, res) => answer(res);
      assert.equal((await call("broken")).status, 502);
    }
  });
  test(`${name}: 429 is given on with Retry-After`, async () => {
    p.answer = (req, res) => json(res, 429, { error: { message: "slow" } }, { "retry-after": "60" });
    const r = await call("rate");
    assert.equal(r.status, 429);
    assert.ok(Number(r.headers.get("retry-after")) >= 59);
  });
  test(`${name}: the next model is asked`, async () => {
    p.answer = (req, res) => json(res, 503, {});
    q.answer = (req, res) => json(res, 200, good());
    const r = await call("next");
    assert.equal(r.status, 200, JSON.stringify(r.body));
    assert.equal(r.headers.get("x-penstock-tier"), "fallback");
    assert.equal(q.requests.length, 1);
  });
}

test("a completion that breaks off in its stream raises", async () => {
  p.answer = (req, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(piece("half"));
    setTimeout(() => res.socket.destroy(), 20);
  };
  await assert.rejects(async () => collect(await client.completions.create({ model: "m", prompt: "x", stream: true })), OpenAI.APIError);
});

test("tokens and costs are counted under the model that was asked for", async () => {
  const before = await (await s.fetch("/metrics")).text();
  p.answer = (req, res) => json(res, 200, embeddings([[1]], { usage: { prompt_tokens: 100, total_tokens: 100 } }));
  await post("/v1/embeddings", { model: "m", input: "x" });
  const after_ = await (await s.fetch("/metrics")).text();
  const read = (text) => Number(/penstock_tokens_total\{model="m",direction="input"\} (\d+)/.exec(text)?.[1] ?? 0);
  assert.equal(read(after_) - read(before), 100);
});
