/* What is said of citations: true ones, and each way in which one can be wrong. */
#include "answer/verify.h"
#include "store/doc.h"

#include "tap.h"
#include "tempdir.h"

#define TEXT "Zebras graze on the plains. They walk in herds.\n\nLions sleep all day."
#define QUOTE "They walk in herds."
#define HASH "b6a1f0" /* of the document's bytes, as far as this test cares */

static struct verify_claim claim(void)
{
    return (struct verify_claim){.filename = STR("a.md"),
                                 .file_id = STR("dir/a.md"),
                                 .quote = STR(QUOTE),
                                 .document_sha256 = STR(HASH),
                                 .start = 28,
                                 .end = 47,
                                 .version = 1,
                                 .index = -1};
}

static void says(struct str why, const char *what, const char *name)
{
    bool good = what[0] ? str_find(why, str_from(what)) != STR_NPOS : why.len == 0;
    ok(good, "%s: '%.*s'", name, STR_FMT(why));
}

static void test_text(struct arena *a)
{
    struct verify_claim c = claim();
    says(verify_in_text(&c, STR(TEXT), STR(HASH), a), "", "true");
    says(verify_in_text(&c, STR(TEXT), STR("00"), a), "its hash is another; the quotation stands",
         "another file");
    says(verify_in_text(&c, STR("x" TEXT), STR(HASH), a), "stands at bytes 29-48 now", "moved");
    says(verify_in_text(&c, STR("Short."), STR(HASH), a), "the quotation is not in it", "gone");
    c.quote_sha256 = STR("abc");
    says(verify_in_text(&c, STR(TEXT), STR(HASH), a), "not the one that was cited", "forged");
    c = claim();
    c.end = 20;
    says(verify_in_text(&c, STR(TEXT), STR(HASH), a), "no quotation with a span", "no span");
    c.end = INT64_MAX;
    says(verify_in_text(&c, STR(TEXT), STR(HASH), a), "does not stand at bytes", "past the end");
}

static void test_marker(struct arena *a)
{
    struct verify_claim c = claim();
    c.index = 20;
    says(verify_marker(&c, STR("Sí. 🍲 [Source: a.md] x"), a), "", "behind its marker");
    c.index = 21;
    says(verify_marker(&c, STR("Sí. 🍲 [Source: a.md] x"), a), "does not say", "elsewhere");
    c.index = 99;
    says(verify_marker(&c, STR("Short"), a), "does not say", "past the end");
}

static const struct {
    const char *name, *json;
    size_t n;
} shapes[] = {
    {"a list",
     "[{\"type\":\"file_citation\",\"file_id\":\"f\"},{\"type\":\"x\",\"file_id\":\"f\"}]", 1},
    {"one", "{\"type\":\"file_citation\",\"file_id\":\"f\"}", 1},
    {"chat",
     "{\"choices\":[{\"message\":{\"annotations\":[{\"type\":\"url_citation\",\"url_citation\":{},"
     "\"file_id\":\"f\"},{\"type\":\"url_citation\",\"file_id\":\"g\"}]}}]}",
     2},
    {"twice the same",
     "[{\"type\":\"file_citation\",\"file_id\":\"f\",\"index\":3},{\"type\":\"file_citation\","
     "\"file_id\":\"f\",\"index\":3}]",
     1},
    {"messages",
     "{\"content\":[{\"citations\":[{\"type\":\"char_location\",\"file_id\":\"f\",\"cited_text\":"
     "\"q\",\"start_char_index\":1,\"end_char_index\":2}]}]}",
     1},
    {"none", "{\"choices\":[]}", 0},
};

static void test_shapes(struct arena *a)
{
    for (size_t i = 0; i < COUNT(shapes); i++) {
        struct json doc;
        struct err e;
        struct verify_claim *c;
        size_t n = 99;
        bool parsed = json_parse(&doc, a, str_from(shapes[i].json), 0, &e);
        if (parsed)
            verify_find(&doc, a, &c, &n);
        ok(n == shapes[i].n, "%s: %zu", shapes[i].name, n);
        if (n == 1 && str_eq(str_from(shapes[i].name), STR("messages")))
            ok(c[0].start == 1 && c[0].end == 2 && str_eq(c[0].quote, STR("q")), "its own names");
    }
}

static void test_store(struct arena *a)
{
    char dir[TEMPDIR_SIZE];
    struct db *d;
    struct err e;
    struct str why, tenant = STR("t");
    tempdir_make(dir);
    if (!ok(db_open(&d, &(struct db_options){.dir = dir}, &e), "a store"))
        return;
    struct doc_collection store = {.tenant = tenant, .name = STR("s")};
    doc_collection_create(d, a, &store, &e);
    struct doc_document doc = {.collection = store.id,
                               .uri = STR("dir/a.md"),
                               .name = STR("a.md"),
                               .content_hash = STR(HASH)};
    const struct doc_chunk chunk[] = {
        {.text = STR("Zebras graze on the plains. They walk in herds."), .char_end = 47},
        {.text = STR("Lions sleep all day."), .char_start = 49, .char_end = 69},
    };
    ok(doc_put(d, &doc, chunk, COUNT(chunk), &e), "a document in it");
    struct verify_claim c = claim();
    c.store = store.id;
    ok(verify_in_store(d, tenant, &c, a, &why, &e) && why.len == 0, "true");
    ok(verify_in_store(d, STR("other"), &c, a, &why, &e), "another tenant");
    says(why, "not in the store", "another tenant");
    c.quote = STR("herds.\n\nLions");
    c.start = 41;
    c.end = 54;
    ok(verify_in_store(d, tenant, &c, a, &why, &e) && why.len == 0, "across chunks");
    c = claim();
    c.store = store.id;
    c.document_sha256 = STR("77");
    ok(verify_in_store(d, tenant, &c, a, &why, &e), "another content");
    says(why, "its hash is another", "another content");
    c.document_sha256 = STR(HASH);
    doc_put(d, &doc, chunk + 1, 1, &e);
    ok(verify_in_store(d, tenant, &c, a, &why, &e), "a new version");
    says(why, "version 1 was cited, and the document is version 2 now; the quotation is not in it",
         "a new version");
    doc_remove(d, doc.id, &e);
    ok(verify_in_store(d, tenant, &c, a, &why, &e), "gone");
    says(why, "not in the store", "gone");
    db_close(d);
    tempdir_remove(dir);
}

int main(void)
{
    struct arena *a = arena_new();
    test_text(a);
    test_marker(a);
    test_shapes(a);
    test_store(a);
    arena_free(a);
    return tap_done();
}
