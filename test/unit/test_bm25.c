/* The index over time: adding, removing, merging, saving; readers beside a writer. */
#include "bm25_model.h"

#include <pthread.h>

static bool agrees(struct model *m, struct bm25 *ix, unsigned vocabulary)
{
    static struct hit want[MODEL_PASSAGES];
    struct hit got[20];
    const struct model *models = m;
    struct bm25_word word[4];
    struct bm25_query q = {.word = word, .n = 4};
    for (size_t i = 0; i < 4; i++)
        word[i] = (struct bm25_word){model_term((unsigned)i * vocabulary / 5 + model_random(m, 9)),
                                     1, (uint32_t)i};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < i; k++)
            if (word[i].term == word[k].term)
                return true; /* each term once */
    const struct bm25_view *v = bm25_view(ix);
    struct bm25_stats st = bm25_stats(v);
    size_t n = model_search(&models, 1, &BM25_DEFAULT, &q, want);
    size_t found = bm25_search(&v, 1, &q, got, 20);
    bm25_view_free((struct bm25_view *)v);
    return st.passages == m->n && model_same(got, found, want, n, 20);
}

/* Scores depend on what is there, not on how it came: after every commit the index agrees with a
 * model that was only ever told the outcome. */
static void test_churn(void)
{
    enum { VOCABULARY = 100, DOCUMENTS = 300 };
    static struct model m;
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    bool good = true, told = true;
    bool there[DOCUMENTS] = {false};
    m.seed = 17;
    for (int round = 0; round < 400 && good; round++) {
        for (unsigned change = 0; change < 1 + model_random(&m, 8); change++) {
            uint32_t document = model_random(&m, DOCUMENTS);
            told = told && bm25_remove(ix, document) == there[document];
            model_remove(&m, document);
            there[document] = model_random(&m, 3) > 0;
            if (there[document])
                model_add(&m, ix, document, 1 + model_random(&m, 6), VOCABULARY);
        }
        bm25_commit(ix);
        if (round % 7 == 0)
            bm25_merge(ix, round % 21 == 0);
        good = agrees(&m, ix, VOCABULARY);
    }
    ok(good, "400 rounds of adding and removing: always as the model");
    ok(told, "bm25_remove says whether the document was there");
    struct bm25_view *v = bm25_view(ix);
    struct bm25_stats st = bm25_stats(v);
    ok(st.segments <= 12, "%u segments after 400 commits", (unsigned)st.segments);
    ok(st.by_lang[LANG_OTHER] == m.n && st.by_lang[LANG_EN] == 0, "languages are counted");
    bm25_view_free(v);
    bm25_clear(ix);
    bm25_commit(ix);
    m.n = 0;
    ok(agrees(&m, ix, VOCABULARY), "nothing is left after bm25_clear");
    bm25_free(ix);
}

static void test_views_do_not_change(void)
{
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    unsigned one_term = 1;
    uint64_t term = model_term(one_term);
    model_put_body(ix, 1, LANG_EN, 11, &one_term, 1);
    struct bm25_view *empty = bm25_view(ix);
    ok(bm25_stats(empty).passages == 0, "what is staged is not visible");
    bm25_commit(ix);
    const struct bm25_view *one = bm25_view(ix);
    bm25_remove(ix, 1);
    bm25_commit(ix);
    bm25_free(ix);
    struct bm25_word word = {term, 1, 0};
    struct bm25_query q = {.word = &word, .n = 1};
    struct hit hit;
    ok(bm25_search(&one, 1, &q, &hit, 1) == 1 && hit.key == 11,
       "a view outlives removal, commit and the index");
    bm25_view_free(empty);
    bm25_view_free((struct bm25_view *)one);
}

static void save(struct bm25 *ix, struct buf *out)
{
    struct bm25_view *v = bm25_view(ix);
    buf_init(out, 1 << 28);
    bm25_save(v, out);
    bm25_view_free(v);
}

