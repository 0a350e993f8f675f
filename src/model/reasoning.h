/* reasoning.h - reasoning as OpenRouter has it: `reasoning_details` of an assistant's message.
 *
 *     {"type": "reasoning.text", "text": "...", "signature": "...", "format": "..."}
 *     {"type": "reasoning.summary", "summary": "...", ...}
 *     {"type": "reasoning.encrypted", "data": "...", "id": "...", "format": ...}
 *
 * Canonically that is words, a signature behind them, and reasoning that only its maker can read.
 * What Anthropic signs or seals is passed on as it is, as Anthropic's own API takes it too. What
 * others seal has an id and a format that their models want back: the whole detail then stands in
 * the signature or the data, behind a mark ("openrouter:"), through whichever protocol it goes to
 * the client and comes back. Nobody but OpenRouter is sent what has that mark.
 *
 * Memory:  what is read points into the document or lives in the arena.
 * Threads: any.
 * Source:  OpenRouter's API document, "Preserving reasoning".
 */
#pragma once

#include "model/chat.h"

struct reasoning_detail {
    bool words;           /* text or a summary, though maybe only its signature: else sealed */
    struct str text;      /* of the first */
    struct str signature; /* ... behind it, "" = none */
    struct str data;      /* of the second */
};

/* False: nothing that could be of use. */
bool reasoning_read(struct json_value detail, struct arena *a, struct reasoning_detail *out);
/* Is this signature, or data, for OpenRouter alone? */
bool reasoning_is_marked(struct str sealed);
/* Would a detail say something of this part? Words without a signature are no detail. */
bool reasoning_is_detail(const struct chat_part *p);
/* The detail of such a part, the `index`-th of its message. `tmp` is for scratch. */
void reasoning_put(struct json_writer *w, const struct chat_part *p, size_t index,
                   struct arena *tmp);
