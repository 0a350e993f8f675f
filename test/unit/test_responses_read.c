/* Which requests of OpenAI's Responses pass, which field the others are told about, and what
 * becomes of items. */
#include "gateway/responses_read.h"

#include "tap.h"

#define M "{\"model\":\"m\","
#define IN(i) M "\"input\":[" i "]}"
#define WITH(f) M "\"input\":\"hi\"," f "}"
#define CALL "{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"},"

static const struct {
    const char *body, *param; /* NULL = passes */
} cases[] = {
    {WITH("\"store\":false"), NULL},
    {"{\"input\":\"hi\"}", "model"},
    {M "\"x\":[]}", "input"},
    {M "\"input\":1}", "input"},
    {IN(""), "input"},
    {IN("1"), "input[0]"},
    {IN("{}"), "input[0].type"},
    {IN("{\"type\":\"computer_call\"}"), "input[0].type"},
    {IN("{\"role\":\"robot\",\"content\":\"x\"}"), "input[0].role"},
    {IN("{\"role\":\"user\"}"), "input[0].content"},
    {IN("{\"role\":\"user\",\"content\":[]}"), "input[0].content"},
    {IN("{\"role\":\"user\",\"content\":[{\"type\":\"input_text\"}]}"), "input[0].content[0].text"},
    {IN("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\"}]}"),
     "input[0].content[0].image_url"},
    {IN("{\"role\":\"user\",\"content\":\"x\",\"mood\":1}"), "input[0].mood"},
    {IN("{\"role\":\"user\",\"content\":\"x\",\"mood\":null}"), NULL},
    {IN(CALL "{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"x\"}"), NULL},
    {IN("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"x\"}"), "input"},
    {IN(CALL "{\"type\":\"function_call_output\",\"call_id\":\"d\",\"output\":\"x\"}"), "input"},
    {IN("{\"type\":\"file_search_call\",\"id\":\"fs_1\"}"), "input"},
    {IN("{\"type\":\"item_reference\",\"id\":\"msg_1\"}"), "input[0].id"},
    {WITH("\"conversation\":\"c\""), "conversation"},
    {WITH("\"conversation\":null"), NULL},
    {WITH("\"background\":true"), "background"},
    {WITH("\"background\":false"), NULL},
    {WITH("\"prompt\":{\"id\":\"p\"}"), "prompt"},
    {WITH("\"tools\":[{\"type\":\"mcp\"}]"), "tools[0].type"},
    {WITH("\"tools\":[{\"type\":\"file_search\",\"vector_store_ids\":[\"a\"],\"max_num_results\":"
          "51}]"),
     "tools[0].max_num_results"},
    {WITH("\"tools\":[{\"type\":\"file_search\",\"vector_store_ids\":[\"a\"],\"ranking_options\":"
          "{\"score_threshold\":2}}]"),
     "tools[0].ranking_options.score_threshold"},
    {WITH("\"tools\":[{\"type\":\"file_search\",\"vector_store_ids\":[\"a\"],\"ranking_options\":"
          "{\"ranker\":\"auto\"}}]"),
     NULL},
    {WITH("\"tools\":[{\"type\":\"file_search\",\"vector_store_ids\":[\"a\"],\"ranking_options\":"
          "{\"ranker\":\"mine\"}}]"),
     "tools[0].ranking_options.ranker"},
    {WITH("\"tools\":[{\"type\":\"file_search\",\"vector_store_ids\":[\"a\"],\"ranking_options\":"
          "{\"hybrid_search\":{\"embedding_weight\":0,\"text_weight\":0}}}]"),
     "tools[0].ranking_options.hybrid_search"},
    {WITH("\"tool_choice\":{\"type\":\"file_search\"}"), "tool_choice.type"},
    {WITH("\"tool_choice\":\"sometimes\""), "tool_choice"},
    {WITH("\"stream_options\":{\"include_obfuscation\":false}"), "stream_options"},
    {WITH("\"stream\":true,\"stream_options\":{\"include_obfuscation\":false}"), NULL},
    {WITH("\"include\":[\"message.output_text.logprobs\"]"), "include[0]"},
    {WITH("\"metadata\":{\"a\":\"b\"}"), NULL},
    {WITH("\"metadata\":[]"), "metadata"},
    {WITH("\"top_logprobs\":0"), NULL},
    {WITH("\"top_logprobs\":5"), "top_logprobs"},
    {WITH("\"text\":{\"verbosity\":\"high\"}"), "text.verbosity"},
    {WITH("\"newest\":1"), "newest"},
};

static struct arena *a;
static struct json doc;
static struct chat_request r;
static struct responses q;
static struct err e;
static int64_t room;

static bool read_it(const char *body)
{
    r = (struct chat_request){.op = OP_CHAT};
    q = (struct responses){0};
    e = (struct err){0};
    return json_parse(&doc, a, str_from(body), JSON_UNIQUE, &e) &&
           responses_read(&r, &doc, &q, a, &e) && (q.room = room, responses_read_input(&r, &q));
}

static void test_cases(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool good = read_it(cases[i].body);
        ok(cases[i].param ? !good && strcmp(e.param, cases[i].param) == 0 : good, "%s: %s",
           cases[i].body, good ? "passes" : e.msg);
    }
}

