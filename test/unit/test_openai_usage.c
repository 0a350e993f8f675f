/* Which numbers of tokens are read, and which are believed. */
#include "model/openai_usage.h"

#include "tap.h"

static const struct {
    const char *name, *text;
    bool told;
    struct chat_usage usage;
} cases[] = {
    {"input and output",
     "{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}",
     true,
     {.input = 7, .output = 2}},
    {"details",
     "{\"prompt_tokens\":7,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":3,"
     "\"cache_write_tokens\":2},\"completion_tokens_details\":{\"reasoning_tokens\":4}}",
     true,
     {7, 5, 3, 2, 4}},
    {"DeepSeek's cache",
     "{\"prompt_tokens\":7,\"completion_tokens\":5,\"prompt_cache_hit_tokens\":6}",
     true,
     {.input = 7, .output = 5, .cached = 6}},
    {"both spellings: the first that tells",
     "{\"prompt_tokens\":7,\"completion_tokens\":5,\"prompt_cache_hit_tokens\":6,"
     "\"prompt_tokens_details\":{\"cached_tokens\":3}}",
     true,
     {.input = 7, .output = 5, .cached = 3}},
    {"parts that are more than their totals, or none",
     "{\"prompt_tokens\":7,\"completion_tokens\":5,\"prompt_cache_hit_tokens\":8,"
     "\"prompt_tokens_details\":{\"cached_tokens\":-1,\"cache_write_tokens\":\"2\"},"
     "\"completion_tokens_details\":{\"reasoning_tokens\":6}}",
     true,
     {.input = 7, .output = 5}},
    {"whole numbers in another spelling",
     "{\"prompt_tokens\":7.0,\"completion_tokens\":1e2}",
     true,
     {.input = 7, .output = 100}},
    {"no output", "{\"prompt_tokens\":7}", false, {0}},
    {"a fraction", "{\"prompt_tokens\":7.5,\"completion_tokens\":2}", false, {0}},
    {"less than none", "{\"prompt_tokens\":7,\"completion_tokens\":-2}", false, {0}},
    {"more than can be", "{\"prompt_tokens\":1073741825,\"completion_tokens\":2}", false, {0}},
    {"nothing", "null", false, {0}},
};

int main(void)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json doc;
        struct chat_usage u = {.input = 99}, want = cases[i].usage;
        CHECK(json_parse(&doc, a, str_from(cases[i].text), 0, NULL));
        ok(openai_usage_read(json_root(&doc), &u) == cases[i].told, "%s: %s", cases[i].name,
           cases[i].told ? "told" : "not told");
        if (cases[i].told)
            ok(u.input == want.input && u.output == want.output && u.cached == want.cached &&
                   u.cache_write == want.cache_write && u.reasoning == want.reasoning && !u.counted,
               "%s: %jd, %jd, %jd, %jd, %jd", cases[i].name, (intmax_t)u.input, (intmax_t)u.output,
               (intmax_t)u.cached, (intmax_t)u.cache_write, (intmax_t)u.reasoning);
        else
            ok(u.input == 99, "%s: what was known stays", cases[i].name);
    }
    arena_free(a);
    return tap_done();
}
