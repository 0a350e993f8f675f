/* The problem: the best k of some 100,000 passages, where scoring all that share a word with the
 * query costs a few nanoseconds for each of their postings.
 *
 * Passages are taken in windows of 4,096, whose scores fit the first-level cache. A first pass over
 * the block maxima gives for each window and term the most that the term can add there. The windows
 * that promise most are scored first, so that the k-th best score is high early; after that most
 * windows cannot reach it and are not looked at. Inside a window the terms come rarest first; once
 * those that are left could not lift a passage over the k-th best score by themselves, they are
 * looked up only for passages that have a score already, and still a chance. */
#include "index/bm25_part.h"
#include "base/arena.h"

#include <math.h>
#include <stdlib.h>

enum { WINDOW_BITS = 12, WINDOW = 1 << WINDOW_BITS, FIRST_WINDOWS = 8 };

/* Bounds and scores are sums of the same terms in different forms: rounding may make a bound a
 * little too small. */
static const float SLACK = 1.00001f;

struct search_term { /* of the query, that some part has */
    uint64_t hash;
    float weight; /* times idf and k1 + 1 */
};

struct cursor {          /* a term in the part at hand */
    uint32_t index;      /* in the segment */
    float weight;        /* of its search_term */
    uint32_t per_window; /* postings, on average */
    float *bound;    /* [windows] the most that it adds to a score there; 0: it does not occur */
    uint32_t *block; /* [windows] first block that reaches in */
};

struct search {
    struct bm25_params params;
    float constant, per_length; /* the length's part of the formula */
    float mean;
    const struct bm25_query *query;
    struct search_term *term;
    size_t n_terms;
    /* the part at hand */
    const struct segment *segment;
    const uint64_t *dead;
    uint64_t *allowed;     /* a bit per passage; NULL: all */
    struct cursor *cursor; /* rarest first */
    size_t n_cursors;
    uint32_t n_windows;
    float *total; /* [n_windows] sum of bounds; 0: done or nothing there */
    /* a window: scores, and which passages have one */
    float score[WINDOW];
    uint16_t touched[WINDOW + 1]; /* one more: the last is written before it is counted */
    uint32_t n_touched;
    float rest[BM25_MAX_WORDS + 1]; /* the most that cursors i and up can add */
    struct top top;
    uint32_t view;
};

/* What a passage needs to have a chance. */
static float needed(const struct search *s)
{
    return top_needed(&s->top, 0);
}

/* ---- One window ---- */

static float share(const struct search *s, const struct cursor *c, uint32_t passage, uint8_t count)
{
    float length = (float)s->segment->passage_length[passage];
    return c->weight * count / (count + s->constant + s->per_length * length);
}

/* The first posting in [at, end) that is at least `want` from the base. Without branches: where the
 * search goes cannot be predicted. */
static uint32_t seek(const uint16_t *distance, uint32_t at, uint32_t end, uint32_t want)
{
    for (uint32_t n = end - at; n > 0;) {
        uint32_t half = (n + 1) / 2;
        at += half * (distance[at + half - 1] < want);
        n -= half;
    }
    return at;
}

/* Adds the term's share to every passage of the window that has it. */
static void add_all(struct search *s, const struct cursor *c, uint32_t w)
{
    const struct segment *g = s->segment;
    uint32_t low = w << WINDOW_BITS, high = low + WINDOW;
    const struct segment_block *b = &g->block[c->block[w]];
    const struct segment_block *end = &g->block[g->term_block[c->index + 1]];
    for (; b < end && b->base < high; b++) {
        uint32_t at = b->at, stop = b[1].at;
        if (b->base < low)
            at = seek(g->distance, at, stop, low - b->base);
        if (b->last >= high)
            stop = seek(g->distance, at, stop, high - b->base);
        for (; at < stop; at++) {
            uint32_t passage = b->base + g->distance[at], i = passage - low;
            s->touched[s->n_touched] = (uint16_t)i;
            s->n_touched += s->score[i] == 0;
            s->score[i] += share(s, c, passage, g->count[at]);
        }
    }
}

/* The term's share of one passage. */
static float look_up(const struct search *s, const struct cursor *c, uint32_t w, uint32_t passage)
{
    const struct segment *g = s->segment;
    const struct segment_block *b = &g->block[c->block[w]];
    const struct segment_block *end = &g->block[g->term_block[c->index + 1]];
    while (b < end && b->last < passage)
        b++;
    if (b == end || b->base > passage)
        return 0;
    uint32_t distance = passage - b->base;
    uint32_t at = seek(g->distance, b->at, b[1].at, distance);
    return g->distance[at] == distance ? share(s, c, passage, g->count[at]) : 0;
}

