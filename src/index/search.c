/* Who may do what: any number of callers wait for the store's changes to be applied, one of them
 * does it for all. `busy` marks that one; it alone touches what the collections' writers own, and
 * it holds no lock while it reads from the store. Readers take a view under the lock and let go. */
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "index/search_part.h"
#include "run/work.h"

#include <stdatomic.h>

/* ---- Views ---- */

void search_view_unref(struct search_view *v)
{
    if (!v || atomic_fetch_sub(&v->refs, 1) != 1)
        return;
    bm25_view_free(v->keywords);
    attributes_unref(v->attributes);
    search_space_unref(v->learned);
    search_space_unref(v->outside);
    epoch_unref(v->epoch);
    mem_free(v);
}

struct search_view *search_view_of(struct search_set *s, struct collection *c)
{
    lock_take(&s->lock);
    struct search_view *v = c->view;
    atomic_fetch_add(&v->refs, 1);
    lock_drop(&s->lock);
    return v;
}

struct search_view *search_view(struct search_set *s, struct str id)
{
    lock_take(&s->lock);
    struct collection *c = map_get(&s->collections, id);
    struct search_view *v = c ? c->view : NULL;
    if (v)
        atomic_fetch_add(&v->refs, 1);
    lock_drop(&s->lock);
    return v;
}

/* Vectors come first: a view that is older knows none of their new numbers, and one that is newer
 * finds them there. */
void search_publish(struct search_set *s, struct collection *c)
{
    search_space_commit(c->learned);
    search_space_commit(c->outside);
    bm25_commit(c->index);
    numbers_turn(c->numbers);
    struct search_view *v = mem_new(sizeof(*v));
    v->refs = 1;
    v->version = ++s->version;
    v->seq = c->seq;
    v->changes = c->changes;
    v->epoch = numbers_epoch(c->numbers);
    v->keywords = bm25_view(c->index);
    v->attributes = attributes_ref(c->attributes);
    v->learned = search_space_ref(c->learned);
    v->outside = search_space_ref(c->outside);
    lock_take(&s->lock);
    struct search_view *old = c->view;
    c->view = v;
    lock_drop(&s->lock);
    search_view_unref(old);
    c->staged = false;
}

/* ---- Collections ---- */

static void collection_free(struct collection *c)
{
    if (c->dropped)
        snapshot_remove(c->stem, &c->saved);
    search_view_unref(c->view);
    search_space_unref(c->learned);
    search_space_unref(c->outside);
    bm25_free(c->index);
    numbers_free(c->numbers);
    attributes_unref(c->attributes);
    mem_free(c->id);
    mem_free(c->stem);
    mem_free(c->load);
    mem_free(c);
}

static struct collection *collection_new(const struct search_set *s, struct str id)
{
    struct collection *c = mem_new(sizeof(*c));
    c->refs = 1;
    struct arena *a = arena_new();
    c->id = mem_text(arena_text(a, id));
    c->stem = mem_text(arena_printf(a, "%s/%016jx", s->dir, (uintmax_t)hash_stable(id)).p);
    arena_free(a);
    c->tuning = BM25_DEFAULT;
    c->index = bm25_new(c->tuning);
    c->numbers = numbers_new();
    c->attributes = attributes_new();
    return c;
}

struct collection *search_collection_make(struct search_set *s, struct str id, int64_t newest)
{
    struct collection *c = map_get(&s->collections, id);
    if (c)
        return c;
    c = collection_new(s, id);
    search_load(c, newest);
    search_publish(s, c);
    lock_take(&s->lock);
    map_set(&s->collections, id, c);
    lock_drop(&s->lock);
    return c;
}

void search_collection_drop(struct search_set *s, struct str id)
{
    lock_take(&s->lock);
    struct collection *c = map_remove(&s->collections, id);
    if (c)
        c->dropped = true;
    lock_drop(&s->lock);
    if (c)
        search_collection_unref(s, c);
}

void search_collection_unref(struct search_set *s, struct collection *c)
{
    lock_take(&s->lock);
    bool last = --c->refs == 0;
    lock_drop(&s->lock);
    if (last)
        collection_free(c);
}

/* ---- Catching up ---- */

void search_enter(struct search_set *s)
{
    lock_take(&s->lock);
    while (s->busy)
        cond_wait(&s->idle, &s->lock, CLOCK_NEVER);
    s->busy = true;
    lock_drop(&s->lock);
}

void search_leave(struct search_set *s)
{
    lock_take(&s->lock);
    s->busy = false;
    cond_wake_all(&s->idle);
    lock_drop(&s->lock);
}

struct catch_up {
    struct search_set *s;
    struct err *e;
    bool good;
};

/* A catch-up that begins after the call sees all that was committed before it; one that was already
 * under way may not. */
static void catch_up_now(void *arg)
{
    struct catch_up *job = arg;
    struct search_set *s = job->s;
    lock_take(&s->lock);
    uint64_t want = s->begun + 1;
    while (s->ended < want) {
        if (s->busy) {
            cond_wait(&s->idle, &s->lock, CLOCK_NEVER);
            continue;
        }
        s->busy = true;
        uint64_t mine = ++s->begun;
        lock_drop(&s->lock);
        struct err e = {0};
        bool good = search_follow(s, &e);
        lock_take(&s->lock);
        s->busy = false;
        s->ended = mine;
        s->outcome = good ? (struct err){0} : e;
        cond_wake_all(&s->idle);
    }
    job->good = s->outcome.code == ERR_NONE;
    if (!job->good && job->e)
        *job->e = s->outcome;
    lock_drop(&s->lock);
}

bool search_catch_up(struct search_set *s, struct err *e)
{
    struct catch_up job = {s, e, false};
    work_run(catch_up_now, &job);
    return job.good;
}

/* ---- Opening and closing ---- */

static void set_free(struct search_set *s)
{
    map_each (slot, &s->collections) {
        collection_free(slot->value);
    }
    map_fini(&s->collections);
    words_fini(&s->words);
    cond_fini(&s->rest);
    cond_fini(&s->work);
    cond_fini(&s->idle);
    lock_fini(&s->lock);
    mem_free(s->dir);
    mem_free(s);
}

bool search_open(struct search_set **out, struct db *d, const char *dir, struct err *e)
{
    struct search_set *s = mem_new(sizeof(*s));
    struct arena *a = arena_new();
    s->db = d;
    s->dir = mem_text(arena_printf(a, "%s/index", dir).p);
    arena_free(a);
    map_init(&s->collections);
    lock_init(&s->lock);
    cond_init(&s->idle);
    cond_init(&s->work);
    cond_init(&s->rest);
    if (!file_make_dirs(s->dir, 0700, e) || !search_follow_first(s, e)) {
        set_free(s);
        return false;
    }
    search_sweep(s);
    if (!search_keep_start(s, e)) {
        set_free(s);
        return false;
    }
    *out = s;
    return true;
}

/* The keeper has ended: what it owned is the caller's. */
static void save_all(struct search_set *s)
{
    map_each (slot, &s->collections) {
        struct collection *c = slot->value;
        struct err e;
        if (c->view->changes != c->saved_changes && !search_save(s, c, &e))
            log_warn("index_snapshot", kv("collection", str_from(c->id)), kv("error", e.msg));
    }
}

void search_close(struct search_set *s)
{
    if (!s)
        return;
    search_keep_end(s);
    save_all(s);
    set_free(s);
}
