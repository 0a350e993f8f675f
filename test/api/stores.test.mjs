// Files and vector stores through the official client.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";
import OpenAI, { toFile } from "openai";
import { Service, waitFor } from "./harness.mjs";

let s, store;
before(async () => {
  s = await Service.start();
  store = await s.client.vectorStores.create({ name: "animals", metadata: { team: "zoo" } });
});
after(() => s.stop());

const upload = async (name, text) => s.client.files.create({ file: await toFile(Buffer.from(text), name), purpose: "assistants" });

test("a store has the vendor's shape", () => {
  assert.match(store.id, /^vs_/);
  assert.equal(store.object, "vector_store");
  assert.equal(store.status, "completed");
  assert.deepEqual(store.metadata, { team: "zoo" });
  assert.deepEqual(store.file_counts, { in_progress: 0, completed: 0, failed: 0, cancelled: 0, total: 0 });
});

test("a file is uploaded, read back exactly, and its name is no path", async () => {
  const bytes = "a\0b\r\n--boundary--\r\nübung";
  const f = await upload("../../etc/pass wd.txt", bytes);
  assert.match(f.id, /^file-/);
  assert.equal(f.filename, "pass wd.txt");
  assert.equal(f.bytes, Buffer.byteLength(bytes));
  const r = await s.fetch(`/v1/files/${f.id}/content`);
  assert.equal(await r.text(), bytes);
  assert.equal(r.headers.get("x-content-type-options"), "nosniff");
  const ids = [];
  for await (const x of s.client.files.list()) ids.push(x.id);
  assert.ok(ids.includes(f.id));
  assert.equal((await s.client.files.delete(f.id)).deleted, true);
  await assert.rejects(s.client.files.retrieve(f.id), OpenAI.NotFoundError);
});

test("files become searchable, filters and deletion are obeyed", async () => {
  const otter = await upload("otter.txt", "The sea otter holds hands with its mate while it sleeps, so that they do not drift apart.");
  const heron = await upload("heron.md", "# Heron\n\nThe grey heron stands still for hours and eats frogs.");
  await s.client.vectorStores.files.createAndPoll(store.id, { file_id: otter.id, attributes: { kind: "mammal", legs: 4 } });
  const done = await s.client.vectorStores.files.createAndPoll(store.id, { file_id: heron.id, attributes: { kind: "bird", legs: 2 } });
  assert.equal(done.status, "completed");
  const search = async (query, filters) => (await s.client.vectorStores.search(store.id, { query, ...(filters && { filters }) })).data;
  const hits = await search("who eats frogs?");
  assert.equal(hits[0].file_id, heron.id);
  assert.equal(hits[0].filename, "heron.md");
  assert.match(hits[0].content[0].text, /grey heron/);
  assert.ok(hits[0].score > 0 && hits[0].score <= 1);
  assert.deepEqual(await search("frogs", { type: "eq", key: "kind", value: "mammal" }), []);
  assert.equal((await search("sleeps", { type: "and", filters: [{ type: "gte", key: "legs", value: 3 }, { type: "in", key: "kind", value: ["mammal"] }] }))[0].file_id, otter.id);
  await assert.rejects(search("x", { type: "like", key: "a", value: "b" }), (e) => e.status === 400 && e.param === "filters");

  const counts = (await s.client.vectorStores.retrieve(store.id)).file_counts;
  assert.equal(counts.completed, 2);
  const text = await (await s.fetch(`/v1/vector_stores/${store.id}/files/${heron.id}/content`)).json();
  assert.match(text.data.map((x) => x.text).join(""), /eats frogs/);

  const answer = await s.client.chat.completions.create({ model: "animals", messages: [{ role: "user", content: "What does the grey heron eat?" }] });
  assert.match(answer.choices[0].message.content, /frogs/);
  assert.equal(answer.choices[0].message.annotations[0].file_id, heron.id);

  await s.client.vectorStores.files.delete(heron.id, { vector_store_id: store.id });
  assert.deepEqual(await search("frogs"), []);
  await s.client.files.delete(otter.id);
  assert.deepEqual(await search("otter"), []);
});

