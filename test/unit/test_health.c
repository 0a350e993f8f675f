/* What health promises: who is let in while a place is good, bad and coming back. */
#include "base/clock.h"
#include "base/metric.h"
#include "model/health.h"

#include "tap.h"

#include <pthread.h>
#include <stdatomic.h>

static const struct str prov = STR_INIT("prov");

/* Sends n calls one after the other; returns how many were let in. */
static int calls(struct health *h, int n, enum health_verdict v, bool only, int64_t now_ns)
{
    int in = 0;
    for (int i = 0; i < n; i++) {
        enum health_pass pass = health_enter(h, only, now_ns);
        if (pass == HEALTH_REFUSED)
            continue;
        in++;
        health_leave(h, pass, v, 0, now_ns);
    }
    return in;
}

static int64_t shown(struct str endpoint, struct str model)
{
    struct metric_family *f =
        metric_family("penstock_breaker_state", METRIC_GAUGE, "provider,endpoint,model", "");
    return metric_value(metric_with(f, (struct str[]){prov, endpoint, model}));
}

static void test_names(void)
{
    struct health *h = health_get(STR("a"), STR("b"), STR("c"));
    ok(h == health_get(STR("a"), STR("b"), STR("c")), "the same names are the same place");
    ok(h != health_get(STR("ab"), STR(""), STR("c")), "other names are another");
    ok(health_hash(h) != health_hash(health_get(STR("a"), STR("c"), STR("b"))),
       "and have another hash");
    ok(health_state(h) == BREAKER_CLOSED && health_usable(h, clock_now()), "it starts closed");
}

static void test_opens_in_row(void)
{
    struct health *h = health_get(prov, STR("e"), STR("row"));
    int64_t t = clock_now();
    calls(h, 9, HEALTH_FAULT, false, t);
    calls(h, 1, HEALTH_GOOD, false, t);
    ok(calls(h, 20, HEALTH_IGNORED, false, t) == 20, "what says nothing is let in and not counted");
    calls(h, 9, HEALTH_FAULT, false, t);
    ok(health_state(h) == BREAKER_CLOSED, "9 faults, an answer, 9 faults: closed");
    ok(calls(h, 5, HEALTH_FAULT, false, t) == 1, "the tenth in a row opens it");
    ok(health_state(h) == BREAKER_OPEN && shown(STR("e"), STR("row")) == BREAKER_OPEN, "open");
    ok(!health_usable(h, t), "not usable");
    int64_t ms = health_retry_in_ms(h, t);
    ok(ms >= 1600 && ms <= 2001, "the cool-down is 2 s, up to a fifth less: %d ms", (int)ms);

    t += ms * NS_PER_MS;
    ok(health_usable(h, t), "then it may be probed");
    enum health_pass probe = health_enter(h, false, t);
    ok(probe == HEALTH_PROBE && health_state(h) == BREAKER_PROBE, "one call probes");
    ok(!health_usable(h, t) && health_enter(h, false, t) == HEALTH_REFUSED &&
           health_enter(h, true, t) == HEALTH_REFUSED,
       "all others are refused");
    health_leave(h, probe, HEALTH_GOOD, 0, t);
    ok(health_state(h) == BREAKER_PROBE && health_usable(h, t), "one answer is not enough");
    ok(calls(h, 1, HEALTH_IGNORED, false, t) == 1 && health_state(h) == BREAKER_PROBE,
       "a probe that says nothing changes nothing");
    calls(h, 1, HEALTH_GOOD, false, t);
    ok(health_state(h) == BREAKER_CLOSED && shown(STR("e"), STR("row")) == BREAKER_CLOSED,
       "the second one closes it");
    ok(calls(h, 9, HEALTH_FAULT, false, t) == 9 && health_state(h) == BREAKER_CLOSED,
       "and all is forgotten");
    ok(health_in_flight(h) == 0, "nobody is inside");
}

