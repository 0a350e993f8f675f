// Who may read what: keys of users, access lists of documents, and everything that shows documents.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import OpenAI, { toFile } from "openai";
import { Service } from "./harness.mjs";

let s, store, keys;
const files = {};

const key = async (...args) => (await s.cli("keys", "create", "k", "--role", "developer", ...args)).out.trim();
const as = (k, headers) => new OpenAI({ baseURL: s.url, apiKey: k, maxRetries: 0, timeout: 20000, defaultHeaders: headers });
const get = async (k, where, headers = {}) => fetch(s.origin + where, { headers: { authorization: `Bearer ${k}`, ...headers } });
const upload = async (client, name, text) => client.files.create({ file: await toFile(Buffer.from(text), name), purpose: "assistants" });

before(async () => {
  s = await Service.start();
  keys = {
    nobody: await key(),
    alice: await key("--user", "alice", "--groups", "hr,eng"),
    bob: await key("--user", "bob", "--groups", "eng"),
    app: await key("--acts-for-users"),
  };
  store = await s.client.vectorStores.create({ name: "papers" });
  const add = async (name, text, access) => {
    files[name] = await upload(s.client, `${name}.txt`, text);
    await s.client.post(`/vector_stores/${store.id}/files`, { body: { file_id: files[name].id, ...(access && { access }) } });
    await s.client.vectorStores.files.poll(store.id, files[name].id);
  };
  await add("open", "The salary bands of walruses are public.");
  await add("alices", "The salary of the walrus Alice is nine herrings.", { users: ["alice"] });
  await add("hr", "The salary of all walruses will rise in March.", { groups: ["hr"] });
  await add("bobs", "The salary of the walrus Bob is two herrings.", { users: ["bob"], groups: ["board"] });
});
after(() => s.stop());

const found = async (client) => (await client.vectorStores.search(store.id, { query: "walrus salary", max_num_results: 20 })).data.map((x) => x.filename).sort();
const all = ["alices.txt", "bobs.txt", "hr.txt", "open.txt"];

test("a search finds what its caller may read", async () => {
  assert.deepEqual(await found(s.client), all);
  assert.deepEqual(await found(as(keys.alice)), ["alices.txt", "hr.txt", "open.txt"]);
  assert.deepEqual(await found(as(keys.bob)), ["bobs.txt", "open.txt"]);
  assert.deepEqual(await found(as(keys.nobody)), ["open.txt"]);
});

test("a key that acts for users says for whom; others may not", async () => {
  assert.deepEqual(await found(as(keys.app)), ["open.txt"]);
  assert.deepEqual(await found(as(keys.app, { "x-penstock-user": "bob" })), ["bobs.txt", "open.txt"]);
  assert.deepEqual(await found(as(keys.app, { "x-penstock-user": "carol", "x-penstock-groups": "hr, board" })), ["bobs.txt", "hr.txt", "open.txt"]);
  for (const k of [keys.alice, keys.nobody, s.key])
    for (const header of ["x-penstock-user", "x-penstock-groups"]) {
      const r = await get(k, `/v1/vector_stores/${store.id}`, { [header]: "bob" });
      assert.equal(r.status, 403);
      assert.match((await r.json()).error.message, /acts-for-users/);
    }
});

test("lists, counts, contents and attributes hide what may not be read", async () => {
  const bob = as(keys.bob);
  const names = [];
  for await (const f of bob.vectorStores.files.list(store.id, { limit: 1 })) names.push(f.id);
  assert.deepEqual(names.sort(), [files.open.id, files.bobs.id].sort());
  const seen = await bob.vectorStores.retrieve(store.id);
  const whole = await s.client.vectorStores.retrieve(store.id);
  assert.deepEqual([seen.file_counts.total, whole.file_counts.total], [2, 4]);
  assert.ok(seen.usage_bytes < whole.usage_bytes);
  const listed = (await bob.vectorStores.list()).data.find((x) => x.id === store.id);
  assert.deepEqual(listed.file_counts, seen.file_counts);

  const hidden = `/v1/vector_stores/${store.id}/files/${files.hr.id}`;
  for (const where of [hidden, `${hidden}/content`, `/v1/files/${files.hr.id}`, `/v1/files/${files.hr.id}/content`]) {
    const r = await get(keys.bob, where);
    assert.equal(r.status, 404, where);
    assert.doesNotMatch(await r.text(), /March|hr\.txt/);
    assert.equal((await get(keys.alice, where)).status, 200, where);
  }
  const mine = [];
  for await (const f of bob.files.list({ limit: 1 })) mine.push(f.id);
  assert.deepEqual(mine.sort(), [files.open.id, files.bobs.id].sort());
});

test("adding a hidden file again does not open it", async () => {
  const bob = as(keys.bob);
  await assert.rejects(bob.vectorStores.files.create(store.id, { file_id: files.hr.id }), OpenAI.NotFoundError);
  const other = await bob.vectorStores.create({ name: "bob's own" });
  await assert.rejects(bob.vectorStores.files.create(other.id, { file_id: files.hr.id }), OpenAI.NotFoundError);
  await assert.rejects(bob.vectorStores.fileBatches.create(other.id, { file_ids: [files.hr.id] }), OpenAI.NotFoundError);
  await assert.rejects(bob.vectorStores.files.delete(files.hr.id, { vector_store_id: store.id }), OpenAI.NotFoundError);
  await assert.rejects(bob.vectorStores.files.update(files.hr.id, { vector_store_id: store.id, attributes: {} }), OpenAI.NotFoundError);
});

