/* Encodings by their marks, by what is valid, and by what a page says. */
#include "base/mem.h"
#include "reader/charset.h"

#include "tap.h"

#define LIT(s)                                                                                     \
    {                                                                                              \
        s, sizeof(s) - 1                                                                           \
    }

static const struct {
    const char *name, *label;
    struct str in;
    const char *out; /* NULL: no text */
} cases[] = {
    {"ASCII", "", LIT("abc"), "abc"},
    {"valid UTF-8 wins over a label", "windows-1251", LIT("\xC3\xA9"), "\xC3\xA9"},
    {"a label with other bytes", "windows-1251", LIT("\xEF\xF0"), "\xD0\xBF\xD1\x80"},
    {"a label in capitals", "Shift_JIS", LIT("\x93\xFA\x96{"), "\xE6\x97\xA5\xE6\x9C\xAC"},
    {"EUC-KR", "euc-kr", LIT("\xC7\xD1"), "\xED\x95\x9C"},
    {"GBK", "gb2312", LIT("\xC4\xE3\xBA\xC3"), "\xE4\xBD\xA0\xE5\xA5\xBD"},
    {"ISO-2022-JP is all ASCII bytes", "iso-2022-jp", LIT("\x1B$BF|\x1B(B"), "\xE6\x97\xA5"},
    {"a label that nobody knows", "x-none", LIT("\xE9"), "\xC3\xA9"},
    {"broken bytes in an encoding", "euc-jp", LIT("a\xFF z"), "a\xEF\xBF\xBD z"},
    {"a mark wins over a label", "koi8-r", LIT("\xFE\xFF\0a"), "a"},
    {"a zero byte", "", LIT("ab\0cdef"), NULL},
    {"an odd byte behind UTF-16", "",
     LIT("\xFF\xFE"
         "a\0b"),
     "a"},
    {"a broken surrogate pair at the end", "", LIT("\xFE\xFF\0a\xD8\0"), "a\xEF\xBF\xBD"},
};

int main(void)
{
    charset_prepare();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new();
        struct str out = STR_NONE;
        bool text = charset_decode(&out, a, cases[i].in, str_from(cases[i].label));
        if (!ok(cases[i].out ? text && str_eq(out, str_from(cases[i].out)) : !text, "%s",
                cases[i].name))
            printf("# got %.*s\n", STR_FMT(out));
        arena_free(a);
    }
    return tap_done();
}
