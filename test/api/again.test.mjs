// Who is asked again, when, and who answers instead: refusals and failures before an answer has begun.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import https from "node:https";
import path from "node:path";
import { describe, test } from "node:test";
import { Service, temporary } from "./harness.mjs";
import { dialects, fronts, ledger, metric, question, says, scene, sendJson } from "./scene.mjs";

const words = ["All", " good."];
const model = (more = "") => `  - name: m
    provider: a
    upstream: upstream-model
    price_input: 1
    price_output: 2
${more}`;
const spare = `    fallback: [spare]
  - name: spare
    provider: b
    upstream: spare-model
    price_input: 1
    price_output: 2
`;
const first = (n, bad, good) => (req, res, body, i) => (i <= n ? bad : good)(req, res, body, i);
const fails = (status, headers = {}, message = "oops") => (req, res) => sendJson(res, status, { error: { message, type: "x" } }, headers);
/** Notes when requests came. */
const timed = (answer) => {
  const times = [];
  return Object.assign((req, res, body, i) => (times.push(Date.now()), answer(req, res, body, i)), { times });
};

/** Each way to ask over each protocol behind; side by side, as most of it is waiting. */
function each(define) {
  const ways = Object.entries(fronts).flatMap(([front, f]) => ["whole", "stream"].flatMap((how) => Object.entries(dialects).map(([name, d]) => [`${front}, ${how}, ${name} behind`, f[how], d])));
  describe("each way", { concurrency: 3 }, () => {
    for (const [name, ask, d] of ways) describe(name, { concurrency: 4 }, () => define(ask, d, says(d, words)));
  });
}

