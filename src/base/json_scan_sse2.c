/* The scanner with SSE2, which every x86-64 has. */
#define SCAN json_scan_sse2
#define STRING_END json_string_end_sse2
#include "base/json_scan_x86.h"

static inline uint64_t bits(__m128i a, __m128i b, __m128i c, __m128i d)
{
    uint64_t low = (unsigned)_mm_movemask_epi8(a) | (unsigned)_mm_movemask_epi8(b) << 16;
    uint64_t high = (unsigned)_mm_movemask_epi8(c) | (unsigned)_mm_movemask_epi8(d) << 16;
    return low | high << 32;
}

static inline __m128i simple(__m128i x)
{
    static const char set[] = "\"\\/bfnrt";
    __m128i any = _mm_setzero_si128();
    for (size_t i = 0; i < sizeof(set) - 1; i++)
        any = _mm_or_si128(any, is16(x, set[i]));
    return any;
}

static inline struct marks look(const char p[64], bool escaped)
{
    const __m128i *at = (const __m128i *)p;
    __m128i a = _mm_loadu_si128(at), b = _mm_loadu_si128(at + 1), c = _mm_loadu_si128(at + 2),
            d = _mm_loadu_si128(at + 3);
    struct marks m = {.ends = bits(ends16(a), ends16(b), ends16(c), ends16(d)),
                      .backslash =
                          bits(is16(a, '\\'), is16(b, '\\'), is16(c, '\\'), is16(d, '\\'))};
    if (m.backslash || escaped) /* without shuffles this is more than the rest together */
        m.strange = ~bits(simple(a), simple(b), simple(c), simple(d));
    m.high = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d))) != 0;
    return m;
}

static inline unsigned stops16(__m128i x)
{
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(ends16(x), is16(x, '\\')));
}

static inline unsigned stops(const char p[NEAR], unsigned *high)
{
    __m128i x = _mm_loadu_si128((const __m128i *)p), y = _mm_loadu_si128((const __m128i *)(p + 16));
    *high |= (unsigned)_mm_movemask_epi8(_mm_or_si128(x, y));
    return stops16(x) | stops16(y) << 16;
}

static inline unsigned odds(const char p[NEAR])
{
    __m128i x = _mm_loadu_si128((const __m128i *)p), y = _mm_loadu_si128((const __m128i *)(p + 16));
    unsigned high = (unsigned)_mm_movemask_epi8(x) | (unsigned)_mm_movemask_epi8(y) << 16;
    return stops16(x) | stops16(y) << 16 | high;
}
