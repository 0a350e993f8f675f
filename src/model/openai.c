/* A server that speaks OpenAI's protocol, for clients that speak it too.
 *
 * The client's body goes on byte for byte with a few members spliced in: the provider's name for
 * the model, the wish for usage in a stream, and, when the request is grounded, the messages. The
 * answer comes back the same way. Each byte of it is looked at once, by the JSON scanner, so that
 * nothing that is broken, cut short or an error in disguise is passed on as a success; what comes
 * in one read and needs no change goes out in one piece.
 *
 * A grounded answer is decoded instead, because the cite stage works on text.
 */
#include "base/clock.h"
#include "base/log.h"
#include "model/prompt.h"
#include "model/provider.h"
#include "model/refusal.h"
#include "model/splice.h"
#include "model/traced.h"
#include "net/sse.h"
#include "text/token.h"

enum {
    ANSWER_MOST = 64 << 20,
    REFUSAL_MOST = 256 << 10,
    EVENT_MOST = 8 << 20,
    MADE_MOST = 2 * EVENT_MOST,
    CHOICES_MOST = 128, /* of the protocol's `n` */
    ONE_TOKEN = 8,      /* bytes */
};

/* Functions with large frames are kept out of line: what a stream that waits has on its stack is
 * multiplied by the number of streams. */

/* One answer while it is read. */
struct reading {
    const struct provider *p;
    struct call *c;
    struct chat_sink *sink;
    bool *committed;
    bool decode;                       /* text and finish instead of the provider's bytes */
    bool usage_seen, done;             /* done: [DONE] has come */
    uint64_t begun[CHOICES_MOST / 64]; /* a bit for each choice that has been seen ... */
    uint64_t ended[CHOICES_MOST / 64]; /* ... and for each with a finish_reason */
    size_t counted;                    /* tokens of the answer, as we count them */
    enum chat_finish finish;           /* of the first choice */
    struct str run;                    /* events to pass on as they are: a stretch of the piece */
    struct buf made;                   /* events or text to pass on that were made here */
};

/* ---- The request ---- */

static struct str quoted(struct str s, struct arena *a)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, s.len * 6 + 2);
    json_begin(&w, &b);
    json_put_str(&w, s);
    struct str text = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    return text;
}

/* The body as pieces: at most SPLICE_PARTS. */
__attribute__((noinline)) static struct str *body_parts(struct call *c, struct str model, size_t *n)
{
    static const struct str yes = STR("true"), options = STR("{\"include_usage\":true}");
    const struct chat_request *r = &c->req;
    struct json_value root = json_root(&r->body), stream_options = json_get(root, "stream_options");
    struct splice_member change[3];
    size_t n_changes = 0;
    struct splice s;
    splice_init(&s, &r->body);

    if (!str_eq(model, r->model))
        change[n_changes++] = (struct splice_member){"model", quoted(model, c->early)};
    if (r->grounded)
        change[n_changes++] = (struct splice_member){"messages", prompt_messages(c, c->early)};
    if (r->stream && !r->include_usage) {
        if (json_is(stream_options, JSON_OBJECT))
            splice_object(&s, stream_options, &(struct splice_member){"include_usage", yes}, 1);
        else
            change[n_changes++] = (struct splice_member){"stream_options", options};
    }
    splice_object(&s, root, change, n_changes);
    struct str *part = arena_array(c->early, struct str, SPLICE_PARTS);
    *n = splice_parts(&s, part);
    return part;
}

/* ---- What an answer says of itself ---- */

static void read_usage(struct reading *r, struct json_value usage)
{
    struct chat_usage u = {0};
    if (!json_int(json_get(usage, "prompt_tokens"), &u.input) ||
        !json_int(json_get(usage, "completion_tokens"), &u.output) || u.input < 0 || u.output < 0)
        return;
    if (!json_int(json_path(usage, "prompt_tokens_details.cached_tokens"), &u.cached) ||
        u.cached < 0 || u.cached > u.input)
        u.cached = 0;
    if (!json_int(json_path(usage, "completion_tokens_details.reasoning_tokens"), &u.reasoning) ||
        u.reasoning < 0 || u.reasoning > u.output)
        u.reasoning = 0;
    r->c->usage = u;
    r->usage_seen = true;
}

/* For those who do not tell, and for streams that were broken off. */
static void count_usage(struct reading *r)
{
    struct chat_usage u = {
        .counted = true, .input = call_prompt_tokens(r->c), .output = (int64_t)r->counted};
    r->c->usage = u;
}

static enum chat_finish finish_of(struct json_value reason)
{
    return json_text_is(reason, "length")           ? CHAT_FINISH_LENGTH
           : json_text_is(reason, "tool_calls")     ? CHAT_FINISH_TOOLS
           : json_text_is(reason, "content_filter") ? CHAT_FINISH_CONTENT
                                                    : CHAT_FINISH_STOP;
}

