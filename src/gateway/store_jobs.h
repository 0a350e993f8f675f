/* store_jobs.h - uploaded files on their way into a collection, read by workers in the background.
 *
 * A document is in_progress from the moment the request is answered until a worker has stored it or
 * noted why it could not. What a killed process had begun is begun again at the next start.
 *
 * Threads: as each function says; the jobs themselves run on workers.
 */
#pragma once

#include "gateway/request.h"

/* `attributes` is a JSON object. ERR_NOT_FOUND for a file that is not the caller's. On the fiber of
 * the request. */
bool store_jobs_add(struct request *r, const struct doc_collection *c, struct str file_id,
                    struct str attributes, struct err *e);
/* After work_start, on the thread that starts the service. */
bool store_jobs_resume(struct service *s, struct err *e);
