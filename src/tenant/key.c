/* The table that key_check reads is open addressing over pointers. There is one writer at a time
 * (under the lock); a reader sees each slot change in one store: empty to key, key to GONE. A table
 * that is half full is replaced by one of twice the size; old tables and revoked keys stay until
 * the ring is closed, because a reader may be in them. As sizes double that is less than the table
 * in use, and no counting or waiting is needed on the path of every request.
 *
 * What a thread has looked up last it finds again without the HMAC, by the key itself: that one is
 * in memory while its requests run in any case, as those of the providers are. A place there comes
 * from a hash under a secret of the process, and all of the key is always compared.
 *
 * The place in the table comes from the HMAC, which nobody can steer or learn without the secret,
 * so the little that its time tells is worth nothing; a miss is compared with a key that cannot be,
 * all the same.
 */
#include "tenant/key.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/utf8.h"

#include <stdatomic.h>
#include <stdio.h>

enum {
    SECRET_SIZE = 32,
    RANDOM_SIZE = 32, /* of a key: 43 characters */
    TEXT_LEN = 3 + 43,
    FIRST_CAP = 64, /* power of two */
    RECENT = 128,   /* keys that a thread remembers */
};

struct entry {
    struct key_info info; /* set once */
    uint8_t hash[SHA256_SIZE];
    atomic_bool withdrawn;
    struct entry *replaced; /* the same key before it was revoked */
};

struct table {
    struct table *old;
    uint32_t cap, used; /* used: under lock; slots that are not empty */
    _Atomic(struct entry *) slot[];
};

struct key_ring {
    /* set once */
    uint64_t number; /* no other ring of the process has it */
    struct db *db;
    struct digest_key secret;
    /* atomic */
    _Atomic(struct table *) table;
    atomic_size_t valid;
    /* under lock */
    struct lock lock;
    struct entry **entry; /* all, oldest first */
    size_t n, cap;
    struct arena *texts; /* of the keys */
};

struct recent {
    uint64_t ring; /* its number; 0: empty */
    const struct entry *entry;
    char key[TEXT_LEN];
};

static struct entry gone; /* stands where a revoked key was */
static const struct entry nobody;

static const char *const roles[] = {
    [KEY_READ_ONLY] = "read-only", [KEY_USER] = "user",   [KEY_DEVELOPER] = "developer",
    [KEY_OPERATOR] = "operator",   [KEY_ADMIN] = "admin",
};

const char *key_role_name(enum key_role role)
{
    return roles[role];
}

bool key_role_parse(struct str name, enum key_role *out)
{
    for (size_t i = 0; i < COUNT(roles); i++) {
        if (str_eq(name, str_from(roles[i]))) {
            *out = (enum key_role)i;
            return true;
        }
    }
    return false;
}

/* ---- The table ---- */

static uint64_t place_of(const uint8_t hash[SHA256_SIZE])
{
    uint64_t place;
    memcpy(&place, hash, sizeof(place));
    return place;
}

static struct table *table_new(uint32_t cap, struct table *old)
{
    struct table *t = mem_new(sizeof(*t) + cap * sizeof(t->slot[0]));
    t->cap = cap;
    t->old = old;
    return t;
}

static void insert(struct table *t, struct entry *en)
{
    uint64_t at = place_of(en->hash);
    while (atomic_load_explicit(&t->slot[at & (t->cap - 1)], memory_order_relaxed))
        at++;
    atomic_store_explicit(&t->slot[at & (t->cap - 1)], en, memory_order_release);
    t->used++;
}

static void publish_locked(struct key_ring *r, struct entry *en)
{
    struct table *t = atomic_load_explicit(&r->table, memory_order_relaxed);
    if (2 * (t->used + 1) > t->cap) {
        struct table *larger = table_new(2 * t->cap, t);
        for (uint32_t i = 0; i < t->cap; i++) {
            struct entry *old = atomic_load_explicit(&t->slot[i], memory_order_relaxed);
            if (old && old != &gone)
                insert(larger, old);
        }
        insert(larger, en);
        atomic_store_explicit(&r->table, larger, memory_order_release);
    } else {
        insert(t, en);
    }
    atomic_fetch_add(&r->valid, 1);
}

