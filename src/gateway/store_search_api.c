/* store_search_api.c - POST /v1/vector_stores/{}/search: text of chunks with their file.
 *
 * What a filter excludes never becomes a candidate.
 */
#include "gateway/retrieval.h"
#include "gateway/routes.h"
#include "gateway/stores_api.h"

enum { PAGE_MAX = 64 << 20, RESULTS_DEFAULT = 10, RESULTS_MAX = 50 };

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
    json_object(w);
    json_kv_text(w, "type", "text");
    json_kv_str(w, "text", p->chunk.text);
    json_end(w);
    json_end(w);
    json_end(w);
}

static bool reply_results(struct request *r, const struct retrieve_query *q,
                          const struct retrieval *found, struct err *e)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, PAGE_MAX);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_text(&w, "object", "vector_store.search_results.page");
    json_key(&w, "search_query");
    json_array(&w);
    for (size_t i = 0; i < q->n_texts; i++)
        json_put_str(&w, q->text[i]);
    json_end(&w);
    json_key(&w, "data");
    json_array(&w);
    for (size_t i = 0; i < found->n; i++)
        put_result(&w, &found->hit[i].passage, found->hit[i].score);
    json_end(&w);
    json_kv_bool(&w, "has_more", false);
    json_kv_text(&w, "next_page", NULL);
    retrieval_put(&w, r);
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
    if (!stores_find_live(r, &c, e) || !request_json(r, &body, e))
        return false;
    struct json_value root = json_root(&body);
    if (!take_query(r, root, &query, e) ||
        !request_take_int(root, "max_num_results", 1, RESULTS_MAX, &k, e))
        return false;
    struct json_value t = json_path(root, "ranking_options.score_threshold");
    if (json_exists(t) && (!json_double(t, &threshold) || threshold < 0 || threshold > 1))
        return err_param(e, ERR_INVALID, "ranking_options.score_threshold",
                         "'score_threshold' must lie between 0 and 1");

    struct retrieve_query q = {
        .search = {.collection = &c.id, .n_collections = 1, .rights = request_rights(r)},
        .text = &query,
        .n_texts = 1,
        .k = (size_t)k,
        .threshold = threshold};
    struct retrieval found;
    q.filter_text = json_raw(json_get(root, "filters"));
    return filter_parse(&q.search.filter, r->call.arena, json_get(root, "filters"), e) &&
           retrieval_options(r, c.name, root, &q, e) &&
           doc_collection_touch(r->service->db, c.id, e) &&
           retrieve(&r->service->retriever, &q, r->call.arena, &found, e) &&
           reply_results(r, &q, &found, e);
}
