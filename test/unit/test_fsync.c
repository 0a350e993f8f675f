/* What fsync promises: mutual exclusion, first come first served, no lost wake-up, bounded queues.
 */
#include "run/fsync.h"
#include "base/clock.h"

#include "tap.h"
#include "on_loop.h"

static struct fmutex m;
static struct fcond c;
static int order[16], n_order, inside, collisions;

static void settle(void) /* lets all others come to their waits */
{
    for (int i = 0; i < 20; i++)
        fiber_yield();
}

/* ---- Mutex ---- */

static void taker(void *arg)
{
    if (!fmutex_take(&m, CLOCK_NEVER, NULL))
        return;
    collisions += inside++ != 0;
    order[n_order++] = (int)(intptr_t)arg;
    fiber_yield();
    inside--;
    fmutex_drop(&m);
}

static void impatient(void *arg)
{
    struct err e;
    *(enum err_code *)arg = fmutex_take(&m, loop_now() + NS_PER_MS, &e) ? ERR_NONE : e.code;
    if (m.owner == fiber_self())
        fmutex_drop(&m);
}

static void mutex_test(void *arg)
{
    (void)arg;
    struct fiber *f[8];
    fmutex_init(&m);
    ok(fmutex_take(&m, CLOCK_NEVER, NULL), "a free mutex is taken at once");
    for (intptr_t i = 0; i < 8; i++)
        f[i] = fiber_go(taker, (void *)i, "taker");
    enum err_code late = ERR_NONE;
    fiber_go(impatient, &late, "impatient");
    settle();
    ok(n_order == 0, "a held one is waited for");
    fiber_cancel(f[3]);
    while (late == ERR_NONE)
        fiber_sleep(NS_PER_MS, NULL);
    ok(late == ERR_TIMEOUT, "not for longer than the deadline");
    fmutex_drop(&m);
    fiber_cancel(f[0]); /* it has been given the mutex, but has not run yet */
    while (fiber_count() > 1)
        fiber_yield();
    static const int want[] = {0, 1, 2, 4, 5, 6, 7};
    bool same = n_order == COUNT(want);
    for (int i = 0; same && i < n_order; i++)
        same = order[i] == want[i];
    ok(same, "first come, first served; who was cancelled while waiting is left out");
    ok(collisions == 0 && !m.owner, "one at a time, and free in the end");
}

/* ---- Condition ---- */

static int tokens, woken, failed;

static void consumer(void *arg)
{
    struct err e;
    int64_t deadline_ns = arg ? loop_now() + NS_PER_MS : CLOCK_NEVER;
    CHECK(fmutex_take(&m, CLOCK_NEVER, NULL));
    while (tokens == 0) {
        if (!fcond_wait(&c, &m, deadline_ns, &e)) {
            failed += e.code == (arg ? ERR_TIMEOUT : ERR_CANCELLED);
            CHECK(m.owner == fiber_self());
            fmutex_drop(&m);
            return;
        }
    }
    tokens--;
    woken++;
    fmutex_drop(&m);
}

static void cond_test(void *arg)
{
    (void)arg;
    fmutex_init(&m);
    fcond_init(&c);
    fcond_wake_one(&c);
    for (int i = 0; i < 5; i++)
        fiber_go(consumer, NULL, "consumer");
    settle();
    CHECK(fmutex_take(&m, CLOCK_NEVER, NULL));
    tokens = 1;
    fcond_wake_one(&c);
    fmutex_drop(&m);
    settle();
    ok(woken == 1, "one is woken");
    tokens = 3;
    fcond_wake_all(&c);
    settle();
    ok(woken == 4 && tokens == 0, "all are woken, three find something");
    fiber_go(consumer, &c, "late");
    while (failed == 0)
        fiber_sleep(NS_PER_MS, NULL);
    ok(failed == 1, "a deadline ends the wait with the mutex held");
    struct fiber *f = fiber_go(consumer, NULL, "cancelled");
    settle();
    fiber_cancel(f);
    settle();
    ok(failed == 2, "so does cancellation");
    tokens = 1;
    fcond_wake_all(&c);
    settle();
    ok(woken == 5 && fiber_count() == 1, "the last one leaves");
}

/* ---- Channel ---- */

enum { ITEMS = 1000 };

struct stream {
    struct fchan ch;
    int item[ITEMS], got, wrong, closed;
};

static void producer(void *arg)
{
    struct stream *s = arg;
    for (int i = 0; i < ITEMS; i++) {
        s->item[i] = i;
        CHECK(fchan_put(&s->ch, &s->item[i], CLOCK_NEVER, NULL));
        if (i % 7 == 0)
            fiber_yield();
    }
    fchan_close(&s->ch);
}

static void reader(void *arg)
{
    struct stream *s = arg;
    void *item;
    while (fchan_get(&s->ch, &item, CLOCK_NEVER, NULL) && item) {
        s->wrong += *(int *)item != s->got++;
        if (s->got % 11 == 0)
            fiber_yield();
    }
    s->closed++;
}

static void late_put(void *arg)
{
    struct stream *s = arg;
    struct err e;
    s->wrong += !fchan_put(&s->ch, s, CLOCK_NEVER, &e) && e.code == ERR_CANCELLED;
}

static void chan_test(void *arg)
{
    static const uint32_t caps[] = {1, 2, 16, 2000};
    static struct stream s;
    (void)arg;
    for (size_t i = 0; i < COUNT(caps); i++) {
        s.got = s.wrong = s.closed = 0;
        fchan_init(&s.ch, caps[i]);
        fiber_go(producer, &s, "producer");
        fiber_go(reader, &s, "reader");
        while (fiber_count() > 1)
            fiber_yield();
        ok(s.got == ITEMS && s.wrong == 0 && s.closed == 1, "capacity %u: all items, in order",
           caps[i]);
        fchan_fini(&s.ch);
    }

    struct err e;
    void *item;
    fchan_init(&s.ch, 1);
    ok(!fchan_get(&s.ch, &item, loop_now() + 1, &e) && e.code == ERR_TIMEOUT, "empty: timeout");
    CHECK(fchan_put(&s.ch, &e, CLOCK_NEVER, &e));
    ok(!fchan_put(&s.ch, &e, loop_now() + 1, &e) && e.code == ERR_TIMEOUT, "full: timeout");
    s.wrong = 0;
    fiber_go(late_put, &s, "writer");
    settle();
    fchan_close(&s.ch);
    settle();
    ok(s.wrong == 1, "closing turns a waiting writer away");
    ok(fchan_get(&s.ch, &item, CLOCK_NEVER, &e) && item == &e, "what is in can still be read");
    ok(fchan_get(&s.ch, &item, CLOCK_NEVER, &e) && !item, "then comes the end");
    ok(!fchan_put(&s.ch, &e, CLOCK_NEVER, &e) && e.code == ERR_CANCELLED, "closed: refused");
    fchan_fini(&s.ch);
}

int main(void)
{
    on_loop(mutex_test, NULL);
    on_loop(cond_test, NULL);
    on_loop(chan_test, NULL);
    return tap_done();
}
