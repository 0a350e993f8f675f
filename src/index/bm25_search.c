/* The problem: the best k of some 100,000 passages, where scoring all that share a word with the
 * query costs a few nanoseconds for each of their postings.
 *
 * Passages are taken in windows of 4,096, whose scores fit the first-level cache. A first pass over
 * the block maxima gives for each window and word the most that the word can add there. The windows
 * that promise most are scored first, so that the k-th best score is high early; after that most
 * windows cannot reach it and are not looked at. Inside a window the words come rarest first; once
 * those that are left could not lift a passage over the k-th best score by themselves, they are
 * looked up only for passages that have a score already, and still a chance.
 *
 * Blocks are unpacked when they are first needed. A word keeps its last one; a rare word, whose
 * postings are read for its bounds anyhow, keeps all. */
#include "index/bm25_part.h"
#include "base/arena.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { WINDOW_BITS = 12, WINDOW = 1 << WINDOW_BITS, FIRST_WINDOWS = 8 };

/* Bounds and scores are sums of the same shares in different forms: rounding may make a bound a
 * little too small. */
static const float SLACK = 1.00001f;

struct search_term { /* of the query, that some part has */
    uint64_t hash;
    float weight; /* times idf */
};

/* What may be found in a part: where `bits` says so; without them, what lives and is in `set`. */
struct allowed {
    const struct part *part;
    const struct bm25_params *params; /* of its view */
    uint64_t *bits;
    const struct docset *set; /* NULL: all */
    uint32_t view;
};

struct unpacked {   /* a block */
    uint32_t block; /* its number; UINT32_MAX: none */
    bool has_shares;
    struct segment_postings postings;
    float share[PACK_BLOCK];
};

struct cursor { /* a word in the part at hand */
    struct segment_block *block;
    uint32_t n_blocks;
    uint32_t per_window; /* postings, on average */
    float weight;        /* of its search_term, times k1 + 1 */
    float *bound;        /* [windows] the most that it adds to a score there; 0: not there */
    uint32_t *first;     /* [windows] first block that reaches in */
    struct unpacked *slot;
    bool keeps_all; /* one slot for each block, else a single one */
};

struct search {
    float mean;
    const struct bm25_query *query;
    struct search_term *term;
    size_t n_terms;
    struct allowed *allowed; /* [parts of all views] */
    size_t n_parts;
    /* the part at hand */
    const struct segment *segment;
    const struct allowed *may;
    const uint64_t *dead;
    float constant, per_length; /* the length's part of the formula */
    float count[SEGMENT_CODES]; /* weighted, by code */
    struct cursor *cursor;      /* rarest first */
    size_t n_cursors;
    uint32_t n_windows;
    float *total; /* [n_windows] sum of bounds; 0: done or nothing there */
    /* a window: scores, and which passages have one */
    float score[WINDOW];
    uint16_t touched[WINDOW + 1]; /* one more: the last is written before it is counted */
    uint32_t n_touched;
    float rest[BM25_MAX_WORDS + 1]; /* the most that cursors i and up can add */
    struct top top;
};

/* What a passage needs to have a chance. */
static float needed(const struct search *s)
{
    return top_needed(&s->top, 0);
}

/* ---- Blocks ---- */

static struct unpacked *open_block(const struct search *s, const struct cursor *c, uint32_t k)
{
    struct unpacked *u = &c->slot[c->keeps_all ? k : 0];
    if (u->block != k) {
        segment_unpack(s->segment, &c->block[k], &u->postings);
        u->block = k;
        u->has_shares = false;
    }
    return u;
}

static float share_of(const struct search *s, const struct cursor *c, const struct unpacked *u,
                      uint32_t i)
{
    float count = s->count[u->postings.code[i]];
    float length = s->segment->length[u->postings.passage[i]];
    return c->weight * count / (count + s->constant + s->per_length * length);
}

/* In two loops, of which the second becomes vectors. No share is 0, by which add_all knows a
 * passage that it has not touched yet. */
