/* A snapshot's parts of any bytes: refused, or an index that can be searched, changed, saved and
 * loaded again. */
#include "base/hash.h"
#include "index/attribute.h"
#include "index/bm25_part.h"
#include "index/filter.h"
#include "index/rights.h"
#include "index/snapshot.h"

#include <stdint.h>

enum { TERMS = 8, K = 20 };

/* Questions with terms that the index has. */
static void search(const struct bm25_view *v)
{
    struct bm25_word word[TERMS];
    struct hit hit[K];
    struct bm25_query q = {.word = word};
    struct dict_cursor c;
    for (uint32_t p = 0; p < v->n_parts; p++)
        for (bool more = dict_seek(&c, &v->part[p]->segment->dict, 0); more && q.n < TERMS;
             more = dict_next(&c), q.n++)
            word[q.n] = (struct bm25_word){hash_stable(dict_word(&c)), 1, (uint32_t)q.n};
    size_t n = bm25_search(&v, 1, &q, hit, K);
    for (size_t i = 0; i < n; i++)
        CHECK(hit[i].score > 0);
}

static void use(struct bm25 *ix)
{
    struct bm25_view *v = bm25_view(ix);
    search(v);
    if (v->n_parts && v->part[0]->segment->n_documents)
        bm25_remove(ix, v->part[0]->segment->document[0].number);
    bm25_view_free(v);
    struct bm25_token token = {.term = hash_stable(STR("a")), .len = 1, .field = BM25_BODY};
    struct bm25_passage p = {&token, 1, "a", {0, 0, 1}};
    bm25_remove(ix, UINT32_MAX);
    bm25_add(ix, UINT32_MAX, LANG_EN, 1, &p);
    bm25_commit(ix);
    bm25_merge(ix, true);

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
/* A copy that starts where an image must; the arena frees it. */
static struct str aligned(struct arena *a, struct str in)
{
    void *p = arena_alloc(a, in.len + 8);
    if (in.len)
        memcpy(p, in.p, in.len);
    return (struct str){p, in.len};
}

static void release(void *arena)
{
    arena_free(arena);
}

static void read_attributes(struct str in)
{
    struct arena *a = arena_new(), *mine = arena_new();
    struct attributes *v;
    const struct filter *f;
    struct json j;
    struct err e;
    CHECK(json_parse(&j, mine, STR("{\"type\":\"gt\",\"key\":\"filename\",\"value\":\"m\"}"), 0,
                     &e) &&
          filter_parse(&f, mine, json_root(&j), &e));
    if (attributes_load(&v, aligned(a, in), release, a, &e)) {
        struct docset *set = attributes_all(v);
        struct attribute_document d = {.id = 1, .version = 1};
        filter_apply(f, v, set);
        rights_apply(&(struct rights){.user = STR("alice")}, v, set);
        docset_free(set);
        attributes_unref(attributes_apply(v, &(struct attribute_change){7, &d}, 1));
        attributes_unref(v);
    }
    arena_free(mine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    struct snapshot s;
    struct err e;
    if (snapshot_decode(&s, in, STR("vs_1"), &e))
        CHECK(s.generation > 0 && s.seq >= 0);
    if (bm25_load(ix, in, NULL, &e))
        use(ix);
    bm25_free(ix);
    read_attributes(in);
    return 0;
}
