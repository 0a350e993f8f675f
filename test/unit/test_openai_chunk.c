/* Which chunks are usual, and that what is read of one alike is what parsing it would have said. */
#include "model/openai_chunk.h"

#include "tap.h"

#define CHUNK(delta, rest)                                                                         \
    "{\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{" delta "}" rest "}]}"

static const struct {
    const char *name, *text;
    bool usual;
} cases[] = {
    {"a text", CHUNK("\"content\":\"a\"", ""), true},
    {"no reason to end yet", CHUNK("\"content\":\"a\"", ",\"finish_reason\":null"), true},
    {"probabilities that are none", CHUNK("\"content\":\"a\"", ",\"logprobs\":null"), true},
    {"whose text it is", CHUNK("\"role\":\"assistant\",\"content\":\"\"", ""), true},
    {"what is null", CHUNK("\"content\":\"a\",\"tool_calls\":null,\"refusal\":null", ""), true},
    {"no index", "{\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}",
     true},
    {"a reason to end", CHUNK("\"content\":\"a\"", ",\"finish_reason\":\"stop\""), false},
    {"an error in the choice", CHUNK("\"content\":\"a\"", ",\"error\":{}"), false},
    {"a tool call", CHUNK("\"content\":\"a\",\"tool_calls\":[]", ""), false},
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
};

static void learn(const void *whose, const char *text, struct arena *a)
{
    struct json doc;
    CHECK(json_parse(&doc, a, str_from(text), 0, NULL));
    openai_chunk_learn(whose, &doc);
}

/* Each from a provider of its own, so that one that is not learnt finds what another left. */
static void test_usual(struct arena *a)
{
    static const char whose[COUNT(cases)][64];
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct openai_chunk c;
        learn(whose[i], "{\"model\":\"\",\"choices\":[{\"delta\":{\"content\":\"\"}}]}", a);
        learn(whose[i], cases[i].text, a);
        ok(openai_chunk_read(whose[i], str_from(cases[i].text), &c) == cases[i].usual, "%s",
           cases[i].name);
    }
}

static void test_read(struct arena *a)
{
    static const char whose[64];
    struct openai_chunk c;
    learn(whose, CHUNK("\"content\":\"a\"", ""), a);
    struct str data = STR("{\"id\":\"d\",\"model\":\"m-2\",\"choices\":[{\"index\":17,\"delta\":{"
                          "\"content\":\"b\\n\"}}]}");
    ok(openai_chunk_read(whose, data, &c) && c.index == 17 && str_eq(c.text, STR("b\\n")) &&
           str_eq(c.model, STR("m-2")),
       "index, text and model");
    ok(str_eq(openai_chunk_renamed(&c, data, STR("\"x\""), a),
              STR("{\"id\":\"d\",\"model\":\"x\",\"choices\":[{\"index\":17,\"delta\":{"
                  "\"content\":\"b\\n\"}}]}")),
       "under another name");
    ok(!openai_chunk_read(whose,
                          STR("{\"id\":\"d\",\"model\":\"m\",\"choices\":[{\"index\":12345678901,"
                              "\"delta\":{\"content\":\"b\"}}]}"),
                          &c),
       "an index out of reach is parsed");
    learn(whose, CHUNK("\"content\":\"a\"", ",\"finish_reason\":null"), a);
    ok(!openai_chunk_read(whose, data, &c), "the last that was learnt counts");
}

int main(void)
{
    struct arena *a = arena_new();
    test_usual(a);
    test_read(a);
    arena_free(a);
    return tap_done();
}
