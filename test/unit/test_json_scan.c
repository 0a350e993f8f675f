/* What the scanner promises: exactly RFC 8259, and the same verdict, nodes and place of the fault
 * from every twin, whatever the text. */
#include "base/json_scan.h"
#include "base/mem.h"

#include "tap.h"

/* clang-format off */
#define T(text) STR_INIT(text)
static const struct str valid[] = {
    /* the six kinds, alone */
    T("null"), T("true"), T("false"), T("0"), T("\"\""), T("[]"), T("{}"),
    /* white space, all four kinds, everywhere it may stand */
    T(" null"), T("null "), T("\t\r\n null \n\r\t"), T("[ ]"), T("{ }"), T("[\n]"),
    T(" [ 1 , 2 ] "), T(" { \"a\" : 1 , \"b\" : 2 } "), T("[1\n,\t2\r]"), T("\n\n[]\n\n"),
    /* numbers */
    T("-0"), T("1"), T("-1"), T("10"), T("1234567890123456789012345678901234567890"), T("0.0"),
    T("0.1"), T("-0.1"), T("1.5"), T("10.01"), T("0.00000000000000000001"), T("0e0"), T("0E0"),
    T("0e+0"), T("0e-0"), T("1e1"), T("1E1"), T("1e+1"), T("1e-1"), T("1.5e10"), T("-1.5E-10"),
    T("1e00001"), T("1e400"), T("1e-400"), T("-0e999999999999"), T("[0]"), T("[-0]"),
    T("[1,2,3]"), T("[1.0,2e3]"), T("{\"a\":0}"), T("{\"a\":-1e5}"),
    /* strings */
    T("\"a\""), T("\"\\\"\""), T("\"\\\\\""), T("\"\\/\""), T("\"/\""), T("\"\\b\""),
    T("\"\\f\""), T("\"\\n\""), T("\"\\r\""), T("\"\\t\""), T("\"\\u0000\""), T("\"\\u0041\""),
    T("\"\\uABCD\""), T("\"\\uabcd\""), T("\"\\uAbCd\""), T("\"\\uFFFF\""), T("\"\\uD7FF\""),
    T("\"\\uE000\""), T("\"\\uD800\\uDC00\""), T("\"\\uDBFF\\uDFFF\""),
    T("\"\\ud83d\\ude00 \\ud83d\\ude01\""), T("\"\\\\u0041\""), T("\"\\\\\\\\\\\"\""),
    T("\"\x7F\""), T("\" \""), T("\"'\""), T("\"//\""), T("\"/**/\""), T("\"[{,:}]\""),
    T("\"\xC2\x80\""), T("\"\xDF\xBF\""), T("\"\xE0\xA0\x80\""), T("\"\xED\x9F\xBF\""),
    T("\"\xEE\x80\x80\""), T("\"\xEF\xBF\xBF\""), T("\"\xEF\xBB\xBF\""),
    T("\"\xF0\x90\x80\x80\""), T("\"\xF4\x8F\xBF\xBF\""), T("\"\xE2\x80\xA8\xE2\x80\xA9\""),
    T("\"\xC3\xA9\\n\xC3\xA9\""),
    T("\"12345678901234567890123456789012345678901234567890123456789012345678901234567890\""),
    /* arrays and objects */
    T("[null]"), T("[[]]"), T("[[],[]]"), T("[[[[[[]]]]]]"), T("[{}]"), T("[{},[]]"),
    T("[\"\"]"), T("[true,false,null]"), T("{\"\":0}"), T("{\"a\":{}}"), T("{\"a\":[]}"),
    T("{\"a\":{\"b\":{\"c\":[]}}}"), T("{\"a\":1,\"b\":2}"), T("{\"a\":1,\"a\":2}"),
    T("{\"\\u0061\":1}"), T("{\"\\\"\":1}"), T("{\"a\":\"b\"}"), T("{\"\xC3\xA9\":1}"),
    T("{\"a\":[1,{\"b\":[2,{\"c\":3}]}]}"),
};

