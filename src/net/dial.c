/* With several addresses there is a fiber for each (RFC 8305): the first starts at once, each next
 * one when its predecessors have failed or have been given their time. The first that connects
 * wins; the others are cancelled, and no fiber outlives the race. One address, the usual case on
 * the way to a local server, needs no fiber at all. */
#include "net/dial.h"
#include "base/clock.h"
#include "run/fiber.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct race {
    const struct dial *d;
    const struct resolve_list *list;
    int64_t start_ns;
    size_t failed;
    struct fiber *waiting[RESOLVE_MAX]; /* for their turn */
    struct conn *winner;
    struct err e; /* of the first that failed */
};

struct runner {
    struct race *race;
    size_t i;
};

bool dial_failed(struct err *e, const char *doing, const struct http_origin *o, int64_t since_ns)
{
    if (e->code == ERR_TIMEOUT)
        return err_set(e, ERR_TIMEOUT, "%s '%.*s' took longer than %lld ms", doing,
                       STR_FMT(o->host_header), (long long)((loop_now() - since_ns) / NS_PER_MS));
    if (e->code == ERR_CANCELLED)
        return false;
    return err_prefix(e, "%s '%.*s': ", doing, STR_FMT(o->host_header));
}

static void discard(struct conn *c)
{
    conn_fini(c);
    mem_free(c);
}

static bool refused(int code, struct err *e)
{
    char text[96];
    return err_set(e, ERR_UPSTREAM, "%s", strerror_r(code, text, sizeof(text)));
}

/* Waits for a connect that is under way and says how it went. */
static bool finish(struct conn *c, int64_t deadline_ns, struct err *e)
{
    if (!io_wait(&c->io, EPOLLOUT, deadline_ns, e))
        return false;
    int code = 0;
    socklen_t len = sizeof(code);
    if (getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &code, &len) != 0)
        code = errno;
    return code == 0 || refused(code, e);
}

static bool connect_to(struct conn **out, const struct sockaddr *sa, socklen_t len,
                       const struct dial *d, struct err *e)
{
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(e, ERR_UNAVAILABLE, "cannot make a socket");
    if (sa->sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    bool under_way = connect(fd, sa, len) != 0;
    if (under_way && errno != EINPROGRESS) {
        refused(errno, e);
        close(fd);
        return false;
    }
    struct conn *c = mem_new(d->size);
    if (!conn_init(c, fd, e)) {
        close(fd);
        mem_free(c);
        return false;
    }
    if (under_way && !finish(c, d->deadline_ns, e)) {
        discard(c);
        return false;
    }
    *out = c;
    return true;
}

static bool connect_address(struct conn **out, const union resolve_addr *a, const struct dial *d,
                            struct err *e)
{
    return connect_to(out, &a->sa, a->sa.sa_family == AF_INET ? sizeof(a->v4) : sizeof(a->v6), d,
                      e);
}

/* ---- The race ---- */

static bool my_turn(const struct runner *r)
{
    struct race *race = r->race;
    int64_t at_ns = clock_after(race->start_ns, race->d->next_address_ms * (int64_t)r->i);
    while (r->i > race->failed && loop_now() < at_ns && !race->winner) {
        race->waiting[r->i] = fiber_self();
        enum fiber_wake how = fiber_wait(at_ns);
        race->waiting[r->i] = NULL;
        if (how == FIBER_CANCELLED || (how == FIBER_TIMEOUT && loop_now() < at_ns))
            return false;
    }
    return !race->winner;
}

static void lost(struct race *race, const struct err *e)
{
    if (race->failed++ == 0)
        race->e = *e;
    for (size_t i = 0; i < race->list->n; i++)
        if (race->waiting[i])
            fiber_wake(race->waiting[i]);
}

static void run(void *arg)
{
    const struct runner *r = arg;
    struct race *race = r->race;
    struct conn *c = NULL;
    struct err e;
    /* The first address is tried at once even where next_address_ms * 0 looks like "never". */
    if (r->i > 0 && !my_turn(r))
        return;
    if (!connect_address(&c, &race->list->addr[r->i], race->d, &e))
        lost(race, &e);
    else if (race->winner)
        discard(c);
    else
        race->winner = c;
}

static bool outcome(struct conn **out, const struct race *race, struct err *e)
{
    if (race->winner) {
        *out = race->winner;
        return true;
    }
    if (fiber_cancelled())
        return fiber_wake_ok(FIBER_CANCELLED, e);
    if (race->failed < race->list->n || race->e.code == ERR_CANCELLED)
        return fiber_wake_ok(FIBER_TIMEOUT, e);
    *e = race->e;
    return false;
}

static bool connect_any(struct conn **out, const struct resolve_list *list, const struct dial *d,
                        struct err *e)
{
    if (list->n == 1)
        return connect_address(out, &list->addr[0], d, e);
    struct race race = {.d = d, .list = list, .start_ns = loop_now()};
    struct runner runner[RESOLVE_MAX];
    struct fiber_group g;
    fiber_group_init(&g, d->deadline_ns);
    for (size_t i = 0; i < list->n; i++) {
        runner[i] = (struct runner){&race, i};
        fiber_group_go(&g, run, &runner[i], "connect");
    }
    while (!race.winner && fiber_group_wait_any(&g))
        ;
    fiber_group_fini(&g);
    return outcome(out, &race, e);
}

/* ---- From origin to connection ---- */

static bool dial_unix(struct conn **out, const struct dial *d, struct err *e)
{
    struct str path = d->origin->host;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (path.len >= sizeof(sa.sun_path))
        return err_set(e, ERR_INVALID, "path of a unix socket is longer than %zu bytes",
                       sizeof(sa.sun_path) - 1);
    memcpy(sa.sun_path, path.p, path.len);
    return connect_to(out, (const struct sockaddr *)&sa, sizeof(sa), d, e);
}

static bool dial_tcp(struct conn **out, const struct dial *d, struct err *e)
{
    struct resolve_list list;
    int64_t start_ns = loop_now();
    if (!resolve_name(d->resolve, d->origin->host, d->origin->port, &list, d->deadline_ns, e))
        return dial_failed(e, "looking up", d->origin, start_ns);
    start_ns = loop_now();
    return connect_any(out, &list, d, e) || dial_failed(e, "connecting to", d->origin, start_ns);
}

bool dial(struct conn **out, const struct dial *d, struct err *e)
{
    const struct http_origin *o = d->origin;
    struct conn *c = NULL;
    int64_t start_ns = loop_now();
    if (o->port == 0 && !dial_unix(&c, d, e))
        return dial_failed(e, "connecting to", o, start_ns);
    if (o->port != 0 && !dial_tcp(&c, d, e))
        return false;
    start_ns = loop_now();
    if (o->tls && !conn_tls_connect(c, o->tls, o->host, d->deadline_ns, e)) {
        discard(c);
        return dial_failed(e, "TLS handshake with", o, start_ns);
    }
    *out = c;
    return true;
}
