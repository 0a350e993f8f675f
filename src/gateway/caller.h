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
/* For lists and counts of the store: NULL when the caller reads everything. */
const struct doc_reader *caller_reader(const struct request *r);
/* ERR_NOT_FOUND, as if it were not there, for what the caller may not read: a document, an uploaded
 * file. */
bool caller_may_read(const struct request *r, const struct doc_document *d, struct err *e);
bool caller_may_read_file(const struct request *r, const struct doc_file *f, struct err *e);
/* Takes what the caller may not read out of what was counted. */
bool caller_hide(const struct request *r, struct doc_collection *c, struct err *e);
bool caller_hide_in_batch(const struct request *r, struct doc_batch *b, struct err *e);
