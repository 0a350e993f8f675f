/* Connections: accepting, idling, running a request's fiber, closing.
 *
 * With HTTP/1.1 (server_http1.c) all that a request does runs on its fiber, from the first byte of
 * its head: one path, whether the head comes in one piece or in a thousand, plain or by TLS. With
 * HTTP/2 (server_http2.c) a connection has no fiber, its streams have. What handlers call is in
 * server_request.c.
 */
#include "net/server_conn.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "net/iobuf.h"
#include "run/fiber.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

enum {
    ACCEPT_BATCH = 64,    /* per event, so that connections that exist get their turn */
    ACCEPT_PAUSE_MS = 100 /* when descriptors or memory have run out */
};

static struct metric *spills; /* set once */

static void on_readable(struct io *io, uint32_t events);
static void on_accept(struct io *io, uint32_t events);

struct str server_head_front(struct http_server *s, bool ok)
{
    if (loop_now() >= s->date_until_ns) {
        char date[CLOCK_HTTP_SIZE];
        int64_t wall_ms = clock_wall_ms();
        clock_http_date(date, wall_ms / 1000);
        s->front_len =
            (size_t)snprintf(s->front, sizeof(s->front), SERVER_OK_LINE "Date: %s\r\n", date);
        s->date_until_ns = loop_now() + (1000 - wall_ms % 1000) * NS_PER_MS;
    }
    return str_from_at((struct str){s->front, s->front_len}, ok ? 0 : STR(SERVER_OK_LINE).len);
}

/* ---- Connections ---- */

static void server_free(struct http_server *s)
{
    while (s->n_arenas)
        arena_free(s->arena[--s->n_arenas]);
    mem_free(s);
}

__attribute__((noinline)) void server_conn_close(struct http_conn *c)
{
    struct http_server *s = c->server;
    list_remove(&c->node);
    if (c->http2)
        server_http2_end(c);
    conn_fini(&c->conn);
    buf_fini(&c->held);
    mem_free(c);
    s->n_conns--;
    if (s->closing && s->n_conns == 0)
        server_free(s);
}

static struct http_conn *oldest_idle(struct http_server *s)
{
    return list_empty(&s->idle) ? NULL : list_entry(s->idle.next, struct http_conn, node);
}

static bool evict_idle(struct http_server *s)
{
    struct http_conn *c = oldest_idle(s);
    if (c)
        server_conn_close(c);
    return c != NULL;
}

static void sweep(void *arg)
{
    struct http_server *s = arg;
    int64_t limit = s->opt.idle_timeout_ms * NS_PER_MS;
    struct http_conn *c;
    while ((c = oldest_idle(s)) && loop_now() - c->idle_since_ns >= limit)
        server_conn_close(c);
    if (c)
        loop_timer_start(&s->sweep, c->idle_since_ns + limit, sweep, s);
}

void server_conn_busy(struct http_conn *c)
{
    list_remove(&c->node);
    list_add(&c->server->busy, &c->node);
}

void server_conn_idle(struct http_conn *c)
{
    struct http_server *s = c->server;
    list_remove(&c->node);
    list_add(&s->idle, &c->node);
    c->idle_since_ns = loop_now();
    if (s->sweep.heap_i == 0)
        loop_timer_start(&s->sweep, c->idle_since_ns + s->opt.idle_timeout_ms * NS_PER_MS, sweep,
                         s);
}

static void serve(void *arg);

static void make_busy(struct http_conn *c)
{
    server_conn_busy(c);
    c->conn.io.idle = NULL;
    c->conn.io.owner = c->fiber = fiber_go(serve, c, "request");
}

static void on_readable(struct io *io, uint32_t events)
{
    (void)events; /* reading tells what it is */
    make_busy(CONTAINER_OF(io, struct http_conn, conn.io));
}

/* Has something been read that no event will tell of? TLS decrypts whole records, of which a body
 * may have taken a part. */
static bool more_at_hand(struct http_conn *c)
{
    if (!c->conn.tls || c->held.len)
        return c->held.len > 0;
    char *in = iobuf_take();
    ssize_t n = conn_read_now(&c->conn, in, IOBUF_SIZE, NULL);
    if (n > 0)
        buf_add(&c->held, (struct str){in, (size_t)n});
    iobuf_give(in);
    return n > 0;
}

