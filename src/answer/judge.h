/* judge.h - a chat model says how well passages answer a question: what it is told, and what is
 * made of its answer.
 *
 * Memory:  texts live in the arena given.
 * Threads: any.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum { JUDGE_MOST = 50 /* passages in one message */, JUDGE_BYTES = 1200 /* of each */ };

struct str judge_instructions(void);
/* The message: the question and the passages under their numbers, from 1. n <= JUDGE_MOST. */
struct str judge_message(struct str question, const struct str *text, size_t n, struct arena *a);
/* score[i] from 0 to 1. A passage that the model does not name has 0. ERR_UPSTREAM: no score can be
 * read. */
bool judge_read(struct str answer, double *score, size_t n, struct arena *a, struct err *e);
