// Who gets the next call: breakers, ejection, health checks, balancing, and the queue in front of a provider.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import { test } from "node:test";
import { ask, completion, Provider, Service, waitFor } from "./harness.mjs";

const send = (res, status, body, headers = {}) => {
  res.writeHead(status, { "content-type": "application/json", ...headers });
  res.end(JSON.stringify(body));
};
const says = (name) => (req, res) => send(res, 200, completion(name));
const fails = (req, res) => send(res, 500, { error: { message: "oops" } });

/** Holds its answers back until `release` is called. */
function holding(name) {
  const held = [];
  const answer = (req, res) => held.push(res);
  answer.held = held;
  answer.release = (n = held.length) => held.splice(0, n).forEach((res) => says(name)(null, res));
  return answer;
}

async function restart(p) {
  p.server.listen(p.port, "127.0.0.1");
  await once(p.server, "listening");
}

/** Starts providers by these names and a service whose configuration is made from their addresses. */
async function start(t, names, config) {
  const p = {};
  let s;
  t.after(async () => {
    assert.equal(await s?.stop(), 0, "ends well");
    for (const name in p) if (p[name].server.listening) await p[name].stop();
  });
  for (const name of names) p[name] = await Provider.start(says(name));
  s = await Service.start({ config: config(p) });
  const call = async (body = ask("hi")) => (await s.client.chat.completions.create(body)).choices[0].message.content;
  const metric = async (name, ...labels) => {
    const text = await (await s.fetch("/metrics")).text();
    const line = text.split("\n").find((l) => (l.startsWith(`${name}{`) || l.startsWith(`${name} `)) && labels.every((x) => l.includes(`"${x}"`)));
    return line && Number(line.slice(line.lastIndexOf(" ")));
  };
  return { p, s, call, metric };
}

const provider = (name, url, more = "") => `  - name: ${name}
    url: ${Array.isArray(url) ? `[${url.join(", ")}]` : url}
    first_byte_timeout: 5s
${more}`;

const primaryAndSpare = (more = "") => (p) => `providers:
${provider("a", p.a.url, more)}${provider("b", p.b.url)}models:
  - name: m
    provider: a
    fallback: [spare]
  - name: spare
    provider: b
`;

test("a provider that keeps failing is left alone, probed, and used again when it has recovered", async (t) => {
  const x = await start(t, ["a", "b"], primaryAndSpare());
  x.p.a.answer = fails;
  for (let i = 0; i < 10; i++) assert.equal(await x.call(), "b", "the spare answers");
  assert.equal(await x.metric("penstock_breaker_state", "a"), 2, "open");
  assert.match(x.s.log, /"event":"breaker","provider":"a".*"from":"closed","to":"open"/);

  const asked = x.p.a.requests.length;
  assert.ok(asked <= 20);
  assert.equal(await x.call(), "b");
  assert.equal(x.p.a.requests.length, asked, "the failing one is not even tried");

  x.p.a.answer = says("a");
  await waitFor("the primary", async () => (await x.call()) === "a", 30000);
  await waitFor("a closed breaker", async () => (await x.call()) === "a" && (await x.metric("penstock_breaker_state", "a")) === 0);
  assert.equal(await x.call(), "a");
});

test("how many failures open a breaker follows the configuration", async (t) => {
  const config = (failures) => (p) => `breaker: { failures: ${failures}, cooldown: 15s }\n${primaryAndSpare()(p)}`;
  const x = await start(t, ["a", "b"], config(3));
  x.p.a.answer = fails;
  for (let i = 0; i < 6; i++) assert.equal(await x.call(), "b");
  assert.equal(x.p.a.requests.length, 3);
  assert.equal(await x.metric("penstock_breaker_state", "a"), 2);
  x.p.b.answer = fails;
  fs.writeFileSync(x.s.configFile, fs.readFileSync(x.s.configFile, "utf8").replace("failures: 3", "failures: 1000"));
  x.s.child.kill("SIGHUP");
  await waitFor("the reload", () => x.s.log.includes('"event":"reload","providers"'));
  const before = x.p.b.requests.length;
  for (let i = 0; i < 5; i++) await assert.rejects(x.call());
  assert.ok(x.p.b.requests.length > before + 8, "not open yet");
});

test("a provider without a spare is refused quickly while it is dead, and used as soon as it answers", async (t) => {
  const x = await start(t, ["a"], (p) => `providers:
${provider("a", p.a.url)}models:
  - name: m
    provider: a
`);
  x.p.a.answer = fails;
  for (let i = 0; i < 10; i++) await assert.rejects(x.call(), (e) => e.status === 502 || e.status === 503);
  assert.equal(await x.metric("penstock_breaker_state", "a"), 2);
  x.p.a.requests.length = 0;
  const results = await Promise.allSettled(Array.from({ length: 30 }, () => x.call()));
  assert.ok(results.every((r) => r.status === "rejected" && (r.reason.status === 502 || r.reason.status === 503)));
  const refused = results.filter((r) => r.reason.status === 503);
  assert.ok(refused.length > 0 && refused.every((r) => Number(r.reason.headers.get("retry-after")) >= 1), "with a time to come back");
  assert.ok(x.p.a.requests.length < 30, `a load on it is kept away: ${x.p.a.requests.length} of 30`);

  x.p.a.answer = says("a");
  assert.equal(await x.call(), "a", "the first call after its recovery gets through");
  const good = await Promise.all(Array.from({ length: 30 }, () => x.call()));
  assert.ok(good.every((text) => text === "a"), "and so do all others then");
});

