/* What a chat completion says to a provider of another protocol: every member is read, or says
 * nothing, or is refused by name. */
#include "gateway/chat_expand.h"
#include "gateway/chat_read.h"

#include "tap.h"

#define BODY(rest) "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]" rest "}"
#define SAID(...) "{\"model\":\"m\",\"messages\":[" __VA_ARGS__ "]}"
#define PARTS(...) SAID("{\"role\":\"user\",\"content\":[" __VA_ARGS__ "]}")
#define TOOL(rest) "{\"type\":\"function\",\"function\":{\"name\":\"f\"" rest "}}"

static const struct {
    const char *body, *param; /* NULL: can be said */
} cases[] = {
    {BODY(""), NULL},
    {BODY(",\"n\":1,\"logprobs\":false,\"top_logprobs\":0,\"logit_bias\":{},\"store\":false,"
          "\"metadata\":{},\"service_tier\":\"auto\",\"verbosity\":\"medium\",\"modalities\":["
          "\"text\"],\"audio\":null,\"frequency_penalty\":0,\"presence_penalty\":0.0,\"functions\":"
          "[],\"new\":null,\"tools\":[],\"stop\":null,\"response_format\":{\"type\":\"text\"}"),
     NULL},
    {BODY(",\"n\":2"), "n"},
    {BODY(",\"logprobs\":true"), "logprobs"},
    {BODY(",\"logit_bias\":{\"1\":2}"), "logit_bias"},
    {BODY(",\"modalities\":[\"text\",\"audio\"]"), "modalities"},
    {BODY(",\"audio\":{\"voice\":\"x\"}"), "audio"},
    {BODY(",\"prediction\":{\"type\":\"content\"}"), "prediction"},
    {BODY(",\"web_search_options\":{\"a\":1}"), "web_search_options"},
    {BODY(",\"store\":true"), "store"},
    {BODY(",\"metadata\":{\"a\":\"b\"}"), "metadata"},
    {BODY(",\"service_tier\":\"flex\""), "service_tier"},
    {BODY(",\"verbosity\":\"low\""), "verbosity"},
    {BODY(",\"user\":7"), "user"},
    {BODY(",\"new\":0"), "new"},
    {BODY(",\"functions\":[{\"name\":\"f\"}]"), "functions"},
    {BODY(",\"stream\":true,\"stream_options\":{\"include_usage\":true,\"new\":1}"),
     "stream_options.new"},
    {BODY(",\"top_k\":\"many\""), "top_k"},
    {BODY(",\"reasoning_effort\":3"), "reasoning_effort"},
    {BODY(",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"f\"}}]"), "tools[0].type"},
    {BODY(",\"tools\":[" TOOL("") "," TOOL(",\"new\":1") "]"), "tools[1].function.new"},
    {BODY(",\"tools\":[" TOOL(",\"parameters\":1") "]"), "tools[0].function.parameters"},
    {BODY(",\"tools\":[" TOOL(",\"strict\":\"no\"") "]"), "tools[0].function.strict"},
    {BODY(",\"tool_choice\":{\"type\":\"allowed_tools\",\"x\":1}"), "tool_choice.type"},
    {BODY(",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\"}}"),
     "response_format.json_schema.schema"},
    {BODY(",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
          "\"schema\":{},\"description\":\"d\"}}"),
     "response_format.json_schema.description"},
    {SAID("{\"role\":\"user\",\"content\":\"hi\",\"name\":\"ann\"}"), "messages[0].name"},
    {SAID("{\"role\":\"assistant\",\"content\":\"hi\",\"audio\":{\"id\":\"a\"}}"),
     "messages[0].audio"},
    {SAID("{\"role\":\"assistant\",\"content\":\"hi\",\"audio\":null,\"refusal\":null,"
          "\"annotations\":[{\"type\":\"file_citation\"}]}"),
     NULL},
    {SAID("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"custom\",\"custom\":{}}"
          "]}"),
     "messages[0].tool_calls[0].type"},
    {SAID("{\"role\":\"assistant\",\"thinking_blocks\":[{\"type\":\"new\"}]}"),
     "messages[0].thinking_blocks[0].type"},
    {PARTS("{\"type\":\"text\",\"text\":\"a\",\"new\":1}"), "messages[0].content[0].new"},
    {PARTS("{\"type\":\"image_url\",\"image_url\":{}}"), "messages[0].content[0].image_url.url"},
    {PARTS("{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png,x\"}}"),
     "messages[0].content[0].image_url.url"},
    {PARTS("{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\",\"new\":1}}"),
     "messages[0].content[0].image_url.new"},
    {PARTS("{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\"}}"),
     "messages[0].content[0].file.file_data"},
    {PARTS("{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AA\"}}"),
     "messages[0].content[0].input_audio.format"},
    {PARTS("{\"type\":\"text\",\"text\":\"a\",\"cache_control\":\"yes\"}"),
     "messages[0].content[0].cache_control"},
};