static void withdraw_locked(struct key_ring *r, struct entry *en)
{
    struct table *t = atomic_load_explicit(&r->table, memory_order_relaxed);
    atomic_store_explicit(&en->withdrawn, true, memory_order_release);
    for (uint64_t at = place_of(en->hash);; at++) {
        _Atomic(struct entry *) *slot = &t->slot[at & (t->cap - 1)];
        struct entry *there = atomic_load_explicit(slot, memory_order_relaxed);
        CHECK(there); /* a valid key is in the table */
        if (there == en) {
            atomic_store_explicit(slot, &gone, memory_order_release);
            atomic_fetch_sub(&r->valid, 1);
            return;
        }
    }
}

static void add_locked(struct key_ring *r, struct entry *en)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 16;
        r->entry = mem_resize(r->entry, r->cap, sizeof(*r->entry));
    }
    r->entry[r->n++] = en;
    struct key_info *k = &en->info;
    k->logged =
        log_made(r->texts, (struct log_field[]){kv("key", k->id), kv("tenant", k->tenant)}, 2);
    if (!en->info.revoked_s)
        publish_locked(r, en);
}

/* NULL: there is none with this HMAC. */
static const struct entry *look_up(const struct key_ring *r, struct str key)
{
    uint8_t hash[SHA256_SIZE];
    digest_keyed(&r->secret, key, hash);
    const struct table *t = atomic_load_explicit(&r->table, memory_order_acquire);
    for (uint64_t at = place_of(hash);; at++) {
        const struct entry *en =
            atomic_load_explicit(&t->slot[at & (t->cap - 1)], memory_order_acquire);
        bool same = digest_equal((en ? en : &nobody)->hash, hash, sizeof(hash));
        if (!en || (same && en != &gone))
            return en;
    }
}

const struct key_info *key_check(const struct key_ring *r, struct str key)
{
    static _Thread_local struct recent recent[RECENT];
    if (key.len != TEXT_LEN) {
        look_up(r, STR("-")); /* for the time that it takes */
        return NULL;
    }
    struct recent *at = &recent[hash64(key) % RECENT];
    if (digest_equal(at->key, key.p, TEXT_LEN) && at->ring == r->number &&
        !atomic_load_explicit(&at->entry->withdrawn, memory_order_acquire))
        return &at->entry->info;
    const struct entry *en = look_up(r, key);
    if (!en)
        return NULL;
    *at = (struct recent){.ring = r->number, .entry = en};
    memcpy(at->key, key.p, TEXT_LEN);
    return &en->info;
}

size_t key_count(const struct key_ring *r)
{
    return atomic_load(&r->valid);
}

/* ---- Making and revoking ---- */

static void copy(char *to, size_t size, struct str from)
{
    snprintf(to, size, "%.*s", STR_FMT(from));
}

static bool fits(struct str s, size_t size, const char *param, struct err *e)
{
    if (s.len >= size)
        return err_param(e, ERR_INVALID, param, "'%s' is longer than %zu bytes", param, size - 1);
    bool plain = utf8_valid(s);
    for (size_t i = 0; plain && i < s.len; i++)
        plain = (unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7f;
    return plain ||
           err_param(e, ERR_INVALID, param, "'%s' has a character that is not text", param);
}

/* base64url without padding, RFC 4648 section 5: 256 bits in 43 characters. */
static void make_text(char text[KEY_TEXT_SIZE])
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t raw[RANDOM_SIZE + 1] = {0};
    random_bytes(raw, RANDOM_SIZE);
    memcpy(text, "pk-", 3);
    for (unsigned i = 0; i < TEXT_LEN - 3; i++) {
        unsigned bit = i * 6, two = (unsigned)raw[bit / 8] << 8 | raw[bit / 8 + 1];
        text[3 + i] = digit[two >> (10 - bit % 8) & 63];
    }
    text[TEXT_LEN] = 0;
}

static bool create_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct entry *en = arg;
    const struct key_info *k = &en->info;
    struct str tenant = str_from(k->tenant);
    return db_exec(tx, e,
                   "insert into tenants (id, name, created_s) values ($1, $2, $3)"
                   " on conflict (id) do nothing",
                   DB_TEXT(tenant), DB_TEXT(tenant), DB_INT(k->created_s)) &&
           db_exec(tx, e,
                   "insert into keys (id, tenant, name, role, hint, hash, created_s, revoked_s,"
                   " username, member_of, acts_for_users)"
                   " values ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10)",
                   DB_TEXT(str_from(k->id)), DB_TEXT(tenant), DB_TEXT(str_from(k->name)),
                   DB_TEXT(str_from(key_role_name(k->role))), DB_TEXT(str_from(k->hint)),
                   DB_BLOB(((struct str){(const char *)en->hash, SHA256_SIZE})),
                   DB_INT(k->created_s), DB_TEXT(str_from(k->user)), DB_TEXT(str_from(k->groups)),
                   DB_INT(k->acts_for_users));
}

