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
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    static int at[24][sizeof(letters)]; /* how often a letter stands there */
    for (int i = 0; i < N; i++) {
        char id[RANDOM_ID_SIZE];
        random_id(id, "chatcmpl-");
        shape = shape && strlen(id) == 33 && str_starts(str_from(id), STR("chatcmpl-")) &&
                strspn(id + 9, letters) == 24;
        for (int k = 0; k < 24; k++)
            at[k][strcspn(letters, (char[]){id[9 + k], 0})]++;
        map_set(&seen, str_from(id), &seen);
    }
    ok(shape, "a prefix, then 24 letters and digits");
    ok(seen.n == N, "no name comes twice");
    int rare = 0;
    for (int k = 0; k < 24; k++)
        for (size_t i = 0; i < sizeof(letters) - 1; i++)
            rare += at[k][i] < 20; /* of 62 that are likely, the deviation being 8 */
    ok(rare == 0, "each letter stands at each place");
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
