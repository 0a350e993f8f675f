/* unicode.h - what characters are and how words are folded for comparison.
 *
 * Threads: any. Source: Unicode 15 (categories, NFKC_Casefold), by utf8proc.
 */
#pragma once

#include "base/buf.h"

enum unicode_kind {
    UNICODE_OTHER, /* white space, punctuation, symbols */
    UNICODE_WORD,  /* a letter or number */
    UNICODE_MARK,  /* belongs to the character before: accents, joiners, soft hyphen */
    UNICODE_DENSE, /* a letter of a script that puts no space between words: Han, kana, Hangul
                      (whose words are glued to their particles), Thai, Lao, Khmer, Burmese */
};
enum unicode_kind unicode_kind(uint32_t c);

/* General categories as bits, as the patterns of tokenizers name them. White space is the property
 * White_Space, whatever the category. */
enum {
    UNICODE_UPPER = 1,    /* Lu, Lt */
    UNICODE_LOWER = 2,    /* Ll */
    UNICODE_CASELESS = 4, /* Lm, Lo */
    UNICODE_ACCENT = 8,   /* M: Mn, Mc, Me */
    UNICODE_NUMBER = 16,  /* N: Nd, Nl, No */
    UNICODE_SPACE = 32,
    UNICODE_LETTER = UNICODE_UPPER | UNICODE_LOWER | UNICODE_CASELESS, /* L */
};
unsigned unicode_category(uint32_t c); /* 0: none of them */

/* Appends the text in normalization form C; broken UTF-8 as it is. */
void unicode_compose(struct buf *out, struct str text);

/* Folds a word so that what readers take for the same compares equal: case, compatibility forms
 * (full-width letters, ligatures), composed and decomposed accents; invisible characters go. The
 * result is NFC. Returns its length, at most UNICODE_FOLD_GROWTH times the word's; what does not
 * fit in `size` is left out at a character's boundary, and so is the piece of up to 64 bytes around
 * broken UTF-8. */
enum { UNICODE_FOLD_GROWTH = 11 };
size_t unicode_fold(struct str word, char *out, size_t size);
