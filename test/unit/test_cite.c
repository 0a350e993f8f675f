/* What the cite stage promises: unknown sources go, known ones are resolved to where they stand,
 * and it makes no difference how the text was cut into events. */
#include "answer/answer.h"

#include "tap.h"

#define GUIDE                                                                                      \
    "Install it with make demo.\nThe server listens on port 8080.\n"                               \
    "Snapshots are written every ten minutes.\n"

static const struct passage passages[] = {
    {.name = STR("guide.md"),
     .text = STR(GUIDE),
     .char_start = 100,
     .line_start = 10,
     .line_end = 13,
     .page = 2},
    {.name = STR("notes, old.md"),
     .text = STR("Old notes say that the port was 80. They were wrong."),
     .line_start = 5,
     .line_end = 9},
    {.name = STR("guide.md"), .text = STR("Backups are taken at night."), .char_start = 900},
    {.name = STR("table.md"),
     .text = STR("Formats\n\n| format | what is kept |\n| HTML | the article |\n| PDF | pages, "
                 "title |\n\nMore words.")},
};

static const struct {
    const char *name, *text, *want;
    const char *quote[3]; /* of the citations, in order */
} cases[] = {
    {"nothing to cite", "It is so. [1] [note] a[i] = [2]", "It is so. [1] [note] a[i] = [2]", {0}},
    {"a quotation",
     "The server listens on port 8080. [Source: guide.md]",
     "The server listens on port 8080. [Source: guide.md]",
     {"The server listens on port 8080."}},
    {"in other words",
     "It is port 8080 that the server uses [Source: guide.md].",
     "It is port 8080 that the server uses [Source: guide.md].",
     {"The server listens on port 8080."}},
    {"in the other passage of that name",
     "At night backups are taken. [Source: guide.md]",
     "At night backups are taken. [Source: guide.md]",
     {"Backups are taken at night."}},
    {"line breaks do not matter",
     "Install it with make demo. The server listens on port 8080. [Source: guide.md]",
     "Install it with make demo. The server listens on port 8080. [Source: guide.md]",
     {"Install it with make demo.\nThe server listens on port 8080."}},
    {"an unknown source", "It is so. [Source: made-up.md] And so on.", "It is so. And so on.", {0}},
    {"an unknown one in front of the stop", "It is so [Source: made-up.md].", "It is so.", {0}},
    {"an unknown one at the start",
     "[Source: made-up.md] It is so.\n[Source: x] Yes.",
     "It is so.\nYes.",
     {0}},
    {"case and white space",
     "Install it with make demo. [ source :  Guide.md ]",
     "Install it with make demo. [Source: guide.md]",
     {"Install it with make demo."}},
    {"a name with a comma",
     "They were wrong. [Source: notes, old.md]",
     "They were wrong. [Source: notes, old.md]",
     {"They were wrong."}},
    {"two in one marker",
     "Snapshots are written every ten minutes. [Sources: guide.md; nobody.md; Source: notes, "
     "old.md]",
     "Snapshots are written every ten minutes. [Source: guide.md][Source: notes, old.md]",
     {"Snapshots are written every ten minutes.",
      "Old notes say that the port was 80. They were wrong."}},
    {"a name and more",
     "Install it with make demo. [Source: guide.md, section 2]",
     "Install it with make demo. [Source: guide.md]",
     {"Install it with make demo."}},
    {"two statements",
     "Install it with make demo. [Source: guide.md] The port was 80. [Source: notes, old.md]",
     "Install it with make demo. [Source: guide.md] The port was 80. [Source: notes, old.md]",
     {"Install it with make demo.", "Old notes say that the port was 80."}},
    {"cut short by the end", "It is so. [Source: gui", "It is so.", {0}},
    {"a beginning that is none", "It is so. [Sour", "It is so. [Sour", {0}},
    {"a bracket at the end", "It is so. [", "It is so. [", {0}},
    {"blanks at the end", "It is so.   ", "It is so.   ", {0}},
    {"a line break ends no marker", "a [Source: guide\n.md] b", "a [Source: guide\n.md] b", {0}},
    {"a bracket inside", "a [Source: [Source: nobody.md] b", "a [Source: b", {0}},
    {"an empty name", "a [Source: ] b", "a b", {0}},
    {"a whole table, told as a list",
     "- HTML: the article\n- PDF: pages, title\n\n[Source: table.md]",
     "- HTML: the article\n- PDF: pages, title\n\n[Source: table.md]",
     {"| HTML | the article |\n| PDF | pages, title |"}},
    {"another language",
     "Der Dienst hört dort zu. [Source: guide.md]",
     "Der Dienst hört dort zu. [Source: guide.md]",
     {GUIDE}},
};

struct gather {
    struct chat_sink sink;
    struct buf text;
    struct citation cite[4];
    size_t n, finished, bad_at;
};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct gather *g = CONTAINER_OF(sink, struct gather, sink);
    (void)e;
    if (ev->kind == CHAT_TEXT)
        buf_add(&g->text, ev->text);
    if (ev->kind == CHAT_FINISH)
        g->finished++;
    if (ev->kind == CHAT_CITATION) {
        g->bad_at += ev->citation->at != g->text.len || g->text.p[g->text.len - 1] != ']';
        if (g->n < COUNT(g->cite))
            g->cite[g->n] = *ev->citation;
        g->n++;
    }
    return true;
}

