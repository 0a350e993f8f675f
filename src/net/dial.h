/* dial.h - new connections to an origin: look-up, the race of addresses, TLS.
 *
 * Threads: the loop's; on a fiber.
 */
#pragma once

#include "net/client.h"

struct dial {
    const struct http_origin *origin;
    struct resolve *resolve;
    int64_t deadline_ns;
    int64_t next_address_ms;
    size_t size; /* of the struct to make; a struct conn is its first member */
};

/* *out is zeroed memory of d->size bytes that begins with the connection: a connection cannot move
 * once it is watched, and this way it is born where it will live. conn_fini and mem_free end it. */
bool dial(struct conn **out, const struct dial *d, struct err *e);

/* Makes the error of a step say what was being done and with whom: "connecting to 'host:1':
 * Connection refused", "connecting to 'host:1' took longer than 5000 ms". Returns false. */
bool dial_failed(struct err *e, const char *doing, const struct http_origin *o, int64_t since_ns);
