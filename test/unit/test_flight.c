/* What sharing a call promises: one answer for all that ask the same while it is under way, whoever
 * of them leaves. The provider is a script that goes on when the test says so. */
#include "gateway/flight.h"
#include "base/clock.h"
#include "net/server_conn.h"

#include "tap.h"
#include "on_loop.h"

enum { ASKERS = 3, LONG = 2 << 20 };

/* ---- The provider ---- */

static struct {
    int calls;
    int allowed;  /* pieces that may have been said */
    int said;     /* ... and have been */
    bool fails;   /* behind them */
    bool is_long; /* the first piece is */
    struct str big;
} script;

static bool wait_for(const int *what, int least, struct err *e)
{
    while (*what < least)
        if (!fiber_pause(e))
            return false;
    return true;
}

static bool play(struct attempt *a, struct err *e)
{
    static const char *const pieces[] = {"a", "b", "c"};
    script.calls++;
    script.said = 0;
    a->usage = (struct chat_usage){.input = 3, .output = 4};
    for (int i = 0; i < 3; i++) {
        if (!wait_for(&script.allowed, i + 1, e))
            return false;
        a->said->begun = true;
        struct str text = i == 0 && script.is_long ? script.big : str_from(pieces[i]);
        struct chat_event ev = {.kind = CHAT_TEXT, .text = text};
        if (!a->sink->event(a->sink, &ev, e))
            return false;
        script.said++;
    }
    if (script.fails)
        return err_set(e, ERR_INVALID, "scripted");
    return a->sink->event(a->sink, &(struct chat_event){.kind = CHAT_FINISH}, e);
}

static const struct provider_kind scripted = {"scripted", CHAT_OPENAI, 1u << OP_CHAT, play};
static const struct vendor vendor = {
    .name = "scripted", .kind = &scripted, .key_header = "K: ", .path = {[OP_CHAT] = "/"}};
static struct model model;

/* ---- Those who ask ---- */

struct asker {
    struct chat_sink sink;
    struct request r;
    struct server_request http;
    struct arena *arena;
    struct fiber *fiber;
    struct key_info key;
    struct buf got;
    struct err e;
    bool leaves; /* its client takes nothing */
    bool good, ended;
    bool outlives; /* what http_request_outlive said last */
    int outlived;  /* ... and how often it was switched on */
};

static void note_outlive(struct server_request *r, bool on)
{
    struct asker *k = CONTAINER_OF(r, struct asker, http);
    k->outlives = on;
    k->outlived += on;
}

static const struct server_protocol protocol = {.outlive = note_outlive};
static const struct codec codec = {.name = "chat"}, other_codec = {.name = "messages"};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct asker *k = CONTAINER_OF(sink, struct asker, sink);
    if (k->leaves)
        return err_set(e, ERR_CANCELLED, "the client has left");
    if (ev->kind == CHAT_FINISH)
        buf_char(&k->got, '.');
    else
        buf_add(&k->got, ev->text);
    return true;
}

static void init(struct asker *k, const char *body)
{
    *k = (struct asker){.sink = {take}, .arena = arena_new()};
    buf_init(&k->got, 8 << 20);
    k->http.protocol = &protocol;
    snprintf(k->key.tenant, sizeof(k->key.tenant), "t");
    k->r = (struct request){.http = &k->http.pub, .codec = &codec, .model = &model};
    k->r.sink = &k->sink;
    k->r.call = (struct call){.arena = k->arena,
                              .early = k->arena,
                              .key = &k->key,
                              .deadline_ns = CLOCK_NEVER,
                              .req = {.dialect = CHAT_OPENAI, .model = STR("m"), .stream = true}};
    k->r.call.req.body.text = str_from(body);
}

static void fini(struct asker *k)
{
    buf_fini(&k->got);
    arena_free(k->arena);
}

static void ask(void *arg)
{
    struct asker *k = arg;
    k->fiber = fiber_self();
    k->good = flight_answer(&k->r, &k->e);
    k->ended = true;
}

static bool got(const struct asker *k, const char *text)
{
    return str_eq(buf_str(&k->got), str_from(text));
}

/* ---- Scenes ---- */

struct scene {
    struct asker k[ASKERS];
    struct fiber_group g;
};

static void enter(struct scene *s, size_t i)
{
    fiber_group_go(&s->g, ask, &s->k[i], "asker");
    for (int n = 0; n < 8; n++)
        fiber_yield();
}

static void begin(struct scene *s)
{
    struct str big = script.big;
    memset(&script, 0, sizeof(script));
    script.big = big;
    for (size_t i = 0; i < ASKERS; i++)
        init(&s->k[i], "{}");
    fiber_group_init(&s->g, CLOCK_NEVER);
}

static void allow(int pieces)
{
    script.allowed = pieces;
    for (int n = 0; n < 16; n++)
        fiber_yield();
}

static void end(struct scene *s)
{
    script.allowed = 3;
    fiber_group_wait(&s->g);
    fiber_group_fini(&s->g);
}

static void drop(struct scene *s)
{
    for (size_t i = 0; i < ASKERS; i++)
        fini(&s->k[i]);
}

