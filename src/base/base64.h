/* base64.h - bytes as text, in the alphabet of RFC 4648, section 4, padded.
 *
 * Threads: any.
 */
#pragma once

#include "base/buf.h"

/* Appends the text; false: over the buffer's limit. */
bool base64_encode(struct buf *out, const void *bytes, size_t n);
/* Appends the bytes. False for what is no base64: other characters, white space, a wrong length. */
bool base64_decode(struct buf *out, struct str text);
