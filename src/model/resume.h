/* resume.h - taking up an answer that broke off, where its text ends.
 *
 * The text that the client has becomes the beginning of the assistant's turn in a new request, to a
 * target that is known to continue such a turn. Two things keep the seam clean: white space at the
 * end of the text is not sent, as models then begin words anew (and Anthropic refuses it), so the
 * answer may repeat it; and some servers repeat the whole beginning. What is repeated is left out.
 *
 * Threads: the fiber of the attempt.
 */
#pragma once

#include "model/provider.h"

/* The beginning of the assistant's turn. */
struct str resume_prefill(const struct attempt *a);
/* The next piece of the answer without what only repeats, in `tmp`. Every piece passes, in order.
 */
struct str resume_text(struct attempt *a, struct str piece, struct arena *tmp);
/* What of `limit` tokens is left for the rest; at least 1. */
int64_t resume_tokens(const struct attempt *a, int64_t limit);
/* Usage of the rest, as that of the whole answer to the request as it came. */
void resume_usage(struct attempt *a);
