/* rerank_features.h - what is to be seen of a passage beside a question, in numbers.
 *
 * All of them lie in 0..1 or nearly so and mean the same in every collection: shares, not counts;
 * rarity of words from the candidates themselves. So weights learned on some collections hold on
 * others. The first two are what the search said, seen relative to the other candidates.
 *
 * Cost:    some 5 ns per byte of the passages.
 * Threads: any.
 */
#pragma once

#include "base/arena.h"
#include "text/lang.h"

/* name, what it is. Files of weights name features: names are not changed. */
#define RERANK_FEATURES(X)                                                                         \
    X(RETRIEVAL, "retrieval") /* the search's score, 0 = the last candidate's, 1 = the best's */   \
    X(RANK, "rank")           /* its rank: 1 = first, falling with the logarithm */                \
    X(BM25, "bm25")           /* of the words in the text */                                       \
    X(COVERAGE, "coverage")   /* share of the question's words, by weight, in text or headings */  \
    X(ALL, "all")             /* every word is there */                                            \
    X(TITLE, "title")         /* share in the title */                                             \
    X(SECTION, "section")     /* share in the path of headings */                                  \
    X(FOCUS, "focus")         /* share of the title's words that are the question's */             \
    X(WINDOW, "window")       /* largest share within thirty words */                              \
    X(PAIRS, "pairs")         /* neighbours in the question that stand close in the text */        \
    X(PHRASES, "phrases")     /* ... that follow each other */                                     \
    X(EARLY, "early")         /* share within the first fifty words */                             \
    X(DENSITY, "density")     /* how much of the text is the question's words */                   \
    X(NAMES, "names")         /* share of numbers and names */                                     \
    X(LENGTH, "length")       /* longer than the mean: above .5 */                                 \
    X(BEGIN, "begin")         /* the passage is the beginning of its document */                   \
    X(AGREE, "agree")         /* alike to the first ones (rerank_agree.h) */

#define X(name, text) RERANK_##name,
enum rerank_feature { RERANK_FEATURES(X) RERANK_FEATURE_COUNT };
#undef X
const char *rerank_feature_name(enum rerank_feature f);

struct rerank_candidate {
    struct str title, section, text;
    double score;   /* of the search; larger is better, any scale */
    enum lang lang; /* LANG_OTHER: not known */
    uint32_t idx;   /* of the passage in its document, from 0 */
};

/* f[i * RERANK_FEATURE_COUNT + feature] of candidate i, as the search ordered them. Agreement costs
 * as much as all others; not wanted it stays 0. */
float *rerank_features(struct str query, const struct rerank_candidate *c, size_t n, bool agreement,
                       struct arena *a);
