/* segment.h - an immutable inverted file over some passages: what a BM25 index is made of.
 *
 * Words lie in a dictionary (index/dict.h). The postings of a word are sorted by passage and cut
 * into blocks of up to 128, compressed (index/pack.h), each with the highest share of a score that
 * a posting in it can give, so that a search can pass over what cannot reach its best hits
 * (block-max indexes: Ding and Suel, "Faster Top-k Document Retrieval Using Block-Max Indexes",
 * 2011).
 *
 * Of each posting there is the passage and how often the word stands in each field. The counts are
 * one number, an index into the segment's table of the combinations that occur, the frequent ones
 * first. Where words stand is not kept: it would take as much again, and the texts that tell it are
 * at hand (index/phrase.h).
 *
 * All of it lies in one piece of memory, the image, which is also its form on disk; but for tables
 * of a few bytes per passage and word, which are made when it is opened, nothing is copied.
 *
 * The block maxima hold for the parameters and the mean length at building time; bm25.h says how
 * a search scales them for others.
 *
 * Units:   lengths count terms, weighted by field; counts above SEGMENT_COUNT_MAX are cut off.
 * Threads: any number may read; reference counts are atomic.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "index/dict.h"
#include "index/pack.h"
#include "text/lang.h"

#include <stdatomic.h>

/* The parts of a passage that are weighed apart. */
enum bm25_field { BM25_TITLE, BM25_SECTION, BM25_BODY, BM25_FIELDS };

#define BM25_WEIGHT_MIN .001f
#define BM25_WEIGHT_MAX 1000.f
struct bm25_params {
    float k1, b;               /* 0 to 1000, 0 to 1 */
    float weight[BM25_FIELDS]; /* how much a word counts in each field, as count and as length */
};

static inline bool bm25_same_weights(const struct bm25_params *a, const struct bm25_params *b)
{
    bool same = true;
    for (int f = 0; f < BM25_FIELDS; f++)
        same = same && a->weight[f] == b->weight[f];
    return same;
}

static inline bool bm25_same_params(const struct bm25_params *a, const struct bm25_params *b)
{
    return a->k1 == b->k1 && a->b == b->b && bm25_same_weights(a, b);
}

/* A passage as a list of words. */
struct bm25_token {
    uint64_t term; /* hash_stable of its text */
    uint32_t at;   /* where its text begins in `text` */
    uint8_t len;   /* of it, 1 to DICT_WORD_MAX */
    uint8_t field;
};

struct bm25_passage {
    const struct bm25_token *token;
    size_t n;
    const char *text;
    uint32_t length[BM25_FIELDS];
};

enum {
    SEGMENT_MAX_POSTINGS = 1 << 29,
    SEGMENT_MAX_PASSAGES = 1 << 28,
    SEGMENT_COUNT_MAX = 255, /* in the body; 3 in title and section */
    SEGMENT_SMALL_COUNT = 3,
    SEGMENT_CODES = 4096,
};

/* How often a posting's word stands in each field: one entry of the segment's table. */
struct segment_code {
    uint8_t count[BM25_FIELDS], zero;
    uint32_t uses;
};

struct segment_document {
    uint32_t number;   /* as given */
    uint32_t first, n; /* its passages */
    uint32_t lang;     /* enum lang: how its words were stemmed */
};

/* A piece of memory in which images lie, until the last segment in it goes. */
struct segment_holder {
    _Atomic uint32_t refs;
    struct arena *arena;
    char *bytes; /* or this */
};

struct segment {
    _Atomic uint32_t refs;
    struct bm25_params params; /* for which block maxima were computed, */
    float mean_length;         /* and this */
    bool loose;                /* `length` has other weights than they have */
    uint32_t n_passages, n_codes, n_documents;
    uint64_t n_postings;
    double total_length;
    struct dict dict;
    /* in the image */
    const struct segment_code *code; /* [n_codes] */
    const uint8_t *list;             /* postings */
    uint64_t n_list;                 /* bytes */
    struct str passages;             /* the table of passages, packed */
    struct str image;
    struct segment_holder *holder;
    /* beside it */
    struct segment_document *document; /* [n_documents], in order of passages */
    uint32_t *by_number;               /* [n_documents] indexes of document[], by number */
    int64_t *key;                      /* [n_passages] the caller's name of each */
    uint32_t *owner;                   /* [n_passages] index of its document */
    float *length;                     /* [n_passages] */
};

