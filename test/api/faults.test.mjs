// Providers that misbehave: the caller gets the whole answer or a clean error, never half an answer.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before, beforeEach, test } from "node:test";
import OpenAI from "openai";
import { ask, chunk, completion, ledger, waitFor, withProvider } from "./harness.mjs";

let x, create, stream;
before(async () => {
  x = await withProvider();
  create = (body = ask("hi")) => x.s.client.chat.completions.create(body);
  stream = async (body = ask("hi", { stream: true })) => {
    const chunks = [];
    for await (const c of await x.s.client.chat.completions.create(body)) chunks.push(c);
    return chunks;
  };
});
after(() => x.stop());
beforeEach(() => {
  x.p.requests.length = 0;
});

const json = (res, status, body, headers = {}) => {
  res.writeHead(status, { "content-type": "application/json", ...headers });
  res.end(typeof body === "string" ? body : JSON.stringify(body));
};
const good = (res) => json(res, 200, completion("fine"));
const failsWith = (status) => (e) => e instanceof OpenAI.APIError && e.status === status && e.message.length > 5;

test("a 500 is tried again", async () => {
  x.p.answer = (req, res, body, n) => (n === 1 ? json(res, 500, { error: { message: "oops" } }) : good(res));
  assert.equal((await create()).choices[0].message.content, "fine");
  assert.equal(x.p.requests.length, 2);
});

test("a persistent 500 becomes 502 after a bounded number of attempts", async () => {
  x.p.answer = (req, res) => json(res, 500, { error: { message: "oops" } });
  await assert.rejects(create(), failsWith(502));
  assert.ok(x.p.requests.length >= 2 && x.p.requests.length <= 6);
});

test("429 is obeyed, then given on with Retry-After", async () => {
  x.p.answer = (req, res, body, n) => (n === 1 ? json(res, 429, { error: { message: "slow" } }, { "retry-after-ms": "50" }) : good(res));
  assert.equal((await create()).choices[0].message.content, "fine");
  x.p.requests.length = 0;
  x.p.answer = (req, res) => json(res, 429, { error: { message: "slow" } }, { "retry-after": "60" });
  await assert.rejects(create(), (e) => e.status === 429 && Number(e.headers.get("retry-after")) >= 59);
  assert.equal(x.p.requests.length, 1);
});

test("our refused key is 502 and not tried again", async () => {
  x.p.answer = (req, res) => json(res, 401, { error: { message: "bad key upstream-secret" } });
  await assert.rejects(create(), (e) => e.status === 502 && !e.message.includes("upstream-secret"));
  assert.equal(x.p.requests.length, 1);
});

test("a 400 of the provider is passed on with its reason, once", async () => {
  x.p.answer = (req, res) => json(res, 400, { error: { message: "no such voice", type: "invalid_request_error", param: "audio.voice", code: "x" } });
  await assert.rejects(create(), (e) => e.status === 400 && e.message.includes("no such voice"));
  assert.equal(x.p.requests.length, 1);
});

for (const [name, body] of [["an HTML page", "<html>hello</html>"], ["half a JSON", '{"choices": ['], ["nothing", ""], ["no choices", "{}"], ["an error object", '{"error":{"message":"over quota"}}']])
  test(`200 with ${name} is 502`, async () => {
    x.p.answer = (req, res) => json(res, 200, body);
    await assert.rejects(create(), failsWith(502));
  });

test("a reset before the answer is tried again", async () => {
  x.p.answer = (req, res, body, n) => (n === 1 ? res.socket.destroy() : good(res));
  assert.equal((await create()).choices[0].message.content, "fine");
});

test("a body that is cut short is 502", async () => {
  x.p.answer = (req, res) => {
    res.writeHead(200, { "content-type": "application/json", "content-length": "5000" });
    res.write(JSON.stringify(completion("fine")).slice(0, 60));
    setTimeout(() => res.socket.destroy(), 20);
  };
  await assert.rejects(create(), failsWith(502));
});

test("silence is 504 in the configured time", async () => {
  x.p.answer = () => {};
  const start = Date.now();
  await assert.rejects(create(), failsWith(504));
  assert.ok(Date.now() - start < 9000);
});

test("a provider that is not there is 502", async () => {
  const y = await withProvider();
  await y.p.stop();
  await assert.rejects(y.s.client.chat.completions.create(ask("hi")), failsWith(502));
  await y.s.stop();
});

const cuts = {
  "cut in the middle": (res) => res.socket.destroy(),
  "ended without a finish": (res) => res.end(),
  stalled: () => {},
  "turned into an error": (res) => res.end(`data: ${JSON.stringify({ error: { message: "engine on fire", type: "server_error" } })}\n\n`),
};
for (const [name, end] of Object.entries(cuts))
  test(`a stream that is ${name} raises in the client`, async () => {
    x.p.answer = (req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write(chunk({ role: "assistant", content: "" }));
      res.write(chunk({ content: "half an ans" }));
      setTimeout(() => end(res), 30);
    };
    let text = "";
    await assert.rejects(async () => {
      for await (const c of await create(ask("hi", { stream: true }))) text += c.choices[0]?.delta?.content ?? "";
    }, OpenAI.APIError);
    assert.equal(text, "half an ans", "what came was delivered");
  });

test("a stream that fails before its first byte is a plain error", async () => {
  x.p.answer = (req, res) => json(res, 400, { error: { message: "bad stream" } });
  await assert.rejects(stream(), failsWith(400));
});

