/* tuning.h - how a collection weighs keywords, as JSON: what its owner writes and the store keeps.
 *
 *     {"k1": 1.2, "b": 0.75, "title": 1, "section": 1, "body": 1}
 *
 * `k1` (0 to 1000) says how much more a word counts that comes again, `b` (0 to 1) how much long
 * passages count less; the others (0.001 to 1000) what a word counts in title, section and text.
 * What is not there is as in BM25_DEFAULT.
 *
 * Errors:  ERR_INVALID, with the member as param ("keywords.k1").
 * Threads: any.
 */
#pragma once

#include "base/json.h"
#include "index/bm25.h"

/* null and nothing: BM25_DEFAULT. */
bool tuning_read(struct bm25_params *out, struct json_value v, struct err *e);
/* The same from a text, "" for nothing. */
bool tuning_parse(struct bm25_params *out, struct arena *a, struct str text, struct err *e);
/* All of them. */
void tuning_put(struct json_writer *w, const struct bm25_params *p);
