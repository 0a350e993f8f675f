/* responses_search.h - the tool file_search: where an answer to POST /v1/responses is looked for.
 *
 * A search is made for each request with the tool, before the model is asked: models without tools
 * of their own can use it, and a model cannot skip it. What was found goes to the model as data, in
 * the message with the question (model/prompt.h), under the rules for answers from passages.
 *
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"
#include "gateway/responses_read.h"

/* Finds the stores and reads the filter, for the ground stage. ERR_NOT_FOUND for a store that does
 * not exist for the caller, whoever else has it. */
bool responses_search_prepare(struct request *r, const struct responses_search *s, struct err *e);
/* `queries` and `results` of the call, behind the ground stage; results null when not shown. */
void responses_search_put(const struct request *r, struct json_writer *j, bool results);
