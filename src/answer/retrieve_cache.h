/* retrieve_cache.h - results of questions that were asked before, for as long as nothing that they
 * come from has changed.
 *
 * A key holds all that decides a result: collections with their versions (search_version: another
 * one for each change of documents, vectors, attributes or rights), the caller's rights, filter,
 * questions and options. So what a change made untrue is not found any more, and nobody is given
 * what was made for another's rights; tenants share no collection. Entries are whole: texts
 * included. When memory is full those go that were used longest ago.
 *
 * Memory:  at most `bytes`, shared by all loops; a hit is copied out.
 * Threads: any; one lock.
 */
#pragma once

#include "answer/retrieve.h"

struct retrieve_cache *retrieve_cache_new(size_t bytes);
void retrieve_cache_free(struct retrieve_cache *c);
void retrieve_cache_resize(struct retrieve_cache *c, size_t bytes); /* 0: nothing is kept */

/* What stands for the question; "" when its result must not be kept: it has a filter without
 * `filter_text`, or a collection that nothing is known of. */
struct str retrieve_cache_key(const struct retriever *r, const struct retrieve_query *q,
                              struct arena *a);
/* A copy in `a`; false: not there. */
bool retrieve_cache_get(struct retrieve_cache *c, struct str key, struct arena *a,
                        struct retrieval *out);
void retrieve_cache_put(struct retrieve_cache *c, struct str key, const struct retrieval *r);
