/* openai_body.h - what is sent to a server that speaks OpenAI's protocol.
 *
 * From a client of the same protocol: its bytes, with a few members spliced in: the provider's name
 * for the model, the wish for usage in a stream, the messages of a grounded request, the beginning
 * of an answer that is taken up. From a client of another protocol: by openai_write.
 *
 * Memory:  in call->early.
 * Threads: the fiber of the attempt.
 */
#pragma once

#include "model/provider.h"

/* The body as pieces; NULL: *e names the field that cannot be said in this protocol. */
const struct str *openai_body(const struct attempt *a, size_t *n, struct err *e);
