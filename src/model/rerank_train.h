/* rerank_train.h - weights of the re-ranker from judged questions.
 *
 * Pairs of a question's passages, a better and a worse one, are what is learned from: the weights
 * are those under which the better one most often scores higher. A pair counts by what swapping it
 * would change of nDCG, so the top of the list matters most; as that depends on the order the
 * weights give, it is done some times over. Each question counts as much as any other. Weights of
 * features that can only speak for a passage stay at 0 or above, and all are drawn gently towards
 * the weights that one starts from, so few judgments change little.
 *
 * The bias is set last, so that the score of the passage in question is the share of good ones
 * among those that look like it.
 *
 * Threads: any that is not a loop. The same input gives the same weights.
 * Source:  pairwise logistic regression: RankNet, Burges et al., 2005; weights of pairs:
 * LambdaRank, Burges, Ragno, Le, 2006.
 */
#pragma once

#include "model/judged.h"
#include "model/rerank_weights.h"

/* The features of every query, once for all trainings; in `a`. */
struct rerank_table {
    const struct judged *judged;
    float **feature; /* [judged->n][candidates of it][RERANK_FEATURE_COUNT] */
};
void rerank_table_make(struct rerank_table *t, const struct judged *j, struct arena *a);

/* use[i] NULL or true: query i is learned from. */
void rerank_train(const struct rerank_table *t, const bool *use, const struct rerank_weights *start,
                  struct rerank_weights *out);

struct rerank_quality {
    double before, after; /* mean nDCG@10: as the search ordered, as the weights do */
    size_t queries;
};
struct rerank_quality rerank_evaluate(const struct rerank_table *t, const bool *use,
                                      const struct rerank_weights *w);
