// Streams that break off: the client gets the whole answer, once, or an error that it cannot overlook.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chunk, waitFor } from "./harness.mjs";
import { begunText, calling, cuts, dialects, fronts, ledger, question, saying, says, scene } from "./scene.mjs";

const words = ["The", " answer", " is", " forty", " two."];
const text = words.join("");

const model = (more = "") => `  - name: m
    provider: a
    upstream: upstream-model
    price_input: 1
    price_output: 2
${more}`;
const spare = `  - name: spare
    provider: b
`;

/** Sends these pieces of a stream, then what `cut` does. */
const breaking = (pieces, cut, before = async () => {}) => async (req, res) => {
  res.writeHead(200, { "content-type": "text/event-stream" });
  res.on("error", () => {});
  for (const piece of pieces) res.write(piece);
  await before();
  cut(res);
};

/** The first `n` requests get `bad`, all others `good`. */
const first = (n, bad, good) => (req, res, body, i) => (i <= n ? bad : good)(req, res, body, i);

/** A server that goes on from where the request's begun answer ends, and breaks off after so many words. */
const continuing = (d, counts, cut, told, { echo = false, eat = false } = {}) => async (req, res, body, i) => {
  const begun = begunText(body), n = counts[i - 1];
  assert.ok(text.startsWith(begun), `goes on from ${JSON.stringify(begun)}`);
  let rest = text.slice(begun.length);
  if (eat) rest = rest.trimStart();
  if (echo) rest = begun + rest;
  const list = rest.match(/\s*\S+/g) ?? [];
  if (n === undefined) return says(d, list)(req, res, body);
  await breaking([...d.head, ...d.words(list.slice(0, n))], cut, told(list.slice(0, n)))(req, res);
};

