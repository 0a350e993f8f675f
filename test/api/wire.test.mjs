// Answers in odd bytes: what is whole is read right, what is not is never taken for an answer.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import zlib from "node:zlib";
import { chunk, event } from "./harness.mjs";
import { dialects, fronts, ledger, question, saying, says, scene, sendJson } from "./scene.mjs";

const words = ["Blå", "bær", " 漢字", " 👋", " and so on."];
const text = words.join("");
const model = `  - name: m
    provider: a
    upstream: upstream-model
    price_input: 1
    price_output: 2
    attempts: 1
`;
const streams = (bytes, headers = {}) => (req, res) => {
  res.writeHead(200, { "content-type": "text/event-stream", ...headers });
  res.end(bytes);
};
const raised = (e) => e.message.length > 5 && !(e instanceof assert.AssertionError);

/** Inserts `what` behind the first word. */
const amid = (d, ...what) => {
  const list = saying(d, words);
  list.splice(d.head.length + d.words([""]).length, 0, ...what);
  return list.join("");
};

/** A stream in pieces of `n` bytes, each in a write of its own. */
const inPieces = (n) => async (res, bytes) => {
  res.socket.setNoDelay(true);
  for (let i = 0; i < bytes.length; i += n) {
    res.write(bytes.subarray(i, i + n));
    if (i % (8 * n) === 0) await new Promise(setImmediate);
  }
  res.end();
};