static void test_save_and_load(void)
{
    static struct model m;
    struct bm25 *ix = bm25_new(BM25_DEFAULT), *again = bm25_new(BM25_DEFAULT);
    struct err e;
    struct buf saved;
    m.seed = 23;
    for (uint32_t document = 0; document < 400; document++) {
        model_add(&m, ix, document, 3, 90);
        if (document % 150 == 0)
            bm25_commit(ix);
    }
    bm25_commit(ix);
    for (uint32_t document = 0; document < 400; document += 11) {
        bm25_remove(ix, document);
        model_remove(&m, document);
    }
    bm25_commit(ix);
    save(ix, &saved);
    model_add(&m, again, 999, 2, 90); /* is replaced */
    model_remove(&m, 999);
    ok(bm25_load(again, buf_str(&saved), NULL, &e), "loads what was saved");
    bool good = true;
    for (int round = 0; round < 50; round++)
        good = good && agrees(&m, again, 90);
    ok(good, "and finds the same, without the removed");
    model_add(&m, again, 5000, 3, 90);
    bm25_remove(again, 4);
    model_remove(&m, 4);
    bm25_commit(again);
    ok(agrees(&m, again, 90), "and goes on from there");

    buf_fini(&saved);
    bm25_free(again);
    bm25_free(ix);
}

/* Every truncation and a flip of every byte: refused, or an index that can be searched. */
static void test_damage(void)
{
    static struct model m;
    struct bm25 *ix = bm25_new(BM25_DEFAULT), *again = bm25_new(BM25_DEFAULT);
    struct buf saved;
    m.seed = 29;
    for (uint32_t document = 0; document < 12; document++)
        model_add(&m, ix, document, 2, 10);
    bm25_commit(ix);
    bm25_remove(ix, 3);
    bm25_commit(ix);
    save(ix, &saved);
    bool refused = true, told = true;
    for (size_t len = 0; len < saved.len; len++) {
        struct err e = {0};
        char *cut = mem_copy(saved.p, len); /* its own block: a read behind it is seen */
        refused = refused && !bm25_load(again, (struct str){cut, len}, NULL, &e);
        told = told && e.code == ERR_CORRUPT;
        mem_free(cut);
    }
    ok(refused && told, "each of %zu truncations is refused as damaged", saved.len);
    struct bm25_word word[6];
    for (unsigned i = 0; i < 6; i++)
        word[i] = (struct bm25_word){model_term(i), 1, i};
    struct bm25_query q = {.word = word, .n = 6};
    size_t loaded = 0;
    for (size_t at = 0; at < saved.len; at++) {
        struct err e;
        struct hit hit[5];
        char *flipped = mem_copy(saved.p, saved.len);
        flipped[at] = (char)(flipped[at] ^ (1 << at % 8));
        if (bm25_load(again, (struct str){flipped, saved.len}, NULL, &e)) {
            loaded++;
            const struct bm25_view *v = bm25_view(again);
            bm25_search(&v, 1, &q, hit, 5);
            bm25_view_free((struct bm25_view *)v);
            bm25_remove(again, 5);
            bm25_commit(again);
        }
        mem_free(flipped);
    }
    ok(true, "flipped bytes: %zu of %zu load, none does harm", loaded, saved.len);
    buf_fini(&saved);
    bm25_free(again);
    bm25_free(ix);
}

/* ---- Readers beside the writer ---- */

struct race {
    struct bm25 *ix;
    _Atomic bool over;
    _Atomic unsigned long searches, bad, merges;
};

/* The writer keeps 50 documents of one passage each in every view, all with the same term. */
static void *read_on(void *arg)
{
    struct race *r = arg;
    struct bm25_word word = {model_term(0), 1, 0};
    struct bm25_query q = {.word = &word, .n = 1};
    do {
        struct hit hit[64];
        const struct bm25_view *v = bm25_view(r->ix);
        size_t n = bm25_search(&v, 1, &q, hit, 64);
        r->bad += n != 50 || hit[0].score != hit[49].score;
        r->searches++;
        bm25_view_free((struct bm25_view *)v);
    } while (!r->over);
    return NULL;
}

static void put_one(struct bm25 *ix, uint32_t document)
{
    unsigned term[2] = {0, document + 1};
    model_put_body(ix, document, LANG_EN, document, term, 2);
}

static void *merge_on(void *arg)
{
    struct race *r = arg;
    while (!r->over)
        r->merges += bm25_merge(r->ix, r->merges % 2);
    return NULL;
}