/* Sends text[0, cut), text[cut, cut + step), ... */
static void send(struct gather *g, struct arena *a, struct str text, size_t cut, size_t step)
{
    struct call *c = arena_struct(a, struct call);
    struct err e;
    *c = (struct call){.arena = a, .req = {.passage = passages, .n_passages = COUNT(passages)}};
    *g = (struct gather){.sink = {take}};
    buf_init(&g->text, 1 << 20);
    struct chat_sink *sink = answer_cite(c, &g->sink);
    for (size_t at = 0; at < text.len;) {
        size_t n = size_min(at == 0 ? cut : step, text.len - at);
        sink->event(sink, &(struct chat_event){CHAT_TEXT, .text = {text.p + at, n}}, &e);
        at += n;
    }
    sink->event(sink, &(struct chat_event){CHAT_FINISH, .finish = CHAT_FINISH_STOP}, &e);
}

static bool same(const struct gather *a, const struct gather *b)
{
    bool good = str_eq(buf_str(&a->text), buf_str(&b->text)) && a->n == b->n;
    for (size_t i = 0; good && i < a->n; i++)
        good = a->cite[i].at == b->cite[i].at && a->cite[i].char_start == b->cite[i].char_start &&
               a->cite[i].char_end == b->cite[i].char_end;
    return good;
}

static void test_case(size_t i)
{
    struct arena *a = arena_new();
    struct str text = str_from(cases[i].text);
    struct gather whole, part;
    size_t n = 0;
    send(&whole, a, text, text.len, 1);
    while (n < 3 && cases[i].quote[n])
        n++;
    ok(str_eq(buf_str(&whole.text), str_from(cases[i].want)), "%s: text", cases[i].name);
    ok(whole.n == n && whole.finished == 1 && whole.bad_at == 0,
       "%s: %zu citations, each behind its marker", cases[i].name, whole.n);
    for (size_t k = 0; k < n && k < whole.n; k++) {
        const struct citation *c = &whole.cite[k];
        ok(str_eq(c->quote, str_from(cases[i].quote[k])), "%s: quotation %zu", cases[i].name,
           k + 1);
        size_t from = c->char_start - c->passage->char_start;
        ok(c->char_end - c->char_start == c->quote.len && c->quote.p == c->passage->text.p + from,
           "%s: the quotation stands where it is said to", cases[i].name);
    }
    bool all = true;
    for (size_t cut = 1; cut < text.len; cut++) {
        send(&part, a, text, cut, text.len);
        all = all && same(&whole, &part);
        buf_fini(&part.text);
        send(&part, a, text, cut, 1);
        all = all && same(&whole, &part);
        buf_fini(&part.text);
    }
    ok(all, "%s: the same however it is cut", cases[i].name);
    buf_fini(&whole.text);
    arena_free(a);
}

static void test_lines(void)
{
    struct arena *a = arena_new();
    struct gather g;
    struct str text = STR("The server listens on port 8080. [Source: guide.md] They were wrong. "
                          "[Source: notes, old.md]");
    send(&g, a, text, text.len, 1);
    ok(g.cite[0].line_start == 11 && g.cite[0].line_end == 11 && g.cite[0].page == 2,
       "lines are exact when line breaks were kept");
    ok(g.cite[1].line_start == 5 && g.cite[1].line_end == 9, "else those of the passage");
    buf_fini(&g.text);
    arena_free(a);
}

/* Text flows: only what could be a marker waits. */
static void test_no_delay(void)
{
    struct arena *a = arena_new();
    struct call c = {.arena = a, .req = {.passage = passages, .n_passages = COUNT(passages)}};
    struct gather g = {.sink = {take}};
    struct err e;
    buf_init(&g.text, 1 << 20);
    struct chat_sink *sink = answer_cite(&c, &g.sink);
    sink->event(sink, &(struct chat_event){CHAT_TEXT, .text = STR("Hello wor")}, &e);
    ok(str_eq(buf_str(&g.text), STR("Hello wor")), "a piece of a word is passed on");
    sink->event(sink, &(struct chat_event){CHAT_TEXT, .text = STR("ld [not")}, &e);
    ok(str_eq(buf_str(&g.text), STR("Hello world [not")), "a bracket that is no marker too");
    sink->event(sink, &(struct chat_event){CHAT_TEXT, .text = STR(" [Sou")}, &e);
    ok(str_eq(buf_str(&g.text), STR("Hello world [not")), "what could be a marker waits");
    struct buf big;
    buf_init(&big, 1 << 20);
    buf_add(&big, STR("rce: "));
    for (int i = 0; i < 2000; i++)
        buf_char(&big, 'x');
    sink->event(sink, &(struct chat_event){CHAT_TEXT, .text = buf_str(&big)}, &e);
    ok(g.text.len > 2000, "but not for ever");
    buf_fini(&big);
    buf_fini(&g.text);
    arena_free(a);
}

int main(void)
{
    for (size_t i = 0; i < COUNT(cases); i++)
        test_case(i);
    test_lines();
    test_no_delay();
    return tap_done();
}
