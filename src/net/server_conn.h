/* server_conn.h - what server.c and the other server_*.c know about each other; for those alone.
 *
 *     IDLE --(bytes)--> BUSY: head -> handler -> rest of body skipped --(keep alive)--> IDLE
 *                         |
 *                         +--(bad, gone, close)--> closed
 *
 * A connection that turns out to speak HTTP/2 is busy while it has streams or something to send.
 *
 * Threads: the loop's.
 */
#pragma once

#include "net/listen.h"
#include "net/server.h"

#include <netinet/in.h>

enum {
    ARENAS_KEPT = 64,
    FRONT_SIZE = 64,
    REQUEST_SPACE = 1920, /* of the fiber's stack, for what a streamed model call keeps */
};

struct http_server {
    struct io io; /* of the listener */
    struct listener listener;
    struct http_server_options opt; /* limits.body: of what is read in pieces */
    uint64_t whole_body;            /* limit of a body in one piece */
    struct list idle, busy;         /* connections; idle: oldest first */
    struct loop_timer sweep;        /* when the first idle connection has been so for too long */
    struct loop_timer paused;  /* no accepting until then: descriptors or memory have run out */
    size_t n_conns, n_streams; /* streams of HTTP/2 */
    bool draining, closing;
    struct http_header space[HTTP_HEADERS_MAX]; /* for parsing, never across a wait */
    struct arena *arena[ARENAS_KEPT];           /* reset, to be `early` of the next requests */
    unsigned n_arenas;
    int64_t date_until_ns;
    char front[FRONT_SIZE]; /* SERVER_OK_LINE "Date: ...\r\n" */
    size_t front_len;
};

struct http_conn {
    struct conn conn;
    struct http_server *server;
    struct list node;         /* in idle or busy */
    struct fiber *fiber;      /* while busy; of HTTP/1.1 */
    struct http2_conn *http2; /* NULL = HTTP/1.1; private to server_http2.c */
    struct buf held;          /* came, and is not yet a whole head; or behind the last request */
    int64_t idle_since_ns;
    bool local;
    char peer[INET6_ADDRSTRLEN];
};

struct server_request {
    struct http_request pub;
    const struct server_protocol *protocol;
    struct http2_stream *stream; /* NULL = HTTP/1.1; private to server_http2.c */
    /* the body */
    struct str rest;  /* came together with the head and is not yet read; in `early` */
    uint64_t left;    /* of a body with HTTP_LENGTH */
    uint64_t body_in; /* raw bytes read from the connection */
    int64_t body_since_ns;
    struct http_chunked chunked;
    bool body_done;
    bool continued; /* 100 Continue has been sent */
    /* the answer */
    struct str head;  /* of a streamed one, not yet sent */
    struct buf *held; /* pieces that wait for the next one; NULL = none */
    bool close;       /* the connection ends with it */
    bool chunks;      /* it is sent chunked */
    bool head_only;
    bool ended;
    bool broken; /* nothing more can be sent */
    bool http2;  /* it was no request but the beginning of HTTP/2 */
};

enum server_next { SERVER_CLOSE, SERVER_KEEP, SERVER_HTTP2 };

/* One version of HTTP. What it is handed has been checked: a body is read while there is more of
 * it, `e` is never NULL there, an answer is begun once, r->pub.status and r->head_only are set. */
struct server_protocol {
    /* Gets the head; false when there is nothing to handle. */
    bool (*receive)(struct server_request *r);
    bool (*body)(struct server_request *r, struct str *body, struct err *e);
    ssize_t (*read)(struct server_request *r, void *to, size_t n, struct err *e);
    bool (*reply)(struct server_request *r, const struct http_header *headers, size_t n,
                  const struct str *part, size_t n_parts, uint64_t length, struct err *e);
    bool (*start)(struct server_request *r, const struct http_header *headers, size_t n,
                  struct err *e);
    bool (*write)(struct server_request *r, const struct str *part, size_t n, bool last,
                  struct err *e);
    void (*abort)(struct server_request *r);
    void (*release)(struct server_request *r); /* what of the body lies outside `early` */
    void (*outlive)(struct server_request *r, bool on);
    enum server_next (*finish)(struct server_request *r); /* the handler has returned */
};

static inline struct server_request *request_of(struct http_request *r)
{
    return CONTAINER_OF(r, struct server_request, pub);
}

/* server.c */
#define SERVER_OK_LINE "HTTP/1.1 200 OK\r\n"
/* The date as a line, `ok`: with SERVER_OK_LINE in front of it. */
struct str server_head_front(struct http_server *s, bool ok);
enum server_next server_run(struct http_conn *c, struct http2_stream *stream); /* NULL: HTTP/1.1 */
void server_give_early(struct http_server *s, struct arena *a);
void server_conn_busy(struct http_conn *c);
void server_conn_idle(struct http_conn *c);
void server_conn_close(struct http_conn *c); /* frees it, and a closing server with the last */

/* server_request.c */
bool server_body_too_large(uint64_t limit, struct err *e); /* returns false */
int64_t server_body_deadline(const struct server_request *r);
bool server_status_has_body(int status);
void server_drop_held(struct server_request *r);
/* Answers what no handler will see. */
void server_refuse(struct server_request *r, const struct err *e);
/* The handler has returned. One without an answer to a client that is still there is a fault of
 * ours. */
void server_settle(struct server_request *r);

extern const struct server_protocol server_http1, server_http2;

/* server_http2.c */
void server_http2_begin(struct http_conn *c); /* the last act of the connection's fiber */
void server_http2_drain(struct http_conn *c);
void server_http2_cancel(struct http_conn *c); /* at once; may close the connection */
void server_http2_end(struct http_conn *c);    /* says goodbye; there are no streams any more */
