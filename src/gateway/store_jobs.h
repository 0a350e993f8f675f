/* store_jobs.h - uploaded files on their way into a collection, read in the background.
 *
 * A document is in_progress from the moment the request is answered until a thread has stored it or
 * noted why it could not. The store knows what is in progress, so what a killed process had begun
 * or had not come to is done after the next start, and what it had done is not done again. What was
 * cancelled or removed meanwhile is passed over.
 *
 * The threads are of their own: a thousand files that wait do not stand in the way of the workers
 * that answer requests.
 *
 * Threads: as each function says.
 */
#pragma once

#include "gateway/request.h"

struct store_jobs;

/* Starts the threads, and what the last process left. On the thread that starts the service. */
bool store_jobs_start(struct store_jobs **out, struct service *s, struct err *e);
/* Breaks off what is being read, which stays in progress in the store. Accepts NULL. No request may
 * run. */
void store_jobs_stop(struct store_jobs *q);

/* The file's document, to be begun: ERR_NOT_FOUND with this param for a file that is not the
 * caller's. On the fiber of the request, as the next. */
bool store_jobs_document(struct request *r, const struct doc_collection *c, struct str file_id,
                         const char *param, struct doc_document *out, struct err *e);
/* Documents that have been begun. */
void store_jobs_post(struct request *r, const struct doc_collection *c,
                     const struct doc_document *d, size_t n);
