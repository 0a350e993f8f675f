/* nearness.h - whether words stand near each other, in any order.
 *
 * Places are given one after another, each with the words that fit there. Every word needs a place
 * of its own, also when it is wanted twice. Of all the ways to seat the words the one kept is that
 * whose places are the latest; so the shortest stretch that ends at a place is known there.
 *
 * Threads: any; one at a time for each struct. Cost: at most NEARNESS_WORDS steps per place.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NEARNESS_WORDS = 64 };

struct nearness {
    size_t n;                      /* words */
    uint64_t reach;                /* between the first place and the last */
    int64_t place[NEARNESS_WORDS]; /* of each word; -1: none yet */
    uint64_t fits[NEARNESS_WORDS]; /* the words that fit there, a bit for each */
};

void nearness_begin(struct nearness *f, size_t n, uint64_t reach); /* n <= NEARNESS_WORDS */
/* The next place, higher than those before, and what fits there: bits below n. Returns whether all
 * words stand within reach of it, looking back; they then begin at *first. */
bool nearness_add(struct nearness *f, uint32_t place, uint64_t fits, uint32_t *first);
