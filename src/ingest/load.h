/* load.h - one file into the store: hashed, read, cut, put there whole; or a row that says why not.
 *
 * Errors:  false only for what is wrong with us (the store, the reader cannot be started,
 * ERR_CANCELLED); what is wrong with the document is a result. Threads: as extract.h: one at a time
 * per reader; not for loop threads.
 */
#pragma once

#include "ingest/chunk.h"
#include "ingest/ingest.h"

struct load {
    struct db *db;
    struct extract *reader;
    struct chunk_limits limits;
    uint64_t max_bytes;
    struct str collection;

    /* of the document */
    const char *path;      /* where its bytes are */
    struct str uri, name;  /* see store/doc.h; the extension is taken from the name */
    struct str file_id;    /* "" when it is not an uploaded file */
    struct str attributes; /* a JSON object; "" takes what the document says of itself */
    struct str access;     /* who may read it; "" takes what the document says, else what holds */
};

enum load_end { LOAD_STORED, LOAD_UNCHANGED, LOAD_FAILED, LOAD_GONE };

struct load_result {
    enum load_end end; /* GONE: there is no such file any more, and nothing was done */
    uint64_t bytes;    /* of the file */
    uint32_t chunks;   /* stored */
    struct err why;    /* FAILED */
};

/* What clients of the API are told of an error: "unsupported_file", "invalid_file" or
 * "server_error". */
struct str load_error_code(enum err_code code);

bool load_file(const struct load *l, struct load_result *r, struct err *e);
