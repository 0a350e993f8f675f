/* What the scanner promises: exactly RFC 8259, and the same verdict, nodes and place of the fault
 * from every twin, whatever the text. */
#include "base/json_scan.h"
#include "base/mem.h"

#include "tap.h"

static const struct str valid[] = {
    /* the six kinds, alone */
    STR_INIT("null"),
    STR_INIT("true"),
    STR_INIT("false"),
    STR_INIT("0"),
    STR_INIT("\"\""),
    STR_INIT("[]"),
    STR_INIT("{}"),
    /* white space, all four kinds, everywhere it may stand */
    STR_INIT(" null"),
    STR_INIT("null "),
    STR_INIT("\t\r\n null \n\r\t"),
    STR_INIT("[ ]"),
    STR_INIT("{ }"),
    STR_INIT("[\n]"),
    STR_INIT(" [ 1 , 2 ] "),
    STR_INIT(" { \"a\" : 1 , \"b\" : 2 } "),
    STR_INIT("[1\n,\t2\r]"),
    STR_INIT("\n\n[]\n\n"),
    /* numbers */
    STR_INIT("-0"),
    STR_INIT("1"),
    STR_INIT("-1"),
    STR_INIT("10"),
    STR_INIT("1234567890123456789012345678901234567890"),
    STR_INIT("0.0"),
    STR_INIT("0.1"),
    STR_INIT("-0.1"),
    STR_INIT("1.5"),
    STR_INIT("10.01"),
    STR_INIT("0.00000000000000000001"),
    STR_INIT("0e0"),
    STR_INIT("0E0"),
    STR_INIT("0e+0"),
    STR_INIT("0e-0"),
    STR_INIT("1e1"),
    STR_INIT("1E1"),
    STR_INIT("1e+1"),
    STR_INIT("1e-1"),
    STR_INIT("1.5e10"),
    STR_INIT("-1.5E-10"),
    STR_INIT("1e00001"),
    STR_INIT("1e400"),
    STR_INIT("1e-400"),
    STR_INIT("-0e999999999999"),
    STR_INIT("[0]"),
    STR_INIT("[-0]"),
    STR_INIT("[1,2,3]"),
    STR_INIT("[1.0,2e3]"),
    STR_INIT("{\"a\":0}"),
    STR_INIT("{\"a\":-1e5}"),
    /* strings */
    STR_INIT("\"a\""),
    STR_INIT("\"\\\"\""),
    STR_INIT("\"\\\\\""),
    STR_INIT("\"\\/\""),
    STR_INIT("\"/\""),
    STR_INIT("\"\\b\""),
    STR_INIT("\"\\f\""),
    STR_INIT("\"\\n\""),
    STR_INIT("\"\\r\""),
    STR_INIT("\"\\t\""),
    STR_INIT("\"\\u0000\""),
    STR_INIT("\"\\u0041\""),
    STR_INIT("\"\\uABCD\""),
    STR_INIT("\"\\uabcd\""),
    STR_INIT("\"\\uAbCd\""),
    STR_INIT("\"\\uFFFF\""),
    STR_INIT("\"\\uD7FF\""),
    STR_INIT("\"\\uE000\""),
    STR_INIT("\"\\uD800\\uDC00\""),
    STR_INIT("\"\\uDBFF\\uDFFF\""),
    STR_INIT("\"\\ud83d\\ude00 \\ud83d\\ude01\""),
    STR_INIT("\"\\\\u0041\""),
    STR_INIT("\"\\\\\\\\\\\"\""),
    STR_INIT("\"\x7F\""),
    STR_INIT("\" \""),
    STR_INIT("\"'\""),
    STR_INIT("\"//\""),
    STR_INIT("\"/**/\""),
    STR_INIT("\"[{,:}]\""),
    STR_INIT("\"\xC2\x80\""),
    STR_INIT("\"\xDF\xBF\""),
    STR_INIT("\"\xE0\xA0\x80\""),
    STR_INIT("\"\xED\x9F\xBF\""),
    STR_INIT("\"\xEE\x80\x80\""),
    STR_INIT("\"\xEF\xBF\xBF\""),
    STR_INIT("\"\xEF\xBB\xBF\""),
    STR_INIT("\"\xF0\x90\x80\x80\""),
    STR_INIT("\"\xF4\x8F\xBF\xBF\""),
    STR_INIT("\"\xE2\x80\xA8\xE2\x80\xA9\""),
    STR_INIT("\"\xC3\xA9\\n\xC3\xA9\""),
    STR_INIT(
        "\"12345678901234567890123456789012345678901234567890123456789012345678901234567890\""),
    /* arrays and objects */
    STR_INIT("[null]"),
    STR_INIT("[[]]"),
    STR_INIT("[[],[]]"),
    STR_INIT("[[[[[[]]]]]]"),
    STR_INIT("[{}]"),
    STR_INIT("[{},[]]"),
    STR_INIT("[\"\"]"),
    STR_INIT("[true,false,null]"),
    STR_INIT("{\"\":0}"),
    STR_INIT("{\"a\":{}}"),
    STR_INIT("{\"a\":[]}"),
    STR_INIT("{\"a\":{\"b\":{\"c\":[]}}}"),
    STR_INIT("{\"a\":1,\"b\":2}"),
    STR_INIT("{\"a\":1,\"a\":2}"),
    STR_INIT("{\"\\u0061\":1}"),
    STR_INIT("{\"\\\"\":1}"),
    STR_INIT("{\"a\":\"b\"}"),
    STR_INIT("{\"\xC3\xA9\":1}"),
    STR_INIT("{\"a\":[1,{\"b\":[2,{\"c\":3}]}]}"),
};

