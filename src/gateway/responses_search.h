/* responses_search.h - the tool file_search: where an answer to POST /v1/responses is looked for,
 * and who decides to look.
 *
 * A search is made before the model is asked: models without tools of their own can use it, and a
 * model cannot skip it. What was found goes to the model as data, in the message with the question
 * (model/prompt.h), under the rules for answers from passages. A model that is known to call
 * functions may search again (gateway/search_calls.h), and where it is configured so it is the only
 * one to search.
 *
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"
#include "gateway/responses_read.h"

/* Finds the stores, reads the filter for the ground stage, and sets req.searching. ERR_NOT_FOUND
 * for a store that does not exist for the caller, whoever else has it. */
bool responses_search_prepare(struct request *r, const struct responses_search *s, struct err *e);
/* The search that was made before, behind the ground stage. */
struct chat_search responses_search_first(const struct request *r);
/* `queries` and `results` of a call; results null when not shown. */
void responses_search_put(struct json_writer *j, const struct chat_search *s, bool results);
