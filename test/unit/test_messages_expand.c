/* What a request of Anthropic's protocol says to a provider of another one, and what cannot be
 * said.
 */
#include "gateway/messages_expand.h"
#include "gateway/messages_read.h"

#include "tap.h"

#define REQUEST(more) "{\"model\":\"m\",\"max_tokens\":9" more "}"
#define HI ",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define BLOCK(b) REQUEST(",\"messages\":[{\"role\":\"user\",\"content\":[" b "]}]")
#define SOURCE(s) BLOCK("{\"type\":\"document\",\"source\":" s "}")

static const struct {
    const char *body, *param; /* NULL = passes */
} cases[] = {
    {REQUEST(HI), NULL},
    {REQUEST(HI ",\"container\":null,\"mcp_servers\":[]"), NULL},
    {REQUEST(HI ",\"container\":\"c\""), "container"},
    {REQUEST(HI ",\"context_management\":{\"edits\":[]}"), "context_management"},
    {REQUEST(HI ",\"service_tier\":\"auto\""), NULL},
    {REQUEST(HI ",\"service_tier\":\"standard_only\""), "service_tier"},
    {REQUEST(HI ",\"metadata\":{\"user_id\":\"u\",\"more\":1}"), "metadata.more"},
    {REQUEST(HI ",\"thinking\":{\"type\":\"adaptive\",\"display\":\"omitted\"}"),
     "thinking.display"},
    {REQUEST(HI ",\"output_config\":{\"effort\":\"max\"}"), "output_config.effort"},
    {REQUEST(HI ",\"output_config\":\"low\""), "output_config"},
    {REQUEST(HI ",\"output_config\":{\"format\":{\"type\":\"grammar\"}}"),
     "output_config.format.type"},
    {REQUEST(HI ",\"tools\":[{\"type\":\"bash_20250124\",\"name\":\"bash\"}]"), "tools[0].type"},
    {REQUEST(HI ",\"tools\":[{\"name\":\"f\",\"input_schema\":{},\"defer_loading\":true}]"),
     "tools[0].defer_loading"},
    {REQUEST(HI ",\"tools\":[{\"name\":\"f\",\"input_schema\":{},\"defer_loading\":false}]"), NULL},
    {REQUEST(",\"system\":[{\"type\":\"image\",\"source\":{}}]" HI), "system[0].type"},
    {REQUEST(",\"messages\":[{\"role\":\"user\",\"content\":\"hi\",\"name\":\"x\"}]"),
     "messages[0].name"},
    {BLOCK("{\"type\":\"search_result\"}"), "messages[0].content[0].type"},
    {BLOCK("{\"type\":\"text\",\"text\":\"x\",\"extra\":1}"), "messages[0].content[0].extra"},
    {BLOCK("{\"type\":\"text\",\"text\":\"x\",\"citations\":[{\"type\":\"char_location\"}]}"),
     NULL},
    {BLOCK("{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":\"f\"}}"),
     "messages[0].content[0].source.type"},
    {BLOCK("{\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"n\",\"input\":{},\"caller\":{\"type\":"
           "\"code_execution_20250825\"}}"),
     "messages[0].content[0].caller"},
    {BLOCK("{\"type\":\"tool_result\",\"tool_use_id\":\"i\",\"content\":[{\"type\":\"text\","
           "\"text\":\"x\"},{\"type\":\"search_result\"}]}"),
     "messages[0].content[0].content[1].type"},
    {SOURCE("{\"type\":\"content\",\"content\":\"x\"}"), "messages[0].content[0].source.type"},
    {BLOCK("{\"type\":\"document\",\"context\":\"c\",\"source\":{\"type\":\"url\",\"url\":\"u\"}}"),
     "messages[0].content[0].context"},
    {BLOCK("{\"type\":\"document\",\"citations\":{\"enabled\":true},\"source\":{\"type\":\"url\","
           "\"url\":\"u\"}}"),
     "messages[0].content[0].citations"},
    {BLOCK("{\"type\":\"document\",\"citations\":true,\"source\":{\"type\":\"url\","
           "\"url\":\"u\"}}"),
     "messages[0].content[0].citations"},
    {BLOCK("{\"type\":\"document\",\"citations\":{\"enabled\":false},\"source\":{\"type\":\"url\","
           "\"url\":\"u\"}}"),
     NULL},
};

static bool expand(struct arena *a, const char *body, struct chat_request *req, struct err *e)
{
    struct json doc;
    *req = (struct chat_request){.op = OP_CHAT};
    bool read = json_parse(&doc, a, str_from(body), 0, e) && messages_read(req, &doc, a, e);
    ok(read, "is read: %s", read ? body : e->msg);
    return read && req->expand(req, a, e);
}

static bool is(struct str s, const char *text)
{
    return str_eq(s, str_from(text));
}

static void test_cases(struct arena *a)
{
    struct chat_request req;
    struct err e;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool good = expand(a, cases[i].body, &req, &e);
        if (cases[i].param)
            ok(!good && strcmp(e.param, cases[i].param) == 0, "refused for %s: %s", cases[i].param,
               good ? "passed" : e.msg);
        else
            ok(good, "passes: %s", good ? cases[i].body : e.msg);
    }
}

