/* The scanner with AVX2: 64 bytes at a time, after a first step of 32 in which most keys end. */
#define SCAN json_scan_avx2
#define RUN json_run_avx2
#include "base/json_scan.h"

#include <immintrin.h>

static inline __m256i stops(__m256i x)
{
    __m256i quote = _mm256_cmpeq_epi8(x, _mm256_set1_epi8('"'));
    __m256i backslash = _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\\'));
    __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(x, _mm256_set1_epi8(0x1F)), x);
    return _mm256_or_si256(_mm256_or_si256(quote, backslash), control);
}

static inline unsigned bits(__m256i x)
{
    return (unsigned)_mm256_movemask_epi8(x);
}

const char *RUN(const char *p, const char *end, bool *high)
{
    __m256i seen = _mm256_setzero_si256();
    if (end - p >= 32) {
        seen = _mm256_loadu_si256((const __m256i *)p);
        unsigned at = bits(stops(seen));
        if (at) {
            *high |= bits(seen) != 0;
            return p + __builtin_ctz(at);
        }
        p += 32;
    }
    for (; end - p >= 64; p += 64) {
        __m256i x = _mm256_loadu_si256((const __m256i *)p);
        __m256i y = _mm256_loadu_si256((const __m256i *)(p + 32));
        __m256i stop_x = stops(x), stop_y = stops(y);
        seen = _mm256_or_si256(seen, _mm256_or_si256(x, y));
        if (!_mm256_testz_si256(_mm256_or_si256(stop_x, stop_y), _mm256_set1_epi8(-1))) {
            *high |= bits(seen) != 0;
            return p + __builtin_ctzll(bits(stop_x) | (uint64_t)bits(stop_y) << 32);
        }
    }
    bool some = bits(seen) != 0;
    for (; p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20; p++)
        some |= (unsigned char)*p >= 0x80;
    *high |= some;
    return p;
}

#include "base/json_scan_body.h"
