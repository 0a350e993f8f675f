/* What dispatch promises: attempts while they can help, pauses that obey the provider inside the
 * budget, other keys, other places, streams begun anew or taken up where they broke off, and a
 * ledger row for each attempt. */
#include "model/dispatch.h"
#include "base/clock.h"
#include "run/fiber.h"

#include "tap.h"
#include "on_loop.h"
#include "tempdir.h"

/* Providers that do what a script says, one step for each attempt, whoever makes it. */
struct step {
    enum err_code code; /* ERR_NONE: a good answer */
    int32_t retry_after_ms;
    int status;
    bool begins;      /* the head of a stream goes out */
    const char *says; /* and these words */
    int wait_ms;      /* silence before any of that */
};

enum { STEPS = 7 };

static const struct step *script;
static int calls;
static char asked[STEPS + 1]; /* the first letter of each place's model */
static char key_asked[STEPS + 1];
static char prefill[64]; /* what the last one was given to continue */

static bool play(struct attempt *a, struct err *e)
{
    const struct step *s = &script[calls];
    asked[calls] = a->target->upstream.p[0];
    key_asked[calls++] = a->key->lines.p[a->key->lines.len - 3];
    if (s->wait_ms && !fiber_sleep(s->wait_ms * NS_PER_MS, e))
        return false;
    a->status = s->begins || s->says ? 200 : s->status;
    a->usage = (struct chat_usage){.input = 1000, .output = 10, .cached = 400};
    a->said->begun = a->said->begun || s->begins || s->says || s->code == ERR_NONE;
    if (a->resume)
        snprintf(prefill, sizeof(prefill), "%.*s", STR_FMT(buf_str(&a->call->said.text)));
    const char *says = s->says ? s->says : s->code == ERR_NONE ? "x" : NULL;
    if (says) {
        provider_spoke(a, str_from(says), true);
        if (!a->sink->event(a->sink, &(struct chat_event){CHAT_TEXT, .text = str_from(says)}, e))
            return false;
    }
    if (s->code == ERR_NONE)
        return true;
    err_set(e, s->code, "scripted");
    e->retry_after_ms = s->retry_after_ms;
    return false;
}

static const struct provider_kind scripted = {"scripted", CHAT_OPENAI, 1u << OP_CHAT, play};
static const struct vendor vendor = {
    .name = "scripted", .kind = &scripted, .key_header = "K: ", .path = {[OP_CHAT] = "/"}};

struct gather {
    struct chat_sink sink;
    char text[64];
};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct gather *g = CONTAINER_OF(sink, struct gather, sink);
    size_t len = strlen(g->text);
    (void)e;
    snprintf(g->text + len, sizeof(g->text) - len, "%.*s", STR_FMT(ev->text));
    return true;
}

