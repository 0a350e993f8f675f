/* lock.h - mutexes and conditions of threads, and the order in which they are taken.
 *
 * A fiber never waits while it holds one (run/fiber.h checks lock_held() == 0 at every wait); for
 * waiting fibers there is run/fsync.h. When two are needed, the one further up is taken first:
 *
 *     gateway: flights
 *     model: places, gates > one gate
 *     store: writer queue > journal > snapshot publication
 *     index: set of collections > one collection > vector writer > its nodes > its views
 *     run:   worker queue > loop inbox
 *     base:  metric registry > log
 *
 * Threads: any.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct lock {
    pthread_mutex_t mutex;
};

#define LOCK_INIT                                                                                  \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER                                                                  \
    }

void lock_init(struct lock *l);
void lock_fini(struct lock *l);
void lock_take(struct lock *l);
void lock_drop(struct lock *l);
int lock_held(void); /* how many this thread holds */

struct cond {
    pthread_cond_t cond;
};

void cond_init(struct cond *c);
void cond_fini(struct cond *c);
/* Waits with `l` held; false when `deadline_ns` (monotonic) has passed. */
bool cond_wait(struct cond *c, struct lock *l, int64_t deadline_ns);
void cond_wake_one(struct cond *c);
void cond_wake_all(struct cond *c);
