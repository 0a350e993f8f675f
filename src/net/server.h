/* server.h - the HTTP server: connections in, one fiber per request, answers out.
 *
 * Clients speak HTTP/1.1, or HTTP/2 where TLS chose it (ALPN) or where they begin with its preface;
 * a handler sees no difference.
 *
 * An idle connection costs its struct and no fiber (and a session with HTTP/2, some 15 KB). When
 * bytes come, a fiber starts, reads the head and runs the handler; pipelined requests are answered
 * in order, one at a time, streams of HTTP/2 side by side, up to 128 on a connection. A client that
 * resets its stream, leaves (or closes its sending side) cancels the fiber of its request. A client
 * that does not read slows its writer down; nothing piles up. Slow senders are bounded by deadlines
 * for the head, for each wait for a piece of a body, and for the body as a whole (see
 * http_request_body).
 *
 * A request that cannot be read (see net/http.h) is answered by the server itself: 4xx, the OpenAI
 * error object, an x-request-id of its own, Connection: close (of HTTP/2: the stream alone ends).
 *
 * Draining: stop accepting, finish what runs, close idle connections, answer `Connection: close` or
 * send GOAWAY.
 *
 * Memory:  a request has two arenas. `early` holds what leads to the answer: head and body as they
 *          came, and what the handler makes of them. A handler whose answer streams for long gives
 *          it back with http_request_release; otherwise it goes when the handler returns, as
 *          `arena` does, which begins on the fiber's stack: a stream that waits costs one page.
 * Threads: a server belongs to one loop and is opened, drained and closed there, while the loop
 *          runs; each loop has its own on the same address. A unix socket is for one loop.
 */
#pragma once

#include "net/conn.h"
#include "net/http.h"

struct http_server;
struct http_request;
struct json_writer;

typedef void http_handler(struct http_request *r, void *ctx);
/* Writes the body of the answer to what the server refuses by itself: malformed, too large, too
 * slow. Of the head, `r` has what came before the fault. `id` is the answer's X-Request-Id. False:
 * it wrote nothing, and the errors of the OpenAI API are to be used. */
typedef bool http_refusal(struct json_writer *w, const struct http_request *r, const char *id,
                          const struct err *why);

/* Zero takes the default. */
struct http_server_options {
    struct http_limits limits; /* defaults: 16 KB line, 64 KB head, 64 MB body */
    uint64_t upload;           /* bytes of a body that is read in pieces; default limits.body */
    int64_t head_timeout_ms;   /* from first byte to end of head; default 10 s */
    int64_t body_timeout_ms;   /* between pieces of a body; default 30 s */
    int64_t idle_timeout_ms;   /* between requests; default 75 s */
    int64_t write_timeout_ms; /* a client that reads nothing for so long is cut off; default 60 s */
    uint32_t max_connections; /* per loop; over it the oldest idle one goes, else the new one is
                                 refused with 503; as many streams of HTTP/2; default 20000 */
    struct tls_server *tls;   /* NULL = plain */
    http_handler *handler;
    http_refusal *refusal; /* NULL: always false */
    void *ctx;
};

/* Where a server listens: "127.0.0.1:8080", "[::1]:0", "unix:/path" (net/listen.h). Bound once per
 * loop: the second loop is given the port that the first one got. */
bool http_server_open(struct http_server **out, const char *address,
                      const struct http_server_options *opt, struct err *e);
uint16_t http_server_port(const struct http_server *s); /* the one chosen for port 0; 0 for unix */
void http_server_drain(struct http_server *s);
bool http_server_drained(const struct http_server *s); /* no connection left */
size_t http_server_connections(const struct http_server *s);
/* At once: what runs is cancelled. The server frees itself when the last handler has returned, so
 * `ctx` must live until the loop has ended. Accepts NULL. */
void http_server_close(struct http_server *s);

struct http_request {
    struct http_head head;
    struct str path, query; /* decoded path */
    struct arena *arena, *early;
    const char *peer;       /* "127.0.0.1", "unix" */
    bool local;             /* came over a unix socket from the same user or root */
    int64_t accepted_ns;    /* when the first byte of the request was seen */
    int64_t first_byte_ns;  /* when the head of a stream went out, 0 = not yet, or no stream */
    struct http_conn *conn; /* private */
    int status;             /* of the answer, 0 = none yet */
    uint64_t sent;          /* body bytes sent */
    bool streaming;
};

/* Gives back `early`: head (all but method and numbers), path, query and body are gone from here
 * on. For a streamed answer whose first piece has been written; does nothing when some of the body
 * is still to come. */
void http_request_release(struct http_request *r);

/* While on, a client that leaves does not cancel the fiber, as others may wait for the answer too;
 * what is written to it fails. Switching it off cancels the fiber when the client has left. */
void http_request_outlive(struct http_request *r, bool on);

/* All of the body in one piece, in `early`; once. ERR_TOO_LARGE, ERR_INVALID
 * (malformed, or it came too slowly: nothing for body_timeout_ms, or less than 1 KB/s on average
 * behind twice that), ERR_CANCELLED when it was cut short. */
bool http_request_body(struct http_request *r, struct str *body, struct err *e);
/* The next piece, into the caller's memory: bytes, 0 at the end, -1 as above. For uploads, whose
 * limit is another. n > 0. */
ssize_t http_request_read(struct http_request *r, void *to, size_t n, struct err *e);

/* A whole answer in one write; an answer is given once. `headers` are ours (name, value), written
 * as they are; Content-Length, Date and Connection come by themselves. HEAD requests get the head
 * alone. A body that was not read is skipped when it is small, else the connection closes. A failed
 * write closes the connection. */
bool http_reply(struct http_request *r, int status, const struct http_header *headers, size_t n,
                const struct str *body_parts, size_t n_parts, struct err *e);
/* An answer in pieces: chunked (until close for 1.0; frames of HTTP/2). A handler that returns
 * without http_reply_end has aborted. */
bool http_reply_start(struct http_request *r, int status, const struct http_header *headers,
                      size_t n, struct err *e);
/* One chunk, written before this returns. The head goes out together with the first piece, so that
 * both are one system call. No bytes: only the head, if it has not gone yet. */
bool http_reply_write(struct http_request *r, const struct str *parts, size_t n, struct err *e);
/* The same for what is followed by more at once: a copy of it waits, to go out with that in one
 * chunk; over 16 KB it goes at once, with what waited. It is lost when nothing follows. */
bool http_reply_hold(struct http_request *r, const struct str *parts, size_t n, struct err *e);
/* The last piece, which may be empty, and the end of the body in one system call. */
bool http_reply_end(struct http_request *r, const struct str *parts, size_t n, struct err *e);
/* Breaks the connection (of HTTP/2: the stream) off, so that a client sees that the answer is not
 * whole. */
void http_reply_abort(struct http_request *r);
