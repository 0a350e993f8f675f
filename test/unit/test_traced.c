/* What traced promises: an attempt's span holds what the attempt knew, or there is none. */
#include "model/traced.h"
#include "base/clock.h"

#include "tap.h"

static struct otlp *const collector = (struct otlp *)&tap_count; /* nothing is sent here */

static void tell(struct call *c, const char *text)
{
    struct json doc;
    struct err e;
    CHECK(json_parse(&doc, c->arena, str_from(text), 0, &e));
    traced_answer(c, json_root(&doc));
}

int main(void)
{
    struct arena *a = arena_new();
    const struct http_headers none = {0};
    const struct trace_options all = {.to = collector, .sample = 1};
    const struct provider p = {.name = STR("mine"),
                               .kind = &provider_openai,
                               .origin = {.host = STR("example.org"), .port = 443}};
    struct call c = {.arena = a, .attempts = 2};
    ok(!traced_begin(&c, &p, STR("m")), "nothing is traced: no span");
    tell(&c, "{\"id\":\"x\"}");
    traced_end(&c, 5, NULL);

    c.trace = trace_begin(a, &none, STR("/"), &all);
    struct trace_attempt *t = c.traced = traced_begin(&c, &p, STR("m"));
    ok(t && str_eq(t->provider, STR("mine")) && str_eq(t->host, STR("example.org")) &&
           t->port == 443 && t->number == 2 && str_eq(t->model, STR("m")),
       "who was asked");
    tell(&c, "{\"id\":\"a\",\"model\":\"m-1\",\"choices\":[{\"finish_reason\":null}]}");
    tell(&c, "{\"id\":\"b\",\"choices\":[{\"finish_reason\":\"stop\"}]}");
    c.usage = (struct chat_usage){.input = 3, .output = 2, .cached = 1};
    c.provider_status = 200;
    traced_end(&c, 77, NULL);
    ok(str_eq(t->response_id, STR("a")) && str_eq(t->response_model, STR("m-1")) &&
           str_eq(t->finish, STR("stop")),
       "what the answer says of itself");
    ok(t->end_ns == 77 && t->status == 200 && !t->error && t->usage_known && t->input_tokens == 3 &&
           t->output_tokens == 2 && t->cached_tokens == 1,
       "how it went");
    ok(!c.traced, "and it is over");

    t = c.traced = traced_begin(&c, &p, STR("m"));
    c.usage = (struct chat_usage){0};
    traced_end(&c, 78, &(struct err){.code = ERR_TIMEOUT});
    ok(strcmp(t->error, "timeout") == 0 && !t->usage_known, "a failure");
    arena_free(a);
    return tap_done();
}
