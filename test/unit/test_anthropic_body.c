/* What is sent to a server that speaks Anthropic's protocol: a client's own bytes where it can be,
 * all of the canonical request where it cannot, and a refusal with the field's name for the rest.
 */
#include "model/anthropic_body.h"

#include "tap.h"

#define PARTS(...)                                                                                 \
    .part = (struct chat_part[]){__VA_ARGS__}, .n_parts = COUNT(((struct chat_part[]){__VA_ARGS__}))
#define MESSAGES(...)                                                                              \
    .message = (struct chat_message[]){__VA_ARGS__},                                               \
    .n = COUNT(((struct chat_message[]){__VA_ARGS__}))
#define SAYS(words)                                                                                \
    {                                                                                              \
        .kind = PART_TEXT, .text = STR_INIT(words)                                                 \
    }
#define USER(words)                                                                                \
    {                                                                                              \
        .role = CHAT_USER, .text = STR_INIT(words), PARTS(SAYS(words))                             \
    }
#define USER_PART(...)                                                                             \
    {                                                                                              \
        .role = CHAT_USER, PARTS({__VA_ARGS__})                                                    \
    }
#define MARK "{\"type\":\"ephemeral\"}"
#define HI "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]}]"
#define HEAD "{\"model\":\"claude-test\",\"max_tokens\":32000,"
#define OPTIONS(...) .options = {__VA_ARGS__}

