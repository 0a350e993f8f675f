/* A server that speaks Anthropic's protocol.
 *
 *     message_start                      id, model, tokens read
 *     content_block_start, _delta ...,   one block after the other: text, thinking, a tool's call
 *       content_block_stop
 *     message_delta                      why it stopped, tokens written: the answer is complete
 *     message_stop                       the end mark
 *
 * To clients that speak it too the events go byte for byte, with the model called as they asked for
 * it. The start and the end of a block say nothing by themselves: they wait for the event behind
 * them when the answer could still be begun anew or taken up by somebody else. So whoever does that
 * finds either no block begun, or the first one, of text, open (model/call.h, struct said).
 *
 * To all others, and to stages that work on text, the answer goes as canonical events.
 */
#include "base/log.h"
#include "model/anthropic_body.h"
#include "model/refusal.h"
#include "model/relay.h"
#include "model/resume.h"
#include "model/splice.h"
#include "model/traced.h"

enum { WAITING_MOST = 64 << 10 };
enum block { NO_BLOCK, SOME_BLOCK, TOOL_BLOCK };

/* One answer while it is read. */
struct reading {
    struct relay relay;
    struct str waiting; /* starts and ends of blocks that go out with the next event */
    struct str stop;    /* the stop sequence that ended it */
    bool started;       /* message_start has come */
    bool has_arguments; /* of the tool's call that is being written */
    enum block block;   /* that is open */
};

static const struct chat_request *request(const struct reading *r)
{
    return &r->relay.a->call->req;
}

/* ---- What an answer says of itself ---- */

/* Tokens of the cache are told beside those that were read anew. Events repeat and correct what
 * earlier ones said; what they leave out stays. False: it does not tell how much was written. */
static bool read_usage(struct reading *r, struct json_value usage)
{
    struct chat_usage *u = &r->relay.a->usage;
    int64_t fresh = u->input - u->cached - u->cache_write, n;
    if (relay_tokens(json_get(usage, "input_tokens"), &n))
        fresh = n;
    if (relay_tokens(json_get(usage, "cache_read_input_tokens"), &n))
        u->cached = n;
    if (relay_tokens(json_get(usage, "cache_creation_input_tokens"), &n))
        u->cache_write = n;
    u->input = fresh + u->cached + u->cache_write;
    if (!relay_tokens(json_get(usage, "output_tokens"), &n))
        return false;
    u->output = n;
    return true;
}

static enum chat_finish finish_of(struct json_value reason)
{
    static const struct {
        const char *reason;
        enum chat_finish finish;
    } finishes[] = {
        {"max_tokens", CHAT_FINISH_LENGTH}, {"model_context_window_exceeded", CHAT_FINISH_LENGTH},
        {"pause_turn", CHAT_FINISH_LENGTH}, /* it would go on if asked */
        {"tool_use", CHAT_FINISH_TOOLS},    {"refusal", CHAT_FINISH_CONTENT},
    };
    for (size_t i = 0; i < COUNT(finishes); i++)
        if (json_text_is(reason, finishes[i].reason))
            return finishes[i].finish;
    return CHAT_FINISH_STOP;
}

/* Why it stopped, in a message or at its end. False: it does not say. */
static bool read_stop(struct reading *r, struct json_value of)
{
    struct json_value reason = json_get(of, "stop_reason");
    struct call *c = r->relay.a->call;
    if (!json_is(reason, JSON_STRING))
        return false;
    r->relay.a->finish = finish_of(reason);
    if (r->relay.decode) /* the event that says it goes first */
        r->stop = arena_copy(c->arena, json_text(json_get(of, "stop_sequence"), c->arena));
    return true;
}

static void trace(const struct reading *r, struct json_value message, struct json_value delta)
{
    if (r->relay.a->traced)
        traced_answer(r->relay.a, json_get(message, "id"), json_get(message, "model"),
                      json_get(delta, "stop_reason"));
}

/* ---- The content ---- */

static void put(struct reading *r, enum chat_event_kind kind, struct str text)
{
    if (r->relay.decode && text.len > 0)
        relay_put(&r->relay, &(struct chat_event){.kind = kind, .text = text});
}

/* Counts what comes, and notes that it will have been said. `plain`: it is the answer's text and
 * nothing else is. */
static struct str take(struct reading *r, struct json_value v, bool plain, struct arena *tmp)
{
    struct attempt *a = r->relay.a;
    struct str text = STR_NONE;
    size_t n = relay_count(&r->relay, v);
    r->relay.counted += n;
    if (n == 0)
        return text;
    if (r->relay.decode || (plain && a->said->keep))
        text = json_text(v, tmp);
    if (plain)
        text = resume_text(a, text, tmp);
    provider_spoke(a, text, plain);
    return text;
}

