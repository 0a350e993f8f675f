/* What the server promises to clients that speak HTTP/2: a stream is a request like any other, and
 * no stream disturbs another. Client and server are fibers of one loop. */
#include "net/server.h"

#include "base/clock.h"
#include "frames.h"
#include "net/conn.h"
#include "on_loop.h"
#include "tap.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

enum { PATIENCE_S = 20 };

static struct http_server *server, *hasty, *drainer;

/* ---- The handler ---- */

static unsigned entered, left; /* handlers that wait */
static enum err_code outcome;  /* of the last of them */
static uint64_t flooded;
static bool outlived, gate_open;
static const struct http_header text_type = {STR_INIT("Content-Type"), STR_INIT("text/plain")};

static void reply_text(struct http_request *r, int status, struct str text)
{
    http_reply(r, status, &text_type, 1, &text, 1, NULL);
}

static void handle_body(struct http_request *r)
{
    struct err e = {0};
    struct str body;
    if (http_request_body(r, &body, &e)) {
        const struct str parts[] = {STR("<"), body, STR(">")};
        http_reply(r, 200, &text_type, 1, parts, 3, NULL);
        return;
    }
    reply_text(r, err_status(e.code), str_from(e.msg));
    outcome = e.code;
    left++;
}

static void handle_pieces(struct http_request *r)
{
    struct err e = {0};
    unsigned char piece[1000];
    size_t total = 0;
    ssize_t n;
    while ((n = http_request_read(r, piece, sizeof(piece), &e)) > 0)
        total += (size_t)n;
    reply_text(r, n < 0 ? err_status(e.code) : 200, arena_printf(r->arena, "%zu", total));
}

static void handle_stream(struct http_request *r)
{
    const struct str one[] = {STR("one"), STR(" ")}, last = STR("last");
    struct str body;
    bool good = http_request_body(r, &body, NULL) &&
                http_reply_start(r, 200, &text_type, 1, NULL) && http_reply_write(r, one, 2, NULL);
    http_request_release(r);
    good = good && !r->early && http_reply_write(r, one, 2, NULL) &&
           http_reply_end(r, &last, 1, NULL) &&
           r->sent == (str_eq(r->head.method, STR("HEAD")) ? 0 : 12);
    CHECK(good);
}

static void handle_flood(struct http_request *r)
{
    static const char zeros[65536];
    const struct str part = {zeros, sizeof(zeros)};
    struct err e = {0};
    flooded = 0;
    entered++;
    bool good = http_reply_start(r, 200, &text_type, 1, &e);
    while (good && (good = http_reply_write(r, &part, 1, &e)))
        flooded += sizeof(zeros);
    outcome = e.code;
    left++;
}

static void handle_wait(struct http_request *r)
{
    struct err e = {0};
    entered++;
    if (fiber_sleep(PATIENCE_S * NS_PER_S, &e))
        reply_text(r, 200, STR("nobody left"));
    outcome = e.code;
    left++;
}

static void handle_gate(struct http_request *r)
{
    entered++;
    while (!gate_open && fiber_sleep(NS_PER_MS, NULL))
        ;
    reply_text(r, 200, STR("through"));
}

static void handle_outlive(struct http_request *r)
{
    struct err e = {0};
    entered++;
    http_request_outlive(r, true);
    while (!gate_open && fiber_sleep(NS_PER_MS, NULL))
        ;
    bool alive = !fiber_cancelled() && !http_reply_start(r, 200, &text_type, 1, &e);
    http_request_outlive(r, false);
    outlived = alive && fiber_cancelled();
    outcome = e.code;
    left++;
}

/* Writes on and on, for a client that may have gone. */
static void handle_burst(struct http_request *r)
{
    struct err e = {0};
    const struct str part = STR("x");
    http_request_outlive(r, true);
    bool good = http_reply_start(r, 200, &text_type, 1, &e);
    while (good && r->sent < 60000)
        good = http_reply_write(r, &part, 1, &e);
    http_request_outlive(r, false);
    outcome = e.code;
    left++;
}

