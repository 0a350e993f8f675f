/* support.h - how much of what is asked or said stands in a piece of text.
 *
 * A statement or question is reduced to its search terms (stop words dropped, words stemmed); a
 * sentence supports it by the terms that the two share. Sets of terms are bit masks, so that what
 * several sentences cover together is an `or`. A term is found in a text by its stem, or by a word
 * that begins with it or that it begins with (config, configuration).
 *
 * Units:   weights have no unit; a weight says how much a term tells about the question.
 * Threads: one at a time; support_match reads only.
 */
#pragma once

#include "base/arena.h"
#include "text/terms.h"

enum { SUPPORT_TERMS = 64 };

struct support {
    enum lang lang;
    uint32_t n;
    struct str
        term[SUPPORT_TERMS];     /* different ones, in order; those behind the 64th are left out */
    float weight[SUPPORT_TERMS]; /* 1 until the caller weighs them */
    uint64_t named;              /* bit i: term[i] is a number, or written like a name */
};

/* Terms live in `a`. Of a question words that only ask ("how", "explain") are left out. */
void support_init(struct support *s, struct str text, enum lang lang, bool question,
                  struct arena *a);

struct support_found {
    uint64_t terms; /* bit i: term[i] is in the text */
    uint32_t words; /* terms of the text in all, repeats included */
    uint32_t hits;  /* how many of these words are terms of the statement */
    uint32_t pairs; /* terms that follow each other in both */
};
struct support_found support_match(const struct support *s, struct str text);

float support_weight(const struct support *s, uint64_t terms); /* sum */
/* How alike two texts are: shared terms against all terms of both (Dice), 0..1. */
float support_alike(const struct support *s, struct str text);
