/* doc_row.h - what the files behind doc.h share: rows into structs, pages of lists.
 *
 * Memory:  results live in the arena that was passed.
 * Threads: inside a db_fn.
 */
#pragma once

#include "store/doc.h"

struct str doc_tenant(struct str tenant); /* "default" for "" */

/* A column's text, copied. */
struct str doc_text(struct arena *a, struct db_rows *rows, int column);
/* The texts in a query's first column. */
bool doc_texts(struct db *d, struct arena *a, const char *query, struct str **out, size_t *n,
               struct err *e);
struct str doc_json(struct str object); /* {} for "" */

/* The columns that doc_read_document reads, in its order. */
#define DOC_COLUMNS                                                                                \
    "id, collection, uri, file_id, name, title, doc_type, language, author, content_hash, "        \
    "attributes, bytes, mtime_ns, last_updated_s, version, status, error, chunks, created_s, "     \
    "updated_s, chunk_tokens, chunk_overlap, error_code, access"
void doc_read_document(struct arena *a, struct db_rows *rows, struct doc_document *out);

enum doc_status doc_status_of(struct str name); /* DOC_FAILED for what is none */
/* doc_begin inside a transaction. */
bool doc_begin_tx(struct db_tx *tx, struct doc_document *doc, struct err *e);
bool doc_may_read(const struct doc_reader *r, struct str access);
/* doc_file_readable inside a transaction. */
bool doc_file_readable_tx(struct db_tx *tx, const struct doc_reader *r, struct str file_id,
                          bool *may, struct err *e);
bool doc_tenant_ensure(struct db_tx *tx, struct str tenant, struct err *e);
/* Removes a document inside a transaction and writes the change. */
bool doc_remove_tx(struct db_tx *tx, struct str collection, int64_t document, struct err *e);

/* A page of rows that are listed by (created_ms, id), as bounds for one query. */
struct doc_bounds {
    int64_t low_ms, high_ms; /* exclusive, with the ids below */
    struct str low_id, high_id;
    int64_t limit;  /* rows to ask for: one more than to return */
    bool ascending; /* order to ask for */
    bool reversed;  /* the rows come in the opposite of the order to return */
};
/* `sql` gives created_ms of the row with id $1 of tenant $2. ERR_NOT_FOUND with param "after" or
 * "before". */
bool doc_bounds_find(struct db_tx *tx, const struct doc_page *page, const char *sql,
                     struct str tenant, struct doc_bounds *out, struct err *e);
/* Cuts the extra row off and puts the rest in the order to return. */
void doc_page_finish(void *array, size_t *n, size_t size, int64_t limit, bool reversed, bool *more);
