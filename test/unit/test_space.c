/* What spaces promise: a text's vector once, a document's whole or not at all, a switch only when
 * everything is there, and changes that an index can follow. */
#include "store/space.h"
#include "store/doc.h"

#include "tap.h"
#include "tempdir.h"

enum { DIMENSION = 3 };

static struct db *d;
static struct arena *a;
static struct err e;
static struct str collection;

static struct doc_document put(const char *name, size_t n)
{
    struct doc_document doc = {.collection = collection,
                               .uri = str_from(name),
                               .name = str_from(name),
                               .content_hash = STR("x")};
    struct doc_chunk *c = arena_array(a, struct doc_chunk, n + 1);
    for (size_t i = 0; i < n; i++)
        c[i].text = arena_printf(a, "%s %zu", name, i);
    ok(doc_put(d, &doc, c, n, &e), "put %s", name);
    return doc;
}

static void hashes(struct space_hash *h, const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h[i] = space_hash(STR("t"), arena_printf(a, "%s %zu", name, i));
}

/* Gives a document the vectors (i, 1, mark). */
static bool embed(int64_t space, const struct doc_document *doc, size_t n, float mark)
{
    struct space_hash h[8];
    float v[8 * DIMENSION];
    bool put_now = false;
    hashes(h, doc->uri.p, n);
    for (size_t i = 0; i < n; i++) {
        const float one[DIMENSION] = {(float)i, 1, mark};
        memcpy(v + i * DIMENSION, one, sizeof(one));
    }
    const struct space_document sd = {doc->id, doc->version, (uint32_t)n};
    return space_keep(d, space, h, v, n, DIMENSION, &e) &&
           space_put(d, space, &sd, h, n, &put_now, &e) && put_now;
}

static struct doc_change last_change(void)
{
    struct doc_change *list = NULL;
    size_t n = 0;
    doc_changes(d, a, collection, 0, 1000, &list, &n, &e);
    return n ? list[n - 1] : (struct doc_change){0};
}

static size_t pending(int64_t space)
{
    struct space_document *list;
    size_t n = 99;
    space_pending(d, a, collection, space, 0, 100, &list, &n, &e);
    return n;
}

static void test_hash(void)
{
    struct space_hash x = space_hash(STR("a"), STR("text")), y = space_hash(STR("b"), STR("text")),
                      z = space_hash(STR("a"), STR("text"));
    ok(memcmp(&x, &z, sizeof(x)) == 0 && memcmp(&x, &y, sizeof(x)) != 0,
       "the same text of another tenant is another text");
}

static void test_names(int64_t *first, int64_t *second)
{
    int64_t again = 0;
    ok(space_ensure(d, STR("p/m/3/1"), DIMENSION, first, &e) && *first > 0, "a space is made");
    ok(space_ensure(d, STR("p/m/3/1"), DIMENSION, &again, &e) && again == *first, "once");
    ok(!space_ensure(d, STR("p/m/3/1"), 4, &again, &e) && e.code == ERR_CONFLICT,
       "and keeps its dimension: %s", e.msg);
    ok(space_ensure(d, STR("p/n/3/1"), DIMENSION, second, &e) && *second != *first, "another");
}

static void test_texts(int64_t space)
{
    struct space_hash h[2];
    float v[2 * DIMENSION] = {1, 2, 3, 4, 5, 6}, got[DIMENSION];
    bool known[2], found;
    hashes(h, "texts", 2);
    ok(space_known(d, space, h, 2, known, &e) && !known[0] && !known[1], "unknown at first");
    ok(space_keep(d, space, h, v, 1, DIMENSION, &e) && space_known(d, space, h, 2, known, &e) &&
           known[0] && !known[1],
       "one is kept");
    ok(space_keep(d, space, h, v + DIMENSION, 1, DIMENSION, &e) &&
           space_recall(d, space, h, got, DIMENSION, &found, &e) && found && got[0] == 1,
       "what is there stays");
    ok(space_recall(d, space, &h[1], got, DIMENSION, &found, &e) && !found, "one is not there");
    ok(!space_recall(d, space, h, got, 2, &found, &e) && e.code == ERR_CORRUPT,
       "a vector of another length is damage");
    size_t dropped = 0;
    ok(space_sweep(d, INT64_MAX, 100, &dropped, &e) && dropped == 1, "nobody refers to it: swept");
}

