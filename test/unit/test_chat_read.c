/* Which chat requests pass, and which field the others are told about. */
#include "gateway/chat_read.h"

#include "tap.h"

#define USER "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static const struct {
    const char *body, *param; /* NULL = passes */
} cases[] = {
    {"{\"model\":\"m\"," USER "}", NULL},
    {"{" USER "}", "model"},
    {"{\"model\":1," USER "}", "model"},
    {"{\"model\":\"\"," USER "}", "model"},
    {"{\"model\":\"m\"}", "messages"},
    {"{\"model\":\"m\",\"messages\":[]}", "messages"},
    {"{\"model\":\"m\",\"messages\":\"hi\"}", "messages"},
    {"{\"model\":\"m\",\"messages\":[1]}", "messages[0]"},
    {"{\"model\":\"m\",\"messages\":[{\"content\":\"x\"}]}", "messages[0].role"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"boss\",\"content\":\"x\"}]}", "messages[0].role"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}", "messages[0].content"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":null}]}",
     "messages[0].content"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[]}]}", "messages[0].content"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"video\"}]}]}",
     "messages[0].content[0].type"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
     "\"image_url\":{\"url\":\"data:\"}},{\"type\":\"text\",\"text\":\"x\"}]}]}",
     NULL},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
     "\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]},"
     "{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"1\"}]}",
     NULL},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"content\":\"1\"}]}",
     "messages[0].tool_call_id"},
    {"{\"model\":\"m\"," USER ",\"temperature\":2.1}", "temperature"},
    {"{\"model\":\"m\"," USER ",\"temperature\":\"1\"}", "temperature"},
    {"{\"model\":\"m\"," USER ",\"temperature\":null}", NULL},
    {"{\"model\":\"m\"," USER ",\"n\":0}", "n"},
    {"{\"model\":\"m\"," USER ",\"n\":1.5}", "n"},
    {"{\"model\":\"m\"," USER ",\"max_tokens\":0}", "max_tokens"},
    {"{\"model\":\"m\"," USER ",\"stream\":\"yes\"}", "stream"},
    {"{\"model\":\"m\"," USER ",\"stream_options\":{\"include_usage\":true}}", "stream_options"},
    {"{\"model\":\"m\"," USER ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
     NULL},
    {"{\"model\":\"m\"," USER ",\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}", "stop"},
    {"{\"model\":\"m\"," USER ",\"tools\":[{\"type\":\"function\",\"function\":{}}]}",
     "tools[0].function.name"},
    {"{\"model\":\"m\"," USER ",\"tool_choice\":\"sometimes\"}", "tool_choice"},
    {"{\"model\":\"m\"," USER ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":"
     "\"g\"}},\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}",
     "tool_choice.function.name"},
    {"{\"model\":\"m\"," USER ",\"response_format\":{\"type\":\"xml\"}}", "response_format.type"},
    {"{\"model\":\"m\"," USER ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{}}}",
     "response_format.json_schema.name"},
    {"{\"model\":\"m\"," USER ",\"something_new\":[1,2]}", NULL},
};

int main(void)
{
    struct arena *a = arena_new();
    struct json doc;
    struct err e;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct chat_request req = {0};
        ok(json_parse(&doc, a, str_from(cases[i].body), 0, &e), "case %zu is JSON", i);
        bool good = chat_read(&req, &doc, a, &e);
        if (cases[i].param)
            ok(!good && strcmp(e.param, cases[i].param) == 0, "refused for %s: %s", cases[i].param,
               good ? "passed" : e.msg);
        else
            ok(good, "passes: %s", cases[i].body);
    }

    struct chat_request req = {0};
    ok(json_parse(&doc, a,
                  STR("{\"model\":\"m\",\"stream\":true,\"max_completion_tokens\":5,\"messages\":["
                      "{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\","
                      "\"content\":[{\"type\":\"text\",\"text\":\"one\"},{\"type\":\"text\","
                      "\"text\":\"tw\\u006f\"}]}]}"),
                  0, &e) &&
           chat_read(&req, &doc, a, &e),
       "a longer one");
    ok(req.n_messages == 2 && req.message[0].role == CHAT_SYSTEM && req.stream &&
           req.max_tokens == 5 && str_eq(req.message[1].text, STR("one\n\ntwo")),
       "is read into the canonical request");
    static const char *const rigid[] = {",\"n\":2", ",\"logprobs\":true",
                                        ",\"response_format\":{\"type\":\"json_object\"}"};
    static const char *const loose[] = {"", ",\"n\":1,\"logprobs\":false",
                                        ",\"response_format\":{\"type\":\"text\"}"};
    for (size_t i = 0; i < COUNT(rigid) + COUNT(loose); i++) {
        bool want = i < COUNT(rigid);
        const char *more = want ? rigid[i] : loose[i - COUNT(rigid)];
        req = (struct chat_request){0};
        ok(json_parse(&doc, a, arena_printf(a, "{\"model\":\"m\"," USER "%s}", more), 0, &e) &&
               chat_read(&req, &doc, a, &e) && req.rigid == want && req.op == OP_CHAT && req.expand,
           "can%s be taken up: '%s'", want ? "not" : "", more);
    }
    arena_free(a);
    return tap_done();
}
