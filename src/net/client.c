/* An exchange is straight-line code: take or make a connection, write, read the head, hand out the
 * body. Its read buffer is borrowed from the thread (iobuf.h) when bytes are there and given back
 * when they have been handed out and the next must be waited for, so that a held stream costs its
 * structs alone. Handed-out pieces point into that buffer. */
#include "net/client.h"
#include "base/clock.h"
#include "net/dial.h"
#include "net/http_skip.h"
#include "net/inflate.h"
#include "net/iobuf.h"
#include "net/pool.h"
#include "run/fiber.h"

enum {
    CONNECT_MS = 5000,
    FIRST_BYTE_MS = 60000,
    BETWEEN_MS = 60000,
    INTERIM_MAX = 16 /* 1xx answers before the real one */
};

static void or_default(int64_t *value, int64_t def)
{
    if (*value <= 0)
        *value = def;
}

/* ---- Reading ---- */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void give_back(struct http_exchange *x)
{
    if (x->in_arena) {
        x->from = x->to = 0;
        return;
    }
    iobuf_give(x->in);
    x->in = NULL;
    x->from = x->to = x->cap = 0;
}

/* Room for the next read: the buffer anew, the place of what was looked at, or more. */
static void make_room(struct http_exchange *x)
{
    if (!x->in) {
        x->in = iobuf_take();
        x->cap = IOBUF_SIZE;
    } else if (x->from == x->to) {
        x->from = x->to = 0;
    } else if (x->to == x->cap && x->from > 0) {
        memmove(x->in, x->in + x->from, x->to - x->from);
        x->to -= x->from;
        x->from = 0;
    } else if (x->to == x->cap) { /* only a head grows, and the parser limits it */
        char *more = arena_bytes(x->arena, 2 * x->cap);
        memcpy(more, x->in, x->to);
        if (!x->in_arena)
            iobuf_give(x->in);
        x->in = more;
        x->in_arena = true;
        x->cap *= 2;
    }
}

/* More bytes behind `to`: how many, 0 when the peer has closed, -1. A short read means that the
 * socket is empty, so the next time waiting comes first: that saves a system call per piece of a
 * stream. With TLS only OpenSSL knows whether there is more. */
static ssize_t fill(struct http_exchange *x, int64_t deadline_ns, struct err *e)
{
    struct conn *conn = &x->conn->conn;
    for (;;) {
        ssize_t got = TLS_WANT_READ;
        if (!x->drained) {
            make_room(x);
            size_t room = x->cap - x->to;
            got = conn_read_now(conn, x->in + x->to, room, e);
            x->drained = !conn->tls && got > 0 && (size_t)got < room;
        }
        if (got > 0)
            x->to += (size_t)got;
        if (got >= 0 || got == TLS_FAILED)
            return got;
        if (x->from == x->to)
            give_back(x);
        x->drained = false;
        if (!conn_wait(conn, got, deadline_ns, e))
            return -1;
    }
}

static struct str unread(const struct http_exchange *x)
{
    return (struct str){x->in + x->from, x->to - x->from};
}

/* ---- The head of the answer ---- */

/* The bytes at hand: 1 = the head is there and behind us, 0 = more needed, -1. */
static int parse_head(struct http_exchange *x, bool to_head, int *interim, struct err *e)
{
    while (x->to > x->from) {
        ssize_t used = http_parse_response(&x->head, x->client->space, unread(x),
                                           &x->client->opt.limits, to_head, e);
        if (used <= 0)
            return (int)used;
        if (x->head.status >= 200) {
            http_head_keep(&x->head, str_head(unread(x), (size_t)used), x->heads);
            x->from += (size_t)used;
            return 1;
        }
        x->from += (size_t)used;
        if (x->head.status == 101 || ++*interim > INTERIM_MAX) {
            err_set(e, ERR_UPSTREAM, "unexpected answer %d", x->head.status);
            return -1;
        }
    }
    return 0;
}

/* Nobody asked for a coding, and yet some answer in one. */
static bool take_coding(struct http_exchange *x, struct err *e)
{
    struct str coding;
    if (x->head.framing == HTTP_NO_BODY ||
        !http_header_get(&x->head.headers, STR("content-encoding"), &coding) || !coding.len ||
        str_ieq(coding, STR("identity")))
        return true;
    x->inflate = inflate_new(coding);
    if (!x->inflate)
        return err_set(e, ERR_UPSTREAM, "content-encoding '%.*s', which was not asked for",
                       STR_FMT(str_head(coding, 60)));
    arena_defer(x->arena, inflate_free, x->inflate);
    return true;
}

