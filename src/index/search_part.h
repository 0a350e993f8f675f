/* search_part.h - what the set of indexes is made of; for the files search*.c alone.
 *
 *     search.c           the set: opened, closed, caught up
 *     search_follow.c    changes of the store into indexes
 *     search_query.c     searches
 *     search_snapshot.c  indexes on disk
 */
#pragma once

#include "base/lock.h"
#include "base/map.h"
#include "index/number.h"
#include "index/search.h"
#include "index/snapshot.h"

/* What a search reads of a collection: all of it belongs together, and nothing of it changes. */
struct search_view {
    _Atomic uint32_t refs;
    uint64_t version;
    struct epoch *epoch; /* while it is held no number of these documents is given to another */
    struct bm25_view *keywords;
    struct attributes *attributes;
};

struct collection {
    /* set once */
    char *id, *stem; /* of its snapshot's files */
    /* under the set's lock */
    struct search_view *view;
    /* the busy one's */
    struct bm25 *index;
    struct numbers *numbers;
    struct attributes *attributes; /* as they will be published */
    int64_t seq;                   /* changes up to here are in it */
    uint64_t unsaved;              /* chunks and documents that changed since the last snapshot */
    bool staged;                   /* there is something to publish */
    int64_t *load;                 /* documents to load from the store */
    size_t n_load, room;           /* of them */
    struct snapshot saved;         /* the last one; generation 0 = none */
};

struct search_set {
    /* set once */
    struct db *db;
    char *dir;
    struct lock lock;
    struct cond idle;
    /* under lock; the map is changed by the busy one only, under lock */
    struct map collections;
    bool busy;
    uint64_t begun, ended; /* catch-ups */
    struct err outcome;    /* of the one that ended last */
    /* the busy one's */
    int64_t seq; /* changes up to here are in all indexes */
    uint64_t version;
    struct words words;
};

/* ---- search.c ---- */

struct collection *search_collection(struct search_set *s, struct str id); /* NULL: unknown */
/* Makes one that is not known yet, from its snapshot if there is a good one. */
struct collection *search_collection_make(struct search_set *s, struct str id, int64_t newest);
void search_collection_drop(struct search_set *s, struct str id);
/* Makes visible what is staged. */
void search_publish(struct search_set *s, struct collection *c);
/* The view of a collection, to be given back; NULL: unknown. Any thread. */
struct search_view *search_view(struct search_set *s, struct str id);
void search_view_unref(struct search_view *v); /* accepts NULL */

/* ---- search_follow.c ---- */

/* Applies all changes of the store; the busy one. */
bool search_follow(struct search_set *s, struct err *e);

/* ---- search_snapshot.c; the busy one ---- */

/* Fills an empty collection from its snapshot. A snapshot is good when it can be read and the store
 * has got as far as it; otherwise the collection stays empty, and a log line says why. */
void search_load(struct collection *c, int64_t newest);
bool search_save(struct collection *c, struct err *e);
/* Saves when enough has changed; a failure is logged. */
void search_save_if_due(struct collection *c);
/* Removes the files of collections that the store does not know. */
void search_sweep(struct search_set *s);
