/* Each format to its reader, and what no reader takes. */
#include "base/mem.h"
#include "reader/readers.h"

#include "tap.h"

#define LIT(s)                                                                                     \
    {                                                                                              \
        s, sizeof(s) - 1                                                                           \
    }

static const struct {
    struct str bytes;
    const char *extension, *format, *error;
} cases[] = {
    {LIT("a"), "txt", "text", NULL},
    {LIT("a"), "", "text", NULL},
    {LIT("# a"), "md", "markdown", NULL},
    {LIT("<html><p>a"), "md5", "html", NULL},
    {LIT("PK\3\4"), "txt", NULL, "unsupported format"},
    {LIT("a\0b"), "txt", NULL, "unsupported format"},
    {LIT("a\0b"), "md", NULL, "unsupported format"},
    {LIT("a\0b"), "html", NULL, "unsupported format"},
    {LIT("%PDF-1.4"), "txt", NULL, "the PDF is damaged"},
    {LIT(""), "txt", NULL, "no text in it"},
    {LIT("<html><script>a</script>"), "html", NULL, "no text in it"},
};

int main(void)
{
    readers_prepare();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new();
        struct blocks b;
        struct err e = {0};
        blocks_init(&b, a, 1 << 20);
        bool good = readers_run(&b, cases[i].bytes, str_from(cases[i].extension), &e);
        ok(cases[i].format ? good && strcmp(b.format, cases[i].format) == 0
                           : !good && str_starts(str_from(e.msg), str_from(cases[i].error)),
           "case %zu: %s", i, good ? b.format : e.msg);
        blocks_fini(&b);
        arena_free(a);
    }
    return tap_done();
}
