// Files that were uploaded here, named by their id in Responses and chats: what the model is given of them, and who may.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import OpenAI, { toFile } from "openai";
import { answerMessage, completion, message, Provider, Service } from "./harness.mjs";
import { sendJson } from "./scene.mjs";

const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const stream = "BT /F1 24 Tf 72 700 Td (The otter weighs thirty kilograms.) Tj ET";
const pdf = Buffer.from(`%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources <</Font <</F1 5 0 R>>>>>> endobj
4 0 obj <</Length ${stream.length}>> stream
${stream}
endstream endobj
5 0 obj <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>> endobj
trailer <</Root 1 0 R>>
%%EOF
`);
const contents = {
  "notes.txt": Buffer.from("\ufeffGrüße: \"quoted\"\n</passage> and\ta tab"),
  "page.html": Buffer.from("<html><head><script>alert(1)</script></head><body><h1>Heron</h1><p>It eats frogs.</p></body></html>"),
  "latin.txt": Buffer.from("Gr\xfc\xdfe aus K\xf6ln, wo der Rhein flie\xdft und die Gr\xf6\xdfe z\xe4hlt.", "latin1"),
  "dot.png": png,
  "otter.pdf": pdf,
  "junk.bin": Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) & 255)),
};

let s, open, claude, ids = {};
before(async () => {
  open = await Provider.start((req, res) => sendJson(res, 200, completion("Fine.")));
  claude = await Provider.start((req, res, body) => answerMessage(res, body, message("Fine.")));
  s = await Service.start({
    config: `providers:
  - {name: open, url: "${open.url}", key: up}
  - {name: claude, type: anthropic, url: "${new URL(claude.url).origin}", key: up}
models:
  - {name: m, provider: open, upstream: u}
  - {name: c, provider: claude, upstream: u}
`,
  });
  for (const [name, bytes] of Object.entries(contents)) ids[name] = (await s.client.files.create({ file: await toFile(bytes, name), purpose: "user_data" })).id;
});
after(async () => {
  assert.equal(await s?.stop(), 0);
  await open?.stop();
  await claude?.stop();
});
const sent = (p) => JSON.parse(p.requests.at(-1).body);
const refused = (status, param, text) => (e) => { assert.equal(e.status, status, e.message); assert.equal(e.param, param); if (text) assert.match(e.message, text); return true; };
const file = (name, more) => ({ type: "input_file", file_id: ids[name] ?? name, ...more });
const respond = (part, more) => s.client.responses.create({ model: "m", input: [{ role: "user", content: [{ type: "input_text", text: "What is it?" }, part] }], ...more });
const dataUrl = (type, bytes) => `data:${type};base64,${bytes.toString("base64")}`;

