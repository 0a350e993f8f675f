/* conn.h - a byte stream to a peer, plain or TLS, on a fiber.
 *
 * Memory:  conn_fini closes; accepts what conn_init refused.
 * Errors:  of run/io.h; ERR_UPSTREAM for TLS failures and resets, with the reason.
 * Threads: the loop's.
 */
#pragma once

#include "base/arena.h"
#include "net/tls.h"
#include "run/io.h"

struct conn {
    struct io io;
    struct tls *tls; /* NULL = plain */
};

/* Takes over a connected non-blocking socket; on failure it stays open and the caller's. */
bool conn_init(struct conn *c, int fd, struct err *e);
void conn_fini(struct conn *c); /* closes; harmless twice */

/* What there is, waiting when there is nothing: bytes, 0 at the end, -1. */
ssize_t conn_read(struct conn *c, void *to, size_t n, int64_t deadline_ns, struct err *e);
/* Uses `iov` up. */
bool conn_writev(struct conn *c, struct iovec *iov, int n, int64_t deadline_ns, struct err *e);
bool conn_write(struct conn *c, struct str s, int64_t deadline_ns, struct err *e);

/* A head and the n parts behind it, for conn_writev: n + 1 pieces. */
struct iovec *conn_pieces(struct arena *a, struct str head, const struct str *part, size_t n);

/* Reading without waiting, for those who hold no buffer while they wait: bytes, 0 at the end,
 * TLS_FAILED, or what to wait for with conn_wait before trying again. */
ssize_t conn_read_now(struct conn *c, void *to, size_t n, struct err *e);
/* The same for writing: bytes, maybe fewer than n, never 0. */
ssize_t conn_write_now(struct conn *c, const void *p, size_t n, struct err *e);
bool conn_wait(struct conn *c, ssize_t want, int64_t deadline_ns, struct err *e);

/* TLS on top of a plain connection. */
bool conn_tls_accept(struct conn *c, struct tls_server *ctx, int64_t deadline_ns, struct err *e);
bool conn_tls_connect(struct conn *c, struct tls_client *ctx, struct str host, int64_t deadline_ns,
                      struct err *e);
