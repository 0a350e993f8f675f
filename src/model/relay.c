#include "model/relay.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/refusal.h"
#include "run/fiber.h"
#include "text/token.h"

enum {
    REFUSAL_MOST = 256 << 10,
    MADE_MOST = 2 * RELAY_EVENT_MOST,
    ONE_TOKEN = 8,         /* bytes */
    TOKENS_MOST = 1 << 30, /* of one answer: sums and costs stay far from overflow */
    END_MARK_MS = 500,
};

/* ---- What goes to the client ---- */

bool relay_send(struct attempt *a, const struct chat_event *ev, struct err *e)
{
    a->said->begun = true;
    return a->sink->event(a->sink, ev, e);
}

static void copy_run(struct relay *r)
{
    buf_add(&r->made.buf, r->run);
    r->run = STR_NONE;
}

void relay_pass(struct relay *r, struct str raw, struct str piece)
{
    /* Only what lies in the piece itself stays when the next event is looked for. */
    bool stays = raw.p >= piece.p && raw.p < piece.p + piece.len;
    if (stays && r->made.buf.len == 0 && r->run.len == 0) {
        r->run = raw;
    } else if (stays && r->made.buf.len == 0 && r->run.p + r->run.len == raw.p) {
        r->run.len += raw.len;
    } else {
        copy_run(r);
        buf_add(&r->made.buf, raw);
    }
}

struct buf *relay_make(struct relay *r)
{
    copy_run(r);
    return &r->made.buf;
}

void relay_make_event(struct relay *r, struct str name, struct str data)
{
    struct buf *to = relay_make(r);
    struct str line;
    if (name.len > 0)
        buf_printf(to, "event: %.*s\n", STR_FMT(name));
    while (str_split(&data, '\n', &line)) {
        buf_add(to, STR("data: "));
        buf_add(to, line);
        buf_char(to, '\n');
    }
    buf_char(to, '\n');
}

void relay_put(struct relay *r, const struct chat_event *ev)
{
    chat_queue_put(&r->made, ev);
}

void relay_begin(struct relay *r)
{
    r->run = STR_NONE;
    chat_queue_fini(&r->made);
    chat_queue_init(&r->made, MADE_MOST);
}

static bool send_bytes(struct relay *r, struct err *e)
{
    struct str out = r->made.buf.len > 0 ? buf_str(&r->made.buf) : r->run;
    const struct chat_event ev = {.kind = CHAT_RAW, .raw = out, .last = r->done};
    return out.len == 0 || relay_send(r->a, &ev, e);
}

bool relay_flush(struct relay *r, struct err *e)
{
    bool good = true;
    if (!buf_ok(&r->made.buf)) {
        good = relay_malformed(r->a, "sent more in one piece than is taken", e);
    } else if (!r->decode) {
        good = send_bytes(r, e);
    } else if (r->made.buf.len > 0) {
        r->a->said->begun = true;
        good = chat_queue_send(&r->made, r->a->sink, e);
    }
    relay_begin(r);
    return good;
}

/* ---- Asking ---- */

bool relay_ask(struct attempt *a, struct http_exchange **x, struct str more, const struct str *part,
               size_t n, struct err *e)
{
    const struct call *c = a->call;
    struct str lines = provider_lines(a);
    if (more.len > 0)
        lines = arena_printf(c->early, "%.*s%.*s", STR_FMT(lines), STR_FMT(more));
    struct http_deadlines d = a->target->provider->deadlines;
    d.reuse = a->reuse;
    if (http_exchange_start(x, c->http, c->arena, c->early, &a->endpoint->origin, STR("POST"),
                            provider_path(a), lines, part, n, &d, e))
        return true;
    a->stale = *x && (*x)->stale;
    return relay_broke_off(a, e);
}

/* ---- Reading ---- */

bool relay_is_model(const struct attempt *a, struct json_value model)
{
    struct str raw = json_raw(model), asked = a->call->req.model;
    return raw.len >= 2 && str_eq((struct str){raw.p + 1, raw.len - 2}, asked);
}

static bool look(struct relay *r, const struct sse_event *ev, struct str piece, struct err *e)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    bool good = r->look(r, ev, piece, tmp, e);
    arena_rewind(tmp, mark);
    return good;
}

__attribute__((noinline)) static bool take_piece(struct relay *r, struct sse_reader *events,
                                                 struct str piece, struct err *e)
{
    struct sse_event ev;
    struct err late; /* of what came before a bad event, which is good */
    int got = 0;
    bool good = true;
    sse_feed(events, piece);
    while (good && !r->done && (got = sse_next(events, &ev, e)) > 0)
        good = look(r, &ev, piece, e);
    if (!relay_flush(r, good && got >= 0 ? e : &late))
        return false;
    return good && got >= 0;
}

