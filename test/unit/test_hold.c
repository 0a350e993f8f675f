/* What hold promises: nothing goes out inside the window, all of it in order behind it. */
#include "model/hold.h"
#include "base/clock.h"

#include "tap.h"

enum { NEVER_MS = 3600 * 1000 };

struct gather {
    struct chat_sink sink;
    struct said *said;
    char text[100];
    bool told; /* when the first event came the call knew what it holds */
};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct gather *g = CONTAINER_OF(sink, struct gather, sink);
    size_t len = strlen(g->text);
    (void)e;
    g->told = g->told || (len == 0 && g->said->begun);
    snprintf(g->text + len, sizeof(g->text) - len, "%.*s|", STR_FMT(ev->text));
    return true;
}

static const struct provider provider = {.name = STR("p")};
static const struct target target = {.provider = &provider};

static bool say(struct attempt *a, struct str text, struct err *e)
{
    a->said->begun = a->said->spoke = true;
    if (a->said->keep)
        buf_add(&a->said->text, text);
    return a->sink->event(a->sink, &(struct chat_event){.kind = CHAT_TEXT, .text = text}, e);
}

struct stage {
    struct call call;
    struct gather g;
    struct attempt a;
    struct hold h;
};

static void begin(struct stage *s, int64_t window_ms)
{
    *s = (struct stage){.g = {.sink = {take}, .said = &s->call.said}};
    s->call.said.keep = true;
    buf_init(&s->call.said.text, 1000);
    s->a = (struct attempt){
        .call = &s->call, .target = &target, .sink = &s->g.sink, .said = &s->call.said};
    hold_init(&s->h, &s->a, window_ms);
}

static void end(struct stage *s)
{
    hold_fini(&s->h);
    buf_fini(&s->call.said.text);
}

static void test_failed(void)
{
    struct stage s;
    struct err e;
    begin(&s, NEVER_MS);
    ok(say(&s.a, STR("a"), &e) && say(&s.a, STR("b"), &e), "the first words are taken");
    end(&s);
    ok(s.g.text[0] == '\0' && !s.call.said.begun && !s.call.said.spoke,
       "and leave no trace when the attempt fails");
}

static void test_good(void)
{
    struct stage s;
    struct err e;
    begin(&s, NEVER_MS);
    ok(say(&s.a, STR("a"), &e) && say(&s.a, STR("b"), &e) && s.g.text[0] == '\0', "held");
    ok(hold_release(&s.h, &e) && strcmp(s.g.text, "ab|") == 0, "let go at the end");
    ok(s.g.told && s.call.said.spoke && str_eq(buf_str(&s.call.said.text), STR("ab")) &&
           s.a.said == &s.call.said,
       "what was held has been said then");
    ok(hold_release(&s.h, &e) && strcmp(s.g.text, "ab|") == 0, "once");
    ok(say(&s.a, STR("c"), &e) && strcmp(s.g.text, "ab|c|") == 0, "the rest goes at once");
    end(&s);
}

static void test_window(void)
{
    struct stage s;
    struct err e;
    begin(&s, 1);
    ok(say(&s.a, STR("a"), &e) && s.g.text[0] == '\0', "the first event opens the window");
    s.h.until_ns = clock_now(); /* over */
    ok(say(&s.a, STR("b"), &e) && strcmp(s.g.text, "ab|") == 0, "the first behind it ends it");
    end(&s);
}

static void test_limit(void)
{
    static char text[1 << 20];
    struct stage s;
    struct err e = {0};
    bool good = true;
    begin(&s, NEVER_MS);
    memset(text, 'x', sizeof(text));
    for (int i = 0; good && i < 9; i++)
        good = say(&s.a, (struct str){text, sizeof(text)}, &e);
    ok(!good && e.code == ERR_UPSTREAM && s.g.text[0] == '\0', "no more than 8 MB: %s", e.msg);
    end(&s);
}

int main(void)
{
    test_failed();
    test_good();
    test_window();
    test_limit();
    return tap_done();
}
