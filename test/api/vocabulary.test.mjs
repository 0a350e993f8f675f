// Exact tokens: the vocabularies that OpenAI publishes, from the package of their JavaScript port,
// against ids that the reference made, and in a service that is told to use one.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { build, Service, run, temporary } from "./harness.mjs";

const texts = path.resolve(import.meta.dirname, "../../../shared/testdata/tokens/tokens.jsonl");
const names = ["r50k_base", "p50k_base", "cl100k_base", "o200k_base"];
const ranks = {}, vocabulary = {};
let dir;

before(async () => {
  dir = temporary();
  for (const name of names) {
    const packed = (await import(`js-tiktoken/ranks/${name}`)).default;
    ranks[name] = packed.bpe_ranks.split("\n").filter(Boolean).flatMap((line) => {
      const [, first, ...tokens] = line.split(" ");
      return tokens.map((token, i) => [Buffer.from(token, "base64"), Number(first) + i]);
    });
    vocabulary[name] = path.join(dir, `${name}.tiktoken`);
    fs.writeFileSync(vocabulary[name], ranks[name].map(([token, rank]) => `${token.toString("base64")} ${rank}\n`).join(""));
  }
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

/** The same vocabulary as a tokenizer.json: every way in which a token falls into two that are there is a merge. */
function tokenizer(name, pattern) {
  const spelled = [];
  for (let b = 0, next = 256; b < 256; b++) spelled.push(String.fromCodePoint((b >= 33 && b <= 126) || (b >= 0xa1 && b <= 0xac) || b >= 0xae ? b : next++));
  const spell = (token) => [...token].map((b) => spelled[b]).join("");
  const vocab = Object.fromEntries(ranks[name].map(([token, rank]) => [spell(token), rank]));
  const merges = [];
  for (const [token] of [...ranks[name]].sort((a, b) => a[1] - b[1]))
    for (let i = 1; i < token.length; i++) {
      const [left, right] = [spell(token.subarray(0, i)), spell(token.subarray(i))];
      if (Object.hasOwn(vocab, left) && Object.hasOwn(vocab, right)) merges.push(`${left} ${right}`);
    }
  const split = { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
  const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: !pattern };
  return {
    normalizer: null,
    pre_tokenizer: pattern ? { type: "Sequence", pretokenizers: [split, bytes] } : bytes,
    model: { type: "BPE", ignore_merges: true, vocab, merges },
  };
}

test("ids are those of the reference, from rank files and from a tokenizer.json", { skip: !fs.existsSync(texts) }, () => {
  const cl100k = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  for (const [name, pattern] of [["r50k_base"], ["cl100k_base", cl100k]]) {
    const file = path.join(dir, `${name}.json`);
    fs.writeFileSync(file, JSON.stringify(tokenizer(name, pattern)));
    const out = execFileSync(path.join(build, "bench_token"), [texts, `${name}=${file}`], { encoding: "utf8" });
    const [, exact, all] = /exact (\d+) of (\d+) texts/.exec(out) ?? assert.fail(out);
    assert.equal(exact, all, `${name} as tokenizer.json`);
  }
  const out = execFileSync(path.join(build, "bench_token"), [texts, ...names.map((n) => `${n}=${vocabulary[n]}`)], { encoding: "utf8" });
  const exact = [...out.matchAll(/^(\w+): exact (\d+) of (\d+)/gm)];
  assert.deepEqual(exact.map((x) => x[1]), names);
  for (const [, name, good, all] of exact) assert.equal(good, all, name);
});

test("a service counts with the vocabulary of the model", async () => {
  const config = `
providers:
  - {name: fixed, type: static, text: "One, two, three, antidisestablishmentarianism."}
models:
  - {name: exact, provider: fixed, vocabulary: "${vocabulary.o200k_base}"}
  - {name: again, provider: fixed, vocabulary: "${vocabulary.o200k_base}"}
  - {name: estimated, provider: fixed}
`;
  const s = await Service.start({ config });
  const content = "Donaudampfschifffahrtsgesellschaftskapitän, " .repeat(20);
  const { Tiktoken } = await import("js-tiktoken/lite");
  const reference = new Tiktoken((await import("js-tiktoken/ranks/o200k_base")).default);
  const usage = async (model) => (await s.client.chat.completions.create({ model, messages: [{ role: "user", content }] })).usage;
  const exact = await usage("exact");
  assert.equal(exact.prompt_tokens, reference.encode(content).length + 4);
  assert.equal(exact.completion_tokens, reference.encode("One, two, three, antidisestablishmentarianism.").length);
  assert.deepEqual(await usage("again"), exact);
  assert.notEqual((await usage("estimated")).prompt_tokens, exact.prompt_tokens);
  s.child.kill("SIGHUP"); // loads it anew
  assert.deepEqual(await usage("exact"), exact);
  await s.stop();
});

test("a vocabulary that is none is an error of the configuration", async () => {
  const bad = path.join(dir, "bad.json"), file = path.join(dir, "bad.yaml");
  fs.writeFileSync(bad, '{"model":{"type":"Unigram","vocab":[]}}');
  fs.writeFileSync(file, `models:\n  - {name: m, vocabulary: "${bad}"}\n`);
  const r = await run(["config", "check", file]);
  assert.notEqual(r.code, 0);
  assert.match(r.err + r.out, /bad\.yaml:2: model 'm': .*'Unigram' is not supported/);
});
