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

static void test_digits(void)
{
    static const size_t counts[] = {0, 1, 2, 9, 10, 11, 64, 200};
    bool good = true;
    for (unsigned bits = 0; bits <= 32; bits++)
        for (size_t c = 0; c < COUNT(counts); c++) {
            uint32_t v[200], got[200];
            size_t n = counts[c];
            for (size_t i = 0; i < n; i++)
                v[i] = draw(bits, bits);
            uint8_t *packed = mem_new(PACK_DIGITS_HEAD + 8 * 200);
            size_t len = pack_digits(packed, v, n);
            uint8_t *exact = mem_copy(packed, len); /* its own block: a read behind it is seen */
            for (size_t from = 0; from < n; from += 7) {
                pack_undigits(exact, len, from, got, n - from);
                good = good && memcmp(got, v + from, (n - from) * sizeof(*v)) == 0;
            }
            pack_undigits(exact, len / 2, 0, got, n); /* cut: anything, within bounds */
            pack_undigits(exact, len, n + 5, got, 50);
            mem_free(exact);
            mem_free(packed);
        }
    ok(good, "digits of all sizes, from anywhere");
    uint32_t v[80];
    uint8_t packed[PACK_DIGITS_HEAD + 8 * 80];
    for (uint32_t i = 0; i < 80; i++)
        v[i] = i;
    ok(pack_digits(packed, v, 80) <= 65, "80 places below 80 take less than 6.5 bits each");
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
    test_digits();
    test_varints();
    return tap_done();
}
