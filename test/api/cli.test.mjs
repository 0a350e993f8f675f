// The command line and the life of the service: messages, exit codes, restarts, kill -9.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { describe, test } from "node:test";
import { ask, binary, Provider, run, Service, temporary, waitFor } from "./harness.mjs";

const inFolder = async (fn) => {
  const dir = temporary();
  try {
    await fn(dir);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
};

describe("usage", () => {
  test("help for everything", async () => {
    const all = await run(["--help"]);
    assert.equal(all.code, 0);
    for (const name of ["serve", "ingest", "ask", "search", "keys", "config", "doctor", "version"]) {
      assert.match(all.out, new RegExp(`^  ${name} `, "m"));
      const one = await run([name, "--help"]);
      assert.equal(one.code, 0);
      assert.match(one.out, new RegExp(`Usage: penstock ${name}`));
    }
  });

  const wrong = [
    [[], /Usage/],
    [["sevre"], /did you mean 'serve'/],
    [["serve", "--dtaa", "x"], /there is no option '--dtaa'/],
    [["serve", "--data"], /needs DIR/],
    [["ask"], /which question/],
    [["ask", "two", "words"], /quotes/],
    [["search"], /which words/],
    [["search", "two", "words"], /quotes/],
    [["ingest"], /which files/],
    [["keys"], /create, list or revoke/],
    [["keys", "create"], /takes a name/],
    [["config"], /check FILE/],
  ];
  for (const [args, message] of wrong)
    test(`penstock ${args.join(" ")} is a usage error`, async () => {
      const r = await run(args);
      assert.equal(r.code, 2);
      assert.match(r.err, message);
      assert.equal(r.out, "");
    });

  test("version names what is in", async () => {
    const r = await run(["version"]);
    assert.match(r.out, /^penstock \d+\.\d+\.\d+/);
    assert.match(r.out, /sqlite/i);
  });
});

describe("configuration", () => {
  const bad = {
    "lisen: 127.0.0.1:1\n": /penstock\.yaml:1: unknown key 'lisen' in the configuration; did you mean 'listen'\?/,
    "limits:\n  body: many\n": /penstock\.yaml:2: 'body' is 'many'; it must be a size/,
    "models:\n  - name: x\n    provider: nope\n": /penstock\.yaml:2: model 'x': the provider 'nope' is not configured/,
    "models:\n  - name: x\n    upstream: y\n    targets: [{provider: extractive}]\n": /penstock\.yaml:3: model 'x': 'upstream' stands beside 'targets'/,
    "providers:\n  - name: p\n": /penstock\.yaml:2: provider 'p': 'url' is missing/,
    "providers:\n  - name: p\n    url: ftp://x\n": /penstock\.yaml:3: provider 'p'/,
    "listen: [1, 2\n": /penstock\.yaml:\d+/,
    "a: &x 1\nb: *x\n": /penstock\.yaml:\d+/,
  };
  for (const [text, message] of Object.entries(bad))
    test(`refused: ${JSON.stringify(text)}`, () =>
      inFolder(async (dir) => {
        const file = path.join(dir, "penstock.yaml");
        fs.writeFileSync(file, text);
        for (const args of [["config", "check", file], ["serve", "--data", path.join(dir, "d"), "--config", file]]) {
          const r = await run(args);
          assert.equal(r.code, 1);
          assert.match(r.err, message);
        }
      }));

  test("a reload takes effect, a bad one changes nothing", async () => {
    const p = await Provider.start();
    const s = await Service.start({ config: "" });
    const has = async (name) => (await (await s.fetch("/v1/models")).json()).data.some((m) => m.id === name);
    assert.equal(await has("new"), false);
    fs.writeFileSync(s.configFile, `providers:\n  - {name: p, url: "${p.url}"}\nmodels:\n  - {name: new, provider: p}\ndiscover: false\n`);
    s.child.kill("SIGHUP");
    await waitFor("the new model", () => has("new"));
    assert.equal((await s.client.chat.completions.create(ask("hi", { model: "new" }))).choices[0].message.content, "Hello there.");
    fs.writeFileSync(s.configFile, "nonsense: 1\n");
    s.child.kill("SIGHUP");
    await waitFor("the complaint", () => /unknown key 'nonsense'/.test(s.log));
    assert.equal(await has("new"), true);
    await s.stop();
    await p.stop();
  });
});

describe("trouble", () => {
  test("a port in use names the address and the fix", () =>
    inFolder(async (dir) => {
      const blocker = net.createServer().listen(0, "127.0.0.1");
      await once(blocker, "listening");
      const address = `127.0.0.1:${blocker.address().port}`;
      const r = await run(["serve", "--data", path.join(dir, "d"), "--listen", address]);
      blocker.close();
      assert.equal(r.code, 1);
      assert.match(r.err, new RegExp(address));
      assert.match(r.err, /another program does already; stop it or choose another/);
    }));

  test("a second service on the same directory is refused by name", async () => {
    const s = await Service.start();
    const r = await run(["serve", "--data", s.state, "--listen", "127.0.0.1:0"]);
    assert.equal(r.code, 1);
    assert.match(r.err, new RegExp(`${s.child.pid}`));
    assert.match(r.err, /in use|another/);
    assert.equal((await fetch(s.origin + "/livez")).status, 200);
    await s.stop();
  });

  test("a damaged database is named, with what to do", () =>
    inFolder(async (dir) => {
      const state = path.join(dir, "d");
      fs.mkdirSync(state);
      fs.writeFileSync(path.join(state, "penstock.db"), "this is no database, but it is long enough to be one".repeat(100));
      const r = await run(["serve", "--data", state, "--listen", "127.0.0.1:0"]);
      assert.equal(r.code, 1);
      assert.match(r.err, /penstock\.db/);
      assert.match(r.err, /damaged|not a database/);
      const doctor = await run(["doctor", "--data", state]);
      assert.equal(doctor.code, 1);
      assert.match(doctor.out, /BAD +store/);
    }));

  test("a path that is not there", () =>
    inFolder(async (dir) => {
      const r = await run(["ingest", path.join(dir, "nope"), "--data", path.join(dir, "d")]);
      assert.equal(r.code, 1);
      assert.match(r.err, /nope/);
    }));

  test("documents that cannot be read are named; the others are in", () =>
    inFolder(async (dir) => {
      const docs = path.join(dir, "docs");
      fs.mkdirSync(docs);
      fs.writeFileSync(path.join(docs, "good.txt"), "The lighthouse keeper is called Bo.");
      fs.writeFileSync(path.join(docs, "bad.pdf"), "%PDF-1.7 broken");
      fs.writeFileSync(path.join(docs, "strange.bin"), Buffer.from([0, 1, 2, 3, 255, 254, 0, 0]));
      const r = await run(["ingest", docs, "--data", path.join(dir, "d")]);
      assert.equal(r.code, 1);
      assert.match(r.err, /bad\.pdf': ./);
      assert.match(r.err, /strange\.bin': .*unsupported/);
      assert.match(r.out, /3 files into 'docs': 1 read, 0 unchanged, 0 removed, 2 failed/);
      const a = await run(["ask", "What is the lighthouse keeper called?", "--data", path.join(dir, "d")]);
      assert.equal(a.code, 0, a.err);
      assert.match(a.out, /Bo/);
      assert.match(a.out, /\[1\] good\.txt/);
    }));

  test("doctor finds nothing wrong on a fresh machine, and a provider that refuses its key", () =>
    inFolder(async (dir) => {
      const fine = await run(["doctor", "--data", path.join(dir, "d"), "--json"]);
      assert.equal(fine.code, 0, fine.out);
      assert.ok(JSON.parse(fine.out).every((f) => f.verdict !== "bad"));
      const p = await Provider.start((req, res) => {
        res.writeHead(401);
        res.end("{}");
      });
      const file = path.join(dir, "c.yaml");
      fs.writeFileSync(file, `providers:\n  - {name: p, url: "${p.url}", key: x}\n`);
      const r = await run(["doctor", "--data", path.join(dir, "d"), "--config", file]);
      assert.equal(r.code, 1);
      assert.match(r.out, /its key number 1 is refused/);
      await p.stop();
    }));
});

describe("ingest", () => {
  const write = (dir, n, mark = "") => {
    fs.mkdirSync(dir, { recursive: true });
    for (let i = 0; i < n; i++)
      fs.writeFileSync(path.join(dir, `doc${i}.md`), `# Document ${i}\n\n${mark}The password of vault number${i} is word${i}.\n\n${"Filler sentence for length. ".repeat(200)}\n`);
  };

  test("unchanged is skipped, changed is read, deleted is removed", () =>
    inFolder(async (dir) => {
      const docs = path.join(dir, "docs"), data = ["--data", path.join(dir, "d")];
      write(docs, 5);
      assert.match((await run(["ingest", docs, ...data])).out, /5 files .* 5 read, 0 unchanged/);
      assert.match((await run(["ingest", docs, ...data])).out, /5 files .* 0 read, 5 unchanged/);
      fs.writeFileSync(path.join(docs, "doc0.md"), "# Document 0\n\nThe password of vault number0 is changed0.\n");
      fs.rmSync(path.join(docs, "doc1.md"));
      assert.match((await run(["ingest", docs, ...data])).out, /4 files .* 1 read, 3 unchanged, 1 removed/);
      assert.match((await run(["ask", "What is the password of vault number0?", ...data])).out, /changed0/);
      assert.doesNotMatch((await run(["ask", "What is the password of vault number1?", ...data])).out, /word1\b/);
    }));

  test("into a running service, visible at once; --json is one object a line", async () => {
    const s = await Service.start();
    write(path.join(s.data, "docs"), 3);
    const r = await s.cli("ingest", path.join(s.data, "docs"), "--json", "--collection", "vaults");
    assert.equal(r.code, 0, r.err);
    const lines = r.out.trim().split("\n").map((l) => JSON.parse(l));
    assert.equal(lines.at(-1).done.files_done, 3);
    const a = await s.client.chat.completions.create(ask("What is the password of vault number2?", { model: "vaults" }));
    assert.match(a.choices[0].message.content, /word2/);
    await s.stop();
  });

  test("kill -9 at any moment loses nothing that was reported and shows nothing half-done", async () => {
    const s = await Service.start();
    const docs = path.join(s.data, "docs");
    write(docs, 60);
    let reported = 0;
    for (let round = 0; round < 6; round++) {
      const child = spawn(binary, ["ingest", docs, "--json", "--data", s.state], { stdio: ["ignore", "pipe", "ignore"] });
      const killAt = 1 + round * 9;
      child.stdout.on("data", (d) => {
        for (const m of String(d).matchAll(/"files_done":(\d+)/g)) reported = Math.max(reported, Number(m[1]));
        if (reported >= killAt && s.child.exitCode === null) s.child.kill("SIGKILL");
      });
      await once(child, "close");
      await s.kill("SIGKILL");
      await s.launch();
      const store = (await (await s.fetch("/v1/vector_stores")).json()).data[0];
      assert.ok(store.file_counts.completed >= reported, `${store.file_counts.completed} of ${reported} reported`);
    }
    const last = await s.cli("ingest", docs);
    assert.equal(last.code, 0, last.err);
    const store = (await (await s.fetch("/v1/vector_stores")).json()).data[0];
    assert.equal(store.file_counts.completed, 60);
    for (const i of [0, 31, 59]) {
      const a = await s.client.chat.completions.create(ask(`What is the password of vault number${i}?`, { model: "docs" }));
      assert.match(a.choices[0].message.content, new RegExp(`word${i}\\b`));
    }
    await s.stop();
  });

  test("Ctrl-C keeps what was read", () =>
    inFolder(async (dir) => {
      const docs = path.join(dir, "docs"), data = path.join(dir, "d");
      write(docs, 300);
      const child = spawn(binary, ["ingest", docs, "--json", "--data", data], { stdio: ["ignore", "pipe", "pipe"] });
      let err = "";
      child.stderr.on("data", (d) => (err += d));
      child.stdout.once("data", () => child.kill("SIGINT"));
      const [code] = await once(child, "close");
      if (code === 0) return; /* it was faster than the signal */
      assert.equal(code, 130, err);
      const r = await run(["ingest", docs, "--data", data]);
      assert.equal(r.code, 0, r.err);
      assert.match(r.out, /300 files/);
    }));
});

test("SIGTERM finishes what runs, then ends with 0", async () => {
  const p = await Provider.start((req, res) => {
    setTimeout(() => p.friendly(req, res, p.requests.at(-1).body), 300);
  });
  const s = await Service.start({ config: `providers:\n  - {name: p, url: "${p.url}"}\nmodels:\n  - {name: m, provider: p}\n` });
  const answer = s.client.chat.completions.create(ask("hi"));
  await waitFor("the request", () => p.requests.length === 1);
  s.child.kill("SIGTERM");
  assert.equal((await answer).choices[0].message.content, "Hello there.");
  assert.equal(await s.kill("SIGTERM"), 0);
  await assert.rejects(fetch(s.origin + "/livez"));
  await s.stop().catch(() => {});
  await p.stop();
});

test("the log has a line per request, and no key or prompt in it", async () => {
  const s = await Service.start();
  await s.client.chat.completions.create(ask("walrus question", { model: "extractive" })).catch(() => {});
  await s.kill("SIGTERM");
  const lines = s.log.trim().split("\n").map((l) => JSON.parse(l));
  const line = lines.find((l) => l.event === "request");
  assert.equal(line.route, "/v1/chat/completions");
  assert.ok(line.us > 0);
  assert.ok(!s.log.includes(s.key) && !s.log.includes("walrus"));
  fs.rmSync(s.data, { recursive: true, force: true });
});
