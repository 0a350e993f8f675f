/* retry.h - what follows a failed attempt, as a pure function.
 *
 *     our key refused          another key, else another place
 *     429                      another key; else the same place after a pause, once when there are
 *                              others and the pause is short
 *     5xx, reset, cut short,   the same place after a pause, once when there are others
 *     stalled behind its head
 *     a stale connection       the same place at once, on a new one
 *     silence                  another place: the silent one is not asked twice
 *     context too long,        another place (whoever looks for one takes a larger window)
 *     model not known
 *     all else                 it stays: the request itself is at fault
 *
 * Nobody is asked again with an attempt that is wanted to ask everybody once.
 *
 * A pause is what the provider asked for plus a little, so that those it sent away do not all come
 * back at once; else full jitter: any moment up to a bound that doubles.
 *
 * Source:  Brooker, "Exponential Backoff And Jitter", 2015.
 * Threads: any.
 */
#pragma once

#include "base/err.h"

enum { RETRY_WINDOW = 4, RETRY_WINDOW_MS = 3000, RETRY_MOST = 6 };

enum retry_step { RETRY_STOP, RETRY_AGAIN, RETRY_NEXT };

struct retry_state {
    int attempts;     /* at providers, in all */
    int most;         /* at most so many of them, up to RETRY_MOST */
    int tries;        /* of these at this place in a row */
    bool stale;       /* the last one met a kept connection that had been closed */
    bool silent;      /* the last one said nothing in time, or no word by the time for that */
    bool other_key;   /* the place has a key that was not refused */
    bool other_place; /* somebody else could be asked */
    int providers;    /* how many else whose attempts are bounded */
    int64_t pause_ns; /* what pauses may still take */
    int64_t now_ns;
    int64_t begun_ns[RETRY_MOST]; /* when each attempt began */
};

/* RETRY_AGAIN: the same place after *wait_ns. */
enum retry_step retry_decide(const struct retry_state *s, const struct err *e, int64_t *wait_ns);
/* How long until one more attempt at a provider is within the bounds; -1: never. */
int64_t retry_room_ns(const struct retry_state *s);