static void test_readers_beside_a_writer(void)
{
    struct race r = {.ix = bm25_new(BM25_DEFAULT)};
    for (uint32_t document = 0; document < 50; document++)
        put_one(r.ix, document);
    bm25_commit(r.ix);
    pthread_t reader[3], merger[2];
    for (size_t i = 0; i < COUNT(reader); i++)
        pthread_create(&reader[i], NULL, read_on, &r);
    for (size_t i = 0; i < COUNT(merger); i++)
        pthread_create(&merger[i], NULL, merge_on, &r);
    for (uint32_t round = 0; round < 1000; round++) {
        bm25_remove(r.ix, round);
        put_one(r.ix, round + 50);
        bm25_commit(r.ix);
    }
    r.over = true;
    for (size_t i = 0; i < COUNT(reader); i++)
        pthread_join(reader[i], NULL);
    for (size_t i = 0; i < COUNT(merger); i++)
        pthread_join(merger[i], NULL);
    ok(r.searches >= COUNT(reader) && r.bad == 0,
       "%lu searches during 1,000 commits and %lu merges, %lu of them "
       "saw something in between",
       (unsigned long)r.searches, (unsigned long)r.merges, (unsigned long)r.bad);
    bm25_free(r.ix);
}

/* A merge takes a while: what the writer does meanwhile is in the result. */
static void test_merge_beside_changes(void)
{
    static struct model m;
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    struct race r = {.ix = ix};
    m.seed = 31;
    for (uint32_t document = 0; document < 2000; document++) {
        model_add(&m, ix, document, 2, 100);
        if (document % 50 == 0)
            bm25_commit(ix);
    }
    bm25_commit(ix);
    pthread_t merger;
    pthread_create(&merger, NULL, merge_on, &r);
    bool good = true;
    for (uint32_t round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < 3; i++) {
            uint32_t document = model_random(&m, 2000);
            bm25_remove(ix, document);
            model_remove(&m, document);
            if (i)
                model_add(&m, ix, document, 2, 100);
        }
        bm25_commit(ix);
        good = good && agrees(&m, ix, 100);
    }
    r.over = true;
    pthread_join(merger, NULL);
    while (bm25_merge(ix, true))
        ;
    struct bm25_view *v = bm25_view(ix);
    ok(bm25_stats(v).segments == 1, "all merged: one segment");
    bm25_view_free(v);
    ok(good && agrees(&m, ix, 100), "changes during %lu merges are not lost",
       (unsigned long)r.merges);
    bm25_free(ix);
}

/* Other parameters hold at once, and after merging. */
static void test_configure(void)
{
    static struct model m;
    static struct hit want[MODEL_PASSAGES];
    struct hit got[20];
    const struct model *models = &m;
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    m.seed = 37;
    for (uint32_t document = 0; document < 3000; document++)
        model_add_fields(&m, ix, document, 2, 300, true);
    bm25_commit(ix);
    static const struct bm25_params params[] = {
        {0.5f, 0.3f, {1, 1, 1}}, {3, 1, {1, 1, 1}}, {0, 0, {1, 1, 1}}, {1.2f, 0.75f, {4, 2, 1}}};
    for (size_t i = 0; i < COUNT(params); i++) {
        bm25_configure(ix, params[i]);
        for (int after = 0; after < 2; after++) {
            bool good = true;
            const struct bm25_view *v = bm25_view(ix);
            for (unsigned t = 0; t < 20; t++) {
                struct bm25_word word[2] = {{model_term(t * 3), 1, 0},
                                            {model_term(t * 7 + 1), 1, 1}};
                struct bm25_query q = {.word = word, .n = 2};
                size_t n = model_search(&models, 1, &params[i], &q, want);
                good = good && model_same(got, bm25_search(&v, 1, &q, got, 20), want, n, 20);
            }
            bm25_view_free((struct bm25_view *)v);
            ok(good, "k1 %g, b %g, titles %g%s", (double)params[i].k1, (double)params[i].b,
               (double)params[i].weight[0], after ? ", merged" : "");
            while (bm25_merge(ix, true))
                ;
        }
    }
    bm25_free(ix);
}

int main(void)
{
    test_churn();
    test_views_do_not_change();
    test_save_and_load();
    test_damage();
    test_readers_beside_a_writer();
    test_merge_beside_changes();
    test_configure();
    return tap_done();
}
