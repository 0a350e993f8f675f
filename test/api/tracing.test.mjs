// What a collector of traces sees of a request, and what a provider is told of it.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { test } from "node:test";
import { ask, Service, waitFor, withProvider } from "./harness.mjs";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = `00-${TRACE}-00f067aa0ba902b7-01`;

/** Takes OTLP over HTTP, as JSON. `answer(request number)` gives a status. */
class Collector {
  static async start(answer = () => 200) {
    const c = new Collector();
    c.tries = 0;
    c.requests = []; // that were taken
    c.server = http.createServer((req, res) => {
      let body = "";
      req.on("data", (d) => (body += d));
      req.on("end", () => {
        const status = answer(++c.tries);
        if (status === 200) c.requests.push({ url: req.url, headers: req.headers, body: JSON.parse(body) });
        res.writeHead(status, { "content-type": "application/json" });
        res.end("{}");
      });
    });
    c.server.listen(0, "127.0.0.1");
    await once(c.server, "listening");
    c.url = `http://127.0.0.1:${c.server.address().port}`;
    return c;
  }

  /** All spans so far, with attributes as a plain object. */
  spans() {
    return this.requests.flatMap((r) => r.body.resourceSpans).flatMap((r) => r.scopeSpans).flatMap((s) => s.spans)
      .map((s) => ({ ...s, attributes: plain(s.attributes) }));
  }

