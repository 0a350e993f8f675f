/* messages_read.h - reads and checks the body of POST /v1/messages and .../count_tokens.
 *
 * What is checked is what would otherwise fail in an unclear way further on; fields and kinds of
 * blocks that penstock does not know pass to a provider of the same protocol unchanged. The system
 * prompt becomes a first message of the request.
 *
 * Memory:  the request borrows from the body and the arena.
 * Errors:  ERR_MISSING and ERR_INVALID with the field's path in `param`: "messages[2].content".
 * Source:  Anthropic's messages protocol, version 2023-06-01.
 */
#pragma once

#include "model/chat.h"

/* `body` has been parsed and is an object; *req is zeroed but for `op`. */
bool messages_read(struct chat_request *req, const struct json *body, struct arena *a,
                   struct err *e);
