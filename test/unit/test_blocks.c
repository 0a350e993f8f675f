/* The object that a reader writes: clean text, facts once, errors, and its limit. */
#include "base/mem.h"
#include "reader/blocks.h"

#include "tap.h"

static struct str end(struct blocks *b, struct err *e)
{
    struct str json = STR_NONE;
    return blocks_end(b, &json, e) ? json : STR_NONE;
}

int main(void)
{
    struct arena *a = arena_new();
    struct blocks b;
    struct err e = {0};
    blocks_init(&b, a, 4096);
    blocks_add(&b, &(struct block){.kind = WIRE_PARA, .text = STR(" \n\t ")});
    blocks_add(&b, &(struct block){.kind = WIRE_PARA, .text = STR(" a\r\nb\1c \n")});
    blocks_add(&b, &(struct block){.kind = WIRE_CODE, .text = STR("\n  x\n"), .page = 2});
    blocks_add(&b, &(struct block){.kind = WIRE_HEADING,
                                   .level = 2,
                                   .text = STR("\xFFh"),
                                   .line_start = 3,
                                   .line_end = 4});
    blocks_title(&b, STR(""));
    blocks_title(&b, STR(" The\n title "));
    blocks_title(&b, STR("another"));
    blocks_meta(&b, STR("k"), STR("v"));
    blocks_meta(&b, STR("k"), STR("w"));
    blocks_meta(&b, STR("empty"), STR(" "));
    struct str json = end(&b, &e);
    const char *want = "{\"blocks\":[{\"kind\":\"para\",\"text\":\"a\\nb c\"},"
                       "{\"kind\":\"code\",\"page\":2,\"text\":\"  x\"},"
                       "{\"kind\":\"heading\",\"level\":2,\"line_start\":3,\"line_end\":4,\"text\":"
                       "\"\xEF\xBF\xBDh\"}],"
                       "\"title\":\"The title\",\"meta\":{\"k\":\"v\"}}";
    if (!ok(str_eq(json, str_from(want)), "blocks and facts"))
        printf("# got %.*s\n", STR_FMT(json));
    ok(str_eq(blocks_error(&b, "it \"is\" so"), STR("{\"error\":\"it \\\"is\\\" so\"}")),
       "an error instead");
    blocks_fini(&b);

    blocks_init(&b, a, 1 << 10);
    for (int i = 0; i < 100; i++)
        blocks_add(&b, &(struct block){.kind = WIRE_PARA, .text = STR("some text")});
    ok(!blocks_ok(&b) && !blocks_end(&b, &json, &e) && e.code == ERR_TOO_LARGE, "its limit: %s",
       e.msg);
    ok(blocks_error(&b, e.msg).len > 0, "leaves room for the error");
    blocks_fini(&b);
    ok(str_eq(blocks_fold(a, STR(" a\xC2\xA0\xC2\xA0 b\t\n")), STR("a b")), "folding");
    arena_free(a);
    return tap_done();
}
