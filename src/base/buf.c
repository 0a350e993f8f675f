#include "base/buf.h"
#include "base/mem.h"

#include <stdio.h>

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit};
}

void buf_fini(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf){0};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->full = false;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->full || n > b->limit || b->len > b->limit - n) {
        b->full = true;
        return NULL;
    }
    if (b->len + n > b->cap || !b->p) {
        size_t cap = size_max(size_max(b->cap * 2, b->len + n), 64);
        b->cap = size_min(cap, b->limit);
        b->p = mem_resize(b->p, b->cap, 1);
    }
    return b->p + b->len;
}

bool buf_add(struct buf *b, struct str s)
{
    char *to = buf_reserve(b, s.len);
    if (!to)
        return false;
    if (s.len)
        memcpy(to, s.p, s.len);
    b->len += s.len;
    return true;
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    bool done = buf_vprintf(b, fmt, args);
    va_end(args);
    return done;
}

bool buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
    char small[128]; /* vsnprintf wants room for a NUL, which may be more than the limit */
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof(small), fmt, args);
    CHECK(n >= 0);
    char *text = small;
    if ((size_t)n >= sizeof(small)) {
        text = mem_resize(NULL, (size_t)n + 1, 1);
        vsnprintf(text, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    bool fits = buf_add(b, (struct str){text, (size_t)n});
    if (text != small)
        mem_free(text);
    return fits;
}

bool buf_int(struct buf *b, int64_t n)
{
    char text[24], *to = text;
    if (n < 0)
        *to++ = '-';
    return buf_add(b, str_span(text, str_put_u64(to, n < 0 ? 0 - (uint64_t)n : (uint64_t)n)));
}

void buf_consume(struct buf *b, size_t n)
{
    CHECK(n <= b->len);
    b->len -= n;
    if (b->len)
        memmove(b->p, b->p + n, b->len);
}

char *buf_text(struct buf *b)
{
    char *end = buf_reserve(b, 1);
    if (!end)
        return NULL;
    *end = 0;
    return b->p;
}
