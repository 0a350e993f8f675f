/* bm25_part.h - what a view of a BM25 index is made of; for the files of bm25 alone. */
#pragma once

#include "index/bm25.h"

struct part {
    _Atomic uint32_t refs;
    struct segment *segment;
    uint64_t *dead; /* a bit per passage; NULL: all live */
    /* [words] how many living passages have the word, and one; 0: not counted yet. Counted when a
     * search first asks; NULL: all live. */
    _Atomic uint32_t *df;
    uint32_t n_live;
    double length;                /* of the living */
    uint32_t by_lang[LANG_COUNT]; /* living passages in each language */
    bool published;               /* writer only */
};

struct bm25_view {
    _Atomic uint32_t refs;
    uint32_t n_parts;
    struct bm25_params params; /* of the index */
    uint64_t n_live;
    double length;
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

/* How many living passages have the word that the cursor stands on. */
uint32_t part_df(const struct part *p, const struct dict_cursor *c);
/* The same of passages whose bit is set. */
uint32_t part_df_in(const struct part *p, const struct dict_cursor *c, const uint64_t *bits);

/* A bit for every living passage of the documents in `set`; in `a`. */
uint64_t *part_allowed(const struct part *p, const struct docset *set, struct arena *a);
/* Takes those out of bits[] that do not fit the clause, as far as their words tell. */
struct bm25_clause;
void part_demand(const struct part *p, const struct bm25_clause *clause, uint64_t *bits);
