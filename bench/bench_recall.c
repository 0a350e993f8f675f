/* Recall as asked for beside recall as found, over sets of many kinds: is the planner's estimate
 * right where the data are another than those of bench_vector?
 *
 *     bench_recall [N [QUERIES [NAME]]]      default 30000 and 400, all sets
 *
 * For each set: build time, then for each recall that is asked for the recall@10 that is found
 * (against a scan; an equal score counts), the effort and the rows compared; the same where one in
 * two and one in ten documents is allowed; and what a walk of effort 512 finds, which is what the
 * graph can do. Microseconds are CPU time of one thread. A fixed seed. */
#include "draw.h"
#include "base/clock.h"
#include "base/mem.h"
#include "index/vector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { K = 10, WIDEST = 768, DIRECTIONS = 64, CENTRES = 512 };

enum kind {
    CLUSTERS, /* centres of sizes by Zipf's law, spread along some directions */
    UNIFORM,  /* each number by itself */
    BALL,     /* along few directions, no centres */
    LENGTHS,  /* clusters, lengths from 1/4 to 4 */
    COPIES,   /* clusters, a third is the same vector */
    PAGES,    /* clusters, each vector some thirty times with a little noise */
};

static const struct set {
    const char *name;
    enum vector_metric metric;
    uint32_t dimension;
    enum kind kind;
    uint32_t centres, directions;
} sets[] = {
    {"cosine 384 clusters", VECTOR_COSINE, 384, CLUSTERS, 500, 32},
    {"cosine 768 tight", VECTOR_COSINE, 768, CLUSTERS, 60, 12},
    {"cosine 96 clusters", VECTOR_COSINE, 96, CLUSTERS, 100, 24},
    {"cosine 128 ball", VECTOR_COSINE, 128, BALL, 0, 40},
    {"cosine 32 uniform", VECTOR_COSINE, 32, UNIFORM, 0, 0},
    {"l2 64 clusters", VECTOR_L2, 64, CLUSTERS, 200, 16},
    {"l2 16 uniform", VECTOR_L2, 16, UNIFORM, 0, 0},
    {"l2 3 uniform", VECTOR_L2, 3, UNIFORM, 0, 0},
    {"dot 128 clusters", VECTOR_DOT, 128, CLUSTERS, 200, 24},
    {"dot 128 lengths", VECTOR_DOT, 128, LENGTHS, 200, 24},
    {"dot 64 ball lengths", VECTOR_DOT, 64, LENGTHS, 0, 40},
    {"cosine 128 copies", VECTOR_COSINE, 128, COPIES, 200, 24},
    {"l2 128 copies", VECTOR_L2, 128, COPIES, 200, 24},
    {"dot 128 copies", VECTOR_DOT, 128, COPIES, 200, 24},
    {"cosine 128 pages", VECTOR_COSINE, 128, PAGES, 200, 24},
};

static struct err e;
static float direction[DIRECTIONS][WIDEST], centre[CENTRES][WIDEST], same[WIDEST];

static void make_space(void)
{
    for (int i = 0; i < DIRECTIONS; i++)
        for (int j = 0; j < WIDEST; j++)
            direction[i][j] = draw_gauss();
    for (int i = 0; i < CENTRES; i++)
        for (int j = 0; j < WIDEST; j++)
            centre[i][j] = draw_gauss() * 2;
}

static void draw_plain(const struct set *s, float *v)
{
    uint32_t c = s->centres ? (uint32_t)(powf((float)s->centres + 1, draw_uniform()) - 1) : 0;
    for (uint32_t j = 0; j < s->dimension; j++)
        v[j] = (s->centres ? centre[c < s->centres ? c : 0][j] : 0) + draw_gauss() * 0.2F;
    for (uint32_t i = 0; i < s->directions; i++) {
        float by = draw_gauss() / sqrtf(1 + (float)i / 8);
        for (uint32_t j = 0; j < s->dimension; j++)
            v[j] += by * direction[i][j] / 3;
    }
}