static const struct {
    struct str text;
    enum json_fault fault;
    int at;
} invalid[] = {
#define BAD(text, fault, at) {STR_INIT(text), JSON_FAULT_##fault, at}
    /* no value, or only the start of one */
    BAD(" ", CUT, 1), BAD("\n\t", CUT, 2), BAD("[", CUT, 1), BAD("{", CUT, 1),
    BAD("[1", CUT, 2), BAD("[1,", CUT, 3), BAD("[[]", CUT, 3), BAD("{\"a\"", CUT, 4),
    BAD("{\"a\":", CUT, 5), BAD("{\"a\":1", CUT, 6), BAD("{\"a\":1,", CUT, 7),
    BAD("\"", CUT, 1), BAD("\"a", CUT, 2), BAD("\"\\", CUT, 1), BAD("\"\\\"", CUT, 3),
    BAD("[\"a", CUT, 3), BAD("[\"\xC3\xA9", CUT, 4), BAD("{\"a", CUT, 3), BAD("[ ", CUT, 2),
    BAD("{ ", CUT, 2),
    /* the bracket at the end is not the one that is missing, or stands in a string */
    BAD("[[1] ", CUT, 5), BAD("{\"a\":[]", CUT, 7), BAD("[{}\n ", CUT, 5), BAD("[\"]", CUT, 3),
    BAD("{\"a}", CUT, 4), BAD("[\"a] ", CUT, 5), BAD("[\"a]\n", CONTROL, 4),
    BAD("{\"a\":\"b}", CUT, 8), BAD("[\"\\\"]", CUT, 5), BAD("[\"\\]", ESCAPE, 2),
    BAD("[\"\\u00]", ESCAPE, 2), BAD("[\"\xC3]", CUT, 4), BAD("\"]", CUT, 2),
    BAD("[n]", LITERAL, 1), BAD("{\"a\":fals}", LITERAL, 5), BAD("[-] ", NUMBER, 1),
    BAD("[1.]", NUMBER, 1), BAD("[{]", KEY, 2), BAD("{\"a\":]", VALUE, 5), BAD("1]", BEHIND, 1),
    BAD("\"a\"]", BEHIND, 3), BAD("[] ]", BEHIND, 3), BAD("[1] 2 ]", BEHIND, 4),
    /* more than one value */
    BAD("1 2", BEHIND, 2), BAD("[]]", BEHIND, 2), BAD("[][]", BEHIND, 2),
    BAD("{}}", BEHIND, 2), BAD("null,", BEHIND, 4), BAD("\"\"\"\"", BEHIND, 2),
    BAD("nulll", BEHIND, 4), BAD("truefalse", BEHIND, 4), BAD("1\0", BEHIND, 1),
    BAD("[]\0", BEHIND, 2), BAD("{}//", BEHIND, 2), BAD("{} #", BEHIND, 3),
    BAD("00", BEHIND, 1), BAD("01", BEHIND, 1), BAD("-01", BEHIND, 2), BAD("0x10", BEHIND, 1),
    BAD("1_000", BEHIND, 1), BAD("1f", BEHIND, 1), BAD("1e5.0", BEHIND, 3),
    BAD("1.5.2", BEHIND, 3), BAD("1-1", BEHIND, 1),
    /* what is no value */
    BAD("\0", VALUE, 0), BAD("nil", LITERAL, 0), BAD("nul", LITERAL, 0), BAD("Null", VALUE, 0),
    BAD("TRUE", VALUE, 0), BAD("tru", LITERAL, 0), BAD("fals", LITERAL, 0),
    BAD("NaN", VALUE, 0), BAD("Infinity", VALUE, 0), BAD("undefined", VALUE, 0),
    BAD("'a'", VALUE, 0), BAD("a", VALUE, 0), BAD("]", VALUE, 0), BAD("}", VALUE, 0),
    BAD(",", VALUE, 0), BAD(":", VALUE, 0), BAD("\\n", VALUE, 0), BAD("/**/1", VALUE, 0),
    BAD("// x\n1", VALUE, 0), BAD("#", VALUE, 0), BAD("\xEF\xBB\xBF{}", VALUE, 0),
    BAD("\xFF\xFE[\0]\0", VALUE, 0), BAD("\xC3\xA9", VALUE, 0), BAD("\x0C[]", VALUE, 0),
    BAD("\x0B[]", VALUE, 0), BAD("\xC2\xA0[]", VALUE, 0), BAD("\xE2\x81\xA0[]", VALUE, 0),
    BAD("\x7F", VALUE, 0), BAD("*", VALUE, 0),
    /* numbers */
    BAD("-", NUMBER, 0), BAD("+1", VALUE, 0), BAD(".5", VALUE, 0), BAD("-.5", NUMBER, 0),
    BAD("1.", NUMBER, 0), BAD("1.e5", NUMBER, 0), BAD("1e", NUMBER, 0), BAD("1e+", NUMBER, 0),
    BAD("1e-", NUMBER, 0), BAD("1E", NUMBER, 0), BAD("--1", NUMBER, 0), BAD("-a", NUMBER, 0),
    BAD("-Infinity", NUMBER, 0), BAD("[1.]", NUMBER, 1), BAD("[-]", NUMBER, 1),
    BAD("[1e]", NUMBER, 1), BAD("[01]", COMMA, 2), BAD("[1 2]", COMMA, 3),
    BAD("[1a]", COMMA, 2), BAD("[0e+-1]", NUMBER, 1), BAD("[1ee2]", NUMBER, 1),
    BAD("[- 1]", NUMBER, 1), BAD("[1.0.0]", COMMA, 4), BAD("[\xEF\xBC\x91]", VALUE, 1),
    /* arrays */
    BAD("[,]", VALUE, 1), BAD("[1,]", VALUE, 3), BAD("[,1]", VALUE, 1),
    BAD("[1,,2]", VALUE, 3), BAD("[1;2]", COMMA, 2), BAD("[1}", COMMA, 2),
    BAD("[1:2]", COMMA, 2), BAD("[\"a\":1]", COMMA, 4), BAD("[\"\"1]", COMMA, 3),
    BAD("[][", BEHIND, 2), BAD("[a]", VALUE, 1), BAD("[...]", VALUE, 1),
    BAD("[\x0C]", VALUE, 1), BAD("[1\0]", COMMA, 2), BAD("[nul]", LITERAL, 1),
    BAD("[/**/]", VALUE, 1), BAD("[1]x", BEHIND, 3),
    /* objects */
    BAD("{]", KEY, 1), BAD("{,}", KEY, 1), BAD("{1:1}", KEY, 1), BAD("{a:1}", KEY, 1),
    BAD("{'a':1}", KEY, 1), BAD("{null:1}", KEY, 1), BAD("{\"a\"}", COLON, 4),
    BAD("{\"a\" 1}", COLON, 5), BAD("{\"a\",1}", COLON, 4), BAD("{\"a\"=1}", COLON, 4),
    BAD("{\"a\"::1}", VALUE, 5), BAD("{\"a\":}", VALUE, 5), BAD("{:1}", KEY, 1),
    BAD("{\"a\":1,}", KEY, 7), BAD("{\"a\":1,,}", KEY, 7), BAD("{\"a\":1 \"b\":2}", COMMA, 7),
    BAD("{\"a\":1]", COMMA, 6), BAD("{\"a\":1;}", COMMA, 6), BAD("{[]:1}", KEY, 1),
    BAD("{{}}", KEY, 1), BAD("{\"a\":1:2}", COMMA, 6), BAD("{\"a\":\"b\"\"c\"}", COMMA, 8),
    BAD("{\"a\":1/**/}", COMMA, 6), BAD("{\"a\":/*x*/1}", VALUE, 5),
    BAD("{\"a\\q\":1}", ESCAPE, 3),
    /* strings */
    BAD("\"\n\"", CONTROL, 1), BAD("\"\t\"", CONTROL, 1), BAD("\"\0\"", CONTROL, 1),
    BAD("\"\x1F\"", CONTROL, 1), BAD("\"a\rb\"", CONTROL, 2), BAD("{\"a\nb\":1}", CONTROL, 3),
    BAD("\"\\x41\"", ESCAPE, 1), BAD("\"\\'\"", ESCAPE, 1), BAD("\"\\a\"", ESCAPE, 1),
    BAD("\"\\0\"", ESCAPE, 1), BAD("\"\\U0041\"", ESCAPE, 1), BAD("\"\\ \"", ESCAPE, 1),
    BAD("\"\\\n\"", ESCAPE, 1), BAD("\"\\\0\"", ESCAPE, 1), BAD("\"\\\xC3\xA9\"", ESCAPE, 1),
    BAD("\"\\u\"", ESCAPE, 1), BAD("\"\\u1\"", ESCAPE, 1), BAD("\"\\u12\"", ESCAPE, 1),
    BAD("\"\\u123\"", ESCAPE, 1), BAD("\"\\u00G0\"", ESCAPE, 1), BAD("\"\\u-123\"", ESCAPE, 1),
    BAD("\"\\u 123\"", ESCAPE, 1), BAD("\"\\u{41}\"", ESCAPE, 1), BAD("\"\\u00", ESCAPE, 1),
    BAD("\"\\uD800\"", SURROGATE, 1), BAD("\"\\uDC00\"", SURROGATE, 1),
    BAD("\"\\uDFFF\"", SURROGATE, 1), BAD("\"\\uD800x\"", SURROGATE, 1),
    BAD("\"\\uD800\\n\"", SURROGATE, 1), BAD("\"\\uD800\\u0041\"", SURROGATE, 1),
    BAD("\"\\uD800\\uD800\"", SURROGATE, 1), BAD("\"\\uDC00\\uD800\"", SURROGATE, 1),
    BAD("\"\\uD800\\uDC0\"", SURROGATE, 1), BAD("\"\\uD800\\\"", SURROGATE, 1),
    BAD("\"ab\\uD83D\xC3\xA9\"", SURROGATE, 3), BAD("\"\x80\"", UTF8, 1),
    BAD("\"\xBF\"", UTF8, 1), BAD("\"\xC3\"", UTF8, 1), BAD("\"\xC0\x80\"", UTF8, 1),
    BAD("\"\xC0\xAF\"", UTF8, 1), BAD("\"\xC1\xBF\"", UTF8, 1),
    BAD("\"\xE0\x80\x80\"", UTF8, 1), BAD("\"\xE0\x9F\xBF\"", UTF8, 1),
    BAD("\"\xED\xA0\x80\"", UTF8, 1), BAD("\"\xED\xBF\xBF\"", UTF8, 1),
    BAD("\"\xE4\xB8\"", UTF8, 1), BAD("\"\xF0\x80\x80\x80\"", UTF8, 1),
    BAD("\"\xF4\x90\x80\x80\"", UTF8, 1), BAD("\"\xF5\x80\x80\x80\"", UTF8, 1),
    BAD("\"\xF0\x9F\x98\"", UTF8, 1), BAD("\"\xFF\"", UTF8, 1), BAD("\"\xFE\"", UTF8, 1),
    BAD("\"ab\xE9z\"", UTF8, 3), BAD("{\"\xE9\":1}", UTF8, 2),
    BAD("\"\xF8\x88\x80\x80\x80\"", UTF8, 1), BAD("[\"\xC3\xA9\", \"\xA9\"]", UTF8, 8),
};
/* clang-format on */

