/* What transcript promises: the text of question and answer, in whatever dialect it passes, and
 * every event unchanged to the next. */
#include "gateway/transcript.h"

#include "tap.h"

static struct otlp *const collector = (struct otlp *)&tap_count; /* nothing is sent here */
static size_t passed;

static bool pass(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    (void)sink;
    (void)ev;
    (void)e;
    passed++;
    return true;
}

static const struct {
    const char *name;
    bool stream;
    struct chat_event event[3];
    const char *said;
} cases[] = {
    {"canonical",
     false,
     {{CHAT_TEXT, .text = STR_INIT("a\"b")}, {CHAT_TEXT, .text = STR_INIT("c")}},
     "a\"bc"},
    {"a whole chat completion",
     false,
     {{CHAT_RAW, .raw = STR_INIT("{\"choices\":[{\"message\":{\"content\":\"whole\"}}]}")}},
     "whole"},
    {"a whole message",
     false,
     {{CHAT_RAW, .raw = STR_INIT("{\"content\":[{\"type\":\"text\",\"text\":\"one\"},{\"type\":"
                                 "\"tool_use\"},{\"type\":\"text\",\"text\":\" two\"}]}")}},
     "one two"},
    {"chunks",
     true,
     {{CHAT_RAW, .raw = STR_INIT("data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"
                                 "data: {\"choices\":[{\"delta\":{\"content\":\"y\"}}]}\n\n")},
      {CHAT_RAW, .raw = STR_INIT("data: {\"choices\":[]}\n\n")}},
     "xy"},
    {"Anthropic's events",
     true,
     {{CHAT_RAW, .raw = STR_INIT("event: content_block_delta\ndata: {\"delta\":{\"type\":"
                                 "\"text_delta\",\"text\":\"z\"}}\n\n")}},
     "z"},
    {"nothing that can be read", true, {{CHAT_RAW, .raw = STR_INIT("data: {broken\n\n")}}, NULL},
};

/* What the exported span would say. */
static bool exported(struct trace *t, const char *attribute, const char *path, const char *text,
                     struct arena *a)
{
    struct spans none;
    struct json doc, inner;
    struct buf b;
    bool found = false;
    struct trace_attempt *at = trace_attempt(t);
    at->operation = "chat";
    span_init(&none, a);
    buf_init(&b, 1 << 20);
    buf_char(&b, '[');
    trace_encode(t, &(struct trace_request){.id = "", .spans = &none}, 0, &b);
    buf_char(&b, ']');
    struct str all = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    CHECK(json_parse(&doc, a, all, 0, NULL));
    json_each(it, json_path(json_root(&doc), "1.attributes"))
    {
        struct str value = json_text(json_path(it.value, "value.stringValue"), a);
        if (json_text_is(json_get(it.value, "key"), attribute))
            found = text && json_parse(&inner, a, value, 0, NULL) &&
                    json_text_is(json_path(json_root(&inner), path), text);
    }
    return text ? found : !str_eq(all, STR_NONE) && !found;
}

int main(void)
{
    struct arena *a = arena_new();
    const struct http_headers none = {0};
    const struct trace_options with = {.to = collector, .sample = 1, .content = true},
                               without = {.to = collector, .sample = 1};
    struct chat_sink next = {pass};
    struct err e;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct call c = {.arena = a, .req.stream = cases[i].stream};
        c.trace = trace_begin(a, &none, STR("/"), &with);
        struct chat_sink *sink = transcript_answer(&c, &next);
        passed = 0;
        size_t sent = 0;
        for (; sent < COUNT(cases[i].event) &&
               (cases[i].event[sent].text.len || cases[i].event[sent].raw.len);
             sent++)
            sink->event(sink, &cases[i].event[sent], &e);
        ok(passed == sent &&
               exported(c.trace, "gen_ai.output.messages", "0.parts.0.content", cases[i].said, a),
           "%s", cases[i].name);
    }

    struct chat_message message[] = {{.role = CHAT_SYSTEM, .text = STR("be brief")},
                                     {.role = CHAT_USER, .text = STR("why?")}};
    struct call c = {.arena = a, .req.message = message, .req.n_messages = 2};
    CHECK(json_parse(&c.req.body, a, STR("{\"messages\":[]}"), 0, &e));
    c.trace = trace_begin(a, &none, STR("/"), &with);
    transcript_question(&c);
    ok(exported(c.trace, "gen_ai.input.messages", "1.parts.0.content", "why?", a), "the question");
    c.trace = trace_begin(a, &none, STR("/"), &without);
    transcript_question(&c);
    ok(exported(c.trace, "gen_ai.input.messages", "", NULL, a), "not when it is not wanted");
    arena_free(a);
    return tap_done();
}
