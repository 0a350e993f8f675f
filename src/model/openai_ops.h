/* openai_ops.h - what whole answers to calls other than chats must be, and what they say of usage.
 *
 * Threads: any.
 */
#pragma once

#include "model/provider.h"

/* The member of a whole answer that holds what was asked for: "choices", "data", "results". */
const char *openai_ops_list(enum chat_op op);

/* Is everything there that was asked for (chat_request.n_wanted), once? ERR_UPSTREAM when the list
 * is short, or an item of it broken or double. */
bool openai_ops_check(const struct attempt *a, struct json_value list, struct err *e);

/* Tokens in, as servers of one kind or another tell them: OpenAI's prompt_tokens, Jina's
 * total_tokens, Cohere's meta.tokens or meta.billed_units. False: not told. */
bool openai_ops_tokens(struct json_value root, int64_t *n);
