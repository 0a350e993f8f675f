/* A server that speaks OpenAI's protocol.
 *
 * To clients that speak it too the answer goes byte for byte, with the model called as they asked
 * for it. Each byte of it is looked at once, by the JSON scanner or, where an answer or a chunk is
 * like one before (model/openai_alike.h), beside that one, so that nothing that is broken, cut
 * short or an error in disguise is passed on as a success; what comes in one read and needs no
 * change goes out in one piece.
 *
 * To all others, and to stages that work on text, the answer goes as canonical events.
 */
#include "base/log.h"
#include "model/openai_alike.h"
#include "model/openai_body.h"
#include "model/openai_calls.h"
#include "model/openai_ops.h"
#include "model/openai_usage.h"
#include "model/reasoning.h"
#include "model/refusal.h"
#include "model/relay.h"
#include "model/resume.h"
#include "model/splice.h"
#include "model/traced.h"
#include "run/work_json.h"

enum { CHOICES_MOST = 128 /* of the protocol's `n` */ };

/* One answer while it is read. */
struct reading {
    struct relay relay;
    uint64_t begun[CHOICES_MOST / 64]; /* a bit for each choice that has been seen ... */
    uint64_t ended[CHOICES_MOST / 64]; /* ... and for each with a finish_reason */
    struct openai_calls *calls;        /* of tools, when decoded; NULL: none yet */
};

static const struct chat_request *request(const struct reading *r)
{
    return &r->relay.a->call->req;
}

/* ---- What an answer says of itself ---- */

static bool is_given(struct json_value v)
{
    return json_exists(v) && !json_is(v, JSON_NULL);
}

static bool is_text(struct json_value v)
{
    return json_is(v, JSON_STRING) && json_raw(v).len > 2;
}

static void read_usage(struct reading *r, struct json_value usage)
{
    if (openai_usage_read(usage, &r->relay.a->usage))
        r->relay.usage_known = true;
}

static enum chat_finish finish_of(struct json_value reason)
{
    return json_text_is(reason, "length")           ? CHAT_FINISH_LENGTH
           : json_text_is(reason, "model_length")   ? CHAT_FINISH_LENGTH /* Mistral's window */
           : json_text_is(reason, "tool_calls")     ? CHAT_FINISH_TOOLS
           : json_text_is(reason, "function_call")  ? CHAT_FINISH_TOOLS
           : json_text_is(reason, "content_filter") ? CHAT_FINISH_CONTENT
                                                    : CHAT_FINISH_STOP;
}

/* The members that matter of an answer, or of a chunk of one. */
struct answered {
    struct json_value error, usage, list, model;
};

/* Of names that are equally long those come first that every chunk has. */
static struct answered answered(struct json_value root, struct str list)
{
    const struct str name[] = {list, STR("model"), STR("usage"), STR("error")};
    struct json_value v[COUNT(name)];
    json_members(root, name, COUNT(name), v);
    return (struct answered){.list = v[0], .model = v[1], .usage = v[2], .error = v[3]};
}

/* ... and of a choice. */
struct choice {
    struct json_value index, error, reason, delta, message;
    struct json_value all;
};

static struct choice choice_of(struct json_value choice)
{
    static const struct str name[] = {STR_INIT("index"), STR_INIT("delta"), STR_INIT("message"),
                                      STR_INIT("finish_reason"), STR_INIT("error")};
    struct json_value v[COUNT(name)];
    json_members(choice, name, COUNT(name), v);
    return (struct choice){.index = v[0],
                           .delta = v[1],
                           .message = v[2],
                           .reason = v[3],
                           .error = v[4],
                           .all = choice};
}

/* Some servers put what went wrong into a choice. */
static bool choice_failed(const struct reading *r, const struct choice *choice, struct err *e)
{
    if (is_given(choice->error))
        refusal_in_answer(r->relay.a->target->provider->name, choice->error, e);
    else if (json_is(choice->reason, JSON_STRING) && json_text_is(choice->reason, "error"))
        relay_malformed(r->relay.a, "ended its answer with an error", e);
    else
        return false;
    return true;
}

/* ---- The content of a choice ---- */

/* Where the content is: in a message, a delta, or (of a completion) in the choice itself. */
static struct json_value message_of(const struct choice *choice)
{
    return json_exists(choice->delta)     ? choice->delta
           : json_exists(choice->message) ? choice->message
                                          : choice->all;
}

static struct json_value text_of(struct json_value message)
{
    struct json_value v = json_get(message, "content");
    return json_exists(v) ? v : json_get(message, "text");
}

