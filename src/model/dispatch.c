#include "model/dispatch.h"
#include "base/clock.h"
#include "base/hash.h"
#include "model/gate.h"
#include "model/hold.h"
#include "model/race.h"
#include "model/retry.h"
#include "run/fiber.h"

enum {
    KEY_PAUSE_MS = 1000,          /* after a 429 that names no time */
    KEY_REFUSED_PAUSE_MS = 60000, /* after 401 and 403 */
    SAID_MOST = 4 << 20,
};

bool model_places(struct model *m, struct arena *a, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_targets; i++)
        n += size_max(m->target[i].provider->n_endpoints, 1);
    if (n > BALANCE_MOST)
        return err_set(e, ERR_LIMIT,
                       "model '%.*s' has %zu places that could answer; %d are possible",
                       STR_FMT(m->name), n, BALANCE_MOST);
    m->place = arena_array(a, struct place, n);
    m->balanced = arena_array(a, struct balance_place, n);
    for (size_t i = 0; i < m->n_targets; i++) {
        const struct target *t = &m->target[i];
        const struct provider *p = t->provider;
        for (size_t k = 0; k < size_max(p->n_endpoints, 1); k++) {
            const struct provider_endpoint *at = p->n_endpoints ? &p->endpoint[k] : NULL;
            m->place[m->n_places] = (struct place){t, at};
            m->balanced[m->n_places++] = (struct balance_place){
                health_get(p->name, at ? at->url : STR_NONE, t->upstream), t->weight};
        }
    }
    return true;
}

/* One call on its way from place to place. It lies in call->early: when that has gone nobody else
 * is asked, and nothing of this is touched. */
struct dispatch {
    const struct model *model;
    struct call *call;
    struct chat_sink *sink;
    size_t stage;            /* 0: the model itself; i: its fallback i - 1 */
    size_t at;               /* in the stage's order */
    uint8_t *order;          /* NULL: there is one place */
    uint64_t refused_keys;   /* of the place, bits */
    int64_t window;          /* what did not fit was this long; a larger one is wanted */
    bool out_of_order;       /* a place was passed by as it is not well */
    bool last_resort;        /* ... and nobody else is there: ask it all the same */
    const struct err *first; /* why the place before failed, NULL = there was none */
    struct retry_state retry;
    struct attempt *attempt; /* the one that runs, or the last; outlives this struct */
};

/* ---- Counting ---- */

static const char *const step_names[] = {"retry", "fallback", "restart", "resume", "hedge"};
enum dispatch_step { STEP_RETRY, STEP_FALLBACK, STEP_RESTART, STEP_RESUME, STEP_HEDGE };

static void count(enum dispatch_step step)
{
    struct metric_family *f = metric_family(
        "penstock_dispatch_steps_total", METRIC_COUNTER, "step",
        "What followed failed attempts: the same place again, another place, a stream "
        "begun anew, a begun answer taken up.");
    metric_add(metric_with(f, &(struct str){step_names[step], strlen(step_names[step])}), 1);
}

/* ---- Who is next ---- */

static const struct model *stage_model(const struct dispatch *d, size_t stage)
{
    return stage == 0 ? d->model : d->model->fallback[stage - 1];
}

static size_t order_place(const struct dispatch *d, size_t stage, size_t at)
{
    /* Only the stage that has been entered is in order; for a look ahead any order will do. */
    return stage == d->stage && d->order ? d->order[at] : at;
}

/* Is one more attempt at a provider within the bounds, maybe after a pause? */
static bool has_room(const struct dispatch *d)
{
    int64_t room = retry_room_ns(&d->retry);
    return room >= 0 && room <= d->retry.pause_ns;
}

/* Can this place still do something for the call? */
static bool is_wanted(const struct dispatch *d, const struct place *place)
{
    const struct call *c = d->call;
    const struct target *t = place->target;
    if (!provider_can(t->provider, c->req.op) || t->context_tokens <= d->window)
        return false;
    if (!provider_is_local(t->provider) && !has_room(d))
        return false;
    return !c->said.spoke || t->prefill;
}

/* A conversation's beginning: what a provider's prompt cache could have. */
static uint64_t prefix_key(const struct chat_request *r)
{
    uint64_t key = hash_stable(STR_NONE);
    for (size_t i = 0; i < r->n_messages; i++) {
        key ^= hash_stable(r->message[i].text) + 0x9E3779B97F4A7C15u * (i + 1);
        if (r->message[i].role == CHAT_USER)
            break;
    }
    return key;
}