static const struct body_case {
    const char *name;
    struct chat_message *message;
    size_t n;
    struct chat_options options;
    int64_t max_tokens;
    bool stream;
    struct str user;
    enum chat_op op;
    const char *upstream; /* NULL: "claude-test" */
    const char *want;     /* the body; NULL: refused ... */
    const char *param;    /* ... with this field's name */
} cases[] = {
    {"a question; a limit is supplied", MESSAGES(USER("Hi")), .want = HEAD HI "}"},
    {"all that has a name of its own", MESSAGES(USER("Hi")),
     OPTIONS(.temperature = STR_INIT("0.70"), .top_p = STR_INIT("0.9"), .top_k = STR_INIT("40"),
             .stop = (struct str[]){STR_INIT("a\"b"), STR_INIT("c")}, .n_stop = 2),
     .max_tokens = 7, .stream = true, .user = STR_INIT("u1"),
     .want = "{\"model\":\"claude-test\",\"max_tokens\":7," HI
             ",\"temperature\":0.70,\"top_p\":0.9,\"top_k\":40,\"stop_sequences\":[\"a\\\"b\","
             "\"c\"],\"metadata\":{\"user_id\":\"u1\"},\"stream\":true}"},
    {"system and developer messages go in front",
     MESSAGES({.role = CHAT_SYSTEM,
               .text = STR_INIT("One."),
               PARTS({.kind = PART_TEXT, .text = STR_INIT("One."), .cache = STR_INIT(MARK)})},
              USER("Hi"), {.role = CHAT_DEVELOPER, .text = STR_INIT("Two."), PARTS(SAYS("Two."))}),
     .want = HEAD "\"system\":[{\"type\":\"text\",\"cache_control\":" MARK ",\"text\":\"One.\"},"
                  "{\"type\":\"text\",\"text\":\"Two.\"}]," HI "}"},
    {"neighbours of a kind become one turn, empty texts go",
     MESSAGES(USER("a"), USER(""), USER("b")),
     .want =
         HEAD "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
              "{\"type\":\"text\",\"text\":\"b\"}]}]}"},
    {"tools: two calls, their results, what the user adds",
     MESSAGES(USER("Hi"),
              {.role = CHAT_ASSISTANT,
               PARTS(SAYS("Let me see."),
                     {.kind = PART_TOOL_CALL,
                      .id = STR_INIT("call_1"),
                      .name = STR_INIT("f"),
                      .text = STR_INIT("{\"x\": 1e2}")},
                     {.kind = PART_TOOL_CALL, .id = STR_INIT("call_2"), .name = STR_INIT("g")})},
              {.role = CHAT_TOOL,
               PARTS({.kind = PART_TOOL_RESULT,
                      .id = STR_INIT("call_1"),
                      .text = STR_INIT("r1"),
                      .cache = STR_INIT(MARK)})},
              {.role = CHAT_TOOL,
               PARTS({.kind = PART_TOOL_RESULT,
                      .id = STR_INIT("call_2"),
                      .failed = true,
                      PARTS(SAYS("r2"))})},
              USER("So?")),
     .want =
         HEAD "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]},"
              "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"Let me see.\"},"
              "{\"type\":\"tool_use\",\"id\":\"call_1\",\"name\":\"f\",\"input\":{\"x\": 1e2}},"
              "{\"type\":\"tool_use\",\"id\":\"call_2\",\"name\":\"g\",\"input\":{}}]},"
              "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"cache_control\":" MARK
              ",\"tool_use_id\":\"call_1\",\"content\":\"r1\"},"
              "{\"type\":\"tool_result\",\"tool_use_id\":\"call_2\",\"is_error\":true,\"content\":["
              "{\"type\":\"text\",\"text\":\"r2\"}]},{\"type\":\"text\",\"text\":\"So?\"}]}]}"},
    {"thinking with its signature comes first, what has none does not come",
     MESSAGES(USER("Hi"),
              {.role = CHAT_ASSISTANT,
               PARTS(SAYS("So."),
                     {.kind = PART_THINKING, .text = STR_INIT("Hm."), .signature = STR_INIT("s+=")},
                     {.kind = PART_THINKING, .text = STR_INIT("unsigned")},
                     {.kind = PART_REDACTED_THINKING, .data = STR_INIT("d")})},
              USER("?")),
     .want =
         HEAD "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]},"
              "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"Hm.\","
              "\"signature\":\"s+=\"},{\"type\":\"redacted_thinking\",\"data\":\"d\"},"
              "{\"type\":\"text\",\"text\":\"So.\"}]},"
              "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"?\"}]}]}"},
    {"images and documents",
     MESSAGES({.role = CHAT_USER,
               PARTS({.kind = PART_IMAGE,
                      .data = STR_INIT("aGk="),
                      .media_type = STR_INIT("image/png"),
                      .name = STR_INIT("auto"),
                      .cache = STR_INIT(MARK)},
                     {.kind = PART_IMAGE, .url = STR_INIT("https://x/y.png")},
                     {.kind = PART_FILE,
                      .data = STR_INIT("JVBE"),
                      .name = STR_INIT("a.pdf"),
                      .media_type = STR_INIT("application/pdf")},
                     {.kind = PART_FILE,
                      .text = STR_INIT("plain"),
                      .media_type = STR_INIT("text/plain")})}),
     .want =
         HEAD "\"messages\":[{\"role\":\"user\",\"content\":["
              "{\"type\":\"image\",\"cache_control\":" MARK ",\"source\":{\"type\":\"base64\","
              "\"media_type\":\"image/png\",\"data\":\"aGk=\"}},"
              "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x/y.png\"}},"
              "{\"type\":\"document\",\"title\":\"a.pdf\",\"source\":{\"type\":\"base64\","
              "\"media_type\":\"application/pdf\",\"data\":\"JVBE\"}},"
              "{\"type\":\"document\",\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\","
              "\"data\":\"plain\"}}]}]}"},
    {"tools, and one that must be called", MESSAGES(USER("Hi")),
     OPTIONS(.tool = (struct chat_tool[]){{.name = STR_INIT("f"),
                                           .description = STR_INIT("does"),
                                           .schema = STR_INIT("{\"type\":\"object\"}"),
                                           .strict = true,
                                           .cache = STR_INIT(MARK)},
                                          {.name = STR_INIT("g")}},
             .n_tools = 2, .tool_choice = CHOICE_NAMED, .tool_name = STR_INIT("f"),
             .one_tool_at_a_time = true),
     .want = HEAD HI ",\"tools\":[{\"name\":\"f\",\"description\":\"does\",\"input_schema\":"
                     "{\"type\":\"object\"},\"strict\":true,\"cache_control\":" MARK
                     "},{\"name\":\"g\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}}],"
                     "\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\","
                     "\"disable_parallel_tool_use\":true}}"},
    {"any tool", MESSAGES(USER("Hi")),
     OPTIONS(.tool = (struct chat_tool[]){{.name = STR_INIT("g")}}, .n_tools = 1,
             .tool_choice = CHOICE_REQUIRED),
     .want = HEAD HI ",\"tools\":[{\"name\":\"g\",\"input_schema\":{\"type\":\"object\","
                     "\"properties\":{}}}],\"tool_choice\":{\"type\":\"any\"}}"},
    {"no tool, one at a time", MESSAGES(USER("Hi")),
     OPTIONS(.tool = (struct chat_tool[]){{.name = STR_INIT("g")}}, .n_tools = 1,
             .tool_choice = CHOICE_NONE, .one_tool_at_a_time = true),
     .want = HEAD HI ",\"tools\":[{\"name\":\"g\",\"input_schema\":{\"type\":\"object\","
                     "\"properties\":{}}}],\"tool_choice\":{\"type\":\"none\"}}"},
    {"a set form", MESSAGES(USER("Hi")),
     OPTIONS(.format = FORMAT_SCHEMA, .format_schema = STR_INIT("{\"type\":\"object\"}")),
     .want = HEAD HI ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":"
                     "{\"type\":\"object\"}}}}"},
    {"an effort, for a model that chooses", MESSAGES(USER("Hi")),
     OPTIONS(.effort = STR_INIT("medium")),
     .want = HEAD "\"thinking\":{\"type\":\"adaptive\"}," HI
                  ",\"output_config\":{\"effort\":\"medium\"}}"},
    {"an effort, for one that does not", MESSAGES(USER("Hi")), OPTIONS(.effort = STR_INIT("high")),
     .upstream = "claude-sonnet-4-5",
     .want = "{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":32000,\"thinking\":{\"type\":"
             "\"enabled\",\"budget_tokens\":24576}," HI "}"},
    {"half of what is allowed is for the answer", MESSAGES(USER("Hi")),
     OPTIONS(.effort = STR_INIT("high")), .max_tokens = 4000, .upstream = "x",
     .want = "{\"model\":\"x\",\"max_tokens\":4000,\"thinking\":{\"type\":\"enabled\","
             "\"budget_tokens\":2000}," HI "}"},
    {"an unknown model thinks and has room to answer", MESSAGES(USER("Hi")),
     OPTIONS(.thinking_tokens = 5000), .upstream = "x",
     .want = "{\"model\":\"x\",\"max_tokens\":9096,\"thinking\":{\"type\":\"enabled\","
             "\"budget_tokens\":5000}," HI "}"},
    {"no effort", MESSAGES(USER("Hi")), OPTIONS(.effort = STR_INIT("none")), .want = HEAD HI "}"},
    {"counting names what is read alone", MESSAGES(USER("Hi")),
     OPTIONS(.temperature = STR_INIT("1"), .tool = (struct chat_tool[]){{.name = STR_INIT("g")}},
             .n_tools = 1),
     .op = OP_COUNT_TOKENS, .max_tokens = 5,
     .want = "{\"model\":\"claude-test\"," HI ",\"tools\":[{\"name\":\"g\",\"input_schema\":"
             "{\"type\":\"object\",\"properties\":{}}}]}"},
    {"penalties of 0 are none", MESSAGES(USER("Hi")),
     OPTIONS(.frequency_penalty = STR_INIT("0"), .presence_penalty = STR_INIT("0.0")),
     .want = HEAD HI "}"},

    {"a seed", MESSAGES(USER("Hi")), OPTIONS(.seed = STR_INIT("0")), .param = "seed"},
    {"a penalty", MESSAGES(USER("Hi")), OPTIONS(.presence_penalty = STR_INIT("0.1")),
     .param = "presence_penalty"},
    {"another penalty", MESSAGES(USER("Hi")), OPTIONS(.frequency_penalty = STR_INIT("-1")),
     .param = "frequency_penalty"},
    {"too hot", MESSAGES(USER("Hi")), OPTIONS(.temperature = STR_INIT("1.01")),
     .param = "temperature"},
    {"JSON of no set form", MESSAGES(USER("Hi")), OPTIONS(.format = FORMAT_JSON),
     .param = "response_format"},
    {"an effort nobody knows", MESSAGES(USER("Hi")), OPTIONS(.effort = STR_INIT("huge")),
     .param = "reasoning_effort"},
    {"no room to think", MESSAGES(USER("Hi")), OPTIONS(.effort = STR_INIT("low")),
     .max_tokens = 1500, .upstream = "x", .param = "reasoning_effort"},
    {"more thinking than answer", MESSAGES(USER("Hi")), OPTIONS(.thinking_tokens = 2000),
     .max_tokens = 2000, .param = "max_tokens"},
    {"sound", MESSAGES(USER("Hi"), USER_PART(.kind = PART_AUDIO, .data = STR_INIT("x"))),
     .param = "messages[1].content"},
    {"a file by id", MESSAGES(USER_PART(.kind = PART_FILE, .id = STR_INIT("file-1"))),
     .param = "messages[0].content"},
    {"a file of another kind",
     MESSAGES(USER_PART(.kind = PART_FILE, .data = STR_INIT("x"), .media_type = STR_INIT("a/b"))),
     .param = "messages[0].content"},
    {"an image in detail",
     MESSAGES(USER_PART(.kind = PART_IMAGE, .url = STR_INIT("x"), .name = STR_INIT("low"))),
     .param = "messages[0].content"},
    {"arguments that are no object",
     MESSAGES(USER("Hi"),
              {.role = CHAT_ASSISTANT, PARTS({.kind = PART_TOOL_CALL, .text = STR_INIT("[1]")})}),
     .param = "messages[1].tool_calls"},
    {"arguments that are no JSON",
     MESSAGES(USER("Hi"), {.role = CHAT_ASSISTANT,
                           PARTS({.kind = PART_TOOL_CALL, .text = STR_INIT("{\"x\":")})}),
     .param = "messages[1].tool_calls"},
    {"a system message alone",
     MESSAGES({.role = CHAT_SYSTEM, .text = STR_INIT("One."), PARTS(SAYS("One."))}),
     .param = "messages"},
};

