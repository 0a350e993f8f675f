/* bench_rerank - how much the re-ranker adds to the search, on judged collections.
 *
 *     bench_rerank DIR [NAME...]
 *
 * DIR holds one folder per collection, as in bench_ir. Shown for each: nDCG@10 of the search alone
 * (its first 50), with the built-in weights, and with weights learned on all the others but not on
 * it; and the time of one question. The last line has weights learned on all of them. */
#include "base/clock.h"
#include "model/rerank.h"
#include "model/rerank_train.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLLECTIONS = 64 };

static struct {
    const char *name;
    size_t from, to; /* queries */
} part[COLLECTIONS];
static size_t n_parts;

static void add(struct judged *j, const char *dir, const char *name, struct arena *a)
{
    struct err e;
    part[n_parts].name = arena_text(a, str_from(name));
    part[n_parts].from = j->n;
    if (!judged_folder(j, arena_printf(a, "%s/%s", dir, name).p, a, &e)) {
        fprintf(stderr, "bench_rerank: %s\n", e.msg);
        exit(2);
    }
    part[n_parts++].to = j->n;
}

/* What one would guess: where the built-in weights began. */
static const struct rerank_weights guess = {
    .weight = {[RERANK_RETRIEVAL] = 7,
               [RERANK_BM25] = 1.2,
               [RERANK_COVERAGE] = .8,
               [RERANK_FOCUS] = .24,
               [RERANK_WINDOW] = 1.1,
               [RERANK_PAIRS] = .9,
               [RERANK_PHRASES] = .26,
               [RERANK_EARLY] = .78,
               [RERANK_NAMES] = .5},
};

/* Small collections count as much as large ones. */
static void balance(struct judged *j)
{
    for (size_t p = 0; p < n_parts; p++) {
        double n = (double)(part[p].to - part[p].from);
        for (size_t i = part[p].from; i < part[p].to; i++)
            j->q[i].weight = (float)((double)j->n / (double)n_parts / n);
    }
}

static double micros(const struct judged *j, size_t from, size_t to)
{
    int64_t start = clock_thread_cpu();
    for (size_t i = from; i < to; i++) {
        struct arena *a = arena_new();
        double score[JUDGED_DEPTH];
        rerank_score(NULL, j->q[i].text, j->q[i].c, j->q[i].n, score, a);
        arena_free(a);
    }
    return (double)(clock_thread_cpu() - start) / NS_PER_US / (double)size_max(to - from, 1);
}

static int is_visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct arena *a = arena_new();
    struct judged j = {0};
    struct rerank_table t;
    struct rerank_weights w;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_rerank DIR [NAME...]\n");
        return 2;
    }
    struct dirent **entry = NULL;
    int n = argc > 2 ? 0 : scandir(argv[1], &entry, is_visible, alphasort);
    for (int i = 2; i < argc; i++)
        add(&j, argv[1], argv[i], a);
    for (int i = 0; i < n; i++)
        add(&j, argv[1], entry[i]->d_name, a);
    balance(&j);
    rerank_table_make(&t, &j, a);
    bool *use = mem_array(j.n + 1, sizeof(*use)), *rest = mem_array(j.n + 1, sizeof(*rest));
    printf("%-12s %7s   %s   %s   %s   %s\n", "collection", "queries", "search", "built-in       ",
           "unseen         ", "us/query");
    double sum[3] = {0};
    for (size_t p = 0; p < n_parts; p++) {
        for (size_t i = 0; i < j.n; i++) {
            use[i] = i >= part[p].from && i < part[p].to;
            rest[i] = !use[i];
        }
        struct rerank_quality b = rerank_evaluate(&t, use, rerank_weights_built_in());
        rerank_train(&t, rest, &guess, &w);
        struct rerank_quality u = rerank_evaluate(&t, use, &w);
        printf("%-12s %7zu   %.4f   %.4f %+.4f   %.4f %+.4f   %8.1f\n", part[p].name, b.queries,
               b.before, b.after, b.after - b.before, u.after, u.after - u.before,
               micros(&j, part[p].from, part[p].to));
        sum[0] += b.before;
        sum[1] += b.after;
        sum[2] += u.after;
    }
    printf("%-12s %7s   %.4f   %.4f %+.4f   %.4f %+.4f\n", "mean", "", sum[0] / (double)n_parts,
           sum[1] / (double)n_parts, (sum[1] - sum[0]) / (double)n_parts, sum[2] / (double)n_parts,
           (sum[2] - sum[0]) / (double)n_parts);
    rerank_train(&t, NULL, &guess, &w);
    printf("learned on all: bias %.3f", w.bias);
    for (int k = 0; k < RERANK_FEATURE_COUNT; k++)
        printf(", %s %.3f", rerank_feature_name((enum rerank_feature)k), w.weight[k]);
    printf("\n");
    for (int i = 0; i < n; i++)
        free(entry[i]);
    free(entry);
    mem_free(use);
    mem_free(rest);
    arena_free(a);
    return 0;
}
