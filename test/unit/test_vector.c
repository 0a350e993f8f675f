/* Small collections against the plainest loop, over time and with filters, and beside a writer.
 * What the graph finds: test_hnsw_build.c, test_vector_search.c. */
#include "index/vector.h"
#include "base/mem.h"
#include "tap.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum { MANY = 3000, DIMENSION = 33, K = 10 };

static struct {
    uint32_t document;
    int64_t key;
    float v[DIMENSION];
    bool live;
} all[MANY];
static size_t n_all;
static unsigned seed = 31;
static struct err e;

static void draw(float v[DIMENSION])
{
    for (int i = 0; i < DIMENSION; i++)
        v[i] = (float)rand_r(&seed) / (float)RAND_MAX * 2 - 1;
}

static double score(enum vector_metric metric, const float *a, const float *b)
{
    double product = 0, aa = 0, bb = 0, distance = 0;
    for (int i = 0; i < DIMENSION; i++) {
        product += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
        distance += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    }
    return metric == VECTOR_L2    ? -sqrt(distance)
           : metric == VECTOR_DOT ? product
                                  : product / sqrt(aa * bb);
}

static bool allowed(const struct vector_query *q, uint32_t document)
{
    return !q->allowed || docset_has(q->allowed, document);
}

/* Are the hits right in number, score, order, and is nothing better left out? */
static bool right(struct vector_index *ix, enum vector_metric metric, const struct vector_query *q)
{
    struct hit hit[K];
    size_t n, possible = 0, better = 0;
    if (!vector_search(ix, q, hit, K, &n, &e))
        return false;
    double worst = n ? (double)hit[n - 1].score : 0;
    for (size_t i = 0; i < n_all; i++) {
        if (!all[i].live || !allowed(q, all[i].document))
            continue;
        possible++;
        better += score(metric, q->v, all[i].v) > worst + 1e-4;
    }
    if (n != (possible < K ? possible : K) || better >= K)
        return false;
    for (size_t h = 0; h < n; h++) {
        size_t i = 0;
        while (i < n_all && !(all[i].live && all[i].key == hit[h].key))
            i++;
        if (i == n_all || all[i].document != hit[h].document ||
            fabs(score(metric, q->v, all[i].v) - (double)hit[h].score) > 1e-4 ||
            (h && hit[h - 1].score < hit[h].score))
            return false;
    }
    return true;
}

static void add_document(struct vector_index *ix, uint32_t document)
{
    for (int i = 0; i < 3 && n_all < MANY; i++) {
        all[n_all].document = document;
        all[n_all].key = (int64_t)document * 10 + i;
        all[n_all].live = true;
        draw(all[n_all].v);
        vector_add(ix, document, all[n_all].key, all[n_all].v, &e);
        n_all++;
    }
}

static void remove_document(struct vector_index *ix, uint32_t document)
{
    vector_remove(ix, document);
    for (size_t i = 0; i < n_all; i++)
        all[i].live = all[i].live && all[i].document != document;
}

static bool searches_right(struct vector_index *ix, enum vector_metric metric, unsigned one_in)
{
    struct docset *set = docset_new(1000);
    bool good = true;
    for (int round = 0; round < 20; round++) {
        float v[DIMENSION];
        struct vector_query q = {.v = v, .allowed = one_in ? set : NULL};
        draw(v);
        for (uint32_t d = 0; d < 1000; d++) {
            docset_drop(set, d);
            if (one_in && (unsigned)rand_r(&seed) % one_in == 0)
                docset_add(set, d);
        }
        good = good && right(ix, metric, &q);
    }
    docset_free(set);
    return good;
}

static void test_metric(enum vector_metric metric, const char *name)
{
    struct vector_index *ix = vector_new(DIMENSION, metric);
    n_all = 0;
    for (uint32_t d = 0; d < 800; d++)
        add_document(ix, d);
    ok(vector_count(ix) == 0, "%s: staged is not visible", name);
    vector_commit(ix);
    ok(vector_count(ix) == n_all && searches_right(ix, metric, 0), "%s: the nearest", name);
    ok(searches_right(ix, metric, 3) && searches_right(ix, metric, 300), "%s: filtered", name);
    for (uint32_t d = 0; d < 800; d += 2)
        remove_document(ix, d);
    vector_commit(ix);
    ok(searches_right(ix, metric, 0), "%s: half removed", name);
    for (uint32_t d = 1; d < 800; d += 4)
        remove_document(ix, d);
    add_document(ix, 900);
    vector_commit(ix);
    ok(vector_count(ix) == 603 && searches_right(ix, metric, 0), "%s: after moving together", name);

    vector_clear(ix);
    ok(vector_count(ix) == 603, "%s: cleared, not committed", name);
    vector_commit(ix);
    ok(vector_count(ix) == 0, "%s: cleared", name);
    vector_free(ix);
}

