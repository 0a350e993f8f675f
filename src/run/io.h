/* io.h - a descriptor that fibers wait on; writing is for sockets.
 *
 * Registered once with EPOLLIN | EPOLLRDHUP, level-triggered; waiting costs no system call. Events
 * that come while no fiber waits go to `idle` if there is one (a listener, an idle connection),
 * which must read, accept or close, as it is called again as long as there is something; else a
 * peer that has gone cancels the `owner` fiber, which is how a client that leaves ends its request
 * at once; and data that nobody wants yet is masked until somebody waits.
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
    struct fiber *owner; /* cancelled when the peer has gone; set by its user; may be NULL */
    void (*idle)(struct io *io, uint32_t events); /* set by io_idle */
    bool gone; /* the peer has closed its side while nobody waited to read, or has reset */
};

/* Takes over a non-blocking descriptor; idle and owner may be NULL. On failure fd stays open. */
bool io_open(struct io *io, int fd, void (*idle)(struct io *, uint32_t), struct err *e);
void io_close(struct io *io); /* deregisters and closes fd; harmless twice; no fiber waits on it */

/* Gives the io from its owner back to a callback (NULL: to nobody), and watches again what was
 * masked meanwhile. False when the peer has gone: events are over, only reading can show whether it
 * left something behind. To start a request set io->idle = NULL and io->owner. */
bool io_idle(struct io *io, void (*idle)(struct io *, uint32_t));

/* For an io with a callback: call it when the descriptor can be written, too. */
void io_idle_writable(struct io *io, bool on);

/* Waits for EPOLLIN, EPOLLOUT or either of both; a reset ends the wait too and shows in the next
 * read or write. May return early: try, and wait again. One fiber at a time. */
bool io_wait(struct io *io, uint32_t want, int64_t deadline_ns, struct err *e);

/* Reads what there is, waiting if there is nothing: bytes, 0 at the end, -1 on failure. Tries the
 * system call first, so data at hand costs no wait; but every 64th in a row lets other fibers run,
 * and fails when the fiber was cancelled meanwhile. ERR_IO when the peer has reset. */
ssize_t io_read(struct io *io, void *to, size_t n, int64_t deadline_ns, struct err *e);
/* Writes everything; *iov is used up. */
bool io_writev(struct io *io, struct iovec *iov, int n, int64_t deadline_ns, struct err *e);
