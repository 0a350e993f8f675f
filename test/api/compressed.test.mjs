// Providers that compress although nobody asked: whole answers and streams are read right, and what
// is cut or damaged is never an answer.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import zlib from "node:zlib";
import { ask, chunk, completion, withProvider } from "./harness.mjs";

let x;
before(async () => {
  x = await withProvider();
});
after(() => x.stop());

const codings = { gzip: zlib.gzipSync, deflate: zlib.deflateSync, "x-gzip": zlib.gzipSync };
const ending = { deflate: zlib.deflateRawSync };

for (const [coding, pack] of [...Object.entries(codings), ...Object.entries(ending)]) {
  test(`a whole answer in ${pack.name} as ${coding}`, async () => {
    const text = "fine, ".repeat(20000);
    x.p.answer = (req, res) => {
      res.writeHead(200, { "content-type": "application/json", "content-encoding": coding });
      res.end(pack(JSON.stringify(completion(text))));
    };
    const whole = await x.s.client.chat.completions.create(ask("hi"));
    assert.equal(whole.choices[0].message.content, text);
  });
}

test("a compressed stream comes event by event", async () => {
  let more;
  x.p.answer = (req, res) => {
    const gzip = zlib.createGzip();
    res.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" });
    gzip.pipe(res);
    gzip.write(chunk({ content: "one" }));
    gzip.flush();
    more = () => {
      gzip.write(chunk({ content: "two" }));
      gzip.end(`${chunk({}, "stop")}data: [DONE]\n\n`);
    };
  };
  const got = [];
  for await (const c of await x.s.client.chat.completions.create(ask("hi", { stream: true }))) {
    if (c.choices[0].delta.content) got.push(c.choices[0].delta.content);
    if (got.length === 1 && more) {
      more(); // the first event came while the provider had sent no more
      more = null;
    }
  }
  assert.deepEqual(got, ["one", "two"]);
});

test("a compressed answer that is cut or damaged, or in another coding, is an error", async () => {
  const packed = zlib.gzipSync(JSON.stringify(completion("fine, ".repeat(1000))));
  const bad = Buffer.from(packed);
  bad[bad.length - 6] ^= 1; // its checksum
  const answers = [
    ["gzip", packed.subarray(0, packed.length - 4)],
    ["gzip", bad],
    ["gzip", zlib.gzipSync(Buffer.alloc(8 << 20, " "))], // a bomb
    ["br", zlib.brotliCompressSync("{}")],
  ];
  for (const [coding, body] of answers) {
    x.p.answer = (req, res) => {
      res.writeHead(200, { "content-type": "application/json", "content-encoding": coding });
      res.end(body);
    };
    await assert.rejects(x.s.client.chat.completions.create(ask("hi")), (e) => e.status === 502);
  }
});

test("a compressed refusal is passed on with its reason", async () => {
  x.p.answer = (req, res) => {
    res.writeHead(400, { "content-type": "application/json", "content-encoding": "gzip" });
    res.end(zlib.gzipSync(JSON.stringify({ error: { message: "no such voice", type: "invalid_request_error" } })));
  };
  await assert.rejects(x.s.client.chat.completions.create(ask("hi")), (e) => e.status === 400 && e.message.includes("no such voice"));
});
