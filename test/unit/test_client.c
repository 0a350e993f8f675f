/* What the client promises when its peer misbehaves: the whole answer or a clean error that says
 * what happened, never a short answer that looks whole; and which connections are used again. */
#include "net/client.h"
#include "base/clock.h"

#include "on_loop.h"
#include "peer.h"
#include "tap.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define HELLO OK "Content-Length: 5\r\n\r\nhello"
#define X100                                                                                       \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxxx"

/* One exchange each. `body` NULL: it fails, with `why` in the message. */
static const struct {
    const char *name;
    const struct act act[6];
    int status;
    const char *body, *why;
    enum err_code code;
    bool pooled;
    struct http_deadlines d;
} cases[] = {
    {"a body with a length", {{ACT_SEND, HELLO}}, 200, "hello", .pooled = true},
    {"no body", {{ACT_SEND, "HTTP/1.1 204 No Content\r\n\r\n"}}, 204, "", .pooled = true},
    {"an empty body", {{ACT_SEND, OK "Content-Length: 0\r\n\r\n"}}, 200, "", .pooled = true},
    {"an error is an answer",
     {{ACT_SEND, "HTTP/1.1 429 Slow Down\r\nContent-Length: 2\r\n\r\nno"}},
     429,
     "no",
     .pooled = true},
    {"chunks",
     {{ACT_SEND, OK "Transfer-Encoding: chunked\r\n\r\n"
                    "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: r\r\n\r\n"}},
     200,
     "hello",
     .pooled = true},
    {"chunks in pieces",
     {{ACT_SEND, OK "Transfer-Encoding: chunked\r\n\r\n3"},
      {ACT_SEND, "\r\nhel\r"},
      {ACT_SEND, "\n2\r\nl"},
      {ACT_SEND, "o\r\n0\r\n\r\n"}},
     200,
     "hello",
     .pooled = true},
    {"until the end of the connection",
     {{ACT_SEND, OK "\r\nhel"}, {ACT_SEND, "lo"}, {ACT_CLOSE}},
     200,
     "hello"},
    {"HTTP/1.0", {{ACT_SEND, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"}}, 200, "hello"},
    {"Connection: close",
     {{ACT_SEND, OK "Connection: close\r\nContent-Length: 5\r\n\r\nhello"}},
     200,
     "hello"},
    {"byte by byte", {{ACT_DRIBBLE, HELLO}}, 200, "hello", .pooled = true},
    {"chunks byte by byte",
     {{ACT_DRIBBLE, OK "Transfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n1\r\no\r\n0\r\n\r\n"}},
     200,
     "hello",
     .pooled = true},
    {"100 and 103 come first",
     {{ACT_SEND, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP"},
      {ACT_SEND, "/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"}},
     200,
     "hello",
     .pooled = true},
    {"a large body",
     {{ACT_SEND, OK "Content-Length: 300000\r\n\r\n"}, {ACT_SEND_BIG, X100, 3000}},
     200,
     NULL,
     .why = "",
     .code = ERR_NONE,
     .pooled = true},
    {"a head of 30 KB",
     {{ACT_SEND, OK "X: "},
      {ACT_SEND_BIG, X100, 300},
      {ACT_SEND, "\r\nContent-Length: 5\r\n\r\nhello"}},
     200,
     "hello",
     .pooled = true},
    {"more than the body", {{ACT_SEND, HELLO HELLO}}, 200, "hello"},

    {"a head without end",
     {{ACT_SEND, OK "X: "}, {ACT_SEND_BIG, X100, 700}},
     .why = "over the limit",
     .code = ERR_UPSTREAM},
    {"a reset", {{ACT_RESET}}, .why = "reset by peer", .code = ERR_UPSTREAM},
    {"no answer", {{ACT_CLOSE}}, .why = "closed without an answer", .code = ERR_UPSTREAM},
    {"half a head",
     {{ACT_SEND, OK "Content-"}, {ACT_CLOSE}},
     .why = "closed in the head",
     .code = ERR_UPSTREAM},
    {"a reset in the head",
     {{ACT_SEND, OK "Content-"}, {ACT_RESET}},
     .why = "reading the answer",
     .code = ERR_UPSTREAM},
    {"not HTTP", {{ACT_SEND, "SSH-2.0-OpenSSH_9\r\n"}}, .why = "malformed", .code = ERR_UPSTREAM},
    {"bare line feeds",
     {{ACT_SEND, "HTTP/1.1 200 OK\nContent-Length: 0\n\n"}},
     .why = "malformed",
     .code = ERR_UPSTREAM},
    {"two lengths",
     {{ACT_SEND, OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"}},
     .why = "Content-Length",
     .code = ERR_UPSTREAM},
    {"a change of protocol",
     {{ACT_SEND, "HTTP/1.1 101 Switching\r\n\r\n"}},
     .why = "unexpected answer 101",
     .code = ERR_UPSTREAM},
    {"1xx without end",
     {{ACT_SEND_BIG, "HTTP/1.1 102 Processing\r\n\r\n", 17}},
     .why = "unexpected answer 102",
     .code = ERR_UPSTREAM},
    {"compressed in an unknown way",
     {{ACT_SEND, OK "Content-Encoding: br\r\nContent-Length: 2\r\n\r\nab"}},
     .why = "content-encoding 'br', which was not asked for",
     .code = ERR_UPSTREAM},
    {"compressed, and damaged",
     {{ACT_SEND, OK "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab"}},
     .why = "the compressed answer is damaged",
     .code = ERR_UPSTREAM},
    {"compressed, and empty",
     {{ACT_SEND, OK "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}},
     200,
     "",
     .pooled = true},
    {"a cut body",
     {{ACT_SEND, OK "Content-Length: 5\r\n\r\nhel"}, {ACT_CLOSE}},
     .why = "the answer was cut short after 3 bytes",
     .code = ERR_UPSTREAM},
    {"a body with a reset",
     {{ACT_SEND, OK "Content-Length: 5\r\n\r\nhel"}, {ACT_RESET}},
     .why = "the answer was cut short after",
     .code = ERR_UPSTREAM},
    {"cut chunks",
     {{ACT_SEND, OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhe"}, {ACT_CLOSE}},
     .why = "the answer was cut short after 2 bytes",
     .code = ERR_UPSTREAM},
    {"no last chunk",
     {{ACT_SEND, OK "Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n"}, {ACT_CLOSE}},
     .why = "the answer was cut short after 1 bytes",
     .code = ERR_UPSTREAM},
    {"a wrong chunk",
     {{ACT_SEND, OK "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"}},
     .why = "malformed: chunk",
     .code = ERR_UPSTREAM},
    {"a body over the limit",
     {{ACT_SEND, OK "Content-Length: 9999999\r\n\r\n"}},
     .why = "over the limit",
     .code = ERR_UPSTREAM},
    {"chunks over the limit",
     {{ACT_SEND, OK "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n"}},
     .why = "over the limit",
     .code = ERR_UPSTREAM},

    {"silence",
     {{ACT_AWAIT_EOF}},
     .why = "waiting for an answer of '127.0.0.1:",
     .code = ERR_TIMEOUT,
     .d = {.first_byte_ms = 30}},
    {"a head that stops",
     {{ACT_SEND, OK "X"}, {ACT_AWAIT_EOF}},
     .why = "reading the answer of '",
     .code = ERR_TIMEOUT,
     .d = {.first_byte_ms = 30}},
    {"a body that stops",
     {{ACT_SEND, OK "Content-Length: 5\r\n\r\nhel"}, {ACT_AWAIT_EOF}},
     .why = "waiting for more of the answer of '",
     .code = ERR_TIMEOUT,
     .d = {.idle_ms = 30}},
    {"all of it too slow",
     {{ACT_SEND, OK "Content-Length: 5\r\n\r\nhel"}, {ACT_AWAIT_EOF}},
     .why = "waiting for more of the answer of '",
     .code = ERR_TIMEOUT,
     .d = {.total_ms = 30}},
};

static struct http_client *client_new(void)
{
    struct http_client_options opt = {.limits = {.body = 1 << 20}, .next_address_ms = 20};
    return http_client_new(&opt);
}

static struct http_origin origin_of(struct arena *a, uint16_t port)
{
    struct http_origin o;
    CHECK(http_origin_parse(&o, a, arena_printf(a, "http://127.0.0.1:%u/v1", port), NULL));
    return o;
}

static bool post(struct http_exchange **x, struct http_client *c, struct arena *a,
                 const struct http_origin *o, const struct http_deadlines *d, struct err *e)
{
    static const struct str parts[] = {{"{\"a\":", 5}, {"", 0}, {"1}", 2}};
    return http_exchange_start(x, c, a, a, o, STR("POST"), STR("/chat"), STR("X-Key: k\r\n"), parts,
                               3, d, e);
}

/* ---- The table ---- */

/* The body piece by piece. */
static bool read_on(struct http_exchange *x, struct arena *a, struct str *body, struct err *e)
{
    struct buf *all = arena_struct(a, struct buf);
    struct str piece;
    int got;
    buf_init(all, 1 << 20);
    while ((got = http_exchange_read(x, &piece, e)) > 0)
        buf_add(all, piece);
    *body = arena_copy(a, buf_str(all));
    buf_fini(all);
    return got == 0;
}

static bool is_large(struct str body)
{
    bool same = body.len == 300000;
    for (size_t i = 0; i < body.len; i++)
        same = same && body.p[i] == 'x';
    return same;
}

static void run_case(size_t i, bool whole)
{
    struct act act[10] = {{ACT_ACCEPT}, {ACT_READ}};
    memcpy(&act[2], cases[i].act, sizeof(cases[i].act));
    struct peer p;
    peer_start(&p, act);
    struct arena *a = arena_new();
    struct http_client *c = client_new();
    struct http_origin o = origin_of(a, p.port);
    struct http_exchange *x = NULL;
    struct str body = STR_NONE;
    struct err e = {0};
    bool good = post(&x, c, a, &o, &cases[i].d, &e);
    int status = good ? x->head.status : 0;
    if (good)
        good = whole ? http_exchange_body(x, &body, 1 << 20, &e) : read_on(x, a, &body, &e);
    http_exchange_end(x);
    const char *how = whole ? "whole" : "in pieces";
    if (cases[i].code == ERR_NONE)
        ok(good && status == cases[i].status &&
               (cases[i].body ? str_eq(body, str_from(cases[i].body)) : is_large(body)),
           "%s, %s %s", cases[i].name, how, e.msg);
    else
        ok(!good && e.code == cases[i].code && strstr(e.msg, cases[i].why), "%s, %s: %s",
           cases[i].name, how, e.msg);
    ok(http_client_idle(c) == cases[i].pooled, "and is %skept", cases[i].pooled ? "" : "not ");
    http_client_free(c);
    arena_free(a);
    peer_stop(&p); /* it may well have failed to send more to a client that has left */
}

static void test_cases(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < COUNT(cases); i++) {
        run_case(i, true);
        run_case(i, false);
    }
}

/* ---- What is sent ---- */

static void test_request(void *arg)
{
    (void)arg;
    static const struct act act[] = {{ACT_ACCEPT}, {ACT_READ}, {ACT_SEND, HELLO}, {ACT_END}};
    struct peer p;
    peer_start(&p, act);
    struct arena *a = arena_new();
    struct http_client *c = client_new();
    struct http_origin o = origin_of(a, p.port);
    struct http_exchange *x = NULL;
    struct err e = {0};
    ok(post(&x, c, a, &o, NULL, &e), "posted %s", e.msg);
    http_exchange_end(x);
    char want[200];
    snprintf(want, sizeof(want),
             "POST /v1/chat HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX-Key: k\r\nContent-Length: 7\r\n\r\n"
             "{\"a\":1}",
             p.port);
    ok(http_client_idle(c) == 1, "an answer that is at hand need not be read");
    http_client_free(c);
    CHECK(pthread_join(p.thread, NULL) == 0);
    ok(strcmp(p.request, want) == 0, "the request, byte for byte");
    close(p.listener);
    mem_free(p.request);

    ok(!http_exchange_start(&x, c, a, a, &o, STR("GET"), STR("/a b"), STR_NONE, NULL, 0, NULL,
                            &e) &&
           e.code == ERR_INVALID,
       "%s", e.msg);
    o.https = true;
    ok(!http_exchange_start(&x, c, a, a, &o, STR("GET"), STR("/"), STR_NONE, NULL, 0, NULL, &e) &&
           e.code == ERR_INTERNAL,
       "https without trust is no plain request: %s", e.msg);
    arena_free(a);
}

static void test_head_and_get(void *arg)
{
    (void)arg;
    static const struct act act[] = {
        {ACT_ACCEPT}, {ACT_READ},        {ACT_SEND, OK "Content-Length: 500\r\n\r\n"},
        {ACT_READ},   {ACT_SEND, HELLO}, {ACT_END}};
    struct peer p;
    peer_start(&p, act);
    struct arena *a = arena_new();
    struct http_client *c = client_new();
    struct http_origin o = origin_of(a, p.port);
    struct http_exchange *x = NULL;
    struct str body, length;
    struct err e = {0};
    bool good =
        http_exchange_start(&x, c, a, a, &o, STR("HEAD"), STR("/"), STR_NONE, NULL, 0, NULL, &e);
    ok(good && http_exchange_body(x, &body, 10, &e) && body.len == 0, "HEAD has no body %s", e.msg);
    ok(http_header_get(&x->head.headers, STR("content-length"), &length) &&
           str_eq(length, STR("500")),
       "but its headers");
    http_exchange_end(x);
    good = http_exchange_start(&x, c, a, a, &o, STR("GET"), STR("/"), STR_NONE, NULL, 0, NULL, &e);
    ok(good && x->reused_connection && http_exchange_body(x, &body, 5, &e) &&
           str_eq(body, STR("hello")),
       "GET on the same connection %s", e.msg);
    http_exchange_end(x);
    ok(str_eq(body, STR("hello")), "a body lasts beyond the exchange");
    http_client_free(c);
    CHECK(pthread_join(p.thread, NULL) == 0);
    ok(!strstr(p.request, "Content-Length"), "a GET without body says nothing of it");
    close(p.listener);
    mem_free(p.request);
    arena_free(a);
}

/* ---- Connections that are used again ---- */

/* As many exchanges as told, over one client; returns how many went well. */
static int exchanges(const struct act *act, int n, int *reused, int *idle, struct err *e)
{
    struct peer p;
    peer_start(&p, act);
    struct arena *a = arena_new();
    struct http_client *c = client_new();
    struct http_origin o = origin_of(a, p.port);
    int good = 0;
    *reused = 0;
    for (int i = 0; i < n; i++) {
        struct http_exchange *x = NULL;
        struct str body = STR_NONE;
        if (post(&x, c, a, &o, NULL, e) && http_exchange_body(x, &body, 100, e) &&
            str_eq(body, STR("hello"))) {
            good++;
            *reused += x->reused_connection;
        }
        http_exchange_end(x);
    }
    *idle = (int)http_client_idle(c);
    http_client_free(c);
    arena_free(a);
    good = peer_stop(&p) ? good : -1;
    return good;
}

static void test_reuse(void *arg)
{
    (void)arg;
    static const struct act kept[] = {{ACT_ACCEPT},      {ACT_READ}, {ACT_SEND, HELLO}, {ACT_READ},
                                      {ACT_SEND, HELLO}, {ACT_READ}, {ACT_SEND, HELLO}, {ACT_END}};
    static const struct act closing[] = {
        {ACT_ACCEPT},
        {ACT_READ},
        {ACT_SEND, OK "Connection: close\r\nContent-Length: 5\r\n\r\nhello"},
        {ACT_CLOSE},
        {ACT_ACCEPT},
        {ACT_READ},
        {ACT_SEND, OK "Connection: close\r\nContent-Length: 5\r\n\r\nhello"},
        {ACT_END}};
    /* The peer closes or resets when the second request is on its way: nothing was answered. */
    static const struct act stale[] = {{ACT_ACCEPT}, {ACT_READ},        {ACT_SEND, HELLO},
                                       {ACT_READ},   {ACT_CLOSE},       {ACT_ACCEPT},
                                       {ACT_READ},   {ACT_SEND, HELLO}, {ACT_END}};
    static const struct act reset[] = {{ACT_ACCEPT}, {ACT_READ},        {ACT_SEND, HELLO},
                                       {ACT_READ},   {ACT_RESET},       {ACT_ACCEPT},
                                       {ACT_READ},   {ACT_SEND, HELLO}, {ACT_END}};
    /* A byte was answered: the request may have had its effect and is not sent again. */
    static const struct act begun[] = {{ACT_ACCEPT},    {ACT_READ},  {ACT_SEND, HELLO}, {ACT_READ},
                                       {ACT_SEND, "H"}, {ACT_CLOSE}, {ACT_END}};
    /* Nor is it sent a third time. */
    static const struct act twice[] = {{ACT_ACCEPT}, {ACT_READ},  {ACT_SEND, HELLO},
                                       {ACT_READ},   {ACT_CLOSE}, {ACT_ACCEPT},
                                       {ACT_READ},   {ACT_CLOSE}, {ACT_END}};
    int reused, idle;
    struct err e = {0};
    ok(exchanges(kept, 3, &reused, &idle, &e) == 3 && reused == 2 && idle == 1,
       "three requests, one connection %s", e.msg);
    ok(exchanges(closing, 2, &reused, &idle, &e) == 2 && reused == 0 && idle == 0,
       "Connection: close each time %s", e.msg);
    ok(exchanges(stale, 2, &reused, &idle, &e) == 2 && reused == 0 && idle == 1,
       "a stale connection is replaced %s", e.msg);
    ok(exchanges(reset, 2, &reused, &idle, &e) == 2 && reused == 0, "one reset as well %s", e.msg);
    ok(exchanges(begun, 2, &reused, &idle, &e) == 1 && e.code == ERR_UPSTREAM && idle == 0,
       "but not after the first byte: %s", e.msg);
    ok(exchanges(twice, 2, &reused, &idle, &e) == 1 && e.code == ERR_UPSTREAM && idle == 0,
       "and only once: %s", e.msg);
}

/* The peer answers and closes before it has read all of a large request. */
static void test_early_answer(void *arg)
{
    (void)arg;
    static const struct act act[] = {
        {ACT_ACCEPT},
        {ACT_READ_SOME},
        {ACT_SEND, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"},
        {ACT_AWAIT_EOF},
        {ACT_END}};
    enum { SIZE = 64 << 10 }; /* fits the sockets, so that it is sent whole whoever reads */
    struct peer p;
    peer_start(&p, act);
    struct arena *a = arena_new();
    struct http_client *c = client_new();
    struct http_origin o = origin_of(a, p.port);
    struct str part = {arena_bytes(a, SIZE), SIZE}, body;
    memset((char *)part.p, 'x', SIZE);
    struct http_exchange *x = NULL;
    struct err e = {0};
    bool good =
        http_exchange_start(&x, c, a, a, &o, STR("POST"), STR("/"), STR_NONE, &part, 1, NULL, &e);
    ok(good && x->head.status == 413 && http_exchange_body(x, &body, 10, &e) &&
           str_eq(body, STR("big")),
       "an answer before the request was read %s", e.msg);
    http_exchange_end(x);
    http_client_free(c);
    peer_stop(&p);
    arena_free(a);
}

/* A caller who has enough: the rest is not at hand, so the connection closes, at once. */
static void test_left_early(void *arg)
{
    (void)arg;
    static const struct act act[] = {{ACT_ACCEPT},
                                     {ACT_READ},
                                     {ACT_SEND, OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"},
                                     {ACT_AWAIT_EOF},
                                     {ACT_END}};
    struct peer p;
    peer_start(&p, act);
    struct arena *a = arena_new();
    struct http_client *c = client_new();
    struct http_origin o = origin_of(a, p.port);
    struct http_exchange *x = NULL;
    struct str piece;
    struct err e = {0};
    ok(post(&x, c, a, &o, NULL, &e) && http_exchange_read(x, &piece, &e) == 1 &&
           str_eq(piece, STR("a")),
       "the first piece of a stream %s", e.msg);
    http_exchange_end(x);
    ok(http_client_idle(c) == 0, "a stream left in the middle is not kept");
    http_client_free(c);
    ok(peer_stop(&p) && p.eofs == 1, "and its peer sees that");
    arena_free(a);
}

struct stream {
    struct http_client *client;
    const struct http_origin *origin;
    struct arena *arena;
    int pieces;
    struct err e;
};

static void read_stream(void *arg)
{
    struct stream *s = arg;
    struct http_exchange *x = NULL;
    struct str piece;
    if (post(&x, s->client, s->arena, s->origin, NULL, &s->e))
        while (http_exchange_read(x, &piece, &s->e) > 0)
            s->pieces++;
    http_exchange_end(x);
}

static void test_cancel(void *arg)
{
    (void)arg;
    static const struct act act[] = {{ACT_ACCEPT},
                                     {ACT_READ},
                                     {ACT_SEND, OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"},
                                     {ACT_AWAIT_EOF},
                                     {ACT_END}};
    struct peer p;
    peer_start(&p, act);
    struct arena *a = arena_new();
    struct http_origin o = origin_of(a, p.port);
    struct stream s = {.client = client_new(), .origin = &o, .arena = a};
    struct fiber_group g;
    fiber_group_init(&g, CLOCK_NEVER);
    fiber_group_go(&g, read_stream, &s, "stream");
    for (int i = 0; i < 5000 && s.pieces == 0; i++)
        fiber_sleep(NS_PER_MS, NULL);
    fiber_group_fini(&g);
    ok(s.pieces == 1 && s.e.code == ERR_CANCELLED, "cancelled in the middle: %s", s.e.msg);
    ok(http_client_idle(s.client) == 0, "the connection is not kept");
    http_client_free(s.client);
    ok(peer_stop(&p) && p.eofs == 1, "the peer sees it closed");
    arena_free(a);
}

/* A fiber's own deadline counts beside those of the phases. */
static void test_fiber_deadline(void *arg)
{
    (void)arg;
    static const struct act act[] = {{ACT_ACCEPT}, {ACT_READ}, {ACT_AWAIT_EOF}, {ACT_END}};
    struct peer p;
    peer_start(&p, act);
    struct arena *a = arena_new();
    struct http_client *c = client_new();
    struct http_origin o = origin_of(a, p.port);
    struct http_exchange *x = NULL;
    struct err e = {0};
    fiber_deadline(clock_after(clock_now(), 30));
    ok(!post(&x, c, a, &o, NULL, &e) && e.code == ERR_TIMEOUT, "%s", e.msg);
    fiber_deadline(CLOCK_NEVER);
    http_client_free(c);
    ok(peer_stop(&p) && p.eofs == 1, "the peer sees it closed");
    arena_free(a);
}

int main(void)
{
    static fiber_fn *const tests[] = {test_cases,  test_request,       test_head_and_get,
                                      test_reuse,  test_early_answer,  test_left_early,
                                      test_cancel, test_fiber_deadline};
    for (size_t i = 0; i < COUNT(tests); i++)
        on_loop(tests[i], NULL);
    return tap_done();
}
