#include "run/loop.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "run/sched.h"
#include "run/stack.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

static _Thread_local struct loop *self;
static struct metric *turn_seconds; /* set once */

/* Nobody should be kept waiting for so long; a turn that is longer is told. */
static const int64_t slow_turn_ns = 100 * NS_PER_MS;

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};

struct loop *loop_self(void)
{
    return self;
}

int64_t loop_now(void)
{
    return self ? self->now_ns : clock_now();
}

/* ---- Life ---- */

/* Nothing to do: the descriptor is edge-triggered and never read. */
static void woken(struct io *io, uint32_t events)
{
    (void)io, (void)events;
}

static bool open_wake(struct loop *l, struct err *e)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return err_sys(e, ERR_IO, "cannot make an eventfd");
    if (io_open_on(l, &l->wake_io, fd, EPOLLIN | EPOLLET, woken, e))
        return true;
    close(fd);
    return false;
}

static void init_process(void)
{
    signal(SIGPIPE, SIG_IGN);
    turn_seconds = metric_plain(
        metric_histogram("penstock_loop_turn_seconds", 1e-9, "",
                         "Time that one turn of an event loop kept everything else waiting."));
}

struct loop *loop_new(struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_process);

    struct loop *l = mem_new(sizeof(*l));
    l->wake_io.fd = l->signal_io.fd = -1;
    list_init(&l->ready);
    list_init(&l->last);
    list_init(&l->yielded);
    list_init(&l->fibers);
    l->stacks = stack_pool_new(STACK_GUARD_BEST);
    l->now_ns = clock_now();
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0) {
        err_sys(e, ERR_IO, "cannot make an epoll descriptor");
        goto fail;
    }
    if (!open_wake(l, e))
        goto fail;
    return l;

fail:
    loop_free(l);
    return NULL;
}

static void run_post(void *arg);

/* Messages that came after the loop had ended are dropped. */
static void drop_messages(struct loop *l)
{
    struct loop_msg *m = atomic_exchange(&l->inbox, NULL);
    while (m) {
        struct loop_msg *next = m->next;
        if (m->fn == run_post)
            mem_free(m->arg);
        m = next;
    }
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    CHECK(self != l && l->n_fibers == 0);
    /* A sender may have been overtaken by the message it sent and not have left loop_send yet. */
    while (atomic_load(&l->senders) > 0)
        sched_yield();
    drop_messages(l);
    io_close(&l->wake_io);
    io_close(&l->signal_io);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    stack_pool_free(l->stacks);
    mem_free(l->heap);
    mem_free(l);
}

/* ---- Messages ---- */

/* Only a loop that sleeps needs the system call. The loop says that it will sleep and then looks
 * for messages; a sender leaves its message and then looks whether the loop sleeps. Both are
 * sequentially consistent, so at least one of them sees the other. */
static void wake(struct loop *l)
{
    if (!atomic_exchange(&l->asleep, false))
        return;
    ssize_t n = write(l->wake_io.fd, &(uint64_t){1}, sizeof(uint64_t));
    CHECK(n == sizeof(uint64_t)); /* a counter of 64 bits does not fill up */
}

void loop_send(struct loop *l, struct loop_msg *m, void (*fn)(void *), void *arg)
{
    m->fn = fn;
    m->arg = arg;
    atomic_fetch_add(&l->senders, 1);
    m->next = atomic_load_explicit(&l->inbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&l->inbox, &m->next, m))
        ;
    wake(l);
    atomic_fetch_sub(&l->senders, 1);
}

struct post {
    struct loop_msg msg;
    void (*fn)(void *);
    void *arg;
};

static void run_post(void *arg)
{
    struct post *p = arg;
    p->fn(p->arg);
    mem_free(p);
}

void loop_post(struct loop *l, void (*fn)(void *), void *arg)
{
    struct post *p = mem_new(sizeof(*p));
    p->fn = fn;
    p->arg = arg;
    loop_send(l, &p->msg, run_post, p);
}

