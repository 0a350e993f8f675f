/* stores_api.h - what the surfaces of collections, of the files in them and of search share.
 *
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"
#include "gateway/store_fields.h"

enum { STORES_LIST_MAX = 64 << 20 }; /* bytes of an answer */

/* The collection that the path names, with the chunking that holds for it. */
bool stores_find(struct request *r, struct doc_collection *c, struct err *e);
/* The same for a request that uses it: ERR_INVALID when it has expired. */
bool stores_find_live(struct request *r, struct doc_collection *c, struct err *e);
/* "file_counts": {...} */
void stores_put_counts(struct json_writer *w, const uint64_t documents[DOC_STATUS_COUNT]);

/* The documents that a body asks for, to be begun: those of a list of file ids under `name`, all
 * with the same attributes and chunking (0 = the collection's). */
bool stores_take_ids(struct request *r, const struct doc_collection *c, struct json_value root,
                     const char *name, struct doc_document like, struct doc_document **out,
                     size_t *n, struct err *e);
/* A page of documents, as the query and `f` say. */
bool stores_reply_files(struct request *r, const struct doc_collection *c, struct doc_filter *f,
                        struct err *e);
/* Clients that poll are told when to come again. `since_s`: when the work began. */
void stores_poll_after(struct request *r, int64_t since_s);
