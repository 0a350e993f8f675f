// kill -9 at any moment of ingest, learning and snapshots: nothing that was acknowledged is lost, nothing half-done shows.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createHash } from "node:crypto";
import { toFile } from "openai";
import { ledger, Service, waitFor } from "./harness.mjs";

const ROUNDS = 20, FILES = 90;
let s, dir, key, seed = 5;
const marker = {}; // of each file, "" = removed
const next = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;

before(async () => {
  s = await Service.start();
  key = s.key;
  dir = path.join(s.data, "docs");
  fs.mkdirSync(dir);
});
after(() => s.stop());

const subjects = ["engine piston gearbox clutch brake exhaust", "oven flour yeast dough crust bread", "violin sonata orchestra melody tempo chord"];
const write = (i, mark) => {
  marker[i] = mark;
  const file = path.join(dir, `f${i}.md`);
  if (!mark) return fs.rmSync(file, { force: true });
  const words = subjects[i % 3].split(" ");
  fs.writeFileSync(file, `# ${words[i % 6]} ${i}\n\nThe ${mark} is about ${words[(i + 1) % 6]}, ${words[(i + 2) % 6]} and ${words[(i * 7) % 6]}.\n\nMore of ${words[(i + 3) % 6]}.\n`);
};

// Files change, come and go; one is closed to most, which lets the embedder be learned again.
const changes = (round) => {
  for (let k = 0; k < 12; k++) write(next(FILES), next(6) ? `mark${round}x${k}z` : "");
};

const found = async (store, text) => (await s.client.vectorStores.search(store, { query: text, max_num_results: 50 })).data;

async function check(store, old) {
  for (const [i, mark] of Object.entries(marker)) {
    if (!mark) continue;
    const hits = (await found(store, mark)).filter((h) => h.content[0].text.includes(mark));
    assert.deepEqual(hits.map((h) => h.filename), [`f${i}.md`], mark);
  }
  for (const mark of old) {
    const hits = (await found(store, mark)).filter((h) => h.content[0].text.includes(mark));
    assert.deepEqual(hits, [], `${mark} has gone`);
  }
  const live = Object.values(marker).filter(Boolean).length;
  assert.equal((await s.client.vectorStores.retrieve(store)).file_counts.completed, live);
}

test(`${ROUNDS} kills`, { timeout: 300000 }, async () => {
  for (let i = 0; i < FILES; i++) write(i, `first${i}z`);
  assert.equal((await s.cli("ingest", dir, "--collection", "crash")).code, 0);
  const store = (await s.client.vectorStores.list()).data[0].id;
  await check(store, []);
  for (let round = 0; round < ROUNDS; round++) {
    const before = new Set(Object.values(marker).filter(Boolean));
    changes(round);
    const going = s.cli("ingest", dir, "--collection", "crash");
    const files = (await s.client.vectorStores.files.list(store, { limit: 100 })).data;
    const closing = s.client.post(`/vector_stores/${store}/files/${encodeURIComponent(files[next(files.length)].id)}`, { body: { access: { users: [`u${round}`] } } }).catch(() => {});
    if (round % 3) await sleep(next(round % 2 ? 60 : 500));
    else await Promise.all([going, closing]).then(() => sleep(next(300)));
    await s.kill();
    await Promise.all([going, closing]);
    await s.launch();
    s.key = key;
    s.client.apiKey = key;
    assert.doesNotMatch(s.log, /index_rebuild/, "what a killed process leaves is never damaged");
    assert.equal((await s.cli("ingest", dir, "--collection", "crash")).code, 0);
    const now = new Set(Object.values(marker));
    await check(store, [...before].filter((m) => !now.has(m)));
  }
  const index = fs.readdirSync(path.join(s.state, "index"));
  assert.ok(index.filter((f) => f.endsWith(".manifest")).length <= 1);
  assert.ok(index.length <= 8, `rubbish is swept: ${index}`);
});

/** Where the bytes of uploads lie, by the ids that name them. */
const placeOf = (id) => createHash("sha256").update(id).digest("hex").replace(/^../, "$&/");
const blobs = () => fs.readdirSync(path.join(s.state, "blobs"), { recursive: true }).filter((f) => /^..\/.{62}$/.test(f)).sort();
const plant = (id) => {
  const file = path.join(s.state, "blobs", placeOf(id));
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, "nobody's");
  return placeOf(id);
};

test("bytes that no file names go at the next start; those of uploads under way and of files stay", { timeout: 120000 }, async () => {
  const acknowledged = new Map();
  for (let round = 0; round < 8; round++) {
    const uploads = Promise.allSettled(Array.from({ length: 12 }, async (_, i) => {
      const text = `${round}-${i} `.repeat(1 + next(20000));
      const f = await s.client.files.create({ file: await toFile(Buffer.from(text), `u${i}.txt`), purpose: "user_data" });
      acknowledged.set(f.id, text);
      if (i % 4 === 0) await s.client.files.delete(f.id).finally(() => acknowledged.delete(f.id));
    }));
    await sleep(next(60));
    const orphan = plant(`file-orphan${round}`);
    await s.kill();
    await uploads; 
    await sleep(20); // clocks of file systems are coarse
    await s.launch();
    s.key = key;
    s.client.apiKey = key;
    const late = plant(`file-late${round}`); // as an upload whose row is still to be written
    const during = s.client.files.create({ file: await toFile(Buffer.from("during"), "d.txt"), purpose: "user_data" });
    await waitFor("the orphan to go", () => !blobs().includes(orphan));
    acknowledged.set((await during).id, "during");
    const named = new Set(ledger(s, "select id from files").map((r) => placeOf(r.id)));
    assert.deepEqual(blobs().filter((b) => !named.has(b)), [late]);
    for (const [id, text] of acknowledged) assert.equal(await (await s.client.files.content(id)).text(), text);
    fs.rmSync(path.join(s.state, "blobs", late));
  }
});