each((ask, d, good) => {
  const soon = () => new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000);
  const waits = {
    "retry-after-ms": () => [{ "retry-after-ms": "300" }, Date.now() + 300],
    "seconds": () => [{ "retry-after": "1" }, Date.now() + 1000],
    "an HTTP date": () => { const at = soon(); return [{ "retry-after": at.toUTCString() }, at.getTime()]; },
  };
  for (const [name, wait] of Object.entries(waits))
    test(`429 with ${name} is honoured`, async (t) => {
      let until;
      const answer = timed(first(1, (req, res) => { const [headers, at] = wait(); until = at; fails(429, headers)(req, res); }, good));
      const x = await scene(t, { a: { type: d.type, answer } }, model());
      const got = await ask(x.s, question());
      assert.equal(got.text, "All good.");
      assert.equal(answer.times.length, 2);
      assert.ok(answer.times[1] >= until - 2, `${until - answer.times[1]} ms too early`);
      assert.equal(got.headers.get("x-penstock-attempts"), "2");
    });

  test("429 that names no time, and one 500, are tried again at the same provider", async (t) => {
    for (const status of [429, 500]) {
      const x = await scene(t, { a: { type: d.type, answer: first(1, fails(status), good) }, b: {} }, model(spare));
      const got = await ask(x.s, question());
      assert.equal(got.text, "All good.");
      assert.equal(x.a.requests.length, 2, `${status}`);
      assert.equal(x.b.requests.length, 0);
      assert.equal(got.headers.get("x-penstock-tier"), "primary");
    }
  });

  for (const status of [429, 500, 502, 503, 504, 529])
    test(`${status} that persists: the fallback answers`, async (t) => {
      const x = await scene(t, { a: { type: d.type, answer: fails(status) }, b: { answer: says(dialects.openai, words) } }, model(spare));
      const got = await ask(x.s, question());
      assert.equal(got.text, "All good.");
      assert.equal(x.a.requests.length, 2);
      assert.deepEqual(["tier", "model", "provider", "attempts"].map((h) => got.headers.get(`x-penstock-${h}`)), ["fallback", "spare-model", "b", "3"]);
      const rows = await ledger(x.s, got.request, 3);
      assert.deepEqual(rows.map((r) => [r.attempt, r.provider, r.status, r.cost_microusd]), [[1, "a", status, 0], [2, "a", status, 0], [3, "b", 200, 13]]);
    });

  const silences = {
    "reset": (req, res) => res.socket.resetAndDestroy(),
    "closed": (req, res) => res.socket.destroy(),
    "half-closed": (req, res) => res.socket.end(),
    "closed in its head": (req, res) => res.socket.end("HTTP/1.1 200 OK\r\nContent-Ty"),
    "something that is not HTTP": (req, res) => res.socket.end("SSH-2.0-OpenSSH_9.2\r\n"),
  };
  test("no answer but a closed connection: tried again", async (t) => {
    const x = await scene(t, { a: { type: d.type } }, model());
    for (const [name, bad] of Object.entries(silences)) {
      x.a.requests.length = 0;
      x.a.answer = first(1, bad, good);
      assert.equal((await ask(x.s, question())).text, "All good.", name);
      assert.equal(x.a.requests.length, 2, name);
    }
  });

  test("a kept connection that is closed under a request: sent again at once, as an attempt of its own", async (t) => {
    const x = await scene(t, { a: { type: d.type, answer: good } }, model());
    await ask(x.s, question());
    x.a.answer = first(2, silences.reset, good);
    const got = await ask(x.s, question());
    assert.equal(got.text, "All good.");
    assert.equal(got.headers.get("x-penstock-attempts"), "2");
    assert.equal(x.a.requests.length, 3);
    const rows = await ledger(x.s, got.request, 2);
    assert.deepEqual(rows.map((r) => [r.attempt, r.status, r.cost_microusd]), [[1, 502, 0], [2, 200, 13]]);
  });

  test("silence: the first-byte deadline ends it, the silent one is not asked twice", async (t) => {
    const x = await scene(t, { a: { type: d.type, answer: () => {}, more: { first_byte_timeout: "300ms" } }, b: { answer: says(dialects.openai, words) } }, model(spare) + "  - name: alone\n    provider: a\n");
    const got = await ask(x.s, question());
    assert.equal(got.text, "All good.");
    assert.equal(got.headers.get("x-penstock-tier"), "fallback");
    assert.equal(x.a.requests.length, 1);
    await assert.rejects(ask(x.s, question({ model: "alone" })), (e) => e.status === 504);
    assert.equal(x.a.requests.length, 2);
  });

  test("context too long: to a larger window, else the provider's reason", async (t) => {
    const reasons = [
      { error: { message: "This model's maximum context length is 10 tokens", type: "invalid_request_error", code: "context_length_exceeded" } },
      { type: "error", error: { type: "invalid_request_error", message: "prompt is too long: 300 tokens > 200 maximum" } },
      { error: { code: 400, message: "the request exceeds the available context size", type: "exceed_context_size_error" } },
    ];
    const chain = `    context: 1000
    fallback: [small, large]
  - name: small
    provider: b
    context: 900
  - name: large
    provider: c
    context: 9000
  - name: alone
    provider: a
`;
    const x = await scene(t, { a: { type: d.type }, b: {}, c: { answer: says(dialects.openai, words) } }, model(chain));
    for (const reason of reasons) {
      x.a.requests.length = 0;
      x.a.answer = (req, res) => sendJson(res, 400, reason);
      const got = await ask(x.s, question());
      assert.equal(got.text, "All good.");
      assert.equal(got.headers.get("x-penstock-provider"), "c");
      assert.deepEqual([x.a.requests.length, x.b.requests.length], [1, 0]);
      await assert.rejects(ask(x.s, question({ model: "alone" })), (e) => e.status === 400 && e.message.includes(reason.error.message));
      assert.equal(x.a.requests.length, 2, "once");
    }
  });

  test("content policy: the reason is passed on, nobody else is asked", async (t) => {
    const x = await scene(t, { a: { type: d.type }, b: {} }, model(spare));
    for (const error of [{ message: "flagged by our policy", code: "content_policy_violation" }, { message: "flagged as jailbreak", code: "content_filter" }, { message: "Output blocked by content filtering policy", type: "invalid_request_error" }]) {
      x.a.requests.length = 0;
      x.a.answer = (req, res) => sendJson(res, 400, { error });
      await assert.rejects(ask(x.s, question()), (e) => e.status === 400 && e.message.includes(error.message));
      assert.deepEqual([x.a.requests.length, x.b.requests.length], [1, 0]);
    }
  });

  for (const status of [401, 403])
    test(`${status}: another key of the pool, never the same; else 502`, async (t) => {
      const key = (r) => r.headers["x-api-key"] ?? r.headers.authorization.replace("Bearer ", "");
      const bad = new Set(["one"]);
      const answer = (req, res, body) => (bad.has(key(req)) ? fails(status, {}, `bad key ${key(req)}`) : good)(req, res, body);
      const x = await scene(t, { a: { type: d.type, answer, more: { key: "[one, two]" } } }, model());
      for (let i = 0; i < 4; i++) assert.equal((await ask(x.s, question())).text, "All good.");
      assert.equal(x.a.requests.filter((r) => key(r) === "one").length, 1, "the refused one rests");
      bad.add("two");
      x.a.requests.length = 0;
      await assert.rejects(ask(x.s, question()), (e) => e.status === 502 && !/one|two/.test(e.message));
      const keys = x.a.requests.map(key);
      assert.equal(new Set(keys).size, keys.length, `asked with ${keys}`);
      assert.ok((await metric(x.s, "penstock_provider_auth_failures_total", "a")) >= 2);
    });

  test("redirects are not followed", async (t) => {
    const x = await scene(t, { a: { type: d.type }, thief: {} }, model());
    for (const status of [301, 302, 303, 307, 308])
      for (const to of [x.thief.url, `http://localhost:${x.thief.port}/`, "/elsewhere", "//127.0.0.1/"]) {
        x.a.requests.length = 0;
        x.a.answer = (req, res) => res.writeHead(status, { location: to }).end();
        await assert.rejects(ask(x.s, question()), (e) => (e.status === 502 || e.status === 503) && e.message.length > 10);
        assert.ok(x.a.requests.every((r) => r.url === x.a.requests[0].url));
      }
    assert.equal(x.thief.requests.length, 0, "neither key nor prompt left");
  });
});

