/* file.h - whole files, atomically; directories; parts of a path.
 *
 * Threads: any but a loop thread: all of it may block.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* All of a file, at most `limit` bytes (ERR_TOO_LARGE). The text is followed by a NUL. A file that
 * is not there is ERR_NOT_FOUND, everything else ERR_IO. */
bool file_read(struct str *out, struct arena *a, const char *path, size_t limit, struct err *e);
/* Writes beside it, syncs and renames: afterwards `path` holds the old content or the new. */
bool file_replace(const char *path, struct str content, int mode, struct err *e);
bool file_sync_folder_of(const char *path, struct err *e);      /* so that its new name lasts */
bool file_make_dirs(const char *path, int mode, struct err *e); /* mkdir -p */
bool file_exists(const char *path);
struct str file_name(struct str path);      /* behind the last slash */
struct str file_extension(struct str path); /* "md" of "a/b.md", "" when there is none */
/* All n bytes to a blocking descriptor, through short writes and signals. */
bool file_write_all(int fd, const void *bytes, size_t n, struct err *e);