static const struct {
    struct str text;
    enum json_fault fault;
    int at;
} invalid[] = {
#define BAD(text, fault, at)                                                                       \
    {                                                                                              \
        STR_INIT(text), JSON_FAULT_##fault, at                                                     \
    }
    /* no value, or only the start of one */
    BAD(" ", CUT, 1),
    BAD("\n\t", CUT, 2),
    BAD("[", CUT, 1),
    BAD("{", CUT, 1),
    BAD("[1", CUT, 2),
    BAD("[1,", CUT, 3),
    BAD("[[]", CUT, 3),
    BAD("{\"a\"", CUT, 4),
    BAD("{\"a\":", CUT, 5),
    BAD("{\"a\":1", CUT, 6),
    BAD("{\"a\":1,", CUT, 7),
    BAD("\"", CUT, 1),
    BAD("\"a", CUT, 2),
    BAD("\"\\", CUT, 1),
    BAD("\"\\\"", CUT, 3),
    BAD("[\"a", CUT, 3),
    BAD("[\"\xC3\xA9", CUT, 4),
    BAD("{\"a", CUT, 3),
    BAD("[ ", CUT, 2),
    BAD("{ ", CUT, 2),
    /* more than one value */
    BAD("1 2", BEHIND, 2),
    BAD("[]]", BEHIND, 2),
    BAD("[][]", BEHIND, 2),
    BAD("{}}", BEHIND, 2),
    BAD("null,", BEHIND, 4),
    BAD("\"\"\"\"", BEHIND, 2),
    BAD("nulll", BEHIND, 4),
    BAD("truefalse", BEHIND, 4),
    BAD("1\0", BEHIND, 1),
    BAD("[]\0", BEHIND, 2),
    BAD("{}//", BEHIND, 2),
    BAD("{} #", BEHIND, 3),
    BAD("00", BEHIND, 1),
    BAD("01", BEHIND, 1),
    BAD("-01", BEHIND, 2),
    BAD("0x10", BEHIND, 1),
    BAD("1_000", BEHIND, 1),
    BAD("1f", BEHIND, 1),
    BAD("1e5.0", BEHIND, 3),
    BAD("1.5.2", BEHIND, 3),
    BAD("1-1", BEHIND, 1),
    /* what is no value */
    BAD("\0", VALUE, 0),
    BAD("nil", LITERAL, 0),
    BAD("nul", LITERAL, 0),
    BAD("Null", VALUE, 0),
    BAD("TRUE", VALUE, 0),
    BAD("tru", LITERAL, 0),
    BAD("fals", LITERAL, 0),
    BAD("NaN", VALUE, 0),
    BAD("Infinity", VALUE, 0),
    BAD("undefined", VALUE, 0),
    BAD("'a'", VALUE, 0),
    BAD("a", VALUE, 0),
    BAD("]", VALUE, 0),
    BAD("}", VALUE, 0),
    BAD(",", VALUE, 0),
    BAD(":", VALUE, 0),
    BAD("\\n", VALUE, 0),
    BAD("/**/1", VALUE, 0),
    BAD("// x\n1", VALUE, 0),
    BAD("#", VALUE, 0),
    BAD("\xEF\xBB\xBF{}", VALUE, 0),
    BAD("\xFF\xFE[\0]\0", VALUE, 0),
    BAD("\xC3\xA9", VALUE, 0),
    BAD("\x0C[]", VALUE, 0),
    BAD("\x0B[]", VALUE, 0),
    BAD("\xC2\xA0[]", VALUE, 0),
    BAD("\xE2\x81\xA0[]", VALUE, 0),
    BAD("\x7F", VALUE, 0),
    BAD("*", VALUE, 0),
    /* numbers */
    BAD("-", NUMBER, 0),
    BAD("+1", VALUE, 0),
    BAD(".5", VALUE, 0),
    BAD("-.5", NUMBER, 0),
    BAD("1.", NUMBER, 0),
    BAD("1.e5", NUMBER, 0),
    BAD("1e", NUMBER, 0),
    BAD("1e+", NUMBER, 0),
    BAD("1e-", NUMBER, 0),
    BAD("1E", NUMBER, 0),
    BAD("--1", NUMBER, 0),
    BAD("-a", NUMBER, 0),
    BAD("-Infinity", NUMBER, 0),
    BAD("[1.]", NUMBER, 1),
    BAD("[-]", NUMBER, 1),
    BAD("[1e]", NUMBER, 1),
    BAD("[01]", COMMA, 2),
    BAD("[1 2]", COMMA, 3),
    BAD("[1a]", COMMA, 2),
    BAD("[0e+-1]", NUMBER, 1),
    BAD("[1ee2]", NUMBER, 1),
    BAD("[- 1]", NUMBER, 1),
    BAD("[1.0.0]", COMMA, 4),
    BAD("[\xEF\xBC\x91]", VALUE, 1),
    /* arrays */
    BAD("[,]", VALUE, 1),
    BAD("[1,]", VALUE, 3),
    BAD("[,1]", VALUE, 1),
    BAD("[1,,2]", VALUE, 3),
    BAD("[1;2]", COMMA, 2),
    BAD("[1}", COMMA, 2),
    BAD("[1:2]", COMMA, 2),
    BAD("[\"a\":1]", COMMA, 4),
    BAD("[\"\"1]", COMMA, 3),
    BAD("[][", BEHIND, 2),
    BAD("[a]", VALUE, 1),
    BAD("[...]", VALUE, 1),
    BAD("[\x0C]", VALUE, 1),
    BAD("[1\0]", COMMA, 2),
    BAD("[nul]", LITERAL, 1),
    BAD("[/**/]", VALUE, 1),
    BAD("[1]x", BEHIND, 3),
    /* objects */
    BAD("{]", KEY, 1),
    BAD("{,}", KEY, 1),
    BAD("{1:1}", KEY, 1),
    BAD("{a:1}", KEY, 1),
    BAD("{'a':1}", KEY, 1),
    BAD("{null:1}", KEY, 1),
    BAD("{\"a\"}", COLON, 4),
    BAD("{\"a\" 1}", COLON, 5),
    BAD("{\"a\",1}", COLON, 4),
    BAD("{\"a\"=1}", COLON, 4),
    BAD("{\"a\"::1}", VALUE, 5),
    BAD("{\"a\":}", VALUE, 5),
    BAD("{:1}", KEY, 1),
    BAD("{\"a\":1,}", KEY, 7),
    BAD("{\"a\":1,,}", KEY, 7),
    BAD("{\"a\":1 \"b\":2}", COMMA, 7),
    BAD("{\"a\":1]", COMMA, 6),
    BAD("{\"a\":1;}", COMMA, 6),
    BAD("{[]:1}", KEY, 1),
    BAD("{{}}", KEY, 1),
    BAD("{\"a\":1:2}", COMMA, 6),
    BAD("{\"a\":\"b\"\"c\"}", COMMA, 8),
    BAD("{\"a\":1/**/}", COMMA, 6),
    BAD("{\"a\":/*x*/1}", VALUE, 5),
    BAD("{\"a\\q\":1}", ESCAPE, 3),
    /* strings */
    BAD("\"\n\"", CONTROL, 1),
    BAD("\"\t\"", CONTROL, 1),
    BAD("\"\0\"", CONTROL, 1),
    BAD("\"\x1F\"", CONTROL, 1),
    BAD("\"a\rb\"", CONTROL, 2),
    BAD("{\"a\nb\":1}", CONTROL, 3),
    BAD("\"\\x41\"", ESCAPE, 1),
    BAD("\"\\'\"", ESCAPE, 1),
    BAD("\"\\a\"", ESCAPE, 1),
    BAD("\"\\0\"", ESCAPE, 1),
    BAD("\"\\U0041\"", ESCAPE, 1),
    BAD("\"\\ \"", ESCAPE, 1),
    BAD("\"\\\n\"", ESCAPE, 1),
    BAD("\"\\\0\"", ESCAPE, 1),
    BAD("\"\\\xC3\xA9\"", ESCAPE, 1),
    BAD("\"\\u\"", ESCAPE, 1),
    BAD("\"\\u1\"", ESCAPE, 1),
    BAD("\"\\u12\"", ESCAPE, 1),
    BAD("\"\\u123\"", ESCAPE, 1),
    BAD("\"\\u00G0\"", ESCAPE, 1),
    BAD("\"\\u-123\"", ESCAPE, 1),
    BAD("\"\\u 123\"", ESCAPE, 1),
    BAD("\"\\u{41}\"", ESCAPE, 1),
    BAD("\"\\u00", ESCAPE, 1),
    BAD("\"\\uD800\"", SURROGATE, 1),
    BAD("\"\\uDC00\"", SURROGATE, 1),
    BAD("\"\\uDFFF\"", SURROGATE, 1),
    BAD("\"\\uD800x\"", SURROGATE, 1),
    BAD("\"\\uD800\\n\"", SURROGATE, 1),
    BAD("\"\\uD800\\u0041\"", SURROGATE, 1),
    BAD("\"\\uD800\\uD800\"", SURROGATE, 1),
    BAD("\"\\uDC00\\uD800\"", SURROGATE, 1),
    BAD("\"\\uD800\\uDC0\"", SURROGATE, 1),
    BAD("\"\\uD800\\\"", SURROGATE, 1),
    BAD("\"ab\\uD83D\xC3\xA9\"", SURROGATE, 3),
    BAD("\"\x80\"", UTF8, 1),
    BAD("\"\xBF\"", UTF8, 1),
    BAD("\"\xC3\"", UTF8, 1),
    BAD("\"\xC0\x80\"", UTF8, 1),
    BAD("\"\xC0\xAF\"", UTF8, 1),
    BAD("\"\xC1\xBF\"", UTF8, 1),
    BAD("\"\xE0\x80\x80\"", UTF8, 1),
    BAD("\"\xE0\x9F\xBF\"", UTF8, 1),
    BAD("\"\xED\xA0\x80\"", UTF8, 1),
    BAD("\"\xED\xBF\xBF\"", UTF8, 1),
    BAD("\"\xE4\xB8\"", UTF8, 1),
    BAD("\"\xF0\x80\x80\x80\"", UTF8, 1),
    BAD("\"\xF4\x90\x80\x80\"", UTF8, 1),
    BAD("\"\xF5\x80\x80\x80\"", UTF8, 1),
    BAD("\"\xF0\x9F\x98\"", UTF8, 1),
    BAD("\"\xFF\"", UTF8, 1),
    BAD("\"\xFE\"", UTF8, 1),
    BAD("\"ab\xE9z\"", UTF8, 3),
    BAD("{\"\xE9\":1}", UTF8, 2),
    BAD("\"\xF8\x88\x80\x80\x80\"", UTF8, 1),
    BAD("[\"\xC3\xA9\", \"\xA9\"]", UTF8, 8),
};

