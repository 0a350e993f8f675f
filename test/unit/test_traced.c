/* What traced promises: an attempt's span holds what the attempt knew, or there is none. */
#include "model/traced.h"
#include "base/clock.h"

#include "tap.h"

static struct otlp *const collector = (struct otlp *)&tap_count; /* nothing is sent here */

static void tell(const struct attempt *t, const char *text)
{
    struct json doc;
    struct err e;
    CHECK(json_parse(&doc, t->call->arena, str_from(text), 0, &e));
    struct json_value root = json_root(&doc);
    traced_answer(t, json_get(root, "id"), json_get(root, "model"), json_get(root, "finish"));
}

int main(void)
{
    struct arena *a = arena_new();
    const struct http_headers none = {0};
    const struct trace_options all = {.to = collector, .sample = 1};
    const struct provider p = {.name = STR("mine"), .vendor = vendor_find(STR("openai"))};
    const struct provider_endpoint endpoint = {.origin = {.host = STR("example.org"), .port = 443}};
    const struct target target = {.provider = &p, .upstream = STR("m")};
    struct call c = {.arena = a};
    struct attempt at = {.call = &c, .target = &target, .endpoint = &endpoint, .number = 2};
    ok(!traced_begin(&at), "nothing is traced: no span");
    traced_end(&at, NULL);

    c.trace = trace_begin(a, &none, STR("/"), &all);
    struct trace_attempt *t = at.traced = traced_begin(&at);
    ok(t && str_eq(t->provider, STR("mine")) && str_eq(t->host, STR("example.org")) &&
           t->port == 443 && t->number == 2 && str_eq(t->model, STR("m")),
       "who was asked");
    tell(&at, "{\"id\":\"a\",\"model\":\"m-1\",\"finish\":null}");
    tell(&at, "{\"id\":\"b\",\"finish\":\"stop\"}");
    at.usage = (struct chat_usage){.input = 3, .output = 2, .cached = 1};
    at.status = 200;
    at.end_ns = 77;
    traced_end(&at, NULL);
    ok(str_eq(t->response_id, STR("a")) && str_eq(t->response_model, STR("m-1")) &&
           str_eq(t->finish, STR("stop")),
       "what the answer says of itself");
    ok(t->end_ns == 77 && t->status == 200 && !t->error && t->usage_known && t->input_tokens == 3 &&
           t->output_tokens == 2 && t->cached_tokens == 1,
       "how it went");

    t = at.traced = traced_begin(&at);
    at.usage = (struct chat_usage){0};
    traced_end(&at, &(struct err){.code = ERR_TIMEOUT});
    ok(strcmp(t->error, "timeout") == 0 && !t->usage_known, "a failure");
    arena_free(a);
    return tap_done();
}