test("a stream without [DONE] but with a finish is whole", async () => {
  x.p.answer = (req, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(chunk({ role: "assistant", content: "all" }));
    res.end(chunk({}, "stop"));
  };
  assert.equal((await stream()).at(-1).choices[0].finish_reason, "stop");
});

test("CRLF, comments, one byte at a time, split characters", async () => {
  x.p.answer = async (req, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.socket.setNoDelay(true);
    const all = Buffer.from(": hello\r\n\r\n" + (chunk({ role: "assistant", content: "æøå 漢字" }) + chunk({}, "stop")).replaceAll("\n\n", "\r\n\r\n") + "data: [DONE]\r\n\r\n");
    for (let i = 0; i < all.length; i++) {
      res.write(all.subarray(i, i + 1));
      if (i % 16 === 0) await new Promise(setImmediate);
    }
    res.end();
  };
  assert.equal((await stream()).map((c) => c.choices[0].delta.content ?? "").join(""), "æøå 漢字");
});

test("the connection is kept when the provider allows it", async () => {
  x.p.answer = (req, res) => good(res);
  const sockets = new Set();
  x.p.server.on("request", (req) => sockets.add(req.socket));
  for (let i = 0; i < 10; i++) await create();
  assert.ok(sockets.size <= 2, `${sockets.size} connections for 10 requests`);
});

test("a client that leaves ends the provider's work, streaming or not", async () => {
  let closed = 0;
  x.p.answer = (req, res, body) => {
    res.on("close", () => closed++);
    if (JSON.parse(body).stream) {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write(chunk({ role: "assistant", content: "x" }));
    }
  };
  for (const body of [ask("hi"), ask("hi", { stream: true })]) {
    x.p.requests.length = 0;
    closed = 0;
    const text = JSON.stringify(body);
    const clients = [];
    for (let i = 0; i < 20; i++) {
      const abort = new AbortController();
      clients.push(abort);
      x.s.fetch("/v1/chat/completions", { method: "POST", headers: { "content-type": "application/json" }, body: text, signal: abort.signal }).then((r) => r.text()).catch(() => {});
    }
    await waitFor("all requests", () => x.p.requests.length === 20);
    for (const c of clients) c.abort();
    await waitFor("the provider to be let go", () => closed === 20, 1500);
  }
});

test("100 streams and 200 plain requests at once get their own answers", async () => {
  x.p.answer = (req, res, body) => {
    const asked = JSON.parse(body), word = asked.messages[0].content;
    if (!asked.stream) return setTimeout(() => json(res, 200, completion(word)), Math.random() * 20);
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(chunk({ role: "assistant", content: "" }));
    setTimeout(() => {
      res.write(chunk({ content: word }));
      res.end(chunk({}, "stop") + "data: [DONE]\n\n");
    }, Math.random() * 20);
  };
  const work = [];
  for (let i = 0; i < 100; i++)
    work.push(stream(ask(`s${i}`, { stream: true })).then((c) => assert.equal(c.map((k) => k.choices[0].delta.content ?? "").join(""), `s${i}`)));
  for (let i = 0; i < 200; i++) work.push(create(ask(`p${i}`)).then((r) => assert.equal(r.choices[0].message.content, `p${i}`)));
  await Promise.all(work);
});

test("each attempt has its row in the ledger, a failed one costs nothing", async () => {
  x.p.answer = (req, res, body, n) => (n === 1 ? json(res, 503, {}) : good(res));
  const id = (await create(ask("count me")))._request_id;
  const rows = await waitFor("the ledger", async () => {
    const list = ledger(x.s, `select attempt, status, error, input_tokens, output_tokens, cost_microusd, model, provider from usage where request = '${id}' order by attempt`);
    return list.length === 2 && list;
  });
  assert.equal(rows[0].error, "upstream");
  assert.equal(rows[0].cost_microusd, 0);
  assert.deepEqual([rows[1].attempt, rows[1].status, rows[1].input_tokens, rows[1].output_tokens, rows[1].model, rows[1].provider], [2, 200, 7, 3, "m", "mock"]);
  assert.equal(rows[1].cost_microusd, Math.round(7 * 1.5 + 3 * 6));
});


test("a slow reader is held back, not buffered without end", async () => {
  let sent = 0, stop = false;
  const piece = chunk({ content: "x".repeat(60000) });
  x.p.answer = (req, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    const more = () => {
      while (!stop && sent < 400e6) {
        sent += piece.length;
        if (!res.write(piece)) return res.once("drain", more);
      }
    };
    more();
  };
  const body = JSON.stringify(ask("hi", { stream: true }));
  const request = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${x.s.key}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const socket = net.connect(x.s.port, "127.0.0.1", () => socket.write(request));
  socket.pause();
  let last = -1;
  await waitFor("the provider to be held back", async () => {
    const same = sent === last && sent > 0;
    last = sent;
    await new Promise((r) => setTimeout(r, 150));
    return same;
  });
  assert.ok(sent < 100e6, `${sent} bytes taken from the provider`);
  stop = true;
  socket.destroy();
});

test("one choice of two is no answer, whole or streamed", async () => {
  x.p.answer = (req, res, body) => {
    if (!JSON.parse(body).stream) return good(res);
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.end(chunk({ role: "assistant", content: "one" }) + chunk({}, "stop") + "data: [DONE]\n\n");
  };
  await assert.rejects(create(ask("hi", { n: 2 })), failsWith(502));
  await assert.rejects(stream(ask("hi", { n: 2, stream: true })), OpenAI.APIError);
});