/* A text as it is, or its parts joined. */
static struct str joined_text(struct json_value content, struct arena *tmp)
{
    struct buf b;
    if (!json_is(content, JSON_ARRAY))
        return json_text(content, tmp);
    buf_init(&b, json_raw(content).len); /* decoded it is no longer */
    json_each(part, content) buf_add(&b, json_text(json_get(part.value, "text"), tmp));
    struct str text = arena_copy(tmp, buf_str(&b));
    buf_fini(&b);
    return text;
}

static void put_text(struct reading *r, enum chat_event_kind kind, struct str text)
{
    if (text.len == 0)
        return;
    openai_calls_interrupt(r->calls);
    relay_put(&r->relay, &(struct chat_event){.kind = kind, .text = text});
}

static bool put_call(struct reading *r, struct json_value call, int64_t index, struct arena *tmp,
                     struct err *e)
{
    struct json_value function = json_get(call, "function");
    struct openai_call_piece p = {
        .index = index,
        .id = json_text(json_get(call, "id"), tmp),
        .name = json_text(json_get(function, "name"), tmp),
        .arguments = json_text(json_get(function, "arguments"), tmp),
    };
    json_int(json_get(call, "index"), &p.index);
    return openai_calls_take(&r->calls, &r->relay, &p, e);
}

/* The same reasoning may come as a text and as blocks, which carry what their maker wants back. */
static struct str reasoning_text(struct json_value message, struct arena *tmp)
{
    struct str text = json_text(json_get(message, "reasoning_content"), tmp);
    json_each(it, json_get(message, "thinking_blocks"))
    {
        if (is_text(json_get(it.value, "thinking")))
            return STR_NONE;
    }
    json_each(it, json_get(message, "reasoning_details"))
    {
        if (is_text(json_get(it.value, "text")) || is_text(json_get(it.value, "summary")))
            return STR_NONE;
    }
    return text.len > 0 ? text : json_text(json_get(message, "reasoning"), tmp);
}

static void put_thinking(struct reading *r, struct json_value message, struct arena *tmp)
{
    struct json_value content = json_get(message, "content");
    put_text(r, CHAT_THINKING, reasoning_text(message, tmp));
    json_each(it, json_get(message, "thinking_blocks"))
    {
        put_text(r, CHAT_THINKING, json_text(json_get(it.value, "thinking"), tmp));
        put_text(r, CHAT_SIGNATURE, json_text(json_get(it.value, "signature"), tmp));
        put_text(r, CHAT_REDACTED, json_text(json_get(it.value, "data"), tmp));
    }
    bool blocks = json_count(json_get(message, "thinking_blocks")) > 0; /* they say the same */
    json_each(it, json_get(message, "reasoning_details"))
    {
        struct reasoning_detail d;
        if (blocks || !reasoning_read(it.value, tmp, &d))
            continue;
        put_text(r, CHAT_THINKING, d.text);
        put_text(r, CHAT_SIGNATURE, d.signature);
        put_text(r, CHAT_REDACTED, d.data);
    }
    if (json_is(content, JSON_ARRAY))
        json_each(part, content)
            put_text(r, CHAT_THINKING, joined_text(json_get(part.value, "thinking"), tmp));
}

/* As canonical events; `text` is its text without what only repeats. */
static bool put_content(struct reading *r, struct json_value message, struct str text,
                        struct arena *tmp, struct err *e)
{
    int64_t index = 0;
    put_thinking(r, message, tmp);
    put_text(r, CHAT_TEXT, text);
    put_text(r, CHAT_REFUSAL, json_text(json_get(message, "refusal"), tmp));
    json_each(it, json_get(message, "tool_calls"))
    {
        if (!put_call(r, it.value, index++, tmp, e))
            return false;
    }
    return true;
}

/* Counts the content, notes what will have been said, and decodes it when that is wanted. */
static bool take_content(struct reading *r, const struct choice *choice, bool first,
                         struct arena *tmp, struct err *e)
{
    struct attempt *a = r->relay.a;
    struct json_value message = message_of(choice), content = text_of(message);
    struct str text = STR_NONE;
    size_t n = openai_usage_count_text(&r->relay, content);
    size_t rest = openai_usage_count_rest(&r->relay, message, content);
    r->relay.counted += n + rest;
    if (n + rest == 0)
        return true;
    if (r->relay.decode || a->said->keep)
        text = resume_text(a, joined_text(content, tmp), tmp);
    provider_spoke(a, text, rest == 0 && !request(r)->rigid);
    return !r->relay.decode || !first || put_content(r, message, text, tmp, e);
}

