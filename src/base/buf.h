/* buf.h - text that grows, up to a limit that it was born with.
 *
 * Going over the limit is sticky: the append that does not fit and every later one change nothing,
 * and buf_ok tells. So a writer checks once, at its end.
 *
 * Memory:  on the heap; buf_fini frees. A zeroed struct is an empty buffer with limit 0.
 * Threads: one at a time.
 */
#pragma once

#include "base/str.h"

#include <stdarg.h>

struct buf {
    char *p; /* not ended by NUL; see buf_text */
    size_t len, cap, limit;
    bool full; /* something did not fit */
};

void buf_init(struct buf *b, size_t limit);
void buf_fini(struct buf *b);

static inline bool buf_ok(const struct buf *b)
{
    return !b->full;
}

static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->p, b->len};
}

/* Empties it and keeps the memory; also clears `full`. */
void buf_reset(struct buf *b);
/* Room for n more bytes at p + len, for a caller that writes there and then adds to len. NULL when
 * the limit does not allow it. */
char *buf_reserve(struct buf *b, size_t n);
bool buf_add(struct buf *b, struct str s);
static inline bool buf_char(struct buf *b, char c)
{
    if (b->len == b->cap || b->full)
        return buf_add(b, (struct str){&c, 1});
    b->p[b->len++] = c;
    return true;
}
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *b, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
bool buf_int(struct buf *b, int64_t n);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* The content ended by a NUL that is not counted; NULL when even that does not fit. */
char *buf_text(struct buf *b);
