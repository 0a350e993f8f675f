/* gate.h - how many calls may be at a provider at the same time, and the queue of those that wait.
 *
 * The limit finds itself: there is none until the provider says that it is overloaded (429, 503,
 * 529, timeouts). Then it becomes 0.7 times what was in flight; calls that had entered before a cut
 * do not cut again. Each time as many calls as the limit were answered while it was used, it grows
 * by one, and when it has passed twice what was in flight at the first cut, there is none again. A
 * configured limit is never passed.
 *
 * Who comes when the limit is reached waits in one queue, first come, first served, over all loops.
 * The queue is bounded in length and time; who is turned away is told when to come back, from the
 * rate at which the queue moved.
 *
 * Source:  additive increase, multiplicative decrease: Chiu and Jain, 1989; one cut per round trip
 *          is TCP's (RFC 6582).
 * Memory:  gates live for ever, so a configuration that is loaded again finds them as they were.
 * Threads: any; gate_enter is for fibers. Without a queue, entering and leaving are one atomic
 *          operation each.
 */
#pragma once

#include "base/err.h"

struct gate; /* of one provider */

/* GOOD: answered; OVERLOADED: 429, 503, 529, timeout; IGNORED: says nothing about load. */
enum gate_verdict { GATE_GOOD, GATE_OVERLOADED, GATE_IGNORED };

struct gate_options {
    int64_t most;             /* calls at the same time; 0 = none but the limit that it finds */
    int64_t queue_length;     /* default 1000 */
    int64_t queue_timeout_ms; /* default 10000 */
};

/* Found by the provider's name, made when new. Takes a lock: to be kept by whoever calls. */
struct gate *gate_get(struct str provider);
/* From now on; what is 0 has its default. */
void gate_configure(struct gate *g, const struct gate_options *opt);

/* Waits for a place, at most until `deadline_ns`, what the queue allows, or the fiber's deadline.
 * One that has passed: enters only when that takes no wait. True: gate_leave must follow. ERR_RATE:
 * the queue is full; ERR_UNAVAILABLE: waited too long; both with retry_after_ms. ERR_CANCELLED. */
bool gate_enter(struct gate *g, int64_t deadline_ns, struct err *e);
/* entered_ns: when gate_enter returned, by loop_now or clock_now. */
void gate_leave(struct gate *g, enum gate_verdict v, int64_t entered_ns);

int64_t gate_in_flight(const struct gate *g);
int64_t gate_limit(const struct gate *g); /* 0 = none */
int64_t gate_queued(const struct gate *g);
