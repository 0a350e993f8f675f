/* An embedder of any bytes, with a hash that fits: refused, or one that embeds and saves the same.
 */
#include "base/hash.h"
#include "index/lsa_part.h"

#include <math.h>

static void use(const struct lsa *m, struct str in)
{
    float *v = mem_array(lsa_dimension(m), sizeof(*v));
    lsa_query(m, in, v);
    lsa_query(m, STR("plain words 今日は"), v);
    lsa_passage(m, LANG_EN, STR("title"), STR_NONE, in, v, NULL);
    for (uint32_t i = 0; i < lsa_dimension(m); i++)
        CHECK(isfinite(v[i]));
    struct buf saved;
    buf_init(&saved, 1 << 26);
    CHECK(lsa_save(m, &saved) && str_eq(buf_str(&saved), in));
    buf_fini(&saved);
    mem_free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e;
    char *copy = mem_copy(data, size);
    if (size >= sizeof(struct lsa_head)) { /* past the hash, which no mutation would meet */
        struct lsa_head *h = (struct lsa_head *)(void *)copy;
        h->version = 0;
        h->version = hash_stable((struct str){copy, size});
    }
    struct str in = {copy, size};
    struct lsa *m = lsa_load(in, &e);
    if (m)
        use(m, in);
    lsa_unref(m);
    mem_free(copy);
    return 0;
}
