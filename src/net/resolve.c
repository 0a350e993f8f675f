/* An entry per name. Its lookup is a fiber of its own that waits for the worker, because that wait
 * cannot be abandoned while those who want the answer have deadlines. */
#include "net/resolve.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "run/fiber.h"
#include "run/work.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>

enum { HOST_MAX = 255, ENTRIES_MAX = 1000, FOUND_MS = 30000, NOT_FOUND_MS = 2000 };

struct entry {
    char host[HOST_MAX + 1];
    resolve_lookup *lookup;
    bool running;  /* a fiber is looking it up */
    bool orphaned; /* the resolver has gone; the fiber frees the entry */
    int64_t until_ns;
    struct resolve_list list; /* n = 0: not found, for the reason in e */
    struct err e;
    struct list waiters;
    /* the lookup's */
    struct resolve_list new_list;
    struct err new_e;
    bool found;
};

struct waiter {
    struct list node;
    struct fiber *fiber;
};

struct resolve {
    resolve_lookup *lookup;
    struct map entries; /* of struct entry, keyed by its host */
};

struct resolve *resolve_new(resolve_lookup *lookup)
{
    struct resolve *r = mem_new(sizeof(*r));
    r->lookup = lookup ? lookup : resolve_system;
    map_init(&r->entries);
    return r;
}

static void drop(struct entry *en)
{
    CHECK(list_empty(&en->waiters));
    if (en->running)
        en->orphaned = true;
    else
        mem_free(en);
}

void resolve_free(struct resolve *r)
{
    if (!r)
        return;
    map_each (s, &r->entries)
        drop(s->value);
    map_fini(&r->entries);
    mem_free(r);
}

/* ---- The system's way ---- */

/* RFC 8305 section 4: getaddrinfo's order, but families in turn, so that a network where one of
 * them leads nowhere costs one delay and not several. */
static void take_in_turn(const struct addrinfo *all, struct resolve_list *out)
{
    const struct addrinfo *first = all, *other = all;
    while (out->n < RESOLVE_MAX) {
        while (first && first->ai_family != all->ai_family)
            first = first->ai_next;
        while (other && other->ai_family == all->ai_family)
            other = other->ai_next;
        if (!first && !other)
            break;
        bool turn = !other || (first && out->n % 2 == 0);
        const struct addrinfo **from = turn ? &first : &other;
        if ((*from)->ai_addrlen <= sizeof(out->addr[0]))
            memcpy(&out->addr[out->n++], (*from)->ai_addr, (*from)->ai_addrlen);
        *from = (*from)->ai_next;
    }
}

bool resolve_system(const char *host, struct resolve_list *out, struct err *e)
{
    struct addrinfo want = {.ai_socktype = SOCK_STREAM}, *all;
    int rc = getaddrinfo(host, NULL, &want, &all);
    out->n = 0;
    if (rc == EAI_SYSTEM)
        return err_sys(e, ERR_UPSTREAM, "cannot look up '%s'", host);
    if (rc == EAI_NONAME || rc == EAI_NODATA)
        return err_set(e, ERR_NOT_FOUND, "no address for '%s'", host);
    if (rc != 0)
        return err_set(e, ERR_UPSTREAM, "cannot look up '%s': %s", host, gai_strerror(rc));
    take_in_turn(all, out);
    freeaddrinfo(all);
    return out->n > 0 || err_set(e, ERR_NOT_FOUND, "no address for '%s'", host);
}

/* ---- Lookups ---- */

static void run_lookup(void *arg)
{
    struct entry *en = arg;
    en->found = en->lookup(en->host, &en->new_list, &en->new_e);
}

static void settle(struct entry *en)
{
    bool unknown = !en->found && en->new_e.code != ERR_NOT_FOUND;
    en->until_ns = clock_after(clock_now(), en->found ? FOUND_MS : NOT_FOUND_MS);
    if (en->found) {
        en->list = en->new_list;
    } else if (!unknown || en->list.n == 0) {
        en->list.n = 0;
        en->e = en->new_e;
        en->e.code = ERR_UPSTREAM;
    }
    list_each (node, &en->waiters)
        fiber_wake(list_entry(node, struct waiter, node)->fiber);
}

static void look_up(void *arg)
{
    struct entry *en = arg;
    work_run(run_lookup, en);
    en->running = false;
    if (en->orphaned)
        mem_free(en);
    else
        settle(en);
}

static bool await(struct entry *en, int64_t deadline_ns, struct err *e)
{
    struct waiter w = {.fiber = fiber_self()};
    list_add(&en->waiters, &w.node);
    enum fiber_wake how = FIBER_WOKEN;
    while (en->running && how == FIBER_WOKEN)
        how = fiber_wait(deadline_ns);
    list_remove(&w.node);
    return !en->running || fiber_wake_ok(how, e);
}

/* Names come from the configuration, but a setting per request may name others: a full cache is
 * emptied of what nobody waits for. */
static void make_room(struct resolve *r)
{
    if (r->entries.n < ENTRIES_MAX)
        return;
    struct map keep;
    map_init(&keep);
    map_each (s, &r->entries) {
        struct entry *en = s->value;
        if (en->running || !list_empty(&en->waiters))
            map_set(&keep, s->key, en);
        else
            drop(en);
    }
    map_fini(&r->entries);
    r->entries = keep;
}

static struct entry *entry_of(struct resolve *r, struct str host)
{
    struct entry *en = map_get(&r->entries, host);
    if (en)
        return en;
    make_room(r);
    en = mem_new(sizeof(*en));
    en->lookup = r->lookup;
    memcpy(en->host, host.p, host.len);
    list_init(&en->waiters);
    map_set(&r->entries, host, en);
    return en;
}

static bool literal(struct str host, struct resolve_list *out)
{
    char text[INET6_ADDRSTRLEN];
    if (host.len >= sizeof(text))
        return false;
    memcpy(text, host.p, host.len);
    text[host.len] = 0;
    *out = (struct resolve_list){.n = 1};
    if (inet_pton(AF_INET, text, &out->addr[0].v4.sin_addr) == 1)
        out->addr[0].sa.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &out->addr[0].v6.sin6_addr) == 1)
        out->addr[0].sa.sa_family = AF_INET6;
    else
        out->n = 0;
    return out->n > 0;
}

static void set_port(struct resolve_list *list, uint16_t port)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->addr[i].sa.sa_family == AF_INET)
            list->addr[i].v4.sin_port = htons(port);
        else
            list->addr[i].v6.sin6_port = htons(port);
    }
}

bool resolve_name(struct resolve *r, struct str host, uint16_t port, struct resolve_list *out,
                  int64_t deadline_ns, struct err *e)
{
    if (host.len == 0 || host.len > HOST_MAX || memchr(host.p, 0, host.len))
        return err_set(e, ERR_INVALID, "'%.*s' is no host name", STR_FMT(str_head(host, 100)));
    if (!literal(host, out)) {
        struct entry *en = entry_of(r, host);
        if (!en->running && en->until_ns <= loop_now()) {
            en->running = true;
            fiber_go(look_up, en, "resolve");
        }
        if (en->running && !await(en, deadline_ns, e))
            return false;
        if (en->list.n == 0) {
            if (e)
                *e = en->e;
            return false;
        }
        *out = en->list;
    }
    set_port(out, port);
    return true;
}