void loop_stop(struct loop *l)
{
    atomic_fetch_add(&l->senders, 1);
    atomic_store(&l->stopping, true);
    wake(l);
    atomic_fetch_sub(&l->senders, 1);
}

static void take_messages(struct loop *l)
{
    if (!atomic_load_explicit(&l->inbox, memory_order_relaxed))
        return;
    struct loop_msg *m = atomic_exchange(&l->inbox, NULL), *oldest = NULL;
    while (m) { /* they were stacked newest first */
        struct loop_msg *next = m->next;
        m->next = oldest;
        oldest = m;
        m = next;
    }
    while (oldest) {
        m = oldest;
        oldest = m->next; /* fn may free the message */
        m->fn(m->arg);
    }
}

/* ---- Timers: a heap with four children per node, which is half as deep as one with two ---- */

static void place(struct loop *l, uint32_t i, struct timer_slot s)
{
    l->heap[i] = s;
    s.timer->heap_i = i;
}

static void sift_up(struct loop *l, uint32_t i, struct timer_slot s)
{
    while (i > 1) {
        uint32_t parent = (i + 2) / 4;
        if (l->heap[parent].at_ns <= s.at_ns)
            break;
        place(l, i, l->heap[parent]);
        i = parent;
    }
    place(l, i, s);
}

static void sift_down(struct loop *l, uint32_t i, struct timer_slot s)
{
    for (;;) {
        uint32_t child = 4 * i - 2, least = 0;
        int64_t at_ns = s.at_ns;
        for (uint32_t c = child; c < child + 4 && c <= l->heap_n; c++) {
            if (l->heap[c].at_ns < at_ns) {
                at_ns = l->heap[c].at_ns;
                least = c;
            }
        }
        if (!least)
            break;
        place(l, i, l->heap[least]);
        i = least;
    }
    place(l, i, s);
}

/* Puts `s` where slot i was. */
static void refill(struct loop *l, uint32_t i, struct timer_slot s)
{
    if (i > 1 && l->heap[(i + 2) / 4].at_ns > s.at_ns)
        sift_up(l, i, s);
    else
        sift_down(l, i, s);
}

void loop_timer_start(struct loop_timer *t, int64_t at_ns, void (*fn)(void *), void *arg)
{
    struct loop *l = self;
    CHECK(l);
    t->fn = fn;
    t->arg = arg;
    /* What is due already waits for the next turn: a timer that always starts itself again in the
     * past must not keep out the rest. */
    t->at_ns = at_ns > l->now_ns ? at_ns : l->now_ns + 1;
    struct timer_slot s = {t->at_ns, t};
    if (t->heap_i) {
        refill(l, t->heap_i, s);
        return;
    }
    if (l->heap_n + 1 >= l->heap_cap) {
        l->heap_cap = l->heap_cap ? 2 * l->heap_cap : 64;
        l->heap = mem_resize(l->heap, l->heap_cap, sizeof(*l->heap));
    }
    sift_up(l, ++l->heap_n, s);
}

void loop_timer_stop(struct loop_timer *t)
{
    uint32_t i = t->heap_i;
    if (!i)
        return;
    struct loop *l = self;
    CHECK(l && i <= l->heap_n && l->heap[i].timer == t);
    t->heap_i = 0;
    struct timer_slot last = l->heap[l->heap_n--];
    if (last.timer != t)
        refill(l, i, last);
}

static void fire_timers(struct loop *l)
{
    while (l->heap_n > 0 && l->heap[1].at_ns <= l->now_ns) {
        struct loop_timer *t = l->heap[1].timer;
        loop_timer_stop(t);
        t->fn(t->arg);
    }
}

/* ---- Signals ---- */

void loop_block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < COUNT(signals); i++)
        sigaddset(&set, signals[i]);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
}

static void read_signals(struct io *io, uint32_t events)
{
    struct loop *l = CONTAINER_OF(io, struct loop, signal_io);
    struct signalfd_siginfo info;
    (void)events;
    while (read(io->fd, &info, sizeof(info)) == sizeof(info)) {
        int signo = (int)info.ssi_signo;
        l->on_signal[signo].fn(l->on_signal[signo].arg, signo);
    }
}

