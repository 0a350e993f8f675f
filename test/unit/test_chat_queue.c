/* What chat_queue promises: events come out as they went in, pieces of one text as one. */
#include "model/chat_queue.h"

#include "tap.h"

struct gather {
    struct chat_sink sink;
    char said[500];
    size_t most; /* events that are taken */
};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct gather *g = CONTAINER_OF(sink, struct gather, sink);
    size_t len = strlen(g->said);
    if (g->most-- == 0)
        return err_set(e, ERR_CANCELLED, "enough");
    snprintf(g->said + len, sizeof(g->said) - len, "%d:%.*s%.*s,%.*s,%.*s,%.*s,%d|", ev->kind,
             STR_FMT(ev->text), STR_FMT(ev->raw), STR_FMT(ev->id), STR_FMT(ev->name),
             STR_FMT(ev->stop), ev->finish);
    return true;
}

static const struct {
    const char *name;
    struct chat_event in[4];
    size_t n;
    const char *out; /* %d of the kinds are in `kinds` below */
    enum chat_event_kind kinds[4];
} cases[] = {
    {"nothing", {{0}}, 0, "", {0}},
    {"pieces of one text",
     {{.kind = CHAT_TEXT, .text = STR("a")}, {.kind = CHAT_TEXT, .text = STR("b")}},
     2,
     "ab,,,,0|",
     {CHAT_TEXT}},
    {"raw bytes, too",
     {{.kind = CHAT_RAW, .raw = STR("x")}, {.kind = CHAT_RAW, .raw = STR("y")}},
     2,
     "xy,,,,0|",
     {CHAT_RAW}},
    {"two calls stay two",
     {{.kind = CHAT_TOOL_CALL, .id = STR("1"), .name = STR("f")},
      {.kind = CHAT_TOOL_CALL, .id = STR("2"), .name = STR("g")},
      {.kind = CHAT_ARGUMENTS, .text = STR("{")},
      {.kind = CHAT_ARGUMENTS, .text = STR("}")}},
     4,
     ",1,f,,0|,2,g,,0|{},,,,0|",
     {CHAT_TOOL_CALL, CHAT_TOOL_CALL, CHAT_ARGUMENTS}},
    {"how it ends",
     {{.kind = CHAT_TEXT, .text = STR("a")},
      {.kind = CHAT_FINISH, .finish = CHAT_FINISH_LENGTH, .stop = STR("END")}},
     2,
     "a,,,,0|,,,END,2|",
     {CHAT_TEXT, CHAT_FINISH}},
};

/* The kinds set in front of what is expected. */
static void expected(size_t i, char *to, size_t size)
{
    const char *from = cases[i].out;
    for (size_t k = 0; *from; k++) {
        size_t n = strcspn(from, "|") + 1, len = strlen(to);
        snprintf(to + len, size - len, "%d:%.*s", cases[i].kinds[k], (int)n, from);
        from += n;
    }
}

static void test_limit(void)
{
    struct chat_queue q;
    struct gather g = {.sink = {take}, .most = 1};
    struct err e = {0};
    chat_queue_init(&q, 200);
    chat_queue_put(&q, &(struct chat_event){.kind = CHAT_TEXT, .text = STR("a")});
    chat_queue_put(&q, &(struct chat_event){.kind = CHAT_REFUSAL, .text = STR("b")});
    ok(buf_ok(&q.buf), "what fits");
    ok(!chat_queue_send(&q, &g.sink, &e) && e.code == ERR_CANCELLED, "a sink that has enough");
    for (int i = 0; i < 200; i++)
        chat_queue_put(&q, &(struct chat_event){.kind = CHAT_REFUSAL, .text = STR("b")});
    ok(!buf_ok(&q.buf), "what does not");
    chat_queue_fini(&q);
}

int main(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct chat_queue q;
        struct gather g = {.sink = {take}, .most = SIZE_MAX};
        struct err e;
        char want[500] = "";
        chat_queue_init(&q, 10000);
        for (size_t k = 0; k < cases[i].n; k++)
            chat_queue_put(&q, &cases[i].in[k]);
        expected(i, want, sizeof(want));
        ok(chat_queue_send(&q, &g.sink, &e) && strcmp(g.said, want) == 0, "%s: %s", cases[i].name,
           g.said);
        chat_queue_fini(&q);
    }
    test_limit();
    return tap_done();
}