static json_scan_fn *twin[3] = {json_scan_plain};
static const char *const twin_name[] = {"plain C", "SSE2", "AVX2"};
static size_t twins = 1;

static enum json_fault scan(size_t which, struct json_scan *s, struct arena *a, struct str text)
{
    *s = (struct json_scan){.text = text.p, .end = text.p + text.len, .arena = a, .cap = 1};
    s->node = (struct json_node *)arena_bytes(a, sizeof(*s->node));
    return twin[which](s);
}

/* In memory of exactly its size, so that the address sanitizer sees a byte too many; and behind
 * white space, so that it stands at every place of a vector. */
static void test_table(struct arena *a)
{
    for (size_t k = 0; k < twins; k++) {
        for (size_t i = 0; i < COUNT(valid) + COUNT(invalid); i++) {
            bool good = i < COUNT(valid);
            struct str text = good ? valid[i] : invalid[i - COUNT(valid)].text;
            int wrong = 0;
            for (size_t front = 0; front < 70; front++) {
                char *copy = mem_new(front + text.len);
                memset(copy, ' ', front);
                memcpy(copy + front, text.p, text.len);
                struct json_scan s;
                enum json_fault fault = scan(k, &s, a, (struct str){copy, front + text.len});
                if (good)
                    wrong += fault != JSON_FAULT_NONE;
                else
                    wrong += fault != invalid[i - COUNT(valid)].fault ||
                             s.at != copy + front + invalid[i - COUNT(valid)].at;
                mem_free(copy);
                arena_reset(a);
            }
            ok(wrong == 0, "%s %s case %zu", twin_name[k], good ? "valid" : "invalid",
               good ? i : i - COUNT(valid));
        }
    }
}

