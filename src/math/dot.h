/* dot.h - the inner loops of vector search: dot products and squared distances.
 *
 * Chosen at start for the machine: AVX2 with FMA, NEON, or plain C. The twins add in different
 * orders, so results differ in the last bits (relative to the sum of magnitudes about n * 2^-24).
 *
 * Vectors need no alignment; n is any number. Threads: any.
 */
#pragma once

#include <stddef.h>

typedef float dot_fn(const float *a, const float *b, size_t n);

extern dot_fn *dot_product;  /* sum of a[i] * b[i] */
extern dot_fn *dot_distance; /* sum of (a[i] - b[i])^2 */

/* The twins, for tests and benchmarks. */
struct dot_twin {
    const char *name;
    dot_fn *product, *distance;
};
/* Those that this machine can run, plain C first; returns how many, at most DOT_TWINS. */
enum { DOT_TWINS = 2 };
size_t dot_twins(struct dot_twin twin[DOT_TWINS]);

/* One file per instruction set; called through the pointers above. */
dot_fn dot_product_avx2, dot_distance_avx2;
dot_fn dot_product_neon, dot_distance_neon;
