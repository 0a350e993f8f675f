#include "run/fiber.h"
#include "base/clock.h"
#include "base/lock.h"
#include "run/sched.h"
#include "run/stack.h"
#include "run/switch.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if ASAN_ON
#include <sanitizer/common_interface_defs.h>
#endif
#if TSAN_ON
#include <sanitizer/tsan_interface.h>
#endif

enum {
    RUN_BATCH = 256, /* fibers that run before the loop looks at its descriptors again */
    WALK_SLICE = 512,
    ALT_STACK_SIZE = 64 * 1024,
};
#define TRIMMED UINT32_MAX

/* ---- Switching ---- */

static void resume(struct loop *l, struct fiber *f)
{
    l->current = f;
    l->last_name = f->name;
    f->state = FIBER_RUNNING;
#if ASAN_ON
    __sanitizer_start_switch_fiber(&l->asan_fake, f->stack, STACK_SIZE);
#endif
#if TSAN_ON
    __tsan_switch_to_fiber(f->tsan, 0);
#endif
    switch_to(&l->sp, f->sp);
#if ASAN_ON
    __sanitizer_finish_switch_fiber(l->asan_fake, NULL, NULL);
#endif
    l->current = NULL;
}

static void suspend(struct loop *l, struct fiber *f)
{
    f->ran_tick = l->tick;
#if ASAN_ON
    __sanitizer_start_switch_fiber(f->state == FIBER_ENDED ? NULL : &f->asan, l->asan_lo,
                                   l->asan_size);
#endif
#if TSAN_ON
    __tsan_switch_to_fiber(l->tsan, 0);
#endif
    switch_back(&f->sp, l->sp);
#if ASAN_ON
    __sanitizer_finish_switch_fiber(f->asan, NULL, NULL);
#endif
}

/* The first function on each stack. */
static void fiber_main(void *arg)
{
    struct fiber *f = arg;
#if ASAN_ON
    __sanitizer_finish_switch_fiber(NULL, (const void **)&f->loop->asan_lo, &f->loop->asan_size);
#endif
    f->fn(f->arg);
    f->state = FIBER_ENDED;
    suspend(f->loop, f);
}

/* ---- Birth and death ---- */

/* A stream that says something every few seconds has its spare pages for a tick or two each time,
 * so the tick is short beside that; a look at 10,000 fibers takes about a millisecond. */
static const int64_t TICK_NS = 250 * NS_PER_MS;

static void reclaim_tick(void *arg);

static struct fiber *start(fiber_fn *fn, void *arg, const char *name)
{
    struct loop *l = loop_self();
    CHECK(l);
    char *stack = stack_get(l->stacks);
    struct fiber *f = (struct fiber *)(stack_top(stack) - ((sizeof(*f) + 63) & ~(size_t)63));
    *f = (struct fiber){
        .loop = l,
        .fn = fn,
        .arg = arg,
        .name = name,
        .stack = stack,
        .ran_tick = l->tick,
        .deadline_ns = CLOCK_NEVER,
        .born_ns = l->now_ns,
        .since_ns = l->now_ns,
        .outcome = FIBER_WOKEN,
    };
    f->sp = switch_prepare(f, fiber_main, f);
#if TSAN_ON
    f->tsan = __tsan_create_fiber(0);
    __tsan_set_fiber_name(f->tsan, name);
#endif
    list_init(&f->sibling);
    list_add(&l->fibers, &f->all);
    list_add(&l->ready, &f->ready);
    l->n_fibers++;
    if (!l->tick_timer.heap_i)
        loop_timer_start(&l->tick_timer, l->now_ns + TICK_NS, reclaim_tick, l);
    return f;
}

struct fiber *fiber_go(fiber_fn *fn, void *arg, const char *name)
{
    return start(fn, arg, name);
}

static void child_ended(struct fiber_group *g, struct fiber *f)
{
    list_remove(&f->sibling);
    g->running--;
    g->ended++;
    if (g->waiting)
        fiber_wake(g->parent);
}

static void overflowed(const struct fiber *f)
{
    fprintf(stderr, "penstock: stack overflow in fiber '%s', %d KB stack\n", f->name,
            STACK_SIZE / 1024);
    abort();
}

