// A disk that is really full, a small tmpfs: what was acknowledged stays, what is refused says why, and once there is room
// everything goes on by itself. Needs the right to mount; skipped, and said so, where it is missing.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { toFile } from "openai";
import { ledger, Service, temporary, waitFor } from "./harness.mjs";

const data = temporary();
const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=24m", "none", data]).status === 0;
const skip = mounted ? false : "no right to mount a small file system here";
const words = "engine piston gearbox clutch brake exhaust oven flour yeast dough crust bread violin sonata orchestra melody tempo".split(" ");
let s, store, chats = 0;
const accepted = new Map(); // file id → mark

before(async () => {
  if (mounted) s = await Service.start({ data });
});
after(async () => {
  if (mounted) {
    await s.kill("SIGTERM");
    spawnSync("umount", ["-l", data]);
  }
  fs.rmdirSync(data);
});

const text = (i) => `# File ${i}\n\n${Array.from({ length: 7000 }, (_, k) => words[(i * 7 + k * 13 + (k >> 4)) % words.length] + (k % 17 ? " " : ` mark${i}z.\n\n`)).join("")}`;

async function upload(i) {
  const file = await s.client.files.create({ file: await toFile(Buffer.from(text(i)), `f${i}.md`), purpose: "assistants" });
  await s.client.vectorStores.files.create(store, { file_id: file.id });
  accepted.set(file.id, i);
}

async function answers() {
  const { data: hits } = await s.client.vectorStores.search(store, { query: "mark0z", max_num_results: 1 });
  assert.equal(hits[0].filename, "f0.md");
  const done = await s.client.chat.completions.create({ model: "extractive", messages: [{ role: "user", content: "What is mark0z?" }] });
  assert.equal(done.choices[0].finish_reason, "stop");
  chats++;
}

test("files come in until the disk is full; what is refused says why", { skip, timeout: 120000 }, async () => {
  store = (await s.client.vectorStores.create({ name: "full" })).id;
  await upload(0);
  await waitFor("the first file", async () => (await s.client.vectorStores.retrieve(store)).file_counts.completed === 1);
  let refused = 0;
  for (let i = 1; i < 500 && refused < 5; i++) {
    try {
      await upload(i);
    } catch (e) {
      assert.equal(e.status, 507, e.message);
      assert.equal(e.code, "insufficient_storage");
      assert.match(e.message, /disk is full|No space left on device/);
      refused++;
    }
  }
  assert.equal(refused, 5);
  assert.ok(accepted.size > 5);
});

test("it goes on answering, and the ledger has each answer", { skip }, answers);

test("killed and started again without room: it answers as before", { skip }, async () => {
  await s.kill();
  await s.launch();
  assert.doesNotMatch(s.log, /index_rebuild/);
  await answers();
  await assert.rejects(upload(1000), (e) => e.status === 507);
});

test("with room again nothing that was accepted is lost, without a restart", { skip, timeout: 120000 }, async () => {
  assert.equal(spawnSync("mount", ["-o", "remount,size=256m", data]).status, 0);
  await waitFor("all files", async () => (await s.client.vectorStores.retrieve(store)).file_counts.in_progress === 0, 60000);
  const files = [];
  for await (const f of s.client.vectorStores.files.list(store, { limit: 100 })) files.push(f);
  assert.deepEqual(new Set(files.map((f) => f.id)), new Set(accepted.keys()));
  for (const f of files) {
    if (f.status === "failed") assert.match(f.last_error.message, /disk is full|No space left on device/);
    else assert.equal(f.status, "completed");
  }
  for (const f of files.filter((f) => f.status === "completed").slice(0, 30)) {
    const { data: hits } = await s.client.vectorStores.search(store, { query: `mark${accepted.get(f.id)}z`, max_num_results: 1 });
    assert.equal(hits[0].file_id, f.id);
  }
  await upload(2000);
  await answers();
  await waitFor("the ledger", () => ledger(s, "select count(*) n from usage")[0].n === chats, 20000);
});
