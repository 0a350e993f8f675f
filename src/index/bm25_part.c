/* Which passages of a part may be found: by their documents, and by what a query demands of them.
 */
#include "base/hash.h"
#include "index/bm25_part.h"

#include <stdlib.h>

/* ---- How many ---- */

static uint32_t count_postings(const struct part *p, const struct dict_cursor *c,
                               const uint64_t *bits, bool set)
{
    struct arena *a = arena_scratch();
    struct arena_mark mark = arena_mark(a);
    uint32_t blocks = segment_n_blocks(p->segment, c), n = 0;
    struct segment_block *block = arena_array(a, struct segment_block, blocks);
    segment_blocks(p->segment, c, block);
    for (uint32_t k = 0; k < blocks; k++) {
        struct segment_postings out;
        segment_unpack(p->segment, &block[k], &out);
        for (uint32_t i = 0; i < out.n; i++)
            n += bit(bits, out.passage[i]) == set;
    }
    arena_rewind(a, mark);
    return n;
}

/* Threads that count the same word at once store the same number. */
uint32_t part_df(const struct part *p, const struct dict_cursor *c)
{
    if (!p->dead)
        return c->df;
    uint32_t known = atomic_load_explicit(&p->df[c->number], memory_order_relaxed);
    if (known)
        return known - 1;
    uint32_t n = count_postings(p, c, p->dead, false);
    atomic_store_explicit(&p->df[c->number], n + 1, memory_order_relaxed);
    return n;
}

uint32_t part_df_in(const struct part *p, const struct dict_cursor *c, const uint64_t *bits)
{
    return count_postings(p, c, bits, true);
}

/* ---- By documents ---- */

static void allow(uint64_t *bits, const struct segment_document *d)
{
    for (uint32_t p = d->first; p < d->first + d->n; p++)
        bits[p / 64] |= UINT64_C(1) << p % 64;
}

/* Few are looked up, else each document of the segment asks whether it is one. */
uint64_t *part_allowed(const struct part *p, const struct docset *set, struct arena *a)
{
    const struct segment *s = p->segment;
    size_t words = words_of(s->n_passages);
    uint64_t *bits = arena_array(a, uint64_t, words);
    if (!set) {
        memset(bits, 0xff, words * sizeof(*bits));
        if (s->n_passages % 64)
            bits[words - 1] = (UINT64_C(1) << s->n_passages % 64) - 1;
    } else if (docset_count(set) < s->n_documents / 16) {
        for (uint32_t d = docset_next(set, 0); d < set->room; d = docset_next(set, d + 1)) {
            const struct segment_document *found = segment_find_document(s, d);
            if (found)
                allow(bits, found);
        }
    } else {
        for (uint32_t k = 0; k < s->n_documents; k++)
            if (docset_has(set, s->document[k].number))
                allow(bits, &s->document[k]);
    }
    for (size_t i = 0; p->dead && i < words; i++)
        bits[i] &= ~p->dead[i];
    return bits;
}

/* ---- By what they hold ---- */

static void add_postings(const struct segment *s, uint64_t term, uint64_t *bits, struct arena *a)
{
    struct dict_cursor c;
    if (!segment_find(s, term, &c))
        return;
    uint32_t n = segment_n_blocks(s, &c);
    struct segment_block *block = arena_array(a, struct segment_block, n);
    segment_blocks(s, &c, block);
    for (uint32_t k = 0; k < n; k++) {
        struct segment_postings out;
        segment_unpack(s, &block[k], &out);
        for (uint32_t i = 0; i < out.n; i++)
            bits[out.passage[i] / 64] |= UINT64_C(1) << out.passage[i] % 64;
    }
}

/* Passages that have a term of every spot, wherever. */
static uint64_t *with_all(const struct segment *s, const struct bm25_clause *c, struct arena *a)
{
    size_t words = words_of(s->n_passages);
    uint64_t *all = arena_array(a, uint64_t, words);
    uint64_t *one = arena_array(a, uint64_t, words);
    for (size_t i = 0, end; i < c->n; i = end) {
        memset(one, 0, words * sizeof(*one));
        for (end = i; end < c->n && c->spot[end].at == c->spot[i].at; end++)
            add_postings(s, c->spot[end].term, one, a);
        for (size_t w = 0; w < words; w++)
            all[w] = i ? all[w] & one[w] : one[w];
    }
    return all;
}

void part_demand(const struct part *p, const struct bm25_clause *c, uint64_t *bits)
{
    if (c->n == 0 || (c->demand == BM25_MUST_NOT && bm25_clause_is_phrase(c)))
        return;
    struct arena *a = arena_scratch();
    struct arena_mark mark = arena_mark(a);
    uint64_t *all = with_all(p->segment, c, a);
    for (size_t w = 0; w < words_of(p->segment->n_passages); w++)
        bits[w] &= c->demand == BM25_MUST ? all[w] : ~all[w];
    arena_rewind(a, mark);
}

