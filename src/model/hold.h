/* hold.h - holds the first words of a stream back for a while, so that an attempt that fails early
 * leaves no trace at the client and another one begins anew.
 *
 * The window opens with the first event. What comes inside it waits; the first event behind it lets
 * all go.
 *
 * Threads: the fiber of the attempt.
 */
#pragma once

#include "model/chat_queue.h"
#include "model/provider.h"

struct hold {
    struct chat_sink sink;
    struct chat_sink *next;
    struct attempt *a;
    struct said said;  /* what is held ... */
    struct said *into; /* ... and where that is told when it is let go */
    struct chat_queue queue;
    int64_t window_ns, until_ns; /* 0 = no event yet */
    bool open;
};

/* Puts itself between the attempt and its sink. */
void hold_init(struct hold *h, struct attempt *a, int64_t window_ms);
/* Lets go what is still held. */
bool hold_release(struct hold *h, struct err *e);
void hold_fini(struct hold *h);
