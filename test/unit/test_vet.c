/* What the vet stage promises: what goes out is checked, what is held is one sentence, and it makes
 * no difference how the text was cut into events. */
#include "answer/answer.h"

#include "tap.h"

static const struct passage passages[] = {
    {.name = STR("guide.md"),
     .text =
         STR("Install it with make demo. The server listens on port 8080. Snapshots are written "
             "every ten minutes.")},
    {.name = STR("old notes. Part 2.md"), .text = STR("The port was 80. They were wrong.")},
};

#define GOOD "The server listens on port 8080. [Source: guide.md]"
#define BAD "The server listens on port 9090. [Source: guide.md]"

static const struct {
    const char *name, *text;
    const char *want[3]; /* flag, drop, refuse */
    int bad;
    const char *flagged; /* the first sentence */
    bool ends;           /* when refused it ends by content */
} cases[] = {
    {"supported",
     GOOD " Install it with make demo.",
     {GOOD " Install it with make demo.", GOOD " Install it with make demo.",
      GOOD " Install it with make demo."},
     0,
     NULL,
     false},
    {"a wrong number",
     GOOD " " BAD " Install it with make demo.",
     {GOOD " " BAD " Install it with make demo.", GOOD " Install it with make demo.", GOOD},
     1,
     "The server listens on port 9090.",
     true},
    {"the first one is wrong",
     BAD "\n\n" GOOD,
     {BAD "\n\n" GOOD, GOOD, CHAT_NO_INFORMATION},
     1,
     "The server listens on port 9090.",
     true},
    {"nothing is left",
     BAD,
     {BAD, CHAT_NO_INFORMATION, CHAT_NO_INFORMATION},
     1,
     "The server listens on port 9090.",
     true},
    {"the answer that there is none",
     CHAT_NO_INFORMATION,
     {CHAT_NO_INFORMATION, CHAT_NO_INFORMATION, CHAT_NO_INFORMATION},
     0,
     NULL,
     false},
    {"yes, and a list",
     "Yes. These are the facts:\n\n- The port was 80.\n- Install it with make "
     "demo.",
     {"Yes. These are the facts:\n\n- The port was 80.\n- Install it with make demo.",
      "Yes. These are the facts:\n\n- The port was 80.\n- Install it with make demo.",
      "Yes. These are the facts:\n\n- The port was 80.\n- Install it with make demo."},
     0,
     NULL,
     false},
    {"a marker with a dot in it, inside the sentence",
     "They were wrong [Source: old notes. Part 2.md]. Install it with make demo.",
     {"They were wrong [Source: old notes. Part 2.md]. Install it with make demo.",
      "They were wrong [Source: old notes. Part 2.md]. Install it with make demo.",
      "They were wrong [Source: old notes. Part 2.md]. Install it with make demo."},
     0,
     NULL,
     false},
    {"an item of a list is dropped",
     "- The port was 80.\n- The port was 81.\n- They were wrong.",
     {"- The port was 80.\n- The port was 81.\n- They were wrong.",
      "- The port was 80.\n- They were wrong.", "- The port was 80."},
     1,
     "- The port was 81.",
     true},
    {"code is one piece",
     "Install it:\n\n```\nmake demo\n```\n\nThey were wrong.",
     {"Install it:\n\n```\nmake demo\n```\n\nThey were wrong.",
      "Install it:\n\n```\nmake demo\n```\n\nThey were wrong.",
      "Install it:\n\n```\nmake demo\n```\n\nThey were wrong."},
     0,
     NULL,
     false},
    {"two in a row",
     GOOD " Wombats dig very deep burrows here. Kangaroos hop over them at night.",
     {GOOD " Wombats dig very deep burrows here. Kangaroos hop over them at night.", GOOD, GOOD},
     2,
     "Wombats dig very deep burrows here.",
     true},
};

struct gather {
    struct chat_sink sink;
    struct buf text;
    struct buf flagged; /* texts, a line each */
    int flags, finished, misplaced;
    enum chat_finish finish;
};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct gather *g = CONTAINER_OF(sink, struct gather, sink);
    (void)e;
    if (ev->kind == CHAT_TEXT)
        buf_add(&g->text, ev->text);
    if (ev->kind == CHAT_FINISH) {
        g->finished++;
        g->finish = ev->finish;
    }
    if (ev->kind == CHAT_UNSUPPORTED) {
        const struct unsupported *u = ev->unsupported;
        struct str said = str_head(str_from_at(buf_str(&g->text), u->start), u->end - u->start);
        g->flags++;
        g->misplaced += u->end != g->text.len || !str_starts(said, u->sentence);
        buf_add(&g->flagged, u->sentence);
        buf_char(&g->flagged, '\n');
    }
    return true;
}

static int send(struct gather *g, struct arena *a, struct str text, size_t step,
                enum answer_policy policy, bool stream)
{
    struct call *c = arena_struct(a, struct call);
    struct err e;
    *c = (struct call){
        .arena = a, .req = {.passage = passages, .n_passages = COUNT(passages), .stream = stream}};
    *g = (struct gather){.sink = {take}};
    buf_init(&g->text, 1 << 20);
    buf_init(&g->flagged, 1 << 20);
    struct chat_sink *sink = answer_vet(c, policy, answer_cite(c, &g->sink));
    for (size_t at = 0; at < text.len; at += step)
        sink->event(sink,
                    &(struct chat_event){CHAT_TEXT, .text = str_head(str_from_at(text, at), step)},
                    &e);
    sink->event(sink, &(struct chat_event){CHAT_FINISH, .finish = CHAT_FINISH_STOP}, &e);
    return c->unsupported;
}

