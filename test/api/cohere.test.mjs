// Cohere's official client against /v2/rerank and /v1/rerank: the engine inside, and a provider of each kind behind.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CohereClient, CohereClientV2, CohereError } from "cohere-ai";
import { Provider, Service } from "./harness.mjs";
import { sendJson } from "./scene.mjs";

const documents = ["Otters hold hands while they sleep.", "The train to Ulm leaves at nine.", "Herons eat frogs."];

let s, cohere, jina, tei, v2, v1;
before(async () => {
  const scores = [0.1, 0.9, 0.4];
  const ranked = scores.map((relevance_score, index) => ({ index, relevance_score })).sort((a, b) => b.relevance_score - a.relevance_score);
  cohere = await Provider.start((req, res, body) => {
    const asked = JSON.parse(body);
    if (asked.query === "too fast") return sendJson(res, 429, { message: "slow down" }, { "retry-after": "7" });
    sendJson(res, 200, { id: "up", results: ranked.slice(0, asked.top_n ?? 3), meta: { api_version: { version: "2" }, billed_units: { search_units: 1 } } });
  });
  jina = await Provider.start((req, res, body) => sendJson(res, 200, { model: "j", usage: { total_tokens: 12 }, results: ranked.slice(0, JSON.parse(body).top_n ?? 3) }));
  tei = await Provider.start((req, res) => sendJson(res, 200, ranked.map(({ index, relevance_score: score }) => ({ index, score }))));
  s = await Service.start({
    config: `providers:
  - {name: cohere, type: cohere, url: "${new URL(cohere.url).origin}", key: up}
  - {name: jina, type: jina, url: "${jina.url}", key: up}
  - {name: tei, type: tei, url: "${new URL(tei.url).origin}"}
models:
  - {name: rerank-v3.5, provider: cohere, attempts: 1}
  - {name: jina, provider: jina}
  - {name: tei, provider: tei}
`,
  });
  const options = { token: s.key, environment: s.origin };
  v2 = new CohereClientV2(options);
  v1 = new CohereClient(options);
});
after(async () => {
  assert.equal(await s?.stop(), 0);
  for (const p of [cohere, jina, tei]) await p?.stop();
});
const once = { maxRetries: 0 };

describe("rerank", () => {
  for (const model of ["rerank-v3.5", "jina", "tei", "extractive"])
    for (const [name, client] of [["v2", () => v2], ["v1", () => v1]])
      test(`${name}, ${model}`, async () => {
        const r = await client().rerank({ model, query: "When does the train to Ulm leave?", documents }, once);
        assert.equal(typeof r.id, "string");
        assert.equal(r.results.length, 3);
        assert.equal(r.results[0].index, 1);
        assert.deepEqual(r.results.map((x) => x.relevanceScore).toSorted((a, b) => b - a), r.results.map((x) => x.relevanceScore), "best first");
        assert.ok(r.results.every((x) => x.relevanceScore >= 0 && x.relevanceScore <= 1));
        const top = await client().rerank({ model, query: "When does the train to Ulm leave?", documents, topN: 1 }, once);
        assert.deepEqual(top.results.map((x) => x.index), [1]);
      });

  test("v1: documents are given back when they are asked for", async () => {
    const r = await v1.rerank({ model: "extractive", query: "train to Ulm", documents, returnDocuments: true }, once);
    assert.equal(r.results[0].document.text, documents[1]);
  });

  test("the provider is asked as Cohere wants it", async () => {
    await v2.rerank({ model: "rerank-v3.5", query: "q", documents, topN: 2, maxTokensPerDoc: 100 }, once);
    const { url, headers, body } = cohere.requests.at(-1);
    assert.equal(url, "/v2/rerank");
    assert.equal(headers.authorization, "Bearer up");
    assert.deepEqual(JSON.parse(body), { model: "rerank-v3.5", query: "q", documents, top_n: 2, max_tokens_per_doc: 100 });
  });
});

test("errors are the client's typed ones", async () => {
  const status = (code) => (e) => { assert.ok(e instanceof CohereError, e.message); assert.equal(e.statusCode, code); return true; };
  await assert.rejects(v2.rerank({ model: "nope", query: "q", documents }, once), status(404));
  await assert.rejects(v2.rerank({ model: "extractive", query: "q", documents: [] }, once), status(400));
  await assert.rejects(v2.rerank({ model: "rerank-v3.5", query: "too fast", documents }, once), status(429));
  await assert.rejects(new CohereClientV2({ token: "wrong", environment: s.origin }).rerank({ model: "extractive", query: "q", documents }, once), status(401));
});