for (const [frontName, front] of Object.entries(fronts))
  for (const [dialectName, d] of Object.entries(dialects))
    describe(`${frontName} in front, ${dialectName} behind`, () => {
      const all = saying(d, words).join("");
      const oddStreams = {
        "comments": amid(d, ": keep-alive\n\n", ":\n\n"),
        "CRLF": all.replaceAll("\n", "\r\n"),
        "CR alone": all.replaceAll("\n", "\r"),
        "a byte order mark": "\uFEFF" + all,
        "no space behind the colon": all.replaceAll("data: ", "data:").replaceAll("event: ", "event:"),
        "ids and retry times": all.replaceAll("data: ", "id: 7\nretry: 100\ndata: "),
        "unknown fields": all.replaceAll("data: ", "x-nonsense: 1\ndata: "),
        "a malformed event": amid(d, 'data: {"choices": [{"delta": {"cont\n\n'),
        "an event that is no JSON": amid(d, "data: hello\n\n"),
        "an empty event": amid(d, "data:\n\n", "\n\n"),
        "an event of an unknown kind": amid(d, d.type ? event("new_kind", { x: 1 }) : `data: {"object":"new.kind","x":1}\n\n`),
        "its end mark twice": all + d.done.join(""),
        "words behind its end": all + d.words(["no"]).at(-1),
        "no line behind its last event": all.trimEnd(),
      };
      if (!d.type) oddStreams["event: lines"] = all.replaceAll("data: ", "event: message\ndata: ");
      for (const [name, bytes] of Object.entries(oddStreams))
        test(`a stream with ${name}`, async (t) => {
          const x = await scene(t, { a: { type: d.type, answer: streams(bytes) } }, model);
          const got = await front.stream(x.s, question());
          assert.equal(got.text, text);
          assert.equal(got.usage.output, 3);
        });

      for (const n of [1, 2, 7])
        test(`a stream in pieces of ${n} bytes`, async (t) => {
          const x = await scene(t, { a: { type: d.type } }, model);
          x.a.answer = (req, res) => {
            res.writeHead(200, { "content-type": "text/event-stream" });
            inPieces(n)(res, Buffer.from(all));
          };
          assert.equal((await front.stream(x.s, question())).text, text);
        });

      test("an answer in pieces of one byte", async (t) => {
        const x = await scene(t, { a: { type: d.type } }, model);
        x.a.answer = (req, res) => {
          res.writeHead(200, { "content-type": "application/json" });
          inPieces(1)(res, Buffer.from(JSON.stringify(d.whole(text))));
        };
        assert.equal((await front.whole(x.s, question())).text, text);
      });

      test("an event of 2 MB", async (t) => {
        const long = "lang und länger ".repeat(125_000);
        const x = await scene(t, { a: { type: d.type, answer: says(d, ["a ", long, " z"]) } }, model);
        for (const ask of Object.values(front)) assert.equal((await ask(x.s, question())).text, `a ${long} z`);
      });

      test("no end mark while the connection stays open: ends at once, with usage", async (t) => {
        const x = await scene(t, { a: { type: d.type, more: { idle_timeout: "30s" } } }, model);
        x.a.answer = (req, res) => {
          res.writeHead(200, { "content-type": "text/event-stream" });
          res.write([...d.head, ...d.words(words), ...d.finish()].join(""));
        };
        const begun = Date.now(), got = await front.stream(x.s, question());
        assert.equal(got.text, text);
        assert.equal(got.usage.output, 3);
        assert.ok(Date.now() - begun < 8000, "not by the idle deadline");
        const [row] = await ledger(x.s, got.request, 1);
        assert.deepEqual([row.output_tokens, row.cost_microusd, row.error], [3, 13, ""]);
      });

      test("a provider that does not tell usage: it is counted", async (t) => {
        const x = await scene(t, { a: { type: d.type } }, model);
        x.a.answer = streams([...d.head, ...d.words(["one", " two", " three", " four"]), ...d.finish()].filter((e) => d.type || !e.includes("usage")).join("").replace(',"usage":{"output_tokens":3}', "") + d.done);
        const got = await front.stream(x.s, question());
        const [row] = await ledger(x.s, got.request, 1);
        assert.ok(row.output_tokens >= 4 && row.cost_microusd > 0, JSON.stringify(row));
      });

      test("a malformed event that mattered: no success", async (t) => {
        const x = await scene(t, { a: { type: d.type } }, model);
        for (const bad of ['data: {"choices": [{"fini\n\n', ""]) {
          x.a.answer = streams([...d.head, ...d.words(words), bad, ...d.done].join(""));
          await assert.rejects(front.stream(x.s, question()), raised);
        }
      });

      const page = "<!doctype html><html><body>Bad gateway</body></html>";
      const noAnswers = {
        "an error object": [JSON.stringify(d.error), "application/json"],
        "a page": [page, "text/html"],
        "a page that says it is JSON": [page, "application/json"],
        "nothing": ["", "application/json"],
        "null": ["null", "application/json"],
        "an empty object": ["{}", "application/json"],
        "no choices": [JSON.stringify({ ...d.whole(text), choices: [], content: null }), "application/json"],
        "words that are no JSON": ["upstream connect error", "text/plain"],
      };
      test("status 200 that is no answer", async (t) => {
        const x = await scene(t, { a: { type: d.type } }, model);
        for (const [name, [body, type]] of Object.entries(noAnswers)) {
          x.a.answer = (req, res) => res.writeHead(200, { "content-type": type }).end(body);
          for (const [how, ask] of Object.entries(front)) {
            await assert.rejects(ask(x.s, question()), (e) => e.status >= 500 && !e.message.includes("<html"), `${name}, ${how}`);
            x.a.answer = (req, res) => res.writeHead(200, { "content-type": type }).end(body);
          }
        }
        for (const [name, body] of Object.entries({ page, error: `data: ${JSON.stringify(d.error)}\n\n`, event: d.errorEvent, nothing: "" })) {
          x.a.answer = streams(body);
          await assert.rejects(front.stream(x.s, question()), raised, `${name} as a stream`);
        }
      });

      const errors = { "an error event": d.errorEvent };
      if (!d.type) {
        errors["an error inside choices"] = `data: ${JSON.stringify({ id: "x", object: "chat.completion.chunk", choices: [{ index: 0, delta: {}, finish_reason: "error", error: { message: "engine on fire", code: 502 } }] })}\n\n`;
        errors["an error for a reason"] = chunk({}, "error");
      }
      for (const [name, bad] of Object.entries(errors))
        test(`${name} amid a stream is an error`, async (t) => {
          const x = await scene(t, { a: { type: d.type, answer: streams(amid(d, bad)) } }, model);
          const asked = front.stream(x.s, question());
          await assert.rejects(asked, raised);
          assert.ok(text.startsWith(asked.got.text));
        });

      const codings = { gzip: zlib.gzipSync, deflate: zlib.deflateSync, "x-gzip": zlib.gzipSync };
      for (const [coding, pack] of Object.entries(codings))
        test(`${coding} that nobody asked for`, async (t) => {
          const x = await scene(t, { a: { type: d.type } }, model);
          x.a.answer = (req, res) => res.writeHead(200, { "content-type": "application/json", "content-encoding": coding }).end(pack(JSON.stringify(d.whole(text))));
          assert.equal((await front.whole(x.s, question())).text, text);
          x.a.answer = (req, res) => {
            res.writeHead(200, { "content-type": "text/event-stream", "content-encoding": coding });
            inPieces(50)(res, pack(all));
          };
          assert.equal((await front.stream(x.s, question())).text, text);
          x.a.answer = streams(pack(all).subarray(0, pack(all).length / 2), { "content-encoding": coding });
          await assert.rejects(front.stream(x.s, question()), raised);
        });

      test("gzip as it comes: each word is there before the next is sent", async (t) => {
        const x = await scene(t, { a: { type: d.type, more: { idle_timeout: "5s" } } }, model);
        let asked;
        x.a.answer = async (req, res) => {
          res.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" });
          const zip = zlib.createGzip();
          zip.pipe(res);
          let said = "";
          zip.write([...d.head, ...d.words([""])].join(""));
          for (const word of words) {
            zip.write(d.words([word]).at(-1));
            await new Promise((r) => zip.flush(zlib.constants.Z_SYNC_FLUSH, r));
            said += word;
            while (asked.got.text !== said && !res.destroyed) await new Promise(setImmediate);
          }
          zip.end([...d.finish(), ...d.done].join(""));
        };
        assert.equal((await (asked = front.stream(x.s, question()))).text, text);
      });

      test("100, 102 and 103 before the answer", async (t) => {
        const x = await scene(t, { a: { type: d.type } }, model);
        x.a.answer = (req, res, body) => {
          res.socket.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n");
          setTimeout(() => says(d, words)(req, res, body), 20);
        };
        for (const ask of Object.values(front)) assert.equal((await ask(x.s, question())).text, text);
        x.a.answer = (req, res) => res.socket.end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
        for (const ask of Object.values(front)) await assert.rejects(ask(x.s, question()), (e) => e.status === 502);
      });

      test("a connection that is closed behind each answer, said or not", async (t) => {
        const x = await scene(t, { a: { type: d.type } }, model);
        for (const headers of [{ connection: "close" }, {}]) {
          x.a.answer = (req, res, body) => {
            for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
            const { socket } = res;
            res.on("finish", () => socket.end());
            says(d, words)(req, res, body);
          };
          for (let i = 0; i < 5; i++) for (const ask of Object.values(front)) assert.equal((await ask(x.s, question())).text, text);
        }
        x.a.answer = (req, res) => res.socket.end(`HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n${all}`);
        assert.equal((await front.stream(x.s, question())).text, text, "HTTP/1.0, to the end of the connection");
      });
    });

test("a whole answer with an error inside its choices is an error", async (t) => {
  const x = await scene(t, { a: {} }, model);
  const whole = dialects.openai.whole(text);
  whole.choices[0].error = { message: "engine on fire", code: 502 };
  whole.choices[0].finish_reason = "error";
  x.a.answer = (req, res) => sendJson(res, 200, whole);
  await assert.rejects(fronts.chat.whole(x.s, question()), (e) => e.status === 502);
});
