/* What race promises: the first that speaks is heard, and nobody else. */
#include "model/race.h"
#include "base/clock.h"

#include "on_loop.h"
#include "tap.h"

static const struct provider provider = {.name = STR("p")};
static const struct target targets[] = {{.provider = &provider, .upstream = STR("first")},
                                        {.provider = &provider, .upstream = STR("second")}};

struct gather {
    struct chat_sink sink;
    char text[100];
};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct gather *g = CONTAINER_OF(sink, struct gather, sink);
    size_t len = strlen(g->text);
    (void)e;
    snprintf(g->text + len, sizeof(g->text) - len, "%.*s|", STR_FMT(ev->text));
    return true;
}

/* What a racer does. */
enum act { SPEAKS, SPEAKS_LATER, FAILS, WAITS };

static enum act acts[RACERS];
static bool cancelled[RACERS];

static bool run(void *ctx, struct attempt *a, struct err *e)
{
    size_t i = (size_t)(a->target - targets);
    (void)ctx;
    if (acts[i] == FAILS)
        return err_set(e, ERR_UPSTREAM, "broken");
    if (acts[i] == WAITS && !fiber_sleep(3600 * NS_PER_S, e)) {
        cancelled[i] = e->code == ERR_CANCELLED;
        return false;
    }
    if (acts[i] == SPEAKS_LATER && !fiber_pause(e))
        return false;
    a->said->begun = a->said->spoke = true;
    return a->sink->event(a->sink,
                          &(struct chat_event){.kind = CHAT_TEXT, .text = a->target->upstream}, e);
}

static const struct {
    const char *name;
    enum act act[RACERS];
    const char *text, *by; /* by: NULL: nobody was heard */
    size_t decides;
    bool cancels[RACERS]; /* who is cancelled while it waits */
} cases[] = {
    {"the first speaks, the second has not begun",
     {SPEAKS, WAITS},
     "first|",
     "first",
     0,
     {false, false}},
    {"the first speaks, the second waits",
     {SPEAKS_LATER, WAITS},
     "first|",
     "first",
     0,
     {false, true}},
    {"the second speaks", {WAITS, SPEAKS}, "second|", "second", 1, {true, false}},
    {"both do, one is heard", {SPEAKS, SPEAKS_LATER}, "first|", "first", 0, {false, false}},
    {"the first fails", {FAILS, SPEAKS}, "second|", "second", 1, {false, false}},
    {"the second fails", {SPEAKS_LATER, FAILS}, "first|", "first", 0, {false, false}},
    {"both fail", {FAILS, FAILS}, "", NULL, 1, {false, false}},
};

static void run_case(size_t i)
{
    struct call c = {.deadline_ns = CLOCK_NEVER};
    struct gather g = {.sink = {take}};
    struct attempt a[RACERS];
    struct race r;
    memcpy(acts, cases[i].act, sizeof(acts));
    memset(cancelled, 0, sizeof(cancelled));
    race_init(&r, &c, run, NULL);
    ok(c.raced, "%s: the call knows", cases[i].name);
    for (size_t k = 0; k < RACERS; k++) {
        a[k] =
            (struct attempt){.call = &c, .target = &targets[k], .sink = &g.sink, .said = &c.said};
        race_enter(&r, &a[k]);
    }
    ok(race_wait(&r, CLOCK_NEVER), "%s: it is decided", cases[i].name);
    const struct racer *d = race_end(&r);
    ok(d == &r.racer[cases[i].decides] && d->good == (cases[i].by != NULL) &&
           (d->good || d->e.code == ERR_UPSTREAM),
       "%s: who decides", cases[i].name);
    ok(strcmp(g.text, cases[i].text) == 0, "%s: what was heard: %s", cases[i].name, g.text);
    ok(memcmp(cancelled, cases[i].cancels, sizeof(cancelled)) == 0, "%s: who was cancelled",
       cases[i].name);
    ok(c.said.spoke == d->good && (!d->good || d->a->said == &c.said) && !c.raced,
       "%s: what the call has said", cases[i].name);
    ok(str_eq(c.upstream_model, str_from(cases[i].by ? cases[i].by : "")), "%s: by whom",
       cases[i].name);
}

static void test(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(i);

    struct call c = {.deadline_ns = CLOCK_NEVER};
    struct gather g = {.sink = {take}};
    struct attempt a = {.call = &c, .target = &targets[0], .sink = &g.sink, .said = &c.said};
    struct race r;
    acts[0] = SPEAKS;
    race_init(&r, &c, run, NULL);
    race_enter(&r, &a);
    ok(!race_wait(&r, 1), "a time that is over: nothing yet");
    ok(race_end(&r)->good && strcmp(g.text, "first|") == 0, "one alone");
}

int main(void)
{
    on_loop(test, NULL);
    return tap_done();
}
