/* What resolve promises: one lookup for all who ask, answers kept for their time, and nobody held
 * up by a name server that does not answer. */
#include "net/resolve.h"
#include "base/clock.h"
#include "base/lock.h"
#include "run/work.h"

#include "on_loop.h"
#include "tap.h"

#include <arpa/inet.h>

/* The name server: what it says next, how often it was asked, and whether it may answer. */
static struct {
    struct lock lock;
    struct cond changed;
    /* under lock */
    int asked;
    bool stuck;
    enum err_code code; /* ERR_NONE = found */
    const char *address;
} names = {.lock = LOCK_INIT};

static bool lookup(const char *host, struct resolve_list *out, struct err *e)
{
    lock_take(&names.lock);
    names.asked++;
    cond_wake_all(&names.changed);
    while (names.stuck)
        cond_wait(&names.changed, &names.lock, CLOCK_NEVER);
    enum err_code code = names.code;
    *out = (struct resolve_list){.n = 1};
    out->addr[0].v4.sin_family = AF_INET;
    inet_pton(AF_INET, names.address, &out->addr[0].v4.sin_addr);
    lock_drop(&names.lock);
    return code == ERR_NONE || err_set(e, code, "no address for '%s'", host);
}

static void names_say(enum err_code code, const char *address, bool stuck)
{
    lock_take(&names.lock);
    names.asked = 0;
    names.code = code;
    names.address = address;
    names.stuck = stuck;
    cond_wake_all(&names.changed);
    lock_drop(&names.lock);
}

static int names_asked(void)
{
    lock_take(&names.lock);
    int n = names.asked;
    lock_drop(&names.lock);
    return n;
}

static bool is(const struct resolve_list *list, const char *address, unsigned port)
{
    struct in_addr want;
    inet_pton(AF_INET, address, &want);
    return list->n == 1 && list->addr[0].sa.sa_family == AF_INET &&
           list->addr[0].v4.sin_addr.s_addr == want.s_addr &&
           ntohs(list->addr[0].v4.sin_port) == port;
}

static int64_t soon(int64_t ms)
{
    return clock_after(clock_now(), ms);
}

static void test_literals(struct resolve *r)
{
    struct resolve_list list;
    struct err e;
    names_say(ERR_INTERNAL, "0.0.0.0", false);
    ok(resolve_name(r, STR("127.0.0.1"), 80, &list, CLOCK_NEVER, &e) && is(&list, "127.0.0.1", 80),
       "an IPv4 literal");
    ok(resolve_name(r, STR("::1"), 443, &list, CLOCK_NEVER, &e) && list.n == 1 &&
           list.addr[0].sa.sa_family == AF_INET6 && ntohs(list.addr[0].v6.sin6_port) == 443,
       "an IPv6 literal");
    ok(names_asked() == 0, "nobody was asked for them");
    ok(!resolve_name(r, STR(""), 80, &list, CLOCK_NEVER, &e) && e.code == ERR_INVALID, "%s", e.msg);
    ok(!resolve_name(r, STR("a\0b"), 80, &list, CLOCK_NEVER, &e) && e.code == ERR_INVALID,
       "a NUL in a name");
}

static void test_cache(struct resolve *r)
{
    struct resolve_list list;
    struct err e;
    names_say(ERR_NONE, "10.0.0.1", false);
    ok(resolve_name(r, STR("a.test"), 1, &list, CLOCK_NEVER, &e) && is(&list, "10.0.0.1", 1),
       "a name is looked up");
    names_say(ERR_NONE, "10.0.0.2", false);
    ok(resolve_name(r, STR("a.test"), 2, &list, CLOCK_NEVER, &e) && is(&list, "10.0.0.1", 2) &&
           names_asked() == 0,
       "and kept, whatever the port");
    ok(resolve_name(r, STR("b.test"), 2, &list, CLOCK_NEVER, &e) && is(&list, "10.0.0.2", 2),
       "another name is another lookup");
    names_say(ERR_NOT_FOUND, "0.0.0.0", false);
    ok(!resolve_name(r, STR("c.test"), 1, &list, CLOCK_NEVER, &e) && e.code == ERR_UPSTREAM &&
           strstr(e.msg, "c.test"),
       "%s", e.msg);
    ok(!resolve_name(r, STR("c.test"), 1, &list, CLOCK_NEVER, &e) && names_asked() == 1,
       "that is kept too");
}

