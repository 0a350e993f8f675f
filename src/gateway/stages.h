/* stages.h - what a request passes, in order: one table in stages.c.
 *
 *     identify   whose key is it                          every request with a key
 *     admit      rate and concurrency of that key         every request with a key
 *     validate   the body, by the codec in front          model calls, as all below
 *     route      which provider and collections
 *     ground     passages for the question
 *     invoke     the provider's answer
 *     cite       citations checked and resolved on the way back
 *     transcript what is said, for a trace that is to hold it (tracing.content)
 *     settle     the reply ended after the ledger has its rows; counters
 *
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"

void stages_init(void); /* before the first request */
/* The stages at the door. */
bool stages_enter(struct request *r, struct err *e);
/* A model call: all the others, up to the end of the reply. On failure nothing has been answered
 * yet (the caller sends the error), or the codec has told the client inside the stream (*e is then
 * only for the log, and http->status is set). */
bool stages_call(struct request *r, const struct codec *codec, struct err *e);
/* One call to the request's model, through r->sink: what the stage invoke does unless the codec
 * knows better. */
bool stages_invoke(struct request *r, struct err *e);
/* Gives back what was taken at the door. Always called, once. */
void stages_leave(struct request *r);
