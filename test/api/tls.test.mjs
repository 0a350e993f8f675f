// TLS in front and behind: the official client with an authority of its own, reload of certificates.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import https from "node:https";
import path from "node:path";
import tls from "node:tls";
import { after, before, test } from "node:test";
import { ask, completion, Service, temporary, waitFor } from "./harness.mjs";

const dir = temporary();
const at = (name) => path.join(dir, name);

function openssl(...args) {
  const r = spawnSync("openssl", args, { encoding: "utf8", cwd: dir });
  assert.equal(r.status, 0, r.stderr);
}

/** A certificate for 127.0.0.1 signed by our authority; `name` tells two of them apart. */
function certificate(name, file) {
  openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", `${file}.key`, "-out", `${file}.csr`, "-subj", `/CN=${name}`);
  fs.writeFileSync(at("ext"), "subjectAltName=IP:127.0.0.1\n");
  openssl("x509", "-req", "-in", `${file}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-out", `${file}.pem`, "-extfile", "ext");
}

let s, upstream;
before(async () => {
  openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority");
  certificate("first", "front");
  certificate("provider", "back");
  upstream = https.createServer({ key: fs.readFileSync(at("back.key")), cert: fs.readFileSync(at("back.pem")) }, (req, res) => {
    res.setHeader("content-type", "application/json");
    req.resume().on("end", () => res.end(JSON.stringify(completion("over TLS"))));
  });
  await new Promise((r) => upstream.listen(0, "127.0.0.1", r));
  const url = `https://127.0.0.1:${upstream.address().port}/v1`;
  s = await Service.start({
    config: `tls: {certificate: ${at("front.pem")}, key: ${at("front.key")}}
providers:
  - {name: known, url: "${url}", ca: ${at("ca.pem")}}
  - {name: unknown, url: "${url}"}
models:
  - {name: m, provider: known, upstream: upstream-model}
  - {name: untrusted, provider: unknown}
`,
  });
});
after(async () => {
  await s.stop();
  upstream.close();
  upstream.closeAllConnections();
  fs.rmSync(dir, { recursive: true, force: true });
});

const post = (body, agent) =>
  new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const r = https.request(`${s.url}/chat/completions`, { method: "POST", agent, ca: fs.readFileSync(at("ca.pem")), headers: { authorization: `Bearer ${s.key}`, "content-type": "application/json" } }, (res) => {
      let got = "";
      res.on("data", (d) => (got += d)).on("end", () => resolve({ status: res.statusCode, body: JSON.parse(got) }));
    });
    r.on("error", reject).end(text);
  });

const subject = () =>
  new Promise((resolve, reject) => {
    const c = tls.connect({ port: s.port, host: "127.0.0.1", ca: fs.readFileSync(at("ca.pem")) }, () => {
      resolve(c.getPeerCertificate().subject.CN);
      c.end();
    });
    c.on("error", reject);
  });

test("TLS on both sides", async () => {
  assert.match(s.url, /^https:/);
  const r = await post(ask("hi"));
  assert.equal(r.status, 200);
  assert.equal(r.body.choices[0].message.content, "over TLS");
});

test("a provider whose certificate is not trusted is refused, and named", async () => {
  const r = await post(ask("hi", { model: "untrusted" }));
  assert.equal(r.status, 502);
  assert.match(r.body.error.message, /unknown/);
  await waitFor("the reason in the log", () => /certificate/.test(s.log));
});

test("a new certificate is taken over while connections live on", async () => {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  assert.equal((await post(ask("hi"), agent)).status, 200);
  assert.equal(await subject(), "first");
  certificate("second", "front");
  s.child.kill("SIGHUP");
  await waitFor("the new certificate", async () => (await subject()) === "second");
  assert.equal((await post(ask("hi"), agent)).status, 200);
  fs.writeFileSync(at("front.pem"), "nonsense");
  s.child.kill("SIGHUP");
  await waitFor("the complaint", () => /"event":"reload".*"level":"error"|"level":"error".*"event":"reload"/.test(s.log));
  assert.equal(await subject(), "second");
  agent.destroy();
});

test("plain HTTP to the TLS port ends without harm", async () => {
  await assert.rejects(fetch(s.origin.replace("https:", "http:") + "/livez"));
  assert.equal((await post(ask("hi"))).status, 200);
});
