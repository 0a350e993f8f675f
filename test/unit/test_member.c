/* How the places of members are spelled, and which members say nothing. */
#include "gateway/member.h"

#include "tap.h"

static const struct {
    const char *json, *param; /* NULL: only what is known, or idle */
} objects[] = {
    {"{}", NULL},
    {"{\"a\":1,\"b\":{\"c\":2}}", NULL},
    {"{\"a\":1,\"x\":null,\"y\":false,\"z\":\"\",\"l\":[],\"o\":{}}", NULL},
    {"{\"x\":0}", "list[3].x"},
    {"{\"a\":1,\"x\":true}", "list[3].x"},
    {"{\"b\":1,\"xyz\":[null]}", "list[3].xyz"},
};

static void test_only(struct arena *a, const struct member_at *at)
{
    const struct str known[] = {STR("a"), STR("b")};
    for (size_t i = 0; i < COUNT(objects); i++) {
        struct json doc;
        struct err e = {0};
        ok(json_parse(&doc, a, str_from(objects[i].json), 0, &e), "%s is JSON", objects[i].json);
        bool good = member_only(json_root(&doc), at, known, COUNT(known), &e);
        if (objects[i].param)
            ok(!good && e.code == ERR_INVALID && strcmp(e.param, objects[i].param) == 0 &&
                   strstr(e.msg, "another protocol"),
               "%s is refused for %s: %s", objects[i].json, objects[i].param,
               good ? "passed" : e.msg);
        else
            ok(good, "%s passes", objects[i].json);
    }
}

static void test_reading(struct arena *a)
{
    struct json doc;
    struct err e = {0};
    const struct member_reader m = {a, &e};
    struct member_at up = member_at(NULL, STR("up"));
    struct str text, cache = STR("old");
    bool flag = true;
    ok(json_parse(&doc, a,
                  STR("{\"t\":\"x\\u0041\",\"n\":null,\"one\":1,\"no\":false,"
                      "\"cache_control\":{ \"a\":1}}"),
                  0, &e),
       "an object");
    struct json_value o = json_root(&doc);
    ok(member_need_text(&m, o, &up, "t", &text) && str_eq(text, STR("xA")), "a text is decoded");
    ok(member_text(&m, o, &up, "n", &text) && text.len == 0, "null is no text");
    ok(!member_need_text(&m, o, &up, "n", &text) && e.code == ERR_MISSING &&
           strcmp(e.param, "up.n") == 0,
       "which may be needed");
    ok(!member_text(&m, o, &up, "one", &text) && strcmp(e.param, "up.one") == 0,
       "a number is none either");
    ok(member_flag(&m, o, &up, "n", &flag) && flag, "null leaves a flag as it is");
    ok(member_flag(&m, o, &up, "no", &flag) && !flag, "false does not");
    ok(!member_flag(&m, o, &up, "one", &flag) && strcmp(e.param, "up.one") == 0, "1 is no flag");
    ok(member_cache(&m, o, &up, &cache) && str_eq(cache, STR("{ \"a\":1}")),
       "a cache marker keeps its spelling");
}

int main(void)
{
    struct arena *a = arena_new();
    struct err e;
    struct member_at list = member_at(NULL, STR("list")), item = member_item(&list, 3),
                     deep = member_at(&item, STR("type"));
    ok(!member_missing(&deep, &e) && e.code == ERR_MISSING &&
           strcmp(e.param, "list[3].type") == 0 && strcmp(e.msg, "'list[3].type' is missing") == 0,
       "missing: %s", e.msg);
    ok(!member_wrong(&list, "a list", &e) && e.code == ERR_INVALID &&
           strcmp(e.param, "list") == 0 && strcmp(e.msg, "'list' must be a list") == 0,
       "wrong: %s", e.msg);
    test_only(a, &item);
    test_reading(a);

    struct member_at at[40];
    for (size_t i = 0; i < COUNT(at); i++)
        at[i] = i ? member_item(&at[i - 1], i) : member_at(NULL, STR("root"));
    ok(!member_missing(&at[39], &e) && strlen(e.param) <= 63 && strstr(e.param, "[38][39]"),
       "a long path keeps its end: %s", e.param);
    arena_free(a);
    return tap_done();
}