static void test_turns(void)
{
    ok(read_it(M "\"instructions\":\"Be kind.\",\"input\":["
                 "{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"},"
                 "{\"type\":\"input_text\",\"text\":\"b\"}]},"
                 "{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"t\"}],"
                 "\"encrypted_content\":\"s.sig\"},"
                 "{\"role\":\"assistant\",\"content\":\"I look.\"}," CALL CALL
                 "{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"out\"},"
                 "{\"role\":\"assistant\",\"content\":\"one\"},"
                 "{\"role\":\"assistant\",\"content\":\"two\"}]}"),
       "a conversation is read");
    static const enum chat_role roles[] = {CHAT_SYSTEM, CHAT_USER,      CHAT_ASSISTANT,
                                           CHAT_TOOL,   CHAT_ASSISTANT, CHAT_ASSISTANT};
    ok(r.n_messages == COUNT(roles), "items that belong together are one message");
    for (size_t i = 0; i < COUNT(roles) && i < r.n_messages; i++)
        ok(r.message[i].role == roles[i], "message %zu has its role", i);
    const struct chat_message *m = &r.message[2];
    ok(m->n_parts == 4 && m->part[0].kind == PART_THINKING &&
           str_eq(m->part[0].signature, STR("sig")) && m->part[1].kind == PART_TEXT &&
           m->part[2].kind == PART_TOOL_CALL && m->part[3].kind == PART_TOOL_CALL,
       "thought, words and calls stand in it");
    ok(str_eq(r.message[1].text, STR("a\n\nb")), "texts are joined");
    ok(r.message[3].part[0].kind == PART_TOOL_RESULT && str_eq(r.message[3].text, STR("out")),
       "a result is a message of its own");
}

static void test_options(void)
{
    ok(read_it(WITH("\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{}},"
                    "{\"type\":\"file_search\",\"vector_store_ids\":[\"a\",\"b\"]}],"
                    "\"tool_choice\":\"required\",\"max_output_tokens\":7,"
                    "\"text\":{\"format\":{\"type\":\"json_object\"}},"
                    "\"include\":[\"file_search_call.results\"],\"parallel_tool_calls\":false")),
       "options are read");
    ok(r.options->n_tools == 1 && q.search.n_stores == 2 && q.results && q.keep, "tools by kind");
    ok(r.options->tool_choice == CHOICE_AUTO && q.search.choice == CHOSEN_TOOLS,
       "the search is the call that is required");
    ok(r.max_tokens == 7 && r.rigid && r.options->format == FORMAT_JSON &&
           r.options->one_tool_at_a_time,
       "limit, form and calls in turn");
    ok(read_it(WITH("\"tools\":[{\"type\":\"file_search\",\"vector_store_ids\":[\"a\"]}],"
                    "\"tool_choice\":\"none\"")) &&
           q.search.n_stores == 0,
       "no tool, no search");
}

static void test_truncation(void)
{
    static const char body[] =
        M "\"instructions\":\"Be kind.\",\"truncation\":\"auto\",\"input\":["
          "{\"role\":\"user\",\"content\":\"one two three four five six seven eight\"}," CALL
          "{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"out\"},"
          "{\"role\":\"assistant\",\"content\":\"a b c d e f g h\"},"
          "{\"role\":\"user\",\"content\":\"the question\"}]}";
    room = 1000;
    ok(read_it(body) && r.n_messages == 6, "what fits stays");
    room = 20;
    ok(read_it(body) && r.n_messages == 2 && r.message[0].role == CHAT_SYSTEM &&
           str_eq(r.message[1].text, STR("the question")),
       "the oldest go, and what belongs to them");
    room = 1;
    ok(read_it(body) && r.n_messages == 2, "the question stays, and the instructions");
    room = 0;
}

static void test_kept(void)
{
    struct json_writer w;
    struct buf b;
    read_it(IN("{\"role\":\"user\",\"content\":\"hi\"},"
               "{\"id\":\"x\",\"role\":\"assistant\",\"content\":\"yo\"}," CALL
               "{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"o\"}"));
    buf_init(&b, 1 << 20);
    json_begin(&w, &b);
    responses_items_write(&q.items, &w, STR("T"));
    ok(str_eq(buf_str(&b),
              STR("[{\"id\":\"msg_T_i0\",\"type\":\"message\",\"status\":\"completed\","
                  "\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"hi\"}]},"
                  "{\"id\":\"x\",\"type\":\"message\",\"status\":\"completed\",\"role\":"
                  "\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"yo\","
                  "\"annotations\":[]}]},"
                  "{\"id\":\"fc_T_i2\",\"status\":\"completed\",\"type\":\"function_call\","
                  "\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"},"
                  "{\"id\":\"fco_T_i3\",\"status\":\"completed\",\"type\":\"function_call_output\","
                  "\"call_id\":\"c\",\"output\":\"o\"}]")),
       "each item has type, status and an id: %.*s", STR_FMT(buf_str(&b)));
    buf_fini(&b);
}

int main(void)
{
    a = arena_new();
    test_cases();
    test_turns();
    test_options();
    test_truncation();
    test_kept();
    arena_free(a);
    return tap_done();
}
