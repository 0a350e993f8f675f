/* call.h - one request on its way through the platform, from the door to the ledger.
 *
 * Memory:  the call and all that it points to live in its arenas. `early` holds what leads to an
 *          answer: body, scan, messages, what is sent to the provider. An answer that is passed on
 *          as a stream needs it no more once its first piece has gone out (nothing is tried again
 *          then): call_release_early copies what is still wanted, and `early` can go. Answers that
 *          are grounded, or made here, keep it.
 * Threads: the fiber of the request.
 */
#pragma once

#include "base/random.h"
#include "model/account.h"
#include "model/chat.h"
#include "obs/trace.h"
#include "store/journal.h"
#include "tenant/key.h"

struct call {
    char id[RANDOM_ID_SIZE]; /* x-request-id: req_... */
    struct arena *arena, *early;
    const struct key_info *key; /* NULL until identified */
    int64_t start_ns;           /* when the first byte was seen */
    int64_t deadline_ns;
    struct spans spans;
    struct trace *trace;          /* NULL: nobody asks, the usual case */
    struct trace_attempt *traced; /* the attempt that runs; NULL: not recorded */

    struct chat_request req;
    struct chat_usage usage; /* of the attempt that answered */
    int attempts;
    const char *tier;    /* which served it: "provider", "extractive" */
    struct str provider; /* name of the one that answered */
    struct str upstream_model;
    int64_t first_token_ns; /* 0 = none yet */
    int provider_status;    /* of the last attempt, 0 = none */

    const struct account *account; /* of the model asked for; NULL: free of charge, not counted */
    struct journal *journal;       /* of this loop; NULL: nobody keeps accounts */
    struct http_client *http;      /* of this loop; only a provider behind HTTP needs it */
};

/* Tokens of the prompt as we count them: messages that are not left out, and passages. */
int64_t call_prompt_tokens(const struct call *c);
/* Nothing of the call points into `early` from here on, which becomes NULL. */
void call_release_early(struct call *c);
