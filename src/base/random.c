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

void random_id(char out[RANDOM_ID_SIZE], const char *prefix)
{
    enum { LETTERS = 24, POOL = 1024 }; /* one system call for some 40 names */
    static const char digit[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static _Thread_local uint8_t pool[POOL];
    static _Thread_local size_t left;

    size_t len = strlen(prefix);
    CHECK(len + LETTERS < RANDOM_ID_SIZE);
    memcpy(out, prefix, len);
    for (size_t end = len + LETTERS; len < end;) {
        if (left == 0) {
            random_bytes(pool, POOL);
            left = POOL;
        }
        uint8_t six = pool[--left] & 63;
        if (six < 62) /* the other two would make some letters likelier */
            out[len++] = digit[six];
    }
    out[len] = 0;
}
