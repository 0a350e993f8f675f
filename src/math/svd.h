/* svd.h - the strongest singular vectors of a large sparse matrix.
 *
 * Source: Halko, Martinsson and Tropp, "Finding Structure with Randomness", 2011: a random block is
 * multiplied by the matrix and its transpose a few times, which turns it towards the strongest
 * directions; the small problem that is left is solved exactly (Householder's tridiagonal form and
 * QL steps with implicit shifts, as in Wilkinson and Reinsch, "Handbook for Automatic Computation",
 * 1971, II/2 and II/3).
 *
 * Results depend on the matrix, the options and the seed alone, on one machine.
 *
 * Memory:  blocks of rows and of columns times (rank + extra) floats while it runs.
 * Threads: any; one core is used.
 * Cost:    about 2 (rounds + 1) (rank + extra) / 8 ns per stored value, and (rows + columns)
 *          (rank + extra)^2 / 10 ns.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* By rows: row r has the values start[r] .. start[r + 1] - 1. */
struct svd_matrix {
    size_t rows, cols;
    const uint64_t *start; /* [rows + 1] */
    const uint32_t *col;
    const float *value;
};

struct svd_options {
    uint32_t rank;   /* how many are wanted, at least 1 */
    uint32_t extra;  /* directions that are carried along and dropped; 16 to 32 is usual */
    uint32_t rounds; /* passes through the matrix and back, at least 1; 2 to 4 is usual */
    uint64_t seed;
    const atomic_bool *stop; /* looked at between steps; NULL: never stops */
};

/* Of `a`, or of the product a b when b is not NULL (a->cols is then b->rows), which is never
 * formed. Fills v, [cols][rank] row-major, with the right singular vectors and s, [rank], with the
 * values, falling. Returns how many there are: fewer than rank when the matrix has no more (the
 * rest of v and s is then zero), 0 when it was stopped. */
uint32_t svd_sparse(const struct svd_matrix *a, const struct svd_matrix *b,
                    const struct svd_options *o, float *v, float *s);

/* y = a x, for blocks of row vectors: x is [a->cols][width], y [a->rows][width]. */
void svd_times(const struct svd_matrix *a, const float *x, float *y, size_t width);

/* All eigenvectors of a symmetric matrix, [n][n]: they replace it, as rows, with their values in
 * value[n], falling. */
void svd_symmetric(double *a, double *value, size_t n);
