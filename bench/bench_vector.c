/* Vector search over a clustered data set: build, memory, snapshot, queries by recall, filters.
 *
 *     bench_vector make DIR [N [QUERIES]]   default 100000 and 1000: base.fvecs, query.fvecs, the
 * true nearest gt.ivecs, gt_f1.ivecs, gt_f10.ivecs, attr.npy bench_vector run DIR tab-separated:
 * method, param, recall@10, queries per second
 *
 * Vectors have 384 numbers and length 1: 1,000 clusters whose centres lie near 64 directions, sizes
 * by Zipf's law, each spread along 32 directions and a little in all. gt_f1 and gt_f10 are the
 * nearest under a filter that passes 1 % and 10 % (attr.npy: 0 to 999, below 10 and 100). The files
 * are those of common vector benchmarks, so bench/vector.sh can measure a peer on the same ones.
 * Seconds are CPU time of one thread; the best of three rounds. */
#include "draw.h"
#include "base/clock.h"
#include "base/mem.h"
#include "index/vector.h"
#include "math/dot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { K = 10 };

static struct err e;

static double cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- Files ---- */

struct matrix {
    size_t n;
    int32_t d;
    int32_t *p; /* [n][d]: floats or ids */
};

static struct matrix read_vecs(const char *dir, const char *name)
{
    char path[4096];
    struct matrix m = {0};
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (!f || fread(&m.d, 4, 1, f) != 1) {
        perror(path);
        exit(1);
    }
    fseek(f, 0, SEEK_END);
    m.n = (size_t)ftell(f) / (4 + 4 * (size_t)m.d);
    rewind(f);
    m.p = mem_array(m.n * (size_t)m.d, 4);
    for (size_t i = 0; i < m.n; i++) {
        int32_t d;
        if (fread(&d, 4, 1, f) != 1 ||
            fread(m.p + i * (size_t)m.d, 4, (size_t)m.d, f) != (size_t)m.d) {
            perror(path);
            exit(1);
        }
    }
    fclose(f);
    return m;
}

static const float *row(const struct matrix *m, size_t i)
{
    return (const float *)(const void *)(m->p + i * (size_t)m->d);
}

static uint32_t *read_attr(const char *dir, size_t n)
{
    char path[4096];
    unsigned char head[10];
    snprintf(path, sizeof(path), "%s/attr.npy", dir);
    FILE *f = fopen(path, "rb");
    uint32_t *attr = mem_array(n, 4);
    if (!f || fread(head, 1, 10, f) != 10 || fseek(f, 10 + head[8] + 256 * head[9], SEEK_SET) ||
        fread(attr, 4, n, f) != n) {
        perror(path);
        exit(1);
    }
    fclose(f);
    return attr;
}

/* ---- Making ---- */

enum { D = 384, TOPICS = 64, CLUSTERS = 1000, BASES = 20, RANK = 32, TRUE_K = 100 };

static struct {
    float centre[CLUSTERS][D], base[BASES][RANK][D], share[CLUSTERS];
} * space;

static void normalise(float *v)
{
    float scale = 1 / sqrtf(dot_product(v, v, D));
    for (int j = 0; j < D; j++)
        v[j] *= scale;
}

static void make_space(void)
{
    static float topic[TOPICS][D];
    space = mem_new(sizeof(*space));
    float all = 0, each = 1 / sqrtf(D);
    for (int t = 0; t < TOPICS; t++)
        for (int j = 0; j < D; j++)
            topic[t][j] = draw_gauss() * each;
    for (int c = 0; c < CLUSTERS; c++) {
        for (int t = 0; t < TOPICS; t++) {
            float by = draw_gauss();
            for (int j = 0; j < D; j++)
                space->centre[c][j] += by * topic[t][j];
        }
        normalise(space->centre[c]);
        space->share[c] = all += 1 / ((float)c + 10);
    }
    for (int c = 0; c < CLUSTERS; c++)
        space->share[c] /= all;
    for (int b = 0; b < BASES; b++)
        for (int r = 0; r < RANK; r++)
            for (int j = 0; j < D; j++)
                space->base[b][r][j] =
                    draw_gauss() * each * 0.7F / sqrtf(1 + (float)r / 8) / sqrtf(8);
}

static void sample(float *v)
{
    float u = draw_uniform();
    int c = 0;
    while (c < CLUSTERS - 1 && space->share[c] < u)
        c++;
    for (int j = 0; j < D; j++)
        v[j] = space->centre[c][j] + draw_gauss() * 0.25F / sqrtf(D);
    for (int r = 0; r < RANK; r++) {
        float by = draw_gauss();
        const float *along = space->base[c % BASES][r];
        for (int j = 0; j < D; j++)
            v[j] += by * along[j];
    }
    normalise(v);
}

