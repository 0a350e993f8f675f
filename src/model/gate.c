#include "model/gate.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/metric.h"
#include "run/fiber.h"

#include <stdatomic.h>

enum { CUT_PERCENT = 70, CUT_EVERY_MS = 100, RETRY_LEAST_MS = 100, RETRY_MOST_MS = 60000 };
#define NO_LIMIT INT64_MAX

/* Lies on the stack of the fiber that waits. Whoever gives it a place takes it out of the queue in
 * the same step and sends a message, with which it touches the waiter for the last time. */
struct waiter {
    struct list node; /* under lock */
    struct loop *loop;
    struct fiber *fiber;
    struct loop_msg msg;
    bool given; /* under lock: it has its place, and the message is on its way */
    bool told;  /* loop thread only: the message has come */
};

struct gate {
    /* set once */
    struct str provider;
    struct metric *in_flight_shown, *limit_shown, *queued_shown, *wait_seconds;

    /* atomic */
    _Atomic int64_t in_flight;
    _Atomic int64_t limit;  /* what holds now; changed under lock */
    _Atomic int64_t found;  /* the limit found, NO_LIMIT: none; changed under lock */
    _Atomic int64_t queued; /* changed under lock */
    _Atomic int64_t answered;

    struct lock lock;
    /* under lock */
    struct list waiters;
    struct gate_options opt;
    int64_t enough; /* a limit found above this is none */
    int64_t cut_at_ns;
    int64_t moved, moving_since_ns; /* calls that left the queue since it was empty */
};

static struct {
    struct lock lock;
    struct map gates; /* under lock: by provider */
} all = {.lock = LOCK_INIT};

/* ---- Gates ---- */

static void show(void *arg)
{
    const struct gate *g = arg;
    metric_set(g->in_flight_shown, gate_in_flight(g));
    metric_set(g->limit_shown, gate_limit(g));
    metric_set(g->queued_shown, gate_queued(g));
}

static struct metric *series(enum metric_kind kind, const char *name, struct str provider,
                             const char *help)
{
    return metric_with(metric_family(name, kind, "provider", help), &provider);
}

static struct gate *make(struct str provider)
{
    struct gate *g = mem_new(sizeof(*g));
    g->provider = (struct str){mem_copy(provider.p, provider.len), provider.len};
    g->in_flight_shown = series(METRIC_GAUGE, "penstock_provider_in_flight", g->provider,
                                "Calls that are at a provider now.");
    g->limit_shown = series(METRIC_GAUGE, "penstock_provider_limit", g->provider,
                            "Calls that may be at a provider at the same time; 0: no limit.");
    g->queued_shown = series(METRIC_GAUGE, "penstock_queue_depth", g->provider,
                             "Calls that wait for a place at a provider.");
    g->wait_seconds = metric_with(
        metric_histogram("penstock_queue_wait_seconds", 1e-9, "provider",
                         "Time that calls waited for a place at a provider, of those that did."),
        &g->provider);
    lock_init(&g->lock);
    list_init(&g->waiters);
    atomic_store(&g->found, NO_LIMIT);
    gate_configure(g, &(struct gate_options){0});
    metric_on_read(show, g);
    return g;
}

struct gate *gate_get(struct str provider)
{
    lock_take(&all.lock);
    struct gate *g = map_get(&all.gates, provider);
    if (!g) {
        g = make(provider);
        map_set(&all.gates, provider, g);
    }
    lock_drop(&all.lock);
    return g;
}

/* ---- The queue ---- */

/* Takes a place when there is one below the limit. */
static bool take(struct gate *g)
{
    int64_t limit = atomic_load(&g->limit);
    int64_t n = atomic_load(&g->in_flight);
    do {
        if (n >= limit)
            return false;
    } while (!atomic_compare_exchange_weak(&g->in_flight, &n, n + 1));
    return true;
}

