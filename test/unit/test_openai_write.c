/* What a server of OpenAI's protocol is sent for a client of another one. */
#include "model/openai_body.h"
#include "gateway/chat_read.h"

#include "tap.h"

#define MARK "\"cache_control\":{\"type\":\"ephemeral\"}"

static const struct passage passage = {.name = STR("a.md"), .text = STR("Text."), .tokens = 2};

/* Requests as the chat codec reads them, for their messages and options come out as they went in.
 */
static const struct {
    const char *name, *vendor, *in, *out; /* out NULL: as it came in */
} same[] = {
    {"a plain one", "ollama",
     "{\"model\":\"u\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\","
     "\"content\":\"a \\\"b\\\"\"},{\"role\":\"assistant\",\"content\":\"c\"}],\"max_tokens\":5,"
     "\"temperature\":0.70,\"top_p\":1e-1}",
     NULL},
    {"all options", "vllm",
     "{\"model\":\"u\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"max_tokens\":5,"
     "\"temperature\":1,\"top_p\":0.9,\"top_k\":40,\"seed\":123456789012345678,"
     "\"frequency_penalty\":-1,\"presence_penalty\":0.5,\"stop\":[\"x\",\"y\"],\"tools\":[{"
     "\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\",\"parameters\":{"
     "\"a\": 1.0},\"strict\":true}," MARK "}],\"tool_choice\":{\"type\":\"function\",\"function\":"
     "{\"name\":\"f\"}},\"parallel_tool_calls\":false,\"response_format\":{\"type\":"
     "\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"b\":[ ]},\"strict\":true}},"
     "\"reasoning_effort\":\"high\",\"user\":\"me\",\"stream\":true,\"stream_options\":{"
     "\"include_usage\":true}}",
     NULL},
    {"OpenAI's own spelling", "openai",
     "{\"model\":\"u\",\"messages\":[{\"role\":\"developer\",\"content\":[{\"type\":\"text\","
     "\"text\":\"a\"," MARK "}]}],\"max_tokens\":5,\"stream\":true}",
     "{\"model\":\"u\",\"messages\":[{\"role\":\"system\",\"content\":\"a\"}],"
     "\"max_completion_tokens\":5,\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
    {"what Mistral refuses", "mistral",
     "{\"model\":\"u\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\","
     "\"content\":\"b\",\"reasoning_content\":\"r\"},{\"role\":\"user\",\"content\":\"c\"}],"
     "\"user\":\"me\",\"stream\":true}",
     "{\"model\":\"u\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\","
     "\"content\":\"b\"},{\"role\":\"user\",\"content\":\"c\"}],\"stream\":true}"},
    {"parts", "openai-compatible",
     "{\"model\":\"u\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
     "\"a\"," MARK "},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,"
     "AA+/\",\"detail\":\"low\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/y\"}},"
     "{\"type\":\"file\",\"file\":{\"filename\":\"f.pdf\",\"file_data\":\"data:application/"
     "pdf;base64,BB==\"}},{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"CC\",\"format\":"
     "\"wav\"}}]}]}",
     NULL},
    {"tools in parallel, and their results", "openai-compatible",
     "{\"model\":\"u\",\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
     "\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"n\\\":"
     "12345678901234567890}\"}},{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"g\","
     "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"1\"," MARK
     "},{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"2\"}]}",
     NULL},
    {"reasoning and its signatures", "openai-compatible",
     "{\"model\":\"u\",\"messages\":[{\"role\":\"assistant\",\"content\":\"b\","
     "\"reasoning_content\":\"why\",\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":"
     "\"why\",\"signature\":\"sig\"},{\"type\":\"redacted_thinking\",\"data\":\"red\"}]}]}",
     NULL},
    {"a tool must be called; JSON", "openai-compatible",
     "{\"model\":\"u\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tools\":[{\"type\":"
     "\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"required\","
     "\"response_format\":{\"type\":\"json_object\"}}",
     NULL},
};

static struct call call;
static struct attempt attempt;
static struct target target;
static struct provider provider;

/* What is sent, "" when it is refused. */
static struct str sent(struct chat_request *r, const char *vendor, struct arena *a, struct err *e)
{
    size_t n = 0;
    provider = (struct provider){.name = STR("p"), .vendor = vendor_find(str_from(vendor))};
    target = (struct target){.provider = &provider, .upstream = STR("u")};
    call = (struct call){.arena = a, .early = a, .req = *r, .said = call.said};
    attempt.call = &call;
    attempt.target = &target;
    const struct str *part = openai_body(&attempt, &n, e);
    ok(!part || n == 1, "in one piece");
    return part ? *part : STR_NONE;
}

static void read(struct chat_request *r, const char *body, struct arena *a)
{
    struct json doc;
    struct err e = {0};
    *r = (struct chat_request){0};
    ok(json_parse(&doc, a, str_from(body), JSON_UNIQUE, &e) && chat_read(r, &doc, a, &e),
       "is read: %s", e.msg);
    r->dialect = CHAT_ANTHROPIC; /* as if it had come in another dialect */
}

static void expect(struct str got, const char *want, const char *name, const struct err *e)
{
    ok(str_eq(got, str_from(want)), "%s%s%s", name, got.len ? "" : ": ", got.len ? "" : e->msg);
    if (!str_eq(got, str_from(want)))
        printf("# got  %.*s\n# want %s\n", STR_FMT(got), want);
}

static void test_same(struct arena *a)
{
    for (size_t i = 0; i < COUNT(same); i++) {
        struct chat_request r;
        struct err e = {0};
        read(&r, same[i].in, a);
        expect(sent(&r, same[i].vendor, a, &e), same[i].out ? same[i].out : same[i].in,
               same[i].name, &e);
    }
}

/* What other protocols say in their own way. */
static void test_foreign(struct arena *a)
{
    struct chat_part inner[] = {
        {.kind = PART_TEXT, .text = STR("see")},
        {.kind = PART_IMAGE, .media_type = STR("image/png"), .data = STR("AA")}};
    struct chat_part image[] = {{.kind = PART_IMAGE, .url = STR("https://x")}};
    struct chat_part turn[] = {
        {.kind = PART_TOOL_RESULT, .id = STR("c1"), .text = STR("no such file"), .failed = true},
        {.kind = PART_TOOL_RESULT, .id = STR("c2"), .part = inner, .n_parts = 2},
        {.kind = PART_TOOL_RESULT, .id = STR("c3"), .part = image, .n_parts = 1},
        {.kind = PART_TEXT, .text = STR("go on")},
        {.kind = PART_FILE,
         .media_type = STR("text/plain"),
         .name = STR("n.txt"),
         .text = STR("plain")},
    };
    struct chat_message m = {.role = CHAT_USER, .part = turn, .n_parts = COUNT(turn)};
    struct chat_options options = {.thinking_tokens = 8192};
    struct chat_request r = {.dialect = CHAT_ANTHROPIC,
                             .model = STR("m"),
                             .message = &m,
                             .n_messages = 1,
                             .options = &options};
    struct err e = {0};
    expect(sent(&r, "openai-compatible", a, &e),
           "{\"model\":\"u\",\"messages\":["
           "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"Error: no such file\"},"
           "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"see\"},"
           "{\"role\":\"tool\",\"tool_call_id\":\"c3\",\"content\":"
           "\"(The result is in the next message.)\"},"
           "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Result of the tool call "
           "c2:\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA\"}}]},"
           "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Result of the tool call "
           "c3:\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x\"}}]},"
           "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"go on\"},{\"type\":"
           "\"text\",\"text\":\"n.txt\\n\\nplain\"}]}],\"reasoning_effort\":\"medium\"}",
           "results with images, failures, text files, a budget", &e);

    options = (struct chat_options){.top_k = STR("5")};
    ok(sent(&r, "openai", a, &e).len == 0 && e.code == ERR_INVALID && strcmp(e.param, "top_k") == 0,
       "top_k is refused by name where it is not known: %s", e.msg);
    options = (struct chat_options){0};
    turn[3] = (struct chat_part){.kind = PART_FILE, .url = STR("https://x/a.pdf")};
    ok(sent(&r, "openai", a, &e).len == 0 && e.code == ERR_INVALID &&
           strcmp(e.param, "messages[0].content[3]") == 0,
       "a file by its address, too: %s", e.msg);
    struct chat_message two[] = {{.role = CHAT_SYSTEM, .text = STR("s")}, m};
    r.message = two;
    r.n_messages = 2;
    ok(sent(&r, "openai", a, &e).len == 0 && strcmp(e.param, "messages[0].content[3]") == 0,
       "... as the client counts, whose system text is no message: %s", e.param);
    r.options = NULL;
    ok(sent(&r, "openai", a, &e).len == 0 && e.code == ERR_INVALID && strcmp(e.param, "model") == 0,
       "what cannot be read in full is not sent: %s", e.msg);
}

/* Memory in proportion to the request, however many texts it is cut into. */
static void test_many_texts(void)
{
    enum { N = 5000, BYTES = 100 * N };
    static struct chat_part text[N];
    struct arena *a = arena_new();
    struct chat_part turn[] = {
        {.kind = PART_TOOL_RESULT, .id = STR("c1"), .part = text, .n_parts = N}};
    struct chat_message m[] = {{.role = CHAT_USER, .part = turn, .n_parts = 1},
                               {.role = CHAT_ASSISTANT, .part = text, .n_parts = N}};
    struct chat_options options = {0};
    struct chat_request r = {.model = STR("m"), .message = m, .n_messages = 1, .options = &options};
    struct err e = {0};
    for (size_t i = 0; i < N; i++)
        text[i] = (struct chat_part){.kind = PART_TEXT, .text = STR("a")};
    ok(sent(&r, "openai-compatible", a, &e).len > 3 * (N - 1) && arena_used(a) < BYTES,
       "many texts of a result: %zu bytes", arena_used(a));
    for (size_t i = 0; i < N; i++)
        text[i].kind = PART_THINKING;
    r.message = &m[1];
    ok(sent(&r, "openai-compatible", a, &e).len > 3 * (N - 1) && arena_used(a) < 2 * BYTES,
       "many thoughts: %zu bytes", arena_used(a));
    arena_free(a);
}

static void test_grounded(struct arena *a)
{
    struct chat_request r;
    struct err e = {0};
    read(&r,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"Be kind.\"},{\"role\":"
         "\"user\",\"content\":\"What?\"}]}",
         a);
    r.grounded = true;
    r.passage = &passage;
    r.n_passages = 1;
    struct str body = sent(&r, "openai", a, &e);
    size_t rules = str_find(body, STR("cite the passage")), own = str_find(body, STR("Be kind.")),
           text = str_find(body, STR("Text.")), question = str_find(body, STR("What?"));
    ok(body.len && rules < own && own < text && text < question && question != STR_NPOS,
       "grounded: rules, the application's words, passages, the question");
    ok(str_find(str_from_at(body, rules + 1), STR("cite the passage")) == STR_NPOS &&
           str_find(str_from_at(body, own + 1), STR("Be kind.")) == STR_NPOS,
       "each once");
}

static void test_resumed(struct arena *a)
{
    struct chat_request r;
    struct err e = {0};
    read(&r,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"max_tokens\":"
         "100}",
         a);
    buf_init(&call.said.text, 1000);
    buf_add(&call.said.text, STR("Once upon "));
    attempt.resume = true;
    attempt.resume_from = call.said.text.len;
    expect(sent(&r, "mistral", a, &e),
           "{\"model\":\"u\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":"
           "\"assistant\",\"content\":\"Once upon\",\"prefix\":true}],\"max_tokens\":98}",
           "an answer is taken up", &e);
    expect(sent(&r, "vllm", a, &e),
           "{\"model\":\"u\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":"
           "\"assistant\",\"content\":\"Once upon\"}],\"max_tokens\":98,\"add_generation_prompt\":"
           "false,\"continue_final_message\":true}",
           "... by a server that must be told so", &e);
    buf_fini(&call.said.text);
}

int main(void)
{
    struct arena *a = arena_new();
    test_same(a);
    test_foreign(a);
    test_grounded(a);
    test_many_texts();
    test_resumed(a);
    arena_free(a);
    return tap_done();
}
