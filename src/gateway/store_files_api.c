/* store_files_api.c - /v1/vector_stores/{}/files: the documents of a collection.
 *
 * A file is read, cut and indexed in the background; clients poll its status. Documents that came
 * from a folder are listed too, under their uri.
 */
#include "gateway/caller.h"
#include "gateway/routes.h"
#include "gateway/store_jobs.h"
#include "gateway/stores_api.h"

enum { IDS_MOST = 2000, PAGE_MOST = 1000 };

static struct str id_of(const struct doc_document *d)
{
    return d->file_id.len ? d->file_id : d->uri;
}

static void put_chunking(struct json_writer *w, const struct doc_document *d,
                         const struct doc_collection *c)
{
    json_key(w, "chunking_strategy");
    json_object(w);
    json_kv_text(w, "type", "static");
    json_key(w, "static");
    json_object(w);
    json_kv_int(w, "max_chunk_size_tokens", d->chunk_tokens ? d->chunk_tokens : c->chunk_tokens);
    json_kv_int(w, "chunk_overlap_tokens", d->chunk_tokens ? d->chunk_overlap : c->chunk_overlap);
    json_end(w);
    json_end(w);
}

static void put_store_file(struct json_writer *w, const struct doc_document *d,
                           const struct doc_collection *c)
{
    json_object(w);
    json_kv_str(w, "id", id_of(d));
    json_kv_text(w, "object", "vector_store.file");
    json_kv_int(w, "usage_bytes", d->bytes);
    json_kv_int(w, "created_at", d->created_s);
    json_kv_str(w, "vector_store_id", d->collection);
    json_kv_text(w, "status", doc_status_name(d->status));
    json_key(w, "last_error");
    if (d->status == DOC_FAILED) {
        json_object(w);
        json_kv_str(w, "code", d->error_code.len ? d->error_code : STR("invalid_file"));
        json_kv_str(w, "message", d->error);
        json_end(w);
    } else {
        json_put_null(w);
    }
    json_key(w, "attributes");
    json_put_raw(w, d->attributes);
    put_chunking(w, d, c);
    if (d->access.len) {
        json_key(w, "access");
        json_put_raw(w, d->access);
    }
    json_end(w);
}

static bool reply_store_file(struct request *r, const struct doc_document *d,
                             const struct doc_collection *c, struct err *e)
{
    struct buf b;
    struct json_writer w;
    if (d->status == DOC_IN_PROGRESS)
        stores_poll_after(r, d->updated_s);
    buf_init(&b, 1 << 20);
    json_begin(&w, &b);
    put_store_file(&w, d, c);
    return reply_json(r, 200, &b, e);
}

/* By the id of a file, or the uri of another document. */
static bool find_document(struct request *r, struct str collection, struct str id,
                          struct doc_document *d, struct err *e)
{
    return (doc_find_file(r->service->db, r->call.arena, collection, id, d, e) ||
            (e->code == ERR_NOT_FOUND &&
             doc_find(r->service->db, r->call.arena, collection, id, d, e))) &&
           caller_may_read(r, d, e);
}

static bool find_store_file(struct request *r, struct doc_collection *c, struct doc_document *d,
                            struct err *e)
{
    return stores_find(r, c, e) && find_document(r, c->id, r->param[1], d, e);
}

/* ---- Adding ---- */

bool stores_take_ids(struct request *r, const struct doc_collection *c, struct json_value root,
                     const char *name, struct doc_document like, struct doc_document **out,
                     size_t *n, struct err *e)
{
    struct json_value list = json_get(root, name);
    const struct member_at at = member_at(NULL, str_from(name));
    *n = 0;
    *out = NULL;
    if (!body_given(list))
        return true;
    if (!json_is(list, JSON_ARRAY) || json_count(list) > IDS_MOST)
        return member_wrong(&at, "a list of at most 2000 ids of files", e);
    *out = arena_array(r->call.arena, struct doc_document, json_count(list) + 1);
    json_each(it, list)
    {
        const struct member_at item = member_item(&at, *n);
        struct doc_document *d = &(*out)[*n];
        if (!json_is(it.value, JSON_STRING))
            return member_wrong(&item, "the id of a file", e);
        if (!store_jobs_document(r, c, json_text(it.value, r->call.arena),
                                 body_path("%s[%zu]", name, *n).text, d, e))
            return false;
        d->attributes = like.attributes;
        d->access = like.access;
        d->chunk_tokens = like.chunk_tokens;
        d->chunk_overlap = like.chunk_overlap;
        ++*n;
    }
    return true;
}

