/* HTTP/1.1: one request at a time on a connection, by the fiber that reads its head.
 *
 * Bytes are read into a buffer that is borrowed only for the moment of reading. A whole head and
 * what came with it are copied to the request's `early` (1 KB costs some 20 ns) and read there in
 * place. What is so large that `early` would need a second block, of the buffer's size, stays in
 * the buffer, which goes with `early`. A piece of a head waits in conn.held, as large as it is. So
 * a connection that waits for anything else than its answer holds no read buffer. Bodies go
 * straight to where they are wanted, and the chunked coding is taken off there.
 *
 * The head of an answer is built in the request's arena, as writing may wait and nothing borrowed
 * from the thread may be kept across a wait; the pieces of a stream go from the caller's memory,
 * with their framing on the fiber's stack, so that a stream of any length needs no memory of its
 * own.
 */
#include "net/server_conn.h"

#include "base/clock.h"
#include "net/iobuf.h"
#include "run/fiber.h"

enum {
    SKIP_MAX = 64 * 1024, /* of an unread body, to keep the connection */
    SLICE = 128 * 1024, /* bytes that share one deadline for writing: at least 2 KB/s by default */
    GROUP = 12,         /* parts in one chunk */
    COPY_MOST = ARENA_FIRST / 4 * 3, /* of what came with a head; more of it wants room there */
    LINGER_MAX = 512 * 1024, /* read behind an early answer, so that it is not lost by a reset */
    LINGER_MS = 2000
};

/* What read_head says beside that; HEAD_GONE: there is nobody to answer. */
enum { HEAD_GONE = -2, HEAD_BAD = -1, HEAD_GOOD = 1, HEAD_HTTP2 = 2 };

/* ---- Reading a head ---- */

/* Is this what a client begins with that knows that we speak HTTP/2? The parser stumbles over it at
 * the "2" (RFC 9113 section 3.4). Then all that came is kept for the other protocol. */
static void note_http2(struct server_request *r, struct str in)
{
    struct http_conn *c = r->pub.conn;
    struct str preface = STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    size_t n = size_min(in.len, preface.len);
    r->http2 = str_eq(str_head(in, n), str_head(preface, n));
    if (r->http2 && c->held.len == 0)
        CHECK(buf_add(&c->held, in));
}

/* Parses what has come; when it is a whole head, keeps it and all behind it. `buffer`: what it was
 * read into, which may become the request's and is NULL then; or NULL. */
static ssize_t take_head(struct server_request *r, struct str in, char **buffer, struct err *e)
{
    struct http_conn *c = r->pub.conn;
    struct http_server *s = c->server;
    struct http_head *h = &r->pub.head;
    ssize_t used = http_parse_request(h, s->space, in, &s->opt.limits, e);
    if (used < 0)
        note_http2(r, in);
    if (used <= 0) {
        /* It points into a buffer that goes; a refusal looks at the target. */
        struct str target = used < 0 ? arena_copy(r->pub.early, h->target) : STR_NONE;
        *h = (struct http_head){.target = target};
        return used;
    }
    if (buffer && in.len > COPY_MOST) {
        arena_defer(r->pub.early, iobuf_give, *buffer);
        *buffer = NULL;
        http_headers_keep(&h->headers, r->pub.early);
    } else {
        in = http_head_keep(h, in, r->pub.early);
    }
    r->rest = str_from_at(in, (size_t)used);
    return used;
}

/* A head that comes in small pieces is parsed again only when a line has ended, so that it costs no
 * more than one pass per line. */
static ssize_t arrived(struct server_request *r, struct str in, char **buffer, struct err *e)
{
    struct http_conn *c = r->pub.conn;
    const struct http_limits *lim = &c->server->opt.limits;
    bool first = c->held.len == 0;
    ssize_t got = first ? take_head(r, in, buffer, e) : 0;
    if (got != 0)
        return got;
    CHECK(buf_add(&c->held, in)); /* its limit is beyond that of a head */
    bool line = str_find_char(in, '\n') != STR_NPOS;
    if (!first && (line || c->held.len > size_min(lim->line, lim->headers)))
        got = take_head(r, buf_str(&c->held), NULL, e);
    return got;
}

/* Drops what was held, and its memory. */
static void release_held(struct http_conn *c)
{
    size_t limit = c->held.limit;
    buf_fini(&c->held);
    buf_init(&c->held, limit);
}

