/* stores_api.c - /v1/vector_stores: the collections themselves. */
#include "gateway/routes.h"
#include "gateway/store_jobs.h"
#include "gateway/stores_api.h"

enum { LIST_MAX = 64 << 20 };

/* ---- Objects ---- */

static void put_counts(struct json_writer *w, const struct doc_collection *c)
{
    int64_t working = (int64_t)c->documents[DOC_IN_PROGRESS];
    int64_t done = (int64_t)c->documents[DOC_COMPLETED], failed = (int64_t)c->documents[DOC_FAILED];
    json_key(w, "file_counts");
    json_object(w);
    json_kv_int(w, "in_progress", working);
    json_kv_int(w, "completed", done);
    json_kv_int(w, "failed", failed);
    json_kv_int(w, "cancelled", 0);
    json_kv_int(w, "total", working + done + failed);
    json_end(w);
}

static void put_time(struct json_writer *w, const char *name, int64_t s)
{
    json_key(w, name);
    if (s)
        json_put_int(w, s);
    else
        json_put_null(w);
}

static void put_store(struct json_writer *w, const struct doc_collection *c)
{
    json_object(w);
    json_kv_str(w, "id", c->id);
    json_kv_text(w, "object", "vector_store");
    json_kv_int(w, "created_at", c->created_s);
    json_kv_str(w, "name", c->name);
    json_kv_int(w, "usage_bytes", (int64_t)c->bytes);
    put_counts(w, c);
    json_kv_text(w, "status", c->documents[DOC_IN_PROGRESS] ? "in_progress" : "completed");
    put_time(w, "last_active_at", c->last_active_s);
    json_key(w, "metadata");
    json_put_raw(w, c->metadata);
    if (c->expires_days) {
        json_key(w, "expires_after");
        json_object(w);
        json_kv_text(w, "anchor", "last_active_at");
        json_kv_int(w, "days", c->expires_days);
        json_end(w);
        json_kv_int(w, "expires_at", c->expires_s);
    }
    json_end(w);
}

static bool reply_store(struct request *r, const struct doc_collection *c, struct err *e)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, LIST_MAX);
    json_begin(&w, &b);
    put_store(&w, c);
    return reply_json(r, 200, &b, e);
}

/* ---- Stores ---- */

bool stores_find(struct request *r, struct doc_collection *c, struct err *e)
{
    if (!doc_collection_find(r->service->db, r->call.arena, request_tenant(r), r->param[0], c, e))
        return false;
    if (!c->chunk_tokens) {
        c->chunk_tokens = (uint32_t)r->config->retrieval.chunk_tokens;
        c->chunk_overlap = (uint32_t)r->config->retrieval.chunk_overlap;
    }
    return true;
}

/* {"type":"static","static":{...}}; "auto" leaves the defaults. */
bool stores_take_chunking(struct json_value body, uint32_t *tokens, uint32_t *overlap,
                          struct err *e)
{
    struct json_value v = json_get(body, "chunking_strategy"), s = json_get(v, "static");
    int64_t max = *tokens ? *tokens : 800, over = *tokens ? *overlap : 400;
    if (!json_exists(v) || json_is(v, JSON_NULL) || json_text_is(json_get(v, "type"), "auto"))
        return true;
    if (!json_text_is(json_get(v, "type"), "static") || !json_is(s, JSON_OBJECT))
        return err_param(e, ERR_INVALID, "chunking_strategy",
                         "'chunking_strategy' must be auto, or static with its numbers");
    if (!request_take_int(s, "max_chunk_size_tokens", 100, 4096, &max, e) ||
        !request_take_int(s, "chunk_overlap_tokens", 0, max / 2, &over, e))
        return false;
    *tokens = (uint32_t)max;
    *overlap = (uint32_t)over;
    return true;
}

static bool take_metadata(struct json_value body, struct str *out, struct err *e)
{
    struct json_value v = json_get(body, "metadata");
    if (!json_exists(v) || json_is(v, JSON_NULL))
        return true;
    if (!json_is(v, JSON_OBJECT) || json_count(v) > 16)
        return err_param(e, ERR_INVALID, "metadata", "'metadata' must be an object of at most 16");
    *out = json_raw(v);
    return true;
}

static bool take_expiry(struct json_value body, uint32_t *days, struct err *e)
{
    struct json_value v = json_get(body, "expires_after");
    int64_t n = *days;
    if (json_exists(v) && !json_is(v, JSON_NULL) && !json_is(v, JSON_OBJECT))
        return err_param(e, ERR_INVALID, "expires_after", "'expires_after' must be an object");
    if (!request_take_int(v, "days", 1, 365, &n, e))
        return false;
    *days = (uint32_t)n;
    return true;
}

static bool add_files(struct request *r, struct doc_collection *c, struct json_value ids,
                      struct err *e)
{
    json_each(it, ids)
    {
        if (!json_is(it.value, JSON_STRING))
            return err_param(e, ERR_INVALID, "file_ids", "'file_ids' must be a list of strings");
        if (!store_jobs_add(r, c, json_text(it.value, r->call.arena), STR("{}"), e))
            return false;
    }
    return true;
}

bool stores_create(struct request *r, struct err *e)
{
    struct json body;
    struct doc_collection c = {.tenant = request_tenant(r)};
    if (!request_json(r, &body, e))
        return false;
    struct json_value root = json_root(&body);
    if (!request_take_text(root, "name", r->call.arena, &c.name, e) ||
        !take_metadata(root, &c.metadata, e) || !take_expiry(root, &c.expires_days, e) ||
        !stores_take_chunking(root, &c.chunk_tokens, &c.chunk_overlap, e) ||
        !doc_collection_create(r->service->db, r->call.arena, &c, e))
        return false;
    r->param[0] = c.id;
    return add_files(r, &c, json_get(root, "file_ids"), e) && stores_find(r, &c, e) &&
           reply_store(r, &c, e);
}

bool stores_get(struct request *r, struct err *e)
{
    struct doc_collection c;
    return stores_find(r, &c, e) && reply_store(r, &c, e);
}

bool stores_list(struct request *r, struct err *e)
{
    struct doc_page page;
    struct doc_collection *list;
    size_t n;
    bool more;
    if (!request_page(r, &page, e) ||
        !doc_collection_list(r->service->db, r->call.arena, request_tenant(r), &page, &list, &n,
                             &more, e))
        return false;
    struct buf b;
    struct json_writer w;
    buf_init(&b, LIST_MAX);
    json_begin(&w, &b);
    reply_list_begin(&w);
    for (size_t i = 0; i < n; i++)
        put_store(&w, &list[i]);
    reply_list_end(&w, n ? list[0].id : STR_NONE, n ? list[n - 1].id : STR_NONE, more);
    return reply_json(r, 200, &b, e);
}

bool stores_update(struct request *r, struct err *e)
{
    struct json body;
    struct doc_collection c;
    if (!stores_find(r, &c, e) || !request_json(r, &body, e))
        return false;
    struct json_value root = json_root(&body);
    if (!request_take_text(root, "name", r->call.arena, &c.name, e) ||
        !take_metadata(root, &c.metadata, e) || !take_expiry(root, &c.expires_days, e) ||
        !doc_collection_update(r->service->db, &c, e))
        return false;
    return stores_get(r, e);
}

bool stores_delete(struct request *r, struct err *e)
{
    return doc_collection_delete(r->service->db, request_tenant(r), r->param[0], e) &&
           search_catch_up(r->service->search, e) &&
           reply_deleted(r, r->param[0], "vector_store.deleted", e);
}
