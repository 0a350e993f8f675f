/* search.h - the indexes of all collections: opened from snapshots, kept up with the store,
 * searched.
 *
 * Each collection has an index of its own, so tenants never share one. At start an index loads its
 * snapshot and applies the changes that the store has numbered since; a snapshot that is lost or
 * damaged, or is ahead of the store, is rebuilt from the store. Searches read an immutable view and
 * never wait for writers. Snapshots lie in `dir`/index; they are derived, and may be deleted while
 * nothing runs.
 *
 * A chunk is found by the words of its text, its section and its document's title; how words are
 * made and questions read is told in index/words.h.
 *
 * Threads: any; search_run computes and so belongs on a worker when collections are large.
 */
#pragma once

#include "index/words.h"
#include "store/db.h"

struct search_set;

struct search_hit {
    int64_t chunk; /* id in the store */
    int64_t document;
    float score;         /* larger is better; comparable within one result */
    uint32_t collection; /* index into the request's list */
};

struct search_query {
    const struct str *collection; /* ids; searched as if they were one */
    size_t n_collections;
    struct str text;
    size_t k;
    /* Only these documents (NULL: all), looked at inside the search. Sorted, rising. */
    const int64_t *document;
    size_t n_documents;
};

/* Loads everything and catches up. The database must outlive the set. */
bool search_open(struct search_set **out, struct db *d, const char *dir, struct err *e);
/* Writes snapshots of what has changed; what cannot be written is logged. No call may be under way.
 */
void search_close(struct search_set *s);

/* Applies what the store has committed. Returns when all that was committed before the call is
 * visible. A fiber or a plain thread. */
bool search_catch_up(struct search_set *s, struct err *e);
/* Hits, best first, in `a`; equal scores by lower chunk. A collection that is unknown, or named
 * twice, adds nothing. Of the text the first WORDS_QUERY_BYTES count, of k BM25_MAX_HITS. */
bool search_run(struct search_set *s, const struct search_query *q, struct arena *a,
                struct search_hit **hit, size_t *n, struct err *e);
/* Writes snapshots of the collections that have changed since their last. */
bool search_snapshot(struct search_set *s, struct err *e);
size_t search_chunks(struct search_set *s,
                     struct str collection); /* live chunks, 0 = unknown collection */
