/* bm25_find.h - one word's postings by passage, with their places; for the files of bm25 alone.
 *
 * Memory:  a finder lives in the arena it was opened with.
 */
#pragma once

#include "index/bm25_part.h"

struct finder {
    const struct segment *segment;
    struct segment_block *block;
    uint32_t n_blocks;
    uint32_t open; /* the block in `postings`; n_blocks: none */
    uint32_t at;   /* the posting found */
    struct segment_postings postings;
};

bool finder_open(struct finder *f, const struct segment *s, uint64_t term, struct arena *a);
bool finder_find(struct finder *f, uint32_t passage); /* false: the word is not there */
size_t finder_places(struct finder *f, uint32_t out[SEGMENT_PLACES]); /* of what was found */
