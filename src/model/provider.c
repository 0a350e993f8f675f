#include "model/provider.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/failure.h"
#include "model/traced.h"
#include "run/fiber.h"

enum { ATTEMPTS = 3, BUDGET_MS = 3000, BACKOFF_FIRST_MS = 100, BACKOFF_MOST_MS = 2000 };

static const struct provider_kind *const kinds[] = {&provider_openai, &provider_extractive};

static const char *const outcome_names[PROVIDER_OUTCOMES] = {
    [PROVIDER_ANSWERED] = "answered",
    [PROVIDER_FAILED] = "failed",
    [PROVIDER_CANCELLED] = "cancelled",
};

const struct provider_kind *provider_kind_find(struct str name)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (str_eq(str_from(kinds[i]->name), name))
            return kinds[i];
    return NULL;
}

bool provider_init(struct provider *p, struct arena *a, struct str name,
                   const struct provider_kind *kind, struct str api_key, struct err *e)
{
    for (size_t i = 0; i < api_key.len; i++)
        if ((unsigned char)api_key.p[i] <= ' ' || (unsigned char)api_key.p[i] >= 127)
            return err_set(e, ERR_INVALID,
                           "the key of provider '%.*s' has a space or a character that is not ASCII"
                           " in it",
                           STR_FMT(name));
    *p = (struct provider){
        .name = name,
        .kind = kind,
        .deadlines = {.connect_ms = 5000, .first_byte_ms = 60000, .idle_ms = 60000},
        .max_attempts = ATTEMPTS,
        .retry_budget_ms = BUDGET_MS,
    };
    p->request_lines = arena_printf(a, "Content-Type: application/json\r\n%s%.*s%s",
                                    api_key.len ? "Authorization: Bearer " : "", STR_FMT(api_key),
                                    api_key.len ? "\r\n" : "");
    failure_init(name);
    struct metric_family *attempts =
        metric_family("penstock_provider_attempts_total", METRIC_COUNTER, "provider,outcome",
                      "Attempts at providers by how they ended.");
    for (int i = 0; i < PROVIDER_OUTCOMES; i++)
        p->attempts[i] = metric_with(attempts, (struct str[]){name, str_from(outcome_names[i])});
    return true;
}

/* Fields of a row have a fixed size and end with NUL; what is longer is cut. */
static void put(char *to, size_t size, struct str s)
{
    size_t n = size_min(s.len, size - 1);
    if (n > 0)
        memcpy(to, s.p, n);
}
#define PUT(field, s) put(field, sizeof(field), s)

/* record and tell have large frames, which are not to lie on the stack of a stream that waits. */
struct attempt {
    int64_t start_ns, end_ns;
    bool good, committed;
};

__attribute__((noinline)) static bool record(const struct provider *p, const struct call *c,
                                             struct str upstream_model, const struct attempt *t,
                                             struct err *e)
{
    const struct err *failure = e; /* when it was not good */
    /* A stream that its client broke off was paid for, as far as it got. */
    bool used = t->good || (t->committed && failure->code == ERR_CANCELLED);
    struct usage_row row = {
        .at_ms = clock_wall_ms(),
        .attempt = c->attempts,
        .status = t->good              ? 200
                  : c->provider_status ? c->provider_status
                                       : err_status(failure->code),
        .latency_us = (t->end_ns - t->start_ns) / NS_PER_US,
        .streamed = c->req.stream,
    };
    PUT(row.request, str_from(c->id));
    if (c->key) {
        PUT(row.key, str_from(c->key->id));
        PUT(row.tenant, str_from(c->key->tenant));
    }
    PUT(row.model, c->req.model);
    PUT(row.provider, p->name);
    PUT(row.upstream_model, upstream_model);
    if (!t->good)
        PUT(row.error, str_from(err_name(failure->code)));
    if (c->first_token_ns > 0)
        row.first_token_us = (c->first_token_ns - t->start_ns) / NS_PER_US;
    if (used) {
        row.input_tokens = c->usage.input;
        row.output_tokens = c->usage.output;
        row.cached_tokens = c->usage.cached;
        row.reasoning_tokens = c->usage.reasoning;
        row.counted = c->usage.counted;
        row.cost_microusd = c->account ? account_cost(c->account, &c->usage) : 0;
    }
    if (used && c->account)
        account_count(c->account, &c->usage,
                      c->first_token_ns > 0 ? c->first_token_ns - t->start_ns : 0);
    return !c->journal || journal_add(c->journal, &row, e);
}

__attribute__((noinline)) static void tell(const struct provider *p, const struct call *c,
                                           const struct attempt *t, const struct err *e)
{
    log_info("attempt_failed", kv("request", (const char *)c->id), kv("provider", p->name),
             kv("attempt", c->attempts), kv("status", c->provider_status),
             kv("error", err_name(e->code)), kv("committed", t->committed));
}

static bool attempt(const struct provider *p, struct call *c, struct str upstream_model,
                    struct chat_sink *sink, bool *committed, struct err *e)
{
    struct attempt t = {.start_ns = clock_now()};
    c->attempts++;
    c->usage = (struct chat_usage){0};
    c->first_token_ns = 0;
    c->provider_status = 0;
    c->traced = traced_begin(c, p, upstream_model);
    t.good = p->kind->chat(p, c, upstream_model, sink, &t.committed, e);
    t.end_ns = clock_now();
    traced_end(c, t.end_ns, t.good ? NULL : e);
    *committed = t.committed;

    metric_add(p->attempts[t.good                     ? PROVIDER_ANSWERED
                           : e->code == ERR_CANCELLED ? PROVIDER_CANCELLED
                                                      : PROVIDER_FAILED],
               1);
    if (!record(p, c, upstream_model, &t, e)) {
        *committed = true; /* whatever it was, another attempt would go unrecorded too */
        return false;
    }
    if (!t.good) {
        failure_count(p->name, e->code);
        tell(p, c, &t, e);
    }
    return t.good;
}

/* Full jitter (Brooker, "Exponential Backoff And Jitter", 2015): any moment up to a bound that
 * doubles; a provider that named a time is believed, and a little is added so that those it sent
 * away do not all come back at once. */
static int64_t pause_ms(int attempts, const struct err *e)
{
    int64_t most = BACKOFF_FIRST_MS;
    for (int i = 1; i < attempts && most < BACKOFF_MOST_MS; i++)
        most *= 2;
    if (e->retry_after_ms > 0)
        return e->retry_after_ms + (int64_t)(random_u64() % BACKOFF_FIRST_MS);
    return 1 + (int64_t)(random_u64() % (uint64_t)most);
}

/* A timeout is not tried again: its time is what the caller was ready to wait in all. */
static bool worth_another(const struct err *e)
{
    return err_retryable(e->code) && e->code != ERR_TIMEOUT;
}

bool provider_answer(const struct provider *p, struct call *c, struct str upstream_model,
                     struct chat_sink *sink, struct err *e)
{
    int64_t give_up_ns = clock_after(clock_now(), p->retry_budget_ms);
    bool committed = false;
    c->provider = p->name;
    c->upstream_model = upstream_model;
    c->tier = p->kind->tier;
    for (int i = 1;; i++) {
        if (attempt(p, c, upstream_model, sink, &committed, e))
            return true;
        if (committed || !worth_another(e) || i >= p->max_attempts)
            return false;
        int64_t wait_ns = pause_ms(i, e) * NS_PER_MS;
        if (p->retry_budget_ms <= 0 || wait_ns > give_up_ns - clock_now() ||
            wait_ns > fiber_deadline_get() - clock_now())
            return false;
        if (!fiber_sleep(wait_ns, e))
            return false;
    }
}
