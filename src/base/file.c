#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a file says of its size is a hint: files of /proc say 0, and others grow meanwhile. */
static bool read_all(struct str *out, struct arena *a, int fd, const char *path, size_t limit,
                     struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(e, ERR_IO, "cannot stat '%s'", path);
    size_t said = st.st_size > 0 ? (size_t)st.st_size : 4095;
    size_t cap = size_min(said, limit) + 1, len = 0;
    char *text = arena_bytes(a, cap);
    for (;;) {
        ssize_t n = read(fd, text + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, ERR_IO, "cannot read '%s'", path);
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > limit)
            return err_set(e, ERR_TOO_LARGE, "'%s' is larger than %zu bytes", path, limit);
        if (len == cap) {
            cap = size_min(cap * 2, limit + 1);
            char *more = arena_bytes(a, cap);
            memcpy(more, text, len);
            text = more;
        }
    }
    text[len] = 0;
    *out = (struct str){text, len};
    return true;
}

bool file_read(struct str *out, struct arena *a, const char *path, size_t limit, struct err *e)
{
    CHECK(limit < SIZE_MAX / 4);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open '%s'", path);
    bool good = read_all(out, a, fd, path, limit, e);
    close(fd);
    return good;
}

bool file_write_all(int fd, const void *bytes, size_t n, struct err *e)
{
    const char *from = bytes;
    while (n) {
        ssize_t done = write(fd, from, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return err_sys(e, ERR_IO, "cannot write");
        from += done;
        n -= (size_t)done;
    }
    return true;
}

/* The rename itself is only kept by a crash when the folder has been synced too. */
bool file_sync_folder_of(const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    char folder[PATH_MAX];
    snprintf(folder, sizeof(folder), "%.*s", (int)(len ? len : 1), len ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, ERR_IO, "cannot open '%s'", folder);
    bool good = fsync(fd) == 0;
    if (!good)
        err_sys(e, ERR_IO, "cannot sync '%s'", folder);
    close(fd);
    return good;
}

static bool fill_and_rename(int fd, const char *tmp, const char *path, struct str content, int mode,
                            struct err *e)
{
    if (!file_write_all(fd, content.p, content.len, e))
        return err_prefix(e, "cannot replace '%s': ", path);
    if (fchmod(fd, (mode_t)mode) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0)
        return err_sys(e, ERR_IO, "cannot replace '%s'", path);
    return true;
}

bool file_replace(const char *path, struct str content, int mode, struct err *e)
{
    char tmp[PATH_MAX];
    int n = snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path);
    if (n >= (int)sizeof(tmp))
        return err_set(e, ERR_INVALID, "path '%.80s...' is too long", path);
    int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, ERR_IO, "cannot create a file beside '%s'", path);
    bool good = fill_and_rename(fd, tmp, path, content, mode, e);
    if (!good)
        unlink(tmp);
    close(fd);
    return good && file_sync_folder_of(path, e);
}

static bool make_dir(const char *path, int mode, struct err *e)
{
    struct stat st;
    if (mkdir(path, (mode_t)mode) == 0)
        return true;
    /* A read-only file system says so even for what is there. */
    int why = errno;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return true;
        why = ENOTDIR;
    }
    errno = why;
    return err_sys(e, ERR_IO, "cannot make folder '%s'", path);
}

bool file_make_dirs(const char *path, int mode, struct err *e)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof(part))
        return err_set(e, ERR_INVALID, "path '%.80s...' is too long", path);
    memcpy(part, path, len + 1);
    for (size_t i = 1; i < len; i++) {
        if (part[i] != '/' || part[i - 1] == '/')
            continue;
        part[i] = 0;
        if (!make_dir(part, mode, e))
            return false;
        part[i] = '/';
    }
    return make_dir(part, mode, e);
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

struct str file_name(struct str path)
{
    size_t slash = str_rfind_char(path, '/');
    return slash == STR_NPOS ? path : str_from_at(path, slash + 1);
}

struct str file_extension(struct str path)
{
    struct str name = file_name(path);
    size_t dot = str_rfind_char(name, '.');
    return dot == STR_NPOS || dot == 0 ? STR_NONE : str_from_at(name, dot + 1);
}
