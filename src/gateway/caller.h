/* caller.h - for whom a request asks: what decides which documents it may read.
 *
 * A key carries a user and groups, or neither. One that acts for users may name them per request:
 *
 *     x-penstock-user: alice
 *     x-penstock-groups: hr, board
 *
 * and then reads what they may, and nothing else. From any other key these headers are refused, as
 * a client that believes they work must not be answered in another's name. A key of the roles
 * operator and admin reads everything, unless it names a user. A key without user and groups reads
 * what has no access list.
 *
 * Memory:  in the request's arena, or the key's.
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"

enum { CALLER_GROUPS = 256 };

/* Behind the key: sets r->rights. ERR_FORBIDDEN, ERR_INVALID. */
bool caller_identify(struct request *r, struct err *e);
/* Who may read of `access`: ERR_NOT_FOUND with the message for a document that is not there. */
bool caller_may_read(const struct request *r, const struct doc_document *d, struct err *e);
