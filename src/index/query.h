/* query.h - what a person types into a search box, read into words and demands.
 *
 *     suspension bridges       words: passages with more and rarer ones rank higher
 *     "suspension bridge"      a phrase: in this order, side by side, in one field
 *     "bridge steel rope"~5    its words, in any order, in a stretch that has at most 5 words more;
 *                              1 to 100, else as without ~
 *     +steel  +"cable stayed"  must be in the passage
 *     -rope  NOT rope          must not be; also -"a phrase", -"two words"~3
 *     conf*                    words that begin so
 *     colour~  colour~2        words one edit away, or two
 *     bridges but not ropes    what is not wanted earns nothing (English, German, French, Spanish)
 *
 * Questions in natural language pass unharmed: operators count only where nobody writes them by
 * accident. A sign is one only at the beginning of a word, - only before a letter and in a text
 * without question mark; a hyphen or an apostrophe inside a word is none; NOT only in capitals and
 * not behind an auxiliary verb; a quote that does not close, or that holds one word, is none. When
 * no passage has the phrases that were quoted, without +, they count as words.
 *
 * Queries are outside bytes: of any length and content. What is over the limits is not looked at.
 *
 * Memory:  a query lives in the arena, its words are copied.
 * Threads: any.
 */
#pragma once

#include "index/phrase.h"
#include "index/words.h"

enum {
    QUERY_CLAUSES = 32,
    QUERY_SPOTS = 64,
    QUERY_ALIKE = 64,   /* words for one with * or ~ */
    QUERY_FURTHER = 100 /* the highest number behind "a b"~ */
};

struct query {
    struct bm25_word *word; /* as bm25_query has them */
    size_t n;
    struct bm25_clause *clause; /* what holds in any case; then the phrases that were quoted */
    size_t n_clauses, n_phrases;
    size_t n_held;   /* of clause[]: those that the last search went by */
    struct str text; /* the words of it that are wanted, without operators: for other engines */
};

/* Reads the text for the languages; words with * and ~ become those that the views have, or the
 * allowed documents in them (NULL: all; else a set or NULL for each view). */
void query_parse(struct query *q, struct arena *a, struct str text, const enum lang *lang,
                 size_t n_langs, const struct bm25_view *const *view, size_t n_views,
                 const struct docset *const *allowed);

/* What query_parse has as `text`, in `a`, where there is no index at hand; all of the text when
 * nothing would be left. */
struct str query_wanted(struct str text, struct arena *a);

/* What holds the query's searches to its phrases, in `a`; see phrase_check_new. */
struct phrase_check *query_check(const struct query *q, struct arena *a,
                                 const struct bm25_view *const *view, size_t n_views,
                                 const struct phrase_texts *texts);

/* phrase_search with what the query demands, as query_check has it; `base` gives the rest. */
bool query_search(struct query *q, struct phrase_check *check, struct bm25_query base,
                  struct hit *hit, size_t k, size_t *n, struct err *e);
