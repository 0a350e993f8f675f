/* What a model writes when it calls the search, and what is made of it. */
#include "gateway/search_calls.h"

#include "tap.h"

enum { MOST = 3 };

static const struct {
    const char *arguments;
    const char *query[MOST];
} cases[] = {
    {"{\"queries\":[\"a\",\"b\"]}", {"a", "b"}},
    {"{\"queries\":[\" a \",\"\",\"  \",\"b\"]}", {"a", "b"}},
    {"{\"queries\":[\"a\",\"b\",\"c\",\"d\"]}", {"a", "b", "c"}},
    {"{\"queries\":\"a b\"}", {"a b"}},
    {"{\"query\":\"a b\"}", {"a b"}},
    {"{\"query\":[\"a\"]}", {"a"}},
    {"{\"queries\":[1,\"a\",null,{}]}", {"a"}},
    {"{\"queries\":[\"\\u00fc\"]}", {"\xc3\xbc"}},
    {"{\"queries\":[]}", {0}},
    {"{\"queries\":\"  \"}", {0}},
    {"{\"queries\":7}", {0}},
    {"{\"topic\":\"a\"}", {0}},
    {"{}", {0}},
    {"[\"a\"]", {0}},
    {"\"a\"", {0}},
    {"{\"queries\":[\"a\"", {0}},
    {"", {0}},
};

int main(void)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str query[MOST];
        size_t want = 0;
        size_t n = search_calls_read(str_from(cases[i].arguments), query, MOST, a);
        while (want < MOST && cases[i].query[want])
            want++;
        bool same = n == want;
        for (size_t k = 0; same && k < n; k++)
            same = str_eq(query[k], str_from(cases[i].query[k]));
        ok(same, "%s: %zu", cases[i].arguments, n);
    }
    arena_free(a);
    return tap_done();
}