static void test_cooldown_grows(void)
{
    struct health *h = health_get(prov, STR("e"), STR("grows"));
    int64_t t = clock_now(), longest = 0;
    calls(h, 10, HEALTH_FAULT, false, t);
    for (int i = 0; i < 8; i++) {
        int64_t ms = health_retry_in_ms(h, t);
        longest = ms > longest ? ms : longest;
        t += ms * NS_PER_MS;
        ok(calls(h, 1, HEALTH_FAULT, false, t) == 1 && health_state(h) == BREAKER_OPEN,
           "probe %d after %d ms fails: open again", i + 1, (int)ms);
    }
    ok(longest > 10000 && longest <= 15001, "the cool-down grows up to 15 s");
    t += health_retry_in_ms(h, t) * NS_PER_MS;
    ok(calls(h, 2, HEALTH_GOOD, false, t) == 2 && health_state(h) == BREAKER_CLOSED, "closed");
    calls(h, 10, HEALTH_FAULT, false, t);
    ok(health_retry_in_ms(h, t) <= 2001, "after that it begins at 2 s again");
}

static void test_opens_by_ratio(void)
{
    struct health *h = health_get(prov, STR("e"), STR("ratio"));
    int64_t t = clock_now();
    for (int i = 0; i < 9; i++) {
        calls(h, 1, HEALTH_GOOD, false, t);
        calls(h, 1, HEALTH_FAULT, false, t);
    }
    ok(health_state(h) == BREAKER_CLOSED, "half of 18 calls: too few to tell");
    t += 40 * NS_PER_S;
    calls(h, 11, HEALTH_GOOD, false, t);
    calls(h, 9, HEALTH_FAULT, false, t);
    ok(health_state(h) == BREAKER_CLOSED, "what is older than 30 s does not count");
    calls(h, 1, HEALTH_GOOD, false, t);
    calls(h, 3, HEALTH_FAULT, false, t + 10 * NS_PER_S);
    ok(health_state(h) == BREAKER_OPEN, "12 of 24 within 30 s open it");
}

static void test_only_choice(void)
{
    struct health *h = health_get(prov, STR("e"), STR("alone"));
    int64_t t = clock_now();
    ok(calls(h, 30, HEALTH_FAULT, true, t) == 30 && health_state(h) == BREAKER_OPEN,
       "one at a time is always let in");
    enum health_pass first = health_enter(h, true, t);
    ok(first == HEALTH_PROBE && health_enter(h, true, t) == HEALTH_REFUSED,
       "but a second one at the same time is refused");
    health_leave(h, first, HEALTH_FAULT, 0, t);
    ok(health_state(h) == BREAKER_OPEN, "a failure leaves it open");
    calls(h, 1, HEALTH_GOOD, true, t);
    ok(health_state(h) == BREAKER_PROBE, "an answer begins the probing before the time");
    calls(h, 1, HEALTH_GOOD, false, t);
    ok(health_state(h) == BREAKER_CLOSED, "and the second one closes it");
}

static void test_half_alive(void)
{
    struct health *h = health_get(prov, STR("e"), STR("half"));
    int64_t t = clock_now();
    for (int i = 0; i < 30; i++)
        calls(h, 1, i % 2 ? HEALTH_FAULT : HEALTH_GOOD, false, t);
    ok(health_state(h) == BREAKER_OPEN, "half of the calls fail: open");
    enum health_pass a = health_enter(h, true, t), b = health_enter(h, true, t);
    ok(a == HEALTH_PROBE && b == HEALTH_CALL,
       "but whoever has no other choice gets in, many at a time");
    ok(health_enter(h, false, t) == HEALTH_REFUSED, "and nobody else");
    health_leave(h, b, HEALTH_FAULT, 0, t);
    health_leave(h, a, HEALTH_GOOD, 0, t);
    ok(health_state(h) == BREAKER_PROBE && health_in_flight(h) == 0, "it comes back like any");
}

static void test_late_calls(void)
{
    struct health *h = health_get(prov, STR("e"), STR("late"));
    int64_t t = clock_now();
    enum health_pass a = health_enter(h, false, t), b = health_enter(h, false, t);
    calls(h, 10, HEALTH_FAULT, false, t);
    int64_t ms = health_retry_in_ms(h, t);
    health_leave(h, a, HEALTH_GOOD, 0, t);
    health_leave(h, b, HEALTH_FAULT, 0, t);
    ok(health_state(h) == BREAKER_OPEN && health_retry_in_ms(h, t) == ms,
       "calls that were inside when it opened change nothing");
    t += ms * NS_PER_MS;
    ok(health_enter(h, false, t) == HEALTH_PROBE && health_enter(h, false, t) == HEALTH_REFUSED,
       "one probe");
    ok(health_enter(h, false, t + 6 * NS_PER_S) == HEALTH_PROBE,
       "a probe that takes long does not keep out others");
}

