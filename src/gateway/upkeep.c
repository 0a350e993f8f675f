#include "gateway/upkeep.h"
#include "base/clock.h"
#include "base/log.h"
#include "run/fiber.h"
#include "run/work.h"
#include "store/doc.h"
#include "store/response.h"

enum { ROUND_S = 60 };

static bool delete_file(struct service *s, const struct doc_expired *f, struct err *e)
{
    return (doc_file_delete(s->db, f->tenant, f->id, e) || e->code == ERR_NOT_FOUND) &&
           (blob_delete(s->blobs, f->id, e) || e->code == ERR_NOT_FOUND);
}

static bool expire(struct service *s, struct arena *a, struct err *e)
{
    size_t stores, n;
    struct doc_expired *file;
    if (!doc_collection_expire(s->db, &stores, e) || !doc_file_expired(s->db, a, &file, &n, e))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!delete_file(s, &file[i], e))
            return false;
    if (stores + n == 0)
        return true;
    log_info("expired", kv("stores", stores), kv("files", n));
    return search_catch_up(s->search, e);
}

/* A batch after the other, so that other writers get in between. */
static bool expire_responses(struct service *s, int64_t keep_ms, struct err *e)
{
    size_t n = RESPONSE_BATCH, all = 0;
    while (keep_ms > 0 && n == RESPONSE_BATCH) {
        if (!response_expire(s->db, clock_wall_ms() - keep_ms, &n, e))
            return false;
        all += n;
    }
    if (all > 0)
        log_info("expired", kv("responses", all));
    return true;
}

static bool sweep(struct service *s, struct arena *a, struct err *e)
{
    struct str *id;
    size_t n, removed;
    if (!doc_file_ids(s->db, a, &id, &n, e) || !blob_sweep(s->blobs, id, n, &removed, e))
        return false;
    if (removed > 0)
        log_info("swept", kv("blobs", removed));
    return true;
}

struct round {
    struct service *service;
    int64_t responses_ms;
    bool first;
};

static void run_round(void *arg)
{
    const struct round *r = arg;
    struct err e;
    struct arena *a = arena_new();
    if (r->first && !sweep(r->service, a, &e))
        log_warn("upkeep", kv("error", e.msg));
    if (!expire(r->service, a, &e) || !expire_responses(r->service, r->responses_ms, &e))
        log_warn("upkeep", kv("error", e.msg));
    arena_free(a);
}

static void run(void *arg)
{
    const struct service_loop *l = arg;
    bool first = true;
    do {
        struct round r = {l->service, l->config->retention.responses_ms, first};
        work_run(run_round, &r);
        first = false;
    } while (fiber_sleep(ROUND_S * NS_PER_S, NULL));
}

struct fiber *upkeep_start(struct service_loop *l)
{
    return fiber_go(run, l, "upkeep");
}

void upkeep_stop(struct fiber *f)
{
    if (f)
        fiber_cancel(f);
}