static const struct {
    const char *name;
    struct step step[STEPS];
    const char
        *asked; /* whom, in order: a, a's other target A, the fallback b, c continues texts */
    enum err_code code;
    const char *errors; /* of the rows, in order */
    int64_t cost;       /* of all of them, micro-dollars */
    const char *text;   /* what the client got */
    int model;          /* alone, with a fallback, two keys, continued, held back */
} cases[] = {
    {"at once", {{ERR_NONE, .status = 200}}, "a", ERR_NONE, "", 2230, "x", 0},
    {"the second time",
     {{ERR_UPSTREAM, .status = 503}, {ERR_NONE, .status = 200}},
     "aa",
     ERR_NONE,
     "upstream,",
     2230,
     "x",
     0},
    {"the third time",
     {{ERR_RATE, 1}, {ERR_UNAVAILABLE}, {ERR_NONE}},
     "aaa",
     ERR_NONE,
     "rate,unavailable,",
     2230,
     "x",
     0},
    {"never, and not more than four times in three seconds",
     {{ERR_UPSTREAM}, {ERR_UPSTREAM}, {ERR_UPSTREAM}, {ERR_RATE, 5, .status = 429}},
     "aaaa",
     ERR_RATE,
     "upstream,upstream,upstream,rate",
     0,
     "",
     0},
    {"not when it cannot help",
     {{ERR_INVALID, .status = 400}},
     "a",
     ERR_INVALID,
     "invalid",
     0,
     "",
     0},
    {"not with the same key",
     {{ERR_UPSTREAM_AUTH, .status = 401}},
     "a",
     ERR_UPSTREAM_AUTH,
     "upstream_auth",
     0,
     "",
     0},
    {"not after a silence", {{ERR_TIMEOUT}}, "a", ERR_TIMEOUT, "timeout", 0, "", 0},
    {"but after a stall",
     {{ERR_TIMEOUT, .begins = true}, {ERR_NONE}},
     "aa",
     ERR_NONE,
     "timeout,",
     2230,
     "x",
     0},
    {"not once words have reached the client",
     {{ERR_UPSTREAM, .says = "half"}},
     "a",
     ERR_UPSTREAM,
     "upstream",
     0,
     "half",
     0},
    {"anew when only the head has",
     {{ERR_UPSTREAM, .begins = true}, {ERR_NONE}},
     "aa",
     ERR_NONE,
     "upstream,",
     2230,
     "x",
     0},
    {"not when told to wait longer than the budget",
     {{ERR_RATE, 60000}},
     "a",
     ERR_RATE,
     "rate",
     0,
     "",
     0},
    {"a client that left pays for what came",
     {{ERR_CANCELLED, .says = "half"}},
     "a",
     ERR_CANCELLED,
     "cancelled",
     2230,
     "half",
     0},
    {"and for nothing when nothing came",
     {{ERR_CANCELLED}},
     "a",
     ERR_CANCELLED,
     "cancelled",
     0,
     "",
     0},

    {"twice, then the fallback",
     {{ERR_UPSTREAM}, {ERR_UPSTREAM}, {ERR_NONE}},
     "aab",
     ERR_NONE,
     "upstream,upstream,",
     2230,
     "x",
     1},
    {"the fallback at once after a silence",
     {{ERR_TIMEOUT}, {ERR_NONE}},
     "ab",
     ERR_NONE,
     "timeout,",
     2230,
     "x",
     1},
    {"the fallback at once when the wait is long",
     {{ERR_RATE, 30000}, {ERR_NONE}},
     "ab",
     ERR_NONE,
     "rate,",
     2230,
     "x",
     1},
    {"the fallback when the key is refused",
     {{ERR_UPSTREAM_AUTH}, {ERR_NONE}},
     "ab",
     ERR_NONE,
     "upstream_auth,",
     2230,
     "x",
     1},
    {"no fallback for a bad request",
     {{ERR_INVALID, .status = 400}},
     "a",
     ERR_INVALID,
     "invalid",
     0,
     "",
     1},
    {"no fallback for content",
     {{ERR_CONTENT, .status = 400}},
     "a",
     ERR_CONTENT,
     "content",
     0,
     "",
     1},
    {"a larger window for a long prompt",
     {{ERR_CONTEXT, .status = 400}, {ERR_NONE}},
     "ab",
     ERR_NONE,
     "context,",
     2230,
     "x",
     1},
    {"the reason when the larger window is too small too",
     {{ERR_CONTEXT, .status = 400}, {ERR_CONTEXT, .status = 400}},
     "ab",
     ERR_CONTEXT,
     "context,context",
     0,
     "",
     1},
    {"the last reason when all fail",
     {{ERR_UPSTREAM}, {ERR_UPSTREAM}, {ERR_UPSTREAM}, {ERR_UPSTREAM}},
     "aabb",
     ERR_UPSTREAM,
     "upstream,upstream,upstream,upstream",
     0,
     "",
     1},
    {"no fallback once words have reached the client",
     {{ERR_UPSTREAM, .says = "half"}},
     "a",
     ERR_UPSTREAM,
     "upstream",
     0,
     "half",
     1},

    {"another key after a 429, without a pause",
     {{ERR_RATE, 60000}, {ERR_NONE}},
     "aa",
     ERR_NONE,
     "rate,",
     2230,
     "x",
     2},
    {"another key after a refusal",
     {{ERR_UPSTREAM_AUTH}, {ERR_NONE}},
     "aa",
     ERR_NONE,
     "upstream_auth,",
     2230,
     "x",
     2},
    {"each key once",
     {{ERR_UPSTREAM_AUTH}, {ERR_UPSTREAM_AUTH}},
     "aa",
     ERR_UPSTREAM_AUTH,
     "upstream_auth,upstream_auth",
     0,
     "",
     2},

    {"not taken up when its content was refused",
     {{ERR_CONTENT, .says = "half"}},
     "a",
     ERR_CONTENT,
     "content",
     0,
     "half",
     3},
    {"taken up where it broke off",
     {{ERR_UPSTREAM, .says = "half "}, {ERR_NONE, .says = "the rest"}},
     "ac",
     ERR_NONE,
     "upstream,",
     2230,
     "half the rest",
     3},
    {"taken up twice",
     {{ERR_UPSTREAM, .says = "a "}, {ERR_TIMEOUT, .says = "b "}, {ERR_NONE, .says = "c"}},
     "acc",
     ERR_NONE,
     "upstream,timeout,",
     2230,
     "a b c",
     4},

    {"held back: an early end leaves no trace",
     {{ERR_UPSTREAM, .says = "half"}, {ERR_NONE, .says = "whole"}},
     "aa",
     ERR_NONE,
     "upstream,",
     2230,
     "whole",
     5},
};

