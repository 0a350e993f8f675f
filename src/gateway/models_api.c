/* models_api.c - GET /v1/models: the configured models, the engine inside, and each collection of
 * the caller's tenant under its own name.
 *
 * The objects carry what both OpenAI's and Anthropic's clients read of a model.
 */
#include "base/clock.h"
#include "gateway/routes.h"

enum { LIST_MAX = 4 << 20 };

static void put_model(struct json_writer *w, struct str id, int64_t created_s, struct str owner)
{
    char at[CLOCK_RFC3339_SIZE];
    clock_rfc3339(at, created_s * 1000);
    json_object(w);
    json_kv_str(w, "id", id);
    json_kv_text(w, "object", "model");
    json_kv_int(w, "created", created_s);
    json_kv_str(w, "owned_by", owner);
    json_kv_text(w, "type", "model");
    json_kv_str(w, "display_name", id);
    json_kv_text(w, "created_at", at);
    json_end(w);
}

/* Calls put for every model that the caller may ask for. */
static bool each_model(struct request *r,
                       void (*put)(void *ctx, struct str id, int64_t created_s, struct str owner),
                       void *ctx, struct err *e)
{
    const struct config *c = r->config;
    struct doc_page page = {.limit = DOC_PAGE_MAX, .ascending = true};
    bool more = true;
    for (size_t i = 0; i < c->n_models; i++)
        put(ctx, c->model[i].name, r->service->started_s, c->model[i].provider);
    if (!config_model_find(c, c->extractive_model.name))
        put(ctx, c->extractive_model.name, r->service->started_s, STR("penstock"));
    while (more) {
        struct doc_collection *list;
        size_t n;
        if (!doc_collection_list(r->service->db, r->call.arena, request_tenant(r), &page, &list, &n,
                                 &more, e))
            return false;
        for (size_t i = 0; i < n; i++)
            if (list[i].name.len && !config_model_find(c, list[i].name))
                put(ctx, list[i].name, list[i].created_s, STR("penstock"));
        if (n)
            page.after = list[n - 1].id;
    }
    return true;
}

struct listing {
    struct json_writer w;
    struct str first, last;
};

static void put_item(void *ctx, struct str id, int64_t created_s, struct str owner)
{
    struct listing *l = ctx;
    put_model(&l->w, id, created_s, owner);
    if (!l->first.p)
        l->first = id;
    l->last = id;
}

bool models_list(struct request *r, struct err *e)
{
    struct buf b;
    struct listing l = {0};
    buf_init(&b, LIST_MAX);
    json_begin(&l.w, &b);
    reply_list_begin(&l.w);
    if (!each_model(r, put_item, &l, e)) {
        buf_fini(&b);
        return false;
    }
    reply_list_end(&l.w, l.first, l.last, false);
    return reply_json(r, 200, &b, e);
}

struct looking {
    struct str id;
    int64_t created_s;
    struct str owner;
    bool found;
};

static void look(void *ctx, struct str id, int64_t created_s, struct str owner)
{
    struct looking *l = ctx;
    if (!l->found && str_eq(id, l->id))
        *l = (struct looking){id, created_s, owner, true};
}

bool models_get(struct request *r, struct err *e)
{
    struct looking l = {.id = r->param[0]};
    struct buf b;
    struct json_writer w;
    if (!each_model(r, look, &l, e))
        return false;
    if (!l.found)
        return err_param(e, ERR_MODEL, "model", "the model '%.*s' does not exist",
                         STR_FMT(str_head(l.id, 100)));
    buf_init(&b, LIST_MAX);
    json_begin(&w, &b);
    put_model(&w, l.id, l.created_s, l.owner);
    return reply_json(r, 200, &b, e);
}