/* For the attempt's span, if there is one. */
static inline void note_answer(const struct attempt *a, struct json_value root)
{
    if (a->traced)
        traced_answer(a, json_get(root, "id"), json_get(root, "model"),
                      json_path(root, "choices.0.finish_reason"));
}

/* ---- What is like something before ---- */

/* Is nothing wanted of a usual answer but that it is passed on and counted? */
static bool may_glance(const struct reading *r)
{
    const struct attempt *a = r->relay.a;
    return !r->relay.decode && !a->said->keep && !a->traced;
}

/* What take_content does, for a text that is all there is. */
static void take_alike(struct reading *r, const struct openai_alike *like)
{
    size_t n = relay_count_text(&r->relay, like->text);
    r->relay.counted += n;
    if (n > 0)
        provider_spoke(r->relay.a, STR_NONE, !request(r)->rigid);
}

static struct str renamed(const struct reading *r, const struct openai_alike *like, struct str data,
                          struct arena *a)
{
    return openai_alike_renamed(like, data, relay_quoted(request(r)->model, a), a);
}

/* ---- A whole answer ---- */

/* Does it go under the name that the client asked for? Else the provider chose. */
static bool by_name(const struct reading *r)
{
    return r->relay.a->target->upstream.len > 0;
}

static bool send_raw(struct reading *r, struct str raw, struct err *e)
{
    return relay_send(r->relay.a, &(struct chat_event){.kind = CHAT_RAW, .raw = raw}, e);
}

static bool send_parsed(struct reading *r, const struct json *doc, struct json_value model,
                        struct err *e)
{
    struct call *c = r->relay.a->call;
    struct splice s;
    splice_init(&s, doc);
    if (by_name(r) && !relay_is_model(r->relay.a, model))
        splice_object(&s, json_root(doc),
                      &(struct splice_member){"model", relay_quoted(c->req.model, c->arena)}, 1);
    return send_raw(r, splice_text(&s, c->arena), e);
}

/* Some servers say "stop" behind tool calls. */
static struct chat_event finish_event(const struct reading *r)
{
    enum chat_finish finish = r->relay.a->finish;
    if (finish == CHAT_FINISH_STOP && r->calls)
        finish = CHAT_FINISH_TOOLS;
    return (struct chat_event){.kind = CHAT_FINISH, .finish = finish};
}

static bool send_decoded(struct reading *r, struct json_value choices, struct err *e)
{
    r->relay.a->finish = finish_of(json_path(choices, "0.finish_reason"));
    struct chat_event end = finish_event(r);
    openai_calls_end(r->calls, &r->relay);
    relay_put(&r->relay, &end);
    return relay_flush(&r->relay, e);
}

static bool take_choice(struct reading *r, struct json_value value, bool first, struct arena *tmp,
                        struct err *e)
{
    struct choice choice = choice_of(value);
    if (choice_failed(r, &choice, e))
        return false;
    if (!json_is(choice.message, JSON_OBJECT) && !json_is(json_get(value, "text"), JSON_STRING))
        return relay_malformed(r->relay.a, "answered with an empty choice", e);
    if (json_is(choice.reason, JSON_NULL))
        return relay_malformed(r->relay.a, "answered with a choice that has not ended", e);
    return take_content(r, &choice, first, tmp, e);
}

/* Looks at every choice; in scratch memory, as nothing waits here. */
static bool take_choices(struct reading *r, struct json_value choices, struct err *e)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    bool good = true, first = true;
    json_each(it, choices)
    {
        good = good && take_choice(r, it.value, first, tmp, e);
        first = false;
    }
    arena_rewind(tmp, mark);
    return good;
}

static bool has_choices(const struct reading *r)
{
    return request(r)->op == OP_CHAT || request(r)->op == OP_COMPLETION;
}

/* What is read and not written has no tokens out. */
static void read_total(struct reading *r, struct json_value root, struct json_value usage)
{
    struct chat_usage u = {0};
    if (has_choices(r)) {
        read_usage(r, usage);
    } else if (openai_ops_tokens(root, &u.input)) {
        r->relay.a->usage = u;
        r->relay.usage_known = true;
    }
}

static bool may_glance_at_whole(const struct reading *r, struct str body)
{
    return may_glance(r) && request(r)->op == OP_CHAT && request(r)->n_wanted <= 1 &&
           body.len < WORK_JSON_LONG;
}