static void test_parts(struct arena *a)
{
    struct chat_request req;
    struct err e;
    const char body[] = REQUEST(
        ",\"cache_control\":{\"type\":\"ephemeral\"},\"system\":[{\"type\":\"text\",\"text\":\"s\","
        "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}],\"messages\":[{\"role\":"
        "\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":"
        "\"image/png\",\"data\":\"AA\"}},{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":"
        "\"u\"}},{\"type\":\"document\",\"title\":\"t\",\"source\":{\"type\":\"text\","
        "\"media_type\":\"text/plain\",\"data\":\"d\"}}]},{\"role\":\"assistant\",\"content\":[{"
        "\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"sig\"},{\"type\":"
        "\"redacted_thinking\",\"data\":\"xx\"},{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":"
        "\"f\",\"input\":{\"n\":12345678901234567890}}]},{\"role\":\"user\",\"content\":[{\"type\":"
        "\"tool_result\",\"tool_use_id\":\"toolu_1\",\"is_error\":true,\"content\":[{\"type\":"
        "\"text\",\"text\":\"r\"}]},{\"type\":\"text\",\"text\":\"go on\"}]}]");
    ok(expand(a, body, &req, &e), "a conversation with everything in it");
    const struct chat_part *s = req.message[0].part, *u = req.message[1].part,
                           *m = req.message[2].part, *r = req.message[3].part;
    ok(req.message[0].n_parts == 1 && is(s[0].text, "s") &&
           is(s[0].cache, "{\"type\":\"ephemeral\",\"ttl\":\"1h\"}"),
       "the system prompt keeps its cache marker as it is spelled");
    ok(u[0].kind == PART_IMAGE && is(u[0].media_type, "image/png") && is(u[0].data, "AA"),
       "an image by its bytes");
    ok(u[1].kind == PART_IMAGE && is(u[1].url, "u"), "an image by its address");
    ok(u[2].kind == PART_FILE && is(u[2].text, "d") && is(u[2].name, "t") &&
           is(u[2].media_type, "text/plain"),
       "a document that is text");
    ok(m[0].kind == PART_THINKING && is(m[0].text, "hm") && is(m[0].signature, "sig"), "thinking");
    ok(m[1].kind == PART_REDACTED_THINKING && is(m[1].data, "xx"), "redacted thinking");
    ok(m[2].kind == PART_TOOL_CALL && is(m[2].id, "toolu_1") && is(m[2].name, "f") &&
           is(m[2].text, "{\"n\":12345678901234567890}"),
       "a tool's call with all digits of its input");
    ok(r[0].kind == PART_TOOL_RESULT && r[0].failed && is(r[0].id, "toolu_1") &&
           r[0].n_parts == 1 && is(r[0].part[0].text, "r"),
       "its result, which is an error");
    ok(r[1].kind == PART_TEXT && is(r[1].text, "go on") &&
           is(r[1].cache, "{\"type\":\"ephemeral\"}"),
       "a marker for the whole request stands at its last block");
    ok(req.prompt_tokens > 0, "what is no text is counted");
}

static void test_options(struct arena *a)
{
    struct chat_request req;
    struct err e;
    const char body[] = REQUEST(
        HI ",\"temperature\":0.70,\"top_p\":1e-1,\"top_k\":5,\"stop_sequences\":[\"a\",\"b\"],"
           "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048},\"output_config\":{"
           "\"effort\":\"low\",\"format\":{\"type\":\"json_schema\",\"schema\":{\"a\":1}}},"
           "\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"b\":2},\"strict\":"
           "true,\"cache_control\":{\"type\":\"ephemeral\"}}],\"tool_choice\":{\"type\":\"tool\","
           "\"name\":\"f\",\"disable_parallel_tool_use\":true}");
    ok(expand(a, body, &req, &e), "all options at once");
    const struct chat_options *o = req.options;
    ok(is(o->temperature, "0.70") && is(o->top_p, "1e-1") && is(o->top_k, "5"),
       "numbers are spelled as they came");
    ok(o->n_stop == 2 && is(o->stop[1], "b"), "stop sequences");
    ok(o->thinking_tokens == 2048 && is(o->effort, "low"), "thinking");
    ok(o->format == FORMAT_SCHEMA && is(o->format_schema, "{\"a\":1}") && o->format_strict,
       "the form of the answer");
    ok(o->n_tools == 1 && is(o->tool[0].name, "f") && is(o->tool[0].description, "d") &&
           is(o->tool[0].schema, "{\"b\":2}") && o->tool[0].strict &&
           is(o->tool[0].cache, "{\"type\":\"ephemeral\"}"),
       "a tool");
    ok(o->tool_choice == CHOICE_NAMED && is(o->tool_name, "f") && o->one_tool_at_a_time,
       "the choice of it");
}

int main(void)
{
    struct arena *a = arena_new();
    test_cases(a);
    test_parts(a);
    test_options(a);
    arena_free(a);
    return tap_done();
}
