/* response.h - answers that were kept: what was asked, what was said, and what came before.
 *
 * A response belongs to a tenant; for others it does not exist. Each names the one that it
 * continues, so a conversation is a chain. One that was deleted is gone with its text, and a chain
 * through it is broken.
 *
 * Memory:  what is read lives in the arena given.
 * Threads: as db.h.
 * Errors:  ERR_NOT_FOUND for an id that is unknown, deleted or another tenant's; and those of db.h.
 */
#pragma once

#include "store/db.h"

struct response {
    struct str id, tenant;
    struct str previous; /* id, "" = begins the conversation */
    struct str input;    /* JSON: the list of its input items, each with an id */
    struct str answer;   /* JSON: the response as the client got it */
};

bool response_add(struct db *d, const struct response *r, struct err *e);
bool response_find(struct db *d, struct arena *a, struct str tenant, struct str id,
                   struct response *out, struct err *e);
bool response_delete(struct db *d, struct str tenant, struct str id, struct err *e);

/* The conversation that ends with `id`, oldest first, both texts of each. ERR_NOT_FOUND also when a
 * response in it was deleted; ERR_TOO_LARGE when its texts are longer than `most` bytes together.
 */
bool response_chain(struct db *d, struct arena *a, struct str tenant, struct str id, size_t most,
                    struct response **out, size_t *n, struct err *e);

/* Deletes at most RESPONSE_BATCH of those that were made before this time, and whose conversation
 * has none since. *n: how many. */
enum { RESPONSE_BATCH = 1000 };
bool response_expire(struct db *d, int64_t before_ms, size_t *n, struct err *e);