static void handle_abort(struct http_request *r)
{
    const struct str part = STR("half");
    if (http_reply_start(r, 200, &text_type, 1, NULL))
        http_reply_write(r, &part, 1, NULL);
}

static void handler(struct http_request *r, void *ctx)
{
    static const struct {
        const char *path;
        void (*handle)(struct http_request *r);
    } table[] = {
        {"/body", handle_body},   {"/pieces", handle_pieces},   {"/stream", handle_stream},
        {"/flood", handle_flood}, {"/wait", handle_wait},       {"/gate", handle_gate},
        {"/abort", handle_abort}, {"/outlive", handle_outlive}, {"/burst", handle_burst},
    };
    (void)ctx;
    for (size_t i = 0; i < COUNT(table); i++) {
        if (str_eq(r->path, str_from(table[i].path))) {
            table[i].handle(r);
            return;
        }
    }
    if (str_eq(r->path, STR("/silent")))
        return;
    reply_text(
        r, 200,
        arena_printf(r->arena, "%.*s %.*s %s", STR_FMT(r->path), STR_FMT(r->query), r->peer));
}

/* ---- A client ---- */

enum { STREAMS = 400 };

struct client {
    struct conn conn;
    struct buf out, in;
    bool over;
    struct {
        int status;
        struct buf body;
        bool end, reset;
        uint32_t code;
    } stream[STREAMS]; /* by id */
    unsigned goaways, continues;
    uint32_t last_id, code;
    uint64_t windows; /* that the server has opened */
};

static struct client *client_open(struct http_server *s)
{
    struct err e;
    struct client *c = mem_new(sizeof(*c));
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_port(s)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && conn_init(&c->conn, fd, &e));
    buf_init(&c->out, 10 << 20);
    buf_init(&c->in, 10 << 20);
    for (int i = 0; i < STREAMS; i++)
        buf_init(&c->stream[i].body, 10 << 20);
    buf_add(&c->out, preface);
    frame_setting(&c->out, 1, 0);
    return c;
}

static void client_free(struct client *c)
{
    conn_fini(&c->conn);
    buf_fini(&c->out);
    buf_fini(&c->in);
    for (int i = 0; i < STREAMS; i++)
        buf_fini(&c->stream[i].body);
    mem_free(c);
}

static int64_t patience(void)
{
    return clock_after(loop_now(), PATIENCE_S * 1000);
}

static void client_send(struct client *c)
{
    conn_write(&c->conn, buf_str(&c->out), patience(), NULL);
    buf_reset(&c->out);
}

static void take_frame(struct client *c, const struct frame *f)
{
    CHECK(f->id < STREAMS);
    switch (f->type) {
    case FRAME_DATA: buf_add(&c->stream[f->id].body, f->payload); break;
    case FRAME_HEADERS:
        c->stream[f->id].status = frame_status(f->payload);
        c->continues += c->stream[f->id].status == 100;
        break;
    case FRAME_SETTINGS:
        if (!(f->flags & ACK))
            frame(&c->out, FRAME_SETTINGS, ACK, 0, STR_NONE);
        break;
    case FRAME_PING:
        if (!(f->flags & ACK))
            frame(&c->out, FRAME_PING, ACK, 0, f->payload);
        break;
    case FRAME_RST:
        c->stream[f->id].reset = true;
        c->stream[f->id].code = frame_get(f->payload.p, 4);
        break;
    case FRAME_GOAWAY:
        c->goaways++;
        c->last_id = frame_get(f->payload.p, 4);
        c->code = frame_get(f->payload.p + 4, 4);
        break;
    case FRAME_WINDOW: c->windows += frame_get(f->payload.p, 4); break;
    default: break;
    }
    if (f->type <= FRAME_HEADERS && (f->flags & END_STREAM))
        c->stream[f->id].end = true;
}

