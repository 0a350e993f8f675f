/* One thread does for the whole set what takes long and what nobody waits for: saving, learning,
 * merging. It works on views, or on copies that become part of a collection in one short step at
 * the end (search_enter), so neither searches nor catching up wait for it. */
#include "base/clock.h"
#include "base/log.h"
#include "index/search_part.h"

enum { REST = 4 /* times as long as learning took, before the same collection is learned again */ };

static void save(struct search_set *s, struct collection *c)
{
    struct err e;
    if (!search_save(s, c, &e))
        log_warn("index_snapshot", kv("collection", str_from(c->id)), kv("error", str_from(e.msg)));
}

/* What is damaged behind the head of mapped vectors gives wrong neighbours at worst; they are
 * learned again. */
static void check(struct search_set *s, struct collection *c)
{
    struct err e;
    struct search_view *v = search_view_of(s, c);
    bool good = !v->learned || vector_check(v->learned->vectors, &e);
    if (!good)
        log_warn("index_rebuild", kv("collection", str_from(c->id)), kv("reason", str_from(e.msg)));
    bool outside = !v->outside || vector_check(v->outside->vectors, &e);
    if (!outside)
        log_warn("index_rebuild", kv("collection", str_from(c->id)), kv("reason", str_from(e.msg)));
    search_view_unref(v);
    if (!good)
        search_learn(s, c);
    if (!outside)
        search_learn_outside(s, c);
}

/* What is merged is searched from here on, also when nothing else changes. */
static void merge(struct search_set *s, struct collection *c)
{
    bool merged = false;
    while (!atomic_load(&s->ending) && bm25_merge(c->index, false))
        merged = true;
    if (!merged)
        return;
    search_enter(s);
    if (!c->dropped)
        search_publish(s, c);
    search_leave(s);
}

/* What came while it was learned last, and made this due, may be learned from already. */
static bool still_to_learn(struct search_set *s, struct collection *c)
{
    search_enter(s);
    bool due = search_learn_due(c);
    search_leave(s);
    return due;
}

static void work(struct search_set *s, struct collection *c, unsigned due)
{
    if (due & SEARCH_MERGE)
        merge(s, c);
    if (due & SEARCH_OUTSIDE)
        search_learn_outside(s, c);
    if (due & SEARCH_LEARN && still_to_learn(s, c)) {
        int64_t start = clock_now();
        search_learn(s, c);
        int64_t end = clock_now();
        lock_take(&s->lock);
        c->learn_from_ns = end + REST * (end - start);
        lock_drop(&s->lock);
    }
    if (due & SEARCH_CHECK)
        check(s, c);
    if (due & SEARCH_SAVE && !atomic_load(&s->ending))
        save(s, c);
}

/* What is due of a collection now; *until is when something will be. */
static unsigned due_locked(const struct collection *c, int64_t now_ns, int64_t *until)
{
    if (!(c->due & SEARCH_LEARN) || c->learn_from_ns <= now_ns)
        return c->due;
    if (c->learn_from_ns < *until)
        *until = c->learn_from_ns;
    return c->due & ~(unsigned)SEARCH_LEARN;
}

static struct collection *next_locked(struct search_set *s, unsigned *due, int64_t *until)
{
    int64_t now_ns = clock_now();
    *until = CLOCK_NEVER;
    map_each (slot, &s->collections) {
        struct collection *c = slot->value;
        *due = due_locked(c, now_ns, until);
        if (!*due)
            continue;
        c->due &= ~*due;
        c->refs++;
        return c;
    }
    return NULL;
}

static void *keep(void *arg)
{
    struct search_set *s = arg;
    lock_take(&s->lock);
    while (!atomic_load(&s->ending)) {
        unsigned due;
        int64_t until;
        struct collection *c = next_locked(s, &due, &until);
        s->working = c != NULL;
        if (!c) {
            cond_wake_all(&s->rest);
            cond_wait(&s->work, &s->lock, until);
            continue;
        }
        lock_drop(&s->lock);
        work(s, c, due);
        search_collection_unref(s, c);
        lock_take(&s->lock);
    }
    s->working = false;
    cond_wake_all(&s->rest);
    lock_drop(&s->lock);
    return NULL;
}

bool search_keep_start(struct search_set *s, struct err *e)
{
    s->kept = pthread_create(&s->keeper, NULL, keep, s) == 0;
    return s->kept || err_set(e, ERR_UNAVAILABLE, "cannot start the indexes' thread");
}

void search_keep_end(struct search_set *s)
{
    if (!s->kept)
        return;
    lock_take(&s->lock);
    atomic_store(&s->ending, true);
    cond_wake_all(&s->work);
    lock_drop(&s->lock);
    pthread_join(s->keeper, NULL);
    s->kept = false;
}

void search_keep(struct search_set *s, struct collection *c, unsigned due)
{
    if (!due)
        return;
    lock_take(&s->lock);
    c->due |= due;
    cond_wake_one(&s->work);
    lock_drop(&s->lock);
}

static bool anything_due_locked(const struct search_set *s)
{
    bool due = s->working;
    map_each (slot, &s->collections) {
        const struct collection *c = slot->value;
        due = due || c->due;
    }
    return due;
}

bool search_settle(struct search_set *s, int64_t timeout_ms)
{
    int64_t deadline = clock_now() + timeout_ms * NS_PER_MS;
    lock_take(&s->lock);
    bool settled = true;
    while (settled && s->kept && anything_due_locked(s))
        settled = cond_wait(&s->rest, &s->lock, deadline);
    lock_drop(&s->lock);
    return settled;
}
