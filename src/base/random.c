#include "base/random.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void random_bytes(void *out, size_t n)
{
    char *to = out;
    while (n) {
        ssize_t got = getrandom(to, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            fprintf(stderr, "penstock: the kernel gives no random bytes: %s\n", strerror(errno));
            abort();
        }
        to += got;
        n -= (size_t)got;
    }
}

/* xoshiro256++ of Blackman and Vigna, 2019. */
uint64_t random_u64(void)
{
    static _Thread_local uint64_t s[4];
    static _Thread_local bool seeded;
    if (!seeded) {
        random_bytes(s, sizeof(s));
        s[0] |= 1; /* all zero is the one state that it does not leave */
        seeded = true;
    }
    uint64_t sum = s[0] + s[3], result = (sum << 23 | sum >> 41) + s[0];
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}

/* In each byte, all below 0x80: is it at least `n`? */
static uint64_t reach(uint64_t bytes, unsigned n)
{
    return (bytes + STR_EACH(0x80 - n)) >> 7 & STR_EACH(1);
}

/* Eight letters for 40 bits, five each, so that all are equally likely: the digits and the small
 * letters but i, l, o and u. */
static uint64_t letters(uint64_t bits)
{
    uint64_t x = bits & 0xFFFFF, text;
    x |= (bits >> 20 & 0xFFFFF) << 32;
    x = (x & 0x000003FF000003FF) | (x & 0x000FFC00000FFC00) << 6;
    x = (x & 0x001F001F001F001F) | (x & 0x03E003E003E003E0) << 3;
    text = x + STR_EACH('0') + reach(x, 10) * ('a' - '0' - 10);
    return text + reach(x, 18) + reach(x, 20) + reach(x, 22) + reach(x, 27);
}

static void put(char *to, uint64_t word)
{
    memcpy(to, &word, sizeof(word));
}

/* 120 bits in all. */
void random_id(char out[RANDOM_ID_SIZE], const char *prefix)
{
    enum { LETTERS = 24, POOL = 128 }; /* one system call for 64 names */
    static _Thread_local uint64_t pool[POOL];
    static _Thread_local size_t left;

    size_t len = strlen(prefix);
    CHECK(len + LETTERS < RANDOM_ID_SIZE);
    memcpy(out, prefix, len);
    if (left == 0) {
        random_bytes(pool, sizeof(pool));
        left = POOL;
    }
    uint64_t a = pool[--left], b = pool[--left];
    put(out + len, letters(a));
    put(out + len + 8, letters(b));
    put(out + len + 16, letters(a >> 40 | b >> 40 << 24));
    out[len + LETTERS] = 0;
}
