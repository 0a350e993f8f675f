// How passages are found: levels by configuration and per request, models that help and misbehave,
// the cache, and the reasons that are told.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, beforeEach, test } from "node:test";
import { toFile } from "openai";
import { binary, completion, Provider, Service } from "./harness.mjs";

const json = (res, status, body, headers = {}) => {
  res.writeHead(status, { "content-type": "application/json", ...headers });
  res.end(typeof body === "string" ? body : JSON.stringify(body));
};

const texts = {
  "zebra.txt": "Zebras drink at the river. The zebra is striped.",
  "plain.txt": "Zebras graze on the plains of the north all day long, far from any river.",
  "lion.txt": "Lions sleep twenty hours a day.",
  "giraffe.txt": "Giraffes eat leaves of tall trees in the dry season, and grass when it rains.",
  "copy.txt": "Giraffes eat leaves of tall trees in the dry season, and grass when it rains",
};

let p, s, store, ids = {};
const models = `
  - {name: ranks, provider: up, upstream: rank-1}
  - {name: helper, provider: up, upstream: chat-1}
  - {name: ranks-tei, provider: tei, upstream: bge}
  - {name: vectors-tei, provider: tei, upstream: bge}
  - {name: deep, knowledge: zoo, retrieval_level: 4}
  - {name: talker, provider: up, upstream: chat-1, knowledge: zoo}`;
const config = (retrieval) => `providers:
  - {name: up, url: "${p.url}", key: k, first_byte_timeout: 2s}
  - {name: tei, type: tei, url: "${p.url}"}
models:${models}
collections:
  - {name: shallow, level: 2}
retrieval: ${retrieval}
`;
const post = async (path, body, headers = {}) => {
  const res = await s.fetch(path, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });
  return { status: res.status, body: await res.json() };
};
const search = async (query, penstock = {}, rest = {}, headers = {}) => {
  const r = await post(`/v1/vector_stores/${store.id}/search`, { query, penstock: { explain: true, ...penstock }, ...rest }, headers);
  assert.equal(r.status, 200, JSON.stringify(r.body));
  return { names: r.body.data.map((d) => d.filename), data: r.body.data, why: r.body.penstock.retrieval };
};
const asked = (path) => p.requests.filter((r) => r.url.endsWith(path)).map((r) => JSON.parse(r.body));
const metric = async (name) => Number(new RegExp(`^${name.replace(/[{}"]/g, "\\$&")} (\\S+)$`, "m").exec(await (await s.fetch("/metrics")).text())?.[1] ?? 0);
const restart = async (retrieval) => {
  await s.kill("SIGTERM");
  const fs = await import("node:fs");
  fs.writeFileSync(s.configFile, config(retrieval) + "discover: false\n");
  await s.launch();
};

before(async () => {
  p = await Provider.start();
  s = await Service.start({ config: config("{}") });
  store = await s.client.vectorStores.create({ name: "zoo" });
  for (const [name, text] of Object.entries(texts)) {
    const f = await s.client.files.create({ file: await toFile(Buffer.from(text), name), purpose: "assistants" });
    ids[name] = f.id;
    await s.client.vectorStores.files.createAndPoll(store.id, { file_id: f.id });
  }
});
after(async () => {
  await s.stop();
  await p.stop();
});
beforeEach(() => {
  p.requests = [];
  p.answer = p.friendly;
});

test("what was found says why", async () => {
  const { names, why } = await search("zebra river");
  assert.equal(names[0], "zebra.txt");
  assert.equal(why.level, 3);
  assert.equal(why.ranker, "built-in");
  assert.deepEqual(why.searches, [{ text: "zebra river", kind: "asked", weight: 1 }]);
  assert.equal(why.passages[0].keyword.rank, 1);
  assert.ok(why.passages[0].matched.length === 2 && why.passages[0].score > why.passages[1].score);
  assert.equal(p.requests.length, 0, "no model is needed");
  const quiet = await post(`/v1/vector_stores/${store.id}/search`, { query: "zebra" });
  assert.equal(quiet.body.penstock, undefined, "nobody asked");
});

