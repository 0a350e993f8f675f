/* static_text.h - fixed answers: the last of a fallback chain, or the first when rules match.
 *
 * A rule matches when one of its phrases stands in the last message of the user: the same words one
 * after another, whatever their case, and whatever punctuation and space is between them.
 *
 * Memory:  in the arena given.
 * Threads: any.
 */
#pragma once

#include "base/arena.h"

struct static_rule {
    struct str *phrase; /* as static_text_words writes them */
    size_t n;
    struct str text; /* the answer */
};

/* The words of a text, folded, each with one space around it: " a phrase " is in it or is not. ""
 * when it has no words. Of scripts without spaces each character is a word. */
struct str static_text_words(struct str text, struct arena *a);
/* The first rule that matches; NULL: none does. */
const struct static_rule *static_text_match(const struct static_rule *rule, size_t n,
                                            struct str message, struct arena *a);
