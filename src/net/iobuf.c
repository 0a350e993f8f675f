#include "net/iobuf.h"
#include "base/asan.h"
#include "base/mem.h"

#include <pthread.h>

enum { KEEP = 64 }; /* 1 MB per thread */

static _Thread_local struct {
    char *spare[KEEP];
    unsigned n;
    bool registered;
} pool;

static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void empty(void *unused)
{
    (void)unused;
    while (pool.n > 0) {
        char *p = pool.spare[--pool.n];
        ASAN_UNPOISON(p, IOBUF_SIZE);
        mem_free(p);
    }
}

static void make_key(void)
{
    CHECK(pthread_key_create(&at_exit, empty) == 0);
}

/* A thread that ends frees what it kept. */
static void watch_exit(void)
{
    pthread_once(&once, make_key);
    CHECK(pthread_setspecific(at_exit, &pool) == 0);
    pool.registered = true;
}

char *iobuf_take(void)
{
    if (pool.n == 0)
        return mem_resize(NULL, IOBUF_SIZE, 1);
    char *p = pool.spare[--pool.n];
    ASAN_UNPOISON(p, IOBUF_SIZE);
    return p;
}

void iobuf_give(void *p)
{
    if (!p)
        return;
    if (pool.n == KEEP) {
        mem_free(p);
        return;
    }
    if (!pool.registered)
        watch_exit();
    ASAN_POISON(p, IOBUF_SIZE);
    pool.spare[pool.n++] = p;
}
