// Clients that leave, clients that are slow, two providers that race, and a service that is told to end or to read its files again.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import path from "node:path";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { Service, temporary, waitFor } from "./harness.mjs";
import { dialects, fronts, ledger, metric, question, saying, says, scene, sendJson } from "./scene.mjs";

const model = (more = "") => `  - name: m
    provider: a
    upstream: upstream-model
    price_input: 1
    price_output: 2
${more}`;

/** Where requests come in, and what they need beside a question. */
const doors = {
  chat: ["/v1/chat/completions", {}],
  messages: ["/v1/messages", { max_tokens: 50 }],
  responses: ["/v1/responses", { input: "hi", messages: undefined }],
};
const others = {
  completions: ["/v1/completions", { prompt: "hi", messages: undefined }],
  embeddings: ["/v1/embeddings", { input: "hi", messages: undefined }],
  moderations: ["/v1/moderations", { input: "hi", messages: undefined }],
  rerank: ["/v1/rerank", { query: "hi", documents: ["a"], messages: undefined }],
};

/** A request on a connection of its own; `leave` ends it. */
function client(s, body, how = "closed", [where, more] = doors.chat) {
  const text = JSON.stringify({ ...body, ...more });
  const socket = net.connect(s.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(`POST ${where} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${s.key}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  let got = "";
  socket.on("data", (d) => (got += d));
  return {
    socket,
    has: (what) => waitFor(what, () => got.includes(what)),
    leave: () => (how === "reset" ? socket.resetAndDestroy() : socket.destroy()),
  };
}

/** The same over HTTP/2, where a client leaves by resetting its stream. */
function client2(session, s, body) {
  const r = session.request({ ":method": "POST", ":path": "/v1/chat/completions", authorization: `Bearer ${s.key}`, "content-type": "application/json" });
  r.on("error", () => {});
  let got = "";
  r.on("data", (d) => (got += d));
  r.end(JSON.stringify(body));
  return { has: (what) => waitFor(what, () => got.includes(what)), leave: () => r.close(http2.constants.NGHTTP2_CANCEL) };
}

/** Answers that stay open. `arrived` and `closed` count; `when` is told the moment of each closing. */
function held(begin = () => {}) {
  const state = { arrived: 0, closed: 0, when: () => {} };
  const answer = (req, res, body) => {
    state.arrived++;
    res.on("close", () => {
      state.closed++;
      state.when(performance.now());
    });
    begin(res, JSON.parse(body));
  };
  return Object.assign(answer, { state });
}

const streamHead = (d) => (res, body) => {
  if (!body.stream) return;
  res.writeHead(200, { "content-type": "text/event-stream" });
  res.write([...d.head, ...d.words(["so far", " and no further"])].join(""));
};

/** Lets clients leave one after the other, and notes how long the provider's connection outlives each. */
async function departures(t, n, state, arrive) {
  const times = [];
  for (let i = 0; i < n; i++) {
    const c = await arrive();
    const closed = new Promise((r) => (state.when = r));
    const left = performance.now();
    c.leave();
    times.push((await closed) - left);
  }
  times.sort((a, b) => a - b);
  t.diagnostic(`${n} departures: median ${times[n >> 1].toFixed(2)} ms, most ${times.at(-1).toFixed(2)} ms`);
  assert.ok(times.at(-1) < 1000, `${times.at(-1)} ms`);
}

describe("the client goes", () => {
  const ways = [];
  for (const [doorName, door] of Object.entries(doors))
    for (const [name, d] of Object.entries(dialects)) for (const how of ["closed", "reset"]) ways.push([`${doorName} in front, ${name} behind, ${how}`, doorName, d, how]);

  for (const [name, doorName, d, how] of ways) {
    const door = doors[doorName];
    test(`${name}: while the first byte is waited for`, async (t) => {
      const answer = held();
      const x = await scene(t, { a: { type: d.type, answer, more: { first_byte_timeout: "60s" } } }, model());
      for (const stream of [false, true])
        await departures(t, 60, answer.state, async () => {
          const before = answer.state.arrived, c = client(x.s, question({ stream }), how, door);
          await waitFor("the request", () => answer.state.arrived > before);
          return c;
        });
      await waitFor("no connection", () => x.a.open.size === 0);
    });

    test(`${name}: in the middle of a stream; it is settled by local count`, async (t) => {
      const answer = held(streamHead(d));
      const x = await scene(t, { a: { type: d.type, answer, more: { idle_timeout: "60s" } } }, model());
      await departures(t, 60, answer.state, async () => {
        const c = client(x.s, question({ stream: true }), how, door);
        await c.has("no further");
        return c;
      });
      await waitFor("no connection", () => x.a.open.size === 0);
      const abort = new AbortController();
      const front = fronts[doorName];
      const asked = front.stream(x.s, question(), { signal: abort.signal });
      await waitFor("the words", () => asked.got.text === "so far and no further");
      abort.abort();
      await asked.catch(() => {});
      const [row] = await ledger(x.s, asked.got.request, 1);
      assert.equal(row.counted, 1);
      assert.ok(row.output_tokens >= 4 && row.cost_microusd > 0, JSON.stringify(row));
      assert.equal(row.error, "cancelled");
    });
  }

  for (const [name, door] of Object.entries(others))
    test(`${name}: while the first byte is waited for`, async (t) => {
      const answer = held();
      const x = await scene(t, { a: { answer, more: { first_byte_timeout: "60s" } } }, model());
      await departures(t, 50, answer.state, async () => {
        const before = answer.state.arrived, c = client(x.s, question(), "closed", door);
        await waitFor("the request", () => answer.state.arrived > before);
        return c;
      });
      await waitFor("no connection", () => x.a.open.size === 0);
    });

  test("resetting a stream of HTTP/2", async (t) => {
    const answer = held(streamHead(dialects.openai));
    const x = await scene(t, { a: { answer, more: { idle_timeout: "60s" } } }, model());
    const session = http2.connect(x.s.origin);
    t.after(() => session.destroy());
    await departures(t, 60, answer.state, async () => {
      const c = client2(session, x.s, question({ stream: true }));
      await c.has("no further");
      return c;
    });
    await departures(t, 20, answer.state, async () => {
      const before = answer.state.arrived, c = client2(session, x.s, question());
      await waitFor("the request", () => answer.state.arrived > before);
      return c;
    });
    await waitFor("no connection", () => x.a.open.size === 0);
  });

  test("while its provider is being connected to", async (t) => {
    const state = { arrived: 0, when: () => {} }; // takes connections, and says nothing of TLS
    const mute = net.createServer((socket) => {
      state.arrived++;
      socket.resume().on("error", () => {}).on("close", () => state.when(performance.now()));
    });
    mute.listen(0, "127.0.0.1");
    await once(mute, "listening");
    t.after(() => mute.close());
    const s = await Service.start({ config: `providers: [{name: a, url: "https://127.0.0.1:${mute.address().port}/v1", connect_timeout: 60s}]\nmodels: [{name: m, provider: a}]\n` });
    t.after(() => s.stop());
    await departures(t, 60, state, async () => {
      const before = state.arrived, c = client(s, question());
      await waitFor("the connection", () => state.arrived > before);
      return c;
    });
  });

  test("while two attempts race: both are closed", async (t) => {
    const a = held(), b = held();
    const x = await scene(t, { a: { answer: a, more: { first_byte_timeout: "60s" } }, b: { answer: b, more: { first_byte_timeout: "60s" } } }, `  - name: m\n    hedge: 20ms\n    targets:\n      - { provider: a }\n      - { provider: b }\n`);
    let last;
    const both = { set when(f) { last = f; } };
    for (const one of [a, b]) one.state.when = (at) => a.state.closed === a.state.arrived && b.state.closed === b.state.arrived && last(at);
    await departures(t, 30, both, async () => {
      const before = [a.state.arrived, b.state.arrived], c = client(x.s, question({ stream: true }));
      await waitFor("both requests", () => a.state.arrived + b.state.arrived === before[0] + before[1] + 2);
      return c;
    });
    await waitFor("no connection", () => x.a.open.size + x.b.open.size === 0);
  });

  test("while it waits for its turn, or for another attempt: nobody is asked", async (t) => {
    const x = await scene(t, { a: { more: { concurrency: 1, first_byte_timeout: "60s" } } }, model("    retry_budget: 20s\n"));
    x.a.answer = held();
    const inside = client(x.s, question());
    await waitFor("one inside", () => x.a.requests.length === 1);
    for (const how of ["closed", "reset"]) {
      const waiting = Array.from({ length: 20 }, () => client(x.s, question({ stream: true }), how));
      await waitFor("a queue", async () => (await metric(x.s, "penstock_queue_depth", "a")) === 20);
      for (const c of waiting) c.leave();
      await waitFor("an empty queue", async () => (await metric(x.s, "penstock_queue_depth", "a")) === 0);
    }
    inside.leave();
    await waitFor("no connection", () => x.a.open.size === 0);
    assert.equal(x.a.requests.length, 1);

    x.a.answer = (req, res) => sendJson(res, 429, { error: { message: "slow" } }, { "retry-after-ms": "15000", connection: "close" });
    const idle = await metric(x.s, "penstock_requests_in_flight");
    const pausing = client(x.s, question());
    await waitFor("the refusal", () => x.a.requests.length === 2);
    await waitFor("its end", () => x.a.open.size === 0);
    assert.equal(await metric(x.s, "penstock_requests_in_flight"), idle + 1);
    pausing.leave();
    await waitFor("its end here", async () => (await metric(x.s, "penstock_requests_in_flight")) === idle);
    assert.equal(x.a.requests.length, 2);
  });

  test("60 at once", async (t) => {
    for (const stream of [false, true]) {
      const answer = held(streamHead(dialects.openai));
      const x = await scene(t, { a: { answer, more: { first_byte_timeout: "60s", idle_timeout: "60s" } } }, model());
      const clients = Array.from({ length: 60 }, (_, i) => client(x.s, question({ stream }), i % 2 ? "closed" : "reset"));
      await waitFor("all of them", () => answer.state.arrived === 60);
      if (stream) await Promise.all(clients.map((c) => c.has("no further")));
      const left = performance.now();
      for (const c of clients) c.leave();
      await waitFor("all closed", () => answer.state.closed === 60 && x.a.open.size === 0, 5000);
      t.diagnostic(`60 at once: ${(performance.now() - left).toFixed(1)} ms`);
    }
  });
});

describe("a slow client", () => {
  const rss = (s) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${s.child.pid}/status`, "utf8"))[1]) / 1024;
  const megabytes = 200;

  for (const [name, d] of Object.entries(dialects))
    for (const version of [1, 2])
      test(`HTTP/${version}, ${name} behind: ${megabytes} MB go through bounded memory`, async (t) => {
        const piece = d.words(["x".repeat(60_000)]).at(-1), n = Math.ceil((megabytes << 20) / piece.length);
        let sent = 0;
        const answer = (req, res) => {
          res.writeHead(200, { "content-type": "text/event-stream" });
          res.write([...d.head, ...d.words([""])].join(""));
          const more = () => {
            while (sent < n) if (sent++, !res.write(piece)) return res.once("drain", more);
            res.end([...d.finish(), ...d.done].join(""));
          };
          more();
        };
        const x = await scene(t, { a: { type: d.type, answer, more: { idle_timeout: "60s" } } }, model());
        const before = rss(x.s);
        let stream, close;
        if (version === 2) {
          const session = http2.connect(x.s.origin);
          stream = session.request({ ":method": "POST", ":path": "/v1/chat/completions", authorization: `Bearer ${x.s.key}`, "content-type": "application/json" });
          stream.end(JSON.stringify(question({ stream: true })));
          close = () => session.destroy();
        } else {
          stream = client(x.s, question({ stream: true })).socket;
          stream.removeAllListeners("data");
          close = () => stream.destroy();
        }
        t.after(() => close());
        stream.on("error", () => {});
        stream.pause();
        let last = -1;
        await waitFor("the provider to be held back", async () => {
          const same = sent === last && sent > 0;
          last = sent;
          await new Promise((r) => setTimeout(r, 150));
          return same;
        });
        assert.ok(sent < n / 2, `${sent} of ${n} taken while nobody reads`);
        let most = rss(x.s), got = 0, tail = "";
        const ended = new Promise((resolve) => {
          stream.on("data", (bytes) => {
            if ((got += bytes.length) % 64 === 0) most = Math.max(most, rss(x.s));
            tail = (tail + bytes.subarray(-200).toString("latin1")).slice(-200);
            if (tail.includes("[DONE]")) resolve();
          });
        });
        stream.resume();
        await ended;
        most = Math.max(most, rss(x.s));
        assert.ok(got > n * 60_000);
        t.diagnostic(`${(most - before).toFixed(1)} MB more`);
        assert.ok(most - before < 48, `${most - before} MB`);
      });
});

