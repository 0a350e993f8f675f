/* Who may read what: lists, callers, and the same for many documents at once. */
#include "index/rights.h"
#include "index/attribute.h"

#include "tap.h"

static struct arena *a;
static struct err e;

#define ALICE                                                                                      \
    {                                                                                              \
        .user = STR_INIT("alice")                                                                  \
    }
static const struct str hr[] = {STR_INIT("hr")}, two[] = {STR_INIT("it"), STR_INIT("hr")};

static const struct {
    const char *access;
    struct rights who;
    bool may;
} cases[] = {
    {"", {0}, true},
    {"{}", {0}, true},
    {"{\"users\":[],\"groups\":[]}", {0}, true},
    {"{\"users\":[\"alice\"]}", {0}, false},
    {"{\"users\":[\"alice\"]}", ALICE, true},
    {"{\"users\":[\"bob\"]}", ALICE, false},
    {"{\"users\":[\"bob\",\"alice\"]}", ALICE, true},
    {"{\"groups\":[\"alice\"]}", ALICE, false},
    {"{\"groups\":[\"hr\"]}", {.user = STR_INIT("x"), .group = hr, .n_groups = 1}, true},
    {"{\"users\":[\"bob\"],\"groups\":[\"hr\"]}", {.group = two, .n_groups = 2}, true},
    {"{\"users\":[\"hr\"]}", {.group = two, .n_groups = 2}, false},
    {"{\"users\":[\"bob\"]}", {.everything = true}, true},
    {"{\"users\":[\"\"]}", {0}, false},
    {"broken", {.user = STR_INIT("alice")}, false},
    {"broken", {.everything = true}, true},
    {"[]", {0}, false},
};

static void test_cases(void)
{
    struct attributes *v = attributes_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct attribute_document d = {
            .id = (int64_t)i + 1, .version = 1, .access = str_from(cases[i].access)};
        struct attributes *next =
            attributes_apply(v, &(struct attribute_change){(uint32_t)i * 100, &d}, 1);
        attributes_unref(v);
        v = next;
    }
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct docset *set = attributes_all(v);
        rights_apply(&cases[i].who, v, set);
        bool all = true;
        for (size_t k = 0; k < COUNT(cases); k++)
            all = all && docset_has(set, (uint32_t)k * 100) ==
                             rights_allow(&cases[i].who, str_from(cases[k].access));
        ok(rights_allow(&cases[i].who, str_from(cases[i].access)) == cases[i].may,
           "case %zu: %s is %s", i, cases[i].access, cases[i].may ? "read" : "not read");
        ok(all, "and of many documents the same are read");
        docset_free(set);
    }
    ok(attributes_restricted(v) == COUNT(cases) - 3, "documents with a list are counted");
    attributes_unref(v);
}

static bool parsed(const char *text, const char *want)
{
    struct json *j = arena_struct(a, struct json);
    struct str out;
    return json_parse(j, a, str_from(text), 0, &e) && rights_parse(json_root(j), a, &out, &e) &&
           str_eq(out, str_from(want));
}

static bool worded(const char *text, const char *want)
{
    struct str out;
    return rights_parse_words(str_from(text), a, &out, &e) && str_eq(out, str_from(want));
}

static void test_parsing(void)
{
    struct str out;
    ok(parsed("null", ""), "null says nothing");
    ok(parsed("{}", "{}") && parsed("{\"users\":[],\"groups\":null}", "{}"), "nobody is everyone");
    ok(parsed("{\"groups\":[\"hr\"],\"users\":[\"al\\u0069ce\"]}",
              "{\"users\":[\"alice\"],\"groups\":[\"hr\"]}"),
       "an object");
    static const char *const bad[] = {"1",
                                      "[]",
                                      "{\"users\":\"alice\"}",
                                      "{\"users\":[1]}",
                                      "{\"users\":[\"\"]}",
                                      "{\"users\":[\"a,b\"]}",
                                      "{\"people\":[]}"};
    for (size_t i = 0; i < COUNT(bad); i++)
        ok(!parsed(bad[i], "") && e.code == ERR_INVALID, "refused: %s: %s", bad[i], e.msg);
    ok(worded("user:alice, group:hr,user:bob",
              "{\"users\":[\"alice\",\"bob\"],\"groups\":[\"hr\"]}"),
       "words");
    ok(worded("everyone", "{}"), "everyone");
    ok(!rights_parse_words(STR("alice"), a, &out, &e), "%s", e.msg);
    ok(!rights_parse_words(STR("user:"), a, &out, &e), "%s", e.msg);
}

static void test_keys(void)
{
    struct buf x, y;
    buf_init(&x, 1000);
    buf_init(&y, 1000);
    rights_key(&(struct rights){.user = STR("a,1:b")}, &x);
    rights_key(&(struct rights){.user = STR("a"), .group = hr, .n_groups = 1}, &y);
    ok(!str_eq(buf_str(&x), buf_str(&y)), "callers do not look like others");
    buf_reset(&x);
    buf_reset(&y);
    rights_key(NULL, &x);
    rights_key(&rights_all, &y);
    ok(!str_eq(buf_str(&x), buf_str(&y)), "nor like those who read everything");
    buf_fini(&x);
    buf_fini(&y);
}

int main(void)
{
    a = arena_new();
    test_cases();
    test_parsing();
    test_keys();
    arena_free(a);
    return tap_done();
}
