/* A search gives exactly the best hits that scoring everything gives. */
#include "bm25_model.h"

enum { CAT, DOG, EEL, FOX }; /* terms; passages: 0 = CAT DOG, 1 = CAT DOG, 2 = EEL DOG */

static const struct {
    const char *name;
    unsigned query[2];
    size_t n, hits;
    int64_t first;
} cases[] = {
    {"rare word beats common word", {DOG, EEL}, 2, 3, 2},
    {"equal scores: lower key first", {CAT}, 1, 2, 0},
    {"empty query finds nothing", {0}, 0, 0, 0},
    {"unknown word finds nothing", {FOX}, 1, 0, 0},
    {"unknown word does not disturb", {FOX, EEL}, 2, 1, 2},
};

static void test_cases(void)
{
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    static const unsigned text[3][2] = {{CAT, DOG}, {CAT, DOG}, {EEL, DOG}};
    for (int64_t i = 0; i < 3; i++) {
        model_put_body(ix, 10 + (uint32_t)i, LANG_EN, i, text[i], 2);
    }
    bm25_commit(ix);
    const struct bm25_view *v = bm25_view(ix);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bm25_word word[2] = {{model_term(cases[i].query[0]), 1, 0},
                                    {model_term(cases[i].query[1]), 1, 1}};
        struct bm25_query q = {.word = word, .n = cases[i].n};
        struct hit hit[3];
        size_t n = bm25_search(&v, 1, &q, hit, 3);
        ok(n == cases[i].hits, "%s: count", cases[i].name);
        ok(n == 0 || hit[0].key == cases[i].first, "%s: first", cases[i].name);
        ok(n == 0 || hit[0].document == 10 + cases[i].first, "%s: document", cases[i].name);
    }
    bm25_view_free((struct bm25_view *)v);
    bm25_free(ix);
}

static const struct {
    const char *name;
    size_t passages, most_per_document;
    unsigned vocabulary, commits;
    float k1, b, title, section;
} corpora[] = {
    {"one passage", 1, 1, 5, 1, 0.9f, 0.4f, 0, 0},
    {"few words, many repeats", 500, 3, 8, 1, 0.9f, 0.4f, 0, 0},
    {"many words", 3000, 5, 3000, 1, 0.9f, 0.4f, 0, 0},
    {"many small segments", 2000, 2, 300, 40, 0.9f, 0.4f, 0, 0},
    {"other parameters", 2500, 4, 400, 3, 1.2f, 0.75f, 0, 0},
    {"length does not matter", 2500, 4, 400, 1, 2.0f, 0, 0, 0},
    {"several windows", 16384, 7, 120, 2, 0.9f, 0.4f, 0, 0},
    {"several windows, rare words", 16384, 7, 20000, 1, 0.9f, 0.4f, 0, 0},
    {"fields that count alike", 2500, 4, 300, 2, 1.2f, 0.75f, 1, 1},
    {"titles count more, sections less", 16384, 4, 300, 3, 1.2f, 0.75f, 3, 0.5f},
    {"length alone", 2500, 4, 300, 2, 1.2f, 1, 2, 2},
    {"presence alone", 2500, 4, 300, 2, 0, 0, 2, 2},
};

static void draw_query(struct model *m, unsigned vocabulary, struct bm25_word *word,
                       struct bm25_query *q)
{
    *q = (struct bm25_query){.word = word};
    size_t want = 1 + model_random(m, 8);
    uint32_t group = 0;
    while (q->n < want) {
        uint64_t term = model_term(model_random(m, 2) ? model_draw(m, vocabulary)
                                                      : model_random(m, vocabulary));
        bool known = false;
        for (size_t i = 0; i < q->n; i++)
            known = known || word[i].term == term;
        if (known)
            want--;
        else
            word[q->n++] = (struct bm25_word){term, 1 + (float)model_random(m, 2), group};
        group += model_random(m, 4) > 0; /* now and then two forms of one word */
    }
}

static void test_against_model(void)
{
    static struct model m;
    static struct hit want[MODEL_PASSAGES], got[200];
    static const size_t ks[] = {1, 10, 100, 200};
    const struct model *models = &m;
    for (size_t c = 0; c < COUNT(corpora); c++) {
        bool fields = corpora[c].title > 0;
        struct bm25_params params = {corpora[c].k1, corpora[c].b, {1, 1, 1}};
        if (fields) {
            params.weight[BM25_TITLE] = corpora[c].title;
            params.weight[BM25_SECTION] = corpora[c].section;
        }
        struct bm25 *ix = bm25_new(params);
        m.n = 0;
        m.seed = (unsigned)c + 1;
        size_t step = corpora[c].passages / corpora[c].commits;
        for (uint32_t document = 1; m.n < corpora[c].passages; document++) {
            size_t before = m.n / step;
            model_add_fields(&m, ix, document,
                             1 + model_random(&m, (unsigned)corpora[c].most_per_document),
                             corpora[c].vocabulary, fields);
            if (m.n / step != before)
                bm25_commit(ix);
        }
        bm25_commit(ix);
        const struct bm25_view *v = bm25_view(ix);
        bool good = true;
        for (int round = 0; round < 60; round++) {
            struct bm25_word word[8];
            struct bm25_query q;
            draw_query(&m, corpora[c].vocabulary, word, &q);
            size_t k = ks[round % 4], n = model_search(&models, 1, &params, &q, want);
            good = good && model_same(got, bm25_search(&v, 1, &q, got, k), want, n, k);
        }
        ok(good, "%s: the same best hits as the model's", corpora[c].name);
        bm25_view_free((struct bm25_view *)v);
        bm25_free(ix);
    }
}