static void remove_locked(struct gate *g, struct waiter *w)
{
    list_remove(&w->node);
    atomic_fetch_sub(&g->queued, 1);
}

static void told(void *arg)
{
    struct waiter *w = arg;
    w->told = true;
    fiber_wake(w->fiber);
}

/* Gives the places that are free to those who wait. Whoever leaves gives up a place and then looks
 * for a queue; whoever queues is counted and then looks for a place (here). Both are sequentially
 * consistent, so at least one of them sees the other, and nobody waits beside a free place. */
static void hand_out_locked(struct gate *g)
{
    while (!list_empty(&g->waiters) && take(g)) {
        struct waiter *w = list_entry(g->waiters.next, struct waiter, node);
        remove_locked(g, w);
        g->moved++;
        w->given = true;
        loop_send(w->loop, &w->msg, told, w); /* w may be gone from here on */
    }
}

static void hand_out(struct gate *g)
{
    lock_take(&g->lock);
    hand_out_locked(g);
    lock_drop(&g->lock);
}

static void set_limit_locked(struct gate *g, int64_t found)
{
    atomic_store(&g->found, found);
    atomic_store(&g->limit, found < g->opt.most ? found : g->opt.most);
}

void gate_configure(struct gate *g, const struct gate_options *opt)
{
    lock_take(&g->lock);
    g->opt = *opt;
    if (g->opt.most <= 0)
        g->opt.most = NO_LIMIT;
    if (g->opt.queue_length <= 0)
        g->opt.queue_length = 1000;
    if (g->opt.queue_timeout_ms <= 0)
        g->opt.queue_timeout_ms = 10000;
    set_limit_locked(g, atomic_load(&g->found));
    hand_out_locked(g);
    lock_drop(&g->lock);
}

/* When whoever comes last would have its turn, at the rate at which the queue has moved. */
static int32_t retry_ms_locked(const struct gate *g, int64_t now_ns)
{
    int64_t ms = g->opt.queue_timeout_ms;
    if (g->moved > 0)
        ms = (now_ns - g->moving_since_ns) / NS_PER_MS / g->moved * (atomic_load(&g->queued) + 1);
    ms = ms > RETRY_LEAST_MS ? ms : RETRY_LEAST_MS;
    return (int32_t)(ms < RETRY_MOST_MS ? ms : RETRY_MOST_MS);
}

static bool refuse(struct err *e, int32_t retry_ms, enum err_code code, const char *why,
                   struct str provider)
{
    err_set(e, code, "provider '%.*s' is busy: %s", STR_FMT(provider), why);
    if (e)
        e->retry_after_ms = retry_ms;
    return false;
}

/* Puts the waiter into the queue; *until_ns is when it gives up at the latest. */
static bool join(struct gate *g, struct waiter *w, int64_t now_ns, int64_t *until_ns, struct err *e)
{
    lock_take(&g->lock);
    int64_t queued = atomic_load(&g->queued);
    if (queued >= g->opt.queue_length) {
        int32_t retry_ms = retry_ms_locked(g, now_ns);
        lock_drop(&g->lock);
        return refuse(e, retry_ms, ERR_RATE, "the queue in front of it is full", g->provider);
    }
    if (queued == 0) {
        g->moved = 0;
        g->moving_since_ns = now_ns;
    }
    list_add(&g->waiters, &w->node);
    atomic_fetch_add(&g->queued, 1);
    hand_out_locked(g);
    *until_ns = clock_after(now_ns, g->opt.queue_timeout_ms);
    lock_drop(&g->lock);
    return true;
}

/* The wait is over without the message. Either nobody has given it a place, and it leaves the
 * queue, or someone has, and the message that is on its way needs the waiter: what was given
 * counts, and if the fiber was cancelled its next wait tells. */
