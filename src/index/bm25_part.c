/* Which passages of a part may be found: by their documents, and by what a query demands of them.
 */
#include "base/hash.h"
#include "index/bm25_find.h"
#include "index/nearness.h"

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

/* ---- Finding a word's posting of one passage ---- */

bool finder_open(struct finder *f, const struct segment *s, uint64_t term, struct arena *a)
{
    struct dict_cursor c;
    *f = (struct finder){.segment = s};
    if (!segment_find(s, term, &c))
        return false;
    f->n_blocks = segment_n_blocks(s, &c);
    f->block = arena_array(a, struct segment_block, f->n_blocks);
    segment_blocks(s, &c, f->block);
    f->open = f->n_blocks;
    return true;
}

bool finder_find(struct finder *f, uint32_t passage)
{
    uint32_t low = 0, high = f->n_blocks;
    while (low < high) { /* the first block that does not end before it */
        uint32_t mid = low + (high - low) / 2;
        if (f->block[mid].last < passage)
            low = mid + 1;
        else
            high = mid;
    }
    if (low >= f->n_blocks)
        return false;
    if (f->open != low)
        segment_unpack(f->segment, &f->block[low], &f->postings);
    f->open = low;
    uint32_t at = 0, end = f->postings.n;
    while (at < end) {
        uint32_t mid = at + (end - at) / 2;
        if (f->postings.passage[mid] < passage)
            at = mid + 1;
        else
            end = mid;
    }
    f->at = at;
    return at < f->postings.n && f->postings.passage[at] == passage;
}

size_t finder_places(struct finder *f, uint32_t out[SEGMENT_PLACES])
{
    return segment_places(f->segment, &f->block[f->open], &f->postings, f->at, out);
}

/* ---- By what they hold ---- */

static void add_postings(const struct segment *s, uint64_t term, uint64_t *bits, struct arena *a)
{
    struct finder f;
    if (!finder_open(&f, s, term, a))
        return;
    for (uint32_t k = 0; k < f.n_blocks; k++) {
        segment_unpack(s, &f.block[k], &f.postings);
        for (uint32_t i = 0; i < f.postings.n; i++) {
            uint32_t p = f.postings.passage[i];
            bits[p / 64] |= UINT64_C(1) << p % 64;
        }
    }
}

static size_t spots_at(const struct bm25_clause *c, size_t i)
{
    size_t end = i;
    while (end < c->n && c->spot[end].at == c->spot[i].at)
        end++;
    return end;
}

/* Passages that have a term of every spot, wherever. */
static uint64_t *with_all(const struct segment *s, const struct bm25_clause *c, struct arena *a)
{
    size_t words = words_of(s->n_passages);
    uint64_t *all = arena_array(a, uint64_t, words);
    uint64_t *one = arena_array(a, uint64_t, words);
    for (size_t i = 0, end; i < c->n; i = end) {
        end = spots_at(c, i);
        memset(one, 0, words * sizeof(*one));
        for (size_t k = i; k < end; k++)
            add_postings(s, c->spot[k].term, one, a);
        for (size_t w = 0; w < words; w++)
            all[w] = i ? all[w] & one[w] : one[w];
    }
    return all;
}

enum { PLACE_ROOM = 65536 }; /* places are below */

struct phrase {
    const struct bm25_clause *clause;
    struct finder *finder;           /* [n], those that the segment has */
    bool *there;                     /* [n] */
    struct seat *seat;               /* [n * SEGMENT_PLACES] for words that are to be near */
    uint64_t start[PLACE_ROOM / 64]; /* where the phrase may begin */
    uint64_t next[PLACE_ROOM / 64];
};

/* Marks where the phrase would begin for the spots [from, to) to be right. */
static bool mark(struct phrase *f, uint32_t passage, size_t from, size_t to, uint64_t *bits)
{
    bool any = false;
    uint32_t shift = f->clause->spot[from].at - f->clause->spot[0].at;
    for (size_t k = from; k < to; k++) {
        uint32_t place[SEGMENT_PLACES];
        size_t n = f->there[k] && finder_find(&f->finder[k], passage)
                       ? finder_places(&f->finder[k], place)
                       : 0;
        for (size_t i = 0; i < n; i++)
            if (place[i] >= shift && place[i] - shift < PLACE_ROOM) {
                bits[(place[i] - shift) / 64] |= UINT64_C(1) << (place[i] - shift) % 64;
                any = true;
            }
    }
    return any;
}

