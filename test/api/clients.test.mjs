// The clients that applications are built with, against both protocols in front, over providers of both.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatAnthropic } from "@langchain/anthropic";
import { AIMessage, HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { tool as langchainTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { answerMessage, chunk, completion, message, withProvider } from "./harness.mjs";

const hello = "Hello there.";
const cities = ["Århus", "Odense"];
const verdict = "Rain in both.";
const callsOf = (make) => cities.map((city, i) => make(`call_${i}`, { city }));

/** Greets; asks for the weather of two cities at once when it has tools; then says what it heard. */
function openai(req, res, body) {
  const asked = JSON.parse(body);
  const heard = asked.messages.filter((m) => m.role === "tool").length;
  const calls = callsOf((id, input) => ({ id, type: "function", function: { name: "weather", arguments: JSON.stringify(input) } }));
  const wants = asked.tools?.length && !heard;
  const text = heard === cities.length ? verdict : hello;
  if (!asked.stream) {
    res.setHeader("content-type", "application/json");
    const answer = completion(text);
    if (wants) Object.assign(answer.choices[0], { message: { role: "assistant", content: null, tool_calls: calls }, finish_reason: "tool_calls" });
    return res.end(JSON.stringify(answer));
  }
  res.setHeader("content-type", "text/event-stream");
  res.write(chunk({ role: "assistant", content: wants ? null : "" }));
  if (wants) {
    calls.forEach((call, index) => {
      res.write(chunk({ tool_calls: [{ index, ...call, function: { ...call.function, arguments: "" } }] }));
      for (const piece of call.function.arguments.match(/.{1,6}/gu)) res.write(chunk({ tool_calls: [{ index, function: { arguments: piece } }] }));
    });
  } else {
    for (const piece of text.match(/\S+\s?/g)) res.write(chunk({ content: piece }));
  }
  res.write(chunk({}, wants ? "tool_calls" : "stop"));
  res.write(`data: ${JSON.stringify({ id: "chatcmpl-upstream", object: "chat.completion.chunk", created: 1, model: "upstream-model", choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } })}\n\n`);
  res.end("data: [DONE]\n\n");
}

function anthropic(req, res, body) {
  const asked = JSON.parse(body);
  const heard = asked.messages.flatMap((m) => (Array.isArray(m.content) ? m.content : [])).filter((b) => b.type === "tool_result").length;
  const wants = asked.tools?.length && !heard;
  answerMessage(res, body, wants
    ? message(callsOf((id, input) => ({ type: "tool_use", id, name: "weather", input })), { stop_reason: "tool_use" })
    : message(heard === cities.length ? verdict : hello));
}

const providers = { "OpenAI's protocol": [openai, undefined], "Anthropic's protocol": [anthropic, "anthropic"] };

const aiClients = {
  "AI SDK, openai": (s) => createOpenAI({ baseURL: s.url, apiKey: s.key }).chat("m"),
  "AI SDK, openai, responses": (s) => createOpenAI({ baseURL: s.url, apiKey: s.key }).responses("m"),
  "AI SDK, openai-compatible": (s) => createOpenAICompatible({ name: "penstock", baseURL: s.url, apiKey: s.key, includeUsage: true })("m"),
  "AI SDK, anthropic": (s) => createAnthropic({ baseURL: s.url, apiKey: s.key })("m"),
};

const langchainClients = {
  "LangChain, openai": (s) => new ChatOpenAI({ model: "m", apiKey: s.key, maxRetries: 0, configuration: { baseURL: s.url } }),
  "LangChain, openai, responses": (s) => new ChatOpenAI({ model: "m", apiKey: s.key, maxRetries: 0, useResponsesApi: true, configuration: { baseURL: s.url } }),
  "LangChain, anthropic": (s) => new ChatAnthropic({ model: "m", apiKey: s.key, maxRetries: 0, maxTokens: 100, anthropicApiUrl: s.origin }),
};

for (const [protocol, [answer, type]] of Object.entries(providers)) {
  describe(`a provider that speaks ${protocol}`, () => {
    let x;
    before(async () => { x = await withProvider(answer, { type }); });
    after(() => x.stop());

    for (const [name, make] of Object.entries(aiClients)) {
      const weather = () => {
        const asked = [];
        const tools = { weather: tool({ description: "The weather", inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => { asked.push(city); return "rain"; } }) };
        return { asked, tools };
      };
      const prompt = { system: "Be brief.", prompt: "Hi", maxRetries: 0, maxOutputTokens: 100 };

      test(`${name}: plain`, async () => {
        const r = await generateText({ model: make(x.s), ...prompt });
        assert.equal(r.text, hello);
        assert.equal(r.finishReason, "stop");
        assert.deepEqual([r.usage.inputTokens, r.usage.outputTokens], [7, 3]);
      });

      test(`${name}: streamed`, async () => {
        const r = streamText({ model: make(x.s), ...prompt });
        const pieces = [];
        for await (const piece of r.textStream) pieces.push(piece);
        assert.equal(pieces.join(""), hello);
        assert.equal(await r.finishReason, "stop");
        assert.deepEqual([(await r.usage).inputTokens, (await r.usage).outputTokens], [7, 3]);
      });

      test(`${name}: tools`, async () => {
        const { asked, tools } = weather();
        const r = await generateText({ model: make(x.s), ...prompt, tools, stopWhen: stepCountIs(3) });
        assert.deepEqual(asked.sort(), cities.toSorted());
        assert.equal(r.text, verdict);
        assert.equal(r.steps[0].finishReason, "tool-calls");
      });

      test(`${name}: tools, streamed`, async () => {
        const { asked, tools } = weather();
        const r = streamText({ model: make(x.s), ...prompt, tools, stopWhen: stepCountIs(3) });
        await r.consumeStream();
        assert.deepEqual(asked.sort(), cities.toSorted());
        assert.equal(await r.text, verdict);
      });
    }

    for (const [name, make] of Object.entries(langchainClients)) {
      const conversation = () => [new SystemMessage("Be brief."), new HumanMessage("Hi")];
      const weather = langchainTool(async () => "rain", { name: "weather", description: "The weather", schema: z.object({ city: z.string() }) });
      const answers = (calls) => calls.map((c) => new ToolMessage({ tool_call_id: c.id, content: "rain" }));

      test(`${name}: plain`, async () => {
        const r = await make(x.s).invoke(conversation());
        assert.ok(r instanceof AIMessage);
        assert.equal(r.text, hello);
        assert.deepEqual([r.usage_metadata.input_tokens, r.usage_metadata.output_tokens], [7, 3]);
      });

      test(`${name}: streamed`, async () => {
        let all;
        for await (const piece of await make(x.s).stream(conversation())) all = all ? all.concat(piece) : piece;
        assert.equal(all.text, hello);
        assert.ok(all.usage_metadata.output_tokens >= 3); // it adds what message_start says of Anthropic's own
      });

      test(`${name}: tools`, async () => {
        const model = make(x.s).bindTools([weather]);
        const first = await model.invoke(conversation());
        assert.deepEqual(first.tool_calls.map((c) => [c.id, c.name, c.args]), callsOf((id, input) => [id, "weather", input]));
        const last = await model.invoke([...conversation(), first, ...answers(first.tool_calls)]);
        assert.equal(last.text, verdict);
      });

      test(`${name}: tools, streamed`, async () => {
        const model = make(x.s).bindTools([weather]);
        let first, text = "";
        for await (const piece of await model.stream(conversation())) first = first ? first.concat(piece) : piece;
        assert.deepEqual(first.tool_calls.map((c) => [c.id, c.name, c.args]), callsOf((id, input) => [id, "weather", input]));
        for await (const piece of await model.stream([...conversation(), first, ...answers(first.tool_calls)])) text += piece.text;
        assert.equal(text, verdict);
      });
    }
  });
}