describe("responses", () => {
  test("text formats are text", async () => {
    await respond(file("notes.txt"));
    assert.deepEqual(sent(open).messages[0].content, [{ type: "text", text: "What is it?" }, { type: "text", text: 'notes.txt\n\nGrüße: "quoted"\n</passage> and\ta tab' }]);
    await respond(file("page.html", { filename: "other.html" }));
    const html = sent(open).messages[0].content[1].text;
    assert.match(html, /^other\.html\n\nHeron\n\nIt eats frogs\./);
    assert.doesNotMatch(html, /alert/);
    await respond(file("latin.txt"));
    assert.match(sent(open).messages[0].content[1].text, /Grüße aus Köln/);
    await respond(file("notes.txt"), { model: "c" });
    assert.deepEqual(sent(claude).messages[0].content[1], { type: "document", title: "notes.txt", source: { type: "text", media_type: "text/plain", data: 'Grüße: "quoted"\n</passage> and\ta tab' } });
  });

  test("an image is an image", async () => {
    const url = dataUrl("image/png", png);
    await respond({ type: "input_image", file_id: ids["dot.png"], detail: "low" });
    assert.deepEqual(sent(open).messages[0].content[1], { type: "image_url", image_url: { url, detail: "low" } });
    await respond(file("dot.png"));
    assert.deepEqual(sent(open).messages[0].content[1], { type: "image_url", image_url: { url } });
    await respond({ type: "input_image", file_id: ids["dot.png"], detail: "auto" }, { model: "c" });
    assert.deepEqual(sent(claude).messages[0].content[1], { type: "image", source: { type: "base64", media_type: "image/png", data: png.toString("base64") } });
    await assert.rejects(respond({ type: "input_image", file_id: ids["notes.txt"], detail: "auto" }), refused(400, "input[0].content[1].file_id", /no image/));
  });

  test("a PDF is one where it is taken, else its text", async () => {
    await respond(file("otter.pdf"), { model: "c" });
    assert.deepEqual(sent(claude).messages[0].content[1], { type: "document", title: "otter.pdf", source: { type: "base64", media_type: "application/pdf", data: pdf.toString("base64") } });
    await respond(file("otter.pdf"));
    assert.match(sent(open).messages[0].content[1].text, /^otter\.pdf\n\nThe otter weighs thirty kilograms\.\s*$/);
  });

  test("what cannot be used is told by its place, and reaches no model", async () => {
    const n = open.requests.length;
    await assert.rejects(respond(file("junk.bin")), refused(400, "input[0].content[1].file_id", /junk|cannot be used/));
    await assert.rejects(respond(file("file-nope")), refused(404, "input[0].content[1].file_id", /no file 'file-nope'/));
    const big = await s.client.files.create({ file: await toFile(Buffer.alloc(33 << 20, "a"), "big.txt"), purpose: "user_data" });
    await assert.rejects(respond(file(big.id)), refused(400, "input[0].content[1].file_id", /32 MB/));
    const half = await s.client.files.create({ file: await toFile(Buffer.alloc(22 << 20, "a"), "half.txt"), purpose: "user_data" });
    const several = (k, id) => s.client.responses.create({ model: "m", input: [{ role: "user", content: Array.from({ length: k }, () => file(id)) }] });
    await assert.rejects(several(3, half.id), refused(400, "input[0].content[2].file_id", /64 MB at most together/));
    await assert.rejects(several(51, "notes.txt"), refused(400, "input[0].content[50].file_id", /50 files at most/));
    assert.equal(open.requests.length, n);
    for (const f of [big, half]) await s.client.files.delete(f.id);
  });

  test("it is kept as an id; the conversation reads it again, until it is deleted", async () => {
    const f = await s.client.files.create({ file: await toFile(Buffer.from("Otters hold hands."), "o.txt"), purpose: "user_data" });
    const r = await respond(file(f.id));
    const items = await s.client.responses.inputItems.list(r.id);
    assert.deepEqual(items.data[0].content[1], { type: "input_file", file_id: f.id });
    const next = () => s.client.responses.create({ model: "m", previous_response_id: r.id, input: "And?" });
    await next();
    assert.match(sent(open).messages[0].content[1].text, /Otters hold hands/);
    await s.client.files.delete(f.id);
    await assert.rejects(next(), (e) => e.status === 404 && /no file/.test(e.message));
  });

  test("in a function's output; and counted", async () => {
    const call = { type: "function_call", call_id: "c1", name: "f", arguments: "{}" };
    await s.client.responses.create({ model: "m", input: ["x", call, { type: "function_call_output", call_id: "c1", output: [file("notes.txt")] }].map((x) => (x === "x" ? { role: "user", content: x } : x)) });
    assert.match(JSON.stringify(sent(open).messages), /Grüße/);
    const count = (content) => s.client.responses.inputTokens.count({ model: "m", input: [{ role: "user", content }] });
    const few = await count([{ type: "input_text", text: "x" }]), more = await count([{ type: "input_text", text: "x" }, file("notes.txt")]);
    assert.ok(more.input_tokens > few.input_tokens + 8);
  });
});

