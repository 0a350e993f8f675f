// What penstock costs as a gateway, beside nginx's proxy_pass, haproxy, Portkey and a proxy that does
// nothing but pass bytes on (the floor: what the kernel takes), on the same machine in the same run.
//
//     node bench/gateway.mjs [--build build] [--rounds 5] [--seconds 3] [--held 10000] [--only NAMES]
//
// Absolute times move with the machine and its neighbours; ratios of one run do not. So each measure
// runs in rounds that take turns between the targets, and the ratio shown is the median of the
// rounds' ratios to nginx. The process under test has core 1 for itself; the load and the mock
// provider share core 0. CPU is what the kernel has counted for all threads of the process and its
// children, user and system. penstock works in full: key check, JSON, usage, ledger, metrics and
// log. The others only pass on; Portkey also reads the JSON. What is not installed is left out.

import { execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const MEASURES = ["1kb", "8kb", "sse", "ttft", "translate", "tls", "portkey", "held"];
const { values: opt } = parseArgs({
  options: {
    build: { type: "string", default: join(here, "..", "build") },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    held: { type: "string", default: "10000" },
    only: { type: "string", default: MEASURES.join(",") },
  },
});
const rounds = Number(opt.rounds);
const seconds = Number(opt.seconds);
const only = opt.only.split(",");
for (const name of only) {
  if (!MEASURES.includes(name)) throw new Error(`--only knows ${MEASURES.join(", ")}, not '${name}'`);
}
const portkeyServer = join(here, "node_modules/@portkey-ai/gateway/build/start-server.js");
const programs = {
  penstock: resolve(opt.build, "penstock"),
  mock: resolve(opt.build, "mock_provider"),
  load: resolve(opt.build, "sse_load"),
  floor: resolve(opt.build, "floor_proxy"),
};
const dir = mkdtempSync(join(tmpdir(), "penstock-bench."));
const children = new Set();

// ---- Processes ----

function pinned(core, command) {
  return availableParallelism() > 1 ? ["taskset", "-c", String(core), ...command] : command;
}

function start(core, name, command) {
  const [file, ...args] = pinned(core, command);
  const log = openSync(join(dir, `${name}.out`), "a");
  const child = spawn(file, args, { stdio: ["ignore", log, log] });
  closeSync(log);
  children.add(child);
  child.ended = new Promise((done) => child.once("exit", done)).then(() => children.delete(child));
  return child;
}

async function stop(child) {
  child.kill("SIGTERM");
  await Promise.race([child.ended, sleep(5000, undefined, { ref: false })]);
  child.kill("SIGKILL");
  await child.ended;
}

function run(command, env = {}) {
  const [file, ...args] = pinned(0, command);
  return execFileSync(file, args, { env: { ...process.env, ...env }, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 24 });
}

// Like run, but tells when a line "held N" has come.
function runHeld(command, onHeld) {
  const [file, ...args] = pinned(0, command);
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  let text = "";
  return new Promise((done) => {
    child.stdout.setEncoding("utf8").on("data", (part) => {
      if (!text.includes("held ") && (text + part).includes("held ")) onHeld();
      text += part;
    });
    child.once("exit", () => {
      children.delete(child);
      done(text);
    });
  });
}

function lastJson(text) {
  const line = text.trim().split("\n").findLast((l) => l.startsWith("{"));
  if (!line) throw new Error(`no result in: ${text.slice(-400)}`);
  return JSON.parse(line);
}

function family(pid) {
  const parents = new Map();
  for (const p of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${p}/stat`, "utf8");
      parents.set(Number(p), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {} // it has ended meanwhile
  }
  const all = [pid];
  for (let i = 0; i < all.length; i++) {
    for (const [p, parent] of parents) if (parent === all[i]) all.push(p);
  }
  return all;
}

// Nanoseconds on a core, of all threads.
function cpuNs(pid) {
  let ns = 0;
  for (const p of family(pid)) {
    for (const task of readdirSync(`/proc/${p}/task`)) {
      ns += Number(readFileSync(`/proc/${p}/task/${task}/schedstat`, "utf8").split(" ")[0]);
    }
  }
  return ns;
}

function rssKb(pid) {
  const of = (p) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${p}/status`, "utf8"))?.[1] ?? 0);
  return family(pid).reduce((sum, p) => sum + of(p), 0);
}

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

