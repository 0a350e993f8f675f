/* What json promises those who read: values by name and path, text decoded, whole numbers exact,
 * equal keys refused on demand. */
#include "base/json.h"
#include "base/mem.h"

#include "tap.h"

static struct arena *a;

static struct json_value parse(struct json *doc, const char *text)
{
    struct err e;
    CHECK(json_parse(doc, a, str_from(text), 0, &e));
    return json_root(doc);
}

static const struct {
    const char *raw, *text;
    size_t len;
} texts[] = {
    {"\"plain\"", "plain", 5},
    {"\"\"", "", 0},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
    {"\"\\u0041b\\u00e9c\\u4E2D\"",
     "Ab\xC3\xA9"
     "c\xE4\xB8\xAD",
     8},
    {"\"\\ud83c\\udf0a.\"", "\xF0\x9F\x8C\x8A.", 5},
    {"\"a\\u0000b\"", "a\0b", 3},
    {"\"\\uFFFF\\uDBFF\\uDFFF\"", "\xEF\xBF\xBF\xF4\x8F\xBF\xBF", 7},
    {"\"\xE4\xB8\xAD\\n\"", "\xE4\xB8\xAD\n", 4},
};

static void test_texts(void)
{
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct json doc;
        struct json_value v = parse(&doc, texts[i].raw);
        struct str want = {texts[i].text, texts[i].len};
        ok(str_eq(json_text(v, a), want), "text of %s", texts[i].raw);
        ok(json_text_is_str(v, want) && !json_text_is_str(v, str_head(STR("plain+"), want.len + 1)),
           "compared in place");
    }
    struct json doc;
    ok(json_text(parse(&doc, "5"), a).len == 0 && !json_text_is(parse(&doc, "5"), "5"),
       "a number is no text");
}

static const struct {
    const char *text;
    bool good;
    int64_t value;
} ints[] = {
    {"0", true, 0},
    {"-0", true, 0},
    {"-0.0e5", true, 0},
    {"0e-400", true, 0},
    {"1.0", true, 1},
    {"1e2", true, 100},
    {"1E+2", true, 100},
    {"100e-2", true, 1},
    {"-12.50e1", true, -125},
    {"1000000000000000000000e-20", true, 10},
    {"0.000001e6", true, 1},
    {"9007199254740993.0", true, 9007199254740993},
    {"9223372036854775807", true, INT64_MAX},
    {"-9223372036854775808", true, INT64_MIN},
    {"-9223372036854775808.0", true, INT64_MIN},
    {"922337203685477580.7e1", true, INT64_MAX},
    {"1.5", false, 0},
    {"1e-1", false, 0},
    {"9223372036854775808", false, 0},
    {"9223372036854775808.0", false, 0},
    {"-9223372036854775809", false, 0},
    {"1e19", false, 0},
    {"1e400", false, 0},
    {"1e99999999999999999999", false, 0},
    {"1e-99999999999999999999", false, 0},
    {"0e99999999999999999999", true, 0},
    {"123456789012345678901234567890", false, 0},
    {"\"1\"", false, 0},
    {"null", false, 0},
    {"[1]", false, 0},
};

static void test_numbers(void)
{
    struct json doc;
    for (size_t i = 0; i < COUNT(ints); i++) {
        int64_t n = 0;
        bool good = json_int(parse(&doc, ints[i].text), &n);
        ok(good == ints[i].good && n == ints[i].value, "whole number %s", ints[i].text);
    }
    double d;
    ok(json_double(parse(&doc, "-1.25e2"), &d) && d == -125, "a real number");
    ok(!json_double(parse(&doc, "1e400"), &d), "too large for a double");
    ok(json_double(parse(&doc, "1e-400"), &d) && d == 0, "too small is zero");
    bool b = false;
    ok(json_bool(parse(&doc, "true"), &b) && b && json_bool(parse(&doc, "false"), &b) && !b,
       "booleans");
    ok(!json_bool(parse(&doc, "null"), &b) && !json_bool(parse(&doc, "1"), &b), "no booleans");
}

static void test_tree(void)
{
    struct json doc;
    struct json_value root =
        parse(&doc, "{ \"model\": \"m\", \"choices\": [ {\"delta\": {\"content\": \"x\"}}, 2, [] ],"
                    "  \"n\\u0061me\": 3, \"model\": \"second\", \"\": 4, \"e\": {} }");
    int64_t n = 0;
    ok(json_text_is(json_get(root, "model"), "m"), "the first of two members");
    ok(json_int(json_get(root, "name"), &n) && n == 3, "a name with escapes");
    ok(json_int(json_get(root, ""), &n) && n == 4, "the empty name");
    ok(!json_exists(json_get(root, "mode")) && !json_exists(json_get(root, "content")),
       "prefixes and names further inside are not members");
    static const struct str wanted[] = {STR_INIT("name"), STR_INIT("none"), STR_INIT("model"),
                                        STR_INIT("")};
    struct json_value member[COUNT(wanted)];
    json_members(root, wanted, COUNT(wanted), member);
    ok(json_int(member[0], &n) && n == 3 && !json_exists(member[1]) &&
           json_text_is(member[2], "m") && json_int(member[3], &n) && n == 4,
       "members in one walk: by decoded name, the first of two, none");
    json_members(json_get(root, "choices"), wanted, COUNT(wanted), member);
    ok(!json_exists(member[0]) && !json_exists(member[3]), "a list has no members");
    ok(json_text_is(json_path(root, "choices.0.delta.content"), "x"), "a path");
    ok(!json_exists(json_path(root, "choices.3")) && !json_exists(json_path(root, "choices.-1")) &&
           !json_exists(json_path(root, "choices.x")) && !json_exists(json_path(root, "model.x")) &&
           !json_exists(json_path(root, "choices.0.delta.content.y")) &&
           !json_exists(json_path(root, "choices.18446744073709551615")),
       "paths to nowhere");
    struct json_value list = json_get(root, "choices");
    ok(json_count(list) == 3 && json_count(root) == 6 && json_count(json_at(list, 2)) == 0,
       "counts");
    ok(json_int(json_at(list, 1), &n) && n == 2 && !json_exists(json_at(list, 3)), "items");
    ok(str_eq(json_raw(json_at(list, 0)), STR("{\"delta\": {\"content\": \"x\"}}")), "raw bytes");
    ok(json_is(json_at(list, 2), JSON_ARRAY) && json_type(list) == JSON_ARRAY &&
           strcmp(json_type_name(JSON_ARRAY), "array") == 0,
       "types");

    struct buf names;
    buf_init(&names, 100);
    json_each(it, root)
    {
        buf_add(&names, it.name);
        buf_char(&names, ' ');
    }
    ok(str_eq(buf_str(&names), STR("model choices n\\u0061me model  e ")), "names in order, raw");
    buf_fini(&names);

    struct json_value none = {0};
    double d;
    bool b;
    ok(!json_exists(json_get(none, "x")) && !json_exists(json_at(none, 0)) &&
           !json_exists(json_path(none, "a.b")) && json_count(none) == 0 &&
           json_raw(none).len == 0 && json_text(none, a).len == 0 && !json_int(none, &n) &&
           !json_double(none, &d) && !json_bool(none, &b) && !json_is(none, JSON_NULL) &&
           !json_exists(json_first(none).value),
       "what is not there may be asked everything");
}

