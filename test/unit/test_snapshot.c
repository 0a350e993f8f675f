/* A snapshot is the old set of files or the new one, whatever was done to them. */
#include "index/snapshot.h"
#include "base/file.h"
#include "base/mem.h"

#include "tap.h"
#include "tempdir.h"

#include <dirent.h>

static char dir[TEMPDIR_SIZE], stem[TEMPDIR_SIZE + 8];
static struct err e;
static struct arena *a;
static const struct str id = STR_INIT("vs_1");

static size_t files(void)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *f; (f = readdir(d));)
        n += f->d_name[0] != '.';
    closedir(d);
    return n;
}

static bool write_set(struct snapshot *s, const struct snapshot *old, const char *words,
                      int64_t seq)
{
    snapshot_begin(s, stem, id, old);
    return snapshot_put(s, SNAPSHOT_KEYWORDS, str_from(words), &e) &&
           snapshot_put(s, SNAPSHOT_ATTRIBUTES, STR("attributes"), &e) &&
           snapshot_finish(s, seq, old, &e);
}

static bool reads(int64_t seq, const char *words)
{
    struct snapshot s;
    struct str text;
    return snapshot_open(&s, stem, id, &e) && s.seq == seq &&
           snapshot_map(&s, SNAPSHOT_KEYWORDS, a, &text, &e) && str_eq(text, str_from(words)) &&
           (uintptr_t)text.p % 8 == 0;
}

static void test_sets(void)
{
    struct snapshot none = {0}, one, two, three;
    ok(!snapshot_open(&one, stem, id, &e) && e.code == ERR_NOT_FOUND, "there is none");
    ok(write_set(&one, &none, "one", 5) && reads(5, "one") && files() == 3, "one: %s", e.msg);
    ok(write_set(&two, &one, "two", 6) && reads(6, "two") && files() == 3, "two, and one is gone");
    ok(!snapshot_open(&one, stem, STR("vs_2"), &e) && e.code == ERR_CORRUPT, "%s", e.msg);

    snapshot_begin(&three, stem, id, &two);
    ok(snapshot_put(&three, SNAPSHOT_KEYWORDS, STR("three"), &e) && reads(6, "two"),
       "what is not finished does not count");
    snapshot_abandon(&three);
    ok(files() == 3 && reads(6, "two"), "and leaves nothing");

    snapshot_begin(&three, stem, id, &two);
    snapshot_keep(&three, SNAPSHOT_KEYWORDS, &two);
    char path[SNAPSHOT_PATH_MAX];
    snapshot_path(&three, SNAPSHOT_VECTORS, path);
    ok(!snapshot_note(&three, SNAPSHOT_VECTORS, &e), "a file that is not there: %s", e.msg);
    ok(file_replace(path, STR("v"), 0600, &e) && snapshot_note(&three, SNAPSHOT_VECTORS, &e) &&
           snapshot_finish(&three, 7, &two, &e) && reads(7, "two") && files() == 3,
       "a part that stays, one of somebody else, one that goes");

    file_replace(arena_printf(a, "%s/rubbish.XyZ", dir).p, STR("x"), 0600, &e);
    const struct snapshot *keep[] = {&three};
    snapshot_sweep(dir, keep, 1);
    ok(files() == 3 && reads(7, "two"), "rubbish is swept, the set is not");
    snapshot_remove(stem, &three);
    ok(files() == 0, "removed");
}

static void test_damage(void)
{
    struct snapshot none = {0}, s, out;
    struct str manifest, words;
    write_set(&s, &none, "some words", 9);
    const char *path = arena_printf(a, "%s.manifest", stem).p;
    ok(file_read(&manifest, a, path, 1 << 20, &e), "%zu bytes", manifest.len);
    bool refused = true;
    for (size_t len = 0; len < manifest.len; len++)
        refused = refused && !snapshot_decode(&out, str_head(manifest, len), id, &e) &&
                  e.code == ERR_CORRUPT;
    char *copy = mem_copy(manifest.p, manifest.len);
    for (size_t at = 0; at < manifest.len; at++) {
        copy[at] ^= 0x10;
        refused = refused && !snapshot_decode(&out, (struct str){copy, manifest.len}, id, &e) &&
                  e.code == ERR_CORRUPT;
        copy[at] ^= 0x10;
    }
    mem_free(copy);
    ok(refused, "a manifest that is cut or changed is refused");

    char part[SNAPSHOT_PATH_MAX];
    snapshot_path(&s, SNAPSHOT_KEYWORDS, part);
    file_replace(part, STR("some wards"), 0600, &e);
    ok(!snapshot_map(&s, SNAPSHOT_KEYWORDS, a, &words, &e) && e.code == ERR_CORRUPT, "%s", e.msg);
    file_replace(part, STR("some"), 0600, &e);
    ok(!snapshot_map(&s, SNAPSHOT_KEYWORDS, a, &words, &e) && e.code == ERR_CORRUPT, "%s", e.msg);
    unlink(part);
    ok(!snapshot_map(&s, SNAPSHOT_KEYWORDS, a, &words, &e) && e.code == ERR_CORRUPT, "%s", e.msg);
}

int main(void)
{
    tempdir_make(dir);
    snprintf(stem, sizeof(stem), "%s/c", dir);
    a = arena_new();
    test_sets();
    test_damage();
    arena_free(a);
    tempdir_remove(dir);
    return tap_done();
}
