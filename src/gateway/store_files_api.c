/* store_files_api.c - /v1/vector_stores/{}/files: the documents of a collection that came as files.
 *
 * A file is read, cut and indexed by a worker; clients poll its status.
 */
#include "gateway/routes.h"
#include "gateway/store_jobs.h"
#include "gateway/stores_api.h"

enum { LIST_MAX = 64 << 20 };

static void put_store_file(struct json_writer *w, const struct doc_document *d,
                           const struct doc_collection *c)
{
    bool failed = d->status == DOC_FAILED;
    json_object(w);
    json_kv_str(w, "id", d->file_id.len ? d->file_id : d->uri);
    json_kv_text(w, "object", "vector_store.file");
    json_kv_int(w, "usage_bytes", d->bytes);
    json_kv_int(w, "created_at", d->created_s);
    json_kv_str(w, "vector_store_id", d->collection);
    json_kv_text(w, "status", doc_status_name(d->status));
    json_key(w, "last_error");
    if (failed) {
        json_object(w);
        json_kv_text(w, "code", "invalid_file");
        json_kv_str(w, "message", d->error);
        json_end(w);
    } else {
        json_put_null(w);
    }
    json_key(w, "attributes");
    json_put_raw(w, d->attributes);
    json_key(w, "chunking_strategy");
    json_object(w);
    json_kv_text(w, "type", "static");
    json_key(w, "static");
    json_object(w);
    json_kv_int(w, "max_chunk_size_tokens", c->chunk_tokens);
    json_kv_int(w, "chunk_overlap_tokens", c->chunk_overlap);
    json_end(w);
    json_end(w);
    json_end(w);
}

static bool reply_store_file(struct request *r, const struct doc_document *d,
                             const struct doc_collection *c, struct err *e)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 1 << 20);
    json_begin(&w, &b);
    put_store_file(&w, d, c);
    return reply_json(r, 200, &b, e);
}

static bool find_store_file(struct request *r, struct doc_collection *c, struct doc_document *d,
                            struct err *e)
{
    return stores_find(r, c, e) &&
           (doc_find_file(r->service->db, r->call.arena, c->id, r->param[1], d, e) ||
            (e->code == ERR_NOT_FOUND &&
             doc_find(r->service->db, r->call.arena, c->id, r->param[1], d, e)));
}

static bool take_attributes(struct json_value body, struct str *out, struct err *e)
{
    struct json_value v = json_get(body, "attributes");
    if (!json_exists(v) || json_is(v, JSON_NULL))
        return true;
    bool good = json_is(v, JSON_OBJECT) && json_count(v) <= 16;
    json_each(it, v) good =
        good && !json_is(it.value, JSON_OBJECT) && !json_is(it.value, JSON_ARRAY);
    if (!good)
        return err_param(e, ERR_INVALID, "attributes",
                         "'attributes' must be an object of at most 16 texts, numbers or flags");
    *out = json_raw(v);
    return true;
}

bool stores_file_add(struct request *r, struct err *e)
{
    struct json body;
    struct doc_collection c;
    struct str attributes = STR("{}");
    if (!stores_find(r, &c, e) || !request_json(r, &body, e))
        return false;
    struct json_value root = json_root(&body);
    if (!request_need_text(root, "file_id", r->call.arena, &r->param[1], e) ||
        !take_attributes(root, &attributes, e) ||
        !stores_take_chunking(root, &c.chunk_tokens, &c.chunk_overlap, e) ||
        !store_jobs_add(r, &c, r->param[1], attributes, e))
        return false;
    return stores_file_get(r, e);
}

bool stores_file_get(struct request *r, struct err *e)
{
    struct doc_collection c;
    struct doc_document d;
    return find_store_file(r, &c, &d, e) && reply_store_file(r, &d, &c, e);
}

static bool take_status(struct request *r, int *status, struct err *e)
{
    struct str name;
    *status = DOC_ANY;
    if (!http_query_get(r->http->query, r->call.arena, STR("filter"), &name))
        return true;
    for (int s = DOC_ANY + 1; s < DOC_STATUS_COUNT; s++)
        if (str_eq(name, str_from(doc_status_name((enum doc_status)s)))) {
            *status = s;
            return true;
        }
    return err_param(e, ERR_INVALID, "filter", "'filter' must be in_progress, completed or failed");
}

