#define XXH_INLINE_ALL /* short keys are most of what is hashed: no call through the library */
#include "base/hash.h"
#include "base/random.h"

#include <xxhash.h>

static uint8_t secret[XXH3_SECRET_SIZE_MIN + 56]; /* 192 bytes, the size of xxHash's own */

/* Before main, so that no hash needs to look whether it is there. */
__attribute__((constructor)) static void draw_secret(void)
{
    random_bytes(secret, sizeof(secret));
}

uint64_t hash64(struct str s)
{
    return XXH3_64bits_withSecret(s.p, s.len, secret, sizeof(secret));
}

struct hash128 hash128(struct str s)
{
    XXH128_hash_t h = XXH3_128bits_withSecret(s.p, s.len, secret, sizeof(secret));
    return (struct hash128){h.low64, h.high64};
}

uint64_t hash_stable(struct str s)
{
    return XXH3_64bits(s.p, s.len);
}
