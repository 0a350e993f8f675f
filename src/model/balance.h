/* balance.h - in which order to try the places that could answer one call.
 *
 *     weighted   by chance, each in proportion to its weight
 *     least      the fewest calls in flight for its weight
 *     latency    of two drawn by chance the one that should answer first: time to the first byte
 *                times what is in flight there
 *     hash       where this key always goes, so that what a provider has cached of a conversation
 * is used again; unless the place has more than 1.25 times its share of the load
 *
 * Source:  weighted draws: Efraimidis and Spirakis, "Weighted random sampling with a reservoir",
 *          2006; hash: rendezvous hashing (Thaler and Ravishankar, 1998) with the same draw made
 *          from the hash, bounded as in Mirrokni, Thorup and Zadimoghaddam, 2018; latency:
 * Mitzenmacher, "The power of two choices", 2001. Memory:  none is allocated. Threads: any.
 */
#pragma once

#include "model/health.h"

#include <stddef.h>

/* clang-format off */
#define BALANCES(X) X(WEIGHTED, "weighted") X(LEAST, "least") X(LATENCY, "latency") X(HASH, "hash")
#define X(name, text) BALANCE_##name,
enum balance { BALANCES(X) BALANCE_COUNT };
#undef X
/* clang-format on */
const char *balance_name(enum balance how);

enum { BALANCE_MOST = 64 };

struct balance_place {
    struct health *health;
    uint32_t weight; /* from 1 */
};

/* Fills order[n] with indices into p[n], n <= BALANCE_MOST: those that are usable now, best first,
 * then the others. Returns how many are usable. `key` is for BALANCE_HASH: a hash of what should
 * stay together, the same in every process (hash_stable). */
size_t balance_order(enum balance how, const struct balance_place *p, size_t n, uint64_t key,
                     int64_t now_ns, uint8_t *order);