struct asking {
    struct provider p;
    struct target target;
    struct call call;
    struct attempt attempt;
};

static void prepare(struct asking *q, struct arena *a, const char *upstream)
{
    *q =
        (struct asking){.p = {.name = STR("p"), .vendor = vendor_find(STR("anthropic"))},
                        .target = {.provider = &q->p, .upstream = str_from(upstream)},
                        .call = {.arena = a, .early = a},
                        .attempt = {.call = &q->call, .target = &q->target, .said = &q->call.said}};
}

static struct str body_of(struct asking *q, struct err *e)
{
    size_t n = 0;
    const struct str *part = anthropic_body(&q->attempt, &n, e);
    struct str all = STR_NONE;
    for (size_t i = 0; part && i < n; i++)
        all = arena_printf(q->call.arena, "%.*s%.*s", STR_FMT(all), STR_FMT(part[i]));
    return all;
}

static void run_case(const struct body_case *t)
{
    struct arena *a = arena_new();
    struct asking q;
    struct err e = {0};
    struct chat_options options = t->options;
    struct json doc;
    prepare(&q, a, t->upstream ? t->upstream : "claude-test");
    q.call.req = (struct chat_request){.op = t->op,
                                       .dialect = CHAT_OPENAI,
                                       .model = STR("m"),
                                       .message = t->message,
                                       .n_messages = t->n,
                                       .max_tokens = t->max_tokens,
                                       .stream = t->stream,
                                       .user = t->user,
                                       .options = &options};
    struct str body = body_of(&q, &e);
    if (t->want) {
        ok(str_eq(body, str_from(t->want)), "%s: %.*s %s", t->name, STR_FMT(body), e.msg);
        ok(json_parse(&doc, a, body, JSON_UNIQUE, NULL), "%s: it is JSON", t->name);
    } else {
        ok(!body.p && e.code == ERR_INVALID && strcmp(e.param, t->param) == 0, "%s: '%s' %s",
           t->name, e.param, e.msg);
    }
    arena_free(a);
}

