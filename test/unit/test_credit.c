/* What the credit stage promises: an answer without citations gets those that it deserves, one that
 * cites gets none, and what no passage says is credited to nobody. */
#include "answer/answer.h"
#include "base/utf8.h"

#include "tap.h"

static const struct passage passages[] = {
    {.name = STR("heron.md"),
     .text = STR("The grey heron stands still for hours and eats frogs. It builds its nest in tall "
                 "trees."),
     .char_start = 50},
    {.name = STR("otter.txt"),
     .text = STR("The sea otter holds hands with its mate while it sleeps. An otter weighs 30 "
                 "kilograms.")},
};

#define NONE                                                                                       \
    {                                                                                              \
        0                                                                                          \
    }
static const struct {
    const char *name, *text;
    struct {
        const char *source, *quote, *until;
    } want[3];
} cases[] = {
    {"one sentence in other words",
     "A grey heron eats frogs.",
     {{"heron.md", "The grey heron stands still for hours and eats frogs.",
       "A grey heron eats frogs."}}},
    {"of two documents, with a sentence of nobody's between",
     "The grey heron builds its nest in tall trees. I find that lovely. The sea otter weighs 30 "
     "kilograms.",
     {{"heron.md", "It builds its nest in tall trees.",
       "The grey heron builds its nest in tall trees."},
      {"otter.txt", "An otter weighs 30 kilograms.",
       "The grey heron builds its nest in tall trees. I find that lovely. The sea otter weighs 30 "
       "kilograms."}}},
    {"letters beyond ASCII count once",
     "Schön: so ist es. The grey heron eats frogs – süß.",
     {{"heron.md", NULL, "Schön: so ist es. The grey heron eats frogs – süß."}}},
    {"another number", "The sea otter weighs 90 kilograms.", {NONE}},
    {"something else", "Turtles are nice animals that live in the sea.", {NONE}},
    {"too little", "Yes. Frogs.", {NONE}},
    {"another language", "Der Graureiher frisst Frösche und baut Nester.", {NONE}},
    {"no information", CHAT_NO_INFORMATION, {NONE}},
};

struct listener {
    struct chat_sink sink;
    struct buf text, got;
    size_t characters, n;
    bool finished;
};

static bool hear(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct listener *l = CONTAINER_OF(sink, struct listener, sink);
    (void)e;
    if (ev->kind == CHAT_TEXT) {
        buf_add(&l->text, ev->text);
        l->characters += utf8_count(ev->text);
    } else if (ev->kind == CHAT_CITATION) {
        const struct citation *c = ev->citation;
        struct str until = str_head(buf_str(&l->text), c->at);
        CHECK(utf8_count(until) == l->characters - c->behind);
        CHECK(c->bare <= l->characters - c->behind);
        buf_printf(&l->got, "%.*s|%.*s|%.*s\n", STR_FMT(c->passage->name), STR_FMT(c->quote),
                   STR_FMT(until));
        l->n++;
    }
    l->finished = ev->kind == CHAT_FINISH;
    return true;
}

static void run(const char *text, bool cited, struct listener *l)
{
    struct arena *a = arena_new();
    struct call c = {.arena = a, .early = a};
    struct err e;
    c.req.passage = passages;
    c.req.n_passages = COUNT(passages);
    *l = (struct listener){.sink.event = hear};
    buf_init(&l->text, 1 << 16);
    buf_init(&l->got, 1 << 16);
    struct chat_sink *s = answer_credit(&c, &l->sink);
    struct citation made = {.passage = passages, .at = strlen(text)};
    for (size_t at = 0; at < strlen(text); at += 7) {
        struct str piece = str_head(str_from(text + at), 7);
        CHECK(s->event(s, &(struct chat_event){.kind = CHAT_TEXT, .text = piece}, &e));
    }
    if (cited)
        CHECK(s->event(s, &(struct chat_event){CHAT_CITATION, .citation = &made}, &e));
    CHECK(s->event(s, &(struct chat_event){.kind = CHAT_FINISH}, &e));
    arena_free(a);
}

static void end(struct listener *l)
{
    buf_fini(&l->text);
    buf_fini(&l->got);
}

int main(void)
{
    struct listener l;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str left;
        size_t n = 0;
        run(cases[i].text, false, &l);
        left = buf_str(&l.got);
        while (n < 3 && cases[i].want[n].source)
            n++;
        ok(l.n == n && l.finished, "%s: %zu citations, then the end", cases[i].name, n);
        for (size_t k = 0; k < n && l.n == n; k++) {
            struct str line, source, quote;
            str_split(&left, '\n', &line);
            str_split(&line, '|', &source);
            str_split(&line, '|', &quote);
            ok(str_eq(source, str_from(cases[i].want[k].source)) &&
                   (!cases[i].want[k].quote || str_eq(quote, str_from(cases[i].want[k].quote))) &&
                   str_eq(line, str_from(cases[i].want[k].until)),
               "%s: %.*s says '%.*s'", cases[i].name, STR_FMT(source), STR_FMT(quote));
        }
        end(&l);
    }
    run("A grey heron eats frogs.", true, &l);
    ok(l.n == 1, "an answer that cites is left alone");
    end(&l);
    return tap_done();
}
