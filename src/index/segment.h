/* segment.h - an immutable inverted file over some passages: what a BM25 index is made of.
 *
 * A term is the 64-bit hash of its text; of two terms that share one (one chance in 10^7 among a
 * million terms) the postings are joined. Terms are sorted by hash, postings of a term by passage
 * and cut into blocks of up to 64, each with the highest score that a posting in it can give, so
 * that a search can pass over what cannot reach its best hits (block-max indexes: Ding and Suel,
 * "Faster Top-k Document Retrieval Using Block-Max Indexes", 2011).
 *
 * A block spans fewer than 65,536 passages: a posting is two bytes of distance from the block's
 * first passage and one byte of count. Not delta-coded: 3 bytes against some 1.5, but a posting is
 * found without unpacking what lies before it.
 *
 * All of it lies in one piece of memory, the image, which is also its form on disk.
 *
 * The block maxima hold for the mean length at building time. For another mean m a passage's share
 * grows at most by max(1, m / mean_length), by which a search scales them.
 *
 * Units:   lengths count terms; counts above 255 count as 255.
 * Threads: any number may read; the reference count is atomic.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "text/lang.h"

#include <stdatomic.h>

struct bm25_params {
    float k1, b;
};

enum { SEGMENT_BLOCK = 64, SEGMENT_MAX_POSTINGS = 1 << 30, SEGMENT_MAX_PASSAGES = 1 << 28 };

struct segment_block {
    uint32_t base; /* first passage */
    uint32_t at;   /* its first posting; the next block's `at` is its end */
    uint32_t last; /* last passage */
    float max;     /* highest tf part of the score in it */
};

struct segment_document {
    int64_t id;
    uint32_t first, n; /* its passages */
    uint32_t lang;     /* enum lang: how its words were stemmed */
    uint32_t zero;
};

/* Keeps the arena in which the images of several segments lie, until the last of them goes. */
struct segment_holder {
    _Atomic uint32_t refs;
    struct arena *arena;
};

struct segment {
    _Atomic uint32_t refs;
    struct bm25_params params;
    uint32_t n_passages, n_terms, n_blocks, n_postings, n_documents;
    uint64_t length;   /* sum over all passages */
    float mean_length; /* for which block maxima were computed */
    /* In the image: */
    const uint64_t *term;                    /* [n_terms], rising */
    const int64_t *key;                      /* [n_passages] the caller's name of each */
    const struct segment_document *document; /* [n_documents], rising by id */
    const struct segment_block *block;       /* [n_blocks + 1]; one more as an end mark */
    const uint32_t *term_block;              /* [n_terms + 1] first block of each */
    const uint32_t *passage_length;          /* [n_passages] */
    const uint16_t *distance;                /* [n_postings] from the block's base */
    const uint8_t *count;                    /* [n_postings] from 1 */
    struct str image;
    struct segment_holder *holder; /* NULL: the image is the segment's own */
    /* Beside it: where terms with equal leading bits begin, and whose a passage is. */
    uint32_t *bucket;
    uint32_t *owner; /* [n_passages] index of its document */
    uint32_t bucket_shift;
};

struct segment *segment_ref(struct segment *s);
void segment_unref(struct segment *s);

#define SEGMENT_NO_TERM UINT32_MAX
uint32_t segment_find(const struct segment *s, uint64_t term); /* index or SEGMENT_NO_TERM */
const struct segment_document *segment_find_document(const struct segment *s, int64_t id);
/* Postings of a term, live or not. */
static inline uint32_t segment_postings(const struct segment *s, uint32_t term)
{
    return s->block[s->term_block[term + 1]].at - s->block[s->term_block[term]].at;
}

/* The share of a score that the counts of one passage give, without the idf. */
static inline float bm25_tf(const struct bm25_params *p, float count, float length, float mean)
{
    return count * (p->k1 + 1) / (count + p->k1 * (1 - p->b + p->b * length / mean));
}

/* ---- Building. Passages of one document follow each other. ---- */

struct segment_builder;
struct segment_builder *segment_builder_new(struct bm25_params params);
void segment_builder_free(struct segment_builder *b);
/* `term` is used as scratch: it comes back sorted. Repeats count. */
void segment_builder_add(struct segment_builder *b, int64_t document, enum lang lang, int64_t key,
                         uint64_t *term, size_t n, uint32_t length);
uint32_t segment_builder_passages(const struct segment_builder *b);
uint64_t segment_builder_postings(const struct segment_builder *b);
bool segment_builder_holds(const struct segment_builder *b, int64_t document);
/* Makes a segment of what was added and empties the builder. At least one passage. */
struct segment *segment_build(struct segment_builder *b);

/* Joins segments in order, without the dead. dead[i]: a bit per passage, or NULL. At least one
 * passage lives, and together they hold at most SEGMENT_MAX_POSTINGS. */
struct segment *segment_merge(struct segment *const *s, const uint64_t *const *dead, size_t n);

/* Takes the arena over, with one reference for the caller. */
struct segment_holder *segment_holder_new(struct arena *arena);
void segment_holder_unref(struct segment_holder *h);

/* A segment from its image, as read from a file: every offset in it is checked, so that a damaged
 * image gives ERR_CORRUPT and never a wild read. The image is copied, unless it lies in a holder,
 * aligned to 8 bytes: then it stays there. */
bool segment_load(struct segment **out, struct str image, struct segment_holder *holder,
                  struct err *e);
