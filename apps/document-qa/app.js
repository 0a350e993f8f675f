// Ask your documents: uploads, questions and cited answers over penstock's public API.
"use strict";

const $ = (id) => document.getElementById(id);
const el = (tag, props = {}, ...inside) => { const e = Object.assign(document.createElement(tag), props); e.append(...inside); return e; };
const state = { key: "", store: null, messages: [], busy: false };

// ---- The API ----

async function api(path, { json, ...options } = {}) {
  const headers = { authorization: `Bearer ${state.key}`, ...options.headers };
  if (json) Object.assign(options, { method: options.method ?? "POST", body: JSON.stringify(json) }), (headers["content-type"] = "application/json");
  const r = await fetch(path, { ...options, headers });
  if (r.ok) return r;
  const text = await r.text();
  let message = text;
  try { message = JSON.parse(text).error.message; } catch { /* no JSON: as it is */ }
  throw Object.assign(new Error(message || `the server answered ${r.status}`), { status: r.status });
}
const get = async (path, options) => (await api(path, options)).json();
const later = (ms) => new Promise((r) => setTimeout(r, ms));

/** The events of a stream, as they come. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}

// ---- The key: from the address (which is then cleaned), this tab, or the user ----

async function login() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given) history.replaceState(null, "", location.pathname);
  state.key = given ?? sessionStorage.getItem("key") ?? "";
  for (;;) {
    try {
      if (state.key) await get("/v1/vector_stores?limit=1");
      if (state.key) return sessionStorage.setItem("key", state.key);
    } catch (e) { if (e.status !== 401) throw e; }
    $("key").showModal();
    await new Promise((r) => $("key").addEventListener("close", r, { once: true }));
    state.key = $("key-text").value.trim();
  }
}

// ---- Documents ----

async function stores() {
  let list = (await get("/v1/vector_stores?limit=100")).data.filter((s) => s.status !== "expired" && s.name);
  if (!list.length) list = [await get("/v1/vector_stores", { json: { name: "documents" } })];
  $("store").replaceChildren(...list.map((s) => el("option", { value: s.id, textContent: s.name })));
  await choose(list.find((s) => s.id === sessionStorage.getItem("store")) ?? list[0]);
}

async function choose(store) {
  state.store = { id: store.id, name: store.name };
  state.messages = [];
  $("store").value = store.id;
  sessionStorage.setItem("store", store.id);
  $("list").replaceChildren();
  const page = await get(`/v1/vector_stores/${store.id}/files?limit=100`);
  for (const f of page.data) follow(f, f.id.startsWith("file-") ? get(`/v1/files/${f.id}`).then((x) => x.filename) : f.id.split("/").pop());
}

/** A line of the list, and its file until it has been read. */
async function follow(file, name) {
  const store = state.store;
  const title = el("span", { className: "name" }), status = el("span", { className: "state" });
  const line = el("li", {}, title, status);
  const show = (f) => {
    line.className = f.status;
    status.textContent = status.title = { in_progress: "being read …", completed: "ready", cancelled: "cancelled" }[f.status] ?? f.last_error?.message ?? "failed";
  };
  $("list").prepend(line);
  show(file);
  title.textContent = title.title = await name;
  const remove = el("button", { type: "button", textContent: "Remove", ariaLabel: `Remove ${title.textContent}` });
  remove.onclick = async () => { await api(`/v1/vector_stores/${store.id}/files/${encodeURIComponent(file.id)}`, { method: "DELETE" }); line.remove(); };
  if (file.id.startsWith("file-")) line.append(remove);
  for (let f = file; f.status === "in_progress"; show(f)) {
    await later(300);
    try { f = await get(`/v1/vector_stores/${store.id}/files/${file.id}`); } catch { return line.remove(); }
  }
}

async function upload(files) {
  const store = state.store;
  for (const file of files) {
    const form = new FormData();
    form.append("purpose", "assistants");
    form.append("file", file, file.name);
    try {
      const stored = await get("/v1/files", { method: "POST", body: form });
      follow(await get(`/v1/vector_stores/${store.id}/files`, { json: { file_id: stored.id } }), file.name);
    } catch (e) {
      $("list").prepend(el("li", { className: "failed" }, el("span", { className: "name", textContent: file.name }), el("span", { className: "state", textContent: e.message })));
    }
  }
}

// ---- Questions ----

const scroll = () => $("talk").scrollTo({ top: $("talk").scrollHeight });

/** The text with a button behind each citation's place. Places count characters, not UTF-16 units. */
function render(answer, text, citations) {
  const characters = [...text], parts = [];
  let at = 0;
  citations.forEach((c, i) => {
    const to = Math.min(Math.max(c.index ?? characters.length, at), characters.length);
    // The marker [Source: ...] that the number stands for is not shown twice.
    parts.push(characters.slice(at, to).join("").replace(/\s*\[(Source|Quelle): [^\]]*\]$/u, ""), number(c, i));
    at = to;
  });
  parts.push(characters.slice(at).join(""));
  answer.replaceChildren(...parts);
}

