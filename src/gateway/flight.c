#include "gateway/flight.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/metric.h"
#include "run/fiber.h"

enum { JOINABLE_MOST = 1 << 20 };

/* One event of the answer. */
struct piece {
    struct piece *next;
    struct chat_event ev; /* its texts stand behind this struct */
};

struct flight {
    /* set once */
    struct str key;
    struct loop *loop; /* the leader's */

    /* the leader's loop only */
    struct request *leader; /* NULL when it has ended */

    /* under `flights_lock` */
    int refs;
    struct piece *first, **end;
    size_t bytes;
    struct list followers;
    size_t n_followers;
    bool listed; /* can be joined */
    bool ended, good;
    struct err why; /* not good */
    struct chat_usage usage;
    const char *tier;
    char provider[64], upstream[64];
};

struct follower {
    struct list node;
    struct loop *loop;
    struct fiber *fiber;
    struct loop_msg msg;
    bool waits; /* under lock: wants to be told */
    bool told;  /* under lock: a message is on its way */
};

static struct lock flights_lock = LOCK_INIT;
static struct map flights; /* under flights_lock */

/* ---- Memory ---- */

static void unref_locked(struct flight *f)
{
    if (--f->refs > 0)
        return;
    for (struct piece *p = f->first, *next; p; p = next) {
        next = p->next;
        mem_free(p);
    }
    mem_free((char *)f->key.p);
    mem_free(f);
}

static void unlist_locked(struct flight *f)
{
    if (f->listed)
        map_remove(&flights, f->key);
    f->listed = false;
}

static struct str put(char **at, struct str s)
{
    char *to = *at;
    if (s.len > 0)
        memcpy(to, s.p, s.len);
    *at += s.len;
    return (struct str){to, s.len};
}

static struct piece *piece_new(const struct chat_event *ev)
{
    size_t len = ev->text.len + ev->raw.len + ev->id.len + ev->name.len + ev->stop.len;
    struct piece *p = mem_new(sizeof(*p) + len);
    char *at = (char *)(p + 1);
    p->ev = *ev;
    p->ev.text = put(&at, ev->text);
    p->ev.raw = put(&at, ev->raw);
    p->ev.id = put(&at, ev->id);
    p->ev.name = put(&at, ev->name);
    p->ev.stop = put(&at, ev->stop);
    return p;
}

/* ---- Telling followers ---- */

/* On the follower's loop. */
static void hear(void *arg)
{
    struct follower *w = arg;
    lock_take(&flights_lock);
    w->told = false;
    lock_drop(&flights_lock);
    fiber_wake(w->fiber);
}

static void tell_locked(struct flight *f)
{
    list_each (node, &f->followers) {
        struct follower *w = CONTAINER_OF(node, struct follower, node);
        if (!w->waits || w->told)
            continue;
        w->told = true;
        w->waits = false;
        loop_send(w->loop, &w->msg, hear, w);
    }
}

/* ---- Leading ---- */

/* On the leader's loop: its client may leave while others follow. */
static void note_followers(void *arg)
{
    struct flight *f = arg;
    lock_take(&flights_lock);
    bool followed = f->n_followers > 0;
    struct request *leader = f->leader;
    unref_locked(f);
    lock_drop(&flights_lock);
    if (leader)
        http_request_outlive(leader->http, followed);
}

struct tee {
    struct chat_sink sink;
    struct chat_sink *next;
    struct flight *f;
    bool alone; /* the leader's client has left */
};

/* Keeps the event for those who follow. True: there are any. */
static bool keep(struct flight *f, const struct chat_event *ev)
{
    struct piece *p = piece_new(ev);
    lock_take(&flights_lock);
    bool followed = f->n_followers > 0;
    f->bytes += sizeof(*p) + ev->text.len + ev->raw.len;
    if (f->bytes > JOINABLE_MOST)
        unlist_locked(f);
    if (followed || f->listed) {
        *f->end = p;
        f->end = &p->next;
        p = NULL;
        tell_locked(f);
    }
    lock_drop(&flights_lock);
    mem_free(p);
    return followed;
}

static bool on_event(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct tee *t = CONTAINER_OF(sink, struct tee, sink);
    bool followed = keep(t->f, ev);
    if (!t->alone && t->next->event(t->next, ev, e))
        return true;
    t->alone = true;
    return followed || err_set(e, ERR_CANCELLED, "all clients have left");
}

static void copy_name(char to[64], struct str name)
{
    snprintf(to, 64, "%.*s", (int)size_min(name.len, 63), name.p);
}

static void end_flight(struct flight *f, const struct call *c, bool good, const struct err *e)
{
    lock_take(&flights_lock);
    unlist_locked(f);
    f->ended = true;
    f->good = good;
    if (!good)
        f->why = *e;
    f->usage = c->usage;
    f->tier = c->tier;
    copy_name(f->provider, c->provider);
    copy_name(f->upstream, c->upstream_model);
    tell_locked(f);
    f->leader = NULL;
    unref_locked(f);
    lock_drop(&flights_lock);
}

