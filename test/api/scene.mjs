// scene.mjs - providers with names, a service in front of them, and clients that note what they are told, for one test.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chunk, completion, event, message, Provider, Service, waitFor } from "./harness.mjs";

/** Starts a provider for each role and a service in front; all end with the test.
 *  A role: how it answers, its `type`, and further lines of its configuration; or the `text` of a
 *  static one. `models` is YAML. */
export async function scene(t, roles, models) {
  const p = {};
  let s;
  t.after(async () => {
    const code = await s?.stop();
    for (const name in p) await p[name].stop();
    assert.equal(code, 0, "the service ends well");
  });
  let config = "providers:\n";
  for (const [name, role] of Object.entries(roles)) {
    if (role.text) {
      config += `  - name: ${name}\n    type: static\n    text: ${role.text}\n`;
      continue;
    }
    p[name] = await Provider.start(role.answer);
    const url = role.type === "anthropic" ? new URL(p[name].url).origin : p[name].url;
    config += `  - name: ${name}\n    url: ${url}\n    key: secret-of-${name}\n    first_byte_timeout: 2s\n    idle_timeout: 400ms\n`;
    if (role.type) config += `    type: ${role.type}\n`;
    for (const [field, value] of Object.entries(role.more ?? {}))
      config = config.replace(new RegExp(`(- name: ${name}\\n(?: {4}.*\\n)*?) {4}${field}:.*\\n`), "$1") + `    ${field}: ${value}\n`;
  }
  s = await Service.start({ config: `${config}models:\n${models}` });
  return { s, p, ...p };
}

export const sendJson = (res, status, body, headers = {}) => {
  res.writeHead(status, { "content-type": "application/json", ...headers });
  res.end(typeof body === "string" ? body : JSON.stringify(body));
};

/** Rows of the ledger that a request left, once there are `n`. */
export async function ledger(s, request, n) {
  const sql = `select attempt, provider, status, error, input_tokens, output_tokens, counted, cost_microusd from usage where request = '${request}' order by attempt`;
  const read = () => {
    const r = spawnSync("sqlite3", ["-json", `${s.state}/penstock.db`, sql], { encoding: "utf8" });
    assert.equal(r.status, 0, r.stderr);
    return r.stdout ? JSON.parse(r.stdout) : [];
  };
  await waitFor(`${n} rows of ${request}`, () => read().length >= n);
  const rows = read();
  assert.equal(rows.length, n, "a row for each attempt, and no other");
  return rows;
}

export async function metric(s, name, ...labels) {
  const text = await (await s.fetch("/metrics")).text();
  const line = text.split("\n").find((l) => (l.startsWith(`${name}{`) || l.startsWith(`${name} `)) && labels.every((x) => l.includes(`"${x}"`)));
  return line && Number(line.slice(line.lastIndexOf(" ")));
}

/** How the providers of each protocol say it. Pieces are texts of events, sent one after the other. */
export const dialects = {
  openai: {
    head: [chunk({ role: "assistant", content: "" })],
    words: (list) => list.map((w) => chunk({ content: w })),
    tool: [
      chunk({ tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "weather", arguments: "" } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '"Oslo"}' } }] }),
    ],
    finish: (reason = "stop", output = 3) => [
      chunk({}, reason),
      `data: ${JSON.stringify({ id: "chatcmpl-upstream", object: "chat.completion.chunk", created: 1, model: "upstream-model", choices: [], usage: { prompt_tokens: 7, completion_tokens: output, total_tokens: 7 + output } })}\n\n`,
    ],
    done: ["data: [DONE]\n\n"],
    toolReason: "tool_calls",
    whole: (text) => completion(text),
    error: { error: { message: "engine on fire", type: "server_error" } },
    errorEvent: `data: ${JSON.stringify({ error: { message: "engine on fire", type: "server_error" } })}\n\n`,
  },
  anthropic: {
    type: "anthropic",
    head: [event("message_start", { message: message([], { stop_reason: null, usage: { input_tokens: 7, output_tokens: 1 } }) }), event("ping")],
    words: (list) => [
      event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
      ...list.map((text) => event("content_block_delta", { index: 0, delta: { type: "text_delta", text } })),
    ],
    tool: [
      event("content_block_start", { index: 0, content_block: { type: "tool_use", id: "toolu_1", name: "weather", input: {} } }),
      event("content_block_delta", { index: 0, delta: { type: "input_json_delta", partial_json: '{"city":' } }),
      event("content_block_delta", { index: 0, delta: { type: "input_json_delta", partial_json: '"Oslo"}' } }),
    ],
    finish: (reason = "end_turn", output = 3) => [
      event("content_block_stop", { index: 0 }),
      event("message_delta", { delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens: output } }),
    ],
    done: [event("message_stop")],
    toolReason: "tool_use",
    whole: (text) => message(text),
    error: { type: "error", error: { type: "api_error", message: "engine on fire" } },
    errorEvent: event("error", { error: { type: "api_error", message: "engine on fire" } }),
  },
};

/** All pieces of an answer that is one text, or a tool call. */
export const saying = (d, list) => [...d.head, ...d.words(list), ...d.finish(), ...d.done];
export const calling = (d) => [...d.head, ...d.tool, ...d.finish(d.toolReason), ...d.done];

/** Answers well, as it was asked: with these words, or their text. */
export const says = (d, list) => (req, res, body) => {
  if (!JSON.parse(body).stream) return sendJson(res, 200, d.whole(list.join("")));
  res.writeHead(200, { "content-type": "text/event-stream" });
  res.end(saying(d, list).join(""));
};

