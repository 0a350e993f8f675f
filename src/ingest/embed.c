#include "ingest/embed.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/metric.h"
#include "run/fiber.h"
#include "store/space.h"

#include <stdio.h>

enum {
    LOOK_MS = 500, /* how often the store is asked whether it has changed */
    PAUSE_FIRST_MS = 500,
    PAUSE_MOST_MS = 60000,
    TOLD_MOST_MS = 600000, /* a longer wait that an embedder asks for is asked about again */
    DOCUMENTS = 16,        /* whose texts are in memory together */
    SHORTEST = 200,        /* bytes to which a text is shortened that is not taken */
    SWEEP_AFTER_S = 30 * 24 * 3600,
    SWEEP_AT_ONCE = 1000,
};

struct embed_status {
    struct lock lock;
    /* under lock */
    bool paused;
    char error[200];
    /* set once */
    struct metric *embedded, *known, *failed, *calls, *refusals;
};

struct embed_job {
    struct embed_options opt;
    struct fiber *fiber;
    int64_t seq;       /* of the store, as far as all is done */
    int64_t pause_ms;  /* before the next try */
    bool again;        /* something is left to do */
    struct arena *own; /* for dimensions */
    struct dimension {
        struct str identity;
        uint32_t n;
        struct dimension *next;
    } * dimension; /* of models that choose it themselves, once they were asked */
};

/* ---- The status ---- */

struct embed_status *embed_status_new(void)
{
    struct embed_status *s = mem_new(sizeof(*s));
    struct metric_family *texts =
        metric_family("penstock_embedding_texts_total", METRIC_COUNTER, "outcome",
                      "Passages that went to an embedder outside, whose vector was known, or "
                      "that no embedder took.");
    struct metric_family *calls = metric_family("penstock_embedding_calls_total", METRIC_COUNTER,
                                                "outcome", "Batches that were sent.");
    lock_init(&s->lock);
    s->embedded = metric_with(texts, &(struct str)STR_INIT("embedded"));
    s->known = metric_with(texts, &(struct str)STR_INIT("known"));
    s->failed = metric_with(texts, &(struct str)STR_INIT("failed"));
    s->calls = metric_with(calls, &(struct str)STR_INIT("answered"));
    s->refusals = metric_with(calls, &(struct str)STR_INIT("failed"));
    return s;
}

void embed_status_free(struct embed_status *s)
{
    if (!s)
        return;
    lock_fini(&s->lock);
    mem_free(s);
}

void embed_pause(struct embed_status *s, bool paused)
{
    lock_take(&s->lock);
    s->paused = paused;
    lock_drop(&s->lock);
}

static bool is_paused(struct embed_status *s)
{
    lock_take(&s->lock);
    bool paused = s->paused;
    lock_drop(&s->lock);
    return paused;
}

static void note(struct embed_status *s, const char *error)
{
    lock_take(&s->lock);
    snprintf(s->error, sizeof(s->error), "%s", error);
    lock_drop(&s->lock);
}

/* ---- Texts and spaces ---- */

struct str embed_text(struct str prefix, struct str title, struct str section, struct str text,
                      struct arena *a)
{
    return arena_printf(a, "%.*s%.*s%s%.*s%s%.*s", STR_FMT(prefix), STR_FMT(title),
                        title.len ? "\n" : "", STR_FMT(section), section.len ? "\n" : "",
                        STR_FMT(text));
}

struct str embed_space(const struct embed_by *by, uint32_t dimension, struct arena *a)
{
    return arena_printf(a, "%.*s/%u", STR_FMT(by->identity), dimension);
}

/* ---- Batches ---- */

/* Texts that wait for their vectors. */
struct waiting {
    struct str *text;
    struct space_hash *hash;
    size_t n, room;
    struct arena *a;
};

struct batch {
    struct embed_job *job;
    const struct embed_by *by;
    struct space space;
    const struct str *text;
    const struct space_hash *hash;
    size_t n;
    bool good;
    struct err err;
};

static void add_waiting(struct waiting *w, struct str text, const struct space_hash *hash)
{
    for (size_t i = 0; i < w->n; i++)
        if (memcmp(&w->hash[i], hash, sizeof(*hash)) == 0)
            return;
    if (w->n == w->room) {
        size_t room = w->room * 2 + 64;
        struct str *t = arena_array(w->a, struct str, room);
        struct space_hash *h = arena_array(w->a, struct space_hash, room);
        if (w->n) {
            memcpy(t, w->text, w->n * sizeof(*t));
            memcpy(h, w->hash, w->n * sizeof(*h));
        }
        w->text = t;
        w->hash = h;
        w->room = room;
    }
    w->text[w->n] = text;
    w->hash[w->n++] = *hash;
}

