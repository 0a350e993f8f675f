#include "model/retry.h"
#include "base/clock.h"
#include "base/random.h"

enum { BACKOFF_FIRST_MS = 100, BACKOFF_MOST_MS = 2000, SHORT_MS = 1000, TRIES = 2 };

int64_t retry_room_ns(const struct retry_state *s)
{
    if (s->attempts >= s->most)
        return -1;
    if (s->attempts < RETRY_WINDOW)
        return 0;
    int64_t free_ns = s->begun_ns[s->attempts - RETRY_WINDOW] + RETRY_WINDOW_MS * NS_PER_MS;
    return free_ns > s->now_ns ? free_ns - s->now_ns : 0;
}

static int64_t pause_ns(const struct retry_state *s, const struct err *e)
{
    if (e->retry_after_ms > 0)
        return (e->retry_after_ms + (int64_t)(random_u64() % BACKOFF_FIRST_MS)) * NS_PER_MS;
    int64_t most_ms = BACKOFF_FIRST_MS;
    for (int i = 1; i < s->tries && most_ms < BACKOFF_MOST_MS; i++)
        most_ms *= 2;
    return (1 + (int64_t)(random_u64() % (uint64_t)most_ms)) * NS_PER_MS;
}

static enum retry_step again(const struct retry_state *s, int64_t pause, int64_t *wait_ns)
{
    int64_t room = retry_room_ns(s);
    int64_t wait = pause > room ? pause : room;
    if (room < 0 || wait > s->pause_ns)
        return s->other_place ? RETRY_NEXT : RETRY_STOP;
    *wait_ns = wait;
    return RETRY_AGAIN;
}

enum retry_step retry_decide(const struct retry_state *s, const struct err *e, int64_t *wait_ns)
{
    enum retry_step next = s->other_place ? RETRY_NEXT : RETRY_STOP;
    bool spare = s->most - s->attempts > s->providers;
    bool tried = s->other_place && (s->tries >= TRIES || !spare);
    switch (e->code) {
    case ERR_UPSTREAM_AUTH: return s->other_key ? again(s, 0, wait_ns) : next;
    case ERR_RATE:
        if (s->other_key)
            return again(s, 0, wait_ns);
        return tried || (s->other_place && e->retry_after_ms > SHORT_MS)
                   ? RETRY_NEXT
                   : again(s, pause_ns(s, e), wait_ns);
    case ERR_UPSTREAM:
        if (s->stale)
            return again(s, 0, wait_ns);
        return tried ? RETRY_NEXT : again(s, pause_ns(s, e), wait_ns);
    case ERR_UNAVAILABLE: return tried ? RETRY_NEXT : again(s, pause_ns(s, e), wait_ns);
    case ERR_TIMEOUT: return s->silent || tried ? next : again(s, pause_ns(s, e), wait_ns);
    case ERR_CONTEXT:
    case ERR_NOT_FOUND:
    case ERR_MODEL: return next;
    default: return RETRY_STOP;
    }
}
