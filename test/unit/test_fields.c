/* What a table of fields promises: defaults, units, lists, and errors that point. */
#include "gateway/fields.h"

#include "tap.h"

#include <stdlib.h>

struct inner {
    struct str name;
    int64_t n;
};

struct outer {
    struct str text;
    bool flag;
    int64_t count, bytes, ms;
    double real;
    struct str *words;
    size_t n_words;
    struct inner one;
    struct inner *many;
    size_t n_many;
};

#define AT(type, member) offsetof(struct type, member)
static const struct field inner_field[] = {
    {"name", FIELD_TEXT, AT(inner, name), .required = true},
    {"n", FIELD_COUNT, AT(inner, n), "7", .least = 1, .most = 9},
};
static const struct fields inner = {"an inner", sizeof(struct inner), inner_field,
                                    COUNT(inner_field)};
static const struct field outer_field[] = {
    {"text", FIELD_TEXT, AT(outer, text), "preset"},
    {"flag", FIELD_BOOL, AT(outer, flag), "true"},
    {"count", FIELD_COUNT, AT(outer, count)},
    {"bytes", FIELD_BYTES, AT(outer, bytes), "2 KB"},
    {"time", FIELD_DURATION, AT(outer, ms), "1s"},
    {"real", FIELD_REAL, AT(outer, real), .least = 0, .most = 5},
    {"words", FIELD_TEXTS, AT(outer, words)},
    {"one", FIELD_STRUCT, AT(outer, one), .inner = &inner},
    {"many", FIELD_STRUCTS, AT(outer, many), .inner = &inner},
};
static const struct fields outer = {"the outer", sizeof(struct outer), outer_field,
                                    COUNT(outer_field)};

static bool fill(struct outer *o, struct arena *a, const char *text, struct err *e)
{
    struct yaml *y;
    *o = (struct outer){0};
    return yaml_parse(&y, a, "t.yaml", str_from(text), e) &&
           fields_fill(&outer, o, y, a, "t.yaml", e);
}

static const struct {
    const char *yaml, *message;
} bad[] = {
    {"txt: 1\n", "t.yaml:1: unknown key 'txt' in the outer; did you mean 'text'?"},
    {"text: a\nzzzzzzzz: 1\n", "t.yaml:2: unknown key 'zzzzzzzz' in the outer"},
    {"flag: maybe\n", "t.yaml:1: 'flag' is 'maybe'; it must be true or false"},
    {"\ncount: 1.5\n", "t.yaml:2: 'count' is '1.5'; it must be a whole number"},
    {"bytes: 5 XB\n", "t.yaml:1: 'bytes' is '5 XB'; it must be a size such as 64 MB"},
    {"time: 30\n", "t.yaml:1: 'time' is '30'; it must be a time such as 500ms, 30s or 10m"},
    {"many:\n  - name: x\n    n: 10\n", "t.yaml:3: 'n' is 10; it must lie between 1 and 9"},
    {"real: -0.5\n", "t.yaml:1: 'real' is -0.5; it must lie between 0 and 5"},
    {"real: 1e30\n", "t.yaml:1: 'real' is 1e30; it must lie between 0 and 5"},
    {"many:\n  - n: 3\n", "t.yaml:2: an inner needs 'name'"},
    {"many: 3\n", "t.yaml:1: 'many' must be a list of maps"},
    {"text: [1]\n", "t.yaml:1: 'text' must be a text"},
    {"text: ${PENSTOCK_NO_SUCH}\n",
     "t.yaml:1: the environment variable 'PENSTOCK_NO_SUCH' is not set"},
    {"text: a${b\n", "t.yaml:1: '${' without '}'"},
};

int main(void)
{
    struct arena *a = arena_new();
    struct outer o;
    struct err e;
    ok(fill(&o, a, "", &e) && str_eq(o.text, STR("preset")) && o.flag && o.bytes == 2048 &&
           o.ms == 1000 && o.one.n == 7,
       "defaults");
    setenv("PENSTOCK_T", "from outside", 1);
    ok(fill(&o, a,
            "text: x ${PENSTOCK_T}!\nflag: false\ncount: -3\nbytes: 64 MB\ntime: 10m\nreal: 2.5\n"
            "words: [a, b]\none: {name: n, n: 2}\nmany:\n  - name: p\n  - name: q\n    n: 1\n",
            &e),
       "everything at once: %s", e.msg);
    ok(str_eq(o.text, STR("x from outside!")) && !o.flag && o.count == -3 && o.real == 2.5,
       "scalars and the environment");
    ok(o.bytes == 64 << 20 && o.ms == 600000, "units");
    ok(o.n_words == 2 && str_eq(o.words[1], STR("b")), "a list of texts");
    ok(o.one.n == 2 && o.n_many == 2 && o.many[0].n == 7 && o.many[1].n == 1, "structs");
    ok(fill(&o, a, "words: alone\n", &e) && o.n_words == 1 && str_eq(o.words[0], STR("alone")),
       "one text is a list of one");
    for (size_t i = 0; i < COUNT(bad); i++) {
        e.msg[0] = 0;
        ok(!fill(&o, a, bad[i].yaml, &e) && strcmp(e.msg, bad[i].message) == 0, "refused: %s",
           e.msg);
    }
    arena_free(a);
    return tap_done();
}
