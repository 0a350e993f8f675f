/* near.h - how alike two passages are: near-duplicates, and what only repeats.
 *
 * A passage becomes a sketch: all its runs of SPAN letters (case folded, everything between words
 * one space) fall by their hashes into NEAR_KEPT groups, of each of which the lowest hash is kept.
 * The share of groups in which two passages have the same one estimates that of all their runs, the
 * Jaccard index, within some 0.06 (Li, Owen and Zhang, "One Permutation Hashing", 2012; the idea is
 * Broder's, "On the resemblance and containment of documents", 1997). Runs of bytes and not words,
 * so that it holds for scripts without spaces too.
 *
 * Two texts made from one template differ in little but their numbers, and then say different
 * things: near-duplicates have the same numbers.
 *
 * Memory:  a sketch is a plain struct.
 * Threads: any.
 * Cost:    about 3 ns per byte, and 10 ns per pair.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { NEAR_KEPT = 64 };

struct near {
    uint32_t lowest[NEAR_KEPT]; /* UINT32_MAX: no run is in that group */
    uint64_t numbers;           /* a hash of the numbers in the text, in whatever order */
    uint64_t whole;             /* and of all of it, so folded */
};

void near_sketch(struct near *s, struct str text);
/* 0 to 1. */
double near_likeness(const struct near *a, const struct near *b);
/* The same but for a few letters. */
bool near_same(const struct near *a, const struct near *b);