static void enter_stage(struct dispatch *d, size_t stage)
{
    const struct model *m = stage_model(d, stage);
    d->stage = stage;
    d->at = 0;
    d->order = NULL;
    if (m->n_places < 2)
        return;
    d->order = (uint8_t *)arena_bytes(d->call->early, m->n_places);
    balance_order(m->balance, m->balanced, m->n_places,
                  m->balance == BALANCE_HASH ? prefix_key(&d->call->req) : 0, clock_now(),
                  d->order);
}

/* The first wanted place from (stage, at) on. */
static bool find(const struct dispatch *d, size_t *stage, size_t *at)
{
    for (; *stage <= d->model->n_fallback; ++*stage, *at = 0) {
        const struct model *m = stage_model(d, *stage);
        for (; *at < m->n_places; ++*at)
            if (is_wanted(d, &m->place[order_place(d, *stage, *at)]))
                return true;
    }
    return false;
}

static const struct place *current(const struct dispatch *d)
{
    return &stage_model(d, d->stage)->place[order_place(d, d->stage, d->at)];
}

static void count_next(struct dispatch *d)
{
    struct retry_state *r = &d->retry;
    r->other_place = false;
    r->providers = 0;
    for (size_t stage = d->stage, at = d->at + 1; find(d, &stage, &at); at++) {
        const struct place *p = &stage_model(d, stage)->place[order_place(d, stage, at)];
        r->other_place = true;
        r->providers += !provider_is_local(p->target->provider);
    }
}

/* Goes to the first wanted place from the current one on. */
static bool settle_on(struct dispatch *d)
{
    size_t stage = d->stage, at = d->at;
    if (!find(d, &stage, &at))
        return false;
    if (stage != d->stage) {
        enter_stage(d, stage);
        return settle_on(d); /* in its order the first wanted one may be another */
    }
    d->at = at;
    d->retry.tries = 0;
    d->refused_keys = 0;
    return true;
}

static bool move_on(struct dispatch *d)
{
    d->at++;
    return settle_on(d);
}

/* ---- Keys ---- */

static bool key_refused(const struct dispatch *d, size_t i)
{
    return i < 64 && d->refused_keys >> i & 1;
}

/* In turn; those that a provider has sent away come last. */
static struct provider_key *choose_key(const struct dispatch *d, const struct provider *p)
{
    static _Thread_local size_t turn;
    struct provider_key *best = NULL;
    int64_t best_ns = 0, now = p->n_keys > 1 ? clock_now() : 0;
    for (size_t i = 0; i < p->n_keys; i++) {
        size_t k = p->n_keys > 1 ? (turn + i) % p->n_keys : 0;
        int64_t until = atomic_load_explicit(&p->key[k].paused_until_ns, memory_order_relaxed);
        until = until > now ? until : 0;
        if (!key_refused(d, k) && (!best || until < best_ns)) {
            best = &p->key[k];
            best_ns = until;
        }
    }
    turn++;
    return best;
}

static void pause_key(struct dispatch *d, const struct attempt *a, const struct err *e)
{
    int64_t ms = e->code == ERR_UPSTREAM_AUTH ? KEY_REFUSED_PAUSE_MS
                 : e->retry_after_ms > 0      ? e->retry_after_ms
                                              : KEY_PAUSE_MS;
    size_t i = (size_t)(a->key - a->target->provider->key);
    if (i < 64)
        d->refused_keys |= UINT64_C(1) << i;
    atomic_store_explicit(&a->key->paused_until_ns, clock_after(a->end_ns, ms),
                          memory_order_relaxed);
}

/* ---- One try ---- */

static enum health_verdict health_of(const struct attempt *a, bool good, const struct err *e)
{
    if (good)
        return HEALTH_GOOD;
    if (a->stale)
        return HEALTH_IGNORED;
    bool fault = e->code == ERR_UPSTREAM || e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT ||
                 e->code == ERR_UPSTREAM_AUTH;
    return fault ? HEALTH_FAULT : HEALTH_IGNORED;
}

static enum gate_verdict gate_of(bool good, int status, const struct err *e)
{
    return good ? GATE_GOOD
           : e->code == ERR_RATE || e->code == ERR_TIMEOUT || e->code == ERR_UNAVAILABLE ||
                   status == 503
               ? GATE_OVERLOADED
               : GATE_IGNORED;
}

