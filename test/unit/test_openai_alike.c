/* Which chunks and whole answers are usual, and that what is read of one alike is what parsing it
 * would have said. */
#include "model/openai_alike.h"

#include "tap.h"

#define CHUNK(delta, rest)                                                                         \
    "{\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{" delta "}" rest "}]}"
#define WHOLE(message, choice, root)                                                               \
    "{\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"message\":{" message "}" choice "}]" root "}"
#define A "\"role\":\"assistant\",\"content\":\"a\""
#define STOP ",\"finish_reason\":\"stop\""

static const struct {
    const char *name, *text;
    bool usual;
    enum openai_alike_kind kind;
} cases[] = {
    {"a text", CHUNK("\"content\":\"a\"", ""), true},
    {"no reason to end yet", CHUNK("\"content\":\"a\"", ",\"finish_reason\":null"), true},
    {"probabilities that are none", CHUNK("\"content\":\"a\"", ",\"logprobs\":null"), true},
    {"whose text it is", CHUNK("\"role\":\"assistant\",\"content\":\"\"", ""), true},
    {"what is null", CHUNK("\"content\":\"a\",\"tool_calls\":null,\"refusal\":null", ""), true},
    {"what is empty", CHUNK("\"content\":\"a\",\"tool_calls\":[]", ""), true},
    {"no index", "{\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}",
     true},
    {"a reason to end", CHUNK("\"content\":\"a\"", ",\"finish_reason\":\"stop\""), false},
    {"an error in the choice", CHUNK("\"content\":\"a\"", ",\"error\":{}"), false},
    {"a tool call", CHUNK("\"content\":\"a\",\"tool_calls\":[{}]", ""), false},
    {"reasoning", CHUNK("\"content\":\"a\",\"reasoning_content\":\"b\"", ""), false},
    {"a refusal", CHUNK("\"refusal\":\"a\"", ""), false},
    {"text twice", CHUNK("\"content\":\"a\",\"content\":\"b\"", ""), false},
    {"text that is null", CHUNK("\"content\":null", ""), false},
    {"text in parts", CHUNK("\"content\":[{\"text\":\"a\"}]", ""), false},
    {"no delta", "{\"model\":\"m\",\"choices\":[{\"index\":0,\"text\":\"a\"}]}", false},
    {"no choice", "{\"model\":\"m\",\"choices\":[]}", false},
    {"two choices",
     "{\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"}},{\"delta\":{\"content\":"
     "\"b\"}}]}",
     false},
    {"usage", "{\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{}}",
     false},
    {"an error", "{\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"error\":1}",
     false},
    {"no model", "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", false},
    {"an index that is none",
     "{\"model\":\"m\",\"choices\":[{\"index\":\"0\",\"delta\":{\"content\":\"a\"}}]}", false},
    {"no object", "[\"model\"]", false},
    {"a whole answer among chunks", WHOLE(A, STOP, ""), false},

    {"whole: a text and its end", WHOLE(A, STOP, ""), true, OPENAI_WHOLE},
    {"whole: with usage",
     WHOLE(A, STOP, ",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}"), true,
     OPENAI_WHOLE},
    {"whole: what it cost",
     WHOLE(A, STOP, ",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"cost\":1.5e-05}"),
     true, OPENAI_WHOLE},
    {"whole: usage that is null", WHOLE(A, STOP, ",\"usage\":null"), true, OPENAI_WHOLE},
    {"whole: details that are null",
     WHOLE(A, STOP, ",\"usage\":{\"prompt_tokens\":1,\"prompt_tokens_details\":null}"), true,
     OPENAI_WHOLE},
    {"whole: no tools, no sources", WHOLE(A ",\"tool_calls\":[],\"annotations\":[]", STOP, ""),
     true, OPENAI_WHOLE},
    {"whole: tokens that are no plain number",
     WHOLE(A, STOP, ",\"usage\":{\"prompt_tokens\":1e2,\"completion_tokens\":2}"), false,
     OPENAI_WHOLE},
    {"whole: tokens as a text", WHOLE(A, STOP, ",\"usage\":{\"prompt_tokens\":\"1\"}"), false,
     OPENAI_WHOLE},
    {"whole: sources", WHOLE(A ",\"annotations\":[{}]", STOP, ""), false, OPENAI_WHOLE},
    {"whole: reasoning", WHOLE(A ",\"reasoning\":\"a\"", STOP, ""), false, OPENAI_WHOLE},
    {"whole: not ended", WHOLE(A, ",\"finish_reason\":null", ""), false, OPENAI_WHOLE},
    {"whole: ended by an error", WHOLE(A, ",\"finish_reason\":\"error\"", ""), false, OPENAI_WHOLE},
    {"whole: with a delta", WHOLE(A, STOP ",\"delta\":{}", ""), false, OPENAI_WHOLE},
    {"whole: an error", WHOLE(A, STOP, ",\"error\":\"x\""), false, OPENAI_WHOLE},
    {"whole: of a completion",
     "{\"model\":\"m\",\"choices\":[{\"text\":\"a\",\"finish_reason\":\"stop\"}]}", false,
     OPENAI_WHOLE},
    {"whole: a chunk", CHUNK("\"content\":\"a\"", ""), false, OPENAI_WHOLE},
};

