#include "model/rerank_train.h"
#include "math/logit.h"

#include <math.h>
#include <stdlib.h>

enum { ROUNDS = 4, PAIRS_MOST = 400 /* of a query */ };
#define RIDGE 0.02 /* beside a loss that is a mean over queries; by trial, bench_rerank */

/* Longer passages, denser ones and beginnings may be better or worse; the others can only speak for
 * a passage. */
static bool may_be_negative(int f)
{
    return f == RERANK_LENGTH || f == RERANK_DENSITY || f == RERANK_BEGIN;
}

void rerank_table_make(struct rerank_table *t, const struct judged *j, struct arena *a)
{
    *t = (struct rerank_table){j, arena_array(a, float *, j->n + 1)};
    for (size_t i = 0; i < j->n; i++) {
        struct arena *tmp = arena_new();
        size_t n = j->q[i].n * RERANK_FEATURE_COUNT;
        const float *f = rerank_features(j->q[i].text, j->q[i].c, j->q[i].n, true, tmp);
        t->feature[i] = arena_array(a, float, n + 1);
        memcpy(t->feature[i], f, n * sizeof(*f));
        arena_free(tmp);
    }
}

/* ---- Order ---- */

struct place {
    double score;
    uint32_t i;
};

static int best_first(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->i > y->i) - (x->i < y->i);
}

static double linear(const struct rerank_weights *w, const float *f)
{
    double sum = w->bias;
    for (int k = 0; k < RERANK_FEATURE_COUNT; k++)
        sum += w->weight[k] * f[k];
    return sum;
}

static void order_by(const struct rerank_table *t, size_t query, const struct rerank_weights *w,
                     uint32_t *order)
{
    size_t n = t->judged->q[query].n;
    struct place *p = mem_array(n + 1, sizeof(*p));
    for (uint32_t i = 0; i < n; i++)
        p[i] = (struct place){linear(w, &t->feature[query][i * RERANK_FEATURE_COUNT]), i};
    qsort(p, n, sizeof(*p), best_first);
    for (size_t i = 0; i < n; i++)
        order[i] = p[i].i;
    mem_free(p);
}

struct rerank_quality rerank_evaluate(const struct rerank_table *t, const bool *use,
                                      const struct rerank_weights *w)
{
    struct rerank_quality quality = {0};
    for (size_t i = 0; i < t->judged->n; i++) {
        const struct judged_query *q = &t->judged->q[i];
        if (use && !use[i])
            continue;
        uint32_t *order = mem_array(q->n + 1, sizeof(*order));
        order_by(t, i, w, order);
        quality.before += judged_ndcg(q, NULL);
        quality.after += judged_ndcg(q, order);
        quality.queries++;
        mem_free(order);
    }
    double n = (double)size_max(quality.queries, 1);
    quality.before /= n;
    quality.after /= n;
    return quality;
}

/* ---- Pairs ---- */

struct rows {
    float *x, *count;
    size_t n, room;
};

static float *add_row(struct rows *r, float count)
{
    if (r->n == r->room) {
        r->room = r->room * 2 + 1024;
        r->x = mem_resize(r->x, r->room * RERANK_FEATURE_COUNT, sizeof(*r->x));
        r->count = mem_resize(r->count, r->room, sizeof(*r->count));
    }
    r->count[r->n] = count;
    return &r->x[r->n++ * RERANK_FEATURE_COUNT];
}

/* What it is worth that a passage stands at a place; places behind the tenth count a little, so
 * that what stands there can come up. */
static double discount(size_t place)
{
    return 1 / log2((double)place + 2);
}

static void add_pairs(struct rows *r, const struct rerank_table *t, size_t query,
                      const struct rerank_weights *w)
{
    const struct judged_query *q = &t->judged->q[query];
    uint32_t *order = mem_array(q->n + 1, sizeof(*order));
    size_t from = r->n;
    double sum = 0;
    order_by(t, query, w, order);
    for (size_t x = 0; x < q->n; x++)
        for (size_t y = x + 1; y < q->n && r->n - from < PAIRS_MOST; y++) {
            double gain = q->grade[order[x]] - q->grade[order[y]];
            if (gain == 0)
                continue;
            size_t good = order[gain > 0 ? x : y], bad = order[gain > 0 ? y : x];
            double change = fabs(gain) * (discount(x) - discount(y));
            float *row = add_row(r, (float)change);
            const float *f = t->feature[query];
            for (size_t k = 0; k < RERANK_FEATURE_COUNT; k++)
                row[k] = f[good * RERANK_FEATURE_COUNT + k] - f[bad * RERANK_FEATURE_COUNT + k];
            sum += change;
        }
    for (size_t i = from; i < r->n; i++)
        r->count[i] *= sum > 0 ? (float)(q->weight / sum) : 0;
    mem_free(order);
}

static void fit_pairs(const struct rerank_table *t, const bool *use,
                      const struct rerank_weights *start, struct rerank_weights *w)
{
    double least[RERANK_FEATURE_COUNT];
    struct rows r = {0};
    double queries = 0;
    for (int k = 0; k < RERANK_FEATURE_COUNT; k++)
        least[k] = may_be_negative(k) ? -HUGE_VAL : 0;
    for (size_t i = 0; i < t->judged->n; i++) {
        if (use && !use[i])
            continue;
        add_pairs(&r, t, i, w);
        queries++;
    }
    const struct logit p = {.x = r.x,
                            .count = r.count,
                            .n = r.n,
                            .d = RERANK_FEATURE_COUNT,
                            .ridge = RIDGE * queries + 0.1,
                            .center = start->weight,
                            .least = least};
    logit_fit(&p, w->weight);
    mem_free(r.x);
    mem_free(r.count);
}

/* ---- The bias ---- */

/* Shifts the scores, so that their mean is the share of good passages; by bisection. */
static void fit_bias(const struct rerank_table *t, const bool *use, struct rerank_weights *w)
{
    double low = -50, high = 50;
    for (int round = 0; round < 60; round++) {
        double over = 0;
        w->bias = (low + high) / 2;
        for (size_t i = 0; i < t->judged->n; i++) {
            const struct judged_query *q = &t->judged->q[i];
            for (size_t k = 0; k < q->n && (!use || use[i]); k++)
                over += 1 / (1 + exp(-linear(w, &t->feature[i][k * RERANK_FEATURE_COUNT]))) -
                        (q->grade[k] > 0);
        }
        *(over > 0 ? &high : &low) = w->bias;
    }
}

void rerank_train(const struct rerank_table *t, const bool *use, const struct rerank_weights *start,
                  struct rerank_weights *out)
{
    start = start ? start : rerank_weights_built_in();
    *out = *start;
    for (int round = 0; round < ROUNDS; round++)
        fit_pairs(t, use, start, out);
    fit_bias(t, use, out);
}
