/* iobuf.h - the 16 KB buffers of a thread: borrowed while bytes are in flight, given back before
 * waiting, so that a thousand streams that wait share a few of them. Last in, first out: the next
 * borrower gets the one that is still in the cache.
 *
 * Memory:  not zeroed. Those above a fixed number go back to the heap.
 * Threads: a buffer is given back on the thread that took it.
 */
#pragma once

#include <stddef.h>

enum { IOBUF_SIZE = 16384 };

char *iobuf_take(void);
void iobuf_give(void *p); /* accepts NULL */