for (const [name, d] of Object.entries(dialects))
  test(`a slow first token: the fallback answers (${name})`, async (t) => {
    const x = await scene(t, { a: { type: d.type, more: { idle_timeout: "5s", first_byte_timeout: "5s" } }, b: { answer: says(dialects.openai, words) } }, model(`    first_token_timeout: 300ms\n${spare}`));
    const slow = {
      "no head": () => {},
      "a head": (req, res) => res.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders(),
      "a role": (req, res) => res.writeHead(200, { "content-type": "text/event-stream" }).write(d.head.join("")),
      "comments": (req, res) => {
        res.writeHead(200, { "content-type": "text/event-stream" }).write(": wait\n\n");
        const timer = setInterval(() => res.write(": wait\n\n"), 50);
        res.on("close", () => clearInterval(timer));
      },
    };
    for (const [what, answer] of Object.entries(slow)) {
      x.a.requests.length = 0;
      x.a.answer = answer;
      const got = await fronts.chat.stream(x.s, question());
      assert.equal(got.text, "All good.", what);
      assert.equal(got.ids.size, 1, what);
      assert.equal(x.a.requests.length, 1, what);
    }
    x.a.answer = (req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write([...d.head, ...d.words(["Slow"])].join(""));
      setTimeout(() => res.end([...d.words([" but well."]).slice(-1), ...d.finish(), ...d.done].join("")), 600);
    };
    assert.equal((await fronts.chat.stream(x.s, question())).text, "Slow but well.", "only the first word has to be quick");
  });

