/* ingest.h - documents in: read in the sandbox, cut into chunks, stored whole, made searchable.
 *
 *     PENDING --(reader)--> READ --(chunker)--> CHUNKED --(one transaction)--> STORED
 *        |                    |                                                   |
 *        |                    +--(unreadable, over a limit)--> FAILED             +--(index caught
 * up)--> visible
 *        +--(content hash as stored)--> UNCHANGED
 *
 * A document is visible whole or not at all: text, chunks, metadata and the change that the index
 * follows are one transaction. A document that fails has a row that says why; the others go on.
 * Killed at any moment, the next run skips what is stored (by content hash) and does the rest.
 *
 * Threads: a fiber or a plain thread; work is spread over workers and reader processes.
 */
#pragma once

#include "index/search.h"
#include "store/db.h"

struct ingest { /* what all of it needs; made once at start */
    struct db *db;
    struct search_set *search;
    const char
        *reader_path;  /* of penstock-reader; NULL: beside the running binary, else libexecdir */
    unsigned parallel; /* documents read at once; 0: one per core */
    uint64_t max_file_bytes;   /* default 512 MB */
    uint64_t reader_memory;    /* bytes of address space; default 1 GB */
    int64_t reader_timeout_ms; /* per document; default 60 s */
};

struct ingest_chunking {
    uint32_t max_tokens; /* default 512 */
    uint32_t overlap;    /* default 50; at most half of max_tokens */
};

struct ingest_progress {
    uint64_t files_found, files_done, files_unchanged, files_failed, files_removed;
    uint64_t chunks, bytes;
    struct str current; /* path of the file that was finished last; "" at the start and end */
    const char *error;  /* why that file failed; NULL = it did not */
};

/* Called from the thread or fiber that called ingest_paths, after each file. False cancels: what is
 * stored stays. */
typedef bool ingest_report(void *ctx, const struct ingest_progress *p);

/* Brings a collection up to date with files and folders: new and changed ones are read, deleted
 * ones (inside a folder that was given) removed. Hidden files and what .gitignore-like noise there
 * is (.git, node_modules) are skipped. Formats by content and extension; unknown ones are counted
 * as failed with "unsupported format". */
bool ingest_paths(struct ingest *in, struct str collection, const struct str *path, size_t n,
                  const struct ingest_chunking *chunking, ingest_report *report, void *ctx,
                  struct ingest_progress *total, struct err *e);

/* One uploaded file (blob in a file on disk) into a collection, under its file id. */
bool ingest_file(struct ingest *in, struct str collection, struct str file_id, struct str filename,
                 const char *blob_path, struct str attributes_json,
                 const struct ingest_chunking *chunking, struct err *e);
bool ingest_remove_file(struct ingest *in, struct str collection, struct str file_id,
                        struct err *e);
