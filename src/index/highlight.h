/* highlight.h - which bytes of a passage answer to the words of queries.
 *
 * Words match as they do in the search: whatever the inflection, in the language of the passage;
 * words with * and ~ by what they stood for. Pairs of characters of scripts without spaces that
 * overlap are one span, and so are the words of a phrase where they stand side by side. Words that
 * are to be near each other ("a b"~5) are spans of their own, of a phrase where they are.
 *
 * Memory:  spans lie in the arena.
 * Threads: any. Cost: about 300 ns per word of the text.
 */
#pragma once

#include "index/query.h"

struct highlight_span {
    uint32_t start, end; /* text[start, end) */
    bool phrase;         /* all of a phrase of the query, or a word near the others */
};

/* Spans of what any of q[n_queries] looks for, in order, apart from each other. Returns how many.
 */
size_t highlight(struct highlight_span **out, struct arena *a, const struct query *q,
                 size_t n_queries, struct str text, enum lang lang);