enum { MODELS = 6, SERVERS = 2 };

struct world {
    struct arena *a;
    struct provider p, two_keys;
    struct provider_endpoint endpoint;
    struct target target[MODELS][2];
    struct model model[MODELS];
    const struct model *fallback, *continues;
    struct account account;
    struct journal *journal;
};

static void make_target(struct world *w, struct target *t, const struct provider *p,
                        const char *upstream, int64_t window)
{
    *t = (struct target){.provider = p,
                         .upstream = str_from(upstream),
                         .weight = 1,
                         .context_tokens = window,
                         .prefill = upstream[0] == 'c',
                         .account = &w->account};
}

static void make_model(struct world *w, size_t i, const struct provider *p, const char *upstream,
                       int64_t window)
{
    struct err e;
    struct model *m = &w->model[i];
    make_target(w, &w->target[i][0], p, upstream, window);
    *m = (struct model){.name = STR("gpt"),
                        .target = w->target[i],
                        .n_targets = 1,
                        .max_attempts = 6,
                        .retry_budget_ms = 1000};
    model_places(m, w->a, &e);
}

static void make_call(struct call *c, const struct world *w, size_t i)
{
    *c = (struct call){
        .arena = w->a, .early = w->a, .journal = w->journal, .deadline_ns = CLOCK_NEVER};
    c->req.model = STR("gpt");
    c->req.stream = true;
    snprintf(c->id, sizeof(c->id), "req_%zu", i);
    calls = 0;
    memset(asked, 0, sizeof(asked));
    memset(key_asked, 0, sizeof(key_asked));
}

static void forget_pauses(struct world *w)
{
    for (size_t i = 0; i < w->two_keys.n_keys; i++)
        w->two_keys.key[i].paused_until_ns = 0;
    w->p.key[0].paused_until_ns = 0;
}

static void run_cases(void *arg)
{
    struct world *w = arg;
    for (size_t i = 0; i < COUNT(cases); i++) {
        static struct model held;
        struct call *c = arena_struct(w->a, struct call);
        struct err e = {0};
        struct gather g = {.sink = {take}};
        const struct model *m = &w->model[cases[i].model];
        if (cases[i].model == 5) {
            held = w->model[0];
            held.hold_back_ms = 5000;
            m = &held;
        }
        script = cases[i].step;
        make_call(c, w, i);
        forget_pauses(w);
        bool good = dispatch(m, c, &g.sink, &e);
        ok(strcmp(asked, cases[i].asked) == 0 && c->attempts == calls, "%s: asked '%s'",
           cases[i].name, asked);
        ok(good == (cases[i].code == ERR_NONE) && (good || e.code == cases[i].code), "%s: %s",
           cases[i].name, good ? "good" : err_name(e.code));
        ok(strcmp(g.text, cases[i].text) == 0, "%s: text '%s'", cases[i].name, g.text);
        ok(strcmp(c->tier, asked[calls - 1] == 'a' ? "primary" : "fallback") == 0, "%s: tier %s",
           cases[i].name, c->tier);
        if (cases[i].model == 2 && calls == 2)
            ok(key_asked[0] != key_asked[1], "%s: keys %s", cases[i].name, key_asked);
        if (cases[i].model == 3 && calls > 1)
            ok(strcmp(prefill, "half ") == 0, "%s: from '%s'", cases[i].name, prefill);
    }
}

