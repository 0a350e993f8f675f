/* ingest.h - documents in: read in the sandbox, cut into chunks, stored whole, made searchable.
 *
 *     file --(hash as stored)--> UNCHANGED
 *       |
 *       +--(reader)--> text --(chunker)--> chunks --(one transaction)--> STORED --(index)-->
 * visible
 *       |
 *       +--(unreadable, over a limit, reader killed)--> FAILED, with a row that says why
 *
 * A document is visible whole or not at all: text, chunks, metadata and the change that the index
 * follows are one transaction. A document that fails leaves the others alone, and is tried again by
 * the next run. Killed at any moment, the next run skips what is stored (by content hash) and does
 * the rest.
 *
 * Threads: a worker or a plain thread, never a loop thread: it blocks. Documents are read by
 * threads of its own, each with a reader process; several runs may go on side by side.
 */
#pragma once

#include "index/search.h"
#include "store/db.h"

struct extract;

struct ingest { /* what all of it needs; made once at start */
    struct db *db;
    struct search_set *search;
    const char
        *reader_path;  /* of penstock-reader; NULL: beside the running binary, else libexecdir */
    unsigned parallel; /* documents read at once; 0: one per core */
    uint64_t max_file_bytes;   /* 0: 512 MB */
    uint64_t reader_memory;    /* bytes of address space; 0: 1 GB */
    int64_t reader_timeout_ms; /* per document; 0: 60 s */
};

struct ingest_chunking {
    uint32_t max_tokens; /* 0: INGEST_TOKENS */
    uint32_t overlap;    /* with max_tokens 0: INGEST_OVERLAP; at most half of max_tokens */
};
enum { INGEST_TOKENS = 512, INGEST_OVERLAP = 50 };

struct ingest_progress {
    uint64_t files_found;
    uint64_t files_done; /* in whatever way: those below are among them */
    uint64_t files_unchanged, files_failed;
    uint64_t files_removed;
    uint64_t chunks, bytes; /* of the files that are done and good */
    struct str current;     /* path of the file that was finished last; "" at the start and end */
    const char *error;      /* why that file failed; NULL = it did not */
};

/* Called from the thread that called ingest_paths: at the start, after each file, at the end. False
 * cancels: what is stored stays. */
typedef bool ingest_report(void *ctx, const struct ingest_progress *p);

/* Brings a collection up to date with files and folders: new and changed ones are read, deleted
 * ones (inside a folder that was given) removed. Which files a folder has: see walk.h. Formats by
 * content and extension; unknown ones fail with "unsupported format". Fails with ERR_CANCELLED,
 * with ERR_NOT_FOUND for a path or a collection that is not there, and for what is wrong with the
 * store or the reader; *total then says how far it came. `chunking` and `report` may be NULL.
 * `access`: who may read all of them (index/rights.h); "": as each says in its front matter under
 * `access`, else as before. */
bool ingest_paths(struct ingest *in, struct str collection, const struct str *path, size_t n,
                  const struct ingest_chunking *chunking, struct str access, ingest_report *report,
                  void *ctx, struct ingest_progress *total, struct err *e);

/* One uploaded file (blob in a file on disk) into a collection, under its file id. Its document has
 * been begun (doc_begin) and keeps the attributes that it has. True also when the document cannot
 * be read: its row then says why. ERR_CANCELLED when it was cancelled or removed, and nothing has
 * changed; or when the reader was. */
bool ingest_file(struct ingest *in, struct extract *reader, struct str collection,
                 struct str file_id, struct str filename, const char *blob_path,
                 const struct ingest_chunking *chunking, struct err *e);
/* A reader for it, to be kept for many files; ends with extract_close (ingest/extract.h). */
struct extract *ingest_reader(const struct ingest *in);
unsigned ingest_threads(const struct ingest *in); /* how many files should be read at once */
bool ingest_remove_file(struct ingest *in, struct str collection, struct str file_id,
                        struct err *e);
