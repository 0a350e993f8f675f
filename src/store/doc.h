/* doc.h - collections, files, documents, chunks: the queries that several parts share, typed.
 *
 * A collection (a vector store of the OpenAI API) belongs to a tenant and holds documents. A
 * document is named by its uri, unique in the collection: an absolute path, a URL, or the id of an
 * uploaded file. It keeps its id over all its versions; its chunks get new ids each time and an id
 * is never used again, so a reader that holds an old chunk id finds nothing rather than something
 * else.
 *
 *     (none) --doc_begin--> in_progress --doc_put--> completed --doc_put--> completed, version + 1
 *        |                       |                       |
 *        +--doc_put, doc_fail    +--doc_fail--> failed   +--doc_fail--> failed
 *                                +--doc_batch_cancel--> cancelled
 *
 * An uploaded file (file_id) is begun before it is read, and put or failed only while it is still
 * in progress: one that was cancelled or removed meanwhile does not come back (ERR_CANCELLED).
 *
 * doc_put replaces chunks, metadata and version and writes the change that indexes follow in one
 * transaction, so a document is visible whole or not at all. doc_begin and doc_fail leave the
 * chunks of an earlier version alone: they stay searchable until a good version takes their place
 * or the document is removed. A file is done when its document is completed and has its content
 * hash.
 *
 * What derived indexes follow: doc_changes. Of each document only its last change is kept, because
 * an index always loads the document as it is now; so following from 0 rebuilds everything, and a
 * change means "load this document; when its version is another one, replace what you have of it"
 * (DB_DOCUMENT_ADDED) or "drop it" (the others).
 *
 * Units:   *_s Unix seconds; bytes and char_* are byte offsets in UTF-8; page and line from 1, 0 =
 *          none; idx from 0.
 * Memory:  arguments are borrowed; results live in the arena that was passed. No struct str in a
 *          result has a NULL pointer, and each has a NUL behind it.
 * Errors:  ERR_NOT_FOUND for a collection, file or document that is not there or is another
 *          tenant's; ERR_CONFLICT for a name that is taken; else those of store/db.h.
 * Threads: a fiber (which sleeps meanwhile) or any thread that is not a loop.
 */
#pragma once

#include "store/db.h"

enum doc_status {
    DOC_ANY,
    DOC_IN_PROGRESS,
    DOC_COMPLETED,
    DOC_FAILED,
    DOC_CANCELLED,
    DOC_STATUS_COUNT
};
const char *doc_status_name(enum doc_status s); /* "in_progress", ...; "" for DOC_ANY */

/* ---- Who asks ---- */

/* Decides whether a caller may read what has an access list; never asked about an empty one. NULL
 * where one is wanted: everything may be read. */
struct doc_reader {
    bool (*may_read)(const void *who, struct str access);
    const void *who;
};

/* ---- Pages of a list: newest first or oldest first, after or before an id. ---- */

struct doc_page {
    struct str after, before; /* ids as listed; "" = from the start. An unknown id: ERR_NOT_FOUND */
    uint32_t limit;           /* 0 = DOC_PAGE_DEFAULT; at most DOC_PAGE_MAX are returned */
    bool ascending;           /* oldest first */
    /* Of files: leaves out those that are in collections, in none as a document that may be read.
     */
    const struct doc_reader *reader;
};
enum { DOC_PAGE_DEFAULT = 20, DOC_PAGE_MAX = 10000 };

/* ---- Collections ---- */

struct doc_collection {
    struct str id;     /* "vs_..."; set by create */
    struct str tenant; /* "" = KEY_DEFAULT_TENANT */
    struct str name;   /* several may have it; see by_name */
    struct str description;
    struct str metadata;                  /* a JSON object; "" is stored as {} */
    struct str keywords;                  /* as index/tuning.h has it; "" = as usual */
    uint32_t chunk_tokens, chunk_overlap; /* 0 = the defaults of ingest */
    uint32_t expires_days;                /* after the last use; 0 = never */
    int64_t created_s, last_active_s;     /* set by the store */
    int64_t expires_s;                    /* 0 = never */
    bool expired; /* its time has come: there for who asks for its id, but holds nothing */
    /* Counted when read. */
    uint64_t documents[DOC_STATUS_COUNT]; /* by status; [DOC_ANY]: all */
    uint64_t bytes, chunks;
};

