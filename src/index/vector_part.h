/* vector_part.h - what the files of the vector index share. Nobody else includes it.
 *
 * A vector has a *slot*, a number from 0. Slots lie in slabs of SLAB that never move:
 *
 *   node   a row of bytes (a multiple of 64), then 128 bytes of links: what a walk touches
 *   exact  the numbers as they were given, for cosine of length 1
 *   ids    key, document, and the next slot of the same document
 *
 * Slots with a level have a cache line for each layer above the lowest (`upper`). `first` has the
 * newest slot of each document. All of it lies in counted blocks, on the heap or in a mapped file;
 * a mapping is private, so a write goes to a copy of the page.
 *
 * A *view* is what a search sees: tables of those blocks and bits that tell which slots are live.
 * Blocks are shared by views, and the writer goes on changing links in them. So that a search never
 * reads what is being written:
 *
 *   - links and `next` are atomic; a search that follows them ignores numbers that its view does
 * not have, so slots made later do not exist for it; a block of `first` is copied before it
 * changes;
 *   - a row is written before its slot is linked (release) and read after the link (acquire);
 *   - key and document are read only of slots that are live in the view;
 *   - the slot of a removed vector is used again when no link leads to it (hnsw_repair.c) and all
 *     views are gone that were published before that.
 */
#pragma once

#include "base/list.h"
#include "base/lock.h"
#include "base/mem.h"
#include "index/vector.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum {
    SLAB = 1024, /* slots; also upper records in a chunk and documents in a block */
    SLAB_WORDS = SLAB / 64,
    LINKS = 29,       /* of a node in the lowest layer */
    UPPER_LINKS = 15, /* in those above */
    MAX_LEVEL = 8,
    BUILD_EFFORT = 200, /* width of the walk that finds a new node's neighbours */
    GRAPH_FROM = 4096,  /* vectors; fewer are scanned */
    VECTOR_MOST = 1 << 30,
    EXTRA_MOST = 1000000000,
};
#define NO_SLOT UINT32_MAX

struct tail {       /* of a node, behind its row */
    int32_t extra;  /* see struct probe */
    uint32_t upper; /* record of layer 1; those above follow it */
    uint8_t level;
    _Atomic uint8_t n;
    uint16_t staged; /* writer only: added and not yet committed */
    _Atomic uint32_t link[LINKS];
};
_Static_assert(sizeof(struct tail) == 128, "two cache lines");

struct upper {
    _Atomic uint32_t n;
    _Atomic uint32_t link[UPPER_LINKS];
};
_Static_assert(sizeof(struct upper) == 64, "one cache line");

struct ids {
    int64_t key[SLAB];
    uint32_t document[SLAB];
    _Atomic uint32_t next[SLAB];
};

struct marks {
    uint64_t live[SLAB_WORDS];
    uint64_t used[SLAB_WORDS]; /* live, or removed and still linked */
};

struct block {
    _Atomic uint32_t refs;
    void *p;
    size_t size;
    bool mapped; /* from a file */
};

struct shape { /* set once */
    uint32_t dimension, walked;
    uint32_t padded; /* bytes of a row */
    uint32_t stride; /* of a node */
    enum vector_metric metric;
};

struct slab {
    uint8_t *node;
    float *exact;
    struct ids *ids;
    struct block *node_block, *exact_block, *ids_block;
};

/* What the graph is expected to find of the nearest ten, at least, by width of the walk. */
enum { CURVE = 6 };
struct curve {
    uint32_t effort[CURVE];
    float recall[CURVE];
    float compared[CURVE]; /* rows */
    uint32_t measured_at;  /* vectors; 0: not measured */
};

struct view {
    _Atomic uint32_t refs;
    struct list in_use; /* under the index's lock */
    /* From here on nothing changes once it is published: what a copy takes. */
    uint64_t number; /* rises */
    struct shape shape;
    uint32_t n_slots, n_live, n_used, n_slabs;
    uint32_t n_upper, n_chunks;     /* records, blocks of them */
    uint32_t n_documents, n_firsts; /* upper bound of numbers seen, blocks */
    uint32_t n_owners;              /* documents that have vectors */
    float scale;                    /* byte per unit */
    bool graph;
    uint32_t entry;
    uint8_t top; /* its level */
    struct curve curve;
    uint8_t **node; /* [n_slabs] as in slab[] */
    struct slab *slab;
    struct marks *marks;
    struct upper **upper;
    struct block **upper_block;
    uint32_t **first; /* entries may be NULL */
    struct block **first_block;
};

struct slots {
    uint32_t *slot;
    size_t n, room;
};

struct waiting { /* slots without links, until all views older than `until` are gone */
    struct slots slots;
    uint64_t until;
};