/* ---- From a client of the same protocol ---- */

#define OWN(model, more, limit)                                                                    \
    "{ \"model\":" model ", \"system\":[{\"type\":\"text\",\"text\":\"S\\u00e4\","                 \
    "\"cache_control\":{\"type\":\"ephemeral\"}}],\"messages\": [ {\"role\":\"user\","             \
    "\"content\":\"Hi\"} " more "],\"max_tokens\": " limit ",\"unknown\":1e3"

static void make_own(struct asking *q, struct arena *a, const char *upstream)
{
    struct err e;
    prepare(q, a, upstream);
    q->call.req =
        (struct chat_request){.dialect = CHAT_ANTHROPIC, .model = STR("m"), .max_tokens = 64};
    json_parse(&q->call.req.body, a,
               STR(OWN("\"m\"", "", "64") ", \"thinking\":{\"type\":\"disabled\"} }"), 0, &e);
}

static void test_own(void)
{
    struct arena *a = arena_new();
    struct asking q;
    struct err e = {0};
    make_own(&q, a, "m");
    ok(str_eq(body_of(&q, &e), q.call.req.body.text), "no byte of a client's own body is touched");
    make_own(&q, a, "claude-x");
    ok(str_eq(body_of(&q, &e),
              STR(OWN("\"claude-x\"", "", "64") ", \"thinking\":{\"type\":\"disabled\"} }")),
       "but for the model");
    q.attempt.resume = true;
    q.attempt.resume_from = 9;
    buf_init(&q.call.said.text, 100);
    buf_add(&q.call.said.text, STR("Hello \"b\" and more"));
    struct str body = body_of(&q, &e);
    struct json doc;
    int64_t limit = 0;
    ok(json_parse(&doc, a, body, 0, &e), "taken up: it is JSON: %s", e.msg);
    struct json_value root = json_root(&doc);
    ok(json_text_is(json_path(root, "messages.1.content"), "Hello \"b\"") &&
           json_text_is(json_path(root, "messages.1.role"), "assistant"),
       "what was said is the beginning of the answer");
    ok(json_int(json_get(root, "max_tokens"), &limit) && limit > 50 && limit < 64,
       "it counts for the limit");
    ok(!json_exists(json_get(root, "thinking")), "and nothing is thought anew");
    buf_fini(&q.call.said.text);
    arena_free(a);
}

