#include "gateway/responses_search.h"
#include "gateway/ability.h"
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

/* ---- Who searches ---- */

static enum chat_searching searching_of(const struct request *r, const struct responses_search *s)
{
    const struct config_model *m = config_model_find(r->config, r->call.req.model);
    if (!m || !ability_remote(&m->model) || m->searching == CONFIG_SEARCH_FIRST)
        return SEARCH_FIRST;
    if (m->searching == CONFIG_SEARCH_CALLED)
        return SEARCH_CALLED;
    bool able = m->searching == CONFIG_SEARCH_MORE || r->call.req.options->n_tools > 0 ||
                ability_known(&m->model, VENDOR_TOOLS);
    return able && s->choice != CHOSEN_SEARCH && s->calls_most != 1 ? SEARCH_MORE : SEARCH_FIRST;
}

bool responses_search_prepare(struct request *r, const struct responses_search *s, struct err *e)
{
    if (s->n_stores == 0)
        return true;
    r->retrieve = arena_struct(r->call.arena, struct retrieve_query);
    *r->retrieve = s->query;
    r->retrieve->filter_text = json_raw(s->filters);
    r->passages = (size_t)s->most;
    r->call.req.searching = searching_of(r, s);
    return find_stores(r, s, e) &&
           filter_parse(&r->retrieve->search.filter, r->call.arena, s->filters, e);
}

/* ---- What is shown ---- */

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

struct chat_search responses_search_first(const struct request *r)
{
    const struct chat_request *c = &r->call.req;
    return (struct chat_search){.query = &c->question,
                                .n_queries = c->question.len > 0,
                                .passage = c->passage,
                                .n_passages = c->n_passages,
                                .done = true};
}

void responses_search_put(struct json_writer *j, const struct chat_search *s, bool results)
{
    json_key(j, "queries");
    json_array(j);
    for (size_t i = 0; i < s->n_queries; i++)
        json_put_str(j, s->query[i]);
    json_end(j);
    json_key(j, "results");
    if (!results) {
        json_put_null(j);
        return;
    }
    json_array(j);
    for (size_t i = 0; i < s->n_passages; i++)
        put_result(j, &s->passage[i]);
    json_end(j);
}