static int read_head(struct server_request *r, struct err *e)
{
    struct http_conn *c = r->pub.conn;
    int64_t deadline = clock_after(loop_now(), c->server->opt.head_timeout_ms);
    ssize_t got = c->held.len ? take_head(r, buf_str(&c->held), NULL, e) : 0;
    while (got == 0) {
        char *in = iobuf_take();
        ssize_t n = conn_read_now(&c->conn, in, IOBUF_SIZE, e);
        if (n > 0)
            got = arrived(r, (struct str){in, (size_t)n}, &in, e);
        iobuf_give(in);
        if (n == 0 || n == TLS_FAILED)
            return HEAD_GONE;
        if (n < 0 && !conn_wait(&c->conn, n, deadline, e))
            return e->code == ERR_TIMEOUT && c->held.len ? HEAD_BAD : HEAD_GONE;
    }
    if (r->http2)
        return HEAD_HTTP2;
    if (c->held.len)
        release_held(c);
    return got > 0 ? HEAD_GOOD : HEAD_BAD;
}

/* ---- Bodies ---- */

static bool skippable(const struct server_request *r)
{
    bool refused = r->pub.head.expect_continue && !r->continued && r->rest.len == 0;
    return r->body_done || (r->pub.head.framing == HTTP_LENGTH && r->left <= SKIP_MAX && !refused);
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
    ssize_t got = conn_read(&c->conn, to, n, server_body_deadline(r), e);
    if (got > 0) {
        r->body_in += (uint64_t)got;
        return got;
    }
    r->broken |= got == 0 || e->code != ERR_TIMEOUT;
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

static ssize_t read_body(struct server_request *r, void *to, size_t n, struct err *e)
{
    while (!r->body_done) {
        bool chunked = r->pub.head.framing == HTTP_CHUNKED;
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
    uint64_t limit = r->pub.conn->server->whole_body;
    buf_init(b, limit + 2 * IOBUF_SIZE);
    arena_defer(r->pub.early, free_buf, b);
    ssize_t got;
    do {
        char *to = buf_reserve(b, IOBUF_SIZE / 4);
        CHECK(to); /* at most IOBUF_SIZE is read beyond the limit */
        got = read_body(r, to, size_min(b->cap - b->len, IOBUF_SIZE), e);
        if (got > 0)
            b->len += (size_t)got;
        if (b->len > limit) {
            r->close = true;
            return server_body_too_large(limit, e);
        }
    } while (got > 0);
    *body = buf_str(b);
    return got == 0;
}

static bool whole_body(struct server_request *r, struct str *body, struct err *e)
{
    if (r->pub.head.framing == HTTP_CHUNKED)
        return chunked_body(r, body, e);
    size_t n = r->left, have = 0;
    if (r->rest.len >= n) { /* all is here */
        *body = str_head(r->rest, n);
        r->rest = str_from_at(r->rest, n);
        r->left = 0;
        r->body_done = true;
        return true;
    }
    char *to = arena_bytes(r->pub.early, n);
    while (have < n) {
        ssize_t got = read_body(r, to + have, n - have, e);
        if (got < 0)
            return false;
        have += (size_t)got;
    }
    *body = (struct str){to, n};
    return true;
}

/* ---- Writing ---- */

/* The client has left; a request that outlives it has no owner that would have been cancelled. */
static bool gone(const struct server_request *r, struct err *e)
{
    const struct io *io = &r->pub.conn->conn.io;
    return (r->broken || (io->gone && !io->owner)) &&
           !err_set(e, ERR_CANCELLED, "the client's connection is broken");
}

static bool write_slice(struct server_request *r, struct iovec *iov, int n, struct err *e)
{
    struct http_conn *c = r->pub.conn;
    int64_t deadline = clock_after(loop_now(), c->server->opt.write_timeout_ms);
    if (conn_writev(&c->conn, iov, n, deadline, e))
        return true;
    r->broken = true;
    if (e && e->code == ERR_UPSTREAM) /* it is our client that has gone */
        e->code = ERR_CANCELLED;
    return false;
}

/* Writes everything, a slice at a time, so that a large answer to a slow client is not mistaken for
 * a client that does not read. Uses iov up. */
static bool write_all(struct server_request *r, struct iovec *iov, int n, struct err *e)
{
    if (gone(r, e))
        return false;
    while (n > 0) {
        size_t room = SLICE;
        int k = 0;
        while (k < n && iov[k].iov_len <= room)
            room -= iov[k++].iov_len;
        if (k == n)
            return write_slice(r, iov, n, e);
        struct iovec rest = {(char *)iov[k].iov_base + room, iov[k].iov_len - room};
        iov[k].iov_len = room;
        if (!write_slice(r, iov, k + 1, e))
            return false;
        iov += k;
        n -= k;
        *iov = rest;
    }
    return true;
}

static struct iovec iov_of(struct str s)
{
    return (struct iovec){(char *)s.p, s.len};
}

/* ---- Heads ---- */

/* The line in front of a chunk; returns its length. */
static size_t chunk_line(char to[20], size_t len)
{
    char *p = to;
    for (int shift = (63 - __builtin_clzll(len | 1)) & ~3; shift >= 0; shift -= 4)
        *p++ = "0123456789abcdef"[len >> shift & 15];
    return (size_t)(str_put(p, STR("\r\n")) - to);
}

/* `length` NULL: a stream. */
static struct str build_head(struct server_request *r, const struct http_header *headers, size_t n,
                             const uint64_t *length)
{
    static const struct str close = {"Connection: close\r\n", 19};
    static const struct str keep = {"Connection: keep-alive\r\n", 24};
    const int status = r->pub.status;
    struct str reason = status == 200 ? STR_NONE : str_from(http_reason(status));
    struct str front = server_head_front(r->pub.conn->server, status == 200);
    size_t size = 160 + reason.len + front.len;
    for (size_t i = 0; i < n; i++)
        size += headers[i].name.len + headers[i].value.len + 4;

    char *from = arena_bytes(r->pub.early, size), *p = from;
    if (status != 200) {
        p = str_put(p, STR("HTTP/1.1 "));
        p = str_put_u64(p, (uint64_t)status);
        p = str_put(p, STR(" "));
        p = str_put(p, reason);
        p = str_put(p, STR("\r\n"));
    }
    p = str_put(p, front);
    for (size_t i = 0; i < n; i++) {
        p = str_put(p, headers[i].name);
        p = str_put(p, STR(": "));
        p = str_put(p, headers[i].value);
        p = str_put(p, STR("\r\n"));
    }
    if (length && server_status_has_body(status)) {
        p = str_put(p, STR("Content-Length: "));
        p = str_put_u64(p, *length);
        p = str_put(p, STR("\r\n"));
    }
    if (r->chunks)
        p = str_put(p, STR("Transfer-Encoding: chunked\r\n"));
    if (r->close)
        p = str_put(p, close);
    else if (r->pub.head.minor == 0)
        p = str_put(p, keep);
    p = str_put(p, STR("\r\n"));
    CHECK((size_t)(p - from) <= size);
    return str_span(from, p);
}

/* Does the connection end with this answer? */
static bool last_answer(const struct server_request *r)
{
    return r->close || !r->pub.head.keep_alive || r->pub.conn->server->draining || !skippable(r);
}

static bool reply(struct server_request *r, const struct http_header *headers, size_t n,
                  const struct str *part, size_t n_parts, uint64_t length, struct err *e)
{
    r->close = last_answer(r);
    struct str head = build_head(r, headers, n, &length);
    struct iovec *iov = conn_pieces(r->pub.early, head, part, n_parts);
    return write_all(r, iov, r->head_only ? 1 : (int)n_parts + 1, e);
}

static bool start(struct server_request *r, const struct http_header *headers, size_t n,
                  struct err *e)
{
    bool minor = r->pub.head.minor;
    r->close = last_answer(r) || (!minor && !r->head_only);
    r->chunks = minor && server_status_has_body(r->pub.status);
    r->head = build_head(r, headers, n, NULL);
    return !gone(r, e);
}

/* At most GROUP parts, as one chunk. `last`: and the end of the body. */
static bool write_chunk(struct server_request *r, const struct str *part, size_t n, bool last,
                        struct err *e)
{
    struct iovec iov[GROUP + 4];
    char size[20];
    int k = 0;
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        len += part[i].len;
    if (r->head.len)
        iov[k++] = iov_of(r->head);
    r->head = STR_NONE;
    if (len && !r->head_only) {
        if (r->chunks)
            iov[k++] = (struct iovec){size, chunk_line(size, len)};
        for (size_t i = 0; i < n; i++)
            iov[k++] = iov_of(part[i]);
        if (r->chunks)
            iov[k++] = iov_of(STR("\r\n"));
    }
    if (last && r->chunks && !r->head_only)
        iov[k++] = iov_of(STR("0\r\n\r\n"));
    if (!write_all(r, iov, k, e))
        return false;
    r->pub.sent += r->head_only ? 0 : len;
    return true;
}

static bool write_pieces(struct server_request *r, const struct str *part, size_t n, bool last,
                         struct err *e)
{
    for (; n > GROUP; part += GROUP, n -= GROUP)
        if (!write_chunk(r, part, GROUP, false, e))
            return false;
    return write_chunk(r, part, n, last, e);
}

/* A chunked body ends wrongly by closing. One that lasts until the connection closes would look
 * whole then, so it is reset; that may cost the client what is still on its way. */
static void abort_reply(struct server_request *r)
{
    struct linger reset = {.l_onoff = 1};
    if (r->pub.streaming && !r->chunks && !r->head_only)
        setsockopt(r->pub.conn->conn.io.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

/* ---- A request, from its first byte to the next one's ---- */

/* Reads a head and makes the request ready for its handler; false when there is nothing to handle.
 * On its own so that *e is not on the stack while the handler waits. */
__attribute__((noinline)) static bool receive(struct server_request *r)
{
    struct err e;
    int got = read_head(r, &e);
    if (got == HEAD_GONE) {
        r->broken = true;
        return false;
    }
    if (got == HEAD_HTTP2)
        return false;
    if (got == HEAD_GOOD) {
        r->left = r->pub.head.content_length;
        r->body_done = r->pub.head.framing == HTTP_NO_BODY;
        r->pub.head.expect_continue &= r->pub.head.minor == 1;
        if (http_target_split(r->pub.head.target, r->pub.early, &r->pub.path, &r->pub.query, &e))
            return true;
    }
    server_refuse(r, &e);
    return false;
}

/* What came behind the request is the next one's. */
static void keep_rest(struct server_request *r)
{
    if (r->rest.len)
        CHECK(buf_add(&r->pub.conn->held, r->rest));
    r->rest = STR_NONE;
}

static void outlive(struct server_request *r, bool on)
{
    struct http_conn *c = r->pub.conn;
    c->conn.io.owner = on ? NULL : c->fiber;
    if (!on && c->conn.io.gone)
        fiber_cancel(c->fiber);
}

/* Skips what the handler has not read of a small body. */
static bool skip_body(struct server_request *r)
{
    struct err e;
    bool good = true;
    while (good && !r->body_done) {
        char part[1024];
        good = read_body(r, part, sizeof(part), &e) > 0;
    }
    return good;
}

/* Closing a socket with unread bytes in it makes the kernel send a reset, which can overtake the
 * answer. So the answer is ended, and what the client is still sending is read for a while. */
static void linger(struct http_conn *c)
{
    struct io *io = &c->conn.io;
    int64_t deadline = clock_after(loop_now(), LINGER_MS);
    shutdown(io->fd, SHUT_WR);
    for (size_t total = 0; total < LINGER_MAX;) {
        char part[1024];
        ssize_t n = io_read(io, part, sizeof(part), deadline, NULL);
        if (n <= 0)
            return;
        total += (size_t)n;
    }
}

/* Its buffers are not on the stack while the handler waits. */
__attribute__((noinline)) static enum server_next finish(struct server_request *r)
{
    struct http_conn *c = r->pub.conn;
    if (r->http2)
        return SERVER_HTTP2;
    server_settle(r);
    if (r->broken)
        return SERVER_CLOSE;
    if (!r->close && skippable(r) && skip_body(r)) {
        keep_rest(r);
        return SERVER_KEEP;
    }
    if (!r->body_done || r->rest.len || c->held.len)
        linger(c);
    return SERVER_CLOSE;
}

const struct server_protocol server_http1 = {
    .receive = receive,
    .body = whole_body,
    .read = read_body,
    .reply = reply,
    .start = start,
    .write = write_pieces,
    .abort = abort_reply,
    .release = keep_rest,
    .outlive = outlive,
    .finish = finish,
};
