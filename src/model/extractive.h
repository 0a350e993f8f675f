/* extractive.h - answers without a model: the sentences of the passages that support an answer
 * best.
 *
 * Every sentence is scored by the question's terms that it holds, weighed by how rare they are
 * among the sentences at hand; terms in its section path, its document's name or the heading or
 * question right above it count in part. Preferred besides: terms that follow each other as in the
 * question, the kind of thing that is asked for (question.h), and passages that the search liked.
 * The best sentence is taken, then others that add what it lacks or explain it further, no two
 * alike; neighbours are joined, a sentence that points back ("It ...") brings the one before it,
 * and one that ends in a colon brings the list or code behind it. When the best sentence with its
 * context holds too little of the question, the answer is CHAT_NO_INFORMATION: better none than a
 * wrong one.
 *
 * Memory:  results point into the passages or live in the arena.
 * Threads: any. Costs about 0.2 ms per 1000 tokens of passages, so a loop asks a worker.
 * Source:  our own rules; thresholds found by trial on public sets of questions (see test).
 */
#pragma once

#include "model/chat.h"

/* One statement of the answer: a stretch of a passage, to be followed by its citation. */
struct extract {
    const struct passage *passage;
    size_t start, end; /* passage->text[start, end): whole sentences */
    bool verbatim;     /* a list, a table or code: its line breaks matter */
};

enum { EXTRACT_MOST = 4 };

/* Fills out[] in reading order; 0: the passages do not hold the answer. */
size_t extractive_select(struct str question, const struct passage *passage, size_t n,
                         struct extract out[EXTRACT_MOST], struct arena *a);
/* The text of a statement: white space folded unless it is verbatim; false citations defused. */
struct str extractive_text(const struct extract *x, struct arena *a);
