/* store_search_api.c - POST /v1/vector_stores/{}/search: text of chunks with their file.
 *
 * What a filter excludes never becomes a candidate.
 */
#include "gateway/ranking.h"
#include "gateway/retrieval.h"
#include "gateway/routes.h"
#include "gateway/stores_api.h"
#include "index/highlight.h"

enum { PAGE_MAX = 64 << 20, RESULTS_DEFAULT = 10, RESULTS_MAX = 50, OFFSET_MAX = 900 };
enum { TEXTS_MAX = 8 };

/* ---- The request ---- */

/* The query: a text, or several ways to ask for the same. */
static bool take_query(const struct member_reader *m, struct json_value root,
                       struct str text[TEXTS_MAX], size_t *n)
{
    struct json_value v = json_get(root, "query");
    const struct member_at at = member_at(NULL, STR("query"));
    *n = 0;
    if (!body_given(v))
        return member_missing(&at, m->e);
    if (json_is(v, JSON_STRING)) {
        text[(*n)++] = json_text(v, m->a);
    } else if (!json_is(v, JSON_ARRAY) || json_count(v) > TEXTS_MAX) {
        return member_wrong(&at, "a text or a list of at most 8", m->e);
    }
    json_each(it, json_is(v, JSON_ARRAY) ? v : (struct json_value){0})
    {
        const struct member_at item = member_item(&at, *n);
        if (!json_is(it.value, JSON_STRING))
            return member_wrong(&item, "a text", m->e);
        text[(*n)++] = json_text(it.value, m->a);
    }
    size_t letters = 0;
    for (size_t i = 0; i < *n; i++)
        letters += str_trim(text[i]).len;
    return letters > 0 || member_wrong(&at, "something to look for", m->e);
}

/* `page` is what the page before gave as next_page: how many results lie in front. */
static bool take_page(const struct member_reader *m, struct json_value root, size_t *offset)
{
    struct json_value v = json_get(root, "page");
    const struct member_at at = member_at(NULL, STR("page"));
    uint64_t n = 0;
    if (!body_given(v))
        return true;
    if (!str_to_u64(json_text(v, m->a), &n) || n > OFFSET_MAX)
        return member_wrong(&at, "the 'next_page' of an answer", m->e);
    *offset = (size_t)n;
    return true;
}

/* The texts as they are looked for in results; *n is 0 when that is not asked for. */
static bool take_highlights(const struct member_reader *m, struct request *r,
                            struct json_value root, const struct retrieve_query *q,
                            struct query want[TEXTS_MAX], size_t *n)
{
    bool asked = false;
    if (!member_flag(m, root, NULL, "highlights", &asked))
        return false;
    *n = asked ? q->n_texts : 0;
    for (size_t i = 0; i < *n; i++) {
        struct search_query one = q->search;
        one.text = q->text[i];
        search_question(r->service->search, &one, m->a, &want[i]);
    }
    return true;
}

static bool take_rewrite(const struct member_reader *m, struct json_value root,
                         struct retrieve_query *q)
{
    bool rewrite = false;
    if (!member_flag(m, root, NULL, "rewrite_query", &rewrite))
        return false;
    if (rewrite && !json_exists(json_path(root, "penstock.level")))
        q->level = RETRIEVE_EXPANDED;
    return true;
}

/* ---- The answer ---- */

static void put_place(struct json_writer *w, const struct doc_passage *p)
{
    const struct doc_chunk *c = &p->chunk;
    if (p->title.len)
        json_kv_str(w, "title", p->title);
    if (c->section.len)
        json_kv_str(w, "section", c->section);
    if (c->page)
        json_kv_int(w, "page", c->page);
    if (c->line_start) {
        json_kv_int(w, "line_start", c->line_start);
        json_kv_int(w, "line_end", c->line_end);
    }
    json_kv_int(w, "char_start", (int64_t)c->char_start);
    json_kv_int(w, "char_end", (int64_t)c->char_end);
    json_kv_int(w, "chunk_index", c->idx);
    json_kv_int(w, "total_chunks", c->total);
}

/* What the API does not have, behind what it has. */
static void put_more(struct json_writer *w, const struct doc_passage *p)
{
    put_place(w, p);
    json_kv_str(w, "language", p->language);
    json_kv_str(w, "doc_type", p->doc_type);
    json_kv_int(w, "document_version", p->version);
    json_kv_str(w, "content_hash", p->content_hash);
    json_kv_int(w, "last_updated", p->last_updated_s ? p->last_updated_s : p->updated_s);
    if (p->author.len)
        json_kv_str(w, "author", p->author);
}

