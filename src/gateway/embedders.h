/* embedders.h - the embedders of the configuration at work: vectors of questions for requests, and
 * of documents in the background (ingest/embed.h).
 *
 * Threads: as each function says.
 */
#pragma once

#include "gateway/request.h"
#include "ingest/embed.h"

/* The embedder whose vectors lie in a space; NULL: it is not configured any more. One of the same
 * provider and model will do when its version is another one now. Any thread. */
const struct config_embedder *embedders_find(const struct config *c, const struct space *s);

/* The background job of a snapshot, which it holds a reference of: on the first loop, in place of
 * the one that ran. Those of one service share a status. */
void embedders_start(struct service_loop *l);
void embedders_stop(struct service_loop *l);

/* GET /admin/embeddings, POST /admin/embeddings/pause and /resume. On the fiber of the request. */
bool embedders_get(struct request *r, struct err *e);
bool embedders_pause(struct request *r, struct err *e);
bool embedders_resume(struct request *r, struct err *e);
