/* sentence.h - where sentences begin and end, as byte offsets.
 *
 * A sentence ends at . ! ? or … (with the quotes and brackets that close behind it) when white
 * space follows, unless the dot belongs to an abbreviation, an initial, a list number, or a lower
 * case word goes on; at a full stop of Chinese, Japanese or Hindi script with nothing required
 * behind it; at an empty line; and at a line break in front of a list item, heading or table row.
 * Other line breaks are white space, as in wrapped text.
 *
 * Every byte that is not white space belongs to exactly one sentence; sentences come in order and
 * have no white space at their ends.
 *
 * Source:  a small rule set in the spirit of Unicode annex 29, with abbreviations in English,
 *          German, French and Spanish, which annex 29 leaves to the implementation.
 * Memory:  looks at the text only.
 * Threads: any.
 */
#pragma once

#include "base/str.h"

struct sentence_iter {
    struct str text;
    size_t at; /* where the search for the next sentence goes on */
};

struct sentence {
    size_t start, end; /* text[start, end) */
};

/* for (it = sentence_begin(text); sentence_next(&it, &s);) ... */
struct sentence_iter sentence_begin(struct str text);
bool sentence_next(struct sentence_iter *it, struct sentence *out);
