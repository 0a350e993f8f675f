/* stores_api.c - /v1/vector_stores: the collections themselves. */
#include "gateway/stores_api.h"
#include "base/clock.h"
#include "gateway/caller.h"
#include "gateway/routes.h"
#include "gateway/store_jobs.h"

/* ---- Objects ---- */

void stores_put_counts(struct json_writer *w, const uint64_t documents[DOC_STATUS_COUNT])
{
    json_key(w, "file_counts");
    json_object(w);
    for (int s = DOC_ANY + 1; s < DOC_STATUS_COUNT; s++)
        json_kv_int(w, doc_status_name((enum doc_status)s), (int64_t)documents[s]);
    json_kv_int(w, "total", (int64_t)documents[DOC_ANY]);
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
    if (c->description.len)
        json_kv_str(w, "description", c->description);
    json_kv_int(w, "usage_bytes", (int64_t)c->bytes);
    stores_put_counts(w, c->documents);
    json_kv_text(w, "status",
                 c->expired                      ? "expired"
                 : c->documents[DOC_IN_PROGRESS] ? "in_progress"
                                                 : "completed");
    put_time(w, "last_active_at", c->last_active_s);
    json_key(w, "metadata");
    json_put_raw(w, c->metadata);
    if (c->expires_days) {
        json_key(w, "expires_after");
        json_object(w);
        json_kv_text(w, "anchor", "last_active_at");
        json_kv_int(w, "days", c->expires_days);
        json_end(w);
    }
    put_time(w, "expires_at", c->expires_s);
    if (c->keywords.len) {
        json_key(w, "keywords");
        json_put_raw(w, c->keywords);
    }
    json_end(w);
}

enum { POLL_FAST_MS = 100, POLL_SLOW_MS = 1000, POLL_FAST_S = 10 };

void stores_poll_after(struct request *r, int64_t since_s)
{
    r->poll_after_ms = clock_wall_s() - since_s < POLL_FAST_S ? POLL_FAST_MS : POLL_SLOW_MS;
}

static bool reply_store(struct request *r, const struct doc_collection *c, struct err *e)
{
    struct buf b;
    struct json_writer w;
    if (c->documents[DOC_IN_PROGRESS])
        stores_poll_after(r, c->last_active_s);
    buf_init(&b, STORES_LIST_MAX);
    json_begin(&w, &b);
    put_store(&w, c);
    return reply_json(r, 200, &b, e);
}

/* ---- Stores ---- */

bool stores_find(struct request *r, struct doc_collection *c, struct err *e)
{
    if (!doc_collection_find(r->service->db, r->call.arena, request_tenant(r), r->param[0], c, e))
        return false;
    if (!caller_hide(r, c, e))
        return false;
    if (!c->chunk_tokens) {
        c->chunk_tokens = (uint32_t)r->config->retrieval.chunk_tokens;
        c->chunk_overlap = (uint32_t)r->config->retrieval.chunk_overlap;
    }
    return true;
}

bool stores_find_live(struct request *r, struct doc_collection *c, struct err *e)
{
    return stores_find(r, c, e) &&
           (!c->expired || err_set(e, ERR_INVALID, "the vector store '%.*s' has expired",
                                   STR_FMT(str_head(c->id, 64))));
}

/* What is the same when a store is made and when it is changed. */
static bool take_common(const struct member_reader *m, struct json_value root,
                        struct doc_collection *c)
{
    struct str name, description;
    if (!member_text(m, root, NULL, "name", &name) ||
        !member_text(m, root, NULL, "description", &description) ||
        !store_fields_metadata(m, root, &c->metadata) ||
        !store_fields_keywords(m, root, &c->keywords) ||
        !store_fields_expiry(m, root, &c->expires_days))
        return false;
    if (body_given(json_get(root, "name")))
        c->name = name;
    if (body_given(json_get(root, "description")))
        c->description = description;
    return true;
}

bool stores_create(struct request *r, struct err *e)
{
    struct json body;
    struct doc_collection c = {.tenant = request_tenant(r)};
    struct doc_document *doc;
    size_t n;
    const struct member_reader m = {r->call.arena, e};
    if (!request_json(r, &body, e))
        return false;
    struct json_value root = json_root(&body);
    if (!STORE_FIELDS_KNOWN(&m, root, NULL, STR("name"), STR("description"), STR("file_ids"),
                            STR("metadata"), STR("expires_after"), STR("chunking_strategy"),
                            STR("keywords")) ||
        !take_common(&m, root, &c) ||
        !store_fields_chunking(&m, root, NULL, &c.chunk_tokens, &c.chunk_overlap) ||
        !stores_take_ids(r, &c, root, "file_ids", (struct doc_document){0}, &doc, &n, e) ||
        !doc_collection_create(r->service->db, r->call.arena, &c, e))
        return false;
    struct doc_batch b = {.collection = c.id};
    r->param[0] = c.id;
    for (size_t i = 0; i < n; i++)
        doc[i].collection = c.id;
    if (n && !doc_batch_create(r->service->db, r->call.arena, &b, doc, n, e))
        return false;
    if (!stores_find(r, &c, e))
        return false;
    store_jobs_post(r, &c, doc, n);
    return reply_store(r, &c, e);
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
    for (size_t i = 0; i < n; i++)
        if (!caller_hide(r, &list[i], e))
            return false;
    struct buf b;
    struct json_writer w;
    buf_init(&b, STORES_LIST_MAX);
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
    const struct member_reader m = {r->call.arena, e};
    if (!stores_find_live(r, &c, e) || !request_json(r, &body, e))
        return false;
    struct json_value root = json_root(&body);
    if (!STORE_FIELDS_KNOWN(&m, root, NULL, STR("name"), STR("description"), STR("metadata"),
                            STR("expires_after"), STR("keywords")) ||
        !take_common(&m, root, &c) || !doc_collection_update(r->service->db, &c, e) ||
        !search_catch_up(r->service->search, e))
        return false;
    return stores_get(r, e);
}

bool stores_delete(struct request *r, struct err *e)
{
    return doc_collection_delete(r->service->db, request_tenant(r), r->param[0], e) &&
           search_catch_up(r->service->search, e) &&
           reply_deleted(r, r->param[0], "vector_store.deleted", e);
}
