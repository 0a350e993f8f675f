#include "model/health.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metric.h"
#include "base/random.h"

#include <math.h>
#include <stdatomic.h>

enum {
    PROBES_TO_CLOSE = 2,
    PROBE_PATIENCE_S = 5, /* a probe that takes longer does not keep out the next one */
    ASK_AGAIN_MS = 1000,  /* when nobody knows */
    SLICES = 6,           /* of the window over which shares of faults are taken */
    SLICE_S = 5,
    EJECT_IN_ROW = 5,
    EJECT_S = 10,
    EJECT_MOST_S = 300,
    FORGIVE_S = 60, /* of good standing undo one ejection */
    IN_USE_S =
        300, /* since it was last called or found, for an endpoint to count among its peers */
    NAMES_MOST = 64 * 1024,
};
static const double latency_decay_s = 10.0;        /* 1/e */
static const int64_t latency_floor_ns = 512932944; /* by then 0.95 are left */
static const double idle_half_s = 30.0;
static const double outlier_z = 3.0, outlier_margin = 0.2;

/* What several places have in common. */
struct endpoint {
    atomic_bool down;
    struct metric *shown; /* under lock: NULL: not checked so far */
};

/* Places of one provider and model at several endpoints. */
struct peers {
    struct list places; /* under lock */
};

/* The breaker of a place:
 *
 *     CLOSED --(faults in a row, or their share over the limit)--> OPEN --(cool-down over)--> PROBE
 *        ^                                                          ^  |                       | |
 *        |                                                          |  +-(the only choice:     | |
 *        |                                                          |     one was answered)--> + |
 *        |                                                          +------(probe failed)--------+
 *        +------------------(two probes answered)------------------------------------------------+
 */
struct health {
    /* set once */
    struct str provider, endpoint, model;
    uint64_t hash;
    struct endpoint *at;
    struct peers *peers;
    struct metric *state_shown, *changes[3], *ejected;

    /* atomic */
    _Atomic(enum breaker_state) state; /* changed under lock */
    _Atomic int64_t in_flight;
    _Atomic int64_t faults_in_row;
    _Atomic int64_t open_until_ns;    /* changed under lock */
    _Atomic int64_t ejected_until_ns; /* changed under lock */
    _Atomic int64_t probing_until_ns; /* a probe is on its way; 0: none */
    _Atomic int64_t latency_ns, latency_at_ns;
    _Atomic int64_t used_at_ns;
    _Atomic uint64_t slice[SLICES]; /* number of the slice, calls, faults: 24, 20, 20 bits */

    /* under lock */
    struct list peer; /* in peers->places */
    int reopened;     /* how often in a row it opened again */
    int answered;     /* probes in a row */
    int ejections;
};

/* Changes of state are rare, so one lock serves all places. */
static struct {
    struct lock lock;
    /* under lock */
    struct map places, endpoints, peers; /* by their names */
    struct health_options opt;
    _Atomic int failures; /* as in opt */
} all = {.lock = LOCK_INIT};

#define X(name, text) [BREAKER_##name] = text,
static const char *const state_names[] = {BREAKER_STATES(X)};
#undef X

const char *breaker_state_name(enum breaker_state s)
{
    return state_names[s];
}

/* ---- Settings and places ---- */

static void configure_locked(const struct health_options *opt)
{
    struct health_options o = opt ? *opt : (struct health_options){0};
    o.failures = o.failures > 0 ? o.failures : 10;
    o.failure_ratio = o.failure_ratio > 0 ? o.failure_ratio : 0.5;
    o.min_calls = o.min_calls > 0 ? o.min_calls : 20;
    o.cooldown_ms = o.cooldown_ms > 0 ? o.cooldown_ms : 2000;
    o.cooldown_most_ms = o.cooldown_most_ms > 0 ? o.cooldown_most_ms : 15000;
    if (o.cooldown_most_ms < o.cooldown_ms)
        o.cooldown_most_ms = o.cooldown_ms;
    all.opt = o;
    atomic_store(&all.failures, o.failures);
}

void health_configure(const struct health_options *opt)
{
    lock_take(&all.lock);
    configure_locked(opt);
    lock_drop(&all.lock);
}

/* A key of several names: a NUL is in none of them. */
static void put_names(struct buf *b, const struct str *name, size_t n)
{
    buf_init(b, NAMES_MOST);
    for (size_t i = 0; i < n; i++) {
        buf_add(b, name[i]);
        buf_char(b, 0);
    }
    CHECK(buf_ok(b));
}