for (const [frontName, front] of Object.entries(fronts))
  for (const [dialectName, d] of Object.entries(dialects))
    describe(`${frontName} in front, ${dialectName} behind`, () => {
      const good = says(d, words);

      for (const [how, cut] of Object.entries(cuts)) {
        test(`${how} behind its head: begun anew`, async (t) => {
          const x = await scene(t, { a: { type: d.type, answer: first(1, breaking(d.head, cut), good) } }, model());
          const got = await front.stream(x.s, question());
          assert.equal(got.text, text);
          assert.equal(got.ids.size, 1, "one id");
          assert.equal(got.usage.output, 3);
          assert.equal(x.a.requests.length, 2);
          const rows = await ledger(x.s, got.request, 2);
          assert.equal(rows[0].cost_microusd, 0);
          assert.equal(rows[1].cost_microusd, 13);
        });

        test(`${how} behind its first words: gone on with`, async (t) => {
          let asked;
          const told = () => () => waitFor("the words", () => asked.got.text === "The answer");
          const x = await scene(t, { a: { type: d.type, answer: continuing(d, [2], cut, told) } }, model(`    prefill: "true"\n`));
          const got = await (asked = front.stream(x.s, question()));
          assert.equal(got.text, text);
          assert.equal(got.ids.size, 1);
          assert.equal(got.usage.output, 5, "two that had been said, three by whom went on");
          assert.equal(begunText(x.a.requests[1].body), "The answer");
          const rows = await ledger(x.s, got.request, 2);
          assert.equal(rows[0].cost_microusd, 0);
          assert.equal(rows[1].output_tokens, 5);
        });

        test(`${how} behind words that nobody goes on with: an error`, async (t) => {
          let asked;
          const told = () => waitFor("the words", () => asked.got.text === "The answer");
          const x = await scene(t, { a: { type: d.type, answer: breaking([...d.head, ...d.words(words.slice(0, 2))], cut, told) }, b: { answer: says(dialects.openai, words) } }, model(`    fallback: [spare]\n`) + spare);
          asked = front.stream(x.s, question());
          await assert.rejects(asked, (e) => e.message.length > 5 && !(e instanceof assert.AssertionError));
          assert.equal(asked.got.text, "The answer", "what came was delivered");
          assert.equal(x.a.requests.length + x.b.requests.length, 1);
          const [row] = await ledger(x.s, asked.got.request, 1);
          assert.equal(row.cost_microusd, 0);
          assert.notEqual(row.error, "");
        });

        test(`${how} while held back: no trace of it`, async (t) => {
          const x = await scene(t, { a: { type: d.type, answer: first(1, breaking([...d.head, ...d.words(["Some", "thing else"])], cut), good) } }, model(`    hold_back: 5s\n`));
          const got = await front.stream(x.s, question());
          assert.equal(got.text, text);
          assert.equal(got.ids.size, 1);
          assert.equal(x.a.requests.length, 2);
        });

        test(`${how} inside a tool call: an error`, async (t) => {
          let asked;
          const told = () => waitFor("the call", () => asked.got.call === '{"city":');
          const x = await scene(t, { a: { type: d.type, answer: breaking([...d.head, ...d.tool.slice(0, 2)], cut, told) } }, model(`    prefill: "true"\n`));
          asked = front.stream(x.s, question());
          await assert.rejects(asked, (e) => e.message.length > 5 && !(e instanceof assert.AssertionError));
          assert.equal(x.a.requests.length, 1);
        });
      }

      test("an error event behind its head: begun anew", async (t) => {
        const x = await scene(t, { a: { type: d.type, answer: first(1, breaking([...d.head, d.errorEvent], (res) => res.end()), good) } }, model());
        const got = await front.stream(x.s, question());
        assert.equal(got.text, text);
        assert.equal(x.a.requests.length, 2);
      });

      test("an error event behind words: raised", async (t) => {
        const x = await scene(t, { a: { type: d.type, answer: breaking([...d.head, ...d.words(words.slice(0, 2)), d.errorEvent], (res) => res.end()) } }, model());
        const asked = front.stream(x.s, question());
        await assert.rejects(asked, (e) => e.message.length > 5 && !(e instanceof assert.AssertionError));
        assert.equal(asked.got.text, "The answer");
      });

      test("a tool call that breaks off while held back: begun anew", async (t) => {
        const bad = breaking([...d.head, ...d.tool.slice(0, 2)], cuts.closed);
        const whole = breaking(calling(d), (res) => res.end());
        const x = await scene(t, { a: { type: d.type, answer: first(1, bad, whole) } }, model(`    hold_back: 5s\n`));
        const got = await front.stream(x.s, question());
        assert.deepEqual(JSON.parse(got.call), { city: "Oslo" });
      });

      const seams = {
        "one cut after another": [[1, 1, 2], {}],
        "cut behind white space, which is said again": [[["The", " answer", " "]], {}],
        "cut behind white space, which is not said again": [[["The", " answer", " "]], { eat: true }],
        "cut behind an empty line": [[["The answer", " is\n\n"]], { whole: "The answer is\n\nforty two." }],
      };
      for (const [name, [counts, how]] of Object.entries(seams))
        test(`gone on with: ${name}`, async (t) => {
          const all = how.whole ?? text;
          let asked, said = "";
          const answer = async (req, res, body, i) => {
            const begun = begunText(body);
            assert.equal(begun, said.trimEnd(), "from where it ended");
            let rest = all.slice(begun.length);
            if (how.eat) rest = rest.trimStart();
            const list = rest.match(/\s*\S+/g), n = counts[i - 1];
            if (n === undefined) return says(d, list)(req, res, body);
            const now = Array.isArray(n) ? n : list.slice(0, n);
            said += now.join("");
            await breaking([...d.head, ...d.words(now)], cuts.closed, () => waitFor("the words", () => asked.got.text === said))(req, res);
          };
          const x = await scene(t, { a: { type: d.type, answer } }, model(`    prefill: "true"\n    attempts: 6\n`));
          const got = await (asked = front.stream(x.s, question()));
          assert.equal(got.text, all, "no duplicate and no gap");
          assert.equal(x.a.requests.length, counts.length + 1);
        });

      test("taken up by another provider", async (t) => {
        let asked;
        const told = () => waitFor("the words", () => asked.got.text === "The answer");
        const x = await scene(
          t,
          { a: { type: d.type, answer: first(1, breaking([...d.head, ...d.words(words.slice(0, 2))], cuts.closed, told), (req, res) => res.socket.destroy()) }, b: { answer: continuing(dialects.openai, [], null, null) }, c: { type: "anthropic", answer: continuing(dialects.anthropic, [], null, null) } },
          model(`    prefill: "false"\n    fallback: [spare, claude]\n`) + spare + `    prefill: "${d.type ? "true" : "false"}"\n  - name: claude\n    provider: c\n    prefill: "true"\n`,
        );
        const got = await (asked = front.stream(x.s, question()));
        assert.equal(got.text, text);
        const other = d.type ? x.b : x.c; // the one of the other protocol
        assert.equal(begunText(other.requests[0].body), "The answer");
        assert.equal(got.ids.size, 1);
      });

      test("a whole answer that is cut short: asked for again", async (t) => {
        const body = JSON.stringify(d.whole(text));
        const shapes = {
          "length too long": (res) => res.writeHead(200, { "content-type": "application/json", "content-length": body.length + 100 }) && (res.write(body), res.socket.end()),
          "length too short": (res) => res.socket.end(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length - 9}\r\n\r\n${body}`),
          "chunks without an end": (res) => res.writeHead(200, { "content-type": "application/json" }) && (res.write(body), res.socket.end()),
          "half": (res) => res.writeHead(200, { "content-type": "application/json" }).end(body.slice(0, body.length / 2)),
          "stalled": (res) => res.writeHead(200, { "content-type": "application/json" }).write(body.slice(0, body.length / 2)),
        };
        for (const [name, shape] of Object.entries(shapes)) {
          const x = await scene(t, { a: { type: d.type, answer: first(1, (req, res) => shape(res), good) } }, model());
          const got = await front.whole(x.s, question());
          assert.equal(got.text, text, name);
          assert.equal(x.a.requests.length, 2, name);
          x.a.requests.length = 0;
          x.a.answer = (req, res) => shape(res);
          await assert.rejects(front.whole(x.s, question()), (e) => e.status === 502 || e.status === 504, name);
        }
      });

      test("a stream with a length that is wrong", async (t) => {
        const all = saying(d, words).join("");
        const head = (n) => `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: ${n}\r\n\r\n`;
        const half = [...d.head, ...d.words(words.slice(0, 2))].join("");
        const x = await scene(t, { a: { type: d.type } }, model());
        x.a.answer = (req, res) => res.socket.end(head(all.length + 1000) + all);
        assert.equal((await front.stream(x.s, question())).text, text, "all was there though more was promised");
        x.a.answer = (req, res) => res.socket.end(head(half.length) + half);
        await assert.rejects(front.stream(x.s, question()), (e) => !(e instanceof assert.AssertionError));
        x.a.answer = (req, res) => res.socket.end(head(half.length) + all);
        await assert.rejects(front.stream(x.s, question()), (e) => !(e instanceof assert.AssertionError));
        x.a.answer = (req, res) => res.socket.end(head(half.length + 5000) + half);
        await assert.rejects(front.stream(x.s, question()), (e) => !(e instanceof assert.AssertionError));
      });
    });

test("gone on with by a server that says the beginning again", async (t) => {
  let asked;
  const told = (list) => () => waitFor("the words", () => asked.got.text === list.join(""));
  const x = await scene(t, { a: { type: "mistral", answer: continuing(dialects.openai, [2], cuts.closed, told, { echo: true }) } }, model());
  const got = await (asked = fronts.chat.stream(x.s, question()));
  assert.equal(got.text, text);
  assert.equal(JSON.parse(x.a.requests[1].body).messages.at(-1).prefix, true);
});

describe("what nobody could go on with is an error, whatever the target can", () => {
  const d = dialects.openai;
  const piece = (index, content, more = {}) => chunk(null).replace('"choices":[{"index":0,"delta":null,"finish_reason":null}]', `"choices":[${JSON.stringify({ index, delta: { content }, finish_reason: null, ...more })}]`);
  const cases = {
    "two choices": [{ n: 2 }, [...d.head, piece(0, "The"), piece(1, "One")]],
    "logprobs": [{ logprobs: true }, [...d.head, piece(0, "The", { logprobs: { content: [{ token: "The", logprob: -0.1, bytes: null, top_logprobs: [] }] } })]],
    "a JSON schema": [{ response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "object" } } } }, [...d.head, piece(0, '{"a":')]],
    "reasoning that had begun": [{}, [...d.head, chunk({ reasoning_content: "Hmm" })]],
  };
  for (const [name, [more, pieces]] of Object.entries(cases))
    test(name, async (t) => {
      const x = await scene(t, { a: { answer: breaking(pieces, cuts.closed) } }, model(`    prefill: "true"\n    attempts: 2\n`));
      await assert.rejects(fronts.chat.stream(x.s, question(more)), (e) => e.message.length > 5 && !(e instanceof assert.AssertionError));
      assert.equal(x.a.requests.length, 1);
    });
});

test("behind the window of hold_back words are let go, and a cut is told or gone on with", async (t) => {
  const d = dialects.openai;
  for (const prefill of ["true", "false"]) {
    let asked;
    const told = () => waitFor("the words", () => asked.got.text === "The answer");
    const bad = async (req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write([...d.head, ...d.words(words.slice(0, 1))].join(""));
      await new Promise((r) => setTimeout(r, 120)); // past the window
      res.write(d.words(words.slice(1, 2)).join(""));
      await told();
      res.socket.destroy();
    };
    const x = await scene(t, { a: { answer: first(1, bad, continuing(d, [], null, null)) } }, model(`    hold_back: 50ms\n    prefill: "${prefill}"\n`));
    asked = fronts.chat.stream(x.s, question());
    if (prefill === "true") assert.equal((await asked).text, text);
    else await assert.rejects(asked, (e) => !(e instanceof assert.AssertionError));
    assert.equal(x.a.requests.length, prefill === "true" ? 2 : 1);
  }
});

test("the rest of an answer is asked for with the tokens that are left", async (t) => {
  const d = dialects.openai;
  let asked;
  const told = () => () => waitFor("the words", () => asked.got.text === "The answer");
  const x = await scene(t, { a: { answer: continuing(d, [2], cuts.closed, told) } }, model(`    prefill: "true"\n`));
  assert.equal((await (asked = fronts.chat.stream(x.s, question({ max_tokens: 20 })))).text, text);
  assert.deepEqual(x.a.requests.map((r) => JSON.parse(r.body).max_tokens), [20, 18]);
});

describe("a text completion as a stream", () => {
  const part = (text, finish = null) => `data: ${JSON.stringify({ id: "cmpl-1", object: "text_completion", created: 1, model: "upstream-model", choices: [{ index: 0, text, logprobs: null, finish_reason: finish }] })}\n\n`;
  const all = [...words.map((w) => part(w)), part("", "stop"), "data: [DONE]\n\n"];
  const ask = async (x) => {
    let got = "", finish;
    for await (const c of await x.s.client.completions.create({ model: "m", prompt: "hi", stream: true })) {
      got += c.choices[0]?.text ?? "";
      finish = c.choices[0]?.finish_reason ?? finish;
    }
    assert.ok(finish, "an answer that ends without a reason is not whole");
    return got;
  };
  for (const [how, cut] of Object.entries(cuts))
    test(`${how}`, async (t) => {
      const x = await scene(t, { a: { answer: first(1, breaking([": wait\n\n"], cut), breaking(all, (res) => res.end())) } }, model());
      assert.equal(await ask(x), text, "begun anew before its first word");
      x.a.answer = breaking(all.slice(0, 2), cut);
      await assert.rejects(ask(x), (e) => e.message.length > 5 && !(e instanceof assert.AssertionError));
    });
});
