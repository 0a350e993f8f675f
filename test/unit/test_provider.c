/* What provider_answer promises: attempts while they can help and nothing has reached the client,
 * pauses that obey the provider inside the budget, and a ledger row for each attempt. */
#include "model/provider.h"
#include "base/clock.h"

#include "tap.h"
#include "on_loop.h"
#include "tempdir.h"

/* A provider that does what a script says. */
struct step {
    enum err_code code; /* ERR_NONE: a good answer */
    int32_t retry_after_ms;
    bool commits;
    int status;
};

static const struct step *script;
static int calls;

static bool play(const struct provider *p, struct call *c, struct str upstream_model,
                 struct chat_sink *sink, bool *committed, struct err *e)
{
    const struct step *s = &script[calls++];
    (void)p, (void)upstream_model;
    c->provider_status = s->status;
    c->usage = (struct chat_usage){.input = 1000, .output = 10, .cached = 400};
    if (s->commits || s->code == ERR_NONE) {
        *committed = true;
        c->first_token_ns = clock_now();
        if (!sink->event(sink, &(struct chat_event){CHAT_TEXT, .text = STR("x")}, e))
            return false;
    }
    if (s->code == ERR_NONE)
        return true;
    err_set(e, s->code, "scripted");
    e->retry_after_ms = s->retry_after_ms;
    return false;
}

static const struct provider_kind scripted = {"scripted", "provider", play};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    (void)sink, (void)ev, (void)e;
    return true;
}

static const struct {
    const char *name;
    struct step step[4];
    int attempts;
    enum err_code code;
    const char *errors; /* of the rows, in order */
    int64_t cost;       /* of all of them, micro-dollars */
} cases[] = {
    {"at once", {{ERR_NONE, .status = 200}}, 1, ERR_NONE, "", 2230},
    {"the second time",
     {{ERR_UPSTREAM, .status = 503}, {ERR_NONE, .status = 200}},
     2,
     ERR_NONE,
     "upstream,",
     2230},
    {"the third time",
     {{ERR_RATE, 1}, {ERR_UNAVAILABLE}, {ERR_NONE}},
     3,
     ERR_NONE,
     "rate,unavailable,",
     2230},
    {"never",
     {{ERR_UPSTREAM}, {ERR_UPSTREAM}, {ERR_RATE, 5, .status = 429}},
     3,
     ERR_RATE,
     "upstream,upstream,rate",
     0},
    {"not when it cannot help", {{ERR_INVALID, .status = 400}}, 1, ERR_INVALID, "invalid", 0},
    {"not for our key",
     {{ERR_UPSTREAM_AUTH, .status = 401}},
     1,
     ERR_UPSTREAM_AUTH,
     "upstream_auth",
     0},
    {"not after a timeout", {{ERR_TIMEOUT}}, 1, ERR_TIMEOUT, "timeout", 0},
    {"not once something has reached the client",
     {{ERR_UPSTREAM, .commits = true}},
     1,
     ERR_UPSTREAM,
     "upstream",
     0},
    {"not when told to wait longer than the budget", {{ERR_RATE, 60000}}, 1, ERR_RATE, "rate", 0},
    {"a client that left pays for what came",
     {{ERR_CANCELLED, .commits = true}},
     1,
     ERR_CANCELLED,
     "cancelled",
     2230},
    {"and for nothing when nothing came", {{ERR_CANCELLED}}, 1, ERR_CANCELLED, "cancelled", 0},
};

struct world {
    struct arena *a;
    struct provider p;
    struct account account;
    struct journal *journal;
    struct chat_sink sink;
};

static void make_call(struct call *c, const struct world *w, size_t i)
{
    *c = (struct call){.arena = w->a, .early = w->a, .journal = w->journal, .account = &w->account};
    c->req.model = STR("gpt");
    c->req.stream = true;
    snprintf(c->id, sizeof(c->id), "req_%zu", i);
}

static void run_cases(void *arg)
{
    struct world *w = arg;
    int64_t answered = metric_value(w->p.attempts[PROVIDER_ANSWERED]);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct call c;
        struct err e = {0};
        script = cases[i].step;
        calls = 0;
        make_call(&c, w, i);
        bool good = provider_answer(&w->p, &c, STR("gpt-2026"), &w->sink, &e);
        ok(calls == cases[i].attempts && c.attempts == calls, "%s: %d attempts", cases[i].name,
           calls);
        ok(good == (cases[i].code == ERR_NONE) && (good || e.code == cases[i].code), "%s: %s",
           cases[i].name, good ? "good" : err_name(e.code));
        ok(str_eq(c.provider, STR("p")) && strcmp(c.tier, "provider") == 0, "%s: who it was",
           cases[i].name);
    }
    ok(metric_value(w->p.attempts[PROVIDER_ANSWERED]) - answered == 3 &&
           metric_value(w->p.attempts[PROVIDER_CANCELLED]) == 2,
       "attempts are counted by how they ended");
    ok(metric_value(w->account.output) == 40 && metric_count(w->account.first_token) == 4,
       "tokens and first tokens too");
}