async function listening(port, child, name) {
  for (let i = 0; i < 200; i++) {
    const up = await new Promise((done) => {
      const socket = connect(port, "127.0.0.1", () => done(socket.destroy() && true));
      socket.on("error", () => done(false));
    });
    if (up) return;
    if (child.exitCode !== null) break;
    await sleep(50);
  }
  throw new Error(`${name} does not listen on port ${port}: ${readFileSync(join(dir, `${name}.out`), "utf8").slice(-1000)}`);
}

// ---- Targets: how each is started, and where its plain, streamed and held requests go ----

const mock = { fast: 0, slow: 0, tls: 0 }; // ports of the provider: 20 events 5 ms apart; one in 5 s; fast behind TLS
const pem = { key: join(dir, "key.pem"), cert: join(dir, "cert.pem") };

function makeCertificate() {
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", pem.key, "-out", pem.cert], { stdio: "ignore" });
}

function nginxConf(name, http) {
  const file = join(dir, `${name}.conf`);
  writeFileSync(file, `
    ${process.getuid() === 0 ? "user root;" : ""}
    daemon off; worker_processes 1; worker_rlimit_nofile 20000;
    pid ${dir}/${name}.pid; error_log ${dir}/${name}.err;
    events { worker_connections 32768; }
    http {
      access_log off; keepalive_requests 1000000000; tcp_nodelay on;
      client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/fastcgi;
      uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi;
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 300s;
      upstream fast { server 127.0.0.1:${mock.fast}; keepalive 256; keepalive_requests 1000000000; }
      upstream slow { server 127.0.0.1:${mock.slow}; keepalive 256; }
      upstream tls { server 127.0.0.1:${mock.tls || 1}; keepalive 256; keepalive_requests 1000000000; }
      ${http}
    }`);
  return ["nginx", "-c", file];
}

const tlsLines = () => `ssl_certificate ${pem.cert}; ssl_certificate_key ${pem.key};`;

// The provider behind TLS: nginx on the core of the load, which is not measured.
async function startTlsProvider() {
  mock.tls = await freePort();
  const child = start(0, "mock-tls", nginxConf("mock-tls", `
    server { listen 127.0.0.1:${mock.tls} ssl backlog=4096; ${tlsLines()} location / { proxy_pass http://fast; } }`));
  await listening(mock.tls, child, "mock-tls");
}

async function startNginx() {
  const [json, sse, held] = [await freePort(), await freePort(), await freePort()];
  const proxy = (port, upstream, buffering) => `
    server {
      listen 127.0.0.1:${port} backlog=4096;
      location / { proxy_pass http://${upstream}; proxy_buffering ${buffering}; }
    }`;
  const child = start(1, "nginx", nginxConf("nginx", `${proxy(json, "fast", "on")} ${proxy(sse, "fast", "off")} ${proxy(held, "slow", "off")}`));
  await listening(json, child, "nginx");
  return { child, key: "none", json: { port: json }, sse: { port: sse }, held: { port: held } };
}

async function startNginxTls() {
  const port = await freePort();
  const child = start(1, "nginx-tls", nginxConf("nginx-tls", `
    server {
      listen 127.0.0.1:${port} ssl backlog=4096; ${tlsLines()}
      location / { proxy_pass https://tls; proxy_ssl_verify on; proxy_ssl_trusted_certificate ${pem.cert}; proxy_ssl_name localhost; }
    }`));
  await listening(port, child, "nginx-tls");
  return { child, key: "none", json: { port, tls: true } };
}

