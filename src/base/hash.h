/* hash.h - fast hashes for tables and caches inside one process.
 *
 * hash64 and hash128 are XXH3 keyed with a secret drawn at start, so that outsiders cannot choose
 * colliding keys; their values differ from run to run and must not be stored. hash_stable is XXH3
 * without a key, for checksums of our own files. What guards a secret or names content is in
 * base/digest.h.
 *
 * Threads: any. Source: xxHash 0.8 (XXH3).
 */
#pragma once

#include "base/str.h"

struct hash128 {
    uint64_t lo, hi;
};

uint64_t hash64(struct str s);
struct hash128 hash128(struct str s);
uint64_t hash_stable(struct str s);