struct segment *segment_ref(struct segment *s);
void segment_unref(struct segment *s);

/* The word with this hash; false: the segment has none. */
static inline bool segment_find(const struct segment *s, uint64_t term, struct dict_cursor *c)
{
    return dict_find(c, &s->dict, term);
}

const struct segment_document *segment_find_document(const struct segment *s, uint32_t number);

/* The share of a score that a weighted count gives, without the idf and k1 + 1: below 1. */
static inline float bm25_share(const struct bm25_params *p, float count, float length, float mean)
{
    return count / (count + p->k1 * (1 - p->b + p->b * length / mean));
}

/* The same times k1 + 1: the part of the formula that counts make. */
static inline float bm25_tf(const struct bm25_params *p, float count, float length, float mean)
{
    return (p->k1 + 1) * bm25_share(p, count, length, mean);
}

static inline float bm25_count(const struct bm25_params *p, const struct segment_code *c)
{
    return p->weight[BM25_TITLE] * c->count[BM25_TITLE] +
           p->weight[BM25_SECTION] * c->count[BM25_SECTION] +
           p->weight[BM25_BODY] * c->count[BM25_BODY];
}

/* ---- The postings of a word ---- */

struct segment_block {
    uint32_t after; /* its passages are above this: the last of the block before, or -1 */
    uint32_t last;  /* last passage */
    uint32_t n;     /* postings; 0 when only unpacking tells: up to PACK_BLOCK */
    float max;      /* highest share in it */
    uint64_t at;    /* in the list */
};

/* The blocks of a word: room for segment_n_blocks of its cursor. */
uint32_t segment_n_blocks(const struct segment *s, const struct dict_cursor *c);
void segment_blocks(const struct segment *s, const struct dict_cursor *c,
                    struct segment_block *block);

/* A block, unpacked. */
struct segment_postings {
    uint32_t n;
    uint32_t passage[PACK_BLOCK], code[PACK_BLOCK];
};
void segment_unpack(const struct segment *s, const struct segment_block *b,
                    struct segment_postings *out);

/* ---- Building. Passages of one document follow each other. ---- */

struct segment_builder;
struct segment_builder *segment_builder_new(void);
void segment_builder_free(struct segment_builder *b);
void segment_builder_add(struct segment_builder *b, uint32_t document, enum lang lang, int64_t key,
                         const struct bm25_passage *p);
uint32_t segment_builder_passages(const struct segment_builder *b);
uint64_t segment_builder_tokens(const struct segment_builder *b);
bool segment_builder_holds(const struct segment_builder *b, uint32_t document);
/* Makes a segment of what was added and empties the builder. At least one passage. */
struct segment *segment_build(struct segment_builder *b, const struct bm25_params *params);

/* Joins segments in order, without the dead. dead[i]: a bit per passage, or NULL. At least one
 * passage lives, and together they hold at most SEGMENT_MAX_POSTINGS. */
struct segment *segment_merge(struct segment *const *s, const uint64_t *const *dead, size_t n,
                              const struct bm25_params *params);

/* ---- Images ---- */

/* Takes the arena, or bytes from mem_new, over, with one reference for the caller. */
struct segment_holder *segment_holder_new(struct arena *arena, char *bytes);
void segment_holder_unref(struct segment_holder *h);

/* A segment from its image, which lies at a multiple of 8 in the holder. All that a search follows
 * is checked, so that a damaged image gives ERR_CORRUPT and never a wild read. With other weights
 * than it was built for its lengths are computed anew. */
bool segment_load(struct segment **out, struct str image, struct segment_holder *holder,
                  const struct bm25_params *params, struct err *e);
