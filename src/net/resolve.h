/* resolve.h - names to addresses, without stopping the loop.
 *
 * Literals need no lookup. Names are looked up on a worker, once for all who ask at the same time,
 * and kept for 30 s; a name that was not found is kept for 2 s. When a name server does not answer,
 * the last addresses are used on. Whoever waits may give up before the lookup has ended.
 *
 * Errors:  ERR_UPSTREAM for names without addresses, ERR_TIMEOUT, ERR_CANCELLED.
 * Threads: the loop's; one resolver per loop.
 */
#pragma once

#include "base/err.h"

#include <netinet/in.h>

enum { RESOLVE_MAX = 8 };

union resolve_addr {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* In the order to try them, families in turn. */
struct resolve_list {
    union resolve_addr addr[RESOLVE_MAX];
    size_t n;
};

/* How names are looked up; runs on a worker. Ports do not matter. `host` is ended by NUL. Fails
 * with ERR_NOT_FOUND for a name that has no addresses, anything else for not being able to tell. */
typedef bool resolve_lookup(const char *host, struct resolve_list *out, struct err *e);
resolve_lookup resolve_system; /* getaddrinfo */

struct resolve;
struct resolve *resolve_new(resolve_lookup *lookup); /* NULL = resolve_system */
void resolve_free(struct resolve *r);                /* nobody waits; lookups may still run */

bool resolve_name(struct resolve *r, struct str host, uint16_t port, struct resolve_list *out,
                  int64_t deadline_ns, struct err *e);
