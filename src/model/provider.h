/* provider.h - whoever answers a chat request: a server that speaks OpenAI's protocol, or the
 * extractive engine inside.
 *
 * Memory:  a provider is part of a configuration snapshot: built, published, never changed.
 * Threads: any loop may call a provider; each call runs on its fiber.
 */
#pragma once

#include "model/call.h"
#include "net/client.h"

enum provider_outcome { PROVIDER_ANSWERED, PROVIDER_FAILED, PROVIDER_CANCELLED, PROVIDER_OUTCOMES };

struct provider {
    struct str name;
    const struct provider_kind *kind;
    struct http_origin origin;
    struct str request_lines; /* header lines sent with each request, made once */
    struct http_deadlines deadlines;
    int max_attempts;        /* in all, first included; default 3 */
    int64_t retry_budget_ms; /* between first attempt and last; default 3000 */
    struct metric *attempts[PROVIDER_OUTCOMES];
};

struct provider_kind {
    const char *name; /* as configuration says: "openai", "extractive" */
    const char *tier; /* as answers say: "provider", "extractive" */
    /* Answers call->req through `sink`. On success call->usage is set. On failure *e tells why, and
     * whether a retry can help; *committed: something has gone to the sink, so *e is final. */
    bool (*chat)(const struct provider *p, struct call *c, struct str upstream_model,
                 struct chat_sink *sink, bool *committed, struct err *e);
};

extern const struct provider_kind provider_openai;
extern const struct provider_kind provider_extractive;
const struct provider_kind *provider_kind_find(struct str name); /* NULL: unknown */

/* Fills *p with defaults, series and the header lines of its requests, in `a`; the caller sets
 * origin, deadlines and limits. `api_key` "" = none is sent; ERR_INVALID for one that no header can
 * carry. */
bool provider_init(struct provider *p, struct arena *a, struct str name,
                   const struct provider_kind *kind, struct str api_key, struct err *e);

/* One answer, whatever it takes: attempts with full-jitter back-off while the error is retryable,
 * nothing has reached the client and the budget lasts; a ledger row for each attempt. Failed
 * attempts cost nothing; one that the client broke off costs what was counted until then.
 * ERR_FULL when an answer could not be recorded: it must not be given out then. */
bool provider_answer(const struct provider *p, struct call *c, struct str upstream_model,
                     struct chat_sink *sink, struct err *e);