/* On failure e has the code, and says what is wrong but not yet with whom. */
static bool read_head(struct http_exchange *x, bool to_head, struct err *e)
{
    int64_t deadline_ns = sooner(clock_after(x->sent_ns, x->d.first_byte_ms), x->until_ns);
    int interim = 0, got = 0;
    while (got == 0) {
        size_t old = x->to - x->from;
        ssize_t n = fill(x, deadline_ns, e);
        if (n < 0)
            return false;
        if (n == 0)
            return err_set(e, ERR_UPSTREAM, "the connection was closed %s",
                           x->answered ? "in the head of the answer" : "without an answer");
        x->answered = true;
        if (memchr(x->in + x->from + old, '\n', (size_t)n))
            got = parse_head(x, to_head, &interim, e);
        if (got == 0 && x->to - x->from > x->client->opt.limits.headers)
            return err_set(e, ERR_UPSTREAM, "head is over the limit of %u bytes",
                           x->client->opt.limits.headers);
    }
    if (got < 0 || !take_coding(x, e))
        return false;
    x->done = x->head.framing == HTTP_NO_BODY;
    return true;
}

/* ---- Sending ---- */

struct request {
    struct str head;
    const struct str *part;
    size_t n_parts;
    bool to_head;
};

static bool wants_length(struct str method, uint64_t body)
{
    return body > 0 || str_eq(method, STR("POST")) || str_eq(method, STR("PUT")) ||
           str_eq(method, STR("PATCH"));
}

static struct str build_head(struct arena *a, const struct http_origin *o, struct str method,
                             struct str path, struct str extra, uint64_t body)
{
    enum { FIXED = 80 }; /* what stands between the parts below, and the digits */
    char *head = arena_bytes(a, method.len + o->base_path.len + path.len + o->host_header.len +
                                    extra.len + FIXED);
    char *at = str_put(head, method);
    at = str_put(at, STR(" "));
    at = str_put(at, o->base_path);
    at = str_put(at, path);
    at = str_put(at, STR(" HTTP/1.1\r\nHost: "));
    at = str_put(at, o->host_header);
    at = str_put(at, STR("\r\n"));
    at = str_put(at, extra);
    if (wants_length(method, body)) {
        at = str_put(at, STR("Content-Length: "));
        at = str_put_u64(at, body);
        at = str_put(at, STR("\r\n"));
    }
    return str_span(head, str_put(at, STR("\r\n")));
}

/* Writing uses the vector up, so each attempt makes its own. */
static bool send_request(struct http_exchange *x, const struct request *rq, struct err *e)
{
    struct iovec *iov = conn_pieces(x->heads, rq->head, rq->part, rq->n_parts);
    int64_t start_ns = loop_now();
    int64_t deadline_ns = sooner(clock_after(start_ns, x->d.first_byte_ms), x->until_ns);
    bool sent = conn_writev(&x->conn->conn, iov, (int)rq->n_parts + 1, deadline_ns, e);
    x->sent_ns = loop_now(); /* a wait has moved it on */
    return sent || dial_failed(e, "sending the request to", x->origin, start_ns);
}

/* One attempt over x->conn. A peer that refuses a request before it has read all of it answers and
 * closes: then writing fails, and yet there is an answer to read. */
static bool converse(struct http_exchange *x, const struct request *rq, struct err *e)
{
    bool sent = send_request(x, rq, e);
    if (!sent && e->code != ERR_UPSTREAM)
        return false;
    struct err read_e;
    x->drained = sent && !x->conn->conn.tls; /* no answer can be there yet: wait first */
    if (read_head(x, rq->to_head, &read_e)) {
        x->head.keep_alive = x->head.keep_alive && sent;
        return true;
    }
    if (!sent)
        return false;
    *e = read_e;
    return dial_failed(e, x->answered ? "reading the answer of" : "waiting for an answer of",
                       x->origin, x->sent_ns);
}

/* ---- Starting ---- */

static bool check_request(const struct http_origin *o, struct str path, struct err *e)
{
    if (o->https && !o->tls)
        return err_set(e, ERR_INTERNAL, "no authorities to trust for '%.*s'",
                       STR_FMT(o->host_header));
    if (!http_skip_all(path, HTTP_WORD))
        return err_set(e, ERR_INVALID, "path of a request with spaces or control characters");
    return true;
}

static void hang_up(struct http_exchange *x)
{
    give_back(x);
    pool_drop(x->conn);
    x->conn = NULL;
}

static bool new_connection(struct http_exchange *x, struct str key, struct err *e)
{
    struct dial d = {.origin = x->origin,
                     .resolve = x->client->resolve,
                     .next_address_ms = x->client->opt.next_address_ms,
                     .size = sizeof(struct http_client_conn)};
    struct conn *conn;
    d.deadline_ns = sooner(clock_after(loop_now(), x->d.connect_ms), x->until_ns);
    if (!dial(&conn, &d, e))
        return false;
    x->conn = (struct http_client_conn *)conn;
    pool_enter(x->conn, x->client, key);
    return true;
}

