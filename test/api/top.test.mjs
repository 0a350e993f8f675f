// penstock top, and the answer that it draws: once, as JSON, and live in a terminal.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { ask, binary, run, temporary, waitFor, withProvider } from "./harness.mjs";

async function busy() {
  const w = await withProvider(function (req, res, body) {
    if (body.includes("refuse me")) return res.writeHead(401).end("{}");
    this.friendly(req, res, body);
  });
  for (let i = 0; i < 3; i++) await w.s.client.chat.completions.create(ask("hi"));
  for await (const _ of await w.s.client.chat.completions.create({ ...ask("hi"), stream: true }));
  await assert.rejects(w.s.client.chat.completions.create(ask("refuse me")));
  return w;
}

test("GET /admin/live", async () => {
  const { s, stop } = await busy();
  const live = await (await s.fetch("/admin/live")).json();
  assert.equal(live.object, "live");
  assert.equal(live.status, "ready");
  assert.ok(live.memory_bytes > 0 && live.cpu_seconds > 0 && live.started_at_ms <= live.at_ms);
  assert.deepEqual(live.in_flight, [{ value: 1 }]);
  const chat = { route: "/v1/chat/completions" };
  assert.deepEqual(live.requests.filter((r) => r.route === chat.route), [{ ...chat, status: "200", value: 4 }, { ...chat, status: "502", value: 1 }]);
  const { buckets } = live.request_ns.find((r) => r.route === chat.route);
  assert.equal(buckets.reduce((sum, [, n]) => sum + n, 0), 5);
  assert.ok(buckets.every(([at], i) => at > 0 && (i === 0 || at > buckets[i - 1][0])));
  assert.deepEqual(live.tokens.find((t) => t.model === "m" && t.direction === "output"), { model: "m", direction: "output", value: 12 });
  assert.equal(live.errors.find((x) => x.provider === "mock" && x.kind === "upstream_auth").value, 1);
  assert.equal(live.attempts.find((x) => x.provider === "mock" && x.outcome === "answered").value, 4);

  const key = JSON.parse((await s.cli("keys", "create", "user", "--role", "user", "--json")).out).key;
  assert.equal((await s.fetch("/admin/live", { headers: { authorization: `Bearer ${key}` } })).status, 403);
  await stop();
});

test("--once and --json", async () => {
  const { s, stop } = await busy();
  const once = await s.cli("top", "--once");
  assert.equal(once.code, 0, once.err);
  assert.match(once.out, /^penstock \S+  ready  up 0:00:\d\d  \d+ loops\n/);
  assert.match(once.out, /\n\/v1\/chat\/completions +\d+(\.\d)? +\d+(\.\d)? +\S+ ms +\S+ ms +\S+ ms +5\n/);
  assert.match(once.out, /\nm  .* 40\n/); // tokens
  assert.match(once.out, /\nmock  .* 5\n/); // attempts
  assert.match(once.out, /\nupstream_auth .* 1\n/);
  assert.doesNotMatch(once.out, /\x1b/, "no terminal, no escapes");
  const piped = await s.cli("top");
  assert.match(piped.out, /^penstock /, "no terminal: once");
  const json = await s.cli("top", "--json");
  assert.equal(JSON.parse(json.out).object, "live");
  await stop();
});

test("where no service runs", async () => {
  const r = await run(["top", "--data", path.join(temporary(), "nothing")]);
  assert.equal(r.code, 1);
  assert.match(r.err, /no service runs on/);
  assert.equal((await run(["top", "everything"])).code, 2);
});

const tmux = spawnSync("tmux", ["-V"]).status === 0;

test("live in a terminal", { skip: !tmux && "there is no tmux here" }, async () => {
  const { s, stop } = await busy();
  const socket = path.join(s.data, "tmux");
  const tm = (...args) => execFileSync("tmux", ["-S", socket, "-f", "/dev/null", ...args]).toString();
  const screen = () => tm("capture-pane", "-p");
  const start = `stty -a | grep -oE -e '-?(icanon|echo)\\b' | tr '\\n' ' '`;
  const command = `trap : INT; ${start}; ${binary} top --data ${s.state}; echo "ended $?"; ${start}; exec cat`;
  tm("new-session", "-d", "-x", "120", "-y", "40", "sh", "-c", command);
  try {
    await waitFor("the first screen", () => /\/v1\/chat\/completions .* 5\n/.test(screen()));
    await s.client.chat.completions.create(ask("hi"));
    await waitFor("a later one", () => /\/v1\/chat\/completions .* 6\n/.test(screen()));
    assert.match(screen(), /q leaves/);
    tm("resize-window", "-x", "60", "-y", "8");
    await waitFor("a small one", () => screen().trimEnd().split("\n").length <= 8 && /\/v1\/chat\/comp/.test(screen()) && !/PROVIDER/.test(screen()));
    tm("resize-window", "-x", "120", "-y", "40");
    await waitFor("the large one", () => /PROVIDER/.test(screen()));
    tm("send-keys", "x", "q");
    await waitFor("the end", () => /ended 0\n *icanon echo/.test(screen()));
    assert.doesNotMatch(screen(), /PROVIDER/, "the screen is as it was");

    tm("respawn-pane", "-k", "sh", "-c", command);
    await waitFor("the screen", () => /PROVIDER/.test(screen()));
    tm("send-keys", "C-c");
    await waitFor("the end", () => /ended 0\n *icanon echo/.test(screen()));

    tm("respawn-pane", "-k", "sh", "-c", command);
    await waitFor("the screen", () => /PROVIDER/.test(screen()));
    await s.kill("SIGTERM");
    await waitFor("the end with the service", () => /the service has gone\nended 1\n *icanon echo/.test(screen()));
  } finally {
    tm("kill-server");
  }
  await stop();
});
