/* charset.h - text of any encoding to UTF-8, inside the sandbox.
 *
 * UTF-8, UTF-16 and windows-1252 are decoded here. For the encodings that web pages name (WHATWG's
 * list) iconv's modules are loaded by charset_prepare, before the sandbox closes.
 *
 * Threads: charset_prepare once, before any other.
 * Source:  WHATWG Encoding Standard (labels, windows-1252 for ISO-8859-1).
 */
#pragma once

#include "base/arena.h"
#include "base/str.h"

/* Loads what iconv needs. */
void charset_prepare(void);

/* The text as UTF-8, without a byte order mark: by the mark when there is one; as it is when it is
 * valid; UTF-16 when every other byte is zero; by `label` ("" or unknown: windows-1252) when not.
 * False: it has the bytes of something that is no text. */
bool charset_decode(struct str *out, struct arena *a, struct str bytes, struct str label);