/* Called on the loop's stack, when nothing runs on the fiber's any more. */
static void bury(struct loop *l, struct fiber *f)
{
    loop_timer_stop(&f->timer);
    if (l->walk == &f->all)
        l->walk = f->all.next;
    list_remove(&f->all);
    l->n_fibers--;
    if (f->group)
        child_ended(f->group, f);
#if TSAN_ON
    __tsan_destroy_fiber(f->tsan);
#endif
    if (!stack_put(l->stacks, f->stack))
        overflowed(f);
}

/* Moves all of `from` behind the last of `to`. */
static void append(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

static bool any_ready(struct loop *l)
{
    if (list_empty(&l->ready))
        append(&l->ready, &l->last);
    return !list_empty(&l->ready);
}

/* Fibers that wake each other go on within a turn; those that yielded let go first what has come
 * since. */
void fiber_run_ready(struct loop *l)
{
    append(&l->ready, &l->yielded);
    for (int i = 0; i < RUN_BATCH && any_ready(l); i++) {
        struct fiber *f = list_entry(l->ready.next, struct fiber, ready);
        list_remove(&f->ready);
        resume(l, f);
        if (f->state == FIBER_ENDED)
            bury(l, f);
    }
    append(&l->ready, &l->last);
}

/* ---- Waiting ---- */

struct fiber *fiber_self(void)
{
    struct loop *l = loop_self();
    return l ? l->current : NULL;
}

/* For what only fibers call. */
static struct fiber *running(void)
{
    struct fiber *f = fiber_self();
    CHECK(f);
    return f;
}

const char *fiber_name(const struct fiber *f)
{
    return f->name;
}

void fiber_deadline(int64_t deadline_ns)
{
    running()->deadline_ns = deadline_ns;
}

int64_t fiber_deadline_get(void)
{
    return running()->deadline_ns;
}

/* Other fibers mostly run before this one: time to fetch the frames that it goes on with. */
static void make_ready(struct fiber *f, enum fiber_wake outcome)
{
    enum { FRAMES = 512, LINE = 64 };
    for (size_t at = 0; at < FRAMES; at += LINE)
        __builtin_prefetch((const char *)f->sp + at);
    f->state = FIBER_READY;
    f->outcome = outcome;
    list_add(&f->loop->ready, &f->ready);
}

/* A fiber has one entry in the heap of timers, and most waits leave it alone: it may fire early, as
 * the wait that it was made for is long over, and is then put back to where it should be. */
static void time_out(void *arg)
{
    struct fiber *f = arg;
    if (f->state != FIBER_WAITING)
        return;
    if (f->wait_until_ns <= f->loop->now_ns)
        make_ready(f, FIBER_TIMEOUT);
    else if (f->wait_until_ns != CLOCK_NEVER)
        loop_timer_start(&f->timer, f->wait_until_ns, time_out, f);
}

enum fiber_wake fiber_wait(int64_t deadline_ns)
{
    struct fiber *f = fiber_self();
    CHECK(f && lock_held() == 0);
    struct loop *l = f->loop;
    if (!f->shielded) {
        if (f->cancelled)
            return FIBER_CANCELLED;
        if (f->deadline_ns < deadline_ns)
            deadline_ns = f->deadline_ns;
    }
    if (deadline_ns <= l->now_ns)
        return FIBER_TIMEOUT;
    f->wait_until_ns = deadline_ns;
    if (deadline_ns != CLOCK_NEVER && (!f->timer.heap_i || deadline_ns < f->timer.at_ns))
        loop_timer_start(&f->timer, deadline_ns, time_out, f);
    f->state = FIBER_WAITING;
    f->since_ns = l->now_ns;
    f->burst = 0;
    suspend(l, f);
    return f->outcome;
}

void fiber_wake(struct fiber *f)
{
    if (f->state == FIBER_WAITING)
        make_ready(f, FIBER_WOKEN);
}

bool fiber_wake_ok(enum fiber_wake w, struct err *e)
{
    switch (w) {
    case FIBER_WOKEN: return true;
    case FIBER_TIMEOUT: return err_set(e, ERR_TIMEOUT, "the deadline has passed");
    case FIBER_CANCELLED: break;
    }
    return err_set(e, ERR_CANCELLED, "cancelled");
}

static void wait_in(struct fiber *f, struct list *line)
{
    CHECK(lock_held() == 0);
    f->state = FIBER_READY;
    list_add(line, &f->ready);
    suspend(f->loop, f);
}

void fiber_yield(void)
{
    struct fiber *f = running();
    wait_in(f, &f->loop->yielded);
}

void fiber_last(void)
{
    struct fiber *f = running();
    struct loop *l = f->loop;
    if (!list_empty(&l->ready) || !list_empty(&l->last))
        wait_in(f, &l->last);
}

bool fiber_pause(struct err *e)
{
    fiber_yield();
    const struct fiber *f = running();
    if (f->shielded)
        return true;
    if (f->cancelled)
        return fiber_wake_ok(FIBER_CANCELLED, e);
    return f->deadline_ns > f->loop->now_ns || fiber_wake_ok(FIBER_TIMEOUT, e);
}

bool fiber_sleep(int64_t ns, struct err *e)
{
    int64_t until;
    if (__builtin_add_overflow(clock_now(), ns, &until))
        until = CLOCK_NEVER;
    enum fiber_wake w;
    do
        w = fiber_wait(until);
    while (w == FIBER_WOKEN);
    return (w == FIBER_TIMEOUT && until <= loop_now()) || fiber_wake_ok(w, e);
}

void fiber_cancel(struct fiber *f)
{
    f->cancelled = true;
    if (f->state == FIBER_WAITING && !f->shielded)
        make_ready(f, FIBER_CANCELLED);
}

bool fiber_cancelled(void)
{
    return running()->cancelled;
}

void fiber_shield(bool on)
{
    struct fiber *f = running();
    CHECK(on ? f->shielded < UINT16_MAX : f->shielded > 0);
    f->shielded = (uint16_t)(on ? f->shielded + 1 : f->shielded - 1);
}

/* ---- Groups ---- */

void fiber_group_init(struct fiber_group *g, int64_t deadline_ns)
{
    *g = (struct fiber_group){.parent = fiber_self(), .deadline_ns = deadline_ns};
    CHECK(g->parent);
    list_init(&g->children);
}

void fiber_group_go(struct fiber_group *g, fiber_fn *fn, void *arg, const char *name)
{
    CHECK(g->parent == fiber_self());
    struct fiber *f = start(fn, arg, name);
    f->group = g;
    f->deadline_ns =
        g->parent->deadline_ns < g->deadline_ns ? g->parent->deadline_ns : g->deadline_ns;
    f->cancelled = g->cancelled;
    list_add(&g->children, &f->sibling);
    g->running++;
}

void fiber_group_cancel(struct fiber_group *g)
{
    g->cancelled = true;
    list_each (node, &g->children)
        fiber_cancel(list_entry(node, struct fiber, sibling));
}

/* Sleeps until a child has ended. One of them may need the whole of its clean-up for that, so once
 * they have been cancelled nothing but their end ends the wait. */
static void await_end(struct fiber_group *g)
{
    g->waiting = true;
    if (g->cancelled)
        fiber_shield(true);
    enum fiber_wake w = fiber_wait(g->cancelled ? CLOCK_NEVER : g->deadline_ns);
    if (g->cancelled)
        fiber_shield(false);
    else if (w != FIBER_WOKEN)
        fiber_group_cancel(g);
    g->waiting = false;
}

void fiber_group_wait(struct fiber_group *g)
{
    while (g->running > 0)
        await_end(g);
    g->ended = 0;
}

bool fiber_group_wait_any(struct fiber_group *g)
{
    while (g->running > 0 && g->ended == 0)
        await_end(g);
    bool any = g->ended > 0;
    g->ended = 0;
    return any;
}

void fiber_group_fini(struct fiber_group *g)
{
    if (g->running > 0)
        fiber_group_cancel(g);
    fiber_group_wait(g);
}

/* ---- Memory of fibers that wait long ---- */

static bool waited_for_a_tick(const struct fiber *f)
{
    return f->state == FIBER_WAITING && f->ran_tick != TRIMMED && f->ran_tick + 1 < f->loop->tick;
}

/* Looks at some fibers per turn of the loop: each look costs a cache line of another page. */
static void walk_slice(void *arg)
{
    struct loop *l = arg;
    for (int i = 0; i < WALK_SLICE && l->walk != &l->fibers; i++) {
        struct fiber *f = list_entry(l->walk, struct fiber, all);
        l->walk = l->walk->next;
        if (waited_for_a_tick(f)) {
            stack_trim(l->stacks, f->stack, f->sp);
            f->ran_tick = TRIMMED;
        }
    }
    bool done = l->walk == &l->fibers;
    if (done)
        l->walk = NULL;
    loop_timer_start(&l->tick_timer, l->now_ns + (done ? TICK_NS : 1),
                     done ? reclaim_tick : walk_slice, l);
}

/* Runs once per tick while there are fibers, and until the pool of stacks is cold after that. */
static void reclaim_tick(void *arg)
{
    struct loop *l = arg;
    l->tick++;
    bool cold = stack_tick(l->stacks);
    if (l->n_fibers == 0 && cold)
        return;
    l->walk = l->fibers.next;
    walk_slice(l);
}

/* ---- Looking in ---- */

void fiber_list(void (*fn)(void *ctx, const struct fiber_info *info), void *ctx)
{
    struct loop *l = loop_self();
    int64_t now_ns = clock_now();
    list_each (node, &l->fibers) {
        struct fiber *f = list_entry(node, struct fiber, all);
        struct fiber_info info = {
            .name = f->name,
            .age_ns = now_ns - f->born_ns,
            .waiting_ns = f->state == FIBER_WAITING ? now_ns - f->since_ns : 0,
            .stack_high = stack_depth(f->stack),
        };
        fn(ctx, &info);
    }
}

size_t fiber_count(void)
{
    return loop_self()->n_fibers;
}

size_t fiber_stack_high(void)
{
    struct loop *l = loop_self();
    size_t high = stack_high(l->stacks);
    list_each (node, &l->fibers)
        high = size_max(high, stack_depth(list_entry(node, struct fiber, all)->stack));
    return high;
}

/* ---- Stack overflow: the one signal that is handled where it hits ---- */

static struct sigaction old_segv;

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n; /* nothing could be done about it */
}

