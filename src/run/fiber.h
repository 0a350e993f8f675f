/* fiber.h - code that waits and still reads from top to bottom.
 *
 * A fiber is a stack and a saved stack pointer; switching costs a few nanoseconds. It lives on one
 * loop for all its life. Stacks are 64 KB (256 KB under sanitizers), pooled, in slabs, with guard
 * pages; those that have waited for more than a second give back the pages that they do not use.
 *
 *     RUNNABLE --> RUNNING --(wait)--> WAITING --(event, deadline, cancel)--> RUNNABLE
 *                     |
 *                     +--(function returns)--> ended; its stack goes back after the event batch
 *
 * Every wait ends with one of three: what was waited for is there, the deadline of the wait or of
 * the fiber has passed (ERR_TIMEOUT), or the fiber was cancelled (ERR_CANCELLED: its client left,
 * its group gave up). A cancelled fiber leaves by its normal error path: every later wait fails
 * too, unless it is shielded.
 *
 * Rules for code on fibers: no blocking call; nothing borrowed from a thread (scratch arena, lock)
 * is kept across a wait; frames under 2 KB; no longjmp; nothing of more than 200 us without
 * work_run (run/work.h).
 *
 * A stack overflow ends the process with a message that names the fiber.
 *
 * Threads: the loop's. Source: measured in the project's benchmark bench/bench_fiber.
 */
#pragma once

#include "run/loop.h"

struct fiber;
typedef void fiber_fn(void *arg);

enum fiber_wake { FIBER_WOKEN, FIBER_TIMEOUT, FIBER_CANCELLED };

/* Starts a fiber on this loop; it runs soon, not now. `name` is a literal. Only for those with no
 * parent to wait for them: connections, background services. Others use a group. */
struct fiber *fiber_go(fiber_fn *fn, void *arg, const char *name);
struct fiber *fiber_self(void); /* NULL outside fibers */
const char *fiber_name(const struct fiber *f);

/* The deadline that bounds every wait of this fiber (CLOCK_NEVER: none), inherited by children. */
void fiber_deadline(int64_t deadline_ns);
int64_t fiber_deadline_get(void);

void fiber_last(void);  /* others that are ready run first, within this turn of the loop */
void fiber_yield(void); /* ... and what has come by then too */
/* Lets others run, and fails like a wait: for long loops that never wait. */
bool fiber_pause(struct err *e);
bool fiber_sleep(int64_t ns, struct err *e);

/* The building block of all waits: sleep until fiber_wake, the deadline, or cancellation. A wake
 * says "look again": keep what was waited for in a variable of your own and wait in a loop.
 *
 * fiber_wake is for the loop's thread and does nothing when the fiber is not waiting. Another
 * thread that finishes a job for a fiber sends the wake as a message, with which it touches the job
 * for the last time. As the job lies on the fiber's stack the wait for it is shielded:
 *
 *     struct job { struct loop_msg msg; struct loop *loop; struct fiber *fiber; bool done; ... };
 *
 *     static void job_done(void *arg)            // on the loop
 *     {
 *         struct job *j = arg;
 *         j->done = true;
 *         fiber_wake(j->fiber);
 *     }
 *     static void work(struct job *j)            // on the other thread
 *     {
 *         ...
 *         loop_send(j->loop, &j->msg, job_done, j);
 *     }
 *     static void ask(struct queue *q)           // on the fiber
 *     {
 *         struct job j = {.loop = loop_self(), .fiber = fiber_self(), ...};
 *         queue_add(q, &j);
 *         fiber_shield(true);
 *         while (!j.done)
 *             fiber_wait(CLOCK_NEVER);
 *         fiber_shield(false);
 *     }
 *
 * It cannot wake too early: messages are handed out while no fiber runs. */
enum fiber_wake fiber_wait(int64_t deadline_ns);
void fiber_wake(struct fiber *f);
/* Turns the outcome of a wait into an error; true for FIBER_WOKEN. */
bool fiber_wake_ok(enum fiber_wake w, struct err *e);

void fiber_cancel(struct fiber *f); /* idempotent */
bool fiber_cancelled(void);         /* was this fiber cancelled? */
/* While on, waits ignore cancellation and the fiber's deadline, not their own; nests. */
void fiber_shield(bool on);

/* ---- Groups: children that are always joined before their scope is left. ---- */

struct fiber_group {
    struct list children;
    struct fiber *parent;
    int64_t deadline_ns;
    uint32_t running, ended; /* ended: since wait_any last returned */
    bool waiting, cancelled;
};

void fiber_group_init(struct fiber_group *g, int64_t deadline_ns);
void fiber_group_go(struct fiber_group *g, fiber_fn *fn, void *arg, const char *name);
/* Returns when all have ended. When the parent is cancelled or the group's deadline passes the
 * children are cancelled first. */
void fiber_group_wait(struct fiber_group *g);
/* Returns when at least one has ended that had not when this was called last; false: none runs.
 * Cancels as fiber_group_wait does. */
bool fiber_group_wait_any(struct fiber_group *g);
void fiber_group_cancel(struct fiber_group *g);
void fiber_group_fini(struct fiber_group *g); /* cancels and joins what still runs */

/* ---- Looking in ---- */

struct fiber_info {
    const char *name;
    int64_t age_ns, waiting_ns;
    size_t stack_high; /* bytes of stack in memory, in whole pages: what it used at most lately */
};

/* Calls fn for each fiber of this loop. */
void fiber_list(void (*fn)(void *ctx, const struct fiber_info *info), void *ctx);
size_t fiber_count(void); /* alive on this loop */
/* The deepest stack seen on this loop, in whole pages. Asks the kernel about each fiber (0.4 us).
 */
size_t fiber_stack_high(void);