describe("two attempts race", () => {
  const hedged = `  - name: m
    hedge: 50ms
    targets:
      - { provider: a }
      - { provider: b }
    price_input: 1
    price_output: 2
`;
  for (const [how, ask] of Object.entries(fronts.chat))
    for (const [name, d] of Object.entries(dialects))
      test(`${how}, ${name}: the first good answer wins, the other is closed and costs nothing`, async (t) => {
        const slow = held(), good = says(d, ["Fine", "."]);
        const x = await scene(t, { a: { type: d.type }, b: { type: d.type } }, hedged);
        for (const [loser, winner] of [[x.a, x.b], [x.b, x.a]]) {
          // whoever is asked first stays silent, the other one answers
          let silent;
          const answer = (p) => (req, res, body) => (silent ??= p) === p ? slow(req, res, body) : good(req, res, body);
          loser.answer = answer(loser);
          winner.answer = answer(winner);
          const closed = slow.state.closed, got = await ask(x.s, question());
          assert.equal(got.text, "Fine.");
          await waitFor("the loser to be let go", () => slow.state.closed === closed + 1);
          const rows = await ledger(x.s, got.request, 2);
          assert.deepEqual(rows.map((r) => r.cost_microusd).sort(), [0, 13]);
          assert.equal(got.headers.get("x-penstock-provider"), silent === x.a ? "b" : "a");
        }
      });

  test("one that fails does not end the other", async (t) => {
    const x = await scene(t, { a: {}, b: {} }, hedged);
    let n = 0;
    const answer = (req, res, body) => {
      if (++n === 1) return setTimeout(() => says(dialects.openai, ["Fine", "."])(req, res, body), 400);
      sendJson(res, 400 + 100 * (n % 2), { error: { message: "no" } });
    };
    x.a.answer = x.b.answer = answer;
    for (const ask of Object.values(fronts.chat)) {
      n = 0;
      assert.equal((await ask(x.s, question())).text, "Fine.");
    }
  });

  test("an answer that comes in time is alone", async (t) => {
    const x = await scene(t, { a: {}, b: {} }, hedged.replace("50ms", "5s"));
    for (let i = 0; i < 20; i++) await fronts.chat.whole(x.s, question());
    assert.equal(x.a.requests.length + x.b.requests.length, 20);
  });
});

