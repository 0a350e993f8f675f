/* stores_filter.h - attribute filters of a vector store search, turned into the documents that may
 * be found.
 *
 *     {"type": "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "in" | "nin", "key": ..., "value": ...}
 *     {"type": "and" | "or", "filters": [...]}
 *
 * A document without the key matches only ne and nin. Texts compare with texts, numbers with
 * numbers; a comparison of different kinds does not match. At most 8 levels.
 *
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"

/* Sets q->document to the documents of the collection that match; leaves it alone when there is no
 * filter. False: ERR_INVALID with param "filters". */
bool stores_filter(struct request *r, struct str collection, struct json_value filter,
                   struct search_query *q, struct err *e);
/* The filter alone, checked before use: does an attributes object match? For tests too. */
bool stores_filter_check(struct json_value filter, int depth, struct err *e);
bool stores_filter_match(struct json_value filter, struct json_value attributes, struct arena *a);
