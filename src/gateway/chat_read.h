/* chat_read.h - reads and checks the body of POST /v1/chat/completions.
 *
 * What is checked is what would otherwise fail in an unclear way further on; fields that penstock
 * does not know pass to the provider unchanged.
 *
 * Memory:  the request borrows from the body and the arena.
 * Errors:  ERR_MISSING and ERR_INVALID with the field's path in `param`: "messages[2].content".
 * Source:  OpenAI's chat completions protocol.
 */
#pragma once

#include "model/chat.h"

/* `body` has been parsed and is an object; *req is zeroed. */
bool chat_read(struct chat_request *req, const struct json *body, struct arena *a, struct err *e);
