#include "model/race.h"

/* The winner's answer is the call's from here on. */
static void win(struct racer *r)
{
    struct race *race = r->race;
    race->winner = r;
    race->call->said = r->said;
    r->said.text = (struct buf){0};
    r->a->said = &race->call->said;
    provider_credit(r->a);
    for (size_t i = 0; i < race->n; i++)
        if (&race->racer[i] != r && race->racer[i].fiber)
            fiber_cancel(race->racer[i].fiber);
    fiber_wake(race->parent);
}

static bool on_event(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct racer *r = CONTAINER_OF(sink, struct racer, gate);
    if (!r->race->winner)
        win(r);
    if (r->race->winner == r)
        return r->next->event(r->next, ev, e);
    r->said.begun = false; /* nothing of it has gone out, so nobody pays for it */
    return err_set(e, ERR_CANCELLED, "another attempt was faster");
}

static void run(void *arg)
{
    struct racer *r = arg;
    r->fiber = fiber_self();
    if (r->race->winner)
        err_set(&r->e, ERR_CANCELLED, "another attempt was faster");
    else
        r->good = r->race->run(r->race->ctx, r->a, &r->e);
    r->fiber = NULL;
    r->ended = true;
    fiber_wake(r->race->parent);
}

void race_init(struct race *r, struct call *c, race_fn *run_one, void *ctx)
{
    *r = (struct race){.call = c, .run = run_one, .ctx = ctx, .parent = fiber_self()};
    fiber_group_init(&r->group, c->deadline_ns);
    c->raced = true;
}

void race_enter(struct race *race, struct attempt *a)
{
    CHECK(race->n < RACERS);
    struct racer *r = &race->racer[race->n++];
    *r = (struct racer){.race = race, .a = a, .gate = {on_event}, .next = a->sink};
    r->said.keep = race->call->said.keep;
    buf_init(&r->said.text, race->call->said.text.limit);
    a->sink = &r->gate;
    a->said = &r->said;
    fiber_group_go(&race->group, run, r, "attempt");
}

static bool all_ended(const struct race *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (!r->racer[i].ended)
            return false;
    return true;
}

bool race_wait(struct race *r, int64_t until_ns)
{
    while (!r->winner && !all_ended(r))
        if (fiber_wait(until_ns) != FIBER_WOKEN)
            return false;
    return true;
}

struct racer *race_end(struct race *r)
{
    fiber_group_wait(&r->group);
    fiber_group_fini(&r->group);
    r->call->raced = false;
    for (size_t i = 0; i < r->n; i++)
        buf_fini(&r->racer[i].said.text);
    return r->winner ? r->winner : &r->racer[r->n - 1];
}