bool stores_file_add(struct request *r, struct err *e)
{
    struct json body;
    struct doc_collection c;
    struct doc_document d, like = {0};
    const struct member_reader m = {r->call.arena, e};
    if (!stores_find_live(r, &c, e) || !request_json(r, &body, e))
        return false;
    struct json_value root = json_root(&body);
    if (!STORE_FIELDS_KNOWN(&m, root, NULL, STR("file_id"), STR("attributes"),
                            STR("chunking_strategy"), STR("access")) ||
        !rights_parse(json_get(root, "access"), r->call.arena, &like.access, e) ||
        !member_need_text(&m, root, NULL, "file_id", &r->param[1]) ||
        !store_fields_attributes(&m, root, NULL, &like.attributes) ||
        !store_fields_chunking(&m, root, NULL, &like.chunk_tokens, &like.chunk_overlap) ||
        !store_jobs_document(r, &c, r->param[1], "file_id", &d, e))
        return false;
    d.attributes = like.attributes;
    d.access = like.access;
    d.chunk_tokens = like.chunk_tokens;
    d.chunk_overlap = like.chunk_overlap;
    if (!doc_begin(r->service->db, &d, e) || !doc_collection_touch(r->service->db, c.id, e))
        return false;
    store_jobs_post(r, &c, &d, 1);
    return stores_file_get(r, e);
}

/* ---- Reading ---- */

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
    return err_param(e, ERR_INVALID, "filter",
                     "'filter' must be in_progress, completed, failed or cancelled");
}

/* Pages are cut by the id of a file; the store cuts by the id of its document. */
static bool cursor(struct request *r, struct str collection, struct str id, const char *param,
                   int64_t *out, struct err *e)
{
    struct doc_document d;
    if (!id.len)
        return true;
    if (!find_document(r, collection, id, &d, e))
        return e->code == ERR_NOT_FOUND
                   ? err_param(e, ERR_NOT_FOUND, param, "there is no '%.*s' in this vector store",
                               STR_FMT(str_head(id, 64)))
                   : false;
    *out = d.id;
    return true;
}

bool stores_reply_files(struct request *r, const struct doc_collection *c, struct doc_filter *f,
                        struct err *e)
{
    struct doc_page page;
    struct doc_document *list;
    size_t n;
    bool more;
    if (!request_page(r, &page, e) || !take_status(r, &f->status, e) ||
        !cursor(r, c->id, page.after, "after", &f->after, e) ||
        !cursor(r, c->id, page.before, "before", &f->before, e))
        return false;
    f->collection = c->id;
    f->limit = page.limit < PAGE_MOST ? page.limit : PAGE_MOST;
    f->ascending = page.ascending;
    f->reader = caller_reader(r);
    if (!doc_list(r->service->db, r->call.arena, f, &list, &n, &more, e))
        return false;
    struct buf b;
    struct json_writer w;
    buf_init(&b, STORES_LIST_MAX);
    json_begin(&w, &b);
    reply_list_begin(&w);
    for (size_t i = 0; i < n; i++)
        put_store_file(&w, &list[i], c);
    reply_list_end(&w, n ? id_of(&list[0]) : STR_NONE, n ? id_of(&list[n - 1]) : STR_NONE, more);
    return reply_json(r, 200, &b, e);
}

bool stores_file_list(struct request *r, struct err *e)
{
    struct doc_collection c;
    struct doc_filter f = {0};
    return stores_find(r, &c, e) && stores_reply_files(r, &c, &f, e);
}

/* ---- Changing ---- */

bool stores_file_update(struct request *r, struct err *e)
{
    struct json body;
    struct doc_collection c;
    struct doc_document d;
    const struct member_reader m = {r->call.arena, e};
    if (!find_store_file(r, &c, &d, e) || !request_json(r, &body, e))
        return false;
    struct json_value root = json_root(&body);
    const struct member_at at = member_at(NULL, STR("attributes"));
    bool attributes = json_exists(json_get(root, "attributes"));
    struct str access;
    if (!rights_parse(json_get(root, "access"), r->call.arena, &access, e))
        return false;
    if (!attributes && !access.len)
        return member_missing(&at, e);
    if (attributes)
        d.attributes = STR("{}"); /* null takes all away */
    if (access.len)
        d.access = access;
    if (!STORE_FIELDS_KNOWN(&m, root, NULL, at.name, STR("access")) ||
        !store_fields_attributes(&m, root, NULL, &d.attributes) ||
        (access.len && !doc_set_access(r->service->db, d.id, access, e)) ||
        (attributes && !doc_set_attributes(r->service->db, d.id, d.attributes, e)) ||
        !search_catch_up(r->service->search, e))
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

/* ---- Content ---- */

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
    buf_init(&b, STORES_LIST_MAX);
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
