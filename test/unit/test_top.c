/* The heap keeps what sorting everything would keep. */
#include "index/top.h"
#include "base/mem.h"
#include "tap.h"

#include <stdlib.h>

enum { MANY = 500 };

static int by_rank(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->view > y->view) - (x->view < y->view);
}

static bool same(size_t n, size_t k, unsigned *seed)
{
    struct hit all[MANY], best[MANY];
    struct top t = {.hit = best, .k = k};
    for (size_t i = 0; i < n; i++) {
        all[i] =
            (struct hit){rand_r(seed) % 50, (int64_t)i, (float)(rand_r(seed) % 9), (uint32_t)i};
        top_offer(&t, all[i]);
    }
    qsort(all, n, sizeof(all[0]), by_rank);
    bool good = t.n == (n < k ? n : k);
    good = good && top_needed(&t, -1) == (n < k ? -1 : all[k - 1].score);
    top_sort(&t);
    for (size_t i = 0; i < t.n; i++)
        good = good && by_rank(&t.hit[i], &all[i]) == 0;
    return good;
}

int main(void)
{
    static const size_t ks[] = {1, 2, 3, 10, 100, MANY};
    unsigned seed = 1;
    for (size_t i = 0; i < COUNT(ks); i++) {
        bool good = true;
        for (size_t n = 1; n < MANY; n += 1 + n / 5)
            good = good && same(n, ks[i], &seed);
        ok(good, "the best %zu, equal scores by key and view", ks[i]);
    }
    return tap_done();
}