/* More names than the cache holds: it is emptied and goes on. */
static void test_many(struct resolve *r)
{
    char host[32];
    struct resolve_list list;
    int found = 0;
    names_say(ERR_NONE, "10.0.0.3", false);
    for (int i = 0; i < 1100; i++) {
        int n = snprintf(host, sizeof(host), "n%d.test", i);
        found += resolve_name(r, (struct str){host, (size_t)n}, 1, &list, CLOCK_NEVER, NULL);
    }
    ok(found == 1100 && names_asked() == 1100, "1100 names");
}

struct asker {
    struct resolve *r;
    bool found;
    struct err e;
    int64_t deadline_ns;
};

static void ask(void *arg)
{
    struct asker *a = arg;
    struct resolve_list list;
    a->found = resolve_name(a->r, STR("slow.test"), 1, &list, a->deadline_ns, &a->e) &&
               is(&list, "10.0.0.4", 1);
}

static void test_stuck(struct resolve *r)
{
    struct asker early = {.r = r, .deadline_ns = soon(20)}, late[3];
    struct fiber_group g;
    names_say(ERR_NONE, "10.0.0.4", true);
    ask(&early);
    ok(!early.found && early.e.code == ERR_TIMEOUT, "a deadline passes while the lookup hangs");

    fiber_group_init(&g, CLOCK_NEVER);
    for (size_t i = 0; i < COUNT(late); i++) {
        late[i] = (struct asker){.r = r, .deadline_ns = CLOCK_NEVER};
        fiber_group_go(&g, ask, &late[i], "ask");
    }
    fiber_sleep(NS_PER_MS, NULL);
    lock_take(&names.lock);
    names.stuck = false;
    cond_wake_all(&names.changed);
    lock_drop(&names.lock);
    fiber_group_wait(&g);
    ok(late[0].found && late[1].found && late[2].found && names_asked() == 1,
       "four asked, one lookup");

    early = (struct asker){.r = r, .deadline_ns = CLOCK_NEVER};
    names_say(ERR_NONE, "10.0.0.4", true);
    fiber_group_init(&g, soon(10));
    struct resolve *gone = resolve_new(lookup);
    early.r = gone;
    fiber_group_go(&g, ask, &early, "ask");
    fiber_group_wait(&g);
    ok(!early.found, "cancelled while it hangs: %s", early.e.msg);
    resolve_free(gone); /* the lookup is still under way */
    names_say(ERR_NONE, "10.0.0.4", false);
}

static void test_system(void)
{
    struct resolve *r = resolve_new(NULL);
    struct resolve_list list;
    struct err e = {0};
    bool found = resolve_name(r, STR("localhost"), 7, &list, CLOCK_NEVER, &e);
    bool loopback = found && list.n >= 1;
    for (size_t i = 0; loopback && i < list.n; i++) {
        const union resolve_addr *a = &list.addr[i];
        loopback = a->sa.sa_family == AF_INET ? ntohl(a->v4.sin_addr.s_addr) >> 24 == 127
                                              : IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
    }
    ok(loopback, "localhost by the system: %s", e.msg);
    resolve_free(r);
}

static void run(void *arg)
{
    struct resolve *r = resolve_new(lookup);
    (void)arg;
    test_literals(r);
    test_cache(r);
    test_many(r);
    test_stuck(r);
    test_system();
    resolve_free(r);
}

int main(void)
{
    cond_init(&names.changed);
    CHECK(work_start(2, NULL));
    on_loop(run, NULL);
    work_stop();
    cond_fini(&names.changed);
    return tap_done();
}
