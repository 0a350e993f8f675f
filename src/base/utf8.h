/* utf8.h - check, decode and encode UTF-8. What characters mean is text/'s business.
 *
 * Threads: any. Source: RFC 3629; the check with AVX2, chosen at start, follows Keiser and Lemire,
 * "Validating UTF-8 In Less Than One Instruction Per Byte", 2020.
 */
#pragma once

#include "base/str.h"

bool utf8_valid(struct str s);
size_t utf8_valid_until(struct str s); /* length of the longest valid start; s.len when all is */
/* Decodes the character at s.p[*at] and moves *at behind it. A broken byte gives U+FFFD and moves
 * by one. *at < s.len. */
uint32_t utf8_next(struct str s, size_t *at);
/* Writes 1 to 4 bytes; returns how many. What is no character is written as U+FFFD. */
size_t utf8_put(char out[4], uint32_t c);
size_t utf8_count(struct str s); /* characters in valid text */
/* The largest n <= len that does not cut a character. */
size_t utf8_cut(struct str s, size_t len);
