#include "net/pool.h"
#include "base/clock.h"

#include <sys/epoll.h>

enum { IDLE_PER_ORIGIN = 256, IDLE_TIMEOUT_MS = 60000, NEXT_ADDRESS_MS = 250 };

/* The connections of one origin. Lives as long as there are any. */
struct pool {
    struct list idle; /* the one used last first */
    uint32_t n_idle, n;
    size_t key_len;
    char key[];
};

static void or_default(int64_t *value, int64_t def)
{
    if (*value <= 0)
        *value = def;
}

struct http_client *http_client_new(const struct http_client_options *opt)
{
    struct http_client *c = mem_new(sizeof(*c));
    if (opt)
        c->opt = *opt;
    or_default(&c->opt.idle_timeout_ms, IDLE_TIMEOUT_MS);
    or_default(&c->opt.next_address_ms, NEXT_ADDRESS_MS);
    if (!c->opt.idle_per_origin)
        c->opt.idle_per_origin = IDLE_PER_ORIGIN;
    struct http_limits *lim = &c->opt.limits;
    if (!lim->headers)
        lim->headers = 64 << 10;
    if (!lim->line)
        lim->line = lim->headers;
    if (!lim->body)
        lim->body = 256 << 20;
    c->resolve = resolve_new(c->opt.lookup);
    map_init(&c->pools);
    list_init(&c->by_age);
    return c;
}

size_t http_client_idle(const struct http_client *c)
{
    return c->n_idle;
}

/* What two requests must agree in to share a connection. The TLS context counts as its address: a
 * connection keeps its context alive, so another one cannot have the same. */
struct str pool_key(char space[POOL_KEY_MAX], const struct http_origin *o)
{
    const uintptr_t tls = (uintptr_t)o->tls;
    char *p = space;
    memcpy(p, &tls, sizeof(tls));
    memcpy(p + sizeof(tls), &o->port, sizeof(o->port));
    p += sizeof(tls) + sizeof(o->port);
    size_t len = size_min(o->host.len, POOL_KEY_MAX - (size_t)(p - space));
    memcpy(p, o->host.p, len);
    return str_span(space, p + len);
}

/* Mostly the one that was asked for last. */
static struct pool *find(struct http_client *c, struct str key)
{
    struct pool *p = c->last;
    if (!p || !str_eq(key, (struct str){p->key, p->key_len}))
        p = map_get(&c->pools, key);
    return c->last = p;
}

static struct pool *pool_new(struct http_client *c, struct str key)
{
    struct pool *p = mem_new(sizeof(*p) + key.len);
    list_init(&p->idle);
    p->key_len = key.len;
    memcpy(p->key, key.p, key.len);
    map_set(&c->pools, key, p);
    return p;
}

void pool_enter(struct http_client_conn *c, struct http_client *client, struct str key)
{
    c->client = client;
    c->pool = find(client, key);
    if (!c->pool)
        c->pool = pool_new(client, key);
    c->pool->n++;
    list_init(&c->in_pool);
    list_init(&c->in_age);
}

static void leave_idle(struct http_client_conn *c)
{
    list_remove(&c->in_pool);
    list_remove(&c->in_age);
    c->pool->n_idle--;
    c->client->n_idle--;
}

void pool_drop(struct http_client_conn *c)
{
    struct pool *p = c->pool;
    if (--p->n == 0) {
        map_remove(&c->client->pools, (struct str){p->key, p->key_len});
        if (c->client->last == p)
            c->client->last = NULL;
        mem_free(p);
    }
    conn_fini(&c->conn);
    mem_free(c);
}

/* Does the peer keep quiet, as it must between two answers? TLS may have had something to say that
 * is not for us, such as a session ticket. */
static bool quiet(struct http_client_conn *c)
{
    char byte;
    return conn_read_now(&c->conn, &byte, 1, NULL) == TLS_WANT_READ;
}

static void idle_event(struct io *io, uint32_t events)
{
    struct conn *conn = CONTAINER_OF(io, struct conn, io);
    struct http_client_conn *c = (struct http_client_conn *)conn;
    bool over = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    if (!over && conn->tls && quiet(c))
        return;
    leave_idle(c);
    pool_drop(c);
}

static struct http_client_conn *oldest(const struct http_client *c)
{
    return list_entry(c->by_age.next, struct http_client_conn, in_age);
}

static int64_t expiry(const struct http_client_conn *c)
{
    return clock_after(c->idle_since_ns, c->client->opt.idle_timeout_ms);
}

static void expire(void *arg)
{
    struct http_client *client = arg;
    while (!list_empty(&client->by_age) && expiry(oldest(client)) <= loop_now()) {
        struct http_client_conn *c = oldest(client);
        leave_idle(c);
        pool_drop(c);
    }
    if (!list_empty(&client->by_age))
        loop_timer_start(&client->timer, expiry(oldest(client)), expire, client);
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    while (!list_empty(&c->by_age)) {
        struct http_client_conn *conn = oldest(c);
        leave_idle(conn);
        pool_drop(conn);
    }
    CHECK(c->pools.n == 0);
    loop_timer_stop(&c->timer);
    map_fini(&c->pools);
    resolve_free(c->resolve);
    mem_free(c);
}

struct http_client_conn *pool_take(struct http_client *client, struct str key)
{
    struct pool *p = find(client, key);
    if (!p || list_empty(&p->idle))
        return NULL;
    struct http_client_conn *c = list_entry(p->idle.next, struct http_client_conn, in_pool);
    leave_idle(c);
    c->conn.io.idle = NULL;
    return c;
}

void pool_give(struct http_client_conn *c)
{
    struct http_client *client = c->client;
    struct pool *p = c->pool;
    bool clean = !c->conn.tls || !tls_pending(c->conn.tls) || quiet(c);
    if (!clean || !io_idle(&c->conn.io, idle_event)) {
        pool_drop(c);
        return;
    }
    c->idle_since_ns = loop_now();
    list_push(&p->idle, &c->in_pool);
    list_add(&client->by_age, &c->in_age);
    client->n_idle++;
    if (++p->n_idle > client->opt.idle_per_origin) {
        struct http_client_conn *last = list_entry(p->idle.prev, struct http_client_conn, in_pool);
        leave_idle(last);
        pool_drop(last);
    }
    if (!client->timer.heap_i)
        loop_timer_start(&client->timer, expiry(oldest(client)), expire, client);
}
