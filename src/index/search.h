/* search.h - the indexes of all collections: opened from snapshots, kept up with the store,
 * searched.
 *
 * Each collection has an index of its own, so tenants never share one. At start an index loads its
 * snapshot and applies the changes that the store has numbered since; a snapshot that is lost or
 * damaged is rebuilt from the store. Searches read an immutable view and never wait for writers.
 *
 * Threads: any; search_run computes and so belongs on a worker when collections are large.
 */
#pragma once

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

bool search_open(struct search_set **out, struct db *d, const char *dir, struct err *e);
void search_close(struct search_set *s); /* writes snapshots of what has changed */

/* Applies what the store has committed. Returns when all that was committed before the call is
 * visible. A fiber or a plain thread. */
bool search_catch_up(struct search_set *s, struct err *e);
/* Hits, best first, in `a`; equal scores by lower chunk. */
bool search_run(struct search_set *s, const struct search_query *q, struct arena *a,
                struct search_hit **hit, size_t *n, struct err *e);
/* Writes snapshots of the collections that have changed since their last. */
bool search_snapshot(struct search_set *s, struct err *e);
size_t search_chunks(struct search_set *s,
                     struct str collection); /* live chunks, 0 = unknown collection */
