#include "index/highlight.h"
#include "base/hash.h"
#include "index/nearness.h"
#include "text/terms.h"

#include <stdlib.h>

struct found { /* a word of the text */
    uint64_t term;
    uint32_t start, end, place;
    bool wanted; /* the query has it */
    bool in_phrase;
};

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t *sorted_terms(const struct query *q, size_t n_queries, struct arena *a, size_t *n)
{
    size_t total = 0;
    for (size_t k = 0; k < n_queries; k++)
        total += q[k].n;
    uint64_t *term = arena_array(a, uint64_t, total);
    *n = 0;
    for (size_t k = 0; k < n_queries; k++)
        for (size_t i = 0; i < q[k].n; i++)
            term[(*n)++] = q[k].word[i].term;
    if (*n)
        qsort(term, *n, sizeof(*term), by_number);
    return term;
}

static size_t find_words(struct found **out, struct arena *a, const struct query *q,
                         size_t n_queries, struct str text, enum lang lang)
{
    struct terms t;
    struct term term;
    size_t n = 0, room = 0, n_wanted;
    const uint64_t *wanted = sorted_terms(q, n_queries, a, &n_wanted);
    struct found *found = NULL;
    terms_begin(&t, text, lang, TERMS_DOCUMENT);
    t.identifiers = true;
    while (terms_next(&t, &term)) {
        if (n == room) {
            struct found *more = arena_array(a, struct found, room = room * 2 + 64);
            if (n)
                memcpy(more, found, n * sizeof(*found));
            found = more;
        }
        uint64_t hash = hash_stable(words_cut(term.text));
        bool has = n_wanted && bsearch(&hash, wanted, n_wanted, sizeof(hash), by_number);
        found[n++] =
            (struct found){hash, (uint32_t)term.start, (uint32_t)term.end, term.place, has, false};
    }
    *out = found;
    return n;
}

/* The first word at this place that fits the spots [i, end); n when none does. */
static size_t word_at(const struct found *found, size_t n, size_t from, uint32_t place,
                      const struct bm25_clause *c, size_t i, size_t end)
{
    for (; from < n && found[from].place <= place; from++)
        for (size_t k = i; k < end && found[from].place == place; k++)
            if (found[from].term == c->spot[k].term)
                return from;
    return n;
}

/* Whether the clause holds from found[first] on; its last word. */
static bool phrase_from(const struct found *found, size_t n, size_t first,
                        const struct bm25_clause *c, size_t *last)
{
    *last = first;
    for (size_t i = 0, end; i < c->n; i = end) {
        for (end = i; end < c->n && c->spot[end].at == c->spot[i].at; end++)
            ;
        uint32_t place = found[first].place + (c->spot[i].at - c->spot[0].at);
        size_t at = word_at(found, n, i ? *last : first, place, c, i, end);
        if (at == n || (i == 0 && at != first))
            return false;
        *last = at;
    }
    return *last > first;
}

/* Which words of the clause this one of the text is, a bit for each; *words: how many those are. */
static uint64_t words_it_fits(const struct found *word, const struct bm25_clause *c, size_t *words)
{
    uint64_t fits = 0;
    *words = 0;
    for (size_t i = 0; i < c->n; i++) {
        *words += i == 0 || c->spot[i].at != c->spot[i - 1].at;
        if (*words > NEARNESS_WORDS)
            break;
        if (c->spot[i].term == word->term)
            fits |= UINT64_C(1) << (*words - 1);
    }
    *words = size_min(*words, NEARNESS_WORDS);
    return fits;
}

/* Marks the words of the clause where all of them stand near each other. */
static void mark_near(struct found *found, size_t n, const struct bm25_clause *c, struct arena *a)
{
    struct nearness near;
    uint64_t *fits = arena_array(a, uint64_t, n);
    size_t words = 0;
    for (size_t i = 0; i < n; i++)
        fits[i] = words_it_fits(&found[i], c, &words);
    nearness_begin(&near, words, (uint64_t)c->spot[c->n - 1].at - c->spot[0].at + c->further);
    for (size_t i = 0, end; i < n; i = end) {
        uint64_t here = 0;
        uint32_t first;
        for (end = i; end < n && found[end].place == found[i].place; end++)
            here |= fits[end];
        if (!nearness_add(&near, found[i].place, here, &first))
            continue;
        for (size_t k = end; k-- > 0 && found[k].place >= first;)
            if (fits[k])
                found[k].wanted = found[k].in_phrase = true;
    }
}

static void mark_phrases(struct found *found, size_t n, const struct query *q, struct arena *a)
{
    for (size_t i = 0; i < q->n_clauses + q->n_phrases; i++) {
        const struct bm25_clause *c = &q->clause[i];
        if (c->further && c->demand == BM25_MUST && n)
            mark_near(found, n, c, a);
        for (size_t first = 0; !c->further && c->demand == BM25_MUST && first < n; first++) {
            size_t last;
            if (!phrase_from(found, n, first, c, &last))
                continue;
            found[first].end =
                found[last].end > found[first].end ? found[last].end : found[first].end;
            found[first].wanted = found[first].in_phrase = true;
        }
    }
}

static int by_start(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->end < y->end) - (x->end > y->end);
}

size_t highlight(struct highlight_span **out, struct arena *a, const struct query *q,
                 size_t n_queries, struct str text, enum lang lang)
{
    struct found *found;
    size_t words = find_words(&found, a, q, n_queries, text, lang), n = 0;
    for (size_t k = 0; k < n_queries; k++)
        mark_phrases(found, words, &q[k], a);
    if (words)
        qsort(found, words, sizeof(*found), by_start);
    struct highlight_span *span = arena_array(a, struct highlight_span, words);
    for (size_t i = 0; i < words; i++) {
        const struct found *f = &found[i];
        if (!f->wanted)
            continue;
        if (n && f->start < span[n - 1].end) { /* overlaps */
            span[n - 1].end = f->end > span[n - 1].end ? f->end : span[n - 1].end;
            span[n - 1].phrase = span[n - 1].phrase || f->in_phrase;
        } else {
            span[n++] = (struct highlight_span){f->start, f->end, f->in_phrase};
        }
    }
    *out = span;
    return n;
}
