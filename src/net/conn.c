#include "net/conn.h"
#include "base/mem.h"
#include "net/iobuf.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

bool conn_init(struct conn *c, int fd, struct err *e)
{
    *c = (struct conn){.io.fd = -1};
    return io_open(&c->io, fd, NULL, e);
}

void conn_fini(struct conn *c)
{
    if (c->io.fd < 0)
        return;
    tls_free(c->tls); /* says goodbye, so it goes before the socket */
    c->tls = NULL;
    io_close(&c->io);
}

/* For io.h a reset is a failed system call; here it is what the peer did. */
static void blame_peer(struct err *e)
{
    if (e && e->code == ERR_IO)
        e->code = ERR_UPSTREAM;
}

ssize_t conn_read_now(struct conn *c, void *to, size_t n, struct err *e)
{
    if (c->tls)
        return tls_read(c->tls, to, n, e);
    ssize_t got;
    do
        got = recv(c->io.fd, to, n, 0);
    while (got < 0 && errno == EINTR);
    if (got >= 0)
        return got;
    if (errno == EAGAIN)
        return TLS_WANT_READ;
    err_sys(e, ERR_UPSTREAM, "cannot read from the peer");
    return TLS_FAILED;
}

ssize_t conn_write_now(struct conn *c, const void *p, size_t n, struct err *e)
{
    if (c->tls)
        return tls_write(c->tls, p, n, e);
    ssize_t put;
    do
        put = send(c->io.fd, p, n, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put >= 0)
        return put;
    if (errno == EAGAIN)
        return TLS_WANT_WRITE;
    err_sys(e, ERR_UPSTREAM, "cannot write to the peer");
    return TLS_FAILED;
}

bool conn_wait(struct conn *c, ssize_t want, int64_t deadline_ns, struct err *e)
{
    CHECK(want == TLS_WANT_READ || want == TLS_WANT_WRITE);
    return io_wait(&c->io, want == TLS_WANT_READ ? EPOLLIN : EPOLLOUT, deadline_ns, e);
}

/* Is this outcome of a step a reason to wait, and is it worth trying again now? */
static bool again(struct conn *c, ssize_t got, int64_t deadline_ns, struct err *e)
{
    return (got == TLS_WANT_READ || got == TLS_WANT_WRITE) && conn_wait(c, got, deadline_ns, e);
}

ssize_t conn_read(struct conn *c, void *to, size_t n, int64_t deadline_ns, struct err *e)
{
    ssize_t got;
    if (!c->tls) {
        got = io_read(&c->io, to, n, deadline_ns, e);
        if (got < 0)
            blame_peer(e);
        return got;
    }
    do
        got = tls_read(c->tls, to, n, e);
    while (again(c, got, deadline_ns, e));
    return got < 0 ? -1 : got;
}

static bool write_tls(struct conn *c, const char *p, size_t n, int64_t deadline_ns, struct err *e)
{
    while (n > 0) {
        ssize_t put = tls_write(c->tls, p, n, e);
        if (put > 0) {
            p += put;
            n -= (size_t)put;
        } else if (!again(c, put, deadline_ns, e)) {
            return false;
        }
    }
    return true;
}

/* Small pieces are put together, so that they make one record and one system call. */
static bool writev_tls(struct conn *c, const struct iovec *iov, int n, int64_t deadline_ns,
                       struct err *e)
{
    if (n == 1)
        return write_tls(c, iov->iov_base, iov->iov_len, deadline_ns, e);
    char *record = iobuf_take();
    size_t fill = 0;
    bool good = true;
    for (int i = 0; i < n && good; i++) {
        const char *p = iov[i].iov_base;
        size_t left = iov[i].iov_len;
        while (left > 0 && good) {
            size_t part = size_min(left, IOBUF_SIZE - fill);
            memcpy(record + fill, p, part);
            fill += part;
            p += part;
            left -= part;
            if (fill == IOBUF_SIZE) {
                good = write_tls(c, record, fill, deadline_ns, e);
                fill = 0;
            }
        }
    }
    good = good && write_tls(c, record, fill, deadline_ns, e);
    iobuf_give(record);
    return good;
}

bool conn_writev(struct conn *c, struct iovec *iov, int n, int64_t deadline_ns, struct err *e)
{
    if (c->tls)
        return writev_tls(c, iov, n, deadline_ns, e);
    if (io_writev(&c->io, iov, n, deadline_ns, e))
        return true;
    blame_peer(e);
    return false;
}

bool conn_write(struct conn *c, struct str s, int64_t deadline_ns, struct err *e)
{
    struct iovec iov = {(char *)s.p, s.len};
    return conn_writev(c, &iov, 1, deadline_ns, e);
}

struct iovec *conn_pieces(struct arena *a, struct str head, const struct str *part, size_t n)
{
    struct iovec *iov = (struct iovec *)(void *)arena_bytes(a, (n + 1) * sizeof(*iov));
    iov[0] = (struct iovec){(char *)head.p, head.len};
    for (size_t i = 0; i < n; i++)
        iov[i + 1] = (struct iovec){(char *)part[i].p, part[i].len};
    return iov;
}

static bool handshake(struct conn *c, int64_t deadline_ns, struct err *e)
{
    ssize_t got;
    do
        got = tls_handshake(c->tls, e);
    while (again(c, got, deadline_ns, e));
    return got == 1;
}

bool conn_tls_accept(struct conn *c, struct tls_server *ctx, int64_t deadline_ns, struct err *e)
{
    CHECK(!c->tls);
    c->tls = tls_accept(ctx, c->io.fd);
    return handshake(c, deadline_ns, e);
}

bool conn_tls_connect(struct conn *c, struct tls_client *ctx, struct str host, int64_t deadline_ns,
                      struct err *e)
{
    CHECK(!c->tls);
    c->tls = tls_connect(ctx, c->io.fd, host, e);
    return c->tls && handshake(c, deadline_ns, e);
}