test("scores are as if what is hidden were not there", async () => {
  const twin = await s.client.vectorStores.create({ name: "twin" });
  for (const name of ["open", "bobs"]) await s.client.vectorStores.files.createAndPoll(twin.id, { file_id: files[name].id });
  const scores = async (client, id) => (await client.vectorStores.search(id, { query: "walrus salary Bob" })).data.map((x) => [x.filename, x.score.toFixed(6)]);
  assert.deepEqual(await scores(as(keys.bob), store.id), await scores(s.client, twin.id));
});

test("an answer is made from what its caller may read", async () => {
  const ask = async (client) => (await client.chat.completions.create({ model: "papers", messages: [{ role: "user", content: "What is the salary of the walrus Bob?" }] })).choices[0].message.content;
  assert.match(await ask(as(keys.bob)), /two herrings/);
  assert.doesNotMatch(await ask(as(keys.alice)), /two herrings/);
  assert.doesNotMatch(await ask(as(keys.nobody)), /herrings|March/);
});

test("a list that changes holds at once", async () => {
  const change = (access) => s.client.post(`/vector_stores/${store.id}/files/${files.hr.id}`, { body: { access } });
  assert.deepEqual((await change({ users: ["bob"] })).access, { users: ["bob"] });
  assert.deepEqual(await found(as(keys.bob)), ["bobs.txt", "hr.txt", "open.txt"]);
  assert.deepEqual(await found(as(keys.alice)), ["alices.txt", "open.txt"]);
  await change({});
  assert.deepEqual(await found(as(keys.nobody)), ["hr.txt", "open.txt"]);
  await change({ groups: ["hr"] });
  assert.deepEqual(await found(as(keys.nobody)), ["open.txt"]);
  for (const bad of [{ users: "bob" }, { teams: [] }, [], { groups: ["a,b"] }])
    await assert.rejects(change(bad), (e) => e.status === 400 && e.param === "access");
});

test("batches carry lists, for all and for one", async () => {
  const [x, y] = [await upload(s.client, "x.txt", "Walrus salary x."), await upload(s.client, "y.txt", "Walrus salary y.")];
  const other = await s.client.vectorStores.create({ name: "batched" });
  const b = await s.client.post(`/vector_stores/${other.id}/file_batches`, {
    body: { files: [{ file_id: x.id }, { file_id: y.id, access: { users: ["bob"] } }], access: { groups: ["hr"] } },
  });
  await s.client.vectorStores.fileBatches.poll(other.id, b.id);
  const names = async (c) => (await c.vectorStores.search(other.id, { query: "walrus" })).data.map((f) => f.filename).sort();
  assert.deepEqual(await names(as(keys.bob)), ["y.txt"]);
  assert.deepEqual(await names(as(keys.alice)), ["x.txt"]);
  assert.equal((await as(keys.bob).vectorStores.fileBatches.retrieve(b.id, { vector_store_id: other.id })).file_counts.total, 1);
  assert.deepEqual((await as(keys.bob).vectorStores.fileBatches.listFiles(b.id, { vector_store_id: other.id })).data.map((f) => f.id), [y.id]);
});

test("the command line: keys, ingest, front matter", async () => {
  const dir = path.join(s.data, "docs");
  fs.mkdirSync(dir);
  fs.writeFileSync(path.join(dir, "plain.md"), "Seals sing.\n");
  fs.writeFileSync(path.join(dir, "front.md"), "---\naccess: user:carol, group:hr\n---\n\nSeals sing in secret.\n");
  fs.writeFileSync(path.join(dir, "wrong.md"), "---\naccess: carol\n---\n\nSeals sing for nobody.\n");
  const one = await s.cli("ingest", dir, "--collection", "seals");
  assert.equal(one.code, 1);
  assert.match(one.err, /wrong\.md.*neither user:NAME/);
  const seals = (await s.client.vectorStores.list()).data.find((x) => x.name === "seals").id;
  const names = async (c) => (await c.vectorStores.search(seals, { query: "seals sing" })).data.map((f) => f.filename).sort();
  assert.deepEqual(await names(s.client), ["front.md", "plain.md"]);
  assert.deepEqual(await names(as(keys.alice)), ["front.md", "plain.md"]);
  assert.deepEqual(await names(as(keys.bob)), ["plain.md"]);
  await s.cli("ingest", path.join(dir, "plain.md"), "--collection", "seals", "--access", "group:board");
  assert.deepEqual(await names(as(keys.bob)), [], "an unchanged file, too, takes the list");

  const made = await s.cli("keys", "create", "carol", "--user", "carol", "--groups", "board,x");
  assert.deepEqual(await names(as(made.out.trim())), ["front.md", "plain.md"]);
  assert.match((await s.cli("keys", "list")).out, /carol \(board, x\)/);
  assert.match((await s.cli("keys", "list")).out, /any user/);
});
