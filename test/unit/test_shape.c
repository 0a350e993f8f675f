/* What a shape promises: whatever it reads is JSON with the values of the text it was learnt from,
 * but for what differs in strings and numbers; everything else it leaves to the parser. */
#include "model/shape.h"

#include "edge.h"
#include "tap.h"

#define TEXT "{\"a\":\"x\",\"n\":[1,null,true],\"b\":{\"c\":\"some text of more than 16 bytes\"}}"

/* `values` are those that are read, joined by '|'; NULL: it is not alike. */
static const struct {
    const char *name, *learn, *text, *values;
} cases[] = {
    {"itself", TEXT, TEXT, "x|1|some text of more than 16 bytes"},
    {"other values", TEXT, "{\"a\":\"\",\"n\":[20,null,true],\"b\":{\"c\":\"y\"}}", "|20|y"},
    {"escapes", TEXT, "{\"a\":\"\\\"\\\\\\n\",\"n\":[0,null,true],\"b\":{\"c\":\"\\/\"}}",
     "\\\"\\\\\\n|0|\\/"},
    {"an escape far in", TEXT,
     "{\"a\":\"0123456789abcdef0123\\n\",\"n\":[0,null,true],\"b\":{\"c\":\"\"}}",
     "0123456789abcdef0123\\n|0|"},
    {"UTF-8", TEXT,
     "{\"a\":\"\xC3\xA4\",\"n\":[7,null,true],\"b\":{\"c\":\"0123456789abcd\xE2\x82\xAC\"}}",
     "\xC3\xA4|7|0123456789abcd\xE2\x82\xAC"},
    {"broken UTF-8", TEXT, "{\"a\":\"\xC3\",\"n\":[7,null,true],\"b\":{\"c\":\"\"}}", NULL},
    {"broken UTF-8 far in", TEXT,
     "{\"a\":\"0123456789abcdef\xFF\",\"n\":[7,null,true],\"b\":{\"c\":\"\"}}", NULL},
    {"a control character", TEXT, "{\"a\":\"\n\",\"n\":[7,null,true],\"b\":{\"c\":\"\"}}", NULL},
    {"a bad escape", TEXT, "{\"a\":\"\\x\",\"n\":[7,null,true],\"b\":{\"c\":\"\"}}", NULL},
    {"an escape by number", TEXT, "{\"a\":\"\\u00e4\",\"n\":[7,null,true],\"b\":{\"c\":\"\"}}",
     "\\u00e4|7|"},
    {"half a surrogate", TEXT, "{\"a\":\"\\ud800\",\"n\":[7,null,true],\"b\":{\"c\":\"\"}}", NULL},
    {"a backslash at the end", TEXT, "{\"a\":\"\\", NULL},
    {"a fraction", TEXT, "{\"a\":\"x\",\"n\":[1.5,null,true],\"b\":{\"c\":\"\"}}", "x|1.5|"},
    {"a number with a zero in front", TEXT, "{\"a\":\"x\",\"n\":[01,null,true],\"b\":{\"c\":\"\"}}",
     NULL},
    {"no number", TEXT, "{\"a\":\"x\",\"n\":[,null,true],\"b\":{\"c\":\"\"}}", NULL},
    {"a string for a number", TEXT, "{\"a\":\"x\",\"n\":[\"1\",null,true],\"b\":{\"c\":\"\"}}",
     NULL},
    {"true for null", TEXT, "{\"a\":\"x\",\"n\":[1,true,true],\"b\":{\"c\":\"\"}}", NULL},
    {"another key", TEXT, "{\"A\":\"x\",\"n\":[1,null,true],\"b\":{\"c\":\"\"}}", NULL},
    {"one member more", TEXT, "{\"a\":\"x\",\"n\":[1,null,true],\"b\":{\"c\":\"\",\"d\":1}}", NULL},
    {"other white space", TEXT, "{\"a\": \"x\",\"n\":[1,null,true],\"b\":{\"c\":\"\"}}", NULL},
    {"more behind it", TEXT, TEXT " ", NULL},
    {"cut short", TEXT, "{\"a\":\"x\",\"n\":[1,null,true],\"b\":{\"c\":\"\"}", NULL},
    {"nothing", TEXT, "", NULL},
    {"a value alone", "5", "17", "17"},
    {"signs and exponents", "[-1.5e3,2]", "[0E+0,-0.25e-17]", "0E+0|-0.25e-17"},
    {"a point without digits", "[1,2]", "[1.,2]", NULL},
    {"a point that ends it", "1", "1.", NULL},
    {"an exponent without digits", "[1,2]", "[1e,2]", NULL},
    {"an exponent that is a sign", "[1,2]", "[1e-,2]", NULL},
    {"an exponent that ends it", "1", "1.5e", NULL},
    {"an exponent with a fraction", "[1,2]", "[1e1.5,2]", NULL},
    {"a sign alone", "1", "-", NULL},
    {"two signs", "[1,2]", "[--1,2]", NULL},
    {"a plus", "[1,2]", "[+1,2]", NULL},
    {"a negative number with a zero in front", "[1,2]", "[-01,2]", NULL},
    {"an escaped key", "{\"\\u0061\":\"b\"}", "{\"\\u0061\":\"c\"}", "c"},
    {"eight deep", "[[[[[[[[1]]]]]]]]", "[[[[[[[[2]]]]]]]]", "2"},
    {"nine deep", "[[[[[[[[[1]]]]]]]]]", "[[[[[[[[[1]]]]]]]]]", NULL},
    {"no values", "[null]", "[null]", NULL},
    {"as many values as fit", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
     "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]",
     "1|1|1|1|1|1|1|1|1|1|1|1|1|1|1|1|1|1|1|1|1|1|1|2"},
    {"one more", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
     "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", NULL},
};

