/* vector.h - find the passages whose vectors lie nearest to a query's.
 *
 * The search is exact: it looks at every vector. The interface is the one that an approximate
 * index will have too: what is added or removed shows at the next vector_commit, searches see what
 * was committed last and wait for nothing, filters work inside the search.
 *
 * Scores:  larger is better. VECTOR_COSINE: -1 to 1. VECTOR_DOT: the product. VECTOR_L2: minus the
 *          distance.
 * Memory:  vectors are copied; 4 bytes per number and 16 per vector.
 * Threads: add, remove, clear, commit, load and free: one at a time; search, count and save: any,
 *          at any time.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "index/top.h"

enum vector_metric { VECTOR_COSINE, VECTOR_DOT, VECTOR_L2 };
enum { VECTOR_MAX_DIMENSION = 8192 };

struct vector_index;

/* dimension from 1 to VECTOR_MAX_DIMENSION. */
struct vector_index *vector_new(uint32_t dimension, enum vector_metric metric);
void vector_free(struct vector_index *ix);

/* Adds the vector of a passage under the caller's key. The passages of one document follow each
 * other. ERR_INVALID: a number that is not finite, or for cosine a vector without direction. */
bool vector_add(struct vector_index *ix, int64_t document, int64_t key,
                const float *v /* [dimension] */, struct err *e);
/* Drops the vectors of a document, staged ones too; false when there are none. */
bool vector_remove(struct vector_index *ix, int64_t document);
void vector_clear(struct vector_index *ix);
void vector_commit(struct vector_index *ix);

struct vector_query {
    const float *v; /* [dimension] */
    /* Only passages of these documents, rising; NULL: of all. */
    const int64_t *document;
    size_t n_documents;
};

/* Fills hit[] with at most `k` hits, best first, equal scores by lower key; hit.view is 0. *n tells
 * how many. ERR_INVALID as for vector_add. */
bool vector_search(struct vector_index *ix, const struct vector_query *q, struct hit *hit, size_t k,
                   size_t *n, struct err *e);
size_t vector_count(struct vector_index *ix); /* that were committed and live */

/* Appends what was committed to `out`; false: over its limit. */
bool vector_save(struct vector_index *ix, struct buf *out);
/* Replaces everything and publishes it. ERR_CORRUPT, also for another dimension or metric, leaves
 * the index as it was. */
bool vector_load(struct vector_index *ix, struct str saved, struct err *e);