/** The text that a request has begun for the assistant, "" when there is none. */
export function begunText(body) {
  const last = JSON.parse(body).messages.at(-1);
  if (last.role !== "assistant") return "";
  return typeof last.content === "string" ? last.content : last.content.map((b) => b.text).join("");
}

/** How a stream can end that should not. Each takes the response, of which some was written. */
export const cuts = {
  "closed": (res) => res.socket.destroy(),
  "reset": (res) => res.socket.resetAndDestroy(),
  "half-closed": (res) => res.socket.end(),
  "stalled": () => {},
  "ended without its end": (res) => res.end(),
};

/** What a client gets: `text` and `call` grow as it comes. `whole` and `stream` end when it is whole. */
class Got {
  text = "";
  call = "";
  ids = new Set();

  async chatStream(s, body, options) {
    const { data, response, request_id } = await s.client.chat.completions.create({ ...body, stream: true, stream_options: { include_usage: true } }, options).withResponse();
    this.headers = response.headers;
    this.request = request_id;
    for await (const c of data) {
      this.ids.add(c.id);
      this.text += c.choices[0]?.delta?.content ?? "";
      this.call += c.choices[0]?.delta?.tool_calls?.map((k) => k.function.arguments).join("") ?? "";
      this.finish = c.choices[0]?.finish_reason ?? this.finish;
      if (c.usage) this.usage = { input: c.usage.prompt_tokens, output: c.usage.completion_tokens };
    }
    assert.ok(this.finish, "an answer that ends without a reason is not whole");
    return this;
  }

  async chatWhole(s, body, options) {
    const { data, response, request_id } = await s.client.chat.completions.create(body, options).withResponse();
    this.headers = response.headers;
    this.request = request_id;
    this.text = data.choices[0].message.content ?? "";
    this.finish = data.choices[0].finish_reason;
    this.usage = { input: data.usage.prompt_tokens, output: data.usage.completion_tokens };
    return this;
  }

  async messagesStream(s, body, options) {
    const { data, response, request_id } = await s.anthropic.messages.create({ max_tokens: 500, ...body, stream: true }, options).withResponse();
    this.headers = response.headers;
    this.request = request_id;
    for await (const e of data) {
      if (e.type === "message_start") this.ids.add(e.message.id);
      if (e.delta?.type === "text_delta") this.text += e.delta.text;
      if (e.delta?.type === "input_json_delta") this.call += e.delta.partial_json;
      if (e.type === "message_delta") {
        this.finish = e.delta.stop_reason;
        this.usage = { output: e.usage?.output_tokens };
      }
      if (e.type === "message_stop") this.stopped = true;
    }
    assert.ok(this.finish && this.stopped, "an answer that ends without a reason is not whole");
    return this;
  }

  async messagesWhole(s, body, options) {
    const { data, response, request_id } = await s.anthropic.messages.create({ max_tokens: 500, ...body }, options).withResponse();
    this.headers = response.headers;
    this.request = request_id;
    this.text = data.content.map((b) => b.text ?? "").join("");
    this.finish = data.stop_reason;
    this.usage = { input: data.usage.input_tokens, output: data.usage.output_tokens };
    return this;
  }

  async responsesStream(s, body, options) {
    const { data, response, request_id } = await s.client.responses.create({ ...asInput(body), stream: true }, options).withResponse();
    let number = 0;
    this.headers = response.headers;
    this.request = request_id;
    for await (const e of data) {
      assert.equal(e.sequence_number, number++, "events are numbered without a gap");
      if (e.response) this.ids.add(e.response.id);
      if (e.type === "response.output_text.delta") this.text += e.delta;
      if (e.type === "response.function_call_arguments.delta") this.call += e.delta;
      if (e.type === "response.completed" || e.type === "response.incomplete") {
        this.finish = e.response.status;
        this.usage = { input: e.response.usage.input_tokens, output: e.response.usage.output_tokens };
      }
    }
    assert.ok(this.finish, "an answer that ends without a reason is not whole");
    return this;
  }

  async responsesWhole(s, body, options) {
    const { data, response, request_id } = await s.client.responses.create(asInput(body), options).withResponse();
    this.headers = response.headers;
    this.request = request_id;
    this.text = data.output_text;
    this.finish = data.status;
    this.usage = { input: data.usage.input_tokens, output: data.usage.output_tokens };
    return this;
  }
}

/** A question in OpenAI's chat as one of its Responses. */
const asInput = ({ messages, max_tokens, tools, response_format, n, ...rest }) => ({
  ...rest,
  input: messages,
  ...(max_tokens && { max_output_tokens: max_tokens }),
  ...(tools && { tools: tools.map((t) => ({ type: "function", ...t.function })) }),
  ...(response_format && { text: { format: { type: response_format.type, ...response_format.json_schema } } }),
});

/** Ways to ask; each gives a promise of what was got, with `got` on it for a look before its end. */
const asking = (how) => (s, body, options) => {
  const got = new Got();
  return Object.assign(got[how](s, body, options), { got });
};
export const fronts = {
  chat: { whole: asking("chatWhole"), stream: asking("chatStream") },
  messages: { whole: asking("messagesWhole"), stream: asking("messagesStream") },
  responses: { whole: asking("responsesWhole"), stream: asking("responsesStream") },
};

export const question = (extra = {}) => ({ model: "m", messages: [{ role: "user", content: "hi" }], ...extra });
export const weather = { type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } } };
