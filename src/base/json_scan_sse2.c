/* The scanner with SSE2, which every x86-64 has: 16 bytes at a time. */
#define SCAN json_scan_sse2
#define RUN json_run_sse2
#include "base/json_scan.h"

#include <emmintrin.h>

const char *RUN(const char *p, const char *end, bool *high)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'),
                  control = _mm_set1_epi8(0x1F);
    __m128i seen = _mm_setzero_si128();
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)p);
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, backslash));
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_min_epu8(x, control), x));
        seen = _mm_or_si128(seen, x);
        unsigned at = (unsigned)_mm_movemask_epi8(stop);
        if (at) {
            *high |= _mm_movemask_epi8(seen) != 0;
            return p + __builtin_ctz(at);
        }
    }
    bool some = _mm_movemask_epi8(seen) != 0;
    for (; p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20; p++)
        some |= (unsigned char)*p >= 0x80;
    *high |= some;
    return p;
}

#include "base/json_scan_body.h"