struct vector_index {
    /* set once */
    struct shape shape;
    /* under lock */
    struct lock lock;
    struct view *view;
    struct list views; /* those that somebody may be reading, oldest first */
    /* under writing */
    struct lock writing;
    struct view next; /* as the next one will be */
    struct slots staged, free;
    struct waiting *waiting;
    size_t n_waiting;
    struct build *build;
    unsigned threads;
    uint32_t fitted_at; /* vectors when the scale was fitted */
    uint32_t changed;   /* added since then */
    int file;           /* the snapshot that was opened, for vector_check; -1: none */
};

/* ---- vector.c ---- */

struct view *vector_take(struct vector_index *ix); /* the latest view */
void vector_drop(struct vector_index *ix, struct view *v);
void vector_publish(struct vector_index *ix, struct view *v); /* takes it over; `writing` held */
/* An index that has what is in `v` and takes it over, with the file that it comes from or -1. */
struct vector_index *vector_make(const struct view *v, int file);

/* ---- vector_view.c: blocks and views ---- */

struct block *vector_view_block(size_t size); /* zeroed, on page boundaries */
void vector_view_hold(struct block *b);
void vector_view_drop(struct block *b);  /* NULL: nothing */
void vector_view_shape(struct shape *s); /* padded and stride from walked */
size_t vector_view_memory(const struct view *v);
/* Tables for one more slab, chunk or block, and what they point to. */
void vector_view_add_slab(struct view *v);
void vector_view_give_nodes(struct view *v, struct slab *s); /* as for slab n_slabs */
void vector_view_add_chunk(struct view *v);
/* The block of `first` that has the document, for writing: made if new, copied if shared. */
uint32_t *vector_view_firsts(struct view *v, uint32_t document);
struct view *vector_view_copy(const struct view *v); /* shares the blocks */
void vector_view_fini(struct view *v);               /* the tables, and the blocks if last */

static inline struct tail *tail_of(const struct view *v, uint32_t slot)
{
    uint8_t *node = v->node[slot / SLAB] + (size_t)(slot % SLAB) * v->shape.stride;
    return (struct tail *)(void *)(node + v->shape.padded);
}

static inline const uint8_t *row_of(const struct view *v, uint32_t slot)
{
    return v->node[slot / SLAB] + (size_t)(slot % SLAB) * v->shape.stride;
}

static inline const float *exact_of(const struct view *v, uint32_t slot)
{
    return v->slab[slot / SLAB].exact + (size_t)(slot % SLAB) * v->shape.dimension;
}

static inline struct ids *ids_of(const struct view *v, uint32_t slot)
{
    return v->slab[slot / SLAB].ids;
}

static inline bool is_live(const struct view *v, uint32_t slot)
{
    return v->marks[slot / SLAB].live[slot % SLAB / 64] >> slot % 64 & 1;
}

static inline bool is_used(const struct view *v, uint32_t slot)
{
    return v->marks[slot / SLAB].used[slot % SLAB / 64] >> slot % 64 & 1;
}

/* The links of a node in a layer, and how many there may be; NULL when the node does not reach it,
 * which only a damaged file can bring about. */
struct links {
    _Atomic uint32_t *link;
    uint32_t n;
};
static inline bool links_of(const struct view *v, uint32_t slot, unsigned layer, struct links *out)
{
    struct tail *t = tail_of(v, slot);
    if (layer == 0) {
        uint8_t n = atomic_load_explicit(&t->n, memory_order_relaxed);
        *out = (struct links){t->link, n < LINKS ? n : LINKS};
        return true;
    }
    uint32_t at = t->upper + layer - 1;
    if (layer > t->level || at < t->upper || at >= v->n_upper)
        return false;
    struct upper *u = &v->upper[at / SLAB][at % SLAB];
    uint32_t n = atomic_load_explicit(&u->n, memory_order_relaxed);
    *out = (struct links){u->link, n < UPPER_LINKS ? n : UPPER_LINKS};
    return true;
}

/* ---- vector_scale.c: numbers to bytes ---- */

/* What is compared with rows: distance = base + ratio * tail.extra - 2 * product, smaller is
 * nearer. `extra` is the row's squared length, but 0 for products; `ratio` brings it to the query's
 * scale. Between rows that is the squared distance: `base` is the squared length of the row that
 * asks. Cosine has it too, for the rows of vectors of length 1 are not of one length, and the
 * longest would draw the links of all that are nearly the same. Questions by cosine compare
 * products.
 *
 * A graph for products takes products as nearness between rows too (Morozov and Babenko,
 * "Non-metric similarity graphs for maximum inner product search", 2018). Two ways to have a
 * distance there were tried, with lengths from 0.5 to 1.5 and from 0.25 to 4: bringing all rows to
 * one length by a further number (recall fell from 0.97 to 0.40), and the distance between the
 * vectors as they are (from 0.99 to 0.77). */