/* Finds what these names stand for, or makes `size` zeroed bytes of it. */
static void *find_locked(struct map *m, const struct str *name, size_t n, size_t size)
{
    struct buf key;
    put_names(&key, name, n);
    void *found = map_get(m, buf_str(&key));
    if (!found) {
        found = mem_new(size);
        map_set(m, buf_str(&key), found);
    }
    buf_fini(&key);
    return found;
}

static struct endpoint *endpoint_locked(struct str provider, struct str endpoint)
{
    return find_locked(&all.endpoints, (struct str[]){provider, endpoint}, 2,
                       sizeof(struct endpoint));
}

static struct str keep(struct str s)
{
    return s.len ? (struct str){mem_copy(s.p, s.len), s.len} : STR_NONE;
}

static void find_series(struct health *h)
{
    struct str names[] = {h->provider, h->endpoint, h->model, STR_NONE};
    h->state_shown = metric_with(
        metric_family("penstock_breaker_state", METRIC_GAUGE, "provider,endpoint,model",
                      "Circuit breaker of an endpoint and model: 0 closed, 1 probe, 2 open."),
        names);
    h->ejected = metric_with(
        metric_family("penstock_endpoint_ejections_total", METRIC_COUNTER,
                      "provider,endpoint,model",
                      "How often an endpoint was left out as it did worse than its peers."),
        names);
    struct metric_family *changes =
        metric_family("penstock_breaker_changes_total", METRIC_COUNTER,
                      "provider,endpoint,model,to", "Changes of a circuit breaker's state.");
    for (size_t i = 0; i < COUNT(h->changes); i++) {
        names[3] = str_from(state_names[i]);
        h->changes[i] = metric_with(changes, names);
    }
}

static void fill_locked(struct health *h, const struct str *name)
{
    h->provider = keep(name[0]);
    h->endpoint = keep(name[1]);
    h->model = keep(name[2]);
    struct buf key;
    put_names(&key, name, 3);
    h->hash = hash_stable(buf_str(&key));
    buf_fini(&key);
    h->at = endpoint_locked(h->provider, h->endpoint);
    h->peers = find_locked(&all.peers, (struct str[]){h->provider, h->model}, 2, sizeof(*h->peers));
    if (!h->peers->places.next)
        list_init(&h->peers->places);
    list_add(&h->peers->places, &h->peer);
    find_series(h);
}

struct health *health_get(struct str provider, struct str endpoint, struct str model)
{
    const struct str name[] = {provider, endpoint, model};
    lock_take(&all.lock);
    if (all.opt.failures == 0)
        configure_locked(NULL);
    struct health *h = find_locked(&all.places, name, 3, sizeof(*h));
    if (!h->peers)
        fill_locked(h, name);
    atomic_store(&h->used_at_ns, clock_now());
    lock_drop(&all.lock);
    return h;
}

/* ---- The window ---- */

struct tally {
    int64_t calls, faults;
};

static uint64_t slice_number(int64_t now_ns)
{
    return (uint64_t)(now_ns / (SLICE_S * NS_PER_S)) & 0xffffff;
}

enum { COUNT_BITS = 20, COUNT_MOST = (1 << COUNT_BITS) - 1 };

static void count(struct health *h, bool fault, int64_t now_ns)
{
    uint64_t number = slice_number(now_ns);
    _Atomic uint64_t *s = &h->slice[number % SLICES];
    uint64_t old = atomic_load_explicit(s, memory_order_relaxed), new;
    do {
        new = old >> 2 * COUNT_BITS == number ? old : number << 2 * COUNT_BITS;
        if (((new >> COUNT_BITS) & COUNT_MOST) == COUNT_MOST)
            return; /* a million calls within a slice say enough */
        new += (UINT64_C(1) << COUNT_BITS) + fault;
    } while (!atomic_compare_exchange_weak(s, &old, new));
}

static struct tally tally(const struct health *h, int64_t now_ns)
{
    uint64_t number = slice_number(now_ns);
    struct tally t = {0};
    for (int i = 0; i < SLICES; i++) {
        uint64_t s = atomic_load_explicit(&h->slice[i], memory_order_relaxed);
        if (((number - (s >> 2 * COUNT_BITS)) & 0xffffff) < SLICES) {
            t.calls += (int64_t)((s >> COUNT_BITS) & COUNT_MOST);
            t.faults += (int64_t)(s & COUNT_MOST);
        }
    }
    return t;
}

