/* routes.h - the HTTP surface: which path is whose, one access line and one count for each request.
 *
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"

void routes_init(void); /* before the first request */
/* The handler of every server; ctx is the struct service_loop. */
void routes_handle(struct http_request *http, void *ctx);
/* What the HTTP server refuses by itself, in the protocol of the path; false where it is the usual
 * one. */
bool routes_refuse(struct json_writer *w, const struct http_request *http, const char *id,
                   const struct err *why);

/* ---- What the surfaces offer; each in the file of its name. ---- */

bool chat_create(struct request *r, struct err *e); /* POST /v1/chat/completions */

bool responses_create(struct request *r, struct err *e); /* POST /v1/responses */
bool responses_count(struct request *r, struct err *e);  /* POST /v1/responses/input_tokens */
bool responses_get(struct request *r, struct err *e);
bool responses_delete(struct request *r, struct err *e);
bool responses_cancel(struct request *r, struct err *e);
bool responses_input_items(struct request *r, struct err *e);

bool messages_create(struct request *r, struct err *e);    /* POST /v1/messages */
bool messages_count(struct request *r, struct err *e);     /* POST /v1/messages/count_tokens */
bool completions_create(struct request *r, struct err *e); /* POST /v1/completions */
bool embeddings_create(struct request *r, struct err *e);  /* POST /v1/embeddings */
bool moderations_create(struct request *r, struct err *e); /* POST /v1/moderations */
bool rerank_create(struct request *r, struct err *e);      /* POST /v1/rerank, /v2/rerank */

bool models_list(struct request *r, struct err *e);
bool models_get(struct request *r, struct err *e);

bool files_create(struct request *r, struct err *e);
bool files_list(struct request *r, struct err *e);
bool files_get(struct request *r, struct err *e);
bool files_content(struct request *r, struct err *e);
bool files_delete(struct request *r, struct err *e);

bool stores_create(struct request *r, struct err *e);
bool stores_list(struct request *r, struct err *e);
bool stores_get(struct request *r, struct err *e);
bool stores_update(struct request *r, struct err *e);
bool stores_delete(struct request *r, struct err *e);
bool stores_search(struct request *r, struct err *e);
bool stores_file_add(struct request *r, struct err *e);
bool stores_file_list(struct request *r, struct err *e);
bool stores_file_get(struct request *r, struct err *e);
bool stores_file_update(struct request *r, struct err *e);
bool stores_file_remove(struct request *r, struct err *e);
bool stores_file_content(struct request *r, struct err *e);
bool stores_batch_create(struct request *r, struct err *e);
bool stores_batch_get(struct request *r, struct err *e);
bool stores_batch_cancel(struct request *r, struct err *e);
bool stores_batch_files(struct request *r, struct err *e);

bool apps_document_qa(struct request *r, struct err *e); /* GET /apps/document-qa */
bool apps_document_qa_script(struct request *r, struct err *e);
bool apps_document_qa_style(struct request *r, struct err *e);

bool admin_ingest(struct request *r, struct err *e);
bool admin_keys_list(struct request *r, struct err *e);
bool admin_keys_create(struct request *r, struct err *e);
bool admin_keys_revoke(struct request *r, struct err *e);
bool admin_status(struct request *r, struct err *e);
bool admin_verify(struct request *r, struct err *e);
bool live_get(struct request *r, struct err *e); /* GET /admin/live */

bool probe_live(struct request *r, struct err *e);
bool probe_ready(struct request *r, struct err *e);
bool probe_started(struct request *r, struct err *e);
bool probe_metrics(struct request *r, struct err *e);
