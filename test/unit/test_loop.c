/* What loop promises: timers in order, messages in order and from any thread, signals. */
#include "base/clock.h"
#include "base/metric.h"
#include "run/fiber.h"

#include "tap.h"
#include "on_loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- Timers against a reference: a sorted array ---- */

enum { TIMERS = 3000 };

static struct timers {
    struct loop_timer t[TIMERS];
    int64_t at_ns[TIMERS];
    bool stopped[TIMERS];
    int64_t fired_at[TIMERS];
    int fired, early, disorder, stopped_fired, left;
    int64_t last_ns;
} timers;

static void on_timer(void *arg)
{
    size_t i = (size_t)((int64_t *)arg - timers.at_ns);
    timers.fired++;
    timers.stopped_fired += timers.stopped[i];
    timers.early += loop_now() < timers.at_ns[i];
    timers.disorder += timers.at_ns[i] < timers.last_ns;
    timers.last_ns = timers.at_ns[i];
    timers.left--;
}

static void timer_test(void *arg)
{
    (void)arg;
    srand(7);
    int64_t base = loop_now();
    for (int round = 0; round < 3; round++) { /* start, then move, some of them twice */
        for (int i = 0; i < TIMERS; i++) {
            if (round > 0 && rand() % 2)
                continue;
            timers.at_ns[i] = base + rand() % 4000 * NS_PER_US;
            loop_timer_start(&timers.t[i], timers.at_ns[i], on_timer, &timers.at_ns[i]);
        }
    }
    timers.left = TIMERS;
    for (int i = 0; i < TIMERS; i += 3) {
        loop_timer_stop(&timers.t[i]);
        loop_timer_stop(&timers.t[i]);
        timers.stopped[i] = true;
        timers.left--;
    }
    int expected = timers.left;
    while (timers.left > 0)
        fiber_sleep(NS_PER_MS, NULL);
    ok(timers.fired == expected, "each running timer fired once");
    ok(timers.stopped_fired == 0, "no stopped timer fired");
    ok(timers.early == 0, "none fired early");
    ok(timers.disorder == 0, "they fired in the order of their deadlines");
}

/* ---- A timer that restarts itself in the past does not keep the loop from the rest ---- */

struct hasty {
    struct loop_timer t;
    int n;
};

static void again(void *arg)
{
    struct hasty *h = arg;
    h->n++;
    loop_timer_start(&h->t, 0, again, h);
}

static void hasty_test(void *arg)
{
    struct hasty h = {0};
    (void)arg;
    loop_timer_start(&h.t, 0, again, &h);
    for (int i = 0; i < 10; i++)
        fiber_yield();
    fiber_sleep(NS_PER_MS, NULL);
    ok(h.n > 0, "others run beside a timer that is always due");
    loop_timer_stop(&h.t);
}

/* ---- Messages ---- */

enum { SENDERS = 4, PER_SENDER = 5000 };

struct sender {
    struct loop *loop;
    int next, disorder;
    struct note {
        struct sender *from;
        int n;
    } note[PER_SENDER];
};

static struct sender sender[SENDERS];
static int received;

static void on_note(void *arg)
{
    struct note *note = arg;
    note->from->disorder += note->n != note->from->next;
    note->from->next = note->n + 1;
    if (++received == SENDERS * PER_SENDER)
        loop_stop(note->from->loop);
}

static void *send_all(void *arg)
{
    struct sender *s = arg;
    for (int i = 0; i < PER_SENDER; i++) {
        s->note[i] = (struct note){s, i};
        loop_post(s->loop, on_note, &s->note[i]);
    }
    return NULL;
}

static void test_messages(void)
{
    struct err e;
    struct loop *l = loop_new(&e);
    pthread_t t[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        sender[i].loop = l;
        pthread_create(&t[i], NULL, send_all, &sender[i]);
    }
    int disorder = 0;
    loop_run(l);
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(t[i], NULL);
        disorder += sender[i].disorder;
    }
    ok(received == SENDERS * PER_SENDER, "every message arrived");
    ok(disorder == 0, "those of one sender in their order");

    loop_post(l, on_note, NULL);
    loop_free(l);
    ok(true, "a message that came after the end is dropped");
}

/* ---- Signals ---- */

static int got_signal;

static void on_signal(void *arg, int signo)
{
    got_signal = signo;
    loop_stop(arg);
}

static void raise_it(void *arg)
{
    (void)arg;
    kill(getpid(), SIGUSR1);
}

static void test_signal(void)
{
    struct err e;
    struct loop *l = loop_new(&e);
    ok(loop_on_signal(l, SIGUSR1, on_signal, l, &e), "signals can be asked for");
    ok(loop_on_signal(l, SIGTERM, on_signal, l, &e), "more than one");
    loop_post(l, raise_it, NULL);
    loop_run(l);
    ok(got_signal == SIGUSR1, "a signal comes as a callback");
    loop_free(l);
}

/* ---- Several loops at once ---- */

static void count_to(void *arg)
{
    for (int i = 0; i < 1000; i++)
        fiber_yield();
    ++*(int *)arg;
}

static void *loop_thread(void *arg)
{
    on_loop(count_to, arg);
    return NULL;
}

int main(void)
{
    loop_block_signals();
    ok(!loop_self() && loop_now() > 0, "outside a loop there is a time but no loop");
    on_loop(timer_test, NULL);
    on_loop(hasty_test, NULL);
    test_messages();
    test_signal();
    struct metric_family *turns = metric_histogram("penstock_loop_turn_seconds", 1e-9, "", "");
    ok(metric_count(metric_plain(turns)) > 20, "turns are counted");

    pthread_t t[3];
    int ends[3] = {0};
    for (int i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, loop_thread, &ends[i]);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    ok(ends[0] + ends[1] + ends[2] == 3, "a loop per thread");
    return tap_done();
}
