/* phrase.h - which passages have words side by side, or near each other: by their own texts.
 *
 * An index of words does not say where they stand; that would double its size. It gives the
 * passages that have all words of a phrase, best first, and of these the text is read and cut into
 * words again, as when it was indexed, until enough of them are found to have the phrase. A phrase
 * that is nowhere costs most, since all that have its words are read: some 10 us each.
 *
 * What is read has passed the caller's rights and filter. A passage is read once for all clauses
 * of a query and all searches with it. One that the store does not have any more fits no phrase,
 * nor the absence of one.
 *
 * Words are compared as they were indexed: each is folded and stemmed once, and known by its
 * spelling from then on.
 *
 * Memory:  all of it lives in the arena.
 * Threads: one at a time; reading may put a fiber to sleep.
 * Errors:  those of the texts' source.
 */
#pragma once

#include "base/err.h"
#include "index/bm25.h"
#include "index/nearness.h"

/* Where texts come from. */
typedef void phrase_seen(void *to, size_t i, struct str title, struct str section, struct str text);
struct phrase_texts {
    /* Calls seen(to, i, ...) for each key[i] that is there, in any order. Keys rise. */
    bool (*read)(void *arg, const int64_t *key, size_t n, phrase_seen *seen, void *to,
                 struct err *e);
    void *arg;
};

enum { PHRASE_CLAUSES = 64 };

struct phrase_check;
/* For searches with some or all of these clauses, at most PHRASE_CLAUSES; all are borrowed. Keys
 * differ between the views. `texts` may be NULL when no clause is a phrase. */
struct phrase_check *phrase_check_new(struct arena *a, const struct bm25_view *const *view,
                                      size_t n_views, const struct bm25_clause *clause,
                                      size_t n_clauses, const struct phrase_texts *texts);

/* bm25_search and bm25_fitting with the first n_clauses held to the letter. */
bool phrase_search(struct phrase_check *p, const struct bm25_query *q, struct hit *hit, size_t k,
                   size_t *n, struct err *e);
bool phrase_fitting(struct phrase_check *p, size_t n_clauses, struct hit *hit, size_t *n,
                    struct err *e);

/* ---- In one text ---- */

struct phrase_word {
    uint64_t term;
    uint32_t place; /* does not fall from word to word */
};

/* Whether a phrase begins with word[first]; it then ends with word[*last]. */
bool phrase_begins(const struct phrase_word *word, size_t n, size_t first,
                   const struct bm25_clause *c, size_t *last);

/* Goes over the stretches in which the words of a clause with `further` stand near each other. */
struct phrase_near {
    struct nearness seats;
    size_t at;
};
void phrase_near_begin(struct phrase_near *s, const struct bm25_clause *c);
/* The next one: word[*from, *to), of which those that phrase_fits says belong to it. */
bool phrase_near_next(struct phrase_near *s, const struct phrase_word *word, size_t n,
                      const struct bm25_clause *c, size_t *from, size_t *to);
/* Which words of the clause this one is, a bit for each. */
uint64_t phrase_fits(uint64_t term, const struct bm25_clause *c);
