/* Attribute filters: what they match, and which are refused. */
#include "gateway/stores_filter.h"

#include "tap.h"

#define DOC "{\"author\":\"Ada\",\"year\":1843,\"draft\":false}"

static const struct {
    const char *filter;
    bool match;
} cases[] = {
    {"{\"type\":\"eq\",\"key\":\"author\",\"value\":\"Ada\"}", true},
    {"{\"type\":\"eq\",\"key\":\"author\",\"value\":\"Bob\"}", false},
    {"{\"type\":\"ne\",\"key\":\"author\",\"value\":\"Bob\"}", true},
    {"{\"type\":\"ne\",\"key\":\"missing\",\"value\":\"x\"}", true},
    {"{\"type\":\"eq\",\"key\":\"missing\",\"value\":\"x\"}", false},
    {"{\"type\":\"gt\",\"key\":\"year\",\"value\":1842}", true},
    {"{\"type\":\"gt\",\"key\":\"year\",\"value\":1843}", false},
    {"{\"type\":\"gte\",\"key\":\"year\",\"value\":1843.0}", true},
    {"{\"type\":\"lt\",\"key\":\"year\",\"value\":1844}", true},
    {"{\"type\":\"lte\",\"key\":\"year\",\"value\":1842}", false},
    {"{\"type\":\"gt\",\"key\":\"author\",\"value\":1}", false},
    {"{\"type\":\"eq\",\"key\":\"draft\",\"value\":false}", true},
    {"{\"type\":\"in\",\"key\":\"year\",\"value\":[1,1843]}", true},
    {"{\"type\":\"nin\",\"key\":\"year\",\"value\":[1,1843]}", false},
    {"{\"type\":\"nin\",\"key\":\"missing\",\"value\":[1]}", true},
    {"{\"type\":\"and\",\"filters\":[{\"type\":\"eq\",\"key\":\"draft\",\"value\":false},"
     "{\"type\":\"lt\",\"key\":\"year\",\"value\":1}]}",
     false},
    {"{\"type\":\"or\",\"filters\":[{\"type\":\"eq\",\"key\":\"draft\",\"value\":true},"
     "{\"type\":\"lt\",\"key\":\"year\",\"value\":2000}]}",
     true},
};

static const char *const refused[] = {
    "1",
    "{}",
    "{\"type\":\"like\",\"key\":\"a\",\"value\":\"b\"}",
    "{\"type\":\"eq\",\"value\":\"b\"}",
    "{\"type\":\"eq\",\"key\":\"a\"}",
    "{\"type\":\"eq\",\"key\":\"a\",\"value\":[1]}",
    "{\"type\":\"in\",\"key\":\"a\",\"value\":1}",
    "{\"type\":\"and\",\"filters\":[]}",
    "{\"type\":\"and\",\"filters\":[{\"type\":\"nope\"}]}",
};

int main(void)
{
    struct arena *a = arena_new();
    struct json filter, doc;
    struct err e;
    ok(json_parse(&doc, a, STR(DOC), 0, &e), "attributes");
    for (size_t i = 0; i < COUNT(cases); i++) {
        ok(json_parse(&filter, a, str_from(cases[i].filter), 0, &e) &&
               stores_filter_check(json_root(&filter), 0, &e),
           "is a filter: %s", cases[i].filter);
        ok(stores_filter_match(json_root(&filter), json_root(&doc), a) == cases[i].match,
           "matches: %d", cases[i].match);
    }
    for (size_t i = 0; i < COUNT(refused); i++)
        ok(json_parse(&filter, a, str_from(refused[i]), 0, &e) &&
               !stores_filter_check(json_root(&filter), 0, &e) && strcmp(e.param, "filters") == 0,
           "refused: %s", refused[i]);

    struct buf deep;
    buf_init(&deep, 4096);
    for (int i = 0; i < 20; i++)
        buf_add(&deep, STR("{\"type\":\"and\",\"filters\":["));
    buf_add(&deep, str_from(cases[0].filter));
    for (int i = 0; i < 20; i++)
        buf_add(&deep, STR("]}"));
    ok(json_parse(&filter, a, buf_str(&deep), 0, &e) &&
           !stores_filter_check(json_root(&filter), 0, &e),
       "nested too deep");
    buf_fini(&deep);
    arena_free(a);
    return tap_done();
}
