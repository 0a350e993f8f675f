/* rerank_weights.h - how much each of the numbers of rerank_features.h counts.
 *
 * A passage's score is 1 / (1 + exp(-(bias + sum of weight * number))). The built-in weights come
 * from `penstock train rerank` over public judgments (bench/bench_rerank shows how they do on
 * collections that they have not seen); others are read from a file that it writes:
 *
 *     {"penstock": "rerank weights", "version": 1, "bias": -2, "weights": {"retrieval": 1.5, ...}}
 *
 * Features that are not named have weight 0; one that is not known is an error.
 *
 * Threads: any; immutable.
 */
#pragma once

#include "base/err.h"
#include "model/rerank_features.h"

struct rerank_weights {
    double bias, weight[RERANK_FEATURE_COUNT];
};

const struct rerank_weights *rerank_weights_built_in(void);
/* ERR_INVALID, ERR_NOT_FOUND, ERR_IO, with the path in the message. */
bool rerank_weights_read(struct rerank_weights *out, const char *path, struct err *e);
/* `note`: what they were learned from, for readers of the file. */
bool rerank_weights_write(const struct rerank_weights *w, const char *path, struct str note,
                          struct err *e);
