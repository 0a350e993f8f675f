/* traceparent.h - the header by which a trace goes from one service to the next.
 *
 *     traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *                  version, trace, the sender's span, flags
 *
 * Parsing is strict: what is not exactly so is as if it had not been sent. A later version may have
 * more behind it and is read as far as this one knows it.
 *
 * Threads: any.
 * Source:  W3C Trace Context, level 1.
 */
#pragma once

#include "base/str.h"

struct traceparent {
    uint64_t trace[2]; /* as a number of 128 bits, high half first; not both 0 */
    uint64_t span;     /* not 0 */
    uint8_t flags;     /* TRACEPARENT_SAMPLED; others are dropped */
};

enum { TRACEPARENT_SAMPLED = 1 };
enum { TRACEPARENT_SIZE = 55, TRACEPARENT_TRACE = 32, TRACEPARENT_SPAN = 16 };

bool traceparent_parse(struct traceparent *out, struct str value);
void traceparent_format(const struct traceparent *t, char out[TRACEPARENT_SIZE]);
/* The parts alone, as logs and exports have them. */
void traceparent_trace(const struct traceparent *t, char out[TRACEPARENT_TRACE]);
void traceparent_span(uint64_t span, char out[TRACEPARENT_SPAN]);

/* May this value of `tracestate` be sent on? It is opaque to us: printable and not too long. */
bool traceparent_state_ok(struct str state);