/* Creates it; fills id and times in *c (id lives in `a`). */
bool doc_collection_create(struct db *d, struct arena *a, struct doc_collection *c, struct err *e);
/* `out` may be NULL to ask only whether it is there. */
bool doc_collection_find(struct db *d, struct arena *a, struct str tenant, struct str id,
                         struct doc_collection *out, struct err *e);
/* The oldest of this name that has not expired. */
bool doc_collection_by_name(struct db *d, struct arena *a, struct str tenant, struct str name,
                            struct doc_collection *out, struct err *e);
/* by_name, and created with defaults when there is none, in one step: what `penstock ingest` wants.
 */
bool doc_collection_ensure(struct db *d, struct arena *a, struct str tenant, struct str name,
                           struct doc_collection *out, struct err *e);
/* Writes name, description, metadata, expires_days, keywords of c->id, and tells the indexes of the
 * last. */
bool doc_collection_update(struct db *d, const struct doc_collection *c, struct err *e);
/* Removes it with all its documents, and tells the indexes. */
bool doc_collection_delete(struct db *d, struct str tenant, struct str id, struct err *e);
/* *more: there are others behind the page. tenant "" = of all tenants. */
bool doc_collection_list(struct db *d, struct arena *a, struct str tenant,
                         const struct doc_page *page, struct doc_collection **out, size_t *n,
                         bool *more, struct err *e);
/* The ids of all collections of all tenants. */
bool doc_collection_ids(struct db *d, struct arena *a, struct str **out, size_t *n, struct err *e);
/* Those of a collection; "" when there is none. */
bool doc_collection_keywords(struct db *d, struct arena *a, struct str id, struct str *out,
                             struct err *e);
/* Notes a use now, which moves the expiry. Cheap to call often: writes at most once a minute. */
bool doc_collection_touch(struct db *d, struct str id, struct err *e);
/* Empties the collections whose time has come, and tells the indexes. */
bool doc_collection_expire(struct db *d, size_t *emptied, struct err *e);

/* ---- Uploaded files. Their bytes are in store/blob.h under the same id. ---- */

struct doc_file {
    struct str id; /* "file-..."; made by doc_file_id */
    struct str tenant, filename, purpose;
    struct str status; /* "uploaded", "processed", "error" */
    struct str sha256; /* hexadecimal */
    int64_t bytes, created_s;
    int64_t expires_s; /* 0 = never; from then on it is not found */
};

struct str doc_file_id(struct arena *a); /* a new id: the blob is written before the row */
bool doc_file_create(struct db *d, struct doc_file *f, struct err *e); /* sets created_s */
bool doc_file_find(struct db *d, struct arena *a, struct str tenant, struct str id,
                   struct doc_file *out, struct err *e);
bool doc_file_set_status(struct db *d, struct str id, struct str status, struct err *e);
/* Removes the row and its documents in every collection. The caller deletes the blob after. */
bool doc_file_delete(struct db *d, struct str tenant, struct str id, struct err *e);
/* Ids of files whose time has come, at most DOC_PAGE_MAX: to be deleted as others are. */
struct doc_expired {
    struct str tenant, id;
};
bool doc_file_expired(struct db *d, struct arena *a, struct doc_expired **out, size_t *n,
                      struct err *e);
/* Of all tenants. */
bool doc_file_ids(struct db *d, struct arena *a, struct str **out, size_t *n, struct err *e);
/* purpose "" = any. */
bool doc_file_list(struct db *d, struct arena *a, struct str tenant, struct str purpose,
                   const struct doc_page *page, struct doc_file **out, size_t *n, bool *more,
                   struct err *e);

/* ---- Documents ---- */

