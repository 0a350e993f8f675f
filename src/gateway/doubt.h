/* doubt.h - sentences that the passages do not support, as the protocols in front tell them.
 *
 * No protocol has a place for this, so it is a member of our own, "unsupported": a list of
 *
 *     {start_index, end_index, text, reason, what, score}
 *
 * Indexes count characters (code points) of the answer's text. `what` is the number, date, name or
 * quotation that is in no passage; left out when the reason is "support".
 */
#pragma once

#include "model/chat.h"

/* One of them. */
void doubt_put(struct json_writer *w, const struct unsupported *u);
