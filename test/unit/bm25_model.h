/* bm25_model.h - the plainest possible index: a list of passages, each scored in full by the
 * formula that bm25.h gives, in double precision. Tests compare the real one with it. */
#pragma once

#include "base/hash.h"
#include "base/mem.h"
#include "index/bm25.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MODEL_PASSAGES = 16384, MODEL_TERMS = 64 };

struct model_passage {
    uint32_t document;
    int64_t key;
    unsigned term[MODEL_TERMS];
    uint64_t hash[MODEL_TERMS];
    uint8_t field[MODEL_TERMS]; /* rising */
    size_t n;
    uint32_t length[BM25_FIELDS];
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

/* The text of a term of a vocabulary in which small numbers are common. */
__attribute__((unused)) static struct str model_text(unsigned i, char text[16])
{
    return (struct str){text, (size_t)snprintf(text, 16, "w%u", i)};
}

__attribute__((unused)) static uint64_t model_term(unsigned i)
{
    char text[16];
    return hash_stable(model_text(i, text));
}

__attribute__((unused)) static unsigned model_draw(struct model *m, unsigned vocabulary)
{
    unsigned a = model_random(m, vocabulary), b = model_random(m, vocabulary);
    unsigned c = model_random(m, vocabulary);
    return (unsigned)(a * (b + 1ull) / vocabulary * (c + 1ull) / vocabulary);
}

/* The terms one after another, to the index. */
__attribute__((unused)) static void model_put(struct bm25 *ix, uint32_t document, enum lang lang,
                                              int64_t key, const unsigned *term,
                                              const uint8_t *field, size_t n,
                                              const uint32_t length[BM25_FIELDS])
{
    struct bm25_token *token = mem_array(n, sizeof(*token));
    char *text = mem_new(n * 16 + 1);
    struct bm25_passage p = {.token = token, .n = n, .text = text};
    memcpy(p.length, length, sizeof(p.length));
    for (size_t i = 0; i < n; i++) {
        struct str word = model_text(term[i], text + i * 16);
        token[i] = (struct bm25_token){.term = hash_stable(word),
                                       .at = (uint32_t)i * 16,
                                       .len = (uint8_t)word.len,
                                       .field = field ? field[i] : BM25_BODY};
    }
    bm25_add(ix, document, lang, key, &p);
    mem_free(token);
    mem_free(text);
}

/* The same for a few terms in the body. */
__attribute__((unused)) static void model_put_body(struct bm25 *ix, uint32_t document,
                                                   enum lang lang, int64_t key,
                                                   const unsigned *term, size_t n)
{
    model_put(ix, document, lang, key, term, NULL, n,
              (uint32_t[BM25_FIELDS]){[BM25_BODY] = (uint32_t)n});
}

/* A document of some passages, to the model and to the index. With fields, up to 3 terms are in the
 * title and 3 in the section. */
__attribute__((unused)) static void model_add_fields(struct model *m, struct bm25 *ix,
                                                     uint32_t document, size_t passages,
                                                     unsigned vocabulary, bool fields)
{
    for (size_t i = 0; i < passages && m->n < MODEL_PASSAGES; i++) {
        struct model_passage *p = &m->passage[m->n++];
        *p = (struct model_passage){.document = document,
                                    .key = (int64_t)document * 1000 + (int64_t)i,
                                    .n = 1 + model_random(m, MODEL_TERMS)};
        size_t title = fields ? model_random(m, 4) : 0;
        size_t section = fields ? title + model_random(m, 4) : 0;
        for (size_t k = 0; k < p->n; k++) {
            p->term[k] = model_draw(m, vocabulary);
            p->hash[k] = model_term(p->term[k]);
            p->field[k] = k < title ? BM25_TITLE : k < section ? BM25_SECTION : BM25_BODY;
            p->length[p->field[k]]++;
        }
        p->length[BM25_BODY] += model_random(m, 3);
        model_put(ix, document, LANG_OTHER, p->key, p->term, p->field, p->n, p->length);
    }
}

__attribute__((unused)) static void model_add(struct model *m, struct bm25 *ix, uint32_t document,
                                              size_t passages, unsigned vocabulary)
{
    model_add_fields(m, ix, document, passages, vocabulary, false);
}

__attribute__((unused)) static void model_remove(struct model *m, uint32_t document)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->passage[i].document != document)
            m->passage[n++] = m->passage[i];
    m->n = n;
}

/* Weighted. */
static double model_count(const struct model_passage *p, const struct bm25_params *params,
                          uint64_t term)
{
    double count = 0;
    for (size_t i = 0; i < p->n; i++)
        count += p->hash[i] == term ? (double)params->weight[p->field[i]] : 0;
    return count;
}

static double model_length(const struct model_passage *p, const struct bm25_params *params)
{
    double length = 0;
    for (int f = 0; f < BM25_FIELDS; f++)
        length += (double)params->weight[f] * p->length[f];
    return length;
}

static bool model_allows(const struct bm25_query *q, size_t view, uint32_t document)
{
    const struct docset *set = q->allowed ? q->allowed[view] : NULL;
    return !set || docset_has(set, document);
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

/* Every passage that has a score, best first; params[n_models]; hit[] holds MODEL_PASSAGES per
 * model. */
__attribute__((unused)) static size_t model_search(const struct model *const *m, size_t n_models,
                                                   const struct bm25_params *params,
                                                   const struct bm25_query *q, struct hit *hit)
{
    double total = 0, length = 0;
    size_t rows = n_models * MODEL_PASSAGES;
    double *score = mem_array(rows, sizeof(*score));
    double *count = mem_array(rows * (q->n + 1), sizeof(*count));
    for (size_t v = 0; v < n_models; v++)
        for (size_t i = 0; i < m[v]->n; i++) {
            const struct model_passage *p = &m[v]->passage[i];
            bool counts = !q->own_statistics || model_allows(q, v, p->document);
            total += counts;
            length += counts ? model_length(p, &params[v]) : 0;
            for (size_t t = 0; t < q->n; t++)
                count[t * rows + v * MODEL_PASSAGES + i] =
                    model_count(p, &params[v], q->word[t].term);
        }
    for (size_t t = 0; t < q->n; t++) {
        double df = 0;
        for (size_t f = 0; f < q->n; f++)
            for (size_t v = 0; v < n_models && q->word[f].group == q->word[t].group; v++)
                for (size_t i = 0; i < m[v]->n; i++)
                    df += count[f * rows + v * MODEL_PASSAGES + i] > 0 &&
                          (!q->own_statistics || model_allows(q, v, m[v]->passage[i].document));
        df = fmin(df, total);
        double idf = log(1 + (total - df + .5) / (df + .5));
        for (size_t v = 0; v < n_models; v++)
            for (size_t i = 0; i < m[v]->n; i++) {
                const struct model_passage *p = &m[v]->passage[i];
                double tf = count[t * rows + v * MODEL_PASSAGES + i];
                double norm =
                    1 - params[v].b + params[v].b * model_length(p, &params[v]) / (length / total);
                if (tf > 0)
                    score[v * MODEL_PASSAGES + i] += (double)q->word[t].weight * idf * tf *
                                                     (params[v].k1 + 1) /
                                                     (tf + params[v].k1 * norm);
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
    mem_free(count);
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