static bool run(struct http_exchange *x, const struct request *rq, struct err *e)
{
    char space[POOL_KEY_MAX];
    struct str key = pool_key(space, x->origin);
    x->conn = x->d.reuse == HTTP_FRESH ? NULL : pool_take(x->client, key);
    x->reused_connection = x->conn != NULL;
    if (x->conn) {
        if (converse(x, rq, e))
            return true;
        hang_up(x);
        x->stale = e->code == ERR_UPSTREAM && !x->answered;
        if (!x->stale || x->d.reuse == HTTP_REUSE)
            return false;
        x->reused_connection = x->stale = false;
    }
    if (!new_connection(x, key, e))
        return false;
    if (converse(x, rq, e))
        return true;
    hang_up(x);
    return false;
}

static void set_deadlines(struct http_exchange *x, const struct http_deadlines *d)
{
    if (d)
        x->d = *d;
    or_default(&x->d.connect_ms, CONNECT_MS);
    or_default(&x->d.first_byte_ms, FIRST_BYTE_MS);
    or_default(&x->d.idle_ms, BETWEEN_MS);
    x->until_ns = clock_after(loop_now(), x->d.total_ms);
}

bool http_exchange_start(struct http_exchange **out, struct http_client *c, struct arena *a,
                         struct arena *heads, const struct http_origin *o, struct str method,
                         struct str path, struct str extra, const struct str *body_parts,
                         size_t n_parts, const struct http_deadlines *d, struct err *e)
{
    *out = NULL;
    if (!check_request(o, path, e))
        return false;
    struct http_exchange *x = *out = arena_struct(a, struct http_exchange);
    x->client = c;
    x->origin = o;
    x->arena = a;
    x->heads = heads;
    set_deadlines(x, d);
    uint64_t body = 0;
    for (size_t i = 0; i < n_parts; i++)
        body += body_parts[i].len;
    struct request rq = {.head = build_head(heads, o, method, path, extra, body),
                         .part = body_parts,
                         .n_parts = n_parts,
                         .to_head = str_eq(method, STR("HEAD"))};
    return run(x, &rq, e);
}

/* ---- The body ---- */

static int fail(struct http_exchange *x)
{
    x->failed = true;
    return -1;
}

/* Several chunks at hand are moved together, so that they are one piece and one write further on.
 */
static int decode_chunked(struct http_exchange *x, struct str *piece, struct err *e)
{
    char *whole = NULL;
    size_t len = 0;
    while (x->from < x->to && x->chunked.state != CHUNK_END) {
        struct str data;
        ssize_t used = http_chunked_next(&x->chunked, unread(x), &data, &x->client->opt.limits, e);
        if (used < 0) {
            e->code = ERR_UPSTREAM;
            err_prefix(e, "the answer of '%.*s' is malformed: ", STR_FMT(x->origin->host_header));
            return fail(x);
        }
        if (data.len && !whole)
            whole = x->in + (data.p - x->in);
        else if (data.len)
            memmove(whole + len, data.p, data.len);
        len += data.len;
        x->from += (size_t)used;
    }
    x->done = x->chunked.state == CHUNK_END;
    *piece = (struct str){whole, len};
    return len > 0;
}

/* What is at hand: 1 and a piece, 0, or -1. */
static int decode(struct http_exchange *x, struct str *piece, struct err *e)
{
    if (x->from == x->to || x->done)
        return 0;
    if (x->head.framing == HTTP_CHUNKED) {
        int got = decode_chunked(x, piece, e);
        x->body_bytes += got > 0 ? piece->len : 0;
        return got;
    }
    *piece = unread(x);
    if (x->head.framing == HTTP_LENGTH) {
        uint64_t left = x->head.content_length - x->body_bytes;
        *piece = str_head(*piece, left < SIZE_MAX ? (size_t)left : SIZE_MAX);
        x->done = piece->len == left;
    }
    x->from += piece->len;
    x->body_bytes += piece->len;
    if (x->body_bytes > x->client->opt.limits.body) {
        err_set(e, ERR_UPSTREAM, "the answer of '%.*s' is longer than %llu bytes",
                STR_FMT(x->origin->host_header), (unsigned long long)x->client->opt.limits.body);
        return fail(x);
    }
    return 1;
}

static int cut_short(struct http_exchange *x, struct err *e)
{
    err_set(e, ERR_UPSTREAM, "'%.*s': the answer was cut short after %llu bytes",
            STR_FMT(x->origin->host_header), (unsigned long long)x->body_bytes);
    return fail(x);
}

