/* random.h - chance: for secrets from the kernel, for everything else from a fast generator.
 *
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t n); /* from the kernel; ends the process when it cannot */
uint64_t random_u64(void);              /* fast, per thread, not for secrets */

/* "chatcmpl-" + 24 letters and digits from the kernel's pool in batches; ended by NUL. The prefix
 * has at most 15 bytes. */
enum { RANDOM_ID_SIZE = 40 };
void random_id(char out[RANDOM_ID_SIZE], const char *prefix);
