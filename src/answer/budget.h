/* budget.h - how a model's window is shared out: instructions, conversation, passages.
 *
 * Each has its share (30, 20 and 50 % unless told otherwise). Of the conversation the oldest
 * messages are left out until it keeps to its share; instructions and the question itself are never
 * cut, and what they take beyond theirs is taken from the passages.
 *
 * Units:   tokens of the model that was asked for (model/call.h).
 * Threads: counts, so a loop asks a worker.
 */
#pragma once

#include "answer/answer.h"

struct budget {
    uint32_t passages; /* what is left for them, marks included */
    size_t left_out;   /* messages from the first on that do not fit */
};

/* False, ERR_CONTEXT: instructions and question leave no room for a passage. */
bool budget_divide(const struct call *c, const struct answer_options *o, struct budget *out,
                   struct err *e);
