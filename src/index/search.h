/* search.h - the indexes of all collections: opened from snapshots, kept up with the store,
 * searched.
 *
 * Each collection has indexes of its own, so tenants never share one: keywords (index/bm25.h), the
 * attributes and access lists of its documents (index/attribute.h), vectors of an embedder that is
 * learned from the collection itself (index/lsa.h), and, where there are any, those of an embedder
 * outside (store/space.h). At start a collection maps its snapshot and applies the changes that the
 * store has numbered since; a snapshot that is lost or damaged, or is ahead of the store, is
 * rebuilt from the store. Searches read an immutable view, in which text, attributes and rights of
 * each document belong together, and never wait for writers. Snapshots lie in `dir`/index; they are
 * derived, and may be deleted while nothing runs.
 *
 * Learning, filling a new space, and writing snapshots are done by a thread of the set, beside
 * searches and catching up; what it makes is used from one search to the next. search_close cancels
 * it.
 *
 * A chunk is found by the words of its text, its section and its document's title; how words are
 * made and questions read is told in index/words.h. How these are weighed a collection may say for
 * itself (index/tuning.h).
 *
 * Threads: any; search_run computes and so belongs on a worker when collections are large.
 */
#pragma once

#include "index/filter.h"
#include "index/query.h"
#include "index/rights.h"
#include "index/vector.h"
#include "store/db.h"

struct search_set;

enum { SEARCH_MAX_HITS = 10000 };

/* Which candidates a search takes: passages with words of the question, passages whose vectors lie
 * near it, or both, fused. */
enum search_engines { SEARCH_KEYWORD = 1, SEARCH_VECTOR = 2, SEARCH_HYBRID = 3 };

struct search_vector {
    int64_t space; /* of store/space.h */
    const float *v;
    uint32_t dimension;
};

/* How a collection was searched. All of it is about what the caller may read. */
struct search_explain {
    uint64_t documents, chunks; /* that the rights and the filter leave */
    bool words, vectors;        /* were they looked at? */
    bool outside;               /* the vectors are of an embedder outside */
    struct vector_explain nearest;
};

struct search_query {
    const struct str *collection; /* ids; searched as if they were one */
    size_t n_collections;
    struct str text;
    size_t k;
    const struct filter *filter; /* NULL: all documents */
    const struct rights *rights; /* whose; NULL: a caller without name, see index/rights.h */
    enum search_engines engines; /* 0: SEARCH_HYBRID */
    /* What the engines weigh in a hybrid search, from 0; both 0: as index/fuse.h has it. */
    float keyword_weight, vector_weight;
    /* The question in spaces of embedders outside; a collection that uses one of them looks there
     * instead of in its learned space. */
    const struct search_vector *vector;
    size_t n_vectors;
    struct search_explain *explain; /* [n_collections], to be filled; NULL: not wanted */
};

/* What an engine said of a hit, in its own measure; rank from 1, 0 = it did not find it. */
struct search_found {
    uint32_t rank;
    float score;
};

struct search_hit {
    int64_t chunk; /* id in the store */
    int64_t document;
    float score; /* 0 to 1, larger is better; comparable within one result */
    float fused; /* what orders the result (index/fuse.h); scores may be equal, this tells */
    uint32_t collection; /* index into the request's list */
    struct search_found keyword, vector;
};

/* Loads everything and catches up. The database must outlive the set. */
bool search_open(struct search_set **out, struct db *d, const char *dir, struct err *e);
/* Writes snapshots of what has changed; what cannot be written is logged. No call may be under way.
 */
void search_close(struct search_set *s);

/* Applies what the store has committed. Returns when all that was committed before the call is
 * visible. A fiber or a plain thread. */
bool search_catch_up(struct search_set *s, struct err *e);
/* Hits, best first, in `a`; equal scores by lower chunk. What the filter or the rights exclude is
 * no candidate. A collection that is unknown, or named twice, adds nothing. Of the text the first
 * WORDS_QUERY_BYTES count, of k SEARCH_MAX_HITS. */
bool search_run(struct search_set *s, const struct search_query *q, struct arena *a,
                struct search_hit **hit, size_t *n, struct err *e);
/* The question as its collections read it, for index/highlight.h. */
void search_question(struct search_set *s, const struct search_query *q, struct arena *a,
                     struct query *out);
/* Waits until what goes on in the background (learning, snapshots, merging) is done; false when it
 * is not within that time. A plain thread: for tests and measurements. */
bool search_settle(struct search_set *s, int64_t timeout_ms);

size_t search_chunks(struct search_set *s,
                     struct str collection); /* live chunks, 0 = unknown collection */
/* Documents and chunks that match the filter and may be read. */
struct search_count {
    uint64_t documents, chunks;
};
struct search_count search_count(struct search_set *s, struct str collection,
                                 const struct filter *f, const struct rights *r);
/* Another number each time that something of the collection changes, for caches. 0 = unknown. */
uint64_t search_version(struct search_set *s, struct str collection);
