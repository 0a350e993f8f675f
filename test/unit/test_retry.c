/* What retry promises: who is asked next, after which pause, within which bounds. */
#include "model/retry.h"
#include "base/clock.h"

#include "tap.h"

static const struct {
    const char *name;
    enum err_code code;
    int32_t retry_after_ms;
    int attempts, tries;
    bool key;
    int providers;
    int64_t pause_ms;
    enum retry_step step;
    int64_t wait_least_ms, wait_most_ms;
    bool silent, stale;
} cases[] = {
    {"a broken one again", ERR_UPSTREAM, 0, 1, 1, false, 0, 3000, RETRY_AGAIN, 0, 100},
    {"again, although there are others", ERR_UPSTREAM, 0, 1, 1, false, 1, 3000, RETRY_AGAIN, 0,
     100},
    {"another after two tries", ERR_UPSTREAM, 0, 2, 2, false, 1, 3000, RETRY_NEXT, 0, 0},
    {"another when the last attempts are for others", ERR_UPSTREAM, 0, 3, 1, false, 3, 3000,
     RETRY_NEXT, 0, 0},
    {"pauses grow", ERR_UNAVAILABLE, 0, 3, 3, false, 0, 3000, RETRY_AGAIN, 0, 400},
    {"no pause beyond the budget", ERR_RATE, 3001, 1, 1, false, 0, 3000, RETRY_STOP, 0, 0},
    {"as long as it was told", ERR_RATE, 700, 1, 1, false, 0, 3000, RETRY_AGAIN, 700, 800},
    {"also when others could", ERR_RATE, 700, 1, 1, false, 1, 3000, RETRY_AGAIN, 700, 800},
    {"not when that is long", ERR_RATE, 1500, 1, 1, false, 1, 3000, RETRY_NEXT, 0, 0},
    {"another key at once", ERR_RATE, 1500, 1, 1, true, 1, 3000, RETRY_AGAIN, 0, 0},
    {"another key for a refused one", ERR_UPSTREAM_AUTH, 0, 1, 1, true, 0, 0, RETRY_AGAIN, 0, 0},
    {"no key, another place", ERR_UPSTREAM_AUTH, 0, 1, 1, false, 1, 3000, RETRY_NEXT, 0, 0},
    {"no key, no place", ERR_UPSTREAM_AUTH, 0, 1, 1, false, 0, 3000, RETRY_STOP, 0, 0},
    {"silence: another", ERR_TIMEOUT, 0, 1, 1, true, 1, 3000, RETRY_NEXT, 0, 0, true},
    {"silence: nobody twice", ERR_TIMEOUT, 0, 1, 1, true, 0, 3000, RETRY_STOP, 0, 0, true},
    {"stalled: again", ERR_TIMEOUT, 0, 1, 1, false, 1, 3000, RETRY_AGAIN, 0, 100},
    {"stalled twice: another", ERR_TIMEOUT, 0, 2, 2, false, 1, 3000, RETRY_NEXT, 0, 0},
    {"too long: another", ERR_CONTEXT, 0, 1, 1, false, 1, 3000, RETRY_NEXT, 0, 0},
    {"content: the reason", ERR_CONTENT, 0, 1, 1, true, 1, 3000, RETRY_STOP, 0, 0},
    {"a bad request stays one", ERR_INVALID, 0, 1, 1, true, 1, 3000, RETRY_STOP, 0, 0},
    {"the fifth waits for its window", ERR_UPSTREAM, 0, 4, 4, false, 0, 3000, RETRY_AGAIN, 2900,
     3000},
    {"or goes elsewhere when it may not wait", ERR_UPSTREAM, 0, 4, 1, false, 1, 1000, RETRY_NEXT, 0,
     0},
    {"a stale connection: the same at once", ERR_UPSTREAM, 0, 3, 2, false, 3, 0, RETRY_AGAIN, 0, 0,
     .stale = true},
    {"but within the bounds", ERR_UPSTREAM, 0, 6, 1, false, 0, 60000, RETRY_STOP, 0, 0,
     .stale = true},
    {"there is no seventh", ERR_UPSTREAM, 0, 6, 1, true, 0, 60000, RETRY_STOP, 0, 0},
};

int main(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err e;
        int64_t wait = 0;
        struct retry_state s = {.attempts = cases[i].attempts,
                                .most = RETRY_MOST,
                                .tries = cases[i].tries,
                                .silent = cases[i].silent,
                                .stale = cases[i].stale,
                                .other_key = cases[i].key,
                                .other_place = cases[i].providers > 0,
                                .providers = cases[i].providers,
                                .pause_ns = cases[i].pause_ms * NS_PER_MS,
                                .now_ns = 10 * NS_PER_S};
        for (int k = 0; k < s.attempts; k++)
            s.begun_ns[k] = s.now_ns - (s.attempts - k) * 10 * NS_PER_MS;
        err_set(&e, cases[i].code, "x");
        e.retry_after_ms = cases[i].retry_after_ms;
        ok(retry_decide(&s, &e, &wait) == cases[i].step, "%s", cases[i].name);
        ok(cases[i].step != RETRY_AGAIN || (wait >= cases[i].wait_least_ms * NS_PER_MS &&
                                            wait <= cases[i].wait_most_ms * NS_PER_MS),
           "%s: %.1f ms", cases[i].name, (double)wait / NS_PER_MS);
    }
    return tap_done();
}
