/* rerank_match.h - where the words of a question stand in a text, fast.
 *
 * Words are those of text/terms.h: folded, stop words dropped, stemmed. Most words of a passage are
 * none of the question's, and need not be stemmed to see that: a stem begins as its word does, so a
 * word whose first letters are those of no word of the question is passed over. What is left is
 * stemmed once, and remembered for all texts. A place costs some 5 ns per byte of text instead of
 * the 40 of stemming everything. Words with other than ASCII letters take the long way, as do
 * languages whose stemmers cut beginnings off.
 *
 * A question is read once for each language that texts are in; a word keeps its number in all of
 * them. Words that only ask ("how", "explain") are left out while others remain.
 *
 * Units:   places count words (stop words too, where they are ASCII) from 0.
 * Memory:  the match lives in the arena given.
 * Threads: one at a time: it remembers.
 */
#pragma once

#include "base/arena.h"
#include "text/lang.h"

enum { RERANK_WORDS = 32, RERANK_QUERY_BYTES = 2048, RERANK_TEXT_BYTES = 65536 };

struct rerank_match;

struct rerank_match *rerank_match_new(struct str query, struct arena *a);
size_t rerank_match_words(const struct rerank_match *m);
/* Word i of the question is a number, or written like a name. */
bool rerank_match_named(const struct rerank_match *m, size_t i);

struct rerank_place {
    uint32_t at;
    uint32_t word; /* of the question */
};

/* The places of the question's words in a text, rising, at most `room`; *length: words of the text
 * in all. Of a text the first RERANK_TEXT_BYTES are looked at. */
size_t rerank_match_find(struct rerank_match *m, enum lang lang, struct str text,
                         struct rerank_place *place, size_t room, uint32_t *length);
