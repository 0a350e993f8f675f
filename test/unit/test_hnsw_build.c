/* The graph against a scan: recall of every metric and dimension, built by one thread or more, in
 * one commit or many, of equal vectors, and over rounds of change. */
#include "index/vector.h"
#include "base/asan.h"
#include "base/mem.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = TSAN_ON || ASAN_ON ? 5200 : 8000, WIDEST = 128, K = 10 };
enum { QUERIES = TSAN_ON || ASAN_ON ? 40 : 200 };

static unsigned seed = 5;
static struct err e;

static float chance(void)
{
    return (float)rand_r(&seed) / (float)RAND_MAX * 2 - 1;
}

/* Clusters along a few directions, as embeddings have them. */
static float direction[24][WIDEST], centre[50][WIDEST];

static void make_space(void)
{
    for (size_t i = 0; i < COUNT(direction); i++)
        for (int j = 0; j < WIDEST; j++)
            direction[i][j] = chance();
    for (size_t i = 0; i < COUNT(centre); i++)
        for (int j = 0; j < WIDEST; j++)
            centre[i][j] = chance() * 2;
}

static void draw(float *v, uint32_t dimension)
{
    const float *c = centre[(unsigned)rand_r(&seed) % COUNT(centre)];
    for (uint32_t j = 0; j < dimension; j++)
        v[j] = c[j];
    for (size_t i = 0; i < COUNT(direction); i++) {
        float by = chance();
        for (uint32_t j = 0; j < dimension; j++)
            v[j] += by * direction[i][j] / 2;
    }
}

static double recall_of(struct vector_index *ix, struct vector_query q)
{
    size_t right = 0, asked = 0;
    for (int i = 0; i < QUERIES; i++) {
        float v[WIDEST];
        struct hit got[K], want[K];
        size_t n_got = 0, n_want = 0;
        draw(v, vector_dimension(ix));
        q.v = v;
        if (!vector_search(ix, &q, got, K, &n_got, &e) ||
            !vector_search(ix, &(struct vector_query){.v = v, .recall = 1}, want, K, &n_want, &e))
            return 0;
        asked += n_want;
        for (size_t a = 0; a < n_got; a++) /* by score: of equal ones any may be found */
            right += n_want && got[a].score >= want[n_want - 1].score;
    }
    return asked ? (double)right / (double)asked : 0;
}

static double recall(struct vector_index *ix, uint32_t effort)
{
    return recall_of(ix, (struct vector_query){.effort = effort});
}

/* What is asked for is found, or else it was said that it would not be. */
static void test_asked(struct vector_index *ix, const char *name)
{
    static const float asked[] = {0.9F, 0.95F, 0.99F};
    for (size_t i = 0; i < COUNT(asked); i++) {
        struct vector_explain x = {0};
        double found = recall_of(ix, (struct vector_query){.recall = asked[i], .explain = &x});
        double least = fmin((double)asked[i], (double)x.recall) - (QUERIES < 100 ? 0.05 : 0.02);
        ok(x.plan == VECTOR_WALK && found > least, "%s: %.2f asked, %.3f found, %.3f expected",
           name, (double)asked[i], found, (double)x.recall);
    }
}

static void add(struct vector_index *ix, uint32_t document)
{
    float v[WIDEST];
    draw(v, vector_dimension(ix));
    vector_add(ix, document, document, v, &e);
}

static void test_recall(const char *name, uint32_t dimension, enum vector_metric metric,
                        unsigned threads, uint32_t commit_at)
{
    struct vector_index *ix = vector_new(dimension, metric);
    vector_threads(ix, threads);
    for (uint32_t d = 0; d < MOST; d++) {
        add(ix, d);
        if (d >= 5000 && commit_at && d % commit_at == 0)
            vector_commit(ix);
    }
    vector_commit(ix);
    struct vector_explain x = {0};
    float v[WIDEST];
    struct hit hit[K];
    size_t n;
    draw(v, dimension);
    vector_search(ix, &(struct vector_query){.v = v, .effort = 40, .explain = &x}, hit, K, &n, &e);
    ok(x.plan == VECTOR_WALK && x.compared < MOST / 2 && x.recall > 0.9F,
       "%s: a walk, %u rows, %.3f expected", name, x.compared, (double)x.recall);
    double found = recall(ix, 40);
    ok(found >= 0.95, "%s: recall %.3f", name, found);
    test_asked(ix, name);
    vector_free(ix);
}

