/* store_batches_api.c - /v1/vector_stores/{}/file_batches: many files added by one request. */
#include "gateway/caller.h"
#include "gateway/routes.h"
#include "gateway/store_jobs.h"
#include "gateway/stores_api.h"

enum { FILES_MOST = 2000 };

static const char *status_of(const struct doc_batch *b)
{
    const uint64_t *n = b->documents;
    if (n[DOC_IN_PROGRESS])
        return "in_progress";
    if (b->cancelled)
        return "cancelled";
    return n[DOC_FAILED] && n[DOC_FAILED] == n[DOC_ANY] ? "failed" : "completed";
}

static bool reply_batch(struct request *r, struct str id, struct err *e)
{
    struct doc_batch b;
    if (!doc_batch_find(r->service->db, r->call.arena, r->param[0], id, &b, e) ||
        !caller_hide_in_batch(r, &b, e))
        return false;
    if (b.documents[DOC_IN_PROGRESS])
        stores_poll_after(r, b.created_s);
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 16);
    json_begin(&w, &out);
    json_object(&w);
    json_kv_str(&w, "id", b.id);
    json_kv_text(&w, "object", "vector_store.files_batch");
    json_kv_int(&w, "created_at", b.created_s);
    json_kv_str(&w, "vector_store_id", b.collection);
    json_kv_text(&w, "status", status_of(&b));
    stores_put_counts(&w, b.documents);
    json_end(&w);
    return reply_json(r, 200, &out, e);
}

/* Its own, if it has one. */
static bool take_access(struct request *r, struct json_value object, struct str *out, struct err *e)
{
    struct str own;
    if (!rights_parse(json_get(object, "access"), r->call.arena, &own, e))
        return false;
    if (own.len)
        *out = own;
    return true;
}

/* `files`: each with attributes and chunking of its own, in place of those for all. */
static bool take_files(struct request *r, const struct doc_collection *c, struct json_value list,
                       struct doc_document like, struct doc_document **out, size_t *n,
                       struct err *e)
{
    const struct member_reader m = {r->call.arena, e};
    const struct member_at files = member_at(NULL, STR("files"));
    if (!json_is(list, JSON_ARRAY) || !json_count(list) || json_count(list) > FILES_MOST)
        return member_wrong(&files, "a list of 1 to 2000 objects", e);
    *out = arena_array(r->call.arena, struct doc_document, json_count(list));
    json_each(it, list)
    {
        const struct member_at at = member_item(&files, *n);
        struct str id, attributes = like.attributes, access = like.access;
        uint32_t tokens = like.chunk_tokens, overlap = like.chunk_overlap;
        if (!json_is(it.value, JSON_OBJECT))
            return member_wrong(&at, "an object with 'file_id'", e);
        if (!STORE_FIELDS_KNOWN(&m, it.value, &at, STR("file_id"), STR("attributes"),
                                STR("chunking_strategy"), STR("access")) ||
            !take_access(r, it.value, &access, e) ||
            !member_need_text(&m, it.value, &at, "file_id", &id) ||
            !store_fields_attributes(&m, it.value, &at, &attributes) ||
            !store_fields_chunking(&m, it.value, &at, &tokens, &overlap) ||
            !store_jobs_document(r, c, id, body_path("files[%zu].file_id", *n).text, &(*out)[*n],
                                 e))
            return false;
        (*out)[*n].attributes = attributes;
        (*out)[*n].access = access;
        (*out)[*n].chunk_tokens = tokens;
        (*out)[*n].chunk_overlap = overlap;
        ++*n;
    }
    return true;
}

bool stores_batch_create(struct request *r, struct err *e)
{
    struct json body;
    struct doc_collection c;
    struct doc_document like = {0}, *doc = NULL;
    size_t n = 0;
    const struct member_reader m = {r->call.arena, e};
    if (!stores_find_live(r, &c, e) || !request_json(r, &body, e))
        return false;
    struct json_value root = json_root(&body), files = json_get(root, "files");
    struct json_value ids = json_get(root, "file_ids");
    if (body_given(files) == body_given(ids))
        return err_param(e, body_given(ids) ? ERR_INVALID : ERR_MISSING, "file_ids",
                         "either 'file_ids' or 'files' must be given");
    if (!STORE_FIELDS_KNOWN(&m, root, NULL, STR("file_ids"), STR("files"), STR("attributes"),
                            STR("chunking_strategy"), STR("access")) ||
        !rights_parse(json_get(root, "access"), r->call.arena, &like.access, e) ||
        !store_fields_attributes(&m, root, NULL, &like.attributes) ||
        !store_fields_chunking(&m, root, NULL, &like.chunk_tokens, &like.chunk_overlap) ||
        !(body_given(files) ? take_files(r, &c, files, like, &doc, &n, e)
                            : stores_take_ids(r, &c, root, "file_ids", like, &doc, &n, e)))
        return false;
    struct doc_batch b = {.collection = c.id};
    if (!doc_batch_create(r->service->db, r->call.arena, &b, doc, n, e) ||
        !doc_collection_touch(r->service->db, c.id, e))
        return false;
    store_jobs_post(r, &c, doc, n);
    return reply_batch(r, b.id, e);
}

bool stores_batch_get(struct request *r, struct err *e)
{
    struct doc_collection c;
    return stores_find(r, &c, e) && reply_batch(r, r->param[1], e);
}

bool stores_batch_cancel(struct request *r, struct err *e)
{
    struct doc_collection c;
    return stores_find(r, &c, e) && doc_batch_cancel(r->service->db, c.id, r->param[1], e) &&
           reply_batch(r, r->param[1], e);
}

bool stores_batch_files(struct request *r, struct err *e)
{
    struct doc_collection c;
    struct doc_batch b;
    struct doc_filter f = {.batch = r->param[1]};
    return stores_find(r, &c, e) &&
           doc_batch_find(r->service->db, r->call.arena, c.id, r->param[1], &b, e) &&
           stores_reply_files(r, &c, &f, e);
}
