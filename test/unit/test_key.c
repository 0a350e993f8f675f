/* What keys promise: only the right ones open, revoked ones at once no more, nothing stored that
 * would open, and checking beside making. */
#include "base/file.h"
#include "base/mem.h"
#include "tenant/key.h"

#include "tap.h"
#include "tempdir.h"

#include <pthread.h>
#include <stdatomic.h>

static struct err e;
static char dir[TEMPDIR_SIZE];
static struct db *d;
static struct key_ring *r;

static void path_in(char path[TEMPDIR_SIZE + 16], const char *name)
{
    snprintf(path, TEMPDIR_SIZE + 16, "%s/%s", dir, name);
}

static bool opens(const char *text)
{
    return key_check(r, str_from(text)) != NULL;
}

static bool make(const char *tenant, const char *name, enum key_role role, char text[KEY_TEXT_SIZE],
                 const struct key_info **info)
{
    const struct key_spec spec = {.tenant = str_from(tenant), .name = str_from(name), .role = role};
    return key_create(r, &spec, text, info, &e);
}

static bool is_alice(const struct key_info *k)
{
    return k && strcmp(k->user, "alice") == 0 && k->n_groups == 2 &&
           str_eq(k->group[0], STR("hr")) && str_eq(k->group[1], STR("eng")) && k->acts_for_users;
}

static void test_holder(char text[KEY_TEXT_SIZE])
{
    struct key_spec spec = {.name = STR("of a user"),
                            .role = KEY_USER,
                            .user = STR("alice"),
                            .groups = STR("hr, eng,,"),
                            .acts_for_users = true};
    ok(key_create(r, &spec, text, NULL, &e) && is_alice(key_check(r, str_from(text))),
       "a key of a user with groups");
    struct buf many;
    char refused[KEY_TEXT_SIZE];
    buf_init(&many, 1000);
    for (int i = 0; i < KEY_GROUPS + 1; i++)
        buf_printf(&many, "g%d,", i);
    spec.groups = buf_str(&many);
    ok(!key_create(r, &spec, refused, NULL, &e) && e.code == ERR_INVALID, "%s", e.msg);
    buf_fini(&many);
}

static void test_create(char text[KEY_TEXT_SIZE], char id[32])
{
    const struct key_info *info, *found;
    ok(key_count(r) == 0 && !opens("pk-0123456789012345678901234567890123456789012"), "none yet");
    ok(make("", "first", KEY_ADMIN, text, &info), "created: %s", e.msg);
    ok(strlen(text) == 46 && strncmp(text, "pk-", 3) == 0 &&
           strspn(text + 3, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
               43,
       "form");
    found = key_check(r, str_from(text));
    ok(found == info && found->role == KEY_ADMIN && strcmp(found->tenant, "default") == 0 &&
           strcmp(found->name, "first") == 0 && strcmp(found->hint, text + 42) == 0,
       "opens, as who it is");
    snprintf(id, 32, "%s", info->id);

    char other[KEY_TEXT_SIZE + 8];
    for (int i = 0; i < 46; i++) {
        snprintf(other, sizeof(other), "%s", text);
        other[i] ^= 1;
        if (opens(other))
            break;
    }
    ok(!opens(other), "one bit off does not open");
    snprintf(other, sizeof(other), "%.45s", text);
    ok(!opens(other) && !opens("") && !opens("-"), "nor cut short, nor nothing");
    snprintf(other, sizeof(other), "%sA", text);
    ok(!opens(other), "nor with more behind");

    char text2[KEY_TEXT_SIZE];
    ok(!make("a-tenant-name-of-more-than-31-bytes", "x", KEY_USER, text2, NULL) &&
           e.code == ERR_INVALID && strcmp(e.param, "tenant") == 0,
       "%s", e.msg);
    ok(!make("t", "line\nbreak", KEY_USER, text2, NULL) && e.code == ERR_INVALID, "%s", e.msg);
}

/* Neither the key nor a part of it is in any file of the directory. */
static void test_not_stored(const char *text)
{
    static const char *const files[] = {"penstock.db", "penstock.db-wal", "secret"};
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(files); i++) {
        char path[TEMPDIR_SIZE + 16];
        struct str all;
        path_in(path, files[i]);
        ok(file_read(&all, a, path, 64 << 20, &e) && all.len > 0 &&
               str_find(all, (struct str){text + 3, 20}) == STR_NPOS,
           "the key is not in %s", files[i]);
    }
    struct stat st;
    char path[TEMPDIR_SIZE + 16];
    path_in(path, "secret");
    ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "the secret is for the owner alone");
    arena_free(a);
}

