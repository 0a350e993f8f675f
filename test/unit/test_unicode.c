/* What characters are, and how words are folded. */
#include "text/unicode.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tap.h"

#include <stdlib.h>

static const struct {
    const char *name;
    uint32_t c;
    enum unicode_kind want;
} kinds[] = {
    {"letter", 'a', UNICODE_WORD},
    {"digit", '7', UNICODE_WORD},
    {"Arabic digit", 0x663, UNICODE_WORD},
    {"Roman numeral", 0x2160, UNICODE_WORD},
    {"underscore", '_', UNICODE_OTHER},
    {"space", ' ', UNICODE_OTHER},
    {"ideographic full stop", 0x3002, UNICODE_OTHER},
    {"combining acute", 0x301, UNICODE_MARK},
    {"Devanagari vowel sign", 0x93e, UNICODE_MARK},
    {"soft hyphen", 0xad, UNICODE_MARK},
    {"zero width space", 0x200b, UNICODE_OTHER},
    {"Han", 0x4eca, UNICODE_DENSE},
    {"rare Han", 0x20bb7, UNICODE_DENSE},
    {"hiragana", 0x306f, UNICODE_DENSE},
    {"prolonged sound mark", 0x30fc, UNICODE_DENSE},
    {"Hangul", 0xd55c, UNICODE_DENSE},
    {"Thai", 0xe01, UNICODE_DENSE},
    {"Thai vowel above", 0xe34, UNICODE_DENSE},
    {"full-width A", 0xff21, UNICODE_WORD},
    {"emoji", 0x1f600, UNICODE_OTHER},
    {"not a character", 0x110000, UNICODE_OTHER},
    {"replacement character", 0xfffd, UNICODE_OTHER},
};

static const struct {
    const char *name, *word, *want;
} folds[] = {
    {"empty", "", ""},
    {"case", "HeLLo", "hello"},
    {"sharp s", "Straße", "strasse"},
    {"Greek final sigma", "ΣΊΣΥΦΟΣ", "σίσυφοσ"},
    {"decomposed becomes composed", "e\xcc\x81t\xc3\xa9", "\xc3\xa9t\xc3\xa9"},
    {"marks in any order", "a\xcc\x81\xcc\xa3", "\xe1\xba\xa1\xcc\x81"},
    {"ligature", "\xef\xac\x81le", "file"},
    {"full width", "ＡＢＣ１２", "abc12"},
    {"half-width kana", "ｶﾞ", "ガ"},
    {"soft hyphen goes", "co\xc2\xadoperate", "cooperate"},
};

static void test_kinds(void)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        ok(unicode_kind(kinds[i].c) == kinds[i].want, "%s", kinds[i].name);
}

static void test_folds(void)
{
    for (size_t i = 0; i < COUNT(folds); i++) {
        char out[64];
        size_t n = unicode_fold(str_from(folds[i].word), out, sizeof(out));
        ok(str_eq((struct str){out, n}, str_from(folds[i].want)), "%s: %.*s", folds[i].name, (int)n,
           out);
    }
}

static void test_room(void)
{
    char out[4];
    size_t n = unicode_fold(STR("ab\xc3\xa9\xc3\xa9"), out, 3);
    ok(n == 2 && memcmp(out, "ab", 2) == 0, "a character that does not fit is left out whole");
}

/* Every character that there is, alone: folding is bounded, gives UTF-8, and folding again changes
 * nothing. */
static void test_every_character(void)
{
    size_t growth = 0;
    bool valid = true, stable = true;
    for (uint32_t c = 1; c < 0x110000; c++) {
        char raw[4], once[64], twice[64];
        if (c >= 0xd800 && c < 0xe000)
            continue;
        size_t len = utf8_put(raw, c);
        size_t n = unicode_fold((struct str){raw, len}, once, sizeof(once));
        size_t m = unicode_fold((struct str){once, n}, twice, sizeof(twice));
        valid = valid && utf8_valid((struct str){once, n});
        stable = stable && str_eq((struct str){once, n}, (struct str){twice, m});
        growth = size_max(growth, (n + len - 1) / len);
    }
    ok(valid, "folds are valid UTF-8");
    ok(stable, "a fold folds to itself");
    ok(growth <= UNICODE_FOLD_GROWTH, "the largest grows %zu times", growth);
}

static void test_any_bytes(void)
{
    unsigned seed = 3;
    bool good = true;
    for (int round = 0; round < 20000; round++) {
        char bytes[150], out[40];
        size_t n = (size_t)rand_r(&seed) % sizeof(bytes);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)rand_r(&seed);
        size_t made = unicode_fold((struct str){bytes, n}, out, sizeof(out));
        good = good && made <= sizeof(out) && utf8_valid((struct str){out, made});
    }
    ok(good, "any bytes fold to valid UTF-8 within the room given");
}

int main(void)
{
    test_kinds();
    test_folds();
    test_room();
    test_every_character();
    test_any_bytes();
    return tap_done();
}
