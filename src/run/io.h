/* io.h - a descriptor that fibers wait on.
 *
 * Registered once with EPOLLIN | EPOLLRDHUP, level-triggered; waiting costs no system call. Events
 * that come while no fiber waits go to `idle` if there is one (a listener, an idle connection);
 * else a peer that has gone cancels the `owner` fiber, which is how a client that leaves ends its
 * request at once; and data that nobody wants yet is masked until somebody waits.
 *
 * Errors:  io_wait and what is built on it end with ERR_TIMEOUT (deadline of the wait or of the
 *          fiber, whichever is first) or ERR_CANCELLED.
 * Memory:  the caller's; an io must not go before io_close.
 * Threads: the loop's.
 */
#pragma once

#include "run/loop.h"

#include <sys/types.h>
#include <sys/uio.h>

struct fiber;

struct io {
    int fd;        /* -1 = closed */
    uint32_t mask; /* what epoll watches */
    uint32_t want; /* what the waiter waits for */
    struct fiber *waiter;
    struct fiber *owner; /* cancelled when the peer has gone; may be NULL */
    void (*idle)(struct io *io, uint32_t events);
    bool gone; /* the peer has closed or reset, seen while nobody waited */
};

/* Takes over a non-blocking descriptor; idle and owner may be NULL. On failure fd stays open. */
bool io_open(struct io *io, int fd, void (*idle)(struct io *, uint32_t), struct err *e);
void io_close(struct io *io); /* deregisters and closes fd; harmless twice */

/* Waits for EPOLLIN or EPOLLOUT. Fiber only. */
bool io_wait(struct io *io, uint32_t want, int64_t deadline_ns, struct err *e);

/* Reads what there is, waiting if there is nothing: bytes, 0 at the end, -1 on failure. Tries the
 * system call first, so data at hand costs no wait. */
ssize_t io_read(struct io *io, void *to, size_t n, int64_t deadline_ns, struct err *e);
/* Writes everything; *iov is used up. */
bool io_writev(struct io *io, struct iovec *iov, int n, int64_t deadline_ns, struct err *e);