/* Text as it stands between the quotes; escapes are few, so counting is not hurt by them. Most
 * deltas of a stream are one token, too short to be worth a look. */
static size_t count_text(struct json_value v)
{
    if (!json_is(v, JSON_STRING))
        return 0;
    struct str text = str_from_at(json_raw(v), 1);
    text.len--;
    return text.len == 0 ? 0 : text.len <= ONE_TOKEN ? 1 : token_count(text);
}

/* Tokens of what a message or a delta carries. */
static size_t count_content(struct json_value message)
{
    size_t n = 0;
    json_each(it, message)
    {
        if (json_is(it.value, JSON_STRING) && !str_eq(it.name, STR("role")))
            n += count_text(it.value); /* content, reasoning_content, refusal */
        if (!str_eq(it.name, STR("tool_calls")))
            continue;
        json_each(call, it.value)
        {
            struct json_value function = json_get(call.value, "function");
            n += count_text(json_get(function, "name"));
            n += count_text(json_get(function, "arguments"));
        }
    }
    return n;
}

static bool malformed(const struct reading *r, const char *what, struct err *e)
{
    return err_set(e, ERR_UPSTREAM, "provider '%.*s' %s", STR_FMT(r->p->name), what);
}

/* The connection failed. Its reason names an address, which is for our log, not for clients. */
static bool broke_off(const struct reading *r, struct err *e)
{
    if (e->code == ERR_CANCELLED)
        return false;
    log_info("provider_failed", kv("request", (const char *)r->c->id), kv("provider", r->p->name),
             kv("error", err_name(e->code)), kv("reason", (const char *)e->msg));
    return err_set(e, e->code == ERR_TIMEOUT ? ERR_TIMEOUT : ERR_UPSTREAM,
                   e->code == ERR_TIMEOUT ? "provider '%.*s' took too long"
                                          : "provider '%.*s' could not be reached, or broke off",
                   STR_FMT(r->p->name));
}

/* Is the answer's model what the client asked for? */
static bool is_model(const struct reading *r, struct json_value model)
{
    struct str raw = json_raw(model), asked = r->c->req.model;
    return raw.len == asked.len + 2 && memcmp(raw.p + 1, asked.p, asked.len) == 0;
}

static bool send_event(struct reading *r, const struct chat_event *ev, struct err *e)
{
    *r->committed = true;
    return r->sink->event(r->sink, ev, e);
}

/* ---- A whole answer ---- */

static bool send_whole(struct reading *r, const struct json *doc, struct err *e)
{
    struct json_value root = json_root(doc);
    traced_answer(r->c, root);
    if (!r->decode) {
        struct splice s;
        splice_init(&s, doc);
        if (!is_model(r, json_get(root, "model")))
            splice_object(&s, root,
                          &(struct splice_member){"model", quoted(r->c->req.model, r->c->arena)},
                          1);
        return send_event(r, &(struct chat_event){CHAT_RAW, .raw = splice_text(&s, r->c->arena)},
                          e);
    }
    struct json_value choice = json_path(root, "choices.0");
    struct str text = json_text(json_path(choice, "message.content"), r->c->arena);
    if (text.len > 0 && !send_event(r, &(struct chat_event){CHAT_TEXT, .text = text}, e))
        return false;
    enum chat_finish finish = finish_of(json_get(choice, "finish_reason"));
    return send_event(r, &(struct chat_event){CHAT_FINISH, .finish = finish}, e);
}

__attribute__((noinline)) static bool read_whole(struct reading *r, struct http_exchange *x,
                                                 struct err *e)
{
    struct str body;
    struct json doc;
    if (!http_exchange_body(x, &body, ANSWER_MOST, e))
        return broke_off(r, e);
    if (!json_parse(&doc, r->c->early, body, 0, NULL))
        return malformed(r, "answered with something that is not JSON", e);
    struct json_value root = json_root(&doc), error = json_get(root, "error");
    if (json_exists(error) && !json_is(error, JSON_NULL))
        return refusal_in_answer(r->p->name, error, e);
    struct json_value choices = json_get(root, "choices");
    if (!json_is(choices, JSON_ARRAY) || json_count(choices) == 0)
        return malformed(r, "answered without choices", e);

    read_usage(r, json_get(root, "usage"));
    if (!r->usage_seen) {
        json_each(it, choices) r->counted += count_content(json_get(it.value, "message"));
        count_usage(r);
    }
    return send_whole(r, &doc, e);
}

/* ---- A stream ---- */

/* What goes to the client is collected per piece of the provider's: a stretch of the piece itself
 * as long as events follow each other unchanged, else a copy. */
