/* tempdir.h - directories for tests, removed again with all that is in them. */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEMPDIR_SIZE = 256 };

__attribute__((unused)) static void tempdir_make(char path[TEMPDIR_SIZE])
{
    const char *base = getenv("TMPDIR");
    snprintf(path, TEMPDIR_SIZE, "%s/penstock-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path)) {
        perror(path);
        exit(99);
    }
}

static int tempdir_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

__attribute__((unused)) static void tempdir_remove(const char *path)
{
    nftw(path, tempdir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