/* Sends what there is and takes what comes next; false when the server has closed. */
static bool client_step(struct client *c)
{
    struct frame f;
    size_t n;
    client_send(c);
    char *to = buf_reserve(&c->in, 65536);
    CHECK(to);
    ssize_t got = conn_read(&c->conn, to, 65536, patience(), NULL);
    if (got <= 0) {
        c->over = true;
        return false;
    }
    c->in.len += (size_t)got;
    while ((n = frame_read(buf_str(&c->in), &f)) > 0) {
        take_frame(c, &f);
        buf_consume(&c->in, n);
    }
    client_send(c);
    return true;
}

/* The status of the answer to this stream when it has come whole; 0: it did not. */
static int answer(struct client *c, uint32_t id)
{
    while (!c->stream[id].end && !c->stream[id].reset && client_step(c))
        ;
    return c->stream[id].end ? c->stream[id].status : 0;
}

static bool body_is(const struct client *c, uint32_t id, const char *text)
{
    return str_eq(buf_str(&c->stream[id].body), str_from(text));
}

static bool body_has(const struct client *c, uint32_t id, const char *text)
{
    return str_find(buf_str(&c->stream[id].body), str_from(text)) != STR_NPOS;
}

static int ask(struct client *c, uint32_t id, const char *path)
{
    frame_request(&c->out, id, "GET", path, true);
    return answer(c, id);
}

static bool becomes(const unsigned *counter, unsigned want)
{
    int64_t end = patience();
    while (*counter < want && loop_now() < end)
        fiber_sleep(NS_PER_MS, NULL);
    return *counter == want;
}

static void reset_counts(void)
{
    entered = left = 0;
    outcome = ERR_NONE;
    gate_open = outlived = false;
}

/* ---- Requests ---- */

static void post(struct client *c, uint32_t id, const char *path, const char *length)
{
    struct buf head;
    head_start(&head, "POST", path);
    if (length)
        head_field(&head, STR("content-length"), str_from(length));
    frame(&c->out, FRAME_HEADERS, END_HEADERS, id, buf_str(&head));
    buf_fini(&head);
}

static void test_requests(void)
{
    struct client *c = client_open(server);
    ok(ask(c, 1, "/x?y") == 200 && body_is(c, 1, "/x y 127.0.0.1"), "a request and its answer");
    post(c, 3, "/body", NULL);
    frame(&c->out, FRAME_DATA, END_STREAM, 3, STR("hello"));
    ok(answer(c, 3) == 200 && body_is(c, 3, "<hello>"), "a body");
    post(c, 5, "/body", "10");
    frame(&c->out, FRAME_DATA, 0, 5, STR("01234"));
    client_send(c);
    ok(ask(c, 7, "/between") == 200, "another request in the middle of a body");
    frame(&c->out, FRAME_DATA, 0, 5, STR("56789"));
    frame(&c->out, FRAME_DATA, END_STREAM, 5, STR_NONE);
    ok(answer(c, 5) == 200 && body_is(c, 5, "<0123456789>"), "which is whole at its end");
    post(c, 9, "/stream", "0");
    frame(&c->out, FRAME_DATA, END_STREAM, 9, STR_NONE);
    ok(answer(c, 9) == 200 && body_is(c, 9, "one one last"), "a stream");
    frame_request(&c->out, 11, "HEAD", "/x", true);
    ok(answer(c, 11) == 200 && c->stream[11].body.len == 0, "HEAD has no body");
    frame_request(&c->out, 13, "HEAD", "/stream", true);
    ok(answer(c, 13) == 200 && c->stream[13].body.len == 0, "nor has a stream then");
    ok(ask(c, 15, "/abort") == 0 && c->stream[15].reset && c->stream[15].code == 2,
       "an answer that breaks off is reset");
    ok(ask(c, 17, "/silent") == 500 && body_has(c, 17, "internal_error"), "no answer: 500");
    ok(ask(c, 19, "/after") == 200, "and the connection goes on");
    client_free(c);
}

