/* judged_search.h - the search whose candidates are judged: keywords and learned vectors, fused, as
 * collections have it (index/search.h), over texts in memory.
 *
 * Memory:  texts stay the caller's; the rest goes with judged_search_fini.
 * Threads: one at a time; not for loop threads.
 */
#pragma once

#include "index/fuse.h"
#include "index/lsa.h"
#include "index/words.h"
#include "model/rerank_features.h"

struct judged_search {
    const struct rerank_candidate *doc; /* by number */
    size_t n;
    struct bm25 *index;
    const struct bm25_view *view;
    struct lsa *lsa; /* NULL: too little to learn from, so keywords alone */
    float *vector;   /* [n][dimension] */
    bool *placed;    /* has a vector */
};

void judged_search_init(struct judged_search *s, const struct rerank_candidate *doc, size_t n);
void judged_search_fini(struct judged_search *s);
/* Numbers of documents as keys, best first, at most `k` <= FUSE_DEPTH. */
size_t judged_search_ask(const struct judged_search *s, struct str text, struct fuse_hit *hit,
                         size_t k);