static bool holds_phrase(struct phrase *f, uint32_t passage)
{
    const struct bm25_clause *c = f->clause;
    bool any = true;
    memset(f->start, 0, sizeof(f->start));
    for (size_t i = 0, end; i < c->n && any; i = end) {
        end = spots_at(c, i);
        if (i == 0) {
            any = mark(f, passage, i, end, f->start);
            continue;
        }
        memset(f->next, 0, sizeof(f->next));
        any = mark(f, passage, i, end, f->next);
        uint64_t left = 0;
        for (size_t w = 0; any && w < PLACE_ROOM / 64; w++)
            left |= f->start[w] &= f->next[w];
        any = any && left;
    }
    return any;
}

/* ---- Near each other ---- */

struct seat { /* a word of the clause and a place that has it */
    uint32_t place, word;
};

static int by_place(const void *a, const void *b)
{
    const struct seat *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}

static size_t find_seats(struct phrase *f, uint32_t passage, struct seat *seat, uint32_t *words)
{
    const struct bm25_clause *c = f->clause;
    size_t n = 0;
    *words = 0;
    for (size_t i = 0; i < c->n; i++) {
        uint32_t place[SEGMENT_PLACES];
        *words += i == 0 || c->spot[i].at != c->spot[i - 1].at;
        size_t found =
            *words <= NEARNESS_WORDS && f->there[i] && finder_find(&f->finder[i], passage)
                ? finder_places(&f->finder[i], place)
                : 0;
        for (size_t k = 0; k < found; k++)
            seat[n++] = (struct seat){place[k], *words - 1};
    }
    if (n)
        qsort(seat, n, sizeof(*seat), by_place);
    *words = *words < NEARNESS_WORDS ? *words : NEARNESS_WORDS;
    return n;
}

static bool holds_near(struct phrase *f, uint32_t passage)
{
    const struct bm25_clause *c = f->clause;
    struct nearness near;
    uint32_t words, first;
    size_t n = find_seats(f, passage, f->seat, &words);
    bool holds = false;
    nearness_begin(&near, words, (uint64_t)c->spot[c->n - 1].at - c->spot[0].at + c->further);
    for (size_t i = 0, end; i < n && !holds; i = end) {
        uint64_t fits = 0;
        for (end = i; end < n && f->seat[end].place == f->seat[i].place; end++)
            fits |= UINT64_C(1) << f->seat[end].word;
        holds = nearness_add(&near, f->seat[i].place, fits, &first);
    }
    return holds;
}

/* Of the passages with all of its words, those where they stand in a row, or near. Only where
 * bits[] asks. */
static void check_phrase(const struct segment *s, const struct bm25_clause *c, uint64_t *all,
                         const uint64_t *bits, struct arena *a)
{
    struct phrase *f = arena_struct(a, struct phrase);
    f->clause = c;
    f->finder = arena_array(a, struct finder, c->n);
    f->there = arena_array(a, bool, c->n);
    if (c->further)
        f->seat = arena_array(a, struct seat, c->n * SEGMENT_PLACES);
    for (size_t i = 0; i < c->n; i++)
        f->there[i] = finder_open(&f->finder[i], s, c->spot[i].term, a);
    for (size_t w = 0; w < words_of(s->n_passages); w++) {
        all[w] &= bits[w];
        for (uint64_t left = all[w]; left; left &= left - 1) {
            uint32_t i = (uint32_t)__builtin_ctzll(left);
            uint32_t passage = (uint32_t)w * 64 + i;
            if (!(c->further ? holds_near(f, passage) : holds_phrase(f, passage)))
                all[w] &= ~(UINT64_C(1) << i);
        }
    }
}

void part_demand(const struct part *p, const struct bm25_clause *c, uint64_t *bits)
{
    if (c->n == 0)
        return;
    struct arena *a = arena_scratch();
    struct arena_mark mark = arena_mark(a);
    uint64_t *all = with_all(p->segment, c, a);
    if (c->spot[c->n - 1].at != c->spot[0].at)
        check_phrase(p->segment, c, all, bits, a);
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