static void test_shared(void)
{
    struct scene s;
    begin(&s);
    enter(&s, 0);
    enter(&s, 1);
    allow(1);
    ok(got(&s.k[0], "a") && got(&s.k[1], "a"), "both hear the first piece at once");
    enter(&s, 2);
    ok(got(&s.k[2], "a"), "who joins late hears what has been said");
    end(&s);
    ok(script.calls == 1, "one call, %d", script.calls);
    for (size_t i = 0; i < ASKERS; i++)
        ok(s.k[i].good && got(&s.k[i], "abc."), "the whole answer: %zu", i);
    const struct call *c = &s.k[2].r.call;
    ok(c->usage.input == 3 && c->usage.output == 4 && str_eq(c->provider, STR("scripted")) &&
           str_eq(c->upstream_model, STR("u")) && strcmp(c->tier, "primary") == 0,
       "who answered, and with what");
    ok(s.k[0].outlived > 0 && !s.k[0].outlives, "the first outlived its client for a while");
    drop(&s);
    begin(&s);
    script.allowed = 3;
    enter(&s, 0);
    end(&s);
    ok(script.calls == 1 && got(&s.k[0], "abc."), "what has ended is not joined");
    drop(&s);
}

static void test_others(void)
{
    struct scene s;
    begin(&s);
    s.k[1].r.call.req.body.text = STR("{ }");
    s.k[2].r.codec = &other_codec;
    for (size_t i = 0; i < ASKERS; i++)
        enter(&s, i);
    end(&s);
    ok(script.calls == 3, "another body or protocol is another call");
    drop(&s);
    begin(&s);
    snprintf(s.k[1].key.tenant, sizeof(s.k[1].key.tenant), "u");
    s.k[2].r.call.req.betas = STR("beta");
    for (size_t i = 0; i < ASKERS; i++)
        enter(&s, i);
    end(&s);
    ok(script.calls == 3, "so is another tenant's, or one with betas");
    drop(&s);
}

static void test_leader_leaves(void)
{
    struct scene s;
    begin(&s);
    enter(&s, 0);
    enter(&s, 1);
    allow(1);
    s.k[0].leaves = true;
    end(&s);
    ok(script.calls == 1 && s.k[1].good && got(&s.k[1], "abc."), "others get the whole answer");
    ok(!s.k[0].good && s.k[0].e.code == ERR_CANCELLED, "who left has none");
    drop(&s);
    begin(&s);
    enter(&s, 0);
    allow(1);
    s.k[0].leaves = true;
    end(&s);
    ok(!s.k[0].good && script.said == 1, "with nobody else the provider is stopped");
    drop(&s);
}

static void test_failure(void)
{
    struct scene s;
    begin(&s);
    script.fails = true;
    enter(&s, 0);
    enter(&s, 1);
    end(&s);
    ok(script.calls == 1 && !s.k[0].good && !s.k[1].good && s.k[1].e.code == ERR_INVALID &&
           strcmp(s.k[0].e.msg, s.k[1].e.msg) == 0,
       "a failure is shared: %s", s.k[1].e.msg);
    drop(&s);
}

static void test_cancelled(void)
{
    struct scene s;
    begin(&s);
    enter(&s, 0);
    enter(&s, 1);
    fiber_cancel(s.k[0].fiber);
    end(&s);
    ok(!s.k[0].good && script.calls == 2 && s.k[1].good && got(&s.k[1], "abc."),
       "whose leader was cancelled before a word asks for itself");
    drop(&s);
    begin(&s);
    enter(&s, 0);
    enter(&s, 1);
    allow(1);
    fiber_cancel(s.k[0].fiber);
    end(&s);
    ok(!s.k[1].good && script.calls == 1 && got(&s.k[1], "a"), "but not behind one");
    drop(&s);
    begin(&s);
    enter(&s, 0);
    enter(&s, 1);
    allow(1);
    ok(s.k[0].outlives, "it is followed");
    fiber_cancel(s.k[1].fiber);
    for (int n = 0; n < 8; n++)
        fiber_yield();
    ok(s.k[1].ended && !s.k[1].good && s.k[1].e.code == ERR_CANCELLED && !s.k[0].outlives,
       "a follower may leave, and then nobody follows");
    end(&s);
    ok(s.k[0].good && got(&s.k[0], "abc."), "the rest goes on");
    drop(&s);
}

/* An answer that is too long to be kept for latecomers. */
static void test_long(void)
{
    struct scene s;
    begin(&s);
    script.is_long = true;
    enter(&s, 0);
    enter(&s, 1);
    allow(1);
    enter(&s, 2);
    end(&s);
    ok(script.calls == 2, "is joined no more");
    ok(s.k[0].good && s.k[1].good && s.k[2].good && s.k[1].got.len == LONG + 3 &&
           s.k[2].got.len == LONG + 3,
       "but who follows already hears all of it");
    drop(&s);
}

static void test(void *arg)
{
    (void)arg;
    test_shared();
    test_others();
    test_leader_leaves();
    test_failure();
    test_cancelled();
    test_long();
    ok(fiber_count() == 1, "all have ended");
}

int main(void)
{
    struct arena *a = arena_new();
    struct provider p;
    struct provider_endpoint at = {.url = STR("http://x")};
    struct err e;
    char *big = arena_bytes(a, LONG);
    memset(big, 'x', LONG);
    script.big = (struct str){big, LONG};
    ok(provider_init(&p, a, STR("scripted"), &vendor, NULL, 0, &e), "a provider");
    p.endpoint = &at;
    p.n_endpoints = 1;
    struct target t = {.provider = &p, .upstream = STR("u"), .weight = 1, .context_tokens = 1000};
    model = (struct model){.name = STR("m"), .target = &t, .n_targets = 1, .max_attempts = 1};
    ok(model_places(&model, a, &e), "a model");
    on_loop(test, NULL);
    arena_free(a);
    return tap_done();
}