static void draw(const struct set *s, float *v, uint32_t number)
{
    if (s->kind == PAGES && number % 30) { /* v is as it was */
        for (uint32_t j = 0; j < s->dimension; j++)
            v[j] += draw_gauss() * 0.002F;
        return;
    }
    if (s->kind == COPIES && number % 3 == 1) {
        memcpy(v, same, s->dimension * sizeof(*v));
        return;
    }
    draw_plain(s, v);
    float by = s->kind == LENGTHS ? expf((draw_uniform() * 2 - 1) * logf(4)) : 1;
    for (uint32_t j = 0; j < s->dimension; j++)
        v[j] *= by;
}

struct asked {
    struct vector_query q;
    const char *what;
};

static void ask(struct vector_index *ix, const struct set *s, size_t n_queries, struct asked a)
{
    size_t right = 0, all = 0, compared = 0;
    struct vector_explain x = {0};
    int64_t took = 0;
    draw_seed(77);
    for (size_t i = 0; i < n_queries; i++) {
        float v[WIDEST];
        struct hit got[K], want[K];
        size_t n_got = 0, n_want = 0;
        draw_plain(s, v);
        struct vector_query q = a.q, exact = {.v = v, .allowed = q.allowed, .recall = 1};
        q.v = v;
        q.explain = &x;
        int64_t t = clock_thread_cpu();
        if (!vector_search(ix, &q, got, K, &n_got, &e))
            exit(1);
        took += clock_thread_cpu() - t;
        if (!vector_search(ix, &exact, want, K, &n_want, &e))
            exit(1);
        all += n_want;
        compared += x.compared;
        for (size_t g = 0; g < n_got; g++)
            right += n_want && got[g].score >= want[n_want - 1].score;
    }
    printf("%s\t%s\t%.3f\t%.4f\t%.1f\t# %s, effort %u, compared %.0f, expected %.4f\n", s->name,
           a.what, (double)a.q.recall, (double)right / (double)all,
           (double)took / (double)n_queries * 1e-3, vector_plan_name(x.plan), x.effort,
           (double)compared / (double)n_queries, (double)x.recall);
    fflush(stdout);
}

static void one(const struct set *s, uint32_t n, size_t n_queries)
{
    struct vector_index *ix = vector_new(s->dimension, s->metric);
    float v[WIDEST] = {0};
    draw_seed(5);
    draw_plain(s, same);
    for (uint32_t d = 0; d < n; d++) {
        draw(s, v, d);
        vector_add(ix, d, d, v, &e);
    }
    int64_t t = clock_thread_cpu();
    vector_threads(ix, 1);
    vector_commit(ix);
    printf("# %s: built in %.2f s\n", s->name, (double)(clock_thread_cpu() - t) * 1e-9);
    struct docset *half = docset_new(n), *tenth = docset_new(n);
    for (uint32_t d = 0; d < n; d++) {
        float u = draw_uniform();
        if (u < .5F)
            docset_add(half, d);
        if (u < .1F)
            docset_add(tenth, d);
    }
    static const float recalls[] = {0.9F, 0.95F, 0.98F, 0.99F, 0.995F};
    for (size_t i = 0; i < COUNT(recalls); i++)
        ask(ix, s, n_queries, (struct asked){{.recall = recalls[i]}, "all"});
    for (size_t i = 1; i < COUNT(recalls); i += 2) {
        ask(ix, s, n_queries, (struct asked){{.recall = recalls[i], .allowed = half}, "1 in 2"});
        ask(ix, s, n_queries, (struct asked){{.recall = recalls[i], .allowed = tenth}, "1 in 10"});
    }
    ask(ix, s, n_queries, (struct asked){{.recall = 0.999F, .effort = 512}, "graph"});
    docset_free(half);
    docset_free(tenth);
    vector_free(ix);
}

int main(int argc, char **argv)
{
    uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 30000;
    size_t n_queries = argc > 2 ? strtoul(argv[2], NULL, 10) : 400;
    draw_seed(3);
    make_space();
    printf("# set, allowed, asked for, found, us\n");
    for (size_t i = 0; i < COUNT(sets); i++)
        if (argc < 4 || strstr(sets[i].name, argv[3]))
            one(&sets[i], n, n_queries);
    return 0;
}
