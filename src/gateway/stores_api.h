/* stores_api.h - what the surfaces of collections, of the files in them and of search share.
 *
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"

/* The collection that the path names, with the chunking that holds for it. */
bool stores_find(struct request *r, struct doc_collection *c, struct err *e);
/* `chunking_strategy`: {"type":"static","static":{...}} sets both; "auto" leaves them. */
bool stores_take_chunking(struct json_value body, uint32_t *tokens, uint32_t *overlap,
                          struct err *e);
/* Puts an uploaded file into a collection: its document is in_progress until a worker has read it.
 * `attributes` is a JSON object. ERR_NOT_FOUND for a file that is not the caller's. */
bool stores_add_file(struct request *r, const struct doc_collection *c, struct str file_id,
                     struct str attributes, struct err *e);
/* Goes on with the documents that a process which was killed had begun. After work_start. */
bool stores_resume(struct service *s, struct err *e);