/* The last act of a connection's fiber, which may close it. */
__attribute__((noinline)) static void make_idle(struct http_conn *c)
{
    struct http_server *s = c->server;
    c->conn.io.owner = c->fiber = NULL;
    if (more_at_hand(c)) {
        make_busy(c);
    } else if (s->draining || !io_idle(&c->conn.io, on_readable)) {
        server_conn_close(c);
    } else {
        server_conn_idle(c);
    }
}

/* ---- A request, from its first byte to the next one's ---- */

static struct server_request *request_new(struct http_conn *c, struct http2_stream *stream,
                                          struct arena *a)
{
    struct http_server *s = c->server;
    struct server_request *r = arena_struct(a, struct server_request);
    r->pub.arena = a;
    r->pub.early = s->n_arenas ? s->arena[--s->n_arenas] : arena_new();
    r->pub.conn = c;
    r->pub.local = c->local;
    r->pub.accepted_ns = loop_now();
    r->pub.peer = c->peer;
    r->stream = stream;
    r->protocol = stream ? &server_http2 : &server_http1;
    return r;
}

void server_give_early(struct http_server *s, struct arena *a)
{
    if (a && s->n_arenas < ARENAS_KEPT) {
        arena_reset(a);
        s->arena[s->n_arenas++] = a;
    } else {
        arena_free(a);
    }
}

/* Out of line, as is make_idle: the fiber's first frame stays while a stream is held. */
__attribute__((noinline)) static bool handshake(struct http_conn *c)
{
    const struct http_server_options *opt = &c->server->opt;
    return conn_tls_accept(&c->conn, opt->tls, clock_after(loop_now(), opt->head_timeout_ms), NULL);
}

/* The request lives on the fiber's stack, as long as it stays small. */
enum server_next server_run(struct http_conn *c, struct http2_stream *stream)
{
    _Alignas(max_align_t) char space[REQUEST_SPACE];
    struct arena *a = arena_on(space, sizeof(space));
    struct server_request *r = request_new(c, stream, a);
    if (r->protocol->receive(r))
        c->server->opt.handler(&r->pub, c->server->opt.ctx);
    fiber_deadline(CLOCK_NEVER); /* the handler's is over */
    enum server_next next = r->protocol->finish(r);
    server_drop_held(r);
    struct arena *early = r->pub.early;
    if (r->pub.streaming && arena_used(a) > sizeof(space))
        metric_add(spills, 1);
    arena_free(a);
    server_give_early(c->server, early);
    return next;
}

/* A fresh connection with TLS is idle behind its handshake, or speaks HTTP/2. */
static enum server_next one_turn(struct http_conn *c)
{
    if (!c->server->opt.tls || c->conn.tls)
        return server_run(c, NULL);
    if (!handshake(c))
        return SERVER_CLOSE;
    return tls_http2(c->conn.tls) ? SERVER_HTTP2 : SERVER_KEEP;
}

static void serve(void *arg)
{
    struct http_conn *c = arg;
    switch (one_turn(c)) {
    case SERVER_KEEP: make_idle(c); break;
    case SERVER_HTTP2: server_http2_begin(c); break;
    case SERVER_CLOSE: server_conn_close(c); break;
    }
}

/* ---- Accepting ---- */

static void resume_accepting(void *arg)
{
    struct http_server *s = arg;
    io_idle(&s->io, on_accept);
}

/* Descriptors or memory have run out, and every connection is busy: look again a little later. */
static void pause_accepting(struct http_server *s)
{
    log_warn("accept_paused", kv("connections", s->n_conns), kv("errno", errno));
    io_idle(&s->io, NULL);
    loop_timer_start(&s->paused, clock_after(loop_now(), ACCEPT_PAUSE_MS), resume_accepting, s);
}

static void name_peer(struct http_conn *c, int fd, const struct sockaddr_storage *at)
{
    const struct sockaddr_in6 *in6 = (const void *)at;
    const struct sockaddr_in *in4 = (const void *)at;
    if (at->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &in6->sin6_addr, c->peer, sizeof(c->peer));
    } else if (at->ss_family == AF_INET) {
        inet_ntop(AF_INET, &in4->sin_addr, c->peer, sizeof(c->peer));
    } else {
        struct ucred who;
        socklen_t len = sizeof(who);
        snprintf(c->peer, sizeof(c->peer), "unix");
        c->local = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
                   (who.uid == geteuid() || who.uid == 0);
    }
}

