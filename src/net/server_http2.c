/* HTTP/2: a connection without a fiber, a fiber for each of its streams.
 *
 * What comes is read in a callback and given to the session (net/http2.h), whose events start
 * fibers, wake those that read a body, and cancel those whose client has reset the stream. What
 * goes out is written by whoever has something: the fiber of a stream that answers, as it answers,
 * so an event of a stream is on the wire when http_reply_write returns, in one system call.
 *
 * When the socket takes no more, the rest of what the session gave (two frames at most) is held in
 * `out`, nothing more is asked of the session, and the callback goes on when the socket can be
 * written. A stream's writer waits until the session has taken its bytes, so a client that does not
 * open a window, or does not read, slows its writers down and holds no memory.
 *
 * A connection that fails is closed at once; its struct stays until the last fiber has ended.
 */
#include "net/server_conn.h"

#include "base/clock.h"
#include "net/http2.h"
#include "net/http2_head.h"
#include "net/iobuf.h"
#include "run/fiber.h"

#include <sys/epoll.h>

enum {
    READS = 32,        /* in a row, of what TLS has decrypted */
    BURST = 64,        /* writes of a stream that never waited, then others have their turn */
    SLICE = 128 * 1024 /* bytes that share one deadline for writing, as with HTTP/1.1 */
};

struct http2_conn {
    struct http2 *session; /* NULL: the connection has failed */
    struct list streams;
    unsigned n_streams; /* those whose fibers still end included */
    struct buf out;     /* what the socket did not take */
    bool again;         /* TLS has more, of which the socket knows nothing */
    int32_t head_id;    /* the stream whose head the timer is for, 0 = none */
    bool idle;          /* in the server's list of idle connections */
    struct loop_timer head_timer, write_timer;
};

struct http2_stream {
    struct list node;
    struct http_conn *conn;
    int32_t id;
    struct fiber *fiber; /* NULL while the head is under way */
    struct http2_head head;
    bool has_body;
    bool closed;   /* by the session, or the connection has failed: nothing goes out any more */
    bool outlives; /* see http_request_outlive */
    bool waiting;  /* in here */
    /* the body */
    struct buf in;
    size_t in_read;
    bool in_end, released;
    /* the answer */
    const struct str *part; /* the caller's, while it waits */
    size_t part_at;         /* in the first of them */
    uint64_t left;          /* in all of them */
    bool last, done;        /* nothing comes behind them; that has been taken too */
    unsigned burst;
};

/* ---- Streams ---- */

static void stream_free(struct http2_stream *st)
{
    list_remove(&st->node);
    st->conn->http2->n_streams--;
    st->conn->server->n_streams--;
    http2_head_fini(&st->head);
    buf_fini(&st->in);
    mem_free(st);
}

static void wake(struct http2_stream *st)
{
    if (st->waiting)
        fiber_wake(st->fiber);
}

/* The stream is over before its answer is. */
static void lose(struct http2_stream *st)
{
    st->closed = true;
    if (!st->fiber)
        stream_free(st);
    else if (st->outlives)
        wake(st);
    else if (!st->done)
        fiber_cancel(st->fiber);
}

static enum fiber_wake wait_for_session(struct http2_stream *st, int64_t deadline)
{
    st->waiting = true;
    enum fiber_wake w = fiber_wait(deadline);
    st->waiting = false;
    return w;
}

/* ---- The connection ---- */

static void on_event(struct io *io, uint32_t events);

static void stop(struct http2_conn *h)
{
    http2_free(h->session);
    h->session = NULL;
    loop_timer_stop(&h->head_timer);
    loop_timer_stop(&h->write_timer);
}

static void fail(struct http_conn *c)
{
    struct http2_conn *h = c->http2;
    if (!h->session)
        return;
    stop(h);
    conn_fini(&c->conn);
    list_each (node, &h->streams) {
        lose(list_entry(node, struct http2_stream, node));
    }
}

static void too_slow(void *arg);

static void watch_out(struct http_conn *c)
{
    io_idle_writable(&c->conn.io, c->http2->out.len || c->http2->again);
}

/* Writes as much as the socket takes now; the rest is held, behind what is held already. False: the
 * socket takes no more, or the connection has failed. */
