/* pool.h - the connections of a client that wait for a request, per origin; for net/client.c alone.
 *
 * A waiting connection costs its struct; the loop tells when its peer closes it.
 *
 * Threads: the loop's.
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "net/client.h"
#include "run/loop.h"

struct pool; /* the connections of one origin */

struct http_client {
    struct http_client_options opt;
    struct resolve *resolve;
    struct map pools;   /* of struct pool */
    struct pool *last;  /* the one that was asked for last; NULL = none, or gone */
    struct list by_age; /* idle connections, the one that waits longest first */
    size_t n_idle;
    struct loop_timer timer;                    /* when the first of them has waited too long */
    struct http_header space[HTTP_HEADERS_MAX]; /* for parsing, between two waits */
};

struct http_client_conn {
    struct conn conn; /* first: dial makes the whole */
    struct http_client *client;
    struct pool *pool;
    struct list in_pool, in_age;
    int64_t idle_since_ns;
};

/* What two requests must agree in to share a connection, in the caller's space. */
enum { POOL_KEY_MAX = 300 };
struct str pool_key(char space[POOL_KEY_MAX], const struct http_origin *o);

struct http_client_conn *pool_take(struct http_client *client,
                                   struct str key); /* NULL: none idle */
/* Counts a new connection in; from then on pool_give or pool_drop ends it. */
void pool_enter(struct http_client_conn *c, struct http_client *client, struct str key);
void pool_give(struct http_client_conn *c); /* ready for the next request */
void pool_drop(struct http_client_conn *c); /* closes it */
