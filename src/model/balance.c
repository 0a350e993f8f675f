#include "model/balance.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"

#include <math.h>

#define X(name, text) [BALANCE_##name] = text,
static const char *const names[] = {BALANCES(X)};
#undef X

const char *balance_name(enum balance how)
{
    return names[how];
}

/* Places are sorted by rank, then by cost, then by chance; less is better. */
enum rank { USABLE, OVERLOADED, UNUSABLE };

struct score {
    double cost;
    uint32_t tie;
    uint8_t rank;
};

/* A uniform number in (0, 1) from 64 bits. */
static double uniform(uint64_t bits)
{
    return ((double)(bits >> 11) + 0.5) * 0x1p-53;
}

/* An exponential variate of rate `weight`: the least of several belongs to each in proportion to
 * its weight, and so does the next one among those that are left. */
static double draw(uint64_t bits, uint32_t weight)
{
    return -log(uniform(bits)) / weight;
}

/* Finalizer of MurmurHash3 (public domain): each bit of both depends on each bit of the result. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = a ^ (b + UINT64_C(0x9e3779b97f4a7c15));
    for (int i = 0; i < 2; i++) {
        x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
        x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    }
    return x ^ x >> 33;
}

static double cost_of(enum balance how, const struct balance_place *p, uint64_t key, int64_t now_ns)
{
    double in_flight = (double)health_in_flight(p->health);
    switch (how) {
    case BALANCE_LEAST: return (in_flight + 1) / p->weight;
    case BALANCE_LATENCY: {
        /* Never 0, so that a place that nobody knows yet does not get all that comes at first. */
        int64_t ns = health_latency_ns(p->health, now_ns);
        return (double)(ns > NS_PER_MS ? ns : NS_PER_MS) * (in_flight + 1) / p->weight;
    }
    case BALANCE_HASH: return draw(mix(key, health_hash(p->health)), p->weight);
    case BALANCE_WEIGHTED:
    case BALANCE_COUNT: break;
    }
    return draw(random_u64(), p->weight);
}

/* A place that would have more than its share of all calls, and a quarter on top, comes behind. */
static void mark_overloaded(const struct balance_place *p, size_t n, struct score *score)
{
    double calls = 1, weights = 0;
    for (size_t i = 0; i < n; i++) {
        if (score[i].rank == USABLE) {
            calls += (double)health_in_flight(p[i].health);
            weights += p[i].weight;
        }
    }
    for (size_t i = 0; i < n; i++) {
        double most = ceil(1.25 * calls * p[i].weight / weights);
        if (score[i].rank == USABLE && (double)health_in_flight(p[i].health) + 1 > most)
            score[i].rank = OVERLOADED;
    }
}

static bool before(const struct score *a, const struct score *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank;
    return a->cost != b->cost ? a->cost < b->cost : a->tie < b->tie;
}

static void sort(const struct score *score, size_t n, uint8_t *order)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        for (; at > 0 && before(&score[i], &score[order[at - 1]]); at--)
            order[at] = order[at - 1];
        order[at] = (uint8_t)i;
    }
}

/* Of two places drawn from the usable ones, which are sorted, the better becomes the first: all
 * loops going to the one that looked best a moment ago would make it the worst. */
static void choose_of_two(uint8_t *order, size_t usable)
{
    if (usable < 3)
        return; /* of two the better is the first already */
    size_t a = random_u64() % usable, b = random_u64() % (usable - 1);
    b += b >= a;
    size_t at = size_min(a, b);
    uint8_t first = order[at];
    for (; at > 0; at--)
        order[at] = order[at - 1];
    order[0] = first;
}

size_t balance_order(enum balance how, const struct balance_place *p, size_t n, uint64_t key,
                     int64_t now_ns, uint8_t *order)
{
    CHECK(n <= BALANCE_MOST);
    struct score score[BALANCE_MOST];
    size_t usable = 0;
    if (n == 1) {
        order[0] = 0;
        return health_usable(p->health, now_ns);
    }
    for (size_t i = 0; i < n; i++) {
        bool good = health_usable(p[i].health, now_ns);
        usable += good;
        score[i] = (struct score){
            .cost = cost_of(how, &p[i], key, now_ns),
            .tie = (uint32_t)random_u64(),
            .rank = good ? USABLE : UNUSABLE,
        };
    }
    if (how == BALANCE_HASH)
        mark_overloaded(p, n, score);
    sort(score, n, order);
    if (how == BALANCE_LATENCY)
        choose_of_two(order, usable);
    return usable;
}
