/* What limits promise: exactly N, at any concurrency, and a truthful time to come back. */
#include "base/clock.h"
#include "tenant/limit.h"

#include "tap.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, TRIES = 250000 };

static struct limit_slot *slot;
static atomic_long taken;
static atomic_long inside, most_inside;

static void *take_many(void *arg)
{
    long mine = 0;
    for (int i = 0; i < TRIES; i++)
        mine += limit_rate(slot, 1000, 77 * NS_PER_S, NULL);
    atomic_fetch_add(&taken, mine);
    return arg;
}

static void *enter_many(void *arg)
{
    for (int i = 0; i < TRIES / 10; i++) {
        if (!limit_enter(slot, 3, NULL))
            continue;
        long now = atomic_fetch_add(&inside, 1) + 1, most = atomic_load(&most_inside);
        while (now > most && !atomic_compare_exchange_weak(&most_inside, &most, now))
            ;
        atomic_fetch_sub(&inside, 1);
        limit_leave(slot);
    }
    return arg;
}

static void run_threads(void *(*fn)(void *))
{
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, fn, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
}

static void test_refill(struct limit_set *s)
{
    struct limit_slot *l = limit_slot(s, STR("refill"));
    int64_t now = 1000 * NS_PER_S;
    struct err e;
    for (int i = 0; i < 60; i++)
        ok(limit_rate(l, 60, now, &e), "request %d of 60", i + 1);
    ok(!limit_rate(l, 60, now, &e) && e.code == ERR_RATE, "the 61st is refused");
    ok(e.retry_after_ms > 900 && e.retry_after_ms <= 1001, "come back in a second: %d ms",
       (int)e.retry_after_ms);
    ok(limit_rate(l, 60, now + e.retry_after_ms * NS_PER_MS, &e), "and then one is allowed");
    ok(!limit_rate(l, 60, now + e.retry_after_ms * NS_PER_MS, &e), "but only one");
    ok(limit_rate(l, 0, now, &e), "0 is no limit");
}

int main(void)
{
    struct limit_set *s = limit_set_new();
    test_refill(s);

    slot = limit_slot(s, STR("many"));
    ok(slot == limit_slot(s, STR("many")), "a caller has one slot");
    run_threads(take_many);
    ok(atomic_load(&taken) == 1000, "of a million requests at once exactly 1000 pass: %ld",
       atomic_load(&taken));
    run_threads(enter_many);
    ok(atomic_load(&most_inside) <= 3, "never more than 3 at the same time");
    ok(limit_enter(slot, 1, NULL), "all have left");
    ok(!limit_enter(slot, 1, NULL), "the next is over the limit");
    limit_leave(slot);
    limit_set_free(s);
    return tap_done();
}