static const char *tier_of(const struct dispatch *d, const struct provider *p)
{
    return provider_is_local(p) ? p->vendor->name : d->stage == 0 ? "primary" : "fallback";
}

/* The attempt's deadline for its first token; it falls with the first word (provider_spoke). */
static void set_deadline(const struct dispatch *d)
{
    const struct call *c = d->call;
    int64_t first_ms = stage_model(d, d->stage)->first_token_ms;
    if (first_ms == 0 || !c->req.stream)
        return;
    int64_t until = clock_after(clock_now(), first_ms);
    if (until < c->deadline_ns)
        fiber_deadline(until);
}

static bool run(struct dispatch *d, struct attempt *a, struct err *e)
{
    struct call *c = d->call;
    a->number = ++c->attempts;
    if (!c->raced)
        provider_credit(a);
    set_deadline(d);
    bool good = provider_try(a, e);
    fiber_deadline(c->deadline_ns);
    if (!good && c->early && (e->code == ERR_RATE || e->code == ERR_UPSTREAM_AUTH) && a->key)
        pause_key(d, a, e);
    return good;
}

__attribute__((noinline)) static bool run_held(struct dispatch *d, struct attempt *a,
                                               int64_t window_ms, struct err *e)
{
    struct hold *h = arena_struct(d->call->arena, struct hold);
    hold_init(h, a, window_ms);
    bool good = run(d, a, e) && hold_release(h, e);
    hold_fini(h);
    return good;
}

__attribute__((noinline)) static void tell_refused(struct dispatch *d, const struct attempt *a,
                                                   int64_t now, struct err *e)
{
    d->out_of_order = true;
    err_set(e, ERR_UNAVAILABLE, "provider '%.*s' is out of order for now",
            STR_FMT(a->target->provider->name));
    e->retry_after_ms = (int32_t)health_retry_in_ms(a->health, now);
}

static bool run_remote(struct dispatch *d, struct attempt *a, struct err *e)
{
    const struct model *m = stage_model(d, d->stage);
    struct gate *gate = a->target->provider->gate;
    struct health *h = a->health;
    if (!gate_enter(gate, d->call->deadline_ns, e))
        return false;
    int64_t entered = clock_now();
    enum health_pass pass = health_enter(h, d->last_resort, entered);
    bool good = false;
    if (pass == HEALTH_REFUSED) {
        tell_refused(d, a, entered, e);
    } else {
        a->start_ns = d->retry.begun_ns[d->retry.attempts++] = entered;
        d->retry.tries++;
        good = m->hold_back_ms > 0 && d->call->req.stream && !d->call->said.begun
                   ? run_held(d, a, m->hold_back_ms, e)
                   : run(d, a, e);
        int64_t spoke_ns = a->first_token_ns > 0 ? a->first_token_ns : a->end_ns;
        health_leave(h, pass, health_of(a, good, e), spoke_ns - entered, a->end_ns);
    }
    gate_leave(gate, pass == HEALTH_REFUSED ? GATE_IGNORED : gate_of(good, a->status, e), entered);
    return good;
}

/* A stale connection costs an attempt, so the last one takes none that was kept. Where there is
 * only one at all, the second request is better than a failure that nobody is to blame for. */
static enum http_reuse reuse_of(const struct retry_state *s)
{
    return s->most == 1                             ? HTTP_REPLACE
           : s->stale || s->attempts + 1 >= s->most ? HTTP_FRESH
                                                    : HTTP_REUSE;
}

/* An attempt at the current place. */
__attribute__((noinline)) static void prepare(struct dispatch *d, struct attempt *a)
{
    const struct model *m = stage_model(d, d->stage);
    const struct place *place = current(d);
    const struct provider *p = place->target->provider;
    struct call *c = d->call;
    *a = (struct attempt){
        .call = c,
        .target = place->target,
        .endpoint = place->endpoint,
        .health = m->balanced[place - m->place].health,
        .tier = tier_of(d, p),
        .sink = d->sink,
        .said = &c->said,
        .decode = c->said.begun,
        .resume = c->said.spoke,
        .resume_from = c->said.text.len,
        .reuse = reuse_of(&d->retry),
    };
    if (!provider_is_local(p)) {
        a->key = choose_key(d, p);
        CHECK(a->key);
    }
}

