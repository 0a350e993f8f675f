/* place.h - where in its passages a document says what an answer says.
 *
 * A statement that is a quotation is found as it stands. Else it is the sentence that shares most
 * terms with the statement's last sentence, or with all of the statement when that says little or
 * has several lines; and with it the neighbours that the statement repeats as well.
 *
 * Threads: computes, so a loop asks a worker.
 */
#pragma once

#include "model/chat.h"

/* Fills *out but for `at`. `name` is that of one of the passages; when none of its sentences shares
 * a term with the statement (another language, say) it is the first of them as a whole. */
void place_find(const struct chat_request *r, struct str name, struct str statement,
                struct citation *out, struct arena *a);
