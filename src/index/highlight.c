#include "index/highlight.h"
#include "base/hash.h"
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

static void mark_phrases(struct found *found, size_t n, const struct query *q)
{
    for (size_t i = 0; i < q->n_clauses + q->n_phrases; i++) {
        const struct bm25_clause *c = &q->clause[i];
        for (size_t first = 0; c->demand == BM25_MUST && first < n; first++) {
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
        mark_phrases(found, words, &q[k]);
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