static void reopen(void)
{
    key_ring_close(r);
    db_close(d);
    r = NULL;
    d = NULL;
    if (!db_open(&d, &(struct db_options){.dir = dir}, &e) || !key_ring_open(&r, d, dir, &e))
        printf("# %s\n", e.msg);
}

static void test_revoke(const char *text, const char *id)
{
    struct arena *a = arena_new();
    size_t n;
    const struct key_info *before = key_check(r, str_from(text));
    ok(!key_revoke(r, STR("key_none"), &e) && e.code == ERR_NOT_FOUND, "%s", e.msg);
    ok(key_revoke(r, str_from(id), &e) && !opens(text) && key_count(r) == 0, "revoked");
    ok(key_revoke(r, str_from(id), &e), "twice");
    ok(before->role == KEY_ADMIN && before->revoked_s == 0, "who holds its info may still read it");
    const struct key_info **list = key_list(r, a, &n);
    ok(n == 1 && list[0]->revoked_s > 0, "listed as revoked");
    reopen();
    ok(r && !opens(text) && key_count(r) == 0, "also after a start");
    list = key_list(r, a, &n);
    ok(n == 1 && strcmp(list[0]->id, id) == 0 && list[0]->revoked_s > 0, "and in the list");
    arena_free(a);
}

/* ---- Checking beside making and revoking ---- */

enum { KEYS = 300 };

static char known[KEY_TEXT_SIZE];
static atomic_bool stop;

static void *check_all_the_time(void *arg)
{
    (void)arg;
    intptr_t bad = 0, good = 0;
    while (!stop || good == 0) {
        bad += !opens(known) || opens("pk-0123456789012345678901234567890123456789012");
        good++;
    }
    return (void *)bad;
}

static void test_beside(void)
{
    static char text[KEYS][KEY_TEXT_SIZE];
    pthread_t t[2];
    make("t", "known", KEY_USER, known, NULL);
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, check_all_the_time, NULL);
    int good = 0, wrong = 0;
    for (int i = 0; i < KEYS; i++) {
        const struct key_info *info;
        good += make("t", "many", KEY_READ_ONLY, text[i], &info) && opens(text[i]);
        if (i % 3 == 0)
            wrong += !key_revoke(r, str_from(info->id), &e) || opens(text[i]);
    }
    stop = true;
    intptr_t bad = 0;
    for (int i = 0; i < 2; i++) {
        void *p;
        pthread_join(t[i], &p);
        bad += (intptr_t)p;
    }
    ok(bad == 0, "a key that was there opens all the time");
    ok(good == KEYS && wrong == 0, "new ones open at once, revoked ones no more");
    reopen();
    for (int i = 0; i < KEYS; i++)
        wrong += opens(text[i]) == (i % 3 == 0);
    ok(wrong == 0 && key_count(r) == KEYS - KEYS / 3 + 1, "the same after a start");
}

static void test_secret(void)
{
    char path[TEMPDIR_SIZE + 16], aside[TEMPDIR_SIZE + 16];
    path_in(path, "secret");
    path_in(aside, "aside");
    key_ring_close(r);
    rename(path, aside);
    ok(!key_ring_open(&r, d, dir, &e) && e.code == ERR_CORRUPT && strstr(e.msg, path),
       "the secret has gone: %s", e.msg);
    file_replace(path, STR("short\n"), 0600, &e);
    ok(!key_ring_open(&r, d, dir, &e) && e.code == ERR_CORRUPT, "damaged: %s", e.msg);
    rename(aside, path);
    ok(key_ring_open(&r, d, dir, &e) && opens(known), "back again");
}

static void test_roles(void)
{
    enum key_role role;
    for (enum key_role i = KEY_READ_ONLY; i <= KEY_ADMIN; i++)
        ok(key_role_parse(str_from(key_role_name(i)), &role) && role == i, "%s", key_role_name(i));
    ok(!key_role_parse(STR("root"), &role) && !key_role_parse(STR_NONE, &role), "no other");
}

int main(void)
{
    char text[KEY_TEXT_SIZE], id[32];
    tempdir_make(dir);
    reopen();
    if (!ok(r != NULL, "opens"))
        return tap_done();
    test_create(text, id);
    test_not_stored(text);
    reopen();
    ok(r && opens(text), "opens after a start");
    test_revoke(text, id);
    test_beside();
    test_secret();
    test_roles();
    test_holder(text);
    reopen();
    ok(r && is_alice(key_check(r, str_from(text))), "and so after a start");
    key_ring_close(r);
    db_close(d);
    tempdir_remove(dir);
    return tap_done();
}
