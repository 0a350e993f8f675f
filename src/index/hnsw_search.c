/* The walk through the graph. A search that takes what it finds keeps one sorted pool: the nearest
 * `effort` seen, each with a bit that tells whether its links were followed. That is the same as
 * the two heaps of the paper, with fewer moves. When only some may be found the nodes that lead on
 * are more than those, and are kept in a heap.
 *
 * Time goes into waiting for memory: links, then rows. So the rows of all new neighbours are asked
 * for before the first is compared, and the links of the node that is likely next while the rows of
 * this one come. */
#include "index/vector_part.h"
#include "math/dot8.h"

enum { LINE = 64, LINES_AHEAD = 12 /* of a row; the processor sees the rest coming */ };

void hnsw_search_fini(struct walk *w)
{
    mem_free(w->seen);
    mem_free(w->pool);
    mem_free(w->heap);
    *w = (struct walk){0};
}

static void fetch_row(const struct view *v, uint32_t slot)
{
    const uint8_t *row = row_of(v, slot);
    size_t len = size_min(v->shape.padded, (size_t)LINES_AHEAD * LINE);
    for (size_t i = 0; i < len; i += LINE)
        __builtin_prefetch(row + i);
}

static void fetch_links(const struct view *v, uint32_t slot)
{
    const char *t = (const char *)tail_of(v, slot);
    __builtin_prefetch(t);
    __builtin_prefetch(t + LINE);
}

void hnsw_search_distances(const struct view *v, const struct probe *p, const uint32_t *slot,
                           size_t n, uint32_t *out)
{
    const uint8_t *row[LINKS + 3];
    int32_t product[LINKS + 3];
    for (size_t begin = 0; begin < n; begin += COUNT(row)) {
        size_t now = size_min(n - begin, COUNT(row));
        for (size_t i = 0; i < now; i++)
            row[i] = row_of(v, slot[begin + i]);
        dot8_rows(p->v, p->sum, row, now, v->shape.padded, product);
        for (size_t i = 0; i < now; i++) {
            int32_t d = p->base - 2 * product[i];
            if (p->ratio == 1) /* between rows: to the last bit */
                d += extra_of(&v->shape, row[i]);
            else if (p->ratio != 0)
                d += (int32_t)(p->ratio * (float)extra_of(&v->shape, row[i]));
            out[begin + i] = (uint32_t)d ^ UINT32_C(0x80000000);
        }
    }
}

/* ---- What was seen ---- */

static void forget(struct walk *w, const struct view *v)
{
    size_t words = v->n_slots / 64 + 1;
    if (words > w->n_seen) {
        mem_free(w->seen);
        w->seen = mem_array(words + words / 4, sizeof(*w->seen));
        w->n_seen = words + words / 4;
        return;
    }
    memset(w->seen, 0, words * sizeof(*w->seen));
}

static bool is_hidden(const struct walk *w, uint32_t slot)
{
    for (uint32_t i = 0; i < w->n_hidden; i++)
        if (w->hidden[i] == slot)
            return true;
    return false;
}

static bool is_new(struct walk *w, uint32_t slot)
{
    uint64_t bit = UINT64_C(1) << slot % 64, *word = &w->seen[slot / 64];
    if (*word & bit)
        return false;
    *word |= bit;
    return true;
}

void hnsw_search_room(struct walk *w, uint32_t effort)
{
    if (w->pool_room < effort) {
        w->pool = mem_resize(w->pool, effort, sizeof(*w->pool));
        w->pool_room = effort;
    }
}

/* The neighbours of a node that were not seen, each with its distance. */
static size_t meet(const struct view *v, const struct probe *p, unsigned layer, uint32_t slot,
                   struct walk *w, near out[LINKS])
{
    uint32_t fresh[LINKS], distance[LINKS];
    struct links l;
    size_t n = 0;
    if (!links_of(v, slot, layer, &l))
        return 0;
    for (uint32_t i = 0; i < l.n; i++) {
        uint32_t to = atomic_load_explicit(&l.link[i], memory_order_acquire);
        if (to < v->n_slots && is_new(w, to)) {
            fetch_row(v, to);
            fresh[n++] = to;
        }
    }
    if (n == 0)
        return 0;
    hnsw_search_distances(v, p, fresh, n, distance);
    for (size_t i = 0; i < n; i++)
        out[i] = near_make(distance[i], fresh[i]);
    w->compared += (uint32_t)n;
    return n;
}

/* ---- From the top ---- */

