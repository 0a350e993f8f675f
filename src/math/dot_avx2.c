/* Four sums of eight: a fused multiply-add takes four cycles and two start per cycle. */
#include "math/dot.h"

#include <immintrin.h>

#define FMA __attribute__((target("avx2,fma")))

FMA static float sum_of(__m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256 all = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

FMA float dot_product_avx2(const float *a, const float *b, size_t n)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
        s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
        s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), s2);
        s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), s3);
    }
    for (; i + 8 <= n; i += 8)
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
    float sum = sum_of(s0, s1, s2, s3);
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

FMA static __m256 add_square(const float *a, const float *b, __m256 sum)
{
    __m256 d = _mm256_sub_ps(_mm256_loadu_ps(a), _mm256_loadu_ps(b));
    return _mm256_fmadd_ps(d, d, sum);
}

FMA float dot_distance_avx2(const float *a, const float *b, size_t n)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        s0 = add_square(a + i, b + i, s0);
        s1 = add_square(a + i + 8, b + i + 8, s1);
        s2 = add_square(a + i + 16, b + i + 16, s2);
        s3 = add_square(a + i + 24, b + i + 24, s3);
    }
    for (; i + 8 <= n; i += 8)
        s0 = add_square(a + i, b + i, s0);
    float sum = sum_of(s0, s1, s2, s3);
    for (; i < n; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}
