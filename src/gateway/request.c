#include "gateway/request.h"
#include "base/clock.h"
#include "gateway/messages_error.h"
#include "gateway/stages.h"
#include "run/fiber.h"
#include "run/work_json.h"

struct str request_tenant(const struct request *r)
{
    return str_from(r->call.key->tenant);
}

bool request_is_anthropic(const struct request *r)
{
    struct str version;
    return str_starts(r->http->path, STR("/v1/messages")) ||
           (str_starts(r->http->path, STR("/v1/models")) &&
            http_header_get(&r->http->head.headers, STR("anthropic-version"), &version));
}

/* Milliseconds with two decimals. */
static char *put_ms(char *to, int64_t ns)
{
    uint64_t hundredths = ns < 0 ? 0 : ((uint64_t)ns + 5000) / 10000, part = hundredths % 100;
    to = str_put_u64(to, hundredths / 100);
    *to++ = '.';
    *to++ = (char)('0' + part / 10);
    *to++ = (char)('0' + part % 10);
    return to;
}

/* "total;dur=12.40, provider;dur=12.31": all until now, and what of it the provider took. Made by
 * hand, as it stands on every answer of a model. */
static struct str server_timing(const struct request *r)
{
    const struct str total = STR("total;dur="), provider = STR(", provider;dur=");
    /* What lies behind the provider's answer is too little to show, if that has ended. */
    int64_t now = r->stage_ns > r->invoke_ns ? r->stage_ns : clock_now();
    char *from = arena_bytes(r->http->early, total.len + provider.len + 2 * 24);
    char *p = put_ms(str_put(from, total), now - r->call.start_ns);
    return str_span(from, put_ms(str_put(p, provider), now - r->invoke_ns));
}

/* Who answered a call, as far as it is known when the head goes out. */
static size_t call_headers(const struct request *r, struct http_header *h)
{
    static const char digit[] = "0123456789";
    const struct call *c = &r->call;
    size_t n = 0;
    if (!c->attempts)
        return 0;
    h[n++] = (struct http_header){STR("x-penstock-attempts"),
                                  {&digit[c->attempts < 9 ? c->attempts : 9], 1}};
    h[n++] = (struct http_header){STR("x-penstock-provider"), c->provider};
    h[n++] = (struct http_header){STR("x-penstock-model"), c->upstream_model};
    h[n++] = (struct http_header){STR("x-penstock-tier"), str_from(c->tier)};
    h[n++] = (struct http_header){STR("Server-Timing"), server_timing(r)};
    if (c->unsupported)
        h[n++] = (struct http_header){STR("x-penstock-unsupported"),
                                      arena_printf(r->http->early, "%d", c->unsupported)};
    return n;
}

size_t reply_headers(const struct request *r, const char *content_type,
                     struct http_header h[REPLY_HEADERS])
{
    size_t n = 0;
    struct str id = str_from(r->call.id);
    h[n++] = (struct http_header){STR("Content-Type"), str_from(content_type)};
    h[n++] = (struct http_header){STR("x-request-id"), id};
    if (request_is_anthropic(r))
        h[n++] = (struct http_header){STR("request-id"), id};
    if (r->poll_after_ms)
        h[n++] =
            (struct http_header){STR("openai-poll-after-ms"),
                                 arena_printf(r->call.arena, "%jd", (intmax_t)r->poll_after_ms)};
    return n + call_headers(r, h + n);
}

static bool reply_with(struct request *r, int status, const char *content_type,
                       const struct http_header *more, size_t n_more, struct str body,
                       struct err *e)
{
    struct http_header h[REPLY_HEADERS + 2];
    size_t n = reply_headers(r, content_type, h);
    for (size_t i = 0; i < n_more && n < COUNT(h); i++)
        h[n++] = more[i];
    return http_reply(r->http, status, h, n, &body, 1, e);
}

bool reply_text(struct request *r, int status, const char *content_type, struct str body,
                struct err *e)
{
    return reply_with(r, status, content_type, NULL, 0, body, e);
}

bool reply_json(struct request *r, int status, struct buf *body, struct err *e)
{
    bool sent = buf_ok(body) ? reply_with(r, status, "application/json", NULL, 0, buf_str(body), e)
                             : err_set(e, ERR_INTERNAL, "the answer is larger than it may be");
    buf_fini(body);
    return sent;
}

