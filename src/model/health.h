/* health.h - what is known about a place that answers, and whether a call may go there now.
 *
 * A place is an endpoint of a provider together with a model there. What is known of it is found by
 * these three names, is shared by all loops and lives as long as the process: a configuration that
 * is loaded again finds it as it was. Three things keep calls away from a place:
 *
 * - its circuit breaker. It opens after some faults in a row, or when at least half of not too few
 *   calls within 30 seconds were faults. After a cool-down, which doubles while the place stays
 *   bad, it lets single calls through, and closes when two of them in a row were answered. A place
 *   that has recovered is back in use after at most 30 seconds, if it is asked for.
 * - an ejection, among several endpoints of one provider and model. One with faults in a row, or
 *   with a share of faults that is above that of its peers beyond chance, is left out for ten
 *   seconds, and longer each time; never more than half of those in use. It comes back by itself;
 *   when it has not recovered by then, its breaker opens.
 * - an active check (health_endpoint_up) that found the endpoint down.
 *
 * A caller that has nowhere else to go says so. It gets into an ejected place, and into one whose
 * breaker is open if anything was answered there lately; else, and when the endpoint is down, one
 * call at a time may try. So the only provider there is is never locked out when it could answer,
 * and a load on a dead one is refused at once.
 *
 * Source:  the breaker is Michael Nygard's ("Release It!", 2007); ejecting those that differ from
 *          their peers is what Envoy calls outlier detection. Ours compares two proportions (a
 *          pooled z-test) instead of standard deviations, so that it works from two endpoints on.
 * Memory:  places live for ever; their names come from the configuration, never from a client.
 * Threads: any. Entering and leaving takes no lock while all is well.
 */
#pragma once

#include "base/str.h"

/* What an answer says about the place: GOOD, FAULT (no connection, reset, 5xx, timeout, an answer
 * that is cut short or malformed), or nothing (the caller's own mistake, cancelled, 429). */
enum health_verdict { HEALTH_GOOD, HEALTH_FAULT, HEALTH_IGNORED };

/* clang-format off */
#define BREAKER_STATES(X) X(CLOSED, "closed") X(PROBE, "probe") X(OPEN, "open")
#define X(name, text) BREAKER_##name,
enum breaker_state { BREAKER_STATES(X) };
#undef X
/* clang-format on */
const char *breaker_state_name(enum breaker_state s);

/* How a call goes in; it is told again when the call leaves. */
enum health_pass { HEALTH_REFUSED /* 0 */, HEALTH_CALL, HEALTH_PROBE };

struct health_options {
    int failures;             /* in a row that open a breaker; default 10 */
    double failure_ratio;     /* of the calls within 30 s that opens it; default 0.5 */
    int min_calls;            /* within 30 s, before a ratio means anything; default 20 */
    int64_t cooldown_ms;      /* before the first probe; default 2000 */
    int64_t cooldown_most_ms; /* default 15000 */
};

/* For all places, from now on. What is 0 has its default; NULL: all have. */
void health_configure(const struct health_options *opt);

struct health; /* of one place */

/* Found by its names, made when new. Takes a lock: to be kept by whoever calls. */
struct health *health_get(struct str provider, struct str endpoint, struct str model);

/* May a call go there now? If so it counts as in flight until health_leave, which must follow. */
enum health_pass health_enter(struct health *h, bool only_choice, int64_t now_ns);
/* first_byte_ns: how long the first byte of the answer took; 0: not known. */
void health_leave(struct health *h, enum health_pass pass, enum health_verdict v,
                  int64_t first_byte_ns, int64_t now_ns);

/* Would health_enter let a call in that has other choices? */
bool health_usable(const struct health *h, int64_t now_ns);
/* Until it may be usable again; 0: it is now. */
int64_t health_retry_in_ms(const struct health *h, int64_t now_ns);
enum breaker_state health_state(const struct health *h);
int64_t health_in_flight(const struct health *h);
/* Time to the first byte, an average in which a call counts half after 7 s. It shrinks while nobody
 * calls, so that a place that was slow is tried again. 0: not known. */
int64_t health_latency_ns(const struct health *h, int64_t now_ns);
uint64_t health_hash(const struct health *h); /* of its names; the same in every process */

/* An active check has found that this endpoint answers, or does not. Up: breakers there that are
 * open let a probe through at once. Endpoints are up until someone says otherwise. */
void health_endpoint_up(struct str provider, struct str endpoint, bool up, int64_t now_ns);