  /** The spans of one request, once its server span is there. */
  async trace(check) {
    const server = await waitFor("the server span", () => this.spans().find((s) => s.kind === 2 && check(s)));
    const below = this.spans().filter((s) => s.parentSpanId === server.spanId);
    return { server, clients: below.filter((s) => s.kind === 3), stages: below.filter((s) => s.kind === 1) };
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}

function value(v) {
  const [kind, x] = Object.entries(v)[0];
  if (kind === "intValue") {
    assert.equal(typeof x, "string", "64-bit integers are strings");
    return Number(x);
  }
  return kind === "arrayValue" ? x.values.map(value) : x;
}

function plain(attributes) {
  const names = attributes.map((a) => a.key);
  assert.equal(new Set(names).size, names.length, `an attribute stands twice: ${names}`);
  return Object.fromEntries(attributes.map((a) => [a.key, value(a.value)]));
}

const tracing = (c, more = "") => `tracing:
  endpoint: ${c.url}/
  headers: "x-collector-token: let-me-in"
  service_name: test-service
${more}`;

const id = (r) => r.headers.get("x-request-id");
const post = (s, body, headers = {}) =>
  s.fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

function checkForm(span) {
  assert.match(span.traceId, /^[0-9a-f]{32}$/);
  assert.match(span.spanId, /^[0-9a-f]{16}$/);
  assert.ok(BigInt(span.startTimeUnixNano) <= BigInt(span.endTimeUnixNano));
  const age = Date.now() - Number(BigInt(span.startTimeUnixNano) / 1000000n);
  assert.ok(age > -1000 && age < 60000, `started ${age} ms ago`);
}

test("a request and its model call, as spans", async () => {
  const c = await Collector.start();
  const { p, s, stop } = await withProvider(undefined, { rest: tracing(c) });
  const r = await post(s, {
    ...ask("the secret question"), temperature: 0.25, top_p: 0.9, max_completion_tokens: 50, seed: 42, stop: ["END", "ß"], n: 1,
    metadata: { conversation_id: "conv_7" },
  });
  assert.equal(r.status, 200);
  await r.text();
  const { server, clients, stages } = await c.trace((x) => x.attributes["penstock.request_id"] === id(r));
  [server, ...clients, ...stages].forEach(checkForm);
  assert.equal(server.name, "POST /v1/chat/completions");
  assert.equal(server.parentSpanId, undefined);
  assert.deepEqual(server.attributes, {
    "http.request.method": "POST", "http.response.status_code": 200, "http.route": "/v1/chat/completions",
    "url.path": "/v1/chat/completions", "penstock.request_id": id(r),
  });
  assert.deepEqual(server.status, {});
  assert.ok(["validate", "invoke"].every((n) => stages.some((x) => x.name === n)));

  assert.equal(clients.length, 1);
  const [client] = clients;
  assert.equal(client.name, "chat upstream-model");
  const a = client.attributes;
  assert.equal(a["gen_ai.operation.name"], "chat");
  assert.equal(a["gen_ai.provider.name"], "openai");
  assert.equal(a["gen_ai.request.model"], "upstream-model");
  assert.equal(a["server.address"], "127.0.0.1");
  assert.equal(a["server.port"], p.port);
  assert.equal(a["gen_ai.request.temperature"], 0.25);
  assert.equal(a["gen_ai.request.top_p"], 0.9);
  assert.equal(a["gen_ai.request.max_tokens"], 50);
  assert.equal(a["gen_ai.request.seed"], 42);
  assert.deepEqual(a["gen_ai.request.stop_sequences"], ["END", "ß"]);
  assert.equal(a["gen_ai.request.choice.count"], 1);
  assert.equal(a["gen_ai.conversation.id"], "conv_7");
  assert.equal(a["gen_ai.response.id"], "chatcmpl-upstream");
  assert.equal(a["gen_ai.response.model"], "upstream-model");
  assert.deepEqual(a["gen_ai.response.finish_reasons"], ["stop"]);
  assert.equal(a["gen_ai.usage.input_tokens"], 7);
  assert.equal(a["gen_ai.usage.output_tokens"], 3);
  assert.equal(a["penstock.attempt"], 1);
  assert.equal(a["error.type"], undefined);

  // the provider is told of the same trace, and of the client span
  assert.equal(p.requests[0].headers.traceparent, `00-${server.traceId}-${client.spanId}-01`);
  assert.equal(p.requests[0].headers.tracestate, undefined);

  const [batch] = c.requests;
  assert.equal(batch.url, "/v1/traces");
  assert.equal(batch.headers["content-type"], "application/json");
  assert.equal(batch.headers["x-collector-token"], "let-me-in");
  const resource = plain(batch.body.resourceSpans[0].resource.attributes);
  assert.equal(resource["service.name"], "test-service");
  assert.match(resource["service.version"], /^\d+\.\d+/);

  // neither keys nor words
  const all = JSON.stringify(c.requests.map((x) => x.body));
  for (const secret of [s.key, "upstream-secret", "secret question", "Hello there"]) assert.ok(!all.includes(secret), secret);
  await stop();
  await c.stop();
});

test("a stream's span lasts to its end, and the caller's trace goes on", async () => {
  const c = await Collector.start();
  let release;
  const held = new Promise((r) => (release = r));
  const { p, s, stop } = await withProvider(async function (req, res, body) {
    const write = res.end.bind(res);
    res.end = async (...last) => { await held; write(...last); };
    this.friendly(req, res, body);
  }, { rest: tracing(c, "  sample: 0") });
  const r = await post(s, { ...ask("hi"), stream: true }, { traceparent: PARENT, tracestate: "vendor=opaque" });
  const reader = r.body.getReader();
  await reader.read();
  const before = Date.now();
  release();
  while (!(await reader.read()).done);
  const { server, clients: [client] } = await c.trace((x) => x.traceId === TRACE);
  assert.equal(server.parentSpanId, "00f067aa0ba902b7");
  assert.equal(server.traceState, "vendor=opaque");
  assert.equal(client.traceId, TRACE);
  assert.ok(Number(BigInt(client.endTimeUnixNano) / 1000000n) >= before - 1, "it lasts until the stream has ended");
  assert.equal(client.attributes["gen_ai.request.stream"], true);
  const first = client.attributes["gen_ai.response.time_to_first_chunk"];
  assert.ok(first > 0 && first < 60, `${first} s`);
  assert.deepEqual(client.attributes["gen_ai.response.finish_reasons"], ["stop"]);
  assert.equal(client.attributes["gen_ai.usage.output_tokens"], 3);
  assert.equal(p.requests[0].headers.traceparent, `00-${TRACE}-${client.spanId}-01`);
  assert.equal(p.requests[0].headers.tracestate, "vendor=opaque");

  // sample: 0 records nothing that begins here
  await (await post(s, ask("hi"))).text();
  assert.equal(p.requests[1].headers.traceparent, undefined);
  await stop(); // exports what there is
  assert.equal(c.spans().filter((x) => x.kind === 2).length, 1);
  await c.stop();
});

test("an invalid traceparent is ignored, an unsampled one passed on", async () => {
  const c = await Collector.start();
  const { p, s, stop } = await withProvider(undefined, { rest: tracing(c) });
  for (const bad of [`00-${TRACE}-00f067aa0ba902b7`, `00-${"0".repeat(32)}-00f067aa0ba902b7-01`, PARENT.toUpperCase(), "nonsense"]) {
    const r = await post(s, ask("hi"), { traceparent: bad, tracestate: "left=behind" });
    await r.text();
    const { server } = await c.trace((x) => x.attributes["penstock.request_id"] === id(r));
    assert.notEqual(server.traceId, TRACE);
    assert.equal(server.parentSpanId, undefined);
    assert.equal(p.requests.at(-1).headers.tracestate, undefined);
  }
  const seen = c.spans().length;
  const unsampled = PARENT.slice(0, -1) + "0";
  const r = await post(s, ask("hi"), { traceparent: unsampled });
  await r.text();
  assert.equal(p.requests.at(-1).headers.traceparent, unsampled);
  await stop();
  assert.equal(c.spans().length, seen);
  await c.stop();
});

test("failures and retries: a span for each attempt", async () => {
  const c = await Collector.start();
  const { s, stop } = await withProvider(function (req, res, body, n) {
    if (n === 1) return res.writeHead(500).end("{}");
    if (n === 2) return this.friendly(req, res, body);
    res.writeHead(401).end('{"error":{"message":"bad key"}}');
  }, { rest: tracing(c) });
  let r = await post(s, ask("hi"));
  assert.equal(r.status, 200);
  await r.text();
  let { server, clients } = await c.trace((x) => x.attributes["penstock.request_id"] === id(r));
  assert.deepEqual(clients.map((x) => x.attributes["penstock.attempt"]), [1, 2]);
  assert.equal(clients[0].status.code, 2);
  assert.equal(clients[0].attributes["http.response.status_code"], 500);
  assert.ok(clients[0].attributes["error.type"]);
  assert.deepEqual(clients[1].status, {});
  assert.deepEqual(server.status, {});

  r = await post(s, ask("hi"));
  assert.equal(r.status, 502);
  await r.text();
  ({ server, clients } = await c.trace((x) => x.attributes["penstock.request_id"] === id(r)));
  assert.equal(server.status.code, 2);
  assert.equal(server.attributes["http.response.status_code"], 502);
  assert.equal(server.attributes["error.type"], "upstream_auth");
  assert.equal(clients[0].attributes["error.type"], "upstream_auth");
  assert.equal(clients[0].attributes["gen_ai.usage.input_tokens"], undefined);

  r = await s.fetch("/v1/nothing/here"); // the client's own fault is no failure of the server
  await r.text();
  ({ server } = await c.trace((x) => x.attributes["penstock.request_id"] === id(r)));
  assert.equal(server.name, "GET");
  assert.equal(server.attributes["http.route"], undefined);
  assert.equal(server.attributes["url.path"], "/v1/nothing/here");
  assert.equal(server.attributes["error.type"], "url");
  assert.deepEqual(server.status, {});
  await stop();
  await c.stop();
});

test("a collector that is busy or away costs no request anything", async () => {
  const c = await Collector.start((n) => (n === 1 ? 503 : 200));
  let { s, stop } = await withProvider(undefined, { rest: tracing(c) });
  const r = await post(s, ask("hi"));
  await r.text();
  await c.trace((x) => x.attributes["penstock.request_id"] === id(r)); // came with the second try
  const metrics = await (await s.fetch("/metrics")).text();
  assert.match(metrics, /penstock_trace_spans_total\{outcome="dropped"\} 0\n/);
  await c.stop();
  for (let i = 0; i < 20; i++) assert.equal((await post(s, ask("hi"))).status, 200);
  assert.equal(await s.kill("SIGTERM"), 0); // does not hang on the collector either
  assert.match(s.log, /"event":"trace_export"/);
  await stop();
});

test("OpenTelemetry's variables stand in; without any, nothing is traced but what comes is passed on", async () => {
  const c = await Collector.start();
  let s = await Service.start({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: c.url, OTEL_SERVICE_NAME: "by-variable" } });
  const r = await s.fetch("/v1/models");
  await r.text();
  await s.stop();
  assert.ok(c.spans().some((x) => x.attributes["penstock.request_id"] === id(r)));
  assert.equal(plain(c.requests[0].body.resourceSpans[0].resource.attributes)["service.name"], "by-variable");
  const before = c.requests.length;
  s = await Service.start({ env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${c.url}/custom/path` } });
  await (await s.fetch("/v1/models")).text();
  await (await s.fetch("/livez")).text(); // probes are not traced
  await s.stop();
  assert.equal(c.requests[before].url, "/custom/path");
  assert.ok(!c.spans().some((x) => x.attributes["url.path"] === "/livez"));
  await c.stop();

  const w = await withProvider();
  await (await post(w.s, ask("hi"), { traceparent: PARENT, tracestate: "a=b" })).text();
  await (await post(w.s, ask("hi"))).text();
  assert.equal(w.p.requests[0].headers.traceparent, PARENT);
  assert.equal(w.p.requests[0].headers.tracestate, "a=b");
  assert.equal(w.p.requests[1].headers.traceparent, undefined);
  await w.stop();
});

test("a configuration that cannot work is refused", async () => {
  for (const [yaml, why] of [["sample: 2", /'sample' is 2; it must lie between 0 and 1/], ["endpoint: nonsense", /no address of a server/],
    ["endpoint: http://x\n  headers: nonsense", /must be 'name: value'/]])
    await assert.rejects(Service.start({ config: `tracing:\n  ${yaml}\n` }), why);
});

test("content: true exports question and answer, and no key", async () => {
  const c = await Collector.start();
  const { s, stop } = await withProvider(undefined, { rest: tracing(c, "  content: true") });
  for (const stream of [false, true]) {
    const r = await post(s, { ...ask("the secret question"), stream });
    await r.text();
    const { clients: [client] } = await c.trace((x) => x.attributes["penstock.request_id"] === id(r));
    assert.deepEqual(JSON.parse(client.attributes["gen_ai.input.messages"]), [
      { role: "user", parts: [{ type: "text", content: "the secret question" }] }]);
    assert.deepEqual(JSON.parse(client.attributes["gen_ai.output.messages"]), [
      { role: "assistant", parts: [{ type: "text", content: "Hello there." }], finish_reason: "stop" }]);
  }
  const all = JSON.stringify(c.requests.map((x) => x.body));
  for (const secret of [s.key, "upstream-secret"]) assert.ok(!all.includes(secret));
  await stop();
  await c.stop();
});
