#include "model/traced.h"

struct trace_attempt *traced_begin(struct call *c, const struct provider *p,
                                   struct str upstream_model)
{
    struct trace_attempt *t = trace_attempt(c->trace);
    if (!t)
        return NULL;
    t->operation = "chat";
    t->provider = p->name;
    t->kind = p->kind->name;
    t->model = arena_copy(c->arena, upstream_model);
    t->host = p->origin.host;
    t->port = p->origin.port;
    t->number = c->attempts;
    return t;
}

/* Texts of an event are gone when it has been looked at; most of them are not new. */
static void keep(struct str *to, struct json_value v, struct arena *a)
{
    if (!to->len && json_is(v, JSON_STRING))
        *to = arena_copy(a, json_text(v, a));
}

void traced_answer_with(struct call *c, struct json_value answer)
{
    struct trace_attempt *t = c->traced;
    struct json_value reason = json_path(answer, "choices.0.finish_reason");
    keep(&t->response_id, json_get(answer, "id"), c->arena);
    keep(&t->response_model, json_get(answer, "model"), c->arena);
    keep(&t->finish, reason, c->arena);
}

void traced_end(struct call *c, int64_t end_ns, const struct err *why)
{
    struct trace_attempt *t = c->traced;
    if (!t)
        return;
    t->end_ns = end_ns;
    t->first_token_ns = c->first_token_ns;
    t->status = c->provider_status;
    t->error = why ? err_name(why->code) : NULL;
    t->usage_known = !why || c->usage.output > 0;
    t->input_tokens = c->usage.input;
    t->output_tokens = c->usage.output;
    t->cached_tokens = c->usage.cached;
    c->traced = NULL;
}
