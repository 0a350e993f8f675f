#include "ingest/walk.h"

#include "base/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 100 };

struct walking {
    struct arena *a;
    struct walk_file *file;
    size_t n, cap;
};

static void add_file(struct walking *w, struct str path, const char *error)
{
    if (w->n == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 256;
        struct walk_file *more = arena_array(w->a, struct walk_file, cap);
        if (w->n)
            memcpy(more, w->file, w->n * sizeof(*more));
        w->file = more;
        w->cap = cap;
    }
    w->file[w->n++] = (struct walk_file){path, error};
}

static bool is_noise(const char *name)
{
    return name[0] == '.' || strcmp(name, "node_modules") == 0 || strcmp(name, "__pycache__") == 0;
}

static void walk_folder(struct walking *w, int parent, const char *name, struct str path,
                        int depth);

static void walk_entry(struct walking *w, int folder, const char *name, struct str path, int depth)
{
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return; /* deleted since it was listed */
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return;
    bool root = str_eq(path, STR("/"));
    path = arena_printf(w->a, "%.*s%s%s", STR_FMT(path), root ? "" : "/", name);
    if (!utf8_valid(path))
        add_file(w, path, "the name is not UTF-8");
    else if (S_ISDIR(st.st_mode))
        walk_folder(w, folder, name, path, depth + 1);
    else
        add_file(w, path, NULL);
}

static void walk_folder(struct walking *w, int parent, const char *name, struct str path, int depth)
{
    if (depth > DEPTH_MAX) {
        add_file(w, path, "folders are nested too deep");
        return;
    }
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        struct err e;
        err_sys(&e, ERR_IO, "cannot read the folder");
        add_file(w, path, arena_text(w->a, str_from(e.msg)));
        if (fd >= 0)
            close(fd);
        return;
    }
    for (const struct dirent *d; (d = readdir(dir));)
        if (!is_noise(d->d_name))
            walk_entry(w, dirfd(dir), d->d_name, path, depth);
    closedir(dir);
}

static int by_path(const void *x, const void *y)
{
    return str_cmp(((const struct walk_file *)x)->path, ((const struct walk_file *)y)->path);
}

bool walk_paths(const struct str *path, size_t n, struct arena *a, struct walk *out, struct err *e)
{
    struct walking w = {.a = a};
    *out = (struct walk){.folder = arena_array(a, struct str, n + 1)};
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        char *real = realpath(arena_text(a, path[i]), NULL);
        if (!real || stat(real, &st) < 0) {
            err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot find '%.*s'",
                    STR_FMT(path[i]));
            free(real);
            return false;
        }
        struct str whole = arena_copy(a, str_from(real));
        free(real);
        if (!utf8_valid(whole))
            return err_set(e, ERR_INVALID, "a name in '%.*s' is not UTF-8", STR_FMT(path[i]));
        if (S_ISDIR(st.st_mode)) {
            out->folder[out->n_folders++] = whole;
            walk_folder(&w, AT_FDCWD, whole.p, whole, 0);
        } else if (S_ISREG(st.st_mode)) {
            add_file(&w, whole, NULL);
        } else {
            return err_set(e, ERR_INVALID, "'%.*s' is neither a file nor a folder",
                           STR_FMT(path[i]));
        }
    }
    if (w.n)
        qsort(w.file, w.n, sizeof(*w.file), by_path);
    for (size_t i = 0; i < w.n; i++)
        if (out->n == 0 || !str_eq(w.file[out->n - 1].path, w.file[i].path))
            w.file[out->n++] = w.file[i];
    out->file = w.file;
    return true;
}