/* Names between the commas; those that are only white space do not count. */
static bool split_groups(struct key_info *k)
{
    struct str rest = str_from(k->groups), name;
    k->n_groups = 0;
    while (str_split(&rest, ',', &name)) {
        name = str_trim(name);
        if (!name.len)
            continue;
        if (k->n_groups == KEY_GROUPS)
            return false;
        k->group[k->n_groups++] = name;
    }
    return true;
}

static bool spec_fits(const struct key_spec *s, struct err *e)
{
    const struct key_info *k = NULL;
    return fits(s->tenant, sizeof(k->tenant), "tenant", e) &&
           fits(s->name, sizeof(k->name), "name", e) && fits(s->user, sizeof(k->user), "user", e) &&
           fits(s->groups, sizeof(k->groups), "groups", e);
}

bool key_create(struct key_ring *r, const struct key_spec *spec, char text[KEY_TEXT_SIZE],
                const struct key_info **info, struct err *e)
{
    struct str tenant = spec->tenant.len ? spec->tenant : STR(KEY_DEFAULT_TENANT);
    if (!spec_fits(spec, e))
        return false;
    struct entry *en = mem_new(sizeof(*en));
    char id[RANDOM_ID_SIZE];
    random_id(id, "key_");
    make_text(text);
    copy(en->info.id, sizeof(en->info.id), str_from(id));
    copy(en->info.tenant, sizeof(en->info.tenant), tenant);
    copy(en->info.name, sizeof(en->info.name), spec->name);
    copy(en->info.user, sizeof(en->info.user), str_trim(spec->user));
    copy(en->info.groups, sizeof(en->info.groups), spec->groups);
    copy(en->info.hint, sizeof(en->info.hint), str_from(text + TEXT_LEN - 4));
    en->info.role = spec->role;
    en->info.acts_for_users = spec->acts_for_users;
    en->info.created_s = clock_wall_s();
    if (!split_groups(&en->info)) {
        mem_free(en);
        return err_param(e, ERR_INVALID, "groups", "a key has at most %d groups", KEY_GROUPS);
    }
    digest_keyed(&r->secret, (struct str){text, TEXT_LEN}, en->hash);
    if (!db_write(r->db, create_tx, en, e)) {
        mem_free(en);
        return false;
    }
    lock_take(&r->lock);
    add_locked(r, en);
    lock_drop(&r->lock);
    if (info)
        *info = &en->info;
    return true;
}

static bool revoke_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct entry *en = arg;
    return db_exec(tx, e, "update keys set revoked_s = $1 where id = $2 and revoked_s = 0",
                   DB_INT(en->info.revoked_s), DB_TEXT(str_from(en->info.id)));
}

/* A key that is to be revoked is no longer accepted even when that cannot be stored: it may be in
 * the wrong hands now. Asked again, it tries again to store it. */
bool key_revoke(struct key_ring *r, struct str id, struct err *e)
{
    struct entry *en = NULL;
    lock_take(&r->lock);
    for (size_t i = 0; i < r->n; i++) {
        if (!str_eq(id, str_from(r->entry[i]->info.id)))
            continue;
        en = r->entry[i];
        if (!en->info.revoked_s) {
            struct entry *revoked = mem_copy(en, sizeof(*en));
            revoked->info.revoked_s = clock_wall_s();
            revoked->replaced = en;
            withdraw_locked(r, en);
            r->entry[i] = en = revoked;
        }
        break;
    }
    lock_drop(&r->lock);
    if (!en)
        return err_set(e, ERR_NOT_FOUND, "there is no key '%.*s'", STR_FMT(str_head(id, 40)));
    return db_write(r->db, revoke_tx, en, e) ||
           err_prefix(e, "the key is refused until the next start, but not after it: ");
}

