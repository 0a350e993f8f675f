/* top.h - the best k of many hits: a heap with the worst of them on top.
 *
 * Better is a higher score; of equal scores the lower key, then the lower view.
 *
 * Memory:  hit[] is the caller's, with room for k.
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hit {
    int64_t key, document; /* as given when it was added */
    float score;
    uint32_t view; /* index into what was searched */
};

struct top {
    struct hit *hit;
    size_t n, k; /* k > 0 */
};

/* The score below which nothing comes in any more; `none` while there is room. */
static inline float top_needed(const struct top *t, float none)
{
    return t->n == t->k ? t->hit[0].score : none;
}

void top_offer(struct top *t, struct hit hit);
void top_sort(struct top *t); /* best first; nothing can be offered any more */
