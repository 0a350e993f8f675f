/* What iobuf promises: the buffer given back last comes first, and the heap takes the surplus. */
#include "net/iobuf.h"
#include "base/mem.h"

#include "tap.h"

#include <pthread.h>
#include <string.h>

static void *in_a_thread(void *arg)
{
    (void)arg;
    char *p = iobuf_take();
    iobuf_give(p);
    return NULL; /* the leak checker sees whether the thread's pool goes with it */
}

int main(void)
{
    enum { MANY = 200 };
    static char *p[MANY];
    char *first = iobuf_take(), *second = iobuf_take();
    memset(first, 1, IOBUF_SIZE);
    memset(second, 2, IOBUF_SIZE);
    iobuf_give(first);
    iobuf_give(second);
    ok(iobuf_take() == second, "last in, first out");
    ok(iobuf_take() == first, "then the one before");
    iobuf_give(first);
    iobuf_give(second);
    iobuf_give(NULL);
    for (int i = 0; i < MANY; i++)
        memset(p[i] = iobuf_take(), i, IOBUF_SIZE);
    for (int i = 0; i < MANY; i++)
        iobuf_give(p[i]);
    ok(iobuf_take() == p[63], "no more than 64 are kept");
    iobuf_give(p[63]);
    pthread_t t;
    CHECK(pthread_create(&t, NULL, in_a_thread, NULL) == 0 && pthread_join(t, NULL) == 0);
    ok(true, "a thread of its own");
    return tap_done();
}
