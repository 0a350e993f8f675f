/* What the reader of plain text promises: paragraphs with their lines, in whatever encoding. */
#include "read.h"
#include "tap.h"

#define LIT(s)                                                                                     \
    {                                                                                              \
        s, sizeof(s) - 1                                                                           \
    }

static const struct {
    const char *name;
    struct str in;
    const char *out;
} cases[] = {
    {"paragraphs", LIT("one\ntwo\n\n\nthree\n"), "para @1-2 \"one\ntwo\"\npara @5-5 \"three\"\n"},
    {"no end of line", LIT("a"), "para @1-1 \"a\"\n"},
    {"CRLF", LIT("a\r\nb\r\n\r\nc"), "para @1-2 \"a\nb\"\npara @4-4 \"c\"\n"},
    {"CR alone", LIT("a\rb\r\rc"), "para @1-2 \"a\nb\"\npara @4-4 \"c\"\n"},
    {"a line of spaces is blank", LIT("a\n \t\nb"), "para @1-1 \"a\"\npara @3-3 \"b\"\n"},
    {"byte order mark", LIT("\xEF\xBB\xBFx"), "para @1-1 \"x\"\n"},
    {"windows-1252", LIT("caf\xE9 \x80 \x93q\x94"),
     "para @1-1 \"caf\xC3\xA9 \xE2\x82\xAC \xE2\x80\x9Cq\xE2\x80\x9D\"\n"},
    {"UTF-16, little end first",
     LIT("\xFF\xFE"
         "a\0\xE9\0=\xD8\0\xDE"),
     "para @1-1 \"a\xC3\xA9\xF0\x9F\x98\x80\"\n"},
    {"UTF-16, big end first", LIT("\xFE\xFF\0a\0b"), "para @1-1 \"ab\"\n"},
    {"UTF-16 without a mark", LIT("a\0b\0c\0d\0"), "para @1-1 \"abcd\"\n"},
    {"half a surrogate pair",
     LIT("\xFF\xFE"
         "=\xD8x\0"),
     "para @1-1 \"\xEF\xBF\xBDx\"\n"},
    {"empty", LIT(""), ""},
    {"zero bytes", LIT("a\0\0\0b c d e f"), "error: unsupported format"},
    {"control characters", LIT("\1\2\3\4\5\6\7"), "error: unsupported format"},
};

int main(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new();
        struct str out = read_show(a, text_read, cases[i].in, NULL);
        if (!ok(str_eq(out, str_from(cases[i].out)), "%s", cases[i].name))
            printf("# got %.*s\n", STR_FMT(out));
        arena_free(a);
    }
    struct arena *a = arena_new();
    enum { LONG = 8 << 20 };
    char *line = arena_bytes(a, LONG);
    memset(line, 'x', LONG);
    struct str out = read_show(a, text_read, (struct str){line, LONG}, NULL);
    ok(out.len == LONG + strlen("para @1-1 \"\"\n"), "one line of 8 MB is one paragraph");
    arena_free(a);
    return tap_done();
}
