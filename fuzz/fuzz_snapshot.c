/* A snapshot of any bytes behind a good head: refused, or an index that can be searched, changed,
 * saved and loaded again. */
#include "base/hash.h"
#include "index/bm25_part.h"
#include "index/snapshot.h"

#include <stdint.h>

enum { TERMS = 8, K = 20 };

/* Questions with terms that the index has. */
static void search(const struct bm25_view *v)
{
    struct bm25_word word[TERMS];
    struct hit hit[K];
    struct bm25_query q = {.word = word};
    for (uint32_t p = 0; p < v->n_parts; p++)
        for (uint32_t t = 0; t < v->part[p]->segment->n_terms && q.n < TERMS; t++, q.n++)
            word[q.n] = (struct bm25_word){v->part[p]->segment->term[t], 1, (uint32_t)q.n};
    size_t n = bm25_search(&v, 1, &q, hit, K);
    for (size_t i = 0; i < n; i++)
        CHECK(hit[i].score > 0);
}

static void use(struct bm25 *ix)
{
    struct bm25_view *v = bm25_view(ix);
    search(v);
    if (v->n_parts && v->part[0]->segment->n_documents)
        bm25_remove(ix, v->part[0]->segment->document[0].id);
    bm25_view_free(v);
    uint64_t term[2] = {1, 2};
    bm25_add(ix, INT64_MAX, LANG_EN, 1, term, 2, 2);
    bm25_commit(ix);

    struct buf saved;
    struct err e;
    buf_init(&saved, 1 << 26);
    v = bm25_view(ix);
    search(v);
    CHECK(bm25_save(v, &saved) && bm25_load(ix, buf_str(&saved), NULL, &e));
    bm25_view_free(v);
    buf_fini(&saved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str id = STR("vs_1"), in = {(const char *)data, size};
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    struct err e;
    int64_t seq;
    if (snapshot_decode(ix, &seq, in, id, NULL, &e)) /* as it is: the corpus has whole ones */
        use(ix);
    if (bm25_load(ix, in, NULL, &e)) /* as what stands behind the head */
        use(ix);
    bm25_free(ix);
    return 0;
}
