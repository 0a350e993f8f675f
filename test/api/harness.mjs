// harness.mjs - starts the real binary and a provider that can misbehave; ends both by their id.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

export const build = process.env.PENSTOCK_BUILD ?? path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "../../build");
export const binary = path.join(build, "penstock");

export function temporary() {
  return fs.mkdtempSync(path.join(os.tmpdir(), "penstock-"));
}

// A test that fails leaves nothing running: its services end with it.
const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
function start(args, options) {
  const child = spawn(binary, args, options);
  running.add(child);
  child.on("exit", () => running.delete(child));
  return child;
}

/** Runs a command to its end. */
export async function run(args, { env = {}, input, cwd } = {}) {
  const child = start(args, { env: { ...process.env, ...env }, cwd, stdio: ["pipe", "pipe", "pipe"] });
  let out = "", err = "";
  child.stdout.on("data", (d) => (out += d));
  child.stderr.on("data", (d) => (err += d));
  child.stdin.end(input);
  const [code, signal] = await once(child, "close");
  return { code, signal, out, err };
}

/** A penstock service on a port of its own. `config` is YAML text. */
export class Service {
  static async start({ data = temporary(), config, args = [], env = {} } = {}) {
    const s = new Service();
    s.data = data;
    s.args = ["serve", "--data", path.join(data, "state"), "--listen", "127.0.0.1:0", ...args];
    if (!/^discover:/m.test(config ?? "")) config = `${config ?? ""}\ndiscover: false\n`; // what else runs here is no part of a test
    s.configFile = path.join(data, "penstock.yaml");
    fs.writeFileSync(s.configFile, config);
    s.args.push("--config", s.configFile);
    s.env = env;
    await s.launch();
    return s;
  }

  async launch() {
    this.child = start(this.args, { env: { ...process.env, ...this.env }, stdio: ["ignore", "pipe", "pipe"] });
    this.exited = once(this.child, "close");
    this.log = "";
    this.out = "";
    this.child.stderr.on("data", (d) => (this.log += d));
    const ready = new Promise((resolve, reject) => {
      this.child.stdout.on("data", (d) => {
        this.out += d;
        const url = /listening on (\S+)/.exec(this.out);
        if (url) resolve(url[1]);
      });
      this.child.on("error", reject);
      this.child.on("exit", (code) => reject(new Error(`penstock ended with ${code}: ${this.log}${this.out}`)));
    });
    this.url = await ready;
    this.origin = this.url.replace(/\/v1$/, "");
    this.port = Number(new URL(this.url).port);
    this.key = /admin key[^:]*: (\S+)/.exec(this.out)?.[1] ?? this.key;
    this.client = new OpenAI({ baseURL: this.url, apiKey: this.key, maxRetries: 0, timeout: 20000 });
    this.anthropic = new Anthropic({ baseURL: this.origin, apiKey: this.key, maxRetries: 0, timeout: 20000 });
  }

  get state() {
    return path.join(this.data, "state");
  }

  async kill(signal = "SIGKILL") {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return (await this.exited)[0];
  }

  async stop() {
    const code = await this.kill("SIGTERM");
    fs.rmSync(this.data, { recursive: true, force: true });
    return code;
  }

  fetch(where, options = {}) {
    return fetch(this.origin + where, {
      ...options,
      headers: { authorization: `Bearer ${this.key}`, ...(options.headers ?? {}) },
    });
  }

  cli(...args) {
    return run([...args, "--data", this.state]);
  }
}

export function completion(text, extra = {}) {
  return {
    id: "chatcmpl-upstream",
    object: "chat.completion",
    created: 1,
    model: "upstream-model",
    choices: [{ index: 0, message: { role: "assistant", content: text, refusal: null }, logprobs: null, finish_reason: "stop" }],
    usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
    ...extra,
  };
}

export function chunk(delta, finish = null, extra = {}) {
  return `data: ${JSON.stringify({
    id: "chatcmpl-upstream",
    object: "chat.completion.chunk",
    created: 1,
    model: "upstream-model",
    choices: [{ index: 0, delta, finish_reason: finish }],
    ...extra,
  })}\n\n`;
}

/** An answer in Anthropic's protocol; `content` is a text or a list of blocks. */
export function message(content, extra = {}) {
  return {
    id: "msg_upstream",
    type: "message",
    role: "assistant",
    model: "upstream-model",
    content: typeof content === "string" ? [{ type: "text", text: content }] : content,
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 7, output_tokens: 3, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
    ...extra,
  };
}