describe("chats", () => {
  const chat = (parts, more) => ({ model: "m", messages: [{ role: "user", content: parts }], ...more });
  const part = (name) => ({ type: "file", file: { file_id: ids[name] ?? name } });

  test("the part alone is another; the rest byte for byte", async () => {
    const body = `{"model":"m", "messages":[{"role":"system","content":"s"},{"role":"user" , "content":[ {"type":"file","file":{"file_id":"${ids["notes.txt"]}"}} ,{"type":"text","text":"\\u0041?"},{"type":"file","file":{"file_id":"${ids["dot.png"]}"}},{"type":"file","file":{"file_id":"file-theirs"}}]}], "temperature":0.10, "unknown_field":[1, 2]}`;
    const r = await s.fetch("/v1/chat/completions", { method: "POST", headers: { "content-type": "application/json" }, body });
    assert.equal(r.status, 200);
    const want = body
      .replace('"model":"m"', '"model":"u"')
      .replace(`{"type":"file","file":{"file_id":"${ids["notes.txt"]}"}}`, '{"type":"text","text":"notes.txt\\n\\nGrüße: \\"quoted\\"\\n</passage> and\\ta tab"}')
      .replace(`{"type":"file","file":{"file_id":"${ids["dot.png"]}"}}`, `{"type":"image_url","image_url":{"url":"${dataUrl("image/png", png)}"}}`);
    assert.equal(open.requests.at(-1).body, want);
  });

  test("an id that is none of ours is the provider's", async () => {
    const body = JSON.stringify(chat([part("file-theirs")]));
    await s.fetch("/v1/chat/completions", { method: "POST", headers: { "content-type": "application/json" }, body });
    assert.equal(open.requests.at(-1).body, body.replace('"m"', '"u"'));
    await assert.rejects(s.client.chat.completions.create(chat([part("file-theirs")], { model: "c" })), (e) => e.status === 400 && /by its id/.test(e.message));
  });

  test("translated, too", async () => {
    await s.client.chat.completions.create(chat([part("otter.pdf"), part("notes.txt"), part("dot.png")], { model: "c" }));
    assert.deepEqual(sent(claude).messages[0].content.map((b) => [b.type, b.title ?? b.source?.media_type ?? b.text.slice(0, 9)]), [["document", "otter.pdf"], ["text", "notes.txt"], ["image", "image/png"]]);
  });

  test("what cannot be used is refused", async () => {
    await assert.rejects(s.client.chat.completions.create(chat([{ type: "text", text: "x" }, part("junk.bin")])), refused(400, "messages[0].content[1].file.file_id"));
  });
});

describe("rights", () => {
  test("another tenant's file, and one that the user may not read, are not there", async () => {
    const as = async (...args) => new OpenAI({ baseURL: s.url, apiKey: (await s.cli("keys", "create", "k", ...args)).out.trim(), maxRetries: 0 });
    const ask = (client, id) => client.responses.create({ model: "m", input: [{ role: "user", content: [{ type: "input_file", file_id: id }] }] });
    const n = open.requests.length;
    await assert.rejects(ask(await as("--tenant", "other"), ids["notes.txt"]), refused(404, "input[0].content[0].file_id"));
    const store = await s.client.vectorStores.create({ name: "secrets" });
    const f = await s.client.files.create({ file: await toFile(Buffer.from("The secret is nine frogs."), "secret.txt"), purpose: "assistants" });
    await s.client.post(`/vector_stores/${store.id}/files`, { body: { file_id: f.id, access: { users: ["alice"] } } });
    await s.client.vectorStores.files.poll(store.id, f.id);
    await assert.rejects(ask(await as("--user", "bob"), f.id), refused(404, "input[0].content[0].file_id"));
    assert.equal(open.requests.length, n);
    await ask(await as("--user", "alice"), f.id);
    assert.match(JSON.stringify(sent(open)), /nine frogs/);
    const body = { model: "m", messages: [{ role: "user", content: [{ type: "file", file: { file_id: f.id } }] }] };
    await (await as("--user", "bob")).chat.completions.create(body);
    assert.doesNotMatch(JSON.stringify(sent(open)), /nine frogs/, "to who may not read it the id is the provider's");
  });
});
