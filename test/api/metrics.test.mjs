// /metrics as a strict reader takes it, what it counts, the access line, and the headers of answers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, Service, waitFor, withProvider } from "./harness.mjs";

/** Parses Prometheus's text format 0.0.4 and fails on whatever is not exactly so. */
export function parse(text) {
  assert.ok(text.endsWith("\n"), "the last line ends");
  const families = new Map(), series = new Map();
  let current = null;
  for (const line of text.slice(0, -1).split("\n")) {
    let m;
    if ((m = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\\\|\\n)+)$/.exec(line))) {
      assert.ok(!families.has(m[1]), `${m[1]} has HELP twice`);
      families.set(m[1], (current = { name: m[1], help: m[2] }));
    } else if ((m = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/.exec(line))) {
      assert.equal(current?.name, m[1], "TYPE stands behind its HELP");
      assert.equal(current.type, undefined, `${m[1]} has TYPE twice`);
      current.type = m[2];
      assert.equal(m[2] === "counter", m[1].endsWith("_total"), `${m[1]}: counters, and they alone, end in _total`);
    } else {
      m = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(line);
      assert.ok(m, `not a line of this format: ${line}`);
      const labels = {};
      let rest = m[2] ?? "";
      while (rest) {
        const l = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,(?=.)|$)/.exec(rest);
        assert.ok(l, `labels of ${line}`);
        assert.ok(!(l[1] in labels), `label ${l[1]} twice in ${line}`);
        labels[l[1]] = l[2];
        rest = rest.slice(l[0].length);
      }
      const base = current.type === "histogram" ? m[1].replace(/_(bucket|sum|count)$/, "") : m[1];
      assert.equal(base, current.name, `${line} stands among ${current.name}`);
      const key = m[1] + JSON.stringify(Object.entries(labels).sort());
      assert.ok(!series.has(key), `${line} stands twice`);
      series.set(key, { name: m[1], labels, value: Number(m[3]) });
    }
  }
  for (const f of families.values()) {
    assert.ok(f.type, `${f.name} has a TYPE`);
    const own = [...series.values()].filter((s) => s.name === f.name || (f.type === "histogram" && s.name.startsWith(f.name + "_")));
    assert.ok(own.length, `${f.name} has series`);
    if (f.type === "counter") for (const s of own) assert.ok(s.value >= 0);
    if (f.type === "histogram") checkHistogram(f.name, own);
  }
  return {
    families,
    get: (name, labels = {}) =>
      [...series.values()].filter((s) => s.name === name && Object.entries(labels).every(([k, v]) => s.labels[k] === v))
        .reduce((sum, s) => sum + s.value, 0),
    all: [...series.values()],
  };
}

function checkHistogram(name, own) {
  const groups = new Map();
  for (const s of own) {
    const key = JSON.stringify(Object.entries(s.labels).filter(([k]) => k !== "le"));
    groups.set(key, [...(groups.get(key) ?? []), s]);
  }
  for (const [labels, group] of groups) {
    const buckets = group.filter((s) => s.name === `${name}_bucket`);
    const count = group.find((s) => s.name === `${name}_count`), sum = group.find((s) => s.name === `${name}_sum`);
    assert.ok(count && sum && buckets.length, `${name}${labels} is whole`);
    let last = { le: -Infinity, value: 0 };
    for (const b of buckets) {
      const le = b.labels.le === "+Inf" ? Infinity : Number(b.labels.le);
      assert.ok(le > last.le && b.value >= last.value, `${name}${labels} rises`);
      last = { le, value: b.value };
    }
    assert.equal(last.le, Infinity);
    assert.equal(last.value, count.value, `${name}${labels}: +Inf is the count`);
  }
}

const scrape = async (s) => {
  const r = await s.fetch("/metrics");
  assert.match(r.headers.get("content-type"), /^text\/plain; version=0\.0\.4/);
  return parse(await r.text());
};

test("a service that has done nothing yet", async () => {
  const s = await Service.start();
  const m = await scrape(s);
  assert.equal(m.get("penstock_requests_in_flight"), 1, "the one that asks");
  for (const name of ["process_resident_memory_bytes", "process_start_time_seconds", "process_cpu_seconds_total", "process_open_fds"])
    assert.ok(m.get(name) > 0, name);
  assert.equal((await fetch(`${s.origin}/metrics`)).status, 401);
  await s.stop();
});

test("what is counted, under labels from closed sets", async () => {
  const { s, stop } = await withProvider(function (req, res, body, n) {
    if (body.includes("refuse me")) return res.writeHead(401).end("{}");
    if (body.includes("break down")) return res.writeHead(500).end("{}");
    this.friendly(req, res, body);
  });
  const before = await scrape(s);
  assert.equal(before.get("penstock_provider_auth_failures_total", { provider: "mock" }), 0);
  await s.client.chat.completions.create(ask("hi"));
  for (let i = 0; i < 2; i++) for await (const _ of await s.client.chat.completions.create({ ...ask("hi"), stream: true }));
  await assert.rejects(s.client.chat.completions.create(ask("refuse me")), { status: 502 });
  await assert.rejects(s.client.chat.completions.create(ask("break down")), { status: 502 });
  await assert.rejects(s.client.chat.completions.create({ ...ask("hi"), model: "no-such-model-here" }), { status: 404 });
  await (await s.fetch("/v1/strange/path/12345")).text();
  await (await s.fetch("/v1/models/m", { headers: { "x-request-id": "their-own-id" } })).text();
  const m = await scrape(s);
  const chat = { route: "/v1/chat/completions" };
  assert.equal(m.get("penstock_requests_total", { ...chat, status: "200" }), 3);
  assert.equal(m.get("penstock_requests_total", { ...chat, status: "502" }), 2);
  assert.equal(m.get("penstock_requests_total", { ...chat, status: "404" }), 1);
  assert.equal(m.get("penstock_requests_total", { route: "other", status: "404" }), 1);
  assert.equal(m.get("penstock_request_seconds_count", chat), 6);
  assert.equal(m.get("penstock_first_token_seconds_count", { model: "m" }), 2, "one for each stream");
  assert.equal(m.get("penstock_tokens_total", { model: "m", direction: "input" }), 21);
  assert.equal(m.get("penstock_tokens_total", { model: "m", direction: "output" }), 9);
  assert.equal(m.get("penstock_provider_auth_failures_total", { provider: "mock" }), 1);
  assert.equal(m.get("penstock_provider_errors_total", { provider: "mock", kind: "upstream_auth" }), 1);
  assert.ok(m.get("penstock_provider_errors_total", { provider: "mock", kind: "upstream" }) >= 1);
  const told = JSON.stringify(m.all);
  for (const open of ["no-such-model-here", "strange", "12345", "their-own-id", s.key, "upstream-secret", "req_"])
    assert.ok(!told.includes(open), open);
  await stop();
});