static void make_shares(const struct search *s, const struct cursor *c, struct unpacked *u)
{
    float count[PACK_BLOCK], below[PACK_BLOCK];
    uint32_t n = u->postings.n;
    for (uint32_t i = 0; i < n; i++) {
        count[i] = s->count[u->postings.code[i]];
        below[i] = s->segment->length[u->postings.passage[i]];
    }
    for (uint32_t i = 0; i < n; i++) {
        float share = c->weight * count[i] / (count[i] + s->constant + s->per_length * below[i]);
        u->share[i] = share > FLT_MIN ? share : FLT_MIN;
    }
    u->has_shares = true;
}

/* The first posting whose passage is at least `want`. Without branches: where the search goes
 * cannot be predicted. */
static uint32_t seek(const struct segment_postings *p, uint32_t want)
{
    uint32_t at = 0;
    for (uint32_t n = p->n; n > 0;) {
        uint32_t half = (n + 1) / 2;
        at += half * (p->passage[at + half - 1] < want);
        n -= half;
    }
    return at;
}

/* ---- One window ---- */

/* Adds the word's share to every passage of the window that has it. */
static void add_all(struct search *s, const struct cursor *c, uint32_t w)
{
    uint32_t low = w << WINDOW_BITS, high = low + WINDOW, n_touched = s->n_touched;
    for (uint32_t k = c->first[w]; k < c->n_blocks && c->block[k].after + 1 < high; k++) {
        struct unpacked *u = open_block(s, c, k);
        const struct segment_postings *p = &u->postings;
        if (!u->has_shares)
            make_shares(s, c, u);
        uint32_t at = p->passage[0] < low ? seek(p, low) : 0;
        uint32_t end = p->passage[p->n - 1] < high ? p->n : seek(p, high);
        for (; at < end; at++) {
            uint32_t i = p->passage[at] - low;
            s->touched[n_touched] = (uint16_t)i;
            n_touched += s->score[i] == 0;
            s->score[i] += u->share[at];
        }
    }
    s->n_touched = n_touched;
}

static bool may_answer(const struct search *s, uint32_t passage)
{
    const struct allowed *may = s->may;
    if (may->bits)
        return bit(may->bits, passage);
    if (s->dead && bit(s->dead, passage))
        return false;
    const struct segment *g = s->segment;
    return !may->set || docset_has(may->set, g->document[g->owner[passage]].number);
}

/* Drops the touched passages that cannot reach the best hits even with `rest` more. */
static void prune(struct search *s, uint32_t low, float rest)
{
    float need = needed(s);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_touched; i++) {
        uint16_t at = s->touched[i];
        if ((s->score[at] + rest) * SLACK >= need && may_answer(s, low + at))
            s->touched[n++] = at;
        else
            s->score[at] = 0;
    }
    s->n_touched = n;
}

/* Words are looked up in passages in their order, so that each block is unpacked once. */
static void sort_touched(struct search *s)
{
    uint64_t map[WINDOW / 64] = {0};
    for (uint32_t i = 0; i < s->n_touched; i++)
        map[s->touched[i] / 64] |= UINT64_C(1) << s->touched[i] % 64;
    uint32_t n = 0;
    for (uint32_t w = 0; w < WINDOW / 64; w++)
        for (uint64_t left = map[w]; left; left &= left - 1)
            s->touched[n++] = (uint16_t)(w * 64 + (uint32_t)__builtin_ctzll(left));
}

/* Adds the word's share to the touched passages alone; they are sorted. */
static void look_up(struct search *s, const struct cursor *c, uint32_t w)
{
    uint32_t low = w << WINDOW_BITS, k = c->first[w];
    for (uint32_t i = 0; i < s->n_touched; i++) {
        uint32_t passage = low + s->touched[i];
        while (k < c->n_blocks && c->block[k].last < passage)
            k++;
        if (k == c->n_blocks)
            return;
        if (c->block[k].after + 1 > passage)
            continue;
        const struct unpacked *u = open_block(s, c, k);
        uint32_t at = seek(&u->postings, passage);
        if (at < u->postings.n && u->postings.passage[at] == passage)
            s->score[s->touched[i]] += share_of(s, c, u, at);
    }
}

