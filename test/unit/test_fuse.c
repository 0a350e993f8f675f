/* Fusion: order, ties, missing and empty lists, weights; feedback. */
#include "index/fuse.h"
#include "base/mem.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 60 };

struct lists {
    struct hit hit[2][MOST];
    struct fuse_list list[2];
};

/* Falling scores over shuffled keys. */
static struct lists *random_lists(unsigned *seed)
{
    struct lists *x = mem_new(sizeof(*x));
    for (int l = 0; l < 2; l++) {
        int64_t key[MOST];
        size_t n = (size_t)rand_r(seed) % MOST;
        float score = 10;
        for (size_t i = 0; i < MOST; i++) {
            size_t j = (size_t)rand_r(seed) % (i + 1);
            key[i] = key[j];
            key[j] = (int64_t)i;
        }
        for (size_t i = 0; i < n; i++) {
            x->hit[l][i] = (struct hit){.key = key[i], .document = key[i], .score = score};
            score -= (float)(rand_r(seed) % 100) / 100;
        }
        x->list[l] = (struct fuse_list){x->hit[l], n, 1, NAN};
    }
    return x;
}

static bool same(const struct fuse_hit *a, const struct fuse_hit *b, size_t n)
{
    bool good = true;
    for (size_t i = 0; i < n; i++)
        good = good && a[i].key == b[i].key && fabsf(a[i].score - b[i].score) < 1e-4f;
    return good;
}

static size_t place(const struct fuse_hit *hit, size_t n, int64_t key)
{
    size_t i = 0;
    while (i < n && hit[i].key != key)
        i++;
    return i;
}

static void test_properties(void)
{
    unsigned seed = 5;
    bool sorted = true, once = true, symmetric = true, scaled = true, monotone = true, ranks = true;
    for (int round = 0; round < 300; round++) {
        struct lists *x = random_lists(&seed);
        struct fuse_hit a[2 * MOST], b[2 * MOST];
        size_t n = fuse_lists(x->list, a, COUNT(a));
        for (size_t i = 1; i < n; i++) {
            sorted = sorted && a[i - 1].score >= a[i].score;
            once = once && place(a, n, a[i].key) == i;
        }
        for (size_t i = 0; i < n; i++)
            for (int l = 0; l < 2; l++)
                ranks = ranks && (a[i].rank[l] == 0 || x->hit[l][a[i].rank[l] - 1].key == a[i].key);
        struct fuse_list swapped[2] = {x->list[1], x->list[0]};
        symmetric = symmetric && fuse_lists(swapped, b, COUNT(b)) == n && same(a, b, n);
        for (size_t i = 0; i < x->list[0].n; i++) /* another unit and another zero */
            x->hit[0][i].score = x->hit[0][i].score * 7 - 3;
        scaled = scaled && fuse_lists(x->list, b, COUNT(b)) == n && same(a, b, n);
        /* What is above another in both lists is above it in the result. */
        for (size_t i = 0; i < n; i++)
            for (size_t j = i + 1; j < n; j++)
                if (a[i].rank[0] && a[i].rank[1] && a[j].rank[0] && a[j].rank[1])
                    monotone =
                        monotone && !(a[j].rank[0] < a[i].rank[0] && a[j].rank[1] < a[i].rank[1] &&
                                      a[j].score < a[i].score);
        mem_free(x);
    }
    ok(sorted, "scores fall");
    ok(once, "each passage once");
    ok(ranks, "ranks are those of the lists");
    ok(symmetric, "the order of the lists does not matter");
    ok(scaled, "nor do units and zeros of scores");
    ok(monotone, "two lists that agree are not contradicted");
}

static void test_lists(void)
{
    struct hit words[3] = {{1, 1, 9, 0}, {2, 2, 5, 0}, {3, 3, 1, 0}};
    struct hit near[3] = {{3, 3, .9f, 0}, {4, 4, .5f, 0}, {1, 1, .1f, 0}};
    struct fuse_hit out[6];
    struct fuse_list list[2] = {{words, 3, 1, 0}, {near, 0, 1, NAN}};
    ok(fuse_lists(list, out, 6) == 3 && out[0].key == 1 && out[2].key == 3 && out[0].rank[1] == 0,
       "an empty list leaves the other as it is");
    list[0].n = 0;
    ok(fuse_lists(list, out, 6) == 0, "two empty lists give nothing");
    list[0].n = list[1].n = 3;
    list[1].weight = 0;
    ok(fuse_lists(list, out, 6) == 3 && out[0].key == 1 && out[1].key == 2, "so does no weight");
    list[1].weight = 1;
    list[0].weight = 0;
    ok(fuse_lists(list, out, 6) == 3 && out[0].key == 3, "on either side");
    list[0].weight = 1;
    ok(fuse_lists(list, out, 2) == 2, "no more than k");
    list[1].weight = 1;
    float share = 2 / 3.f, enough = share / .8f; /* of either list's hits in the other */
    ok(fabsf(fuse_support(list) - sqrtf(share) * enough * enough) < 1e-6f,
       "support goes both ways");
    struct fuse_list fewer[2] = {{words, 1, 1, 0}, {near, 3, 1, NAN}};
    ok(fabsf(fuse_support(fewer) - sqrtf(1 / 3.f)) < 1e-6f,
       "where all of the best are near, the nearest alone decide");
    struct fuse_list alone[2] = {{words, 0, 1, 0}, {near, 3, 1, NAN}};
    ok(fuse_support(alone) == 1, "without keywords nothing speaks against the vectors");
    struct fuse_list apart[2] = {{words, 2, 1, 0}, {near + 1, 1, 1, NAN}};
    ok(fuse_support(apart) == 0, "nor for them where no hit is shared");
    struct hit equal[2] = {{8, 8, 1, 1}, {7, 7, 1, 0}};
    struct fuse_list alike[2] = {{equal, 2, 1, NAN}, {equal, 2, 1, NAN}};
    ok(fuse_lists(alike, out, 6) == 2 && out[0].key == 7 && out[0].score == 0,
       "equal scores: the lower key first");
    struct hit one[1] = {{5, 5, 3, 0}};
    struct fuse_list single[2] = {{one, 1, 1, 0}, {one, 1, 1, NAN}};
    ok(fuse_lists(single, out, 6) == 1 && isfinite(out[0].score), "a single hit");
}

static void test_feedback(void)
{
    float q[2] = {1, 0}, a[2] = {0, 2}, b[2] = {0, 1};
    const float *passage[2] = {a, b};
    float score[2] = {1, -1};
    fuse_feedback(q, 2, passage, score, 2);
    ok(fabsf(q[0] - sqrtf(.5f)) < 1e-6f && fabsf(q[1] - sqrtf(.5f)) < 1e-6f,
       "half way to the best passage");
    float r[2] = {1, 0};
    fuse_feedback(r, 2, passage, score, 0);
    ok(r[0] == 1 && r[1] == 0, "nowhere without passages");
}

int main(void)
{
    test_properties();
    test_lists();
    test_feedback();
    return tap_done();
}
