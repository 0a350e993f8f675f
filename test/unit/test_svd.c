/* Singular vectors against matrices whose own are known, and against what defines them. */
#include "math/svd.h"
#include "base/mem.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 400 };

/* A dense matrix of the given values as a sparse one. */
struct made {
    struct svd_matrix m;
    uint64_t *start;
    uint32_t *col;
    float *value;
};

static struct made make(const double *dense, size_t rows, size_t cols)
{
    struct made k = {.start = mem_array(rows + 1, sizeof(uint64_t)),
                     .col = mem_array(rows * cols + 1, sizeof(uint32_t)),
                     .value = mem_array(rows * cols + 1, sizeof(float))};
    uint64_t n = 0;
    for (size_t r = 0; r < rows; r++) {
        k.start[r] = n;
        for (size_t c = 0; c < cols; c++)
            if (dense[r * cols + c] != 0) {
                k.col[n] = (uint32_t)c;
                k.value[n++] = (float)dense[r * cols + c];
            }
    }
    k.start[rows] = n;
    k.m = (struct svd_matrix){rows, cols, k.start, k.col, k.value};
    return k;
}

static void drop(struct made *k)
{
    mem_free(k->start);
    mem_free(k->col);
    mem_free(k->value);
}

static double chance(unsigned *seed)
{
    return rand_r(seed) / (double)RAND_MAX * 2 - 1;
}

/* The sum of `n` products of random columns and rows with strengths 1/1, 1/2, ...: of rank n. */
static double *of_rank(size_t rows, size_t cols, size_t n, unsigned *seed)
{
    double *a = mem_array(rows * cols, sizeof(*a));
    for (size_t k = 0; k < n; k++) {
        double u[MOST], v[MOST];
        for (size_t r = 0; r < rows; r++)
            u[r] = chance(seed);
        for (size_t c = 0; c < cols; c++)
            v[c] = chance(seed);
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++)
                a[r * cols + c] += u[r] * v[c] / (double)(k + 1);
    }
    return a;
}

static double inner(const float *v, size_t cols, size_t rank, size_t i, size_t j)
{
    double sum = 0;
    for (size_t c = 0; c < cols; c++)
        sum += (double)v[c * rank + i] * v[c * rank + j];
    return sum;
}

/* The largest |(transpose(a) a v_i - s_i^2 v_i)| relative to s_0^2. */
static double residue(const double *a, size_t rows, size_t cols, const float *v, const float *s,
                      size_t rank, size_t i)
{
    double av[MOST] = {0}, worst = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            av[r] += a[r * cols + c] * v[c * rank + i];
    for (size_t c = 0; c < cols; c++) {
        double sum = 0;
        for (size_t r = 0; r < rows; r++)
            sum += a[r * cols + c] * av[r];
        worst = fmax(worst, fabs(sum - (double)s[i] * s[i] * v[c * rank + i]));
    }
    return worst / ((double)s[0] * s[0]);
}

static void test_sparse(size_t rows, size_t cols, size_t true_rank, uint32_t want, unsigned *seed)
{
    double *a = of_rank(rows, cols, true_rank, seed);
    struct made k = make(a, rows, cols);
    float *v = mem_array(cols * want, sizeof(*v)), *s = mem_array(want, sizeof(*s));
    struct svd_options o = {.rank = want, .extra = 16, .rounds = 4, .seed = 7};
    size_t n = svd_sparse(&k.m, NULL, &o, v, s);
    ok(n == size_min(want, true_rank), "%zu x %zu of rank %zu: %zu of %u wanted", rows, cols,
       true_rank, n, want);
    double skew = 0, off = 0;
    bool ordered = true;
    for (size_t i = 0; i < n; i++) {
        off = fmax(off, residue(a, rows, cols, v, s, want, i));
        ordered = ordered && (i == 0 || s[i] <= s[i - 1]) && s[i] > 0;
        for (size_t j = 0; j <= i; j++)
            skew = fmax(skew, fabs(inner(v, cols, want, i, j) - (i == j)));
    }
    ok(ordered, "values fall");
    ok(skew < 1e-4, "vectors are orthogonal (%.1e)", skew);
    ok(off < 1e-3, "and singular (%.1e)", off);

    float *again = mem_array(cols * want, sizeof(*v));
    svd_sparse(&k.m, NULL, &o, again, s);
    ok(memcmp(v, again, cols * want * sizeof(*v)) == 0, "the same once more");
    atomic_bool stop = true;
    o.stop = &stop;
    ok(svd_sparse(&k.m, NULL, &o, again, s) == 0 && s[0] == 0, "stopped: nothing");
    mem_free(again);
    mem_free(v);
    mem_free(s);
    mem_free(a);
    drop(&k);
}