static bool put(struct http_conn *c, struct str s)
{
    struct http2_conn *h = c->http2;
    while (s.len && h->out.len == 0) {
        ssize_t n = conn_write_now(&c->conn, s.p, s.len, NULL);
        if (n == TLS_FAILED) {
            fail(c);
            return false;
        }
        if (n < 0)
            break;
        s = str_from_at(s, (size_t)n);
    }
    if (s.len == 0)
        return true;
    if (h->out.len == 0) {
        int64_t deadline = clock_after(loop_now(), c->server->opt.write_timeout_ms);
        loop_timer_start(&h->write_timer, deadline, too_slow, c);
    }
    CHECK(buf_add(&h->out, s));
    watch_out(c);
    return false;
}

/* What is held. */
static bool put_held(struct http_conn *c)
{
    struct http2_conn *h = c->http2;
    struct buf held = h->out;
    buf_init(&h->out, held.limit);
    bool all = put(c, buf_str(&held));
    buf_fini(&held);
    if (all) {
        watch_out(c);
        loop_timer_stop(&h->write_timer);
    }
    return all;
}

/* What the session has to send. Small frames are put together, so that they make one system call.
 */
static void put_frames(struct http_conn *c, char *space)
{
    struct http2_conn *h = c->http2;
    struct str s;
    size_t n = 0;
    bool open = true;
    while (open && (s = http2_write(h->session)).len) {
        if (s.len > IOBUF_SIZE - n) {
            open = put(c, (struct str){space, n});
            n = 0;
        }
        if (!h->session)
            return;
        if (s.len > IOBUF_SIZE) {
            open = put(c, s);
        } else {
            memcpy(space + n, s.p, s.len);
            n += s.len;
        }
    }
    if (n)
        put(c, (struct str){space, n});
}

static void flush(struct http_conn *c)
{
    struct http2_conn *h = c->http2;
    if (!h->session || (h->out.len && !put_held(c)))
        return;
    char *space = iobuf_take();
    put_frames(c, space);
    iobuf_give(space);
    if (h->session && h->out.len == 0 && http2_over(h->session))
        fail(c);
}

/* Idle, busy or over? The connection may be gone behind this. */
static void settle(struct http_conn *c)
{
    struct http2_conn *h = c->http2;
    bool quiet = list_empty(&h->streams) && h->out.len == 0;
    if (list_empty(&h->streams) && (!h->session || (quiet && c->server->draining))) {
        server_conn_close(c);
    } else if (quiet != h->idle) {
        h->idle = quiet;
        if (quiet)
            server_conn_idle(c);
        else
            server_conn_busy(c);
    }
}

/* A head that does not get whole, or a client that reads nothing. */
static void too_slow(void *arg)
{
    struct http_conn *c = arg;
    fail(c);
    settle(c);
}

/* Reads what there is; false when the connection is of no use any more. A socket that has more
 * tells so again; what TLS has decrypted already does not. */
static bool take(struct http_conn *c)
{
    struct http2_conn *h = c->http2;
    char *in = iobuf_take();
    bool good = true;
    ssize_t n = 1;
    for (int i = 0; i < READS && good && n > 0; i++) {
        n = conn_read_now(&c->conn, in, IOBUF_SIZE, NULL);
        if (n > 0)
            good = http2_read(h->session, (struct str){in, (size_t)n}, loop_now());
        if (!c->conn.tls)
            break;
    }
    iobuf_give(in);
    h->again = n > 0 && c->conn.tls; /* the socket can be written: another event comes at once */
    return good && n != 0 && n != TLS_FAILED;
}

static void watch_head(struct http_conn *c)
{
    struct http2_conn *h = c->http2;
    int32_t id = h->session ? http2_in_head(h->session) : 0;
    if (id == h->head_id)
        return;
    h->head_id = id;
    if (id == 0)
        loop_timer_stop(&h->head_timer);
    else
        loop_timer_start(&h->head_timer, clock_after(loop_now(), c->server->opt.head_timeout_ms),
                         too_slow, c);
}

static void on_event(struct io *io, uint32_t events)
{
    struct http_conn *c = CONTAINER_OF(io, struct http_conn, conn.io);
    (void)events; /* trying tells */
    bool good = take(c);
    watch_out(c);
    flush(c);
    if (!good)
        fail(c);
    watch_head(c);
    settle(c);
}