/* Sets the bits of the hits' passages in the part; whose each is, goes to which[]. */
static void mark_hits(const struct part *p, const struct hit *hit, size_t n, uint32_t view,
                      uint32_t *which, uint64_t *bits)
{
    const struct segment *s = p->segment;
    for (size_t i = 0; i < n; i++) {
        const struct segment_document *d =
            hit[i].view == view ? segment_find_document(s, (uint32_t)hit[i].document) : NULL;
        which[i] = UINT32_MAX;
        for (uint32_t k = 0; d && k < d->n; k++)
            if (s->key[d->first + k] == hit[i].key && !(p->dead && bit(p->dead, d->first)))
                which[i] = d->first + k;
        if (which[i] != UINT32_MAX)
            bits[which[i] / 64] |= UINT64_C(1) << which[i] % 64;
    }
}

enum lang bm25_lang(const struct bm25_view *v, uint32_t document)
{
    for (uint32_t k = 0; k < v->n_parts; k++) {
        const struct part *p = v->part[k];
        const struct segment_document *d = segment_find_document(p->segment, document);
        if (d && !(p->dead && bit(p->dead, d->first)))
            return (enum lang)d->lang;
    }
    return LANG_OTHER;
}

size_t bm25_fitting(const struct bm25_view *const *view, size_t n_views,
                    const struct bm25_clause *clause, size_t n_clauses, struct hit *hit, size_t n)
{
    if (n_clauses == 0 || n == 0)
        return n;
    struct arena *a = arena_scratch();
    struct arena_mark mark = arena_mark(a);
    bool *fits = arena_array(a, bool, n);
    uint32_t *which = arena_array(a, uint32_t, n);
    for (size_t v = 0; v < n_views; v++)
        for (uint32_t k = 0; k < view[v]->n_parts; k++) {
            const struct part *p = view[v]->part[k];
            struct arena_mark inner = arena_mark(a);
            uint64_t *bits = arena_array(a, uint64_t, words_of(p->segment->n_passages));
            mark_hits(p, hit, n, (uint32_t)v, which, bits);
            for (size_t i = 0; i < n_clauses; i++)
                part_demand(p, &clause[i], bits);
            for (size_t i = 0; i < n; i++)
                fits[i] = fits[i] || (which[i] != UINT32_MAX && bit(bits, which[i]));
            arena_rewind(a, inner);
        }
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (fits[i])
            hit[kept++] = hit[i];
    arena_rewind(a, mark);
    return kept;
}

/* ---- Words that are like another ---- */

enum { ALIKE_ROOM = 8192 }; /* words looked at of each segment */

struct alike {
    const struct part *part;
    const uint64_t *bits; /* of its passages that count; NULL: as the dictionary has it */
    struct bm25_like *like;
    size_t n, room;
};

static bool add_alike(void *arg, const struct dict_cursor *c, unsigned distance)
{
    struct alike *all = arg;
    uint32_t df = all->bits ? part_df_in(all->part, c, all->bits) : c->df;
    if (df == 0)
        return true;
    all->like[all->n++] = (struct bm25_like){hash_stable(dict_word(c)), (uint32_t)distance, df};
    return all->n < all->room;
}

static int by_term(const void *a, const void *b)
{
    const struct bm25_like *x = a, *y = b;
    return (x->term > y->term) - (x->term < y->term);
}

static int by_nearness(const void *a, const void *b)
{
    const struct bm25_like *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    if (x->df != y->df)
        return x->df > y->df ? -1 : 1;
    return by_term(a, b);
}

static void alike_in(struct alike *all, const struct part *p, struct str word, unsigned distance)
{
    all->part = p;
    all->room = all->n + ALIKE_ROOM;
    if (distance)
        dict_fuzzy(&p->segment->dict, word, distance, add_alike, all);
    else
        dict_prefix(&p->segment->dict, word, add_alike, all);
}

size_t bm25_alike(const struct bm25_view *const *view, size_t n_views,
                  const struct docset *const *allowed, struct str word, unsigned distance,
                  struct bm25_like *out, size_t most)
{
    struct arena *a = arena_scratch();
    struct arena_mark mark = arena_mark(a);
    struct alike all = {0};
    size_t parts = 0, n = 0;
    for (size_t v = 0; v < n_views; v++)
        parts += view[v]->n_parts;
    all.like = arena_array(a, struct bm25_like, parts * ALIKE_ROOM);
    for (size_t v = 0; v < n_views; v++)
        for (uint32_t p = 0; p < view[v]->n_parts; p++) {
            struct arena_mark inner = arena_mark(a);
            if (allowed)
                all.bits = part_allowed(view[v]->part[p], allowed[v], a);
            alike_in(&all, view[v]->part[p], word, distance);
            arena_rewind(a, inner);
        }
    if (all.n)
        qsort(all.like, all.n, sizeof(*all.like), by_term);
    for (size_t i = 0; i < all.n; i++)
        if (n && all.like[n - 1].term == all.like[i].term)
            all.like[n - 1].df += all.like[i].df;
        else
            all.like[n++] = all.like[i];
    if (n)
        qsort(all.like, n, sizeof(*all.like), by_nearness);
    n = size_min(n, most);
    memcpy(out, all.like, n * sizeof(*out));
    arena_rewind(a, mark);
    return n;
}
