/* followup.h - make a question standalone: "How do I change it?" needs what was asked before.
 *
 * A question that points back (a pronoun, "and ...?", "what about ...?") or that has no word of its
 * own to search for gets the search words of the question before put in front, and that one those
 * of its own predecessor. A question that names what it is about stays as it is, so a new subject
 * is not dragged down by the old one.
 *
 * Threads: any. English and German.
 */
#pragma once

#include "model/chat.h"

/* The last user message, standalone, in `a`; *asked: as it is. Both "" when there is none. */
struct str followup_standalone(const struct chat_request *r, struct str *asked, struct arena *a);
