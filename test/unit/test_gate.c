/* What a gate promises: never more inside than the limit, first come first served, an end to every
 * wait, and a limit that follows what the provider can take. */
#include "base/clock.h"
#include "model/gate.h"
#include "run/fiber.h"

#include "tap.h"
#include "on_loop.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- The queue, on one loop ---- */

struct caller {
    struct gate *gate;
    int64_t deadline_ns;
    int order; /* of coming in; 0 = not yet */
    int *next;
    bool in;
    struct err e;
};

static void caller_main(void *arg)
{
    struct caller *c = arg;
    c->in = gate_enter(c->gate, c->deadline_ns, &c->e);
    c->order = ++*c->next;
}

static void settle(void)
{
    for (int i = 0; i < 5; i++)
        fiber_yield();
}

static void test_no_limit(void)
{
    struct gate *g = gate_get(STR("free"));
    ok(g == gate_get(STR("free")) && g != gate_get(STR("other")), "a gate per provider");
    for (int i = 0; i < 500; i++)
        ok(gate_enter(g, CLOCK_NEVER, NULL) || i < 0, "call %d enters", i);
    ok(gate_in_flight(g) == 500 && gate_limit(g) == 0, "there is no limit at first");
    for (int i = 0; i < 500; i++)
        gate_leave(g, GATE_GOOD, clock_now());
    ok(gate_in_flight(g) == 0, "all have left");
}

static void test_order(void)
{
    enum { N = 5 };
    struct gate *g = gate_get(STR("order"));
    gate_configure(g, &(struct gate_options){.most = 2, .queue_length = 3});
    ok(gate_limit(g) == 2, "configured: 2");
    gate_enter(g, CLOCK_NEVER, NULL);
    gate_enter(g, CLOCK_NEVER, NULL);
    struct caller c[N];
    int next = 0;
    struct fiber_group group;
    fiber_group_init(&group, CLOCK_NEVER);
    for (int i = 0; i < N; i++) {
        c[i] = (struct caller){.gate = g, .deadline_ns = CLOCK_NEVER, .next = &next};
        fiber_group_go(&group, caller_main, &c[i], "caller");
    }
    settle();
    ok(gate_queued(g) == 3 && gate_in_flight(g) == 2, "3 wait");
    ok(!c[3].in && c[3].e.code == ERR_RATE && c[3].e.retry_after_ms > 0 && !c[4].in,
       "who comes when the queue is full is turned away: %s", c[3].e.msg);
    gate_leave(g, GATE_GOOD, 0);
    ok(gate_in_flight(g) == 2, "a place that is given up is given on at once");
    settle();
    ok(c[0].in && !c[1].order, "to the one who came first");
    gate_leave(g, GATE_GOOD, 0);
    gate_leave(g, GATE_IGNORED, 0);
    fiber_group_wait(&group);
    fiber_group_fini(&group);
    ok(c[1].in && c[2].in && c[1].order < c[2].order, "then the others in order");
    gate_leave(g, GATE_GOOD, 0);
    gate_leave(g, GATE_GOOD, 0);
    ok(gate_in_flight(g) == 0 && gate_queued(g) == 0, "empty");
}

static void test_leaving_the_queue(void)
{
    struct gate *g = gate_get(STR("impatient"));
    gate_configure(g, &(struct gate_options){.most = 1});
    gate_enter(g, CLOCK_NEVER, NULL);
    struct err e = {0};
    ok(!gate_enter(g, loop_now() + NS_PER_MS, &e) && e.code == ERR_UNAVAILABLE &&
           e.retry_after_ms > 0,
       "the deadline ends the wait: %s, come back in %d ms", e.msg, (int)e.retry_after_ms);
    ok(!gate_enter(g, 0, &e) && e.code == ERR_UNAVAILABLE, "one that has passed is no wait");
    gate_configure(g, &(struct gate_options){.most = 1, .queue_timeout_ms = 1});
    ok(!gate_enter(g, CLOCK_NEVER, &e) && e.code == ERR_UNAVAILABLE, "so does the queue's own");
    gate_configure(g, &(struct gate_options){.most = 1});

    struct caller c = {.gate = g, .deadline_ns = CLOCK_NEVER, .next = &(int){0}};
    struct fiber_group group;
    fiber_group_init(&group, CLOCK_NEVER);
    fiber_group_go(&group, caller_main, &c, "caller");
    settle();
    ok(gate_queued(g) == 1, "one waits");
    fiber_group_fini(&group);
    ok(!c.in && c.e.code == ERR_CANCELLED && gate_queued(g) == 0, "cancelled, it leaves the queue");

    /* the place is given and the waiter cancelled before the message comes */
    c = (struct caller){.gate = g, .deadline_ns = CLOCK_NEVER, .next = &(int){0}};
    fiber_group_init(&group, CLOCK_NEVER);
    fiber_group_go(&group, caller_main, &c, "caller");
    settle();
    gate_leave(g, GATE_GOOD, 0);
    fiber_group_fini(&group);
    ok(c.in && gate_in_flight(g) == 1, "what was given counts");
    gate_leave(g, GATE_GOOD, 0);

    gate_enter(g, CLOCK_NEVER, NULL);
    c = (struct caller){.gate = g, .deadline_ns = CLOCK_NEVER, .next = &(int){0}};
    fiber_group_init(&group, CLOCK_NEVER);
    fiber_group_go(&group, caller_main, &c, "caller");
    settle();
    gate_configure(g, &(struct gate_options){.most = 2});
    fiber_group_wait(&group);
    fiber_group_fini(&group);
    ok(c.in, "a higher limit lets in who waits");
    gate_leave(g, GATE_GOOD, 0);
    gate_leave(g, GATE_GOOD, 0);
    ok(gate_in_flight(g) == 0, "empty");
}

