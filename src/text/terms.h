/* terms.h - the search terms of a text: the same for documents and for queries.
 *
 * A run of letters and numbers is a word. It is folded (text/unicode.h), dropped when it is a stop
 * word of the language, and stemmed. Scripts that put no space between words give overlapping pairs
 * of characters ("今日は" gives 今日 and 日は) instead. A document also gives each of their
 * characters alone, marked `extra`, so that a query of one character finds it.
 *
 * With `identifiers` set after terms_begin, names as source code has them give more, marked
 * `extra`: getUserName also user and name, snake_case and os.path also themselves as a whole. So
 * both a search for the name and one for what it is made of find it.
 *
 *     terms_begin(&t, text, LANG_EN, TERMS_DOCUMENT);
 *     while (terms_next(&t, &term)) ...
 *
 * A text of stop words alone has no terms. Words longer than TERMS_WORD_MAX bytes are cut there.
 *
 * Memory:  term.text lasts until the next call on this thread. Nothing is allocated.
 * Threads: an iterator belongs to one thread.
 * Cost:    about 250 ns per English word, half of it stemming.
 */
#pragma once

#include "text/lang.h"

/* A query looks for words in the form that its language gives them, but an index may hold texts in
 * several: then it is read once for each of them, and equal terms are dropped. */
enum terms_for { TERMS_DOCUMENT, TERMS_QUERY };
enum { TERMS_WORD_MAX = 64 };

struct term {
    struct str text;
    size_t start, end; /* bytes of the text that it was made from */
    uint32_t place;    /* from 0: words before it, stop words too; in dense scripts characters */
    bool extra;        /* beside the words themselves: not part of a text's length */
    bool dense;        /* not stemmed: characters of a script without spaces, a whole name */
};

struct terms {
    struct str text;
    size_t at;
    enum lang lang;
    enum terms_for use;
    uint32_t place;
    bool identifiers;               /* set by the caller: see above */
    size_t whole_end;               /* names that end up to here have been given as a whole */
    size_t part_at, part_end;       /* of a word: what is to be given in parts */
    bool in_run;                    /* the character before `at` was of the same dense run */
    bool single_done;               /* the character at `at` was given alone: its pair comes next */
    char word[TERMS_WORD_MAX * 11]; /* the folded word */
};

void terms_begin(struct terms *t, struct str text, enum lang lang, enum terms_for use);
bool terms_next(struct terms *t, struct term *out);

bool terms_is_stop(enum lang l, struct str folded_word);
