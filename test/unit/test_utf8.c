/* What utf8 promises: exactly RFC 3629, wherever in a text the character stands. */
#include "base/mem.h"
#include "base/utf8_impl.h"

#include "tap.h"

static const struct {
    const char *name, *text;
    bool good;
} cases[] = {
    {"nothing", "", true},
    {"plain", "plain", true},
    {"DEL", "\x7f", true},
    {"first of two", "\xC2\x80", true},
    {"last of two", "\xDF\xBF", true},
    {"first of three", "\xE0\xA0\x80", true},
    {"before the surrogates", "\xED\x9F\xBF", true},
    {"behind the surrogates", "\xEE\x80\x80", true},
    {"last of three", "\xEF\xBF\xBF", true},
    {"first of four", "\xF0\x90\x80\x80", true},
    {"last of all", "\xF4\x8F\xBF\xBF", true},
    {"mixed", "a\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x8C\x8A.", true},
    {"lone continuation", "\x80", false},
    {"lone last continuation", "\xBF", false},
    {"overlong NUL", "\xC0\x80", false},
    {"overlong slash in two", "\xC1\xBF", false},
    {"overlong in three", "\xE0\x9F\xBF", false},
    {"overlong in four", "\xF0\x8F\xBF\xBF", false},
    {"first surrogate", "\xED\xA0\x80", false},
    {"last surrogate", "\xED\xBF\xBF", false},
    {"past the end of Unicode", "\xF4\x90\x80\x80", false},
    {"lead byte F5", "\xF5\x80\x80\x80", false},
    {"lead byte FF", "\xFF", false},
    {"five bytes", "\xF8\x88\x80\x80\x80", false},
    {"two cut", "\xC3", false},
    {"three cut after one", "\xE4", false},
    {"three cut after two", "\xE4\xB8", false},
    {"four cut after three", "\xF0\x9F\x8C", false},
    {"two then ASCII", "\xC3.", false},
    {"three then ASCII", "\xE4\xB8.", false},
    {"four then ASCII", "\xF0\x9F\x8C.", false},
    {"three then lead", "\xE4\xB8\xC3\xA9", false},
    {"one continuation too many", "\xC3\xA9\xA9", false},
};

/* Each case behind 0 to 130 letters and in front of as many: every place in a block of 64. */
static void test_validity(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t n = strlen(cases[i].text);
        int wrong = 0;
        for (size_t front = 0; front <= 130; front++) {
            char text[300];
            memset(text, 'a', sizeof(text));
            memcpy(text + front, cases[i].text, n);
            wrong += utf8_valid((struct str){text, front + n}) != cases[i].good;
            wrong += utf8_valid((struct str){text, 2 * front + n}) != cases[i].good;
        }
        ok(wrong == 0, "%s: %s", cases[i].name, cases[i].good ? "valid" : "invalid");
    }
}

/* Text of all lengths with up to two bytes replaced, in memory of exactly its size. */
static void test_twins_agree(void)
{
#ifdef __x86_64__
    static const char *const piece[] = {"a",
                                        " b",
                                        "\xC3\xA9",
                                        "\xE4\xB8\xAD",
                                        "\xF0\x9F\x8C\x8A",
                                        "plain letters, longer than a vector is wide"};
    static const char bytes[] = "\x80\xBF\xC0\xC2\xE0\xED\xEF\xF0\xF4\xF5\xFF.\x90\xA0";
    uint32_t seed = 5, wrong = 0;
    if (!__builtin_cpu_supports("avx2")) {
        skip("no AVX2 here");
        return;
    }
    for (int round = 0; round < 50000; round++) {
        char text[300];
        size_t len = 0, want = (size_t)(round % 200);
        while (len < want) {
            seed = seed * 1664525 + 1013904223;
            struct str p = str_from(piece[(seed >> 8) % COUNT(piece)]);
            memcpy(text + len, p.p, p.len);
            len += p.len;
        }
        for (int hits = round % 3; hits && len; hits--) {
            seed = seed * 1664525 + 1013904223;
            text[(seed >> 8) % len] = bytes[(seed >> 4) % (sizeof(bytes) - 1)];
        }
        char *exact = mem_copy(text, len);
        struct str s = {exact, len};
        wrong += utf8_valid_plain(s) != utf8_valid_avx2(s);
        mem_free(exact);
    }
    ok(wrong == 0, "twins agree on 50000 texts");
#else
    skip("one variant only here");
#endif
}

static void test_round_trip(void)
{
    int wrong = 0;
    for (uint32_t c = 0; c <= 0x110000; c++) {
        char text[4];
        size_t n = utf8_put(text, c), at = 0;
        bool character = c < 0xD800 || (c > 0xDFFF && c < 0x110000);
        wrong += !utf8_valid((struct str){text, n});
        wrong += utf8_next((struct str){text, n}, &at) != (character ? c : 0xFFFD) || at != n;
    }
    ok(wrong == 0, "every character there and back");
}

int main(void)
{
    test_validity();
    test_twins_agree();
    test_round_trip();
    struct str s = STR("a\xC3\xA9\xE4\xB8\xAD");
    size_t at = 1;
    ok(utf8_next(s, &at) == 0xE9 && at == 3, "next moves behind the character");
    at = 2;
    ok(utf8_next(s, &at) == 0xFFFD && at == 3, "a broken byte moves by one");
    ok(utf8_count(s) == 3, "count");
    ok(utf8_cut(s, 6) == 6 && utf8_cut(s, 5) == 3 && utf8_cut(s, 4) == 3 && utf8_cut(s, 3) == 3 &&
           utf8_cut(s, 2) == 1 && utf8_cut(s, 99) == 6,
       "cut between characters");
    return tap_done();
}
