/* walk.h - the files of some folders, in a fixed order.
 *
 * Left out, without a word: names that begin with a dot, folders that hold what programs made
 * (node_modules, __pycache__), symbolic links inside folders - what they point to is either in
 * there anyway or outside, where nobody asked us to go - and what is no regular file. A path that
 * was given itself is taken whatever its name, and when it is a link, what it points to.
 *
 * Memory:  results live in the arena. Paths are absolute, without "..", each once, sorted by byte.
 * Threads: any but a loop thread.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct walk_file {
    struct str path;
    const char *error; /* a folder that cannot be read or a name that is not UTF-8; NULL: a file */
};

struct walk {
    struct walk_file *file;
    size_t n;
    struct str *folder; /* those of the given paths that are folders, resolved */
    size_t n_folders;
};

/* Fails when one of the given paths is not there: then nothing is known about what was deleted. */
bool walk_paths(const struct str *path, size_t n, struct arena *a, struct walk *out, struct err *e);
