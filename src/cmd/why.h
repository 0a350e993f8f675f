/* why.h - prints why passages rank where they do, for people: what a service tells under
 * "penstock.retrieval" (answer/explain.h).
 *
 * Threads: the fiber of the command.
 */
#pragma once

#include "base/json.h"

/* "  1  0.71  guide.md, Install > From source, lines 12-18" */
void why_print_place(struct json_value passage, struct arena *a);
/* "keyword #2 7.31, vector #9 0.44, search #4 0.62, built-in #1 0.71; words: zebra, river" */
void why_print_stages(struct json_value retrieval, struct json_value passage, struct arena *a);
/* Level, searches, what a model failed at, cache and times. */
void why_print_summary(struct json_value retrieval, struct arena *a);
