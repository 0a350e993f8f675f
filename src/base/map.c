/* Robin hood hashing (Celis, 1986): an entry that is further from its home slot takes the place of
 * one that is nearer, so probes stay short at 7/8 full and a miss ends as early as a hit. Removing
 * shifts the entries behind back by one; there are no tombstones. */
#include "base/map.h"
#include "base/hash.h"
#include "base/mem.h"

enum { FIRST_CAP = 8 };

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_init_borrowing(struct map *m)
{
    *m = (struct map){.borrow_keys = true};
}

static void free_key(const struct map *m, const struct map_slot *s)
{
    if (!m->borrow_keys)
        mem_free((char *)s->key.p);
}

void map_fini(struct map *m)
{
    for (uint32_t i = 0; i < m->cap; i++)
        if (m->slot[i].hash)
            free_key(m, &m->slot[i]);
    mem_free(m->slot);
    *m = (struct map){0};
}

static uint32_t hash_of(struct str key)
{
    uint32_t h = (uint32_t)hash64(key);
    return h ? h : 1;
}

/* How far the entry in slot `i` is from where it belongs. */
static uint32_t distance(const struct map *m, uint32_t i)
{
    return (i - m->slot[i].hash) & (m->cap - 1);
}

static struct map_slot *find(const struct map *m, struct str key, uint32_t hash)
{
    if (m->n == 0)
        return NULL;
    uint32_t mask = m->cap - 1, i = hash & mask;
    for (uint32_t far = 0; m->slot[i].hash && distance(m, i) >= far; far++) {
        if (m->slot[i].hash == hash && str_eq(m->slot[i].key, key))
            return &m->slot[i];
        i = (i + 1) & mask;
    }
    return NULL;
}

/* There is room, and no entry with this key. */
static void insert(struct map *m, struct map_slot in)
{
    uint32_t mask = m->cap - 1, i = in.hash & mask;
    for (uint32_t far = 0; m->slot[i].hash; far++) {
        uint32_t other = distance(m, i);
        if (other < far) {
            struct map_slot out = m->slot[i];
            m->slot[i] = in;
            in = out;
            far = other;
        }
        i = (i + 1) & mask;
    }
    m->slot[i] = in;
}

static void grow(struct map *m)
{
    struct map_slot *old = m->slot;
    uint32_t n = m->cap;
    CHECK(n <= UINT32_MAX / 4);
    m->cap = n ? n * 2 : FIRST_CAP;
    m->slot = mem_array(m->cap, sizeof(*m->slot));
    for (uint32_t i = 0; i < n; i++)
        if (old[i].hash)
            insert(m, old[i]);
    mem_free(old);
}

void *map_get(const struct map *m, struct str key)
{
    struct map_slot *s = find(m, key, hash_of(key));
    return s ? s->value : NULL;
}

void *map_set(struct map *m, struct str key, void *value)
{
    CHECK(value);
    uint32_t hash = hash_of(key);
    struct map_slot *s = find(m, key, hash);
    if (s) {
        void *old = s->value;
        s->value = value;
        return old;
    }
    if (m->n >= m->cap - m->cap / 8)
        grow(m);
    if (!m->borrow_keys)
        key.p = mem_copy(key.p, key.len);
    insert(m, (struct map_slot){key, hash, value});
    m->n++;
    return NULL;
}

void *map_remove(struct map *m, struct str key)
{
    struct map_slot *s = find(m, key, hash_of(key));
    if (!s)
        return NULL;
    void *old = s->value;
    free_key(m, s);
    uint32_t mask = m->cap - 1, hole = (uint32_t)(s - m->slot), i = (hole + 1) & mask;
    while (m->slot[i].hash && distance(m, i) > 0) {
        m->slot[hole] = m->slot[i];
        hole = i;
        i = (i + 1) & mask;
    }
    m->slot[hole] = (struct map_slot){0};
    m->n--;
    return old;
}

static struct map_slot *used_from(const struct map *m, uint32_t i)
{
    while (i < m->cap && !m->slot[i].hash)
        i++;
    return i < m->cap ? &m->slot[i] : NULL;
}

struct map_slot *map_first(const struct map *m)
{
    return used_from(m, 0);
}

struct map_slot *map_after(const struct map *m, const struct map_slot *s)
{
    return used_from(m, (uint32_t)(s - m->slot) + 1);
}
