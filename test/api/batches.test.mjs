// File batches, per-file chunking, cancellation, expiry, paging: through the official client's helpers.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import OpenAI, { toFile } from "openai";
import { Service, ledger, waitFor } from "./harness.mjs";

let s, store;
before(async () => {
  s = await Service.start({ config: "ingest:\n  parallel: 1\n" });
  store = await s.client.vectorStores.create({ name: "batches" });
});
after(() => s.stop());

const file = (name, text) => toFile(Buffer.from(text), name);
const upload = async (name, text) => s.client.files.create({ file: await file(name, text), purpose: "assistants" });
const all = async (pages) => { const list = []; for await (const x of pages) list.push(x); return list; };
const refused = (promise, param, status = 400) => assert.rejects(promise, (e) => e.status === status && e.param === param || assert.fail(`${e.status} ${e.param} ${e.message}`));
const sql = (text) => { const r = spawnSync("sqlite3", [`${s.state}/penstock.db`, text]); assert.equal(r.status, 0, String(r.stderr)); };

test("fileBatches.uploadAndPoll: files are uploaded, read, and searchable", async () => {
  const files = await Promise.all(["alpaca", "bison", "civet"].map((x) => file(`${x}.txt`, `The ${x} lives in enclosure ${x.length}.`)));
  const b = await s.client.vectorStores.fileBatches.uploadAndPoll(store.id, { files });
  assert.match(b.id, /^vsfb_/);
  assert.equal(b.object, "vector_store.files_batch");
  assert.equal(b.vector_store_id, store.id);
  assert.equal(b.status, "completed");
  assert.deepEqual(b.file_counts, { in_progress: 0, completed: 3, failed: 0, cancelled: 0, total: 3 });
  const listed = await all(s.client.vectorStores.fileBatches.listFiles(b.id, { vector_store_id: store.id, limit: 2 }));
  assert.equal(new Set(listed.map((x) => x.id)).size, 3);
  const hit = await s.client.vectorStores.search(store.id, { query: "where does the civet live?" });
  assert.match(hit.data[0].content[0].text, /civet/);
});

test("uploadAndPoll and createAndPoll of one file", async () => {
  const one = await s.client.vectorStores.files.uploadAndPoll(store.id, await file("dugong.txt", "The dugong eats seagrass."));
  assert.equal(one.status, "completed");
  assert.equal(one.object, "vector_store.file");
  assert.equal(one.last_error, null);
  const again = await s.client.vectorStores.files.createAndPoll(store.id, { file_id: one.id, attributes: { kind: "sirenian" } });
  assert.deepEqual(again.attributes, { kind: "sirenian" });
});

test("each file of a batch may have attributes and chunking of its own", async () => {
  const text = Array.from({ length: 300 }, (_, i) => `Sentence number ${i} speaks of emus and ends here.`).join(" ");
  const [a, b, bad] = [await upload("a.txt", text), await upload("b.txt", text), await upload("bad.zip", "PK\x03\x04nothing")];
  const batch = await s.client.vectorStores.fileBatches.createAndPoll(store.id, {
    files: [
      { file_id: a.id, attributes: { n: 1 }, chunking_strategy: { type: "static", static: { max_chunk_size_tokens: 100, chunk_overlap_tokens: 0 } } },
      { file_id: b.id, attributes: { n: 2 } },
      { file_id: bad.id },
    ],
  });
  assert.deepEqual(batch.file_counts, { in_progress: 0, completed: 2, failed: 1, cancelled: 0, total: 3 });
  const get = (f) => s.client.vectorStores.files.retrieve(f.id, { vector_store_id: store.id });
  assert.deepEqual((await get(a)).chunking_strategy, { type: "static", static: { max_chunk_size_tokens: 100, chunk_overlap_tokens: 0 } });
  assert.deepEqual((await get(b)).attributes, { n: 2 });
  assert.equal((await get(bad)).last_error.code, "unsupported_file");
  const chunks = Object.fromEntries(ledger(s, "select file_id, chunks from documents where file_id is not null").map((r) => [r.file_id, r.chunks]));
  assert.ok(chunks[a.id] > 3 * chunks[b.id], JSON.stringify(chunks));
  const failed = await all(s.client.vectorStores.fileBatches.listFiles(batch.id, { vector_store_id: store.id, filter: "failed" }));
  assert.deepEqual(failed.map((x) => x.id), [bad.id]);
  assert.deepEqual(await all(s.client.vectorStores.files.list(store.id, { filter: "failed" })), failed);
  // The text comes back whole although the chunks overlap.
  assert.equal((await all(s.client.vectorStores.files.content(b.id, { vector_store_id: store.id }))).map((x) => x.text).join(""), text);
});

