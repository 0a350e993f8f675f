/* errand.h - calls that the platform makes for itself: a short text, a ranking, vectors.
 *
 * They go through dispatch as clients' calls do: balanced, retried, kept in the ledger under the
 * key of whoever caused them. What a model sends back is looked at before it is believed: numbers
 * are finite, lists have the length of what was asked.
 *
 * Errors:  those of dispatch; ERR_UPSTREAM for an answer that cannot be used; ERR_TIMEOUT when the
 *          deadline passes, which bounds the fiber while the call is under way.
 * Memory:  results live in the arena given.
 * Threads: a fiber.
 */
#pragma once

#include "model/dispatch.h"

struct errand {
    struct http_client *http; /* of this loop */
    struct journal *journal;  /* of this loop; NULL: no accounts */
    const struct key_info *key;
    const char
        *request; /* id of the request it is for, for the ledger and the log; NULL: its own */
    int64_t deadline_ns; /* CLOCK_NEVER: the providers' own times alone */
};

/* The answer of a chat model to one message. */
bool errand_text(const struct errand *x, const struct model *m, struct str instructions,
                 struct str message, int64_t max_tokens, struct arena *a, struct str *out,
                 struct err *e);
/* score[i]: how well text[i] answers the query, on the model's scale. */
bool errand_rerank(const struct errand *x, const struct model *m, struct str query,
                   const struct str *text, size_t n, double *score, struct arena *a, struct err *e);

struct errand_vectors {
    float *v; /* [n][dimension], as the model gives them */
    uint32_t dimension;
};
enum { ERRAND_DIMENSION_MOST = 4096 };
/* A vector for each text. `dimension` 0: the model's own; else it is asked for, and an answer with
 * another one refused. */
bool errand_embed(const struct errand *x, const struct model *m, const struct str *text, size_t n,
                  uint32_t dimension, struct arena *a, struct errand_vectors *out, struct err *e);
