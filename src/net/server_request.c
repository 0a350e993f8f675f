/* What a handler calls, for either protocol: what both share is here, the rest behind
 * server_protocol. */
#include "net/server_conn.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"
#include "run/fiber.h"

enum {
    BODY_BYTES_PER_MS = 1, /* the least that a body must come with on average */
    HELD_MOST = 16 << 10,  /* of more, a copy costs more than a system call */
};

/* ---- Reading ---- */

int64_t server_body_deadline(const struct server_request *r)
{
    int64_t pause = r->pub.conn->server->opt.body_timeout_ms;
    int64_t whole = 2 * pause + (int64_t)(r->body_in / BODY_BYTES_PER_MS);
    int64_t a = clock_after(loop_now(), pause), b = clock_after(r->body_since_ns, whole);
    return a < b ? a : b;
}

bool server_body_too_large(uint64_t limit, struct err *e)
{
    return err_set(e, ERR_TOO_LARGE, "body is over the limit of %llu bytes",
                   (unsigned long long)limit);
}

ssize_t http_request_read(struct http_request *pub, void *to, size_t n, struct err *e)
{
    struct server_request *r = request_of(pub);
    struct err unused;
    CHECK(n > 0);
    return r->body_done ? 0 : r->protocol->read(r, to, n, e ? e : &unused);
}

bool http_request_body(struct http_request *pub, struct str *body, struct err *e)
{
    struct server_request *r = request_of(pub);
    struct err unused;
    *body = STR_NONE;
    if (r->body_done)
        return true;
    uint64_t limit = pub->conn->server->whole_body;
    if (pub->head.framing == HTTP_LENGTH && pub->head.content_length > limit)
        return server_body_too_large(limit, e);
    return r->protocol->body(r, body, e ? e : &unused);
}

void http_request_release(struct http_request *pub)
{
    struct server_request *r = request_of(pub);
    struct http_head *h = &pub->head;
    CHECK(pub->streaming && r->head.len == 0);
    if (!r->body_done || !pub->early)
        return;
    r->protocol->release(r);
    h->method = arena_copy(pub->arena, h->method);
    h->target = pub->path = pub->query = STR_NONE;
    h->headers = (struct http_headers){0};
    server_give_early(pub->conn->server, pub->early);
    pub->early = NULL;
}

void http_request_outlive(struct http_request *pub, bool on)
{
    struct server_request *r = request_of(pub);
    r->protocol->outlive(r, on);
}

/* ---- Answering ---- */

bool server_status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

static void begin(struct server_request *r, int status)
{
    CHECK(r->pub.status == 0 && status >= 200);
    r->pub.status = status;
    r->head_only = str_eq(r->pub.head.method, STR("HEAD")) || !server_status_has_body(status);
}

bool http_reply(struct http_request *pub, int status, const struct http_header *headers, size_t n,
                const struct str *body_parts, size_t n_parts, struct err *e)
{
    struct server_request *r = request_of(pub);
    uint64_t length = 0;
    for (size_t i = 0; i < n_parts; i++)
        length += body_parts[i].len;
    begin(r, status);
    r->ended = true;
    if (!r->protocol->reply(r, headers, n, body_parts, n_parts, length, e))
        return false;
    pub->sent = r->head_only ? 0 : length;
    return true;
}

bool http_reply_start(struct http_request *pub, int status, const struct http_header *headers,
                      size_t n, struct err *e)
{
    struct server_request *r = request_of(pub);
    begin(r, status);
    pub->streaming = true;
    return r->protocol->start(r, headers, n, e);
}

static bool hold(struct server_request *r, const struct str *parts, size_t n)
{
    size_t len = r->held ? r->held->len : 0;
    for (size_t i = 0; i < n; i++)
        len += parts[i].len;
    if (len > HELD_MOST)
        return false;
    if (!r->held) {
        r->held = mem_new(sizeof(*r->held));
        buf_init(r->held, HELD_MOST);
    }
    for (size_t i = 0; i < n; i++)
        buf_add(r->held, parts[i]);
    return true;
}

