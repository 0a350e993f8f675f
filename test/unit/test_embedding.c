/* What embedding promises: both forms are the same floats, and all else stays. */
#include "gateway/embedding.h"

#include "tap.h"

#define ITEM(v) "{\"object\":\"embedding\", \"embedding\" : " v ",\"index\":0}"
#define ANSWER(items) "{\"x\":1e400,\"data\":[" items "] ,\"usage\":{}}"
#define NUMBERS "[0.10000000149011612,-2.5,16777216]"
#define CODED "\"zczMPQAAIMAAAIBL\""

static const struct {
    const char *name, *from;
    bool base64;
    const char *want; /* NULL: an error */
} cases[] = {
    {"to base64", ANSWER(ITEM(NUMBERS)), true, ANSWER(ITEM(CODED))},
    {"to numbers", ANSWER(ITEM(CODED)), false, ANSWER(ITEM(NUMBERS))},
    {"each by itself", ANSWER(ITEM(CODED) "," ITEM(NUMBERS)), true,
     ANSWER(ITEM(CODED) "," ITEM(CODED))},
    {"escaped", ANSWER(ITEM("\"\\/\\/9\\/Pw==\"")), false, ANSWER(ITEM("[0.9999999403953552]"))},
    {"the nearest float", ANSWER(ITEM("[0.1,16777217,1e-50]")), true,
     ANSWER(ITEM("\"zczMPQAAgEsAAAAA\""))},
    {"too large for one", ANSWER(ITEM("[1e39]")), true, NULL},
    {"no number", ANSWER(ITEM("[\"1\"]")), true, NULL},
    {"no base64", ANSWER(ITEM("\"zczM\"")), false, NULL},
    {"no number at all", ANSWER(ITEM("\"AADAfw==\"")), false, NULL},
};

int main(void)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json doc;
        struct buf out;
        struct err e;
        buf_init(&out, 1 << 20);
        CHECK(json_parse(&doc, a, str_from(cases[i].from), 0, &e));
        ok(!embedding_fits(&doc, cases[i].base64), "%s: there is something to do", cases[i].name);
        bool good = embedding_convert(&out, &doc, cases[i].base64, &e);
        ok(good == (cases[i].want != NULL) && (good || e.code == ERR_UPSTREAM), "%s: done",
           cases[i].name);
        ok(!good || str_eq(buf_str(&out), str_from(cases[i].want)), "%s: %.*s", cases[i].name,
           STR_FMT(buf_str(&out)));
        if (good && json_parse(&doc, a, buf_str(&out), 0, &e))
            ok(embedding_fits(&doc, cases[i].base64), "%s: fits", cases[i].name);
        buf_fini(&out);
    }
    arena_free(a);
    return tap_done();
}