static bool expand(struct chat_request *r, const char *body, struct arena *a, struct err *e)
{
    struct json doc;
    *r = (struct chat_request){0};
    ok(json_parse(&doc, a, str_from(body), JSON_UNIQUE, e) && chat_read(r, &doc, a, e),
       "is read: %s", body);
    return r->expand(r, a, e);
}

static bool is(struct str s, const char *text)
{
    return str_eq(s, str_from(text));
}

static void test_options(struct arena *a)
{
    struct chat_request r;
    struct err e;
    bool good = expand(
        &r,
        BODY(",\"temperature\":0.70,\"top_p\":1e-1,\"top_k\":40,\"seed\":123456789012345678,"
             "\"frequency_penalty\":-0.5,\"presence_penalty\":1,\"stop\":[\"a\",\"\\u0062\"],"
             "\"max_completion_tokens\":9,\"parallel_tool_calls\":false,\"reasoning_effort\":"
             "\"low\",\"user\":\"u\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
             "\"f\",\"description\":\"d\",\"parameters\":{\"type\": \"object\"},\"strict\":true},"
             "\"cache_control\":{\"type\":\"ephemeral\"}}],\"tool_choice\":{\"type\":"
             "\"function\",\"function\":{\"name\":\"f\"}},\"response_format\":{\"type\":"
             "\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"a\": 1},\"strict\":"
             "true}}"),
        a, &e);
    ok(good, "all options: %s", good ? "" : e.msg);
    if (!good)
        return;
    const struct chat_options *o = r.options;
    ok(is(o->temperature, "0.70") && is(o->top_p, "1e-1") && is(o->top_k, "40") &&
           is(o->seed, "123456789012345678") && is(o->frequency_penalty, "-0.5") &&
           is(o->presence_penalty, "1"),
       "numbers as they are spelled");
    ok(o->n_stop == 2 && is(o->stop[0], "a") && is(o->stop[1], "b"), "stop");
    ok(r.max_tokens == 9 && is(r.user, "u") && o->one_tool_at_a_time && is(o->effort, "low"),
       "limits, user, effort");
    ok(o->n_tools == 1 && is(o->tool[0].name, "f") && is(o->tool[0].description, "d") &&
           is(o->tool[0].schema, "{\"type\": \"object\"}") && o->tool[0].strict &&
           is(o->tool[0].cache, "{\"type\":\"ephemeral\"}"),
       "tools");
    ok(o->tool_choice == CHOICE_NAMED && is(o->tool_name, "f"), "tool choice");
    ok(o->format == FORMAT_SCHEMA && is(o->format_name, "n") && o->format_strict &&
           is(o->format_schema, "{\"a\": 1}") && r.rigid,
       "format");
    ok(expand(&r, BODY(",\"stop\":\"x\",\"frequency_penalty\":0"), a, &e) &&
           r.options->n_stop == 1 && is(r.options->stop[0], "x") &&
           r.options->frequency_penalty.len == 0 && !r.rigid,
       "one stop, no penalty");
}

