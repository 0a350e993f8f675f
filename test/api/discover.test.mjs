// Local servers are found, named after what they are, offered as models, and dropped when they go.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Provider, run, Service, waitFor } from "./harness.mjs";

/** A model server that answers with this list, and chats. */
async function server(models, owned_by, headers = {}) {
  const p = await Provider.start();
  p.answer = (req, res, body) => {
    for (const [k, v] of Object.entries(headers)) res.setHeader(k, v);
    if (req.method === "POST") return p.friendly(req, res, body);
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify({ object: "list", data: models.map((id) => ({ id, object: "model", created: 1, owned_by })) }));
  };
  return p;
}
const origin = (p) => `http://127.0.0.1:${p.port}`;
const models = async (s) => Object.fromEntries((await (await s.fetch("/v1/models")).json()).data.map((m) => [m.id, m.owned_by]));

test("servers are found, named, offered and used; what is configured comes first", async () => {
  const vllm = await server(["qwen", "mine"], "vllm");
  const ollama = await server(["llama3:8b"], "library");
  const llama = await server(["gguf"], "someone", { server: "llama.cpp" });
  const other = await server(["odd"], "me");
  const taken = await server(["configured"], "vllm");
  const page = await Provider.start((req, res) => res.end("<html>hello</html>"));
  const silent = await Provider.start(() => {});
  const s = await Service.start({
    config: `discover: [${[vllm, ollama, llama, other, taken, page, silent].map(origin)}]
providers:
  - {name: own, url: "${taken.url}"}
  - {name: boss, type: static, text: "The configured one."}
models:
  - {name: mine, provider: boss}
`,
  });
  const list = await models(s);
  assert.deepEqual(list, { mine: "boss", qwen: "vllm", "llama3:8b": "ollama", gguf: "llama.cpp", odd: "openai-compatible", extractive: "penstock" });
  const ask = (model) => s.client.chat.completions.create({ model, messages: [{ role: "user", content: "hi" }] });
  assert.equal((await ask("llama3:8b")).choices[0].message.content, "Hello there.");
  assert.equal(JSON.parse(ollama.requests.at(-1).body).model, "llama3:8b");
  assert.equal((await ask("mine")).choices[0].message.content, "The configured one.");
  const status = await (await s.fetch("/admin/status")).json();
  assert.deepEqual(status.found, ["vllm", "ollama", "llama.cpp", "openai-compatible"]);

  await ollama.stop();
  s.child.kill("SIGHUP");
  await waitFor("the server that went to be dropped", async () => !("llama3:8b" in (await models(s))));
  await assert.rejects(ask("llama3:8b"), { status: 404 });
  assert.equal((await ask("qwen")).choices[0].message.content, "Hello there.");
  const doctor = await run(["doctor", "--json", "--data", s.state, "--config", s.configFile]);
  assert.match(JSON.parse(doctor.out).find((x) => x.check === "local servers").what, /vllm at http:\/\/127\.0\.0\.1:\d+\/v1 with 2 models/);
  await s.stop();
  for (const p of [vllm, llama, other, taken, page, silent]) await p.stop();
});

test("the start says what was found, never ourselves; false looks for nothing", async () => {
  const p = await server(["qwen"], "vllm");
  const s = await Service.start({ config: `discover: ["${origin(p)}/v1/"]\n` });
  const port = s.port;
  assert.match(s.out, new RegExp(`found vllm at ${origin(p)}/v1`));
  await s.stop();
  const quiet = await Service.start({ config: "discover: false\n" });
  assert.deepEqual(await models(quiet), { extractive: "penstock" });
  await quiet.stop();
  const self = await Service.start({ config: `discover: ["http://127.0.0.1:${port}"]\n`, args: ["--listen", `127.0.0.1:${port}`] });
  assert.deepEqual(await models(self), { extractive: "penstock" });
  assert.equal(/"route":"\/v1\/models".*401/.test(self.log), false, "does not ask itself");
  await self.stop();
  await p.stop();
});

test("a wrong address is an error that says what is right", async () => {
  const s = await Service.start();
  const { writeFileSync } = await import("node:fs");
  writeFileSync(s.configFile, "discover: maybe\n");
  const r = await run(["serve", "--data", `${s.data}/other`, "--config", s.configFile]);
  assert.equal(r.code, 1);
  assert.match(r.err, /'discover' must be true, false, or addresses/);
  await s.stop();
});
