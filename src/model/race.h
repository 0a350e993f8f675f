/* race.h - two attempts at one answer: the first that has something to say wins.
 *
 * Each runs on a fiber of its own, and its events go through a gate. The first event of either
 * makes it the winner; the other one is cancelled at once, its events go nowhere, and it costs the
 * caller nothing.
 *
 * Memory:  in call->arena; while a race runs call->early is kept (call_may_release).
 * Threads: the loop's.
 */
#pragma once

#include "model/provider.h"
#include "run/fiber.h"

enum { RACERS = 2 };

/* Makes the attempt; on the racer's fiber. */
typedef bool race_fn(void *ctx, struct attempt *a, struct err *e);

struct racer {
    struct race *race;
    struct attempt *a;
    struct chat_sink gate;
    struct chat_sink *next;
    struct said said; /* what waits at the gate; the call's once it has won */
    struct fiber *fiber;
    bool good, ended;
    struct err e; /* when it has ended and was not good */
};

struct race {
    struct call *call;
    race_fn *run;
    void *ctx;
    struct fiber *parent;
    struct fiber_group group;
    struct racer racer[RACERS];
    size_t n;
    struct racer *winner; /* NULL: nobody has said anything yet */
};

void race_init(struct race *r, struct call *c, race_fn *run, void *ctx);
/* Another one enters. */
void race_enter(struct race *r, struct attempt *a);
/* Until somebody wins or all have ended, at most until `until_ns`. False: nothing of that yet. */
bool race_wait(struct race *r, int64_t until_ns);
/* Waits for the end of all. Who decides: the winner, else whoever entered last. */
struct racer *race_end(struct race *r);
