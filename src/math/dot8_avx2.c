/* The instruction that multiplies bytes adds neighbours with saturation, which would cut them off:
 * bytes are widened to 16 bits first. Two rows side by side share the widened vector. */
#include "math/dot8.h"

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i wide(const void *p, __m128i flip)
{
    return _mm256_cvtepi8_epi16(_mm_xor_si128(_mm_loadu_si128(p), flip));
}

AVX2 static inline int32_t sum_of(__m256i s)
{
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    half = _mm_add_epi32(half, _mm_unpackhi_epi64(half, half));
    return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 1)));
}

AVX2 void dot8_rows_avx2(const int8_t *v, int32_t sum, const uint8_t *const *row, size_t n_rows,
                         size_t len, int32_t *out)
{
    (void)sum; /* flipping the top bit of a row byte takes the 128 away */
    const __m128i flip = _mm_set1_epi8(-128), none = _mm_setzero_si128();
    for (size_t i = 0; i < n_rows; i += 2) {
        const uint8_t *r0 = row[i], *r1 = row[i + 1 < n_rows ? i + 1 : i];
        __m256i s0 = _mm256_setzero_si256(), s1 = s0, t0 = s0, t1 = s0;
        for (size_t j = 0; j < len; j += 32) {
            __m256i q = wide(v + j, none), p = wide(v + j + 16, none);
            s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(q, wide(r0 + j, flip)));
            s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(q, wide(r1 + j, flip)));
            t0 = _mm256_add_epi32(t0, _mm256_madd_epi16(p, wide(r0 + j + 16, flip)));
            t1 = _mm256_add_epi32(t1, _mm256_madd_epi16(p, wide(r1 + j + 16, flip)));
        }
        out[i] = sum_of(_mm256_add_epi32(s0, t0));
        if (i + 1 < n_rows)
            out[i + 1] = sum_of(_mm256_add_epi32(s1, t1));
    }
}
