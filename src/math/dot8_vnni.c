/* Four rows side by side: one dot product would wait for each of its additions. The lanes of the
 * four sums are added together in one tree. */
#include "math/dot8.h"

#include <immintrin.h>

#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

VNNI static __m128i sum_of_four(__m512i a, __m512i b, __m512i c, __m512i d)
{
    __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

VNNI void dot8_rows_vnni(const int8_t *v, int32_t sum, const uint8_t *const *row, size_t n_rows,
                         size_t len, int32_t *out)
{
    const __m512i zero = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 4 <= n_rows; i += 4) {
        const uint8_t *r0 = row[i], *r1 = row[i + 1], *r2 = row[i + 2], *r3 = row[i + 3];
        __m512i s0 = zero, s1 = zero, s2 = zero, s3 = zero;
        for (size_t j = 0; j < len; j += DOT8_STEP) {
            __m512i q = _mm512_loadu_si512(v + j);
            s0 = _mm512_dpbusd_epi32(s0, _mm512_load_si512(r0 + j), q);
            s1 = _mm512_dpbusd_epi32(s1, _mm512_load_si512(r1 + j), q);
            s2 = _mm512_dpbusd_epi32(s2, _mm512_load_si512(r2 + j), q);
            s3 = _mm512_dpbusd_epi32(s3, _mm512_load_si512(r3 + j), q);
        }
        __m128i all = _mm_sub_epi32(sum_of_four(s0, s1, s2, s3), _mm_set1_epi32(128 * sum));
        _mm_storeu_si128((__m128i *)(void *)(out + i), all);
    }
    for (; i < n_rows; i++) {
        __m512i s = zero;
        for (size_t j = 0; j < len; j += DOT8_STEP)
            s = _mm512_dpbusd_epi32(s, _mm512_load_si512(row[i] + j), _mm512_loadu_si512(v + j));
        out[i] = _mm512_reduce_add_epi32(s) - 128 * sum;
    }
}
