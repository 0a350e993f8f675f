/* Building the graph, by several threads at once: each takes a slot, finds its neighbours and links
 * both ways. A node's links are changed under one of some locks; who reads them takes none.
 *
 * Differences from the paper: a node comes into the layers from below, when its links there are
 * set, so that no walk ends in a node without links; and equal vectors leave each other room. */
#include "index/vector_part.h"
#include "math/dot8.h"

#include <pthread.h>

enum { LOCKS = 1024, OWN_LINKS = 20 /* of a new node, so that those of others find room */ };

struct build {
    struct lock entry; /* of the view */
    struct lock node[LOCKS];
};

struct build *hnsw_build_new(void)
{
    struct build *b = mem_new(sizeof(*b));
    lock_init(&b->entry);
    for (size_t i = 0; i < LOCKS; i++)
        lock_init(&b->node[i]);
    return b;
}

void hnsw_build_free(struct build *b)
{
    if (!b)
        return;
    lock_fini(&b->entry);
    for (size_t i = 0; i < LOCKS; i++)
        lock_fini(&b->node[i]);
    mem_free(b);
}

/* ---- Work in pieces ---- */

struct spread {
    hnsw_build_fn *fn;
    void *arg;
    size_t n, piece;
    _Atomic size_t next;
};

static void *spread_thread(void *arg)
{
    struct spread *s = arg;
    struct walk w = {0};
    for (size_t begin; (begin = atomic_fetch_add(&s->next, s->piece)) < s->n;)
        s->fn(s->arg, begin, size_min(begin + s->piece, s->n), &w);
    hnsw_search_fini(&w);
    return NULL;
}

void hnsw_build_spread(hnsw_build_fn *fn, void *arg, size_t n, size_t piece, unsigned threads)
{
    struct spread s = {.fn = fn, .arg = arg, .n = n, .piece = piece};
    pthread_t thread[64];
    size_t pieces = n / piece, n_threads = 0;
    while (n_threads + 1 < size_min(size_min(threads, COUNT(thread)), pieces) &&
           pthread_create(&thread[n_threads], NULL, spread_thread, &s) == 0)
        n_threads++;
    spread_thread(&s);
    for (size_t i = 0; i < n_threads; i++)
        pthread_join(thread[i], NULL);
}

/* ---- Choosing neighbours ---- */

enum { MOST_CANDIDATES = 512 };

static bool toss(uint32_t a, uint32_t b)
{
    return ((a ^ b) * UINT32_C(0x9e3779b1)) >> 31;
}

/* Each one that is chosen strikes out those behind it that it is nearer to than the node. One that
 * is as near to both stays, for copies of the node are as near as the node to everything. Only of
 * those that lie as far from each other as from the node, like copies of one vector (a third of a
 * collection may be the same footer), every other is struck out by chance: all of them would leave
 * a walk nothing else to find, and with some fixed number of them they would not hang together. */
uint32_t hnsw_build_choose(const struct view *v, const near *c, uint32_t n, uint32_t room,
                           uint32_t *out)
{
    uint32_t slot[MOST_CANDIDATES], distance[MOST_CANDIDATES], to_node[MOST_CANDIDATES];
    int8_t bytes[VECTOR_MAX_DIMENSION];
    uint32_t left = (uint32_t)size_min(n, MOST_CANDIDATES), chosen = 0;
    for (uint32_t i = 0; i < left; i++) {
        slot[i] = near_slot(c[i]);
        to_node[i] = near_distance(c[i]);
    }
    while (left && chosen < room) {
        struct probe p;
        uint32_t kept = 0, best = slot[0], nearest = to_node[0];
        out[chosen++] = best;
        if (left == 1 || chosen == room)
            break;
        vector_scale_probe(v, best, bytes, &p);
        hnsw_search_distances(v, &p, slot + 1, left - 1, distance);
        for (uint32_t i = 1; i < left; i++) {
            bool even = distance[i - 1] == to_node[i] && to_node[i] == nearest;
            if (distance[i - 1] < to_node[i] || (even && toss(best, slot[i])))
                continue;
            slot[kept] = slot[i];
            to_node[kept++] = to_node[i];
        }
        left = kept;
    }
    return chosen;
}

/* ---- Linking ---- */

struct insert {
    struct build *build;
    struct view *view;
    const uint32_t *slot;
    struct accept accept;
    bool some; /* removed nodes are in the way */
};

static struct lock *lock_of(struct build *b, uint32_t slot)
{
    return &b->node[slot % LOCKS];
}

static void set_count(const struct view *v, uint32_t slot, unsigned layer, uint32_t n)
{
    struct tail *t = tail_of(v, slot);
    if (layer == 0) {
        atomic_store_explicit(&t->n, (uint8_t)n, memory_order_relaxed);
        return;
    }
    uint32_t at = t->upper + layer - 1;
    atomic_store_explicit(&v->upper[at / SLAB][at % SLAB].n, n, memory_order_relaxed);
}

void hnsw_build_set_links(const struct view *v, uint32_t slot, unsigned layer, const uint32_t *to,
                          uint32_t n)
{
    struct links l;
    if (!links_of(v, slot, layer, &l))
        return;
    for (uint32_t i = 0; i < n; i++)
        atomic_store_explicit(&l.link[i], to[i], memory_order_release);
    set_count(v, slot, layer, n);
}

