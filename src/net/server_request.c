/* Reading requests: the head, then the body as the handler asks for it.
 *
 * Bytes are read into a buffer that is borrowed only for the moment of reading. A whole head and
 * what came with it are copied to the request's `early` (1 KB costs some 20 ns) and read there in
 * place; a piece of a head waits in conn.held, as large as it is. So a connection that waits for
 * anything holds no read buffer. Bodies go straight to where they are wanted, and the chunked
 * coding is taken off there.
 */
#include "net/server_conn.h"

#include "base/clock.h"
#include "net/iobuf.h"
#include "run/fiber.h"

enum {
    SKIP_MAX = 64 * 1024, /* of an unread body, to keep the connection */
    BODY_BYTES_PER_MS = 1 /* the least that a body must come with on average */
};

/* ---- Reading a head ---- */

static struct str moved(struct str s, const char *from, const char *to)
{
    return s.p ? (struct str){to + (s.p - from), s.len} : s;
}

/* Parses what has come; when it is a whole head, keeps it and all behind it in the arena. */
static ssize_t take_head(struct server_request *r, struct str in, struct err *e)
{
    struct http_conn *c = r->pub.conn;
    struct http_server *s = c->server;
    struct http_head *h = &r->pub.head;
    ssize_t used = http_parse_request(h, s->space, in, &s->opt.limits, e);
    if (used <= 0) {
        *h = (struct http_head){0}; /* it points into a buffer that goes */
        return used;
    }
    const char *kept = arena_copy(r->pub.early, in).p;
    struct http_header *to = arena_array(r->pub.early, struct http_header, h->headers.n);
    for (uint32_t i = 0; i < h->headers.n; i++) {
        to[i].name = moved(s->space[i].name, in.p, kept);
        to[i].value = moved(s->space[i].value, in.p, kept);
    }
    h->headers.h = to;
    h->method = moved(h->method, in.p, kept);
    h->target = moved(h->target, in.p, kept);
    r->rest = str_span(kept + used, kept + in.len);
    return used;
}

/* A head that comes in small pieces is parsed again only when a line has ended, so that it costs no
 * more than one pass per line. */
static ssize_t arrived(struct server_request *r, struct str in, struct err *e)
{
    struct http_conn *c = r->pub.conn;
    const struct http_limits *lim = &c->server->opt.limits;
    bool first = c->held.len == 0;
    ssize_t got = first ? take_head(r, in, e) : 0;
    if (got != 0)
        return got;
    CHECK(buf_add(&c->held, in)); /* its limit is beyond that of a head */
    bool line = str_find_char(in, '\n') != STR_NPOS;
    if (!first && (line || c->held.len > size_min(lim->line, lim->headers)))
        got = take_head(r, buf_str(&c->held), e);
    return got;
}

/* Drops what was held, and its memory. */
static void release_held(struct http_conn *c)
{
    size_t limit = c->held.limit;
    buf_fini(&c->held);
    buf_init(&c->held, limit);
}

int request_read_head(struct server_request *r, struct err *e)
{
    struct http_conn *c = r->pub.conn;
    int64_t deadline = clock_after(loop_now(), c->server->opt.head_timeout_ms);
    ssize_t got = c->held.len ? take_head(r, buf_str(&c->held), e) : 0;
    while (got == 0) {
        char *in = iobuf_take();
        ssize_t n = conn_read_now(&c->conn, in, IOBUF_SIZE, e);
        if (n > 0)
            got = arrived(r, (struct str){in, (size_t)n}, e);
        iobuf_give(in);
        if (n == 0 || n == TLS_FAILED)
            return HEAD_GONE;
        if (n < 0 && !conn_wait(&c->conn, n, deadline, e))
            return e->code == ERR_TIMEOUT && c->held.len ? HEAD_BAD : HEAD_GONE;
    }
    if (c->held.len)
        release_held(c);
    return got > 0 ? HEAD_GOOD : HEAD_BAD;
}

/* ---- Bodies ---- */

bool request_body_skippable(const struct server_request *r)
{
    bool refused = r->pub.head.expect_continue && !r->continued && r->rest.len == 0;
    return r->body_done || (r->pub.head.framing == HTTP_LENGTH && r->left <= SKIP_MAX && !refused);
}

static int64_t body_deadline(const struct server_request *r)
{
    int64_t pause = r->pub.conn->server->opt.body_timeout_ms;
    int64_t whole = 2 * pause + (int64_t)(r->body_in / BODY_BYTES_PER_MS);
    int64_t a = clock_after(loop_now(), pause), b = clock_after(r->body_since_ns, whole);
    return a < b ? a : b;
}

