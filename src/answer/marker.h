/* marker.h - what a citation looks like in an answer: "[Source: name]".
 *
 * Models write it in their own ways: "[source: a]", "[Sources: a; b]", blanks inside.
 *
 * Threads: any.
 */
#pragma once

#include "base/str.h"

enum { MARKER_MOST = 1024 /* bytes */ };

/* Length of the marker that begins at s.p[0] == '['; 0: it is none; STR_NPOS: s ends before one can
 * tell. *names is what stands between colon and bracket, *certain: it is a marker if it ends. */
size_t marker_length(struct str s, struct str *names, bool *certain);
bool marker_is_blank(char c); /* space or tab */
size_t marker_skip_blanks(struct str s, size_t at);
