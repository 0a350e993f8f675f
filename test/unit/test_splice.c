/* What splice promises: the members that were named change, every other byte stays. */
#include "model/splice.h"

#include "tap.h"

#define OUT                                                                                        \
    (struct str)                                                                                   \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

static const struct {
    const char *name, *text;
    struct splice_member change[3];
    size_t n;
    const char *want;
} cases[] = {
    {"nothing", "{\"a\":1}", {{0}}, 0, "{\"a\":1}"},
    {"a new value",
     "{ \"a\" : 1.0 ,\"b\":2}",
     {{"a", STR("\"x\"")}},
     1,
     "{ \"a\" : \"x\" ,\"b\":2}"},
    {"the first of equal names",
     "{\"a\":1,\"a\":2,\"a\":3}",
     {{"a", STR("4")}},
     1,
     "{\"a\":4,\"a\":2,\"a\":3}"},
    {"a member more", "{\"a\":1 }", {{"b", STR("2")}}, 1, "{\"a\":1,\"b\":2 }"},
    {"into an empty object", "{ }", {{"b", STR("2")}}, 1, "{\"b\":2 }"},
    {"two into an empty object", "{}", {{"b", STR("2")}, {"c", STR("3")}}, 2, "{\"b\":2,\"c\":3}"},
    {"the only one out", "{ \"a\":1 }", {{"a", OUT}}, 1, "{  }"},
    {"the first out", "{\"a\":1, \"b\":2}", {{"a", OUT}}, 1, "{\"b\":2}"},
    {"the middle out", "{\"a\":1, \"b\":2, \"c\":3}", {{"b", OUT}}, 1, "{\"a\":1, \"c\":3}"},
    {"the last out", "{\"a\":1, \"b\":2 }", {{"b", OUT}}, 1, "{\"a\":1 }"},
    {"the last two out", "{\"a\":1,\"b\":2,\"c\":3}", {{"b", OUT}, {"c", OUT}}, 2, "{\"a\":1}"},
    {"the first two out", "{\"a\":1,\"b\":2,\"c\":3}", {{"b", OUT}, {"a", OUT}}, 2, "{\"c\":3}"},
    {"first and last out", "{\"a\":1,\"b\":2,\"c\":3}", {{"c", OUT}, {"a", OUT}}, 2, "{\"b\":2}"},
    {"all out, one in",
     "{\"a\":1,\"b\":2}",
     {{"a", OUT}, {"b", OUT}, {"c", STR("3")}},
     3,
     "{\"c\":3}"},
    {"last out, one in",
     "{\"a\":1,\"b\":2}",
     {{"b", OUT}, {"c", STR("3")}},
     2,
     "{\"a\":1,\"c\":3}"},
    {"out what is not there", "{\"a\":1}", {{"b", OUT}}, 1, "{\"a\":1}"},
    {"a name with escapes is the same name",
     "{\"mod\\u0065l\":\"x\"}",
     {{"model", STR("\"y\"")}},
     1,
     "{\"mod\\u0065l\":\"y\"}"},
    {"not inside other values",
     "{\"x\":{\"a\":1},\"a\":[1,{\"a\":2}]}",
     {{"a", STR("0")}},
     1,
     "{\"x\":{\"a\":1},\"a\":0}"},
    {"unknown members and numbers survive",
     "{\"n\":1e400,\"a\":1,\"big\":12345678901234567890}",
     {{"a", STR("2")}},
     1,
     "{\"n\":1e400,\"a\":2,\"big\":12345678901234567890}"},
};

static struct str joined(const struct splice *s, struct arena *a)
{
    struct str part[SPLICE_PARTS], all = STR("");
    size_t n = splice_parts(s, part);
    for (size_t i = 0; i < n; i++) {
        ok(part[i].len > 0, "no piece is empty");
        all = arena_printf(a, "%.*s%.*s", STR_FMT(all), STR_FMT(part[i]));
    }
    return all;
}

static void test_members(struct arena *a)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json doc;
        struct splice s;
        struct err e = {0};
        if (!ok(json_parse(&doc, a, str_from(cases[i].text), 0, &e), "%s: parses", cases[i].name))
            continue;
        splice_init(&s, &doc);
        splice_object(&s, json_root(&doc), cases[i].change, cases[i].n);
        struct str got = joined(&s, a);
        ok(str_eq(got, str_from(cases[i].want)), "%s: %.*s", cases[i].name, STR_FMT(got));
        ok(str_eq(splice_text(&s, a), got), "%s: the same in one piece", cases[i].name);
    }
}

static void test_nested(struct arena *a)
{
    struct json doc;
    struct splice s;
    struct err e;
    struct str text = STR("{\"model\":\"a\",\"stream_options\":{\"x\":1},\"z\":0}");
    json_parse(&doc, a, text, 0, &e);
    splice_init(&s, &doc);
    splice_object(&s, json_get(json_root(&doc), "stream_options"),
                  &(struct splice_member){"include_usage", STR("true")}, 1);
    splice_object(&s, json_root(&doc), &(struct splice_member){"model", STR("\"b\"")}, 1);
    ok(str_eq(splice_text(&s, a),
              STR("{\"model\":\"b\",\"stream_options\":{\"x\":1,\"include_usage\":true},\"z\":0}")),
       "an inner object first, then the outer one");
}

static void test_untouched(struct arena *a)
{
    struct json doc;
    struct splice s;
    struct err e;
    struct str part[SPLICE_PARTS], text = STR(" {\"a\" : [ 1,2 ] } ");
    json_parse(&doc, a, text, 0, &e);
    splice_init(&s, &doc);
    ok(splice_parts(&s, part) == 1 && part[0].p == text.p && part[0].len == text.len,
       "without a change it is the text itself");
    ok(splice_text(&s, a).p == text.p, "not even a copy");
}

int main(void)
{
    struct arena *a = arena_new();
    test_members(a);
    test_nested(a);
    test_untouched(a);
    arena_free(a);
    return tap_done();
}
