/* stem.h - cut a word down to the part that its inflected forms share.
 *
 * Source:  the Snowball algorithms, Porter, 2001, by libstemmer.
 * Memory:  the result lasts until this thread's next call. Stemmers, and the stems of words that
 *          it met last (256 KB), go when the thread ends.
 * Threads: any.
 */
#pragma once

#include "text/lang.h"

/* `word` is folded (text/unicode.h). Languages without a stemmer give the word back. */
struct str stem_word(enum lang l, struct str word);