static void write_vecs(const char *dir, const char *name, const void *p, size_t n, int32_t d)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    bool good = f != NULL;
    for (size_t i = 0; i < n && good; i++)
        good = fwrite(&d, 4, 1, f) == 1 &&
               fwrite((const char *)p + i * (size_t)d * 4, 4, (size_t)d, f) == (size_t)d;
    if (!good || fclose(f)) {
        perror(path);
        exit(1);
    }
}

static void write_attr(const char *dir, const uint32_t *attr, size_t n)
{
    char path[4096], head[128];
    snprintf(path, sizeof(path), "%s/attr.npy", dir);
    FILE *f = fopen(path, "wb");
    memset(head, ' ', sizeof(head));
    int len = snprintf(head + 10, sizeof(head) - 10,
                       "{'descr': '<u4', 'fortran_order': False, 'shape': (%zu,), }", n);
    memcpy(head, "\x93NUMPY\x01\x00\x76\x00", 10);
    head[10 + len] = ' ';
    head[127] = '\n';
    if (!f || fwrite(head, 1, sizeof(head), f) != sizeof(head) || fwrite(attr, 4, n, f) != n ||
        fclose(f)) {
        perror(path);
        exit(1);
    }
}

/* The nearest among vectors whose attribute is below `limit`. */
static void write_truth(const char *dir, const char *name, const float *base, size_t n,
                        const float *query, size_t n_query, const uint32_t *attr, uint32_t limit,
                        int32_t k)
{
    int32_t *truth = mem_array(n_query * (size_t)k, 4);
    struct hit *hit = mem_array((size_t)k, sizeof(*hit));
    for (size_t q = 0; q < n_query; q++) {
        struct top top = {.hit = hit, .k = (size_t)k};
        for (size_t i = 0; i < n; i++)
            if (attr[i] < limit) {
                float got = dot_product(query + q * D, base + i * D, D);
                if (got > top_needed(&top, -2))
                    top_offer(&top, (struct hit){(int64_t)i, 0, got, 0});
            }
        top_sort(&top);
        for (size_t i = 0; i < (size_t)k; i++)
            truth[q * (size_t)k + i] = i < top.n ? (int32_t)hit[i].key : -1;
    }
    write_vecs(dir, name, truth, n_query, k);
    mem_free(truth);
    mem_free(hit);
}

static int make(const char *dir, size_t n, size_t n_query)
{
    float *base = mem_array(n * D, 4), *query = mem_array(n_query * D, 4);
    uint32_t *attr = mem_array(n, 4);
    make_space();
    for (size_t i = 0; i < n; i++) {
        sample(base + i * D);
        attr[i] = (uint32_t)(draw_uniform() * 999.999F);
    }
    for (size_t i = 0; i < n_query; i++)
        sample(query + i * D);
    write_vecs(dir, "base.fvecs", base, n, D);
    write_vecs(dir, "query.fvecs", query, n_query, D);
    write_attr(dir, attr, n);
    write_truth(dir, "gt.ivecs", base, n, query, n_query, attr, 1000, TRUE_K);
    write_truth(dir, "gt_f1.ivecs", base, n, query, n_query, attr, 10, K);
    write_truth(dir, "gt_f10.ivecs", base, n, query, n_query, attr, 100, K);
    return 0;
}

/* ---- Measuring ---- */

static void ask(struct vector_index *ix, const char *what, const struct matrix *query,
                const struct matrix *truth, struct vector_query q)
{
    size_t right = 0, compared = 0, rescored = 0;
    struct vector_explain x = {0};
    q.explain = &x;
    double best = 1e9;
    for (int round = 0; round < 3; round++) {
        right = compared = rescored = 0;
        double t = (double)clock_thread_cpu();
        for (size_t i = 0; i < query->n; i++) {
            struct hit hit[K];
            size_t n;
            q.v = row(query, i);
            if (!vector_search(ix, &q, hit, K, &n, &e))
                exit(1);
            compared += x.compared;
            rescored += x.rescored;
            for (size_t a = 0; a < n; a++)
                for (int b = 0; b < K; b++)
                    right += hit[a].key == truth->p[i * (size_t)truth->d + (size_t)b];
        }
        t = ((double)clock_thread_cpu() - t) * 1e-9;
        best = t < best ? t : best;
    }
    printf(
        "penstock\t%s\t%.4f\t%.0f\t%.1f\t# %s, effort %u, compared %.0f, rescored %.1f, expected "
        "recall %.3f\n",
        what, (double)right / (double)(query->n * K), (double)query->n / best,
        best / (double)query->n * 1e6, vector_plan_name(x.plan), x.effort,
        (double)compared / (double)query->n, (double)rescored / (double)query->n, (double)x.recall);
    fflush(stdout);
}

