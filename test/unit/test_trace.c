/* What trace promises: who is recorded, what goes on to the provider, and the form of the spans. */
#include "obs/trace.h"
#include "base/clock.h"

#include "tap.h"

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define UNSAMPLED "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"

/* Never looked into but by otlp_add. */
static struct otlp *const collector = (struct otlp *)&tap_count;

static struct trace *begin(struct arena *a, const char *parent, const char *state,
                           const struct trace_options *opt)
{
    struct http_header h[2];
    struct http_headers headers = {.h = h};
    if (parent)
        http_headers_add(&headers, STR("TraceParent"), str_from(parent));
    if (state)
        http_headers_add(&headers, STR("tracestate"), str_from(state));
    return trace_begin(a, &headers, STR("/v1/chat/completions"), opt);
}

static void test_who(struct arena *a)
{
    const struct trace_options off = {0}, all = {.to = collector, .sample = 1},
                               none = {.to = collector, .sample = 0};
    ok(!begin(a, NULL, NULL, &off), "nobody collects, nothing came: no trace");
    ok(!begin(a, "broken", NULL, &off), "a broken one is as none");
    struct trace *t = begin(a, PARENT, "a=b", &off);
    ok(t && !trace_recorded(t) && !trace_attempt(t), "nobody collects: not recorded");
    ok(str_eq(trace_lines(t, NULL, a, STR("A: b\r\n")),
              STR("A: b\r\ntraceparent: " PARENT "\r\ntracestate: a=b\r\n")),
       "what came goes on unchanged");
    ok(str_eq(trace_id(t), STR("4bf92f3577b34da6a3ce929d0e0e4736")), "its id");

    ok(trace_recorded(begin(a, NULL, NULL, &all)), "collected: a new trace");
    ok(!begin(a, NULL, NULL, &none), "not in the sample: no trace");
    ok(trace_recorded(begin(a, PARENT, NULL, &none)), "the parent's word counts: yes");
    t = begin(a, UNSAMPLED, NULL, &all);
    ok(t && !trace_recorded(t), "the parent's word counts: no");
    ok(str_eq(trace_lines(t, NULL, a, STR_NONE), STR("traceparent: " UNSAMPLED "\r\n")),
       "and is passed on");

    struct http_header h[2];
    struct http_headers twice = {.h = h};
    http_headers_add(&twice, STR("traceparent"), STR(PARENT));
    http_headers_add(&twice, STR("traceparent"), STR(UNSAMPLED));
    ok(!trace_begin(a, &twice, STR("/"), &off), "two of them are as none");
    ok(trace_id(NULL).len == 0 && !trace_recorded(NULL) && !trace_content(NULL) &&
           !trace_attempt(NULL) && trace_lines(NULL, NULL, a, STR("x")).len == 1,
       "no trace at all");
}

static struct json_value attribute(struct json_value span, const char *name, const char *kind)
{
    json_each(it, json_get(span, "attributes"))
    {
        if (json_text_is(json_get(it.value, "key"), name))
            return json_get(json_get(it.value, "value"), kind);
    }
    return (struct json_value){0};
}

static bool is(struct json_value span, const char *name, const char *value)
{
    return json_text_is(attribute(span, name, "stringValue"), value);
}

static bool is_int(struct json_value span, const char *name, const char *value)
{
    return json_text_is(attribute(span, name, "intValue"), value);
}

static const char body[] =
    "{\"temperature\":0.5,\"top_p\":1,\"max_tokens\":10,\"max_completion_tokens\":20,\"seed\":7,"
    "\"n\":2,\"stop\":[\"a\",\"\\u00e4\"],\"stream\":true,"
    "\"metadata\":{\"conversation_id\":\"conv_1\"},\"messages\":[]}";

static void fill(struct trace *t)
{
    struct trace_attempt *one = trace_attempt(t), *two = trace_attempt(t);
    *one = (struct trace_attempt){
        .next = one->next,
        .span = one->span,
        .operation = "chat",
        .provider = STR("first"),
        .kind = "openai",
        .model = STR("gpt \"x\""),
        .host = STR("127.0.0.1"),
        .port = 8080,
        .number = 1,
        .start_ns = 2000,
        .end_ns = 3000,
        .status = 500,
        .error = "upstream",
    };
    two->operation = "chat";
    two->kind = "anthropic";
    two->model = STR("claude");
    two->start_ns = 4000;
    two->first_token_ns = 4000 + NS_PER_S / 4;
    two->end_ns = NS_PER_S;
    two->response_id = STR("msg_1");
    two->response_model = STR("claude-1");
    two->finish = STR("stop");
    two->usage_known = true;
    two->input_tokens = 11;
    two->output_tokens = 5;
}