test("a batch is cancelled: what had not begun never shows", async () => {
  const ids = [];
  for (let i = 0; i < 40; i++) ids.push((await upload(`c${i}.txt`, `Flamingo number ${i}. `.repeat(2000))).id);
  const b = await s.client.vectorStores.fileBatches.create(store.id, { file_ids: ids });
  assert.equal(b.status, "in_progress");
  const c = await s.client.vectorStores.fileBatches.cancel(b.id, { vector_store_id: store.id });
  assert.equal(c.status, "cancelled");
  assert.equal(c.file_counts.in_progress, 0);
  assert.ok(c.file_counts.cancelled > 0);
  const later = await s.client.vectorStores.files.uploadAndPoll(store.id, await file("gnu.txt", "The gnu wanders."));
  assert.equal(later.status, "completed"); // behind all of them in the queue
  assert.deepEqual((await s.client.vectorStores.fileBatches.retrieve(b.id, { vector_store_id: store.id })).file_counts, c.file_counts);
  const cancelled = await all(s.client.vectorStores.files.list(store.id, { filter: "cancelled", limit: 7 }));
  assert.equal(cancelled.length, c.file_counts.cancelled);
  assert.equal((await s.client.vectorStores.retrieve(store.id)).file_counts.cancelled, cancelled.length);
  for (const f of cancelled.slice(0, 2)) await s.client.vectorStores.files.createAndPoll(store.id, { file_id: f.id }).then((r) => assert.equal(r.status, "completed"));
});

test("killed in the middle, a batch goes on where it was and does nothing twice", async () => {
  const ids = [];
  for (let i = 0; i < 30; i++) ids.push((await upload(`k${i}.txt`, `Kingfisher ${i} dives. `.repeat(400))).id);
  const b = await s.client.vectorStores.fileBatches.create(store.id, { file_ids: ids });
  const get = () => s.client.vectorStores.fileBatches.retrieve(b.id, { vector_store_id: store.id });
  let kills = 0;
  while ((await get()).status === "in_progress" && kills < 5) {
    await waitFor("some progress", async () => (await get()).file_counts.completed > kills * 4);
    await s.kill();
    await s.launch();
    kills++;
  }
  const done = await waitFor("the batch", async () => ((x) => x.status !== "in_progress" && x)(await get()), 30000);
  assert.deepEqual(done.file_counts, { in_progress: 0, completed: 30, failed: 0, cancelled: 0, total: 30 });
  assert.deepEqual(ledger(s, `select count(*) n, max(d.version) v from file_batch_items i join documents d on d.id = i.document where i.batch = '${b.id}'`), [{ n: 30, v: 1 }]);
});

test("what a request gets wrong is named", async () => {
  const f = await upload("f.txt", "words");
  const add = (x) => s.client.vectorStores.files.create(store.id, { file_id: f.id, ...x });
  const batch = (x) => s.client.vectorStores.fileBatches.create(store.id, x);
  await refused(s.client.vectorStores.files.create(store.id, {}), "file_id");
  await refused(add({ attributes: { a: { b: 1 } } }), "attributes.a");
  await refused(add({ attributes: { a: "x".repeat(513) } }), "attributes.a");
  await refused(add({ attributes: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, i])) }), "attributes");
  await refused(add({ chunking_strategy: { type: "static", static: { max_chunk_size_tokens: 50, chunk_overlap_tokens: 0 } } }), "chunking_strategy.static.max_chunk_size_tokens");
  await refused(add({ chunking_strategy: { type: "static", static: { max_chunk_size_tokens: 200, chunk_overlap_tokens: 101 } } }), "chunking_strategy.static.chunk_overlap_tokens");
  await refused(add({ colour: "red" }), "colour");
  await refused(batch({}), "file_ids");
  await refused(batch({ file_ids: [f.id, "file-none"] }), "file_ids[1]", 404);
  await refused(batch({ files: [{ file_id: f.id, attributes: { a: [] } }] }), "files[0].attributes.a");
  await refused(s.client.vectorStores.create({ file_ids: ["file-none"] }), "file_ids[0]", 404);
  await refused(s.client.vectorStores.create({ metadata: { a: 1 } }), "metadata.a");
  await refused(s.client.vectorStores.create({ expires_after: { anchor: "last_active_at", days: 400 } }), "expires_after.days");
  await refused(s.client.vectorStores.files.list(store.id, { filter: "lost" }), "filter");
  await refused(s.client.vectorStores.files.list(store.id, { after: "file-none" }), "after", 404);
  await refused(s.client.files.create({ file: await file("x", "y"), purpose: "fun" }), "purpose");
  await refused(s.client.files.create({ file: await file("x", "y"), purpose: "assistants", expires_after: { anchor: "created_at", seconds: 5 } }), "expires_after[seconds]");
  await refused(s.client.files.create({ file: await file("x", "y"), purpose: "assistants", colour: "red" }), "colour");
});