describe("what is not a chat", () => {
  const ops = {
    completions: [{ prompt: "hi" }, { id: "c", object: "text_completion", created: 1, model: "x", choices: [{ index: 0, text: "All good.", finish_reason: "stop", logprobs: null }], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } }],
    embeddings: [{ input: "hi" }, { object: "list", data: [{ object: "embedding", index: 0, embedding: [0.25] }], model: "x", usage: { prompt_tokens: 7, total_tokens: 7 } }],
    moderations: [{ input: "hi" }, { id: "modr", model: "x", results: [{ flagged: false, categories: {}, category_scores: {} }] }],
    rerank: [{ query: "hi", documents: ["a", "b"] }, { model: "x", results: [{ index: 1, relevance_score: 0.5 }, { index: 0, relevance_score: 0.25 }], usage: { total_tokens: 7 } }],
  };
  for (const [op, [body, whole]] of Object.entries(ops)) {
    const good = (req, res) => sendJson(res, 200, whole);
    const start = async (t, roles) => {
      const x = await scene(t, roles, model(roles.b && spare));
      return { ...x, ask: () => x.s.fetch(`/v1/${op}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "m", ...body }) }) };
    };

    test(`${op}: asked again, then elsewhere`, async (t) => {
      const x = await start(t, { a: {}, b: { answer: good } });
      const length = JSON.stringify(whole).length;
      const bads = {
        "500": fails(500),
        "429": fails(429, { "retry-after-ms": "20" }),
        "reset": (req, res) => res.socket.resetAndDestroy(),
        "cut short": (req, res) => res.socket.end(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${length + 9}\r\n\r\n${JSON.stringify(whole)}`),
        "half": (req, res) => sendJson(res, 200, JSON.stringify(whole).slice(0, length / 2)),
        "a page": (req, res) => res.writeHead(200, { "content-type": "text/html" }).end("<html></html>"),
        "an error with status 200": (req, res) => sendJson(res, 200, { error: { message: "engine on fire" } }),
      };
      for (const [name, bad] of Object.entries(bads)) {
        x.a.requests.length = x.b.requests.length = 0;
        x.a.answer = first(1, bad, good);
        const once = await x.ask();
        assert.equal(once.status, 200, name);
        const got = await once.json();
        for (const field in whole) assert.deepEqual(got[field], field === "model" ? "m" : whole[field], `${name}: ${field}`);
        assert.deepEqual([x.a.requests.length, x.b.requests.length], [2, 0], name);
        x.a.answer = bad;
        const r = await x.ask();
        assert.deepEqual([r.status, r.headers.get("x-penstock-tier")], [200, "fallback"], name);
        await r.text();
        x.a.answer = good; // keeps its breaker closed
        for (let i = 0; i < 3; i++) await (await x.ask()).text();
      }
    });

    test(`${op}: silence, refusals, reasons`, async (t) => {
      const x = await start(t, { a: { more: { first_byte_timeout: "300ms" } } });
      for (const [answer, status, n] of [[() => {}, 504, 1], [fails(401), 502, 1], [fails(400, {}, "no such thing"), 400, 1], [(req, res) => res.writeHead(307, { location: "http://localhost:1/" }).end(), 502]]) {
        x.a.requests.length = 0;
        x.a.answer = answer;
        const r = await x.ask();
        assert.equal(r.status, status);
        assert.ok((await r.json()).error.message.length > 5);
        if (n) assert.equal(x.a.requests.length, n);
      }
    });
  }
});

test("never more than 4 attempts in 3 s nor 6 in all, whoever is asked", async (t) => {
  const chains = { "one that limits": [429, ""], "one that is down": [503, ""], "two": [503, spare] };
  for (const [name, [status, rest]] of Object.entries(chains)) {
    const answer = timed(fails(status, { "retry-after-ms": "10" })), { times } = answer;
    const x = await scene(t, { a: { answer }, b: { answer } }, model(`    attempts: 6\n    retry_budget: 30s\n${rest}`));
    await assert.rejects(fronts.chat.whole(x.s, question()));
    assert.ok(times.length > (rest ? 3 : 5) && times.length <= 6, `${name}: ${times.length}`);
    for (let i = 4; i < times.length; i++) assert.ok(times[i] - times[i - 4] >= 2950, `${name}: five in ${times[i] - times[i - 4]} ms`);
  }
});

test("with as many attempts as there are places everybody is asked once", async (t) => {
  const chain = "    attempts: 3\n    fallback: [second, third]\n  - name: second\n    provider: b\n  - name: third\n    provider: c\n";
  const x = await scene(t, { a: { answer: fails(500) }, b: { answer: fails(500) }, c: { answer: says(dialects.openai, words) } }, model(chain));
  assert.equal((await fronts.chat.whole(x.s, question())).text, "All good.");
  assert.deepEqual([x.a, x.b, x.c].map((p) => p.requests.length), [1, 1, 1]);
});

test("a pause beyond the retry budget is not waited for", async (t) => {
  const x = await scene(t, { a: { answer: fails(429, { "retry-after": "20" }) } }, model());
  await assert.rejects(fronts.chat.whole(x.s, question()), (e) => e.status === 429 && Number(e.headers.get("retry-after")) >= 19);
  assert.equal(x.a.requests.length, 1);
  x.a.answer = fails(503, { "retry-after": "20" });
  await assert.rejects(fronts.chat.whole(x.s, question()), (e) => e.status === 502);
  assert.equal(x.a.requests.length, 2);
});

