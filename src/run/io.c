#include "run/io.h"
#include "run/sched.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BURST = 64, /* reads and writes at hand after which a fiber lets others run */
    /* Up to so many bytes, copying the pieces together and one send() is cheaper than a call that
     * takes a list of them: by 0.25 us of 4.8 at 1 KB, and by little at this size. */
    GATHER = 10240
};

static const uint32_t over = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

/* Makes epoll watch `mask`, 0 = nothing at all. */
static bool watch(struct loop *l, struct io *io, uint32_t mask, struct err *e)
{
    if (mask == io->mask)
        return true;
    int op = !io->mask ? EPOLL_CTL_ADD : mask ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
    struct epoll_event ev = {.events = mask, .data.ptr = io};
    if (epoll_ctl(l->epoll_fd, op, io->fd, &ev) != 0)
        return err_sys(e, ERR_IO, "cannot watch a descriptor");
    io->mask = mask;
    return true;
}

/* Changing what is watched already needs no memory, so it cannot fail. */
static void watch_less(struct io *io, uint32_t mask)
{
    CHECK(watch(loop_self(), io, mask, NULL));
}

bool io_open_on(struct loop *l, struct io *io, int fd, uint32_t mask,
                void (*idle)(struct io *, uint32_t), struct err *e)
{
    *io = (struct io){.fd = fd, .idle = idle};
    if (watch(l, io, mask, e))
        return true;
    io->fd = -1;
    return false;
}

bool io_open(struct io *io, int fd, void (*idle)(struct io *, uint32_t), struct err *e)
{
    return io_open_on(loop_self(), io, fd, EPOLLIN | EPOLLRDHUP, idle, e);
}

/* Takes what has come for this io out of the batch that is being handed out. */
static void forget_events(struct loop *l, const struct io *io)
{
    for (int i = l->event_i; i < l->event_n; i++)
        if (l->event[i].data.ptr == io)
            l->event[i].data.ptr = NULL;
}

void io_close(struct io *io)
{
    if (io->fd < 0)
        return;
    CHECK(!io->waiter);
    struct loop *l = loop_self();
    if (l) {
        /* close alone would not do when a child process still holds a copy of the descriptor */
        watch_less(io, 0);
        forget_events(l, io);
    }
    close(io->fd);
    io->fd = -1;
}

bool io_idle(struct io *io, void (*idle)(struct io *, uint32_t))
{
    io->idle = idle;
    io->owner = NULL;
    if (io->gone)
        return false;
    if (idle)
        watch_less(io, EPOLLIN | EPOLLRDHUP);
    return true;
}

void io_idle_writable(struct io *io, bool on)
{
    CHECK(io->idle);
    watch_less(io, EPOLLIN | EPOLLRDHUP | (on ? EPOLLOUT : 0));
}

void io_event(struct io *io, uint32_t events)
{
    if (io->waiter && (events & (io->want | EPOLLHUP | EPOLLERR))) {
        fiber_wake(io->waiter);
    } else if (!io->waiter && io->idle) {
        io->idle(io, events);
    } else if (events & over) {
        io->gone = true;
        watch_less(io, io->waiter ? io->mask & io->want : 0); /* tell it once */
        if (io->owner)
            fiber_cancel(io->owner);
    } else {
        watch_less(io, io->mask & ~events);
    }
}

bool io_wait(struct io *io, uint32_t want, int64_t deadline_ns, struct err *e)
{
    CHECK(io->fd >= 0 && !io->waiter);
    if ((io->mask & want) != want && !watch(loop_self(), io, io->mask | want, e))
        return false;
    io->want = want;
    io->waiter = fiber_self();
    enum fiber_wake w = fiber_wait(deadline_ns);
    io->waiter = NULL;
    return fiber_wake_ok(w, e);
}

/* Keeps a fiber whose descriptors are always ready from having the loop for itself, and from
 * missing that it was cancelled. */
static bool take_turns(struct err *e)
{
    struct fiber *f = fiber_self();
    CHECK(f);
    if (++f->burst < BURST)
        return true;
    f->burst = 0;
    return fiber_pause(e);
}

static bool peer_gone(int code)
{
    return code == ECONNRESET || code == EPIPE || code == ETIMEDOUT;
}

ssize_t io_read(struct io *io, void *to, size_t n, int64_t deadline_ns, struct err *e)
{
    if (!take_turns(e))
        return -1;
    for (;;) {
        ssize_t got = read(io->fd, to, n);
        if (got >= 0)
            return got;
        if (errno == EAGAIN) {
            if (!io_wait(io, EPOLLIN, deadline_ns, e))
                return -1;
        } else if (errno != EINTR) {
            io->gone |= peer_gone(errno);
            err_sys(e, ERR_IO, "cannot read from the peer");
            return -1;
        }
    }
}

/* Skips the first `done` bytes; returns how many pieces are left, empty ones left out. */
static int advance(struct iovec **iov, int n, size_t done)
{
    while (n > 0 && done >= (*iov)->iov_len) {
        done -= (*iov)->iov_len;
        ++*iov;
        n--;
    }
    if (n > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + done;
        (*iov)->iov_len -= done;
    }
    return n;
}

/* What the socket takes of the pieces now, which together are `len` bytes. */
static ssize_t send_now(int fd, struct iovec *iov, int n, size_t len)
{
    static _Thread_local char all[GATHER];
    if (n == 1)
        return send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
    if (len > GATHER) {
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)(n < IOV_MAX ? n : IOV_MAX)};
        return sendmsg(fd, &msg, MSG_NOSIGNAL);
    }
    char *to = all;
    for (int i = 0; i < n; i++)
        if (iov[i].iov_len) /* an empty piece may have no address */
            to = mempcpy(to, iov[i].iov_base, iov[i].iov_len);
    return send(fd, all, len, MSG_NOSIGNAL);
}

bool io_writev(struct io *io, struct iovec *iov, int n, int64_t deadline_ns, struct err *e)
{
    size_t left = 0;
    if (!take_turns(e))
        return false;
    for (int i = 0; i < n; i++)
        left += iov[i].iov_len;
    while (left > 0) {
        ssize_t put = send_now(io->fd, iov, n, left);
        if (put >= 0) {
            left -= (size_t)put;
            n = left ? advance(&iov, n, (size_t)put) : 0;
        } else if (errno == EAGAIN) {
            if (!io_wait(io, EPOLLOUT, deadline_ns, e))
                return false;
        } else if (errno != EINTR) {
            io->gone |= peer_gone(errno);
            return err_sys(e, ERR_IO, "cannot write to the peer");
        }
    }
    return true;
}
