#include "math/dot8.h"

static void rows_plain(const int8_t *v, int32_t sum, const uint8_t *const *row, size_t n_rows,
                       size_t len, int32_t *out)
{
    for (size_t i = 0; i < n_rows; i++) {
        const uint8_t *r = row[i];
        int32_t all = -128 * sum;
        for (size_t j = 0; j < len; j++)
            all += v[j] * r[j];
        out[i] = all;
    }
}

dot8_fn *dot8_rows = rows_plain;

size_t dot8_twins(struct dot8_twin twin[DOT8_TWINS])
{
    size_t n = 0;
    twin[n++] = (struct dot8_twin){"plain", rows_plain};
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2"))
        twin[n++] = (struct dot8_twin){"avx2", dot8_rows_avx2};
    if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw"))
        twin[n++] = (struct dot8_twin){"vnni", dot8_rows_vnni};
#elif defined(__aarch64__)
    twin[n++] = (struct dot8_twin){"neon", dot8_rows_neon};
#endif
    return n;
}

/* Before main: the best is the last of the list. */
__attribute__((constructor)) static void choose(void)
{
    struct dot8_twin twin[DOT8_TWINS];
    dot8_rows = twin[dot8_twins(twin) - 1].rows;
}
