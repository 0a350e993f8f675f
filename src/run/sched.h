/* sched.h - what loop.c, fiber.c and io.c know about each other; for src/run alone.
 *
 * One turn of a loop: wait for descriptors, hand out events, fire timers, take messages, run the
 * fibers that became ready. Events, timers and messages only make fibers ready, so no fiber ends in
 * the middle of a batch of events, and its stack can be used again at once.
 */
#pragma once

#include "base/asan.h"
#include "run/fiber.h"
#include "run/io.h"
#include "run/loop.h"

#include <stdatomic.h>
#include <sys/epoll.h>

struct stack_pool;

enum fiber_state { FIBER_READY, FIBER_RUNNING, FIBER_WAITING, FIBER_ENDED };

/* Lives at the top of its own stack, so that a waiting fiber costs one page and nothing else. */
struct fiber {
    /* each switch touches these */
    void *sp;
    struct loop *loop;
    struct list ready; /* in loop->ready, ->last or ->yielded */
    enum fiber_state state;
    enum fiber_wake outcome; /* of the last wait */
    uint32_t ran_tick;       /* when it last stopped running; TRIMMED: its spare pages are gone */
    uint16_t shielded;       /* depth */
    uint8_t burst;           /* reads and writes since it last waited (run/io.c) */
    bool cancelled;
    int64_t wait_until_ns; /* of the current wait */
    int64_t deadline_ns;   /* of every wait */
    int64_t since_ns;      /* when it stopped running */

    struct loop_timer timer; /* at or before wait_until_ns, or not running */
    struct list all;         /* in loop->fibers */
    struct list sibling;     /* in group->children */
    struct fiber_group *group;
    fiber_fn *fn;
    void *arg;
    const char *name;
    char *stack;
    int64_t born_ns;
#if ASAN_ON || TSAN_ON
    void *asan, *tsan;
#endif
};

struct timer_slot {
    int64_t at_ns; /* a copy, so that sifting does not touch the timers */
    struct loop_timer *timer;
};

struct loop {
    /* set once */
    int epoll_fd;
    struct stack_pool *stacks;
    void *alt_stack; /* for the handler of stack overflows */

    /* loop thread only */
    int64_t now_ns, turn_end_ns;
    struct fiber *current;
    void *sp;              /* of the loop itself while a fiber runs */
    const char *last_name; /* of the fiber that ran last */
    struct list ready, last, yielded, fibers;
    size_t n_fibers;
    struct timer_slot *heap; /* heap[1..heap_n], four children each */
    uint32_t heap_n, heap_cap;
    struct epoll_event event[256];
    int event_i, event_n; /* the batch that is being handed out */
    struct io wake_io, signal_io;
    struct {
        void (*fn)(void *arg, int signo);
        void *arg;
    } on_signal[65];
    uint32_t tick;
    struct loop_timer tick_timer;
    struct list *walk; /* the next fiber that the tick looks at; NULL: no walk */
    void *asan_lo, *asan_fake, *tsan;
    size_t asan_size;

    /* atomic */
    _Atomic(struct loop_msg *) inbox; /* newest first */
    atomic_bool asleep;               /* in epoll_wait, or about to be */
    atomic_bool stopping;
    atomic_uint senders; /* inside loop_send or loop_stop */
};

/* io.c */
bool io_open_on(struct loop *l, struct io *io, int fd, uint32_t mask,
                void (*idle)(struct io *, uint32_t), struct err *e);
void io_event(struct io *io, uint32_t events);

/* fiber.c */
void fiber_loop_enter(struct loop *l); /* on the thread that will run it */
void fiber_loop_leave(struct loop *l);
void fiber_run_ready(struct loop *l);
