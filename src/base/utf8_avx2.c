/* Checks UTF-8 with AVX2, 32 bytes at a time, by the method of Keiser and Lemire (see utf8.h).
 *
 * Whatever can be wrong with two neighbouring bytes is decided by three half bytes: both halves of
 * the first and the upper half of the second. Each half looks up the set of faults that it allows,
 * as bits; a fault that all three allow is there. What is left, the third and fourth bytes of long
 * characters, is compared with what the lead byte two or three places before asks for. */
#include "base/mem.h"
#include "base/utf8_impl.h"

#include <immintrin.h>

enum {
    SHORT = 1,       /* lead byte, then none that continues */
    STRAY = 2,       /* ASCII, then one that continues */
    OVERLONG_3 = 4,  /* E0, then below A0 */
    TOO_LARGE = 8,   /* from U+110000 on: F4 then from 90 on, or F5 and up */
    SURROGATE = 16,  /* ED, then from A0 on */
    OVERLONG_2 = 32, /* C0 or C1 */
    OVERLONG_4 = 64, /* F0, then below 90; and F5 and up, then below 90 */
    TWO = 128,       /* two that continue: right behind a lead of three or four, else a fault */
    ANY = SHORT | STRAY | TWO,
    HIGH_F = TOO_LARGE | OVERLONG_4,
    CONT = STRAY | OVERLONG_2 | TWO,
};

static inline __m256i look_up(__m256i half, const uint8_t table[16])
{
    __m128i t = _mm_loadu_si128((const __m128i *)table);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(t), half);
}

static inline __m256i upper_half(__m256i x)
{
    return _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15));
}

/* clang-format off */
static const uint8_t first_upper[16] = {
    STRAY, STRAY, STRAY, STRAY, STRAY, STRAY, STRAY, STRAY, TWO, TWO, TWO, TWO, /* 0 to B */
    SHORT | OVERLONG_2, SHORT, SHORT | OVERLONG_3 | SURROGATE, SHORT | HIGH_F,  /* C to F */
};
static const uint8_t first_lower[16] = {
    ANY | OVERLONG_2 | OVERLONG_3 | OVERLONG_4, ANY | OVERLONG_2, ANY, ANY,     /* 0 to 3 */
    ANY | TOO_LARGE, ANY | HIGH_F, ANY | HIGH_F, ANY | HIGH_F,                  /* 4 to 7 */
    ANY | HIGH_F, ANY | HIGH_F, ANY | HIGH_F, ANY | HIGH_F,                     /* 8 to B */
    ANY | HIGH_F, ANY | HIGH_F | SURROGATE, ANY | HIGH_F, ANY | HIGH_F,         /* C to F */
};
static const uint8_t second_upper[16] = {
    SHORT, SHORT, SHORT, SHORT, SHORT, SHORT, SHORT, SHORT,                     /* 0 to 7 */
    CONT | OVERLONG_3 | OVERLONG_4, CONT | OVERLONG_3 | TOO_LARGE,              /* 8, 9 */
    CONT | SURROGATE | TOO_LARGE, CONT | SURROGATE | TOO_LARGE,                 /* A, B */
    SHORT, SHORT, SHORT, SHORT,                                                 /* C to F */
};
/* clang-format on */

/* Faults in `x`, whose first bytes may go on with a character of `last`, the 32 bytes before. */
static inline __m256i faults(__m256i x, __m256i last)
{
    __m256i across = _mm256_permute2x128_si256(last, x, 0x21);
    __m256i before = _mm256_alignr_epi8(x, across, 15);
    __m256i before2 = _mm256_alignr_epi8(x, across, 14);
    __m256i before3 = _mm256_alignr_epi8(x, across, 13);

    __m256i lower = _mm256_and_si256(before, _mm256_set1_epi8(15));
    __m256i fault =
        _mm256_and_si256(look_up(upper_half(before), first_upper), look_up(lower, first_lower));
    fault = _mm256_and_si256(fault, look_up(upper_half(x), second_upper));

    /* The top bit where a lead of three stands two before, or one of four three before. */
    __m256i third = _mm256_subs_epu8(before2, _mm256_set1_epi8(0xE0 - 0x80));
    __m256i fourth = _mm256_subs_epu8(before3, _mm256_set1_epi8((char)(0xF0 - 0x80)));
    __m256i two = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
    return _mm256_xor_si256(fault, two);
}

bool utf8_valid_avx2(struct str s)
{
    __m256i last = _mm256_setzero_si256(), fault = last;
    size_t i = 0;
    for (; s.len - i >= 32; i += 32) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(s.p + i));
        if (_mm256_movemask_epi8(_mm256_or_si256(x, last)) != 0)
            fault = _mm256_or_si256(fault, faults(x, last));
        last = x;
    }
    char rest[32] = {0}; /* one zero at least: it shows a character that the end has cut */
    if (s.len > i)
        memcpy(rest, s.p + i, s.len - i);
    fault = _mm256_or_si256(fault, faults(_mm256_loadu_si256((const __m256i *)rest), last));
    return _mm256_testz_si256(fault, fault);
}
