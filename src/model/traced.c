#include "model/traced.h"

__attribute__((noinline)) struct trace_attempt *traced_begin(const struct attempt *a)
{
    const struct call *c = a->call;
    const struct provider *p = a->target->provider;
    struct trace_attempt *t = trace_attempt(c->trace);
    if (!t)
        return NULL;
    t->operation = chat_op_name(c->req.op);
    t->provider = p->name;
    t->kind = p->vendor->kind->name;
    t->model = arena_copy(c->arena, a->target->upstream);
    if (a->endpoint) {
        t->host = a->endpoint->origin.host;
        t->port = a->endpoint->origin.port;
    }
    t->number = a->number;
    return t;
}

/* Texts of an event are gone when it has been looked at; most of them are not new. */
static void keep(struct str *to, struct json_value v, struct arena *a)
{
    if (!to->len && json_is(v, JSON_STRING))
        *to = arena_copy(a, json_text(v, a));
}

void traced_answer(const struct attempt *a, struct json_value id, struct json_value model,
                   struct json_value finish)
{
    struct trace_attempt *t = a->traced;
    keep(&t->response_id, id, a->call->arena);
    keep(&t->response_model, model, a->call->arena);
    keep(&t->finish, finish, a->call->arena);
}

__attribute__((noinline)) void traced_end(const struct attempt *a, const struct err *why)
{
    struct trace_attempt *t = a->traced;
    if (!t)
        return;
    t->end_ns = a->end_ns;
    t->first_token_ns = a->first_token_ns;
    t->status = a->status;
    t->error = why ? err_name(why->code) : NULL;
    t->usage_known = !why || a->usage.output > 0;
    t->input_tokens = a->usage.input;
    t->output_tokens = a->usage.output;
    t->cached_tokens = a->usage.cached;
}