/* Pages are cut by the id of a file; the store cuts by the id of its document. */
static bool cursor(struct request *r, struct str collection, struct str id, int64_t *out,
                   struct err *e)
{
    struct doc_document d;
    if (!id.len)
        return true;
    if (!doc_find_file(r->service->db, r->call.arena, collection, id, &d, e) &&
        !doc_find(r->service->db, r->call.arena, collection, id, &d, e))
        return false;
    *out = d.id;
    return true;
}

bool stores_file_list(struct request *r, struct err *e)
{
    struct doc_collection c;
    struct doc_page page;
    struct doc_filter f = {0};
    struct doc_document *list;
    size_t n;
    bool more;
    if (!stores_find(r, &c, e) || !request_page(r, &page, e) || !take_status(r, &f.status, e) ||
        !cursor(r, c.id, page.after, &f.after, e) || !cursor(r, c.id, page.before, &f.before, e))
        return false;
    f.collection = c.id;
    f.limit = page.limit;
    f.ascending = page.ascending;
    if (!doc_list(r->service->db, r->call.arena, &f, &list, &n, &more, e))
        return false;
    struct buf b;
    struct json_writer w;
    struct str first = STR_NONE, last = STR_NONE;
    buf_init(&b, LIST_MAX);
    json_begin(&w, &b);
    reply_list_begin(&w);
    for (size_t i = 0; i < n; i++) {
        put_store_file(&w, &list[i], &c);
        last = list[i].file_id.len ? list[i].file_id : list[i].uri;
        if (i == 0)
            first = last;
    }
    reply_list_end(&w, first, last, more);
    return reply_json(r, 200, &b, e);
}

bool stores_file_update(struct request *r, struct err *e)
{
    struct json body;
    struct doc_collection c;
    struct doc_document d;
    if (!find_store_file(r, &c, &d, e) || !request_json(r, &body, e) ||
        !take_attributes(json_root(&body), &d.attributes, e) ||
        !doc_set_attributes(r->service->db, d.id, d.attributes, e))
        return false;
    return reply_store_file(r, &d, &c, e);
}

bool stores_file_remove(struct request *r, struct err *e)
{
    struct doc_collection c;
    struct doc_document d;
    return find_store_file(r, &c, &d, e) && doc_remove(r->service->db, d.id, e) &&
           search_catch_up(r->service->search, e) &&
           reply_deleted(r, r->param[1], "vector_store.file.deleted", e);
}

static void put_text_part(struct json_writer *w, struct str text)
{
    json_object(w);
    json_kv_text(w, "type", "text");
    json_kv_str(w, "text", text);
    json_end(w);
}

/* The document's text, put together again from its chunks: what they share is given once. */
bool stores_file_content(struct request *r, struct err *e)
{
    struct doc_collection c;
    struct doc_document d;
    struct doc_chunk *chunk;
    size_t n;
    if (!find_store_file(r, &c, &d, e) ||
        !doc_chunks_range(r->service->db, r->call.arena, d.id, 0, UINT32_MAX, &chunk, &n, e))
        return false;
    struct buf b;
    struct json_writer w;
    uint64_t end = 0;
    buf_init(&b, LIST_MAX);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_text(&w, "object", "vector_store.file_content.page");
    json_key(&w, "data");
    json_array(&w);
    for (size_t i = 0; i < n; i++) {
        uint64_t known = chunk[i].char_start < end ? end - chunk[i].char_start : 0;
        put_text_part(&w, str_from_at(chunk[i].text, (size_t)known));
        end = chunk[i].char_end > end ? chunk[i].char_end : end;
    }
    json_end(&w);
    json_kv_bool(&w, "has_more", false);
    json_kv_text(&w, "next_page", NULL);
    json_end(&w);
    return reply_json(r, 200, &b, e);
}
