/* json_scan_x86.h - run() for SSE2 and AVX2: over the inside of a string 64 bytes at a time. The
 * including file defines
 *
 *     static inline struct marks look(const char p[64], bool escaped);
 *     static inline bool calm(const char p[64], bool *high);
 *     static inline unsigned stops(const char p[NEAR]);
 *
 * where `escaped` says that a backslash stands before p. A block is calm when it has no quote, no
 * backslash and no control character. A bit of stops() is a byte that ends a string or makes it
 * more than plain: one of these, or one that is not ASCII.
 *
 * Most prose is calm, and a calm block costs a third of another. In those that are not, nothing
 * branches on where the escapes are: they stand at random places, and a wrong guess costs more than
 * the work. One branch is left there, on whether the block holds something to stop at.
 */
#pragma once

#include "base/json_scan_body.h"

#include <immintrin.h>

struct marks {     /* bit i for byte i */
    uint64_t ends; /* a quote, or below 0x20: stops where no backslash stands before it */
    uint64_t backslash;
    uint64_t strange; /* stops where one does: all but "\/bfnrt; wanted only if there is one */
    bool high;        /* some byte is not ASCII */
};

static inline struct marks look(const char p[64], bool escaped);
static inline bool calm(const char p[64], bool *high);
static inline unsigned stops(const char p[NEAR]);

/* The bytes that a backslash stands before; *carry says so of the first byte, and then of the first
 * of the next block. Backslashes in a row are rare and walked. */
static inline uint64_t escaped_bytes(uint64_t backslash, uint64_t *carry)
{
    uint64_t escaped = backslash << 1 | *carry;
    if (__builtin_expect((backslash & escaped) == 0, 1)) {
        *carry = backslash >> 63;
        return escaped;
    }
    escaped = *carry;
    *carry = 0;
    for (uint64_t left = backslash & ~escaped; left;) {
        uint64_t first = left & (0 - left);
        escaped |= first << 1;
        left &= ~(first | first << 1);
        *carry = first >> 63;
    }
    return escaped;
}

/* Over blocks of which nothing needs more than a look. Not inlined, so that its constants stay in
 * registers. */
__attribute__((noinline)) static const char *skip_calm(const char *p, const char *end, bool *high)
{
    bool seen = false;
    while (end - p >= 64 && calm(p, &seen))
        p += 64;
    *high |= seen;
    return p;
}

/* Not inlined, so that its constants are set up for long strings only. */
__attribute__((noinline)) static const char *run_blocks(const char *p, const char *end,
                                                        struct run *seen)
{
    bool high = seen->high;
    uint64_t carry = 0;
    for (;; p += 64) {
        if (!carry)
            p = skip_calm(p, end, &high);
        char rest[64];
        bool last = end - p < 64;
        if (last) { /* nothing behind `end` is read; the zeros are controls, so there is a stop */
            memset(rest, 0, sizeof(rest));
            memcpy(rest, p, (size_t)(end - p));
        }
        struct marks m = look(last ? rest : p, carry);
        uint64_t escaped = escaped_bytes(m.backslash, &carry);
        uint64_t stop = (m.ends & ~escaped) | (m.strange & escaped);
        high |= m.high;
        if (stop) {
            int at = __builtin_ctzll(stop);
            uint64_t before = (UINT64_C(1) << at) - 1;
            if (escaped >> at & 1) { /* the backslash is at fault, not what stands behind it */
                at--;
                before >>= 1;
            }
            seen->escaped |= (m.backslash & before) != 0;
            seen->high = high;
            return p + at;
        }
        seen->escaped |= m.backslash != 0;
    }
}

static inline __m128i is16(__m128i x, char c)
{
    return _mm_cmpeq_epi8(x, _mm_set1_epi8(c));
}

static inline __m128i ends16(__m128i x)
{
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1F)), x);
    return _mm_or_si128(is16(x, '"'), control);
}

static inline bool near(const struct walk *w, size_t *i)
{
    uint64_t stop = 0;
    if (__builtin_expect((ptrdiff_t)*i <= w->far, 1))
        stop = stops(w->text + *i);
    else if (w->far >= 0)
        stop = (uint64_t)stops(w->text + w->far) >> ((ptrdiff_t)*i - w->far);
    if (!stop)
        return false;
    *i += (size_t)__builtin_ctzll(stop);
    return w->text[*i] == '"';
}

static inline const char *run(const char *p, const char *end, struct run *seen)
{
    if (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)p);
        unsigned stop = (unsigned)_mm_movemask_epi8(_mm_or_si128(ends16(x), is16(x, '\\')));
        int at = __builtin_ctz(stop | 1u << 16);
        if (stop && p[at] != '\\') {
            seen->high |= _mm_movemask_epi8(x) != 0;
            return p + at;
        }
    }
    return run_blocks(p, end, seen);
}
