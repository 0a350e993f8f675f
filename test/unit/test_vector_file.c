/* Snapshots of the vectors: the same hits after as before, changes on top of a mapped file, numbers
 * that move into the file, and damage of every kind. */
#include "base/asan.h"
#include "base/mem.h"
#include "index/vector.h"
#include "tap.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIMENSION = 40, K = 10, MANY = 6000 };

static unsigned seed = 12;
static struct err e;
static char path[64];
static const struct str id = {"vs_1", 4};

static void draw(float v[DIMENSION])
{
    float a = (float)rand_r(&seed) / (float)RAND_MAX, b = (float)rand_r(&seed) / (float)RAND_MAX;
    for (int i = 0; i < DIMENSION; i++)
        v[i] = sinf(a * 9 + (float)i) + cosf(b * 7 * (float)(i % 5)) +
               (float)rand_r(&seed) / (float)RAND_MAX;
}

static void add(struct vector_index *ix, uint32_t from, uint32_t to)
{
    float v[DIMENSION];
    for (uint32_t d = from; d < to; d++) {
        draw(v);
        vector_add(ix, d, (int64_t)d * 2, v, &e);
    }
}

/* The keys of the nearest to some questions, folded into one number. */
static uint64_t answers(struct vector_index *ix)
{
    unsigned before = seed;
    uint64_t all = 0;
    seed = 1000;
    for (int i = 0; i < 30; i++) {
        float v[DIMENSION];
        struct hit hit[K];
        size_t n = 0;
        draw(v);
        if (!vector_search(ix, &(struct vector_query){.v = v, .effort = i % 2 ? 32 : 0}, hit, K, &n,
                           &e))
            return 0;
        for (size_t h = 0; h < n; h++)
            all = all * 31 + (uint64_t)hit[h].key;
    }
    seed = before;
    return all;
}

static double recall(struct vector_index *ix)
{
    size_t right = 0, asked = 0;
    for (int i = 0; i < 30; i++) {
        float v[DIMENSION];
        struct hit got[K], want[K];
        size_t n_got = 0, n_want = 0;
        draw(v);
        vector_search(ix, &(struct vector_query){.v = v, .effort = 160}, got, K, &n_got, &e);
        vector_search(ix, &(struct vector_query){.v = v, .recall = 1}, want, K, &n_want, &e);
        asked += n_want;
        for (size_t a = 0; a < n_got; a++)
            for (size_t b = 0; b < n_want; b++)
                right += got[a].key == want[b].key;
    }
    return asked ? (double)right / (double)asked : 0;
}

static void test_same(const char *name, enum vector_metric metric, uint32_t n)
{
    struct vector_index *ix = vector_new(DIMENSION, metric), *again = NULL;
    int64_t seq = 0;
    add(ix, 0, n);
    vector_commit(ix);
    for (uint32_t d = 0; d < n; d += 11)
        vector_remove(ix, d);
    vector_commit(ix);
    uint64_t want = answers(ix);
    size_t memory = vector_memory(ix);
    ok(vector_save(ix, path, id, 77, &e), "%s: saved", name);
    ok(answers(ix) == want, "%s: the same hits from the file's numbers", name);
    size_t numbers = (size_t)(n + 1023) / 1024 * 1024 * DIMENSION * sizeof(float);
    ok(vector_memory(ix) <= memory - numbers,
       "%s: all numbers moved out of memory, those of the last slab too: %zu to %zu", name, memory,
       vector_memory(ix));
    ok(vector_open(&again, path, id, &seq, &e) && seq == 77 && vector_check(again, &e),
       "%s: opened", name);
    ok(vector_count(again) == vector_count(ix) && answers(again) == want, "%s: the same hits",
       name);
    for (struct vector_index *each = ix; each; each = each == ix ? again : NULL) {
        seed = 5;
        for (uint32_t d = 1; d < n; d += 3)
            vector_remove(each, d);
        add(each, n, n + n / 3);
        vector_commit(each);
    }
    ok(vector_count(again) == vector_count(ix), "%s: changed after that", name);
    double found = recall(again);
    ok(n == 0 || found > 0.9, "%s: all is found: recall %.3f, %.3f", name, found, recall(ix));
    ok(vector_check(again, &e), "%s: changes do not reach the file", name);
    ok(vector_save(again, path, id, 78, &e), "%s: saved again", name);
    want = answers(again);
    vector_free(again);
    ok(vector_open(&again, path, id, &seq, &e) && seq == 78 && answers(again) == want,
       "%s: opened again", name);
    vector_free(again);
    vector_free(ix);
}

/* ---- Damage ---- */

static off_t size_of(void)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : 0;
}

static void flip(off_t at)
{
    unsigned char c = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (pread(fd, &c, 1, at) == 1) {
        c ^= 0xa5;
        if (pwrite(fd, &c, 1, at) != 1)
            c = 0;
    }
    close(fd);
}