struct answer {
    const struct retrieve_query *q;
    struct retrieval found;
    size_t offset, k;
    struct query want[TEXTS_MAX]; /* what to highlight */
    size_t n_wanted;
};

static void put_highlights(struct json_writer *w, const struct answer *x,
                           const struct doc_passage *p, struct arena *a)
{
    struct highlight_span *span;
    struct str text = p->chunk.text;
    enum lang lang = lang_from_code(p->language);
    if (lang == LANG_OTHER && !str_eq(p->language, STR("und")))
        lang = lang_detect(text);
    size_t n = highlight(&span, a, x->want, x->n_wanted, text, lang);
    json_key(w, "highlights");
    json_array(w);
    for (size_t i = 0; i < n; i++) {
        json_object(w);
        json_kv_int(w, "start", span[i].start);
        json_kv_int(w, "end", span[i].end);
        json_end(w);
    }
    json_end(w);
}

static void put_result(struct json_writer *w, const struct answer *x, size_t i, struct arena *a)
{
    const struct doc_passage *p = &x->found.hit[i].passage;
    json_object(w);
    json_kv_str(w, "file_id", p->file_id.len ? p->file_id : p->uri);
    json_kv_str(w, "filename", p->name);
    json_kv_real(w, "score", x->found.hit[i].score);
    json_key(w, "attributes");
    json_put_raw(w, p->attributes);
    json_key(w, "content");
    json_array(w);
    json_object(w);
    json_kv_text(w, "type", "text");
    json_kv_str(w, "text", p->chunk.text);
    json_end(w);
    json_end(w);
    put_more(w, p);
    if (x->n_wanted)
        put_highlights(w, x, p, a);
    json_end(w);
}

static bool reply_results(struct request *r, const struct answer *x, struct err *e)
{
    struct buf b;
    struct json_writer w;
    size_t end = x->offset + x->k;
    bool more = x->found.n > end && end <= OFFSET_MAX;
    buf_init(&b, PAGE_MAX);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_text(&w, "object", "vector_store.search_results.page");
    json_key(&w, "search_query");
    json_array(&w);
    for (size_t i = 0; i < x->q->n_texts; i++)
        json_put_str(&w, x->q->text[i]);
    json_end(&w);
    json_key(&w, "data");
    json_array(&w);
    for (size_t i = x->offset; i < x->found.n && i < end; i++)
        put_result(&w, x, i, r->call.arena);
    json_end(&w);
    json_kv_bool(&w, "has_more", more);
    json_kv_text(&w, "next_page", more ? arena_printf(r->call.arena, "%zu", end).p : NULL);
    retrieval_put(&w, r);
    json_end(&w);
    return reply_json(r, 200, &b, e);
}

bool stores_search(struct request *r, struct err *e)
{
    struct json body;
    struct doc_collection c;
    struct str text[TEXTS_MAX];
    const struct member_reader m = {r->call.arena, e};
    int64_t k = RESULTS_DEFAULT;
    struct answer *x = arena_struct(r->call.arena, struct answer);
    if (!stores_find_live(r, &c, e) || !request_json(r, &body, e))
        return false;
    struct json_value root = json_root(&body);
    struct retrieve_query q = {
        .search = {.collection = &c.id, .n_collections = 1, .rights = request_rights(r)},
        .text = text,
        .filter_text = json_raw(json_get(root, "filters"))};
    x->q = &q;
    if (!STORE_FIELDS_KNOWN(&m, root, NULL, STR("query"), STR("filters"), STR("max_num_results"),
                            STR("ranking_options"), STR("rewrite_query"), STR("page"),
                            STR("highlights"), STR("penstock")) ||
        !take_query(&m, root, text, &q.n_texts) ||
        !request_take_int(root, "max_num_results", 1, RESULTS_MAX, &k, e) ||
        !take_page(&m, root, &x->offset) ||
        !filter_parse(&q.search.filter, r->call.arena, json_get(root, "filters"), e) ||
        !retrieval_options(r, c.name, root, &q, e) || !ranking_read(&m, root, NULL, &q) ||
        !take_rewrite(&m, root, &q) || !take_highlights(&m, r, root, &q, x->want, &x->n_wanted))
        return false;
    x->k = (size_t)k;
    q.k = x->offset + x->k + 1; /* one more tells whether there are more */
    return doc_collection_touch(r->service->db, c.id, e) &&
           retrieve(&r->service->retriever, &q, r->call.arena, &x->found, e) &&
           reply_results(r, x, e);
}
