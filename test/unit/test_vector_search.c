/* Plans: which one runs, that filters hold in each, what an explanation says; recall by request;
 * short rows and short queries. */
#include "base/mem.h"
#include "index/vector.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIMENSION = 64, MANY = 9000, PER_DOCUMENT = 3, DOCUMENTS = MANY / PER_DOCUMENT, K = 10 };

static unsigned seed = 21;
static struct err e;
static float all[MANY][DIMENSION];

static float chance(void)
{
    return (float)rand_r(&seed) / (float)RAND_MAX * 2 - 1;
}

/* Near one of 60 places; `place` below 0: any. The first numbers weigh most, as in embeddings that
 * were trained to be cut. */
static void draw(float v[DIMENSION], int place)
{
    static float centre[60][DIMENSION];
    if (centre[0][0] == 0)
        for (size_t i = 0; i < COUNT(centre); i++)
            for (int j = 0; j < DIMENSION; j++)
                centre[i][j] = chance();
    const float *c = centre[place < 0 ? (unsigned)rand_r(&seed) % COUNT(centre) : (unsigned)place];
    for (int j = 0; j < DIMENSION; j++)
        v[j] = (c[j] + chance() * 0.6f) / sqrtf(1 + (float)j / 4);
}

static struct vector_index *make(uint32_t walked)
{
    struct vector_index *ix = vector_new_short(DIMENSION, walked, VECTOR_COSINE);
    seed = 21;
    for (uint32_t i = 0; i < MANY; i++) {
        draw(all[i], (int)(i / PER_DOCUMENT % 60));
        vector_add(ix, i / PER_DOCUMENT, i, all[i], &e);
    }
    vector_commit(ix);
    return ix;
}

static double cosine(const float *a, const float *b, uint32_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (uint32_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}

/* The share of the true nearest that is found; below 0 when something is found that must not be,
 * twice, or with a wrong score. */
static double recall(struct vector_index *ix, struct vector_query q, int place, int rounds,
                     struct vector_explain *x)
{
    uint32_t n = q.dimension ? q.dimension : DIMENSION;
    size_t right = 0, asked = 0;
    q.explain = x;
    for (int round = 0; round < rounds; round++) {
        float v[DIMENSION];
        double best[K];
        struct hit hit[K];
        size_t got, n_best = 0;
        draw(v, place);
        q.v = v;
        if (!vector_search(ix, &q, hit, K, &got, &e))
            return -1;
        for (uint32_t i = 0; i < MANY; i++) {
            if (q.allowed && !docset_has(q.allowed, i / PER_DOCUMENT))
                continue;
            double s = cosine(v, all[i], n);
            size_t at = n_best;
            while (at && best[at - 1] < s)
                at--;
            if (at == K)
                continue;
            n_best += n_best < K;
            memmove(&best[at + 1], &best[at], (n_best - at - 1) * sizeof(best[0]));
            best[at] = s;
        }
        asked += n_best;
        for (size_t h = 0; h < got; h++) {
            if (hit[h].document != hit[h].key / PER_DOCUMENT ||
                (h && hit[h].key == hit[h - 1].key) ||
                (q.allowed && !docset_has(q.allowed, (uint32_t)hit[h].document)) ||
                fabs(cosine(v, all[hit[h].key], n) - (double)hit[h].score) > 1e-4)
                return -2;
            right += (double)hit[h].score >= best[n_best - 1] - 1e-6;
        }
    }
    return asked ? (double)right / (double)asked : 1;
}

static void test_plans(struct vector_index *ix)
{
    struct docset *set = docset_new(DOCUMENTS);
    struct vector_explain x;
    double found = recall(ix, (struct vector_query){.recall = 0.95F}, -1, 50, &x);
    ok(x.plan == VECTOR_WALK && found > 0.94 && x.recall >= 0.95F && x.effort,
       "all: %s, effort %u, recall %.3f where %.3f was expected", vector_plan_name(x.plan),
       x.effort, found, (double)x.recall);
    found = recall(ix, (struct vector_query){.recall = 1}, -1, 20, &x);
    ok(x.plan == VECTOR_SCAN && found == 1 && x.compared == MANY, "recall 1: %s",
       vector_plan_name(x.plan));

    found = recall(ix, (struct vector_query){.allowed = set}, -1, 5, &x);
    ok(found == 1 && x.compared == 0, "nothing allowed: nothing looked at");
    for (uint32_t d = 0; d < DOCUMENTS; d += 100)
        docset_add(set, d);
    found = recall(ix, (struct vector_query){.allowed = set}, -1, 20, &x);
    ok(x.plan == VECTOR_SCAN_ALLOWED && found == 1 && x.compared == MANY / 100 && x.recall == 1,
       "one in a hundred: %s, %u rows of %u expected", vector_plan_name(x.plan), x.compared,
       x.candidates);
    docset_fill(set);
    for (uint32_t d = 0; d < DOCUMENTS; d += 5)
        docset_drop(set, d);
    found = recall(ix, (struct vector_query){.allowed = set, .recall = 0.95F}, -1, 50, &x);
    ok(x.plan == VECTOR_WALK_ALLOWED && found > 0.9, "four in five: %s, recall %.3f",
       vector_plan_name(x.plan), found);
    /* What is allowed lies at other places than what is asked for. */
    docset_fill(set);
    for (uint32_t d = 0; d < DOCUMENTS; d++)
        if (d % 60 < 30)
            docset_drop(set, d);
    found = recall(ix, (struct vector_query){.allowed = set, .recall = 0.95F}, 3, 20, &x);
    ok((x.plan == VECTOR_WALK_THEN_SCAN || x.plan == VECTOR_WALK_ALLOWED) && found > 0.9 &&
           x.compared < 2 * MANY,
       "far from the question: %s, recall %.3f", vector_plan_name(x.plan), found);
    docset_free(set);
}

static void test_random_filters(struct vector_index *ix)
{
    struct docset *set = docset_new(DOCUMENTS);
    double least = 1;
    for (int round = 0; round < 60; round++) {
        unsigned one_in = 1 + (unsigned)rand_r(&seed) % (1u << round % 12);
        struct vector_explain x;
        docset_fill(set);
        for (uint32_t d = 0; d < DOCUMENTS; d++)
            if ((unsigned)rand_r(&seed) % one_in)
                docset_drop(set, d);
        least = fmin(least,
                     recall(ix, (struct vector_query){.allowed = set, .recall = 0.99F}, -1, 4, &x));
    }
    ok(least > 0.85, "random filters: none lets through what it must not; recall at least %.3f",
       least);
    docset_free(set);
}

static void test_short(void)
{
    struct vector_explain x;
    struct vector_index *whole = make(DIMENSION), *ix = make(24);
    double found = recall(ix, (struct vector_query){.recall = 0.99F}, -1, 50, &x);
    ok(x.plan == VECTOR_WALK && found > 0.85, "24 of 64 numbers walked, all scored: recall %.3f",
       found);
    found = recall(whole, (struct vector_query){.dimension = 32, .recall = 0.99F}, -1, 50, &x);
    ok(found > 0.85, "a question of 32 numbers: recall %.3f by these", found);
    found = recall(ix, (struct vector_query){.dimension = 24, .recall = 0.99F}, -1, 50, &x);
    ok(found > 0.9, "of the numbers that are walked: recall %.3f by these", found);
    vector_free(ix);
    vector_free(whole);
}

int main(void)
{
    struct vector_index *ix = make(DIMENSION);
    test_plans(ix);
    test_random_filters(ix);
    vector_free(ix);
    test_short();
    return tap_done();
}
