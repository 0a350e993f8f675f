/* What kept results promise: found again by the same question alone, whole, within their memory. */
#include "answer/retrieve_cache.h"

#include "tap.h"
#include "tempdir.h"

static struct arena *a;
static struct db *d;
static struct search_set *s;
static struct err e;
static struct str collection;

static struct retrieval result(const char *text, size_t n)
{
    struct retrieval r = {.n = n, .ranker = "none", .cache = "miss"};
    r.hit = arena_array(a, struct retrieved, n + 1);
    for (size_t i = 0; i < n; i++) {
        r.hit[i].passage.chunk.id = (int64_t)i + 1;
        r.hit[i].passage.chunk.text = str_from(text);
        r.hit[i].passage.name = STR("name");
    }
    r.question[r.n_questions++] = (struct retrieve_question){STR("q"), "asked", 1};
    return r;
}

static void test_keeping(void)
{
    struct retrieve_cache *c = retrieve_cache_new(1 << 20);
    struct retrieval in = result("text", 2), out;
    struct arena *mem = arena_new();
    ok(!retrieve_cache_get(c, STR("k"), mem, &out), "not there");
    retrieve_cache_put(c, STR("k"), &in);
    memset(in.hit, 0xff, 2 * sizeof(*in.hit)); /* the cache has its own */
    ok(retrieve_cache_get(c, STR("k"), mem, &out) && out.n == 2 &&
           str_eq(out.hit[1].passage.chunk.text, STR("text")) && out.hit[1].passage.chunk.id == 2 &&
           str_eq(out.question[0].text, STR("q")),
       "found whole");
    in = result("other", 1);
    retrieve_cache_put(c, STR("k"), &in);
    retrieve_cache_free(c);
    ok(str_eq(out.hit[0].passage.chunk.text, STR("text")), "what was given out stays");
    arena_free(mem);
}

static void test_memory(void)
{
    enum { SIZE = 160 << 10 };
    char key[16], *text = arena_bytes(a, 4001);
    struct retrieve_cache *c = retrieve_cache_new(SIZE);
    struct retrieval out, in;
    size_t kept = 0;
    memset(text, 'x', 4000);
    text[4000] = 0;
    in = result(text, 2);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        retrieve_cache_put(c, str_from(key), &in);
        ok(retrieve_cache_get(c, STR("k0"), a, &out), "what is used stays"), kept++;
        if (i > 20)
            break;
    }
    kept = 0;
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        kept += retrieve_cache_get(c, str_from(key), a, &out);
    }
    ok(kept > 2 && kept < SIZE / 8000, "within its memory: %zu", kept);
    in = result(text, 10);
    retrieve_cache_put(c, STR("large"), &in);
    ok(!retrieve_cache_get(c, STR("large"), a, &out), "nothing that would push out all else");
    retrieve_cache_resize(c, 0);
    ok(!retrieve_cache_get(c, STR("k0"), a, &out), "nothing in no memory");
    retrieve_cache_free(c);
}

static void test_keys(void)
{
    const struct retriever r = {.db = d, .search = s};
    const struct rights alice = {.user = STR("alice")}, bob = {.user = STR("bob")};
    const struct str one[] = {STR("ab"), STR("c")}, two[] = {STR("a"), STR("bc")};
    struct retrieve_query q = {.search = {.collection = &collection, .n_collections = 1},
                               .text = one,
                               .n_texts = 2,
                               .k = 5};
    struct str key = retrieve_cache_key(&r, &q, a);
    ok(key.len && str_eq(key, retrieve_cache_key(&r, &q, a)), "the same question");
    struct retrieve_query other[] = {q, q, q, q, q, q};
    other[0].text = two;
    other[1].k = 6;
    other[2].search.rights = &alice;
    other[3].search.rights = &bob;
    other[4].filter_text = STR("{}");
    other[5].threshold = 0.1;
    for (size_t i = 0; i < COUNT(other); i++)
        for (size_t k = 0; k < i; k++)
            ok(!str_eq(retrieve_cache_key(&r, &other[i], a), retrieve_cache_key(&r, &other[k], a)),
               "%zu and %zu differ", i, k);
    const struct filter *filter = NULL;
    struct json j;
    json_parse(&j, a, STR("{\"type\":\"eq\",\"key\":\"a\",\"value\":1}"), 0, &e);
    filter_parse(&filter, a, json_root(&j), &e);
    q.search.filter = filter;
    ok(retrieve_cache_key(&r, &q, a).len == 0, "a filter that nobody spelled out is not kept");
    q.search.filter = NULL;
    const struct str unknown = STR("vs_unknown");
    q.search.collection = &unknown;
    ok(retrieve_cache_key(&r, &q, a).len == 0, "nor what nothing is known of");
}

int main(void)
{
    char dir[TEMPDIR_SIZE];
    struct doc_collection c = {.name = STR("docs")};
    struct doc_document doc = {.uri = STR("u"), .content_hash = STR("x")};
    a = arena_new();
    tempdir_make(dir);
    if (ok(db_open(&d, &(struct db_options){.dir = dir}, &e) && doc_collection_create(d, a, &c, &e),
           "the store opens")) {
        doc.collection = collection = c.id;
        ok(doc_put(d, &doc, NULL, 0, &e) && search_open(&s, d, dir, &e), "a document");
        test_keeping();
        test_memory();
        test_keys();
        search_close(s);
        db_close(d);
    }
    tempdir_remove(dir);
    arena_free(a);
    return tap_done();
}