/* A fiber whose time is up does not wait for another attempt. */
static void run_deadline(void *arg)
{
    struct world *w = arg;
    struct call *c = arena_struct(w->a, struct call);
    struct err e;
    struct gather g = {.sink = {take}};
    script = (const struct step[]){{ERR_RATE, 500}, {ERR_NONE}};
    make_call(c, w, 99);
    c->journal = NULL;
    c->deadline_ns = clock_now() + 100 * NS_PER_MS;
    ok(!dispatch(&w->model[0], c, &g.sink, &e) && e.code == ERR_RATE && calls == 1,
       "no pause beyond the deadline");
}

static void run_cancelled(void *arg)
{
    struct world *w = arg;
    struct call *c = arena_struct(w->a, struct call);
    struct err e;
    struct gather g = {.sink = {take}};
    script = (const struct step[]){{ERR_RATE, 50}, {ERR_NONE}};
    make_call(c, w, 98);
    c->journal = NULL;
    fiber_cancel(fiber_self());
    ok(!dispatch(&w->model[0], c, &g.sink, &e) && e.code == ERR_CANCELLED && calls == 1,
       "a client that leaves during a pause ends it");
}

/* Races: the second of two attempts enters after 20 ms of silence. */
static const struct {
    const char *name;
    struct step step[3];
    const char *asked, *text, *upstream;
    enum err_code code;
} races[] = {
    {"who is quick is alone", {{ERR_NONE, .says = "quick"}}, "a", "quick", "a", ERR_NONE},
    {"the second one wins",
     {{ERR_NONE, .says = "slow", .wait_ms = 5000}, {ERR_NONE, .says = "fast"}},
     "ad",
     "fast",
     "d",
     ERR_NONE},
    {"the first one wins all the same",
     {{ERR_NONE, .says = "first", .wait_ms = 60}, {ERR_NONE, .says = "second", .wait_ms = 5000}},
     "ad",
     "first",
     "a",
     ERR_NONE},
    {"one fails, the other answers",
     {{ERR_NONE, .says = "slow", .wait_ms = 100}, {ERR_UPSTREAM}},
     "ad",
     "slow",
     "a",
     ERR_NONE},
    {"both fail",
     {{ERR_INVALID, .wait_ms = 40}, {ERR_INVALID, .wait_ms = 1}},
     "ad",
     "",
     "d",
     ERR_INVALID},
};

static void run_races(void *arg)
{
    struct world *w = arg;
    struct target targets[2];
    struct model m = w->model[0];
    struct err e = {0};
    make_target(w, &targets[0], &w->p, "a", 8000);
    make_target(w, &targets[1], &w->p, "d", 8000);
    targets[0].weight = 1u << 30; /* it comes first */
    m.target = targets;
    m.n_targets = 2;
    m.n_places = 0;
    m.hedge_ms = 20;
    model_places(&m, w->a, &e);
    for (size_t i = 0; i < COUNT(races); i++) {
        struct call *c = arena_struct(w->a, struct call);
        struct gather g = {.sink = {take}};
        script = races[i].step;
        make_call(c, w, 200 + i);
        bool good = dispatch(&m, c, &g.sink, &e);
        ok(good == (races[i].code == ERR_NONE) && (good || e.code == races[i].code), "%s: %s",
           races[i].name, good ? "good" : err_name(e.code));
        ok(strcmp(asked, races[i].asked) == 0 && strcmp(g.text, races[i].text) == 0,
           "%s: asked '%s', text '%s'", races[i].name, asked, g.text);
        ok(!good || str_eq(c->upstream_model, str_from(races[i].upstream)), "%s: by %.*s",
           races[i].name, STR_FMT(c->upstream_model));
        ok(c->cost_microusd == (good ? 2230 : 0), "%s: is paid once", races[i].name);
    }
}

struct ledger {
    char errors[COUNT(cases)][128];
    int64_t cost[COUNT(cases)];
    int rows, wrong;
};

