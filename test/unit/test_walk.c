/* Which files a folder has, and in which order. */
#include "base/mem.h"
#include "ingest/walk.h"

#include "tap.h"
#include "tempdir.h"

#include <errno.h>
#include <fcntl.h>

static char dir[TEMPDIR_SIZE];

static struct str at(struct arena *a, const char *name)
{
    return arena_printf(a, "%s/%s", dir, name);
}

static void put(struct arena *a, const char *name)
{
    int fd = open(at(a, name).p, O_CREAT | O_WRONLY, 0600);
    if (fd >= 0)
        close(fd);
}

static bool is(const struct walk *w, size_t i, struct str path)
{
    return i < w->n && str_eq(w->file[i].path, path) && !w->file[i].error;
}

int main(void)
{
    struct arena *a = arena_new();
    tempdir_make(dir);
    mkdir(at(a, "b").p, 0700);
    mkdir(at(a, "b/node_modules").p, 0700);
    mkdir(at(a, ".git").p, 0700);
    const char *files[] = {"z.md",    "a.md",        "b/c.md",
                           ".hidden", ".git/config", "b/node_modules/x.js"};
    for (size_t i = 0; i < COUNT(files); i++)
        put(a, files[i]);
    ok(symlink("/etc", at(a, "out").p) == 0 && symlink("..", at(a, "b/loop").p) == 0 &&
           symlink("a.md", at(a, "link.md").p) == 0 && mkfifo(at(a, "pipe").p, 0600) == 0,
       "links and a pipe are there");

    struct err e = {0};
    struct walk w;
    struct str top = str_from(dir);
    ok(walk_paths(&top, 1, a, &w, &e) && w.n == 3 && w.n_folders == 1, "three files");
    ok(is(&w, 0, at(a, "a.md")) && is(&w, 1, at(a, "b/c.md")) && is(&w, 2, at(a, "z.md")),
       "sorted");

    struct str twice[] = {at(a, "b/../b/"), top, at(a, "a.md"), at(a, ".hidden")};
    ok(walk_paths(twice, 4, a, &w, &e) && w.n == 4, "each once; a hidden file that was named");
    struct str link = at(a, "link.md");
    ok(walk_paths(&link, 1, a, &w, &e) && is(&w, 0, at(a, "a.md")), "a link that was named");

    struct str gone[] = {top, at(a, "nowhere")};
    ok(!walk_paths(gone, 2, a, &w, &e) && e.code == ERR_NOT_FOUND && strstr(e.msg, "nowhere"),
       "a path that is not there fails: %s", e.msg);
    struct str fifo = at(a, "pipe");
    ok(!walk_paths(&fifo, 1, a, &w, &e) && e.code == ERR_INVALID, "a pipe fails: %s", e.msg);

    put(a, "bad\xFF.md");
    ok(walk_paths(&top, 1, a, &w, &e) && w.n == 4 && w.file[2].error, "a name that is not UTF-8");
    if (geteuid() == 0) {
        skip("root may read every folder");
    } else {
        chmod(at(a, "b").p, 0);
        ok(walk_paths(&top, 1, a, &w, &e) && w.file[1].error, "a folder that cannot be read");
        chmod(at(a, "b").p, 0700);
    }
    tempdir_remove(dir);
    arena_free(a);
    return tap_done();
}
