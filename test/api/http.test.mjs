// What arrives on the wire: hostile and odd requests, sent as raw bytes.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before, test } from "node:test";
import { raw, Service } from "./harness.mjs";

let s, auth;
before(async () => {
  s = await Service.start({ config: "limits:\n  body: 1 MB\n" });
  auth = `Authorization: Bearer ${s.key}\r\n`;
});
after(() => s.stop());

const chat = (body, headers = "") => `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
const status = (answer) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
const errorOf = (answer) => JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4)).error;

const refused = {
  "Content-Length and Transfer-Encoding": "POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "two Content-Lengths": "POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
  "a Content-Length that is no number": "POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
  "no Host": "GET /livez HTTP/1.1\r\n\r\n",
  "a space before the colon": "GET /livez HTTP/1.1\r\nHost : x\r\n\r\n",
  "a folded header": "GET /livez HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
  "a bare line feed": "GET /livez HTTP/1.1\nHost: x\n\n",
  "a bad chunk size": `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n%AUTH%Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n`,
  "another version": "GET /livez HTTP/3.0\r\nHost: x\r\n\r\n",
  "traversal": "GET /v1/files/..%2f..%2fetc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
};
for (const [name, bytes] of Object.entries(refused))
  test(`refused: ${name}`, async () => {
    const answer = await raw(s.port, bytes.replace("%AUTH%", auth), { until: /\r\n\r\n.*\}/s });
    assert.ok([400, 401, 404, 501, 505].includes(status(answer)), answer.slice(0, 100));
    assert.ok(errorOf(answer).message);
  });

test("limits: 414, 431, 413 by length and by chunks", async () => {
  assert.equal(status(await raw(s.port, `GET /${"a".repeat(100000)} HTTP/1.1\r\nHost: x\r\n\r\n`, { until: /\}/ })), 414);
  assert.equal(status(await raw(s.port, `GET /livez HTTP/1.1\r\nHost: x\r\nA: ${"a".repeat(128 << 10)}\r\n\r\n`, { until: /\}/ })), 431);
  assert.equal(status(await raw(s.port, `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\nContent-Length: 2000000\r\n\r\n`, { until: /\}/ })), 413);
  const piece = `10000\r\n${"a".repeat(0x10000)}\r\n`;
  assert.equal(status(await raw(s.port, `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${piece.repeat(20)}`, { until: /\}/ })), 413);
});

const bodies = {
  "": 400, "nonsense": 400, "[]": 400, "1": 400, '{"model":"docs",}': 400, '{"model":NaN}': 400, '{"a":01}': 400,
  '{"model":"docs","messages":[{"role":"user","content":"\ud800"}]}': 404,
  '{"model":"x","model":"y","messages":[]}': 400,
  [`{"a":${"[".repeat(100000)}${"]".repeat(100000)}}`]: 400,
};
for (const [body, want] of Object.entries(bodies))
  test(`JSON ${JSON.stringify(body.slice(0, 40))} gives ${want}`, async () => {
    const answer = await raw(s.port, chat(body));
    assert.equal(status(answer), want);
    assert.equal(errorOf(answer).type, "invalid_request_error");
  });

test("broken UTF-8 is refused", async () => {
  const body = Buffer.concat([Buffer.from('{"model":"docs","messages":[{"role":"user","content":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}]}')]);
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  assert.equal(status(await raw(s.port, Buffer.concat([Buffer.from(head), body]))), 400);
});

test("another media type is 415", async () => {
  const answer = await raw(s.port, chat("{}").replace("application/json", "text/plain"));
  assert.equal(status(answer), 415);
});

test("pipelined requests are answered in order", async () => {
  const one = (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const answer = await raw(s.port, one("/livez") + one("/nothing") + one("/livez").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
  assert.deepEqual([...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => m[1]), ["200", "404", "200"]);
});

test("a request that comes byte by byte, with Expect and chunks", async () => {
  const answer = await new Promise((resolve, reject) => {
    const c = net.connect(s.port, "127.0.0.1");
    c.setNoDelay(true);
    let got = "";
    c.on("data", (d) => (got += d));
    c.on("end", () => resolve(got));
    c.on("error", reject);
    const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`;
    const dribble = (bytes, i = 0) => i < bytes.length && (c.write(bytes[i]), setImmediate(dribble, bytes, i + 1));
    dribble(head);
    c.once("data", () => dribble("2\r\n{}\r\n0\r\n\r\n"));
  });
  assert.match(answer, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 400/);
});

test("HTTP/1.0 gets an answer without chunks, then the end", async () => {
  const answer = await raw(s.port, "GET /livez HTTP/1.0\r\n\r\n");
  assert.equal(status(answer), 200);
  assert.doesNotMatch(answer, /chunked/i);
});

test("HEAD has the head alone", async () => {
  const answer = await raw(s.port, "HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  assert.equal(status(answer), 200);
  assert.match(answer, /content-length: 3/i);
  assert.ok(answer.endsWith("\r\n\r\n"));
});

test("200 half-open connections do not block others", async () => {
  const open = [];
  for (let i = 0; i < 200; i++) {
    const c = net.connect(s.port, "127.0.0.1");
    c.on("error", () => {});
    c.write("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-");
    open.push(c);
  }
  const start = Date.now();
  assert.equal((await fetch(s.origin + "/livez")).status, 200);
  assert.ok(Date.now() - start < 2000);
  for (const c of open) c.destroy();
});

test("two keys that differ, a key in the query, a scheme in lower case", async () => {
  assert.equal(status(await raw(s.port, `GET /v1/models HTTP/1.1\r\nHost: x\r\n${auth}Authorization: Bearer other\r\nConnection: close\r\n\r\n`)), 401);
  assert.equal(status(await raw(s.port, `GET /v1/models?api_key=${s.key} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)), 401);
  assert.equal(status(await raw(s.port, `GET /v1/models HTTP/1.1\r\nHost: x\r\n${auth.replace("Bearer", "bearer")}Connection: close\r\n\r\n`)), 200);
});
