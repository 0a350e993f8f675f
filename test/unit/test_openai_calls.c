/* Pieces of tool calls in any order, as calls one after the other. */
#include "model/openai_calls.h"

#include "tap.h"

struct gather {
    struct chat_sink sink;
    struct buf text;
};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct gather *g = CONTAINER_OF(sink, struct gather, sink);
    (void)e;
    if (ev->kind == CHAT_TOOL_CALL)
        buf_printf(&g->text, "%.*s#%.*s", STR_FMT(ev->name), STR_FMT(str_head(ev->id, 5)));
    buf_add(&g->text, ev->kind == CHAT_TEXT ? STR("words ") : ev->text);
    return true;
}

/* Pieces: "index id name arguments", - for what is not said, ! for words between. `want`: what has
 * gone out before the end, and after it; NULL: the pieces are refused. */
static const struct {
    const char *name;
    const char *piece[10];
    const char *before, *after;
} cases[] = {
    {"one call", {"0 a f -", "0 - - {\"x\":", "0 - - 1}"}, "f#a{\"x\":1}", ""},
    {"one after the other",
     {"0 a f -", "0 - - {}", "1 b g -", "1 - - {\"y\"", "1 - - :2}"},
     "f#a{}g#b{\"y\":2}",
     ""},
    {"whole ones", {"0 a f {}", "1 b g {}", "2 c h {}"}, "f#a{}g#b{}h#c{}", ""},
    {"mixed",
     {"0 a f -", "1 b g -", "1 - - {\"y\":", "0 - - {\"x\"", "1 - - 2}", "0 - - :1}", "1 - - -"},
     "f#a{\"x\":1}g#b{\"y\":2}",
     ""},
    {"three, mixed, the last first",
     {"0 a f -", "1 b g -", "2 c h {}", "1 - - {}", "0 - - {", "0 - - }"},
     "f#a{}g#b{}h#c{}",
     ""},
    {"held to the end, as the first has none",
     {"0 a f {\"x\":", "1 b g {}", "2 c h {}"},
     "f#a{\"x\":",
     "g#b{}h#c{}"},
    {"without arguments", {"0 a f -", "1 b g -"}, "f#a", "g#b"},
    {"brackets and quotes in strings are no end",
     {"0 a f {\"x\":\"}\\\"]", "1 b g {}", "0 - - }\"}"},
     "f#a{\"x\":\"}\\\"]}\"}g#b{}",
     ""},
    {"an escape that is cut",
     {"0 a f {\"x\":\"\\", "1 b g {}", "0 - - \"}\"}"},
     "f#a{\"x\":\"\\\"}\"}g#b{}",
     ""},
    {"all the same index", {"0 a f {}", "0 b g {", "0 b - }", "0 a f -"}, "f#a{}g#b{}", ""},
    {"the same index, mixed by id", {"0 a f {", "0 b g {", "0 a - }", "0 b - }"}, "f#a{}g#b{}", ""},
    {"name and id with each piece", {"0 a f {", "1 b g {", "0 a f }", "1 b g }"}, "f#a{}g#b{}", ""},
    {"no id is made one", {"0 - f {}"}, "f#call_{}", ""},
    {"words between end a call", {"0 a f {", "!", "1 b g {}"}, "f#a{words g#b{}", ""},
    {"it does not go on behind them", {"0 a f {", "!", "0 - - }"}, NULL, NULL},
    {"nor does one that was whole", {"0 a f {}", "1 b g {", "0 - - {}"}, NULL, NULL},
    {"arguments of no call", {"0 - - {}"}, NULL, NULL},
    {"arguments of another call", {"0 a f {", "3 - - {}"}, NULL, NULL},
};

static struct str part(struct str *rest)
{
    struct str s = STR_NONE;
    str_split(rest, ' ', &s);
    return str_eq(s, STR("-")) ? STR_NONE : s;
}

static bool send_piece(struct openai_calls **calls, struct relay *r, const char *text,
                       struct err *e)
{
    struct str rest = str_from(text);
    struct openai_call_piece p;
    if (str_eq(rest, STR("!"))) {
        openai_calls_interrupt(*calls);
        relay_put(r, &(struct chat_event){.kind = CHAT_TEXT, .text = STR("words")});
        return true;
    }
    p.index = part(&rest).p[0] - '0';
    p.id = part(&rest);
    p.name = part(&rest);
    p.arguments = part(&rest);
    return openai_calls_take(calls, r, &p, e);
}

static void test_case(size_t i)
{
    struct arena *a = arena_new();
    struct gather g = {.sink = {take}};
    struct provider p = {.name = STR("p")};
    struct target t = {.provider = &p};
    struct call c = {.arena = a, .early = a};
    struct attempt at = {.call = &c, .target = &t, .sink = &g.sink, .said = &c.said};
    struct relay r = {.a = &at, .decode = true};
    struct openai_calls *calls = NULL;
    struct err e;
    bool good = true;
    buf_init(&g.text, 1 << 16);
    relay_begin(&r);
    for (size_t k = 0; good && k < COUNT(cases[i].piece) && cases[i].piece[k]; k++)
        good = send_piece(&calls, &r, cases[i].piece[k], &e);
    good = good && relay_flush(&r, &e);
    if (!cases[i].before) {
        ok(!good && e.code == ERR_UPSTREAM, "%s: refused", cases[i].name);
    } else {
        ok(good && str_eq(buf_str(&g.text), str_from(cases[i].before)), "%s: %.*s", cases[i].name,
           STR_FMT(buf_str(&g.text)));
        buf_reset(&g.text);
        openai_calls_end(calls, &r);
        relay_flush(&r, &e);
        ok(str_eq(buf_str(&g.text), str_from(cases[i].after)), "%s, at the end: %.*s",
           cases[i].name, STR_FMT(buf_str(&g.text)));
    }
    relay_begin(&r);
    buf_fini(&g.text);
    arena_free(a);
}

static void test_too_many(void)
{
    struct arena *a = arena_new();
    struct provider p = {.name = STR("p")};
    struct target t = {.provider = &p};
    struct call c = {.arena = a, .early = a};
    struct attempt at = {.call = &c, .target = &t, .said = &c.said};
    struct relay r = {.a = &at, .decode = true};
    struct openai_calls *calls = NULL;
    struct err e;
    int64_t n = 0;
    relay_begin(&r);
    while (n < 100000 &&
           openai_calls_take(
               &calls, &r,
               &(struct openai_call_piece){.index = n, .name = STR("f"), .arguments = STR("{}")},
               &e))
        n++;
    ok(n >= 128 && n < 100000 && e.code == ERR_UPSTREAM, "calls are bounded, at %d", (int)n);
    relay_begin(&r);
    arena_free(a);
}

int main(void)
{
    openai_calls_end(NULL, NULL);
    openai_calls_interrupt(NULL);
    for (size_t i = 0; i < COUNT(cases); i++)
        test_case(i);
    test_too_many();
    return tap_done();
}