/* A fiber whose time is up does not wait for another attempt. */
static void run_deadline(void *arg)
{
    struct world *w = arg;
    struct call c;
    struct err e;
    script = (const struct step[]){{ERR_RATE, 500}, {ERR_NONE}};
    calls = 0;
    make_call(&c, w, 99);
    c.journal = NULL;
    fiber_deadline(clock_now() + 100 * NS_PER_MS);
    ok(!provider_answer(&w->p, &c, STR("gpt"), &w->sink, &e) && e.code == ERR_RATE && calls == 1,
       "no pause beyond the deadline");
}

static void run_cancelled(void *arg)
{
    struct world *w = arg;
    struct call c;
    struct err e;
    script = (const struct step[]){{ERR_RATE, 50}, {ERR_NONE}};
    calls = 0;
    make_call(&c, w, 98);
    c.journal = NULL;
    fiber_cancel(fiber_self());
    ok(!provider_answer(&w->p, &c, STR("gpt"), &w->sink, &e) && e.code == ERR_CANCELLED &&
           calls == 1,
       "a client that leaves during a pause ends it");
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
        l->wrong += !str_eq(db_text(rows, 4), STR("gpt")) ||
                    !str_eq(db_text(rows, 5), STR("gpt-2026")) ||
                    !str_eq(db_text(rows, 6), STR("p")) || db_int(rows, 7) < 0 ||
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
        want += cases[i].attempts;
        ok(strcmp(l.errors[i], cases[i].errors) == 0, "%s: rows '%s'", cases[i].name, l.errors[i]);
        ok(l.cost[i] == cases[i].cost, "%s: cost %lld", cases[i].name, (long long)l.cost[i]);
    }
    ok(l.rows == want && l.wrong == 0, "a row for each attempt, %d, and each whole", l.rows);
}

static void test_init(struct arena *a)
{
    struct provider p;
    struct err e = {0};
    ok(provider_init(&p, a, STR("q"), &provider_openai, STR("sk-1"), &e) && p.max_attempts == 3 &&
           str_eq(p.request_lines,
                  STR("Content-Type: application/json\r\nAuthorization: Bearer sk-1\r\n")),
       "header lines are made once");
    ok(provider_init(&p, a, STR("q"), &provider_openai, STR(""), &e) &&
           str_eq(p.request_lines, STR("Content-Type: application/json\r\n")),
       "no key, no header");
    ok(!provider_init(&p, a, STR("q"), &provider_openai, STR("a\r\nX: y"), &e) &&
           e.code == ERR_INVALID && !strstr(e.msg, "X: y"),
       "a key cannot bring headers along, and is not told");
    ok(provider_kind_find(STR("openai")) == &provider_openai &&
           provider_kind_find(STR("extractive")) == &provider_extractive &&
           !provider_kind_find(STR("open")),
       "kinds are found by name");
}

int main(void)
{
    struct world w = {.a = arena_new(), .sink = {take}};
    struct db *d;
    struct journal_set *set;
    struct err e = {0};
    char dir[TEMPDIR_SIZE];
    tempdir_make(dir);
    provider_init(&w.p, w.a, STR("p"), &scripted, STR(""), &e);
    w.p.retry_budget_ms = 1000;
    account_init(&w.account, STR("gpt"));
    w.account.input_nusd = 3000; /* (600 * 3000 + 400 * 1000 + 10 * 3000) / 1000 = 2230 */
    w.account.cached_nusd = 1000;
    w.account.output_nusd = 3000;

    if (ok(db_open(&d, &(struct db_options){.dir = dir}, &e) && journal_open(&set, d, dir, 1, &e),
           "the store opens %s", e.msg)) {
        w.journal = journal_of(set, 0);
        on_loop(run_cases, &w);
        on_loop(run_deadline, &w);
        on_loop(run_cancelled, &w);
        ok(journal_flush(set, &e), "the journal is moved");
        test_ledger(d);
        journal_close(set);
        db_close(d);
    }
    test_init(w.a);
    arena_free(w.a);
    tempdir_remove(dir);
    return tap_done();
}
