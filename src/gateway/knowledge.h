/* knowledge.h - the vector stores that ground an answer, where a request names them itself.
 *
 *     tools: [{type: file_search, vector_store_ids}]     of Responses (responses_search.h)
 *     x-penstock-vector-stores: vs_1, vs_2               of every protocol
 *
 * They take the place of those that the model is bound to.
 *
 * Errors:  ERR_NOT_FOUND for a store that does not exist for the caller, whoever else has it, and
 *          ERR_INVALID for one that has expired or too many, with `where` as param.
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"

enum { KNOWLEDGE_MOST = 10 };

/* Adds a store to r->collection. */
bool knowledge_add(struct request *r, struct str id, const char *where, struct err *e);
/* Those of the header, if there is one. */
bool knowledge_header(struct request *r, struct err *e);
