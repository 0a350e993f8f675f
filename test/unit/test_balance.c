/* What balance promises: shares by weight, the idle and the fast first, keys that stay. */
#include "base/clock.h"
#include "base/hash.h"
#include "model/balance.h"

#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

enum { DRAWS = 20000 };

static struct balance_place place(const char *model, int endpoint, uint32_t weight)
{
    char name[16];
    snprintf(name, sizeof(name), "e%d", endpoint);
    return (struct balance_place){health_get(STR("p"), str_from(name), str_from(model)), weight};
}

/* Each index once, and the first `usable` of them usable. */
static bool whole(const uint8_t *order, size_t n)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < n; i++)
        seen |= UINT64_C(1) << order[i];
    return n == 64 ? seen == UINT64_MAX : seen == (UINT64_C(1) << n) - 1;
}

static void break_open(struct health *h, int64_t now_ns)
{
    while (health_state(h) != BREAKER_OPEN)
        health_leave(h, health_enter(h, true, now_ns), HEALTH_FAULT, 0, now_ns);
}

static void test_weighted(void)
{
    struct balance_place p[] = {place("w", 0, 1), place("w", 1, 2), place("w", 2, 7)};
    int first[3] = {0}, second_after_2[3] = {0};
    uint8_t order[3];
    for (int i = 0; i < DRAWS; i++) {
        balance_order(BALANCE_WEIGHTED, p, 3, 0, clock_now(), order);
        first[order[0]]++;
        if (order[0] == 2)
            second_after_2[order[1]]++;
    }
    ok(abs(first[0] - DRAWS / 10) < 300 && abs(first[1] - DRAWS / 5) < 350 &&
           abs(first[2] - DRAWS * 7 / 10) < 400,
       "first in proportion to weight: %d %d %d", first[0], first[1], first[2]);
    ok(abs(second_after_2[1] - 2 * second_after_2[0]) < 1000, "second too: %d %d",
       second_after_2[0], second_after_2[1]);
}

static void test_unusable(void)
{
    struct balance_place p[BALANCE_MOST];
    uint8_t order[BALANCE_MOST];
    int64_t now = clock_now();
    for (int i = 0; i < BALANCE_MOST; i++)
        p[i] = place("u", i, 1);
    for (int i = 0; i < 8; i++)
        break_open(p[3 * i].health, now);
    for (enum balance how = 0; how < BALANCE_COUNT; how++) {
        size_t n = balance_order(how, p, BALANCE_MOST, 77, now, order);
        bool good = whole(order, BALANCE_MOST);
        for (size_t i = 0; i < BALANCE_MOST; i++)
            good = good && health_usable(p[order[i]].health, now) == (i < n);
        ok(good && n == BALANCE_MOST - 8, "%s: of 64 places the 8 that are open come last",
           balance_name(how));
    }
    ok(balance_order(BALANCE_WEIGHTED, p, 1, 0, now, order) == 0 && order[0] == 0,
       "a place of its own is in the order even when it is not usable");
    ok(balance_order(BALANCE_WEIGHTED, p, 0, 0, now, order) == 0, "none at all");
}

static void test_least(void)
{
    struct balance_place p[] = {place("l", 0, 1), place("l", 1, 1), place("l", 2, 4)};
    uint8_t order[3];
    int64_t now = clock_now();
    int taken[3] = {0};
    for (int i = 0; i < 60; i++) {
        balance_order(BALANCE_LEAST, p, 3, 0, now, order);
        taken[order[0]]++;
        health_enter(p[order[0]].health, false, now);
    }
    ok(taken[0] >= 9 && taken[0] <= 11 && taken[1] >= 9 && taken[1] <= 11 && taken[2] >= 39,
       "60 calls that stay spread by weight: %d %d %d", taken[0], taken[1], taken[2]);
    health_leave(p[1].health, HEALTH_CALL, HEALTH_GOOD, 0, now);
    health_leave(p[1].health, HEALTH_CALL, HEALTH_GOOD, 0, now);
    balance_order(BALANCE_LEAST, p, 3, 0, now, order);
    ok(order[0] == 1, "who has finished gets the next");
}

static void test_latency(void)
{
    struct balance_place p[] = {place("t", 0, 1), place("t", 1, 1), place("t", 2, 1),
                                place("t", 3, 1)};
    static const int64_t ms[] = {400, 20, 30, 500};
    uint8_t order[4];
    int64_t now = clock_now();
    int first[4] = {0};
    for (int i = 0; i < 4; i++)
        health_leave(p[i].health, health_enter(p[i].health, false, now), HEALTH_GOOD,
                     ms[i] * NS_PER_MS, now);
    for (int i = 0; i < DRAWS; i++) {
        balance_order(BALANCE_LATENCY, p, 4, 0, now, order);
        first[order[0]]++;
    }
    ok(first[3] == 0, "the slowest of four is never the better of two");
    ok(abs(first[1] - DRAWS / 2) < 400, "the fastest is, whenever it is drawn: %d", first[1]);
    for (int i = 0; i < 40; i++)
        health_enter(p[1].health, false, now);
    balance_order(BALANCE_LATENCY, p, 2, 0, now, order);
    ok(order[0] == 0, "what is in flight counts");
}

static void test_hash(void)
{
    enum { N = 10, KEYS = 2000 };
    struct balance_place p[N], fewer[N - 1];
    uint8_t order[N], less[N];
    int64_t now = clock_now();
    int first[N] = {0}, moved = 0, wrong = 0, same = 0;
    for (int i = 0; i < N; i++)
        p[i] = place("h", i, i == 9 ? 3 : 1);
    for (int i = 0; i < N - 1; i++)
        fewer[i] = p[i + 1];
    for (uint64_t key = 0; key < KEYS; key++) {
        uint8_t again[N];
        balance_order(BALANCE_HASH, p, N, key, now, order);
        balance_order(BALANCE_HASH, p, N, key, now, again);
        balance_order(BALANCE_HASH, fewer, N - 1, key, now, less);
        same += memcmp(order, again, N) == 0;
        first[order[0]]++;
        moved += order[0] == 0;
        wrong += order[0] == 0 ? less[0] + 1 != order[1] : less[0] + 1 != order[0];
    }
    ok(same == KEYS, "a key always has the same order");
    ok(moved > 100 && wrong == 0, "without a place its keys move to their second one, others stay");
    ok(first[9] > 2 * first[1] && first[9] < 5 * first[1], "keys follow weight: %d %d", first[1],
       first[9]);

    balance_order(BALANCE_HASH, p, N, 5, now, order);
    int home = order[0], at_home = 0;
    for (int i = 0; i < 200; i++) {
        balance_order(BALANCE_HASH, p, N, 5, now, order);
        at_home += order[0] == home;
        health_enter(p[order[0]].health, false, now);
    }
    double share = home == 9 ? 3.0 / 12 : 1.0 / 12;
    ok(at_home >= 200 * share && at_home <= 200 * share * 1.25 + 1,
       "one hot key does not drown its place: %d of 200", at_home);
}

int main(void)
{
    test_weighted();
    test_unusable();
    test_least();
    test_latency();
    test_hash();
    return tap_done();
}
