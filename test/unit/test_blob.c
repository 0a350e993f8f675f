/* What blobs promise: all or nothing, no id that becomes a path, no remains of a killed writer. */
#include "base/mem.h"
#include "store/blob.h"

#include "tap.h"
#include "tempdir.h"

#include <dirent.h>
#include <fcntl.h>

static struct err e;

static bool store_text(struct blob_store *s, const char *id, const char *text, char sha256[65])
{
    struct blob_writer *w;
    uint64_t bytes = 0;
    return blob_begin(s, str_from(id), 1000, &w, &e) && blob_write(w, str_from(text), &e) &&
           blob_write(w, STR("!"), &e) && blob_commit(w, sha256, &bytes, &e) &&
           bytes == strlen(text) + 1;
}

static bool reads_as(struct blob_store *s, const char *id, const char *text)
{
    char got[1024];
    int fd;
    uint64_t bytes;
    if (!blob_read(s, str_from(id), &fd, &bytes, &e))
        return false;
    ssize_t n = read(fd, got, sizeof(got));
    close(fd);
    return n >= 0 && (uint64_t)n == bytes && bytes == strlen(text) &&
           memcmp(got, text, (size_t)n) == 0;
}

/* Ids that would leave the directory, be hidden, or be no name at all. */
static const char *const hostile[] = {
    "../../../etc/passwd", "/etc/passwd", "..", ".", "", "a/b", "a\nb", "tmp", "lock",
};

static int entries(const char *dir, const char *sub)
{
    char path[TEMPDIR_SIZE + 64];
    snprintf(path, sizeof(path), "%s/%s", dir, sub);
    DIR *d = opendir(path);
    int n = 0;
    for (struct dirent *entry; d && (entry = readdir(d));)
        n += entry->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static void test_unfinished(struct blob_store *s, const char *dir)
{
    struct blob_writer *w;
    int fd;
    blob_begin(s, STR("cut"), 1000, &w, &e);
    blob_write(w, STR("half"), &e);
    ok(!blob_read(s, STR("cut"), &fd, NULL, &e) && e.code == ERR_NOT_FOUND, "unseen: %s", e.msg);
    struct blob_store *again = NULL;
    ok(entries(dir, "blobs/tmp") == 1 && blob_open(&again, dir, &e) &&
           entries(dir, "blobs/tmp") == 0,
       "what was left half-written is removed at start");
    blob_close(again);
    ok(!blob_commit(w, NULL, NULL, &e) && e.code == ERR_IO, "and cannot be committed: %s", e.msg);

    blob_begin(s, STR("large"), 5, &w, &e);
    ok(blob_write(w, STR("12345"), &e) && !blob_write(w, STR("6"), &e) && e.code == ERR_TOO_LARGE,
       "the limit: %s", e.msg);
    blob_abort(w);
    ok(entries(dir, "blobs/tmp") == 0 && !reads_as(s, "large", "12345"), "aborted");
    blob_abort(NULL);
}

/* Opens the store again, some time after what is there was made; clocks of file systems are coarse.
 */
static bool sweep_again(const char *dir, const struct str *id, size_t n, size_t want)
{
    size_t removed = 0, all = 0;
    bool good = true;
    for (int i = 0; good && i < 100000 && all < want; i++) {
        struct blob_store *s = NULL;
        good = blob_open(&s, dir, &e) && blob_sweep(s, id, n, &removed, &e);
        all += removed;
        blob_close(s);
    }
    return good && all == want;
}

static void test_sweep(struct blob_store *s, const char *dir)
{
    static const struct str kept[] = {STR("kept"), STR("file-1"), STR("also kept"),
                                      STR("gone long ago")};
    char sha256[65];
    struct blob_writer *w;
    size_t removed = 9;
    ok(store_text(s, "kept", "a", sha256) && store_text(s, "also kept", "b", sha256) &&
           store_text(s, "orphan", "c", sha256) && store_text(s, "another", "d", sha256),
       "four blobs, two of which nobody names");
    ok(blob_sweep(s, kept, COUNT(kept), &removed, &e) && removed == 0 &&
           reads_as(s, "orphan", "c!"),
       "what came since the store was opened may get its name yet");
    ok(sweep_again(dir, kept, COUNT(kept), 2), "what was there before goes: %s", e.msg);
    ok(!reads_as(s, "orphan", "c!") && !reads_as(s, "another", "d!"), "those that have no name");
    ok(reads_as(s, "kept", "a!") && reads_as(s, "also kept", "b!"), "and no other");
    blob_begin(s, STR("under way"), 100, &w, &e);
    blob_write(w, STR("half"), &e);
    ok(blob_sweep(s, kept, COUNT(kept), &removed, &e) && removed == 0, "once");
    ok(blob_commit(w, NULL, NULL, &e) && reads_as(s, "under way", "half"),
       "an upload under way is left alone");

    char strange[TEMPDIR_SIZE + 64];
    snprintf(strange, sizeof(strange), "%s/blobs/tmp/../notes", dir);
    int fd = creat(strange, 0600);
    close(fd);
    ok(sweep_again(dir, NULL, 0, 4), "no name at all: all go");
    ok(access(strange, F_OK) == 0, "but what is no blob");
    unlink(strange);
}

int main(void)
{
    char dir[TEMPDIR_SIZE], sha256[65];
    tempdir_make(dir);
    struct blob_store *s;
    if (!ok(blob_open(&s, dir, &e), "opens"))
        return tap_done();
    ok(store_text(s, "file-1", "hello", sha256) && reads_as(s, "file-1", "hello!"), "in and out");
    ok(strcmp(sha256, "ce06092fb948d9ffac7d1a376e404b26b7575bcc11ee05a4615fef4fec3a308b") == 0,
       "digest of the content: %s", sha256);
    ok(!store_text(s, "file-1", "again", sha256) && e.code == ERR_CONFLICT, "taken: %s", e.msg);
    ok(reads_as(s, "file-1", "hello!"), "and kept as it was");
    for (size_t i = 0; i < COUNT(hostile); i++)
        ok(store_text(s, hostile[i], hostile[i], sha256) &&
               blob_delete(s, str_from(hostile[i]), &e),
           "an id is no path: %zu", i);
    ok(entries(dir, "") == 1 && entries(dir, "blobs/tmp") == 0, "nothing lies elsewhere");
    test_unfinished(s, dir);
    test_sweep(s, dir);
    ok(store_text(s, "file-1", "hello", sha256), "and can be taken again");

    struct arena *a = arena_new();
    const char *path;
    ok(blob_path(s, a, STR("file-1"), &path, &e) && access(path, R_OK) == 0, "a path to hand over");
    ok(blob_delete(s, STR("file-1"), &e) && !reads_as(s, "file-1", "hello!"), "deleted");
    ok(!blob_delete(s, STR("file-1"), &e) && e.code == ERR_NOT_FOUND, "twice: %s", e.msg);
    ok(!blob_path(s, a, STR("file-1"), &path, &e), "no path to nothing");
    ok(!blob_open(&s, "/proc", &e), "where nothing can be made: %s", e.msg);
    arena_free(a);
    blob_close(s);
    tempdir_remove(dir);
    return tap_done();
}
