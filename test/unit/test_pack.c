/* Numbers come out as they went in, at every width, and damage stays inside. */
#include "index/pack.h"
#include "base/mem.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

static unsigned seed = 3;

/* Of up to `bits` bits; one in 16 of up to `rare` bits. */
static uint32_t draw(unsigned bits, unsigned rare)
{
    uint64_t v = (uint64_t)rand_r(&seed) << 31 ^ (uint64_t)rand_r(&seed);
    unsigned n = rand_r(&seed) % 16 ? bits : rare;
    return (uint32_t)(v & ((UINT64_C(1) << n) - 1));
}

static void test_blocks(void)
{
    bool good = true, fits = true;
    size_t bytes = 0;
    for (unsigned bits = 0; bits <= 32; bits++)
        for (unsigned rare = bits; rare <= 32; rare += 4) {
            uint8_t packed[PACK_BLOCK_MAX + PACK_SLACK];
            uint32_t v[PACK_BLOCK], got[PACK_BLOCK];
            for (size_t i = 0; i < PACK_BLOCK; i++)
                v[i] = draw(bits, rare);
            size_t n = pack_block(packed, v), used;
            good = good && n <= PACK_BLOCK_MAX && pack_unblock(packed, got) == packed + n &&
                   memcmp(v, got, sizeof(v)) == 0;
            fits = fits && pack_block_fits(packed, n, &used) && used == n;
            for (size_t cut = 0; cut < n; cut++)
                fits = fits && !pack_block_fits(packed, cut, &used);
            bytes += bits == 8 && rare == 8 ? n : 0;
        }
    ok(good, "blocks of all widths");
    ok(fits, "and their size is told, a cut one refused");
    ok(bytes <= 2 + PACK_BLOCK, "128 bytes take %zu", bytes);
}

static void test_sums(void)
{
    uint32_t v[PACK_BLOCK], want = 99;
    bool good = true;
    for (size_t i = 0; i < PACK_BLOCK; i++)
        v[i] = (uint32_t)i % 5;
    pack_sum(v, want);
    for (size_t i = 0; i < PACK_BLOCK; i++) {
        want += (uint32_t)i % 5 + 1;
        good = good && v[i] == want;
    }
    ok(good, "gaps become numbers");
    memset(v, 0, sizeof(v));
    pack_sum(v, UINT32_MAX);
    ok(v[0] == 0 && v[127] == 127, "the first may be 0");
}

static void test_rice(void)
{
    enum { N = 1000 };
    bool good = true;
    for (unsigned k = 0; k < 32; k++) {
        uint8_t *packed = mem_new(N * PACK_RICE_BITS / 8 + PACK_SLACK);
        struct pack_bits out = {packed, 0};
        uint32_t v[N];
        for (size_t i = 0; i < N; i++)
            pack_rice(&out, v[i] = draw(k, 32), k);
        size_t bit = 0;
        for (size_t i = 0; i < N; i++)
            good = good && pack_unrice(packed, &bit, k) == v[i];
        good = good && bit == out.bit && bit <= N * PACK_RICE_BITS;
        mem_free(packed);
    }
    ok(good, "rice codes of all parameters");
    ok(pack_rice_of(0) == 0 && pack_rice_of(1000) == 9 && pack_rice_of(4e9) == 31,
       "parameters suit the mean");
}

static void test_varints(void)
{
    static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    bool good = true;
    for (size_t i = 0; i < COUNT(values); i++) {
        uint8_t packed[PACK_VARINT_MAX];
        size_t n = pack_varint(packed, values[i]);
        const uint8_t *p = packed;
        good = good && pack_unvarint(&p, packed + n) == values[i] && p == packed + n;
        p = packed;
        pack_unvarint(&p, packed + n - 1);
        good = good && p == packed + n - 1;
    }
    ok(good, "numbers of variable length, never behind the end");
    good = true;
    static const int64_t numbers[] = {0, -1, 1, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < COUNT(numbers); i++)
        good = good && pack_unzigzag(pack_zigzag(numbers[i])) == numbers[i];
    ok(good && pack_zigzag(-1) == 1, "signed ones");
}

int main(void)
{
    test_blocks();
    test_sums();
    test_rice();
    test_varints();
    return tap_done();
}
