/* server_conn.h - what server.c, server_request.c and server_reply.c know about each other; for
 * those alone.
 *
 *     IDLE --(bytes)--> BUSY: head -> handler -> rest of body skipped --(keep alive)--> IDLE
 *                         |
 *                         +--(bad, gone, close)--> closed
 *
 * Threads: the loop's.
 */
#pragma once

#include "net/listen.h"
#include "net/server.h"

#include <netinet/in.h>

enum {
    ARENAS_KEPT = 64,
    DATE_LINE_SIZE = 48,
    REQUEST_SPACE = 1856, /* of the fiber's stack, for what a streamed model call keeps */
};

struct http_server {
    struct io io; /* of the listener */
    struct listener listener;
    struct http_server_options opt;
    struct list idle, busy;   /* connections; idle: oldest first */
    struct loop_timer sweep;  /* when the first idle connection has been so for too long */
    struct loop_timer paused; /* no accepting until then: descriptors or memory have run out */
    size_t n_conns;
    bool draining, closing;
    struct http_header space[HTTP_HEADERS_MAX]; /* for parsing, never across a wait */
    struct arena *arena[ARENAS_KEPT];           /* reset, to be `early` of the next requests */
    unsigned n_arenas;
    int64_t date_until_ns;
    char date[DATE_LINE_SIZE]; /* "Date: ...\r\n" */
    size_t date_len;
};

struct http_conn {
    struct conn conn;
    struct http_server *server;
    struct list node;    /* in idle or busy */
    struct fiber *fiber; /* while busy */
    struct buf held;     /* came, and is not yet a whole head; or behind the last request */
    int64_t idle_since_ns;
    bool local;
    bool broken; /* nothing more can be sent */
    char peer[INET6_ADDRSTRLEN];
};

struct server_request {
    struct http_request pub;
    /* the body */
    struct str rest;  /* came together with the head and is not yet read; in `early` */
    uint64_t left;    /* of a body with HTTP_LENGTH */
    uint64_t body_in; /* raw bytes read from the connection */
    int64_t body_since_ns;
    struct http_chunked chunked;
    bool body_done;
    bool continued; /* 100 Continue has been sent */
    /* the answer */
    struct str head; /* of a streamed one, not yet sent */
    bool close;      /* the connection ends with it */
    bool chunks;     /* it is sent chunked */
    bool head_only;
    bool ended;
};

static inline struct server_request *request_of(struct http_request *r)
{
    return CONTAINER_OF(r, struct server_request, pub);
}

/* server_request.c */
enum { HEAD_GONE = -2, HEAD_BAD = -1, HEAD_GOOD = 1 };
/* Reads until there is a whole head. HEAD_GONE: there is nobody to answer. */
int request_read_head(struct server_request *r, struct err *e);
/* Has the body been read, or is the rest so small that reading it is cheaper than closing? */
bool request_body_skippable(const struct server_request *r);

/* server.c */
const char *server_date_line(struct http_server *s, size_t *len);