static void test_bad_vectors(void)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    struct vector_index *ix = vector_new(DIMENSION, VECTOR_COSINE);
    float v[DIMENSION] = {1};
    struct vector_query q = {.v = v};
    struct hit hit[1];
    size_t n;
    for (size_t i = 0; i < COUNT(bad); i++) {
        v[5] = bad[i];
        ok(!vector_add(ix, 1, 1, v, &e) && e.code == ERR_INVALID, "%g: %s", (double)bad[i], e.msg);
        ok(!vector_search(ix, &q, hit, 1, &n, &e) && n == 0, "nor can it be asked for");
    }
    v[0] = v[5] = 0;
    ok(!vector_add(ix, 1, 1, v, &e) && e.code == ERR_INVALID, "zero: %s", e.msg);
    ok(!vector_remove(ix, 1), "nothing came in");
    v[0] = 1e-30f;
    ok(vector_add(ix, 1, 1, v, &e), "a tiny one has a direction");
    vector_commit(ix);
    ok(vector_search(ix, &q, hit, 1, &n, &e) && n == 1 && fabsf(hit[0].score - 1) < 1e-5f,
       "and is found by it");
    ok(!vector_add(ix, VECTOR_MAX_DOCUMENTS, 1, v, &e) && e.code == ERR_LIMIT, "%s", e.msg);
    q.dimension = DIMENSION + 1;
    ok(!vector_search(ix, &q, hit, 1, &n, &e) && e.code == ERR_INVALID, "%s", e.msg);
    vector_free(ix);
}

static void test_updates(void)
{
    struct vector_index *ix = vector_new(2, VECTOR_L2);
    struct vector_query q = {.v = (const float[]){0, 0}};
    struct hit hit[4];
    size_t n = 0;
    bool good = true;
    for (int i = 0; i < 300; i++) {
        float at = (float)(i % 7);
        vector_add(ix, 5, -1, (const float[]){100, 0}, &e); /* replaced before it shows */
        good = good && vector_remove(ix, 5);
        vector_add(ix, 5, i, (const float[]){at, 0}, &e);
        vector_add(ix, 6, i, (const float[]){9, 0}, &e);
        vector_commit(ix);
        good = good && vector_search(ix, &q, hit, 4, &n, &e) && n == 2 && hit[0].key == i &&
               hit[0].score == -at && hit[0].document == 5 && vector_count(ix) == 2;
        good = good && vector_remove(ix, 6) && !vector_remove(ix, 6);
    }
    ok(good, "a document replaced 300 times is there once, as it was last");
    ok(vector_memory(ix) < 1 << 20, "and its places are used again");
    vector_free(ix);
}

/* ---- Readers beside the writer: every view has the vectors of 50 documents. ---- */

static struct vector_index *raced;
static _Atomic bool over;
static _Atomic unsigned long bad_searches, searches;

static void *read_on(void *arg)
{
    (void)arg;
    float v[DIMENSION] = {1};
    struct vector_query q = {.v = v};
    do {
        struct hit hit[64];
        struct err each;
        size_t n;
        bad_searches += !vector_search(raced, &q, hit, 64, &n, &each) || n != 50;
        searches++;
    } while (!over);
    return NULL;
}

static void test_readers_beside_a_writer(void)
{
    raced = vector_new(DIMENSION, VECTOR_COSINE);
    float v[DIMENSION];
    for (uint32_t d = 0; d < 50; d++) {
        draw(v);
        vector_add(raced, d, d, v, &e);
    }
    vector_commit(raced);
    pthread_t reader[2];
    for (size_t i = 0; i < COUNT(reader); i++)
        pthread_create(&reader[i], NULL, read_on, NULL);
    for (uint32_t round = 0; round < 1500; round++) {
        vector_remove(raced, round);
        draw(v);
        vector_add(raced, round + 50, round + 50, v, &e);
        vector_commit(raced);
    }
    over = true;
    for (size_t i = 0; i < COUNT(reader); i++)
        pthread_join(reader[i], NULL);
    ok(bad_searches == 0 && searches >= COUNT(reader), "%lu of %lu searches saw something between",
       (unsigned long)bad_searches, (unsigned long)searches);
    vector_free(raced);
}

static void test_get(void)
{
    struct vector_index *ix = vector_new(2, VECTOR_COSINE);
    float v[2] = {0}, right[2] = {3, 4}, up[2] = {0, 2};
    vector_add(ix, 5, 51, right, &e);
    vector_add(ix, 5, 52, up, &e);
    ok(!vector_get(ix, 5, 51, v), "a vector cannot be had before it is committed");
    vector_commit(ix);
    ok(vector_get(ix, 5, 51, v) && fabsf(v[0] - .6f) < 1e-6f && fabsf(v[1] - .8f) < 1e-6f,
       "then it can, in length one");
    ok(vector_get(ix, 5, 52, v) && v[0] == 0 && v[1] == 1, "and the document's other");
    ok(!vector_get(ix, 5, 53, v) && !vector_get(ix, 6, 51, v) && !vector_get(ix, UINT32_MAX, 1, v),
       "no other key, no other document");
    vector_remove(ix, 5);
    vector_commit(ix);
    ok(!vector_get(ix, 5, 51, v), "nor what was removed");
    vector_free(ix);
}

int main(void)
{
    test_get();
    test_metric(VECTOR_COSINE, "cosine");
    test_metric(VECTOR_DOT, "dot");
    test_metric(VECTOR_L2, "l2");
    test_bad_vectors();
    test_updates();
    test_readers_beside_a_writer();
    return tap_done();
}
