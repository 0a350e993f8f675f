/* The client over TLS: who is trusted, what is resumed, and that a stream cut by an attacker does
 * not look whole. The server is a fiber of the same loop. */
#include "net/client.h"
#include "base/clock.h"
#include "run/work.h"

#include "certs.h"
#include "on_loop.h"
#include "peer.h"
#include "tap.h"

#include <sys/epoll.h>

static char cert_file[] = "/tmp/test_https.XXXXXX", key_file[] = "/tmp/test_https.XXXXXX";

/* Accepts one connection after the other; answers each request on it with the same text. */
struct server {
    struct tls_server *ctx;
    int listener;
    uint16_t port;
    const char *answer;
    int answers;  /* per connection; then it closes */
    bool goodbye; /* as TLS wants it */
    int accepted, resumed;
};

static int accept_one(struct server *s)
{
    struct io io;
    int fd = -1;
    CHECK(io_open(&io, dup(s->listener), NULL, NULL));
    while (fd < 0 && io_wait(&io, EPOLLIN, CLOCK_NEVER, NULL))
        fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    io_close(&io);
    return fd;
}

static void serve_one(struct server *s, int fd)
{
    struct conn c;
    char in[4096];
    CHECK(conn_init(&c, fd, NULL));
    bool good = conn_tls_accept(&c, s->ctx, CLOCK_NEVER, NULL);
    s->resumed += good && tls_resumed(c.tls);
    for (int i = 0; good && i < s->answers; i++)
        good = conn_read(&c, in, sizeof(in), CLOCK_NEVER, NULL) > 0 &&
               conn_write(&c, str_from(s->answer), CLOCK_NEVER, NULL);
    if (!s->goodbye)
        shutdown(fd, SHUT_RDWR);
    conn_fini(&c);
}

static void serve(void *arg)
{
    struct server *s = arg;
    for (int fd; (fd = accept_one(s)) >= 0; s->accepted++)
        serve_one(s, fd);
}

struct test {
    const char *name, *answer;
    int answers;
    bool goodbye, trusted, name_fits;
    int requests, good, accepted, resumed; /* what is made, and what must come of it */
    const char *why;                       /* of the last failure */
};

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define UNTIL_CLOSE "HTTP/1.1 200 OK\r\n\r\nhello"

static const struct test tests[] = {
    {"two requests, one connection", HELLO, 9, true, true, true, 2, 2, 0, 0, ""},
    {"a new connection resumes", HELLO, 1, true, true, true, 3, 3, 3, 2, ""},
    {"even after an end without goodbye", HELLO, 1, false, true, true, 2, 2, 2, 1, ""},
    {"a body until the goodbye", UNTIL_CLOSE, 1, true, true, true, 1, 1, 1, 0, ""},
    {"a body cut without goodbye", UNTIL_CLOSE, 1, false, true, true, 1, 0, 1, 0,
     "the answer was cut short after 5 bytes"},
    {"an authority that is not trusted", HELLO, 1, true, false, true, 1, 0, 1, 0,
     "TLS handshake with 'localhost': the certificate of 'localhost' is refused: self-signed"},
    {"another name", HELLO, 1, true, true, false, 1, 0, 1, 0, "IP address mismatch"},
};

static bool exchange(struct http_client *c, struct arena *a, const struct http_origin *o,
                     struct err *e)
{
    struct http_exchange *x = NULL;
    struct str body = STR_NONE;
    const struct http_deadlines d = {.first_byte_ms = 5000};
    bool good =
        http_exchange_start(&x, c, a, a, o, STR("GET"), STR("/"), STR_NONE, NULL, 0, &d, e) &&
        http_exchange_body(x, &body, 100, e) && str_eq(body, STR("hello"));
    http_exchange_end(x);
    return good;
}

/* "localhost" without asking the system. */
static bool lookup(const char *host, struct resolve_list *out, struct err *e)
{
    (void)host, (void)e;
    *out = (struct resolve_list){.n = 1};
    out->addr[0].v4.sin_family = AF_INET;
    out->addr[0].v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return true;
}

static void run_test(const struct test *t)
{
    struct server s = {.answer = t->answer, .answers = t->answers, .goodbye = t->goodbye};
    const struct http_client_options opt = {.lookup = lookup};
    struct http_client *c = http_client_new(&opt);
    struct arena *a = arena_new();
    struct http_origin o;
    struct fiber_group g;
    struct err e = {0};
    CHECK(tls_server_new(&s.ctx, cert_file, key_file, NULL));
    s.listener = peer_listen("127.0.0.1", &s.port, 16);
    CHECK(http_origin_parse(
        &o, a, arena_printf(a, "https://%s:%u", t->name_fits ? "localhost" : "127.0.0.1", s.port),
        NULL));
    o.host_header = STR("localhost");
    CHECK(tls_client_new(&o.tls, t->trusted ? cert_file : NULL, false, NULL));
    fiber_group_init(&g, CLOCK_NEVER);
    fiber_group_go(&g, serve, &s, "serve");
    int good = 0;
    for (int i = 0; i < t->requests; i++)
        good += exchange(c, a, &o, &e);
    http_client_free(c);
    for (int i = 0; i < 5000 && s.accepted < t->accepted; i++)
        fiber_sleep(NS_PER_MS, NULL); /* the server sees the end of the last connection */
    fiber_group_fini(&g);
    ok(good == t->good && strstr(e.msg, t->why), "%s: %d of %d: %s", t->name, good, t->requests,
       e.msg);
    ok(s.resumed == t->resumed && s.accepted >= t->accepted, "%s: %d connections, %d resumed",
       t->name, s.accepted, s.resumed);
    tls_client_free(o.tls);
    tls_server_free(s.ctx);
    close(s.listener);
    arena_free(a);
}

static void run(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < COUNT(tests); i++)
        run_test(&tests[i]);
}

int main(void)
{
    struct cert made = cert_new(&(struct cert_wish){"localhost", "DNS:localhost", -1, 30}, NULL);
    close(mkstemp(cert_file));
    close(mkstemp(key_file));
    cert_write(&made, cert_file, key_file);
    cert_free(&made);
    CHECK(work_start(1, NULL));
    on_loop(run, NULL);
    work_stop();
    unlink(cert_file);
    unlink(key_file);
    return tap_done();
}