static void test_bodies(void)
{
    static char block[16000];
    struct client *c = client_open(server);
    while (c->windows == 0)
        client_step(c);
    uint64_t sent = 0, before = c->windows;
    post(c, 1, "/pieces", NULL);
    for (int i = 0; i < 60; i++) { /* 960 KB: the window must be opened meanwhile */
        while (sent + sizeof(block) > 65535 + c->windows - before && client_step(c))
            ;
        frame(&c->out, FRAME_DATA, i == 59 ? END_STREAM : 0, 1, (struct str){block, sizeof(block)});
        sent += sizeof(block);
        client_send(c);
    }
    ok(answer(c, 1) == 200 && body_is(c, 1, "960000"), "a large body is read piece by piece");

    post(c, 3, "/body", "5");
    frame(&c->out, FRAME_DATA, END_STREAM, 3, STR("four"));
    ok(answer(c, 3) == 400 && body_has(c, 3, "Content-Length"), "a body shorter than announced");
    post(c, 5, "/body", "5");
    frame(&c->out, FRAME_DATA, END_STREAM, 5, STR("sixsix"));
    ok(answer(c, 5) == 400, "or longer");
    post(c, 7, "/body", "9000000");
    ok(answer(c, 7) == 413 && body_has(c, 7, "request_too_large"),
       "an announced body over the limit");
    ok(c->stream[7].reset || (client_step(c) && c->stream[7].reset), "which is not waited for");

    struct buf head;
    head_start(&head, "POST", "/body");
    head_field(&head, STR("expect"), STR("100-continue"));
    frame(&c->out, FRAME_HEADERS, END_HEADERS, 9, buf_str(&head));
    while (!c->continues && client_step(c))
        ;
    frame(&c->out, FRAME_DATA, END_STREAM, 9, STR("abc"));
    ok(c->continues == 1 && answer(c, 9) == 200 && body_is(c, 9, "<abc>"), "100 Continue");
    buf_fini(&head);
    ok(ask(c, 11, "/after") == 200, "the connection goes on");
    client_free(c);
}

static void test_refusals(void)
{
    struct client *c = client_open(server);
    struct buf head;
    head_start(&head, "GET", "/");
    head_field(&head, STR("connection"), STR("close"));
    frame(&c->out, FRAME_HEADERS, END_HEADERS | END_STREAM, 1, buf_str(&head));
    ok(answer(c, 1) == 400 && body_has(c, 1, "\"type\":\"invalid_request_error\""),
       "a malformed head: %.*s", STR_FMT(buf_str(&c->stream[1].body)));
    ok(ask(c, 3, "/a/%2e%2e/b") == 400, "a climbing path");
    buf_reset(&head);
    buf_printf(&head, "/%03000d", 0);
    ok(ask(c, 5, buf_text(&head)) == 414, "a long path");
    buf_fini(&head);
    head_start(&head, "GET", "/");
    static char filler[5000];
    memset(filler, 'x', sizeof(filler));
    head_field(&head, STR("x"), (struct str){filler, sizeof(filler)});
    frame(&c->out, FRAME_HEADERS, END_HEADERS | END_STREAM, 7, buf_str(&head));
    ok(answer(c, 7) == 431 && body_has(c, 7, "headers_too_large"), "a large head");
    buf_fini(&head);
    ok(ask(c, 9, "/after") == 200, "the connection goes on");
    client_free(c);
}

static void test_many(void)
{
    struct client *c = client_open(server);
    enum { N = 100 };
    int good = 0;
    for (uint32_t i = 0; i < N; i++)
        frame_request(&c->out, 2 * i + 1, "GET", i % 2 ? "/stream" : "/x", true);
    for (uint32_t i = 0; i < N; i++)
        good += answer(c, 2 * i + 1) == 200;
    ok(good == N, "%d streams at once", good);
    client_free(c);
}

/* ---- Leaving ---- */