static bool flush(struct reading *r, struct err *e)
{
    struct str out = r->made.len > 0 ? buf_str(&r->made) : r->run;
    if (!buf_ok(&r->made))
        return malformed(r, "sent more in one piece than is taken", e);
    struct chat_event ev = {.kind = CHAT_RAW, .raw = out};
    if (r->decode)
        ev = (struct chat_event){CHAT_TEXT, .text = out};
    bool good = out.len == 0 || send_event(r, &ev, e);
    r->run = STR_NONE;
    buf_fini(&r->made); /* a stream that waits holds no memory of its own */
    buf_init(&r->made, MADE_MOST);
    return good;
}

static void copy_run(struct reading *r)
{
    buf_add(&r->made, r->run);
    r->run = STR_NONE;
}

static void pass_on(struct reading *r, struct str raw, struct str piece)
{
    /* Only what lies in the piece itself stays when the next event is looked for. */
    bool stays = raw.p >= piece.p && raw.p < piece.p + piece.len;
    if (stays && r->made.len == 0 && r->run.len == 0) {
        r->run = raw;
    } else if (stays && r->made.len == 0 && r->run.p + r->run.len == raw.p) {
        r->run.len += raw.len;
    } else {
        copy_run(r);
        buf_add(&r->made, raw);
    }
}

static void pass_on_renamed(struct reading *r, const struct json *doc, struct arena *tmp)
{
    struct splice s;
    splice_init(&s, doc);
    splice_object(&s, json_root(doc),
                  &(struct splice_member){"model", quoted(r->c->req.model, tmp)}, 1);
    copy_run(r);
    buf_add(&r->made, STR("data: "));
    buf_add(&r->made, splice_text(&s, tmp));
    buf_add(&r->made, STR("\n\n"));
}

static void pass_on_text(struct reading *r, struct json_value choice, struct arena *tmp)
{
    int64_t index = 0;
    json_int(json_get(choice, "index"), &index);
    if (index == 0)
        buf_add(&r->made, json_text(json_path(choice, "delta.content"), tmp));
}

/* What a chunk says of its choices. False: an index that the protocol does not have. */
static bool read_choices(struct reading *r, struct json_value choices)
{
    json_each(it, choices)
    {
        int64_t index = 0;
        struct json_value delta = json_get(it.value, "delta");
        struct json_value reason = json_get(it.value, "finish_reason");
        json_int(json_get(it.value, "index"), &index);
        if (index < 0 || index >= CHOICES_MOST)
            return false;
        uint64_t bit = UINT64_C(1) << (index % 64);
        r->begun[index / 64] |= bit;
        if (json_is(reason, JSON_STRING)) {
            r->ended[index / 64] |= bit;
            if (index == 0)
                r->finish = finish_of(reason);
        }
        size_t n = count_content(delta);
        r->counted += n;
        if (n > 0 && r->c->first_token_ns == 0)
            r->c->first_token_ns = clock_now();
    }
    return true;
}

/* Has every choice that began its finish_reason? */
static bool all_ended(const struct reading *r)
{
    bool any = false;
    for (size_t i = 0; i < COUNT(r->begun); i++) {
        any = any || r->begun[i] != 0;
        if (r->begun[i] != r->ended[i])
            return false;
    }
    return any;
}

/* The members of a chunk that matter, found in one walk. */
struct chunk {
    struct json_value error, usage, choices, model;
};

static struct chunk chunk_of(struct json_value root)
{
    struct chunk c = {0};
    json_each(it, root)
    {
        if (str_eq(it.name, STR("choices")))
            c.choices = it.value;
        else if (str_eq(it.name, STR("model")))
            c.model = it.value;
        else if (str_eq(it.name, STR("usage")))
            c.usage = it.value;
        else if (str_eq(it.name, STR("error")))
            c.error = it.value;
    }
    return c;
}

/* A chunk without choices carries the usage that we asked for, or nothing that a client can use;
 * old clients stumble over it, so only those who asked for usage get that one. */
static bool is_for_client(const struct reading *r, const struct chunk *c)
{
    return json_exists(json_at(c->choices, 0)) ||
           (r->c->req.include_usage && json_is(c->usage, JSON_OBJECT));
}

/* Looks at one event. Never waits, as the scan lives in the thread's scratch arena. */
static bool look(struct reading *r, const struct sse_event *ev, struct str piece, struct arena *tmp,
                 struct err *e)
{
    struct json doc;
    if (!json_parse(&doc, tmp, ev->data, 0, NULL))
        return malformed(r, "sent an event that is not JSON", e);
    struct chunk c = chunk_of(json_root(&doc));
    if (json_exists(c.error) && !json_is(c.error, JSON_NULL))
        return refusal_in_answer(r->p->name, c.error, e);
    if (json_is(c.usage, JSON_OBJECT))
        read_usage(r, c.usage);
    traced_answer(r->c, json_root(&doc));
    if (!read_choices(r, c.choices))
        return malformed(r, "sent a choice that was not asked for", e);

