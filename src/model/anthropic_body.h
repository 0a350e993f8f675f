/* anthropic_body.h - what is sent to a server that speaks Anthropic's protocol.
 *
 * From a client of the same protocol: its bytes, with a few members spliced in: the provider's name
 * for the model, the beginning of an answer that is taken up. From others, and when an answer is
 * grounded: a body written from the canonical request.
 *
 *     system, developer messages   "system", whatever their place in the conversation
 *     user, tool                   blocks of a user turn, neighbours merged into one
 *     assistant                    blocks of an assistant turn, thinking first
 *     effort of reasoning          a budget of thinking tokens, or the effort itself for models
 *                                  that choose how long they think
 *     no limit of tokens           the protocol wants one: the model's usual (model/vendor.h)
 *
 * Reasoning without a signature is another maker's: no server of this protocol would take it, and
 * none looks at that of turns gone by, so it is not sent. All else that this protocol cannot say is
 * ERR_INVALID with the name of the field: sound, a seed, penalties, temperatures over 1, JSON
 * without a schema, the detail of an image.
 *
 * Memory:  in call->early.
 * Threads: the fiber of the attempt.
 */
#pragma once

#include "model/provider.h"

/* The body as pieces; NULL: *e names the field that cannot be said in this protocol. */
const struct str *anthropic_body(const struct attempt *a, size_t *n, struct err *e);
