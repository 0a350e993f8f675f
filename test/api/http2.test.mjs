// HTTP/2 in front: Node's client, curl and h2load against the real binary.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import fs from "node:fs";
import http2 from "node:http2";
import path from "node:path";
import tls from "node:tls";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { ask, chunk, completion, Service, temporary, waitFor, withProvider } from "./harness.mjs";

const runFile = promisify(execFile);
const have = (program) => spawnSync(program, ["--version"]).status === 0;

/** A connection that speaks HTTP/2; `post` gives the stream, `answer` its status and body. */
class Client {
  constructor(s, options = {}) {
    this.s = s;
    this.session = http2.connect(s.origin, options);
    this.session.on("error", () => {});
    this.closed = new Promise((r) => this.session.on("close", r));
  }

  request(headers, options) {
    const r = this.session.request({ authorization: `Bearer ${this.s.key}`, ...headers }, options);
    r.on("error", (e) => (r.failure = e));
    return r;
  }

  post(body, where = "/v1/chat/completions", headers = {}) {
    const r = this.request({ ":method": "POST", ":path": where, "content-type": "application/json", ...headers });
    r.end(typeof body === "string" ? body : JSON.stringify(body));
    return r;
  }

  async answer(r) {
    let status, text = "", headers;
    r.on("response", (h) => ((headers = h), (status = h[":status"]))).setEncoding("utf8").on("data", (d) => (text += d));
    await new Promise((done) => r.on("close", done));
    return { status, text, headers, json: () => JSON.parse(text) };
  }

  close() {
    this.session.destroy();
  }
}

const text = (answer) =>
  [...answer.matchAll(/^data: (\{.*)$/gm)].map((m) => JSON.parse(m[1]).choices[0]?.delta?.content ?? "").join("");

test("answers, streams and errors", async () => {
  const { s, stop } = await withProvider();
  const c = new Client(s);
  try {
    const whole = await c.answer(c.post(ask("hi")));
    assert.equal(whole.status, 200);
    assert.equal(whole.json().choices[0].message.content, "Hello there.");
    assert.match(whole.headers["x-request-id"], /^req_/);
    assert.ok(whole.headers.date && !("connection" in whole.headers) && !("transfer-encoding" in whole.headers));

    const stream = await c.answer(c.post(ask("hi", { stream: true })));
    assert.equal(stream.headers["content-type"].split(";")[0], "text/event-stream");
    assert.equal(text(stream.text), "Hello there.");
    assert.match(stream.text, /data: \[DONE\]\n\n$/);

    const nowhere = await c.answer(c.request({ ":path": "/nowhere" }));
    assert.equal(nowhere.status, 404);
    assert.equal(nowhere.json().error.code, "unknown_url");
    const head = await c.answer(c.request({ ":method": "HEAD", ":path": "/nowhere" }));
    assert.deepEqual([head.status, head.text], [404, ""]);
    const stranger = await c.answer(c.post(ask("hi"), undefined, { authorization: "Bearer wrong" }));
    assert.equal(stranger.status, 401);
    assert.equal(stranger.json().error.code, "invalid_api_key");
    const climbing = await c.answer(c.request({ ":path": "/a/%2e%2e/b" }));
    assert.equal(climbing.status, 400);
    assert.match(climbing.json().error.type, /invalid_request_error/);
  } finally {
    c.close();
    await stop();
  }
});

test("what is too large is refused, and the connection goes on", async () => {
  const { s, stop } = await withProvider();
  const c = new Client(s, { maxSendHeaderBlockLength: 1 << 20 });
  try {
    const big = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`x-${i}`, "abc".repeat(3000)]));
    const headers = await c.answer(c.request({ ":path": "/v1/models", ...big }));
    assert.equal(headers.status, 431);
    assert.equal(headers.json().error.code, "headers_too_large");
    const long = await c.answer(c.request({ ":path": `/${"a".repeat(40000)}` }));
    assert.equal(long.status, 414);
    const announced = c.request({ ":method": "POST", ":path": "/v1/chat/completions", "content-length": String(1 << 30) });
    const body = await c.answer(announced);
    assert.equal(body.status, 413);
    assert.equal(body.json().error.code, "request_too_large");
    assert.equal((await c.answer(c.post(ask("hi")))).status, 200);
  } finally {
    c.close();
    await stop();
  }
});