test("the chain to its end: another provider, a simpler model, quotes, a static text", async (t) => {
  const chain = `    fallback: [other, simpler, quotes, end]
  - name: other
    provider: b
    upstream: other-model
  - name: simpler
    provider: c
    upstream: tiny-model
  - name: quotes
  - name: end
    provider: sorry
  - name: last
    provider: a
    fallback: [end]
`;
  const x = await scene(t, { a: {}, b: { type: "anthropic" }, c: {}, sorry: { text: "We are sorry." } }, model(chain));
  const down = fails(500), content = "The fee is 40 euros. The sun is a star.\n\nHow much is the fee?";
  const steps = [
    ["m", x.b, /^All good\.$/, ["fallback", "b", "other-model"]],
    ["m", x.c, /^All good\.$/, ["fallback", "c", "tiny-model"]],
    ["m", null, /40 euros/, ["extractive", "extractive"]],
    ["last", null, /^We are sorry\.$/, ["static", "sorry"]],
  ];
  for (const p of [x.a, x.b, x.c]) p.answer = down;
  for (const [name, p, text, headers] of steps) {
    if (p) p.answer = says(p === x.b ? dialects.anthropic : dialects.openai, words);
    for (const ask of Object.values(fronts.chat)) {
      const got = await ask(x.s, { model: name, messages: [{ role: "user", content }] });
      assert.match(got.text, text);
      assert.equal(got.headers.get("x-penstock-tier"), headers[0]);
      assert.equal(got.headers.get("x-penstock-provider"), headers[1]);
      const rows = await ledger(x.s, got.request, Number(got.headers.get("x-penstock-attempts")));
      assert.ok(rows.slice(0, -1).every((r) => r.cost_microusd === 0 && r.error));
      assert.deepEqual([rows.at(-1).error, rows.at(-1).status], ["", 200]);
    }
    if (p) p.answer = down;
  }
});

describe("TLS that cannot be verified", () => {
  const dir = temporary();
  const at = (name) => path.join(dir, name);
  const openssl = (...args) => assert.equal(spawnSync("openssl", args, { cwd: dir }).status, 0);
  const certificate = (name, subject) =>
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", `${name}.key`, "-out", `${name}.pem`, "-days", "2", "-subj", "/CN=x", "-addext", `subjectAltName=${subject}`);

  test("is refused before key or prompt are sent, unless configured", async (t) => {
    certificate("self", "IP:127.0.0.1");
    certificate("other", "DNS:example.com");
    const servers = {};
    t.after(() => {
      for (const server of Object.values(servers)) server.close(), server.closeAllConnections();
      fs.rmSync(dir, { recursive: true, force: true });
    });
    for (const name of ["self", "other"]) {
      servers[name] = https.createServer({ key: fs.readFileSync(at(`${name}.key`)), cert: fs.readFileSync(at(`${name}.pem`)) }, (req, res) => {
        servers[name].asked = true;
        req.resume().on("end", () => sendJson(res, 200, dialects.openai.whole("over TLS")));
      });
      await new Promise((r) => servers[name].listen(0, "127.0.0.1", r));
    }
    const cases = [
      ["unknown", "self", "", false],
      ["named otherwise", "other", `, ca: ${at("other.pem")}`, false],
      ["known", "self", `, ca: ${at("self.pem")}`, true],
      ["insecure", "other", ", insecure: true", true],
    ];
    const s = await Service.start({
      config: `providers:\n${cases.map(([name, server, more], i) => `  - {name: p${i}, key: k, url: "https://127.0.0.1:${servers[server].address().port}/v1"${more}}\n`).join("")}models:\n${cases.map((c, i) => `  - {name: m${i}, provider: p${i}}\n`).join("")}`,
    });
    t.after(() => s.stop());
    for (const [i, [name, server, , good]] of cases.entries()) {
      servers[server].asked = false;
      const asked = fronts.chat.whole(s, question({ model: `m${i}` }));
      if (good) assert.equal((await asked).text, "over TLS", name);
      else await assert.rejects(asked, (e) => e.status === 502, name);
      assert.equal(servers[server].asked, good, name);
    }
  });
});
