/* search.h - the indexes of all collections: opened from snapshots, kept up with the store,
 * searched.
 *
 * Each collection has indexes of its own, so tenants never share one: keywords (index/bm25.h), and
 * the attributes and access lists of its documents (index/attribute.h). At start a collection loads
 * its snapshot and applies the changes that the store has numbered since; a snapshot that is lost
 * or damaged, or is ahead of the store, is rebuilt from the store. Searches read an immutable view,
 * in which text, attributes and rights of each document belong together, and never wait for
 * writers. Snapshots lie in `dir`/index; they are derived, and may be deleted while nothing runs.
 *
 * A chunk is found by the words of its text, its section and its document's title; how words are
 * made and questions read is told in index/words.h.
 *
 * Threads: any; search_run computes and so belongs on a worker when collections are large.
 */
#pragma once

#include "index/filter.h"
#include "index/rights.h"
#include "index/words.h"
#include "store/db.h"

struct search_set;

struct search_query {
    const struct str *collection; /* ids; searched as if they were one */
    size_t n_collections;
    struct str text;
    size_t k;
    const struct filter *filter; /* NULL: all documents */
    const struct rights *rights; /* whose; NULL: a caller without name, see index/rights.h */
};

/* What an engine said of a hit; rank from 1, 0 = it did not find it. */
struct search_found {
    uint32_t rank;
    float score;
};

struct search_hit {
    int64_t chunk; /* id in the store */
    int64_t document;
    float score;         /* larger is better; comparable within one result */
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
 * WORDS_QUERY_BYTES count, of k BM25_MAX_HITS. */
bool search_run(struct search_set *s, const struct search_query *q, struct arena *a,
                struct search_hit **hit, size_t *n, struct err *e);
/* Writes snapshots of the collections that have changed since their last. */
bool search_snapshot(struct search_set *s, struct err *e);

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
