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

    struct member_at at[40];
    for (size_t i = 0; i < COUNT(at); i++)
        at[i] = i ? member_item(&at[i - 1], i) : member_at(NULL, STR("root"));
    ok(!member_missing(&at[39], &e) && strlen(e.param) <= 63 && strstr(e.param, "[38][39]"),
       "a long path keeps its end: %s", e.param);
    arena_free(a);
    return tap_done();
}