static void take_text(struct reading *r, struct json_value text, bool first, struct arena *tmp)
{
    bool plain = (first || r->relay.decode) && !request(r)->rigid;
    put(r, CHAT_TEXT, take(r, text, plain, tmp));
}

/* A tool's call begins; a whole one has its input, the first event of one an empty object. */
static void begin_call(struct reading *r, struct json_value block, struct arena *tmp)
{
    struct json_value input = json_get(block, "input");
    take(r, json_get(block, "name"), false, tmp);
    r->block = TOOL_BLOCK;
    r->has_arguments = json_is(input, JSON_OBJECT) && json_count(input) > 0;
    if (!r->relay.decode)
        return;
    relay_put(&r->relay, &(struct chat_event){.kind = CHAT_TOOL_CALL,
                                              .id = json_text(json_get(block, "id"), tmp),
                                              .name = json_text(json_get(block, "name"), tmp)});
    if (r->has_arguments)
        put(r, CHAT_ARGUMENTS, json_raw(input));
}

static void end_block(struct reading *r)
{
    if (r->block == TOOL_BLOCK && !r->has_arguments)
        put(r, CHAT_ARGUMENTS, STR("{}"));
    r->block = NO_BLOCK;
}

/* A block of a whole answer, or what the first event of one has of it. */
static void take_block(struct reading *r, struct json_value block, bool first, struct arena *tmp)
{
    struct json_value type = json_get(block, "type");
    r->block = SOME_BLOCK;
    if (json_text_is(type, "text")) {
        take_text(r, json_get(block, "text"), first, tmp);
    } else if (json_text_is(type, "thinking")) {
        put(r, CHAT_THINKING, take(r, json_get(block, "thinking"), false, tmp));
        put(r, CHAT_SIGNATURE, take(r, json_get(block, "signature"), false, tmp));
    } else if (json_text_is(type, "redacted_thinking")) {
        put(r, CHAT_REDACTED, take(r, json_get(block, "data"), false, tmp));
    } else if (json_text_is(type, "tool_use")) {
        begin_call(r, block, tmp);
    } else { /* of tools that only a client of this protocol can have asked for */
        provider_spoke(r->relay.a, STR_NONE, false);
    }
}

/* ---- A whole answer ---- */

__attribute__((noinline)) static bool send_raw(struct reading *r, const struct json *doc,
                                               struct err *e)
{
    struct attempt *a = r->relay.a;
    struct call *c = a->call;
    struct json_value root = json_root(doc), model = json_get(root, "model");
    struct splice s;
    splice_init(&s, doc);
    if (json_exists(model) && !relay_is_model(a, model))
        splice_object(&s, root,
                      &(struct splice_member){"model", relay_quoted(c->req.model, c->arena)}, 1);
    return relay_send(a, &(struct chat_event){.kind = CHAT_RAW, .raw = splice_text(&s, c->arena)},
                      e);
}

static bool send_finish(struct reading *r, struct err *e)
{
    return relay_send(
        r->relay.a,
        &(struct chat_event){.kind = CHAT_FINISH, .finish = r->relay.a->finish, .stop = r->stop},
        e);
}

/* In scratch memory, as nothing waits here. */
static void take_blocks(struct reading *r, struct json_value content)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    bool first = true;
    json_each(it, content)
    {
        take_block(r, it.value, first, tmp);
        end_block(r);
        first = false;
    }
    arena_rewind(tmp, mark);
}

static bool take_message(struct reading *r, const struct json *doc, struct err *e)
{
    struct json_value root = json_root(doc), content = json_get(root, "content");
    if (!json_is(content, JSON_ARRAY) || !read_stop(r, root))
        return relay_malformed(r->relay.a, "answered without an answer", e);
    trace(r, root, root);
    relay_begin(&r->relay);
    r->relay.usage_known = read_usage(r, json_get(root, "usage"));
    take_blocks(r, content);
    if (!r->relay.usage_known)
        relay_count_usage(&r->relay);
    return r->relay.decode ? relay_flush(&r->relay, e) && send_finish(r, e) : send_raw(r, doc, e);
}

