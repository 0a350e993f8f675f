/* Attribute filters: what they match, and which are refused. */
#include "index/filter.h"

#include "tap.h"

#define DOC "{\"author\":\"Ada\",\"year\":1843,\"draft\":false,\"tag\":[\"a\",\"b\",3]}"

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
    {"{\"type\":\"eq\",\"key\":\"tag\",\"value\":\"b\"}", true},
    {"{\"type\":\"eq\",\"key\":\"tag\",\"value\":3}", true},
    {"{\"type\":\"ne\",\"key\":\"tag\",\"value\":\"a\"}", false},
    {"{\"type\":\"in\",\"key\":\"tag\",\"value\":[]}", false},
    {"{\"type\":\"gt\",\"key\":\"author\",\"value\":\"A\"}", true},
    {"{\"type\":\"lt\",\"key\":\"author\",\"value\":\"Ad\"}", false},
    {"{\"type\":\"lte\",\"key\":\"author\",\"value\":\"Adb\"}", true},
    {"{\"type\":\"eq\",\"key\":\"filename\",\"value\":\"notes.md\"}", true},
    {"{\"type\":\"eq\",\"key\":\"access_level\",\"value\":\"tenant\"}", true},
    {"{\"type\":\"gte\",\"key\":\"last_updated\",\"value\":\"2024-02-29\"}", true},
    {"{\"type\":\"lt\",\"key\":\"last_updated\",\"value\":\"2024-02-29T00:00:01Z\"}", true},
    {"{\"type\":\"gt\",\"key\":\"last_updated\",\"value\":\"2024-02-29\"}", false},
    {"{\"type\":\"eq\",\"key\":\"last_updated\",\"value\":1709164800}", true},
    {"{\"type\":\"eq\",\"key\":\"last_updated\",\"value\":\"yesterday\"}", false},
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

static const struct {
    const char *text;
    double seconds; /* -1: no date */
} dates[] = {
    {"1970-01-01", 0},
    {"2000-03-01T00:00:00Z", 951868800},
    {"2024-02-29 12:30", 1709209800},
    {"2024-02-29T12:30:15.250+02:00", 1709202615},
    {"2024-02-29T12:30:15-0130", 1709215215},
    {"2024-13-01", -1},
    {"2024-02", -1},
    {"2024-02-29T25:00", -1},
    {"2024-02-29x", -1},
    {"", -1},
};

static struct arena *a;
static struct err e;

static bool parse(struct str text, const struct filter **f)
{
    struct json *j = arena_struct(a, struct json);
    return json_parse(j, a, text, 0, &e) && filter_parse(f, a, json_root(j), &e);
}

static void test_matching(void)
{
    struct attribute_document doc = {.id = 7,
                                     .version = 1,
                                     .attributes = STR(DOC),
                                     .filename = STR("notes.md"),
                                     .last_updated_s = 1709164800};
    struct attributes *none = attributes_new();
    struct attributes *v =
        attributes_apply(none, &(struct attribute_change){.number = 300, .document = &doc}, 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct filter *f;
        struct docset *set = attributes_all(v);
        ok(parse(str_from(cases[i].filter), &f), "is a filter: %s", cases[i].filter);
        filter_apply(f, v, set);
        ok(docset_has(set, 300) == cases[i].match && docset_count(set) == cases[i].match,
           "matches: %d", cases[i].match);
        docset_free(set);
    }
    attributes_unref(v);
    attributes_unref(none);
}

static void test_refused(void)
{
    const struct filter *f;
    for (size_t i = 0; i < COUNT(refused); i++)
        ok(!parse(str_from(refused[i]), &f) && !f && strcmp(e.param, "filters") == 0, "refused: %s",
           refused[i]);
    struct buf deep;
    buf_init(&deep, 1 << 20);
    for (int i = 0; i < 20; i++)
        buf_add(&deep, STR("{\"type\":\"and\",\"filters\":["));
    buf_add(&deep, str_from(cases[0].filter));
    for (int i = 0; i < 20; i++)
        buf_add(&deep, STR("]}"));
    ok(!parse(buf_str(&deep), &f), "nested too deep");
    buf_reset(&deep);
    buf_add(&deep, STR("{\"type\":\"in\",\"key\":\"a\",\"value\":[0"));
    for (int i = 0; i < 5000; i++)
        buf_add(&deep, STR(",1"));
    buf_add(&deep, STR("]}"));
    ok(!parse(buf_str(&deep), &f), "too many values");
    buf_fini(&deep);
    ok(parse(STR("null"), &f) && !f, "null is no filter");
}

int main(void)
{
    a = arena_new();
    test_matching();
    test_refused();
    for (size_t i = 0; i < COUNT(dates); i++) {
        double s = -1;
        bool is = filter_date(str_from(dates[i].text), &s);
        ok(is == (dates[i].seconds >= 0) && (!is || s == dates[i].seconds), "date '%s'",
           dates[i].text);
    }
    arena_free(a);
    return tap_done();
}
