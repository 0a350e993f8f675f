/* excerpt.h - the sentences of some passages that answer a question best, or none.
 *
 * Every sentence is scored by the question's terms that it holds, weighed by how rare they are
 * among the sentences at hand; terms in its section path, its document's name, the heading or
 * question above it and the sentence before it count in part, and in a smaller part those elsewhere
 * in its passage. Preferred besides: terms that follow each other as in the question, the kind of
 * thing that is asked for (question.h), and passages that the search liked. A row of a table and a
 * block of code count as sentences.
 *
 * The best one is taken, then others that add what it lacks or are nearly as good, no two alike.
 * Neighbours are joined; a sentence that points back ("It ...") or leans on the one before brings
 * that along, one that ends in a colon the list, table or code behind it, and the head of a table
 * its rows. When the best sentence with what is around it holds too little of the question, or the
 * keyword search did not prefer its passage, there is no excerpt: better no answer than a wrong
 * one.
 *
 * Memory:  results point into the passages or live in the arena.
 * Threads: any. Costs about 0.2 ms per 1000 tokens of passages, so a loop asks a worker.
 * Source:  our own rules, as in extractive summarising; thresholds by trial, see excerpt.c.
 */
#pragma once

#include "model/chat.h"

/* One statement of the answer, to be followed by its citation. */
struct excerpt {
    const struct passage *passage;
    size_t start, end; /* passage->text[start, end): whole sentences */
    size_t block;      /* from here on a list, a table or code; `end` when there is none */
};

enum { EXCERPT_MOST = 4 };

/* Fills out[] in reading order; 0: the passages do not hold the answer. `asked` is the question in
 * its own words: those that `question` has besides were borrowed from earlier ones to make it
 * standalone, and count less. */
size_t excerpt_select(struct str question, struct str asked, const struct passage *passage,
                      size_t n, struct excerpt out[EXCERPT_MOST], struct arena *a);
/* What decides whether the best sentence answers the question, for measuring; shares are of the
 * question's weight. False: there is no sentence at all. */
struct excerpt_support {
    float near;   /* share in the sentence and what is right above it */
    float around; /* share elsewhere in its passage */
    float has;    /* share in the sentence itself */
    float named;  /* names and numbers of the question that its passage does not have */
    float wants; /* 1: the question wants a fact; fits: ... and the sentence has one of that kind */
    float fits;
    float pairs;  /* terms that follow each other in both */
    float terms;  /* of the question */
    float margin; /* by how much keywords liked its passage more than any other, 0..1 */
};
bool excerpt_support(struct str question, struct str asked, const struct passage *passage, size_t n,
                     struct excerpt_support *out, struct arena *a);

/* What a reader is shown, as Markdown: prose with its white space folded, code fenced, the rows of
 * a table as a list; false citations defused. */
struct str excerpt_text(const struct excerpt *x, struct arena *a);
