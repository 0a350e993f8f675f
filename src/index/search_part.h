/* search_part.h - what the set of indexes is made of; for the files search*.c alone.
 *
 *     search.c           the set: opened, closed, caught up
 *     search_follow.c    changes of the store into indexes
 *     search_space.c     vectors of one kind: of the built-in embedder, or of one outside
 *     search_learn.c     spaces made anew in the background
 *     search_keep.c      the thread that does so, and saves and merges
 *     search_query.c     searches
 *     search_snapshot.c  indexes on disk
 */
#pragma once

#include "base/lock.h"
#include "base/map.h"
#include "index/lsa.h"
#include "index/number.h"
#include "index/search.h"
#include "index/snapshot.h"
#include "index/vector.h"
#include "store/doc.h"

/* Vectors that compare with each other. The busy one adds and removes; any may search. */
struct search_space {
    _Atomic uint32_t refs;
    /* set once */
    struct lsa *embedder; /* NULL: the vectors come from outside */
    int64_t outside;      /* ... from this space of store/space.h */
    struct vector_index *vectors;
    /* the busy one's */
    struct lsa_seen seen; /* since it was learned */
    bool staged;
};

/* What a search reads of a collection: all of it belongs together, and nothing of it changes but
 * the vectors, which are looked at by numbers of this view alone. */
struct search_view {
    _Atomic uint32_t refs;
    uint64_t version;
    int64_t seq;         /* changes up to here are in it */
    uint64_t changes;    /* the collection's, when this was published */
    struct epoch *epoch; /* while it is held no number of these documents is given to another */
    struct bm25_view *keywords;
    struct attributes *attributes;
    struct search_space *learned, *outside; /* NULL: none */
};

enum search_due {
    SEARCH_SAVE = 1,
    SEARCH_LEARN = 2,
    SEARCH_OUTSIDE = 4, /* another space is in use, or its vectors are not there yet */
    SEARCH_MERGE = 8,
    SEARCH_CHECK = 16, /* read through what was only mapped at start */
};

struct wanted { /* a document to load from the store */
    int64_t document;
    bool embedded; /* its vectors from outside have come */
};

struct collection {
    /* set once */
    char *id, *stem; /* of its snapshot's files */
    /* under the set's lock */
    uint32_t refs;
    struct search_view *view;
    unsigned due; /* enum search_due, for the keeper */
    int64_t
        learn_from_ns; /* not before: learning takes a share of the time, however often it is due */
    bool dropped;
    uint64_t saved_changes; /* those of the view that was saved last */
    /* the busy one's */
    struct bm25 *index;
    struct bm25_params tuning; /* the index's */
    bool tuned;                /* ... which are those of the store */
    struct numbers *numbers;
    struct attributes *attributes; /* as they will be published */
    struct search_space *learned, *outside;
    int64_t seq;       /* changes up to here are in it */
    uint64_t changes;  /* chunks and documents that came or went, ever */
    bool staged;       /* there is something to publish */
    bool closed;       /* a document that could be learned from is not for everyone any more */
    uint64_t unlearnt; /* chunks at which learning came to nothing; 0 = it did not */
    struct wanted *load;
    size_t n_load, room;
    /* the keeper's, once the set is open */
    struct snapshot saved; /* the last one; generation 0 = none */
    uint64_t saved_embedder;
};

struct search_set {
    /* set once */
    struct db *db;
    char *dir;
    struct lock lock;
    struct cond idle; /* nobody is busy */
    struct cond work; /* something is due, or the keeper is to end */
    struct cond rest; /* the keeper has nothing to do */
    pthread_t keeper;
    bool kept; /* it runs */
    /* atomic */
    atomic_bool ending;
    /* under lock; the map is changed by the busy one only, under lock */
    struct map collections;
    bool busy, working;
    uint64_t begun, ended; /* catch-ups */
    struct err outcome;    /* of the one that ended last */
    /* the busy one's */
    int64_t seq; /* changes up to here are in all indexes */
    uint64_t version;
    struct words words;
};

/* ---- search.c ---- */

/* Makes one that is not known yet, from its snapshot if there is a good one. The busy one. */
struct collection *search_collection_make(struct search_set *s, struct str id, int64_t newest);
void search_collection_drop(struct search_set *s, struct str id);
void search_collection_unref(struct search_set *s, struct collection *c);
/* Makes visible what is staged. The busy one. */
void search_publish(struct search_set *s, struct collection *c);
/* The view of a collection, to be given back; NULL: unknown. Any thread. */
struct search_view *search_view(struct search_set *s, struct str id);
struct search_view *search_view_of(struct search_set *s, struct collection *c);
void search_view_unref(struct search_view *v); /* accepts NULL */
/* Waits until nobody is busy, and is; search_leave ends it. */
void search_enter(struct search_set *s);
void search_leave(struct search_set *s);

/* ---- search_follow.c; the busy one ---- */

/* Applies the changes of the store to all collections. */
bool search_follow(struct search_set *s, struct err *e);
/* Loads all collections, and applies what has changed since. */
bool search_follow_first(struct search_set *s, struct err *e);
/* As the document says; else by the first chunk that is long enough to tell. */
enum lang search_lang_of(const struct doc_index_document *d);
/* What its chunks are found by beside their own words. */
struct str search_title_of(const struct doc_index_document *d);

/* ---- search_space.c ---- */

struct search_space *search_space_new(struct lsa *embedder, int64_t outside, uint32_t dimension);
struct search_space *search_space_with(struct lsa *embedder, int64_t outside,
                                       struct vector_index *vectors);
struct search_space *search_space_ref(struct search_space *x); /* accepts NULL */
void search_space_unref(struct search_space *x);
/* Adds a document by the built-in embedder. */
void search_space_embed(struct search_space *x, uint32_t number,
                        const struct doc_index_document *d);
void search_space_remove(struct search_space *x, uint32_t number); /* accepts NULL */
void search_space_commit(struct search_space *x);                  /* accepts NULL */
/* Adds the vectors that the store has of these documents; of each only those of its chunks as they
 * are given here, which are the version that has the number. */
bool search_space_fetch(struct search_space *x, struct db *db, const struct doc_index_document *d,
                        const uint32_t *number, size_t n, struct err *e);

/* ---- search_learn.c; the keeper ---- */

void search_learn(struct search_set *s, struct collection *c);
void search_learn_outside(struct search_set *s, struct collection *c);
/* Is it time to learn (anew)? The busy one. */
bool search_learn_due(const struct collection *c);

/* ---- search_keep.c ---- */

bool search_keep_start(struct search_set *s, struct err *e);
void search_keep_end(struct search_set *s);
/* `due` is to be done for the collection. Not under the set's lock. */
void search_keep(struct search_set *s, struct collection *c, unsigned due);

/* ---- search_snapshot.c ---- */

/* Fills an empty collection from its snapshot. A snapshot is good when it can be read and the store
 * has got as far as it; otherwise the collection stays empty, and a log line says why. When only
 * vectors or embedder are bad they alone are left out. */
void search_load(struct collection *c, int64_t newest);
/* The keeper, or nobody else is there. */
bool search_save(struct search_set *s, struct collection *c, struct err *e);
/* Has enough changed? The busy one. */
bool search_save_due(struct search_set *s, struct collection *c);
/* Removes the files of collections that the store does not know. Before the keeper starts. */
void search_sweep(struct search_set *s);