__attribute__((noinline)) static bool read_whole(struct reading *r, struct http_exchange *x,
                                                 struct err *e)
{
    struct attempt *a = r->relay.a;
    struct str body;
    struct json doc;
    if (!http_exchange_body(x, &body, RELAY_ANSWER_MOST, e))
        return relay_broke_off(a, e);
    if (!json_parse(&doc, a->call->early, body, 0, NULL))
        return relay_malformed(a, "answered with something that is not JSON", e);
    struct json_value root = json_root(&doc), error = json_get(root, "error");
    if (json_is(error, JSON_OBJECT))
        return refusal_in_answer(a->target->provider->name, error, e);
    if (a->call->req.op == OP_COUNT_TOKENS)
        return json_is(json_get(root, "input_tokens"), JSON_NUMBER)
                   ? send_raw(r, &doc, e)
                   : relay_malformed(a, "answered without a count", e);
    return take_message(r, &doc, e);
}

/* ---- A stream ---- */

/* Goes out with what waited before it. */
static void pass(struct reading *r, const struct sse_event *ev, struct str piece)
{
    if (r->relay.decode)
        return;
    if (r->waiting.len > 0) {
        buf_add(relay_make(&r->relay), r->waiting);
        r->waiting = STR_NONE;
    }
    relay_pass(&r->relay, ev->raw, piece);
}

/* The start or the end of a block. */
static void pass_edge(struct reading *r, const struct sse_event *ev, struct str piece)
{
    const struct said *said = r->relay.a->said;
    bool waits = !said->spoke || (said->keep && said->plain);
    if (waits && !r->relay.decode && r->waiting.len < WAITING_MOST)
        r->waiting = arena_printf(r->relay.a->call->early, "%.*s%.*s", STR_FMT(r->waiting),
                                  STR_FMT(ev->raw));
    else
        pass(r, ev, piece);
}

static void pass_renamed(struct reading *r, const struct json *doc, struct arena *tmp)
{
    struct splice s;
    splice_init(&s, doc);
    splice_object(&s, json_get(json_root(doc), "message"),
                  &(struct splice_member){"model", relay_quoted(request(r)->model, tmp)}, 1);
    relay_make_event(&r->relay, STR("message_start"), splice_text(&s, tmp));
}

static void look_at_start(struct reading *r, const struct sse_event *ev, const struct json *doc,
                          struct str piece, struct arena *tmp)
{
    struct json_value message = json_get(json_root(doc), "message");
    if (r->started)
        return; /* it comes once; clients would begin anew */
    r->started = true;
    read_usage(r, json_get(message, "usage"));
    trace(r, message, message);
    if (r->relay.decode)
        return;
    if (json_is(message, JSON_OBJECT) && !relay_is_model(r->relay.a, json_get(message, "model")))
        pass_renamed(r, doc, tmp);
    else
        pass(r, ev, piece);
}

static void look_at_delta(struct reading *r, struct json_value root, struct arena *tmp)
{
    struct json_value delta = json_get(root, "delta"), type = json_get(delta, "type");
    if (json_text_is(type, "text_delta")) {
        int64_t index = 0;
        json_int(json_get(root, "index"), &index);
        take_text(r, json_get(delta, "text"), index == 0, tmp);
    } else if (json_text_is(type, "input_json_delta")) {
        struct str more = take(r, json_get(delta, "partial_json"), false, tmp);
        r->has_arguments = r->has_arguments || more.len > 0;
        if (r->block == TOOL_BLOCK)
            put(r, CHAT_ARGUMENTS, more);
    } else if (json_text_is(type, "thinking_delta")) {
        put(r, CHAT_THINKING, take(r, json_get(delta, "thinking"), false, tmp));
    } else if (json_text_is(type, "signature_delta")) {
        put(r, CHAT_SIGNATURE, take(r, json_get(delta, "signature"), false, tmp));
    }
}

/* All that an answer says has come; a tool's call that is still open has lost its end. */
static bool look_at_end(struct reading *r, struct json_value root, struct err *e)
{
    if (r->block == TOOL_BLOCK)
        return relay_malformed(r->relay.a, "ended its answer inside a tool call", e);
    r->relay.usage_known = read_usage(r, json_get(root, "usage")) || r->relay.usage_known;
    trace(r, (struct json_value){0}, json_get(root, "delta"));
    r->relay.complete = read_stop(r, json_get(root, "delta")) || r->relay.complete;
    return true;
}

static bool skip(const struct reading *r, struct err *e)
{
    const struct attempt *a = r->relay.a;
    if (r->block == TOOL_BLOCK)
        return relay_malformed(a, "sent a tool call that cannot be read", e);
    log_info("event_skipped", kv("request", (const char *)a->call->id),
             kv("provider", a->target->provider->name));
    return true;
}

