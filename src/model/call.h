/* call.h - one request on its way through the platform, from the door to the ledger.
 *
 * Memory:  the call and all that it points to live in its arenas. `early` holds what leads to an
 *          answer: body, scan, messages, what is sent to the provider. An answer that is passed on
 *          as a stream needs it no more once its first words have gone out and nothing could take
 *          it up from there: call_release_early copies what is still wanted, and `early` can go.
 *          Answers that are grounded, or made here, keep it.
 * Threads: the fiber of the request.
 */
#pragma once

#include "base/random.h"
#include "model/account.h"
#include "model/chat.h"
#include "obs/trace.h"
#include "store/journal.h"
#include "tenant/key.h"
#include "text/vocab.h"

/* What the client has of its answer, over all attempts: it decides what another one may do. Of
 * Anthropic's blocks none is begun before something spoke, and while all is plain the first one, of
 * text, is open. */
struct said {
    bool begun; /* a stream was begun: its head, a role; another attempt can go on from there */
    bool spoke; /* content has gone out: only who continues the text can go on */
    bool plain; /* ... and all of it is the text of one choice */
    bool keep;  /* `text` is kept, as somebody in the chain could continue it */
    struct buf text;    /* what was said */
    struct str id;      /* of the stream that was begun in the client's dialect, as JSON ... */
    struct str created; /* ... and when, for events that are made here later */
};

struct call {
    char id[RANDOM_ID_SIZE]; /* x-request-id: req_... */
    struct arena *arena, *early;
    const struct key_info *key; /* NULL until identified */
    int64_t start_ns;           /* when the first byte was seen */
    int64_t deadline_ns;
    struct trace *trace; /* NULL: nobody asks, the usual case */
    struct spans spans;  /* of a traced call */

    const struct vocab
        *vocabulary; /* of the model that was asked for; NULL: tokens are estimated */
    struct chat_request req;
    struct said said;
    struct chat_usage usage; /* of the answer */
    int64_t cost_microusd;   /* of it and of what came to nothing */
    int attempts;
    int unsupported;  /* sentences of the answer that the passages do not support */
    bool raced;       /* several attempts run at once */
    const char *tier; /* which served it: "primary", "fallback", "extractive", "rules", "static" */
    struct str provider; /* name of the one that answered */
    struct str upstream_model;
    const struct str *logged; /* both as fields of a log line (log_made), NULL = not made */

    struct journal *journal;  /* of this loop; NULL: nobody keeps accounts */
    struct http_client *http; /* of this loop; only a provider behind HTTP needs it */
};

/* Tokens of a text: exact when the model's vocabulary is loaded. */
size_t call_tokens(const struct call *c, struct str text);
/* Tokens of the prompt as we count them: messages that are not left out, and passages. */
int64_t call_prompt_tokens(const struct call *c);
/* Nothing of the call points into `early` from here on, which becomes NULL. */
void call_release_early(struct call *c);
/* May `early` go? Yes when what was said cannot be taken back or taken up by anybody. */
bool call_may_release(const struct call *c);