static void test_messages(struct arena *a)
{
    struct chat_request r;
    struct err e;
    bool good = expand(
        &r,
        SAID("{\"role\":\"system\",\"content\":\"s\",\"cache_control\":{\"type\":\"ephemeral\"}},"
             "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"t\",\"cache_control\":"
             "{\"type\":\"ephemeral\",\"ttl\":\"1h\"}},{\"type\":\"image_url\",\"image_url\":{"
             "\"url\":\"data:image/png;base64,AAAA\",\"detail\":\"low\"}},{\"type\":\"image_url\","
             "\"image_url\":{\"url\":\"https://x/y.png\"}},{\"type\":\"file\",\"file\":{"
             "\"filename\":\"a.pdf\",\"file_data\":\"data:application/pdf;base64,BBBB\"}},"
             "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"CC\",\"format\":\"wav\"}}]},"
             "{\"role\":\"assistant\",\"content\":\"c\",\"reasoning_content\":\"why\","
             "\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"why\",\"signature\":"
             "\"sig\"},{\"type\":\"redacted_thinking\",\"data\":\"red\"}],\"tool_calls\":[{\"id\":"
             "\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":"
             "12345678901234567890\"}},{\"id\":\"c2\",\"function\":{\"name\":\"g\",\"arguments\":"
             "\"\"}}]},"
             "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"r1\"},"
             "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"name\":\"g\",\"content\":[{\"type\":"
             "\"text\",\"text\":\"r2\"}]},"
             "{\"role\":\"assistant\",\"content\":null,\"refusal\":\"no\",\"function_call\":{"
             "\"name\":\"h\",\"arguments\":\"{}\"}},"
             "{\"role\":\"function\",\"name\":\"h\",\"content\":\"r3\"},"
             "{\"role\":\"assistant\",\"reasoning_content\":\"hm\"}"),
        a, &e);
    ok(good && r.n_messages == 8, "all kinds of messages: %s", good ? "" : e.msg);
    if (!good)
        return;
    const struct chat_message *m = r.message;
    ok(m[0].n_parts == 1 && is(m[0].part[0].text, "s") && m[0].part[0].cache.len > 0,
       "a marker on a message is on its last part");
    const struct chat_part *p = m[1].part;
    ok(m[1].n_parts == 5 && is(p[0].text, "t") &&
           is(p[0].cache, "{\"type\":\"ephemeral\",\"ttl\":\"1h\"}"),
       "a marker on a part");
    ok(p[1].kind == PART_IMAGE && is(p[1].media_type, "image/png") && is(p[1].data, "AAAA") &&
           is(p[1].name, "low") && p[1].url.len == 0,
       "an image as data");
    ok(p[2].kind == PART_IMAGE && is(p[2].url, "https://x/y.png") && p[2].data.len == 0,
       "an image by its address");
    ok(p[3].kind == PART_FILE && is(p[3].name, "a.pdf") && is(p[3].data, "BBBB") &&
           is(p[3].media_type, "application/pdf"),
       "a file");
    ok(p[4].kind == PART_AUDIO && is(p[4].data, "CC") && is(p[4].media_type, "wav"), "audio");
    p = m[2].part;
    ok(m[2].n_parts == 5 && p[0].kind == PART_THINKING && is(p[0].text, "why") &&
           is(p[0].signature, "sig") && p[1].kind == PART_REDACTED_THINKING &&
           is(p[1].data, "red") && p[2].kind == PART_TEXT,
       "reasoning comes once, with its signature, before the text");
    ok(p[3].kind == PART_TOOL_CALL && is(p[3].id, "c1") && is(p[3].name, "f") &&
           is(p[3].text, "{\"a\":12345678901234567890") && is(p[4].id, "c2"),
       "calls with their arguments as they were written");
    ok(m[3].n_parts == 1 && m[3].part->kind == PART_TOOL_RESULT && is(m[3].part->id, "c1") &&
           is(m[3].part->text, "r1") && m[3].part->n_parts == 0,
       "a result");
    ok(m[4].n_parts == 1 && m[4].part->n_parts == 1 && is(m[4].part->part->text, "r2") &&
           is(m[4].part->text, "r2"),
       "a result of parts");
    p = m[5].part;
    ok(m[5].n_parts == 2 && p[0].kind == PART_REFUSAL && is(p[0].text, "no") &&
           p[1].kind == PART_TOOL_CALL && is(p[1].name, "h") && p[1].id.len > 0,
       "a refusal, and a call in the old form");
    ok(m[6].n_parts == 1 && m[6].part->kind == PART_TOOL_RESULT && str_eq(m[6].part->id, p[1].id) &&
           is(m[6].part->text, "r3"),
       "... with its result");
    ok(m[7].n_parts == 1 && m[7].part->kind == PART_THINKING && is(m[7].part->text, "hm"),
       "reasoning without blocks");
}

int main(void)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct chat_request r;
        struct err e = {0};
        bool good = expand(&r, cases[i].body, a, &e);
        if (cases[i].param)
            ok(!good && strcmp(e.param, cases[i].param) == 0 && !r.options, "refused for %s: %s",
               cases[i].param, good ? "passed" : e.param);
        else
            ok(good && r.options, "can be said: %s", good ? cases[i].body : e.msg);
    }
    test_options(a);
    test_messages(a);
    arena_free(a);
    return tap_done();
}
