/* words.h - from texts to what a BM25 index is fed with: passages and queries.
 *
 * A passage is its text and the words of its document's title and of its section, which often say
 * what the text takes for granted. A query is read once for each language of the index, because a
 * short one does not tell its own; the forms that a word gets share one weight, and what is a stop
 * word in one of the languages is left out.
 *
 * Queries are outside bytes: WORDS_QUERY_BYTES are looked at, and BM25_MAX_WORDS terms kept.
 *
 * Threads: any.
 */
#pragma once

#include "index/bm25.h"
#include "text/terms.h"

/* The words of a passage one by one: first those of its title, then of its section, then of its
 * text. With LANG_OTHER they are as they were folded: no stop word is missing, and none is stemmed.
 */
struct words_walk {
    enum bm25_field field; /* of the word that was given last */
    /* inside */
    struct str text[BM25_FIELDS];
    enum lang lang;
    uint32_t before; /* places before the field */
    struct terms terms;
};

enum { WORDS_FIELD_GAP = 8 }; /* places between fields: nothing stands beside another's words */

void words_walk_begin(struct words_walk *w, enum lang lang, struct str title, struct str section,
                      struct str text);
/* term->place counts over all fields. */
bool words_walk_next(struct words_walk *w, struct term *term);

/* A passage's words; a zeroed struct is empty. Reused from passage to passage. */
struct words {
    uint64_t *term; /* hashes of the texts, as in token[] */
    struct bm25_token *token;
    size_t n, room;
    uint32_t length; /* for the formula: without what is there only for short queries */
    uint32_t field_length[BM25_FIELDS];
    char *text; /* of the tokens */
    size_t n_text, text_room;
};

void words_fini(struct words *w);
/* Replaces what was in it by the words of a passage; title and section may be "". */
void words_of_passage(struct words *w, enum lang lang, struct str title, struct str section,
                      struct str text);
/* What bm25_add takes; borrowed from `w` until it is filled again. */
struct bm25_passage words_passage(const struct words *w);

enum { WORDS_QUERY_BYTES = 8192, WORDS_LANGS = 6 };

/* Fills word[BM25_MAX_WORDS]; returns how many, each term once. */
size_t words_of_query(struct bm25_word *word, struct str text, const enum lang *lang,
                      size_t n_langs);

/* As much of a term as a dictionary takes: what is hashed. */
struct str words_cut(struct str term);

/* The words of a phrase, in all their forms, each where it stands; stop words leave a leap. Fills
 * spot[room] and returns how many. */
size_t words_spots(struct bm25_spot *spot, size_t room, struct str text, const enum lang *lang,
                   size_t n_langs);

/* The languages that a query is read in: those of at least one passage in 50, most frequent first,
 * from the sums over the views; English when there is nothing. Returns how many, at least 1. */
size_t words_langs(enum lang lang[WORDS_LANGS], const struct bm25_view *const *view,
                   size_t n_views);
