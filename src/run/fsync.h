/* fsync.h - mutex, condition and channel for fibers of one loop: waiting lets the loop go on.
 *
 * First come, first served. All may fail with ERR_TIMEOUT or ERR_CANCELLED like any wait.
 *
 * Memory:  the caller's; must outlive its waiters.
 * Threads: fibers of one loop.
 */
#pragma once

#include "run/fiber.h"

struct fmutex {
    struct fiber *owner;
    struct list waiters;
};
void fmutex_init(struct fmutex *m);
bool fmutex_take(struct fmutex *m, int64_t deadline_ns, struct err *e);
void fmutex_drop(struct fmutex *m);

struct fcond {
    struct list waiters;
};
void fcond_init(struct fcond *c);
bool fcond_wait(struct fcond *c, struct fmutex *m, int64_t deadline_ns,
                struct err *e); /* m held before and after */
void fcond_wake_one(struct fcond *c);
void fcond_wake_all(struct fcond *c);

/* A bounded queue of pointers, which are not NULL. */
struct fchan {
    void **slot;
    uint32_t cap, head, n;
    bool closed;
    struct list readers, writers;
};
void fchan_init(struct fchan *c, uint32_t cap);
void fchan_fini(struct fchan *c);
bool fchan_put(struct fchan *c, void *item, int64_t deadline_ns,
               struct err *e); /* ERR_CANCELLED when closed */
bool fchan_get(struct fchan *c, void **item, int64_t deadline_ns,
               struct err *e); /* closed and empty: true, *item NULL */
void fchan_close(struct fchan *c);
