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