static void forget(struct health *h)
{
    for (int i = 0; i < SLICES; i++)
        atomic_store(&h->slice[i], 0);
    atomic_store(&h->faults_in_row, 0);
}

/* ---- The breaker ---- */

/* Doubles from opening to opening; up to a fifth is taken off by chance, so that many gateways do
 * not all probe at the same moment. */
static int64_t cooldown_ns_locked(const struct health *h)
{
    int64_t ms = all.opt.cooldown_ms;
    for (int i = 0; i < h->reopened && ms < all.opt.cooldown_most_ms; i++)
        ms *= 2;
    if (ms > all.opt.cooldown_most_ms)
        ms = all.opt.cooldown_most_ms;
    int64_t ns = ms * NS_PER_MS;
    return ns - (int64_t)(random_u64() % (uint64_t)(ns / 5 + 1));
}

/* The one place where the state changes. */
static void change_locked(struct health *h, enum breaker_state to, int64_t now_ns)
{
    enum breaker_state from = atomic_load(&h->state);
    h->answered = 0;
    if (to == BREAKER_OPEN) {
        h->reopened = from == BREAKER_PROBE ? h->reopened + 1 : 0;
        atomic_store(&h->open_until_ns, now_ns + cooldown_ns_locked(h));
    } else if (to == BREAKER_CLOSED) {
        forget(h);
        atomic_store(&h->ejected_until_ns, 0);
        h->ejections = 0;
    }
    atomic_store(&h->state, to);
    metric_set(h->state_shown, to);
    metric_add(h->changes[to], 1);
    log_warn("breaker", kv("provider", h->provider), kv("endpoint", h->endpoint),
             kv("model", h->model), kv("from", state_names[from]), kv("to", state_names[to]),
             kv("retry_ms", health_retry_in_ms(h, now_ns)));
}

/* An ejected place that is back and still does not answer is no outlier: it is dead. */
static bool back_and_bad(const struct health *h, int64_t now_ns)
{
    int64_t back_ns = now_ns - atomic_load(&h->ejected_until_ns);
    return atomic_load(&h->faults_in_row) > EJECT_IN_ROW && back_ns >= 0 &&
           back_ns < FORGIVE_S * NS_PER_S && h->ejections > 0;
}

static bool too_many_faults_locked(const struct health *h, int64_t now_ns)
{
    if (atomic_load(&h->faults_in_row) >= all.opt.failures || back_and_bad(h, now_ns))
        return true;
    struct tally t = tally(h, now_ns);
    return t.calls >= all.opt.min_calls &&
           (double)t.faults >= all.opt.failure_ratio * (double)t.calls;
}

/* ---- Ejection ---- */

static bool ejected(const struct health *h, int64_t now_ns)
{
    return atomic_load_explicit(&h->ejected_until_ns, memory_order_relaxed) > now_ns;
}

/* Is its share of faults above that of its peers by more than chance, and by enough to matter? */
static bool stands_out(struct tally mine, struct tally others, int64_t min_calls)
{
    if (mine.calls < min_calls || others.calls < min_calls)
        return false;
    double n1 = (double)mine.calls, n2 = (double)others.calls;
    double p1 = (double)mine.faults / n1, p2 = (double)others.faults / n2;
    double p = (double)(mine.faults + others.faults) / (n1 + n2);
    double spread = sqrt(p * (1 - p) * (1 / n1 + 1 / n2));
    return p1 - p2 > outlier_margin && p1 - p2 > outlier_z * spread;
}

/* Leaves the place out when it does worse than its peers and at least half of them stay. */
static void eject_if_outlier_locked(struct health *h, int64_t now_ns)
{
    int in_use = 0, out = 0;
    struct tally others = {0};
    list_each (node, &h->peers->places) {
        const struct health *o = list_entry(node, struct health, peer);
        bool is_out = ejected(o, now_ns) || atomic_load(&o->state) != BREAKER_CLOSED ||
                      atomic_load(&o->at->down);
        if (now_ns - atomic_load(&o->used_at_ns) < IN_USE_S * NS_PER_S) {
            in_use++;
            out += is_out;
        }
        if (o != h && !is_out) {
            struct tally t = tally(o, now_ns);
            others.calls += t.calls;
            others.faults += t.faults;
        }
    }
    if (ejected(h, now_ns) || 2 * (out + 1) > in_use)
        return;
    if (atomic_load(&h->faults_in_row) < EJECT_IN_ROW &&
        !stands_out(tally(h, now_ns), others, all.opt.min_calls))
        return;
    int64_t good_s = (now_ns - atomic_load(&h->ejected_until_ns)) / NS_PER_S;
    int64_t before = h->ejections - good_s / FORGIVE_S;
    h->ejections = before > 0 ? (int)before + 1 : 1;
    int64_t s = h->ejections * EJECT_S < EJECT_MOST_S ? h->ejections * EJECT_S : EJECT_MOST_S;
    atomic_store(&h->ejected_until_ns, now_ns + s * NS_PER_S);
    metric_add(h->ejected, 1);
    log_warn("ejected", kv("provider", h->provider), kv("endpoint", h->endpoint),
             kv("model", h->model), kv("seconds", s));
}

