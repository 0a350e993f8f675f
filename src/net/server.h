/* server.h - the HTTP/1.1 server: connections in, one fiber per request, answers out.
 *
 * An idle connection costs its struct and no fiber. When the head of a request has come, a fiber
 * starts and runs the handler; pipelined requests are answered in order, one at a time. A client
 * that leaves cancels the fiber of its request. A client that does not read slows its writer down;
 * nothing piles up. Slow senders are bounded by deadlines for head and body.
 *
 * Draining: stop accepting, finish what runs, close idle connections, answer `Connection: close`.
 *
 * Memory:  a request, its arena and what points into it live until the handler returns.
 * Threads: a server belongs to one loop; each loop has its own with SO_REUSEPORT.
 */
#pragma once

#include "net/conn.h"
#include "net/http.h"

struct http_server;
struct http_request;

typedef void http_handler(struct http_request *r, void *ctx);

struct http_server_options {
    struct http_limits limits; /* defaults: 16 KB line, 64 KB head, 64 MB body */
    int64_t head_timeout_ms;   /* from first byte to end of head; default 10 s */
    int64_t body_timeout_ms;   /* between pieces of a body; default 30 s */
    int64_t idle_timeout_ms;   /* between requests; default 75 s */
    int64_t write_timeout_ms; /* a client that reads nothing for so long is cut off; default 60 s */
    uint32_t max_connections; /* per loop; over it the oldest idle one goes, else refuse; default
                                 20000 */
    struct tls_server *tls;   /* NULL = plain */
    http_handler *handler;
    void *ctx;
};

/* Where a server listens: "127.0.0.1:8080", "[::1]:0", "unix:/path". Bound once per loop. */
bool http_server_open(struct http_server **out, const char *address,
                      const struct http_server_options *opt, struct err *e);
uint16_t http_server_port(const struct http_server *s); /* the one chosen for port 0 */
void http_server_drain(struct http_server *s);
bool http_server_drained(const struct http_server *s); /* no connection left */
void http_server_close(struct http_server *s);         /* at once */

struct http_request {
    struct http_head head;
    struct str path, query; /* decoded path */
    struct arena *arena;
    char peer[64];          /* "127.0.0.1", "unix" */
    bool local;             /* came over a unix socket from the same user */
    int64_t accepted_ns;    /* when the first byte of the request was seen */
    struct http_conn *conn; /* private */
    int status;             /* of the answer, 0 = none yet */
    uint64_t sent;          /* body bytes sent */
    bool streaming;
};

/* All of the body in one piece, in the request's arena or the connection's buffer. */
bool http_request_body(struct http_request *r, struct str *body, struct err *e);
/* The next piece, into the caller's memory: bytes, 0 at the end, -1. For uploads. */
ssize_t http_request_read(struct http_request *r, void *to, size_t n, struct err *e);

/* A whole answer in one write. `headers` are ours (name, value), written as they are;
 * Content-Length, Date and Connection come by themselves. HEAD requests get the head alone. */
bool http_reply(struct http_request *r, int status, const struct http_header *headers, size_t n,
                const struct str *body_parts, size_t n_parts, struct err *e);
/* An answer in pieces: chunked (or until close for 1.0). http_reply_end sends the last piece. */
bool http_reply_start(struct http_request *r, int status, const struct http_header *headers,
                      size_t n, struct err *e);
/* The head goes out together with the first piece, so that both are one system call. */
bool http_reply_write(struct http_request *r, const struct str *parts, size_t n, struct err *e);
bool http_reply_end(struct http_request *r, struct err *e);
/* Breaks the connection off, so that a client sees that the answer is not whole. */
void http_reply_abort(struct http_request *r);