test("one of several addresses that fails is left out, and callers do not notice", async (t) => {
  const x = await start(t, ["a", "b", "c"], (p) => `providers:
${provider("abc", [p.a.url, p.b.url, p.c.url])}models:
  - name: m
    provider: abc
`);
  x.p.b.answer = fails;
  const texts = new Set();
  await waitFor("an ejection", async () => {
    texts.add(await x.call());
    return (await x.metric("penstock_endpoint_ejections_total", x.p.b.url)) > 0;
  });
  const asked = x.p.b.requests.length;
  for (let i = 0; i < 30; i++) texts.add(await x.call());
  assert.equal(x.p.b.requests.length, asked, "left out");
  assert.deepEqual([...texts].sort(), ["a", "c"]);
});

test("active checks find that a provider has gone, and that it is back", async (t) => {
  const x = await start(t, ["a", "b"], primaryAndSpare(`    health_check: { path: /v1/models, interval: 1s, timeout: 1s }\n`));
  await waitFor("a check", () => x.p.a.requests.some((r) => r.method === "GET" && r.url === "/v1/models"));
  assert.equal(await x.call(), "a");
  for (const s of x.p.a.open) s.destroy();
  x.p.a.server.close();
  await waitFor("down", async () => (await x.metric("penstock_endpoint_up", "a")) === 0);
  const failed = await x.metric("penstock_provider_attempts_total", "a", "failed");
  assert.equal(await x.call(), "b");
  assert.equal(await x.metric("penstock_provider_attempts_total", "a", "failed"), failed, "nobody had to find out");
  x.s.child.kill("SIGHUP");
  await waitFor("the reload", () => x.s.log.includes('"event":"reload"'));
  assert.equal(await x.call(), "b");
  assert.ok(!x.s.log.includes('"to":"up"'), "a reload does not forget it");

  await restart(x.p.a);
  await waitFor("the primary", async () => (await x.call()) === "a");
  assert.equal(await x.metric("penstock_endpoint_up", "a"), 1);
  x.p.a.requests.length = 0;
  await waitFor("checks that go on", () => x.p.a.requests.some((q) => q.method === "GET"));
});

const balanced = (how, weights = [1, 1]) => (p) => `providers:
${provider("a", p.a.url)}${provider("b", p.b.url)}models:
  - name: m
    balance: ${how}
    targets:
      - { provider: a, weight: ${weights[0]} }
      - { provider: b, weight: ${weights[1]} }
`;

test("weighted: calls are shared by weight", async (t) => {
  const x = await start(t, ["a", "b"], balanced("weighted", [3, 1]));
  const texts = [];
  for (let i = 0; i < 20; i++) texts.push(...(await Promise.all(Array.from({ length: 10 }, () => x.call()))));
  const a = texts.filter((text) => text === "a").length;
  assert.ok(a > 115 && a < 185, `150 of 200 expected: ${a}`);
});

test("least: who has the fewest calls outstanding is next", async (t) => {
  const x = await start(t, ["a", "b"], balanced("least"));
  x.p.a.answer = holding("a");
  const calls = [];
  await waitFor("one call at a", () => {
    if (calls.length < 20 && x.p.a.requests.length === 0) calls.push(x.call());
    return x.p.a.requests.length > 0;
  });
  await waitFor("the others", async () => (await x.metric("penstock_provider_in_flight", "b")) === 0);
  for (let i = 0; i < 20; i++) assert.equal(await x.call(), "b", "a is busy");
  x.p.a.answer.release();
  await Promise.all(calls);
});

test("latency: the fast one gets most", async (t) => {
  const x = await start(t, ["a", "b"], balanced("latency"));
  const slowly = (name, ms) => (req, res) => setTimeout(() => says(name)(req, res), ms);
  x.p.a.answer = slowly("a", 150);
  x.p.b.answer = slowly("b", 1);
  const texts = [];
  for (let i = 0; i < 60; i++) texts.push(await x.call());
  const b = texts.filter((text) => text === "b").length;
  assert.ok(b > 50, `${b} of 60 at the fast one`);
});

test("hash: a conversation stays where its beginning is, conversations are spread", async (t) => {
  const x = await start(t, ["a", "b"], balanced("hash"));
  const seen = new Set();
  for (let i = 0; i < 16; i++) {
    const messages = [{ role: "system", content: "Be short." }, { role: "user", content: `question ${i}` }];
    const first = await x.call({ model: "m", messages });
    for (let k = 0; k < 3; k++) {
      messages.push({ role: "assistant", content: "yes" }, { role: "user", content: `and ${k}?` });
      assert.equal(await x.call({ model: "m", messages }), first);
    }
    seen.add(first);
  }
  assert.equal(seen.size, 2);
});

