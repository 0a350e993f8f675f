#include "base/lock.h"
#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <time.h>

static _Thread_local int held;

void lock_init(struct lock *l)
{
    CHECK(pthread_mutex_init(&l->mutex, NULL) == 0);
}

void lock_fini(struct lock *l)
{
    pthread_mutex_destroy(&l->mutex);
}

void lock_take(struct lock *l)
{
    CHECK(pthread_mutex_lock(&l->mutex) == 0);
    held++;
}

void lock_drop(struct lock *l)
{
    held--;
    CHECK(pthread_mutex_unlock(&l->mutex) == 0);
}

int lock_held(void)
{
    return held;
}

void cond_init(struct cond *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    CHECK(pthread_cond_init(&c->cond, &attr) == 0);
    pthread_condattr_destroy(&attr);
}

void cond_fini(struct cond *c)
{
    pthread_cond_destroy(&c->cond);
}

bool cond_wait(struct cond *c, struct lock *l, int64_t deadline_ns)
{
    if (deadline_ns == CLOCK_NEVER) {
        CHECK(pthread_cond_wait(&c->cond, &l->mutex) == 0);
        return true;
    }
    struct timespec t = {.tv_sec = deadline_ns / NS_PER_S, .tv_nsec = deadline_ns % NS_PER_S};
    int rc = pthread_cond_timedwait(&c->cond, &l->mutex, &t);
    CHECK(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

void cond_wake_one(struct cond *c)
{
    pthread_cond_signal(&c->cond);
}

void cond_wake_all(struct cond *c)
{
    pthread_cond_broadcast(&c->cond);
}
