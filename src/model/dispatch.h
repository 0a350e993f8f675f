/* dispatch.h - one answer, whatever it takes: who is tried, in which order, how often, and what
 * becomes of an answer that breaks off.
 *
 *     model "m":   its own targets, balanced            -->  retries with back-off, other keys
 *       fallback:  the targets of the next model, ...   -->  until one gives the whole answer
 *       at the end an engine inside: extractive, static
 *
 * What may happen after a failure depends on what the client has already:
 *
 *     nothing, or a stream's head and role  -->  anybody may begin anew; the client does not notice
 *     text of one choice                    -->  a target that is known to continue a begun answer
 *                                                does so, from exactly there
 *     anything else                         -->  the failure is told in-band
 *
 * Bounds: never more than 4 attempts at providers in 3 s nor 6 in all; a pause lasts as long as the
 * provider asked for, or a random part (full jitter) of a bound that doubles; none goes beyond the
 * retry budget. A target that kept silent is not asked again. Engines inside are not bounded.
 *
 * Memory:  a model is part of a configuration snapshot.
 * Threads: the fiber of the request.
 */
#pragma once

#include "model/balance.h"
#include "model/provider.h"

/* One address of one target. */
struct place {
    const struct target *target;
    const struct provider_endpoint *endpoint; /* NULL for engines inside */
};

/* A name that clients ask for. */
struct model {
    struct str name;
    struct target *target;
    size_t n_targets;
    struct place *place;            /* of all its targets, by model_places */
    struct balance_place *balanced; /* the same, as balance.h wants them */
    size_t n_places;
    enum balance balance;
    const struct model **fallback; /* asked in this order when its own targets fail */
    size_t n_fallback;
    struct account account;
    int64_t context_tokens;
    const struct vocab *vocabulary; /* NULL: its tokens are estimated */
    int max_attempts;               /* 1-6 */
    int64_t retry_budget_ms;        /* what pauses before retries may take in all */
    int64_t first_token_ms;         /* 0 = only the provider's deadlines */
    int64_t hold_back_ms;           /* a stream's first words are held so long; 0 = not at all */
    int64_t hedge_ms; /* a second attempt starts beside a silent first one; 0 = never */
    int unsupported;  /* what becomes of sentences without support: enum answer_policy */
    bool coalesce;    /* identical requests in flight share one answer */
};

/* Fills the places of a model whose targets are set, in `a`. ERR_LIMIT: over BALANCE_MOST. */
bool model_places(struct model *m, struct arena *a, struct err *e);

/* Can anybody behind the model do it? */
bool dispatch_can(const struct model *m, enum chat_op op);

/* call->req through `sink`. On success the call says who answered and what it used. ERR_FULL when
 * an answer could not be recorded. */
bool dispatch(const struct model *m, struct call *c, struct chat_sink *sink, struct err *e);