/* ---- A call ---- */

static bool down(const struct health *h)
{
    return atomic_load_explicit(&h->at->down, memory_order_relaxed);
}

/* One probe at a time; true: it is this one. */
static bool take_probe(struct health *h, int64_t now_ns)
{
    int64_t until = atomic_load(&h->probing_until_ns);
    return until <= now_ns && atomic_compare_exchange_strong(&h->probing_until_ns, &until,
                                                             now_ns + PROBE_PATIENCE_S * NS_PER_S);
}

static void begin_probing(struct health *h, int64_t now_ns)
{
    lock_take(&all.lock);
    if (atomic_load(&h->state) == BREAKER_OPEN)
        change_locked(h, BREAKER_PROBE, now_ns);
    lock_drop(&all.lock);
}

/* Something was answered since the faults that would open a breaker. */
static bool half_alive(const struct health *h)
{
    return atomic_load(&h->faults_in_row) <
               atomic_load_explicit(&all.failures, memory_order_relaxed) &&
           !down(h);
}

/* Into a place that something keeps calls away from. An open breaker that has to let its only
 * caller try stays open until one was answered: it would change with each call otherwise. */
static enum health_pass enter_carefully(struct health *h, bool only_choice, int64_t now_ns)
{
    enum breaker_state state = atomic_load(&h->state);
    if (state == BREAKER_CLOSED && !down(h))
        return only_choice || !ejected(h, now_ns) ? HEALTH_CALL : HEALTH_REFUSED;
    bool due = !down(h) && (state == BREAKER_PROBE || now_ns >= atomic_load(&h->open_until_ns));
    if (!due && !only_choice)
        return HEALTH_REFUSED;
    if (!take_probe(h, now_ns))
        return only_choice && half_alive(h) ? HEALTH_CALL : HEALTH_REFUSED;
    if (state == BREAKER_OPEN && due)
        begin_probing(h, now_ns);
    return HEALTH_PROBE;
}

enum health_pass health_enter(struct health *h, bool only_choice, int64_t now_ns)
{
    enum health_pass pass = HEALTH_CALL;
    if (atomic_load_explicit(&h->state, memory_order_relaxed) != BREAKER_CLOSED || down(h) ||
        ejected(h, now_ns))
        pass = enter_carefully(h, only_choice, now_ns);
    if (pass != HEALTH_REFUSED)
        atomic_fetch_add_explicit(&h->in_flight, 1, memory_order_relaxed);
    return pass;
}

static void note_latency(struct health *h, int64_t ns, int64_t now_ns)
{
    int64_t old = atomic_load_explicit(&h->latency_ns, memory_order_relaxed);
    int64_t age = now_ns - atomic_load_explicit(&h->latency_at_ns, memory_order_relaxed);
    /* At a high rate each call would count for nothing and a burst for one call: a floor. */
    double keep_share = 0.95;
    if (age > latency_floor_ns)
        keep_share = exp(-(double)age / 1e9 / latency_decay_s);
    if (old == 0)
        keep_share = 0;
    int64_t new = (int64_t)((double)old * keep_share + (double)ns * (1 - keep_share));
    atomic_store_explicit(&h->latency_ns, new > 0 ? new : 1, memory_order_relaxed);
    atomic_store_explicit(&h->latency_at_ns, now_ns, memory_order_relaxed);
}

static void fault(struct health *h, int64_t now_ns)
{
    lock_take(&all.lock);
    if (atomic_load(&h->state) == BREAKER_CLOSED) {
        if (too_many_faults_locked(h, now_ns))
            change_locked(h, BREAKER_OPEN, now_ns);
        else
            eject_if_outlier_locked(h, now_ns);
    }
    lock_drop(&all.lock);
}

