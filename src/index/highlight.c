#include "index/highlight.h"
#include "base/hash.h"
#include "text/terms.h"

#include <stdlib.h>

struct found { /* a word of the text */
    uint32_t start, end;
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

/* The words of a text: what is marked of each, and what phrases look at. */
static size_t find_words(struct found **out, struct phrase_word **out_words, struct arena *a,
                         const struct query *q, size_t n_queries, struct str text, enum lang lang)
{
    struct terms t;
    struct term term;
    size_t n = 0, n_wanted;
    const uint64_t *wanted = sorted_terms(q, n_queries, a, &n_wanted);
    struct found *found = NULL;
    struct phrase_word *word = NULL;
    terms_begin(&t, text, lang, TERMS_DOCUMENT);
    t.identifiers = true;
    while (terms_next(&t, &term)) {
        found = arena_room(a, found, n, sizeof(*found));
        word = arena_room(a, word, n, sizeof(*word));
        uint64_t hash = hash_stable(words_cut(term.text));
        bool has = n_wanted && bsearch(&hash, wanted, n_wanted, sizeof(hash), by_number);
        word[n] = (struct phrase_word){hash, term.place};
        found[n++] = (struct found){(uint32_t)term.start, (uint32_t)term.end, has, false};
    }
    *out = found;
    *out_words = word;
    return n;
}

/* Marks the words of the clause where all of them stand near each other. */
static void mark_near(struct found *found, const struct phrase_word *word, size_t n,
                      const struct bm25_clause *c)
{
    struct phrase_near near;
    size_t from, to;
    phrase_near_begin(&near, c);
    while (phrase_near_next(&near, word, n, c, &from, &to))
        for (size_t k = from; k < to; k++)
            if (phrase_fits(word[k].term, c))
                found[k].wanted = found[k].in_phrase = true;
}

static void mark_phrase(struct found *found, const struct phrase_word *word, size_t n,
                        const struct bm25_clause *c)
{
    for (size_t first = 0; first < n; first++) {
        size_t last;
        if (!phrase_begins(word, n, first, c, &last) || last == first)
            continue;
        found[first].end = found[last].end > found[first].end ? found[last].end : found[first].end;
        found[first].wanted = found[first].in_phrase = true;
    }
}

static void mark_phrases(struct found *found, const struct phrase_word *word, size_t n,
                         const struct query *q)
{
    for (size_t i = 0; i < q->n_clauses + q->n_phrases; i++) {
        const struct bm25_clause *c = &q->clause[i];
        if (c->demand == BM25_MUST && c->further)
            mark_near(found, word, n, c);
        else if (c->demand == BM25_MUST)
            mark_phrase(found, word, n, c);
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
    struct phrase_word *word;
    size_t words = find_words(&found, &word, a, q, n_queries, text, lang), n = 0;
    for (size_t k = 0; words > 0 && k < n_queries; k++)
        mark_phrases(found, word, words, &q[k]);
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
