#include "model/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/health.h"
#include "run/fiber.h"

enum { FAILURES_TO_DOWN = 2, FAILING_PAUSE_MS = 1000 };

struct checks {
    struct http_client *http;
    const struct check_target *target;
    size_t n;
    void (*ended)(void *);
    void *arg;
    struct fiber *fiber;
};

struct watch {
    struct http_client *http;
    const struct check_target *target;
};

static bool answers(const struct watch *w, struct err *e)
{
    const struct check_target *t = w->target;
    const struct http_deadlines d = {.total_ms = t->timeout_ms};
    struct arena *a = arena_new();
    struct http_exchange *x;
    bool good = http_exchange_start(&x, w->http, a, a, &t->origin, STR("GET"), t->path, t->lines,
                                    NULL, 0, &d, e);
    if (good) {
        int status = x->head.status;
        good = status < 400 || status == 429 ||
               err_set(e, ERR_UPSTREAM, "the answer has status %d", status);
        http_exchange_end(x);
    }
    arena_free(a);
    return good;
}

static void watch(void *arg)
{
    const struct watch *w = arg;
    const struct check_target *t = w->target;
    int failures = 0;
    int64_t pause_ms;
    do {
        struct err e;
        bool good = answers(w, &e);
        if (!good && e.code == ERR_CANCELLED)
            return;
        failures = good ? 0 : failures + 1;
        if (failures == 1)
            log_info("check_failed", kv("provider", t->provider), kv("endpoint", t->endpoint),
                     kv("error", (const char *)e.msg));
        if (good || failures == FAILURES_TO_DOWN)
            health_endpoint_up(t->provider, t->endpoint, good, clock_now());
        pause_ms = good || t->interval_ms < FAILING_PAUSE_MS ? t->interval_ms : FAILING_PAUSE_MS;
    } while (fiber_sleep(pause_ms * NS_PER_MS, NULL));
}

static void watch_all(void *arg)
{
    struct checks *c = arg;
    struct watch *w = mem_array(c->n, sizeof(*w));
    struct fiber_group g;
    fiber_group_init(&g, CLOCK_NEVER);
    for (size_t i = 0; i < c->n; i++) {
        const struct check_target *t = &c->target[i];
        w[i] = (struct watch){c->http, t};
        if (t->path.len)
            fiber_group_go(&g, watch, &w[i], "check");
        else
            health_endpoint_up(t->provider, t->endpoint, true, clock_now());
    }
    fiber_group_wait(&g);
    while (!fiber_cancelled()) /* nothing to check: check_stop has to find the fiber */
        fiber_wait(CLOCK_NEVER);
    fiber_group_fini(&g);
    mem_free(w);
    c->ended(c->arg);
    mem_free(c);
}

struct checks *check_start(struct http_client *http, const struct check_target *t, size_t n,
                           void (*ended)(void *arg), void *arg)
{
    struct checks *c = mem_new(sizeof(*c));
    *c = (struct checks){http, t, n, ended, arg, NULL};
    c->fiber = fiber_go(watch_all, c, "checks");
    return c;
}

void check_stop(struct checks *c)
{
    if (c)
        fiber_cancel(c->fiber);
}