static void test_depth(struct arena *a)
{
    char text[2 * JSON_DEPTH + 2];
    struct json_scan s;
    for (size_t k = 0; k < twins; k++) {
        memset(text, '[', JSON_DEPTH + 1);
        memset(text + JSON_DEPTH + 1, ']', JSON_DEPTH + 1);
        ok(scan(k, &s, a, (struct str){text + 1, 2 * JSON_DEPTH}) == JSON_FAULT_NONE &&
               s.n == JSON_DEPTH && s.node[s.n - 1].depth == JSON_DEPTH - 1,
           "%s: %d arrays in one another", twin_name[k], JSON_DEPTH);
        ok(scan(k, &s, a, (struct str){text, sizeof(text)}) == JSON_FAULT_DEPTH &&
               s.at == text + JSON_DEPTH,
           "%s: one more is refused", twin_name[k]);
    }
}

static bool same(struct arena *a, struct str text)
{
    struct json_scan first, other;
    enum json_fault fault = scan(0, &first, a, text);
    for (size_t k = 1; k < twins; k++) {
        if (scan(k, &other, a, text) != fault)
            return false;
        if (fault ? other.at != first.at
                  : other.n != first.n ||
                        memcmp(other.node, first.node, first.n * sizeof(*first.node)) != 0)
            return false;
    }
    return true;
}