/* What look_at_whole does, for an answer like one that it has looked at before. */
static bool send_alike(struct reading *r, const struct openai_alike *like, struct str body,
                       struct err *e)
{
    bool same = !by_name(r) || str_eq(like->model, request(r)->model);
    if (like->usage_known)
        r->relay.a->usage = like->usage;
    r->relay.usage_known = like->usage_known;
    take_alike(r, like);
    if (!r->relay.usage_known)
        relay_count_usage(&r->relay);
    return send_raw(r, same ? body : renamed(r, like, body, r->relay.a->call->arena), e);
}

static bool look_at_whole(struct reading *r, struct str body, struct err *e)
{
    struct attempt *a = r->relay.a;
    struct json doc;
    if (!work_json_parse(&doc, a->call->early, body, 0, NULL))
        return relay_malformed(a, "answered with something that is not JSON", e);
    struct json_value root = json_root(&doc);
    struct answered what = answered(root, str_from(openai_ops_list(a->call->req.op)));
    if (is_given(what.error))
        return refusal_in_answer(a->target->provider->name, what.error, e);
    if (!json_is(what.list, JSON_ARRAY) || !json_exists(json_at(what.list, 0)))
        return relay_malformed(a, "answered without an answer", e);
    note_answer(a, root);
    if (!openai_ops_check(a, what.list, e))
        return false;
    read_total(r, root, what.usage);
    relay_begin(&r->relay);
    if (has_choices(r) && !take_choices(r, what.list, e))
        return false;
    if (!r->relay.usage_known)
        relay_count_usage(&r->relay);
    if (may_glance_at_whole(r, body))
        openai_alike_learn(a->target, OPENAI_WHOLE, &doc);
    return r->relay.decode ? send_decoded(r, what.list, e) : send_parsed(r, &doc, what.model, e);
}

__attribute__((noinline)) static bool read_whole(struct reading *r, struct http_exchange *x,
                                                 struct err *e)
{
    struct attempt *a = r->relay.a;
    struct str body;
    struct openai_alike like;
    if (!http_exchange_body(x, &body, RELAY_ANSWER_MOST, e))
        return relay_broke_off(a, e);
    return may_glance_at_whole(r, body) && openai_alike_read(a->target, OPENAI_WHOLE, body, &like)
               ? send_alike(r, &like, body, e)
               : look_at_whole(r, body, e);
}

/* ---- A stream ---- */

/* ... of which the one of this index has begun. */
static void note_begun(struct reading *r, int64_t index)
{
    r->begun[index / 64] |= UINT64_C(1) << (index % 64);
}

static void pass_on_renamed(struct reading *r, const struct json *doc, struct arena *tmp)
{
    struct splice s;
    splice_init(&s, doc);
    splice_object(&s, json_root(doc),
                  &(struct splice_member){"model", relay_quoted(request(r)->model, tmp)}, 1);
    relay_make_event(&r->relay, STR_NONE, splice_text(&s, tmp));
}

/* What a chunk says of its choices. */
static bool read_choices(struct reading *r, struct json_value choices, struct arena *tmp,
                         struct err *e)
{
    json_each(it, choices)
    {
        int64_t index = 0;
        struct choice choice = choice_of(it.value);
        json_int(choice.index, &index);
        if (index < 0 || index >= CHOICES_MOST)
            return relay_malformed(r->relay.a, "sent a choice that was not asked for", e);
        if (choice_failed(r, &choice, e))
            return false;
        note_begun(r, index);
        if (json_is(choice.reason, JSON_STRING)) {
            r->ended[index / 64] |= UINT64_C(1) << (index % 64);
            if (index == 0)
                r->relay.a->finish = finish_of(choice.reason);
        }
        if (!take_content(r, &choice, index == 0, tmp, e))
            return false;
    }
    return true;
}

/* Has every choice that began its finish_reason, and have all begun? */
static bool all_ended(const struct reading *r)
{
    size_t n = 0;
    for (size_t i = 0; i < COUNT(r->begun); i++) {
        if (r->begun[i] != r->ended[i])
            return false;
        n += (size_t)__builtin_popcountll(r->begun[i]);
    }
    return n > 0 && n >= request(r)->n_wanted;
}

/* A chunk without choices carries the usage that we asked for, or nothing that a client can use;
 * old clients stumble over it, so only those who asked for usage get that one. */
static bool is_for_client(const struct reading *r, const struct answered *c)
{
    return json_exists(json_at(c->list, 0)) ||
           (request(r)->include_usage && json_is(c->usage, JSON_OBJECT));
}

/* What later chunks of the stream would have to agree with, should they come from elsewhere. */
__attribute__((noinline)) static void note_head(struct reading *r, struct json_value root)
{
    struct call *c = r->relay.a->call;
    struct said *said = r->relay.a->said;
    said->id = arena_copy(c->arena, json_raw(json_get(root, "id")));
    said->created = arena_copy(c->arena, json_raw(json_get(root, "created")));
}

