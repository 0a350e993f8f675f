/* Vector search: build, memory, queries by recall, filters, snapshot; on a clustered data set that
 * it makes, or on the files of another generator of the same form, so that peers can be measured on
 * the same vectors.
 *
 *     bench_vector make DIR [N]     writes base.fvecs, query.fvecs, gt.ivecs, gt_f1.ivecs,
 *                                   gt_f10.ivecs, attr.npy (filter: attr < 10, < 100 of 1000)
 *     bench_vector run DIR          tab-separated: method, param, recall@10, queries per CPU second
 */
#include "base/clock.h"
#include "base/mem.h"
#include "index/vector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

static int run(const char *dir)
{
    struct matrix base = read_vecs(dir, "base.fvecs"), query = read_vecs(dir, "query.fvecs");
    struct matrix truth = read_vecs(dir, "gt.ivecs"), f1 = read_vecs(dir, "gt_f1.ivecs"),
                  f10 = read_vecs(dir, "gt_f10.ivecs");
    uint32_t *attr = read_attr(dir, base.n);
    struct vector_index *ix = vector_new((uint32_t)base.d, VECTOR_COSINE);
    vector_threads(ix, 1);
    double t = cpu();
    for (size_t i = 0; i < base.n; i++)
        vector_add(ix, (uint32_t)i, (int64_t)i, row(&base, i), &e);
    vector_commit(ix);
    t = cpu() - t;
    printf("# build n=%zu d=%d cpu_s=%.2f vec_per_cpu_s=%.0f\n", base.n, base.d, t,
           (double)base.n / t);
    static const uint32_t efforts[] = {10, 12, 16,  20,  24,  32,  40, 48,
                                       64, 96, 128, 192, 256, 384, 512};
    char what[64];
    for (size_t i = 0; i < COUNT(efforts); i++) {
        snprintf(what, sizeof(what), "ef=%u", efforts[i]);
        ask(ix, what, &query, &truth, (struct vector_query){.effort = efforts[i]});
    }
    for (int i = 0; i < 3; i++) {
        static const float recalls[] = {0.9F, 0.95F, 0.99F};
        snprintf(what, sizeof(what), "recall=%.2f", (double)recalls[i]);
        ask(ix, what, &query, &truth, (struct vector_query){.recall = recalls[i]});
    }
    struct docset *one = docset_new((uint32_t)base.n), *ten = docset_new((uint32_t)base.n);
    for (uint32_t i = 0; i < base.n; i++) {
        if (attr[i] < 10)
            docset_add(one, i);
        if (attr[i] < 100)
            docset_add(ten, i);
    }
    ask(ix, "filter=1%", &query, &f1, (struct vector_query){.allowed = one, .recall = 0.99F});
    ask(ix, "filter=10%", &query, &f10, (struct vector_query){.allowed = ten, .recall = 0.99F});
    for (uint32_t ef = 10; ef < 100; ef *= 2) {
        snprintf(what, sizeof(what), "filter=10%% ef=%u", ef);
        ask(ix, what, &query, &f10, (struct vector_query){.allowed = ten, .effort = ef});
    }
    vector_free(ix);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "run") == 0)
        return run(argv[2]);
    fprintf(stderr, "usage: bench_vector make DIR [N] | run DIR\n");
    return 2;
}
