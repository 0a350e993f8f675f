/* openai_calls.h - the tool calls of an OpenAI stream, one after the other.
 *
 * There a piece of arguments names its call by an index, so the pieces of several calls may come
 * mixed; in canonical events, as in Anthropic's protocol and in the Responses, a call is closed
 * when the next one begins. So a later call's pieces are held until the earlier one is whole: its
 * arguments are a JSON value with its end, or the answer has ended. Calls that come one after the
 * other, as nearly all do, wait for nothing.
 *
 * Servers differ: some give all calls the same index, others say name and id again with each
 * piece. A call is new when it has a name, and an index or an id that no call before it has.
 *
 * Memory:  in the call's arena; what is held, in a buffer for each call.
 * Errors:  ERR_UPSTREAM for pieces of no call, of one that was whole, or of too many.
 * Threads: the fiber of the attempt.
 */
#pragma once

#include "model/relay.h"

struct openai_calls;

struct openai_call_piece {
    int64_t index;
    struct str id, name, arguments; /* "" = not said */
};

/* Into the relay's canonical events. *calls is NULL before the first piece. */
bool openai_calls_take(struct openai_calls **calls, struct relay *r,
                       const struct openai_call_piece *p, struct err *e);
/* Words come between: a call that is open has ended there. *calls may be NULL, as below. */
void openai_calls_interrupt(struct openai_calls *calls);
/* The answer has ended: what is still held goes out. */
void openai_calls_end(struct openai_calls *calls, struct relay *r);