    if (r->decode)
        pass_on_text(r, json_at(c.choices, 0), tmp);
    else if (!is_for_client(r, &c))
        return true;
    else if (is_model(r, c.model))
        pass_on(r, ev->raw, piece);
    else
        pass_on_renamed(r, &doc, tmp);
    return true;
}

static bool take_event(struct reading *r, const struct sse_event *ev, struct str piece,
                       struct err *e)
{
    struct str data = str_trim(ev->data);
    r->done = str_eq(data, STR("[DONE]"));
    if (r->done || data.len == 0)
        return true;
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    bool good = look(r, ev, piece, tmp, e);
    arena_rewind(tmp, mark);
    return good;
}

__attribute__((noinline)) static bool take_piece(struct reading *r, struct sse_reader *events,
                                                 struct str piece, struct err *e)
{
    struct sse_event ev;
    struct err late; /* of what came before a bad event, which is good */
    int got = 0;
    bool good = true;
    sse_feed(events, piece);
    while (good && !r->done && (got = sse_next(events, &ev, e)) > 0)
        good = take_event(r, &ev, piece, e);
    if (!flush(r, good && got >= 0 ? e : &late))
        return false;
    return good && got >= 0;
}

static bool read_events(struct reading *r, struct http_exchange *x, struct err *e)
{
    struct sse_reader events;
    struct str piece;
    int got = 1;
    bool good = true;
    sse_init(&events, EVENT_MOST);
    buf_init(&r->made, MADE_MOST);
    while (good && !r->done && (got = http_exchange_read(x, &piece, e)) > 0)
        good = take_piece(r, &events, piece, e);
    sse_fini(&events);
    buf_fini(&r->made);
    if (!r->usage_seen)
        count_usage(r);
    if (!good || r->done)
        return good;
    /* Without its end mark a stream is whole when each choice has said why it ended. */
    if (all_ended(r) && !(got < 0 && e->code == ERR_CANCELLED))
        return true;
    return got < 0 ? broke_off(r, e) : malformed(r, "cut its stream short", e);
}

/* Servers that know no streams, and pages of proxies in between, answer with a document. */
__attribute__((noinline)) static bool read_no_stream(struct reading *r, struct http_exchange *x,
                                                     struct err *e)
{
    struct str body;
    struct json doc;
    if (!http_exchange_body(x, &body, REFUSAL_MOST, e))
        return broke_off(r, e);
    if (json_parse(&doc, r->c->early, body, 0, NULL)) {
        struct json_value error = json_get(json_root(&doc), "error");
        if (json_exists(error) && !json_is(error, JSON_NULL))
            return refusal_in_answer(r->p->name, error, e);
    }
    return malformed(r, "answered with a document where a stream was asked for", e);
}

static bool read_stream(struct reading *r, struct http_exchange *x, struct err *e)
{
    struct str type = STR_NONE;
    http_header_get(&x->head.headers, STR("content-type"), &type);
    if (str_istarts(type, STR("application/json")) || str_istarts(type, STR("text/html")))
        return read_no_stream(r, x, e);
    if (!read_events(r, x, e))
        return false;
    return !r->decode || send_event(r, &(struct chat_event){CHAT_FINISH, .finish = r->finish}, e);
}

/* ---- The call ---- */

__attribute__((noinline)) static bool read_refusal(struct reading *r, struct http_exchange *x,
                                                   struct err *e)
{
    struct str body = STR_NONE;
    if (!http_exchange_body(x, &body, REFUSAL_MOST, e)) {
        if (e->code == ERR_CANCELLED)
            return false;
        body = STR_NONE; /* the status says enough */
    }
    return refusal(r->p->name, &x->head, body, e);
}

static bool openai_chat(const struct provider *p, struct call *c, struct str upstream_model,
                        struct chat_sink *sink, bool *committed, struct err *e)
{
    struct reading r = {.p = p, .c = c, .sink = sink, .committed = committed};
    struct http_exchange *x;
    size_t n;
    const struct str *part = body_parts(c, upstream_model, &n);
    r.decode = c->req.grounded;
    if (!http_exchange_start(&x, c->http, c->arena, c->early, &p->origin, STR("POST"),
                             STR("/chat/completions"),
                             trace_lines(c->trace, c->traced, c->early, p->request_lines), part, n,
                             &p->deadlines, e))
        return broke_off(&r, e);
    c->provider_status = x->head.status;
    bool good = x->head.status != 200 ? read_refusal(&r, x, e)
                : c->req.stream       ? read_stream(&r, x, e)
                                      : read_whole(&r, x, e);
    http_exchange_end(x);
    return good;
}

const struct provider_kind provider_openai = {
    .name = "openai",
    .tier = "provider",
    .chat = openai_chat,
};