static int by_distance(const void *a, const void *b)
{
    near x = *(const near *)a, y = *(const near *)b;
    return x < y ? -1 : x > y;
}

/* Gives `slot` a link to `to`. When it has all it may have, the best of all are chosen anew. */
static void link_back(const struct insert *in, unsigned layer, uint32_t slot, uint32_t to)
{
    const struct view *v = in->view;
    uint32_t room = layer ? UPPER_LINKS : LINKS, all[LINKS + 1], distance[LINKS + 1];
    struct links l;
    lock_take(lock_of(in->build, slot));
    if (!links_of(v, slot, layer, &l)) {
        lock_drop(lock_of(in->build, slot));
        return;
    }
    if (l.n < room) {
        atomic_store_explicit(&l.link[l.n], to, memory_order_release);
        set_count(v, slot, layer, l.n + 1);
    } else {
        near c[LINKS + 1] = {0};
        struct probe p;
        int8_t bytes[VECTOR_MAX_DIMENSION];
        uint32_t n = 0;
        all[n++] = to;
        for (uint32_t i = 0; i < l.n; i++) {
            uint32_t other = atomic_load_explicit(&l.link[i], memory_order_relaxed);
            if (other < v->n_slots)
                all[n++] = other;
        }
        vector_scale_probe(v, slot, bytes, &p);
        hnsw_search_distances(v, &p, all, n, distance);
        for (uint32_t i = 0; i < n; i++)
            c[i] = near_make(distance[i], all[i]);
        qsort(c, n, sizeof(*c), by_distance);
        hnsw_build_set_links(v, slot, layer, all, hnsw_build_choose(v, c, n, room, all));
    }
    lock_drop(lock_of(in->build, slot));
}

/* The neighbours of a new node in each of its layers, from the top down. */
static void find(const struct insert *in, const struct view *v, uint32_t slot, unsigned level,
                 struct walk *w, uint32_t chosen[][LINKS], uint32_t n_chosen[])
{
    int8_t bytes[VECTOR_MAX_DIMENSION];
    near from[BUILD_EFFORT] = {0};
    uint32_t n_from = 1;
    struct probe p;
    vector_scale_probe(v, slot, bytes, &p);
    from[0] = hnsw_search_descend(v, &p, level, w);
    for (unsigned layer = level + 1; layer-- > 0;) {
        struct accept accept = in->accept;
        uint32_t n = hnsw_search_layer(v, &p, layer, from, n_from, BUILD_EFFORT,
                                       in->some ? &accept : NULL, w);
        uint32_t kept = 0;
        for (uint32_t i = 0; i < n; i++)
            if (near_slot(w->pool[i]) != slot)
                from[kept++] = w->pool[i];
        n_chosen[layer] =
            hnsw_build_choose(v, from, kept, layer ? UPPER_LINKS : OWN_LINKS, chosen[layer]);
        if (kept)
            n_from = kept;
        else
            from[0] = hnsw_search_descend(v, &p, layer, w), n_from = 1;
    }
}

static void insert_one(struct insert *in, uint32_t slot, struct walk *w)
{
    struct build *b = in->build;
    unsigned level = tail_of(in->view, slot)->level;
    uint32_t chosen[MAX_LEVEL + 1][LINKS], n_chosen[MAX_LEVEL + 1] = {0};
    /* A node that becomes the new top keeps others from doing so meanwhile. */
    lock_take(&b->entry);
    struct view v = *in->view;
    bool first = v.entry == NO_SLOT, rises = first || level > v.top;
    if (!rises)
        lock_drop(&b->entry);
    unsigned common = first ? 0 : level < v.top ? level : v.top;
    if (!first)
        find(in, &v, slot, common, w, chosen, n_chosen);
    for (unsigned layer = 0; layer <= level; layer++) {
        lock_take(lock_of(b, slot));
        hnsw_build_set_links(&v, slot, layer, chosen[layer], n_chosen[layer]);
        lock_drop(lock_of(b, slot));
        for (uint32_t i = 0; i < n_chosen[layer]; i++)
            link_back(in, layer, chosen[layer][i], slot);
    }
    if (rises) {
        in->view->entry = slot;
        in->view->top = (uint8_t)level;
        lock_drop(&b->entry);
    }
}

static void insert_some(void *arg, size_t begin, size_t end, struct walk *w)
{
    struct insert *in = arg;
    for (size_t i = begin; i < end; i++)
        insert_one(in, in->slot[i], w);
}

void hnsw_build_insert(struct build *b, struct view *v, const uint32_t *slot, size_t n,
                       unsigned threads)
{
    struct insert in = {b, v, slot, {.budget = UINT32_MAX}, v->n_used != v->n_live};
    /* The first ones alone: they have nobody to link to but each other. */
    size_t alone = v->entry == NO_SLOT ? size_min(n, 256) : 0;
    struct walk w = {0};
    insert_some(&in, 0, alone, &w);
    hnsw_search_fini(&w);
    in.slot += alone;
    hnsw_build_spread(insert_some, &in, n - alone, 16, threads);
}
