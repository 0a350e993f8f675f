/* docset.h - a set of documents of one collection, a bit for each: what a filter becomes before a
 * search begins.
 *
 * Documents are known to the indexes by number, from 0, given out per collection (index/search.h).
 * A filter, the rights of a caller and what is deleted all end as such sets; both engines test the
 * bit of a candidate's document before it is scored, so what is not in the set leaves no trace.
 *
 * Memory:  owned by whoever made it; numbers from `room` on are not in the set.
 * Threads: one at a time while it changes; any number may read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct docset {
    uint32_t room; /* numbers below this can be in it */
    uint64_t bits[];
};

struct docset *docset_new(uint32_t room); /* empty */
void docset_free(struct docset *s);

static inline bool docset_has(const struct docset *s, uint32_t doc)
{
    return doc < s->room && (s->bits[doc / 64] >> doc % 64 & 1);
}

void docset_add(struct docset *s, uint32_t doc); /* below room */
void docset_drop(struct docset *s, uint32_t doc);
void docset_fill(struct docset *s);                          /* all below room */
void docset_or(struct docset *s, const struct docset *with); /* of `with` those below s->room */
uint32_t docset_count(const struct docset *s);

/* The first number in the set from `doc` on; s->room when there is none. */
uint32_t docset_next(const struct docset *s, uint32_t doc);
