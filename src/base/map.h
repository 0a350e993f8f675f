/* map.h - a hash table from text to a pointer. Open addressing, robin hood, keyed hash.
 *
 * Memory:  keys are copied unless the map is told that they live long enough; values are the
 *          caller's.
 * Threads: many readers, or one writer.
 */
#pragma once

#include "base/str.h"

struct map_slot {
    struct str key;
    uint32_t hash; /* 0 = free */
    void *value;
};

struct map {
    struct map_slot *slot;
    uint32_t cap, n; /* cap is a power of two, or 0 */
    bool borrow_keys;
};

void map_init(struct map *m);
void map_init_borrowing(struct map *m); /* keys are not copied */
void map_fini(struct map *m);
void *map_get(const struct map *m, struct str key); /* NULL when not there */
/* Sets key to a value that is not NULL; returns the value that stood there before, or NULL. */
void *map_set(struct map *m, struct str key, void *value);
void *map_remove(struct map *m, struct str key); /* returns what it was, or NULL */

/* map_each(s, &m) { ... } visits the slots in use, in no order; the map must not change meanwhile.
 */
struct map_slot *map_first(const struct map *m);
struct map_slot *map_after(const struct map *m, const struct map_slot *s);
#define map_each(s, m) for (struct map_slot *s = map_first(m); s; s = map_after(m, s))
