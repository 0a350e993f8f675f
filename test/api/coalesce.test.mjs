// Identical requests in flight share one upstream call, where a model says so.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { ask, chunk, completion, ledger, waitFor, withProvider } from "./harness.mjs";

let x;
before(async () => (x = await withProvider(undefined, { model: "    coalesce: true\n" })));
after(() => x.stop());
beforeEach(() => (x.p.requests.length = 0));

const later = (ms) => new Promise((r) => setTimeout(r, ms));
/** Answers when `go` has been called. */
function gate() {
  let go;
  const open = new Promise((r) => (go = r));
  return { open, go };
}
async function post(body, options = {}) {
  return x.s.fetch("/v1/chat/completions", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), ...options });
}
async function textOf(response) {
  let text = "";
  for (const line of (await response.text()).split("\n"))
    if (line.startsWith("data: {")) text += JSON.parse(line.slice(6)).choices[0]?.delta?.content ?? "";
  return text;
}

test("equal requests get one answer, others their own", async () => {
  const g = gate();
  x.p.answer = async (req, res, body) => {
    await g.open;
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify(completion(JSON.parse(body).messages[0].content)));
  };
  const same = Array.from({ length: 8 }, () => x.s.client.chat.completions.create(ask("same")).withResponse());
  const other = x.s.client.chat.completions.create(ask("other"));
  await waitFor("both kinds at the provider", () => x.p.requests.length === 2);
  await waitFor("the rest to follow", async () => /penstock_coalesced_total 7/.test(await (await x.s.fetch("/metrics")).text()));
  g.go();
  const answers = await Promise.all(same);
  for (const a of answers) assert.equal(a.data.choices[0].message.content, "same");
  assert.equal((await other).choices[0].message.content, "other");
  assert.equal(x.p.requests.length, 2);
  const ids = new Set(answers.map((a) => a.response.headers.get("x-request-id")));
  assert.equal(ids.size, 8, "each request has its own id");
  const rows = await waitFor("the ledger", () => {
    const list = ledger(x.s, `select request, attempt, cost_microusd, input_tokens from usage where request in (${[...ids].map((i) => `'${i}'`)})`);
    return list.length === 8 && list;
  });
  assert.equal(rows.filter((r) => r.cost_microusd > 0).length, 1, "it is paid once");
  assert.equal(rows.filter((r) => r.attempt === 0 && r.input_tokens === 0).length, 7);
});

test("one that comes after the end asks again", async () => {
  x.p.answer = x.p.friendly;
  await x.s.client.chat.completions.create(ask("again"));
  await x.s.client.chat.completions.create(ask("again"));
  assert.equal(x.p.requests.length, 2);
});

test("who joins a stream late gets all of it, and it goes on without the first", async () => {
  const g = gate();
  x.p.answer = async (req, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(chunk({ role: "assistant", content: "one " }));
    await g.open;
    res.write(chunk({ content: "two" }));
    res.end(chunk({}, "stop") + "data: [DONE]\n\n");
  };
  const body = ask("long", { stream: true }), leaver = new AbortController();
  const first = await post(body, { signal: leaver.signal });
  await first.body.getReader().read();
  const rest = [await post(body), await post(body)];
  leaver.abort();
  await later(50);
  g.go();
  assert.deepEqual(await Promise.all(rest.map(textOf)), ["one two", "one two"]);
  assert.equal(x.p.requests.length, 1);
});

test("a failure is shared too, and the last one to leave ends the call", async () => {
  x.p.answer = (req, res) => {
    res.writeHead(400, { "content-type": "application/json" });
    setTimeout(() => res.end('{"error":{"message":"no such thing"}}'), 50);
  };
  const all = await Promise.all([post(ask("bad")), post(ask("bad"))]);
  assert.deepEqual(all.map((r) => r.status), [400, 400]);
  await Promise.all(all.map((r) => r.text()));

  x.p.requests.length = 0;
  let closed = 0;
  x.p.answer = (req, res) => res.on("close", () => closed++);
  const leavers = [new AbortController(), new AbortController(), new AbortController()];
  const gone = leavers.map((c) => post(ask("leave"), { signal: c.signal }).catch(() => "gone"));
  await waitFor("the call", () => x.p.requests.length === 1);
  await waitFor("all to follow", async () => Number(/penstock_coalesced_total (\d+)/.exec(await (await x.s.fetch("/metrics")).text())[1]) >= 12);
  leavers[0].abort();
  leavers[1].abort();
  await later(50);
  assert.equal(closed, 0, "one still waits");
  leavers[2].abort();
  await waitFor("the provider to be let go", () => closed === 1, 2000);
  assert.deepEqual(await Promise.all(gone), ["gone", "gone", "gone"]);
});
