/* span.h - where the time of one request went: a list of named stretches, nested.
 *
 * The list has a fixed bound; what does not fit is counted, not kept. Names are literals.
 *
 * Threads: those of the request, one at a time.
 */
#pragma once

#include "base/arena.h"

struct span {
    const char *name;
    int64_t start_ns, end_ns; /* end 0 = still open */
    int16_t parent;           /* index, -1 for the root */
};

enum { SPAN_MAX = 12 };

struct spans {
    struct span *span; /* [SPAN_MAX], in the request's arena */
    int16_t n, open;   /* innermost open one, -1 */
    int16_t lost;
};

void span_init(struct spans *s, struct arena *a);
int span_open(struct spans *s, const char *name, int64_t now_ns); /* handle, -1 when full */
/* Ends it, and what is still open inside it. Nothing happens for -1 or when it has ended. */
void span_close(struct spans *s, int handle, int64_t now_ns);
