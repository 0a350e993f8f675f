#include "tenant/limit.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/map.h"

#include <stdatomic.h>

struct limit_slot {
    _Atomic int64_t full_at_ns; /* when the bucket is full again */
    _Atomic int64_t running;
};

struct limit_set {
    struct lock lock;
    struct map slots; /* under lock: caller -> struct limit_slot, never removed */
};

struct limit_set *limit_set_new(void)
{
    struct limit_set *s = mem_new(sizeof(*s));
    lock_init(&s->lock);
    map_init(&s->slots);
    return s;
}

void limit_set_free(struct limit_set *s)
{
    if (!s)
        return;
    map_each (slot, &s->slots)
        mem_free(slot->value);
    map_fini(&s->slots);
    lock_fini(&s->lock);
    mem_free(s);
}

struct limit_slot *limit_slot(struct limit_set *s, struct str caller)
{
    lock_take(&s->lock);
    struct limit_slot *l = map_get(&s->slots, caller);
    if (!l) {
        l = mem_new(sizeof(*l));
        map_set(&s->slots, caller, l);
    }
    lock_drop(&s->lock);
    return l;
}

bool limit_rate(struct limit_slot *l, int64_t per_minute, int64_t now_ns, struct err *e)
{
    if (per_minute <= 0)
        return true;
    const int64_t depth = 60 * NS_PER_S;
    int64_t step = depth / per_minute; /* time in which one request comes back */
    int64_t old = atomic_load_explicit(&l->full_at_ns, memory_order_relaxed), next;
    do {
        next = (old > now_ns ? old : now_ns) + step;
        if (next - now_ns > depth) {
            err_set(e, ERR_RATE, "this key is limited to %jd requests per minute",
                    (intmax_t)per_minute);
            if (e)
                e->retry_after_ms = (int32_t)((next - now_ns - depth) / NS_PER_MS + 1);
            return false;
        }
    } while (!atomic_compare_exchange_weak(&l->full_at_ns, &old, next));
    return true;
}

bool limit_enter(struct limit_slot *l, int64_t most, struct err *e)
{
    int64_t running = atomic_load_explicit(&l->running, memory_order_relaxed);
    do {
        if (most > 0 && running >= most)
            return err_set(e, ERR_RATE, "this key is limited to %jd requests at the same time",
                           (intmax_t)most);
    } while (!atomic_compare_exchange_weak(&l->running, &running, running + 1));
    return true;
}

void limit_leave(struct limit_slot *l)
{
    atomic_fetch_sub(&l->running, 1);
}