static void turn_away(int fd)
{
    struct str sorry = STR("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                           "Content-Length: 0\r\nConnection: close\r\n\r\n");
    ssize_t sent = send(fd, sorry.p, sorry.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; /* a courtesy */
    close(fd);
}

static void welcome(struct http_server *s, int fd, const struct sockaddr_storage *at)
{
    struct err e;
    if (s->n_conns >= s->opt.max_connections && !evict_idle(s)) {
        turn_away(fd);
        return;
    }
    struct http_conn *c = mem_new(sizeof(*c));
    c->server = s;
    list_init(&c->node);
    buf_init(&c->held, (size_t)s->opt.limits.headers + 2 * IOBUF_SIZE);
    if (!conn_init(&c->conn, fd, &e)) {
        log_warn("accept_failed", kv("reason", e.msg));
        close(fd);
        mem_free(c);
        return;
    }
    name_peer(c, fd, at);
    s->n_conns++;
    make_idle(c);
}

static void on_accept(struct io *io, uint32_t events)
{
    (void)events;
    struct http_server *s = CONTAINER_OF(io, struct http_server, io);
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage at = {0};
        socklen_t len = sizeof(at);
        int fd = accept4(io->fd, (struct sockaddr *)&at, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            welcome(s, fd, &at);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            if (!evict_idle(s)) {
                pause_accepting(s);
                return;
            }
        }
        /* other errors are of a connection that has already gone */
    }
}

/* ---- The server ---- */

static void set_defaults(struct http_server_options *o)
{
#define DEFAULT(field, value) o->field = o->field ? o->field : (value)
    DEFAULT(limits.line, 16 << 10);
    DEFAULT(limits.headers, 64 << 10);
    DEFAULT(limits.body, 64 << 20);
    DEFAULT(upload, o->limits.body);
    DEFAULT(head_timeout_ms, 10 * 1000);
    DEFAULT(body_timeout_ms, 30 * 1000);
    DEFAULT(idle_timeout_ms, 75 * 1000);
    DEFAULT(write_timeout_ms, 60 * 1000);
    DEFAULT(max_connections, 20000);
#undef DEFAULT
}

static void init_process(void)
{
    spills = metric_plain(metric_family("penstock_stream_spills_total", METRIC_COUNTER, "",
                                        "Streamed answers that needed more memory while they were "
                                        "held than there is on their stack page."));
}

bool http_server_open(struct http_server **out, const char *address,
                      const struct http_server_options *opt, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_process);
    struct http_server *s = mem_new(sizeof(*s));
    s->opt = *opt;
    set_defaults(&s->opt);
    s->whole_body = s->opt.limits.body;
    if (s->opt.limits.body < s->opt.upload)
        s->opt.limits.body =
            s->opt.upload; /* of a body in one piece http_request_body sees to it */
    list_init(&s->idle);
    list_init(&s->busy);
    if (!listen_open(&s->listener, address, e)) {
        mem_free(s);
        return false;
    }
    if (!io_open(&s->io, s->listener.fd, on_accept, e)) {
        listen_close(&s->listener);
        mem_free(s);
        return false;
    }
    *out = s;
    return true;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->listener.port;
}

void http_server_drain(struct http_server *s)
{
    if (s->draining)
        return;
    s->draining = true;
    loop_timer_stop(&s->paused);
    io_close(&s->io);
    s->listener.fd = -1; /* it was the io's */
    listen_close(&s->listener);
    while (evict_idle(s))
        ;
    loop_timer_stop(&s->sweep);
    list_each (node, &s->busy) {
        struct http_conn *c = list_entry(node, struct http_conn, node);
        if (c->http2)
            server_http2_drain(c);
    }
}

bool http_server_drained(const struct http_server *s)
{
    return s->draining && s->n_conns == 0;
}

size_t http_server_connections(const struct http_server *s)
{
    return s->n_conns;
}

void http_server_close(struct http_server *s)
{
    if (!s)
        return;
    http_server_drain(s);
    s->closing = true;
    s->n_conns++; /* the last connection to go frees the server: not in the middle of this */
    list_each (node, &s->busy) {
        struct http_conn *c = list_entry(node, struct http_conn, node);
        if (c->http2)
            server_http2_cancel(c);
        else
            fiber_cancel(c->fiber);
    }
    if (--s->n_conns == 0)
        server_free(s);
}