/* Every round removes a fifth of the documents and adds as many. */
static void test_churn(void)
{
    enum { N = 6000, ROUNDS = TSAN_ON || ASAN_ON ? 2 : 10 };
    static uint32_t document[N];
    struct vector_index *ix = vector_new(48, VECTOR_COSINE);
    uint32_t next = 0;
    for (size_t i = 0; i < N; i++)
        add(ix, document[i] = next++);
    vector_commit(ix);
    double first = recall(ix, 24), least = 1;
    size_t memory = vector_memory(ix);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < N / 5; i++) {
            size_t at = (size_t)rand_r(&seed) % N;
            vector_remove(ix, document[at]);
            add(ix, document[at] = next++);
            if (i % 300 == 299)
                vector_commit(ix);
        }
        vector_commit(ix);
        least = fmin(least, recall(ix, 24));
    }
    ok(first > 0.9 && least > first - 0.03, "rounds of churn: recall %.3f, then at least %.3f",
       first, least);
    ok(vector_count(ix) == N && vector_memory(ix) < memory * 3 / 2, "places are used again");
    for (size_t i = 0; i < N; i++)
        if (i % 20)
            vector_remove(ix, document[i]);
    vector_commit(ix);
    ok(vector_count(ix) == N / 20 && vector_memory(ix) < memory / 4,
       "and given back when few are left");
    ok(recall(ix, 24) > 0.99, "which are all found");
    vector_free(ix);
}

/* Thousands of copies of one vector do not hide the rest. */
static void test_copies(const char *name, enum vector_metric metric)
{
    struct vector_index *ix = vector_new(16, metric);
    float same[WIDEST];
    draw(same, 16);
    for (uint32_t d = 0; d < 6000; d++)
        if (d % 3 == 0)
            vector_add(ix, d, d, same, &e);
        else
            add(ix, d);
    vector_commit(ix);
    struct hit hit[K], want[K];
    size_t n = 0, n_want = 0;
    vector_search(ix, &(struct vector_query){.v = same, .recall = 1}, want, K, &n_want, &e);
    ok(vector_search(ix, &(struct vector_query){.v = same, .effort = 40}, hit, K, &n, &e) &&
           n == K && hit[K - 1].score >= want[K - 1].score,
       "%s: copies are found", name);
    double found = recall(ix, 32);
    ok(found > 0.95, "%s: and the rest beside them: %.3f", name, found);
    test_asked(ix, name);
    vector_free(ix);
}

/* Pages that differ by a few bits, thirty of each. A walk finds less than it would elsewhere, and
 * says so. */
static void test_nearly_the_same(void)
{
    struct vector_index *ix = vector_new(64, VECTOR_COSINE);
    float v[WIDEST] = {0};
    for (uint32_t d = 0; d < 6000; d++) {
        if (d % 30 == 0)
            draw(v, 64);
        v[d % 64] += 0.001F;
        vector_add(ix, d, d, v, &e);
    }
    vector_commit(ix);
    test_asked(ix, "nearly the same");
    vector_free(ix);
}

/* Rows fitted to small numbers, then numbers of another size. */
static void test_drift(void)
{
    struct vector_index *ix = vector_new(32, VECTOR_L2);
    float v[WIDEST];
    for (uint32_t d = 0; d < 5000; d++) {
        draw(v, 32);
        for (int j = 0; j < 32; j++)
            v[j] *= 0.01f;
        vector_add(ix, d, d, v, &e);
    }
    vector_commit(ix);
    for (uint32_t d = 5000; d < 7000; d++)
        add(ix, d);
    vector_commit(ix);
    double found = recall(ix, 64);
    ok(found > 0.95, "a hundred times larger: recall %.3f", found);
    vector_free(ix);
}

int main(void)
{
    make_space();
    test_recall("three threads", 48, VECTOR_COSINE, 3, 0);
    test_recall("many commits", 17, VECTOR_L2, 2, 100);
    if (TSAN_ON) /* which is slow, and has nothing to see in one thread */
        return tap_done();
    test_recall("cosine", 96, VECTOR_COSINE, 1, 0);
    test_recall("dot", 96, VECTOR_DOT, 1, 0);
    test_recall("l2", 96, VECTOR_L2, 1, 0);
    test_churn();
    test_copies("copies by cosine", VECTOR_COSINE);
    test_copies("copies by product", VECTOR_DOT);
    test_copies("copies by distance", VECTOR_L2);
    test_nearly_the_same();
    test_drift();
    return tap_done();
}
