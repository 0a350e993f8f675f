/* search_calls.h - the tool file_search as a function that the model calls.
 *
 *     the model is asked, with the function among its tools; it
 *       answers                              that is the answer
 *       calls a function of the client's     that ends the answer, as always. A search that it
 * calls in the same breath is not made: it can call again when it goes on calls searches each is
 * made; what was found is the result of its call, and the model is asked again
 *
 * Passages that are found count like those that stand with the question: they can be cited, and
 * sentences are checked against them. Each asking is a call of its own for dispatch, with retries
 * and rows in the ledger; the answer's usage is their sum. What breaks off before the client has
 * seen anything of it begins anew; half a call of a search is nothing that was seen.
 *
 * Bounds: the model is asked SEARCH_CALLS_ROUNDS times with the function and once more without it.
 * `max_tool_calls` counts searches, the one before the model was asked included.
 *
 * Errors:  ERR_UPSTREAM for a model that does nothing but search.
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"
#include "gateway/responses_read.h"

enum { SEARCH_CALLS_ROUNDS = 4 };

/* The stage invoke, for a request whose model may search (req.searching): the answer through
 * r->sink. */
bool search_calls_answer(struct request *r, const struct responses_search *s, struct err *e);

/* The queries in a call's arguments, in `a`: at most `most`, 0 when they are not to be understood.
 * Models write {"queries": [...]}, as they are told to, or one text, or "query". */
size_t search_calls_read(struct str arguments, struct str *query, size_t most, struct arena *a);
