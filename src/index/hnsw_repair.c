/* Taking removed nodes out of the graph. Until then they lead on and are not found. Every node that
 * links to one loses that link and chooses again among what it has left and what the removed ones
 * linked to (Singh et al., "FreshDiskANN", 2021), so that paths that led over them are kept. It is
 * one pass over all links, done when a share of the nodes is removed; each node is changed by one
 * thread, and others only read links of removed nodes, which nobody changes. */
#include "index/vector_part.h"

enum { MOST = LINKS + 256 };

struct repair {
    struct view *view;
};

/* Adds the live ones among the links of `from` that are not in slot[] yet. */
static uint32_t gather(const struct view *v, uint32_t self, uint32_t from, unsigned layer,
                       uint32_t slot[MOST], uint32_t n)
{
    struct links l;
    if (!links_of(v, from, layer, &l))
        return n;
    for (uint32_t i = 0; i < l.n && n < MOST; i++) {
        uint32_t to = atomic_load_explicit(&l.link[i], memory_order_relaxed), j = 0;
        if (to >= v->n_slots || to == self || !is_live(v, to))
            continue;
        while (j < n && slot[j] != to)
            j++;
        if (j == n)
            slot[n++] = to;
    }
    return n;
}

static int by_distance(const void *a, const void *b)
{
    near x = *(const near *)a, y = *(const near *)b;
    return x < y ? -1 : x > y;
}

static void mend(const struct view *v, uint32_t slot, unsigned layer)
{
    uint32_t all[MOST], distance[MOST], lost[LINKS], n = 0, n_lost = 0;
    struct links l;
    if (!links_of(v, slot, layer, &l))
        return;
    for (uint32_t i = 0; i < l.n; i++) {
        uint32_t to = atomic_load_explicit(&l.link[i], memory_order_relaxed);
        if (to < v->n_slots && is_live(v, to))
            all[n++] = to;
        else if (to < v->n_slots)
            lost[n_lost++] = to;
    }
    if (n == l.n)
        return;
    for (uint32_t i = 0; i < n_lost; i++)
        n = gather(v, slot, lost[i], layer, all, n);
    near c[MOST];
    int8_t bytes[VECTOR_MAX_DIMENSION];
    struct probe p;
    vector_scale_probe(v, slot, bytes, &p);
    hnsw_search_distances(v, &p, all, n, distance);
    for (uint32_t i = 0; i < n; i++)
        c[i] = near_make(distance[i], all[i]);
    qsort(c, n, sizeof(*c), by_distance);
    n = hnsw_build_choose(v, c, n, layer ? UPPER_LINKS : LINKS, all);
    hnsw_build_set_links(v, slot, layer, all, n);
}

static void mend_some(void *arg, size_t begin, size_t end, struct walk *w)
{
    (void)w;
    const struct view *v = ((struct repair *)arg)->view;
    for (uint32_t slot = (uint32_t)begin; slot < end; slot++) {
        if (!is_live(v, slot))
            continue;
        unsigned level = tail_of(v, slot)->level;
        for (unsigned layer = 0; layer <= level && layer <= MAX_LEVEL; layer++)
            mend(v, slot, layer);
    }
}

/* The highest live node, when the entry is none. */
static void choose_entry(struct view *v)
{
    if (v->entry != NO_SLOT && is_live(v, v->entry))
        return;
    v->entry = NO_SLOT;
    v->top = 0;
    for (uint32_t slot = 0; slot < v->n_slots; slot++) {
        uint8_t level = tail_of(v, slot)->level;
        if (is_live(v, slot) && level <= MAX_LEVEL && (v->entry == NO_SLOT || level > v->top)) {
            v->entry = slot;
            v->top = level;
        }
    }
}

void hnsw_repair(struct view *v, unsigned threads)
{
    struct repair r = {v};
    hnsw_build_spread(mend_some, &r, v->n_slots, 64, threads);
    choose_entry(v);
}
