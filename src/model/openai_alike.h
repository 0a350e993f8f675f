/* openai_alike.h - the usual answer in OpenAI's protocol, whole or a chunk of a stream, read by its
 * likeness to one before (model/shape.h).
 *
 * Usual is what has one choice that consists of a text, and says no more that we would have to act
 * on: no error, nothing beside the text. A usual chunk lets its choice go on, without usage; a
 * usual whole answer ends it, with usage in plain numbers or without. Nearly all are that call no
 * tools, and those of a server look alike.
 *
 * Memory:  eight shapes of each kind a thread.
 * Threads: any; each has its own.
 */
#pragma once

#include "model/chat.h"

enum openai_alike_kind { OPENAI_CHUNK, OPENAI_WHOLE, OPENAI_KINDS };

struct openai_alike {
    int64_t index;           /* of the choice */
    struct str text, model;  /* as they stand between their quotes, in the bytes that were read */
    bool usage_known;        /* it was told */
    struct chat_usage usage; /* if so */
};

/* Is it like the last usual one that was learnt from `whose`? False says nothing. */
bool openai_alike_read(const void *whose, enum openai_alike_kind kind, struct str data,
                       struct openai_alike *out);
/* One that had to be parsed, and was good; if it is usual the next that look alike need not be. */
void openai_alike_learn(const void *whose, enum openai_alike_kind kind, const struct json *doc);
/* Its data with another name for the model, which is quoted already; in `a`. */
struct str openai_alike_renamed(const struct openai_alike *s, struct str data, struct str model,
                                struct arena *a);