test("a large body comes whole, with and without its length", async () => {
  const { p, s, stop } = await withProvider();
  const c = new Client(s);
  try {
    const body = JSON.stringify(ask("word ".repeat(500000)));
    for (const headers of [{}, { "content-length": String(Buffer.byteLength(body)) }]) {
      assert.equal((await c.answer(c.post(body, undefined, headers))).status, 200);
      assert.equal(JSON.parse(p.requests.at(-1).body).messages[0].content, "word ".repeat(500000));
    }
  } finally {
    c.close();
    await stop();
  }
});

test("each event of a stream is passed on as it comes", async () => {
  let provider;
  const { s, stop } = await withProvider((req, res) => {
    res.setHeader("content-type", "text/event-stream");
    res.write(chunk({ role: "assistant", content: "one" }));
    provider = res;
  });
  const c = new Client(s);
  try {
    const r = c.post(ask("hi", { stream: true }));
    let got = "";
    r.setEncoding("utf8").on("data", (d) => (got += d));
    await waitFor("the first event", () => text(got) === "one");
    provider.write(chunk({ content: "two" }));
    await waitFor("the second event", () => text(got) === "onetwo");
    provider.write(chunk({}, "stop"));
    provider.end("data: [DONE]\n\n");
    await waitFor("the end", () => got.endsWith("data: [DONE]\n\n") && r.closed);
    assert.equal(r.failure, undefined);
  } finally {
    c.close();
    await stop();
  }
});

test("100 streams at once on one connection", async () => {
  const { s, stop } = await withProvider();
  const c = new Client(s);
  try {
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => c.answer(c.post(ask("hi", { stream: i % 2 === 0 })))));
    assert.ok(answers.every((a) => a.status === 200));
    assert.ok(answers.every((a, i) => (i % 2 ? a.json().choices[0].message.content : text(a.text)) === "Hello there."));
  } finally {
    c.close();
    await stop();
  }
});

for (const phase of ["before the answer", "in a stream"])
  test(`a stream that is reset ${phase} closes its provider connection, it alone`, async () => {
    const held = [];
    const { p, s, stop } = await withProvider((req, res, body) => {
      const lost = new Promise((r) => res.on("close", () => r(res.writableFinished)));
      held.push({ res, lost, name: JSON.parse(body).messages[0].content });
      if (phase === "before the answer") return;
      res.setHeader("content-type", "text/event-stream");
      res.write(chunk({ role: "assistant", content: "one" }));
    });
    const c = new Client(s);
    try {
      const goes = c.post(ask("goes", { stream: true }));
      const stays = c.answer(c.post(ask("stays", { stream: true })));
      await waitFor("both requests", () => held.length === 2);
      goes.close(http2.constants.NGHTTP2_CANCEL);
      assert.equal(await held.find((h) => h.name === "goes").lost, false);
      const other = held.find((h) => h.name === "stays").res;
      if (phase === "before the answer") other.setHeader("content-type", "text/event-stream");
      other.write(chunk({ content: "two" }));
      other.write(chunk({}, "stop"));
      other.end("data: [DONE]\n\n");
      const answer = await stays;
      assert.equal(answer.status, 200);
      assert.ok(text(answer.text).endsWith("two"));
      assert.equal(p.requests.length, 2);
    } finally {
      c.close();
      await stop();
    }
  });

test("a connection that ends closes the provider connections of all its streams", async () => {
  const lost = [];
  const { s, stop } = await withProvider((req, res) => {
    lost.push(new Promise((r) => res.on("close", r)));
    res.setHeader("content-type", "text/event-stream");
    res.write(chunk({ role: "assistant", content: "one" }));
  });
  const c = new Client(s);
  try {
    for (let i = 0; i < 10; i++) c.post(ask("hi", { stream: true }));
    await waitFor("the requests", () => lost.length === 10);
    c.close();
    await Promise.all(lost);
  } finally {
    await stop();
  }
});

test("a stream whose client does not read slows its provider down, others do not notice", async () => {
  const event = chunk({ content: "x".repeat(10000) });
  let flowing, written = 0;
  const { s, stop } = await withProvider((req, res, body) => {
    res.setHeader("content-type", "text/event-stream");
    if (JSON.parse(body).messages[0].content !== "flood") return res.end(chunk({ content: "calm" }) + chunk({}, "stop") + "data: [DONE]\n\n");
    flowing = res;
    const more = () => {
      while (written < 3000 && res.write(event)) written++;
      if (written >= 3000) res.end(chunk({}, "stop") + "data: [DONE]\n\n");
      else res.once("drain", () => (written++, more()));
    };
    more();
  });
  const c = new Client(s);
  try {
    const r = c.post(ask("flood", { stream: true }));
    r.pause();
    await waitFor("the flood", () => flowing);
    let last = -1;
    await waitFor("a standstill", () => { const still = written === last && written > 0; last = written; return still; });
    for (let i = 0; i < 20; i++) assert.equal(text((await c.answer(c.post(ask("hi", { stream: true })))).text), "calm");
    assert.ok(written < 2500, `the provider could write ${written} of 3000 events`);
    const answer = c.answer(r);
    r.resume();
    const all = await answer;
    assert.equal(text(all.text).length, 3000 * 10000);
    assert.match(all.text, /data: \[DONE\]\n\n$/);
  } finally {
    c.close();
    await stop();
  }
});

