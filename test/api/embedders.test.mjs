// Embedders outside: vectors made in the background whatever the provider does, kept over kill -9,
// another embedder beside the one in use, questions when nobody answers.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, beforeEach, test } from "node:test";
import { toFile } from "openai";
import { Provider, Service, waitFor } from "./harness.mjs";

const json = (res, status, body, headers = {}) => {
  res.writeHead(status, { "content-type": "application/json", ...headers });
  res.end(typeof body === "string" ? body : JSON.stringify(body));
};

// An embedder that knows synonyms, which words do not.
const topics = [/cat|feline|kitten/i, /dog|canine|hound/i, /car|vehicle|automobile/i, /bread|loaf|bakery/i];
const vector = (text, dimension) => {
  const v = topics.map((t) => (t.test(text) ? 1 : 0.01));
  while (v.length < dimension) v.push(0.02);
  return v;
};
const embeddings = (body, dimension = 4) =>
  ({ object: "list", model: body.model, data: body.input.map((text, index) => ({ object: "embedding", index, embedding: vector(text, dimension) })), usage: { prompt_tokens: 1, total_tokens: 1 } });

const texts = {
  "cat.txt": "The cat sleeps on the sofa all day.",
  "dog.txt": "A dog barks at strangers in the night.",
  "car.txt": "The car was parked behind the house.",
  "bread.txt": "Bread is baked before dawn.",
  "tax.txt": "Taxes are due in spring.",
};

let p, s, store;
const config = (retrieval, more = "") => `providers:
  - {name: up, url: "${p.url}", key: k, first_byte_timeout: 2s}
  - {name: dead, url: "http://127.0.0.1:9/v1", connect_timeout: 200ms}
embedders:
  - {name: dense, provider: up, model: emb-1, batch: 2, concurrency: 2, timeout: 500ms, query_prefix: "query: ", passage_prefix: "passage: "}
  - {name: other, provider: up, model: emb-2, batch: 100}
${more}
retrieval: ${retrieval}
discover: false
`;
const apply = async (retrieval, more) => {
  fs.writeFileSync(s.configFile, config(retrieval, more));
  s.child.kill("SIGHUP");
  await waitFor("the reload", () => s.log.includes('"event":"reload"'));
};
const status = async () => (await s.fetch("/admin/embeddings")).json();
const arrived = () => waitFor("all vectors", async () => {
  const c = (await status()).collections[0];
  return c && c.next === "" && c.space !== "" && c.done === c.documents;
}, 20000);
const asked = (model) => p.requests.map((r) => JSON.parse(r.body)).filter((b) => b.model === model);
const search = async (query, penstock = {}) => {
  const res = await s.fetch(`/v1/vector_stores/${store.id}/search`, { method: "POST", headers: { "content-type": "application/json", "cache-control": "no-cache" }, body: JSON.stringify({ query, penstock: { explain: true, ...penstock } }) });
  const body = await res.json();
  assert.equal(res.status, 200, JSON.stringify(body));
  return { names: body.data.map((d) => d.filename), why: body.penstock.retrieval };
};
const add = async (name, text) => {
  const f = await s.client.files.create({ file: await toFile(Buffer.from(text), name), purpose: "assistants" });
  await s.client.vectorStores.files.createAndPoll(store.id, { file_id: f.id });
  return f;
};
const good = (req, res, body) => json(res, 200, embeddings(JSON.parse(body)));

before(async () => {
  p = await Provider.start(good);
  s = await Service.start({ config: config("{}") });
  store = await s.client.vectorStores.create({ name: "zoo" });
  for (const [name, text] of Object.entries(texts)) await add(name, text);
});
after(async () => {
  await s.stop();
  await p.stop();
});
beforeEach(() => {
  p.requests = [];
  p.answer = good;
});

test("without one configured nothing is asked", async () => {
  assert.deepEqual((await status()).collections, []);
  await search("feline");
  assert.equal(p.requests.length, 0);
});

