/* openai_out.h - what the answers of OpenAI's chats and text completions share.
 *
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"

const char *openai_finish(enum chat_finish finish); /* as finish_reason says it */
/* A file_citation, whole: what it refers to, and what resolves it further (section, page, lines,
 * span and quote). `index`: the character of the text behind which it belongs. */
void openai_put_citation(struct json_writer *j, const struct citation *c, size_t index);
/* The member `usage`. */
void openai_put_usage(struct json_writer *j, const struct chat_usage *u);
