/* loop.h - one event loop per thread: descriptors, timers, messages from other threads, signals.
 *
 * A loop owns its fibers, stacks, sockets and timers; none of them ever moves to another thread.
 * Callbacks here are for what no fiber waits on: a listener, an idle connection, a timer, a
 * message. They run on the loop's own stack and must not wait; what waits is a fiber (run/fiber.h).
 *
 * How long turns take is in the metric penstock_loop_turn_seconds; one of over 100 ms is logged,
 * with the name of the fiber that ran last.
 *
 * Memory:  loop_new/loop_free; timers and io are the caller's memory.
 * Threads: everything is for the loop's own thread, but loop_post and loop_stop: any thread.
 */
#pragma once

#include "base/err.h"
#include "base/list.h"

#include <stdint.h>

struct loop;

struct loop *loop_new(struct err *e);
void loop_free(struct loop *l); /* all its fibers have ended */
/* Runs until loop_stop was called and the last fiber has ended; once per loop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l); /* any thread */
struct loop *loop_self(void);   /* this thread's, NULL outside loop_run */

/* Monotonic ns, read once per wake-up. Good for deadlines; for measuring use clock_now(). */
int64_t loop_now(void);

/* Calls fn(arg) on the loop's thread, soon, in order of posting. Any thread. The loop must not be
 * freed before; what comes after its end is dropped. */
void loop_post(struct loop *l, void (*fn)(void *), void *arg);

/* The same without an allocation: the message is the sender's memory, until fn is called. */
struct loop_msg {
    struct loop_msg *next;
    void (*fn)(void *);
    void *arg;
};
void loop_send(struct loop *l, struct loop_msg *m, void (*fn)(void *), void *arg);

struct loop_timer {
    void (*fn)(void *);
    void *arg;
    int64_t at_ns;
    uint32_t heap_i; /* 0 = not running */
};

/* Starts or moves it. fn runs once, at the first wake-up at or after `at_ns`. */
void loop_timer_start(struct loop_timer *t, int64_t at_ns, void (*fn)(void *), void *arg);
void loop_timer_stop(struct loop_timer *t);

/* Signals come as callbacks. Blocks SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGCHLD; to be
 * called in main before any thread starts. A child process inherits the mask, and SIGPIPE as
 * ignored (loop_new does that); whoever starts a program gives both back. */
void loop_block_signals(void);
/* Calls fn for each of these signals that comes from now on. Before loop_run or on the loop. */
bool loop_on_signal(struct loop *l, int signo, void (*fn)(void *, int signo), void *arg,
                    struct err *e);
