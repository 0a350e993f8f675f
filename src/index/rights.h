/* rights.h - who may read which documents.
 *
 * A document may carry an access list, a JSON object:
 *
 *     {"users": ["alice"], "groups": ["hr", "board"]}
 *
 * Then it is for those users and for the members of those groups. Without a list ("" or one that
 * names nobody) it is for everyone in the tenant. A caller has a name and groups, or neither: such
 * a caller reads what is for everyone. Rights become a set of documents before a search begins, so
 * what a caller may not read is no candidate, counts nowhere and is not timed.
 *
 * Memory:  borrowed.
 * Threads: any.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "index/docset.h"

struct attributes;

struct rights {
    bool everything; /* what operators have */
    struct str user; /* "" = without a name */
    const struct str *group;
    size_t n_groups;
};

extern const struct rights rights_all; /* everything */

enum { RIGHTS_MAX = 1000, RIGHTS_NAME_MAX = 256 }; /* names in a list; bytes of a name */

/* Is a document with this list for everyone? A list that cannot be read is for nobody. */
bool rights_is_open(struct str access);
/* May the caller read a document with this list? NULL: a caller without name. */
bool rights_allow(const struct rights *r, struct str access);
/* Calls fn with each user as "u:name" and group as "g:name"; once with "" for a list that is for
 * nobody. */
void rights_each(struct str access, struct arena *a, void (*fn)(void *ctx, struct str who),
                 void *ctx);
/* Takes out of `set` what the caller may not read. */
void rights_apply(const struct rights *r, const struct attributes *v, struct docset *set);

/* An access list as clients give it: an object with `users` and `groups`, each a list of names,
 * either left out. *out is how it is stored, "" when `v` is not there or null; {} when it names
 * nobody. ERR_INVALID with param. */
bool rights_parse(struct json_value v, struct arena *a, struct str *out, struct err *e);
/* The same from the command line: "user:alice,group:hr"; "everyone" names nobody. */
bool rights_parse_words(struct str words, struct arena *a, struct str *out, struct err *e);
/* Appends what tells callers apart: equal for two that may read the same documents. */
void rights_key(const struct rights *r, struct buf *out);