static const struct {
    const char *text, *key;
} twice[] = {
    {"{\"a\":1,\"a\":2}", "\"a\""},
    {"{\"a\":1,\"\\u0061\":2}", "\"\\u0061\""},
    {"{\"\":1,\"x\":0,\"\":2}", "\"\""},
    {"[{},{\"k\":{\"long name\":[],\"long name\":{}}}]", "\"long name\""},
    {"{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":1}],\"A\":0}", NULL},
    {"{\"a\\n\":1,\"a\":2,\"an\":3}", NULL},
    {"{}", NULL},
};

static void test_unique(void)
{
    struct json doc;
    struct err e;
    for (size_t i = 0; i < COUNT(twice); i++) {
        bool good = json_parse(&doc, a, str_from(twice[i].text), JSON_UNIQUE, &e);
        ok(good ? !twice[i].key
                : twice[i].key && e.code == ERR_INVALID && strstr(e.msg, twice[i].key),
           "equal keys in %s", twice[i].text);
    }
    enum { MANY = 20000 };
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < MANY; i++)
        buf_printf(&b, "%c\"k%d\":%d", i ? ',' : '{', i, i);
    buf_char(&b, '}');
    ok(json_parse(&doc, a, buf_str(&b), JSON_UNIQUE, &e) && doc.n == 1 + 2 * MANY,
       "20000 different keys");
    b.len--;
    buf_add(&b, STR(",\"k77\":0}"));
    ok(!json_parse(&doc, a, buf_str(&b), JSON_UNIQUE, &e) && strstr(e.msg, "\"k77\""), "%s", e.msg);
    buf_fini(&b);
}

/* Names of each length, against all that are spelled otherwise in one place. The text ends behind
 * them in memory, so that the address sanitizer sees a byte too many. */
static void test_names(void)
{
    struct json doc;
    struct err e;
    int wrong = 0;
    for (size_t len = 0; len < 40; len++) {
        char name[40], text[64];
        memset(name, 'n', len);
        size_t size = (size_t)snprintf(text, sizeof(text), "{\"%.*s\":0}", (int)len, name);
        char *exact = mem_copy(text, size), *asked = mem_copy(name, len);
        wrong += !json_parse(&doc, a, (struct str){exact, size}, JSON_UNIQUE, &e);
        for (size_t i = 0; i <= len; i++) {
            if (i < len)
                asked[i] ^= 1; /* and the last time it is the name */
            struct str both[2] = {{asked, len}, {"x", 1}};
            struct json_value v[2];
            json_members(json_root(&doc), both, 2, v);
            bool there = json_exists(json_member(json_root(&doc), both[0]));
            wrong += there != (i == len) || json_exists(v[0]) != there || json_exists(v[1]);
            struct buf b;
            buf_init(&b, 128);
            buf_printf(&b, "{\"%.*s\":0,\"%.*s\":1}", (int)len, name, (int)len, asked);
            struct json two;
            wrong += json_parse(&two, a, buf_str(&b), JSON_UNIQUE, &e) == there;
            buf_fini(&b);
            if (i < len)
                asked[i] ^= 1;
        }
        mem_free(exact);
        mem_free(asked);
    }
    ok(wrong == 0, "names that differ in one letter are others");
}

int main(void)
{
    a = arena_new();
    struct err e;
    struct json doc;
    ok(!json_parse(&doc, a, STR("[1,}"), 0, &e) && e.code == ERR_SYNTAX &&
           strcmp(e.msg, "not valid JSON at byte 3: expected a value") == 0,
       "a fault has its place: %s", e.msg);
    ok(!json_parse(&doc, a, STR_NONE, 0, &e) && e.code == ERR_SYNTAX, "nothing: %s", e.msg);
    ok(!json_parse(&doc, a, (struct str){"", (size_t)JSON_TEXT_MAX + 1}, 0, &e) &&
           e.code == ERR_TOO_LARGE,
       "more than a gigabyte: %s", e.msg);
    test_texts();
    test_numbers();
    test_tree();
    test_unique();
    test_names();
    arena_free(a);
    return tap_done();
}
