// The official client against a real service: models, chat, streams, knowledge bases.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import OpenAI from "openai";
import { ask, chunk, Service, temporary, withProvider } from "./harness.mjs";

const documents = {
  "office.md": `# Office handbook

## Opening hours

The office in Aarhus is open from 8:30 to 17:00 on weekdays. On Saturdays the reception closes at noon.

## Keys

The spare key of the server room hangs in the safe behind the reception. Ask Ingrid for the code of the safe.
`,
  "travel.txt": `Travel policy

Employees book trains in second class. Flights inside Denmark are not reimbursed.

Receipts must be handed in within 30 days after the journey.
`,
  "menu.html": `<html><head><title>Canteen</title></head><body><nav>Home About</nav><article><h1>Canteen</h1>
<p>On Wednesdays the canteen serves lentil soup with rye bread.</p></article></body></html>`,
};

function writeDocuments(dir) {
  fs.mkdirSync(dir, { recursive: true });
  for (const [name, text] of Object.entries(documents)) fs.writeFileSync(path.join(dir, name), text);
}

describe("an empty installation, without configuration", () => {
  let s;
  before(async () => {
    s = await Service.start();
    writeDocuments(path.join(s.data, "docs"));
    const r = await s.cli("ingest", path.join(s.data, "docs"));
    assert.equal(r.code, 0, r.err);
    assert.match(r.out, /3 files into 'docs': 3 read, 0 unchanged, 0 removed, 0 failed/);
  });
  after(() => s.stop());

  test("models are listed, and each listed one can be fetched", async () => {
    const ids = [];
    for await (const m of s.client.models.list()) ids.push(m.id);
    assert.deepEqual(ids.sort(), ["docs", "extractive"]);
    const one = await s.client.models.retrieve("docs");
    assert.equal(one.object, "model");
    await assert.rejects(s.client.models.retrieve("nope"), (e) => e instanceof OpenAI.NotFoundError && e.code === "model_not_found");
  });

  test("a question is answered from the documents, with citations that resolve", async () => {
    const r = await s.client.chat.completions.create({ model: "docs", messages: [{ role: "user", content: "Where is the spare key of the server room?" }] });
    const message = r.choices[0].message;
    assert.match(message.content, /safe behind the reception/);
    assert.match(message.content, /\[Source: office\.md\]/);
    assert.equal(r.model, "docs");
    assert.equal(r.choices[0].finish_reason, "stop");
    assert.equal(r.usage.total_tokens, r.usage.prompt_tokens + r.usage.completion_tokens);
    assert.ok(r.usage.completion_tokens > 0);
    const a = message.annotations.find((x) => x.quote.includes("spare key"));
    assert.equal(a.type, "url_citation");
    assert.equal(a.filename, "office.md");
    assert.equal(a.url_citation.title, "office.md");
    assert.match(a.url_citation.url, /office\.md$/);
    assert.equal([...message.content].slice(a.url_citation.start_index, a.url_citation.end_index).join(""), "[Source: office.md]");
    assert.match(a.section, /Keys/);
    const lines = documents["office.md"].split("\n").slice(a.line_start - 1, a.line_end).join("\n");
    assert.ok(lines.includes("spare key"), `lines ${a.line_start}-${a.line_end}`);
  });

  test("the same as a stream: role first, pieces, one finish, usage when asked for", async () => {
    const stream = await s.client.chat.completions.create({
      model: "docs", stream: true, stream_options: { include_usage: true },
      messages: [{ role: "user", content: "When does the reception close on Saturdays?" }],
    });
    const chunks = [];
    for await (const c of stream) chunks.push(c);
    assert.equal(chunks[0].choices[0].delta.role, "assistant");
    const text = chunks.map((c) => c.choices[0]?.delta?.content ?? "").join("");
    assert.match(text, /noon/);
    assert.equal(chunks.filter((c) => c.choices[0]?.finish_reason).length, 1);
    assert.equal(new Set(chunks.map((c) => c.id)).size, 1);
    const last = chunks.at(-1);
    assert.deepEqual(last.choices, []);
    assert.ok(last.usage.total_tokens > 0);
    assert.ok(chunks.some((c) => c.choices[0]?.delta?.annotations?.length), "an annotation comes in the stream");
  });

  test("without include_usage no chunk has empty choices", async () => {
    const stream = await s.client.chat.completions.create({ model: "docs", stream: true, messages: [{ role: "user", content: "lentil soup?" }] });
    for await (const c of stream) assert.equal(c.choices.length, 1);
  });

  test("what the documents do not hold is not answered", async () => {
    const r = await s.client.chat.completions.create({ model: "docs", messages: [{ role: "user", content: "What is the population of Uruguay?" }] });
    assert.match(r.choices[0].message.content, /don't have enough information/);
    assert.deepEqual(r.choices[0].message.annotations, []);
  });

  test("a follow-up question is understood from the one before it", async () => {
    const r = await s.client.chat.completions.create({
      model: "docs",
      messages: [
        { role: "user", content: "When is the office in Aarhus open on weekdays?" },
        { role: "assistant", content: "From 8:30 to 17:00. [Source: office.md]" },
        { role: "user", content: "And on Saturdays?" },
      ],
    });
    assert.match(r.choices[0].message.content, /noon/);
  });

  test("HTML is read without its menus", async () => {
    const r = await s.client.chat.completions.create({ model: "docs", messages: [{ role: "user", content: "What does the canteen serve on Wednesdays?" }] });
    assert.match(r.choices[0].message.content, /lentil soup/);
    assert.doesNotMatch(r.choices[0].message.content, /Home About/);
  });

  test("an unknown model, a bad field and a wrong key are told apart", async () => {
    const create = (body, client = s.client) => client.chat.completions.create(body);
    await assert.rejects(create(ask("x", { model: "nope" })), (e) => e instanceof OpenAI.NotFoundError && e.code === "model_not_found" && e.param === "model");
    await assert.rejects(create(ask("x", { model: "docs", temperature: 9 })), (e) => e instanceof OpenAI.BadRequestError && e.param === "temperature");
    await assert.rejects(create(ask("x", { model: "docs", n: 2 })), (e) => e.status === 400 && e.param === "n");
    await assert.rejects(create({ model: "docs", messages: [] }), (e) => e instanceof OpenAI.BadRequestError && e.param === "messages");
    const other = new OpenAI({ baseURL: s.url, apiKey: s.key.slice(0, -1), maxRetries: 0 });
    await assert.rejects(create(ask("x", { model: "docs" }), other), (e) => e instanceof OpenAI.AuthenticationError && e.code === "invalid_api_key");
  });

  test("every answer has one x-request-id", async () => {
    const a = await s.fetch("/v1/models"), b = await s.fetch("/v1/nothing");
    assert.match(a.headers.get("x-request-id"), /^req_\w+$/);
    assert.match(b.headers.get("x-request-id"), /^req_\w+$/);
    assert.equal(b.status, 404);
    assert.equal((await b.json()).error.code, "unknown_url");
    const c = await s.fetch("/v1/models", { method: "DELETE" });
    assert.equal(c.status, 405);
    assert.equal(c.headers.get("allow"), "GET");
  });

  test("probes need no key, metrics do", async () => {
    for (const p of ["/livez", "/readyz", "/startupz", "/healthz"]) {
      const r = await fetch(s.origin + p);
      assert.equal(r.status, 200, p);
      assert.equal(r.headers.get("cache-control"), "no-store");
    }
    assert.equal((await fetch(s.origin + "/metrics")).status, 401);
    const text = await (await s.fetch("/metrics")).text();
    assert.match(text, /penstock_requests_total\{route="\/v1\/chat\/completions",status="200"\} \d+/);
    assert.match(text, /process_resident_memory_bytes \d+/);
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map((m) => m[1]);
    assert.equal(new Set(names).size, names.length, "each family once");
  });

  test("keys: made, used, listed, revoked", async () => {
    const made = await s.cli("keys", "create", "tester", "--role", "user");
    assert.equal(made.code, 0, made.err);
    const key = made.out.trim();
    const client = new OpenAI({ baseURL: s.url, apiKey: key, maxRetries: 0 });
    await client.models.list();
    await assert.rejects(client.files.list(), undefined).catch(() => {});
    await assert.rejects(client.vectorStores.create({ name: "x" }), (e) => e.status === 403);
    const list = JSON.parse((await s.cli("keys", "list", "--json")).out);
    const entry = list.data.find((k) => k.name === "tester");
    assert.ok(!JSON.stringify(list).includes(key));
    const gone = await s.cli("keys", "revoke", entry.id);
    assert.equal(gone.code, 0, gone.err);
    await assert.rejects(client.models.list(), (e) => e.status === 401);
  });
});

describe("a provider behind", () => {
  let x;
  before(async () => {
    x = await withProvider();
  });
  after(() => x.stop());

  test("odd spelling, big numbers, unknown members and cache markers pass byte for byte", async () => {
    const body = String.raw`	{ "messages" :[ {"content":[{"cache_control" : {"type":"ephemeral", "ttl":"1h"},"type":"text","text":"\u00e9\u0041A \/ / \ud83d\ude00 😀\u0000"} ] ,"role":"user","cache_control":{"type":"ephemeral"}}],
"x":{"id":123456789012345678901234567890,"f":1.0E+2,"e":-0,"l":[ ],"o":{ }} ,"model"  :"m", "tools":[{"type":"function","function":{"name":"f","parameters":{"b":1,"a":{"\u0062":2,"c":1.10}}},"cache_control":{"type":"ephemeral"}}],
"user":"" , "metadata":{"k":"v"}	} `;
    const r = await x.s.fetch("/v1/chat/completions", { method: "POST", headers: { "content-type": "application/json" }, body });
    assert.equal(r.status, 200);
    await r.arrayBuffer();
    assert.equal(x.p.requests.at(-1).body, body.replace('"m"', '"upstream-model"'));
  });

  test("a request passes byte for byte, but for the model's name", async () => {
    const body = `{"model": "m",  "messages":[{"role":"user","content":"h\\u00e9 \u00e9"}], "x_new":{"a":[1, 2.50]},"temperature":0.70}`;
    const r = await x.s.fetch("/v1/chat/completions", { method: "POST", headers: { "content-type": "application/json" }, body });
    assert.equal(r.status, 200);
    const answer = await r.json();
    assert.equal(answer.choices[0].message.content, "Hello there.");
    assert.equal(answer.model, "m");
    assert.equal(x.p.requests.at(-1).body, body.replace('"m"', '"upstream-model"'));
    assert.equal(x.p.requests.at(-1).headers.authorization, "Bearer upstream-secret");
    assert.equal(x.p.requests.at(-1).url, "/v1/chat/completions");
    assert.ok(!JSON.stringify(x.p.requests.at(-1).headers).includes(x.s.key));
  });

  test("a stream passes, and penstock's own usage chunk is hidden", async () => {
    const stream = await x.s.client.chat.completions.create(ask("hi", { stream: true }));
    let text = "";
    for await (const c of stream) {
      assert.equal(c.choices.length, 1);
      assert.equal(c.model, "m");
      text += c.choices[0].delta.content ?? "";
    }
    assert.equal(text, "Hello there.");
    assert.equal(JSON.parse(x.p.requests.at(-1).body).stream_options.include_usage, true);
  });

  test("a client that asks for usage gets it", async () => {
    const stream = await x.s.client.chat.completions.create(ask("hi", { stream: true, stream_options: { include_usage: true } }));
    let usage;
    for await (const c of stream) usage = c.usage ?? usage;
    assert.equal(usage.total_tokens, 10);
  });

  test("a knowledge base is given to the model as data, and its citations are resolved", async () => {
    const dir = temporary();
    writeDocuments(dir);
    assert.equal((await x.s.cli("ingest", dir)).code, 0);
    x.p.answer = (req, res, body) => {
      const asked = JSON.parse(body);
      assert.ok(!asked.messages.some((m) => m.role !== "user" && m.content.includes("lentil soup")), "documents are never instructions");
      assert.ok(asked.messages.some((m) => m.role === "user" && m.content.includes("lentil soup")));
      const text = "På onsdage 🍲: lentil soup with rye bread. [Source: menu.html] Also caviar. [Source: invented.pdf]";
      if (asked.stream) {
        res.setHeader("content-type", "text/event-stream");
        for (const piece of text.match(/.{1,7}/gu)) res.write(chunk({ content: piece }));
        return res.end(chunk({}, "stop") + "data: [DONE]\n\n");
      }
      res.setHeader("content-type", "application/json");
      res.end(JSON.stringify({ id: "1", object: "chat.completion", created: 1, model: asked.model, usage: { prompt_tokens: 50, completion_tokens: 9, total_tokens: 59 },
        choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: text } }] }));
    };
    const r = await x.s.client.chat.completions.create({ model: "grounded", messages: [{ role: "user", content: "What does the canteen serve on Wednesdays?" }] });
    const m = r.choices[0].message;
    assert.match(m.content, /\[Source: menu\.html\]/);
    assert.doesNotMatch(m.content, /invented/);
    assert.equal(m.annotations.length, 1);
    assert.match(m.annotations[0].quote, /lentil soup/);
    assert.equal(r.usage.total_tokens, 59);
    const upTo = (text, characters) => [...text].slice(0, characters).join("");
    assert.ok(upTo(m.content, m.annotations[0].index).endsWith("[Source: menu.html]"), "it counts characters");
    const stream = await x.s.client.chat.completions.create({ model: "grounded", stream: true, messages: [{ role: "user", content: "What does the canteen serve on Wednesdays?" }] });
    const deltas = [];
    for await (const c of stream) deltas.push(c.choices[0].delta);
    const [a] = deltas.flatMap((d) => d.annotations ?? []);
    assert.ok(upTo(deltas.map((d) => d.content ?? "").join(""), a.index).endsWith("[Source: menu.html]"));
    fs.rmSync(dir, { recursive: true });
  });
});