async function startHaproxy() {
  const port = await freePort();
  const file = join(dir, "haproxy.cfg");
  writeFileSync(file, `
global
  nbthread 1
  maxconn 9000
defaults
  mode http
  option http-keep-alive
  option http-no-delay
  http-reuse always
  timeout connect 5s
  timeout client 300s
  timeout server 300s
frontend front
  bind 127.0.0.1:${port}
  default_backend back
backend back
  server mock 127.0.0.1:${mock.fast} pool-max-conn 256
`);
  const child = start(1, "haproxy", ["haproxy", "-db", "-f", file]);
  await listening(port, child, "haproxy");
  return { child, key: "none", json: { port }, sse: { port } };
}

async function startFloor() {
  const port = await freePort();
  const child = start(1, "floor", [programs.floor, "--port", String(port), "--upstream", String(mock.fast)]);
  await listening(port, child, "floor");
  return { child, key: "none", json: { port }, sse: { port } };
}

async function startPortkey() {
  const port = await freePort();
  const child = start(1, "portkey", ["node", portkeyServer, `--port=${port}`, "--headless"]);
  await listening(port, child, "portkey");
  const headers = `x-portkey-provider: openai\nx-portkey-custom-host: http://127.0.0.1:${mock.fast}/v1`;
  return { child, key: "none", json: { port, headers } };
}

async function startPenstock(tls) {
  const port = await freePort();
  const data = mkdtempSync(join(dir, "data."));
  const file = join(dir, `${tls ? "penstock-tls" : "penstock"}.yaml`);
  writeFileSync(file, `
loops: 1
limits: {connections: 20000}
log: {file: ${dir}/penstock.log}
${tls ? `tls: {certificate: ${pem.cert}, key: ${pem.key}}` : ""}
providers:
  - {name: fast, url: "http://127.0.0.1:${mock.fast}/v1", key: none}
  - {name: slow, url: "http://127.0.0.1:${mock.slow}/v1", key: none}
  - {name: other, type: anthropic, url: "http://127.0.0.1:${mock.fast}", key: none}
  - {name: secure, url: "https://localhost:${mock.tls || 1}/v1", key: none, ca: ${pem.cert}}
models:
  - {name: mock, provider: ${tls ? "secure" : "fast"}}
  - {name: held, provider: slow, upstream: mock}
  - {name: claude, provider: other, upstream: mock}
`);
  const child = start(1, "penstock", [programs.penstock, "serve", "--config", file, "--data", data, "--listen", `127.0.0.1:${port}`]);
  await listening(port, child, "penstock");
  const key = run([programs.penstock, "keys", "create", "bench", "--data", data]).trim();
  const at = { port, model: "mock", tls };
  return { child, key, json: at, sse: at, held: { port, model: "held" }, translate: { port, model: "claude" } };
}

const starters = { nginx: startNginx, penstock: () => startPenstock(false) };

// ---- Measures ----

function check(result, what) {
  if (result.errors > 0) throw new Error(`${what}: ${result.errors} errors`);
  return result;
}

function wrk(target, bytes, secs, place = target.json) {
  const { port, model, headers, tls } = place;
  const env = { BENCH_BYTES: String(bytes), BENCH_KEY: target.key, BENCH_MODEL: model ?? "mock", BENCH_HEADERS: headers ?? "" };
  const url = `${tls ? "https" : "http"}://127.0.0.1:${port}`;
  const command = ["wrk", "-t1", "-c32", `-d${secs}s`, "--latency", "-s", join(here, "chat.lua"), url];
  return check(lastJson(run(command, env)), "wrk");
}

function loadCommand(target, place, conns, secs) {
  const { port, model } = place;
  return [programs.load, "--port", String(port), "--conns", String(conns), "--seconds", String(secs), "--key", target.key, "--model", model ?? "mock"];
}

function sse(target, conns, secs) {
  return check(lastJson(run(loadCommand(target, target.sse, conns, secs))), "sse_load");
}

function costOf(target, load) {
  const before = cpuNs(target.child.pid);
  const result = load(target);
  return { ...result, us: (cpuNs(target.child.pid) - before) / 1000 };
}