test("the same stands once, unless it is wanted", async () => {
  const { names, why } = await search("giraffe");
  assert.equal(names.length, 1);
  assert.equal(why.passages[0].copies.length, 1);
  assert.equal((await search("giraffe", { duplicates: true })).names.length, 2);
});

test("levels: by configuration, by model, by request", async () => {
  assert.equal((await search("zebra", { level: 2 })).why.ranker, "none");
  assert.equal((await search("zebra", {}, {}, { "x-penstock-retrieval-level": "2" })).why.level, 2);
  for (const [penstock, param] of [[{ level: 5 }, "penstock.level"], [{ level: "x" }, "penstock.level"], [{ ranker: "best" }, "penstock.ranker"], [{ candidates: 0 }, "penstock.candidates"], [{ explain: 1 }, "penstock.explain"]]) {
    const r = await post(`/v1/vector_stores/${store.id}/search`, { query: "x", penstock });
    assert.equal(r.status, 400);
    assert.equal(r.body.error.param, param);
  }
  const four = await search("How long do lions sleep and what do giraffes eat?", { level: 4 });
  assert.ok(four.why.searches.filter((x) => x.kind === "part").length === 2);
  assert.deepEqual(new Set(four.names.slice(0, 2)), new Set(["lion.txt", "giraffe.txt"].map((x) => (x === "giraffe.txt" ? four.names.find((n) => /giraffe|copy/.test(n)) : x))));
  const chat = await post("/v1/chat/completions", { model: "deep", penstock: { explain: true }, messages: [{ role: "user", content: "How long do lions sleep?" }] });
  assert.equal(chat.body.penstock.retrieval.level, 4);
  assert.match(chat.body.choices[0].message.content, /twenty hours/);
});

test("an answer tells why, streamed too, and no provider sees the question for it", async () => {
  const body = { model: "talker", penstock: { explain: true }, messages: [{ role: "user", content: "Where do zebras drink?" }] };
  const r = await post("/v1/chat/completions", body);
  assert.ok(r.body.penstock.retrieval.passages.length > 0);
  assert.equal(asked("/chat/completions")[0].penstock, undefined);
  const res = await s.fetch("/v1/chat/completions", { method: "POST", body: JSON.stringify({ ...body, stream: true }), headers: { "content-type": "application/json" } });
  const events = (await res.text()).split("\n\n").filter((x) => x.startsWith("data: {")).map((x) => JSON.parse(x.slice(6)));
  assert.equal(events.filter((x) => x.penstock).length, 1);
  const header = await s.fetch("/v1/chat/completions", { method: "POST", body: JSON.stringify({ ...body, penstock: undefined }), headers: { "content-type": "application/json", "x-penstock-explain": "true" } });
  assert.ok((await header.json()).penstock.retrieval);
});

