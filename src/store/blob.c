#include "store/blob.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NAME = 2 + 1 + 62, /* "ab/cdef..." */
    PATH = NAME + 16,
};

struct blob_store {
    int dir; /* of dir/blobs; set once, as all of it */
    char *path;
    struct timespec opened; /* by the clock of the file system; 0 = not known */
};

struct blob_writer {
    struct blob_store *store;
    int fd;
    char name[PATH], temp[PATH]; /* below dir/blobs */
    uint64_t bytes, limit;
    struct digest_stream *digest; /* NULL once ended */
};

static void name_of(struct str id, char name[PATH])
{
    uint8_t hash[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    digest_sha256(id, hash);
    digest_to_hex(hex, hash, sizeof(hash));
    snprintf(name, PATH, "%.2s/%s", hex, hex + 2);
}

static bool no_blob(struct err *e, struct str id)
{
    return err_set(e, ERR_NOT_FOUND, "there is no content for '%.*s'", STR_FMT(str_head(id, 64)));
}

/* ---- Opening ---- */

/* What a killed process was writing. */
static bool remove_leftovers(int dir, struct err *e)
{
    int fd = openat(dir, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        return err_sys(e, ERR_IO, "cannot read the folder for uploads");
    }
    bool good = true;
    for (struct dirent *entry; good && (entry = readdir(d));)
        if (entry->d_name[0] != '.' && unlinkat(fd, entry->d_name, 0) < 0)
            good = err_sys(e, ERR_IO, "cannot remove an unfinished upload");
    closedir(d);
    return good;
}

static bool make_dir(int dir, const char *name, struct err *e)
{
    if (mkdirat(dir, name, 0700) == 0)
        return fsync(dir) == 0 || err_sys(e, ERR_IO, "cannot sync the folder for uploads");
    return errno == EEXIST || err_sys(e, ERR_IO, "cannot make a folder for uploads");
}

/* What was put in place before has an earlier time of change. */
static struct timespec now_of(int dir)
{
    struct stat st;
    if (futimens(dir, NULL) < 0 || fstat(dir, &st) < 0)
        return (struct timespec){0};
    return st.st_ctim;
}

bool blob_open(struct blob_store **out, const char *dir, struct err *e)
{
    struct arena *tmp = arena_scratch();
    struct arena_mark mark = arena_mark(tmp);
    struct blob_store *s = mem_new(sizeof(*s));
    s->path = mem_text(arena_printf(tmp, "%s/blobs", dir).p);
    arena_rewind(tmp, mark);
    s->dir = -1;
    if (!file_make_dirs(s->path, 0700, e))
        goto fail;
    s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir < 0) {
        err_sys(e, ERR_IO, "cannot open '%s'", s->path);
        goto fail;
    }
    if (!make_dir(s->dir, "tmp", e) || !remove_leftovers(s->dir, e))
        goto fail;
    s->opened = now_of(s->dir);
    *out = s;
    return true;

fail:
    blob_close(s);
    return false;
}

void blob_close(struct blob_store *s)
{
    if (!s)
        return;
    if (s->dir >= 0)
        close(s->dir);
    mem_free(s->path);
    mem_free(s);
}

/* ---- Writing ---- */

