/* What random promises: names of the right shape that do not repeat, bits that are all in use. */
#include "base/map.h"
#include "base/random.h"

#include "tap.h"

int main(void)
{
    enum { N = 2000 };
    struct map seen;
    map_init(&seen);
    bool shape = true;
    for (int i = 0; i < N; i++) {
        char id[RANDOM_ID_SIZE];
        random_id(id, "chatcmpl-");
        shape =
            shape && strlen(id) == 33 && str_starts(str_from(id), STR("chatcmpl-")) &&
            strspn(id + 9, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == 24;
        map_set(&seen, str_from(id), &seen);
    }
    ok(shape, "a prefix, then 24 letters and digits");
    ok(seen.n == N, "no name comes twice");
    map_fini(&seen);

    uint64_t or = 0, and = UINT64_MAX, last = 0;
    int repeats = 0;
    for (int i = 0; i < N; i++) {
        uint64_t x = random_u64();
        or |= x;
        and &= x;
        repeats += x == last;
        last = x;
    }
    ok(or == UINT64_MAX && and == 0 && repeats == 0, "every bit is sometimes 0 and sometimes 1");

    uint8_t big[5000] = {0}; /* more than one getrandom call may give at once to a signal handler */
    random_bytes(big, sizeof(big));
    int zero = 0;
    for (size_t i = 0; i < sizeof(big); i++)
        zero += big[i] == 0;
    ok(zero < 100, "all of a long buffer is filled");
    return tap_done();
}