struct doc_document {
    int64_t id; /* > 0; set by the store */
    struct str collection, uri;
    struct str file_id; /* "" when it did not come through /v1/files */
    struct str name;    /* what [Source: ...] says: file name or title */
    struct str title, doc_type, language, author;
    struct str content_hash; /* of the bytes that were read; hexadecimal */
    struct str attributes;   /* a JSON object; "" is stored as {} */
    struct str access;       /* who may read it, see index/rights.h; "" = everyone in the tenant */
    int64_t bytes, mtime_ns;
    int64_t last_updated_s; /* as the document itself says; 0 = does not say */
    /* How an uploaded file is to be cut, 0 = as its collection; set by doc_begin. */
    uint32_t chunk_tokens, chunk_overlap;
    struct str error_code; /* why it failed as clients of the API know it, "" = invalid_file */
    /* Set by the store. */
    enum doc_status status;
    struct str error; /* why it failed, "" otherwise */
    int64_t created_s, updated_s;
    uint32_t version; /* from 1; 0 = never completed */
    uint32_t chunks;
};

struct doc_chunk {
    int64_t id, document; /* set by the store */
    uint32_t idx, total;  /* set by the store: place in the array given to doc_put, and its size */
    struct str text;
    struct str section; /* "Install > From source", "" when none */
    uint32_t page, line_start, line_end;
    uint64_t char_start, char_end; /* in the document's text */
    uint32_t tokens;
    uint64_t hash; /* of the text, to drop duplicates */
};

/* Stores a document with all its chunks in place of the version before. Sets doc->id, version and
 * chunks. Access "" leaves the list that the document has. ERR_NOT_FOUND when the collection has
 * gone. An empty document (n 0) is allowed. */
bool doc_put(struct db *d, struct doc_document *doc, const struct doc_chunk *chunk, size_t n,
             struct err *e);
/* Notes that work on it has begun, creating the row if needed; sets doc->id. Of an uploaded file
 * attributes and chunking hold from here on. */
bool doc_begin(struct db *d, struct doc_document *doc, struct err *e);
/* Notes why it could not be read (error_code is the document's); content_hash is kept, so that an
 * unchanged file need not be tried again. Sets doc->id. */
bool doc_fail(struct db *d, struct doc_document *doc, struct str error, struct err *e);
/* Removes document and chunks and tells the indexes. */
bool doc_remove(struct db *d, int64_t document, struct err *e);

bool doc_find(struct db *d, struct arena *a, struct str collection, struct str uri,
              struct doc_document *out, struct err *e);
bool doc_find_file(struct db *d, struct arena *a, struct str collection, struct str file_id,
                   struct doc_document *out, struct err *e);
bool doc_by_id(struct db *d, struct arena *a, int64_t document, struct doc_document *out,
               struct err *e);
/* Writes the attributes of a document, or who may read it, and tells the indexes. */
bool doc_set_attributes(struct db *d, int64_t document, struct str attributes, struct err *e);
bool doc_set_access(struct db *d, int64_t document, struct str access, struct err *e);

struct doc_filter {
    struct str collection;
    struct str batch;                /* only what was added with it; "" = all */
    struct str uri_prefix;           /* "" = all; for following deletions in a folder */
    int status;                      /* an enum doc_status; DOC_ANY or less = all */
    bool files_only;                 /* those with a file_id */
    int64_t after, before;           /* document ids, exclusive; 0 = none */
    uint32_t limit;                  /* 0 = DOC_PAGE_DEFAULT */
    bool ascending;                  /* by id, that is in order of first appearance */
    const struct doc_reader *reader; /* leaves out what may not be read */
};
bool doc_list(struct db *d, struct arena *a, const struct doc_filter *f, struct doc_document **out,
              size_t *n, bool *more, struct err *e);

/* ---- What a caller may not read (store/doc_access.c) ---- */

struct doc_hidden {
    uint64_t documents[DOC_STATUS_COUNT]; /* by status; [DOC_ANY]: all */
    uint64_t bytes, chunks;
};
/* Counts what the caller may not read of a collection, or of one batch in it. */
bool doc_hidden(struct db *d, const struct doc_reader *r, struct str collection, struct str batch,
                struct doc_hidden *out, struct err *e);
