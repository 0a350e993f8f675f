/* What the writer promises: text that the reader takes back, and numbers that do not change. */
#include "base/json.h"
#include "base/mem.h"

#include "tap.h"

#include <math.h>

static void test_shape(void)
{
    struct buf b;
    buf_init(&b, 1000);
    struct json_writer w;
    json_begin(&w, &b);
    json_object(&w);
    json_kv_str(&w, "s", STR("a\"\\\b\f\n\r\t\x01\x7F/"));
    json_kv_text(&w, "null", NULL);
    json_kv_int(&w, "least", INT64_MIN);
    json_kv_real(&w, "r", 0.1);
    json_kv_bool(&w, "b", true);
    json_key(&w, "list");
    json_array(&w);
    json_put_int(&w, 1);
    json_array(&w);
    json_end(&w);
    json_object(&w);
    json_end(&w);
    json_put_null(&w);
    json_put_raw(&w, STR("{\"x\":1}"));
    json_put_real(&w, NAN);
    json_end(&w);
    json_key_str(&w, STR("k\n"));
    json_put_bool(&w, false);
    json_end(&w);
    struct str want = STR("{\"s\":\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7F/\",\"null\":null,"
                          "\"least\":-9223372036854775808,\"r\":0.1,\"b\":true,"
                          "\"list\":[1,[],{},null,{\"x\":1},null],\"k\\n\":false}");
    ok(str_eq(buf_str(&b), want), "commas, escapes and brackets: %.*s", STR_FMT(buf_str(&b)));
    buf_fini(&b);
}

static const struct {
    const char *in, *out;
} broken[] = {
    {"\xC3", "\xEF\xBF\xBD"},
    {"a\x80z", "a\xEF\xBF\xBDz"},
    {"\xE4\xB8", "\xEF\xBF\xBD\xEF\xBF\xBD"},
    {"\xC3\xA9\xFF\n\xC3\xA9", "\xC3\xA9\xEF\xBF\xBD\\n\xC3\xA9"},
    {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
    {"\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x8C\x8A", "\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x8C\x8A"},
};

static void test_broken_utf8(void)
{
    for (size_t i = 0; i < COUNT(broken); i++) {
        struct buf b;
        buf_init(&b, 100);
        json_escape(&b, str_from(broken[i].in));
        ok(str_eq(buf_str(&b), str_from(broken[i].out)), "broken text %zu", i);
        buf_fini(&b);
    }
}

static void test_strings_return(struct arena *a)
{
    static const char *const piece[] = {"a",
                                        "\"",
                                        "\\",
                                        "\n",
                                        "\x02",
                                        "\xC3\xA9",
                                        "\xF0\x9F\x8C\x8A",
                                        "long and plain text, more than a vector holds of it"};
    uint32_t seed = 3;
    int wrong = 0;
    for (int round = 0; round < 3000; round++) {
        struct buf in, out;
        buf_init(&in, 10000);
        buf_init(&out, 10000);
        for (int n = round % 40; n; n--) {
            seed = seed * 1664525 + 1013904223;
            buf_add(&in, str_from(piece[(seed >> 8) % COUNT(piece)]));
        }
        struct json_writer w;
        json_begin(&w, &out);
        json_put_str(&w, buf_str(&in));
        struct json doc;
        struct err e;
        wrong += !json_parse(&doc, a, buf_str(&out), 0, &e) ||
                 !str_eq(json_text(json_root(&doc), a), buf_str(&in));
        buf_fini(&in);
        buf_fini(&out);
        arena_reset(a);
    }
    ok(wrong == 0, "3000 strings come back");
}

static void test_reals_return(struct arena *a)
{
    int wrong = 0;
    uint64_t seed = 5;
    for (int round = 0; round < 20000; round++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t bits = round % 2 ? seed : seed >> 12 | UINT64_C(0x3FE) << 52;
        double in, back = 0;
        memcpy(&in, &bits, sizeof(in));
        if (!isfinite(in))
            continue;
        struct buf out;
        buf_init(&out, 100);
        struct json_writer w;
        json_begin(&w, &out);
        json_put_real(&w, in);
        struct json doc;
        struct err e;
        wrong += !json_parse(&doc, a, buf_str(&out), 0, &e) ||
                 !json_double(json_root(&doc), &back) || back != in;
        buf_fini(&out);
        arena_reset(a);
    }
    ok(wrong == 0, "20000 doubles come back");
}

int main(void)
{
    struct arena *a = arena_new();
    test_shape();
    test_broken_utf8();
    test_strings_return(a);
    test_reals_return(a);

    struct buf small;
    struct json_writer w;
    buf_init(&small, 8);
    json_begin(&w, &small);
    json_array(&w);
    json_put_str(&w, STR("more than fits"));
    json_end(&w);
    ok(!buf_ok(&small) && small.len <= 8, "the buffer's limit holds and tells");
    buf_fini(&small);
    arena_free(a);
    return tap_done();
}