static void test_cases(struct arena *a)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct shape s;
        struct json doc;
        struct str value[SHAPE_VALUES];
        struct buf got;
        buf_init(&got, 4096);
        CHECK(json_parse(&doc, a, str_from(cases[i].learn), 0, NULL));
        bool read =
            shape_learn(&s, &doc) && shape_read(&s, at_edge(str_from(cases[i].text)), value);
        for (size_t k = 0; read && k < s.n; k++) {
            if (k > 0)
                buf_char(&got, '|');
            buf_add(&got, value[k]);
        }
        ok(read == (cases[i].values != NULL) &&
               (!read || str_eq(buf_str(&got), str_from(cases[i].values))),
           "%s", cases[i].name);
        buf_fini(&got);
    }
}

static void test_size(struct arena *a)
{
    struct shape s;
    struct json doc;
    struct str key = {arena_bytes(a, SHAPE_BYTES), SHAPE_BYTES};
    memset((char *)key.p, 'k', key.len);
    for (size_t n = SHAPE_BYTES - 20; n <= SHAPE_BYTES; n++) {
        struct str text = arena_printf(a, "{\"%.*s\":1}", (int)n, key.p);
        CHECK(json_parse(&doc, a, text, 0, NULL));
        bool fits = text.len - 1 <= SHAPE_BYTES;
        if (shape_learn(&s, &doc) != fits || (s.n > 0) != fits) {
            ok(false, "%zu bytes around a value", text.len - 1);
            return;
        }
    }
    ok(true, "up to %d bytes around the values fit", SHAPE_BYTES);
}

static void test_places(struct arena *a)
{
    struct shape s;
    struct json doc;
    CHECK(json_parse(&doc, a, STR("{\"a\":\"x\",\"n\":[1,null],\"b\":{\"c\":\"y\"}}"), 0, NULL));
    struct json_value root = json_root(&doc);
    ok(shape_learn(&s, &doc) && s.n == 3, "three values");
    ok(shape_place(&s, json_get(root, "a")) == 0 && shape_place(&s, json_path(root, "n.0")) == 1 &&
           shape_place(&s, json_path(root, "b.c")) == 2,
       "in the order of the text");
    ok(shape_place(&s, json_get(root, "n")) == SHAPE_NONE &&
           shape_place(&s, json_path(root, "n.1")) == SHAPE_NONE &&
           shape_place(&s, json_get(root, "z")) == SHAPE_NONE,
       "others have no place");
    ok(!shape_read(&(struct shape){0}, STR(""), NULL), "nothing learnt, nothing read");
}

int main(void)
{
    struct arena *a = arena_new();
    test_cases(a);
    test_size(a);
    test_places(a);
    arena_free(a);
    return tap_done();
}