/* May the caller read an uploaded file? Unless all documents that it has become are hidden. */
bool doc_file_readable(struct db *d, const struct doc_reader *r, struct str file_id, bool *may,
                       struct err *e);

/* ---- Batches: uploaded files that were added to a collection by one request. ---- */

struct doc_batch {
    struct str id, collection; /* "vsfb_..."; set by create */
    int64_t created_s;
    bool cancelled;
    uint64_t documents[DOC_STATUS_COUNT]; /* counted when read, of those still in the collection */
};

/* Begins all documents (doc_begin) or none; sets their ids, and id and time of *b. */
bool doc_batch_create(struct db *d, struct arena *a, struct doc_batch *b, struct doc_document *doc,
                      size_t n, struct err *e);
bool doc_batch_find(struct db *d, struct arena *a, struct str collection, struct str id,
                    struct doc_batch *out, struct err *e);
/* Those of its documents that are in progress are cancelled from here on. */
bool doc_batch_cancel(struct db *d, struct str collection, struct str id, struct err *e);

/* ---- Chunks, for answers ---- */

/* A chunk and what its document says: all that a struct passage (model/chat.h) needs. */
struct doc_passage {
    struct doc_chunk chunk; /* chunk.id 0: this chunk has gone */
    struct str collection, file_id, name, title, uri, doc_type, language, attributes, access;
    struct str content_hash, author;
    uint32_t version;
    int64_t updated_s;
    int64_t last_updated_s; /* as the document itself says; 0 = does not say */
};
/* out[i] is the chunk chunk_id[i]; *out has n entries. One snapshot for all. */
bool doc_chunks_load(struct db *d, struct arena *a, const int64_t *chunk_id, size_t n,
                     struct doc_passage **out, struct err *e);
/* The chunks of a document with from <= idx < to, by idx: neighbours of a hit, or (0, UINT32_MAX)
 * all of it. */
bool doc_chunks_range(struct db *d, struct arena *a, int64_t document, uint32_t from, uint32_t to,
                      struct doc_chunk **out, size_t *n, struct err *e);

/* ---- Changes, for indexes ---- */

struct doc_change {
    int64_t seq, document; /* document 0 when it is of a collection */
    int64_t content;       /* DB_DOCUMENT_EMBEDDED: the change that brought the content */
    enum db_change kind;
    struct str collection;
};
/* At most `limit` changes with a number above `after`, rising. collection "" = of all. Fewer than
 * `limit` means that this is the end. */
bool doc_changes(struct db *d, struct arena *a, struct str collection, int64_t after, size_t limit,
                 struct doc_change **out, size_t *n, struct err *e);
bool doc_change_last(struct db *d, int64_t *seq, struct err *e); /* 0 = there was none yet */

struct doc_index_chunk { /* what there is to index of a chunk */
    int64_t id;
    struct str text, section;
};

struct doc_index_document {
    int64_t id; /* 0: it has gone */
    uint32_t version, n_chunks;
    struct doc_index_chunk *chunk; /* by idx; NULL when they were not asked for */
    struct str name, title, doc_type, language, author, attributes, access;
    int64_t last_updated_s, created_s;
};
/* out[i] is document[i] as it is now. Its chunks are left out when it is still of version known[i]
 * (`known` NULL: of none). One snapshot for all, so that text and access list belong together; pass
 * some dozen documents at a time to bound memory. */
bool doc_index_load(struct db *d, struct arena *a, const int64_t *document, const uint32_t *known,
                    size_t n, struct doc_index_document **out, struct err *e);
/* Calls seen(to, i, ...) for each chunk_id[i] that is there, with its text and section and its
 * document's id, name and title, which last until it returns. One snapshot for all; costs least
 * when ids rise. */
typedef void doc_index_seen(void *to, size_t i, const struct doc_index_document *d,
                            const struct doc_index_chunk *chunk);
bool doc_index_texts(struct db *d, const int64_t *chunk_id, size_t n, doc_index_seen *seen,
                     void *to, struct err *e);
/* How many chunks a collection has in the store. */
bool doc_chunk_count(struct db *d, struct str collection, int64_t *n, struct err *e);