/* We have done with the stream; what the session would tell of it is of no interest. */
static void reset(struct http2_stream *st, enum http2_error why)
{
    struct http2 *session = st->conn->http2->session;
    st->closed = true;
    http2_reset(session, st->id, why);
    http2_forget(session, st->id);
    flush(st->conn);
}

/* ---- What the session tells ---- */

static void *open_stream(void *ctx, int32_t id)
{
    struct http_conn *c = ctx;
    struct http_server *s = c->server;
    struct http2_conn *h = c->http2;
    if (h->n_streams >= 2 * HTTP2_STREAMS || s->n_streams >= s->opt.max_connections)
        return NULL;
    struct http2_stream *st = mem_new(sizeof(*st));
    st->conn = c;
    st->id = id;
    http2_head_init(&st->head, &s->opt.limits);
    buf_init(&st->in, s->opt.limits.body + 2 * HTTP2_WINDOW_WIDE);
    list_add(&h->streams, &st->node);
    s->n_streams++;
    h->n_streams++;
    return st;
}

static void on_field(void *stream, struct str name, struct str value)
{
    struct http2_stream *st = stream;
    http2_head_add(&st->head, name, value);
}

static void serve(void *arg);

static void on_head(void *stream, bool end)
{
    struct http2_stream *st = stream;
    st->has_body = !end;
    st->in_end = end;
    st->fiber = fiber_go(serve, st, "request");
}

static void on_body(void *stream, struct str data)
{
    struct http2_stream *st = stream;
    if (!st->released) /* else nobody wants it, and the stream is reset behind the answer */
        CHECK(buf_add(&st->in, data)); /* the window is smaller than its limit */
    wake(st);
}

static void on_body_end(void *stream)
{
    struct http2_stream *st = stream;
    st->in_end = true;
    wake(st);
}

static size_t on_fill(void *stream, char *to, size_t n, bool *last)
{
    struct http2_stream *st = stream;
    size_t got = 0;
    n = size_min(n, IOBUF_SIZE - 16); /* a frame with its head is no larger than a buffer */
    while (st->left && got < n) {
        struct str rest = str_from_at(*st->part, st->part_at);
        size_t k = size_min(rest.len, n - got);
        memcpy(to + got, rest.p, k);
        got += k;
        st->part_at += k;
        st->left -= k;
        if (k == rest.len) {
            st->part++;
            st->part_at = 0;
        }
    }
    *last = st->done = st->last && st->left == 0;
    if (st->left == 0)
        wake(st);
    return got;
}

static void on_closed(void *stream)
{
    lose(stream);
}

static const struct http2_events events = {
    .open = open_stream,
    .field = on_field,
    .head = on_head,
    .data = on_body,
    .end = on_body_end,
    .fill = on_fill,
    .closed = on_closed,
};

/* ---- Reading a request ---- */

__attribute__((noinline)) static bool receive(struct server_request *r)
{
    struct http2_stream *st = r->stream;
    struct http_server *s = r->pub.conn->server;
    struct err e = {0};
    bool good = http2_head_parse(&st->head, &r->pub.head, s->space, st->has_body, &s->opt.limits,
                                 r->pub.early, &e);
    http2_head_fini(&st->head);
    r->left = r->pub.head.content_length;
    r->body_done = r->pub.head.framing == HTTP_NO_BODY;
    if (good &&
        http_target_split(r->pub.head.target, r->pub.early, &r->pub.path, &r->pub.query, &e))
        return true;
    server_refuse(r, &e);
    return false;
}

/* Does what has come fit what was announced, and the limit? */
static bool body_fits(struct server_request *r, uint64_t limit, struct err *e)
{
    struct http2_stream *st = r->stream;
    uint64_t total = r->body_in + st->in.len - st->in_read;
    if (r->pub.head.framing == HTTP_CHUNKED)
        return total <= limit || server_body_too_large(limit, e);
    if (total <= r->left && (total == r->left || !st->in_end))
        return true;
    return err_set(e, ERR_INVALID, "the body has not the length that Content-Length says");
}

/* Opens the window again for n bytes that have found their reader. */
static void consume(struct server_request *r, size_t n)
{
    struct http2_stream *st = r->stream;
    st->in_read += n;
    r->body_in += n;
    if (st->in_end || st->closed)
        return;
    http2_consumed(r->pub.conn->http2->session, st->id, n);
    flush(r->pub.conn);
}

