/* snapshot.h - a collection's index on disk: one file, whole or not there.
 *
 * A head (magic number with version, checksum of all that follows, change sequence, id of the
 * collection) and what bm25_save wrote. In the byte order of the machine: another one takes the
 * magic number for damage, and a damaged snapshot is rebuilt from the store.
 *
 * Threads: any but a loop thread: files.
 */
#pragma once

#include "index/bm25.h"

/* Writes the view, which holds the changes up to `seq`. */
bool snapshot_write(const char *path, struct str id, int64_t seq, const struct bm25_view *v,
                    struct err *e);
/* Fills the index. ERR_NOT_FOUND: no such file; ERR_CORRUPT: it is damaged or another's. */
bool snapshot_read(struct bm25 *ix, int64_t *seq, const char *path, struct str id, struct err *e);
/* The same from memory; `holder` as for bm25_load. */
bool snapshot_decode(struct bm25 *ix, int64_t *seq, struct str content, struct str id,
                     struct arena *holder, struct err *e);
