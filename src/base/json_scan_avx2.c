/* The scanner with AVX2. */
#define SCAN json_scan_avx2
#define STRING_END json_string_end_avx2
#include "base/json_scan_x86.h"

static inline uint64_t bits(__m256i x, __m256i y)
{
    return (unsigned)_mm256_movemask_epi8(x) | (uint64_t)(unsigned)_mm256_movemask_epi8(y) << 32;
}

static inline __m256i ends(__m256i x)
{
    __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(x, _mm256_set1_epi8(0x1F)), x);
    return _mm256_or_si256(_mm256_cmpeq_epi8(x, _mm256_set1_epi8('"')), control);
}

/* The bytes that are none of "\/bfnrt. There is a bit per upper half that occurs among these, and
 * for each lower half the bits of the upper ones that it occurs with. */
static inline __m256i strange(__m256i x)
{
    enum { U2 = 1, U5 = 2, U6 = 4, U7 = 8 };
    const __m256i upper = _mm256_setr_epi8(0, 0, U2, 0, 0, U5, U6, U7, 0, 0, 0, 0, 0, 0, 0, 0, //
                                           0, 0, U2, 0, 0, U5, U6, U7, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m256i lower =
        _mm256_setr_epi8(0, 0, U2 | U6 | U7, 0, U7, 0, U6, 0, 0, 0, 0, 0, U5, 0, U6, U2, //
                         0, 0, U2 | U6 | U7, 0, U7, 0, U6, 0, 0, 0, 0, 0, U5, 0, U6, U2);
    __m256i half = _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15));
    __m256i both =
        _mm256_and_si256(_mm256_shuffle_epi8(upper, half), _mm256_shuffle_epi8(lower, x));
    return _mm256_cmpeq_epi8(both, _mm256_setzero_si256());
}

static inline struct marks look(const char p[64], bool escaped)
{
    (void)escaped;
    __m256i x = _mm256_loadu_si256((const __m256i *)p);
    __m256i y = _mm256_loadu_si256((const __m256i *)(p + 32));
    const __m256i backslash = _mm256_set1_epi8('\\');
    return (struct marks){
        .ends = bits(ends(x), ends(y)),
        .backslash = bits(_mm256_cmpeq_epi8(x, backslash), _mm256_cmpeq_epi8(y, backslash)),
        .strange = bits(strange(x), strange(y)),
        .high = _mm256_movemask_epi8(_mm256_or_si256(x, y)) != 0,
    };
}

static inline unsigned stops(const char p[NEAR], unsigned *high)
{
    __m256i x = _mm256_loadu_si256((const __m256i *)p);
    __m256i any = _mm256_or_si256(ends(x), _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\\')));
    *high |= (unsigned)_mm256_movemask_epi8(x);
    return (unsigned)_mm256_movemask_epi8(any);
}

static inline unsigned odds(const char p[NEAR])
{
    const __m256i *stop = (const __m256i *)json_stops;
    __m256i x = _mm256_loadu_si256((const __m256i *)p);
    __m256i odd = _mm256_cmpgt_epi8(stop[2], x); /* signed: also from 0x80 on */
    __m256i mark = _mm256_or_si256(_mm256_cmpeq_epi8(x, stop[0]), _mm256_cmpeq_epi8(x, stop[1]));
    return (unsigned)_mm256_movemask_epi8(_mm256_or_si256(odd, mark));
}