static bool send_texts(struct batch *b, const struct str *text, const struct space_hash *hash,
                       size_t n, struct err *e)
{
    const struct embed_options *o = &b->job->opt;
    const struct errand x = {.http = o->http, .journal = o->journal, .deadline_ns = CLOCK_NEVER};
    struct arena *a = arena_new();
    struct errand_vectors v;
    bool good = errand_embed(&x, b->by->model, text, n, b->by->dimension, a, &v, e);
    if (good && v.dimension != b->space.dimension)
        good = err_set(e, ERR_UPSTREAM, "'%.*s' gives vectors of %u numbers now",
                       STR_FMT(b->space.name), v.dimension);
    good = good && space_keep(o->db, b->space.id, hash, v.v, n, v.dimension, e);
    metric_add(good ? o->status->calls : o->status->refusals, 1);
    if (good)
        metric_add(o->status->embedded, (int64_t)n);
    arena_free(a);
    return good;
}

/* Is it the texts that are wrong, and not the moment? */
static bool is_refused(const struct err *e)
{
    return e->code == ERR_INVALID || e->code == ERR_CONTEXT || e->code == ERR_TOO_LARGE ||
           e->code == ERR_CONTENT;
}

/* Halves what is not taken, down to one text, and shortens that. */
static bool send_all(struct batch *b, const struct str *text, const struct space_hash *hash,
                     size_t n, struct err *e)
{
    if (send_texts(b, text, hash, n, e))
        return true;
    if (!is_refused(e))
        return false;
    if (n > 1)
        return send_all(b, text, hash, n / 2, e) &&
               send_all(b, text + n / 2, hash + n / 2, n - n / 2, e);
    struct str part = text[0];
    while (part.len > SHORTEST && is_refused(e)) {
        part.len /= 2;
        while (part.len && ((unsigned char)part.p[part.len] & 0xC0) == 0x80)
            part.len--; /* at the end of a character */
        if (send_texts(b, &part, hash, 1, e))
            return true;
    }
    if (!is_refused(e))
        return false;
    metric_add(b->job->opt.status->failed, 1);
    log_warn("embedding_refused", kv("space", b->space.name), kv("error", (const char *)e->msg));
    note(b->job->opt.status, e->msg);
    return true; /* the others go on; its document stays without vectors */
}

static void run_batch(void *arg)
{
    struct batch *b = arg;
    b->good = send_all(b, b->text, b->hash, b->n, &b->err);
}

/* Several at a time. On failure what has come is kept. */
static bool flush(struct embed_job *j, const struct embed_by *by, const struct space *space,
                  struct waiting *w, struct err *e)
{
    size_t size = by->batch, n = (w->n + size - 1) / size;
    struct batch *b = arena_array(w->a, struct batch, n + 1);
    bool good = true;
    for (size_t at = 0; good && at < n; at += by->concurrency) {
        struct fiber_group g;
        size_t end = size_min(at + by->concurrency, n);
        fiber_group_init(&g, CLOCK_NEVER);
        for (size_t i = at; i < end; i++) {
            b[i] = (struct batch){j,
                                  by,
                                  *space,
                                  w->text + i * size,
                                  w->hash + i * size,
                                  size_min(size, w->n - i * size),
                                  false,
                                  {0}};
            fiber_group_go(&g, run_batch, &b[i], "embedding");
        }
        fiber_group_wait(&g);
        fiber_group_fini(&g);
        for (size_t i = at; i < end; i++)
            if (!b[i].good && good) {
                *e = b[i].err;
                good = false;
            }
    }
    w->n = 0;
    return good;
}

/* ---- Documents ---- */

struct loaded {
    struct space_document doc;
    struct space_hash *hash;
    size_t n;
};

static bool take_document(struct embed_job *j, const struct embed_by *by, const struct space *space,
                          struct str tenant, const struct doc_index_document *d, struct loaded *out,
                          struct waiting *w, struct err *e)
{
    bool *known = arena_array(w->a, bool, d->n_chunks + 1);
    struct str *text = arena_array(w->a, struct str, d->n_chunks + 1);
    *out = (struct loaded){{d->id, d->version, d->n_chunks},
                           arena_array(w->a, struct space_hash, d->n_chunks + 1),
                           d->n_chunks};
    for (uint32_t i = 0; i < d->n_chunks; i++) {
        struct str title = d->title.len ? d->title : d->name;
        text[i] = embed_text(by->prefix, title, d->chunk[i].section, d->chunk[i].text, w->a);
        out->hash[i] = space_hash(tenant, text[i]);
    }
    if (!space_known(j->opt.db, space->id, out->hash, out->n, known, e))
        return false;
    for (size_t i = 0; i < out->n; i++) {
        if (known[i])
            metric_add(j->opt.status->known, 1);
        else
            add_waiting(w, text[i], &out->hash[i]);
        if (w->n >= by->batch * by->concurrency && !flush(j, by, space, w, e))
            return false;
    }
    return true;
}