static bool try_alone(struct dispatch *d, struct err *e)
{
    struct attempt *a = d->attempt;
    prepare(d, a);
    bool good = a->key ? run_remote(d, a, e) : run(d, a, e);
    a->call->usage = a->usage;
    return good;
}

/* ---- Hedging ---- */

static bool run_racer(void *ctx, struct attempt *a, struct err *e)
{
    return run_remote(ctx, a, e);
}

/* Is there a second place at a provider for an answer that has not begun? */
static bool can_hedge(const struct dispatch *d)
{
    const struct model *m = d->model;
    return m->hedge_ms > 0 && d->call->attempts == 0 &&
           !provider_is_local(current(d)->target->provider) && retry_room_ns(&d->retry) == 0;
}

/* The next place, when it is at a provider too; else the same once more. */
static void choose_second(struct dispatch *d)
{
    size_t stage = d->stage, at = d->at + 1;
    if (find(d, &stage, &at) && stage == d->stage)
        move_on(d);
}

/* A second attempt enters when the first has kept silent for so long. */
__attribute__((noinline)) static bool try_hedged(struct dispatch *d, struct err *e)
{
    struct call *c = d->call;
    struct race *race = arena_struct(c->arena, struct race);
    struct attempt *second = arena_struct(c->arena, struct attempt);
    prepare(d, d->attempt);
    provider_credit(d->attempt);
    race_init(race, c, run_racer, d);
    race_enter(race, d->attempt);
    if (!race_wait(race, clock_after(clock_now(), d->model->hedge_ms)) && !fiber_cancelled()) {
        choose_second(d);
        prepare(d, second);
        count(STEP_HEDGE);
        race_enter(race, second);
    }
    const struct racer *decides = race_end(race);
    d->attempt = decides->a;
    c->usage = decides->a->usage;
    if (!decides->good)
        *e = decides->e;
    return decides->good;
}

static bool try_place(struct dispatch *d, struct err *e)
{
    return can_hedge(d) ? try_hedged(d, e) : try_alone(d, e);
}

/* ---- What follows ---- */

static bool has_other_key(const struct dispatch *d)
{
    const struct provider *p = d->attempt->target->provider;
    int64_t now = clock_now();
    for (size_t i = 0; i < p->n_keys; i++)
        if (!key_refused(d, i) &&
            atomic_load_explicit(&p->key[i].paused_until_ns, memory_order_relaxed) <= now)
            return true;
    return false;
}

/* No head came, or no first word although there is a limit for that. */
static bool was_silent(const struct dispatch *d)
{
    const struct attempt *a = d->attempt;
    bool limited = d->call->req.stream && stage_model(d, d->stage)->first_token_ms > 0;
    return a->status == 0 || (limited && a->status == 200 && a->first_token_ns == 0);
}

/* Is there any sense in another attempt, whoever makes it? */
static bool is_final(const struct dispatch *d, const struct err *e)
{
    const struct call *c = d->call;
    if (e->code == ERR_CANCELLED || e->code == ERR_FULL || clock_now() >= c->deadline_ns)
        return true;
    return c->said.begun && (c->req.rigid || (c->said.spoke && !(c->said.keep && c->said.plain)));
}

/* The place did not take the call: its queue is full, or it is out of order. */
static bool pass_by(struct dispatch *d, struct err *e)
{
    if (e->code == ERR_CANCELLED || clock_now() >= d->call->deadline_ns)
        return false;
    if (move_on(d))
        return true;
    if (d->first)
        *e = *d->first; /* what those said who were asked */
    if (d->last_resort || d->first || !d->out_of_order)
        return false;
    d->last_resort = true;
    enter_stage(d, 0);
    return settle_on(d);
}

static bool wait_for(struct dispatch *d, int64_t wait_ns, struct err *e)
{
    d->retry.pause_ns -= wait_ns;
    return wait_ns == 0 || fiber_sleep(wait_ns, e);
}

/* The next place, as soon as it may be asked. */
static bool enter(struct dispatch *d, struct err *e)
{
    bool local = provider_is_local(current(d)->target->provider);
    return wait_for(d, local ? 0 : retry_room_ns(&d->retry), e);
}

/* Why the call fails, should the next place refuse it without having asked anybody. */
static void remember(struct dispatch *d, const struct err *e)
{
    struct err *copy = arena_struct(d->call->early, struct err);
    *copy = *e;
    d->first = copy;
}