test("everything is embedded in the background, whatever the provider does first", async () => {
  const faults = [
    (req, res) => json(res, 429, { error: { message: "slow down" } }, { "retry-after": "1" }),
    (req, res) => { res.writeHead(200, { "content-type": "application/json", "content-length": "9999" }); res.write('{"data":['); res.destroy(); },
    (req, res, body) => json(res, 200, embeddings(JSON.parse(body), 7)),
    (req, res, body) => json(res, 200, JSON.stringify(embeddings(JSON.parse(body))).replace("0.01", "1e999")),
    (req, res, body) => { const a = embeddings(JSON.parse(body)); a.data.pop(); json(res, 200, a); },
  ];
  let n = 0;
  p.answer = (req, res, body) => (JSON.parse(body).input[0] === "dimension" ? good : (faults[n++] ?? good))(req, res, body);
  await apply("{embedder: dense}");
  await arrived();
  assert.ok(n >= faults.length);
  const c = (await status()).collections[0];
  assert.equal(c.space, "up/emb-1/1/4");
  assert.equal(c.documents, 5);
  for (const b of asked("emb-1").filter((b) => b.input[0] !== "dimension")) assert.ok(b.input.length <= 2 && b.input.every((t) => t.startsWith("passage: ")));
  const r = await search("feline");
  assert.equal(r.why.embedder, "up/emb-1/1/4");
  assert.equal(r.names[0], "cat.txt", "no word of the question stands in it");
  assert.equal(r.why.passages[0].vector.rank, 1);
  assert.ok(asked("emb-1").some((b) => b.input[0] === "query: feline"));
  const one = await search("hound", { level: 1 });
  assert.equal(one.names[0], "dog.txt");
});

test("what is there already is not embedded again", async () => {
  await add("again.txt", texts["cat.txt"]);
  await add("new.txt", "A kitten plays with wool.");
  await arrived();
  const sent = asked("emb-1").flatMap((b) => b.input);
  assert.equal(sent.filter((t) => t.includes("kitten")).length, 1);
  assert.ok(sent.length <= 2, "the copy differs by its title alone");
  await waitFor("the search", async () => (await search("feline")).names.includes("new.txt"));
});

test("nobody answers a question: it is searched for all the same", async () => {
  p.answer = () => {};
  const r = await search("the cat on the sofa");
  assert.equal(r.why.embedder, "built-in");
  assert.match(r.why.notes[0], /embedding/);
  assert.equal(r.names[0], "cat.txt");
});

/** These have one vector; which of them comes first is chance. */
const about = (r) => ["cat.txt", "again.txt", "new.txt"].includes(r.names[0]);

test("another embedder fills a space of its own while the old one serves, over kill -9", async () => {
  let held = true, answered = 0;
  p.answer = (req, res, body) => {
    const b = JSON.parse(body);
    if (b.model !== "emb-2") return good(req, res, body);
    if (held && b.input[0] !== "dimension" && ++answered > 1) return json(res, 503, { error: { message: "later" } });
    json(res, 200, embeddings(b, 6));
  };
  fs.writeFileSync(s.configFile, config("{embedder: other}").replace("batch: 100", "batch: 3"));
  s.log = "";
  s.child.kill("SIGHUP");
  await waitFor("a second batch", () => answered > 1);
  const c = (await status()).collections[0];
  assert.equal(c.space, "up/emb-1/1/4");
  assert.equal(c.next, "up/emb-2/1/6");
  assert.equal((await search("feline")).why.embedder, "up/emb-1/1/4");
  await s.kill();
  await s.launch();
  const before = new Set(asked("emb-2").slice(0, 2).filter((b) => b.input[0] !== "dimension").flatMap((b) => b.input));
  assert.ok(before.size > 0);
  const still = await search("feline");
  assert.equal(still.why.embedder, "up/emb-1/1/4", "still the old one");
  assert.ok(about(still), "by meaning, as no word of the question stands there");
  p.requests = [];
  held = false;
  await waitFor("the switch", async () => (await status()).collections[0].space === "up/emb-2/1/6", 30000);
  assert.ok(asked("emb-2").flatMap((b) => b.input).every((t) => !before.has(t)), "nothing was sent twice");
  const r = await search("feline");
  assert.equal(r.why.embedder, "up/emb-2/1/6");
  assert.ok(about(r));
});

test("it can be held up, and turned off", async () => {
  p.answer = (req, res, body) => json(res, 200, embeddings(JSON.parse(body), 6));
  await s.fetch("/admin/embeddings/pause", { method: "POST" });
  await add("late.txt", "A hound runs.");
  await new Promise((r) => setTimeout(r, 1200));
  assert.equal(asked("emb-2").length, 0);
  assert.equal((await status()).paused, true);
  await s.fetch("/admin/embeddings/resume", { method: "POST" });
  await waitFor("a batch", () => asked("emb-2").length > 0);
  await arrived();
  s.log = "";
  await apply("{}");
  await waitFor("the end", async () => (await status()).collections.length === 0);
  assert.equal((await search("cat")).why.embedder, "built-in");
});
