/* Every twin of the byte kernel against a plain sum, up to the largest values that bytes hold. */
#include "math/dot8.h"
#include "base/mem.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 9, LONGEST = 4096 };

static unsigned seed = 4;
static _Alignas(64) uint8_t row[ROWS][LONGEST];
static int8_t shifted[LONGEST + 1], *const v = shifted + 1;

static void draw(int kind)
{
    for (size_t j = 0; j < LONGEST; j++) {
        v[j] = (int8_t)(kind == 0 ? rand_r(&seed) % 256 - 128 : kind == 1 ? 127 : -128);
        for (size_t i = 0; i < ROWS; i++)
            row[i][j] = (uint8_t)(kind == 0 ? rand_r(&seed) % 256 : i % 2 ? 255 : 0);
    }
}

static bool right(dot8_fn *rows, size_t n, size_t len)
{
    const uint8_t *at[ROWS];
    int32_t out[ROWS + 1] = {0}, sum = 0;
    for (size_t i = 0; i < ROWS; i++)
        at[i] = row[i];
    for (size_t j = 0; j < len; j++)
        sum += v[j];
    out[n] = 77;
    rows(v, sum, at, n, len, out);
    bool good = out[n] == 77;
    for (size_t i = 0; i < n; i++) {
        int64_t want = 0;
        for (size_t j = 0; j < len; j++)
            want += (int64_t)v[j] * (row[i][j] - 128);
        good = good && out[i] == want;
    }
    return good;
}

int main(void)
{
    struct dot8_twin twin[DOT8_TWINS];
    size_t n = dot8_twins(twin);
    ok(n >= 1, "%zu twins on this machine", n);
    for (size_t t = 0; t < n; t++)
        for (int kind = 0; kind < 3; kind++) {
            bool good = true;
            draw(kind);
            for (size_t rows = 0; rows <= ROWS; rows++)
                for (size_t len = 0; len <= LONGEST; len += len < 512 ? DOT8_STEP : 896)
                    good = good && right(twin[t].rows, rows, len);
            ok(good, "%s: %s", twin[t].name,
               kind == 0   ? "random bytes"
               : kind == 1 ? "the largest"
                           : "the smallest");
        }
    ok(dot8_rows == twin[n - 1].rows, "the best one is in use");
    return tap_done();
}
