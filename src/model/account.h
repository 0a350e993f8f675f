/* account.h - what using a model costs and where it is counted.
 *
 * Units:   prices in nano-dollars for one token, so $ 2.50 for a million tokens is 2500; costs in
 *          micro-dollars, rounded to the nearest.
 * Memory:  made with a configuration, then never changed; series live for ever.
 * Threads: any.
 */
#pragma once

#include "base/metric.h"
#include "model/chat.h"

struct account {
    int64_t input_nusd, output_nusd;
    int64_t cached_nusd, cache_write_nusd; /* input that the provider had kept; that it keeps now */
    struct metric *input, *cached, *output; /* tokens */
    struct metric *first_token;             /* of streams, seconds */
};

/* Finds the series of this model name; prices are 0 until the caller sets them. */
void account_init(struct account *a, struct str model);
int64_t account_cost(const struct account *a, const struct chat_usage *u); /* micro-dollars */
/* Counts what one answer used. first_token_ns: from the start of the attempt; 0: not a stream. */
void account_count(const struct account *a, const struct chat_usage *u, int64_t first_token_ns);
