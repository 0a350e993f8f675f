/* http_skip.h - over the bytes of one class: where nearly all of a head's time goes.
 *
 * http_skip_bytes is the grammar, a byte at a time. In front of it goes a look at sixteen bytes
 * together (SSE2, which every x86-64 has), elsewhere at eight as a number. It may stop too early,
 * at a byte of the class, but never goes over one that is not; so the outcome is always that of
 * the bytes alone, and no look reads behind `end`.
 *
 * Threads: any.
 */
#pragma once

#include "base/str.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The first three are bits of the table. `what` is a constant where these are called, and they are
 * inlined, so that each place has the code of its class alone. */
enum http_class {
    HTTP_TOKEN = 1,  /* RFC 9110 section 5.6.2 */
    HTTP_TARGET = 2, /* visible ASCII but "#" */
    HTTP_HOST = 4,   /* RFC 3986 section 3.2 without "," and "@" */
    HTTP_TEXT,       /* all but control characters */
    HTTP_WORD,       /* all but control characters and the space */
    HTTP_PLAIN       /* of a target: what stands for itself in a path, and cannot climb */
};

extern const uint8_t http_skip_table[256];

static inline bool http_skip_is(char c, enum http_class what)
{
    unsigned char b = (unsigned char)c;
    switch (what) {
    case HTTP_TEXT: return b >= ' ' && b != 0x7F;
    case HTTP_WORD: return b > ' ' && b != 0x7F;
    case HTTP_PLAIN: return http_skip_table[b] & HTTP_TARGET && b != '?' && b != '%' && b != '.';
    default: return http_skip_table[b] & what;
    }
}

/* The first byte from p on that is not of this class, or `end`. */
static inline const char *http_skip_bytes(const char *p, const char *end, enum http_class what)
{
    while (p < end && http_skip_is(*p, what))
        p++;
    return p;
}

/* Eight bytes at a time, text only. With `x` the bytes: bit 7 of (x - 0x20) & ~x marks bytes below
 * 0x20, that of (y - 1) & ~y with y = x ^ 0x7F marks DEL. A borrow can mark a byte too much behind
 * a true mark, never hide one, so the lowest mark is true; it is the first byte's, as all machines
 * that we run on have the low byte first. */
static inline const char *http_skip_eights(const char *p, const char *end, enum http_class what)
{
    for (; what == HTTP_TEXT && end - p >= 8; p += 8) {
        uint64_t x = str_load8(p), y = x ^ STR_EACH(0x7F);
        uint64_t marks = (((x - STR_EACH(0x20)) & ~x) | ((y - STR_EACH(1)) & ~y)) & STR_EACH(0x80);
        if (marks)
            return p + __builtin_ctzll(marks) / 8;
    }
    return p;
}

#ifdef __SSE2__

static inline __m128i http_skip_equal(__m128i x, char c)
{
    return _mm_cmpeq_epi8(x, _mm_set1_epi8(c));
}

/* Outside of a range. SSE2 compares signed bytes, so the range is moved to where those begin. */
static inline __m128i http_skip_beyond(__m128i x, char from, char to)
{
    __m128i moved = _mm_add_epi8(x, _mm_set1_epi8((char)(-128 - from)));
    return _mm_cmpgt_epi8(moved, _mm_set1_epi8((char)(-128 + (to - from))));
}

static inline __m128i http_skip_no_letters(__m128i x)
{
    return http_skip_beyond(_mm_or_si128(x, _mm_set1_epi8(0x20)), 'a', 'z');
}

static inline __m128i http_skip_up_to(__m128i x, char most)
{
    return _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(most)), x);
}

/* The bytes to stop at; of names and hosts, also some that they nearly never have. */
static inline __m128i http_skip_outside(__m128i x, enum http_class what)
{
    switch (what) {
    case HTTP_TOKEN: return _mm_andnot_si128(http_skip_equal(x, '-'), http_skip_no_letters(x));
    case HTTP_HOST:
        return _mm_and_si128(http_skip_no_letters(x),
                             _mm_or_si128(http_skip_beyond(x, '-', ':'), http_skip_equal(x, '/')));
    case HTTP_TARGET: return _mm_or_si128(http_skip_beyond(x, '!', '~'), http_skip_equal(x, '#'));
    case HTTP_PLAIN:
        return _mm_or_si128(
            _mm_or_si128(http_skip_outside(x, HTTP_TARGET), http_skip_equal(x, '?')),
            _mm_or_si128(http_skip_equal(x, '%'), http_skip_equal(x, '.')));
    case HTTP_TEXT: return _mm_or_si128(http_skip_up_to(x, 0x1F), http_skip_equal(x, 0x7F));
    case HTTP_WORD: return _mm_or_si128(http_skip_up_to(x, ' '), http_skip_equal(x, 0x7F));
    }
    return x;
}

#endif

static inline const char *http_skip(const char *p, const char *end, enum http_class what)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        unsigned stop = (unsigned)_mm_movemask_epi8(http_skip_outside(x, what));
        if (stop == 0)
            continue;
        p += __builtin_ctzll(stop);
        if (what != HTTP_TOKEN && what != HTTP_HOST)
            return p;
        break;
    }
#else
    p = http_skip_eights(p, end, what);
#endif
    return http_skip_bytes(p, end, what);
}

static inline bool http_skip_all(struct str s, enum http_class what)
{
    return http_skip(s.p, s.p + s.len, what) == s.p + s.len;
}
