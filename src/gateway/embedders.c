#include "gateway/embedders.h"

#include <stdio.h>

static struct embed_by by_of(const struct config_embedder *b)
{
    return (struct embed_by){
        .model = &b->model->model,
        .identity = b->identity,
        .dimension = (uint32_t)b->dimensions,
        .prefix = b->passage_prefix,
        .batch = (size_t)b->batch,
        .concurrency = (size_t)b->concurrency,
    };
}

/* ---- Spaces ---- */

/* "provider/model/version/dimension" without its last `parts`. */
static struct str without_last(struct str name, int parts)
{
    while (parts-- > 0) {
        size_t at = str_rfind_char(name, '/');
        if (at == STR_NPOS)
            return STR_NONE;
        name = str_head(name, at);
    }
    return name;
}

const struct config_embedder *embedders_find(const struct config *c, const struct space *s)
{
    for (int parts = 1; parts <= 2; parts++) {
        struct str want = without_last(s->name, parts);
        for (size_t i = 0; i < c->n_embedders && want.len; i++) {
            const struct config_embedder *b = &c->embedder[i];
            if (str_eq(without_last(b->identity, parts - 1), want) &&
                (!b->dimensions || b->dimensions == (int64_t)s->dimension))
                return b;
        }
    }
    return NULL;
}

/* ---- In the background ---- */

static struct embed_by find_by(void *ctx, struct str collection)
{
    const struct config_embedder *b = config_embedder_of(ctx, collection);
    return b ? by_of(b) : (struct embed_by){.model = NULL};
}

static void job_ended(void *config)
{
    config_unref(config);
}

/* A service for one command has none: it would end before the job does. */
void embedders_start(struct service_loop *l)
{
    const struct service *s = l->service;
    if (l->index > 0 || s->opt.private_only)
        return;
    embed_stop(l->embedding);
    const struct embed_options opt = {
        .db = s->db,
        .search = s->search,
        .http = l->http,
        .journal = l->journal,
        .status = s->embedding,
        .ctx = config_ref(l->config),
        .by = find_by,
        .ended = job_ended,
    };
    l->embedding = embed_start(&opt);
}

void embedders_stop(struct service_loop *l)
{
    embed_stop(l->embedding);
    l->embedding = NULL;
}

/* ---- For operators ---- */

static void put_collection(struct json_writer *w, const struct embed_collection *c)
{
    json_object(w);
    json_kv_str(w, "collection", c->name);
    json_kv_str(w, "space", c->space);
    json_kv_str(w, "next", c->next);
    json_kv_int(w, "documents", (int64_t)c->documents);
    json_kv_int(w, "done", (int64_t)c->done);
    json_end(w);
}

bool embedders_get(struct request *r, struct err *e)
{
    struct embed_report report;
    struct buf b;
    struct json_writer w;
    if (!embed_report(r->service->db, r->service->embedding, r->call.arena, &report, e))
        return false;
    buf_init(&b, 16 << 20);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_text(&w, "object", "embeddings");
    json_kv_bool(&w, "paused", report.paused);
    json_kv_str(&w, "error", report.error);
    json_key(&w, "collections");
    json_array(&w);
    for (size_t i = 0; i < report.n; i++)
        put_collection(&w, &report.collection[i]);
    json_end(&w);
    json_end(&w);
    return reply_json(r, 200, &b, e);
}

bool embedders_pause(struct request *r, struct err *e)
{
    embed_pause(r->service->embedding, true);
    return embedders_get(r, e);
}

bool embedders_resume(struct request *r, struct err *e)
{
    embed_pause(r->service->embedding, false);
    return embedders_get(r, e);
}