struct probe {
    const int8_t *v; /* [padded] */
    int32_t sum, base;
    float ratio;
};
/* The squared length of a row; bounded for damaged files' sake: in others it is below 2^28. */
static inline int32_t extra_of(const struct shape *s, const uint8_t *row)
{
    const struct tail *t = (const struct tail *)(const void *)(row + s->padded);
    return t->extra < -EXTRA_MOST ? -EXTRA_MOST : t->extra < EXTRA_MOST ? t->extra : EXTRA_MOST;
}
/* The factor that brings `v` to what is kept: 1 / length for cosine, else 1. ERR_INVALID. */
bool vector_scale_factor(enum vector_metric metric, const float *v, size_t n, float *factor,
                         struct err *e);
/* Writes the row and `extra` of a slot from its exact numbers; returns how many were cut off. */
uint32_t vector_scale_row(const struct view *v, uint32_t slot);
/* A query of n numbers; `out` has room for `padded` bytes. */
void vector_scale_query(const struct view *v, const float *q, size_t n, int8_t *out,
                        struct probe *p);
void vector_scale_probe(const struct view *v, uint32_t slot, int8_t *out, struct probe *p);
/* The scale that fits the live vectors; false when there are none. */
bool vector_scale_fit(const struct view *v, float *scale);

/* ---- hnsw_search.c: the walk ---- */

/* distance in the upper half, slot and a bit for "its links were followed" in the lower */
typedef uint64_t near;
static inline uint32_t near_slot(near c)
{
    return (uint32_t)c >> 1;
}
static inline uint32_t near_distance(near c)
{
    return (uint32_t)(c >> 32);
}
static inline near near_make(uint32_t distance, uint32_t slot)
{
    return (uint64_t)distance << 32 | slot << 1;
}

/* Puts `c` into its place among n of at most `room`; returns the place, or `room` for none. */
static inline uint32_t near_put(near *pool, uint32_t *n, uint32_t room, near c)
{
    if (*n == room && c >= pool[room - 1])
        return room;
    uint32_t low = 0, high = *n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (pool[mid] < c)
            low = mid + 1;
        else
            high = mid;
    }
    uint32_t behind = (*n == room ? room - 1 : *n) - low;
    memmove(pool + low + 1, pool + low, behind * sizeof(*pool));
    pool[low] = c;
    *n += *n < room;
    return low;
}

struct walk { /* a thread's memory; zeroed at first */
    uint64_t *seen;
    size_t n_seen; /* words */
    near *pool, *heap;
    size_t pool_room, heap_room;
    uint32_t compared;      /* counts on */
    const uint32_t *hidden; /* [n_hidden] slots that are passed over */
    uint32_t n_hidden;
};
void hnsw_search_fini(struct walk *w);
void hnsw_search_room(struct walk *w, uint32_t effort); /* of the pool */

struct accept {                   /* what may be found */
    const struct docset *allowed; /* NULL: all that is live */
    uint32_t budget;              /* rows to compare at most */
    bool over;                    /* out: the budget was not enough */
};

void hnsw_search_distances(const struct view *v, const struct probe *p, const uint32_t *slot,
                           size_t n, uint32_t *out);
/* From the entry down to `layer` + 1, always to the nearest: where a walk in `layer` begins. */
near hnsw_search_descend(const struct view *v, const struct probe *p, unsigned layer,
                         struct walk *w);
/* The nearest `effort` in a layer, found from from[]; rising in w->pool. Returns how many. With
 * `accept` NULL all nodes count. */
uint32_t hnsw_search_layer(const struct view *v, const struct probe *p, unsigned layer,
                           const near *from, uint32_t n_from, uint32_t effort,
                           struct accept *accept, struct walk *w);

/* ---- vector_search.c ---- */

/* Measures v->curve against a scan, with the vectors of slots that are not linked yet; with none
 * (n = 0), with some that are, which ask harder questions than others do. */
enum { MEASURED_WITH = 400 };
void vector_search_measure(struct view *v, const uint32_t *slot, size_t n, unsigned threads);

/* ---- hnsw_build.c, hnsw_repair.c: the graph ---- */

struct build;
struct build *hnsw_build_new(void);
void hnsw_build_free(struct build *b);
/* Links slots into the graph of the view, with so many threads. */
void hnsw_build_insert(struct build *b, struct view *v, const uint32_t *slot, size_t n,
                       unsigned threads);
/* Chooses at most `room` of `n` candidates, rising by distance from one node, so that each is
 * nearer to it than to those chosen before. */
uint32_t hnsw_build_choose(const struct view *v, const near *c, uint32_t n, uint32_t room,
                           uint32_t *out);
void hnsw_build_set_links(const struct view *v, uint32_t slot, unsigned layer, const uint32_t *to,
                          uint32_t n);
/* Runs fn(arg, begin, end, w) over 0..n in pieces. */
typedef void hnsw_build_fn(void *arg, size_t begin, size_t end, struct walk *w);
void hnsw_build_spread(hnsw_build_fn *fn, void *arg, size_t n, size_t piece, unsigned threads);
/* Puts links around removed nodes, after which none leads to one. */
void hnsw_repair(struct view *v, unsigned threads);
