/* messages_error.h - errors as Anthropic's clients read them.
 *
 *     {"type":"error","error":{"type":"not_found_error","message":"..."},"request_id":"req_..."}
 *
 * The form has no place for the field at fault: the message names it.
 *
 * Threads: any.
 */
#pragma once

#include "gateway/request.h"

int messages_error_status(enum err_code code); /* 529 where others say 503 */
/* `id`: of the request. */
void messages_error_json(struct json_writer *w, const char *id, const struct err *why);