static size_t next(uint32_t *seed, size_t n)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % n;
}

/* Texts glued together from the table, then damaged in up to three places. */
static void test_twins_agree(struct arena *a)
{
    static const char bytes[] = "\"\\{}[],:0 aut\x1F\x7F\x80\xC3\xA9\xE4\xF0\xED";
    uint32_t seed = 7;
    int differ = 0;
    for (int round = 0; round < 40000; round++) {
        char text[700] = "[";
        size_t len = 1, parts = next(&seed, 12);
        for (size_t i = 0; i < parts; i++) {
            struct str part = valid[next(&seed, COUNT(valid))];
            if (len + part.len + 2 > sizeof(text))
                break;
            if (i)
                text[len++] = ',';
            memcpy(text + len, part.p, part.len);
            len += part.len;
        }
        text[len++] = ']';
        for (size_t hits = next(&seed, 4); hits; hits--)
            text[next(&seed, len)] = bytes[next(&seed, sizeof(bytes))];
        char *exact = mem_copy(text, len);
        differ += !same(a, (struct str){exact, len});
        mem_free(exact);
        arena_reset(a);
    }
    ok(differ == 0, "twins agree on 40000 damaged texts");
}

int main(void)
{
#ifdef __x86_64__
    twin[twins++] = json_scan_sse2;
    if (__builtin_cpu_supports("avx2"))
        twin[twins++] = json_scan_avx2;
    else
        skip("no AVX2 here");
#endif
    struct arena *a = arena_new();
    test_table(a);
    test_depth(a);
    test_twins_agree(a);
    arena_free(a);
    return tap_done();
}