/* Runs on a stack of its own, says whose stack was too small, and lets the fault happen again under
 * the handler that was there before: a core dump, or the report of a sanitizer. */
static void on_segv(int signo, siginfo_t *info, void *context)
{
    (void)context;
    const struct fiber *f = fiber_self();
    if (f && stack_in_guard(f->stack, info->si_addr)) {
        say("penstock: stack overflow in fiber '");
        say(f->name);
        say(STACK_SIZE == 64 * 1024 ? "', 64 KB stack\n" : "', 256 KB stack\n");
    }
    sigaction(signo, &old_segv, NULL);
}

static void install_handler(void)
{
    struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&sa.sa_mask);
    CHECK(sigaction(SIGSEGV, &sa, &old_segv) == 0);
}

void fiber_loop_enter(struct loop *l)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install_handler);

    stack_t old;
    CHECK(sigaltstack(NULL, &old) == 0);
    if (old.ss_flags & SS_DISABLE) { /* sanitizers bring their own */
        l->alt_stack = mem_new(ALT_STACK_SIZE);
        stack_t alt = {.ss_sp = l->alt_stack, .ss_size = ALT_STACK_SIZE};
        CHECK(sigaltstack(&alt, NULL) == 0);
    }
#if TSAN_ON
    l->tsan = __tsan_get_current_fiber();
#endif
}

void fiber_loop_leave(struct loop *l)
{
    loop_timer_stop(&l->tick_timer);
    if (!l->alt_stack)
        return;
    stack_t none = {.ss_flags = SS_DISABLE};
    CHECK(sigaltstack(&none, NULL) == 0);
    mem_free(l->alt_stack);
    l->alt_stack = NULL;
}