#define EVENTS(X)                                                                                  \
    X(BLOCK_DELTA, "content_block_delta")                                                          \
    X(BLOCK_START, "content_block_start")                                                          \
    X(BLOCK_STOP, "content_block_stop")                                                            \
    X(DELTA, "message_delta")                                                                      \
    X(START, "message_start")                                                                      \
    X(STOP, "message_stop")                                                                        \
    X(PING, "ping")                                                                                \
    X(ERROR, "error")
#define X(name, text) EVENT_##name,
enum event { EVENTS(X) EVENT_OTHER };
#undef X

static enum event event_of(struct json_value type)
{
#define X(name, text) text,
    static const char *const names[] = {EVENTS(X)};
#undef X
    enum event i = 0;
    while (i < EVENT_OTHER && !json_text_is(type, names[i]))
        i++;
    return i;
}

static bool look(struct relay *relay, const struct sse_event *ev, struct str piece,
                 struct arena *tmp, struct err *e)
{
    struct reading *r = CONTAINER_OF(relay, struct reading, relay);
    struct json doc;
    int64_t index = 0;
    if (!json_parse(&doc, tmp, ev->data, 0, NULL))
        return skip(r, e);
    struct json_value root = json_root(&doc);
    enum event event = event_of(json_get(root, "type"));
    if (!r->started && event <= EVENT_DELTA && !relay->decode)
        return relay_malformed(relay->a, "sent content before its message", e);
    switch (event) {
    case EVENT_BLOCK_DELTA:
        if (r->block == NO_BLOCK)
            return relay_malformed(relay->a, "sent a piece of a block that it did not begin", e);
        look_at_delta(r, root, tmp);
        pass(r, ev, piece);
        return true;
    case EVENT_BLOCK_START:
        if (r->block == TOOL_BLOCK)
            return relay_malformed(relay->a, "began a block inside a tool call", e);
        json_int(json_get(root, "index"), &index);
        take_block(r, json_get(root, "content_block"), index == 0, tmp);
        pass_edge(r, ev, piece);
        return true;
    case EVENT_BLOCK_STOP:
        end_block(r);
        pass_edge(r, ev, piece);
        return true;
    case EVENT_START: look_at_start(r, ev, &doc, piece, tmp); return true;
    case EVENT_DELTA: pass(r, ev, piece); return look_at_end(r, root, e);
    case EVENT_STOP: relay->done = true; return true;
    case EVENT_ERROR:
        return refusal_in_answer(relay->a->target->provider->name, json_get(root, "error"), e);
    case EVENT_PING:
        if (!relay->decode)
            relay_pass(relay, ev->raw, piece);
        return true;
    case EVENT_OTHER: pass(r, ev, piece); return true;
    }
    return true;
}

static bool read_stream(struct reading *r, struct http_exchange *x, struct err *e)
{
    struct attempt *a = r->relay.a;
    if (!relay_is_stream(x))
        return relay_no_stream(a, x, e);
    return relay_stream(&r->relay, x, e) && (!r->relay.decode || send_finish(r, e));
}

/* ---- The call ---- */

/* What is still in development is asked for by name. */
static struct str betas(const struct call *c)
{
    struct str betas = c->req.betas;
    return betas.len ? arena_printf(c->early, "anthropic-beta: %.*s\r\n", STR_FMT(betas))
                     : STR_NONE;
}

static bool exchange(struct attempt *a, struct http_exchange **x, struct err *e)
{
    size_t n;
    const struct str *part = anthropic_body(a, &n, e);
    return part && relay_ask(a, x, betas(a->call), part, n, e);
}

static bool answer(struct attempt *a, struct err *e)
{
    const struct chat_request *request = &a->call->req;
    struct reading r = {.relay = {.a = a, .look = look}};
    struct http_exchange *x;
    r.relay.decode = a->decode || request->grounded || request->dialect != CHAT_ANTHROPIC;
    if (!exchange(a, &x, e))
        return false;
    a->status = x->head.status;
    bool good = a->status != 200  ? relay_refused(a, x, e)
                : request->stream ? read_stream(&r, x, e)
                                  : read_whole(&r, x, e);
    http_exchange_end(x);
    if (a->resume)
        resume_usage(a);
    return good;
}

const struct provider_kind provider_anthropic = {
    .name = "anthropic",
    .dialect = CHAT_ANTHROPIC,
    .ops = 1u << OP_CHAT | 1u << OP_COUNT_TOKENS,
    .answer = answer,
};
