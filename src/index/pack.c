#include "index/pack.h"
#include "base/mem.h"

#include <string.h>

/* ---- Blocks. Number i is in lane i % 4, row i / 4: a row is one vector. ---- */

typedef uint32_t row __attribute__((vector_size(16)));

enum { ROWS = PACK_BLOCK / 4 };

static unsigned bits_of(uint32_t v)
{
    return v ? 32 - (unsigned)__builtin_clz(v) : 0;
}

/* The width that costs least. */
static unsigned width_of(const uint32_t v[PACK_BLOCK])
{
    uint32_t count[33] = {0};
    unsigned top = 0, best = 0;
    for (size_t i = 0; i < PACK_BLOCK; i++)
        count[bits_of(v[i])]++;
    for (unsigned b = 0; b <= 32; b++)
        top = count[b] ? b : top;
    size_t least = SIZE_MAX;
    for (unsigned w = 0; w <= top; w++) {
        size_t cost = (size_t)w * 16;
        for (unsigned b = w + 1; b <= top; b++)
            cost += count[b] * (1 + (size_t)(b - w + 6) / 7);
        if (cost < least) {
            least = cost;
            best = w;
        }
    }
    return best;
}

static void put_rows(uint8_t *out, const uint32_t v[PACK_BLOCK], unsigned w)
{
    uint32_t word[ROWS * 4 + 4] = {0}, mask = w < 32 ? (UINT32_C(1) << w) - 1 : UINT32_MAX;
    for (size_t i = 0; i < PACK_BLOCK && w; i++) {
        size_t bit = i / 4 * w, at = bit / 32 * 4 + i % 4;
        uint64_t low = (uint64_t)(v[i] & mask) << bit % 32;
        word[at] |= (uint32_t)low;
        word[at + 4] |= (uint32_t)(low >> 32);
    }
    memcpy(out, word, (size_t)w * 16);
}

size_t pack_block(uint8_t *out, const uint32_t v[PACK_BLOCK])
{
    unsigned w = width_of(v);
    put_rows(out + 2, v, w);
    uint8_t *to = out + 2 + (size_t)w * 16, *index = to;
    size_t n = 0;
    for (size_t i = 0; i < PACK_BLOCK; i++)
        if (bits_of(v[i]) > w)
            index[n++] = (uint8_t)i;
    to += n;
    for (size_t i = 0; i < n; i++)
        to += pack_varint(to, v[index[i]] >> w);
    out[0] = (uint8_t)w;
    out[1] = (uint8_t)n;
    return (size_t)(to - out);
}

static row load(const uint8_t *in)
{
    row r;
    memcpy(&r, in, sizeof(r));
    return r;
}

/* With a constant w the loop unrolls to shifts and masks. */
__attribute__((always_inline)) static inline void get_rows(const uint8_t *in, uint32_t *v,
                                                           const unsigned w)
{
    const uint32_t mask = w < 32 ? (UINT32_C(1) << w) - 1 : UINT32_MAX;
#pragma GCC unroll 32
    for (unsigned r = 0; r < ROWS; r++) {
        unsigned at = r * w / 32, shift = r * w % 32;
        row x = load(in + (size_t)at * 16) >> shift;
        if (shift + w > 32)
            x |= load(in + (size_t)at * 16 + 16) << (32 - shift);
        x &= mask;
        memcpy(v + (size_t)r * 4, &x, sizeof(x));
    }
}

#define WIDTHS_8(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define WIDTHS_16(X) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)
#define WIDTHS_24(X) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24)
#define WIDTHS_32(X) X(25) X(26) X(27) X(28) X(29) X(30) X(31) X(32)

const uint8_t *pack_unblock(const uint8_t *in, uint32_t v[PACK_BLOCK])
{
    unsigned w = in[0], n = in[1];
    switch (w) {
#define X(width)                                                                                   \
    case width: get_rows(in + 2, v, width); break;
        WIDTHS_8(X)
        WIDTHS_16(X)
        WIDTHS_24(X)
        WIDTHS_32(X)
#undef X
    default: memset(v, 0, PACK_BLOCK * sizeof(*v)); break;
    }
    const uint8_t *index = in + 2 + (size_t)w * 16, *high = index + n;
    for (unsigned i = 0; i < n; i++)
        v[index[i] % PACK_BLOCK] |=
            (uint32_t)(pack_unvarint(&high, high + PACK_VARINT_MAX) << (w & 31));
    return high;
}

bool pack_block_fits(const uint8_t *in, size_t size, size_t *used)
{
    if (size < 2 || in[0] > 32 || (in[0] == 32 && in[1]) || in[1] > PACK_BLOCK)
        return false;
    size_t at = 2 + (size_t)in[0] * 16 + in[1];
    for (unsigned i = 0; i < in[1]; i++)
        for (size_t n = 0; n == 0 || in[at - 1] > 127; n++, at++)
            if (at >= size || n == PACK_VARINT_MAX)
                return false;
    *used = at;
    return at <= size;
}

void pack_sum(uint32_t v[PACK_BLOCK], uint32_t before)
{
    row carry = {before, before, before, before};
    for (size_t i = 0; i < PACK_BLOCK; i += 4) {
        const row none = {0, 0, 0, 0};
        row x;
        memcpy(&x, v + i, sizeof(x));
        x += 1;
        x += __builtin_shufflevector(x, none, 4, 0, 1, 2);
        x += __builtin_shufflevector(x, none, 4, 4, 0, 1);
        x += carry;
        memcpy(v + i, &x, sizeof(x));
        carry = __builtin_shufflevector(x, x, 3, 3, 3, 3);
    }
}

/* ---- Rice codes: the quotient by 2^k as ones and a zero, then the rest ---- */

unsigned pack_rice_of(double mean)
{
    unsigned k = 0;
    while (k < 31 && (double)(UINT64_C(1) << k) < mean * 0.4812) /* ln of the golden ratio */
        k++;
    return k;
}

void pack_rice(struct pack_bits *b, uint32_t v, unsigned k)
{
    enum { ESCAPE = 24 };
    uint64_t q = v >> k, bits, word;
    size_t n;
    if (q >= ESCAPE) {
        bits = ((UINT64_C(1) << ESCAPE) - 1) | (uint64_t)v << ESCAPE;
        n = ESCAPE + 32;
    } else {
        bits = ((UINT64_C(1) << q) - 1) | (uint64_t)(v & ((UINT64_C(1) << k) - 1)) << (q + 1);
        n = q + 1 + k;
    }
    memcpy(&word, b->p + b->bit / 8, 8);
    word |= bits << b->bit % 8;
    memcpy(b->p + b->bit / 8, &word, 8);
    b->bit += n;
}

size_t pack_varint(uint8_t *out, uint64_t v)
{
    size_t n = 0;
    for (; v > 127; v >>= 7)
        out[n++] = (uint8_t)(v | 128);
    out[n++] = (uint8_t)v;
    return n;
}