test("search: lists of texts, ranking options, pages, where a passage stands", async () => {
  const own = await s.client.vectorStores.create({ name: "rocks" });
  const text = `# Rocks\n\n## Granite\n\nGranite is an igneous rock.\n\n## Marble\n\nMarble is a metamorphic rock.\n\n## Chalk\n\nChalk is a sedimentary rock of shells.\n`;
  await s.client.vectorStores.files.uploadAndPoll(own.id, await toFile(Buffer.from(text), "rocks.md"), undefined);
  const search = async (body) => {
    const r = await s.fetch(`/v1/vector_stores/${own.id}/search`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    return { status: r.status, ...(await r.json()) };
  };
  const page = await search({ query: ["rock of shells", "chalk"], max_num_results: 2 });
  assert.equal(page.object, "vector_store.search_results.page");
  assert.deepEqual(page.search_query, ["rock of shells", "chalk"]);
  assert.match(page.data[0].content[0].text, /Chalk is/);
  assert.ok(page.data[0].score >= page.data[1].score && page.data[0].score <= 1 && page.data[1].score >= 0);
  assert.equal(page.has_more, true);
  const rest = await search({ query: ["rock of shells", "chalk"], max_num_results: 2, page: page.next_page });
  assert.equal(rest.has_more, false);
  assert.equal(rest.next_page, null);
  const all = [...page.data, ...rest.data];
  assert.equal(new Set(all.map((x) => x.chunk_index)).size, all.length);
  const hit = all[0];
  assert.match(hit.section, /Chalk/);
  assert.equal(text.slice(hit.char_start, hit.char_end).includes("Chalk") || hit.char_end > hit.char_start, true);
  assert.ok(hit.line_start > 0 && hit.total_chunks >= all.length && hit.document_version === 1);
  assert.equal(hit.language, "en");
  assert.equal(hit.doc_type, "markdown");
  assert.match(hit.content_hash, /^[0-9a-f]{64}$/);
  for (const ranker of ["auto", "none", "default-2024-11-15"]) assert.equal((await search({ query: "marble", ranking_options: { ranker, hybrid_search: { embedding_weight: 0, text_weight: 1 } } })).data[0].section, "Rocks > Marble", ranker);
  assert.deepEqual((await search({ query: "marble", ranking_options: { score_threshold: 1 } })).data, []);
  assert.ok((await search({ query: "marble and granite", rewrite_query: true })).data.length >= 2);
  for (const [body, param] of [
    [{}, "query"], [{ query: "" }, "query"], [{ query: [1] }, "query[0]"], [{ query: "x", max_num_results: 51 }, "max_num_results"],
    [{ query: "x", ranking_options: { ranker: "fancy" } }, "ranking_options.ranker"],
    [{ query: "x", ranking_options: { score_threshold: 2 } }, "ranking_options.score_threshold"],
    [{ query: "x", ranking_options: { hybrid_search: { embedding_weight: 0, text_weight: 0 } } }, "ranking_options.hybrid_search"],
    [{ query: "x", ranking_options: { hybrid_search: { embedding_weight: -1 } } }, "ranking_options.hybrid_search.embedding_weight"],
    [{ query: "x", rewrite_query: 1 }, "rewrite_query"], [{ query: "x", page: "two" }, "page"], [{ query: "x", colour: 1 }, "colour"],
  ]) {
    const r = await search(body);
    assert.equal(r.status, 400, JSON.stringify(body));
    assert.equal(r.error.param, param);
  }
});

test("how words are weighed is a store's own, at once and after a restart", async () => {
  const keywords = { title: 30, b: 0.5 };
  const own = await s.client.vectorStores.create({ name: "weighed", keywords });
  assert.deepEqual(own.keywords, { k1: 1.2, b: 0.5, title: 30, section: 1, body: 1 });
  const put = async (name, text) => (await s.client.vectorStores.files.uploadAndPoll(own.id, await toFile(Buffer.from(text), name), undefined)).id;
  const named = await put("one.md", "# Walrus\n\nIt has long teeth, and lives where the sea is cold.\n");
  const told = await put("two.md", "# Animals\n\nThe walrus is a walrus is a walrus.\n");
  const search = async () => (await s.client.vectorStores.search(own.id, { query: "walrus", ranking_options: { ranker: "none", hybrid_search: { embedding_weight: 0, text_weight: 1 } } })).data;
  const heavy = await search();
  assert.equal(heavy[0].file_id, named);
  const plain = await s.client.vectorStores.update(own.id, { keywords: null });
  assert.equal(plain.keywords, undefined);
  const usual = await search();
  assert.equal(usual[0].file_id, told);
  assert.equal((await s.client.vectorStores.update(own.id, { keywords })).keywords.title, 30);
  assert.equal((await s.client.vectorStores.update(own.id, { name: "heavy" })).keywords.title, 30, "what is not said stays");
  assert.deepEqual(await search(), heavy);
  await s.kill();
  await s.launch();
  assert.deepEqual(await search(), heavy);
  for (const [keywords, param] of [[{ k1: 1001 }, "keywords.k1"], [{ b: -1 }, "keywords.b"], [{ body: 0 }, "keywords.body"], [{ size: 1 }, "keywords.size"], [7, "keywords"]])
    await assert.rejects(s.client.vectorStores.update(own.id, { keywords }), (e) => e.status === 400 && e.param === param, param);
  await s.client.vectorStores.delete(own.id);
});

test("highlights say where the words of the query stand", async () => {
  const own = await s.client.vectorStores.create({ name: "marked" });
  await s.client.vectorStores.files.uploadAndPoll(own.id, await toFile(Buffer.from("Bär und Fuchs: bears eat fish, and the brown bear eats berries."), "bear.txt"), undefined);
  const search = async (query, more) => (await s.client.vectorStores.search(own.id, { query, ...more })).data[0];
  const marked = (hit) => hit.highlights.map((x) => Buffer.from(hit.content[0].text).subarray(x.start, x.end).toString());
  assert.deepEqual(marked(await search("bear", { highlights: true })), ["bears", "bear"]);
  assert.deepEqual(marked(await search('"brown bear" berr*', { highlights: true })), ["bears", "brown bear", "berries"]);
  assert.deepEqual(marked(await search(["fish", "berries"], { highlights: true })), ["fish", "berries"]);
  assert.equal((await search("bear")).highlights, undefined);
  await assert.rejects(search("bear", { highlights: "yes" }), (e) => e.status === 400 && e.param === "highlights");
  await s.client.vectorStores.delete(own.id);
});

test("a file that cannot be read fails with a reason, and the store goes on", async () => {
  const bad = await upload("broken.pdf", "%PDF-1.4\nnothing here");
  const r = await s.client.vectorStores.files.createAndPoll(store.id, { file_id: bad.id });
  assert.equal(r.status, "failed");
  assert.ok(r.last_error.message.length > 5);
});

test("an unknown file or store, a bad upload", async () => {
  await assert.rejects(s.client.vectorStores.files.create(store.id, { file_id: "file-nope" }), (e) => e.status === 404);
  await assert.rejects(s.client.vectorStores.retrieve("vs_nope"), OpenAI.NotFoundError);
  const post = (headers, body) => s.fetch("/v1/files", { method: "POST", headers, body });
  assert.equal((await post({ "content-type": "multipart/form-data" }, "x")).status, 400);
  assert.equal((await post({ "content-type": "multipart/form-data; boundary=b" }, "--b\r\ncut")).status, 400);
  const form = new FormData();
  form.append("purpose", "assistants");
  const r = await s.fetch("/v1/files", { method: "POST", body: form });
  assert.equal(r.status, 400);
  assert.equal((await r.json()).error.param, "file");
});

test("parts in any order, names in any spelling, contents like boundaries", async () => {
  const send = async (disposition, content, type = 'multipart/form-data; boundary="xx"') => {
    const body = Buffer.concat([Buffer.from(`--xx\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n--xx\r\nContent-Disposition: form-data; name="file"; ${disposition}\r\nContent-Type: text/plain\r\n\r\n`), content, Buffer.from("\r\n--xx--\r\n")]);
    return s.fetch("/v1/files", { method: "POST", headers: { "content-type": type }, body });
  };
  const content = Buffer.from(`a\r\n--xxx\r\n--x\r\n--xx-\r\n\0${"b\r\n--xy".repeat(100000)}`);
  for (const [disposition, name] of [
    ['filename="übung.txt"', "übung.txt"],
    ['filename="%C3%BCbung%20eins.txt"', "übung eins.txt"],
    ["filename=\"x\"; filename*=UTF-8''%e2%82%ac.txt", "€.txt"],
    ['filename="C:\\dir\\..\\n.txt"', "n.txt"],
    ['filename="../../etc/passwd"', "passwd"],
  ]) {
    const r = await send(disposition, content);
    assert.equal(r.status, 200, await r.clone().text());
    const f = await r.json();
    assert.equal(f.filename, name);
    assert.equal(f.bytes, content.length);
    const got = await s.fetch(`/v1/files/${f.id}/content`);
    assert.ok(content.equals(Buffer.from(await got.arrayBuffer())));
    assert.match(got.headers.get("content-disposition"), /^attachment/);
    assert.match(got.headers.get("content-type"), /octet-stream/);
  }
  assert.equal((await send('filename=""', content)).status, 400);
  assert.equal((await send('filename="x"', Buffer.alloc(0))).status, 400);
});

test("a file larger than a body may be goes to disk, not into memory", async () => {
  const memory = () => Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${s.child.pid}/status`, "utf8"))[1]);
  const before = memory();
  const piece = Buffer.alloc(1 << 20, "The quick brown fox.\n");
  async function* body() {
    yield Buffer.from('--q\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n\r\n');
    for (let i = 0; i < 150; i++) yield piece;
    yield Buffer.from('\r\n--q\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n--q--\r\n');
  }
  const r = await s.fetch("/v1/files", { method: "POST", headers: { "content-type": "multipart/form-data; boundary=q" }, body: body(), duplex: "half" });
  assert.equal(r.status, 200, await r.clone().text());
  const f = await r.json();
  assert.equal(f.bytes, 150 << 20);
  assert.ok(memory() - before < 40 << 10, `${memory() - before} KB more`);
  let read = 0;
  for await (const x of (await s.fetch(`/v1/files/${f.id}/content`)).body) read += x.length;
  assert.equal(read, 150 << 20);
  await s.client.files.delete(f.id);
  assert.equal((await s.fetch("/v1/vector_stores", { method: "POST", headers: { "content-type": "application/json" }, body: `{"name":"${"x".repeat(65 << 20)}"}` }).catch(() => ({ status: 413 }))).status, 413);
});

test("another tenant sees nothing of it", async () => {
  const made = await s.cli("keys", "create", "other", "--tenant", "other", "--role", "developer");
  const client = new OpenAI({ baseURL: s.url, apiKey: made.out.trim(), maxRetries: 0 });
  const f = await upload("mine.txt", "secret words about walruses");
  await assert.rejects(client.files.retrieve(f.id), OpenAI.NotFoundError);
  await assert.rejects(client.vectorStores.search(store.id, { query: "walruses" }), OpenAI.NotFoundError);
  await assert.rejects(client.chat.completions.create({ model: "animals", messages: [{ role: "user", content: "x" }] }), OpenAI.NotFoundError);
  const own = await client.vectorStores.create({ name: "theirs" });
  await assert.rejects(client.vectorStores.files.create(own.id, { file_id: f.id }), OpenAI.NotFoundError);
  for await (const x of client.files.list()) assert.fail(`sees ${x.id}`);
});

test("a file that was being read when the service was killed is read after the restart", async () => {
  const f = await upload("late.txt", "The axolotl keeps its gills for life.");
  await s.client.vectorStores.files.create(store.id, { file_id: f.id });
  await s.kill();
  await s.launch();
  await waitFor("the file", async () => (await s.client.vectorStores.files.retrieve(f.id, { vector_store_id: store.id })).status === "completed");
  const r = await s.client.vectorStores.search(store.id, { query: "axolotl gills" });
  assert.equal(r.data[0].file_id, f.id);
});
