/* What io promises: reading, writing, waiting, who learns of a peer that has gone, stale events. */
#include "run/io.h"
#include "base/clock.h"
#include "run/fiber.h"

#include "tap.h"
#include "on_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Two connected sockets: ours under `io`, the peer's as a plain descriptor. */
static int open_pair(struct io *io, void (*idle)(struct io *, uint32_t))
{
    int fd[2];
    struct err e;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) == 0);
    CHECK(io_open(io, fd[0], idle, &e));
    return fd[1];
}

static void put(int fd, const char *text)
{
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void settle(void) /* lets the loop see what has happened */
{
    for (int i = 0; i < 3; i++)
        fiber_sleep(1, NULL);
}

/* ---- Reading and writing ---- */

static void put_later(void *arg)
{
    put(*(int *)arg, "later");
}

static void read_test(void *arg)
{
    struct io io;
    struct err e;
    char text[16];
    (void)arg;
    int peer = open_pair(&io, NULL);
    put(peer, "now");
    ok(io_read(&io, text, sizeof(text), 1, &e) == 3, "what is there needs no wait");
    ok(io_read(&io, text, sizeof(text), loop_now() + NS_PER_MS, &e) == -1 && e.code == ERR_TIMEOUT,
       "what is not there is waited for until the deadline");
    fiber_go(put_later, &peer, "peer");
    ok(io_read(&io, text, sizeof(text), CLOCK_NEVER, &e) == 5 && !memcmp(text, "later", 5),
       "what comes later wakes the reader");
    close(peer);
    ok(io_read(&io, text, sizeof(text), CLOCK_NEVER, &e) == 0, "the end");
    io_close(&io);
    io_close(&io);
    ok(io.fd == -1, "closing twice is harmless");
}

enum { LOTS = 4 * 1024 * 1024 };

static void drain(void *arg)
{
    struct io *io = arg;
    static char buf[5000];
    size_t sum = 0;
    ssize_t n;
    while ((n = io_read(io, buf, sizeof(buf), CLOCK_NEVER, NULL)) > 0)
        for (ssize_t i = 0; i < n; i++)
            sum += (unsigned char)buf[i];
    io->owner = (struct fiber *)sum; /* somewhere to put it */
}

static void write_test(void *arg)
{
    struct io io, other;
    struct err e;
    (void)arg;
    int peer = open_pair(&io, NULL);
    CHECK(io_open(&other, peer, NULL, &e));
    char *lots = malloc(LOTS);
    size_t sum = 0;
    for (size_t i = 0; i < LOTS; i++)
        sum += (unsigned char)(lots[i] = (char)(i * 7 % 251));

    struct fiber_group g;
    fiber_group_init(&g, CLOCK_NEVER);
    fiber_group_go(&g, drain, &other, "drain");
    struct iovec iov[5] = {
        {lots, 0}, {lots, 1}, {lots + 1, 99999}, {lots, 0}, {lots + 100000, LOTS - 100000}};
    ok(io_writev(&io, iov, 5, CLOCK_NEVER, &e), "4 MB in pieces, some of them empty");
    io_close(&io);
    fiber_group_wait(&g);
    fiber_group_fini(&g);
    ok((size_t)other.owner == sum, "all of it arrived");
    io_close(&other);

    peer = open_pair(&io, NULL);
    iov[0] = (struct iovec){lots, LOTS};
    ok(!io_writev(&io, iov, 1, loop_now() + NS_PER_MS, &e) && e.code == ERR_TIMEOUT,
       "a peer that does not read costs the deadline");
    close(peer);
    iov[0] = (struct iovec){lots, 1};
    ok(!io_writev(&io, iov, 1, CLOCK_NEVER, &e) && e.code == ERR_IO && io.gone,
       "writing to a peer that has left fails");
    io_close(&io);
    free(lots);
}

/* ---- A peer that goes ---- */

struct request {
    struct io io, other; /* client, provider */
    enum err_code code;
};

static void request_main(void *arg)
{
    struct request *r = arg;
    struct err e = {0};
    char c;
    r->io.owner = fiber_self();
    r->io.idle = NULL;
    if (io_read(&r->other, &c, 1, CLOCK_NEVER, &e) < 0)
        r->code = e.code;
    r->io.owner = NULL;
}

static void gone_test(void *arg)
{
    static const struct {
        const char *name;
        const char *unread; /* sent before */
        bool half;
    } cases[] = {
        {"closed", "", false},
        {"closed its side only", "", true},
        {"closed behind a pipelined request", "GET", false},
    };
    (void)arg;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct request r = {0};
        int client = open_pair(&r.io, NULL), provider = open_pair(&r.other, NULL);
        fiber_go(request_main, &r, "request");
        put(client, cases[i].unread);
        settle();
        ok(r.code == ERR_NONE && !r.io.gone, "client %s: not yet", cases[i].name);
        if (cases[i].half)
            shutdown(client, SHUT_WR);
        else
            close(client);
        settle();
        ok(r.code == ERR_CANCELLED, "client %s: its request is cancelled", cases[i].name);
        ok(r.io.gone && r.io.mask == 0, "client %s: and it is told once", cases[i].name);
        char text[8];
        ssize_t n = io_read(&r.io, text, sizeof(text), CLOCK_NEVER, NULL);
        ok(n == (ssize_t)strlen(cases[i].unread), "client %s: what it left can be read",
           cases[i].name);
        ok(!io_idle(&r.io, NULL), "client %s: there is nothing to wait for", cases[i].name);
        io_close(&r.io);
        io_close(&r.other);
        close(provider);
        if (cases[i].half)
            close(client);
    }
}