/* First chunks differ from others. */
static bool may_glance_at_chunk(const struct reading *r)
{
    return may_glance(r) && r->relay.a->said->id.p;
}

/* What look_at does, for a chunk like one that it has looked at before. */
static bool glance_at(struct reading *r, const struct sse_event *ev, struct str piece,
                      struct arena *tmp)
{
    struct openai_alike like;
    if (!openai_alike_read(r->relay.a->target, OPENAI_CHUNK, ev->data, &like) ||
        like.index >= CHOICES_MOST)
        return false;
    note_begun(r, like.index);
    take_alike(r, &like);
    r->relay.complete = all_ended(r);
    if (str_eq(like.model, request(r)->model))
        relay_pass(&r->relay, ev->raw, piece);
    else
        relay_make_event(&r->relay, STR_NONE, renamed(r, &like, ev->data, tmp));
    return true;
}

static bool look_at(struct reading *r, const struct sse_event *ev, struct str piece,
                    struct arena *tmp, struct err *e)
{
    struct json doc;
    if (!json_parse(&doc, tmp, ev->data, 0, NULL)) {
        log_info("event_skipped", kv("request", (const char *)r->relay.a->call->id),
                 kv("provider", r->relay.a->target->provider->name));
        return true; /* if it mattered the rest is not whole */
    }
    struct json_value root = json_root(&doc);
    struct answered c = answered(root, STR("choices"));
    if (is_given(c.error))
        return refusal_in_answer(r->relay.a->target->provider->name, c.error, e);
    if (json_is(c.usage, JSON_OBJECT))
        read_usage(r, c.usage);
    note_answer(r->relay.a, root);
    if (!read_choices(r, c.list, tmp, e))
        return false;
    r->relay.complete = all_ended(r);
    if (r->relay.decode || !is_for_client(r, &c))
        return true;
    if (may_glance_at_chunk(r))
        openai_alike_learn(r->relay.a->target, OPENAI_CHUNK, &doc);
    if (!r->relay.a->said->id.p)
        note_head(r, root);
    if (relay_is_model(r->relay.a, c.model))
        relay_pass(&r->relay, ev->raw, piece);
    else
        pass_on_renamed(r, &doc, tmp);
    return true;
}

static bool look(struct relay *relay, const struct sse_event *ev, struct str piece,
                 struct arena *tmp, struct err *e)
{
    struct reading *r = CONTAINER_OF(relay, struct reading, relay);
    if (!str_starts(ev->data, STR("{"))) {
        struct str data = str_trim(ev->data);
        relay->done = str_eq(data, STR("[DONE]"));
        if (relay->done || data.len == 0)
            return true;
    }
    return (may_glance_at_chunk(r) && glance_at(r, ev, piece, tmp)) ||
           look_at(r, ev, piece, tmp, e);
}

__attribute__((noinline)) static bool finish_stream(struct reading *r, struct err *e)
{
    struct chat_event end = finish_event(r);
    if (!r->relay.decode)
        return true;
    relay_begin(&r->relay);
    openai_calls_end(r->calls, &r->relay);
    relay_put(&r->relay, &end);
    return relay_flush(&r->relay, e);
}

static bool read_stream(struct reading *r, struct http_exchange *x, struct err *e)
{
    struct attempt *a = r->relay.a;
    if (!relay_is_stream(x))
        return relay_no_stream(a, x, e);
    return relay_stream(&r->relay, x, e) && finish_stream(r, e);
}

/* ---- The call ---- */

static bool exchange(struct attempt *a, struct http_exchange **x, struct err *e)
{
    size_t n;
    const struct str *part = openai_body(a, &n, e);
    return part && relay_ask(a, x, STR_NONE, part, n, e);
}

static bool answer(struct attempt *a, struct err *e)
{
    const struct chat_request *request = &a->call->req;
    struct reading r = {.relay = {.a = a, .look = look}};
    struct http_exchange *x;
    r.relay.decode = a->decode || request->grounded || request->dialect != CHAT_OPENAI ||
                     provider_op(a->target->provider, request->op) != request->op;
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

const struct provider_kind provider_openai = {
    .name = "openai",
    .dialect = CHAT_OPENAI,
    .ops = 1u << OP_CHAT | 1u << OP_COMPLETION | 1u << OP_EMBEDDING | 1u << OP_MODERATION |
           1u << OP_RERANK,
    .answer = answer,
};