void reply_error_object(struct json_writer *w, const struct err *why)
{
    json_object(w);
    json_kv_text(w, "message", why->msg);
    json_kv_text(w, "type", err_api_type(why->code));
    json_kv_text(w, "param", why->param[0] ? why->param : NULL);
    json_kv_text(w, "code", err_api_code(why->code));
    json_end(w);
}

void reply_error_json(struct json_writer *w, const struct err *why)
{
    json_object(w);
    json_key(w, "error");
    reply_error_object(w, why);
    json_end(w);
}

/* What went wrong inside is for the log; the client hears what it can act on. */
struct err reply_shown(const struct err *why)
{
    struct err shown = *why;
    if (why->code == ERR_INTERNAL || why->code == ERR_IO || why->code == ERR_CORRUPT)
        err_set(&shown, why->code, "the server could not do this; its log says why");
    return shown;
}

static void put_error(struct json_writer *w, const struct request *r, bool anthropic,
                      const struct err *shown)
{
    if (anthropic)
        messages_error_json(w, r->call.id, shown);
    else
        reply_error_json(w, shown);
}

__attribute__((noinline)) void reply_error(struct request *r, const struct err *why)
{
    struct err shown = reply_shown(why), ignored;
    bool anthropic = request_is_anthropic(r);
    int status = anthropic ? messages_error_status(why->code) : err_status(why->code);
    struct http_header more[2];
    size_t n = 0;
    struct buf b;
    struct json_writer w;
    if (why->code == ERR_RATE || why->code == ERR_UNAVAILABLE) {
        int32_t s = why->retry_after_ms > 0 ? (why->retry_after_ms + 999) / 1000 : 1;
        more[n++] =
            (struct http_header){STR("Retry-After"), arena_printf(r->call.arena, "%d", (int)s)};
    }
    if (why->code == ERR_AUTH)
        more[n++] = (struct http_header){STR("WWW-Authenticate"), STR("Bearer")};
    else if (why->code == ERR_METHOD)
        more[n++] = (struct http_header){STR("Allow"), str_from(why->param)};
    if (why->code == ERR_METHOD)
        shown.param[0] = 0;
    buf_init(&b, 64 << 10);
    json_begin(&w, &b);
    put_error(&w, r, anthropic, &shown);
    /* A client that cannot be told has gone, and its connection with it. */
    reply_with(r, status, "application/json", more, n, buf_str(&b), &ignored);
    buf_fini(&b);
}

/* The call knows the protocol; the head may have been released. Not inlined, as its frame would lie
 * below each stream that waits. */
__attribute__((noinline)) void reply_broken(struct request *r, const struct err *why)
{
    struct err shown = reply_shown(why), ignored;
    bool anthropic = r->call.req.dialect == CHAT_ANTHROPIC;
    struct buf b;
    struct json_writer w;
    buf_init(&b, 64 << 10);
    buf_add(&b, anthropic ? STR("event: error\ndata: ") : STR("data: "));
    json_begin(&w, &b);
    put_error(&w, r, anthropic, &shown);
    buf_add(&b, STR("\n\n"));
    struct str event = buf_str(&b);
    if (!http_reply_end(r->http, &event, 1, &ignored))
        http_reply_abort(r->http);
    buf_fini(&b);
}

void reply_list_begin(struct json_writer *w)
{
    json_object(w);
    json_kv_text(w, "object", "list");
    json_key(w, "data");
    json_array(w);
}

static void put_id(struct json_writer *w, const char *name, struct str id)
{
    json_key(w, name);
    if (id.len)
        json_put_str(w, id);
    else
        json_put_null(w);
}

void reply_list_end(struct json_writer *w, struct str first_id, struct str last_id, bool more)
{
    json_end(w);
    put_id(w, "first_id", first_id);
    put_id(w, "last_id", last_id);
    json_kv_bool(w, "has_more", more);
    json_end(w);
}

bool reply_deleted(struct request *r, struct str id, const char *object, struct err *e)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 64 << 10);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_str(&w, "id", id);
    json_kv_text(&w, "object", object);
    json_kv_bool(&w, "deleted", true);
    json_end(&w);
    return reply_json(r, 200, &b, e);
}