/** An event of Anthropic's streams. */
export function event(type, fields = {}) {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

const deltas = {
  text: (b) => [{ type: "text_delta", text: b.text }],
  tool_use: (b) => [{ type: "input_json_delta", partial_json: JSON.stringify(b.input) }],
  thinking: (b) => [{ type: "thinking_delta", thinking: b.thinking }, { type: "signature_delta", signature: b.signature }],
  redacted_thinking: () => [],
};
const empty = {
  text: { text: "" },
  tool_use: { input: {} },
  thinking: { thinking: "", signature: "" },
  redacted_thinking: {},
};

/** The same answer as the events of a stream, in order. */
export function messageEvents(whole) {
  const { content, stop_reason, stop_sequence, usage, ...head } = whole;
  const begun = { ...head, content: [], stop_reason: null, stop_sequence: null, usage: { ...usage, output_tokens: 1 } };
  const events = [event("message_start", { message: begun })];
  content.forEach((block, index) => {
    events.push(event("content_block_start", { index, content_block: { ...block, ...empty[block.type] } }));
    for (const delta of deltas[block.type](block)) events.push(event("content_block_delta", { index, delta }));
    events.push(event("content_block_stop", { index }));
  });
  events.push(event("message_delta", { delta: { stop_reason, stop_sequence }, usage: { output_tokens: usage.output_tokens } }));
  events.push(event("message_stop"));
  return events;
}

/** Answers a request in Anthropic's protocol with this message, as the request wants it. */
export function answerMessage(res, body, whole) {
  if (!JSON.parse(body).stream) {
    res.setHeader("content-type", "application/json");
    return res.end(JSON.stringify(whole));
  }
  res.setHeader("content-type", "text/event-stream");
  for (const piece of messageEvents(whole)) res.write(piece);
  res.end();
}

/** A provider in the outside world. `answer(request, response, body)` decides what it does. */
export class Provider {
  static async start(answer) {
    const p = new Provider();
    p.requests = [];
    p.open = new Set();
    p.answer = answer ?? p.friendly;
    p.server = http.createServer((req, res) => {
      const parts = [];
      req.on("data", (d) => parts.push(d));
      req.on("end", () => {
        const body = Buffer.concat(parts).toString();
        p.requests.push({ method: req.method, url: req.url, headers: req.headers, body });
        p.answer(req, res, body, p.requests.length);
      });
    });
    p.server.on("connection", (s) => {
      p.open.add(s);
      s.on("close", () => p.open.delete(s));
    });
    p.server.listen(0, "127.0.0.1");
    await once(p.server, "listening");
    p.port = p.server.address().port;
    p.url = `http://127.0.0.1:${p.port}/v1`;
    return p;
  }

  friendly(req, res, body) {
    const asked = JSON.parse(body);
    if (!asked.stream) {
      res.setHeader("content-type", "application/json");
      return res.end(JSON.stringify(completion("Hello there.", { model: asked.model })));
    }
    res.setHeader("content-type", "text/event-stream");
    res.write(chunk({ role: "assistant", content: "" }));
    for (const word of ["Hello", " there", "."]) res.write(chunk({ content: word }));
    res.write(chunk({}, "stop"));
    if (asked.stream_options?.include_usage)
      res.write(`data: ${JSON.stringify({ id: "chatcmpl-upstream", object: "chat.completion.chunk", created: 1, model: "upstream-model", choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } })}\n\n`);
    res.end("data: [DONE]\n\n");
  }

  /** As friendly, in Anthropic's protocol. */
  static claude(req, res, body) {
    const asked = JSON.parse(body);
    if (req.url.endsWith("/count_tokens")) {
      res.setHeader("content-type", "application/json");
      return res.end(JSON.stringify({ input_tokens: 42 }));
    }
    answerMessage(res, body, message("Hello there.", { model: asked.model }));
  }

  async stop() {
    for (const s of this.open) s.destroy();
    this.server.close();
    await once(this.server, "close");
  }
}

/** A service in front of a provider, with model "m" (upstream "upstream-model"). `type` is the
 *  vendor: "anthropic" for one that speaks Anthropic's protocol. */
export async function withProvider(answer, { type, provider = "", model = "", rest = "" } = {}) {
  const claude = type === "anthropic";
  const p = await Provider.start(answer ?? (claude ? Provider.claude : undefined));
  if (claude) p.url = `http://127.0.0.1:${p.port}`;
  const s = await Service.start({
    config: `providers:
  - name: mock
    url: ${p.url}
${type ? `    type: ${type}` : ""}
    key: upstream-secret
    first_byte_timeout: 2s
    idle_timeout: 1s
${provider}
models:
  - name: m
    provider: mock
    upstream: upstream-model
    price_input: 1.5
    price_output: 6
${model}
  - name: upstream-model
    provider: mock
  - name: grounded
    provider: mock
    upstream: upstream-model
    knowledge: docs
${rest}`,
  });
  return { p, s, stop: async () => { await s.stop(); await p.stop(); } };
}

export const ask = (content, extra = {}) => ({ model: "m", messages: [{ role: "user", content }], ...extra });

/** Sends raw bytes, collects what comes until the connection ends or `until` matches. */
export function raw(port, bytes, { until, timeout = 5000 } = {}) {
  return new Promise((resolve, reject) => {
    const s = net.connect(port, "127.0.0.1");
    let got = "";
    const timer = setTimeout(() => { s.destroy(); reject(new Error(`nothing but ${JSON.stringify(got)}`)); }, timeout);
    const done = () => { clearTimeout(timer); s.destroy(); resolve(got); };
    s.on("connect", () => s.write(bytes));
    s.on("data", (d) => { got += d; if (until && until.test(got)) done(); });
    s.on("end", done);
    s.on("error", (e) => (got ? done() : (clearTimeout(timer), reject(e))));
  });
}

export async function waitFor(what, check, timeout = 10000) {
  const end = Date.now() + timeout;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((r) => setTimeout(r, 20));
  }
}

/** Rows of the ledger. */
export function ledger(service, sql) {
  const r = spawnSync("sqlite3", ["-json", `${service.state}/penstock.db`, sql], { encoding: "utf8", maxBuffer: 1 << 30 });
  if (r.status !== 0) throw r.error ?? new Error(r.stderr);
  return r.stdout ? JSON.parse(r.stdout) : [];
}