const perRequest = (bytes, place) => (target) => {
  const r = costOf(target, (t) => wrk(t, bytes, seconds, t[place] ?? t.json));
  return r.us / r.requests;
};
const perEvent = (target) => {
  const r = costOf(target, (t) => sse(t, 64, 1));
  return r.us / r.events;
};

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)];

// Rounds over all targets, in turn and each second round in reverse.
function interleave(targets, measure, n = rounds) {
  const rows = [];
  for (let i = 0; i < n; i++) {
    const row = {};
    for (const name of i % 2 ? Object.keys(targets).reverse() : Object.keys(targets)) row[name] = measure(targets[name]);
    rows.push(row);
  }
  const of = (name) => (targets[name] ? median(rows.map((row) => row[name])) : undefined);
  return { rows, nginx: of("nginx"), haproxy: of("haproxy"), floor: of("floor"), penstock: of("penstock"), ratio: median(rows.map((row) => row.penstock / row.nginx)) };
}

function heldStreams() {
  const files = Number(/Max open files\s+\S+\s+(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))[1]);
  return Math.min(Number(opt.held), Math.floor((files - 200) / 2)); // two descriptors a stream
}

// A fresh process, so that nothing but the streams is in the difference.
async function held(name, n) {
  const target = await starters[name]();
  check(lastJson(run(loadCommand(target, target.sse, 4, 0.5))), name);
  const before = rssKb(target.child.pid);
  let after = 0;
  let taken;
  const text = await runHeld([...loadCommand(target, target.held, n, 12), "--hold"], () => {
    taken = sleep(9000).then(() => (after = rssKb(target.child.pid)));
  });
  await taken;
  const result = check(lastJson(text), `${name}, ${n} held streams`);
  if (result.held !== n) throw new Error(`${name}: ${result.held} of ${n} streams were held`);
  await stop(target.child);
  return { kb: (after - before) / n, before, after, relay: result.relay_p99_us };
}

// ---- The report ----

function row(what, cells, ratio, goal, verdict) {
  const right = (value, width) => String(value ?? "-").padStart(width);
  console.log(`${what.padEnd(36)}${cells.map((c) => right(c, 9)).join("")}${right(ratio, 8)}   ${goal.padEnd(24)}${verdict}`);
}

const fixed = (n, digits = 2) => n?.toFixed(digits);

function line(what, r, ratio, digits, goal, met) {
  row(what, [fixed(r.nginx, digits), fixed(r.haproxy, digits), fixed(r.portkey, digits), fixed(r.floor, digits), fixed(r.penstock, digits)], fixed(ratio), goal, met ? "met" : "MISSED");
}

function report(what, r, goal) {
  line(what, r, r.ratio, 2, `<= ${goal} x nginx`, r.ratio <= goal);
}

async function bench() {
  mock.fast = await freePort();
  mock.slow = await freePort();
  const fast = start(0, "mock-fast", [programs.mock, "--port", String(mock.fast), "--chunks", "20", "--delay-ms", "5"]);
  const slow = start(0, "mock-slow", [programs.mock, "--port", String(mock.slow), "--chunks", "1000", "--delay-ms", "5000"]);
  await listening(mock.fast, fast, "mock-fast");
  await listening(mock.slow, slow, "mock-slow");
  makeCertificate();
  console.log(`${rounds} rounds of ${seconds} s each (events: ${2 * rounds * seconds} of 1 s), in turn; 32 connections, 64 streams\n`);
  row("", ["nginx", "haproxy", "Portkey", "floor", "penstock"], "ratio", "goal", "");

  const targets = { nginx: await startNginx(), ...(installed("haproxy") && { haproxy: await startHaproxy() }), floor: await startFloor(), penstock: await startPenstock(false) };
  for (const target of Object.values(targets)) wrk(target, 1024, 1); // caches and pools warm
  await measure("1kb", () => report("CPU us per request, 1 KB", interleave(targets, perRequest(1024)), 0.78));
  await measure("8kb", () => report("CPU us per request, 8 KB", interleave(targets, perRequest(8192)), 0.85));
  // A process that is mostly idle is at the mercy of the machine's clock, which changes within
  // seconds: so many short rounds.
  await measure("sse", () => report("CPU us per streamed event", interleave(targets, perEvent, 2 * rounds * seconds), 0.92));
  await measure("ttft", () => ttft(targets));
  await measure("translate", () => translate(targets));
  await measure("portkey", () => portkey(targets));
  for (const target of Object.values(targets)) await stop(target.child);
  await measure("tls", tls);
  await measure("held", () => heldReport(heldStreams()));
}

