/* snapshot.h - a collection's indexes on disk: one consistent set of files, whole or not there.
 *
 * Each part (keywords, attributes, ...) is a file of its own, named stem.GENERATION.PART, and a
 * manifest, stem.manifest, says which files belong together, how long they are, their checksums,
 * and up to which change of the store they have seen. New parts are written beside the old ones and
 * synced; then the manifest takes the old one's place in one step, and only then the old files go.
 * So a process that is killed at any moment, or a disk that is full, leaves the old set or the new
 * one. Files that no manifest names are rubbish, for snapshot_sweep.
 *
 * Parts are mapped and not read. In the byte order of the machine: another one takes the magic
 * number for damage, and a damaged snapshot is rebuilt from the store.
 *
 *     struct snapshot s;
 *     snapshot_begin(&s, stem, id, &old);
 *     snapshot_put(&s, SNAPSHOT_KEYWORDS, bytes, e) && ... && snapshot_finish(&s, seq, e)
 *
 * Memory:  a struct snapshot is plain data; `stem` is borrowed.
 * Threads: any but a loop thread: files.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum snapshot_part {
    SNAPSHOT_KEYWORDS,
    SNAPSHOT_ATTRIBUTES,
    SNAPSHOT_EMBEDDER,
    SNAPSHOT_VECTORS, /* of the built-in embedder */
    SNAPSHOT_OUTSIDE, /* vectors of an embedder outside */
    SNAPSHOT_PARTS
};

enum { SNAPSHOT_ID_MAX = 256, SNAPSHOT_PATH_MAX = 4096 };

struct snapshot {
    const char *stem;
    uint64_t id;         /* hash of the collection's id */
    uint64_t generation; /* of this set; 0 = none */
    int64_t seq;         /* changes up to here are in it */
    uint32_t numbers;    /* documents that the parts speak of have numbers below */
    int64_t space;       /* of SNAPSHOT_OUTSIDE */
    struct snapshot_file {
        uint64_t generation; /* in its name; 0 = there is no such part */
        uint64_t size;
        uint64_t checksum; /* 0 = the part checks itself */
    } part[SNAPSHOT_PARTS];
};

/* ---- Writing. What fails leaves the set that was there. ---- */

/* Begins the set behind `old` (zeroed: there is none), without parts. */
void snapshot_begin(struct snapshot *s, const char *stem, struct str id,
                    const struct snapshot *old);
bool snapshot_put(struct snapshot *s, enum snapshot_part part, struct str content, struct err *e);
/* The part is as it was in the old set: its file stays. */
void snapshot_keep(struct snapshot *s, enum snapshot_part part, const struct snapshot *old);
/* Where the part's file is to be written by somebody else, synced; snapshot_note then takes it in.
 */
void snapshot_path(const struct snapshot *s, enum snapshot_part part, char path[SNAPSHOT_PATH_MAX]);
bool snapshot_note(struct snapshot *s, enum snapshot_part part, struct err *e);
/* From now on this is the collection's snapshot; removes the files of `old` that it does not keep.
 */
bool snapshot_finish(struct snapshot *s, int64_t seq, const struct snapshot *old, struct err *e);
/* Removes the parts that were written for a set that could not be finished. */
void snapshot_abandon(const struct snapshot *s);

/* ---- Reading ---- */

/* ERR_NOT_FOUND: there is none; ERR_CORRUPT: the manifest is damaged or another collection's. */
bool snapshot_open(struct snapshot *out, const char *stem, struct str id, struct err *e);
/* Where a part's file lies. */
void snapshot_part_path(const struct snapshot *s, enum snapshot_part part,
                        char path[SNAPSHOT_PATH_MAX]);
/* The manifest from memory. */
bool snapshot_decode(struct snapshot *out, struct str manifest, struct str id, struct err *e);
/* A part as it lies in memory, at a multiple of 8 bytes, until the arena is freed. ERR_CORRUPT. */
bool snapshot_map(const struct snapshot *s, enum snapshot_part part, struct arena *a,
                  struct str *out, struct err *e);

/* Removes a collection's manifest and files. */
void snapshot_remove(const char *stem, const struct snapshot *s);
/* Removes all files of a folder that none of the sets names; other folders stay. */
void snapshot_sweep(const char *dir, const struct snapshot *const *keep, size_t n);