static json_scan_fn *twin[3] = {json_scan_plain};
static const char *const twin_name[] = {"plain C", "SSE2", "AVX2"};
static size_t twins = 1;

static enum json_fault scan(size_t which, struct json_scan *s, struct arena *a, struct str text)
{
    *s = (struct json_scan){.text = text.p, .end = text.p + text.len, .arena = a, .cap = 1};
    s->node = (struct json_node *)arena_bytes(a, sizeof(*s->node));
    return twin[which](s);
}

/* Case i behind `pad` bytes: of letters inside the string that it begins with, else of spaces. So
 * everything stands at every place of a vector. In memory of exactly its size, so that the address
 * sanitizer sees a byte too many. */
static bool holds(size_t k, struct arena *a, size_t i, size_t pad)
{
    bool good = i < COUNT(valid), inside = false;
    struct str text = good ? valid[i] : invalid[i - COUNT(valid)].text;
    if (text.p[0] == '"')
        inside = true;
    char *copy = mem_new(pad + text.len);
    memcpy(copy, text.p, inside);
    memset(copy + inside, inside ? 'x' : ' ', pad);
    memcpy(copy + inside + pad, text.p + inside, text.len - inside);
    struct json_scan s;
    enum json_fault fault = scan(k, &s, a, (struct str){copy, pad + text.len});
    bool right = fault == JSON_FAULT_NONE;
    if (!good) {
        size_t at = pad + (size_t)invalid[i - COUNT(valid)].at;
        right = fault == invalid[i - COUNT(valid)].fault && s.at == copy + at;
    }
    mem_free(copy);
    arena_reset(a);
    return right;
}