static void test_ejection(void)
{
    struct health *h[4];
    static const char *const names[] = {"e1", "e2", "e3", "e4"};
    for (int i = 0; i < 4; i++)
        h[i] = health_get(prov, str_from(names[i]), STR("peers"));
    int64_t t = clock_now();
    calls(h[0], 4, HEALTH_FAULT, false, t);
    ok(health_usable(h[0], t), "4 faults in a row: it stays");
    calls(h[0], 1, HEALTH_FAULT, false, t);
    ok(!health_usable(h[0], t) && health_state(h[0]) == BREAKER_CLOSED,
       "5 faults in a row: left out before its breaker opens");
    ok(health_retry_in_ms(h[0], t) == 10001, "for 10 s");
    ok(health_enter(h[0], false, t) == HEALTH_REFUSED && calls(h[0], 1, HEALTH_GOOD, true, t) == 1,
       "unless there is no other choice");
    calls(h[1], 5, HEALTH_FAULT, false, t);
    ok(!health_usable(h[1], t), "a second one of four too");
    calls(h[2], 5, HEALTH_FAULT, false, t);
    ok(health_usable(h[2], t), "the third stays: never more than half");
    calls(h[2], 1, HEALTH_GOOD, false, t);
    t += 11 * NS_PER_S;
    ok(health_usable(h[0], t) && health_usable(h[1], t), "they come back by themselves");
    calls(h[1], 1, HEALTH_FAULT, false, t);
    ok(health_state(h[1]) == BREAKER_OPEN, "who still fails then opens its breaker");
    ok(calls(h[1], 5, HEALTH_GOOD, false, t + 2 * NS_PER_S) == 5 && health_usable(h[1], t),
       "and is back within seconds of its recovery");

    t += 400 * NS_PER_S;
    for (int i = 0; i < 4; i++)
        calls(h[i], 40, HEALTH_GOOD, false, t);
    for (int i = 0; i < 6; i++) {
        calls(h[3], 4, HEALTH_FAULT, false, t);
        calls(h[3], 1, HEALTH_GOOD, false, t);
    }
    ok(!health_usable(h[3], t) && health_state(h[3]) == BREAKER_CLOSED,
       "a share of faults that stands out from its peers': left out");
    ok(health_usable(h[0], t), "the others stay");
    t += 11 * NS_PER_S;
    for (int i = 0; i < 3; i++) {
        calls(h[3], 4, HEALTH_FAULT, false, t);
        calls(h[3], 1, HEALTH_GOOD, false, t);
    }
    ok(health_retry_in_ms(h[3], t) > 19000, "the second time for longer");

    struct health *alone = health_get(prov, STR("e1"), STR("no peers"));
    calls(alone, 9, HEALTH_FAULT, false, t);
    ok(health_usable(alone, t), "one without peers is never ejected");
}

static void test_endpoint(void)
{
    struct health *a = health_get(prov, STR("checked"), STR("a"));
    struct health *b = health_get(prov, STR("checked"), STR("b"));
    int64_t t = clock_now();
    calls(a, 10, HEALTH_FAULT, false, t);
    health_endpoint_up(prov, STR("checked"), false, t);
    struct health *c = health_get(prov, STR("checked"), STR("c"));
    ok(!health_usable(a, t) && !health_usable(b, t) && !health_usable(c, t),
       "all places of an endpoint that is down");
    ok(!health_usable(a, t + 60 * NS_PER_S), "no probe either, until it is up");
    ok(health_enter(b, false, t) == HEALTH_REFUSED && calls(b, 1, HEALTH_FAULT, true, t) == 1,
       "the only choice is tried, one at a time");
    health_endpoint_up(prov, STR("checked"), true, t);
    ok(health_usable(b, t) && health_usable(a, t), "up: all are, and breakers probe at once");
    ok(calls(a, 2, HEALTH_GOOD, false, t) == 2 && health_state(a) == BREAKER_CLOSED, "and close");
}

