/* What conn promises: the same stream plain and over TLS, deadlines, cancellation, and who is to
 * blame. Both ends are fibers of one loop over a socket pair. */
#include "net/conn.h"
#include "base/clock.h"

#include "certs.h"
#include "on_loop.h"
#include "tap.h"

#include <sys/socket.h>
#include <unistd.h>

static char cert_file[] = "/tmp/test_conn.XXXXXX", key_file[] = "/tmp/test_conn.XXXXXX";
static struct tls_server *server_ctx;
static struct tls_client *client_ctx;

static void make_contexts(void)
{
    struct cert c = cert_new(&(struct cert_wish){"a.test", "DNS:a.test", -1, 30}, NULL);
    close(mkstemp(cert_file));
    close(mkstemp(key_file));
    cert_write(&c, cert_file, key_file);
    cert_free(&c);
    CHECK(tls_server_new(&server_ctx, cert_file, key_file, NULL));
    CHECK(tls_client_new(&client_ctx, cert_file, false, NULL));
}

static void free_contexts(void)
{
    tls_server_free(server_ctx);
    tls_client_free(client_ctx);
    unlink(cert_file);
    unlink(key_file);
}

static void open_pair(struct conn *a, struct conn *b)
{
    int fd[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) == 0);
    CHECK(conn_init(a, fd[0], NULL) && conn_init(b, fd[1], NULL));
}

static int64_t soon(int64_t ms)
{
    return clock_after(clock_now(), ms);
}

/* ---- The other end: accepts TLS if told to, reads SIZE bytes, sends them back, reads on. ---- */

enum { SIZE = 1 << 20 };

struct echo {
    struct conn conn;
    bool tls, good;
    char *all; /* [SIZE] */
};

static bool read_all(struct conn *c, char *to, struct err *e)
{
    size_t got = 0;
    while (got < SIZE) {
        ssize_t n = conn_read(c, to + got, size_min(SIZE - got, 3000), soon(5000), e);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static void echo(void *arg)
{
    struct echo *s = arg;
    struct err e;
    char byte;
    s->good = (!s->tls || conn_tls_accept(&s->conn, server_ctx, soon(5000), &e)) &&
              read_all(&s->conn, s->all, &e) &&
              conn_write(&s->conn, (struct str){s->all, SIZE}, soon(5000), &e) &&
              conn_read(&s->conn, &byte, 1, soon(5000), &e) == 0;
}

/* Pieces of all sizes, empty ones too. */
static void test_echo(bool tls)
{
    const char *name = tls ? "TLS" : "plain";
    struct echo server = {.tls = tls, .all = mem_new(SIZE)};
    struct conn client;
    struct fiber_group g;
    struct err e = {0};
    open_pair(&client, &server.conn);
    fiber_group_init(&g, soon(20000));
    fiber_group_go(&g, echo, &server, "echo");
    bool up = !tls || conn_tls_connect(&client, client_ctx, STR("a.test"), soon(5000), &e);
    ok(up, "%s: connected %s", name, e.msg);

    char *out = mem_new(SIZE), *in = mem_new(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        out[i] = (char)(i * 2654435761u >> 11);
    struct iovec iov[] = {{out, 10},
                          {out + 10, 0},
                          {out + 10, 16374},
                          {out + 16384, 1},
                          {out + 16385, 50000},
                          {out + 66385, 1},
                          {out + 66386, SIZE - 66386}};
    ok(conn_writev(&client, iov, COUNT(iov), soon(5000), &e), "%s: written", name);
    ok(read_all(&client, in, &e) && memcmp(in, out, SIZE) == 0, "%s: 1 MB there and back", name);
    conn_fini(&client);
    conn_fini(&client);
    fiber_group_wait(&g);
    ok(server.good, "%s: the other end saw a proper end", name);
    conn_fini(&server.conn);
    fiber_group_fini(&g);
    mem_free(server.all);
    mem_free(out);
    mem_free(in);
}

static void test_deadlines(void)
{
    struct conn a, b;
    struct err e;
    char byte;
    static char much[4 << 20];
    open_pair(&a, &b);
    ok(conn_read_now(&a, &byte, 1, &e) == TLS_WANT_READ, "nothing there: told to wait");
    ok(conn_read(&a, &byte, 1, soon(10), &e) == -1 && e.code == ERR_TIMEOUT, "reading: %s", e.msg);
    ok(!conn_write(&a, (struct str){much, sizeof(much)}, soon(10), &e) && e.code == ERR_TIMEOUT,
       "writing: %s", e.msg);
    ok(!conn_tls_connect(&b, client_ctx, STR("a.test"), soon(10), &e) && e.code != ERR_NONE,
       "TLS with one who does not speak it: %s", e.msg);
    conn_fini(&a);
    conn_fini(&b);

    open_pair(&a, &b);
    ok(!conn_tls_accept(&a, server_ctx, soon(10), &e) && e.code == ERR_TIMEOUT,
       "a client that says nothing: %s", e.msg);
    conn_fini(&a);
    conn_fini(&b);

    open_pair(&a, &b);
    ok(!conn_tls_connect(&a, client_ctx, STR(""), soon(10), &e) && e.code == ERR_INVALID,
       "no name to connect to: %s", e.msg);
    conn_fini(&a);
    conn_fini(&b);
}

static void test_peer_gone(void)
{
    struct conn a, b;
    struct err e;
    char byte;
    open_pair(&a, &b);
    conn_fini(&b);
    ok(conn_read(&a, &byte, 1, soon(1000), &e) == 0, "a close is the end");
    ok(!conn_write(&a, STR("x"), soon(1000), &e) && e.code == ERR_UPSTREAM, "writing: %s", e.msg);
    conn_fini(&a);

    open_pair(&a, &b);
    CHECK(conn_write(&a, STR("never read"), soon(1000), &e));
    conn_fini(&b); /* with bytes unread: a reset for the other side */
    ok(conn_read(&a, &byte, 1, soon(1000), &e) == -1 && e.code == ERR_UPSTREAM, "a reset: %s",
       e.msg);
    ok(conn_read_now(&a, &byte, 1, &e) == 0, "then the end");
    conn_fini(&a);
}

struct reader {
    struct conn *conn;
    struct err e;
    ssize_t got;
};

static void read_one(void *arg)
{
    struct reader *r = arg;
    char byte;
    r->got = conn_read(r->conn, &byte, 1, CLOCK_NEVER, &r->e);
}

static void test_cancel(void)
{
    struct conn a, b;
    struct fiber_group g;
    open_pair(&a, &b);
    struct reader r = {.conn = &a};
    fiber_group_init(&g, CLOCK_NEVER);
    fiber_group_go(&g, read_one, &r, "read");
    fiber_yield();
    fiber_group_fini(&g);
    ok(r.got == -1 && r.e.code == ERR_CANCELLED, "a cancelled read: %s", r.e.msg);
    conn_fini(&a);
    conn_fini(&b);
}

static void run(void *arg)
{
    (void)arg;
    test_echo(false);
    test_echo(true);
    test_deadlines();
    test_peer_gone();
    test_cancel();
    struct conn refused;
    ok(!conn_init(&refused, -1, NULL), "not a descriptor");
    conn_fini(&refused);
}

int main(void)
{
    make_contexts();
    on_loop(run, NULL);
    free_contexts();
    return tap_done();
}
