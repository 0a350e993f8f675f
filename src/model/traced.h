/* traced.h - what an attempt tells its span (obs/trace.h).
 *
 * Threads: the fiber of the attempt.
 */
#pragma once

#include "model/provider.h"

/* NULL when the request is not recorded. */
struct trace_attempt *traced_begin(const struct attempt *a);
/* What an answer, or a piece of one, says of itself; what is not there is null. The attempt is
 * recorded. */
void traced_answer(const struct attempt *a, struct json_value id, struct json_value model,
                   struct json_value finish);
/* `why` NULL: it was good. Does nothing when there is no span. */
void traced_end(const struct attempt *a, const struct err *why);
