/* clock.h - times. Durations and deadlines are monotonic nanoseconds; what is stored or shown is
 * wall time. Reading a clock costs some 20 ns; a loop thread uses loop_now() (run/loop.h) instead.
 *
 * Threads: any.
 */
#pragma once

#include "base/arena.h"

#include <stdint.h>

#define CLOCK_NEVER INT64_MAX /* a deadline that does not come */
#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

int64_t clock_now(void);     /* monotonic ns */
int64_t clock_wall_ns(void); /* Unix time in nanoseconds */
int64_t clock_wall_ms(void); /* Unix time in milliseconds */
int64_t clock_wall_s(void);  /* Unix time in seconds */
/* Unix time in milliseconds at a monotonic time of the last moments, without reading a clock: how
 * far the two lie apart is looked up ten times a second. */
int64_t clock_wall_ms_at(int64_t now_ns);
int64_t clock_thread_cpu(void); /* ns of CPU that this thread has used */

/* `now + ms`, CLOCK_NEVER for ms <= 0 or on overflow. */
int64_t clock_after(int64_t now_ns, int64_t ms);

enum { CLOCK_RFC3339_SIZE = 32 };
/* "2026-11-21T07:00:00.123Z"; cuts nothing, returns the length. */
size_t clock_rfc3339(char out[CLOCK_RFC3339_SIZE], int64_t wall_ms);
enum { CLOCK_HTTP_SIZE = 32 };
size_t clock_http_date(char out[CLOCK_HTTP_SIZE], int64_t wall_s); /* "Sat, 21 Nov 2026 ..." */
