/* What the pool promises: the connection used last comes first, dead and old ones go by themselves,
 * there are never too many, and only requests that agree in host, port and trust share one. */
#include "net/pool.h"
#include "base/clock.h"

#include "certs.h"
#include "on_loop.h"
#include "tap.h"

#include <sys/socket.h>
#include <unistd.h>

static struct http_client *client_new(uint32_t most, int64_t timeout_ms)
{
    struct http_client_options opt = {.idle_per_origin = most, .idle_timeout_ms = timeout_ms};
    return http_client_new(&opt);
}

static struct http_client_conn *conn_new(struct http_client *client, const char *key, int *peer)
{
    int fd[2];
    struct http_client_conn *c = mem_new(sizeof(*c));
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) == 0);
    CHECK(conn_init(&c->conn, fd[0], NULL));
    pool_enter(c, client, str_from(key));
    *peer = fd[1];
    return c;
}

static bool closed(int peer)
{
    char byte;
    return recv(peer, &byte, 1, MSG_DONTWAIT) == 0;
}

static void test_order(void)
{
    struct http_client *client = client_new(0, 0);
    int peer[3];
    struct http_client_conn *c[3];
    for (int i = 0; i < 3; i++)
        c[i] = conn_new(client, i < 2 ? "a" : "b", &peer[i]);
    ok(!pool_take(client, STR("a")), "none is idle at first");
    for (int i = 0; i < 3; i++)
        pool_give(c[i]);
    ok(http_client_idle(client) == 3, "three are");
    ok(pool_take(client, STR("a")) == c[1] && pool_take(client, STR("a")) == c[0],
       "the one used last comes first");
    ok(!pool_take(client, STR("a")) && pool_take(client, STR("b")) == c[2], "of its origin only");
    ok(http_client_idle(client) == 0, "none is left");
    pool_drop(c[0]);
    ok(closed(peer[0]) && !closed(peer[1]), "dropping closes");
    pool_give(c[1]);
    pool_give(c[2]);
    http_client_free(client);
    ok(closed(peer[1]) && closed(peer[2]), "the client's end closes what is idle");
    for (int i = 0; i < 3; i++)
        close(peer[i]);
}

/* The pool asked for last is at hand, until it has gone. */
static void test_gone(void)
{
    struct http_client *client = client_new(0, 0);
    int peer[2];
    pool_drop(conn_new(client, "a", &peer[0]));
    ok(!pool_take(client, STR("a")), "an origin whose only connection was dropped has none");
    struct http_client_conn *c = conn_new(client, "a", &peer[1]);
    pool_give(c);
    ok(!pool_take(client, STR("b")) && pool_take(client, STR("a")) == c, "then a new one");
    pool_drop(c);
    http_client_free(client);
    close(peer[0]);
    close(peer[1]);
}

static void test_limit(void)
{
    struct http_client *client = client_new(2, 0);
    int peer[3];
    struct http_client_conn *c[3];
    for (int i = 0; i < 3; i++)
        c[i] = conn_new(client, "a", &peer[i]);
    for (int i = 0; i < 3; i++)
        pool_give(c[i]);
    ok(http_client_idle(client) == 2 && closed(peer[0]) && !closed(peer[1]),
       "over the limit the oldest goes");
    http_client_free(client);
    for (int i = 0; i < 3; i++)
        close(peer[i]);
}

/* Lets the loop see what has happened; bounded, and as short as can be. */
static bool shrinks_to(const struct http_client *client, size_t n)
{
    for (int i = 0; i < 5000 && http_client_idle(client) != n; i++)
        fiber_sleep(NS_PER_MS, NULL);
    return http_client_idle(client) == n;
}

