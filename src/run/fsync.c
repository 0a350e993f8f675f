#include "run/fsync.h"
#include "base/clock.h"

/* Who wakes a waiter takes it out of the list and gives it what it waits for in the same step, so
 * nobody who comes later can be faster, and a wake-up that meets a deadline or a cancellation is
 * not lost: what was given counts. */
struct waiter {
    struct list node;
    struct fiber *fiber;
    bool given;
    void *item; /* of a channel */
};

static bool wait_in(struct list *waiters, struct waiter *w, int64_t deadline_ns, struct err *e)
{
    w->fiber = fiber_self();
    CHECK(w->fiber);
    list_add(waiters, &w->node);
    enum fiber_wake how;
    do
        how = fiber_wait(deadline_ns);
    while (how == FIBER_WOKEN && !w->given);
    list_remove(&w->node);
    return w->given || fiber_wake_ok(how, e);
}

/* The waiter that came first, now without a place in the list; NULL: nobody waits. */
static struct waiter *give(struct list *waiters)
{
    if (list_empty(waiters))
        return NULL;
    struct waiter *w = list_entry(waiters->next, struct waiter, node);
    list_remove(&w->node);
    w->given = true;
    fiber_wake(w->fiber);
    return w;
}

/* ---- Mutex ---- */

void fmutex_init(struct fmutex *m)
{
    m->owner = NULL;
    list_init(&m->waiters);
}

bool fmutex_take(struct fmutex *m, int64_t deadline_ns, struct err *e)
{
    struct fiber *self = fiber_self();
    CHECK(self && m->owner != self);
    if (!m->owner) {
        m->owner = self;
        return true;
    }
    struct waiter w = {0};
    return wait_in(&m->waiters, &w, deadline_ns, e);
}

void fmutex_drop(struct fmutex *m)
{
    CHECK(m->owner == fiber_self());
    struct waiter *w = give(&m->waiters);
    m->owner = w ? w->fiber : NULL;
}

/* ---- Condition ---- */

void fcond_init(struct fcond *c)
{
    list_init(&c->waiters);
}

bool fcond_wait(struct fcond *c, struct fmutex *m, int64_t deadline_ns, struct err *e)
{
    struct waiter w = {0};
    fmutex_drop(m);
    bool good = wait_in(&c->waiters, &w, deadline_ns, e);
    fiber_shield(true); /* the caller relies on holding it, also when it has to leave */
    CHECK(fmutex_take(m, CLOCK_NEVER, NULL));
    fiber_shield(false);
    return good;
}

void fcond_wake_one(struct fcond *c)
{
    give(&c->waiters);
}

void fcond_wake_all(struct fcond *c)
{
    while (give(&c->waiters))
        ;
}

/* ---- Channel ---- */

void fchan_init(struct fchan *c, uint32_t cap)
{
    CHECK(cap > 0);
    *c = (struct fchan){.slot = mem_array(cap, sizeof(void *)), .cap = cap};
    list_init(&c->readers);
    list_init(&c->writers);
}

void fchan_fini(struct fchan *c)
{
    CHECK(list_empty(&c->readers) && list_empty(&c->writers));
    mem_free(c->slot);
    c->slot = NULL;
}

static void push(struct fchan *c, void *item)
{
    c->slot[(c->head + c->n++) % c->cap] = item;
}

bool fchan_put(struct fchan *c, void *item, int64_t deadline_ns, struct err *e)
{
    CHECK(item);
    if (c->closed)
        return err_set(e, ERR_CANCELLED, "the channel is closed");
    struct waiter *reader = give(&c->readers);
    if (reader) {
        reader->item = item;
        return true;
    }
    if (c->n < c->cap) {
        push(c, item);
        return true;
    }
    struct waiter w = {.item = item};
    if (!wait_in(&c->writers, &w, deadline_ns, e))
        return false;
    /* whoever made room has put the item in; closing takes it out of the hands of the writer */
    return w.item == NULL || err_set(e, ERR_CANCELLED, "the channel is closed");
}

bool fchan_get(struct fchan *c, void **item, int64_t deadline_ns, struct err *e)
{
    *item = NULL;
    if (c->n > 0) {
        *item = c->slot[c->head];
        c->head = (c->head + 1) % c->cap;
        c->n--;
        struct waiter *writer = give(&c->writers);
        if (writer) {
            push(c, writer->item);
            writer->item = NULL;
        }
        return true;
    }
    if (c->closed)
        return true;
    struct waiter w = {0};
    if (!wait_in(&c->readers, &w, deadline_ns, e))
        return false;
    *item = w.item;
    return true;
}

void fchan_close(struct fchan *c)
{
    c->closed = true;
    while (give(&c->readers))
        ;
    while (give(&c->writers))
        ;
}
