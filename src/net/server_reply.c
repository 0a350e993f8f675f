/* Answers. The head is built in the request's arena, as writing may wait and nothing borrowed from
 * the thread may be kept across a wait; the pieces of a stream go from the caller's memory, with
 * their framing on the fiber's stack, so that a stream of any length needs no memory of its own. */
#include "net/server_conn.h"

#include "base/clock.h"

enum {
    SLICE = 128 * 1024, /* bytes that share one deadline for writing: at least 2 KB/s by default */
    GROUP = 12          /* parts in one chunk */
};

/* ---- Writing ---- */

/* The client has left; a request that outlives it has no owner that would have been cancelled. */
static bool gone(const struct http_conn *c, struct err *e)
{
    return (c->broken || (c->conn.io.gone && !c->conn.io.owner)) &&
           !err_set(e, ERR_CANCELLED, "the client's connection is broken");
}

static bool write_slice(struct http_conn *c, struct iovec *iov, int n, struct err *e)
{
    int64_t deadline = clock_after(loop_now(), c->server->opt.write_timeout_ms);
    if (conn_writev(&c->conn, iov, n, deadline, e))
        return true;
    c->broken = true;
    if (e && e->code == ERR_UPSTREAM) /* it is our client that has gone */
        e->code = ERR_CANCELLED;
    return false;
}

/* Writes everything, a slice at a time, so that a large answer to a slow client is not mistaken for
 * a client that does not read. Uses iov up. */
static bool write_all(struct http_conn *c, struct iovec *iov, int n, struct err *e)
{
    if (gone(c, e))
        return false;
    while (n > 0) {
        size_t room = SLICE;
        int k = 0;
        while (k < n && iov[k].iov_len <= room)
            room -= iov[k++].iov_len;
        if (k == n)
            return write_slice(c, iov, n, e);
        struct iovec rest = {(char *)iov[k].iov_base + room, iov[k].iov_len - room};
        iov[k].iov_len = room;
        if (!write_slice(c, iov, k + 1, e))
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

static char *put(char *to, struct str s)
{
    if (s.len)
        memcpy(to, s.p, s.len);
    return to + s.len;
}

static char *put_int(char *to, uint64_t n)
{
    char text[20], *at = text + sizeof(text);
    do {
        *--at = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    return put(to, str_span(at, text + sizeof(text)));
}

/* The line in front of a chunk; returns its length. */
static size_t chunk_line(char to[20], size_t len)
{
    char *p = to;
    for (int shift = (63 - __builtin_clzll(len | 1)) & ~3; shift >= 0; shift -= 4)
        *p++ = "0123456789abcdef"[len >> shift & 15];
    return (size_t)(put(p, STR("\r\n")) - to);
}

static bool status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

/* `length` NULL: a stream. */
static struct str build_head(struct server_request *r, int status,
                             const struct http_header *headers, size_t n, const uint64_t *length)
{
    static const struct str close = {"Connection: close\r\n", 19};
    static const struct str keep = {"Connection: keep-alive\r\n", 24};
    size_t date_len;
    const char *date = server_date_line(r->pub.conn->server, &date_len);
    struct str reason = str_from(http_reason(status));
    size_t size = 160 + reason.len + date_len;
    for (size_t i = 0; i < n; i++)
        size += headers[i].name.len + headers[i].value.len + 4;

    char *from = arena_bytes(r->pub.early, size), *p = from;
    p = put(p, STR("HTTP/1.1 "));
    p = put_int(p, (uint64_t)status);
    p = put(p, STR(" "));
    p = put(p, reason);
    p = put(p, STR("\r\n"));
    p = put(p, (struct str){date, date_len});
    for (size_t i = 0; i < n; i++) {
        p = put(p, headers[i].name);
        p = put(p, STR(": "));
        p = put(p, headers[i].value);
        p = put(p, STR("\r\n"));
    }
    if (length && status_has_body(status)) {
        p = put(p, STR("Content-Length: "));
        p = put_int(p, *length);
        p = put(p, STR("\r\n"));
    }
    if (r->chunks)
        p = put(p, STR("Transfer-Encoding: chunked\r\n"));
    if (r->close)
        p = put(p, close);
    else if (r->pub.head.minor == 0)
        p = put(p, keep);
    p = put(p, STR("\r\n"));
    CHECK((size_t)(p - from) <= size);
    return str_span(from, p);
}

static void begin(struct server_request *r, int status)
{
    CHECK(r->pub.status == 0 && status >= 200);
    r->pub.status = status;
    r->close |=
        !r->pub.head.keep_alive || r->pub.conn->server->draining || !request_body_skippable(r);
    r->head_only = str_eq(r->pub.head.method, STR("HEAD")) || !status_has_body(status);
}

bool http_reply(struct http_request *pub, int status, const struct http_header *headers, size_t n,
                const struct str *body_parts, size_t n_parts, struct err *e)
{
    struct server_request *r = request_of(pub);
    begin(r, status);
    r->ended = true;
    struct iovec *iov = arena_array(pub->early, struct iovec, n_parts + 1);
    uint64_t length = 0;
    for (size_t i = 0; i < n_parts; i++) {
        iov[i + 1] = iov_of(body_parts[i]);
        length += body_parts[i].len;
    }
    iov[0] = iov_of(build_head(r, status, headers, n, &length));
    if (!write_all(pub->conn, iov, r->head_only ? 1 : (int)n_parts + 1, e))
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
    r->chunks = pub->head.minor == 1 && status_has_body(status);
    r->close |= pub->head.minor == 0 && !r->head_only;
    r->head = build_head(r, status, headers, n, NULL);
    return !gone(pub->conn, e);
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
    if (r->head.len) {
        iov[k++] = iov_of(r->head);
        r->head = STR_NONE;
        r->pub.first_byte_ns = clock_now();
    }
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
    if (!write_all(r->pub.conn, iov, k, e))
        return false;
    r->pub.sent += r->head_only ? 0 : len;
    return true;
}

static bool write_pieces(struct http_request *pub, const struct str *parts, size_t n, bool last,
                         struct err *e)
{
    struct server_request *r = request_of(pub);
    CHECK(pub->streaming && !r->ended);
    for (; n > GROUP; parts += GROUP, n -= GROUP)
        if (!write_chunk(r, parts, GROUP, false, e))
            return false;
    return write_chunk(r, parts, n, last, e);
}

bool http_reply_write(struct http_request *pub, const struct str *parts, size_t n, struct err *e)
{
    return write_pieces(pub, parts, n, false, e);
}

bool http_reply_end(struct http_request *pub, const struct str *parts, size_t n, struct err *e)
{
    struct server_request *r = request_of(pub);
    r->ended = write_pieces(pub, parts, n, true, e);
    return r->ended;
}

/* A chunked body ends wrongly by closing. One that lasts until the connection closes would look
 * whole then, so it is reset; that may cost the client what is still on its way. */
void http_reply_abort(struct http_request *pub)
{
    struct server_request *r = request_of(pub);
    struct linger reset = {.l_onoff = 1};
    if (pub->streaming && !r->chunks && !r->head_only)
        setsockopt(pub->conn->conn.io.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    pub->conn->broken = true;
}
