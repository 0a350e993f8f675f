/* Every twin of the kernels against a sum in double precision. */
#include "math/dot.h"
#include "base/mem.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>

enum { LONGEST = 1100 };

static unsigned seed = 9;

static float draw(void)
{
    return (float)rand_r(&seed) / (float)RAND_MAX * 2 - 1;
}

/* Every length up to 100 and some more, from places that no vector register likes, in a block of
 * exactly that size, so that the sanitizer sees a read behind it. */
static bool right(const struct dot_twin *t, size_t n)
{
    float *a = mem_array(n + 1, sizeof(*a)), *b = mem_array(n + 1, sizeof(*b));
    double product = 0, distance = 0, size = 1e-6;
    for (size_t i = 1; i <= n; i++) {
        a[i] = draw();
        b[i] = draw();
        product += (double)a[i] * b[i];
        distance += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += fabs((double)a[i] * b[i]);
    }
    bool good = fabs(t->product(a + 1, b + 1, n) - product) <= 1e-6 * size * 10;
    good = good && fabs(t->distance(a + 1, b + 1, n) - distance) <= 1e-5 * (distance + 1e-6);
    mem_free(a);
    mem_free(b);
    return good;
}

int main(void)
{
    struct dot_twin twin[DOT_TWINS];
    size_t n = dot_twins(twin);
    ok(n >= 1, "%zu twins on this machine", n);
    for (size_t t = 0; t < n; t++) {
        bool good = true;
        for (size_t len = 0; len <= LONGEST; len += len < 100 ? 1 : 37)
            good = good && right(&twin[t], len);
        ok(good, "%s: as the sum in double precision", twin[t].name);
    }
    ok(dot_product == twin[n - 1].product && dot_distance == twin[n - 1].distance,
       "the best one is in use");
    return tap_done();
}