static void test_leaving(void)
{
    struct client *c = client_open(server);
    reset_counts();
    frame_request(&c->out, 1, "GET", "/wait", true);
    frame_request(&c->out, 3, "GET", "/wait", true);
    frame_request(&c->out, 5, "GET", "/gate", true);
    client_send(c);
    ok(becomes(&entered, 3), "three streams wait");
    frame_number(&c->out, FRAME_RST, 1, 8);
    client_send(c);
    ok(becomes(&left, 1) && outcome == ERR_CANCELLED, "one is reset and cancelled, it alone");
    gate_open = true;
    ok(answer(c, 5) == 200 && left == 1, "another goes on");
    post(c, 7, "/body", "100");
    frame(&c->out, FRAME_DATA, 0, 7, STR("half"));
    frame_number(&c->out, FRAME_RST, 7, 8);
    frame_request(&c->out, 9, "GET", "/x", true);
    ok(answer(c, 9) == 200, "a stream is reset in the middle of its body");
    ok(becomes(&left, 2) && outcome == ERR_CANCELLED, "and its handler told");
    client_free(c);
    ok(becomes(&left, 3) && outcome == ERR_CANCELLED, "the last when the connection ends");

    reset_counts();
    c = client_open(server);
    frame_request(&c->out, 1, "GET", "/outlive", true);
    client_send(c);
    ok(becomes(&entered, 1), "a stream whose answer others want too");
    frame_number(&c->out, FRAME_RST, 1, 8);
    ok(ask(c, 3, "/x") == 200 && left == 0, "outlives its reset");
    gate_open = true;
    ok(becomes(&left, 1) && outlived && outcome == ERR_CANCELLED,
       "and is cancelled when nobody else waits");
    reset_counts();
    frame_request(&c->out, 5, "GET", "/outlive", true);
    client_send(c);
    ok(becomes(&entered, 1), "another");
    client_free(c);
    for (int i = 0; i < 10; i++)
        fiber_sleep(NS_PER_MS, NULL);
    ok(left == 0, "outlives the connection");
    gate_open = true;
    ok(becomes(&left, 1) && outlived, "and ends then");

    reset_counts();
    c = client_open(server);
    frame_request(&c->out, 1, "GET", "/burst", true);
    client_send(c);
    while (c->stream[1].body.len == 0 && client_step(c))
        ;
    shutdown(c->conn.io.fd, SHUT_WR); /* the end is read before a write could fail */
    ok(becomes(&left, 1) && outcome == ERR_CANCELLED,
       "a connection that ends while a writer that outlives it takes a break");
    client_free(c);
}

static void test_flow(void)
{
    struct client *c = client_open(server);
    reset_counts();
    frame_request(&c->out, 1, "GET", "/flood", true);
    frame_number(&c->out, FRAME_WINDOW, 0, 1 << 24);
    client_send(c);
    while (c->stream[1].body.len < 65535 && client_step(c))
        ;
    ok(c->stream[1].body.len == 65535 && flooded <= 65536,
       "a stream stops at the end of its window, %llu bytes", (unsigned long long)flooded);
    ok(ask(c, 3, "/x") == 200 && ask(c, 5, "/stream") == 200, "others do not");
    frame_number(&c->out, FRAME_WINDOW, 1, 100000);
    while (c->stream[1].body.len < 165535 && client_step(c))
        ;
    ok(c->stream[1].body.len == 165535, "it goes on as the window is opened");
    frame_number(&c->out, FRAME_WINDOW, 1, 1 << 30);
    for (int i = 0; i < 20; i++) { /* nothing is read meanwhile */
        client_send(c);
        fiber_sleep(NS_PER_MS, NULL);
    }
    ok(flooded < 24u << 20, "a client that does not read holds no memory: %llu KB written",
       (unsigned long long)flooded >> 10);
    client_free(c);
    ok(becomes(&left, 1), "the writer ends with the connection");

    reset_counts();
    c = client_open(hasty);
    frame_request(&c->out, 1, "GET", "/flood", true);
    ok(answer(c, 1) == 0 && c->stream[1].reset && left == 1 && outcome == ERR_TIMEOUT,
       "a window that stays closed for too long ends the stream");
    client_free(c);
    c = client_open(hasty);
    reset_counts();
    frame_request(&c->out, 1, "GET", "/flood", true);
    frame_number(&c->out, FRAME_WINDOW, 0, 1 << 30);
    frame_number(&c->out, FRAME_WINDOW, 1, 1 << 30);
    client_send(c);
    ok(becomes(&left, 1), "so does a client that reads nothing");
    client_free(c);
}