bool loop_on_signal(struct loop *l, int signo, void (*fn)(void *, int signo), void *arg,
                    struct err *e)
{
    CHECK(signo > 0 && signo < (int)COUNT(l->on_signal));
    sigset_t set;
    sigemptyset(&set);
    for (int i = 1; i < (int)COUNT(l->on_signal); i++)
        if (i == signo || l->on_signal[i].fn)
            sigaddset(&set, i);
    int fd = signalfd(l->signal_io.fd, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return err_sys(e, ERR_IO, "cannot make a signalfd");
    if (l->signal_io.fd < 0 && !io_open_on(l, &l->signal_io, fd, EPOLLIN, read_signals, e)) {
        close(fd);
        return false;
    }
    l->on_signal[signo].fn = fn;
    l->on_signal[signo].arg = arg;
    return true;
}

/* ---- The loop ---- */

static bool finished(struct loop *l)
{
    return l->n_fibers == 0 && atomic_load(&l->stopping) && !atomic_load(&l->inbox);
}

/* Rounded up: a timer must not find that it is too early. */
static int timeout_ms(struct loop *l)
{
    if (l->heap_n == 0)
        return -1;
    int64_t ns = l->heap[1].at_ns - l->turn_end_ns;
    if (ns <= 0)
        return 0;
    int64_t ms = ns / NS_PER_MS + 1;
    return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

static void wait_for_events(struct loop *l)
{
    int ms = 0;
    if (list_empty(&l->ready) && list_empty(&l->yielded)) {
        atomic_store(&l->asleep, true);
        if (!atomic_load(&l->inbox) && !finished(l))
            ms = timeout_ms(l);
    }
    int n = epoll_wait(l->epoll_fd, l->event, COUNT(l->event), ms);
    CHECK(n >= 0 || errno == EINTR);
    atomic_store_explicit(&l->asleep, false, memory_order_relaxed);
    l->now_ns = clock_now();
    l->event_n = n < 0 ? 0 : n;
}

/* What waits may have left the caches since: it is fetched for the whole batch at once, not for one
 * after the other. */
static void fetch_ahead(const struct loop *l)
{
    for (int i = 0; i < l->event_n; i++)
        __builtin_prefetch(l->event[i].data.ptr);
}

/* A callback may close any io; io_close takes its events out of the rest of the batch. */
static void hand_out_events(struct loop *l)
{
    fetch_ahead(l);
    for (l->event_i = 0; l->event_i < l->event_n; l->event_i++) {
        const struct epoll_event *ev = &l->event[l->event_i];
        if (ev->data.ptr)
            io_event(ev->data.ptr, ev->events);
    }
    l->event_n = 0;
}

static void note_turn(struct loop *l)
{
    l->turn_end_ns = clock_now();
    int64_t ns = l->turn_end_ns - l->now_ns;
    metric_observe(turn_seconds, ns);
    if (ns > slow_turn_ns)
        log_warn("loop_slow", kv("ms", ns / NS_PER_MS),
                 kv("last_fiber", l->last_name ? l->last_name : "none"));
}

/* Around each system call that may wait, glibc makes a thread ready for pthread_cancel and back by
 * an atomic exchange each, some 40 cycles, unless it can be cancelled anywhere in any case. As no
 * thread here is ever cancelled, it may as well be so. */
static void never_cancelled(void)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
}

void loop_run(struct loop *l)
{
    CHECK(!self);
    self = l;
    never_cancelled();
    l->now_ns = l->turn_end_ns = clock_now();
    fiber_loop_enter(l);
    while (!finished(l)) {
        wait_for_events(l);
        hand_out_events(l);
        fire_timers(l);
        take_messages(l);
        fiber_run_ready(l);
        note_turn(l);
    }
    fiber_loop_leave(l);
    self = NULL;
}
