/* rerank_reply.h - a rerank answer as clients of Cohere and of Jina both read it.
 *
 * Servers of either kind leave out what the other's clients look for. What is there stays byte for
 * byte; what is missing is added: `id`, `model`, `usage.total_tokens`, `meta` with billed units,
 * and the documents when they were asked for. Results come best first, and no more than asked for.
 *
 * Threads: any.
 */
#pragma once

#include "model/chat.h"

/* The whole answer, in `a`; `tokens` that were read. */
struct str rerank_reply(const struct json *answer, const struct chat_request *req, int64_t tokens,
                        struct arena *a);