static void test_slow(void)
{
    struct client *c = client_open(hasty);
    while (client_step(c))
        ;
    ok(c->over && c->goaways == 1 && c->code == 0, "an idle connection is told to go, and closed");
    client_free(c);

    struct buf head;
    c = client_open(hasty);
    head_start(&head, "GET", "/");
    frame(&c->out, FRAME_HEADERS, 0, 1, buf_str(&head));
    while (client_step(c))
        ;
    ok(c->over && c->stream[1].status == 0, "a head that does not come whole");
    buf_fini(&head);
    client_free(c);

    reset_counts();
    c = client_open(hasty);
    post(c, 1, "/body", "10");
    frame(&c->out, FRAME_DATA, 0, 1, STR("half"));
    ok(answer(c, 1) == 400 && outcome == ERR_INVALID, "a body that does not come");
    client_free(c);

    c = client_open(server);
    struct buf whole = c->out;
    frame_request(&whole, 1, "GET", "/x", true);
    buf_init(&c->out, 1024);
    for (size_t i = 0; i < whole.len; i++) {
        buf_add(&c->out, (struct str){whole.p + i, 1});
        client_send(c);
        fiber_yield();
    }
    ok(answer(c, 1) == 200, "a connection byte by byte");
    buf_fini(&whole);
    client_free(c);

    c = client_open(server);
    buf_reset(&c->out);
    buf_add(&c->out, STR("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"));
    while (client_step(c))
        ;
    ok(c->over && c->stream[0].status == 0, "a broken preface");
    client_free(c);
}

static void test_drain(void)
{
    struct client *idle = client_open(drainer), *busy = client_open(drainer);
    reset_counts();
    ok(ask(idle, 1, "/x") == 200, "a connection is idle");
    frame_request(&busy->out, 1, "GET", "/gate", true);
    client_send(busy);
    ok(becomes(&entered, 1), "another is busy");
    http_server_drain(drainer);
    while (client_step(idle))
        ;
    ok(idle->goaways == 1 && idle->last_id == 1, "draining ends the idle one, with GOAWAY");
    frame_request(&busy->out, 3, "GET", "/x", true);
    ok(answer(busy, 3) == 200, "a stream that was under way is answered");
    ok(!http_server_drained(drainer), "it is not drained while a stream runs");
    gate_open = true;
    ok(answer(busy, 1) == 200 && body_is(busy, 1, "through"), "which is finished");
    while (client_step(busy))
        ;
    ok(busy->goaways >= 2 && busy->last_id == 3, "then the client knows which was the last");
    ok(http_server_drained(drainer), "and it is drained");
    client_free(idle);
    client_free(busy);
}

static void test_close(void)
{
    struct client *c = client_open(server);
    reset_counts();
    frame_request(&c->out, 1, "GET", "/wait", true);
    client_send(c);
    ok(becomes(&entered, 1), "a stream runs");
    http_server_close(server);
    ok(becomes(&left, 1) && outcome == ERR_CANCELLED, "closing cancels it");
    ok(answer(c, 1) == 0 && c->over, "and its connection ends");
    client_free(c);
    http_server_close(hasty);
    http_server_close(drainer);
}

static struct http_server *open_one(struct http_server_options opt)
{
    struct http_server *s = NULL;
    struct err e = {0};
    opt.handler = handler;
    CHECK(http_server_open(&s, "127.0.0.1:0", &opt, &e));
    return s;
}

static void test(void *arg)
{
    (void)arg;
    const struct http_limits limits = {2000, 4000, 1 << 20};
    server = open_one((struct http_server_options){.limits = limits});
    drainer = open_one((struct http_server_options){0});
    hasty = open_one((struct http_server_options){.head_timeout_ms = 30,
                                                  .body_timeout_ms = 30,
                                                  .idle_timeout_ms = 100,
                                                  .write_timeout_ms = 30});
    test_requests();
    test_bodies();
    test_refusals();
    test_many();
    test_leaving();
    test_flow();
    test_slow();
    test_drain();
    test_close();
}

int main(void)
{
    on_loop(test, NULL);
    return tap_done();
}
