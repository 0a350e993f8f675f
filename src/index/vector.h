/* vector.h - find the passages whose vectors lie nearest to a query's.
 *
 * Small collections are scanned; from some thousand vectors on there is a graph (HNSW: Malkov and
 * Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable
 * Small World graphs", 2016). Both look at rows of bytes, scaled per index, and score the best
 * exactly from the numbers as they were given. What is added or removed shows at the next
 * vector_commit; searches see what was committed last and never wait for the writer.
 *
 * Scores:  larger is better. VECTOR_COSINE: -1 to 1. VECTOR_DOT: the product. VECTOR_L2: minus the
 *          distance.
 * Memory:  vectors are copied. Resident are a byte per number, 128 for the links and some 25 more
 *          for each; the numbers themselves lie in a mapped file once there is a snapshot, before
 *          that in memory. Removed vectors keep their place until it is used again.
 * Threads: add, remove, clear and commit: one at a time. Search, count, save and check: any, at any
 *          time, beside those too. vector_free: alone.
 */
#pragma once

#include "base/err.h"
#include "index/docset.h"
#include "index/top.h"

enum vector_metric { VECTOR_COSINE, VECTOR_DOT, VECTOR_L2 };
enum { VECTOR_MAX_DIMENSION = 4096, VECTOR_MAX_DOCUMENTS = 1 << 28 };

struct vector_index;

/* dimension from 1 to VECTOR_MAX_DIMENSION. */
struct vector_index *vector_new(uint32_t dimension, enum vector_metric metric);
/* For embeddings of which a beginning is an embedding too (Kusupati et al., "Matryoshka
 * Representation Learning", 2022): the graph and its rows are made of the first `walked` numbers,
 * so they cost and weigh less; the best are still scored by all of them. */
struct vector_index *vector_new_short(uint32_t dimension, uint32_t walked,
                                      enum vector_metric metric);
void vector_free(struct vector_index *ix);
/* How many threads a large commit may use; 0, as at first: one per core. */
void vector_threads(struct vector_index *ix, unsigned n);

uint32_t vector_dimension(const struct vector_index *ix);
enum vector_metric vector_metric(const struct vector_index *ix);

/* Adds the vector of a passage under the caller's key; the document by its number.
 * ERR_INVALID: a number that is not finite, or for cosine a vector without direction.
 * ERR_LIMIT: a document from VECTOR_MAX_DOCUMENTS on, or no room for more vectors. */
bool vector_add(struct vector_index *ix, uint32_t document, int64_t key,
                const float *v /* [dimension] */, struct err *e);
/* Drops the vectors of a document, staged ones too; false when there are none. */
bool vector_remove(struct vector_index *ix, uint32_t document);
void vector_clear(struct vector_index *ix);
/* Puts what was added into the graph and publishes. Takes some 0.3 ms of CPU for each vector that
 * was added to a large index, spread over threads when there are many. */
void vector_commit(struct vector_index *ix);

/* How a search went about it. */
#define VECTOR_PLANS(X)                                                                            \
    X(SCAN, "scan")                 /* all rows */                                                 \
    X(SCAN_ALLOWED, "scan allowed") /* the rows of the allowed documents */                        \
    X(WALK, "walk")                 /* the graph */                                                \
    X(WALK_ALLOWED, "walk allowed") /* the graph, keeping what is allowed */                       \
    X(WALK_THEN_SCAN, "walk, scan") /* as that, until scanning would have been cheaper */
#define X(name, text) VECTOR_##name,
enum vector_plan { VECTOR_PLANS(X) };
#undef X
const char *vector_plan_name(enum vector_plan plan);

struct vector_explain {
    enum vector_plan plan;
    uint32_t candidates; /* vectors that the filter allows: an estimate from its documents */
    uint32_t effort;     /* width of the walk, 0 for a scan */
    uint32_t compared;   /* rows */
    uint32_t rescored;   /* with the numbers as given */
    float recall;        /* expected share of the true k nearest, at least: measured on the index */
};

struct vector_query {
    const float *v;                 /* [dimension], or [n] */
    uint32_t dimension;             /* 0: the index's; fewer: compared by the first n numbers */
    const struct docset *allowed;   /* only passages of these documents; NULL: of all */
    float recall;                   /* wanted, below 1; 0: 0.98; 1: scan */
    uint32_t effort;                /* width of the walk; 0: as `recall` needs */
    struct vector_explain *explain; /* NULL: not wanted */
};

/* Fills hit[] with at most `k` hits, best first, equal scores by lower key; hit.view is 0. *n tells
 * how many. ERR_INVALID as for vector_add. */
bool vector_search(struct vector_index *ix, const struct vector_query *q, struct hit *hit, size_t k,
                   size_t *n, struct err *e);
/* The vector of a passage as it is kept (cosine: in length one) into out[dimension]; false when it
 * is not there. */
bool vector_get(struct vector_index *ix, uint32_t document, int64_t key, float *out);
size_t vector_count(struct vector_index *ix);  /* that were committed and live */
size_t vector_memory(struct vector_index *ix); /* bytes held outside of mapped files */

/* ---- On disk (vector_file.c has the layout) ---- */

enum { VECTOR_ID_SIZE = 128 };

/* Writes what was committed beside `path`, syncs, renames, and maps the numbers of the new file in
 * place of those in memory. `seq` and `id` (shorter than VECTOR_ID_SIZE) are the caller's: up to
 * which change it is complete, and of what it is the index. */
bool vector_save(struct vector_index *ix, const char *path, struct str id, int64_t seq,
                 struct err *e);
/* Maps a snapshot: takes no longer for a large one. ERR_NOT_FOUND: no such file; ERR_CORRUPT: its
 * head is damaged, it is cut short, or it is of another id. Damage further on never leads astray
 * (wrong hits at worst) and is found by vector_check. */
bool vector_open(struct vector_index **out, const char *path, struct str id, int64_t *seq,
                 struct err *e);
/* Reads the whole snapshot that was opened and compares its checksums: for the background, soon
 * after start. ERR_CORRUPT: make the index anew from the store. */
bool vector_check(struct vector_index *ix, struct err *e);
