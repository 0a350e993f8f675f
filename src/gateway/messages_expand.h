/* messages_expand.h - reads the body of POST /v1/messages in full, for a provider of another
 * protocol: chat_request.expand.
 *
 * A field that has no place in the canonical call is refused by its path; one that asks for nothing
 * (null, an empty list) passes. What an answer of ours brought and the client sends back, such as
 * citations, passes too: it belongs to what was said.
 *
 * Memory:  what is filled borrows from the body and the arena.
 * Errors:  ERR_MISSING and ERR_INVALID with the field's path in `param`.
 * Source:  Anthropic's messages protocol, version 2023-06-01.
 */
#pragma once

#include "model/chat.h"

/* *r was filled by messages_read. Beside parts and options it adds to r->prompt_tokens what is no
 * text of the messages: tools, calls and their results, images. */
bool messages_expand(struct chat_request *r, struct arena *a, struct err *e);