// One that fails does not keep the others from being measured.
async function measure(name, fn) {
  if (!only.includes(name)) return;
  try {
    await fn();
  } catch (e) {
    console.log(`${name}: FAILED: ${e.message}`);
    process.exitCode = 1;
  }
}

function ttft(targets) {
  const direct = { key: "none", sse: { port: mock.fast } };
  const r = interleave({ ...targets, direct }, (target) => sse(target, 4, seconds).ttft_p50_us);
  const added = (name) => (targets[name] ? median(r.rows.map((row) => row[name] - row.direct)) : undefined);
  const all = { nginx: added("nginx"), haproxy: added("haproxy"), floor: added("floor"), penstock: added("penstock") };
  line("added time to first event, us", all, all.penstock / all.nginx, 0, "<= 50 us and <= nginx", all.penstock <= 50 && all.penstock <= all.nginx);
}

// From OpenAI's protocol to Anthropic's and back; nginx passes on.
function translate({ nginx, penstock }) {
  const both = { nginx, penstock };
  wrk(penstock, 1024, 1, penstock.translate);
  report("CPU us, 1 KB, to Anthropic and back", interleave(both, perRequest(1024, "translate")), 1.3);
}

async function portkey({ nginx, penstock }) {
  if (!existsSync(portkeyServer)) return console.log("Portkey is left out: npm install --prefix bench");
  const both = { nginx, penstock, portkey: await startPortkey() };
  wrk(both.portkey, 1024, 2);
  const r = interleave(both, perRequest(1024));
  r.portkey = median(r.rows.map((row) => row.portkey));
  const ratio = median(r.rows.map((row) => row.portkey / row.penstock));
  line("CPU us per request, 1 KB, Portkey", r, ratio, 2, ">= 150 x less than Portkey", ratio >= 150);
  await stop(both.portkey.child);
}

async function tls() {
  await startTlsProvider();
  const both = { nginx: await startNginxTls(), penstock: await startPenstock(true) };
  for (const target of Object.values(both)) wrk(target, 1024, 1);
  report("CPU us per request, 1 KB, TLS twice", interleave(both, perRequest(1024)), 1.0);
  for (const target of Object.values(both)) await stop(target.child);
}

async function heldReport(n) {
  const nginx = await held("nginx", n);
  const penstock = await held("penstock", n);
  line(`memory per held stream, KB (${n})`, { nginx: nginx.kb, penstock: penstock.kb }, penstock.kb / nginx.kb, 2, "<= 5 KB", penstock.kb <= 5);
  line("delay of its events, p99, us", { nginx: nginx.relay, penstock: penstock.relay }, penstock.relay / nginx.relay, 0, "<= 100 ms", penstock.relay <= 100000);
}

function installed(tool) {
  return `${process.env.PATH}:/usr/sbin`.split(":").some((p) => existsSync(join(p, tool)));
}

function missing() {
  for (const tool of ["nginx", "wrk", "taskset", "openssl"]) if (!installed(tool)) return `${tool} is not installed`;
  for (const file of Object.values(programs)) if (!existsSync(file)) return `${file} is not built`;
  return null;
}

function cleanUp() {
  for (const child of children) child.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
}

process.once("exit", cleanUp);
const why = missing();
if (why) {
  console.log(`gateway bench skipped: ${why}`);
} else {
  process.env.PATH += ":/usr/sbin";
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
  try {
    await bench();
  } catch (e) {
    console.error(`gateway bench failed: ${e.message}`);
    process.exitCode = 1;
  }
  for (const child of [...children]) await stop(child);
}
