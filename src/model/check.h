/* check.h - asks the endpoints of providers by itself whether they answer, so that calls need not
 * find out.
 *
 * Each endpoint has a fiber that asks for one path, again and again. Two failures in a row mark the
 * endpoint down (model/health.h), one answer marks it up and lets its breakers probe at once. What
 * fails is looked at again after a second already. An answer is any status below 400, and 429: who
 * can say that it is busy is there.
 *
 * Memory:  the targets are the caller's until `ended` is called.
 * Threads: the loop's.
 */
#pragma once

#include "net/client.h"

struct check_target {
    struct str provider, endpoint; /* as for health_get */
    struct http_origin origin;
    struct str path;  /* behind the origin's base path; "" = not checked, and taken for up */
    struct str lines; /* header lines of the request */
    int64_t interval_ms, timeout_ms;
};

struct checks;

/* `ended(arg)` is called when the last of the fibers has ended after check_stop. */
struct checks *check_start(struct http_client *http, const struct check_target *t, size_t n,
                           void (*ended)(void *arg), void *arg);
/* Ends the checks soon; they are not to be used from here on. Accepts NULL. */
void check_stop(struct checks *c);
