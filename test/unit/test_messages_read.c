/* Which requests of Anthropic's protocol pass, and which field the others are told about. */
#include "gateway/messages_read.h"

#include "tap.h"

#define USER "\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define BLOCK(b)                                                                                   \
    "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[" b "]}]}"

static const struct {
    const char *body, *param; /* NULL = passes */
} cases[] = {
    {"{\"model\":\"m\"," USER "}", NULL},
    {"{" USER "}", "model"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", "max_tokens"},
    {"{\"model\":\"m\",\"max_tokens\":0,\"messages\":[]}", "max_tokens"},
    {"{\"model\":\"m\",\"max_tokens\":1.5,\"messages\":[]}", "max_tokens"},
    {"{\"model\":\"m\",\"max_tokens\":9}", "messages"},
    {"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[]}", "messages"},
    {"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[1]}", "messages[0]"},
    {"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"content\":\"x\"}]}", "messages[0].role"},
    {"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"system\",\"content\":\"x\"}]}",
     "messages[0].role"},
    {"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\"}]}",
     "messages[0].content"},
    {"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":1}]}",
     "messages[0].content"},
    {BLOCK("1"), "messages[0].content[0]"},
    {BLOCK("{}"), "messages[0].content[0].type"},
    {BLOCK("{\"type\":\"text\"}"), "messages[0].content[0].text"},
    {BLOCK("{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"image\"}"),
     "messages[0].content[1].source"},
    {BLOCK("{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"n\",\"input\":\"{}\"}"),
     "messages[0].content[0].input"},
    {BLOCK("{\"type\":\"tool_result\"}"), "messages[0].content[0].tool_use_id"},
    {BLOCK("{\"type\":\"thinking\",\"thinking\":\"x\"}"), "messages[0].content[0].signature"},
    {BLOCK("{\"type\":\"something_new\",\"x\":1}"), NULL},
    {"{\"model\":\"m\",\"system\":1," USER "}", "system"},
    {"{\"model\":\"m\",\"system\":[{\"type\":\"text\"}]," USER "}", "system[0].text"},
    {"{\"model\":\"m\",\"temperature\":1.1," USER "}", "temperature"},
    {"{\"model\":\"m\",\"stream\":1," USER "}", "stream"},
    {"{\"model\":\"m\",\"stop_sequences\":\"x\"," USER "}", "stop_sequences"},
    {"{\"model\":\"m\",\"stop_sequences\":[1]," USER "}", "stop_sequences"},
    {"{\"model\":\"m\",\"metadata\":{\"user_id\":1}," USER "}", "metadata.user_id"},
    {"{\"model\":\"m\",\"metadata\":{\"user_id\":null}," USER "}", NULL},
    {"{\"model\":\"m\",\"tools\":{}," USER "}", "tools"},
    {"{\"model\":\"m\",\"tools\":[{\"input_schema\":{}}]," USER "}", "tools[0].name"},
    {"{\"model\":\"m\",\"tools\":[{\"name\":\"f\"}]," USER "}", "tools[0].input_schema"},
    {"{\"model\":\"m\",\"tools\":[{\"type\":\"bash_20250124\",\"name\":\"bash\"}]," USER "}", NULL},
    {"{\"model\":\"m\",\"tool_choice\":\"auto\"," USER "}", "tool_choice"},
    {"{\"model\":\"m\",\"tool_choice\":{\"type\":\"required\"}," USER "}", "tool_choice.type"},
    {"{\"model\":\"m\",\"tool_choice\":{\"type\":\"tool\"}," USER "}", "tool_choice.name"},
    {"{\"model\":\"m\",\"tool_choice\":{\"type\":\"tool\",\"name\":\"g\"},\"tools\":[{\"name\":"
     "\"f\",\"input_schema\":{}}]," USER "}",
     "tool_choice.name"},
    {"{\"model\":\"m\",\"thinking\":{\"type\":\"on\"}," USER "}", "thinking.type"},
    {"{\"model\":\"m\",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":9}," USER "}",
     "thinking.budget_tokens"},
    {"{\"model\":\"m\",\"thinking\":{\"type\":\"adaptive\"}," USER "}", NULL},
    {"{\"model\":\"m\",\"something_new\":[1,2]," USER "}", NULL},
};

static bool read_text(struct arena *a, const char *body, struct chat_request *req, struct err *e)
{
    struct json doc;
    ok(json_parse(&doc, a, str_from(body), 0, e), "is JSON: %s", body);
    return messages_read(req, &doc, a, e);
}

int main(void)
{
    struct arena *a = arena_new();
    struct err e;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct chat_request req = {.op = OP_CHAT};
        bool good = read_text(a, cases[i].body, &req, &e);
        if (cases[i].param)
            ok(!good && strcmp(e.param, cases[i].param) == 0, "refused for %s: %s", cases[i].param,
               good ? "passed" : e.msg);
        else
            ok(good, "passes: %s", good ? cases[i].body : e.msg);
    }

    struct chat_request req = {.op = OP_CHAT};
    ok(read_text(a,
                 "{\"model\":\"m\",\"stream\":true,\"max_tokens\":5,\"metadata\":{\"user_id\":"
                 "\"u\"},\"system\":[{\"type\":\"text\",\"text\":\"be\"},{\"type\":\"text\","
                 "\"text\":\"brief\"}],\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
                 "\"text\",\"text\":\"on\\u0065\"}]},{\"role\":\"assistant\",\"content\":\"x\"}]}",
                 &req, &e),
       "a longer one");
    ok(req.n_messages == 3 && req.message[0].role == CHAT_SYSTEM &&
           str_eq(req.message[0].text, STR("be\n\nbrief")) && !json_exists(req.message[0].raw),
       "the system prompt is the first message");
    ok(req.message[1].role == CHAT_USER && str_eq(req.message[1].text, STR("one")) &&
           req.message[2].role == CHAT_ASSISTANT && str_eq(req.message[2].text, STR("x")),
       "then come the others");
    ok(req.dialect == CHAT_ANTHROPIC && req.stream && req.max_tokens == 5 && !req.rigid &&
           str_eq(req.user, STR("u")) && req.expand,
       "and the rest is in its place");

    struct chat_request count = {.op = OP_COUNT_TOKENS}, thinks = {.op = OP_CHAT};
    ok(read_text(a, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
                 &count, &e),
       "to count no limit is needed");
    ok(read_text(a,
                 "{\"model\":\"m\",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}," USER
                 "}",
                 &thinks, &e) &&
           thinks.rigid,
       "an answer with thinking cannot be taken up");
    arena_free(a);
    return tap_done();
}