static void test_table(struct arena *a)
{
    for (size_t k = 0; k < twins; k++) {
        for (size_t i = 0; i < COUNT(valid) + COUNT(invalid); i++) {
            size_t wrong = 0;
            for (size_t pad = 0; pad < 140; pad++)
                wrong += !holds(k, a, i, pad);
            bool good = i < COUNT(valid);
            ok(wrong == 0, "%s, %s case %zu", twin_name[k], good ? "valid" : "invalid",
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
               s.n == JSON_DEPTH && s.node[s.n - 1].at == JSON_DEPTH - 1,
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

/* Of a text in brackets every beginning is cut; and with a bracket put behind it, where nothing
 * asks for the end any more, all twins say the same. */
static void test_cut(struct arena *a)
{
    static const char whole[] =
        "{ \"model\":\"m\",\"messages\": [{\"role\":\"user\",\"content\":\"A line, "
        "\xE2\x80\x9Cquoted\xE2\x80"
        "\x9D, that is longer than any vector, and so it goes on and on and ends with this.\"},"
        "\n\t{\"role\":\"tool\",\"content\":[]},{}],\"temperature\":0.25,\"n\":12, \"stop\" : "
        "[\"a\"]}";
    size_t wrong = 0;
    for (size_t len = 1; len < sizeof(whole) - 1; len++) {
        struct json_scan s;
        char *text = mem_new(len + 1);
        memcpy(text, whole, len);
        bool point = text[len - 1] == '.' && whole[len] == '2';
        enum json_fault want = point ? JSON_FAULT_NUMBER : JSON_FAULT_CUT;
        for (size_t k = 0; k < twins; k++)
            wrong += scan(k, &s, a, (struct str){text, len}) != want ||
                     s.at != text + len - (point ? 2 : 0);
        text[len] = len % 2 ? ']' : '}';
        wrong += !same(a, (struct str){text, len + 1});
        mem_free(text);
        arena_reset(a);
    }
    ok(wrong == 0, "every beginning of a good text is cut");
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

static const char *string_end(size_t which, const char *p, const char *end)
{
#ifdef __x86_64__
    json_string_end_fn *of[] = {json_string_end_plain, json_string_end_sse2, json_string_end_avx2};
    return of[which](p, end);
#else
    (void)which;
    return json_string_end_plain(p, end);
#endif
}

static bool is_json(struct arena *a, const char *p, size_t n)
{
    struct json_scan s;
    return scan(0, &s, a, (struct str){p, n}) == JSON_FAULT_NONE;
}

/* Text of `length` letters drawn from `letters`, alone in its memory. */
static char *drawn(uint32_t *seed, const char *letters, size_t length)
{
    char *text = mem_new(length);
    for (size_t i = 0; i < length; i++)
        text[i] = letters[next(seed, strlen(letters))];
    return text;
}

/* The first beginning that is JSON ends a string. */
static void test_string_end(struct arena *a)
{
    uint32_t seed = 11;
    size_t wrong = 0, good = 0;
    for (int round = 0; round < 10000; round++) {
        size_t plain = next(&seed, 70), len = 1 + plain + next(&seed, 12), n = 1;
        char *text = drawn(&seed, "\"\\un\\uD8DC00\xC3\xA9 a\x1F", len);
        memset(text + 1, 'x', plain);
        text[0] = '"';
        while (n <= len && !is_json(a, text, n))
            n++;
        const char *want = n <= len ? text + n - 1 : NULL;
        good += want != NULL;
        for (size_t k = 0; k < twins; k++)
            wrong += string_end(k, text + 1, text + len) != want;
        mem_free(text);
        arena_reset(a);
    }
    ok(wrong == 0 && good > 500, "where 10000 strings end, %zu of which do", good);
}

/* The last beginning that is JSON ends a number, unless it goes on as one and is at fault there. */
static void test_number_end(struct arena *a)
{
    uint32_t seed = 13;
    size_t wrong = 0, good = 0;
    for (int round = 0; round < 10000; round++) {
        size_t len = 1 + next(&seed, 9), n = len;
        char *text = drawn(&seed, "-+.eE00123456789,", len);
        while (n > 0 && !is_json(a, text, n))
            n--;
        const char *end = json_number_end(text, text + len), *want = n ? text + n : NULL;
        bool fault = !end && want && want < text + len && strchr(".eE", *want);
        good += end != NULL;
        wrong += end != want && !fault;
        mem_free(text);
        arena_reset(a);
    }
    ok(wrong == 0 && good > 500, "where 10000 numbers end, %zu of which do", good);
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
    test_cut(a);
    test_twins_agree(a);
    test_string_end(a);
    test_number_end(a);
    arena_free(a);
    return tap_done();
}
