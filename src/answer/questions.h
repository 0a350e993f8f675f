/* questions.h - one question as several searches: its parts, other words for it, and words that the
 * best passages share.
 *
 * Without a model: a text with several questions is taken apart at their ends, "what is X and how
 * does Y work" at the "and", a comparison into what is compared. Words are taken from what was
 * found (pseudo-relevance feedback, as Lavrenko and Croft, "Relevance-based language models", 2001,
 * in its simplest form). With one: it is asked for parts and other wordings, as JSON, and whatever
 * it says is read with care.
 *
 * Memory:  texts live in the arena given, or are pieces of the question.
 * Threads: any.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum { QUESTIONS_PARTS = 4, QUESTIONS_BYTES = 500 /* of one that a model wrote */ };

/* The parts of a question; 0 when it asks one thing. English and German. */
size_t questions_split(struct str question, struct str part[QUESTIONS_PARTS], struct arena *a);

/* What a chat model is told, and what it said: at most QUESTIONS_PARTS of each. `standalone` is ""
 * when the question stands alone already. ERR_UPSTREAM: nothing of use is in the answer. */
struct questions_said {
    struct str standalone;
    struct str part[QUESTIONS_PARTS];
    struct str reworded[QUESTIONS_PARTS];
    size_t n_parts, n_reworded;
};
struct str questions_instructions(void);
bool questions_read(struct questions_said *out, struct str answer, struct arena *a, struct err *e);

/* Words that the first `n_best` of `text` share and the others have less often, in the order of
 * their use and joined by spaces; "" when there are none. `question`'s own are not among them. */
struct str questions_feedback(struct str question, const struct str *text, size_t n, size_t n_best,
                              struct arena *a);