static size_t anonymous(void)
{
    char line[256];
    size_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtoul(line + 8, NULL, 10);
    if (f)
        fclose(f);
    return kib * 1024;
}

static double now(void)
{
    return (double)clock_now() * 1e-9;
}

static void ask_all(struct vector_index *ix, const char *dir, const struct matrix *query, size_t n)
{
    struct matrix truth = read_vecs(dir, "gt.ivecs"), f1 = read_vecs(dir, "gt_f1.ivecs"),
                  f10 = read_vecs(dir, "gt_f10.ivecs");
    uint32_t *attr = read_attr(dir, n);
    static const uint32_t efforts[] = {12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 192, 256};
    static const float recalls[] = {0.9F, 0.95F, 0.99F};
    char what[64];
    for (size_t i = 0; i < COUNT(efforts); i++) {
        snprintf(what, sizeof(what), "effort=%u", efforts[i]);
        ask(ix, what, query, &truth, (struct vector_query){.effort = efforts[i]});
    }
    for (size_t i = 0; i < COUNT(recalls); i++) {
        snprintf(what, sizeof(what), "recall=%.2f", (double)recalls[i]);
        ask(ix, what, query, &truth, (struct vector_query){.recall = recalls[i]});
    }
    struct docset *one = docset_new((uint32_t)n), *ten = docset_new((uint32_t)n);
    for (uint32_t i = 0; i < n; i++) {
        if (attr[i] < 10)
            docset_add(one, i);
        if (attr[i] < 100)
            docset_add(ten, i);
    }
    ask(ix, "filter=1%", query, &f1, (struct vector_query){.allowed = one, .recall = 0.99F});
    ask(ix, "filter=10%", query, &f10, (struct vector_query){.allowed = ten, .recall = 0.99F});
    for (uint32_t effort = 16; effort < 80; effort *= 2) {
        snprintf(what, sizeof(what), "filter=10%% effort=%u", effort);
        ask(ix, what, query, &f10, (struct vector_query){.allowed = ten, .effort = effort});
    }
    docset_free(one);
    docset_free(ten);
    mem_free(attr);
    mem_free(truth.p);
    mem_free(f1.p);
    mem_free(f10.p);
}

static int run(const char *dir)
{
    struct matrix base = read_vecs(dir, "base.fvecs"), query = read_vecs(dir, "query.fvecs");
    char path[4096];
    int64_t seq;
    size_t n = base.n, before = anonymous();
    struct vector_index *ix = vector_new((uint32_t)base.d, VECTOR_COSINE);
    double t = cpu(), wall = now();
    for (size_t i = 0; i < n; i++)
        vector_add(ix, (uint32_t)i, (int64_t)i, row(&base, i), &e);
    vector_commit(ix);
    t = cpu() - t;
    printf("# build n=%zu d=%d cpu_s=%.2f wall_s=%.2f vec_per_cpu_s=%.0f\n", n, base.d, t,
           now() - wall, (double)n / t);
    wall = now();
    snprintf(path, sizeof(path), "%s/snapshot.vectors", dir);
    if (!vector_save(ix, path, STR("bench"), 1, &e)) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    printf("# saved in %.2f s; resident bytes per vector %.0f (numbers mapped, not counted)\n",
           now() - wall, (double)(anonymous() - before) / (double)n);
    ask_all(ix, dir, &query, n);
    vector_free(ix);
    wall = now();
    t = cpu();
    if (!vector_open(&ix, path, STR("bench"), &seq, &e)) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    printf("# opened in %.2f ms of CPU, %.2f ms\n", (cpu() - t) * 1e3, (now() - wall) * 1e3);
    wall = now();
    bool whole = vector_check(ix, &e);
    printf("# checked in %.2f s: %s; then from the mapped file:\n", now() - wall,
           whole ? "whole" : e.msg);
    ask_all(ix, dir, &query, n);
    vector_free(ix);
    unlink(path);
    mem_free(base.p);
    mem_free(query.p);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "run") == 0)
        return run(argv[2]);
    if (argc >= 3 && strcmp(argv[1], "make") == 0)
        return make(argv[2], argc > 3 ? strtoul(argv[3], NULL, 10) : 100000,
                    argc > 4 ? strtoul(argv[4], NULL, 10) : 1000);
    fprintf(stderr, "usage: bench_vector make DIR [N [QUERIES]] | run DIR\n");
    return 2;
}
