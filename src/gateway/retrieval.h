/* retrieval.h - how a request's questions are retrieved: what the configuration says, what holds
 * for the collection and the model, and what the request itself asks for, the last of these first.
 *
 * A request asks with a member of its body, or with headers where a protocol has no room for it:
 *
 *     "penstock": {"level": 4, "candidates": 100, "ranker": "built-in", "explain": true,
 *                  "duplicates": true}
 *     x-penstock-retrieval-level: 4
 *     x-penstock-explain: true
 *
 * `Cache-Control: no-cache` or `no-store` finds anew.
 *
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"

/* Sets all of *q but `search`, texts, k and threshold. `collection` is a name, the first of those
 * searched; `body` the request's, or not there. ERR_INVALID names the member or header. */
bool retrieval_options(struct request *r, struct str collection, struct json_value body,
                       struct retrieve_query *q, struct err *e);
/* "penstock": {"retrieval": {...}}, when the request asked for it. */
void retrieval_put(struct json_writer *w, const struct request *r);
