/* rerank_agree.h - how alike a passage is to the best of the passages found with it.
 *
 * What answers a question is told in similar words by several of the passages that a search puts
 * first; what only shares the question's words by chance stands alone. So the first passages speak
 * for each other and for what is like them further down.
 *
 * Words are cut to six letters in place of stemming, which is quick and good enough to compare;
 * scripts without spaces give pairs of characters. Words that most of the passages have count
 * little.
 *
 * Cost:    some 10 ns per byte of text.
 * Threads: any.
 * Source:  the idea is that of score regularization: Diaz, "Regularizing Ad Hoc Retrieval Scores",
 *          2005.
 */
#pragma once

#include "base/arena.h"

enum { RERANK_AGREE_FIRST = 10 /* passages that speak for others */ };

/* agree[i], 0 to 1: the cosine of text i and the mean of the first texts, itself left out. */
void rerank_agree(const struct str *text, size_t n, float *agree, struct arena *a);