void server_drop_held(struct server_request *r)
{
    if (!r->held)
        return;
    buf_fini(r->held);
    mem_free(r->held);
    r->held = NULL;
}

/* Behind the first piece, writes wait until the other fibers of this turn have read and thought.
 * They then follow each other, and a client on another core that the first of them wakes is more
 * often still awake for the rest: of 64 streams an event costs some 4 % less so
 * (bench/gateway.mjs --only sse). */
static bool write_now(struct server_request *r, const struct str *parts, size_t n, bool last,
                      struct err *e)
{
    if (r->pub.first_byte_ns)
        fiber_last();
    else
        r->pub.first_byte_ns = clock_now();
    return r->protocol->write(r, parts, n, last, e);
}

static bool write_pieces(struct server_request *r, const struct str *parts, size_t n, bool last,
                         struct err *e)
{
    CHECK(r->pub.streaming && !r->ended);
    if (!r->held)
        return write_now(r, parts, n, last, e);
    bool joined = hold(r, parts, n);
    struct str held = buf_str(r->held);
    bool good = write_now(r, &held, 1, last && joined, e);
    server_drop_held(r);
    return good && (joined || write_now(r, parts, n, last, e));
}

bool http_reply_write(struct http_request *pub, const struct str *parts, size_t n, struct err *e)
{
    return write_pieces(request_of(pub), parts, n, false, e);
}

bool http_reply_hold(struct http_request *pub, const struct str *parts, size_t n, struct err *e)
{
    struct server_request *r = request_of(pub);
    CHECK(pub->streaming && !r->ended);
    return hold(r, parts, n) || write_pieces(r, parts, n, false, e);
}

bool http_reply_end(struct http_request *pub, const struct str *parts, size_t n, struct err *e)
{
    struct server_request *r = request_of(pub);
    r->ended = write_pieces(r, parts, n, true, e);
    return r->ended;
}

void http_reply_abort(struct http_request *pub)
{
    struct server_request *r = request_of(pub);
    r->protocol->abort(r);
    r->broken = true;
}

/* ---- What the server answers itself ---- */

/* As clients of the OpenAI API read errors. */
static void refuse_plainly(struct json_writer *w, const struct err *why)
{
    bool slow = why->code == ERR_TIMEOUT;
    json_object(w);
    json_key(w, "error");
    json_object(w);
    json_kv_text(w, "message", why->msg);
    json_kv_text(w, "type", slow ? "invalid_request_error" : err_api_type(why->code));
    json_kv_text(w, "param", NULL);
    json_kv_text(w, "code", slow ? "request_timeout" : err_api_code(why->code));
    json_end(w);
    json_end(w);
}

void server_refuse(struct server_request *r, const struct err *e)
{
    char id[RANDOM_ID_SIZE];
    bool slow = e->code == ERR_TIMEOUT;
    http_refusal *refusal = r->pub.conn->server->opt.refusal;
    struct err why = *e;
    struct buf b;
    struct json_writer w;
    if (slow)
        err_set(&why, ERR_TIMEOUT, "the request did not come in time");
    random_id(id, "req_");
    buf_init(&b, 4096);
    json_begin(&w, &b);
    if (!refusal || !refusal(&w, &r->pub, id, &why))
        refuse_plainly(&w, &why);
    struct str body = arena_copy(r->pub.early, buf_str(&b));
    buf_fini(&b); /* nothing on the heap across a wait */

    const struct http_header h[] = {{STR("Content-Type"), STR("application/json")},
                                    {STR("X-Request-Id"), str_from(id)}};
    r->close = true;
    http_reply(&r->pub, slow ? 408 : err_status(e->code), h, COUNT(h), &body, 1, NULL);
}

void server_settle(struct server_request *r)
{
    struct err e;
    if (r->pub.status == 0 && !r->broken && !fiber_cancelled()) {
        err_set(&e, ERR_INTERNAL, "the request was not answered");
        server_refuse(r, &e);
    }
    if (!r->ended)
        http_reply_abort(&r->pub);
}
