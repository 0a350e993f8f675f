/* pack.h - small numbers in few bits: what the postings of an index are stored in.
 *
 * Two forms, by how many there are:
 *
 * - Blocks of 128: each number in w bits, where those that need more are listed behind as
 *   exceptions (PFOR: Zukowski et al., "Super-Scalar RAM-CPU Cache Compression", 2006). The numbers
 *   lie in four lanes (Lemire and Boytsov, "Decoding billions of integers per second through
 *   vectorization", 2015), so that four are unpacked at once by the vector registers that every
 *   x86-64 and every aarch64 has; GCC's vector types make plain C of it.
 * - Rice codes, for lists that are shorter than a block: for random gaps within .05 bits of the
 *   least possible, one by one.
 *
 * Memory:  readers look at up to PACK_SLACK bytes behind what they read.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACK_BLOCK = 128, PACK_BLOCK_MAX = 2 + PACK_BLOCK * 10, PACK_SLACK = 8 };

/* ---- Blocks of PACK_BLOCK numbers ---- */

/* Returns the bytes written, at most PACK_BLOCK_MAX. */
size_t pack_block(uint8_t *out, const uint32_t v[PACK_BLOCK]);
/* Returns where the next thing begins. */
const uint8_t *pack_unblock(const uint8_t *in, uint32_t v[PACK_BLOCK]);
/* Whether a block that unpacks without reading behind in + size begins at `in`; *used its bytes. */
bool pack_block_fits(const uint8_t *in, size_t size, size_t *used);
/* From gaps less 1 to rising numbers: v[i] becomes before + 1 + v[0] + 1 + v[1] ... */
void pack_sum(uint32_t v[PACK_BLOCK], uint32_t before);

/* ---- Rice codes ---- */

struct pack_bits {
    uint8_t *p; /* zeroed memory, PACK_SLACK bytes more than what is written */
    size_t bit;
};

/* The parameter that suits numbers of this mean (Kiely, "Selecting the Golomb Parameter in Rice
 * Coding", 2004). */
unsigned pack_rice_of(double mean);
enum { PACK_RICE_BITS = 56 }; /* at most, of one number */
void pack_rice(struct pack_bits *b, uint32_t v, unsigned k);

/* The number at *bit, which is moved behind it. */
static inline uint32_t pack_unrice(const uint8_t *in, size_t *bit, unsigned k)
{
    enum { ESCAPE = 24 }; /* ones: the number follows as it is */
    uint64_t w;
    __builtin_memcpy(&w, in + *bit / 8, 8);
    w >>= *bit % 8;
    unsigned q = (unsigned)__builtin_ctzll(~w | UINT64_C(1) << ESCAPE);
    if (q == ESCAPE) {
        *bit += ESCAPE + 32;
        return (uint32_t)(w >> ESCAPE);
    }
    *bit += q + 1 + k;
    return q << k | (uint32_t)(w >> (q + 1) & ((UINT64_C(1) << k) - 1));
}

/* ---- Numbers of variable length: 7 bits to a byte, lowest first ---- */

enum { PACK_VARINT_MAX = 10 };
size_t pack_varint(uint8_t *out, uint64_t v);
/* The number at *in, which is moved behind it, not beyond `end`; 0 when there is nothing. */
static inline uint64_t pack_unvarint(const uint8_t **in, const uint8_t *end)
{
    uint64_t v = 0;
    for (unsigned shift = 0; *in < end && shift < 64; shift += 7) {
        uint8_t byte = *(*in)++;
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            break;
    }
    return v;
}

/* Signed numbers near 0 as unsigned ones near 0. */
static inline uint64_t pack_zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static inline int64_t pack_unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}
