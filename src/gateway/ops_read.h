/* ops_read.h - reads and checks the bodies of calls other than chats: text completions, embeddings,
 * moderations, reranking.
 *
 * As in chat_read, what is checked is what would otherwise fail in an unclear way further on;
 * members that penstock does not know pass to the provider unchanged. The inputs become messages of
 * the request, one each (chat.h), so that whoever counts, routes or answers them need not know the
 * protocol.
 *
 * Memory:  the request borrows from the body and the arena.
 * Errors:  ERR_MISSING and ERR_INVALID with the member's path in `param`: "input[2]".
 * Source:  OpenAI's completions, embeddings and moderations; Cohere's v2 and Jina's rerank.
 */
#pragma once

#include "model/chat.h"

/* `body` has been parsed and is an object; *req is zeroed. */
typedef bool ops_reader(struct chat_request *req, const struct json *body, struct arena *a,
                        struct err *e);
ops_reader ops_read_completion;
ops_reader ops_read_embedding;
/* `model` may be left out: req->model is "" then. */
ops_reader ops_read_moderation;
ops_reader ops_read_rerank;