/* A writer that is blocked while its reader half-closes must neither spin nor fail. */
static void half_closed_writer(void *arg)
{
    struct io io;
    struct err e;
    static char lots[LOTS];
    struct iovec iov = {lots, LOTS};
    (void)arg;
    int peer = open_pair(&io, NULL);
    shutdown(peer, SHUT_WR);
    ok(!io_writev(&io, &iov, 1, loop_now() + 20 * NS_PER_MS, &e) && e.code == ERR_TIMEOUT,
       "a writer without an owner waits on beside a half-close");
    ok(io.gone && !(io.mask & (EPOLLIN | EPOLLRDHUP)), "and does not watch for it any more");
    char c;
    ok(io_read(&io, &c, 1, CLOCK_NEVER, &e) == 0, "reading shows the end");
    close(peer);
    io_close(&io);
}

/* ---- Idle callbacks, masks, pipelined data ---- */

static int idle_calls;
static uint32_t idle_events;

static void on_idle(struct io *io, uint32_t events)
{
    char text[16];
    idle_calls++;
    idle_events = events;
    ssize_t n = read(io->fd, text, sizeof(text));
    if (n == 0)
        io_close(io);
}

static void idle_test(void *arg)
{
    struct io io;
    (void)arg;
    int peer = open_pair(&io, on_idle);
    settle();
    ok(idle_calls == 0, "nothing has come");
    put(peer, "a");
    settle();
    ok(idle_calls == 1 && idle_events == EPOLLIN, "data goes to the callback");
    io.idle = NULL;
    put(peer, "b");
    settle();
    ok(idle_calls == 1 && !(io.mask & EPOLLIN), "data that nobody wants yet is masked");
    ok(io_idle(&io, on_idle), "handed back to the callback");
    settle();
    ok(idle_calls == 2, "it hears of what came meanwhile");
    close(peer);
    settle();
    ok(idle_calls == 3 && (idle_events & EPOLLRDHUP) && io.fd == -1, "the end goes there too");
}

/* Both are ready in one batch; the callback of the first closes and reuses the second. */
static struct io twin[2];
static int twin_calls;

static void close_both(struct io *io, uint32_t events)
{
    (void)io, (void)events;
    twin_calls++;
    io_close(&twin[0]);
    io_close(&twin[1]);
    memset(twin, 0xAA, sizeof(twin));
}

static void stale_test(void *arg)
{
    (void)arg;
    int a = open_pair(&twin[0], close_both), b = open_pair(&twin[1], close_both);
    put(a, "x");
    put(b, "x");
    settle();
    ok(twin_calls == 1, "no event for an io that was closed in the same batch");
    close(a);
    close(b);
}

/* ---- Fairness ---- */

static void noisy_reader(void *arg)
{
    char c;
    struct err e = {0};
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    struct io io = {.fd = fd}; /* always ready, so epoll is never asked */
    while (io_read(&io, &c, 1, CLOCK_NEVER, &e) > 0)
        ;
    *(enum err_code *)arg = e.code;
    close(fd);
}

static void fair_test(void *arg)
{
    enum err_code code = ERR_NONE;
    (void)arg;
    struct fiber *f = fiber_go(noisy_reader, &code, "noisy");
    settle();
    ok(code == ERR_NONE, "others run beside a fiber that always has data");
    fiber_cancel(f);
    settle();
    ok(code == ERR_CANCELLED, "which notices that it was cancelled");
}

static void fail_test(void *arg)
{
    struct io io;
    struct err e;
    (void)arg;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ok(!io_open(&io, fd, NULL, &e) && e.code == ERR_IO && io.fd == -1, "a file is not waited for");
    ok(fcntl(fd, F_GETFD) >= 0, "and stays open");
    close(fd);
}

int main(void)
{
    on_loop(read_test, NULL);
    on_loop(write_test, NULL);
    on_loop(gone_test, NULL);
    on_loop(half_closed_writer, NULL);
    on_loop(idle_test, NULL);
    on_loop(stale_test, NULL);
    on_loop(fair_test, NULL);
    on_loop(fail_test, NULL);
    return tap_done();
}
