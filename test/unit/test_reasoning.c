/* OpenRouter's reasoning_details into canonical parts and back. */
#include "model/reasoning.h"

#include "tap.h"

#define SEALED                                                                                     \
    "{\"type\":\"reasoning.encrypted\",\"data\":\"QQ==\",\"id\":\"rs_1\",\"format\":"              \
    "\"openai-responses-v1\"}"
#define FOREIGN "{\"type\":\"reasoning.text\",\"signature\":\"s\",\"format\":\"xai-responses-v1\"}"

static const struct {
    const char *name, *detail;
    bool good, words;
    const char *text, *signature, *data;
} cases[] = {
    {"Anthropic's words",
     "{\"type\":\"reasoning.text\",\"text\":\"a\",\"signature\":\"s\",\"format\":\"anthropic-"
     "claude-v1\",\"index\":0}",
     true, true, "a", "s", ""},
    {"words without a format", "{\"type\":\"reasoning.text\",\"text\":\"a\",\"signature\":\"s\"}",
     true, true, "a", "s", ""},
    {"a piece of words", "{\"type\":\"reasoning.text\",\"text\":\"a\",\"signature\":null}", true,
     true, "a", "", ""},
    {"a signature alone", "{\"type\":\"reasoning.text\",\"signature\":\"s\"}", true, true, "", "s",
     ""},
    {"another's words",
     "{\"type\":\"reasoning.text\",\"text\":\"a\",\"signature\":\"s\",\"format\":\"xai-responses-"
     "v1\",\"index\":3}",
     true, true, "a", "openrouter:" FOREIGN, ""},
    {"a summary", "{\"type\":\"reasoning.summary\",\"summary\":\"a\",\"id\":\"rs_1\"}", true, true,
     "a", "", ""},
    {"sealed by Anthropic",
     "{\"type\":\"reasoning.encrypted\",\"data\":\"QQ==\",\"id\":null,\"format\":\"anthropic-"
     "claude-v1\"}",
     true, false, "", "", "QQ=="},
    {"sealed by another",
     "{\"type\":\"reasoning.encrypted\",\"data\":\"QQ==\",\"id\":\"rs_1\",\"format\":\"openai-"
     "responses-v1\",\"index\":1}",
     true, false, "", "", "openrouter:" SEALED},
    {"sealed, without anything", "{\"type\":\"reasoning.encrypted\",\"data\":\"\"}", false, false,
     "", "", ""},
    {"no words", "{\"type\":\"reasoning.text\",\"text\":\"\"}", false, true, "", "", ""},
    {"a kind of tomorrow", "{\"type\":\"reasoning.song\",\"text\":\"a\"}", false, true, "", "", ""},
    {"no object", "7", false, true, "", "", ""},
};

static void test_read(size_t i, struct arena *a)
{
    struct json doc;
    struct reasoning_detail d;
    ok(json_parse(&doc, a, str_from(cases[i].detail), 0, NULL) &&
           reasoning_read(json_root(&doc), a, &d) == cases[i].good,
       "%s: read", cases[i].name);
    ok(d.words == cases[i].words && str_eq(d.text, str_from(cases[i].text)) &&
           str_eq(d.signature, str_from(cases[i].signature)) &&
           str_eq(d.data, str_from(cases[i].data)),
       "%s: %.*s|%.*s|%.*s", cases[i].name, STR_FMT(d.text), STR_FMT(d.signature), STR_FMT(d.data));
}

static const struct {
    const char *name;
    struct chat_part part;
    bool is_detail;
    const char *want;
} parts[] = {
    {"words with a signature",
     {.kind = PART_THINKING, .text = STR("a\"b"), .signature = STR("s")},
     true,
     "{\"type\":\"reasoning.text\",\"signature\":\"s\",\"format\":\"anthropic-claude-v1\",\"text\":"
     "\"a\\\"b\",\"index\":2}"},
    {"another's words",
     {.kind = PART_THINKING, .text = STR("a"), .signature = STR("openrouter:" FOREIGN)},
     true,
     "{\"type\":\"reasoning.text\",\"signature\":\"s\",\"format\":\"xai-responses-v1\",\"text\":"
     "\"a\",\"index\":2}"},
    {"sealed",
     {.kind = PART_REDACTED_THINKING, .data = STR("QQ==")},
     true,
     "{\"type\":\"reasoning.encrypted\",\"data\":\"QQ==\",\"format\":\"anthropic-claude-v1\","
     "\"index\":2}"},
    {"sealed by another",
     {.kind = PART_REDACTED_THINKING, .data = STR("openrouter:" SEALED)},
     true,
     "{\"type\":\"reasoning.encrypted\",\"data\":\"QQ==\",\"id\":\"rs_1\",\"format\":\"openai-"
     "responses-v1\",\"index\":2}"},
    {"a mark that was broken",
     {.kind = PART_REDACTED_THINKING, .data = STR("openrouter:{")},
     true,
     "{\"type\":\"reasoning.encrypted\",\"data\":\"openrouter:{\",\"format\":\"anthropic-claude-"
     "v1\",\"index\":2}"},
    {"words that nobody signed", {.kind = PART_THINKING, .text = STR("a")}, false, NULL},
    {"text", {.kind = PART_TEXT, .text = STR("a")}, false, NULL},
};

static void test_put(size_t i, struct arena *a)
{
    struct buf b;
    struct json_writer w;
    ok(reasoning_is_detail(&parts[i].part) == parts[i].is_detail, "%s: is one", parts[i].name);
    if (!parts[i].want)
        return;
    buf_init(&b, 4096);
    json_begin(&w, &b);
    reasoning_put(&w, &parts[i].part, 2, a);
    ok(str_eq(buf_str(&b), str_from(parts[i].want)), "%s: %.*s", parts[i].name,
       STR_FMT(buf_str(&b)));
    buf_fini(&b);
}

int main(void)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++)
        test_read(i, a);
    for (size_t i = 0; i < COUNT(parts); i++)
        test_put(i, a);
    ok(reasoning_is_marked(STR("openrouter:{}")) && !reasoning_is_marked(STR("sig")), "marks");
    arena_free(a);
    return tap_done();
}
