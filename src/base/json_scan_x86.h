/* json_scan_x86.h - near() and run() for SSE2 and AVX2: over the inside of a string 32 bytes at a
 * time, and where it has escapes 64. The including file defines
 *
 *     static inline struct marks look(const char p[64], bool escaped);
 *     static inline unsigned stops(const char p[NEAR], unsigned *high);
 *     static inline unsigned odds(const char p[NEAR]);
 *
 * where `escaped` says that a backslash stands before p. A bit of stops() is a quote, a backslash
 * or a control character, and *high gains those of what is not ASCII; a bit of odds() is one of
 * these, or a byte that is not ASCII.
 *
 * Most prose is passed by stops() alone. Where a backslash is found, the block behind it is sorted,
 * and nothing in it branches on where its escapes are: they stand at random places, and a wrong
 * guess costs more than the work. One branch is left there, on whether the block holds something to
 * stop at.
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
static inline unsigned stops(const char p[NEAR], unsigned *high);
static inline unsigned odds(const char p[NEAR]);

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

/* Moves to the first quote, backslash or control character, or at least so near to the end that no
 * NEAR bytes are left. Not inlined, so that its constants stay in registers. */
__attribute__((noinline)) static const char *skip_plain(const struct json_scan *s, const char *p,
                                                        struct run *seen)
{
    const char *const end = s->end;
    uint64_t stop = 0;
    unsigned high = 0;
    for (; end - p >= NEAR; p += NEAR) {
        stop = stops(p, &high);
        if (stop)
            break;
    }
    if (!stop && end - s->text >= NEAR) /* what is left, with bytes that were passed before it */
        stop = (uint64_t)stops(end - NEAR, &high) >> (NEAR - (end - p));
    seen->high |= high != 0;
    return stop ? p + __builtin_ctzll(stop) : p;
}

/* From p on by 64 bytes, until there is something to stop at or no escape goes on: then *stopped is
 * false. */
__attribute__((noinline)) static const char *run_blocks(const char *p, const char *end,
                                                        struct run *seen, bool *stopped)
{
    uint64_t carry = 0;
    do {
        char rest[64];
        bool last = end - p < 64;
        if (last) { /* nothing behind `end` is read; the zeros are controls, so there is a stop */
            memset(rest, 0, sizeof(rest));
            memcpy(rest, p, (size_t)(end - p));
        }
        struct marks m = look(last ? rest : p, carry);
        uint64_t escaped = escaped_bytes(m.backslash, &carry);
        uint64_t stop = (m.ends & ~escaped) | (m.strange & escaped);
        seen->high |= m.high;
        if (stop) {
            int at = __builtin_ctzll(stop);
            uint64_t before = (UINT64_C(1) << at) - 1;
            if (escaped >> at & 1) { /* the backslash is at fault, not what stands behind it */
                at--;
                before >>= 1;
            }
            seen->escaped |= (m.backslash & before) != 0;
            *stopped = true;
            return p + at;
        }
        seen->escaped |= m.backslash != 0;
        p += 64;
    } while (carry);
    *stopped = false;
    return p;
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
        stop = odds(w->text + *i);
    else if (w->far >= 0)
        stop = (uint64_t)odds(w->text + w->far) >> ((ptrdiff_t)*i - w->far);
    if (!stop)
        return false;
    *i += (size_t)__builtin_ctzll(stop);
    return w->text[*i] == '"';
}

static inline const char *run(const struct json_scan *s, const char *p, struct run *seen)
{
    for (bool stopped = false; !stopped;) {
        p = skip_plain(s, p, seen);
        if (p < s->end && (*p == '"' || (unsigned char)*p < 0x20))
            break;
        p = run_blocks(p, s->end, seen, &stopped);
    }
    return p;
}
