/* traced.h - what an attempt tells its span (obs/trace.h). Each does nothing when there is none.
 *
 * Threads: the fiber of the request.
 */
#pragma once

#include "model/provider.h"

/* NULL when the request is not recorded. */
struct trace_attempt *traced_begin(struct call *c, const struct provider *p,
                                   struct str upstream_model);
/* What an answer, or a chunk of one, says of itself: id, model, why it ended. */
void traced_answer_with(struct call *c, struct json_value answer);
static inline void traced_answer(struct call *c, struct json_value answer)
{
    if (c->traced)
        traced_answer_with(c, answer);
}
/* `why` NULL: it was good. */
void traced_end(struct call *c, int64_t end_ns, const struct err *why);
