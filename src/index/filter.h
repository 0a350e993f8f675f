/* filter.h - conditions on the attributes of documents, as the OpenAI API writes them.
 *
 *     {"type": "eq" | "ne" | "gt" | "gte" | "lt" | "lte", "key": ..., "value": text, number, flag}
 *     {"type": "in" | "nin", "key": ..., "value": [...]}
 *     {"type": "and" | "or", "filters": [...]}
 *
 * Which keys there are: index/attribute.h. Texts compare with texts by byte, numbers with numbers,
 * false is less than true; a date compares with a number of Unix seconds and with a text like
 * "2026-05-01" or "2026-05-01T12:00:00Z". What cannot be compared does not match; ne and nin match
 * what eq and in do not. Of a list one item that matches is enough.
 *
 * Parsed once, a filter becomes a set of documents per search: one pass over the columns that it
 * names.
 *
 * Memory:  a filter lives in the arena it was parsed into, with all its texts.
 * Threads: immutable once parsed.
 */
#pragma once

#include "base/json.h"
#include "index/attribute.h"

struct filter;

enum { FILTER_DEPTH = 8, FILTER_NODES = 1000 /* comparisons and values */ };

/* NULL in *out when `v` is not there or null: no filter. ERR_INVALID with param "filters". */
bool filter_parse(const struct filter **out, struct arena *a, struct json_value v, struct err *e);
/* Takes out of `set` the documents that do not match. NULL leaves it alone. */
void filter_apply(const struct filter *f, const struct attributes *v, struct docset *set);

/* "2026-05-01", "2026-05-01T12:00:00Z", "...+02:00", with or without fractions: Unix seconds. */
bool filter_date(struct str text, double *seconds);
