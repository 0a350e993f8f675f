// Answers from documents: what official clients make of their citations, what becomes of sentences that
// the documents do not support, and whether a saved answer can be checked later.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";
import { chunk, completion, Provider, run, Service } from "./harness.mjs";
import { sendJson } from "./scene.mjs";

const menu = "# Menu\n\nThe canteen serves lentil soup with rye bread on Wednesdays. On Fridays there is pizza for 7.50 euros.\n\nIt closed for repairs on 3 May 2021.\n";
const good = "On Wednesdays the canteen serves lentil soup with rye bread. [Source: menu.md]";
const bad = "On Fridays there is pizza for 9.50 euros. [Source: menu.md]";
const question = { role: "user", content: "What does the canteen serve on Wednesdays and Fridays?" };

describe("grounded answers", () => {
  let s, p, docs;
  before(async () => {
    p = await Provider.start();
    p.answer = (req, res, body) => {
      const asked = JSON.parse(body);
      const text = p.text;
      if (!asked.stream) return sendJson(res, 200, completion(text));
      res.setHeader("content-type", "text/event-stream");
      for (const piece of text.match(/[^]{1,7}/gu)) res.write(chunk({ content: piece }));
      res.end(chunk({}, "stop") + "data: [DONE]\n\n");
    };
    s = await Service.start({ config: `
providers:
  - {name: upstream, url: "${p.url}", key: k}
models:
  - {name: flags, provider: upstream, knowledge: [docs]}
  - {name: drops, provider: upstream, knowledge: [docs], unsupported: drop}
  - {name: refuses, provider: upstream, knowledge: [docs], unsupported: refuse}
` });
    docs = path.join(s.data, "docs");
    fs.mkdirSync(docs);
    fs.writeFileSync(path.join(docs, "menu.md"), menu);
    assert.equal((await s.cli("ingest", docs)).code, 0);
  });
  after(async () => {
    await s.stop();
    await p.stop();
  });

  const ask = async (model, text) => {
    p.text = text;
    const { data, response } = await s.client.chat.completions.create({ model, messages: [question] }).withResponse();
    return { message: data.choices[0].message, finish: data.choices[0].finish_reason, headers: response.headers };
  };
  const stream = async (model, text) => {
    p.text = text;
    const all = { content: "", unsupported: [], annotations: [], pieces: [] };
    for await (const c of await s.client.chat.completions.create({ model, stream: true, messages: [question] })) {
      const { delta, finish_reason } = c.choices[0];
      all.content += delta.content ?? "";
      if (delta.content) all.pieces.push(delta.content);
      all.unsupported.push(...(delta.unsupported ?? []));
      all.annotations.push(...(delta.annotations ?? []));
      all.finish = finish_reason ?? all.finish;
    }
    return all;
  };
  const upTo = (text, from, to) => [...text].slice(from, to).join("");

  test("a sentence without support is flagged, whole and in a stream", async () => {
    const { message, headers, finish } = await ask("flags", `Ä🍲. ${good} ${bad}`);
    assert.equal(message.content, `Ä🍲. ${good} ${bad}`);
    assert.equal(headers.get("x-penstock-unsupported"), "1");
    assert.equal(finish, "stop");
    const [u] = message.unsupported;
    assert.equal(u.reason, "number");
    assert.equal(u.what, "9.50 euros");
    assert.equal(u.text, "On Fridays there is pizza for 9.50 euros.");
    assert.equal(upTo(message.content, u.start_index, u.end_index), u.text);
    const streamed = await stream("flags", `Ä🍲. ${good} ${bad}`);
    assert.deepEqual(streamed.unsupported, message.unsupported);
    assert.equal(streamed.content, message.content);
    assert.deepEqual(streamed.annotations, message.annotations);
    assert.ok(streamed.pieces.length >= 3, "it comes sentence by sentence");
    const fine = await ask("flags", good);
    assert.equal(fine.headers.get("x-penstock-unsupported"), null);
    assert.equal(fine.message.unsupported, undefined);
  });

  test("or dropped with its citation, or the answer is refused", async () => {
    for (const how of [ask, stream]) {
      const got = await how("drops", `${bad} ${good}`);
      assert.equal(got.message?.content ?? got.content, good);
      assert.equal((got.message ?? got).annotations.length, 1);
      const none = await how("drops", bad);
      assert.match(none.message?.content ?? none.content, /don't have enough information/);
      const refused = await how("refuses", `${good} ${bad} ${good}`);
      assert.equal(refused.finish, "content_filter");
      assert.doesNotMatch(refused.message?.content ?? refused.content, /9\.50/);
    }
    assert.match((await ask("refuses", `${good} ${bad}`)).message.content, /^I don't have enough information/);
    assert.equal((await stream("refuses", `${good} ${bad} ${good}`)).content, good);
  });

  test("Anthropic's client gets citations and, beside them, what has no support", async () => {
    p.text = `${good} ${bad}`;
    const body = { model: "flags", max_tokens: 200, messages: [question] };
    const m = await s.anthropic.messages.create(body);
    assert.equal(m.unsupported.length, 1);
    const cited = m.content.flatMap((c) => c.citations ?? []);
    assert.equal(cited[0].type, "char_location");
    assert.match(cited[0].cited_text, /lentil soup/);
    assert.match(cited[0].document_sha256, /^[0-9a-f]{64}$/);
    const events = [];
    const st = s.anthropic.messages.stream(body);
    for await (const ev of st) events.push(ev);
    assert.ok(events.some((ev) => ev.delta?.type === "citations_delta"));
    assert.deepEqual(events.find((ev) => ev.type === "message_delta").unsupported, m.unsupported);
    assert.deepEqual((await st.finalMessage()).content.flatMap((c) => c.citations ?? []), cited);
  });

  test("the AI SDK reads the citations as sources, whole and streamed", async () => {
    p.text = good;
    const model = createOpenAI({ baseURL: s.url, apiKey: s.key }).chat("flags");
    const whole = await generateText({ model, prompt: question.content });
    assert.equal(whole.sources[0].title, "menu.md");
    assert.match(whole.sources[0].url, /menu\.md$/);
    const streamed = streamText({ model, prompt: question.content });
    assert.equal(await streamed.text, good);
    assert.equal((await streamed.sources)[0].title, "menu.md");
  });

  test("a saved answer is checked against store and files; each way to be wrong is told", async () => {
    const file = path.join(s.data, "answer.json");
    const save = async (how = "flags") => {
      p.text = good;
      const r = await s.fetch("/v1/chat/completions", {
        method: "POST", headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: how, messages: [question] }),
      });
      const text = await r.text();
      fs.writeFileSync(file, text);
      return JSON.parse(text);
    };
    const answer = await save();
    const [a] = answer.choices[0].message.annotations;
    assert.equal(a.document_sha256, createHash("sha256").update(menu).digest("hex"));
    assert.equal(a.quote_sha256, createHash("sha256").update(a.quote).digest("hex"));
    const verify = (...more) => s.cli("verify", file, ...more);
    let r = await verify();
    assert.equal(r.code, 0, r.out + r.err);
    assert.match(r.out, /^ok +\[1\] menu\.md, Menu, line/);
    const offline = (dir) => run(["verify", file, "--files", dir]);
    r = await offline(docs);
    assert.equal(r.code, 0, r.out + r.err);
    assert.equal(JSON.parse((await verify("--json")).out).valid, true);

    // a stream as curl saves it
    p.text = good;
    const sse = await s.fetch("/v1/chat/completions", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "flags", stream: true, messages: [question] }) });
    fs.writeFileSync(file, await sse.text());
    r = await verify();
    assert.equal(r.code, 0, r.out + r.err);

    const forged = structuredClone(answer);
    forged.choices[0].message.annotations[0].quote = a.quote.replace("lentil", "turtle");
    fs.writeFileSync(file, JSON.stringify(forged));
    r = await verify();
    assert.equal(r.code, 1);
    assert.match(r.out, /FAILED +\[1\] menu\.md.*: the quotation is not the one that was cited/);

    const shifted = structuredClone(answer);
    shifted.choices[0].message.content = `More. ${answer.choices[0].message.content}`;
    fs.writeFileSync(file, JSON.stringify(shifted));
    r = await verify();
    assert.equal(r.code, 1);
    assert.match(r.out, /the answer does not say \[Source: menu\.md\] at character/);

    fs.writeFileSync(file, JSON.stringify(answer.choices[0].message.annotations));
    assert.equal((await verify()).code, 0, "a list of annotations");
    fs.writeFileSync(path.join(docs, "menu.md"), `Note.\n\n${menu}`);
    r = await offline(docs);
    assert.equal(r.code, 1);
    assert.match(r.out, /the file is not the one that was cited.*stands at bytes/);
    assert.equal((await s.cli("ingest", docs)).code, 0);
    r = await verify();
    assert.equal(r.code, 1);
    assert.match(r.out, /version 1 was cited, and the document is version 2 now; the quotation stands at bytes/);
    fs.rmSync(path.join(docs, "menu.md"));
    assert.match((await offline(docs)).out, /the file is not in the folder/);
    assert.equal((await s.cli("ingest", docs)).code, 0);
    assert.match((await verify()).out, /the document is not in the store/);

    fs.writeFileSync(file, '{"choices":[{"message":{"content":"It is so.","annotations":[]}}]}');
    r = await verify();
    assert.equal(r.code, 1);
    assert.match(r.out, /cites nothing/);
    fs.writeFileSync(file, "{");
    assert.equal((await verify()).code, 1);
  });
});