bool blob_begin(struct blob_store *s, struct str id, uint64_t limit, struct blob_writer **out,
                struct err *e)
{
    struct blob_writer *w = mem_new(sizeof(*w));
    uint64_t number;
    random_bytes(&number, sizeof(number));
    snprintf(w->temp, PATH, "tmp/%016llx", (unsigned long long)number);
    name_of(id, w->name);
    w->store = s;
    w->limit = limit;
    w->digest = digest_stream_new();
    w->fd = openat(s->dir, w->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (w->fd < 0) {
        err_sys(e, ERR_IO, "cannot store the upload");
        blob_abort(w);
        return false;
    }
    *out = w;
    return true;
}

bool blob_write(struct blob_writer *w, struct str piece, struct err *e)
{
    if (piece.len > w->limit - w->bytes)
        return err_set(e, ERR_TOO_LARGE, "the file is larger than %llu bytes",
                       (unsigned long long)w->limit);
    if (!file_write_all(w->fd, piece.p, piece.len, e))
        return err_prefix(e, "cannot store the upload: ");
    digest_stream_add(w->digest, piece);
    w->bytes += piece.len;
    return true;
}

/* Ids are never used twice, so looking first is a guard against a bug, not against a race. */
static bool put_in_place(struct blob_writer *w, struct err *e)
{
    int dir = w->store->dir;
    char folder[3] = {w->name[0], w->name[1], 0};
    if (!make_dir(dir, folder, e))
        return false;
    if (faccessat(dir, w->name, F_OK, 0) == 0)
        return err_set(e, ERR_CONFLICT, "there is content for this id already");
    if (renameat(dir, w->temp, dir, w->name) < 0)
        return err_sys(e, ERR_IO, "cannot store the upload");
    w->temp[0] = 0;
    int fd = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (!good)
        err_sys(e, ERR_IO, "cannot sync the upload");
    if (fd >= 0)
        close(fd);
    return good;
}

bool blob_commit(struct blob_writer *w, char *sha256, uint64_t *bytes, struct err *e)
{
    uint8_t hash[SHA256_SIZE];
    digest_stream_end(w->digest, hash);
    w->digest = NULL;
    if (sha256)
        digest_to_hex(sha256, hash, sizeof(hash));
    if (bytes)
        *bytes = w->bytes;
    bool good = fsync(w->fd) == 0 || err_sys(e, ERR_IO, "cannot sync the upload");
    good = good && put_in_place(w, e);
    blob_abort(w);
    return good;
}

/* Also the end of a commit: what was put in place has no temporary name any more. */
void blob_abort(struct blob_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    if (w->fd >= 0 && w->temp[0])
        unlinkat(w->store->dir, w->temp, 0); /* else blob_open removes it */
    uint8_t hash[SHA256_SIZE];
    if (w->digest)
        digest_stream_end(w->digest, hash);
    mem_free(w);
}

/* ---- Reading ---- */

bool blob_read(struct blob_store *s, struct str id, int *fd, uint64_t *bytes, struct err *e)
{
    char name[PATH];
    name_of(id, name);
    *fd = openat(s->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (*fd < 0)
        return errno == ENOENT ? no_blob(e, id) : err_sys(e, ERR_IO, "cannot open the content");
    struct stat st;
    if (fstat(*fd, &st) < 0) {
        close(*fd);
        return err_sys(e, ERR_IO, "cannot open the content");
    }
    if (bytes)
        *bytes = (uint64_t)st.st_size;
    return true;
}

bool blob_path(struct blob_store *s, struct arena *a, struct str id, const char **path,
               struct err *e)
{
    char name[PATH];
    name_of(id, name);
    *path = arena_printf(a, "%s/%s", s->path, name).p;
    return faccessat(s->dir, name, F_OK, 0) == 0 || no_blob(e, id);
}

bool blob_delete(struct blob_store *s, struct str id, struct err *e)
{
    char name[PATH];
    name_of(id, name);
    if (unlinkat(s->dir, name, 0) == 0)
        return true;
    return errno == ENOENT ? no_blob(e, id) : err_sys(e, ERR_IO, "cannot delete the content");
}

/* ---- What nobody names ---- */

struct sweep {
    struct blob_store *store;
    uint8_t (*hash)[SHA256_SIZE]; /* of the ids, sorted */
    size_t n, removed;
    struct err *e;
};

static int by_hash(const void *a, const void *b)
{
    return memcmp(a, b, SHA256_SIZE);
}

static bool from_hex(const char *text, size_t n, uint8_t *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        const char *high = text[2 * i] ? strchr(digits, text[2 * i]) : NULL;
        const char *low = high && text[2 * i + 1] ? strchr(digits, text[2 * i + 1]) : NULL;
        if (!low)
            return false;
        out[i] = (uint8_t)((high - digits) << 4 | (low - digits));
    }
    return text[2 * n] == 0;
}

static bool is_before(struct timespec a, struct timespec b)
{
    return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

/* `hash` has its first byte from the folder. What has no name of a blob is not ours to remove. */
static bool sweep_file(struct sweep *w, int folder, const char *name, uint8_t hash[SHA256_SIZE])
{
    struct stat st;
    if (!from_hex(name, SHA256_SIZE - 1, hash + 1) ||
        (w->n > 0 && bsearch(hash, w->hash, w->n, SHA256_SIZE, by_hash)) ||
        fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !is_before(st.st_ctim, w->store->opened))
        return true;
    if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
        return err_sys(w->e, ERR_IO, "cannot remove content that nothing names");
    w->removed++;
    return true;
}

static DIR *open_folder(const struct sweep *w, const char *name)
{
    int fd = openat(w->store->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        err_sys(w->e, ERR_IO, "cannot read folder '%s' of uploads", name);
    if (!d && fd >= 0)
        close(fd);
    return d;
}

static bool sweep_folder(struct sweep *w, const char *name)
{
    uint8_t hash[SHA256_SIZE];
    if (!from_hex(name, 1, hash))
        return true;
    DIR *d = open_folder(w, name);
    bool good = d != NULL;
    for (struct dirent *entry; good && (entry = readdir(d));)
        good = sweep_file(w, dirfd(d), entry->d_name, hash);
    if (d)
        closedir(d);
    return good;
}

static bool sweep_all(struct sweep *w)
{
    DIR *d = open_folder(w, ".");
    bool good = d != NULL;
    for (struct dirent *entry; good && (entry = readdir(d));)
        good = sweep_folder(w, entry->d_name);
    if (d)
        closedir(d);
    return good;
}

bool blob_sweep(struct blob_store *s, const struct str *id, size_t n, size_t *removed,
                struct err *e)
{
    struct sweep w = {.store = s, .n = n, .e = e};
    w.hash = mem_array(n + 1, sizeof(*w.hash));
    for (size_t i = 0; i < n; i++)
        digest_sha256(id[i], w.hash[i]);
    qsort(w.hash, n, SHA256_SIZE, by_hash);
    bool good = sweep_all(&w);
    *removed = w.removed;
    mem_free(w.hash);
    return good;
}