near hnsw_search_descend(const struct view *v, const struct probe *p, unsigned layer,
                         struct walk *w)
{
    uint32_t distance;
    hnsw_search_distances(v, p, &v->entry, 1, &distance);
    near best = near_make(distance, v->entry);
    for (unsigned l = v->top; l > layer; l--)
        for (bool moved = true; moved;) {
            uint32_t to[UPPER_LINKS], d[UPPER_LINKS];
            struct links links;
            size_t n = 0;
            moved = false;
            if (!links_of(v, near_slot(best), l, &links))
                break;
            for (uint32_t i = 0; i < links.n; i++) {
                uint32_t slot = atomic_load_explicit(&links.link[i], memory_order_acquire);
                if (slot < v->n_slots && !is_hidden(w, slot)) {
                    fetch_row(v, slot);
                    to[n++] = slot;
                }
            }
            if (n)
                hnsw_search_distances(v, p, to, n, d);
            w->compared += (uint32_t)n;
            for (size_t i = 0; i < n; i++)
                if (near_make(d[i], to[i]) < best) {
                    best = near_make(d[i], to[i]);
                    moved = true;
                }
        }
    return best;
}

/* ---- The pool ---- */

static uint32_t walk_all(const struct view *v, const struct probe *p, unsigned layer,
                         const near *from, uint32_t n_from, uint32_t effort, struct walk *w)
{
    near *pool = w->pool, met[LINKS];
    uint32_t n = 0, at = 0;
    for (uint32_t i = 0; i < n_from; i++)
        if (is_new(w, near_slot(from[i])))
            near_put(pool, &n, effort, from[i] & ~UINT64_C(1));
    while (at < n) {
        if (pool[at] & 1) {
            at++;
            continue;
        }
        pool[at] |= 1;
        if (layer == 0 && at + 1 < n)
            fetch_links(v, near_slot(pool[at + 1]));
        size_t n_met = meet(v, p, layer, near_slot(pool[at]), w, met);
        uint32_t lowest = at + 1;
        for (size_t i = 0; i < n_met; i++) {
            uint32_t place = near_put(pool, &n, effort, met[i]);
            if (place <= at && layer == 0)
                fetch_links(v, near_slot(met[i]));
            if (place < lowest)
                lowest = place;
        }
        at = lowest;
    }
    return n;
}

/* ---- The walk that may keep only some ---- */

static void push(struct walk *w, size_t *n, near c)
{
    if (*n == w->heap_room) {
        w->heap_room = w->heap_room * 2 + 256;
        w->heap = mem_resize(w->heap, w->heap_room, sizeof(*w->heap));
    }
    size_t i = (*n)++;
    for (; i && c < w->heap[(i - 1) / 2]; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = c;
}

static near pop(struct walk *w, size_t *n)
{
    near top = w->heap[0], last = w->heap[--*n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < *n; i = child) {
        if (child + 1 < *n && w->heap[child + 1] < w->heap[child])
            child++;
        if (last <= w->heap[child])
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

static bool accepts(const struct view *v, const struct accept *a, uint32_t slot)
{
    return is_live(v, slot) &&
           (!a->allowed || docset_has(a->allowed, ids_of(v, slot)->document[slot % SLAB]));
}

static uint32_t walk_some(const struct view *v, const struct probe *p, unsigned layer,
                          const near *from, uint32_t n_from, uint32_t effort, struct accept *a,
                          struct walk *w)
{
    near *pool = w->pool, met[LINKS];
    uint32_t n = 0;
    size_t n_heap = 0;
    for (uint32_t i = 0; i < n_from; i++)
        if (is_new(w, near_slot(from[i]))) {
            push(w, &n_heap, from[i] & ~UINT64_C(1));
            if (accepts(v, a, near_slot(from[i])))
                near_put(pool, &n, effort, from[i] & ~UINT64_C(1));
        }
    while (n_heap) {
        near c = pop(w, &n_heap);
        if (n == effort && c > pool[n - 1])
            break;
        if (w->compared >= a->budget) {
            a->over = true;
            break;
        }
        if (layer == 0 && n_heap)
            fetch_links(v, near_slot(w->heap[0]));
        size_t n_met = meet(v, p, layer, near_slot(c), w, met);
        for (size_t i = 0; i < n_met; i++) {
            if (n == effort && met[i] >= pool[n - 1])
                continue;
            push(w, &n_heap, met[i]);
            if (accepts(v, a, near_slot(met[i])))
                near_put(pool, &n, effort, met[i]);
        }
    }
    return n;
}

uint32_t hnsw_search_layer(const struct view *v, const struct probe *p, unsigned layer,
                           const near *from, uint32_t n_from, uint32_t effort,
                           struct accept *accept, struct walk *w)
{
    forget(w, v);
    hnsw_search_room(w, effort);
    for (uint32_t i = 0; i < w->n_hidden; i++)
        is_new(w, w->hidden[i]);
    return accept ? walk_some(v, p, layer, from, n_from, effort, accept, w)
                  : walk_all(v, p, layer, from, n_from, effort, w);
}
