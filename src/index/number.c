/* Each epoch holds the next one, so an epoch goes only after all before it; going, it hands the
 * numbers that were lost at its end to the pool. From document to number leads a table with linear
 * probing; a removal moves what follows back (Knuth, "Sorting and Searching", 6.4 R). */
#include "index/number.h"
#include "base/lock.h"
#include "base/mem.h"

#include <stdatomic.h>

struct pool {
    _Atomic uint32_t refs;
    struct lock lock;
    uint32_t *free; /* under lock */
    size_t n, room;
};

struct epoch {
    _Atomic uint32_t refs;
    struct pool *pool;
    /* set when it ends */
    struct epoch *next;
    uint32_t *lost;
    size_t n_lost;
};

struct slot {
    int64_t document; /* 0 = empty */
    uint32_t number;
};

struct numbers {
    struct pool *pool;
    struct epoch *now;
    _Atomic uint32_t next; /* never given to anyone; written by one */
    uint32_t *lost;
    size_t n_lost, room;
    struct slot *slot;
    size_t used, cap; /* cap is a power of two, or 0 */
};

/* ---- Pool and epochs ---- */

static void pool_unref(struct pool *p)
{
    if (atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    lock_fini(&p->lock);
    mem_free(p->free);
    mem_free(p);
}

static struct pool *pool_ref(struct pool *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

static void push(uint32_t **list, size_t *n, size_t *room, uint32_t number)
{
    if (*n == *room) {
        *room = *room * 2 + 16;
        *list = mem_resize(*list, *room, sizeof(**list));
    }
    (*list)[(*n)++] = number;
}

static void give_back(struct pool *p, const uint32_t *number, size_t n)
{
    lock_take(&p->lock);
    for (size_t i = 0; i < n; i++)
        push(&p->free, &p->n, &p->room, number[i]);
    lock_drop(&p->lock);
}

static bool take_free(struct pool *p, uint32_t *number)
{
    lock_take(&p->lock);
    bool any = p->n > 0;
    if (any)
        *number = p->free[--p->n];
    lock_drop(&p->lock);
    return any;
}

static struct epoch *epoch_new(struct pool *p)
{
    struct epoch *e = mem_new(sizeof(*e));
    e->refs = 1;
    e->pool = pool_ref(p);
    return e;
}

struct epoch *epoch_ref(struct epoch *e)
{
    atomic_fetch_add(&e->refs, 1);
    return e;
}

void epoch_unref(struct epoch *e)
{
    while (e && atomic_fetch_sub(&e->refs, 1) == 1) {
        struct epoch *next = e->next;
        give_back(e->pool, e->lost, e->n_lost);
        pool_unref(e->pool);
        mem_free(e->lost);
        mem_free(e);
        e = next;
    }
}

struct epoch *numbers_epoch(struct numbers *n)
{
    return epoch_ref(n->now);
}

void numbers_turn(struct numbers *n)
{
    struct epoch *ended = n->now;
    struct epoch *next = epoch_new(n->pool);
    atomic_fetch_add(&next->refs, 1); /* one for `ended`, one for n->now */
    ended->next = next;
    ended->lost = n->lost;
    ended->n_lost = n->n_lost;
    n->lost = NULL;
    n->n_lost = n->room = 0;
    n->now = next;
    epoch_unref(ended);
}

/* ---- Documents ---- */

static size_t home(const struct numbers *n, int64_t document)
{
    return (size_t)((uint64_t)document * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (n->cap - 1);
}

/* The document's slot, or the empty one where it would go. */
static size_t find(const struct numbers *n, int64_t document)
{
    size_t i = home(n, document);
    while (n->slot[i].document && n->slot[i].document != document)
        i = (i + 1) & (n->cap - 1);
    return i;
}

static void grow(struct numbers *n)
{
    struct slot *old = n->slot;
    size_t cap = n->cap;
    n->cap = cap ? 2 * cap : 64;
    n->slot = mem_array(n->cap, sizeof(*n->slot));
    for (size_t i = 0; i < cap; i++)
        if (old[i].document)
            n->slot[find(n, old[i].document)] = old[i];
    mem_free(old);
}

void numbers_set(struct numbers *n, int64_t document, uint32_t number)
{
    if (2 * (n->used + 1) > n->cap)
        grow(n);
    struct slot *s = &n->slot[find(n, document)];
    n->used += s->document == 0;
    *s = (struct slot){document, number};
    if (number >= n->next)
        n->next = number + 1;
}

void numbers_spare(struct numbers *n, uint32_t number)
{
    give_back(n->pool, &number, 1);
    if (number >= n->next)
        n->next = number + 1;
}

bool numbers_find(const struct numbers *n, int64_t document, uint32_t *number)
{
    if (!n->cap)
        return false;
    const struct slot *s = &n->slot[find(n, document)];
    *number = s->number;
    return s->document != 0;
}

uint32_t numbers_take(struct numbers *n, int64_t document)
{
    uint32_t number;
    if (numbers_find(n, document, &number))
        push(&n->lost, &n->n_lost, &n->room, number);
    if (!take_free(n->pool, &number))
        number = n->next;
    numbers_set(n, document, number);
    return number;
}

void numbers_drop(struct numbers *n, int64_t document)
{
    uint32_t number;
    if (!numbers_find(n, document, &number))
        return;
    push(&n->lost, &n->n_lost, &n->room, number);
    size_t hole = find(n, document), mask = n->cap - 1;
    for (size_t i = (hole + 1) & mask; n->slot[i].document; i = (i + 1) & mask) {
        size_t from = home(n, n->slot[i].document);
        if (((i - from) & mask) >= ((i - hole) & mask)) {
            n->slot[hole] = n->slot[i];
            hole = i;
        }
    }
    n->slot[hole] = (struct slot){0};
    n->used--;
}

uint32_t numbers_end(const struct numbers *n)
{
    return n->next;
}

struct numbers *numbers_new(void)
{
    struct numbers *n = mem_new(sizeof(*n));
    n->pool = mem_new(sizeof(*n->pool));
    n->pool->refs = 1;
    lock_init(&n->pool->lock);
    n->now = epoch_new(n->pool);
    return n;
}

void numbers_free(struct numbers *n)
{
    if (!n)
        return;
    epoch_unref(n->now);
    pool_unref(n->pool);
    mem_free(n->lost);
    mem_free(n->slot);
    mem_free(n);
}