/* Those whose vectors are all there have them from here on. */
static bool finish_documents(struct embed_job *j, const struct space *space, const struct loaded *l,
                             size_t n, size_t *done, struct arena *a, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        bool *known = arena_array(a, bool, l[i].n + 1), all = true, put = false;
        if (!space_known(j->opt.db, space->id, l[i].hash, l[i].n, known, e))
            return false;
        for (size_t k = 0; k < l[i].n; k++)
            all = all && known[k];
        if (all && !space_put(j->opt.db, space->id, &l[i].doc, l[i].hash, l[i].n, &put, e))
            return false;
        *done += put;
        j->again = j->again || (all && !put); /* it has changed meanwhile */
    }
    return true;
}

/* One page of documents behind *after. */
static bool do_page(struct embed_job *j, const struct embed_by *by, const struct space *space,
                    const struct doc_collection *c, int64_t *after, size_t *found, size_t *done,
                    struct err *e)
{
    struct arena *a = arena_new();
    struct space_document *doc;
    struct doc_index_document *full = NULL;
    struct waiting w = {.a = a};
    bool good = space_pending(j->opt.db, a, c->id, space->id, *after, DOCUMENTS, &doc, found, e);
    int64_t *id = arena_array(a, int64_t, *found + 1);
    struct loaded *l = arena_array(a, struct loaded, *found + 1);
    size_t n = 0;
    for (size_t i = 0; good && i < *found; i++)
        *after = id[i] = doc[i].id;
    good = good && (!*found || doc_index_load(j->opt.db, a, id, NULL, *found, &full, e));
    for (size_t i = 0; good && i < *found; i++)
        if (full[i].id && full[i].n_chunks)
            good = take_document(j, by, space, c->tenant, &full[i], &l[n++], &w, e);
    good = good && (!w.n || flush(j, by, space, &w, e)) &&
           finish_documents(j, space, l, n, done, a, e);
    arena_free(a);
    return good;
}

/* ---- Collections ---- */

/* The length of a model's own vectors, asked once. */
static bool dimension_of(struct embed_job *j, const struct embed_by *by, uint32_t *out,
                         struct err *e)
{
    struct errand_vectors v;
    const struct errand x = {
        .http = j->opt.http, .journal = j->opt.journal, .deadline_ns = CLOCK_NEVER};
    const struct str text = STR("dimension");
    *out = by->dimension;
    for (struct dimension *d = j->dimension; d && !*out; d = d->next)
        if (str_eq(d->identity, by->identity))
            *out = d->n;
    if (*out)
        return true;
    struct arena *a = arena_new();
    bool good = errand_embed(&x, by->model, &text, 1, 0, a, &v, e);
    if (good) {
        struct dimension *d = arena_struct(j->own, struct dimension);
        *d = (struct dimension){arena_copy(j->own, by->identity), v.dimension, j->dimension};
        j->dimension = d;
        *out = v.dimension;
    }
    arena_free(a);
    return good;
}

static bool do_space(struct embed_job *j, const struct embed_by *by, const struct space *space,
                     const struct doc_collection *c, struct err *e)
{
    int64_t after = 0;
    size_t found = 1, done = 0;
    bool good = true, switched = false;
    while (good && found && !is_paused(j->opt.status))
        good = do_page(j, by, space, c, &after, &found, &done, e);
    if (good && !space_switch(j->opt.db, c->id, &switched, e))
        good = false;
    if (switched)
        log_info("space_switched", kv("collection", c->name), kv("space", space->name));
    /* what is done shows, whatever came then */
    struct err late;
    if ((done || switched) && !search_catch_up(j->opt.search, good ? e : &late))
        good = false;
    return good;
}

static bool do_collection(struct embed_job *j, const struct doc_collection *c, struct err *e)
{
    struct arena *a = arena_new();
    struct embed_by by = j->opt.by(j->opt.ctx, c->name);
    struct space live, next, want = {.id = 0};
    bool good = space_live(j->opt.db, a, c->id, &live, &next, e);
    if (good && by.model) {
        good = dimension_of(j, &by, &want.dimension, e);
        want.name = embed_space(&by, want.dimension, a);
        good = good && space_ensure(j->opt.db, want.name, want.dimension, &want.id, e);
    }
    if (good && want.id != next.id)
        good = space_aim(j->opt.db, c->id, want.id, e);
    if (good && want.id)
        good = do_space(j, &by, &want, c, e);
    arena_free(a);
    return good;
}

