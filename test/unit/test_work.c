/* What work promises: jobs run elsewhere, each once, and the fiber goes on when they are done. */
#include "run/work.h"
#include "base/clock.h"
#include "run/fiber.h"

#include "tap.h"
#include "on_loop.h"

#include <pthread.h>
#include <stdatomic.h>

static _Thread_local int thread_mark;
static atomic_int posted;

struct sum {
    int from, to, total;
    int mark;
};

static void add_up(void *arg)
{
    struct sum *s = arg;
    s->mark = thread_mark;
    for (int i = s->from; i < s->to; i++)
        s->total += i;
}

static void post_one(void *arg)
{
    (void)arg;
    atomic_fetch_add(&posted, 1);
}

enum { STORM = 500, JOBS = 20 };

static void stormer(void *arg)
{
    int *good = arg;
    for (int i = 0; i < JOBS; i++) {
        struct sum s = {.from = i, .to = i + 3};
        work_run(add_up, &s);
        *good += s.total == 3 * i + 3;
    }
}

static void storm_test(void *arg)
{
    int good = 0;
    struct fiber_group g;
    fiber_group_init(&g, CLOCK_NEVER);
    for (int i = 0; i < STORM; i++)
        fiber_group_go(&g, stormer, &good, "storm");
    fiber_group_wait(&g);
    fiber_group_fini(&g);
    *(bool *)arg = good == STORM * JOBS;
}

static void cancelled_test(void *arg)
{
    (void)arg;
    fiber_cancel(fiber_self());
    fiber_deadline(1);
    struct sum s = {.from = 1, .to = 5};
    work_run(add_up, &s);
    ok(s.total == 10, "a cancelled fiber waits for its job all the same");
    for (int i = 0; i < 100; i++)
        work_post(post_one, NULL);
}

static void place_test(void *arg)
{
    (void)arg;
    thread_mark = 1;
    struct sum s = {.from = 1, .to = 5};
    work_run(add_up, &s);
    ok(s.total == 10 && s.mark == 0, "a fiber's job runs on another thread");
}

static void *loop_thread(void *arg)
{
    on_loop(storm_test, arg);
    return NULL;
}

int main(void)
{
    struct err e;
    struct sum s = {.from = 1, .to = 4};
    thread_mark = 2;
    work_run(add_up, &s);
    ok(s.total == 6 && s.mark == 2, "without a loop a job runs in place");

    ok(work_start(3, &e), "three workers");
    on_loop(place_test, NULL);
    on_loop(cancelled_test, NULL);

    pthread_t t[3];
    bool good[3] = {0};
    for (int i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, loop_thread, &good[i]);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    ok(good[0] && good[1] && good[2], "30,000 jobs of 1,500 fibers of three loops");

    work_post(post_one, NULL);
    work_stop();
    ok(posted == 101 && work_queued() == 0, "stopping finishes what was posted");
    ok(work_start(0, &e), "it can be started again");
    on_loop(place_test, NULL);
    work_stop();
    return tap_done();
}