static bool send_continue(struct server_request *r, struct err *e)
{
    struct http_conn *c = r->pub.conn;
    r->continued = true;
    return conn_write(&c->conn, STR("HTTP/1.1 100 Continue\r\n\r\n"),
                      clock_after(loop_now(), c->server->opt.write_timeout_ms), e);
}

/* Raw bytes of the body: those that came with the head, then from the connection. */
static ssize_t read_raw(struct server_request *r, void *to, size_t n, struct err *e)
{
    struct http_conn *c = r->pub.conn;
    if (r->rest.len) {
        n = size_min(n, r->rest.len);
        memcpy(to, r->rest.p, n);
        r->rest = str_from_at(r->rest, n);
        return (ssize_t)n;
    }
    if (r->body_since_ns == 0)
        r->body_since_ns = loop_now();
    if (r->pub.head.expect_continue && !r->continued && !send_continue(r, e))
        return -1;
    ssize_t got = conn_read(&c->conn, to, n, body_deadline(r), e);
    if (got > 0) {
        r->body_in += (uint64_t)got;
        return got;
    }
    c->broken |= got == 0 || e->code != ERR_TIMEOUT;
    if (got == 0 || e->code == ERR_UPSTREAM)
        err_set(e, ERR_CANCELLED, "the client left in the middle of the body");
    else if (e->code == ERR_TIMEOUT && loop_now() < fiber_deadline_get())
        err_set(e, ERR_INVALID, "the body of the request came too slowly");
    return -1;
}

/* Takes the chunked coding off n raw bytes, in place; what lies behind the end goes to r->rest. */
static ssize_t unchunk(struct server_request *r, char *p, size_t n, struct err *e)
{
    size_t out = 0;
    struct str in = {p, n}, data;
    while (in.len && r->chunked.state != CHUNK_END) {
        ssize_t used =
            http_chunked_next(&r->chunked, in, &data, &r->pub.conn->server->opt.limits, e);
        if (used < 0)
            return -1;
        if (data.len)
            memmove(p + out, data.p, data.len);
        out += data.len;
        in = str_from_at(in, (size_t)used);
    }
    r->body_done = r->chunked.state == CHUNK_END;
    if (in.len) /* the rest of what came with the head lies right behind it */
        r->rest = r->rest.len ? (struct str){r->rest.p - in.len, r->rest.len + in.len}
                              : arena_copy(r->pub.early, in);
    return (ssize_t)out;
}

ssize_t http_request_read(struct http_request *pub, void *to, size_t n, struct err *e)
{
    struct server_request *r = request_of(pub);
    struct err unused;
    CHECK(n > 0);
    e = e ? e : &unused;
    while (!r->body_done) {
        bool chunked = pub->head.framing == HTTP_CHUNKED;
        /* behind a chunked body the next request may have come, for which conn.held has room */
        ssize_t got = read_raw(r, to, size_min(n, chunked ? IOBUF_SIZE : r->left), e);
        if (got > 0 && chunked)
            got = unchunk(r, to, (size_t)got, e);
        else if (got > 0)
            r->body_done = (r->left -= (uint64_t)got) == 0;
        r->close |= got < 0;
        if (got != 0)
            return got;
    }
    return 0;
}

static void free_buf(void *b)
{
    buf_fini(b);
}

static bool chunked_body(struct server_request *r, struct str *body, struct err *e)
{
    struct buf *b = arena_struct(r->pub.early, struct buf);
    buf_init(b, r->pub.conn->server->opt.limits.body + IOBUF_SIZE);
    arena_defer(r->pub.early, free_buf, b);
    ssize_t got;
    do {
        char *to = buf_reserve(b, IOBUF_SIZE / 4);
        CHECK(to); /* the decoder ends before the buffer is full */
        got = http_request_read(&r->pub, to, b->cap - b->len, e);
        if (got > 0)
            b->len += (size_t)got;
    } while (got > 0);
    *body = buf_str(b);
    return got == 0;
}

bool http_request_body(struct http_request *pub, struct str *body, struct err *e)
{
    struct server_request *r = request_of(pub);
    *body = STR_NONE;
    if (r->body_done)
        return true;
    if (pub->head.framing == HTTP_CHUNKED)
        return chunked_body(r, body, e);
    size_t n = r->left, have = 0;
    if (r->rest.len >= n) { /* all is here */
        *body = str_head(r->rest, n);
        r->rest = str_from_at(r->rest, n);
        r->left = 0;
        r->body_done = true;
        return true;
    }
    char *to = arena_bytes(pub->early, n);
    while (have < n) {
        ssize_t got = http_request_read(pub, to + have, n - have, e);
        if (got < 0)
            return false;
        have += (size_t)got;
    }
    *body = (struct str){to, n};
    return true;
}
