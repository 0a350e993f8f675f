// Mixed traffic over providers of both dialects, of whose answers one in twenty goes wrong, for as long as
// one likes: is memory flat, is every answer whole or an error, and has each attempt one row in the ledger?
//
//     node bench/soak.mjs [--minutes 10] [--parallel 24] [--faults 0.05]
//
// Ends with 1 when any of these does not hold.
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Provider, Service, answerMessage, chunk, completion, ledger, message, waitFor } from "../test/api/harness.mjs";

const { values: opt } = parseArgs({
  options: { minutes: { type: "string", default: "10" }, parallel: { type: "string", default: "24" }, faults: { type: "string", default: "0.05" } },
});
const minutes = Number(opt.minutes), parallel = Number(opt.parallel), rate = Number(opt.faults);

// ---- Providers: the answer to a prompt is its words in reverse, so that each can be checked. ----

const wanted = (prompt) => prompt.split(" ").reverse().join(" ");
const pick = (list) => list[Math.floor(Math.random() * list.length)];
let received = 0;
const faults = {
  "500": (res) => fail(res, 500),
  "429": (res) => fail(res, 429, { "retry-after-ms": "20" }),
  "503": (res) => fail(res, 503),
  html: (res) => res.end("<html>busy</html>"),
  reset: (res) => res.socket.destroy(),
  cut: (res, pieces) => stream(res, pieces.slice(0, Math.max(1, pieces.length >> 1)), () => res.socket.destroy()),
  short: (res, pieces) => stream(res, pieces.slice(0, -2), () => res.end()),
  broken: (res, pieces) => stream(res, [pieces[0], "data: {]\n\n", ...pieces.slice(1)], () => res.end()),
};

function fail(res, status, headers = {}) {
  res.writeHead(status, { "content-type": "application/json", ...headers });
  res.end(JSON.stringify({ error: { message: "a fault", type: "server_error" } }));
}

function stream(res, pieces, end) {
  res.writeHead(200, { "content-type": pieces.length > 1 ? "text/event-stream" : "application/json" });
  let i = 0;
  const next = () => {
    if (res.destroyed) return;
    if (i === pieces.length) return end();
    res.write(pieces[i++]);
    setImmediate(next);
  };
  next();
}

function openaiPieces(asked, text) {
  if (asked.input) return [JSON.stringify({ object: "list", model: asked.model, data: [{ object: "embedding", index: 0, embedding: [0.5, 0.25] }], usage: { prompt_tokens: 3, total_tokens: 3 } })];
  if (!asked.stream) return [JSON.stringify(completion(text, { model: asked.model }))];
  const usage = `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: asked.model, choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } })}\n\n`;
  return [chunk({ role: "assistant", content: "" }), ...text.split(/(?<= )/).map((w) => chunk({ content: w })), chunk({}, "stop"), usage, "data: [DONE]\n\n"];
}

function serve(req, res, body) {
  received++;
  const asked = JSON.parse(body);
  const last = asked.messages?.at(-1).content;
  const prompt = asked.input ?? (typeof last === "string" ? last : last.map((p) => p.text).join(""));
  const faulty = Math.random() < rate;
  if (req.url.includes("messages")) return faulty ? pick([faults["500"], faults["429"], faults.reset])(res) : answerMessage(res, body, message(wanted(prompt), { model: asked.model }));
  const pieces = openaiPieces(asked, wanted(prompt));
  if (faulty) return pick(Object.values(faults))(res, pieces);
  stream(res, pieces, () => res.end());
}

// ---- Traffic ----

const seen = { good: 0, refused: 0, broken: 0, left: 0, wrong: 0 };
const attempts = new Map(); // request id -> attempts that its header told
let n = 0;

async function readStream(response, anthropic) {
  let text = "", whole = false, error = false;
  for (const block of (await response.text()).split("\n\n")) {
    const data = /^data: (.*)$/m.exec(block)?.[1];
    if (!data) continue;
    if (data === "[DONE]") whole = true;
    else {
      const e = JSON.parse(data);
      error ||= e.error !== undefined;
      whole ||= e.type === "message_stop";
      text += anthropic ? (e.delta?.text ?? "") : (e.choices?.[0]?.delta?.content ?? "");
    }
  }
  return { text, whole, error };
}

