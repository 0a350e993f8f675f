/* bm25_part.h - what a view of a BM25 index is made of; for bm25.c and bm25_search.c alone. */
#pragma once

#include "index/bm25.h"

struct part {
    _Atomic uint32_t refs;
    struct segment *segment;
    uint64_t *dead; /* a bit per passage; NULL: all live */
    uint32_t *df;   /* [n_terms] living passages with the term; NULL: all live */
    uint32_t n_live;
    uint64_t length;              /* of the living */
    uint32_t by_lang[LANG_COUNT]; /* living passages in each language */
    /* writer only */
    bool published;
    uint64_t *fresh;   /* passages that died since df was counted; NULL: none */
    uint32_t from, to; /* all of them are in [from, to) */
};

struct bm25_view {
    _Atomic uint32_t refs;
    uint32_t n_parts;
    struct bm25_params params; /* of the index */
    uint64_t n_live, length;
    uint64_t by_lang[LANG_COUNT];
    struct part *part[]; /* oldest and largest first */
};

static inline size_t words_of(uint32_t bits)
{
    return ((size_t)bits + 63) / 64;
}

static inline bool bit(const uint64_t *bits, uint32_t i)
{
    return bits[i / 64] >> i % 64 & 1;
}

/* How many living passages have a term of the segment. */
static inline uint32_t part_df(const struct part *p, uint32_t term)
{
    return p->df ? p->df[term] : segment_postings(p->segment, term);
}