static void count_attempt(const struct dispatch *d, bool same)
{
    count(same ? STEP_RETRY : STEP_FALLBACK);
    if (d->call->said.begun)
        count(d->call->said.spoke ? STEP_RESUME : STEP_RESTART);
}

/* Prepares another attempt, pauses included. False: there is none, and *e says why. */
__attribute__((noinline)) static bool go_on(struct dispatch *d, struct err *e)
{
    struct call *c = d->call;
    struct attempt *a = d->attempt;
    int64_t wait_ns = 0;
    d->retry.now_ns = clock_now();
    if (a->start_ns == 0)
        return pass_by(d, e) && enter(d, e);
    if (is_final(d, e))
        return false;
    /* What cannot be said in another protocol is no fault of the request, nor is it why it fails
     * that no rule matched it. */
    bool unmatched = a->status == 0 && e->code == ERR_NOT_FOUND;
    bool unsaid = d->first && (unmatched || (a->status == 0 && e->code == ERR_INVALID));
    if (unsaid)
        *e = *d->first;
    if (e->code == ERR_CONTEXT)
        d->window = a->target->context_tokens;
    d->retry.stale = a->stale;
    d->retry.tries -= a->stale;
    d->retry.silent = was_silent(d);
    count_next(d);
    d->retry.other_key = a->key && has_other_key(d);
    enum retry_step next = d->retry.other_place ? RETRY_NEXT : RETRY_STOP;
    enum retry_step step = unsaid ? next : retry_decide(&d->retry, e, &wait_ns);
    if (step == RETRY_AGAIN && !is_wanted(d, current(d))) {
        step = next;
        wait_ns = 0;
    }
    if (step == RETRY_STOP || wait_ns >= c->deadline_ns - d->retry.now_ns)
        return false;
    if (!unmatched || unsaid)
        remember(d, e);
    if (step == RETRY_NEXT) {
        count_attempt(d, false);
        return move_on(d) && enter(d, e);
    }
    count_attempt(d, true);
    if (!d->retry.other_key)
        d->refused_keys = 0; /* behind the pause they may be good again */
    return wait_for(d, wait_ns, e);
}

/* Could anybody take up the answer, once it is begun? */
static bool can_resume(const struct model *m)
{
    for (size_t stage = 0; stage <= m->n_fallback; stage++) {
        const struct model *s = stage == 0 ? m : m->fallback[stage - 1];
        for (size_t i = 0; i < s->n_targets; i++)
            if (s->target[i].prefill)
                return true;
    }
    return false;
}

bool dispatch_can(const struct model *m, enum chat_op op)
{
    for (size_t stage = 0; stage <= m->n_fallback; stage++) {
        const struct model *s = stage == 0 ? m : m->fallback[stage - 1];
        for (size_t i = 0; i < s->n_targets; i++)
            if (provider_can(s->target[i].provider, op))
                return true;
    }
    return false;
}

static void free_said(void *said)
{
    buf_fini(&((struct said *)said)->text);
}

static void keep_said(struct call *c)
{
    c->said.keep = true;
    buf_init(&c->said.text, SAID_MOST);
    arena_defer(c->arena, free_said, &c->said);
}

/* Out of line, as `prepare`: what waits has a small frame. */
__attribute__((noinline)) static struct dispatch *begin(const struct model *m, struct call *c,
                                                        struct chat_sink *sink, struct err *e)
{
    struct dispatch *d = arena_struct(c->early, struct dispatch);
    d->attempt = (struct attempt *)arena_bytes(c->arena, sizeof(*d->attempt)); /* for `prepare` */
    d->model = m;
    d->call = c;
    d->sink = sink;
    d->window = -1;
    d->retry.most = m->max_attempts;
    d->retry.pause_ns = m->retry_budget_ms * NS_PER_MS;
    if (c->req.stream && !c->req.rigid && !c->req.grounded && can_resume(m))
        keep_said(c);
    enter_stage(d, 0);
    if (settle_on(d))
        return d;
    err_param(e, ERR_INVALID, "model", "the model '%.*s' does not do this (%s)",
              STR_FMT(str_head(m->name, 100)), chat_op_name(c->req.op));
    return NULL;
}

bool dispatch(const struct model *m, struct call *c, struct chat_sink *sink, struct err *e)
{
    struct dispatch *d = begin(m, c, sink, e);
    if (!d)
        return false;
    while (!try_place(d, e))
        if (!c->early || !go_on(d, e))
            return false;
    return true;
}
