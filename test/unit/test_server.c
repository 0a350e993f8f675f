/* What the server promises, over real sockets: the loop runs in the main thread, the clients are
 * plain blocking sockets in another, which does all the checking. */
#include "net/server.h"

#include "base/clock.h"
#include "certs.h"
#include "run/fiber.h"
#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define IN(text)                                                                                   \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    } /* a struct str that a table may hold */

enum { PATIENCE_S = 20 }; /* for what must happen soon; nothing is measured by it */

static struct loop *loop;
static struct http_server *main_server, *hasty_server, *small_server, *tls_server, *unix_server;
static uint16_t main_port, hasty_port, small_port, tls_port;
static char unix_path[64], cert_path[64], key_path[64];
static struct tls_server *certificate;

/* ---- The handler: what it does is said by the path ---- */

static sem_t entered;            /* a handler that waits has begun */
static sem_t left;               /* and has ended, with `outcome` */
static atomic_int outcome;       /* enum err_code of what ended its wait */
static atomic_ullong flooded;    /* bytes written by /flood */
static struct fiber *gate_fiber; /* loop thread only */
static bool gate_open;           /* loop thread only */

static const struct http_header text_type[] = {{IN("Content-Type"), IN("text/plain")}};

static void reply_text(struct http_request *r, int status, struct str text)
{
    http_reply(r, status, text_type, 1, &text, 1, NULL);
}

static void leave(enum err_code code)
{
    atomic_store(&outcome, code);
    sem_post(&left);
}

static void handle_body(struct http_request *r)
{
    struct err e = {0};
    struct str body;
    if (http_request_body(r, &body, &e)) {
        const struct str parts[] = {STR("<"), body, STR(">")};
        http_reply(r, 200, text_type, 1, parts, 3, NULL);
    } else {
        reply_text(r, err_status(e.code), str_from(e.msg));
        leave(e.code);
    }
}

/* Reads in odd little pieces, and answers with how many bytes and their sum. */
static void handle_pieces(struct http_request *r)
{
    struct err e = {0};
    unsigned char piece[7];
    size_t total = 0, sum = 0;
    ssize_t n;
    while ((n = http_request_read(r, piece, sizeof(piece), &e)) > 0) {
        total += (size_t)n;
        for (ssize_t i = 0; i < n; i++)
            sum += piece[i];
    }
    struct str text = n < 0 ? str_from(e.msg) : arena_printf(r->arena, "%zu %zu", total, sum);
    reply_text(r, n < 0 ? err_status(e.code) : 200, text);
}

static void handle_stream(struct http_request *r)
{
    const struct str one[] = {STR("one"), STR(" ")}, none[] = {STR("")},
                     many[14] = {STR("a"), STR("b"), STR("c"), STR("d"), STR("e"),
                                 STR("f"), STR("g"), STR("h"), STR("i"), STR("j"),
                                 STR("k"), STR("l"), STR("m"), STR("n")};
    bool good = http_reply_start(r, 200, text_type, 1, NULL) && http_reply_write(r, one, 2, NULL) &&
                http_reply_write(r, none, 1, NULL) && http_reply_end(r, many, 14, NULL);
    (void)good; /* the client sees */
}

static void handle_held(struct http_request *r)
{
    static const char large[20000];
    const struct str one = STR("one "), two = STR("two "), big = {large, sizeof(large)};
    bool good = http_reply_start(r, 200, text_type, 1, NULL) && http_reply_hold(r, &one, 1, NULL) &&
                http_reply_hold(r, &two, 1, NULL) && r->first_byte_ns == 0 && r->sent == 0 &&
                http_reply_write(r, &one, 1, NULL) && r->first_byte_ns != 0 && r->sent == 12 &&
                http_reply_hold(r, &two, 1, NULL) && http_reply_hold(r, &big, 1, NULL) &&
                r->sent == 16 + sizeof(large) && http_reply_hold(r, &one, 1, NULL);
    if (good && str_eq(r->path, STR("/held")))
        http_reply_end(r, &two, 1, NULL);
}

enum { LONG_PIECES = 20000 };
static atomic_bool long_kept; /* what the request holds stayed the same all along */

static void handle_long(struct http_request *r)
{
    const struct str one = STR("x");
    struct str body;
    bool good = http_request_body(r, &body, NULL) && str_eq(body, STR("hello")) &&
                http_reply_start(r, 200, text_type, 1, NULL) && http_reply_write(r, &one, 1, NULL);
    http_request_release(r);
    size_t used = arena_used(r->arena);
    for (int i = 1; good && i < LONG_PIECES; i++)
        good = http_reply_write(r, &one, 1, NULL);
    atomic_store(&long_kept, good && !r->early && arena_used(r->arena) == used &&
                                 str_eq(r->head.method, STR("POST")));
    good = good && http_reply_end(r, NULL, 0, NULL);
}