static void keep_touched(struct search *s, uint32_t low)
{
    const struct segment *g = s->segment;
    for (uint32_t i = 0; i < s->n_touched; i++) {
        uint32_t passage = low + s->touched[i];
        float score = s->score[s->touched[i]];
        s->score[s->touched[i]] = 0;
        if (score > 0 && score >= needed(s))
            top_offer(&s->top, (struct hit){.key = g->key[passage],
                                            .document = g->document[g->owner[passage]].number,
                                            .score = score,
                                            .view = s->may->view});
    }
    s->n_touched = 0;
}

enum { LOOK_UP_COST = 12 }; /* times that of adding a posting; by trial */

/* Words come rarest first. Those at the end whose bounds together do not reach the best hits bring
 * up no passage of their own: they are only looked up for what the others have brought. */
static void search_window(struct search *s, uint32_t w)
{
    float *rest = s->rest, need = needed(s);
    uint32_t low = w << WINDOW_BITS;
    size_t i = s->n_cursors;
    for (rest[i] = 0; i-- > 0;)
        rest[i] = rest[i + 1] + s->cursor[i].bound[w];
    for (i = 0; i < s->n_cursors && rest[i] > 0 && rest[i] * SLACK >= need; i++)
        if (s->cursor[i].bound[w] > 0)
            add_all(s, &s->cursor[i], w);
    bool sorted = false;
    for (; i < s->n_cursors && s->n_touched; i++) {
        if (s->cursor[i].bound[w] == 0)
            continue;
        prune(s, low, rest[i]);
        if (s->n_touched * LOOK_UP_COST >= s->cursor[i].per_window) {
            add_all(s, &s->cursor[i], w);
            sorted = false;
            continue;
        }
        if (!sorted)
            sort_touched(s);
        sorted = true;
        look_up(s, &s->cursor[i], w);
    }
    prune(s, low, 0);
    keep_touched(s, low);
}

/* ---- One part ---- */

static void raise_bound(struct cursor *c, uint32_t w, uint32_t block, float bound)
{
    if (c->bound[w] == 0)
        c->first[w] = block;
    c->bound[w] = fmaxf(c->bound[w], bound);
}

/* From the block maxima. `grown`: how much a share may have grown since they were made. */
static void bound_by_blocks(struct cursor *c, float grown)
{
    for (uint32_t k = 0; k < c->n_blocks; k++) {
        const struct segment_block *b = &c->block[k];
        float bound = c->weight * fminf(b->max * grown, 1) * SLACK;
        for (uint32_t w = (b->after + 1) >> WINDOW_BITS; w <= b->last >> WINDOW_BITS; w++)
            raise_bound(c, w, k, bound);
    }
}

/* From each posting: for rare words, whose blocks span many windows and are in few of them. */
static void bound_by_postings(struct search *s, struct cursor *c)
{
    for (uint32_t k = 0; k < c->n_blocks; k++) {
        struct unpacked *u = open_block(s, c, k);
        make_shares(s, c, u);
        for (uint32_t i = 0; i < u->postings.n; i++)
            raise_bound(c, u->postings.passage[i] >> WINDOW_BITS, k, u->share[i]);
    }
}

/* By how much a share may be above what it was when the block maxima were made: the ratio of two
 * sums is at most the larger of the ratios of their members (bm25.h). */
static float growth(const struct search *s)
{
    const struct segment *g = s->segment;
    float constant = g->params.k1 * (1 - g->params.b);
    float per_length = g->params.k1 * g->params.b / g->mean_length;
    if (g->loose)
        return INFINITY;
    float grown = 1;
    if (constant > s->constant)
        grown = constant / s->constant; /* infinite when that is 0 */
    if (per_length > s->per_length)
        grown = fmaxf(grown, per_length / s->per_length);
    return grown * SLACK;
}

enum { BLOCK_SPANS = 16 }; /* windows per block from which on postings are looked at; by trial */