describe("no request is lost", () => {
  /** Asks in `n` loops until `until` settles; all must be answered. */
  async function load(ask, n, until) {
    let done = false, count = 0;
    const loop = async () => {
      while (!done) {
        assert.equal((await ask()).text, "Fine.");
        count++;
      }
    };
    const loops = Array.from({ length: n }, loop);
    await Promise.race([until(), ...loops]).finally(() => (done = true));
    await Promise.all(loops);
    return count;
  }
  const slowly = (d) => (req, res, body) => setTimeout(() => says(d, ["Fine", "."])(req, res, body), 5);

  test("by reloads of the configuration under load", async (t) => {
    const x = await scene(t, { a: { answer: slowly(dialects.openai) }, b: { type: "anthropic", answer: slowly(dialects.anthropic) } }, model());
    const text = fs.readFileSync(x.s.configFile, "utf8");
    let turn = 0;
    const ask = () => (++turn % 2 ? fronts.chat.whole : fronts.chat.stream)(x.s, question());
    const reloads = () => x.s.log.split('"event":"reload","providers"').length - 1;
    const count = await load(ask, 8, async () => {
      for (let i = 0; i < 25; i++) {
        fs.writeFileSync(x.s.configFile, i % 2 ? text : text.replace("provider: a", "provider: b").replace("models:\n", `models:\n  - name: other${i}\n    provider: a\n`));
        const before = reloads();
        x.s.child.kill("SIGHUP");
        await waitFor("the reload", () => reloads() > before);
      }
    });
    t.diagnostic(`${count} answers over 25 reloads`);
    assert.ok(count > 25);
    assert.ok(x.a.requests.length > 0, "the first provider was asked");
    assert.ok(x.b.requests.length > 0, "the second provider was asked");
  });

  test("by reloads of certificates under load", async (t) => {
    const dir = temporary(), at = (name) => path.join(dir, name);
    t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
    for (const name of ["one", "two"])
      assert.equal(spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", at(`${name}.key`), "-out", at(`${name}.pem`), "-days", "2", "-subj", `/CN=${name}`]).status, 0);
    const use = (name) => {
      for (const kind of ["key", "pem"]) fs.copyFileSync(at(`${name}.${kind}`), at(`now.${kind}`));
    };
    use("one");
    const x = await scene(t, { a: { answer: slowly(dialects.openai) } }, `${model()}tls: { certificate: ${at("now.pem")}, key: ${at("now.key")} }\n`);
    const seen = new Set(), body = JSON.stringify(question());
    const ask = (agent) =>
      new Promise((resolve, reject) => {
        const r = https.request(`${x.s.url}/chat/completions`, { method: "POST", agent, rejectUnauthorized: false, headers: { authorization: `Bearer ${x.s.key}`, "content-type": "application/json", "content-length": body.length } }, (res) => {
          let got = "";
          seen.add(res.socket.getPeerCertificate().subject?.CN);
          res.on("data", (d) => (got += d)).on("end", () => resolve({ text: JSON.parse(got).choices[0].message.content }));
        });
        r.on("error", reject).end(body);
      });
    const kept = new https.Agent({ keepAlive: true });
    t.after(() => kept.destroy());
    let turn = 0;
    const reloads = () => x.s.log.split('"event":"reload","providers"').length - 1;
    const count = await load(() => ask(++turn % 2 ? kept : false), 6, async () => {
      for (let i = 0; i < 12; i++) {
        use(i % 2 ? "one" : "two");
        const before = reloads();
        x.s.child.kill("SIGHUP");
        await waitFor("the reload", () => reloads() > before);
        await ask(false);
      }
    });
    t.diagnostic(`${count} answers over 12 reloads`);
    assert.deepEqual([...seen].filter(Boolean).sort(), ["one", "two"]);
  });

  test("by draining: what runs is finished", async (t) => {
    for (const [name, d] of Object.entries(dialects)) {
      let release;
      const gate = new Promise((r) => (release = r));
      const answer = async (req, res, body) => {
        if (JSON.parse(body).stream) {
          res.writeHead(200, { "content-type": "text/event-stream" });
          const list = saying(d, ["Fine", "."]);
          res.write(list.slice(0, -2).join(""));
          await gate;
          return res.end(list.slice(-2).join(""));
        }
        await gate;
        sendJson(res, 200, d.whole("Fine."));
      };
      const x = await scene(t, { a: { type: d.type, answer, more: { first_byte_timeout: "20s", idle_timeout: "20s" } } }, model());
      const asked = [];
      for (let i = 0; i < 20; i++) asked.push((i % 2 ? fronts.chat.whole : fronts.chat.stream)(x.s, question()));
      await waitFor("all of them", () => x.a.requests.length === 20);
      x.s.child.kill("SIGTERM");
      await waitFor("draining", () => x.s.log.includes('"event":"draining"'));
      await waitFor("closed doors", () => new Promise((r) => net.connect(x.s.port, "127.0.0.1").on("connect", function () { this.destroy(); r(false); }).on("error", () => r(true))));
      release();
      for (const got of await Promise.all(asked)) assert.equal(got.text, "Fine.", name);
      assert.equal((await x.s.exited)[0], 0);
    }
  });
});