static void begin_body(struct server_request *r)
{
    struct http2_stream *st = r->stream;
    struct http2 *session = r->pub.conn->http2->session;
    r->body_since_ns = loop_now();
    if (r->pub.head.expect_continue && st->in.len == 0) {
        r->continued = true;
        http2_continue(session, st->id);
    }
    http2_widen(session, st->id);
    flush(r->pub.conn);
}

static bool await_body(struct server_request *r, struct err *e)
{
    struct http2_stream *st = r->stream;
    if (r->body_since_ns == 0 && !st->closed)
        begin_body(r);
    enum fiber_wake w = FIBER_CANCELLED;
    if (!st->closed)
        w = wait_for_session(st, server_body_deadline(r));
    if (st->closed)
        return err_set(e, ERR_CANCELLED, "the client left in the middle of the body");
    if (w == FIBER_TIMEOUT && loop_now() < fiber_deadline_get())
        return err_set(e, ERR_INVALID, "the body of the request came too slowly");
    return fiber_wake_ok(w, e);
}

static ssize_t read_body(struct server_request *r, void *to, size_t n, struct err *e)
{
    struct http2_stream *st = r->stream;
    for (;;) {
        if (!body_fits(r, r->pub.conn->server->opt.limits.body, e))
            return -1;
        struct str rest = str_from_at(buf_str(&st->in), st->in_read);
        if (rest.len) {
            n = size_min(n, rest.len);
            memcpy(to, rest.p, n);
            consume(r, n);
            if (st->in_read == st->in.len || st->in_read >= HTTP2_WINDOW_WIDE) {
                buf_consume(&st->in, st->in_read);
                st->in_read = 0;
            }
            return (ssize_t)n;
        }
        if (st->in_end) {
            r->body_done = true;
            return 0;
        }
        if (!await_body(r, e))
            return -1;
    }
}

/* It stays where it came, outside `early` but as long. */
static bool whole_body(struct server_request *r, struct str *body, struct err *e)
{
    struct http2_stream *st = r->stream;
    for (;;) {
        if (!body_fits(r, r->pub.conn->server->whole_body, e))
            return false;
        if (st->in_end)
            break;
        if (st->in.len > st->in_read)
            consume(r, st->in.len - st->in_read);
        if (!await_body(r, e))
            return false;
    }
    r->body_done = true;
    *body = buf_str(&st->in);
    return true;
}

static void release(struct server_request *r)
{
    buf_fini(&r->stream->in);
    r->stream->released = true;
}

/* ---- Answering ---- */

static bool gone(const struct server_request *r, struct err *e)
{
    return (r->broken || (r->stream->closed && !r->stream->done)) &&
           !err_set(e, ERR_CANCELLED, "the client's stream is broken");
}

static void submit_head(struct server_request *r, const struct http_header *headers, size_t n,
                        const uint64_t *length)
{
    struct http_conn *c = r->pub.conn;
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    struct http_header *h = arena_array(tmp, struct http_header, n + 2);
    struct str date = server_head_front(c->server, false);
    for (size_t i = 0; i < n; i++)
        h[i] = headers[i];
    h[n++] = (struct http_header){STR("date"), {date.p + 6, date.len - 8}};
    if (length && server_status_has_body(r->pub.status))
        h[n++] = (struct http_header){STR("content-length"),
                                      arena_printf(tmp, "%llu", (unsigned long long)*length)};
    http2_reply(c->http2->session, r->stream->id, r->pub.status, h, n, !r->head_only);
    r->stream->done = r->head_only;
    arena_rewind(tmp, mark);
}

/* Waits until the session has taken the parts. */
static bool deliver(struct server_request *r, struct err *e)
{
    struct http2_stream *st = r->stream;
    struct http_conn *c = r->pub.conn;
    int64_t deadline = 0;
    uint64_t mark = UINT64_MAX;
    enum fiber_wake w = FIBER_WOKEN;
    flush(c);
    while (!st->closed && (st->left || (st->last && !st->done)) && w == FIBER_WOKEN) {
        if (mark == UINT64_MAX || mark - st->left >= SLICE) {
            mark = st->left;
            deadline = clock_after(loop_now(), c->server->opt.write_timeout_ms);
        }
        st->burst = 0;
        w = wait_for_session(st, deadline);
    }
    bool all = st->left == 0 && (st->done || !st->last);
    st->left = 0;
    if (all)
        return true;
    r->broken = true;
    if (st->closed)
        w = FIBER_CANCELLED;
    else
        reset(st, HTTP2_CANCEL);
    return fiber_wake_ok(w, e);
}