async function one(s) {
  const prompt = `question ${n++} of very many with a few more words behind it`;
  const anthropic = Math.random() < 0.4, streamed = Math.random() < 0.5, embeds = !anthropic && !streamed && Math.random() < 0.2;
  const model = pick(["openai", "claude", "either"]);
  const body = embeds ? { model: "openai", input: prompt } : { model, stream: streamed, messages: [{ role: "user", content: prompt }], ...(anthropic ? { max_tokens: 100 } : {}) };
  const path = embeds ? "/v1/embeddings" : anthropic ? "/v1/messages" : "/v1/chat/completions";
  const abort = new AbortController(), leaves = Math.random() < 0.01;
  if (leaves) setTimeout(() => abort.abort(), Math.random() * 5);
  try {
    const r = await s.fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal: abort.signal });
    const count = Number(r.headers.get("x-penstock-attempts"));
    if (!streamed && count) attempts.set(r.headers.get("x-request-id"), count);
    if (r.status !== 200) {
      await r.text();
      return r.status >= 500 || r.status === 429 ? seen.refused++ : wrong(`status ${r.status}`, prompt);
    }
    if (streamed) {
      const { text, whole, error } = await readStream(r, anthropic);
      if (error && !whole) return seen.broken++;
      return whole && text === wanted(prompt) ? seen.good++ : wrong(`stream ended with ${JSON.stringify(text)}`, prompt);
    }
    const answer = await r.json();
    const text = anthropic ? answer.content[0].text : answer.choices?.[0].message.content;
    return embeds ? (answer.data.length === 1 ? seen.good++ : wrong("embedding", prompt)) : text === wanted(prompt) ? seen.good++ : wrong(text, prompt);
  } catch (e) {
    return leaves ? seen.left++ : wrong(e.cause?.message ?? e.message, prompt);
  }
}

function wrong(what, prompt) {
  seen.wrong++;
  if (seen.wrong <= 10) console.error(`wrong: ${what} for '${prompt}'`);
}

const rss = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

const p = await Provider.start(serve);
p.requests = { push() {} }; // nothing is kept of what came
const s = await Service.start({
  config: `log: {level: warn}
providers:
  - {name: a, url: "${p.url}", first_byte_timeout: 2s}
  - {name: b, type: anthropic, url: "http://127.0.0.1:${p.port}", first_byte_timeout: 2s}
models:
  - {name: openai, provider: a, upstream: gpt, price_input: 1, price_output: 2, fallback: claude}
  - {name: claude, provider: b, upstream: sonnet, price_input: 1, price_output: 2, fallback: openai}
  - {name: either, targets: [{provider: a, upstream: gpt}, {provider: b, upstream: sonnet}], price_input: 1, hedge: 200ms}
`,
});
const end = Date.now() + minutes * 60000, memory = [];
const traffic = Array.from({ length: parallel }, async () => {
  while (Date.now() < end) await one(s);
});
while (Date.now() < end) {
  await sleep(Math.min(5000, Math.max(100, end - Date.now())));
  memory.push(rss(s.child.pid));
}
await Promise.all(traffic);
await s.kill("SIGTERM");

const rows = ledger(s, "select count(*) as n, count(distinct request || '/' || attempt) as d from usage")[0];
const told = new Map(ledger(s, "select request, max(attempt) as most, count(*) as n from usage group by request").map((r) => [r.request, r]));
let lost = 0;
for (const [id, count] of attempts) if (!(told.get(id)?.n === count && told.get(id)?.most === count)) lost++;
const early = median(memory.slice(Math.floor(memory.length * 0.1), Math.ceil(memory.length * 0.3)));
const late = median(memory.slice(Math.floor(memory.length * 0.8)));
await p.stop();
fs.rmSync(s.data, { recursive: true, force: true });

console.log(`${n} requests in ${minutes} minutes: ${JSON.stringify(seen)}`);
console.log(`ledger: ${rows.n} rows, ${rows.n - rows.d} twice, ${lost} of ${attempts.size} requests with other rows than attempts; the providers received ${received}`);
console.log(`memory: ${early.toFixed(1)} MB early, ${late.toFixed(1)} MB late, most ${Math.max(...memory).toFixed(1)} MB`);
const flat = late < early * 1.05 + 2;
if (seen.wrong || rows.n !== rows.d || lost || !flat) {
  console.log("FAILED");
  process.exit(1);
}