const place = (c) => [c.section, c.page && `page ${c.page}`, c.line_start && (c.line_end > c.line_start ? `lines ${c.line_start}–${c.line_end}` : `line ${c.line_start}`)].filter(Boolean).join(" · ");

function number(c, i) {
  const b = el("button", { type: "button", className: "cite", textContent: i + 1, title: `${c.filename}${place(c) && `, ${place(c)}`}` });
  b.setAttribute("aria-label", `Source ${i + 1}: ${b.title}`);
  b.onclick = () => open_(c, b);
  return b;
}

function sources(citations) {
  return el("ul", { className: "sources" }, ...citations.map((c, i) => {
    const b = el("button", { type: "button" }, `${i + 1}  ${c.filename}  `, el("span", { textContent: place(c) }));
    b.onclick = () => open_(c, b);
    return el("li", {}, b);
  }));
}

async function ask(question) {
  const answer = el("div", { className: "answer waiting" });
  $("empty")?.remove();
  $("talk").append(el("div", { className: "asked", textContent: question }), answer);
  state.messages.push({ role: "user", content: question });
  scroll();
  let text = "";
  const citations = [];
  try {
    const r = await api("/v1/chat/completions", { json: { model: state.store.name, stream: true, messages: state.messages } });
    for await (const event of events(r)) {
      const delta = event.choices?.[0]?.delta ?? {};
      text += delta.content ?? "";
      citations.push(...(delta.annotations ?? []));
      render(answer, text, citations);
      scroll();
    }
    state.messages.push({ role: "assistant", content: text });
    if (citations.length) answer.append(sources(citations));
  } catch (e) {
    state.messages.pop();
    answer.classList.add("failed");
    answer.append(`${text ? "\n" : ""}${e.message}`);
  }
  answer.classList.remove("waiting");
  scroll();
}

// ---- The passage of a citation, in its document ----

let opened = null;

/** The document's text with the quote marked; white space may differ. */
function marked(text, quote) {
  const escaped = quote.trim().split(/\s+/).map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const found = quote.trim() ? new RegExp(escaped.join("\\s+"), "u").exec(text) : null;
  if (!found) return [el("mark", { textContent: quote }), `\n\n${text}`];
  return [text.slice(0, found.index), el("mark", { textContent: found[0] }), text.slice(found.index + found[0].length)];
}

async function open_(c, button) {
  opened?.removeAttribute("aria-pressed");
  opened = button;
  button.setAttribute("aria-pressed", "true");
  $("passage-name").textContent = c.filename;
  $("passage-place").textContent = place(c);
  $("passage").hidden = false;
  document.querySelector(".page").classList.add("reading");
  let text = "";
  try {
    const page = await get(`/v1/vector_stores/${state.store.id}/files/${encodeURIComponent(c.file_id)}/content`);
    text = page.data.map((x) => x.text).join("\n\n");
  } catch (e) { text = `(${e.message})`; }
  $("passage-text").replaceChildren(...marked(text, c.quote ?? ""));
  $("passage-text").querySelector("mark")?.scrollIntoView({ block: "center" });
  $("close").focus();
}

function close_() {
  $("passage").hidden = true;
  document.querySelector(".page").classList.remove("reading");
  opened?.removeAttribute("aria-pressed");
  opened?.focus();
  opened = null;
}

// ---- Hands on ----

$("choose").onclick = () => $("files").click();
$("files").onchange = () => { upload([...$("files").files]); $("files").value = ""; };
$("store").onchange = () => choose({ id: $("store").value, name: $("store").selectedOptions[0].textContent });
$("close").onclick = close_;
addEventListener("keydown", (e) => { if (e.key === "Escape" && !$("passage").hidden) close_(); });
addEventListener("dragover", (e) => { e.preventDefault(); $("drop").classList.add("over"); });
addEventListener("dragleave", (e) => { if (!e.relatedTarget) $("drop").classList.remove("over"); });
addEventListener("drop", (e) => { e.preventDefault(); $("drop").classList.remove("over"); upload([...e.dataTransfer.files]); });
$("question").oninput = () => { $("question").style.height = "auto"; $("question").style.height = `${$("question").scrollHeight + 2}px`; };
$("question").onkeydown = (e) => { if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); $("ask").requestSubmit(); } };
$("ask").onsubmit = async (e) => {
  e.preventDefault();
  const question = $("question").value.trim();
  if (!question || state.busy) return;
  state.busy = $("send").disabled = true;
  $("question").value = "";
  $("question").oninput();
  await ask(question);
  state.busy = $("send").disabled = false;
  $("question").focus();
};

login().then(stores).catch((e) => { $("empty").append(el("p", { className: "answer failed", textContent: e.message })); });