static bool write_parts(struct server_request *r, const struct str *part, size_t n, bool last,
                        struct err *e)
{
    struct http2_stream *st = r->stream;
    uint64_t total = 0;
    if (gone(r, e))
        return false;
    if (st->burst++ == BURST) {
        st->burst = 0;
        if (!fiber_pause(e) || gone(r, e)) /* who outlives the connection is not cancelled */
            return false;
    }
    for (size_t i = 0; i < n && !r->head_only; i++)
        total += part[i].len;
    st->part = part;
    st->part_at = 0;
    st->left = total;
    st->last = last;
    if (!r->head_only)
        http2_more(r->pub.conn->http2->session, st->id);
    if (!deliver(r, e))
        return false;
    r->pub.sent += total;
    return true;
}

static bool start(struct server_request *r, const struct http_header *headers, size_t n,
                  struct err *e)
{
    if (gone(r, e))
        return false;
    submit_head(r, headers, n, NULL);
    return true;
}

static bool reply(struct server_request *r, const struct http_header *headers, size_t n,
                  const struct str *part, size_t n_parts, uint64_t length, struct err *e)
{
    if (gone(r, e))
        return false;
    submit_head(r, headers, n, &length);
    return write_parts(r, part, n_parts, true, e);
}

static void abort_reply(struct server_request *r)
{
    if (!r->stream->closed)
        reset(r->stream, HTTP2_INTERNAL);
}

static void outlive(struct server_request *r, bool on)
{
    struct http2_stream *st = r->stream;
    st->outlives = on;
    if (!on && st->closed && !st->done)
        fiber_cancel(st->fiber);
}

/* ---- The life of a stream and of a connection ---- */

/* A body that nobody wants any more is stopped behind the answer (RFC 9113 section 8.1). */
__attribute__((noinline)) static enum server_next finish(struct server_request *r)
{
    struct http2_stream *st = r->stream;
    server_settle(r);
    if (!st->closed && !st->in_end)
        reset(st, HTTP2_NO_ERROR);
    else if (!st->closed)
        http2_forget(r->pub.conn->http2->session, st->id);
    return SERVER_KEEP;
}

static void serve(void *arg)
{
    struct http2_stream *st = arg;
    struct http_conn *c = st->conn;
    server_run(c, st);
    stream_free(st);
    settle(c);
}

const struct server_protocol server_http2 = {
    .receive = receive,
    .body = whole_body,
    .read = read_body,
    .reply = reply,
    .start = start,
    .write = write_parts,
    .abort = abort_reply,
    .release = release,
    .outlive = outlive,
    .finish = finish,
};

__attribute__((noinline)) void server_http2_begin(struct http_conn *c)
{
    struct http2_conn *h = c->http2 = mem_new(sizeof(*h));
    list_init(&h->streams);
    buf_init(&h->out, 4 * IOBUF_SIZE);
    h->session = http2_new(&events, c, c->server->opt.limits.headers);
    c->fiber = NULL;
    bool good = io_idle(&c->conn.io, on_event);
    if (good && c->held.len)
        good = http2_read(h->session, buf_str(&c->held), loop_now());
    buf_fini(&c->held);
    if (good)
        on_event(&c->conn.io, EPOLLIN);
    else {
        fail(c);
        settle(c);
    }
}

void server_http2_drain(struct http_conn *c)
{
    struct http2_conn *h = c->http2;
    if (h->session)
        http2_drain(h->session);
    flush(c);
    settle(c);
}

void server_http2_cancel(struct http_conn *c)
{
    list_each (node, &c->http2->streams) {
        list_entry(node, struct http2_stream, node)->outlives = false;
    }
    fail(c);
    settle(c);
}

void server_http2_end(struct http_conn *c)
{
    struct http2_conn *h = c->http2;
    if (h->session) {
        http2_goodbye(h->session);
        flush(c);
    }
    if (h->session)
        stop(h);
    buf_fini(&h->out);
    mem_free(h);
}