static void test_known(void)
{
    /* diag(3, 2, 1) with columns in another order */
    static const double a[9] = {0, 3, 0, 2, 0, 0, 0, 0, 1};
    struct made k = make(a, 3, 3);
    float v[9], s[3];
    struct svd_options o = {.rank = 3, .extra = 16, .rounds = 3, .seed = 1};
    ok(svd_sparse(&k.m, NULL, &o, v, s) == 3, "three values");
    ok(fabsf(s[0] - 3) < 1e-4 && fabsf(s[1] - 2) < 1e-4 && fabsf(s[2] - 1) < 1e-4, "3, 2, 1");
    ok(fabsf(fabsf(v[3]) - 1) < 1e-4 && fabsf(fabsf(v[1]) - 1) < 1e-4 &&
           fabsf(fabsf(v[8]) - 1) < 1e-4,
       "along the axes");
    drop(&k);

    uint64_t none = 0;
    struct svd_matrix empty = {0, 0, &none, NULL, NULL};
    ok(svd_sparse(&empty, NULL, &o, v, s) == 0, "an empty matrix has none");
    static const double zero[4] = {0};
    k = make(zero, 2, 2);
    ok(svd_sparse(&k.m, NULL, &o, v, s) == 0, "nor has zero");
    drop(&k);
}

static void test_symmetric(void)
{
    double a[9] = {2, -1, 0, -1, 2, -1, 0, -1, 2}, value[3]; /* values 2 - 2 cos(k pi / 4) */
    svd_symmetric(a, value, 3);
    ok(fabs(value[0] - 2 - sqrt(2)) < 1e-12 && fabs(value[1] - 2) < 1e-12 &&
           fabs(value[2] - 2 + sqrt(2)) < 1e-12,
       "the second difference's values");
    ok(fabs(fabs(a[1]) - sqrt(.5)) < 1e-12 && fabs(a[4]) < 1e-12, "and vectors");
    double one = 5;
    svd_symmetric(&one, value, 1);
    ok(value[0] == 5 && fabs(fabs(one) - 1) < 1e-12, "one by one");
    double same[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}, v4[4];
    svd_symmetric(same, v4, 4);
    ok(v4[0] == 1 && v4[3] == 1 && same[0] * same[0] + same[1] * same[1] > .99, "the identity");
}

/* The product of two, against the product formed. */
static void test_product(unsigned *seed)
{
    enum { ROWS = 50, MIDDLE = 30, COLS = 70, RANK = 12 };
    double *a = of_rank(ROWS, MIDDLE, MIDDLE, seed), *b = of_rank(MIDDLE, COLS, MIDDLE, seed);
    double *ab = mem_array((size_t)ROWS * COLS, sizeof(*ab));
    for (size_t r = 0; r < ROWS; r++)
        for (size_t m = 0; m < MIDDLE; m++)
            for (size_t c = 0; c < COLS; c++)
                ab[r * COLS + c] += a[r * MIDDLE + m] * b[m * COLS + c];
    struct made ka = make(a, ROWS, MIDDLE), kb = make(b, MIDDLE, COLS);
    float v[COLS * RANK], s[RANK];
    struct svd_options o = {.rank = RANK, .extra = 16, .rounds = 4, .seed = 7};
    ok(svd_sparse(&ka.m, &kb.m, &o, v, s) == RANK, "a product of two");
    ok(residue(ab, ROWS, COLS, v, s, RANK, 0) < 1e-3 &&
           residue(ab, ROWS, COLS, v, s, RANK, RANK - 1) < 1e-3,
       "has the singular vectors of what it makes");
    drop(&ka);
    drop(&kb);
    mem_free(a);
    mem_free(b);
    mem_free(ab);
}

int main(void)
{
    unsigned seed = 3;
    test_known();
    test_symmetric();
    test_product(&seed);
    test_sparse(40, 60, 5, 8, &seed);
    test_sparse(60, 40, 40, 20, &seed);
    test_sparse(300, 350, 120, 50, &seed);
    test_sparse(1, 30, 1, 4, &seed);
    test_sparse(30, 1, 1, 4, &seed);
    return tap_done();
}