/* As the answer was sent. */
static int read_sent(struct http_exchange *x, struct str *piece, struct err *e)
{
    if (x->failed)
        return cut_short(x, e);
    for (;;) {
        int got = decode(x, piece, e);
        if (got != 0 || x->done)
            return got;
        int64_t start_ns = loop_now();
        ssize_t n = fill(x, sooner(clock_after(start_ns, x->d.idle_ms), x->until_ns), e);
        if (n == 0 && x->head.framing == HTTP_UNTIL_CLOSE) {
            x->done = true;
        } else if (n == 0 || (n < 0 && e->code == ERR_UPSTREAM)) {
            return cut_short(x, e);
        } else if (n < 0) {
            dial_failed(e, "waiting for more of the answer of", x->origin, start_ns);
            return fail(x);
        }
    }
}

/* Unfolding is work: others get their turn between large pieces. */
static int read_inflated(struct http_exchange *x, struct str *piece, struct err *e)
{
    int got;
    if (x->failed)
        return cut_short(x, e);
    while ((got = inflate_next(x->inflate, piece, e)) == 0) {
        struct str sent;
        got = read_sent(x, &sent, e);
        if (got < 0)
            return got;
        if (got == 0)
            return inflate_ended(x->inflate) ? 0 : cut_short(x, e);
        inflate_feed(x->inflate, sent);
    }
    if (got < 0) {
        err_prefix(e, "'%.*s': ", STR_FMT(x->origin->host_header));
        return fail(x);
    }
    x->inflated += piece->len;
    if (x->inflated > x->client->opt.limits.body) {
        err_set(e, ERR_UPSTREAM, "the answer of '%.*s' is longer than %llu bytes",
                STR_FMT(x->origin->host_header), (unsigned long long)x->client->opt.limits.body);
        return fail(x);
    }
    return piece->len < IOBUF_SIZE || fiber_pause(e) ? 1 : fail(x);
}

int http_exchange_read(struct http_exchange *x, struct str *piece, struct err *e)
{
    return x->inflate ? read_inflated(x, piece, e) : read_sent(x, piece, e);
}

static bool too_long(const struct http_exchange *x, size_t limit, struct err *e)
{
    return err_set(e, ERR_UPSTREAM, "the answer of '%.*s' is longer than %zu bytes",
                   STR_FMT(x->origin->host_header), limit);
}

static void free_buf(void *b)
{
    buf_fini(b);
}

/* What did not come in one piece, after the first of it. */
static bool collect(struct http_exchange *x, struct str first, struct str *body, size_t limit,
                    struct err *e)
{
    enum { TRUSTED = 1 << 20 }; /* a promised length is worth memory ahead up to this */
    struct buf *b = arena_struct(x->arena, struct buf);
    buf_init(b, limit);
    arena_defer(x->arena, free_buf, b);
    buf_reserve(b, size_min(size_min((size_t)x->head.content_length, TRUSTED), limit));
    struct str piece = first;
    int got = 0;
    do
        buf_add(b, piece);
    while (buf_ok(b) && (got = http_exchange_read(x, &piece, e)) > 0);
    if (!buf_ok(b))
        return too_long(x, limit, e);
    *body = buf_str(b);
    return got == 0;
}

bool http_exchange_body(struct http_exchange *x, struct str *body, size_t limit, struct err *e)
{
    struct str first = STR_NONE;
    *body = STR_NONE;
    int got = http_exchange_read(x, &first, e);
    if (got <= 0)
        return got == 0;
    if (!x->done || x->inflate)
        return collect(x, first, body, limit, e);
    if (first.len > limit)
        return too_long(x, limit, e);
    /* All of it is in the read buffer, which becomes the arena's: nothing is copied. */
    if (!x->in_arena)
        arena_defer(x->arena, iobuf_give, x->in);
    x->in_arena = true;
    *body = first;
    return true;
}

/* The end of a stream is often at hand although nobody has asked for it: the last chunk comes with
 * or right behind the last event. */
static bool at_end(struct http_exchange *x)
{
    struct str piece;
    struct err e;
    if (!x->done && !x->failed && x->head.framing != HTTP_UNTIL_CLOSE) {
        int got = decode(x, &piece, &e);
        if (got >= 0 && !x->done) {
            make_room(x);
            ssize_t n = conn_read_now(&x->conn->conn, x->in + x->to, x->cap - x->to, &e);
            x->to += n > 0 ? (size_t)n : 0;
            decode(x, &piece, &e);
        }
    }
    return x->done && !x->failed && x->from == x->to;
}

void http_exchange_end(struct http_exchange *x)
{
    if (!x || !x->conn)
        return;
    bool keep = x->head.keep_alive && at_end(x);
    give_back(x);
    if (keep)
        pool_give(x->conn);
    else
        pool_drop(x->conn);
    x->conn = NULL;
}
