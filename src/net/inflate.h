/* inflate.h - answers that come compressed although nobody asked: gzip and deflate, piece by piece.
 *
 * What goes in comes out as far as it can be decoded, so an event of a stream is not held back. A
 * "deflate" without zlib's header, as some servers send it, is understood (RFC 9110, section
 * 8.4.1.2). That little makes much is refused: more than INFLATE_RATIO times as much as came, once
 * INFLATE_FREE bytes are out.
 *
 * Memory:  some 40 KB of the heap each, and a buffer of iobuf.h from the first output until all
 *          that is at hand has been taken.
 * Threads: one.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

enum { INFLATE_FREE = 1 << 20, INFLATE_RATIO = 200 };

struct inflate;

/* NULL when it is none of "gzip", "x-gzip" and "deflate", in any case. */
struct inflate *inflate_new(struct str coding);
void inflate_free(void *f); /* accepts NULL */

/* More input, which must stay until inflate_next has returned 0. */
void inflate_feed(struct inflate *f, struct str in);
/* 1 and a piece that lasts until the next call; 0: more input is needed; -1: it is damaged, goes on
 * behind its end, or unfolds to too much. */
int inflate_next(struct inflate *f, struct str *piece, struct err *e);
/* May the input end here? True in front of the first byte too: an empty body is one. */
bool inflate_ended(const struct inflate *f);