static bool lead(struct request *r, struct flight *f, struct err *e)
{
    struct tee *t = arena_struct(r->call.arena, struct tee);
    *t = (struct tee){.sink = {on_event}, .next = r->sink, .f = f};
    bool good = dispatch(r->model, &r->call, &t->sink, e);
    bool alone = t->alone;
    end_flight(f, &r->call, good, e);
    http_request_outlive(r->http, false);
    return good && (!alone || err_set(e, ERR_CANCELLED, "the client has left"));
}

/* ---- Following ---- */

static void leave(struct flight *f, struct follower *w)
{
    fiber_shield(true); /* the message lies on this stack */
    lock_take(&flights_lock);
    list_remove(&w->node);
    f->n_followers--;
    while (w->told) {
        lock_drop(&flights_lock);
        fiber_wait(CLOCK_NEVER);
        lock_take(&flights_lock);
    }
    if (f->n_followers == 0 && !f->ended) {
        f->refs++;
        loop_post(f->loop, note_followers, f);
    }
    lock_drop(&flights_lock);
    fiber_shield(false);
}

/* The next piece behind *at (NULL: the first); waits for it. False: there is none to come, or the
 * wait has failed and *e tells why. */
static bool next_piece(struct flight *f, struct follower *w, struct piece **at, bool *failed,
                       struct err *e)
{
    for (;;) {
        lock_take(&flights_lock);
        struct piece *next = *at ? (*at)->next : f->first;
        bool ended = f->ended;
        w->waits = !next && !ended;
        lock_drop(&flights_lock);
        if (next) {
            *at = next;
            return true;
        }
        if (ended)
            return false;
        if (!fiber_wake_ok(fiber_wait(fiber_deadline_get()), e)) {
            *failed = true;
            return false;
        }
    }
}

/* A whole answer must live as long as the request. */
static bool pass_on(struct request *r, const struct chat_event *ev, struct err *e)
{
    struct chat_event own = *ev;
    if (ev->kind == CHAT_RAW && !r->call.req.stream)
        own.raw = arena_copy(r->call.arena, ev->raw);
    r->call.said.begun = true;
    return r->sink->event(r->sink, &own, e);
}

static void take_over(struct call *c, const struct flight *f)
{
    c->usage = f->usage;
    c->tier = f->tier;
    c->provider = arena_copy(c->arena, str_from(f->provider));
    c->upstream_model = arena_copy(c->arena, str_from(f->upstream));
    c->logged = NULL;
}

static bool follow(struct request *r, struct flight *f, bool *cancelled, struct err *e)
{
    struct follower w = {.loop = loop_self(), .fiber = fiber_self()};
    struct piece *at = NULL;
    bool failed = false;
    lock_take(&flights_lock);
    list_add(&f->followers, &w.node);
    lock_drop(&flights_lock);
    while (!failed && next_piece(f, &w, &at, &failed, e))
        failed = !pass_on(r, &at->ev, e);
    leave(f, &w);

    lock_take(&flights_lock);
    take_over(&r->call, f);
    bool good = !failed && f->good;
    if (!failed && !f->good)
        *e = f->why;
    *cancelled = !failed && !f->good && f->why.code == ERR_CANCELLED;
    unref_locked(f);
    lock_drop(&flights_lock);
    return good && provider_record_shared(&r->call, e);
}

/* ---- Joining ---- */

static struct str make_key(struct request *r)
{
    const struct call *c = &r->call;
    return arena_printf(c->early, "%s\n%s\n%p\n%.*s\n%.*s", c->key->tenant, r->codec->name,
                        (const void *)r->config, STR_FMT(c->req.betas), STR_FMT(c->req.body.text));
}

/* The flight with this key, joined; else a new one to lead. */
static struct flight *join(struct request *r, struct str key, bool *leads)
{
    lock_take(&flights_lock);
    struct flight *f = map_get(&flights, key);
    *leads = !f;
    if (f) {
        f->refs++;
        if (f->n_followers++ == 0) {
            f->refs++;
            loop_post(f->loop, note_followers, f);
        }
    } else {
        f = mem_new(sizeof(*f));
        char *copy = mem_new(key.len + 1);
        memcpy(copy, key.p, key.len);
        f->key = (struct str){copy, key.len};
        f->loop = loop_self();
        f->leader = r;
        f->refs = 1;
        f->end = &f->first;
        f->listed = true;
        list_init(&f->followers);
        map_set(&flights, key, f);
    }
    lock_drop(&flights_lock);
    return f;
}

bool flight_answer(struct request *r, struct err *e)
{
    for (;;) {
        bool leads, cancelled = false;
        struct flight *f = join(r, make_key(r), &leads);
        if (leads)
            return lead(r, f, e);
        metric_add(metric_plain(metric_family("penstock_coalesced_total", METRIC_COUNTER, "",
                                              "Requests that shared the call of another.")),
                   1);
        if (follow(r, f, &cancelled, e))
            return true;
        if (!cancelled || r->call.said.begun || fiber_cancelled())
            return false;
    }
}
