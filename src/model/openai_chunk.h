/* openai_chunk.h - the usual chunk of a stream in OpenAI's protocol, read by its likeness to one
 * before (model/shape.h).
 *
 * Usual is a chunk that lets one choice go on by a text, or by nothing, and says no more that we
 * would have to act on: no error, no usage, no reason to finish, nothing beside the text. Nearly
 * all of a stream are, and those of a server look alike.
 *
 * Memory:  eight shapes a thread.
 * Threads: any; each has its own.
 */
#pragma once

#include "base/json.h"

struct openai_chunk {
    int64_t index;
    struct str text, model; /* as they stand between their quotes, in the chunk's bytes */
};

/* Is it like the last usual chunk that was learnt from `whose`? False says nothing. */
bool openai_chunk_read(const void *whose, struct str data, struct openai_chunk *out);
/* A chunk that had to be parsed; if it is a usual one the next that look alike need not be. */
void openai_chunk_learn(const void *whose, const struct json *doc);
/* Its data with another name for the model, which is quoted already; in `a`. */
struct str openai_chunk_renamed(const struct openai_chunk *c, struct str data, struct str model,
                                struct arena *a);