test("two stores may have one name; changes are taken, null takes away", async () => {
  const one = await s.client.vectorStores.create({ name: "same", description: "first", expires_after: { anchor: "last_active_at", days: 2 } });
  const two = await s.client.vectorStores.create({ name: "same" });
  assert.notEqual(one.id, two.id);
  assert.equal(one.expires_at, one.last_active_at + 2 * 86400);
  const changed = await s.client.vectorStores.update(one.id, { name: "other", metadata: { a: "b" }, expires_after: null });
  assert.equal(changed.name, "other");
  assert.deepEqual(changed.metadata, { a: "b" });
  assert.equal(changed.expires_at, null);
  const mine = await all(s.client.vectorStores.list({ limit: 1, order: "asc" }));
  assert.ok(mine.length >= 3 && mine.at(-1).id === two.id);
});

test("stores and files end when their time has come", async () => {
  const old = await s.client.vectorStores.create({ name: "old", expires_after: { anchor: "last_active_at", days: 1 } });
  const kept = await s.client.vectorStores.files.uploadAndPoll(old.id, await file("h.txt", "The hoopoe has a crest."));
  const brief = await s.client.files.create({ file: await file("brief.txt", "The ibis wades."), purpose: "user_data", expires_after: { anchor: "created_at", seconds: 3600 } });
  assert.equal(brief.expires_at, brief.created_at + 3600);
  await s.client.vectorStores.files.createAndPoll(store.id, { file_id: brief.id });
  await s.kill();
  sql(`update collections set expires_s = 1 where id = '${old.id}'; update files set expires_s = 1 where id = '${brief.id}'`);
  await s.launch();
  assert.equal((await s.client.vectorStores.retrieve(old.id)).status, "expired");
  await refused(s.client.vectorStores.search(old.id, { query: "hoopoe" }), null);
  await refused(s.client.vectorStores.files.create(old.id, { file_id: kept.id }), null);
  await assert.rejects(s.client.files.retrieve(brief.id), OpenAI.NotFoundError);
  await waitFor("the texts to go", async () => ledger(s, "select count(*) n from chunks where text like '%hoopoe%' or text like '%ibis%'")[0].n === 0);
  await waitFor("the index to forget", async () => (await s.client.vectorStores.search(store.id, { query: "ibis" })).data.every((x) => !/ibis/.test(x.content[0].text)));
  assert.equal((await s.client.files.retrieve(kept.id)).id, kept.id); // files outlive their stores
});

test("nothing of it is another tenant's", async () => {
  const made = await s.cli("keys", "create", "other", "--tenant", "other", "--role", "developer");
  const client = new OpenAI({ baseURL: s.url, apiKey: made.out.trim(), maxRetries: 0 });
  const f = await upload("t.txt", "tenant words");
  const b = await s.client.vectorStores.fileBatches.create(store.id, { file_ids: [f.id] });
  const theirs = await client.vectorStores.create({ name: "batches" });
  const gone = (promise) => assert.rejects(promise, OpenAI.NotFoundError);
  await gone(client.vectorStores.fileBatches.retrieve(b.id, { vector_store_id: store.id }));
  await gone(client.vectorStores.fileBatches.retrieve(b.id, { vector_store_id: theirs.id }));
  await gone(client.vectorStores.fileBatches.cancel(b.id, { vector_store_id: theirs.id }));
  await gone(client.vectorStores.fileBatches.create(theirs.id, { file_ids: [f.id] }));
  await gone(client.vectorStores.create({ file_ids: [f.id] }));
  await gone(client.vectorStores.files.update(f.id, { vector_store_id: store.id, attributes: {} }));
  await gone(client.vectorStores.update(store.id, { name: "x" }));
  await gone(client.vectorStores.delete(store.id));
  await gone(client.files.delete(f.id));
  await gone(client.files.list({ after: f.id }));
  await gone(client.vectorStores.list({ after: store.id }));
  assert.deepEqual((await all(client.vectorStores.list())).map((x) => x.id), [theirs.id]);
});
