/* What retrieval promises: passages with scores between 0 and 1, best first, and what each stage
 * said of them. */
#include "answer/retrieve.h"

#include "tap.h"
#include "tempdir.h"

static char dir[TEMPDIR_SIZE];
static struct db *d;
static struct search_set *s;
static struct arena *a;
static struct str collection;
static struct err e;

static void put(const char *name, const char *text)
{
    struct doc_document doc = {.collection = collection,
                               .uri = str_from(name),
                               .name = str_from(name),
                               .content_hash = STR("x")};
    struct str whole = str_from(text);
    struct doc_chunk c = {.text = whole, .char_end = whole.len};
    if (!doc_put(d, &doc, &c, 1, &e))
        printf("# %s\n", e.msg);
}

static struct retrieval find(struct retrieve_query q, const char *text)
{
    const struct retriever r = {.db = d, .search = s};
    struct str question = str_from(text);
    struct retrieval out = {0};
    q.search.collection = &collection;
    q.search.n_collections = 1;
    q.text = &question;
    q.n_texts = 1;
    ok(retrieve(&r, &q, a, &out, &e), "retrieved: %s", text);
    return out;
}

static void test_scores(void)
{
    struct retrieval r = find((struct retrieve_query){.k = 10}, "zebra river");
    ok(r.n == 2 && str_eq(r.hit[0].passage.name, STR("both.md")), "the one with both words first");
    ok(r.n == 2 && r.hit[0].score > r.hit[1].score && r.hit[0].score < 1 && r.hit[1].score > 0,
       "scores fall, between 0 and 1");
    ok(r.n == 2 && r.hit[0].found.rank == 1 && r.hit[1].found.rank == 2, "ranks from 1");
    double between = r.n == 2 ? (r.hit[0].score + r.hit[1].score) / 2 : 0;
    r = find((struct retrieve_query){.k = 10, .threshold = between}, "zebra river");
    ok(r.n == 1, "what is below the threshold is left out");
    r = find((struct retrieve_query){.k = 1}, "zebra river");
    ok(r.n == 1, "at most k");
    r = find((struct retrieve_query){.k = 10}, "quantum");
    ok(r.n == 0, "nothing found is no failure");
}

int main(void)
{
    struct doc_collection c = {.name = STR("zoo")};
    tempdir_make(dir);
    a = arena_new();
    const struct db_options opt = {.dir = dir};
    if (!db_open(&d, &opt, &e) || !doc_collection_create(d, a, &c, &e))
        return printf("Bail out! %s\n", e.msg), 1;
    collection = c.id;
    put("both.md", "Zebras drink at the river.");
    put("one.md", "Zebras graze on the plains of the north all day long.");
    put("none.md", "Lions sleep twenty hours a day.");
    if (!search_open(&s, d, dir, &e))
        return printf("Bail out! %s\n", e.msg), 1;
    test_scores();
    search_close(s);
    db_close(d);
    arena_free(a);
    tempdir_remove(dir);
    return tap_done();
}
