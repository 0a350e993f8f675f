#include "math/dot.h"

/* Eight sums, so that additions need not wait for each other and a compiler may vectorise. */
enum { LANES = 8 };

static float sum_of(const float lane[LANES])
{
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) +
           ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

static float product_plain(const float *a, const float *b, size_t n)
{
    float lane[LANES] = {0}, rest = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            lane[k] += a[i + k] * b[i + k];
    for (; i < n; i++)
        rest += a[i] * b[i];
    return sum_of(lane) + rest;
}

static float distance_plain(const float *a, const float *b, size_t n)
{
    float lane[LANES] = {0}, rest = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++) {
            float d = a[i + k] - b[i + k];
            lane[k] += d * d;
        }
    for (; i < n; i++)
        rest += (a[i] - b[i]) * (a[i] - b[i]);
    return sum_of(lane) + rest;
}

dot_fn *dot_product = product_plain;
dot_fn *dot_distance = distance_plain;

size_t dot_twins(struct dot_twin twin[DOT_TWINS])
{
    size_t n = 0;
    twin[n++] = (struct dot_twin){"plain", product_plain, distance_plain};
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        twin[n++] = (struct dot_twin){"avx2", dot_product_avx2, dot_distance_avx2};
#elif defined(__aarch64__)
    twin[n++] = (struct dot_twin){"neon", dot_product_neon, dot_distance_neon};
#endif
    return n;
}

/* Before main: the best is the last of the list. */
__attribute__((constructor)) static void choose(void)
{
    struct dot_twin twin[DOT_TWINS];
    size_t n = dot_twins(twin);
    dot_product = twin[n - 1].product;
    dot_distance = twin[n - 1].distance;
}
