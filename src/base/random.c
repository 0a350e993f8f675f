#include "base/random.h"
#include "base/mem.h"

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

/* Five bits for a letter, so that all are equally likely: 120 bits in all. */
void random_id(char out[RANDOM_ID_SIZE], const char *prefix)
{
    enum { WORDS = 2, LETTERS = 12, POOL = 128 }; /* one system call for 64 names */
    static const char digit[] = "0123456789abcdefghjkmnpqrstvwxyz";
    static _Thread_local uint64_t pool[POOL];
    static _Thread_local size_t left;

    size_t len = strlen(prefix);
    CHECK(len + WORDS * LETTERS < RANDOM_ID_SIZE);
    memcpy(out, prefix, len);
    if (left == 0) {
        random_bytes(pool, sizeof(pool));
        left = POOL;
    }
    for (int w = 0; w < WORDS; w++) {
        uint64_t bits = pool[--left];
        for (int i = 0; i < LETTERS; i++, bits >>= 5)
            out[len++] = digit[bits & 31];
    }
    out[len] = 0;
}