/* ---- Grounded, resumed ---- */

static const struct passage passage = {.name = STR("a.md"), .text = STR("Text."), .tokens = 2};

static bool expanded;
static bool expand(struct chat_request *r, struct arena *a, struct err *e)
{
    static struct chat_part system = SAYS("Be brief."),
                            image = {.kind = PART_IMAGE, .url = STR("u")};
    (void)e;
    r->options = arena_struct(a, struct chat_options);
    r->message[0].part = &system;
    r->message[0].n_parts = 1;
    r->message[1].part = &image;
    r->message[1].n_parts = 1;
    expanded = true;
    return true;
}

static void test_grounded(void)
{
    struct arena *a = arena_new();
    struct asking q;
    struct err e = {0};
    struct json doc;
    struct chat_message m[] = {{.role = CHAT_SYSTEM, .text = STR("Be brief.")},
                               {.role = CHAT_USER, .text = STR("Where?")}};
    prepare(&q, a, "claude-test");
    q.call.req = (struct chat_request){.dialect = CHAT_ANTHROPIC,
                                       .message = m,
                                       .n_messages = 2,
                                       .grounded = true,
                                       .passage = &passage,
                                       .n_passages = 1,
                                       .expand = expand};
    struct str body = body_of(&q, &e);
    if (!ok(json_parse(&doc, a, body, 0, &e), "grounded: it is JSON: %s", e.msg))
        return;
    struct json_value root = json_root(&doc);
    struct str rules = json_text(json_path(root, "system.0.text"), a);
    struct str passages = json_text(json_path(root, "messages.0.content.0.text"), a);
    ok(expanded, "the request was read in full");
    ok(str_find(rules, STR("Answer the question")) == 0 &&
           json_count(json_get(root, "system")) == 2,
       "rules come first, the application's behind them");
    ok(str_find(passages, STR("<passage source=\"a.md\">")) == 0 &&
           json_text_is(json_path(root, "messages.0.content.1.type"), "image"),
       "passages stand in front of the question");
    arena_free(a);
}

static void test_resumed(void)
{
    struct arena *a = arena_new();
    struct asking q;
    struct err e = {0};
    struct chat_options options = {.effort = STR("high")};
    struct chat_message m = USER("Hi");
    prepare(&q, a, "claude-sonnet-4-5");
    q.call.req = (struct chat_request){.dialect = CHAT_OPENAI,
                                       .message = &m,
                                       .n_messages = 1,
                                       .max_tokens = 100,
                                       .options = &options};
    q.attempt.resume = true;
    q.attempt.resume_from = 4;
    buf_init(&q.call.said.text, 100);
    buf_add(&q.call.said.text, STR("One "));
    ok(str_eq(body_of(&q, &e),
              STR("{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":99,\"messages\":[{\"role\":"
                  "\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]},{\"role\":"
                  "\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"One\"}]}]}")),
       "an answer is taken up without white space at its end, without thinking");
    buf_fini(&q.call.said.text);
    arena_free(a);
}

int main(void)
{
    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(&cases[i]);
    test_own();
    test_grounded();
    test_resumed();
    return tap_done();
}