test("on a terminal what matched is bold", { skip: spawnSync("script", ["--version"]).status !== 0 && "no script(1)" }, () => {
  const on = (env) => spawnSync("script", ["-qec", `${binary} search 'zebra river' --collection zoo --k 1 --data ${s.state}`, "/dev/null"], { env: { ...process.env, TERM: "xterm", NO_COLOR: "", ...env }, encoding: "utf8" }).stdout;
  assert.match(on({}), / {12}\x1b\[1mZebras\x1b\[0m drink at the \x1b\[1mriver\x1b\[0m\. The \x1b\[1mzebra\x1b\[0m is striped\./);
  assert.ok(!on({ NO_COLOR: "1" }).includes("\x1b"));
});

test("the command line prints passages, and why", async () => {
  const plain = await s.cli("search", "zebra river", "--collection", "zoo", "--k", "1");
  assert.equal(plain.code, 0, plain.err);
  assert.match(plain.out, /^  1  0\.\d{3}  zebra\.txt.*\n +Zebras drink at the river\. The zebra is striped\.\n$/);
  const why = await s.cli("search", "zebra river", "--collection", "zoo", "--explain");
  assert.match(why.out, /keyword #1 [\d.]+, .*search #1 [\d.]+, built-in #1 [\d.]+; words: zebra, river/);
  assert.match(why.out, /level 3, 2 candidates, ranked by built-in, cache/);
  const four = await s.cli("search", "How long do lions sleep and what do giraffes eat?", "--collection", "zoo", "--level", "4", "--explain");
  assert.match(four.out, /search 2 \(part, 0\.8\): How long do lions sleep\n/);
  assert.match(four.out, /1 that says the same left out/);
  const filtered = await s.cli("search", "zebra", "--collection", "zoo", "--filter", '{"type":"eq","key":"no","value":1}');
  assert.equal(filtered.out, "nothing found\n");
  const json = JSON.parse((await s.cli("search", "zebra", "--collection", "zoo", "--json")).out);
  assert.ok(json.penstock.retrieval.passages.length > 0);
  assert.match((await s.cli("search", "x", "--collection", "nowhere")).err, /no collection 'nowhere'/);
  assert.match((await s.cli("search", "x", "--filter", "{")).err, /--filter/);
  for (const stream of [[], ["--stream"]]) {
    const asked = await s.cli("ask", "How long do lions sleep?", "--model", "zoo", "--explain", ...stream);
    assert.match(asked.out, /twenty hours[\s\S]*1  0\.\d{3}  lion\.txt[\s\S]*level 3/);
  }
});

test("results are kept while nothing changes", async () => {
  const query = "who has stripes, the zebra?";
  assert.equal((await search(query)).why.cache, "miss");
  assert.equal((await search(query)).why.cache, "hit");
  assert.equal((await search(query, { level: 2 })).why.cache, "miss", "another level");
  assert.equal((await search(query, {}, { max_num_results: 3 })).why.cache, "miss");
  const filters = (key) => ({ filters: { type: "ne", key, value: 1 } });
  assert.equal((await search(query, {}, filters("a"))).why.cache, "miss");
  assert.equal((await search(query, {}, filters("a"))).why.cache, "hit");
  assert.equal((await search(query, {}, filters("b"))).why.cache, "miss", "another filter");
  assert.equal((await search(query, {}, {}, { "cache-control": "no-cache" })).why.cache, "off");
  const front = (await post("/admin/keys", { name: "front", role: "developer", acts_for_users: true })).body.key;
  const alice = { authorization: `Bearer ${front}`, "x-penstock-user": "alice" };
  assert.equal((await search(query, {}, {}, alice)).why.cache, "miss", "another's rights");
  assert.equal((await search(query, {}, {}, alice)).why.cache, "hit");
  assert.ok(await metric('penstock_retrieval_cache_total{outcome="hit"}') >= 2);
  const f = await s.client.files.create({ file: await toFile(Buffer.from("A zebra with stripes in colour."), "new.txt"), purpose: "assistants" });
  await s.client.vectorStores.files.createAndPoll(store.id, { file_id: f.id });
  const again = await search(query);
  assert.equal(again.why.cache, "miss", "a change");
  assert.ok(again.names.includes("new.txt"));
  await s.client.vectorStores.files.delete(f.id, { vector_store_id: store.id });
  assert.ok(!(await search(query)).names.includes("new.txt"));
});

test("a re-ranking model, and what it can do wrong", async () => {
  await restart("{reranker: ranks, timeout: 500ms}");
  const rank = (score) => (req, res, body) => {
    const { documents } = JSON.parse(body);
    json(res, 200, { results: documents.map((text, index) => ({ index, relevance_score: score(text) })) });
  };
  p.answer = rank((t) => (t.includes("plains") ? 0.9 : 0.1));
  const good = await search("zebra river one");
  assert.equal(good.why.ranker, "model");
  assert.equal(good.names[0], "plain.txt");
  assert.equal(asked("/rerank")[0].query, "zebra river one");
  assert.match(asked("/rerank")[0].documents[0], /zebra/i);
  assert.equal(asked("/rerank")[0].model, "rank-1");
  const faults = {
    "429": (req, res) => json(res, 429, { error: { message: "slow down" } }, { "retry-after": "30" }),
    "cut off": (req, res) => { res.writeHead(200, { "content-type": "application/json", "content-length": "1000" }); res.write('{"results":['); res.destroy(); },
    "too few": (req, res) => json(res, 200, { results: [{ index: 0, relevance_score: 1 }] }),
    "no number": (req, res, body) => json(res, 200, `{"results":[${JSON.parse(body).documents.map((_, i) => `{"index":${i},"relevance_score":1e999}`)}]}`),
    silence: () => {},
  };
  const before = await metric('penstock_retrieval_fallbacks_total{stage="model"}');
  for (const [name, answer] of Object.entries(faults)) {
    p.answer = answer;
    const r = await search(`zebra river ${name}`);
    assert.equal(r.why.ranker, "built-in", name);
    assert.equal(r.names[0], "zebra.txt", name);
    assert.equal(r.why.notes.length, 1, name);
    p.answer = rank((t) => (t.includes("plains") ? 0.9 : 0.1));
  }
  assert.equal((await metric('penstock_retrieval_fallbacks_total{stage="model"}')) - before, Object.keys(faults).length);
});

test("text-embeddings-inference ranks and embeds in its own protocol", async () => {
  await restart("{reranker: ranks-tei}");
  p.answer = (req, res, body) => {
    const b = JSON.parse(body);
    if (req.url.endsWith("/rerank")) return json(res, 200, b.texts.map((t, index) => ({ index, score: t.includes("plains") ? 0.8 : 0.2 })).sort((x, y) => y.score - x.score));
    json(res, 200, b.inputs.map((t) => [t.length, 1, 0.5]));
  };
  const r = await search("zebra river");
  assert.equal(r.why.ranker, "model");
  assert.equal(r.names[0], "plain.txt");
  const e = await s.client.embeddings.create({ model: "vectors-tei", input: ["abc", "defgh"] });
  assert.deepEqual(e.data.map((d) => d.embedding), [[3, 1, 0.5], [5, 1, 0.5]]);
  assert.ok(e.usage.prompt_tokens > 0);
  const ranked = await post("/v1/rerank", { model: "ranks-tei", query: "q", documents: ["x", "the plains"], top_n: 1 });
  assert.deepEqual(ranked.body.results.map((x) => [x.index, x.relevance_score]), [[1, 0.8]]);
  p.answer = (req, res) => json(res, 413, { error: "batch size 2 > maximum allowed batch size 1", error_type: "Validation" });
  await assert.rejects(s.client.embeddings.create({ model: "vectors-tei", input: ["a", "b"] }), (x) => x.status >= 400);
});

test("a chat model judges, and takes questions apart", async () => {
  await restart("{assistant: helper, ranker: judge, timeout: 500ms}");
  let said = "[[1, 0], [2, 10]]";
  p.answer = (req, res) => json(res, 200, completion(said));
  const r = await search("zebra river");
  assert.equal(r.why.ranker, "judge");
  assert.equal(r.names[0], "plain.txt");
  said = "I would rather not.";
  const refused = await search("zebra river again");
  assert.equal(refused.why.ranker, "built-in");
  assert.match(refused.why.notes[0], /judge/);
  said = '```json\n{"standalone": "Where do zebras drink?", "parts": [], "reworded": ["lions asleep"]}\n```';
  const four = await search("nap of the king", { level: 4, ranker: "built-in" });
  assert.equal(four.names.includes("lion.txt"), true);
  assert.ok(four.why.searches.some((x) => x.kind === "reworded"));
  p.answer = () => {};
  const late = await search("zebra river late", { level: 4, ranker: "built-in" });
  assert.equal(late.why.notes.length, 1);
  assert.equal(late.names[0], "zebra.txt");
});

test("a configuration that cannot work is refused by name", async () => {
  const { run, temporary } = await import("./harness.mjs");
  const fs = await import("node:fs");
  for (const [retrieval, want] of [
    ["{reranker: nobody}", /reranker.*nobody/],
    ["{reranker: helper-x}", /reranker/],
    ["{ranker: judge}", /assistant/],
    ["{embedder: none-such}", /embedder.*none-such/],
    ["{level: 7}", /level/],
  ]) {
    const dir = temporary();
    fs.writeFileSync(`${dir}/c.yaml`, config(retrieval));
    const r = await run(["config", "check", `${dir}/c.yaml`]);
    assert.notEqual(r.code, 0, retrieval);
    assert.match(r.err + r.out, want);
    fs.rmSync(dir, { recursive: true });
  }
});
