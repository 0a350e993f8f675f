/* key.h - API keys: made, checked on every request, listed, revoked.
 *
 * A key is "pk-" and 43 letters, digits, - and _ (256 bits). Only HMAC-SHA-256 of it under the
 * server's own secret (data directory, mode 0600) is stored; the key itself is shown once. Looking
 * one up on the hot path takes no lock: 20 ns for a key that the thread has seen lately, else the
 * HMAC and a look-up in a table in memory. All wrong keys take the same time.
 *
 * Threads: key_check: any, no lock; the others: a fiber or a plain thread.
 */
#pragma once

#include "store/db.h"

enum { KEY_GROUPS = 32 };

enum key_role { KEY_READ_ONLY, KEY_USER, KEY_DEVELOPER, KEY_OPERATOR, KEY_ADMIN };

struct key_info { /* immutable once published; lives as long as the key ring */
    char id[32];  /* key_... */
    char tenant[32];
    char name[64];
    char hint[16]; /* last 4 characters, for lists */
    enum key_role role;
    int64_t created_s, revoked_s; /* revoked 0 = valid */
    /* In whose name it asks, which decides what documents it reads (index/rights.h). */
    char user[128];   /* "" = in nobody's */
    char groups[512]; /* separated by commas */
    struct str group[KEY_GROUPS];
    size_t n_groups;
    bool acts_for_users; /* may say with each request for whom it asks */
    struct str logged;   /* "key" and "tenant" as fields of a log line (log_made), "" = not made */
};

struct key_spec {
    struct str tenant; /* "" = the default one */
    struct str name;
    enum key_role role;
    struct str user, groups; /* groups separated by commas; either may be "" */
    bool acts_for_users;
};

struct key_ring;

enum { KEY_TEXT_SIZE = 64 };
#define KEY_DEFAULT_TENANT "default"

/* Makes the secret, dir/secret, when there are no keys yet; ERR_CORRUPT when there are and it has
 * gone. */
bool key_ring_open(struct key_ring **out, struct db *d, const char *dir, struct err *e);
void key_ring_close(struct key_ring *r);
size_t key_count(const struct key_ring *r); /* valid ones */

/* NULL when there is no such valid key. The result stays valid for the life of the ring. */
const struct key_info *key_check(const struct key_ring *r, struct str key);
/* A tenant is made when new. `text` is the key, ended by NUL. ERR_INVALID for a field that is too
 * long or no text, and for more than KEY_GROUPS groups. `info` may be NULL. */
bool key_create(struct key_ring *r, const struct key_spec *spec, char text[KEY_TEXT_SIZE],
                const struct key_info **info, struct err *e);
/* From now on key_check refuses it, even when false says that this could not be stored. Twice does
 * no harm. ERR_NOT_FOUND */
bool key_revoke(struct key_ring *r, struct str id, struct err *e);
/* All keys, newest first; *n of them, in `a`. */
const struct key_info **key_list(const struct key_ring *r, struct arena *a, size_t *n);
const char *key_role_name(enum key_role role); /* "read-only", "user", ... */
bool key_role_parse(struct str name, enum key_role *out);
