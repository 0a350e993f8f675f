#include "run/work.h"
#include "base/clock.h"
#include "base/lock.h"
#include "run/fiber.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { WORKER_STACK = 1024 * 1024, WORKERS_MAX = 256 };

struct job {
    struct job *next;
    work_fn *fn;
    void *arg;
    struct loop *loop; /* NULL: nobody waits, and the job is freed */
    struct fiber *fiber;
    struct loop_msg msg;
    bool done; /* loop thread only */
};

static struct {
    struct lock lock;
    struct cond ready;
    /* under lock */
    struct job *first, **last;
    size_t queued;
    unsigned asleep;
    bool stopping;
    /* set by work_start and work_stop */
    pthread_t *thread;
    unsigned n;
} pool = {.lock = LOCK_INIT};

static struct job *next_job(void)
{
    lock_take(&pool.lock);
    while (!pool.first && !pool.stopping) {
        pool.asleep++;
        cond_wait(&pool.ready, &pool.lock, CLOCK_NEVER);
        pool.asleep--;
    }
    struct job *j = pool.first;
    if (j) {
        pool.first = j->next;
        if (!pool.first)
            pool.last = &pool.first;
        pool.queued--;
    }
    lock_drop(&pool.lock);
    return j;
}

static void job_done(void *arg)
{
    struct job *j = arg;
    j->done = true;
    fiber_wake(j->fiber);
}

static void *worker(void *arg)
{
    (void)arg;
    struct job *j;
    while ((j = next_job())) {
        j->fn(j->arg);
        if (j->loop)
            loop_send(j->loop, &j->msg, job_done, j); /* j may be gone from here on */
        else
            mem_free(j);
    }
    return NULL;
}

static void queue(struct job *j)
{
    lock_take(&pool.lock);
    CHECK(pool.n > 0 && !pool.stopping);
    *pool.last = j;
    pool.last = &j->next;
    pool.queued++;
    bool sleeper = pool.asleep > 0;
    lock_drop(&pool.lock);
    if (sleeper)
        cond_wake_one(&pool.ready);
}

bool work_start(unsigned n, struct err *e)
{
    CHECK(pool.n == 0);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (n == 0)
        n = cores > 2 ? (unsigned)cores : 2;
    n = n < WORKERS_MAX ? n : WORKERS_MAX;
    cond_init(&pool.ready);
    pool.last = &pool.first;
    pool.thread = mem_array(n, sizeof(*pool.thread));
    pool.stopping = false;

    pthread_attr_t attr;
    CHECK(pthread_attr_init(&attr) == 0);
    CHECK(pthread_attr_setstacksize(&attr, WORKER_STACK) == 0);
    int rc = 0;
    while (pool.n < n && rc == 0) {
        rc = pthread_create(&pool.thread[pool.n], &attr, worker, NULL);
        pool.n += rc == 0;
    }
    pthread_attr_destroy(&attr);
    if (rc == 0)
        return true;
    work_stop();
    errno = rc;
    return err_sys(e, ERR_LIMIT, "cannot start %u worker threads", n);
}

void work_stop(void)
{
    lock_take(&pool.lock);
    pool.stopping = true;
    lock_drop(&pool.lock);
    if (!pool.thread)
        return;
    cond_wake_all(&pool.ready);
    for (unsigned i = 0; i < pool.n; i++)
        CHECK(pthread_join(pool.thread[i], NULL) == 0);
    mem_free(pool.thread);
    pool.thread = NULL;
    pool.n = 0;
    cond_fini(&pool.ready);
}

void work_run(work_fn *fn, void *arg)
{
    struct fiber *f = fiber_self();
    if (!f) {
        CHECK(!loop_self()); /* a callback of a loop must not block it */
        fn(arg);
        return;
    }
    struct job j = {.fn = fn, .arg = arg, .loop = loop_self(), .fiber = f};
    queue(&j);
    fiber_shield(true);
    while (!j.done)
        fiber_wait(CLOCK_NEVER);
    fiber_shield(false);
}

void work_post(work_fn *fn, void *arg)
{
    struct job *j = mem_new(sizeof(*j));
    j->fn = fn;
    j->arg = arg;
    queue(j);
}

size_t work_queued(void)
{
    lock_take(&pool.lock);
    size_t n = pool.queued;
    lock_drop(&pool.lock);
    return n;
}
