/* provider.h - whoever answers a call: servers that speak OpenAI's or Anthropic's protocol, the
 * extractive engine inside, and static texts.
 *
 *     model --> targets (a provider and its name for the model) --> endpoints (addresses) and keys
 *
 * What differs among servers of one protocol is data (model/vendor.c). One try at one endpoint with
 * one key is a struct attempt; who tries what in which order is model/dispatch.h.
 *
 * Memory:  a provider is part of a configuration snapshot: built, published, never changed but for
 *          what is marked atomic.
 * Threads: any loop may call a provider; each call runs on its fiber.
 */
#pragma once

#include "model/call.h"
#include "model/gate.h"
#include "model/health.h"
#include "model/static_text.h"
#include "model/vendor.h"
#include "net/client.h"

#include <stdatomic.h>

enum provider_outcome { PROVIDER_ANSWERED, PROVIDER_FAILED, PROVIDER_CANCELLED, PROVIDER_OUTCOMES };

struct provider_endpoint {
    struct str url; /* as configured */
    struct http_origin origin;
};

struct provider_key {
    struct str lines;                /* header lines of a request with this key, made once */
    _Atomic int64_t paused_until_ns; /* 429 or a refusal: others are taken before it */
};

struct provider {
    struct str name;
    const struct vendor *vendor;
    struct provider_endpoint *endpoint;
    size_t n_endpoints; /* 0 for engines inside */
    struct provider_key *key;
    size_t n_keys;          /* at least 1; of a server that wants none its lines name none */
    struct str api_version; /* Azure's, "" = none */
    struct http_deadlines deadlines;
    struct gate *gate;        /* NULL for engines inside */
    struct str text;          /* of a static provider ... */
    struct static_rule *rule; /* ... and what comes before it */
    size_t n_rules;
    struct metric *attempts[PROVIDER_OUTCOMES];
};

/* A provider's model, as one of those that can serve a name that clients ask for. */
struct target {
    const struct provider *provider;
    struct str upstream;    /* the provider's name for the model */
    uint32_t weight;        /* at least 1 */
    int64_t context_tokens; /* the window */
    bool prefill;           /* known to continue an answer that the request has begun */
    const struct account *account;
    struct str logged; /* provider and upstream as fields of a log line (log_made), "" = not made */
};

/* One try: what to do, and what came of it. */
struct attempt {
    struct call *call;
    const struct target *target;
    const struct provider_endpoint *endpoint; /* NULL for engines inside */
    struct provider_key *key;                 /* the same */
    struct health *health;
    struct chat_sink *sink;
    struct said *said; /* what has gone into the sink: the call's, unless the sink holds it back */
    bool decode;       /* canonical events are wanted even if the dialects agree */
    bool resume;  /* the target continues the answer that the call has begun (model/resume.h) */
    bool resumed; /* ... and what may repeat its beginning is behind us */
    size_t resume_from; /* bytes of call->said.text that had been said */
    size_t repeated;    /* bytes that came again */
    enum http_reuse reuse;

    int number;                   /* among the attempts of the call, from 1 */
    const char *tier;             /* what an answer by it is called (call.h) */
    struct trace_attempt *traced; /* NULL: not recorded */
    struct chat_usage usage;
    enum chat_finish finish;
    int status; /* of the provider, 0 = none */
    bool stale; /* it failed because a kept connection had been closed: nobody's fault */
    int64_t start_ns, end_ns; /* 0: it was not let in */
    int64_t first_token_ns;   /* of a stream; 0 = none yet */
};

struct provider_kind {
    const char *name;          /* "openai", "anthropic", "extractive", "static", "tei" */
    enum chat_dialect dialect; /* CHAT_NO_DIALECT: an engine inside */
    unsigned ops;              /* bit 1 << OP_... for each that it can */
    /* Answers call->req through `sink`, and marks in a->said what goes there. On success
     * a->usage is set. On failure *e tells why. */
    bool (*answer)(struct attempt *a, struct err *e);
};

extern const struct provider_kind provider_openai;
extern const struct provider_kind provider_anthropic;
extern const struct provider_kind provider_extractive;
extern const struct provider_kind provider_static;
extern const struct provider_kind provider_tei; /* embeddings and rankings alone */

/* Fills *p with defaults, series and the header lines of its requests, in `a`; the caller sets
 * endpoints and deadlines. No keys: none is sent; ERR_INVALID for one that no header can carry. */
bool provider_init(struct provider *p, struct arena *a, struct str name,
                   const struct vendor *vendor, const struct str *api_key, size_t n_keys,
                   struct err *e);
bool provider_can(const struct provider *p, enum chat_op op);
/* What this provider is asked for to do `op`: a text completion becomes a chat where there are only
 * chats, and is read in full (chat_request.expand) before its kind is called. */
enum chat_op provider_op(const struct provider *p, enum chat_op op);
/* Inside this process: no network, no retry. */
bool provider_is_local(const struct provider *p);

/* Below the endpoint's URL, for what the call asks. */
struct str provider_path(const struct attempt *a);
/* The header lines of its request: the key's, and the trace's. */
struct str provider_lines(const struct attempt *a);
/* A kind says that content goes into the sink: `text` when it is the text of the one choice, else
 * not `plain`. The wait for the first token ends here. */
void provider_spoke(struct attempt *a, struct str text, bool plain);

/* Who answers the call: this attempt. */
void provider_credit(const struct attempt *a);
/* Runs one attempt: a ledger row, counters, spans. Failed attempts
 * cost nothing; one that the client broke off costs what was counted until then. ERR_FULL when an
 * answer could not be recorded: it must not be given out then. */
bool provider_try(struct attempt *a, struct err *e);
/* The ledger row of a call that got another call's answer: attempt 0, without tokens and cost. */
bool provider_record_shared(const struct call *c, struct err *e);
