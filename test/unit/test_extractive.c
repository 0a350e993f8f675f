/* What the extractive provider promises: an answer in pieces with citations, from the knowledge
 * base or, without one, from the conversation; or a refusal. */
#include "model/provider.h"
#include "base/clock.h"

#include "run/work.h"

#include "tap.h"
#include "on_loop.h"

static const struct passage passages[] = {
    {.name = STR("server.md"),
     .text = STR("The server listens on port 8080. It drains for 30 seconds."),
     .tokens = 14},
    {.name = STR("list.md"),
     .text = STR("The colours of the flag are:\n\n- red\n- green\n- blue"),
     .tokens = 14},
};

static const struct {
    const char *name;
    bool grounded, stream;
    int64_t max_tokens;
    struct chat_message message[4];
    const char *want;
    enum chat_finish finish;
} cases[] = {
    {"from the knowledge base",
     true,
     true,
     0,
     {{CHAT_USER, STR("On which port does the server listen?")}},
     "The server listens on port 8080. [Source: server.md]",
     CHAT_FINISH_STOP},
    {"a block has its citation on a line of its own",
     true,
     false,
     0,
     {{CHAT_USER, STR("What are the colours of the flag?")}},
     "The colours of the flag are:\n\n- red\n- green\n- blue\n\n[Source: list.md]",
     CHAT_FINISH_STOP},
    {"it is not there",
     true,
     false,
     0,
     {{CHAT_USER, STR("Who won the match?")}},
     CHAT_NO_INFORMATION,
     CHAT_FINISH_STOP},
    {"from what the application said",
     false,
     false,
     0,
     {{CHAT_SYSTEM, STR("The shop opens at nine. It closes at six.")},
      {CHAT_USER, STR("When does the shop open?")}},
     "The shop opens at nine.",
     CHAT_FINISH_STOP},
    {"from what the question brings along",
     false,
     false,
     0,
     {{CHAT_USER, STR("The train to Ulm leaves at ten.\n\nThe bus leaves at noon.\n\nWhen does the "
                      "train to Ulm leave?")}},
     "The train to Ulm leaves at ten.",
     CHAT_FINISH_STOP},
    {"with the question in front",
     false,
     false,
     0,
     {{CHAT_USER, STR("When does the train to Ulm leave?\n\nThe train to Ulm leaves at ten.\n\nThe "
                      "bus leaves at noon.")}},
     "The train to Ulm leaves at ten.",
     CHAT_FINISH_STOP},
    {"nothing to answer from",
     false,
     false,
     0,
     {{CHAT_USER, STR("When does the shop open?")}},
     CHAT_NO_INFORMATION,
     CHAT_FINISH_STOP},
    {"no question",
     false,
     false,
     0,
     {{CHAT_SYSTEM, STR("Be nice.")}},
     CHAT_NO_INFORMATION,
     CHAT_FINISH_STOP},
    {"longer than allowed",
     true,
     false,
     3,
     {{CHAT_USER, STR("On which port does the server listen?")}},
     "",
     CHAT_FINISH_LENGTH},
};

struct gather {
    struct chat_sink sink;
    struct buf text;
    enum chat_finish finish;
    int finished;
};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct gather *g = CONTAINER_OF(sink, struct gather, sink);
    (void)e;
    if (ev->kind == CHAT_TEXT)
        buf_add(&g->text, ev->text);
    if (ev->kind == CHAT_FINISH) {
        g->finish = ev->finish;
        g->finished++;
    }
    return true;
}

static bool refuse(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    (void)sink, (void)ev;
    return err_set(e, ERR_CANCELLED, "the client has left");
}

static void make_call(struct call *c, struct arena *a, size_t i)
{
    *c = (struct call){.arena = a, .deadline_ns = CLOCK_NEVER};
    c->req.message = arena_array(a, struct chat_message, 4);
    memcpy(c->req.message, cases[i].message, sizeof(cases[i].message));
    while (c->req.n_messages < 4 && cases[i].message[c->req.n_messages].text.len)
        c->req.n_messages++;
    c->req.stream = cases[i].stream;
    c->req.max_tokens = cases[i].max_tokens;
    if (cases[i].grounded) {
        c->req.grounded = true;
        c->req.passage = passages;
        c->req.n_passages = COUNT(passages);
        c->req.question = c->req.asked = cases[i].message[0].text;
    }
}

static bool answer(struct attempt *t, struct call *c, struct chat_sink *sink, struct err *e)
{
    *t = (struct attempt){.call = c, .sink = sink, .said = &c->said};
    return provider_extractive.answer(t, e);
}

static void run_all(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new();
        struct call c;
        struct err e;
        struct gather g = {.sink = {take}};
        struct attempt t;
        buf_init(&g.text, 1 << 20);
        make_call(&c, a, i);
        bool good = answer(&t, &c, &g.sink, &e);
        ok(good && c.said.begun && g.finished == 1 && g.finish == cases[i].finish, "%s: ends once",
           cases[i].name);
        if (!ok(str_eq(buf_str(&g.text), str_from(cases[i].want)), "%s: answer", cases[i].name))
            printf("# got '%.*s'\n", STR_FMT(buf_str(&g.text)));
        ok(t.usage.counted && t.usage.input > 0 && (t.usage.output > 0 || g.text.len == 0),
           "%s: usage", cases[i].name);
        ok((t.first_token_ns > 0) == cases[i].stream, "%s: only a stream has a first token",
           cases[i].name);
        buf_fini(&g.text);
        arena_free(a);
    }
    struct arena *a = arena_new();
    struct call c;
    struct err e;
    struct attempt t;
    struct chat_sink gone = {refuse};
    make_call(&c, a, 0);
    ok(!answer(&t, &c, &gone, &e) && e.code == ERR_CANCELLED && c.said.begun,
       "a client that leaves ends it");
    arena_free(a);
}

int main(void)
{
    struct err e;
    CHECK(work_start(1, &e));
    on_loop(run_all, NULL);
    work_stop();
    return tap_done();
}