static bool leave_queue(struct gate *g, struct waiter *w, enum fiber_wake how, int64_t now_ns,
                        struct err *e)
{
    lock_take(&g->lock);
    bool given = w->given;
    if (!given)
        remove_locked(g, w);
    int32_t retry_ms = retry_ms_locked(g, now_ns);
    lock_drop(&g->lock);
    if (!given && how == FIBER_CANCELLED)
        return fiber_wake_ok(how, e);
    if (!given)
        return refuse(e, retry_ms, ERR_UNAVAILABLE, "no place became free in time", g->provider);
    fiber_shield(true);
    while (!w->told)
        fiber_wait(CLOCK_NEVER);
    fiber_shield(false);
    return true;
}

/* The waiter is not to lie on the stack of the call that follows. */
__attribute__((noinline)) static bool queue(struct gate *g, int64_t deadline_ns, struct err *e)
{
    struct waiter w = {.loop = loop_self(), .fiber = fiber_self()};
    int64_t now_ns = loop_now(), until_ns;
    CHECK(w.fiber);
    if (!join(g, &w, now_ns, &until_ns, e))
        return false;
    if (deadline_ns < until_ns)
        until_ns = deadline_ns;
    enum fiber_wake how = FIBER_WOKEN;
    while (how == FIBER_WOKEN && !w.told)
        how = fiber_wait(until_ns);
    bool in = w.told || leave_queue(g, &w, how, loop_now(), e);
    metric_observe(g->wait_seconds, loop_now() - now_ns);
    return in;
}

__attribute__((noinline)) bool gate_enter(struct gate *g, int64_t deadline_ns, struct err *e)
{
    /* whoever waits is first */
    return (atomic_load(&g->queued) == 0 && take(g)) || queue(g, deadline_ns, e);
}

/* ---- The limit ---- */

static void cut(struct gate *g, int64_t in_flight, int64_t entered_ns)
{
    int64_t now_ns = clock_now();
    lock_take(&g->lock);
    if (entered_ns > g->cut_at_ns && now_ns - g->cut_at_ns >= CUT_EVERY_MS * NS_PER_MS) {
        int64_t found = atomic_load(&g->found), least = in_flight * CUT_PERCENT / 100;
        if (found == NO_LIMIT)
            g->enough = 2 * in_flight;
        if (least < found)
            set_limit_locked(g, least > 1 ? least : 1);
        g->cut_at_ns = now_ns;
        atomic_store(&g->answered, 0);
    }
    lock_drop(&g->lock);
}

static void grow(struct gate *g)
{
    lock_take(&g->lock);
    int64_t found = atomic_load(&g->found);
    if (found != NO_LIMIT && atomic_load(&g->answered) >= found) {
        atomic_store(&g->answered, 0);
        set_limit_locked(g, found < g->enough ? found + 1 : NO_LIMIT);
    }
    lock_drop(&g->lock);
}

__attribute__((noinline)) void gate_leave(struct gate *g, enum gate_verdict v, int64_t entered_ns)
{
    int64_t in_flight = atomic_fetch_sub(&g->in_flight, 1); /* this call included */
    int64_t found = atomic_load_explicit(&g->found, memory_order_relaxed);
    if (v == GATE_OVERLOADED)
        cut(g, in_flight, entered_ns);
    else if (v == GATE_GOOD && found != NO_LIMIT && 2 * in_flight >= found &&
             atomic_fetch_add(&g->answered, 1) + 1 >= found)
        grow(g);
    if (atomic_load(&g->queued) > 0)
        hand_out(g);
}

/* ---- Looking ---- */

int64_t gate_in_flight(const struct gate *g)
{
    return atomic_load_explicit(&g->in_flight, memory_order_relaxed);
}

int64_t gate_limit(const struct gate *g)
{
    int64_t limit = atomic_load_explicit(&g->limit, memory_order_relaxed);
    return limit == NO_LIMIT ? 0 : limit;
}

int64_t gate_queued(const struct gate *g)
{
    return atomic_load_explicit(&g->queued, memory_order_relaxed);
}
