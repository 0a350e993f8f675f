#include "gateway/responses_search.h"
#include "gateway/knowledge.h"
static bool find_stores(struct request *r, const struct responses_search *s, struct err *e)
{
    for (size_t i = 0; i < s->n_stores; i++) {
        struct body_path where = body_path("tools[%zu].vector_store_ids[%zu]", s->index, i);
        if (!knowledge_add(r, s->store[i], where.text, e))
            return false;
    }
    return true;
}

bool responses_search_prepare(struct request *r, const struct responses_search *s, struct err *e)
{
    if (s->n_stores == 0)
        return true;
    r->retrieve = arena_struct(r->call.arena, struct retrieve_query);
    *r->retrieve = s->query;
    r->retrieve->filter_text = json_raw(s->filters);
    r->passages = (size_t)s->most;
    return find_stores(r, s, e) &&
           filter_parse(&r->retrieve->search.filter, r->call.arena, s->filters, e);
}

static void put_result(struct json_writer *j, const struct passage *p)
{
    json_object(j);
    json_kv_str(j, "file_id", p->file_id.len > 0 ? p->file_id : p->uri);
    json_kv_str(j, "filename", p->name);
    json_kv_real(j, "score", p->score);
    json_key(j, "attributes");
    json_put_raw(j, p->attributes.len > 0 ? p->attributes : STR("{}"));
    json_kv_str(j, "text", p->text);
    json_end(j);
}

void responses_search_put(const struct request *r, struct json_writer *j, bool results)
{
    const struct chat_request *c = &r->call.req;
    json_key(j, "queries");
    json_array(j);
    if (c->question.len > 0)
        json_put_str(j, c->question);
    json_end(j);
    json_key(j, "results");
    if (!results) {
        json_put_null(j);
        return;
    }
    json_array(j);
    for (size_t i = 0; i < c->n_passages; i++)
        put_result(j, &c->passage[i]);
    json_end(j);
}
