/* openai_write.h - a request of another protocol, written as a chat completion.
 *
 *     system             one system message
 *     tool results       tool messages, before whatever else their turn says; images in them, which
 *                        the protocol does not allow there, in a user message behind them
 *     failed results     the same with "Error: " in front, as the protocol has no mark for them
 *     thinking           reasoning_content, and thinking_blocks with the signatures, or
 * OpenRouter's reasoning_details; left out for servers that refuse it: it is past, and asks for
 * nothing cache markers      on parts, tools and tool messages, but for servers that refuse them
 *     thinking budget    reasoning_effort
 *     plain text files   text
 *
 * Memory:  in call->early.
 * Threads: the fiber of the attempt.
 */
#pragma once

#include "model/provider.h"

/* ERR_INVALID names the field of the client's body that cannot be said. */
bool openai_write(const struct attempt *a, struct str *body, struct err *e);