static void done(struct gather *g)
{
    buf_fini(&g->text);
    buf_fini(&g->flagged);
}

static void test_case(size_t i, enum answer_policy policy)
{
    struct arena *a = arena_new();
    struct str text = str_from(cases[i].text), want = str_from(cases[i].want[policy]);
    struct gather g;
    bool same = true;
    int bad = send(&g, a, text, text.len, policy, true);
    ok(str_eq(buf_str(&g.text), want), "%s, %d: %.*s", cases[i].name, policy,
       STR_FMT(buf_str(&g.text)));
    ok(g.finished == 1 &&
           (g.finish == CHAT_FINISH_CONTENT) == (policy == ANSWER_REFUSE && cases[i].ends),
       "%s, %d: how it ends", cases[i].name, policy);
    ok(policy == ANSWER_REFUSE ? bad == (cases[i].bad > 0) : bad == cases[i].bad,
       "%s, %d: %d unsupported", cases[i].name, policy, bad);
    ok(g.flags == (policy == ANSWER_FLAG ? cases[i].bad : 0) && g.misplaced == 0 &&
           (!g.flags || str_starts(buf_str(&g.flagged), str_from(cases[i].flagged))),
       "%s, %d: flags", cases[i].name, policy);
    done(&g);
    for (size_t step = 1; step < text.len; step += step < 9 ? 1 : 7) {
        int now = send(&g, a, text, step, policy, true);
        same = same && str_eq(buf_str(&g.text), want) && now == bad && g.misplaced == 0;
        done(&g);
    }
    ok(same, "%s, %d: the same however it is cut", cases[i].name, policy);
    arena_free(a);
}

/* An answer that is not streamed is refused as a whole. */
static void test_refused_whole(void)
{
    struct arena *a = arena_new();
    struct gather g;
    send(&g, a, STR(GOOD " " BAD), 5, ANSWER_REFUSE, false);
    ok(str_eq(buf_str(&g.text), STR(CHAT_NO_INFORMATION)) && g.finish == CHAT_FINISH_CONTENT,
       "refused as a whole: %.*s", STR_FMT(buf_str(&g.text)));
    done(&g);
    send(&g, a, STR(GOOD), 5, ANSWER_REFUSE, false);
    ok(str_eq(buf_str(&g.text), STR(GOOD)) && g.finish == CHAT_FINISH_STOP, "or passed whole");
    done(&g);
    arena_free(a);
}

static int say(struct call *c, struct chat_sink *sink, const char *text)
{
    struct err e;
    int before = c->unsupported;
    sink->event(sink, &(struct chat_event){CHAT_TEXT, .text = str_from(text)}, &e);
    sink->event(sink, &(struct chat_event){CHAT_SEARCH}, &e);
    return c->unsupported - before;
}

/* What a model has found by itself supports what it says from then on. */
static void test_searched(void)
{
    struct arena *a = arena_new();
    struct call c = {.arena = a, .req = {.passage = passages, .n_passages = 1, .stream = true}};
    struct gather g = {.sink = {take}};
    buf_init(&g.text, 1 << 20);
    buf_init(&g.flagged, 1 << 20);
    struct chat_sink *sink = answer_vet(&c, ANSWER_FLAG, answer_cite(&c, &g.sink));
    ok(say(&c, sink, "Zanzibar has 4711 giraffes.") == 1, "no passage says that");
    const struct passage more[] = {passages[0], {.text = STR("Zanzibar has 4711 giraffes.")}};
    c.req.passage = more;
    c.req.n_passages = 2;
    ok(say(&c, sink, "Zanzibar has 4711 giraffes.") == 0, "one that was found does");
    c.req.n_passages = 0;
    c.req.searching = SEARCH_CALLED;
    ok(say(&c, sink, "Zanzibar has 4711 giraffes.") == 0, "who has not searched may say anything");
    sink = answer_vet(&c, ANSWER_DROP, answer_cite(&c, &g.sink));
    ok(say(&c, sink, "Zanzibar has 4711 giraffes.") == 1, "but where that is dropped");
    done(&g);
    arena_free(a);
}

/* A sentence leaves as soon as the next one has begun. */
static void test_no_delay(void)
{
    struct arena *a = arena_new();
    struct call c = {.arena = a,
                     .req = {.passage = passages, .n_passages = COUNT(passages), .stream = true}};
    struct gather g = {.sink = {take}};
    struct err e;
    buf_init(&g.text, 1 << 20);
    struct chat_sink *sink = answer_vet(&c, ANSWER_FLAG, answer_cite(&c, &g.sink));
    sink->event(sink, &(struct chat_event){CHAT_TEXT, .text = STR("Install it with make demo.")},
                &e);
    ok(g.text.len == 0, "a sentence waits for its end");
    sink->event(sink, &(struct chat_event){CHAT_TEXT, .text = STR(" The")}, &e);
    ok(str_eq(buf_str(&g.text), STR("Install it with make demo.")), "and no longer");
    struct buf big;
    buf_init(&big, 1 << 20);
    for (int i = 0; i < 3000; i++)
        buf_add(&big, STR("demo "));
    sink->event(sink, &(struct chat_event){CHAT_TEXT, .text = buf_str(&big)}, &e);
    ok(g.text.len > 10000, "one without an end is not held for ever");
    buf_fini(&big);
    buf_fini(&g.text);
    arena_free(a);
}

int main(void)
{
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int policy = 0; policy < ANSWER_POLICY_COUNT; policy++)
            test_case(i, (enum answer_policy)policy);
    test_refused_whole();
    test_no_delay();
    test_searched();
    return tap_done();
}