static void open_cursor(struct search *s, const struct search_term *t, float grown, struct arena *a)
{
    struct dict_cursor word;
    if (!segment_find(s->segment, t->hash, &word))
        return;
    struct cursor *c = &s->cursor[s->n_cursors++];
    uint32_t n = segment_n_blocks(s->segment, &word);
    c->n_blocks = n;
    c->block = arena_array(a, struct segment_block, n);
    segment_blocks(s->segment, &word, c->block);
    c->weight = t->weight * (s->may->params->k1 + 1);
    c->per_window = word.df / s->n_windows;
    c->bound = arena_array(a, float, s->n_windows);
    c->first = arena_array(a, uint32_t, s->n_windows);
    c->keeps_all = n == 1 || (uint64_t)n * BLOCK_SPANS < s->n_windows;
    uint32_t slots = c->keeps_all ? n : 1;
    c->slot = arena_alloc_array(a, slots, sizeof(*c->slot));
    for (uint32_t i = 0; i < slots; i++)
        c->slot[i].block = UINT32_MAX;
    if (c->keeps_all)
        bound_by_postings(s, c);
    else
        bound_by_blocks(c, grown);
    for (uint32_t w = 0; w < s->n_windows; w++)
        s->total[w] += c->bound[w];
}

/* Nothing is to be found where nothing is allowed. */
static void drop_windows(struct search *s)
{
    size_t words = words_of(s->segment->n_passages);
    for (uint32_t w = 0; w < s->n_windows; w++) {
        uint64_t any = 0;
        for (size_t i = (size_t)w * WINDOW / 64; i < words && i < ((size_t)w + 1) * WINDOW / 64;
             i++)
            any |= s->may->bits[i];
        if (!any)
            s->total[w] = 0;
    }
}

static void visit(struct search *s, uint32_t w)
{
    if (s->total[w] > 0 && s->total[w] * SLACK >= needed(s))
        search_window(s, w);
    s->total[w] = 0; /* done */
}

/* The windows that promise most come first: good hits early make the others easy to pass over. */
static void search_windows(struct search *s)
{
    uint32_t best[FIRST_WINDOWS], n = 0;
    for (uint32_t w = 0; w < s->n_windows; w++) {
        if (s->total[w] == 0 || (n == FIRST_WINDOWS && s->total[w] <= s->total[best[n - 1]]))
            continue;
        uint32_t i = n < FIRST_WINDOWS ? n++ : n - 1;
        for (; i && s->total[best[i - 1]] < s->total[w]; i--)
            best[i] = best[i - 1];
        best[i] = w;
    }
    for (uint32_t i = 0; i < n; i++)
        visit(s, best[i]);
    for (uint32_t w = 0; w < s->n_windows; w++)
        visit(s, w);
}

static void search_part(struct search *s, const struct allowed *may, struct arena *a)
{
    struct arena_mark mark = arena_mark(a);
    const struct bm25_params *params = may->params;
    s->may = may;
    s->constant = params->k1 * (1 - params->b);
    s->per_length = params->k1 * params->b / s->mean;
    s->segment = may->part->segment;
    s->dead = may->part->dead;
    s->n_windows = (s->segment->n_passages + WINDOW - 1) >> WINDOW_BITS;
    for (uint32_t i = 0; i < s->segment->n_codes; i++)
        s->count[i] = bm25_count(params, &s->segment->code[i]);
    s->cursor = arena_array(a, struct cursor, s->n_terms);
    s->n_cursors = 0;
    s->total = arena_array(a, float, s->n_windows);
    float grown = growth(s);
    for (size_t i = 0; i < s->n_terms; i++)
        open_cursor(s, &s->term[i], grown, a);
    if (s->n_cursors) {
        if (may->bits)
            drop_windows(s);
        search_windows(s);
    }
    arena_rewind(a, mark);
}

/* ---- The query ---- */

enum { NARROW = 16 }; /* one in so many documents: then bits tell sooner than the set */