const limited = (more) => (p) => `providers:
${provider("a", p.a.url, more)}models:
  - name: m
    provider: a
    attempts: 1
`;

test("the queue in front of a provider is bounded in length and time", async (t) => {
  const x = await start(t, ["a"], limited("    concurrency: 2\n    queue: 3\n    queue_timeout: 400ms\n"));
  x.p.a.answer = holding("a");
  const inside = [x.call(), x.call()];
  await waitFor("two at the provider", () => x.p.a.requests.length === 2);
  const late = await Promise.allSettled(Array.from({ length: 8 }, () => x.call()));
  const errors = late.map((r) => r.reason);
  assert.equal(errors.filter((e) => e?.status === 429).length, 5, "over its length: 429");
  assert.equal(errors.filter((e) => e?.status === 503).length, 3, "over its time: 503");
  assert.ok(errors.every((e) => Number(e.headers.get("retry-after")) >= 1));
  assert.equal(x.p.a.requests.length, 2, "never more than two at the same time");

  const queued = [x.call(), x.call()];
  await waitFor("a queue", async () => (await x.metric("penstock_queue_depth", "a")) === 2);
  x.p.a.answer.release();
  await Promise.all(inside);
  await waitFor("the queue to move", () => x.p.a.answer.held.length === 2);
  x.p.a.answer.release();
  assert.deepEqual(await Promise.all(queued), ["a", "a"]);
  assert.equal(await x.metric("penstock_provider_in_flight", "a"), 0);
  assert.ok((await x.metric("penstock_queue_wait_seconds_count", "a")) >= 5);
});

test("limits follow the configuration, a bad one changes nothing", async (t) => {
  const x = await start(t, ["a"], limited("    concurrency: 1\n"));
  x.p.a.answer = holding("a");
  const calls = [x.call(), x.call()];
  await waitFor("a queue", async () => (await x.metric("penstock_queue_depth", "a")) === 1);
  const good = fs.readFileSync(x.s.configFile, "utf8");
  fs.writeFileSync(x.s.configFile, good.replace("concurrency: 1", "concurrency: 7").replace("models:\n", "models:\n  - name: bad\n    provider: nobody\n"));
  x.s.child.kill("SIGHUP");
  await waitFor("the complaint", () => x.s.log.includes("'nobody' is not configured"));
  assert.equal(await x.metric("penstock_provider_limit", "a"), 1);
  fs.writeFileSync(x.s.configFile, good.replace("concurrency: 1", "concurrency: 2"));
  x.s.child.kill("SIGHUP");
  await waitFor("the second call", () => x.p.a.answer.held.length === 2);
  assert.equal(await x.metric("penstock_provider_limit", "a"), 2);
  x.p.a.answer.release();
  assert.deepEqual(await Promise.all(calls), ["a", "a"]);
});

test("who leaves the queue is not sent to the provider", async (t) => {
  const x = await start(t, ["a"], limited("    concurrency: 1\n"));
  x.p.a.answer = holding("a");
  const inside = x.call();
  await waitFor("one at the provider", () => x.p.a.requests.length === 1);
  const gone = new AbortController();
  const waiting = x.s.client.chat.completions.create(ask("hi"), { signal: gone.signal });
  await waitFor("a queue", async () => (await x.metric("penstock_queue_depth", "a")) === 1);
  gone.abort();
  await assert.rejects(waiting);
  await waitFor("an empty queue", async () => (await x.metric("penstock_queue_depth", "a")) === 0);
  x.p.a.answer.release();
  assert.equal(await inside, "a");
  assert.equal(x.p.a.requests.length, 1);
});

test("a provider that says it is overloaded gets fewer calls at a time, and all are answered", async (t) => {
  const x = await start(t, ["a"], (p) => `providers:
${provider("a", p.a.url)}models:
  - name: m
    provider: a
`);
  let now = 0, most = 0;
  x.p.a.answer = (req, res) => {
    if (now >= 4) return send(res, 429, { error: { message: "slow down" } }, { "retry-after-ms": "30" });
    most = Math.max(most, ++now);
    setTimeout(() => { now--; says("a")(req, res); }, 20);
  };
  const burst = await Promise.allSettled(Array.from({ length: 20 }, () => x.call()));
  assert.ok(burst.some((r) => r.status === "fulfilled"));
  const limit = await x.metric("penstock_provider_limit", "a");
  assert.ok(limit >= 1 && limit <= 14, `a limit was found: ${limit}`);
  x.p.a.answer = says("a");
  await waitFor("the limit to go", async () => {
    await Promise.all(Array.from({ length: 40 }, () => x.call()));
    return (await x.metric("penstock_provider_limit", "a")) === 0;
  }, 30000);
});