static void test_dead(void)
{
    struct http_client *client = client_new(0, 0);
    int peer[3];
    for (int i = 0; i < 3; i++)
        pool_give(conn_new(client, "a", &peer[i]));
    close(peer[1]);
    ok(shrinks_to(client, 2), "one that its peer closed goes");
    CHECK(write(peer[0], "x", 1) == 1);
    ok(shrinks_to(client, 1), "so does one that speaks out of turn");
    struct http_client_conn *last = pool_take(client, STR("a"));
    close(peer[2]);
    fiber_sleep(NS_PER_MS, NULL);
    ok(last && http_client_idle(client) == 0, "one that is in use stays with its user");
    pool_give(last);
    ok(shrinks_to(client, 0), "and goes when given back");
    http_client_free(client);
    close(peer[0]);
}

static void test_age(void)
{
    struct http_client *client = client_new(0, 20);
    int peer[2];
    for (int i = 0; i < 2; i++)
        pool_give(conn_new(client, i ? "a" : "b", &peer[i]));
    ok(http_client_idle(client) == 2, "two wait");
    ok(shrinks_to(client, 0) && closed(peer[0]) && closed(peer[1]), "until they are too old");
    pool_give(conn_new(client, "a", &peer[0]));
    ok(shrinks_to(client, 0), "one that comes later too");
    http_client_free(client);
    close(peer[0]);
    close(peer[1]);
}

static void test_keys(void)
{
    struct http_origin o = {.host = STR("a.test"), .port = 443}, same = o, other[3] = {o, o, o};
    char one[POOL_KEY_MAX], two[POOL_KEY_MAX];
    same.base_path = STR("/v2");
    other[0].host = STR("b.test");
    other[1].port = 444;
    CHECK(tls_client_new(&other[2].tls, NULL, true, NULL));
    ok(str_eq(pool_key(one, &o), pool_key(two, &same)), "the path does not matter");
    for (size_t i = 0; i < COUNT(other); i++)
        ok(!str_eq(pool_key(one, &o), pool_key(two, &other[i])), "host, port, trust: %zu", i);
    tls_client_free(other[2].tls);
}

/* ---- TLS: a peer's ticket may come when the answer has long been read. ---- */

struct tls_peer {
    struct conn conn;
    struct tls_server *ctx;
};

static void accept_tls(void *arg)
{
    struct tls_peer *p = arg;
    CHECK(conn_tls_accept(&p->conn, p->ctx, CLOCK_NEVER, NULL));
}

static void test_tls(void)
{
    char cert[] = "/tmp/test_pool.XXXXXX", key[] = "/tmp/test_pool.XXXXXX";
    struct cert made = cert_new(&(struct cert_wish){"a.test", "DNS:a.test", -1, 30}, NULL);
    close(mkstemp(cert));
    close(mkstemp(key));
    cert_write(&made, cert, key);
    struct tls_client *trust = NULL;
    struct tls_peer p = {0};
    CHECK(tls_server_new(&p.ctx, cert, key, NULL) && tls_client_new(&trust, cert, false, NULL));

    struct http_client *client = client_new(0, 0);
    int fd;
    struct http_client_conn *c = conn_new(client, "a", &fd);
    struct fiber_group g;
    CHECK(conn_init(&p.conn, fd, NULL));
    fiber_group_init(&g, CLOCK_NEVER);
    fiber_group_go(&g, accept_tls, &p, "accept");
    CHECK(conn_tls_connect(&c->conn, trust, STR("a.test"), CLOCK_NEVER, NULL));
    pool_give(c);
    fiber_group_wait(&g); /* the server has sent its tickets now */
    fiber_sleep(2 * NS_PER_MS, NULL);
    ok(http_client_idle(client) == 1, "a ticket does not end an idle connection");
    CHECK(conn_write(&p.conn, STR("x"), CLOCK_NEVER, NULL));
    ok(shrinks_to(client, 0), "data out of turn does");
    conn_fini(&p.conn);
    fiber_group_fini(&g);
    http_client_free(client);
    tls_client_free(trust);
    tls_server_free(p.ctx);
    cert_free(&made);
    unlink(cert);
    unlink(key);
}

static void run(void *arg)
{
    (void)arg;
    test_order();
    test_gone();
    test_limit();
    test_dead();
    test_age();
    test_keys();
    test_tls();
}

int main(void)
{
    on_loop(run, NULL);
    return tap_done();
}