/* Whoever has said all may be slow to say that it was all. */
static void hurry(const struct relay *r)
{
    int64_t soon = clock_after(clock_now(), END_MARK_MS);
    fiber_deadline(soon < r->a->call->deadline_ns ? soon : r->a->call->deadline_ns);
}

static bool read_events(struct relay *r, struct http_exchange *x, struct err *e)
{
    struct sse_reader events;
    struct str piece;
    int got = 1;
    bool good = true, hurried = false;
    sse_init(&events, RELAY_EVENT_MOST);
    relay_begin(r);
    while (good && !r->done && (got = http_exchange_read(x, &piece, e)) > 0) {
        good = take_piece(r, &events, piece, e);
        if (r->complete && !hurried) {
            hurried = true;
            hurry(r);
        }
    }
    if (hurried)
        fiber_deadline(r->a->call->deadline_ns);
    sse_fini(&events);
    relay_begin(r);
    if (!good)
        return false;
    if (r->complete && !(got < 0 && e->code == ERR_CANCELLED))
        return true;
    return got < 0 ? relay_broke_off(r->a, e) : relay_malformed(r->a, "cut its stream short", e);
}

bool relay_stream(struct relay *r, struct http_exchange *x, struct err *e)
{
    bool good = read_events(r, x, e);
    if (!r->usage_known)
        relay_count_usage(r);
    return good;
}

/* ---- Counting ---- */

bool relay_tokens(struct json_value v, int64_t *n)
{
    return json_int(v, n) && *n >= 0 && *n <= TOKENS_MOST;
}

/* Escapes are few, so counting is not hurt by them. Most deltas of a stream are one token, too
 * short to be worth a look. */
size_t relay_count_text(const struct relay *r, struct str text)
{
    return text.len == 0 ? 0 : text.len <= ONE_TOKEN || r->usage_known ? 1 : token_count(text);
}

size_t relay_count(const struct relay *r, struct json_value v)
{
    if (!json_is(v, JSON_STRING))
        return 0;
    struct str raw = json_raw(v);
    return relay_count_text(r, (struct str){raw.p + 1, raw.len - 2});
}

void relay_count_usage(struct relay *r)
{
    struct chat_usage *u = &r->a->usage;
    u->counted = true;
    if (u->input == 0)
        u->input = call_prompt_tokens(r->a->call);
    u->output = (int64_t)r->counted;
}

/* ---- Errors ---- */

bool relay_malformed(const struct attempt *a, const char *what, struct err *e)
{
    return err_set(e, ERR_UPSTREAM, "provider '%.*s' %s", STR_FMT(a->target->provider->name), what);
}

bool relay_broke_off(const struct attempt *a, struct err *e)
{
    struct str name = a->target->provider->name;
    if (e->code == ERR_CANCELLED)
        return false;
    log_info("provider_failed", kv("request", (const char *)a->call->id), kv("provider", name),
             kv("error", err_name(e->code)), kv("reason", (const char *)e->msg));
    return err_set(e, e->code == ERR_TIMEOUT ? ERR_TIMEOUT : ERR_UPSTREAM,
                   e->code == ERR_TIMEOUT ? "provider '%.*s' took too long"
                                          : "provider '%.*s' could not be reached, or broke off",
                   STR_FMT(name));
}

__attribute__((noinline)) bool relay_refused(const struct attempt *a, struct http_exchange *x,
                                             struct err *e)
{
    struct str body = STR_NONE;
    if (!http_exchange_body(x, &body, REFUSAL_MOST, e)) {
        if (e->code == ERR_CANCELLED)
            return false;
        body = STR_NONE; /* the status says enough */
    }
    return refusal(a->target->provider->name, &x->head, body, e);
}

bool relay_is_stream(const struct http_exchange *x)
{
    struct str type = STR_NONE;
    http_header_get(&x->head.headers, STR("content-type"), &type);
    return !str_istarts(type, STR("application/json")) && !str_istarts(type, STR("text/html"));
}

__attribute__((noinline)) bool relay_no_stream(const struct attempt *a, struct http_exchange *x,
                                               struct err *e)
{
    struct str body;
    struct json doc;
    if (!http_exchange_body(x, &body, REFUSAL_MOST, e))
        return relay_broke_off(a, e);
    if (json_parse(&doc, a->call->early, body, 0, NULL)) {
        struct json_value error = json_get(json_root(&doc), "error");
        if (json_exists(error) && !json_is(error, JSON_NULL))
            return refusal_in_answer(a->target->provider->name, error, e);
    }
    return relay_malformed(a, "answered with a document where a stream was asked for", e);
}

struct str relay_quoted(struct str s, struct arena *a)
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
