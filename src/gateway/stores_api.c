/* stores_api.c - /v1/vector_stores: collections, the files in them, search.
 *
 * A file is read, cut and indexed in the background; clients poll its status. What search returns
 * is text of chunks with their file; what a filter excludes never becomes a candidate.
 */
#include "base/log.h"
#include "gateway/routes.h"
#include "gateway/stores_filter.h"
#include "run/work.h"

enum { LIST_MAX = 64 << 20, RESULTS_DEFAULT = 10, RESULTS_MAX = 50 };

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

/* ---- Stores ---- */

static bool find_store(struct request *r, struct doc_collection *c, struct err *e)
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
static bool take_chunking(struct json_value body, uint32_t *tokens, uint32_t *overlap,
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

static bool add_file(struct request *r, struct doc_collection *c, struct str file_id,
                     struct str attributes, struct err *e);

static bool add_files(struct request *r, struct doc_collection *c, struct json_value ids,
                      struct err *e)
{
    json_each(it, ids)
    {
        if (!json_is(it.value, JSON_STRING))
            return err_param(e, ERR_INVALID, "file_ids", "'file_ids' must be a list of strings");
        if (!add_file(r, c, json_text(it.value, r->call.arena), STR("{}"), e))
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
        !take_chunking(root, &c.chunk_tokens, &c.chunk_overlap, e) ||
        !doc_collection_create(r->service->db, r->call.arena, &c, e))
        return false;
    r->param[0] = c.id;
    return add_files(r, &c, json_get(root, "file_ids"), e) && find_store(r, &c, e) &&
           reply_store(r, &c, e);
}

bool stores_get(struct request *r, struct err *e)
{
    struct doc_collection c;
    return find_store(r, &c, e) && reply_store(r, &c, e);
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
    if (!find_store(r, &c, e) || !request_json(r, &body, e))
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

/* ---- Files of a store ---- */

/* What the background job needs; its own memory, as the request ends before it. */
struct job {
    struct service *service;
    struct str collection, file_id, filename, attributes;
    const char *path;
    struct ingest_chunking chunking;
    struct arena *arena;
};

static void run_job(void *arg)
{
    struct job *j = arg;
    struct err e;
    /* A document that cannot be read has a row that says so; this is about everything else. */
    if (!ingest_file(&j->service->ingest, j->collection, j->file_id, j->filename, j->path,
                     j->attributes, &j->chunking, &e))
        log_warn("ingest", kv("file", j->file_id), kv("error", e.msg));
    arena_free(j->arena);
}

static bool add_file(struct request *r, struct doc_collection *c, struct str file_id,
                     struct str attributes, struct err *e)
{
    struct doc_file f;
    if (!doc_file_find(r->service->db, r->call.arena, request_tenant(r), file_id, &f, e))
        return err_param(e, e->code, "file_id", "there is no file '%.*s'",
                         STR_FMT(str_head(file_id, 80)));
    struct doc_document d = {.collection = c->id,
                             .uri = f.id,
                             .file_id = f.id,
                             .name = f.filename,
                             .attributes = attributes,
                             .bytes = f.bytes};
    if (!doc_begin(r->service->db, &d, e))
        return false;
    struct arena *a = arena_new();
    struct job *j = arena_struct(a, struct job);
    *j = (struct job){.service = r->service,
                      .collection = arena_copy(a, c->id),
                      .file_id = arena_copy(a, f.id),
                      .filename = arena_copy(a, f.filename),
                      .attributes = arena_copy(a, attributes),
                      .chunking = {c->chunk_tokens, c->chunk_overlap},
                      .arena = a};
    if (!blob_path(r->service->blobs, a, j->file_id, &j->path, e)) {
        arena_free(a);
        return false;
    }
    work_post(run_job, j);
    return true;
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
    return find_store(r, c, e) &&
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
    if (!find_store(r, &c, e) || !request_json(r, &body, e))
        return false;
    struct json_value root = json_root(&body);
    if (!request_need_text(root, "file_id", r->call.arena, &r->param[1], e) ||
        !take_attributes(root, &attributes, e) ||
        !take_chunking(root, &c.chunk_tokens, &c.chunk_overlap, e) ||
        !add_file(r, &c, r->param[1], attributes, e))
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
    *status = -1;
    if (!http_query_get(r->http->query, r->call.arena, STR("filter"), &name))
        return true;
    for (int s = 0; s < DOC_STATUS_COUNT; s++)
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
    if (!find_store(r, &c, e) || !request_page(r, &page, e) || !take_status(r, &f.status, e) ||
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

/* ---- Search ---- */

struct search_job {
    struct service *service;
    struct search_query q;
    struct arena *arena;
    struct search_hit *hit;
    size_t n;
    bool good;
    struct err e;
};

static void run_search(void *arg)
{
    struct search_job *j = arg;
    j->good = search_run(j->service->search, &j->q, j->arena, &j->hit, &j->n, &j->e);
}

/* The query: a text, or several that are searched as one. */
static bool take_query(struct request *r, struct json_value root, struct str *out, struct err *e)
{
    struct json_value v = json_get(root, "query");
    if (!json_is(v, JSON_ARRAY))
        return request_need_text(root, "query", r->call.arena, out, e);
    *out = STR_NONE;
    json_each(it, v) *out = arena_printf(r->call.arena, "%.*s %.*s", STR_FMT(*out),
                                         STR_FMT(json_text(it.value, r->call.arena)));
    *out = str_trim(*out);
    return out->len || err_param(e, ERR_INVALID, "query", "'query' must not be empty");
}

static void put_result(struct json_writer *w, const struct doc_passage *p, double score)
{
    json_object(w);
    json_kv_str(w, "file_id", p->file_id.len ? p->file_id : p->uri);
    json_kv_str(w, "filename", p->name);
    json_kv_real(w, "score", score);
    json_key(w, "attributes");
    json_put_raw(w, p->attributes);
    json_key(w, "content");
    json_array(w);
    put_text_part(w, p->chunk.text);
    json_end(w);
    json_end(w);
}

static bool reply_results(struct request *r, const struct search_job *j, double threshold,
                          struct err *e)
{
    int64_t *id = arena_array(r->call.arena, int64_t, j->n);
    struct doc_passage *p;
    for (size_t i = 0; i < j->n; i++)
        id[i] = j->hit[i].chunk;
    if (!doc_chunks_load(r->service->db, r->call.arena, id, j->n, &p, e))
        return false;
    struct buf b;
    struct json_writer w;
    buf_init(&b, LIST_MAX);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_text(&w, "object", "vector_store.search_results.page");
    json_key(&w, "search_query");
    json_array(&w);
    json_put_str(&w, j->q.text);
    json_end(&w);
    json_key(&w, "data");
    json_array(&w);
    for (size_t i = 0; i < j->n; i++) {
        /* Keyword scores have no upper end; s / (s + 10) keeps their order within 0..1. */
        double score = j->hit[i].score / (j->hit[i].score + 10.0);
        if (p[i].chunk.id && score >= threshold)
            put_result(&w, &p[i], score);
    }
    json_end(&w);
    json_kv_bool(&w, "has_more", false);
    json_kv_text(&w, "next_page", NULL);
    json_end(&w);
    return reply_json(r, 200, &b, e);
}

bool stores_search(struct request *r, struct err *e)
{
    struct json body;
    struct doc_collection c;
    struct str query;
    int64_t k = RESULTS_DEFAULT;
    double threshold = 0;
    if (!find_store(r, &c, e) || !request_json(r, &body, e))
        return false;
    struct json_value root = json_root(&body);
    if (!take_query(r, root, &query, e) ||
        !request_take_int(root, "max_num_results", 1, RESULTS_MAX, &k, e))
        return false;
    struct json_value t = json_path(root, "ranking_options.score_threshold");
    if (json_exists(t) && (!json_double(t, &threshold) || threshold < 0 || threshold > 1))
        return err_param(e, ERR_INVALID, "ranking_options.score_threshold",
                         "'score_threshold' must lie between 0 and 1");

    struct search_job *j = arena_struct(r->call.arena, struct search_job);
    *j = (struct search_job){.service = r->service, .arena = r->call.arena};
    j->q = (struct search_query){
        .collection = &c.id, .n_collections = 1, .text = query, .k = (size_t)k};
    if (!stores_filter(r, c.id, json_get(root, "filters"), &j->q, e) ||
        !doc_collection_touch(r->service->db, c.id, e))
        return false;
    work_run(run_search, j);
    if (!j->good) {
        *e = j->e;
        return false;
    }
    return reply_results(r, j, threshold, e);
}
