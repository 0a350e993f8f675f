/* A number goes to another document only when nobody can know it any more. */
#include "index/number.h"
#include "base/mem.h"

#include "tap.h"

static bool has(struct numbers *n, int64_t document, uint32_t want)
{
    uint32_t number;
    return numbers_find(n, document, &number) && number == want;
}

static void test_reuse(void)
{
    struct numbers *n = numbers_new();
    ok(numbers_take(n, 10) == 0 && numbers_take(n, 11) == 1 && numbers_take(n, 12) == 2,
       "numbers rise from 0");
    numbers_turn(n);
    struct epoch *first = numbers_epoch(n);
    ok(numbers_take(n, 10) == 3 && has(n, 10, 3), "a new version has a new number");
    numbers_drop(n, 11);
    ok(!has(n, 11, 1) && has(n, 12, 2), "one is gone, the other not");
    ok(numbers_take(n, 13) == 4, "what was lost in this epoch is not given away");
    numbers_turn(n);
    struct epoch *second = numbers_epoch(n);
    ok(numbers_take(n, 14) == 5, "nor while a reader of the epoch is there");
    numbers_drop(n, 12);
    numbers_turn(n);
    epoch_unref(second);
    ok(numbers_take(n, 15) == 6, "nor while one of an earlier epoch is");
    epoch_unref(first);
    bool seen[7] = {0};
    for (int64_t d = 20; d < 23; d++) {
        uint32_t number = numbers_take(n, d);
        if (number < 7)
            seen[number] = true;
    }
    ok(seen[0] && seen[1] && seen[2], "all three that were lost come back");
    ok(numbers_take(n, 30) == 7, "and then new ones");
    struct epoch *kept = numbers_epoch(n);
    numbers_drop(n, 30);
    numbers_turn(n);
    numbers_free(n);
    epoch_unref(kept);
    ok(true, "a reader may stay longer than the numbers");
}

/* Against a plain array, with many removals, which the table must survive. */
static void test_table(void)
{
    enum { DOCUMENTS = 500, ROUNDS = 20000 };
    static int64_t number_of[DOCUMENTS + 1];
    struct numbers *n = numbers_new();
    uint64_t seed = 1;
    bool good = true;
    for (int i = 1; i <= DOCUMENTS; i++)
        number_of[i] = -1;
    for (int i = 0; i < ROUNDS && good; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        int64_t d = 1 + (int64_t)((seed >> 33) % DOCUMENTS);
        if (seed >> 60 < 9) {
            number_of[d] = numbers_take(n, d);
        } else {
            numbers_drop(n, d);
            number_of[d] = -1;
        }
        if (i % 50 == 0)
            numbers_turn(n);
        uint32_t number;
        int64_t probe = 1 + (int64_t)((seed >> 20) % DOCUMENTS);
        good = numbers_find(n, probe, &number) == (number_of[probe] >= 0) &&
               (number_of[probe] < 0 || number == number_of[probe]);
    }
    ok(good, "finds what it should in %d rounds", ROUNDS);
    bool twice = false, used[2 * DOCUMENTS] = {0};
    for (int i = 1; i <= DOCUMENTS; i++) {
        if (number_of[i] < 0)
            continue;
        twice |= number_of[i] >= 2 * DOCUMENTS || used[number_of[i]];
        if (number_of[i] < 2 * DOCUMENTS)
            used[number_of[i]] = true;
    }
    ok(!twice, "no number is given twice, and they stay small");
    numbers_free(n);
}

int main(void)
{
    test_reuse();
    test_table();
    return tap_done();
}
