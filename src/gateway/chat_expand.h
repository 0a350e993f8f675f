/* chat_expand.h - reads the body of a chat completion in full, for a provider that speaks another
 * protocol than the client.
 *
 * Every member is either read, or says nothing (null, false, an empty list, a default of the
 * protocol), or is refused by its path: none is dropped in silence. Beside OpenAI's own members
 * those are read in which clients of many providers carry what other protocols have: cache_control
 * on messages, parts and tools; reasoning_content, thinking_blocks and (OpenRouter's)
 * reasoning_details of the assistant; top_k.
 *
 * Memory:  in the arena; texts without escapes stay in the body.
 * Threads: the fiber of the request.
 * Source:  OpenAI's chat completions protocol.
 */
#pragma once

#include "model/chat.h"

/* chat_request.expand of this protocol; the request has passed chat_read. ERR_INVALID and
 * ERR_MISSING name the member. */
bool chat_expand(struct chat_request *r, struct arena *a, struct err *e);