test("draining says GOAWAY and finishes what runs", async () => {
  let provider;
  const { p, s } = await withProvider((req, res) => {
    res.setHeader("content-type", "text/event-stream");
    res.write(chunk({ role: "assistant", content: "one" }));
    provider = res;
  });
  const c = new Client(s);
  const goaway = new Promise((r) => c.session.on("goaway", r));
  const answer = c.answer(c.post(ask("hi", { stream: true })));
  await waitFor("the request", () => provider);
  const stopped = s.kill("SIGTERM");
  assert.equal(await goaway, http2.constants.NGHTTP2_NO_ERROR);
  provider.write(chunk({ content: " two" }));
  provider.write(chunk({}, "stop"));
  provider.end("data: [DONE]\n\n");
  const all = await answer;
  assert.equal(text(all.text), "one two");
  assert.match(all.text, /data: \[DONE\]\n\n$/);
  await c.closed;
  assert.equal(await stopped, 0);
  await p.stop();
});

test("curl and h2load", { skip: !have("h2load") && "nghttp2-client is not installed" }, async () => {
  const { s, stop } = await withProvider();
  try {
    const key = `authorization: Bearer ${s.key}`;
    const { stdout } = await runFile("curl", ["-s", "--http2-prior-knowledge", "-H", key, "-w", "\n%{http_version} %{http_code}", `${s.origin}/v1/models`]);
    assert.match(stdout, /"object":"list".*\n2 200$/s);
    const file = path.join(s.data, "body.json");
    fs.writeFileSync(file, JSON.stringify(ask("hi", { stream: true })));
    const load = await runFile("h2load", ["-n", "600", "-c", "3", "-m", "30", "-d", file, "-H", key, "-H", "content-type: application/json", `${s.origin}/v1/chat/completions`]);
    assert.match(load.stdout, /600 succeeded, 0 failed, 0 errored, 0 timeout/);
    assert.match(load.stdout, /status codes: 600 2xx/);
  } finally {
    await stop();
  }
});

// ---- TLS ----

const dir = temporary();
after(() => fs.rmSync(dir, { recursive: true, force: true }));

test("TLS chooses HTTP/2 by ALPN, and HTTP/1.1 for who asks for that", async () => {
  const cert = path.join(dir, "front.pem"), key = path.join(dir, "front.key");
  const made = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=front", "-addext", "subjectAltName=IP:127.0.0.1"]);
  assert.equal(made.status, 0, String(made.stderr));
  const { s, stop } = await withProvider((req, res, body) => {
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify(completion("x".repeat(JSON.parse(body).messages[0].content.length))));
  }, { rest: `tls: {certificate: ${cert}, key: ${key}}` });
  const ca = fs.readFileSync(cert);
  const c = new Client(s, { ca });
  try {
    const answer = await c.answer(c.post(ask("hi")));
    assert.equal(answer.status, 200);
    assert.equal(c.session.alpnProtocol, "h2");
    for (const size of [10, 2000000, 10]) {
      const all = await Promise.all(Array.from({ length: 8 }, () => c.answer(c.post(ask("y".repeat(size))))));
      assert.ok(all.every((a) => a.status === 200 && a.json().choices[0].message.content.length === size));
    }
    for (const [offer, chosen] of [[["http/1.1"], "http/1.1"], [["http/1.1", "h2"], "h2"], [[], false]]) {
      const socket = tls.connect({ port: s.port, host: "127.0.0.1", ca, ALPNProtocols: offer });
      await new Promise((r) => socket.on("secureConnect", r));
      assert.equal(socket.alpnProtocol, chosen);
      socket.destroy();
    }
    const curl = spawnSync("curl", ["-s", "--cacert", cert, "-H", `authorization: Bearer ${s.key}`, "-w", "\n%{http_version}", `${s.origin}/v1/models`]);
    assert.ok(curl.error || /\n2$/.test(String(curl.stdout)), String(curl.stdout));
  } finally {
    c.close();
    await stop();
  }
});
