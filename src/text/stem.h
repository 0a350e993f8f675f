/* stem.h - cut a word down to the part that its inflected forms share.
 *
 * Source:  the Snowball algorithms, Porter, 2001, by libstemmer.
 * Memory:  the result lies in this thread's stemmer and lasts until its next call for the same
 *          language; stemmers go when the thread ends.
 * Threads: any.
 */
#pragma once

#include "text/lang.h"

/* `word` is folded (text/unicode.h). Languages without a stemmer give the word back. */
struct str stem_word(enum lang l, struct str word);