/* By documents alone; clauses come when the statistics are done. */
static void find_allowed(struct search *s, const struct bm25_view *const *view, size_t n_views,
                         struct arena *a)
{
    for (size_t v = 0; v < n_views; v++)
        s->n_parts += view[v]->n_parts;
    s->allowed = arena_array(a, struct allowed, s->n_parts);
    struct allowed *to = s->allowed;
    for (size_t v = 0; v < n_views; v++) {
        const struct docset *set = s->query->allowed ? s->query->allowed[v] : NULL;
        uint32_t members = set ? docset_count(set) : 0;
        for (uint32_t p = 0; p < view[v]->n_parts; p++, to++) {
            const struct part *part = view[v]->part[p];
            *to = (struct allowed){
                .part = part, .params = &view[v]->params, .set = set, .view = (uint32_t)v};
            if (s->query->own_statistics || s->query->n_clauses ||
                (set && members < part->segment->n_documents / NARROW))
                to->bits = part_allowed(part, set, a);
        }
    }
}

static void apply_clauses(struct search *s)
{
    for (size_t p = 0; p < s->n_parts; p++)
        for (size_t i = 0; i < s->query->n_clauses; i++)
            part_demand(s->allowed[p].part, &s->query->clause[i], s->allowed[p].bits);
}

static int by_weight(const void *a, const void *b)
{
    const struct search_term *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

static uint64_t df_of(const struct search *s, uint64_t term)
{
    uint64_t df = 0;
    for (size_t p = 0; p < s->n_parts; p++) {
        struct dict_cursor c;
        const struct allowed *may = &s->allowed[p];
        if (segment_find(may->part->segment, term, &c))
            df += s->query->own_statistics ? part_df_in(may->part, &c, may->bits)
                                           : part_df(may->part, &c);
    }
    return df;
}

static void count_passages(const struct search *s, uint64_t *passages, double *length)
{
    *passages = 0;
    *length = 0;
    for (size_t p = 0; p < s->n_parts; p++) {
        const struct allowed *may = &s->allowed[p];
        const struct segment *g = may->part->segment;
        if (!s->query->own_statistics) {
            *passages += may->part->n_live;
            *length += may->part->length;
            continue;
        }
        for (size_t w = 0; w < words_of(g->n_passages); w++)
            for (uint64_t left = may->bits[w]; left; left &= left - 1, ++*passages)
                *length += (double)g->length[w * 64 + (size_t)__builtin_ctzll(left)];
    }
}

/* Weighs the terms by the statistics of all views; false when nothing can be found. */
static bool weigh(struct search *s)
{
    uint64_t passages;
    double length;
    count_passages(s, &passages, &length);
    s->mean = length > 0 && passages ? (float)(length / (double)passages) : 1;
    size_t n = size_min(s->query->n, BM25_MAX_WORDS);
    const struct bm25_word *word = s->query->word;
    for (size_t i = 0, end; i < n; i = end) {
        uint64_t df = 0;
        for (end = i; end < n && word[end].group == word[i].group; end++)
            df += df_of(s, word[end].term);
        df = df < passages ? df : passages;
        double idf = log(1 + ((double)(passages - df) + .5) / ((double)df + .5));
        for (size_t k = i; k < end && df; k++) {
            float weight = word[k].weight * (float)idf;
            if (weight > 0)
                s->term[s->n_terms++] = (struct search_term){word[k].term, weight};
        }
    }
    if (s->n_terms)
        qsort(s->term, s->n_terms, sizeof(*s->term), by_weight);
    return s->n_terms > 0;
}

size_t bm25_search(const struct bm25_view *const *view, size_t n_views, const struct bm25_query *q,
                   struct hit *hit, size_t k)
{
    if (n_views == 0 || q->n == 0 || k == 0)
        return 0;
    struct arena *a = arena_scratch();
    struct arena_mark mark = arena_mark(a);
    struct search *s = arena_struct(a, struct search);
    s->query = q;
    s->top = (struct top){.hit = hit, .k = k};
    s->term = arena_array(a, struct search_term, size_min(q->n, BM25_MAX_WORDS));
    find_allowed(s, view, n_views, a);
    if (weigh(s)) {
        apply_clauses(s);
        for (size_t p = 0; p < s->n_parts; p++)
            search_part(s, &s->allowed[p], a);
        top_sort(&s->top);
    }
    size_t n = s->top.n;
    arena_rewind(a, mark);
    return n;
}
