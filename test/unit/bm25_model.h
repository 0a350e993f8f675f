/* bm25_model.h - the plainest possible index: a list of passages, each scored in full by the
 * formula that bm25.h gives, in double precision. Tests compare the real one with it. */
#pragma once

#include "base/mem.h"
#include "index/bm25.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>

enum { MODEL_PASSAGES = 16384, MODEL_TERMS = 64 };

struct model_passage {
    int64_t document, key;
    uint64_t term[MODEL_TERMS];
    size_t n;
    uint32_t length;
};

struct model {
    struct model_passage passage[MODEL_PASSAGES];
    size_t n;
    unsigned seed;
};

__attribute__((unused)) static unsigned model_random(struct model *m, unsigned below)
{
    return (unsigned)rand_r(&m->seed) % below;
}

/* A term of a vocabulary in which small numbers are common, spread over all 64 bits. */
__attribute__((unused)) static uint64_t model_term(unsigned i)
{
    return (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

__attribute__((unused)) static uint64_t model_draw(struct model *m, unsigned vocabulary)
{
    unsigned a = model_random(m, vocabulary), b = model_random(m, vocabulary);
    unsigned c = model_random(m, vocabulary);
    return model_term(a * (b + 1ull) / vocabulary * (c + 1ull) / vocabulary);
}

/* A document of some passages, to the model and to the index. */
__attribute__((unused)) static void model_add(struct model *m, struct bm25 *ix, int64_t document,
                                              size_t passages, unsigned vocabulary)
{
    for (size_t i = 0; i < passages && m->n < MODEL_PASSAGES; i++) {
        struct model_passage *p = &m->passage[m->n++];
        p->document = document;
        p->key = document * 1000 + (int64_t)i;
        p->n = 1 + model_random(m, MODEL_TERMS);
        p->length = (uint32_t)p->n + model_random(m, 3);
        for (size_t k = 0; k < p->n; k++)
            p->term[k] = model_draw(m, vocabulary);
        uint64_t copy[MODEL_TERMS];
        memcpy(copy, p->term, sizeof(copy));
        bm25_add(ix, document, LANG_OTHER, p->key, copy, p->n, p->length);
    }
}

__attribute__((unused)) static void model_remove(struct model *m, int64_t document)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->passage[i].document != document)
            m->passage[n++] = m->passage[i];
    m->n = n;
}

static double model_count(const struct model_passage *p, uint64_t term)
{
    double count = 0;
    for (size_t i = 0; i < p->n; i++)
        count += p->term[i] == term;
    return count;
}

static bool model_allows(const struct bm25_query *q, size_t view, int64_t document)
{
    const struct docset *set = q->allowed ? q->allowed[view] : NULL;
    return !set || docset_has(set, (uint32_t)document);
}

static int model_best_first(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->view > y->view) - (x->view < y->view);
}

/* Every passage that has a score, best first; hit[] holds MODEL_PASSAGES per model. */
__attribute__((unused)) static size_t model_search(const struct model *const *m, size_t n_models,
                                                   struct bm25_params params,
                                                   const struct bm25_query *q, struct hit *hit)
{
    double total = 0, length = 0;
    double *score = mem_array(n_models * MODEL_PASSAGES, sizeof(*score));
    for (size_t v = 0; v < n_models; v++)
        for (size_t i = 0; i < m[v]->n; i++) {
            total++;
            length += m[v]->passage[i].length;
        }
    for (size_t t = 0; t < q->n; t++) {
        double df = 0;
        for (size_t f = 0; f < q->n; f++)
            for (size_t v = 0; v < n_models && q->word[f].group == q->word[t].group; v++)
                for (size_t i = 0; i < m[v]->n; i++)
                    df += model_count(&m[v]->passage[i], q->word[f].term) > 0;
        df = fmin(df, total);
        double idf = log(1 + (total - df + .5) / (df + .5));
        for (size_t v = 0; v < n_models; v++)
            for (size_t i = 0; i < m[v]->n; i++) {
                const struct model_passage *p = &m[v]->passage[i];
                double tf = model_count(p, q->word[t].term);
                double norm = 1 - params.b + params.b * p->length / (length / total);
                score[v * MODEL_PASSAGES + i] += (double)q->word[t].weight * idf * tf *
                                                 (params.k1 + 1) / (tf + params.k1 * norm);
            }
    }
    size_t n = 0;
    for (size_t v = 0; v < n_models; v++)
        for (size_t i = 0; i < m[v]->n; i++) {
            const struct model_passage *p = &m[v]->passage[i];
            float sum = (float)score[v * MODEL_PASSAGES + i];
            if (sum > 0 && model_allows(q, v, p->document))
                hit[n++] = (struct hit){p->key, p->document, sum, (uint32_t)v};
        }
    mem_free(score);
    if (n)
        qsort(hit, n, sizeof(*hit), model_best_first);
    return n;
}

/* Is got[] the first `n_got` of want[], where scores within 1e-4 may stand in either order? */
__attribute__((unused)) static bool model_same(const struct hit *got, size_t n_got,
                                               const struct hit *want, size_t n_want, size_t k)
{
    if (n_got != (n_want < k ? n_want : k))
        return false;
    for (size_t i = 0; i < n_got; i++) {
        if (fabsf(got[i].score - want[i].score) > 1e-4f * fmaxf(1, want[i].score))
            return false;
        if (i && model_best_first(&got[i - 1], &got[i]) >= 0)
            return false;
        size_t at = 0;
        while (at < n_want && (want[at].key != got[i].key || want[at].view != got[i].view))
            at++;
        if (at == n_want || want[at].document != got[i].document ||
            fabsf(got[i].score - want[at].score) > 1e-4f * fmaxf(1, want[at].score))
            return false;
    }
    return true;
}
