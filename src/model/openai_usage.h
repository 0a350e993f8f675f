/* openai_usage.h - the tokens of an answer in OpenAI's protocol: those that it tells, and those
 * that it has by our count.
 *
 * Threads: any.
 */
#pragma once

#include "model/relay.h"

/* The numbers that are read. */
enum openai_usage_part {
    OPENAI_INPUT,
    OPENAI_OUTPUT,
    OPENAI_CACHED,
    OPENAI_CACHE_HIT, /* DeepSeek's spelling of what is cached */
    OPENAI_CACHE_WRITE,
    OPENAI_REASONING,
    OPENAI_USAGE_PARTS
};

/* Where they stand in the object "usage". */
void openai_usage_find(struct json_value usage, struct json_value part[OPENAI_USAGE_PARTS]);
/* What they mean: a part of a total is not more than it. 0 for what is not told. */
struct chat_usage openai_usage_of(const int64_t n[OPENAI_USAGE_PARTS]);
/* Both. False, and *out as it was: input or output is not told, or cannot be. */
bool openai_usage_read(struct json_value usage, struct chat_usage *out);

/* Tokens of a text, or of the parts with texts that some servers make of it. */
size_t openai_usage_count_text(const struct relay *r, struct json_value content);
/* Tokens of what a message carries beside its text: refusal, reasoning, tool calls. Blocks of
 * reasoning repeat it; they count as something, as a signature may come alone. */
size_t openai_usage_count_rest(const struct relay *r, struct json_value message,
                               struct json_value content);