static void learn(const void *whose, enum openai_alike_kind kind, const char *text, struct arena *a)
{
    struct json doc;
    CHECK(json_parse(&doc, a, str_from(text), 0, NULL));
    openai_alike_learn(whose, kind, &doc);
}

/* Each from a provider of its own, so that one that is not learnt finds what another left. */
static void test_usual(struct arena *a)
{
    static const char whose[COUNT(cases)][64];
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct openai_alike like;
        enum openai_alike_kind kind = cases[i].kind;
        learn(whose[i], kind,
              kind == OPENAI_CHUNK ? CHUNK("\"content\":\"\"", ",\"x\":0") : WHOLE(A, STOP, "\n"),
              a);
        learn(whose[i], kind, cases[i].text, a);
        ok(openai_alike_read(whose[i], kind, str_from(cases[i].text), &like) == cases[i].usual,
           "%s", cases[i].name);
    }
}

static void test_chunk(struct arena *a)
{
    static const char whose[64];
    struct openai_alike c;
    learn(whose, OPENAI_CHUNK, CHUNK("\"content\":\"a\"", ""), a);
    struct str data = STR("{\"id\":\"d\",\"model\":\"m-2\",\"choices\":[{\"index\":17,\"delta\":{"
                          "\"content\":\"b\\n\"}}]}");
    ok(openai_alike_read(whose, OPENAI_CHUNK, data, &c) && c.index == 17 &&
           str_eq(c.text, STR("b\\n")) && str_eq(c.model, STR("m-2")) && !c.usage_known,
       "index, text and model");
    ok(!openai_alike_read(whose, OPENAI_WHOLE, data, &c), "no whole answer");
    ok(str_eq(openai_alike_renamed(&c, data, STR("\"x\""), a),
              STR("{\"id\":\"d\",\"model\":\"x\",\"choices\":[{\"index\":17,\"delta\":{"
                  "\"content\":\"b\\n\"}}]}")),
       "under another name");
    ok(!openai_alike_read(whose, OPENAI_CHUNK,
                          STR("{\"id\":\"d\",\"model\":\"m\",\"choices\":[{\"index\":12345678901,"
                              "\"delta\":{\"content\":\"b\"}}]}"),
                          &c),
       "an index out of reach is parsed");
    learn(whose, OPENAI_CHUNK, CHUNK("\"content\":\"a\"", ",\"finish_reason\":null"), a);
    ok(!openai_alike_read(whose, OPENAI_CHUNK, data, &c), "the last that was learnt counts");
}

#define FULL(input, output, cached, reason)                                                        \
    WHOLE(A, ",\"finish_reason\":\"" reason "\"",                                                  \
          ",\"usage\":{\"prompt_tokens\":" input                                                   \
          ",\"prompt_tokens_details\":{\"cached_tokens\":" cached                                  \
          "},\"completion_tokens\":" output "}")

static void test_whole(struct arena *a)
{
    static const char whose[64];
    struct openai_alike w;
    learn(whose, OPENAI_WHOLE, FULL("1", "1", "0", "stop"), a);
    ok(openai_alike_read(whose, OPENAI_WHOLE, STR(FULL("900", "30", "512", "length")), &w) &&
           w.usage_known && w.usage.input == 900 && w.usage.output == 30 && w.usage.cached == 512 &&
           w.usage.reasoning == 0 && str_eq(w.text, STR("a")),
       "text and usage");
    ok(!openai_alike_read(whose, OPENAI_WHOLE, STR(FULL("900", "30", "512", "error")), &w),
       "an error is parsed");
    ok(!openai_alike_read(whose, OPENAI_WHOLE, STR(FULL("900", "30", "512", "\\u0065rror")), &w),
       "also by another spelling");
    ok(!openai_alike_read(whose, OPENAI_WHOLE, STR(FULL("1000000000", "30", "0", "stop")), &w),
       "so are tokens beyond measure");
    learn(whose, OPENAI_WHOLE, WHOLE(A, STOP, ""), a);
    ok(openai_alike_read(whose, OPENAI_WHOLE, STR(WHOLE(A, STOP, "")), &w) && !w.usage_known,
       "no usage");
}

int main(void)
{
    struct arena *a = arena_new();
    test_usual(a);
    test_chunk(a);
    test_whole(a);
    arena_free(a);
    return tap_done();
}