/* ---- The limit ---- */

static void enter_many(struct gate *g, int n)
{
    for (int i = 0; i < n; i++)
        CHECK(gate_enter(g, CLOCK_NEVER, NULL));
}

static void test_limit(void)
{
    struct gate *g = gate_get(STR("limit"));
    int64_t before = clock_now();
    enter_many(g, 20);
    gate_leave(g, GATE_OVERLOADED, before);
    ok(gate_limit(g) == 14, "the first overload cuts to 0.7 of what was in flight: %d",
       (int)gate_limit(g));
    gate_leave(g, GATE_OVERLOADED, before);
    ok(gate_limit(g) == 14, "calls that were inside do not cut again");
    while (gate_in_flight(g) > 0)
        gate_leave(g, GATE_IGNORED, before);
    ok(gate_limit(g) == 14, "what says nothing changes nothing");

    int good = 0;
    for (; good < 1000 && gate_limit(g) == 14; good++) {
        enter_many(g, 1);
        gate_leave(g, GATE_GOOD, clock_now());
    }
    ok(good == 1000, "it does not grow while it is not used");
    enter_many(g, 14);
    for (good = 0; gate_limit(g) == 14; good++) {
        gate_leave(g, GATE_GOOD, clock_now());
        enter_many(g, 1);
    }
    ok(good == 14, "while it is, a limit's worth of answers adds one");
    while (gate_limit(g) > 0 && good++ < 10000) {
        while (gate_in_flight(g) < gate_limit(g))
            enter_many(g, 1);
        gate_leave(g, GATE_GOOD, clock_now());
    }
    ok(gate_limit(g) == 0, "past twice what was in flight there is none any more: %d answers",
       good);
    while (gate_in_flight(g) > 1)
        gate_leave(g, GATE_IGNORED, 0);
    fiber_sleep(110 * NS_PER_MS, NULL); /* cuts are that far apart */
    gate_leave(g, GATE_OVERLOADED, loop_now());
    ok(gate_limit(g) == 1, "never below 1");
}

static void one_loop(void *arg)
{
    (void)arg;
    test_no_limit();
    test_order();
    test_leaving_the_queue();
    test_limit();
}

/* ---- Several loops ---- */

enum { LOOPS = 3, FIBERS = 60, ROUNDS = 100, MOST = 4 };
static struct gate *crowded;
static atomic_int inside, most_inside, entered, left_early;

static void visitor(void *arg)
{
    unsigned x = *(unsigned *)arg += 7;
    for (int i = 0; i < ROUNDS; i++) {
        struct err e;
        x = x * 1664525 + 1013904223;
        bool hurry = x >> 29 == 0;
        if (!gate_enter(crowded, hurry ? loop_now() + 50 * NS_PER_US : CLOCK_NEVER, &e)) {
            CHECK(hurry && e.code == ERR_UNAVAILABLE);
            atomic_fetch_add(&left_early, 1);
            continue;
        }
        int n = atomic_fetch_add(&inside, 1) + 1, most = atomic_load(&most_inside);
        while (n > most && !atomic_compare_exchange_weak(&most_inside, &most, n))
            ;
        atomic_fetch_add(&entered, 1);
        fiber_yield();
        atomic_fetch_sub(&inside, 1);
        gate_leave(crowded, x >> 31 ? GATE_GOOD : GATE_IGNORED, loop_now());
    }
}

static void crowd(void *arg)
{
    struct fiber_group g;
    fiber_group_init(&g, CLOCK_NEVER);
    for (int i = 0; i < FIBERS; i++)
        fiber_group_go(&g, visitor, arg, "visitor");
    fiber_group_wait(&g);
    fiber_group_fini(&g);
}

static void *loop_thread(void *arg)
{
    on_loop(crowd, arg);
    return NULL;
}

static void test_loops(void)
{
    crowded = gate_get(STR("crowded"));
    gate_configure(crowded, &(struct gate_options){.most = MOST, .queue_timeout_ms = 60000});
    pthread_t t[LOOPS];
    unsigned seed[LOOPS] = {1, 2, 3};
    for (int i = 0; i < LOOPS; i++)
        pthread_create(&t[i], NULL, loop_thread, &seed[i]);
    for (int i = 0; i < LOOPS; i++)
        pthread_join(t[i], NULL);
    ok(atomic_load(&most_inside) <= MOST, "never more than %d inside", MOST);
    ok(atomic_load(&entered) + atomic_load(&left_early) == LOOPS * FIBERS * ROUNDS,
       "each of 18,000 visits came in or left the queue in time: %d left",
       atomic_load(&left_early));
    ok(gate_in_flight(crowded) == 0 && gate_queued(crowded) == 0, "and nobody is left behind");
}

int main(void)
{
    on_loop(one_loop, NULL);
    test_loops();
    return tap_done();
}
