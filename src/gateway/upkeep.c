#include "gateway/upkeep.h"
#include "base/clock.h"
#include "base/log.h"
#include "run/fiber.h"
#include "run/work.h"
#include "store/doc.h"

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

static void run_round(void *arg)
{
    struct err e;
    struct arena *a = arena_new();
    if (!expire(arg, a, &e))
        log_warn("upkeep", kv("error", e.msg));
    arena_free(a);
}

static void run(void *arg)
{
    do
        work_run(run_round, arg);
    while (fiber_sleep(ROUND_S * NS_PER_S, NULL));
}

struct fiber *upkeep_start(struct service *s)
{
    return fiber_go(run, s, "upkeep");
}

void upkeep_stop(struct fiber *f)
{
    if (f)
        fiber_cancel(f);
}