static bool read_ledger(struct db_tx *tx, void *arg, struct err *e)
{
    struct ledger *l = arg;
    struct db_rows *rows;
    memset(l, 0, sizeof(*l));
    if (!db_query(tx, &rows, e,
                  "select request, attempt, error, cost_microusd, model, upstream_model, provider, "
                  "latency_us, "
                  "output_tokens from usage order by id"))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        size_t i = strtoul(db_text(rows, 0).p + 4, NULL, 10);
        struct str error = db_text(rows, 2);
        if (i >= COUNT(cases))
            continue;
        l->rows++;
        size_t len = strlen(l->errors[i]);
        snprintf(l->errors[i] + len, sizeof(l->errors[i]) - len, "%s%.*s",
                 db_int(rows, 1) > 1 ? "," : "", STR_FMT(error));
        l->cost[i] += db_int(rows, 3);
        l->wrong += !str_eq(db_text(rows, 4), STR("gpt")) || db_text(rows, 5).len == 0 ||
                    db_text(rows, 6).len == 0 || db_int(rows, 7) < 0 ||
                    (db_int(rows, 3) == 0) != (db_int(rows, 8) == 0);
    }
    db_done(rows);
    return got == 0;
}

static void test_ledger(struct db *d)
{
    static struct ledger l;
    struct err e = {0};
    ok(db_read(d, read_ledger, &l, &e), "the ledger is read %s", e.msg);
    int want = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        want += (int)strlen(cases[i].asked);
        ok(strcmp(l.errors[i], cases[i].errors) == 0, "%s: rows '%s'", cases[i].name, l.errors[i]);
        ok(l.cost[i] == cases[i].cost, "%s: cost %lld", cases[i].name, (long long)l.cost[i]);
    }
    ok(l.rows == want && l.wrong == 0, "a row for each attempt, %d, and each whole", l.rows);
}

int main(void)
{
    static struct world w;
    struct db *d;
    struct journal_set *set;
    struct err e = {0};
    char dir[TEMPDIR_SIZE];
    tempdir_make(dir);
    w.a = arena_new();
    /* Breakers have a test of their own. */
    health_configure(&(struct health_options){.failures = 1 << 20, .min_calls = 1 << 20});
    provider_init(&w.p, w.a, STR("p"), &vendor, (struct str[]){STR("1")}, 1, &e);
    provider_init(&w.two_keys, w.a, STR("q"), &vendor, (struct str[]){STR("1"), STR("2")}, 2, &e);
    w.endpoint.url = STR("http://here");
    w.p.endpoint = w.two_keys.endpoint = &w.endpoint;
    w.p.n_endpoints = w.two_keys.n_endpoints = 1;
    account_init(&w.account, STR("gpt"));
    w.account.input_nusd = 3000; /* (600 * 3000 + 400 * 1000 + 10 * 3000) / 1000 = 2230 */
    w.account.cached_nusd = 1000;
    w.account.output_nusd = 3000;
    make_model(&w, 0, &w.p, "a", 8000);
    make_model(&w, 1, &w.p, "a", 8000);
    make_model(&w, 2, &w.two_keys, "a", 8000);
    make_model(&w, 3, &w.p, "a", 8000);
    static struct model b, c;
    make_model(&w, 4, &w.p, "b", 16000);
    b = w.model[4];
    make_model(&w, 5, &w.p, "c", 8000);
    c = w.model[5];
    w.fallback = &b;
    w.continues = &c;
    w.model[4] = w.model[3];
    w.model[1].fallback = &w.fallback;
    w.model[3].fallback = w.model[4].fallback = &w.continues;
    w.model[1].n_fallback = w.model[3].n_fallback = w.model[4].n_fallback = 1;

    if (ok(db_open(&d, &(struct db_options){.dir = dir}, &e) && journal_open(&set, d, dir, 1, &e),
           "the store opens %s", e.msg)) {
        w.journal = journal_of(set, 0);
        on_loop(run_cases, &w);
        on_loop(run_races, &w);
        on_loop(run_deadline, &w);
        on_loop(run_cancelled, &w);
        ok(journal_flush(set, &e), "the journal is moved");
        test_ledger(d);
        journal_close(set);
        db_close(d);
    }
    arena_free(w.a);
    tempdir_remove(dir);
    return tap_done();
}
