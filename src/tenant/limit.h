/* limit.h - how much one caller may ask for: requests per minute, and at once. Exact.
 *
 * The rate is a token bucket in the form of the generic cell rate algorithm: one 64-bit word per
 * caller, the time at which its bucket is full again, moved by compare-and-swap. So N allowed means
 * N at any concurrency, and a refused request costs nothing. A full bucket holds one minute's worth
 * of requests.
 *
 * Memory:  a caller's slot lives as long as the set.
 * Threads: any; no lock but for a caller's first request.
 * Source:  ITU-T I.371 (GCRA).
 */
#pragma once

#include "base/err.h"

struct limit_set;
struct limit_slot; /* one caller's */

struct limit_set *limit_set_new(void);
void limit_set_free(struct limit_set *s);
struct limit_slot *limit_slot(struct limit_set *s, struct str caller);

/* Takes one request out of the bucket. False: ERR_RATE with retry_after_ms. per_minute 0: always.
 */
bool limit_rate(struct limit_slot *l, int64_t per_minute, int64_t now_ns, struct err *e);
/* One more at the same time; each success is followed by limit_leave. most 0: always. */
bool limit_enter(struct limit_slot *l, int64_t most, struct err *e);
void limit_leave(struct limit_slot *l);