test("what a held stream keeps fits on its stack page", { skip: process.env.ASAN_OPTIONS && "the sanitizer's red zones take room of their own" }, async () => {
  const { s, stop } = await withProvider();
  for await (const _ of await s.client.chat.completions.create({ ...ask("hi"), stream: true }));
  const r = await s.fetch("/v1/messages", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ ...ask("hi"), max_tokens: 9, stream: true }) });
  assert.match(await r.text(), /message_stop/);
  const m = await scrape(s);
  assert.ok(m.families.has("penstock_stream_spills_total"));
  assert.equal(m.get("penstock_stream_spills_total"), 0);
  await stop();
});

test("an access line for each request, in JSON", async () => {
  const { s, stop } = await withProvider();
  const lines = () => s.log.split("\n").filter((l) => l.startsWith("{")).map((l) => JSON.parse(l)).filter((l) => l.event === "request");
  const post = (body, headers = {}) => s.fetch("/v1/chat/completions", { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });
  const r = await post(ask("the secret question"), { "x-request-id": "their-own-id", traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" });
  const bytes = (await r.text()).length;
  const id = r.headers.get("x-request-id");
  const line = await waitFor("the line", () => lines().find((l) => l.id === id));
  assert.equal(line.client_id, "their-own-id");
  assert.equal(line.trace, "4bf92f3577b34da6a3ce929d0e0e4736");
  assert.deepEqual(
    [line.method, line.route, line.status, line.bytes, line.tenant, line.model, line.provider, line.upstream, line.attempts, line.tokens_in, line.tokens_out, line.usd],
    ["POST", "/v1/chat/completions", 200, bytes, "default", "m", "mock", "upstream-model", 1, 7, 3, 0.000029]);
  assert.ok(line.us > 0 && line.key && line.tier && line.peer && line.first_us === undefined && line.error === undefined);

  const stream = await post({ ...ask("hi"), stream: true });
  await stream.text();
  const second = await waitFor("its line", () => lines().find((l) => l.id === stream.headers.get("x-request-id")));
  assert.ok(second.first_us > 0 && second.first_us <= second.us);
  assert.equal(second.client_id, undefined);
  assert.equal(second.trace, undefined);

  const long = await s.fetch("/v1/models", { headers: { "x-request-id": "x".repeat(1000) } });
  const third = await waitFor("its line", () => lines().find((l) => l.id === long.headers.get("x-request-id")));
  assert.equal(third.client_id, "x".repeat(128));
  for (const secret of [s.key, "upstream-secret", "secret question", "Hello there"]) assert.ok(!s.log.includes(secret), secret);
  await stop();
});

test("headers say who answered, and how long it took", async () => {
  const { s, stop } = await withProvider(function (req, res, body, n) {
    if (n === 1) return res.writeHead(500).end("{}");
    if (body.includes("refuse me")) return res.writeHead(401).end("{}");
    this.friendly(req, res, body);
  });
  const post = (body) => s.fetch("/v1/chat/completions", { method: "POST", headers: { "content-type": "application/json", "x-request-id": "theirs" }, body: JSON.stringify(body) });
  const check = async (r, attempts) => {
    await r.text();
    assert.match(r.headers.get("x-request-id"), /^req_[0-9A-Za-z]{24}$/);
    assert.equal(r.headers.get("x-penstock-attempts"), attempts);
    assert.equal(r.headers.get("x-penstock-provider"), "mock");
    assert.equal(r.headers.get("x-penstock-model"), "upstream-model");
    assert.ok(r.headers.get("x-penstock-tier"));
    const [, total, provider] = /^total;dur=(\d+\.\d\d), provider;dur=(\d+\.\d\d)$/.exec(r.headers.get("server-timing"));
    assert.ok(Number(total) >= Number(provider) && Number(provider) > 0);
  };
  await check(await post(ask("hi")), "2");
  await check(await post({ ...ask("hi"), stream: true }), "1");
  await check(await post(ask("refuse me")), "1");
  const plain = await s.fetch("/v1/models");
  assert.equal(plain.headers.get("x-penstock-attempts"), null);
  assert.equal(plain.headers.get("request-id"), null);
  const anthropic = await s.fetch("/v1/messages", { method: "PUT" });
  assert.equal(anthropic.headers.get("request-id"), anthropic.headers.get("x-request-id"));
  for (const where of ["/livez", "/readyz", "/metrics", "/v1/nothing"]) assert.match((await s.fetch(where)).headers.get("x-request-id"), /^req_[0-9A-Za-z]{24}$/);
  await stop();
});