static void probed(struct health *h, bool good, int64_t now_ns)
{
    lock_take(&all.lock);
    enum breaker_state state = atomic_load(&h->state);
    if (!good && state == BREAKER_PROBE)
        change_locked(h, BREAKER_OPEN, now_ns);
    if (good && state == BREAKER_OPEN)
        change_locked(h, BREAKER_PROBE, now_ns);
    if (good && state != BREAKER_CLOSED && ++h->answered >= PROBES_TO_CLOSE)
        change_locked(h, BREAKER_CLOSED, now_ns);
    lock_drop(&all.lock);
    atomic_store(&h->probing_until_ns, 0);
}

__attribute__((noinline)) void health_leave(struct health *h, enum health_pass pass,
                                            enum health_verdict v, int64_t first_byte_ns,
                                            int64_t now_ns)
{
    CHECK(pass != HEALTH_REFUSED);
    atomic_fetch_sub_explicit(&h->in_flight, 1, memory_order_relaxed);
    atomic_store_explicit(&h->used_at_ns, now_ns, memory_order_relaxed);
    if (v == HEALTH_IGNORED) {
        if (pass == HEALTH_PROBE) /* it said nothing: the next may try */
            atomic_store(&h->probing_until_ns, 0);
        return;
    }
    bool good = v == HEALTH_GOOD;
    if (good && first_byte_ns > 0)
        note_latency(h, first_byte_ns, now_ns);
    count(h, !good, now_ns);
    if (good) {
        if (atomic_load_explicit(&h->faults_in_row, memory_order_relaxed) > 0)
            atomic_store(&h->faults_in_row, 0);
    } else {
        atomic_fetch_add(&h->faults_in_row, 1);
    }
    if (pass == HEALTH_PROBE)
        probed(h, good, now_ns);
    else if (!good)
        fault(h, now_ns);
}

/* ---- Looking ---- */

bool health_usable(const struct health *h, int64_t now_ns)
{
    return health_retry_in_ms(h, now_ns) == 0;
}

static int64_t ms_until(int64_t at_ns, int64_t now_ns)
{
    return at_ns > now_ns ? (at_ns - now_ns) / NS_PER_MS + 1 : 0;
}

int64_t health_retry_in_ms(const struct health *h, int64_t now_ns)
{
    if (down(h))
        return ASK_AGAIN_MS;
    enum breaker_state state = atomic_load_explicit(&h->state, memory_order_relaxed);
    if (state == BREAKER_CLOSED)
        return ms_until(atomic_load_explicit(&h->ejected_until_ns, memory_order_relaxed), now_ns);
    int64_t ms = state == BREAKER_OPEN ? ms_until(atomic_load(&h->open_until_ns), now_ns) : 0;
    if (ms == 0 && atomic_load(&h->probing_until_ns) > now_ns)
        return ASK_AGAIN_MS;
    return ms;
}

enum breaker_state health_state(const struct health *h)
{
    return atomic_load_explicit(&h->state, memory_order_relaxed);
}

int64_t health_in_flight(const struct health *h)
{
    return atomic_load_explicit(&h->in_flight, memory_order_relaxed);
}

int64_t health_latency_ns(const struct health *h, int64_t now_ns)
{
    int64_t ns = atomic_load_explicit(&h->latency_ns, memory_order_relaxed);
    int64_t idle = now_ns - atomic_load_explicit(&h->latency_at_ns, memory_order_relaxed);
    return ns > 0 && idle > NS_PER_S
               ? (int64_t)((double)ns * exp2(-(double)idle / 1e9 / idle_half_s))
               : ns;
}

uint64_t health_hash(const struct health *h)
{
    return h->hash;
}

/* ---- Active checks ---- */

void health_endpoint_up(struct str provider, struct str endpoint, bool up, int64_t now_ns)
{
    lock_take(&all.lock);
    struct endpoint *at = endpoint_locked(provider, endpoint);
    bool was_down = atomic_exchange(&at->down, !up);
    if (!at->shown)
        at->shown =
            metric_with(metric_family("penstock_endpoint_up", METRIC_GAUGE, "provider,endpoint",
                                      "Whether an endpoint answers: 1, or does not: 0."),
                        (struct str[]){provider, endpoint});
    metric_set(at->shown, up);
    if (up && was_down)
        map_each (slot, &all.places) {
            struct health *h = slot->value;
            if (h->at == at) {
                atomic_store(&h->open_until_ns, now_ns);
                atomic_store(&h->ejected_until_ns, now_ns);
            }
        }
    lock_drop(&all.lock);
    if (up == was_down)
        log_warn("endpoint", kv("provider", provider), kv("endpoint", endpoint),
                 kv("to", up ? "up" : "down"));
}