static void test_damage(void)
{
    struct vector_index *ix = vector_new(DIMENSION, VECTOR_COSINE), *again = NULL;
    int64_t seq;
    ok(!vector_open(&again, "/nonexistent/v", id, &seq, &e) && e.code == ERR_NOT_FOUND, "%s",
       e.msg);
    ok(!vector_save(ix, "/nonexistent/v", id, 1, &e) && e.code == ERR_IO, "%s", e.msg);
    add(ix, 0, MANY);
    vector_commit(ix);
    vector_save(ix, path, id, 1, &e);
    off_t size = size_of();
    ok(!vector_open(&again, path, STR("vs_2"), &seq, &e) && e.code == ERR_CORRUPT, "%s", e.msg);
    bool refused = true;
    for (off_t at = 0; at < 1024; at += 5) {
        flip(at);
        refused = refused && !vector_open(&again, path, id, &seq, &e) && e.code == ERR_CORRUPT;
        flip(at);
    }
    ok(refused, "a damaged head is refused");
    int wrong = 0, tried = 0;
    off_t step = size / (TSAN_ON || ASAN_ON ? 13 : 97);
    for (off_t at = 65536; at < size; at += step) {
        tried++;
        flip(at);
        if (vector_open(&again, path, id, &seq, &e)) {
            answers(again);
            add(again, 1, 50);
            vector_remove(again, 500);
            vector_commit(again);
            wrong += !vector_check(again, &e);
            vector_free(again);
        } else {
            wrong += e.code == ERR_CORRUPT;
        }
        flip(at);
    }
    ok(wrong * 5 > tried * 4, "damage elsewhere: %d of %d noticed (the rest lay between sections)",
       wrong, tried);
    ok(vector_open(&again, path, id, &seq, &e) && vector_check(again, &e), "undone: whole");
    vector_free(again);
    for (off_t len = size - 1; len > 0; len = len * 3 / 4 - 1) {
        if (truncate(path, len) < 0)
            break;
        refused = refused && !vector_open(&again, path, id, &seq, &e) && e.code == ERR_CORRUPT;
    }
    ok(refused, "cut short: %s", e.msg);
    vector_free(ix);
}

/* ---- Saved beside a writer and searches ---- */

/* The sanitizer makes everything ten times slower; a graph there must be. */
enum { RACED = TSAN_ON ? 4300 : MANY, ROUNDS = TSAN_ON ? 3 : 12 };
static struct vector_index *raced;
static _Atomic bool over;
static _Atomic unsigned bad;

static void *search_on(void *arg)
{
    unsigned own = *(unsigned *)arg;
    while (!over) {
        float v[DIMENSION];
        struct hit hit[K];
        struct err each;
        size_t n = 0;
        for (int i = 0; i < DIMENSION; i++)
            v[i] = (float)rand_r(&own) / (float)RAND_MAX;
        bad += !vector_search(raced, &(struct vector_query){.v = v}, hit, K, &n, &each) || n != K;
    }
    return NULL;
}

static void *save_on(void *arg)
{
    (void)arg;
    while (!over) {
        struct vector_index *again = NULL;
        struct err each;
        int64_t seq;
        bool good = vector_save(raced, path, id, 5, &each) &&
                    vector_open(&again, path, id, &seq, &each) && vector_check(again, &each) &&
                    vector_count(again) == RACED;
        bad += !good;
        vector_free(again);
    }
    return NULL;
}

static void test_beside_a_writer(void)
{
    raced = vector_new(DIMENSION, VECTOR_COSINE);
    vector_threads(raced, 2);
    add(raced, 0, RACED);
    vector_commit(raced);
    pthread_t thread[3];
    unsigned own[2] = {1, 2};
    pthread_create(&thread[0], NULL, search_on, &own[0]);
    pthread_create(&thread[1], NULL, search_on, &own[1]);
    pthread_create(&thread[2], NULL, save_on, NULL);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t d = 0; d < 400; d++) {
            uint32_t at = (round * 400 + d) % RACED;
            float v[DIMENSION];
            draw(v);
            vector_remove(raced, at);
            vector_add(raced, at, (int64_t)at * 2, v, &e);
        }
        vector_commit(raced);
    }
    over = true;
    for (size_t i = 0; i < COUNT(thread); i++)
        pthread_join(thread[i], NULL);
    ok(bad == 0, "searches and saves beside a writer: %u went wrong", bad);
    double found = recall(raced);
    ok(found > 0.95 && vector_count(raced) == RACED, "and the index is whole: recall %.3f", found);
    vector_free(raced);
}

int main(void)
{
    snprintf(path, sizeof(path), "/tmp/test_vector_file.%d", (int)getpid());
    test_same("few", VECTOR_COSINE, 200);
    test_same("cosine", VECTOR_COSINE, RACED);
    if (!TSAN_ON) {
        test_same("dot", VECTOR_DOT, MANY);
        test_same("l2", VECTOR_L2, MANY);
    }
    test_same("none", VECTOR_L2, 0);
    test_damage();
    test_beside_a_writer();
    unlink(path);
    return tap_done();
}
