/* openai_out.h - what the answers of OpenAI's chats and text completions share.
 *
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"

const char *openai_finish(enum chat_finish finish); /* as finish_reason says it */
/* The member `usage`. */
void openai_put_usage(struct json_writer *j, const struct chat_usage *u);
