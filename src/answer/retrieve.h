/* retrieve.h - from a question to the passages that answer it best: what answers, searches and
 * tools call.
 *
 *     level 1   vectors alone
 *     level 2   vectors and keywords, fused
 *     level 3   the same for `candidates` passages, which are then ranked again by a closer look
 *     level 4   as 3, with several searches for one question: expanded, and split into its parts
 *
 * Scores:  from 0 to 1, larger is better, comparable within one result. What each stage said of a
 *          passage stands beside it.
 * Memory:  results live in the arena given; the query is borrowed.
 * Threads: a fiber (which sleeps while workers search), or a thread that is not a loop.
 */
#pragma once

#include "index/search.h"
#include "store/doc.h"

enum retrieve_level {
    RETRIEVE_DEFAULT, /* RETRIEVE_RERANKED */
    RETRIEVE_VECTOR,
    RETRIEVE_HYBRID,
    RETRIEVE_RERANKED,
    RETRIEVE_EXPANDED
};

struct retriever { /* what all questions share; made once at start */
    struct db *db;
    struct search_set *search;
};

struct retrieve_query {
    /* Where to look, for whom, with which filter and weights, as index/search.h has it. Its `text`
     * and `k` are not looked at: the ones below hold. */
    struct search_query search;
    const struct str *text; /* the question; several are ways to ask for the same */
    size_t n_texts;
    size_t k;                  /* passages wanted */
    enum retrieve_level level; /* at most */
    double threshold;          /* passages with a lower score are left out */
};

/* What a stage said: its rank from 1, 0 = it did not have the passage. */
struct retrieved_stage {
    uint32_t rank;
    float score; /* as the stage counts */
};

struct retrieved {
    struct doc_passage passage;
    double score;
    uint32_t collection;          /* index into search.collection */
    struct retrieved_stage found; /* by the search */
};

struct retrieval {
    struct retrieved *hit; /* best first */
    size_t n;
};

bool retrieve(const struct retriever *r, const struct retrieve_query *q, struct arena *a,
              struct retrieval *out, struct err *e);
