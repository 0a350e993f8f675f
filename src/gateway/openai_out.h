/* openai_out.h - what the answers of OpenAI's chats and text completions share.
 *
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"

const char *openai_finish(enum chat_finish finish); /* as finish_reason says it */
/* A file_citation, whole: what it refers to, and what resolves it further. `index`: the character
 * (code point) of the text behind which it belongs. */
void openai_put_citation(struct json_writer *j, const struct citation *c, size_t index);
/* The same as chats have it: a url_citation, the one kind that clients of chats know, which spans
 * the marker [Source: name] that ends at `index`, or what it speaks for when there is none; what
 * file_citation has stands beside it. */
void openai_put_url_citation(struct json_writer *j, const struct citation *c, size_t index);
/* The members that resolve a citation and let it be checked: store, version, hashes, section, page,
 * lines, span and quote. */
void openai_put_place(struct json_writer *j, const struct citation *c);
/* The member `usage`. */
void openai_put_usage(struct json_writer *j, const struct chat_usage *u);