static void test_spans(struct arena *a)
{
    const struct trace_options all = {.to = collector, .sample = 1};
    struct trace *t = begin(a, PARENT, "a=b", &all);
    struct json asked, doc;
    struct spans stages;
    struct buf b;
    struct err e;
    ok(json_parse(&asked, a, str_from(body), 0, &e), "the body");
    trace_asked(t, json_root(&asked));
    fill(t);
    span_init(&stages, a);
    int root = span_open(&stages, "request", 1000);
    span_close(&stages, span_open(&stages, "invoke", 1500), 2500);
    span_close(&stages, root, 9000);
    const struct trace_request how = {
        .id = "req_1",
        .method = STR("POST"),
        .route = "/v1/chat/completions",
        .status = 200,
        .spans = &stages,
        .start_ns = 1000,
        .end_ns = 2 * NS_PER_S,
    };
    buf_init(&b, 1 << 20);
    buf_char(&b, '[');
    ok(trace_encode(t, &how, 500, &b) == 4, "request, stage and two attempts");
    buf_char(&b, ']');
    ok(json_parse(&doc, a, buf_str(&b), JSON_UNIQUE, &e), "they are JSON: %s", e.msg);

    struct json_value server = json_at(json_root(&doc), 0), stage = json_at(json_root(&doc), 1),
                      first = json_at(json_root(&doc), 2), second = json_at(json_root(&doc), 3);
    int64_t n;
    ok(json_text_is(json_get(server, "traceId"), "4bf92f3577b34da6a3ce929d0e0e4736") &&
           json_text_is(json_get(server, "parentSpanId"), "00f067aa0ba902b7") &&
           json_text_is(json_get(server, "traceState"), "a=b"),
       "the trace is continued");
    ok(json_text_is(json_get(server, "name"), "POST /v1/chat/completions") &&
           json_int(json_get(server, "kind"), &n) && n == 2,
       "a server span");
    ok(json_text_is(json_get(server, "startTimeUnixNano"), "1500") &&
           json_text_is(json_get(server, "endTimeUnixNano"), "2000000500"),
       "in wall time");
    ok(is(server, "http.request.method", "POST") &&
           is(server, "url.path", "/v1/chat/completions") &&
           is(server, "http.route", "/v1/chat/completions") &&
           is_int(server, "http.response.status_code", "200"),
       "its attributes");
    struct str id = json_text(json_get(server, "spanId"), a);
    ok(id.len == 16 && json_text_is_str(json_get(stage, "parentSpanId"), id) &&
           json_text_is_str(json_get(first, "parentSpanId"), id) &&
           json_text_is_str(json_get(second, "parentSpanId"), id),
       "the others are below it");
    ok(json_text_is(json_get(first, "name"), "chat gpt \"x\"") &&
           json_int(json_get(first, "kind"), &n) && n == 3 && is_int(first, "server.port", "8080"),
       "a client span");
    ok(json_int(json_path(first, "status.code"), &n) && n == 2 &&
           is(first, "error.type", "upstream") && is_int(first, "http.response.status_code", "500"),
       "the first attempt failed");
    double d;
    ok(json_double(attribute(second, "gen_ai.request.temperature", "doubleValue"), &d) &&
           d == 0.5 && is_int(second, "gen_ai.request.max_tokens", "20") &&
           is_int(second, "gen_ai.request.seed", "7") &&
           is_int(second, "gen_ai.request.choice.count", "2") &&
           is(second, "gen_ai.conversation.id", "conv_1") &&
           json_text_is(json_path(attribute(second, "gen_ai.request.stop_sequences", "arrayValue"),
                                  "values.1.stringValue"),
                        "\xc3\xa4"),
       "what was asked for");
    ok(!json_exists(json_path(second, "status.code")) &&
           is(second, "gen_ai.response.id", "msg_1") &&
           is(second, "gen_ai.provider.name", "anthropic") &&
           is_int(second, "gen_ai.usage.input_tokens", "11") &&
           is_int(second, "gen_ai.usage.output_tokens", "5"),
       "the second was good");
    ok(json_double(attribute(second, "gen_ai.response.time_to_first_chunk", "doubleValue"), &d) &&
           d == 0.25,
       "time to first chunk in seconds");
    buf_fini(&b);
}

static void test_unknown(struct arena *a)
{
    const struct trace_options all = {.to = collector, .sample = 1};
    struct spans none;
    struct buf b;
    span_init(&none, a);
    buf_init(&b, 1 << 20);
    trace_encode(begin(a, NULL, NULL, &all),
                 &(struct trace_request){.method = STR("BREW"),

                                         .spans = &none,
                                         .status = 404,
                                         .start_ns = 9,
                                         .end_ns = 8},
                 0, &b);
    ok(str_find(buf_str(&b), STR("BREW")) == STR_NPOS &&
           str_find(buf_str(&b), STR("\"name\":\"_OTHER\"")) != STR_NPOS &&
           str_find(buf_str(&b), STR("parentSpanId")) == STR_NPOS,
       "names come from a closed set");
    ok(str_find(buf_str(&b), STR("\"endTimeUnixNano\":\"9\"")) != STR_NPOS,
       "no span ends before it began");
    buf_fini(&b);
}

int main(void)
{
    struct arena *a = arena_new();
    test_who(a);
    test_spans(a);
    test_unknown(a);
    arena_free(a);
    return tap_done();
}