/* Filters of all sizes: few documents, most, none, unknown ones. */
static void test_filters(void)
{
    static struct model m;
    static struct hit want[MODEL_PASSAGES], got[50];
    const struct model *models = &m;
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    m.seed = 5;
    for (uint32_t document = 1; document <= 700; document++)
        model_add(&m, ix, document * 3, 5, 200);
    bm25_commit(ix);
    const struct bm25_view *v = bm25_view(ix);
    enum { ROOM = 2200 };
    static const unsigned one_in[] = {1, 2, 10, 100, 1000};
    for (size_t f = 0; f < COUNT(one_in); f++) {
        bool good = true;
        for (int round = 0; round < 40; round++) {
            struct docset *set = docset_new(ROOM);
            for (uint32_t d = 0; d < ROOM; d++)
                if (model_random(&m, one_in[f]) == 0)
                    docset_add(set, d);
            struct bm25_word word[8];
            struct bm25_query q;
            draw_query(&m, 200, word, &q);
            q.allowed = (const struct docset *const *)&set;
            q.own_statistics = round % 2;
            size_t expect = model_search(&models, 1, &BM25_DEFAULT, &q, want);
            good = good && model_same(got, bm25_search(&v, 1, &q, got, 50), want, expect, 50);
            docset_free(set);
        }
        ok(good, "one document in %u allowed", one_in[f]);
    }
    bm25_view_free((struct bm25_view *)v);
    bm25_free(ix);
}

/* Several indexes rank as one: statistics of all, parameters of each, hits say which. */
static void test_union(void)
{
    static const struct bm25_params params[3] = {
        {1.2f, .75f, {1, 1, 1}}, {2, .3f, {1, 1, 2}}, {.5f, 1, {3, 1, .5f}}};
    static struct model m[3];
    static struct hit want[3 * MODEL_PASSAGES], got[50];
    const struct model *models[3] = {&m[0], &m[1], &m[2]};
    struct bm25 *ix[3];
    const struct bm25_view *v[3];
    for (int i = 0; i < 3; i++) {
        ix[i] = bm25_new(params[i]);
        m[i].seed = (unsigned)i + 40;
        for (uint32_t document = 1; document <= 100 + 300 * (uint32_t)i; document++)
            model_add(&m[i], ix[i], document, 2, 150 + 100 * (unsigned)i);
        bm25_commit(ix[i]);
        v[i] = bm25_view(ix[i]);
    }
    struct docset *odd = docset_new(300), *none = docset_new(0);
    for (uint32_t d = 1; d < 300; d += 2)
        docset_add(odd, d);
    const struct docset *const allowed[3] = {NULL, odd, none};
    bool good = true;
    for (int round = 0; round < 100; round++) {
        struct bm25_word word[8];
        struct bm25_query q;
        draw_query(&m[0], 300, word, &q);
        q.allowed = round % 2 ? allowed : NULL;
        size_t n = model_search(models, 3, params, &q, want);
        good = good && model_same(got, bm25_search(v, 3, &q, got, 50), want, n, 50);
    }
    ok(good, "three indexes rank as one, each with a filter of its own");
    docset_free(odd);
    docset_free(none);
    for (int i = 0; i < 3; i++) {
        bm25_view_free((struct bm25_view *)v[i]);
        bm25_free(ix[i]);
    }
}

static void test_limits(void)
{
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    unsigned *term = mem_array(1000, sizeof(*term));
    struct bm25_word *word = mem_array(1000, sizeof(*word));
    for (unsigned i = 0; i < 1000; i++) {
        term[i] = 3;
        word[i] = (struct bm25_word){model_term(i), 1, i};
    }
    model_put_body(ix, 1, LANG_EN, 1, term, 1000);
    bm25_commit(ix);
    const struct bm25_view *v = bm25_view(ix);
    struct hit hit[2];
    struct bm25_query q = {.word = word, .n = 1000};
    ok(bm25_search(&v, 1, &q, hit, 2) == 1 && hit[0].score > 0, "a query of 1,000 words ends");
    ok(bm25_search(&v, 1, &q, hit, 0) == 0, "no hits wanted, none given");
    ok(bm25_search(&v, 0, &q, hit, 2) == 0, "no index, no hits");
    bm25_view_free((struct bm25_view *)v);
    bm25_free(ix);
    mem_free(term);
    mem_free(word);
}

int main(void)
{
    test_cases();
    test_against_model();
    test_filters();
    test_union();
    test_limits();
    return tap_done();
}