bool reply_events(struct request *r, struct err *e)
{
    struct http_header h[REPLY_HEADERS + 1];
    size_t n = reply_headers(r, "text/event-stream", h);
    h[n++] = (struct http_header){STR("Cache-Control"), STR("no-cache")};
    return http_reply_start(r->http, 200, h, n, e);
}

/* Counting the prompt's tokens takes longer than all that leads to a first word, so streams that
 * begin together would wait for each other. */
static void release(struct request *r)
{
    if (!call_may_release(&r->call))
        return;
    fiber_yield();
    call_release_early(&r->call);
    http_request_release(r->http);
}

bool reply_piece(struct request *r, struct str bytes, bool last, struct err *e)
{
    if (!r->http->status && !reply_events(r, e))
        return false;
    if (last)
        return http_reply_hold(r->http, &bytes, 1, e);
    if (!http_reply_write(r->http, &bytes, 1, e))
        return false;
    release(r);
    return true;
}

bool request_json(struct request *r, struct json *doc, struct err *e)
{
    struct str body, type;
    if (http_header_get(&r->http->head.headers, STR("Content-Type"), &type) &&
        !str_istarts(type, STR("application/json")))
        return err_set(e, ERR_MEDIA, "the content type is '%.*s'; it must be application/json",
                       STR_FMT(str_head(type, 80)));
    if (!http_request_body(r->http, &body, e))
        return false;
    if (!str_trim(body).len)
        return err_set(e, ERR_SYNTAX, "the body is empty; it must be a JSON object");
    if (!work_json_parse(doc, r->call.early, body, JSON_UNIQUE, e))
        return false;
    if (!json_is(json_root(doc), JSON_OBJECT))
        return err_set(e, ERR_SYNTAX, "the body must be a JSON object, not %s",
                       json_type_name(json_type(json_root(doc))));
    return true;
}

static bool given(struct json_value v)
{
    return json_exists(v) && !json_is(v, JSON_NULL);
}

static bool wrong_type(struct json_value v, const char *name, const char *want, struct err *e)
{
    return err_param(e, ERR_INVALID, name, "'%s' must be %s, not %s", name, want,
                     json_type_name(json_type(v)));
}

bool request_need_text(struct json_value object, const char *name, struct arena *a, struct str *out,
                       struct err *e)
{
    *out = STR_NONE;
    if (!request_take_text(object, name, a, out, e))
        return false;
    if (!given(json_get(object, name)))
        return err_param(e, ERR_MISSING, name, "'%s' is missing", name);
    return true;
}

bool request_take_text(struct json_value object, const char *name, struct arena *a, struct str *out,
                       struct err *e)
{
    struct json_value v = json_get(object, name);
    if (!given(v))
        return true;
    if (!json_is(v, JSON_STRING))
        return wrong_type(v, name, "a string", e);
    *out = json_text(v, a);
    return true;
}

bool request_take_int(struct json_value object, const char *name, int64_t least, int64_t most,
                      int64_t *out, struct err *e)
{
    struct json_value v = json_get(object, name);
    int64_t n;
    if (!given(v))
        return true;
    if (!json_int(v, &n))
        return wrong_type(v, name, "a whole number", e);
    if (n < least || n > most)
        return err_param(e, ERR_INVALID, name, "'%s' is %jd; it must lie between %jd and %jd", name,
                         (intmax_t)n, (intmax_t)least, (intmax_t)most);
    *out = n;
    return true;
}

bool request_page(struct request *r, struct doc_page *page, struct err *e)
{
    struct arena *a = r->call.arena;
    struct str text;
    *page = (struct doc_page){.limit = DOC_PAGE_DEFAULT};
    if (http_query_get(r->http->query, a, STR("limit"), &text)) {
        uint64_t n;
        if (!str_to_u64(text, &n) || n < 1 || n > 10000)
            return err_param(e, ERR_INVALID, "limit", "'limit' must lie between 1 and 10000");
        page->limit = (uint32_t)n;
    }
    if (http_query_get(r->http->query, a, STR("order"), &text)) {
        page->ascending = str_eq(text, STR("asc"));
        if (!page->ascending && !str_eq(text, STR("desc")))
            return err_param(e, ERR_INVALID, "order", "'order' must be asc or desc");
    }
    http_query_get(r->http->query, a, STR("after"), &page->after);
    http_query_get(r->http->query, a, STR("before"), &page->before);
    return true;
}
