/* Products of 16 bits, two of which are added into 32: two products of signed bytes fit in 16 bits
 * only when neither is -128 times -128, so they are not added before. */
#include "math/dot8.h"

#include <arm_neon.h>

void dot8_rows_neon(const int8_t *v, int32_t sum, const uint8_t *const *row, size_t n_rows,
                    size_t len, int32_t *out)
{
    (void)sum; /* flipping the top bit of a row byte takes the 128 away */
    const uint8x16_t flip = vdupq_n_u8(128);
    for (size_t i = 0; i < n_rows; i++) {
        const uint8_t *r = row[i];
        int32x4_t s0 = vdupq_n_s32(0), s1 = s0;
        for (size_t j = 0; j < len; j += 16) {
            int8x16_t q = vld1q_s8(v + j);
            int8x16_t b = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(r + j), flip));
            s0 = vpadalq_s16(s0, vmull_s8(vget_low_s8(q), vget_low_s8(b)));
            s1 = vpadalq_s16(s1, vmull_high_s8(q, b));
        }
        out[i] = vaddvq_s32(vaddq_s32(s0, s1));
    }
}