const struct key_info **key_list(const struct key_ring *r, struct arena *a, size_t *n)
{
    struct lock *lock = (struct lock *)&r->lock;
    lock_take(lock);
    *n = r->n;
    const struct key_info **list = arena_array(a, const struct key_info *, *n);
    for (size_t i = 0; i < *n; i++)
        list[i] = &r->entry[*n - 1 - i]->info;
    lock_drop(lock);
    return list;
}

/* ---- Opening ---- */

static bool read_row(struct db_rows *rows, struct entry *en, struct err *e)
{
    struct key_info *k = &en->info;
    copy(k->id, sizeof(k->id), db_text(rows, 0));
    copy(k->tenant, sizeof(k->tenant), db_text(rows, 1));
    copy(k->name, sizeof(k->name), db_text(rows, 2));
    copy(k->hint, sizeof(k->hint), db_text(rows, 4));
    struct str hash = db_text(rows, 5);
    k->created_s = db_int(rows, 6);
    k->revoked_s = db_int(rows, 7);
    copy(k->user, sizeof(k->user), db_text(rows, 8));
    copy(k->groups, sizeof(k->groups), db_text(rows, 9));
    k->acts_for_users = db_int(rows, 10) != 0;
    if (!key_role_parse(db_text(rows, 3), &k->role) || hash.len != SHA256_SIZE || !split_groups(k))
        return err_set(e, ERR_CORRUPT, "key '%s' is damaged in the database: restore a backup",
                       k->id);
    memcpy(en->hash, hash.p, SHA256_SIZE);
    return true;
}

static bool load_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct key_ring *r = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e,
                  "select id, tenant, name, role, hint, hash, created_s, revoked_s, username,"
                  " member_of, acts_for_users from keys order by created_s, id"))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        struct entry *en = mem_new(sizeof(*en));
        if (!read_row(rows, en, e)) {
            mem_free(en);
            got = -1;
            break;
        }
        lock_take(&r->lock);
        add_locked(r, en);
        lock_drop(&r->lock);
    }
    db_done(rows);
    return got == 0;
}

/* One line of hexadecimal, so that it can be kept elsewhere by copying it. Made at the first start;
 * a store that has keys must have it, as no key could be checked without. */
static bool open_secret(struct key_ring *r, const char *dir, struct err *e)
{
    struct arena *a = arena_new();
    const char *path = arena_printf(a, "%s/secret", dir).p;
    char secret[SECRET_SIZE] = {0};
    struct str text;
    bool good;
    if (file_exists(path)) {
        good = file_read(&text, a, path, 4096, e) &&
               (digest_from_hex(secret, str_trim(text), SECRET_SIZE) ||
                err_set(e, ERR_CORRUPT, "'%s' is damaged: restore it from a backup", path));
    } else if (r->n) {
        good =
            err_set(e, ERR_CORRUPT,
                    "'%s' is missing, so no API key can be checked: restore it from a backup, or "
                    "delete the keys from the database and make new ones",
                    path);
    } else {
        char hex[2 * SECRET_SIZE + 1];
        random_bytes(secret, SECRET_SIZE);
        digest_to_hex(hex, secret, SECRET_SIZE);
        good = file_replace(path, arena_printf(a, "%s\n", hex), 0600, e);
    }
    digest_key_init(&r->secret, (struct str){secret, SECRET_SIZE});
    arena_free(a);
    return good;
}

bool key_ring_open(struct key_ring **out, struct db *d, const char *dir, struct err *e)
{
    static atomic_uint_fast64_t rings;
    struct key_ring *r = mem_new(sizeof(*r));
    r->number = atomic_fetch_add(&rings, 1) + 1;
    r->texts = arena_new();
    r->db = d;
    lock_init(&r->lock);
    atomic_init(&r->table, table_new(FIRST_CAP, NULL));
    if (!db_read(d, load_tx, r, e) || !open_secret(r, dir, e)) {
        key_ring_close(r);
        return false;
    }
    *out = r;
    return true;
}

void key_ring_close(struct key_ring *r)
{
    if (!r)
        return;
    for (struct table *t = atomic_load(&r->table), *old; t; t = old) {
        old = t->old;
        mem_free(t);
    }
    for (size_t i = 0; i < r->n; i++) {
        mem_free(r->entry[i]->replaced);
        mem_free(r->entry[i]);
    }
    mem_free(r->entry);
    arena_free(r->texts);
    lock_fini(&r->lock);
    mem_free(r);
}
