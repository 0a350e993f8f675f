/* rerank.h - order texts by how well their words answer a query.
 *
 * Source:  BM25 as in index/bm25.h, with the given texts as the collection, so that a word which
 *          all of them share tells little. A score b is given out as 1 - 4^(-b/o), where o is that
 *          of a text of the mean length with every word of the query once: no word 0, words with
 *          half the weight .5, all of them .75, never more than 1. The order stays BM25's.
 *
 * All texts are stemmed as one language, that of most of what is there to see.
 *
 * Cost:    about 250 ns per word: for a worker.
 * Threads: any; nothing is kept.
 */
#pragma once

#include "model/rerank_weights.h"

enum { RERANK_MOST = 10000 }; /* texts */

struct rerank_hit {
    uint32_t index; /* of the text */
    double score;
};

/* All n texts, best first, equal scores by lower index; in `a`. n <= RERANK_MOST. */
struct rerank_hit *rerank(struct str query, const struct str *text, size_t n, struct arena *a);

/* ---- Passages that a search has found, with what is to be seen beside their words. ---- */

/* score[i] of candidate i, 0 to 1, by these weights (NULL: the built-in ones). Candidates come as
 * the search ordered them. Scratch memory is of `a`. About 5 ns per byte of the passages. */
void rerank_score(const struct rerank_weights *w, struct str query,
                  const struct rerank_candidate *c, size_t n, double *score, struct arena *a);
