/* What file promises: whole files or nothing, errors that name the path. */
#include "base/file.h"

#include "tap.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int entries(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n - 2;
}

static void test_files(struct arena *a, const char *dir)
{
    struct err e = {0};
    struct str got;
    const char *path = arena_printf(a, "%s/deep/er/x.txt", dir).p;
    const char *folder = arena_printf(a, "%s/deep//er/", dir).p;
    ok(!file_read(&got, a, path, 10, &e) && e.code == ERR_NOT_FOUND && strstr(e.msg, path),
       "a file that is not there: %s", e.msg);
    ok(!file_replace(path, STR("x"), 0600, &e) && e.code == ERR_IO, "nor its folder");
    ok(file_make_dirs(folder, 0700, &e) && file_make_dirs(folder, 0700, &e), "folders, twice");
    ok(file_replace(path, STR("one"), 0600, &e) && file_replace(path, STR("three"), 0640, &e),
       "written and replaced");
    struct stat st = {0};
    ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640, "with the mode asked for");
    ok(entries(folder) == 1, "nothing is left beside it");
    ok(file_read(&got, a, path, 5, &e) && str_eq(got, STR("three")) && got.p[5] == 0,
       "read back, exactly at the limit");
    ok(!file_read(&got, a, path, 4, &e) && e.code == ERR_TOO_LARGE, "over the limit: %s", e.msg);
    ok(file_read(&got, a, "/proc/self/status", 1 << 20, &e) && got.len > 100,
       "a file that says its size is 0");
    ok(!file_read(&got, a, dir, 10, &e) && e.code == ERR_IO, "a folder: %s", e.msg);
    ok(!file_make_dirs(arena_printf(a, "%s/y", path).p, 0700, &e), "below a file: %s", e.msg);
    ok(!file_make_dirs(path, 0700, &e), "in place of a file: %s", e.msg);
    ok(!file_replace(folder, STR("x"), 0600, &e), "in place of a folder: %s", e.msg);
    ok(file_exists(path) && !file_exists("/nothing/here"), "exists");
    unlink(path);
    rmdir(folder);
    rmdir(arena_printf(a, "%s/deep", dir).p);
}

static void test_big(struct arena *a, const char *dir)
{
    struct err e = {0};
    struct str got, text = {arena_alloc(a, 300000), 300000};
    const char *path = arena_printf(a, "%s/big", dir).p;
    ok(file_replace(path, text, 0600, &e) && file_read(&got, a, path, 1 << 20, &e) &&
           str_eq(got, text),
       "300 kB there and back");
    unlink(path);
}

int main(void)
{
    char dir[] = "/tmp/penstock-test-XXXXXX";
    if (!ok(mkdtemp(dir) != NULL, "a folder to work in"))
        return tap_done();
    struct arena *a = arena_new();
    test_files(a, dir);
    test_big(a, dir);
    arena_free(a);
    ok(rmdir(dir) == 0, "all of it is gone");

    ok(str_eq(file_name(STR("a/b.md")), STR("b.md")) && str_eq(file_name(STR("b")), STR("b")) &&
           file_name(STR("a/")).len == 0,
       "names");
    ok(str_eq(file_extension(STR("a.d/b.tar.gz")), STR("gz")), "extension behind the last dot");
    ok(file_extension(STR("a.d/b")).len == 0 && file_extension(STR(".profile")).len == 0 &&
           file_extension(STR("x.")).len == 0,
       "no extension");
    return tap_done();
}