/* One look at everything. A collection that fails does not keep the others back; *e is of the
 * first that did. */
static bool look(struct embed_job *j, struct err *e)
{
    struct arena *a = arena_new();
    struct doc_page page = {.limit = DOC_PAGE_MAX, .ascending = true};
    bool more = true, all = true, listed = true;
    while (listed && more) {
        struct doc_collection *list;
        struct err each;
        size_t n;
        listed = doc_collection_list(j->opt.db, a, STR_NONE, &page, &list, &n, &more, &each);
        for (size_t i = 0; listed && i < n && !fiber_cancelled(); i++) {
            page.after = list[i].id;
            if (!do_collection(j, &list[i], &each) && all) {
                *e = each;
                all = false;
            }
        }
        if (!listed && all)
            *e = each;
    }
    arena_free(a);
    return all && listed;
}

/* ---- The job ---- */

static int64_t pause_after(struct embed_job *j, const struct err *e)
{
    j->pause_ms = j->pause_ms ? j->pause_ms * 2 : PAUSE_FIRST_MS;
    if (j->pause_ms > PAUSE_MOST_MS)
        j->pause_ms = PAUSE_MOST_MS;
    if (e->retry_after_ms > TOLD_MOST_MS)
        return TOLD_MOST_MS;
    return e->retry_after_ms > j->pause_ms ? e->retry_after_ms : j->pause_ms;
}

static void sweep(struct embed_job *j)
{
    struct err e;
    size_t dropped;
    if (!space_sweep(j->opt.db, clock_wall_s() - SWEEP_AFTER_S, SWEEP_AT_ONCE, &dropped, &e))
        log_warn("space_sweep", kv("error", (const char *)e.msg));
}

/* Returns how long to wait. */
static int64_t step(struct embed_job *j)
{
    struct err e;
    int64_t seq;
    if (is_paused(j->opt.status))
        return LOOK_MS;
    if (!doc_change_last(j->opt.db, &seq, &e))
        return pause_after(j, &e);
    if (seq == j->seq && !j->again)
        return LOOK_MS;
    j->again = false;
    if (!look(j, &e)) {
        j->again = true;
        if (e.code != ERR_CANCELLED) {
            log_warn("embedding", kv("error", (const char *)e.msg), kv("code", err_name(e.code)));
            note(j->opt.status, e.msg);
        }
        return pause_after(j, &e);
    }
    note(j->opt.status, "");
    j->pause_ms = 0;
    j->seq = seq;
    sweep(j);
    return LOOK_MS;
}

static void run(void *arg)
{
    struct embed_job *j = arg;
    while (fiber_sleep(step(j) * NS_PER_MS, NULL))
        ;
    j->opt.ended(j->opt.ctx);
    arena_free(j->own);
    mem_free(j);
}

struct embed_job *embed_start(const struct embed_options *opt)
{
    struct embed_job *j = mem_new(sizeof(*j));
    j->opt = *opt;
    j->seq = -1;
    j->own = arena_new();
    j->fiber = fiber_go(run, j, "embed");
    return j;
}

void embed_stop(struct embed_job *j)
{
    if (j)
        fiber_cancel(j->fiber);
}

/* ---- Reports ---- */

bool embed_report(struct db *d, struct embed_status *s, struct arena *a, struct embed_report *out,
                  struct err *e)
{
    struct doc_page page = {.limit = DOC_PAGE_MAX, .ascending = true};
    struct doc_collection *list;
    size_t n;
    bool more;
    if (!doc_collection_list(d, a, STR_NONE, &page, &list, &n, &more, e))
        return false;
    *out = (struct embed_report){.collection = arena_array(a, struct embed_collection, n + 1)};
    for (size_t i = 0; i < n; i++) {
        struct space live, next;
        struct space_progress p;
        if (!space_live(d, a, list[i].id, &live, &next, e))
            return false;
        if (!live.id && !next.id)
            continue;
        if (!space_progress(d, list[i].id, next.id ? next.id : live.id, &p, e))
            return false;
        out->collection[out->n++] =
            (struct embed_collection){.name = list[i].name,
                                      .space = live.name,
                                      .next = next.id == live.id ? STR_NONE : next.name,
                                      .documents = p.documents,
                                      .done = p.done};
    }
    lock_take(&s->lock);
    out->paused = s->paused;
    out->error = arena_copy(a, str_from(s->error));
    lock_drop(&s->lock);
    return true;
}