static void test_latency(void)
{
    struct health *h = health_get(prov, STR("e"), STR("latency"));
    int64_t t = clock_now();
    ok(health_latency_ns(h, t) == 0, "not known at first");
    for (int i = 0; i < 100; i++, t += NS_PER_S)
        health_leave(h, health_enter(h, false, t), HEALTH_GOOD, 100 * NS_PER_MS, t);
    ok(health_latency_ns(h, t) == 100 * NS_PER_MS, "what is always the same is the average");
    for (int i = 0; i < 7; i++, t += NS_PER_S)
        health_leave(h, health_enter(h, false, t), HEALTH_GOOD, 300 * NS_PER_MS, t);
    int64_t ms = health_latency_ns(h, t) / NS_PER_MS;
    ok(ms > 190 && ms < 210, "after 7 s half of the way to what is new: %d ms", (int)ms);
    health_leave(h, health_enter(h, false, t), HEALTH_FAULT, 1, t);
    ok(health_latency_ns(h, t) / NS_PER_MS == ms, "a fault is not fast");
    ok(health_latency_ns(h, t + 60 * NS_PER_S) < 60 * NS_PER_MS, "fades when nobody calls");
}

static void test_settings(void)
{
    struct health *h = health_get(prov, STR("e"), STR("settings"));
    int64_t t = clock_now();
    health_configure(&(struct health_options){.failures = 2, .cooldown_ms = 100});
    calls(h, 2, HEALTH_FAULT, false, t);
    ok(health_state(h) == BREAKER_OPEN && health_retry_in_ms(h, t) <= 101, "2 faults, 100 ms");
    health_configure(NULL);
}

/* ---- Threads ---- */

enum { THREADS = 4, TRIES = 20000 };
static struct health *shared;
static atomic_int probing, most_probing;
static _Atomic int64_t clock_ns;

static void *storm(void *arg)
{
    unsigned x = *(unsigned *)arg;
    for (int i = 0; i < TRIES; i++) {
        int64_t t = atomic_fetch_add(&clock_ns, 50 * NS_PER_US); /* 4 s in all */
        x = x * 1664525 + 1013904223;
        bool bad = t / (300 * NS_PER_MS) % 2;
        enum health_pass pass = health_enter(shared, x >> 30 == 0, t);
        if (pass == HEALTH_REFUSED)
            continue;
        if (pass == HEALTH_PROBE) {
            int n = atomic_fetch_add(&probing, 1) + 1, most = atomic_load(&most_probing);
            while (n > most && !atomic_compare_exchange_weak(&most_probing, &most, n))
                ;
            atomic_fetch_sub(&probing, 1);
        }
        health_leave(shared, pass, bad ? HEALTH_FAULT : HEALTH_GOOD, NS_PER_MS, t);
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t t[THREADS];
    unsigned seed[THREADS];
    shared = health_get(prov, STR("e"), STR("threads"));
    atomic_store(&clock_ns, clock_now());
    health_configure(&(struct health_options){.cooldown_ms = 20, .cooldown_most_ms = 80});
    for (unsigned i = 0; i < THREADS; i++) {
        seed[i] = i;
        pthread_create(&t[i], NULL, storm, &seed[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    ok(health_in_flight(shared) == 0, "all have left");
    ok(atomic_load(&most_probing) == 1, "never two probes at the same time");
    int64_t at = atomic_load(&clock_ns) + 60 * NS_PER_S;
    calls(shared, 3, HEALTH_GOOD, true, at);
    ok(health_state(shared) == BREAKER_CLOSED, "and it comes back");
}

int main(void)
{
    test_names();
    test_opens_in_row();
    test_cooldown_grows();
    test_opens_by_ratio();
    test_only_choice();
    test_half_alive();
    test_late_calls();
    test_ejection();
    test_endpoint();
    test_latency();
    test_settings();
    test_threads();
    return tap_done();
}