static bool may_answer(const struct search *s, uint32_t passage)
{
    return s->allowed ? bit(s->allowed, passage) : !(s->dead && bit(s->dead, passage));
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

static void keep_touched(struct search *s, uint32_t low)
{
    const struct segment *g = s->segment;
    for (uint32_t i = 0; i < s->n_touched; i++) {
        uint32_t passage = low + s->touched[i];
        float score = s->score[s->touched[i]];
        s->score[s->touched[i]] = 0;
        if (score > 0 && score >= needed(s))
            top_offer(&s->top, (struct hit){.key = g->key[passage],
                                            .document = g->document[g->owner[passage]].id,
                                            .score = score,
                                            .view = s->view});
    }
    s->n_touched = 0;
}

enum { LOOK_UP_COST = 8 }; /* times that of adding a posting; by trial */

/* Terms come rarest first. Those at the end whose bounds together do not reach the best hits bring
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
    for (; i < s->n_cursors && s->n_touched; i++) {
        if (s->cursor[i].bound[w] == 0)
            continue;
        prune(s, low, rest[i]);
        if (s->n_touched * LOOK_UP_COST >= s->cursor[i].per_window) {
            add_all(s, &s->cursor[i], w);
            continue;
        }
        for (uint32_t k = 0; k < s->n_touched; k++)
            s->score[s->touched[k]] += look_up(s, &s->cursor[i], w, low + s->touched[k]);
    }
    prune(s, low, 0);
    keep_touched(s, low);
}

/* ---- One part ---- */

/* From the block maxima, which hold for the mean length at building time. */
static void bound_by_blocks(struct search *s, struct cursor *c, float scale)
{
    const struct segment *g = s->segment;
    for (uint32_t k = g->term_block[c->index]; k < g->term_block[c->index + 1]; k++) {
        const struct segment_block *b = &g->block[k];
        float bound = b->max * scale;
        for (uint32_t w = b->base >> WINDOW_BITS; w <= b->last >> WINDOW_BITS; w++) {
            if (c->bound[w] == 0)
                c->block[w] = k;
            c->bound[w] = fmaxf(c->bound[w], bound);
        }
    }
}

/* From each posting: for rare terms, whose blocks span many windows and are in few of them. */
static void bound_by_postings(struct search *s, struct cursor *c)
{
    const struct segment *g = s->segment;
    for (uint32_t k = g->term_block[c->index]; k < g->term_block[c->index + 1]; k++) {
        const struct segment_block *b = &g->block[k];
        for (uint32_t at = b->at; at < b[1].at; at++) {
            uint32_t passage = b->base + g->distance[at], w = passage >> WINDOW_BITS;
            if (c->bound[w] == 0)
                c->block[w] = k;
            c->bound[w] = fmaxf(c->bound[w], share(s, c, passage, g->count[at]));
        }
    }
}

enum { BLOCK_SPANS = 16 }; /* windows per block from which on postings are looked at; by trial */

static void bound_windows(struct search *s)
{
    const struct segment *g = s->segment;
    float grown = fmaxf(1, s->mean / g->mean_length) * SLACK / (s->params.k1 + 1);
    for (size_t i = 0; i < s->n_cursors; i++) {
        struct cursor *c = &s->cursor[i];
        uint32_t blocks = g->term_block[c->index + 1] - g->term_block[c->index];
        if (blocks * BLOCK_SPANS < s->n_windows)
            bound_by_postings(s, c);
        else
            bound_by_blocks(s, c, c->weight * grown);
        for (uint32_t w = 0; w < s->n_windows; w++)
            s->total[w] += c->bound[w];
    }
}

static void allow(uint64_t *bits, const struct segment_document *d)
{
    for (uint32_t p = d->first; p < d->first + d->n; p++)
        bits[p / 64] |= UINT64_C(1) << p % 64;
}

/* A bit for every living passage of the documents in `set`: those are looked up when they are few,
 * else each document of the segment asks whether it is one. */
static uint64_t *allowed_bits(const struct search *s, const struct docset *set, struct arena *a)
{
    const struct segment *g = s->segment;
    size_t words = words_of(g->n_passages);
    uint64_t *bits = arena_array(a, uint64_t, words);
    if (docset_count(set) < g->n_documents / 16)
        for (uint32_t d = docset_next(set, 0); d < set->room; d = docset_next(set, d + 1)) {
            const struct segment_document *found = segment_find_document(g, d);
            if (found)
                allow(bits, found);
        }
    else
        for (uint32_t k = 0; k < g->n_documents; k++) {
            int64_t d = g->document[k].id;
            if (d >= 0 && d < set->room && docset_has(set, (uint32_t)d))
                allow(bits, &g->document[k]);
        }
    for (size_t i = 0; s->dead && i < words; i++)
        bits[i] &= ~s->dead[i];
    return bits;
}

/* Nothing is to be found where nothing is allowed. */
static void drop_windows(struct search *s)
{
    size_t words = words_of(s->segment->n_passages);
    for (uint32_t w = 0; w < s->n_windows; w++) {
        uint64_t any = 0;
        for (size_t i = (size_t)w * WINDOW / 64; i < words && i < ((size_t)w + 1) * WINDOW / 64;
             i++)
            any |= s->allowed[i];
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

static void search_part(struct search *s, const struct part *p, struct arena *a)
{
    struct arena_mark mark = arena_mark(a);
    s->segment = p->segment;
    s->dead = p->dead;
    s->n_windows = (p->segment->n_passages + WINDOW - 1) >> WINDOW_BITS;
    s->cursor = arena_array(a, struct cursor, s->n_terms);
    s->n_cursors = 0;
    for (size_t i = 0; i < s->n_terms; i++) {
        uint32_t index = segment_find(p->segment, s->term[i].hash);
        if (index == SEGMENT_NO_TERM)
            continue;
        s->cursor[s->n_cursors++] =
            (struct cursor){.index = index,
                            .weight = s->term[i].weight,
                            .per_window = segment_postings(p->segment, index) / s->n_windows,
                            .bound = arena_array(a, float, s->n_windows),
                            .block = arena_array(a, uint32_t, s->n_windows)};
    }
    if (s->n_cursors) {
        s->total = arena_array(a, float, s->n_windows);
        bound_windows(s);
        const struct docset *set = s->query->allowed ? s->query->allowed[s->view] : NULL;
        s->allowed = set ? allowed_bits(s, set, a) : NULL;
        if (s->allowed)
            drop_windows(s);
        search_windows(s);
    }
    arena_rewind(a, mark);
}

/* ---- The query ---- */

static int by_weight(const void *a, const void *b)
{
    const struct search_term *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

static uint64_t df_of(const struct bm25_view *const *view, size_t n_views, uint64_t term)
{
    uint64_t df = 0;
    for (size_t v = 0; v < n_views; v++)
        for (uint32_t p = 0; p < view[v]->n_parts; p++) {
            uint32_t index = segment_find(view[v]->part[p]->segment, term);
            df += index == SEGMENT_NO_TERM ? 0 : part_df(view[v]->part[p], index);
        }
    return df;
}

/* Weighs the terms by the statistics of all views; false when nothing can be found. */
static bool weigh(struct search *s, const struct bm25_view *const *view, size_t n_views)
{
    uint64_t passages = 0, length = 0;
    for (size_t v = 0; v < n_views; v++) {
        passages += view[v]->n_live;
        length += view[v]->length;
    }
    s->mean = length ? (float)((double)length / (double)passages) : 1;
    size_t n = size_min(s->query->n, BM25_MAX_WORDS);
    const struct bm25_word *word = s->query->word;
    for (size_t i = 0, end; i < n; i = end) {
        uint64_t df = 0;
        for (end = i; end < n && word[end].group == word[i].group; end++)
            df += df_of(view, n_views, word[end].term);
        df = df < passages ? df : passages;
        double idf = log(1 + ((double)(passages - df) + .5) / ((double)df + .5));
        for (size_t k = i; k < end && df; k++) {
            float weight = word[k].weight * (float)idf * (s->params.k1 + 1);
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
    s->params = view[0]->params;
    s->query = q;
    s->top = (struct top){.hit = hit, .k = size_min(k, BM25_MAX_HITS)};
    s->term = arena_array(a, struct search_term, size_min(q->n, BM25_MAX_WORDS));
    if (weigh(s, view, n_views)) {
        s->constant = s->params.k1 * (1 - s->params.b);
        s->per_length = s->params.k1 * s->params.b / s->mean;
        for (size_t v = 0; v < n_views; v++) {
            s->view = (uint32_t)v;
            for (uint32_t p = 0; p < view[v]->n_parts; p++)
                search_part(s, view[v]->part[p], a);
        }
        top_sort(&s->top);
    }
    size_t n = s->top.n;
    arena_rewind(a, mark);
    return n;
}