static void handle_flood(struct http_request *r)
{
    static const char zeros[65536];
    const struct str part = {zeros, sizeof(zeros)};
    struct err e = {0};
    atomic_store(&flooded, 0);
    sem_post(&entered);
    bool good = http_reply_start(r, 200, text_type, 1, &e);
    while (good && (good = http_reply_write(r, &part, 1, &e)))
        atomic_fetch_add(&flooded, sizeof(zeros));
    leave(e.code);
}

static void handle_wait(struct http_request *r)
{
    struct err e = {0};
    sem_post(&entered);
    if (fiber_sleep(PATIENCE_S * NS_PER_S, &e))
        reply_text(r, 200, STR("nobody left"));
    leave(e.code);
}

static void wait_for_gate(void)
{
    gate_fiber = fiber_self();
    gate_open = false;
    sem_post(&entered);
    while (!gate_open && fiber_wait(CLOCK_NEVER) == FIBER_WOKEN)
        ;
    gate_fiber = NULL;
}

static void handle_gate(struct http_request *r)
{
    wait_for_gate();
    reply_text(r, 200, STR("through"));
}

static atomic_bool outlived; /* the fiber was cancelled only when it asked for that again */

static void handle_outlive(struct http_request *r)
{
    struct err e = {0};
    http_request_outlive(r, true);
    wait_for_gate();
    bool alive = !fiber_cancelled() && !http_reply_start(r, 200, text_type, 1, &e) &&
                 e.code == ERR_CANCELLED;
    http_request_outlive(r, false);
    atomic_store(&outlived, alive && fiber_cancelled());
    leave(e.code);
}

/* Its client stays: nothing is different. */
static void handle_stay(struct http_request *r)
{
    http_request_outlive(r, true);
    http_request_outlive(r, false);
    handle_wait(r);
}

static void handler(struct http_request *r, void *ctx)
{
    (void)ctx;
    struct str p = r->path;
    if (str_eq(p, STR("/body")))
        handle_body(r);
    else if (str_eq(p, STR("/pieces")))
        handle_pieces(r);
    else if (str_eq(p, STR("/stream")))
        handle_stream(r);
    else if (str_eq(p, STR("/held")) || str_eq(p, STR("/held/abort")))
        handle_held(r);
    else if (str_eq(p, STR("/long")))
        handle_long(r);
    else if (str_eq(p, STR("/flood")))
        handle_flood(r);
    else if (str_eq(p, STR("/wait")))
        handle_wait(r);
    else if (str_eq(p, STR("/gate")))
        handle_gate(r);
    else if (str_eq(p, STR("/outlive")))
        handle_outlive(r);
    else if (str_eq(p, STR("/stay")))
        handle_stay(r);
    else if (str_eq(p, STR("/abort"))) {
        const struct str part = STR("half");
        if (http_reply_start(r, 200, text_type, 1, NULL))
            http_reply_write(r, &part, 1, NULL);
        leave(ERR_NONE);
    } else if (str_eq(p, STR("/silent")))
        leave(ERR_NONE);
    else if (str_eq(p, STR("/empty")))
        http_reply(r, 204, NULL, 0, NULL, 0, NULL);
    else if (str_eq(p, STR("/who")))
        reply_text(r, 200, arena_printf(r->arena, "%s %s", r->peer, r->local ? "local" : "far"));
    else
        reply_text(r, 200, arena_printf(r->arena, "%.*s %.*s", STR_FMT(p), STR_FMT(r->query)));
}

/* ---- Things done on the loop's thread ---- */

static sem_t posted;

struct call {
    void (*fn)(void);
};

static void run_posted(void *arg)
{
    ((struct call *)arg)->fn();
    sem_post(&posted);
}

static bool patient(sem_t *s)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    while (sem_timedwait(s, &until) < 0)
        if (errno != EINTR)
            return false;
    return true;
}

/* Runs fn on the loop and waits for it. */
static void on_loop(void (*fn)(void))
{
    struct call c = {fn};
    loop_post(loop, run_posted, &c);
    CHECK(patient(&posted));
}

static void open_gate(void)
{
    gate_open = true;
    if (gate_fiber)
        fiber_wake(gate_fiber);
}

static void open_one(struct http_server **s, const char *address, struct http_server_options opt)
{
    struct err e = {0};
    opt.handler = handler;
    if (!http_server_open(s, address, &opt, &e))
        printf("# %s\n", e.msg);
    CHECK(*s);
}

static void open_servers(void)
{
    char address[128];
    open_one(&main_server, "127.0.0.1:0",
             (struct http_server_options){.limits = {2000, 4000, 1 << 20}});
    open_one(&hasty_server, "127.0.0.1:0",
             (struct http_server_options){.head_timeout_ms = 30,
                                          .body_timeout_ms = 30,
                                          .idle_timeout_ms = 500,
                                          .write_timeout_ms = 30});
    open_one(&small_server, "[::1]:0", (struct http_server_options){.max_connections = 2});
    open_one(&tls_server, "127.0.0.1:0", (struct http_server_options){.tls = certificate});
    snprintf(address, sizeof(address), "unix:%s", unix_path);
    open_one(&unix_server, address, (struct http_server_options){0});
    main_port = http_server_port(main_server);
    hasty_port = http_server_port(hasty_server);
    small_port = http_server_port(small_server);
    tls_port = http_server_port(tls_server);
}

