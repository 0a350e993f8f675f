/* What dial promises: one dead address does not matter, all dead ones give the reason, and each
 * phase that takes too long has a name. */
#include "net/dial.h"
#include "base/clock.h"
#include "run/work.h"

#include "on_loop.h"
#include "peer.h"
#include "tap.h"

#include <fcntl.h>
#include <sys/un.h>

/* The name server of these tests: the host's dots-and-dashes are its addresses. */
static bool lookup(const char *host, struct resolve_list *out, struct err *e)
{
    char text[256];
    snprintf(text, sizeof(text), "%s", host);
    *out = (struct resolve_list){0};
    for (char *at = text, *part; (part = strsep(&at, "_"));) {
        union resolve_addr *a = &out->addr[out->n++];
        a->sa.sa_family = AF_INET;
        if (inet_pton(AF_INET, part, &a->v4.sin_addr) != 1)
            return err_set(e, ERR_NOT_FOUND, "no address for '%s'", host);
    }
    return true;
}

/* A listener whose queue is full: who connects to it waits. */
struct hole {
    int listener, fill[8];
};

static void hole_dig(struct hole *h, const char *address, uint16_t port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &sa.sin_addr);
    h->listener = peer_listen(address, &port, 0);
    for (size_t i = 0; i < COUNT(h->fill); i++) {
        h->fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        CHECK(connect(h->fill[i], (struct sockaddr *)&sa, sizeof(sa)) == 0 || errno == EINPROGRESS);
    }
}

static void hole_close(struct hole *h)
{
    close(h->listener);
    for (size_t i = 0; i < COUNT(h->fill); i++)
        close(h->fill[i]);
}

static struct resolve *names;
static uint16_t port; /* 127.0.0.1 listens, 127.0.0.2 refuses, 127.0.0.3 hangs */

static bool dial_name(const char *host, uint16_t to, int64_t patience_ms, int64_t limit_ms,
                      struct err *e)
{
    struct http_origin o = {.host = str_from(host), .port = to, .host_header = str_from(host)};
    struct dial d = {.origin = &o,
                     .resolve = names,
                     .deadline_ns = clock_after(clock_now(), limit_ms),
                     .next_address_ms = patience_ms,
                     .size = sizeof(struct conn) + 100};
    struct conn *c = NULL;
    *e = (struct err){0};
    if (!dial(&c, &d, e))
        return false;
    bool zeroed = true;
    for (size_t i = 0; i < 100; i++)
        zeroed = zeroed && ((char *)(c + 1))[i] == 0;
    conn_fini(c);
    mem_free(c);
    return zeroed;
}

static const struct {
    const char *name, *host;
    int64_t patience_ms, limit_ms;
    const char *why; /* NULL: connected */
    enum err_code code;
} cases[] = {
    {"an address", "127.0.0.1", 250, 5000, NULL, ERR_NONE},
    {"a name with one address", "127.0.0.1_127.0.0.1", 250, 5000, NULL, ERR_NONE},
    {"the first refuses", "127.0.0.2_127.0.0.1", 5000, 2000, NULL, ERR_NONE},
    {"two refuse", "127.0.0.2_127.0.0.2_127.0.0.1", 5000, 2000, NULL, ERR_NONE},
    {"the first hangs", "127.0.0.3_127.0.0.1", 10, 5000, NULL, ERR_NONE},
    {"one hangs, one refuses", "127.0.0.3_127.0.0.2_127.0.0.1", 10, 5000, NULL, ERR_NONE},
    {"the second hangs", "127.0.0.1_127.0.0.3", 10, 5000, NULL, ERR_NONE},
    {"refused", "127.0.0.2", 250, 5000, "connecting to '127.0.0.2': Connection refused",
     ERR_UPSTREAM},
    {"all refuse", "127.0.0.2_127.0.0.2", 250, 5000, "Connection refused", ERR_UPSTREAM},
    {"it hangs", "127.0.0.3", 250, 30, "connecting to '127.0.0.3' took longer than", ERR_TIMEOUT},
    {"all hang", "127.0.0.3_127.0.0.3", 10, 30, "took longer than", ERR_TIMEOUT},
    {"one refuses, one hangs", "127.0.0.2_127.0.0.3", 10, 30, "connecting to", ERR_NONE},
    {"no such name", "nowhere", 250, 5000, "looking up 'nowhere': no address for 'nowhere'",
     ERR_UPSTREAM},
};

static void test_cases(void *arg)
{
    (void)arg;
    names = resolve_new(lookup);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err e;
        bool up = dial_name(cases[i].host, port, cases[i].patience_ms, cases[i].limit_ms, &e);
        if (cases[i].why)
            ok(!up && strstr(e.msg, cases[i].why) &&
                   (cases[i].code == ERR_NONE || cases[i].code == e.code),
               "%s: %s", cases[i].name, e.msg);
        else
            ok(up, "%s %s", cases[i].name, e.msg);
    }
    ok(fiber_count() == 1, "no fiber is left");
    resolve_free(names);
}

struct attempt {
    bool up;
    struct err e;
};

static void try_two(void *arg)
{
    struct attempt *t = arg;
    t->up = dial_name("127.0.0.3_127.0.0.3", port, 5, 60000, &t->e);
}

static void test_cancel(void *arg)
{
    (void)arg;
    names = resolve_new(lookup);
    struct attempt t = {0};
    struct fiber_group g;
    fiber_group_init(&g, CLOCK_NEVER);
    fiber_group_go(&g, try_two, &t, "dial");
    fiber_sleep(20 * NS_PER_MS, NULL);
    fiber_group_fini(&g);
    ok(!t.up && t.e.code == ERR_CANCELLED, "cancelled while two addresses hang: %s", t.e.msg);
    resolve_free(names);
}

static void test_unix(void *arg)
{
    (void)arg;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct err e;
    snprintf(sa.sun_path, sizeof(sa.sun_path), "/tmp/test_dial.%d", (int)getpid());
    ok(!dial_name(sa.sun_path, 0, 250, 100, &e) && e.code == ERR_UPSTREAM, "%s", e.msg);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(fd, 4) == 0);
    ok(dial_name(sa.sun_path, 0, 250, 100, &e), "a unix socket %s", e.msg);
    close(fd);
    unlink(sa.sun_path);
    char longest[200] = "/";
    memset(longest, 'x', sizeof(longest) - 1);
    ok(!dial_name(longest, 0, 250, 100, &e) && e.code == ERR_INVALID, "a path too long");
}

int main(void)
{
    struct hole hole;
    CHECK(work_start(2, NULL));
    int listener = peer_listen("127.0.0.1", &port, 64);
    hole_dig(&hole, "127.0.0.3", port);
    on_loop(test_cases, NULL);
    on_loop(test_cancel, NULL);
    on_loop(test_unix, NULL);
    hole_close(&hole);
    close(listener);
    work_stop();
    return tap_done();
}
