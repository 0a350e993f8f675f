/* dot8.h - the inner loop of approximate vector search: one vector of bytes against many rows.
 *
 * A row byte stands for its value plus 128 (so that x86 may multiply unsigned by signed bytes in
 * one instruction); the vector's bytes are signed. Chosen at start for the machine: AVX-512 VNNI,
 * AVX2, NEON or plain C. All twins give the same integers.
 *
 * Lengths are multiples of DOT8_STEP; rows are aligned to it, the vector need not be.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { DOT8_STEP = 64 };

/* out[i] = sum over j < len of v[j] * (row[i][j] - 128); `sum` is the sum of v[0..len). */
typedef void dot8_fn(const int8_t *v, int32_t sum, const uint8_t *const *row, size_t n_rows,
                     size_t len, int32_t *out);

extern dot8_fn *dot8_rows;

/* The twins, for tests and benchmarks. */
struct dot8_twin {
    const char *name;
    dot8_fn *rows;
};
/* Those that this machine can run, plain C first; returns how many, at most DOT8_TWINS. */
enum { DOT8_TWINS = 3 };
size_t dot8_twins(struct dot8_twin twin[DOT8_TWINS]);

/* One file per instruction set; called through the pointer above. */
dot8_fn dot8_rows_vnni, dot8_rows_avx2, dot8_rows_neon;