/* ---- A client ---- */

struct client {
    int fd;
    struct tls *tls; /* NULL = plain */
    struct buf in;
    /* the last answer */
    struct http_head head;
    struct http_header space[HTTP_HEADERS_MAX];
    struct buf text; /* holds the head that `head` points into */
    struct buf body;
    bool whole;
};

static struct client *client_on(int fd)
{
    struct client *c = mem_new(sizeof(*c));
    struct timeval patience = {.tv_sec = PATIENCE_S};
    c->fd = fd;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    buf_init(&c->in, 64 << 20);
    buf_init(&c->text, 1 << 20);
    buf_init(&c->body, 64 << 20);
    return c;
}

static int try_connect(uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static struct client *client_open(uint16_t port)
{
    int fd = try_connect(port);
    CHECK(fd >= 0);
    return client_on(fd);
}

static void client_free(struct client *c)
{
    tls_free(c->tls);
    close(c->fd);
    buf_fini(&c->in);
    buf_fini(&c->text);
    buf_fini(&c->body);
    mem_free(c);
}

static bool client_send(struct client *c, struct str s)
{
    while (s.len) {
        ssize_t n =
            c->tls ? tls_write(c->tls, s.p, s.len, NULL) : send(c->fd, s.p, s.len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        s = str_from_at(s, (size_t)n);
    }
    return true;
}

static ssize_t client_fill(struct client *c)
{
    char *to = buf_reserve(&c->in, 65536);
    CHECK(to);
    ssize_t n = c->tls ? tls_read(c->tls, to, 65536, NULL) : recv(c->fd, to, 65536, 0);
    if (n > 0)
        c->in.len += (size_t)n;
    return n;
}

static bool client_body(struct client *c)
{
    const struct http_limits lim = {65536, 65536, 64 << 20};
    struct http_chunked chunked = {0};
    if (c->head.framing == HTTP_NO_BODY)
        return true;
    for (;;) {
        struct str data = buf_str(&c->in);
        size_t used = data.len;
        bool end = false;
        if (c->head.framing == HTTP_LENGTH) {
            data = str_head(data, c->head.content_length - c->body.len);
            used = data.len;
            end = c->body.len + used == c->head.content_length;
        } else if (c->head.framing == HTTP_CHUNKED) {
            ssize_t n = http_chunked_next(&chunked, buf_str(&c->in), &data, &lim, NULL);
            if (n < 0)
                return false;
            used = (size_t)n;
            end = chunked.state == CHUNK_END;
        }
        buf_add(&c->body, data);
        if (used)
            buf_consume(&c->in, used);
        if (end)
            return true;
        if (used && c->in.len)
            continue;
        ssize_t n = client_fill(c);
        if (n <= 0)
            return n == 0 && c->head.framing == HTTP_UNTIL_CLOSE;
    }
}

/* Reads one answer; returns its status, 0 when there was none. c->whole: its body came whole. */
static int client_answer_to(struct client *c, bool to_head)
{
    const struct http_limits lim = {65536, 65536, 64 << 20};
    buf_reset(&c->body);
    c->whole = false;
    for (;;) {
        struct err e = {0};
        ssize_t n = http_parse_response(&c->head, c->space, buf_str(&c->in), &lim, to_head, &e);
        if (n < 0)
            return 0;
        if (n > 0) {
            buf_reset(&c->text);
            buf_add(&c->text, (struct str){c->in.p, (size_t)n});
            buf_consume(&c->in, (size_t)n);
            http_parse_response(&c->head, c->space, buf_str(&c->text), &lim, to_head, &e);
            c->whole = client_body(c);
            return c->head.status;
        }
        if (client_fill(c) <= 0)
            return 0;
    }
}

static int client_answer(struct client *c)
{
    return client_answer_to(c, false);
}

static bool body_is(const struct client *c, const char *text)
{
    return c->whole && str_eq(buf_str(&c->body), str_from(text));
}

static bool header_is(const struct client *c, const char *name, const char *want)
{
    struct str v;
    return http_header_get(&c->head.headers, str_from(name), &v) && str_eq(v, str_from(want));
}

/* Has the server closed, in good order, with nothing more to say? */
static bool closed(struct client *c)
{
    return c->in.len == 0 && client_fill(c) == 0;
}

/* One request on a connection of its own. */
static int ask(struct client **c, uint16_t port, struct str request)
{
    *c = client_open(port);
    client_send(*c, request);
    return client_answer(*c);
}

#define GET(path) STR("GET " path " HTTP/1.1\r\nHost: h\r\n\r\n")
#define POST(path, headers, body) STR("POST " path " HTTP/1.1\r\nHost: h\r\n" headers "\r\n" body)

/* ---- Tests ---- */

static void test_keep_alive(void)
{
    struct client *c = client_open(main_port);
    for (int i = 0; i < 3; i++) {
        client_send(c, GET("/a%20b?x=y"));
        ok(client_answer(c) == 200 && body_is(c, "/a b x=y"), "request %d on one connection", i);
    }
    struct str v;
    ok(header_is(c, "content-type", "text/plain") && header_is(c, "content-length", "8") &&
           http_header_get(&c->head.headers, STR("date"), &v) && v.len == 29 &&
           !http_header_get(&c->head.headers, STR("connection"), &v),
       "headers of an answer");
    client_send(c, STR("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    ok(client_answer(c) == 200 && header_is(c, "connection", "close") && closed(c),
       "Connection: close is obeyed");
    client_free(c);

    c = client_open(main_port);
    client_send(c, STR("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    ok(client_answer(c) == 200 && header_is(c, "connection", "keep-alive"), "1.0 with keep-alive");
    client_send(c, STR("GET / HTTP/1.0\r\n\r\n"));
    ok(client_answer(c) == 200 && closed(c), "1.0 closes");
    client_free(c);

    c = client_open(main_port);
    client_send(c, STR("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n"));
    ok(client_answer_to(c, true) == 200 && header_is(c, "content-length", "3") && c->in.len == 0,
       "HEAD gets the head alone");
    client_send(c, STR("HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n"));
    ok(client_answer_to(c, true) == 200 && c->in.len == 0, "also of a stream");
    client_send(c, GET("/empty"));
    ok(client_answer(c) == 204 && !http_header_get(&c->head.headers, STR("content-length"), &v),
       "204 has neither body nor length");
    client_send(c, GET("/who"));
    ok(client_answer(c) == 200 && body_is(c, "127.0.0.1 far"), "the peer is known");
    client_free(c);
}

static void test_pipelining(void)
{
    struct client *c = client_open(main_port);
    client_send(c, STR("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
                       "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                       "POST /body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
                       "POST /ignored HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyz"
                       "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n"
                       "POST /pieces HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
                       "GET /last HTTP/1.1\r\nHost: h\r\n\r\nGET /cu"));
    ok(client_answer(c) == 200 && body_is(c, "/1 "), "pipelined: first");
    ok(client_answer(c) == 200 && body_is(c, "<abc>"), "pipelined: a body");
    ok(client_answer(c) == 200 && body_is(c, "<def>"), "pipelined: a chunked body");
    ok(client_answer(c) == 200 && body_is(c, "/ignored "), "pipelined: a body that nobody read");
    ok(client_answer(c) == 200 && body_is(c, "one abcdefghijklmn"), "pipelined: a stream");
    ok(client_answer(c) == 200 && body_is(c, "10 525"), "pipelined: pieces of a chunked body");
    ok(client_answer(c) == 200 && body_is(c, "/last "), "pipelined: last");
    client_send(c, STR("t HTTP/1.1\r\nHost: h\r\n\r\n"));
    ok(client_answer(c) == 200 && body_is(c, "/cut "), "pipelined: one that was cut");

    /* More than any buffer holds, so that reading stops in the middle of requests. */
    enum { N = 3000 };
    struct buf many;
    buf_init(&many, 1 << 20);
    for (int i = 0; i < N; i++)
        buf_printf(&many, "GET /%d HTTP/1.1\r\nHost: h\r\n\r\n", i);
    client_send(c, buf_str(&many));
    int right = 0;
    for (int i = 0; i < N; i++) {
        char want[16];
        snprintf(want, sizeof(want), "/%d ", i);
        right += client_answer(c) == 200 && body_is(c, want);
    }
    ok(right == N, "%d of %d pipelined answers in order", right, N);
    buf_fini(&many);
    client_free(c);
}

static void test_byte_by_byte(void)
{
    static const struct str requests[] = {
        IN("GET /x HTTP/1.1\r\nHost: h\r\n\r\n"),
        IN("POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"),
    };
    struct client *c = client_open(main_port);
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
    for (size_t k = 0; k < COUNT(requests); k++)
        for (size_t i = 0; i < requests[k].len; i++)
            client_send(c, str_head(str_from_at(requests[k], i), 1));
    ok(client_answer(c) == 200 && body_is(c, "/x "), "a head byte by byte");
    ok(client_answer(c) == 200 && body_is(c, "<hello>"), "a body byte by byte");
    client_free(c);
}

static void test_large_bodies(void)
{
    enum { SIZE = 1 << 20 };
    struct client *c = client_open(main_port);
    struct buf b;
    buf_init(&b, 4 << 20);
    buf_printf(&b, "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", SIZE);
    for (int i = 0; i < SIZE; i++)
        buf_char(&b, (char)('a' + i % 23));
    client_send(c, buf_str(&b));
    ok(client_answer(c) == 200 && c->body.len == SIZE + 2 &&
           c->body.p[SIZE] == 'a' + (SIZE - 1) % 23,
       "a body at the limit comes back");

    buf_reset(&b);
    buf_add(&b, STR("POST /body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 1024; i++)
        buf_printf(&b, "400\r\n%01024d\r\n", i);
    buf_add(&b, STR("0\r\n\r\n"));
    client_send(c, buf_str(&b));
    ok(client_answer(c) == 200 && c->body.len == SIZE + 2 &&
           str_ends(buf_str(&c->body), STR("01023>")),
       "a chunked body at the limit comes back");
    client_send(c, GET("/"));
    ok(client_answer(c) == 200, "and the connection goes on");
    client_free(c);
    buf_fini(&b);
}

/* One write with a body, and what comes next behind it: small ones are copied out of the read
 * buffer, large ones stay in it, larger ones do not fit. */
static void test_body_sizes(void)
{
    static const int sizes[] = {0,    1,    4000,  5900,  6000,  6090,
                                6200, 8100, 16200, 16384, 16500, 40000};
    struct client *c = client_open(main_port);
    int right = 0;
    for (size_t i = 0; i < 2 * COUNT(sizes); i++) {
        int size = sizes[i / 2];
        struct buf b, want;
        buf_init(&b, 1 << 20);
        buf_init(&want, 1 << 20);
        buf_char(&want, '<');
        for (int k = 0; k < size; k++)
            buf_char(&want, (char)('a' + k % 23));
        struct str body = str_from_at(buf_str(&want), 1);
        buf_add(&b, STR("POST /body HTTP/1.1\r\nHost: h\r\n"));
        if (i % 2)
            buf_printf(&b, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%.*s\r\n%s", size,
                       STR_FMT(body), size ? "0\r\n\r\n" : "");
        else
            buf_printf(&b, "Content-Length: %d\r\n\r\n%.*s", size, STR_FMT(body));
        buf_add(&b, GET("/next"));
        buf_char(&want, '>');
        client_send(c, buf_str(&b));
        right += client_answer(c) == 200 && str_eq(buf_str(&c->body), buf_str(&want));
        right += client_answer(c) == 200 && body_is(c, "/next ");
        buf_fini(&b);
        buf_fini(&want);
    }
    ok(right == 4 * COUNT(sizes), "bodies of all sizes in one write, and the next request");
    client_free(c);
}

static void test_too_large(void)
{
    struct client *c;
    ok(ask(&c, main_port, POST("/body", "Content-Length: 1048577\r\n", "")) == 413 && closed(c),
       "a length over the limit is refused without the body");
    client_free(c);
    ok(ask(&c, main_port, POST("/body", "Transfer-Encoding: chunked\r\n", "100001\r\n")) == 413 &&
           closed(c),
       "so is a chunk");
    ok(patient(&left) && atomic_load(&outcome) == ERR_TOO_LARGE, "the handler was told");
    client_free(c);

    /* The client goes on sending; the answer must not be lost by a reset. */
    c = client_open(main_port);
    static char junk[300000];
    client_send(c, POST("/body", "Content-Length: 9000000\r\n", ""));
    client_send(c, (struct str){junk, sizeof(junk)});
    ok(client_answer(c) == 413 && body_is(c, c->body.p ? buf_text(&c->body) : "") &&
           str_find(buf_str(&c->body), STR("\"code\":\"request_too_large\"")) != STR_NPOS,
       "the answer reaches a client that goes on sending");
    client_free(c);
}

static const struct {
    const char *name, *request;
    int status;
    const char *code;
} refusals[] = {
    {"smuggling",
     "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     "invalid_value"},
    {"no host", "GET / HTTP/1.1\r\n\r\n", 400, "invalid_value"},
    {"bare LF", "GET / HTTP/1.1\nHost: h\n\n", 400, "invalid_value"},
    {"not HTTP", "hello\r\n\r\n", 400, "invalid_value"},
    {"climbing path", "GET /a/%2e%2e/b HTTP/1.1\r\nHost: h\r\n\r\n", 400, "invalid_value"},
    {"quote in the method", "G\"T / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "invalid_value"},
};

static void test_refusals(void)
{
    struct client *c;
    struct str id, other;
    for (size_t i = 0; i < COUNT(refusals); i++) {
        int status = ask(&c, main_port, str_from(refusals[i].request));
        bool coded = str_find(buf_str(&c->body), str_from(refusals[i].code)) != STR_NPOS;
        ok(status == refusals[i].status && coded && header_is(c, "connection", "close") &&
               header_is(c, "content-type", "application/json") &&
               str_starts(buf_str(&c->body), STR("{\"error\":{\"message\":\"")) && closed(c),
           "%s is refused: %.*s", refusals[i].name, (int)c->body.len, c->body.p);
        client_free(c);
    }
    struct buf b;
    buf_init(&b, 65536);
    buf_printf(&b, "GET /%03000d", 0);
    ok(ask(&c, main_port, buf_str(&b)) == 414, "a long line is refused before its end");
    char first[64] = "";
    if (http_header_get(&c->head.headers, STR("x-request-id"), &id))
        snprintf(first, sizeof(first), "%.*s", STR_FMT(id));
    client_free(c);
    buf_reset(&b);
    buf_printf(&b, "GET / HTTP/1.1\r\nHost: h\r\nX: %05000d", 0);
    ok(ask(&c, main_port, buf_str(&b)) == 431, "a large head is refused before its end");
    ok(http_header_get(&c->head.headers, STR("x-request-id"), &other) && first[0] &&
           !str_eq(other, str_from(first)),
       "each refusal has an id of its own");
    client_free(c);
    buf_fini(&b);

    c = client_open(main_port);
    client_send(c, STR("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nnonsense\r\n\r\nGET /2 HTTP/1.1\r\n"));
    ok(client_answer(c) == 200 && client_answer(c) == 400 && closed(c),
       "nothing behind a bad request is looked at");
    client_free(c);
}

static void test_expect(void)
{
    struct client *c = client_open(main_port);
    client_send(c, POST("/body", "Expect: 100-continue\r\nContent-Length: 3\r\n", ""));
    ok(client_answer(c) == 100, "100 Continue is sent when the body is wanted");
    client_send(c, STR("abc"));
    ok(client_answer(c) == 200 && body_is(c, "<abc>"), "then the body is read");
    client_send(c, POST("/body", "Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"));
    ok(client_answer(c) == 200 && body_is(c, "<abc>"), "no 100 when the body is there already");
    client_send(c, POST("/unwanted", "Expect: 100-continue\r\nContent-Length: 3\r\n", ""));
    ok(client_answer(c) == 200 && header_is(c, "connection", "close") && closed(c),
       "a final answer instead closes, as the body may come or not");
    client_free(c);
}

static void test_streams(void)
{
    struct client *c = client_open(main_port);
    client_send(c, STR("POST /long HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
                       "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n"));
    ok(client_answer(c) == 200 && c->body.len == LONG_PIECES && atomic_load(&long_kept),
       "a long stream needs no more memory at its end, %zu", c->body.len);
    ok(client_answer(c) == 200 && body_is(c, "one abcdefghijklmn"),
       "what came behind a released request is answered");
    client_free(c);
    ok(ask(&c, main_port, GET("/stream")) == 200 && body_is(c, "one abcdefghijklmn") &&
           header_is(c, "transfer-encoding", "chunked"),
       "a stream is chunked");
    client_free(c);
    ok(ask(&c, main_port, STR("GET /stream HTTP/1.0\r\n\r\n")) == 200 &&
           c->head.framing == HTTP_UNTIL_CLOSE && body_is(c, "one abcdefghijklmn"),
       "and ends by closing for 1.0");
    client_free(c);
    ok(ask(&c, main_port, GET("/held")) == 200 && c->body.len == 20024 &&
           str_starts(buf_str(&c->body), STR("one two one two ")),
       "pieces that are held go out with the next ones, in their order");
    client_free(c);
    ok(ask(&c, main_port, GET("/held/abort")) == 200 && !c->whole && c->body.len == 20016,
       "or not at all when none comes");
    patient(&left);
    client_free(c);
    ok(ask(&c, main_port, GET("/abort")) == 200 && !c->whole, "an aborted stream is seen as such");
    patient(&left);
    client_free(c);
    ok(ask(&c, main_port, STR("GET /abort HTTP/1.0\r\n\r\n")) != 200 || !c->whole,
       "also by 1.0, where closing is the end");
    patient(&left);
    client_free(c);
    ok(ask(&c, main_port, GET("/silent")) == 500 && closed(c), "a handler without answer: 500");
    patient(&left);
    client_free(c);
}

static void test_client_leaves(void)
{
    struct client *c = client_open(main_port);
    client_send(c, GET("/wait"));
    ok(patient(&entered), "a request waits");
    client_free(c);
    ok(patient(&left) && atomic_load(&outcome) == ERR_CANCELLED,
       "its client leaves, and the handler's wait ends as cancelled");

    enum { N = 60 };
    struct client *many[N];
    for (int i = 0; i < N; i++) {
        many[i] = client_open(main_port);
        client_send(many[i], GET("/wait"));
    }
    int n = 0;
    for (int i = 0; i < N; i++)
        n += patient(&entered);
    for (int i = 0; i < N; i++)
        client_free(many[i]);
    int cancelled = 0;
    for (int i = 0; i < N; i++)
        cancelled += patient(&left) && atomic_load(&outcome) == ERR_CANCELLED;
    ok(n == N && cancelled == N, "%d clients leave at once", cancelled);

    c = client_open(main_port);
    client_send(c, POST("/body", "Content-Length: 100\r\n", "half"));
    client_free(c);
    ok(patient(&left) && atomic_load(&outcome) == ERR_CANCELLED,
       "leaving in the middle of a body is told to the handler");
}

static void look_around(void)
{
}

static void test_outlive(void)
{
    struct client *c = client_open(main_port);
    client_send(c, GET("/outlive"));
    ok(patient(&entered), "a request whose answer others want too");
    client_free(c);
    for (int i = 0; i < 3; i++) /* turns of the loop, in which it sees that the client has gone */
        on_loop(look_around);
    on_loop(open_gate);
    ok(patient(&left) && atomic_load(&outlived) && atomic_load(&outcome) == ERR_CANCELLED,
       "outlives its client, cannot write to it, and is cancelled when nobody else waits");

    c = client_open(main_port);
    client_send(c, GET("/stay"));
    ok(patient(&entered), "a request that no longer outlives its client");
    client_free(c);
    ok(patient(&left) && atomic_load(&outcome) == ERR_CANCELLED, "ends when it leaves");
}

static void test_client_never_reads(void)
{
    struct client *c = client_open(main_port), *other;
    client_send(c, GET("/flood"));
    ok(patient(&entered), "a flood has begun");
    int right = 0;
    for (int i = 0; i < 50; i++) {
        right += ask(&other, main_port, GET("/x")) == 200;
        client_free(other);
    }
    unsigned long long written = atomic_load(&flooded);
    ok(right == 50, "others are served meanwhile");
    ok(written < 32u << 20, "what was written is bounded by the socket's buffers: %llu KB",
       written >> 10);
    client_free(c);
    ok(patient(&left), "the writer ends when the client leaves");

    c = client_open(hasty_port);
    client_send(c, GET("/flood"));
    ok(patient(&entered) && patient(&left) && atomic_load(&outcome) == ERR_TIMEOUT,
       "a client that reads nothing for too long is cut off");
    client_free(c);
}

static void test_half_open(void)
{
    enum { N = 200 };
    struct client *c[N], *other;
    for (int i = 0; i < N; i++) {
        c[i] = client_open(main_port);
        client_send(c[i], i % 2 ? STR("GET / HTT") : POST("/body", "Content-Length: 9\r\n", "x"));
    }
    int right = 0;
    for (int i = 0; i < 20; i++) {
        right += ask(&other, main_port, GET("/x")) == 200;
        client_free(other);
    }
    ok(right == 20, "%d half-open connections do not keep others from being served", N);
    int finished = 0;
    for (int i = 0; i < N; i++) {
        client_send(c[i], i % 2 ? STR("P/1.1\r\nHost: h\r\n\r\n") : STR("12345678"));
        finished += client_answer(c[i]) == 200;
        client_free(c[i]);
    }
    ok(finished == N, "and are served when the rest comes");
}

static void test_slow(void)
{
    struct client *c = client_open(hasty_port);
    ok(closed(c), "a connection that asks nothing is closed");
    client_free(c);
    c = client_open(hasty_port);
    client_send(c, STR("GET / HTTP/1.1\r\n"));
    ok(client_answer(c) == 408 && closed(c), "a head that does not come: 408");
    client_free(c);
    c = client_open(hasty_port);
    client_send(c, POST("/body", "Content-Length: 10\r\n", "half"));
    ok(client_answer(c) == 400 && closed(c), "a body that does not come: 400: %.*s",
       (int)c->body.len, c->body.p);
    ok(patient(&left) && atomic_load(&outcome) == ERR_INVALID, "and the handler is told");
    client_free(c);
}

static void test_tls(void)
{
    struct tls_client *trust;
    struct err e = {0};
    CHECK(tls_client_new(&trust, cert_path, false, &e));
    struct client *c = client_open(tls_port), *mute;
    c->tls = tls_connect(trust, c->fd, STR("a.test"), &e);
    ok(c->tls && tls_handshake(c->tls, &e) == 1, "a TLS handshake: %s", e.msg);
    client_send(c, GET("/x"));
    ok(client_answer(c) == 200 && body_is(c, "/x "), "a request over TLS");
    client_send(c, GET("/stream"));
    ok(client_answer(c) == 200 && body_is(c, "one abcdefghijklmn"), "a stream over TLS");

    /* The second record holds the end of a body and the next request: when the body has been read,
     * the rest of the record is in no socket, so no event will tell of it. */
    client_send(c, POST("/body", "Content-Length: 10\r\n", "01234"));
    client_send(c, STR("56789GET /next HTTP/1.1\r\nHost: h\r\n\r\n"));
    ok(client_answer(c) == 200 && body_is(c, "<0123456789>"), "a body in two records");
    ok(client_answer(c) == 200 && body_is(c, "/next "), "and what lies behind it in the second");
    client_send(c, GET("/wait"));
    ok(patient(&entered), "a request waits");
    client_free(c);
    ok(patient(&left) && atomic_load(&outcome) == ERR_CANCELLED, "and ends when its client leaves");

    mute = client_open(tls_port);
    client_send(mute, GET("/plain"));
    ok(client_answer(mute) == 0, "plain HTTP to a TLS port gets no answer");
    client_free(mute);
    tls_client_free(trust);
}

static struct client *client_small(void)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6,
                              .sin6_port = htons(small_port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    return client_on(fd);
}

static void test_max_connections(void)
{
    struct client *a = client_small(), *b = client_small(), *d;
    client_send(a, GET("/a"));
    client_send(b, GET("/who"));
    ok(client_answer(a) == 200 && client_answer(b) == 200 && body_is(b, "::1 far"),
       "two connections, over IPv6");
    d = client_small();
    client_send(d, GET("/d"));
    ok(client_answer(d) == 200 && closed(a), "the third takes the place of the oldest idle one");
    client_send(b, GET("/wait"));
    client_send(d, GET("/wait"));
    ok(patient(&entered) && patient(&entered), "now both are busy");
    client_free(a);
    a = client_small();
    ok(client_answer(a) == 503, "and one more is turned away");
    client_free(a);
    client_free(b);
    client_free(d);
    ok(patient(&left) && patient(&left), "the busy ones end");
}

static struct client *client_unix(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, unix_path, sizeof(unix_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    return client_on(fd);
}

static void test_unix(void)
{
    struct client *c = client_unix();
    client_send(c, GET("/who"));
    ok(client_answer(c) == 200 && body_is(c, "unix local"), "the same user over a unix socket");
    struct stat st;
    ok(stat(unix_path, &st) == 0 && (st.st_mode & 07777) == 0600, "whose file is ours alone");
    client_free(c);
}

static void drain_main(void)
{
    http_server_drain(main_server);
}

static bool drained;

static void look_drained(void)
{
    drained = http_server_drained(main_server);
}

static void test_drain(void)
{
    struct client *idle = client_open(main_port), *busy = client_open(main_port);
    client_send(idle, GET("/x"));
    ok(client_answer(idle) == 200, "a connection is idle");
    client_send(busy, GET("/gate"));
    ok(patient(&entered), "another is busy");
    on_loop(drain_main);
    ok(closed(idle), "draining closes the idle one");
    ok(try_connect(main_port) < 0, "and takes no new one");
    on_loop(look_drained);
    ok(!drained, "it is not drained while a request runs");
    on_loop(open_gate);
    ok(client_answer(busy) == 200 && body_is(busy, "through") &&
           header_is(busy, "connection", "close") && closed(busy),
       "which is finished, with Connection: close");
    for (int i = 0; i < 1000 && !drained; i++)
        on_loop(look_drained);
    ok(drained, "then it is drained");
    client_free(idle);
    client_free(busy);
}

static void close_servers(void)
{
    http_server_close(main_server);
    http_server_close(hasty_server);
    http_server_close(small_server);
    http_server_close(tls_server);
    http_server_close(unix_server);
    http_server_close(NULL);
}

static void test_close(void)
{
    struct client *c = client_unix();
    client_send(c, GET("/wait"));
    ok(patient(&entered), "a request runs");
    on_loop(close_servers);
    ok(patient(&left) && atomic_load(&outcome) == ERR_CANCELLED, "closing cancels it");
    ok(client_answer(c) == 0, "and its connection ends");
    ok(access(unix_path, F_OK) != 0, "the socket's file is gone");
    client_free(c);
}

static void *clients(void *arg)
{
    (void)arg;
    on_loop(open_servers);
    test_keep_alive();
    test_pipelining();
    test_byte_by_byte();
    test_large_bodies();
    test_body_sizes();
    test_too_large();
    test_refusals();
    test_expect();
    test_streams();
    test_client_leaves();
    test_outlive();
    test_client_never_reads();
    test_half_open();
    test_slow();
    test_tls();
    test_max_connections();
    test_unix();
    test_drain();
    test_close();
    loop_stop(loop);
    return NULL;
}

static void make_certificate(void)
{
    struct err e;
    struct cert c = cert_new(&(struct cert_wish){"a.test", "DNS:a.test", -1, 30}, NULL);
    snprintf(cert_path, sizeof(cert_path), "/tmp/penstock-test-server-%d.pem", (int)getpid());
    snprintf(key_path, sizeof(key_path), "/tmp/penstock-test-server-%d.key", (int)getpid());
    cert_write(&c, cert_path, key_path);
    CHECK(tls_server_new(&certificate, cert_path, key_path, &e));
    cert_free(&c);
}

int main(void)
{
    struct err e;
    pthread_t thread;
    snprintf(unix_path, sizeof(unix_path), "/tmp/penstock-test-server-%d", (int)getpid());
    make_certificate();
    sem_init(&entered, 0, 0);
    sem_init(&left, 0, 0);
    sem_init(&posted, 0, 0);
    loop = loop_new(&e);
    CHECK(loop && pthread_create(&thread, NULL, clients, NULL) == 0);
    loop_run(loop);
    pthread_join(thread, NULL);
    loop_free(loop);
    tls_server_free(certificate);
    unlink(cert_path);
    unlink(key_path);
    return tap_done();
}