static void test_documents(int64_t one, int64_t two)
{
    struct space live, next;
    struct space_progress p;
    struct doc_document x = put("x", 2), y = put("y", 3);
    put("empty", 0);
    bool done = true;
    ok(space_live(d, a, collection, &live, &next, &e) && live.id == 0 && next.id == 0,
       "no space at first");
    ok(space_aim(d, collection, one, &e) && space_live(d, a, collection, &live, &next, &e) &&
           live.id == 0 && next.id == one && next.dimension == DIMENSION &&
           str_eq(next.name, STR("p/m/3/1")),
       "on the way");
    ok(pending(one) == 2, "two documents have chunks");
    ok(embed(one, &x, 2, 1), "the first is embedded");
    ok(last_change().kind == DB_DOCUMENT_ADDED, "no change while the space is not in use");
    ok(space_progress(d, collection, one, &p, &e) && p.documents == 2 && p.done == 1, "progress");
    ok(space_switch(d, collection, &done, &e) && !done, "not yet");
    ok(embed(one, &y, 3, 1) && pending(one) == 0, "the second");
    ok(space_switch(d, collection, &done, &e) && done && last_change().kind == DB_SPACE_CHANGED &&
           last_change().document == 0,
       "the space is in use, and a change says so");
    ok(space_switch(d, collection, &done, &e) && !done, "once");

    const int64_t ids[] = {y.id, x.id};
    struct space_vector *v;
    size_t n;
    space_live(d, a, collection, &live, NULL, &e);
    ok(space_vectors(d, a, &live, ids, 2, &v, &n, &e) && n == 5 && v[0].document == y.id &&
           v[4].document == x.id && v[1].v[0] == 1 && v[4].v[1] == 1,
       "vectors in the order asked for");

    x = put("x", 2);
    int64_t content = last_change().seq;
    ok(pending(one) == 1, "a new version is pending");
    ok(space_vectors(d, a, &live, ids, 2, &v, &n, &e) && n == 3, "and has no vectors meanwhile");
    struct doc_document old = x;
    old.version--;
    ok(!embed(one, &old, 2, 1), "those of the old version come too late");
    ok(embed(one, &x, 2, 1) && last_change().kind == DB_DOCUMENT_EMBEDDED &&
           last_change().content == content && last_change().document == x.id,
       "a change says that they are there, and which brought the content");
    ok(embed(one, &x, 2, 1) && last_change().content == content, "also when told twice");

    ok(space_aim(d, collection, two, &e) && pending(two) == 2, "a new embedder begins anew");
    ok(embed(two, &x, 2, 2) && space_live(d, a, collection, &live, &next, &e) && live.id == one &&
           next.id == two,
       "while the old one serves");
    ok(embed(two, &y, 3, 2) && space_switch(d, collection, &done, &e) && done &&
           space_live(d, a, collection, &live, NULL, &e) && live.id == two,
       "until all is there");
    ok(space_vectors(d, a, &live, ids, 1, &v, &n, &e) && n == 3 && v[0].v[2] == 2, "its vectors");
    ok(space_aim(d, collection, 0, &e) && space_live(d, a, collection, &live, NULL, &e) &&
           live.id == 0 && last_change().kind == DB_SPACE_CHANGED,
       "none is wanted any more");
}

static void test_gone(int64_t one)
{
    struct doc_document x = put("gone", 1);
    size_t dropped = 0;
    ok(embed(one, &x, 1, 1) && doc_remove(d, x.id, &e), "a document goes");
    ok(!embed(one, &x, 1, 1), "and takes no vectors any more");
    ok(doc_collection_delete(d, STR_NONE, collection, &e), "the collection goes");
    ok(space_sweep(d, INT64_MAX, 3, &dropped, &e) && dropped == 3, "a sweep is bounded");
    while (dropped)
        space_sweep(d, INT64_MAX, 3, &dropped, &e);
    struct space_hash h;
    bool known = true;
    hashes(&h, "x", 1);
    ok(space_known(d, one, &h, 1, &known, &e) && !known, "nothing is left");
}

int main(void)
{
    char dir[TEMPDIR_SIZE];
    struct doc_collection c = {.name = STR("docs")};
    int64_t one = 0, two = 0;
    a = arena_new();
    tempdir_make(dir);
    if (ok(db_open(&d, &(struct db_options){.dir = dir}, &e) && doc_collection_create(d, a, &c, &e),
           "the store opens")) {
        collection = c.id;
        test_hash();
        test_names(&one, &two);
        test_texts(one);
        test_documents(one, two);
        test_gone(one);
        db_close(d);
    }
    tempdir_remove(dir);
    arena_free(a);
    return tap_done();
}
