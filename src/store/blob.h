/* blob.h - the bytes of uploaded files, under ids that we made.
 *
 * A blob is written to a temporary file, synced, and renamed to dir/blobs/ab/cdef..., where the
 * name is the SHA-256 of its id in hexadecimal: whatever an id contains, it never becomes part of a
 * path. Once blob_commit has returned the content is complete and survives power loss; before
 * that, nothing of it can be seen. What a killed process left half-written is removed by blob_open.
 *
 * Units:   bytes.
 * Errors:  ERR_FULL, ERR_IO, ERR_TOO_LARGE, ERR_NOT_FOUND, ERR_CONFLICT (the id is taken).
 * Threads: any that is not a loop (all of it blocks: use work_run); a blob_writer: one at a time.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct blob_store;

bool blob_open(struct blob_store **out, const char *dir, struct err *e); /* data directory */
void blob_close(struct blob_store *s);

struct blob_writer;
/* Starts a blob of at most `limit` bytes. End with blob_commit or blob_abort. */
bool blob_begin(struct blob_store *s, struct str id, uint64_t limit, struct blob_writer **out,
                struct err *e);
bool blob_write(struct blob_writer *w, struct str piece, struct err *e);
/* Makes it visible and frees w, also when it fails. `sha256` (65 bytes, hexadecimal, may be NULL)
 * is that of the content. */
bool blob_commit(struct blob_writer *w, char *sha256, uint64_t *bytes, struct err *e);
void blob_abort(struct blob_writer *w); /* accepts NULL */

/* Opens for reading; the caller closes *fd. */
bool blob_read(struct blob_store *s, struct str id, int *fd, uint64_t *bytes, struct err *e);
/* The path, in `a`, to hand to a reader that takes a file. */
bool blob_path(struct blob_store *s, struct arena *a, struct str id, const char **path,
               struct err *e);
bool blob_delete(struct blob_store *s, struct str id, struct err *e);

/* Removes the blobs that none of these ids has: a process that was killed between a blob and the
 * row that names it leaves such. Only what was there when this process opened the store can go, so
 * ids that are read at any time since then are enough, and no upload under way is touched. */
bool blob_sweep(struct blob_store *s, const struct str *id, size_t n, size_t *removed,
                struct err *e);
