/* What documents promise: whole or not at all, ids that stay or are never used again, changes that
 * an index can follow from any point, pages that meet, tenants that do not. */
#include "base/mem.h"
#include "store/doc.h"

#include "tap.h"
#include "tempdir.h"

static struct db *d;
static struct arena *a;
static struct err e;

static struct doc_collection make_collection(const char *tenant, const char *name)
{
    struct doc_collection c = {.tenant = str_from(tenant), .name = str_from(name)};
    e = (struct err){0};
    if (!doc_collection_create(d, a, &c, &e))
        printf("# %s\n", e.msg);
    return c;
}

static struct doc_document document(struct str collection, const char *uri, const char *hash)
{
    return (struct doc_document){
        .collection = collection,
        .uri = str_from(uri),
        .name = str_from(uri),
        .title = STR("A title"),
        .language = STR("en"),
        .content_hash = str_from(hash),
        .bytes = 100,
    };
}

/* Stores `n` chunks "<text> 0", "<text> 1", ... */
static bool put(struct doc_document *doc, const char *text, size_t n)
{
    struct doc_chunk *c = arena_array(a, struct doc_chunk, n);
    for (size_t i = 0; i < n; i++)
        c[i] = (struct doc_chunk){
            .text = arena_printf(a, "%s %zu", text, i),
            .section = STR("One > Two"),
            .page = (uint32_t)i + 1,
            .line_start = 10,
            .line_end = 12,
            .char_start = i * 100,
            .char_end = i * 100 + 90,
            .tokens = 5,
            .hash = UINT64_MAX - i,
        };
    return doc_put(d, doc, c, n, &e);
}

static size_t count_changes(struct str collection, int64_t after, struct doc_change **out)
{
    size_t n = 0;
    struct doc_change *list = NULL;
    doc_changes(d, a, collection, after, 100, &list, &n, &e);
    if (out)
        *out = list;
    return n;
}

/* ---- Collections ---- */

static void test_collections(void)
{
    struct doc_collection c = make_collection("", "one"), found;
    ok(str_starts(c.id, STR("vs_")) && c.created_s > 0, "created with an id");
    ok(doc_collection_find(d, a, STR("default"), c.id, &found, &e) &&
           str_eq(found.name, STR("one")) && str_eq(found.metadata, STR("{}")),
       "found by id");
    ok(doc_collection_by_name(d, a, STR_NONE, STR("one"), &found, &e) && str_eq(found.id, c.id),
       "found by name");
    ok(!doc_collection_find(d, a, STR("other"), c.id, NULL, &e) && e.code == ERR_NOT_FOUND,
       "not another tenant's: %s", e.msg);
    struct doc_collection same = make_collection("", "one");
    ok(doc_collection_by_name(d, a, STR_NONE, STR("one"), &found, &e) && str_eq(found.id, c.id),
       "of two with a name the older is found");
    ok(doc_collection_delete(d, STR_NONE, same.id, &e), "the other has an id of its own");
    ok(make_collection("other", "one").id.len, "but again for another tenant");
    ok(make_collection("", "").id.len && make_collection("", "").id.len, "no name, many times");
    ok(!doc_collection_by_name(d, a, STR_NONE, STR_NONE, &found, &e), "no name finds nothing");

    struct doc_collection ensured;
    ok(doc_collection_ensure(d, a, STR_NONE, STR("one"), &ensured, &e) && str_eq(ensured.id, c.id),
       "ensure finds");
    ok(doc_collection_ensure(d, a, STR_NONE, STR("new"), &ensured, &e) && ensured.id.len,
       "ensure creates");

    found = c;
    found.name = STR("renamed");
    found.metadata = STR("{\"a\":1}");
    found.expires_days = 2;
    ok(doc_collection_update(d, &found, &e) &&
           doc_collection_find(d, a, STR_NONE, c.id, &found, &e) &&
           str_eq(found.name, STR("renamed")) && found.expires_s == found.last_active_s + 172800,
       "updated, expiry counted from the last use");
    ok(doc_collection_touch(d, c.id, &e), "touched");
    ok(!doc_collection_touch(d, STR("vs_none"), &e) && e.code == ERR_NOT_FOUND, "touch nothing");

    ok(!doc_collection_delete(d, STR("other"), c.id, &e) && e.code == ERR_NOT_FOUND,
       "not deleted by another tenant");
    ok(doc_collection_delete(d, STR_NONE, c.id, &e) &&
           !doc_collection_find(d, a, STR_NONE, c.id, NULL, &e),
       "deleted");
}

static bool age(struct db_tx *tx, void *arg, struct err *err)
{
    const struct str *id = arg;
    return db_exec(tx, err, "update collections set expires_s = 1 where id = $1", DB_TEXT(*id));
}

static void test_expiry(void)
{
    struct doc_collection c = make_collection("", "old"), kept = make_collection("", "young"), got;
    struct doc_document x = document(c.id, "x", "1"), y = document(kept.id, "y", "1");
    kept.expires_days = 1;
    put(&x, "x", 1);
    put(&y, "y", 1);
    doc_collection_update(d, &kept, &e);
    db_write(d, age, &c.id, &e);
    size_t n = 0;
    ok(doc_collection_find(d, a, STR_NONE, c.id, &got, &e) && got.expired &&
           !doc_collection_by_name(d, a, STR_NONE, STR("old"), &got, &e),
       "expired: there by its id, but not by its name");
    ok(doc_collection_expire(d, &n, &e) && n == 1 && doc_collection_expire(d, &n, &e) && n == 0,
       "one has expired, once");
    ok(doc_collection_find(d, a, STR_NONE, c.id, &got, &e) && got.documents[DOC_ANY] == 0,
       "it is empty");
    ok(doc_collection_find(d, a, STR_NONE, kept.id, &got, &e) && !got.expired &&
           got.documents[DOC_ANY] == 1,
       "the other stays");
    struct doc_change *list;
    ok(count_changes(c.id, 0, &list) == 1 && list[0].kind == DB_COLLECTION_REMOVED,
       "and the indexes are told");
}

/* ---- Documents ---- */

static void test_versions(void)
{
    struct doc_collection c = make_collection("", "versions");
    struct doc_document v1 = document(c.id, "a.md", "h1"), v2 = document(c.id, "a.md", "h2"), got;
    ok(put(&v1, "old", 3) && v1.id > 0 && v1.version == 1 && v1.chunks == 3, "first version");
    struct doc_chunk *old, *fresh;
    size_t n_old, n_fresh;
    doc_chunks_range(d, a, v1.id, 0, UINT32_MAX, &old, &n_old, &e);
    ok(n_old == 3 && str_eq(old[1].text, STR("old 1")) && old[1].idx == 1 && old[1].total == 3 &&
           old[1].hash == UINT64_MAX - 1 && old[1].char_end == 190 && old[1].page == 2,
       "chunks come back as they were");

    ok(put(&v2, "new", 2) && v2.id == v1.id && v2.version == 2, "a version keeps the id");
    doc_chunks_range(d, a, v1.id, 0, UINT32_MAX, &fresh, &n_fresh, &e);
    ok(n_fresh == 2 && str_eq(fresh[0].text, STR("new 0")), "and replaces the chunks");
    ok(fresh[0].id > old[2].id, "whose ids are new");
    ok(doc_find(d, a, c.id, STR("a.md"), &got, &e) && got.id == v1.id &&
           str_eq(got.content_hash, STR("h2")) && got.chunks == 2 && got.status == DOC_COMPLETED,
       "found by uri");
    ok(doc_by_id(d, a, v1.id, &got, &e) && str_eq(got.uri, STR("a.md")), "found by id");

    int64_t ids[] = {fresh[1].id, old[0].id, fresh[0].id};
    struct doc_passage *p;
    ok(doc_chunks_load(d, a, ids, 3, &p, &e) && str_eq(p[0].chunk.text, STR("new 1")) &&
           str_eq(p[0].collection, c.id) && p[0].version == 2 &&
           str_eq(p[0].chunk.section, STR("One > Two")),
       "loaded with what the document says");
    ok(p[1].chunk.id == 0 && p[2].chunk.id == fresh[0].id, "a chunk that has gone leaves a gap");

    struct doc_document bad = document(c.id, "a.md", "h3"), other = document(c.id, "b.md", "x");
    ok(doc_begin(d, &bad, &e) && bad.id == v1.id && doc_by_id(d, a, v1.id, &got, &e) &&
           got.status == DOC_IN_PROGRESS && str_eq(got.content_hash, STR("h2")),
       "begun: the old hash says that it is not done");
    ok(doc_fail(d, &bad, STR("encrypted"), &e) && doc_by_id(d, a, v1.id, &got, &e) &&
           got.status == DOC_FAILED && str_eq(got.error, STR("encrypted")) &&
           str_eq(got.content_hash, STR("h3")) && got.version == 2,
       "failed: says why");
    ok(doc_chunks_range(d, a, v1.id, 0, 9, &fresh, &n_fresh, &e) && n_fresh == 2,
       "and leaves the good version");
    ok(doc_fail(d, &other, STR("broken"), &e) && other.version == 0, "a first version may fail");
    ok(put(&other, "fine", 0) && other.version == 1 && other.chunks == 0, "then be good and empty");

    struct doc_document lost = document(STR("vs_none"), "a", "h");
    ok(!put(&lost, "x", 1) && e.code == ERR_NOT_FOUND, "no collection: %s", e.msg);
    ok(!doc_find(d, a, c.id, STR("none"), &got, &e) && e.code == ERR_NOT_FOUND, "%s", e.msg);
    ok(!doc_remove(d, 999999, &e) && e.code == ERR_NOT_FOUND, "%s", e.msg);
    ok(doc_set_attributes(d, v1.id, STR("{\"k\":true}"), &e) && doc_by_id(d, a, v1.id, &got, &e) &&
           str_eq(got.attributes, STR("{\"k\":true}")),
       "attributes are set");
    doc_collection_find(d, a, STR_NONE, c.id, &c, &e);
    ok(c.documents[DOC_ANY] == 2 && c.documents[DOC_FAILED] == 1 &&
           c.documents[DOC_COMPLETED] == 1 && c.chunks == 2 && c.bytes == 200,
       "counted by status");
    struct doc_collection kept = make_collection("", "kept");
    struct doc_document list = document(kept.id, "a", "h");
    list.access = STR("{\"users\":[\"al\"]}");
    put(&list, "x", 1);
    list.access = STR_NONE;
    ok(put(&list, "y", 1) && doc_by_id(d, a, list.id, &got, &e) &&
           str_eq(got.access, STR("{\"users\":[\"al\"]}")),
       "who may read stays when a new version does not say");
    ok(doc_set_access(d, list.id, STR("{}"), &e) && doc_by_id(d, a, list.id, &got, &e) &&
           str_eq(got.access, STR("{}")),
       "or is set");
}

struct seen_texts {
    char text[128];
    size_t n;
};

static void see_text(void *to, size_t i, const struct doc_index_document *doc,
                     const struct doc_index_chunk *c)
{
    struct seen_texts *s = to;
    s->n += (size_t)snprintf(s->text + s->n, sizeof(s->text) - s->n, "%zu:%.*s/%.*s/%.*s ", i,
                             STR_FMT(doc->name), STR_FMT(doc->title), STR_FMT(c->text));
}

static void test_texts(void)
{
    struct doc_collection c = make_collection("", "texts");
    struct doc_document x = document(c.id, "x", "1"), y = document(c.id, "y", "1");
    struct doc_chunk *chunk;
    struct seen_texts seen = {0};
    int64_t id[4];
    size_t n;
    y.title = STR_NONE;
    put(&x, "x", 2);
    put(&y, "y", 1);
    doc_chunks_range(d, a, x.id, 0, UINT32_MAX, &chunk, &n, &e);
    id[0] = chunk[0].id;
    id[1] = chunk[1].id;
    id[3] = INT64_MAX;
    doc_chunks_range(d, a, y.id, 0, UINT32_MAX, &chunk, &n, &e);
    id[2] = chunk[0].id;
    ok(doc_index_texts(d, id, 4, see_text, &seen, &e) &&
           strcmp(seen.text, "0:x/A title/x 0 1:x/A title/x 1 2:y//y 0 ") == 0,
       "texts of chunks, and what their documents are called: %s", seen.text);
    seen = (struct seen_texts){0};
    doc_remove(d, x.id, &e);
    ok(doc_index_texts(d, id, 3, see_text, &seen, &e) && strcmp(seen.text, "2:y//y 0 ") == 0,
       "of those that are there");
    doc_collection_delete(d, STR_NONE, c.id, &e);
}

static void test_changes(void)
{
    int64_t start, end, count;
    doc_change_last(d, &start, &e);
    struct doc_collection c = make_collection("", "followed");
    struct doc_document x = document(c.id, "x", "1"), y = document(c.id, "y", "1"), gone;
    put(&x, "x", 2);
    put(&y, "y", 1);
    put(&x, "x2", 3);
    struct doc_change *list;
    size_t n = count_changes(STR_NONE, start, &list);
    ok(n == 2 && list[0].document == y.id && list[1].document == x.id &&
           list[0].seq < list[1].seq && list[1].kind == DB_DOCUMENT_ADDED &&
           str_eq(list[0].collection, c.id),
       "the last change of each document, in the order of commits");
    doc_change_last(d, &end, &e);
    ok(end == list[1].seq, "the last number");
    ok(count_changes(c.id, 0, NULL) == 2 && count_changes(c.id, list[0].seq, NULL) == 1,
       "of one collection, from any point");
    ok(doc_chunk_count(d, c.id, &count, &e) && count == 4, "chunks in the collection");

    int64_t both[] = {x.id, 424242, y.id};
    struct doc_index_document *doc;
    uint32_t known[] = {0, 0, 1};
    ok(doc_index_load(d, a, both, NULL, 3, &doc, &e) && doc[0].n_chunks == 3 && doc[1].id == 0 &&
           doc[2].n_chunks == 1 && str_eq(doc[0].chunk[0].text, STR("x2 0")) &&
           str_eq(doc[2].chunk[0].text, STR("y 0")) && doc[2].id == y.id &&
           str_eq(doc[0].title, STR("A title")) && str_eq(doc[0].language, STR("en")),
       "documents with their chunks, one that is not there");
    ok(doc_index_load(d, a, both, known, 3, &doc, &e) && doc[0].version == 2 &&
           doc[0].n_chunks == 3 && doc[2].version == 1 && doc[2].n_chunks == 0,
       "without the chunks of a version that is known");
    doc_change_last(d, &end, &e);
    ok(doc_set_attributes(d, y.id, STR("{}"), &e) && count_changes(c.id, end, &list) == 1 &&
           list[0].document == y.id && list[0].kind == DB_DOCUMENT_ADDED,
       "other attributes are a change");
    doc_change_last(d, &end, &e);

    ok(doc_remove(d, y.id, &e) && !doc_by_id(d, a, y.id, &gone, &e), "removed");
    n = count_changes(c.id, end, &list);
    ok(n == 1 && list[0].kind == DB_DOCUMENT_REMOVED && list[0].document == y.id, "says so");
    doc_collection_delete(d, STR_NONE, c.id, &e);
    n = count_changes(c.id, 0, &list);
    ok(n == 1 && list[0].kind == DB_COLLECTION_REMOVED && list[0].document == 0,
       "of a removed collection only that is left");
    ok(doc_index_load(d, a, both, NULL, 3, &doc, &e) && doc[0].id == 0 && doc[2].id == 0,
       "and no document");
}

/* ---- Files ---- */

static void test_files(void)
{
    struct doc_collection c = make_collection("", "files"), c2 = make_collection("", "files 2");
    struct doc_file f = {.id = doc_file_id(a),
                         .filename = STR("../../etc/x.md"),
                         .purpose = STR("assistants"),
                         .status = STR("uploaded"),
                         .bytes = 7};
    struct doc_file got;
    struct str *ids;
    size_t n_ids;
    ok(doc_file_create(d, &f, &e) && str_starts(f.id, STR("file-")), "created");
    ok(doc_file_ids(d, a, &ids, &n_ids, &e) && n_ids == 1 && str_eq(ids[0], f.id), "named");
    ok(doc_file_find(d, a, STR_NONE, f.id, &got, &e) && got.bytes == 7 &&
           str_eq(got.filename, f.filename),
       "found");
    ok(!doc_file_find(d, a, STR("other"), f.id, &got, &e) && e.code == ERR_NOT_FOUND,
       "not by another tenant: %s", e.msg);
    ok(doc_file_set_status(d, f.id, STR("processed"), &e) &&
           doc_file_find(d, a, STR_NONE, f.id, &got, &e) && str_eq(got.status, STR("processed")),
       "status set");

    struct doc_document x = document(c.id, "f", "1"), y = document(c2.id, "f", "1"), found;
    x.file_id = y.file_id = f.id;
    x.attributes = STR("{\"a\":1}");
    ok(!put(&x, "x", 1) && e.code == ERR_CANCELLED, "not put before it was begun: %s", e.msg);
    ok(doc_begin(d, &x, &e) && doc_set_attributes(d, x.id, STR("{\"a\":2}"), &e) &&
           put(&x, "x", 1) && doc_by_id(d, a, x.id, &found, &e) &&
           str_eq(found.attributes, STR("{\"a\":2}")),
       "put, with the attributes that it has by now");
    ok(!put(&x, "x", 1) && e.code == ERR_CANCELLED, "once");
    ok(doc_begin(d, &y, &e) && put(&y, "y", 1), "in a second collection");
    ok(doc_find_file(d, a, c2.id, f.id, &found, &e) && found.id == y.id, "document of a file");
    ok(!doc_file_delete(d, STR("other"), f.id, &e) && doc_by_id(d, a, x.id, &found, &e),
       "another tenant deletes nothing");
    ok(doc_file_delete(d, STR_NONE, f.id, &e) && !doc_by_id(d, a, x.id, &found, &e) &&
           !doc_by_id(d, a, y.id, &found, &e),
       "deleted with its documents");
    struct doc_change *list;
    ok(count_changes(c.id, 0, &list) == 1 && list[0].kind == DB_DOCUMENT_REMOVED,
       "and the indexes are told");
    ok(!put(&x, "x", 1), "it does not come back");
}

static void test_file_expiry(void)
{
    struct doc_file f = {.id = doc_file_id(a),
                         .tenant = STR("brief"),
                         .purpose = STR("assistants"),
                         .status = STR("processed"),
                         .expires_s = 1};
    struct doc_file later = f, *list, got;
    later.id = doc_file_id(a);
    later.expires_s = INT64_MAX;
    struct doc_page page = {0};
    struct doc_expired *old;
    size_t n;
    bool more;
    ok(doc_file_create(d, &f, &e) && doc_file_create(d, &later, &e), "two files");
    ok(!doc_file_find(d, a, f.tenant, f.id, &got, &e) &&
           doc_file_find(d, a, f.tenant, later.id, &got, &e) && got.expires_s == INT64_MAX,
       "one is not found any more");
    ok(doc_file_list(d, a, f.tenant, STR_NONE, &page, &list, &n, &more, &e) && n == 1,
       "nor listed");
    ok(doc_file_expired(d, a, &old, &n, &e) && n == 1 && str_eq(old[0].id, f.id) &&
           str_eq(old[0].tenant, f.tenant) && doc_file_delete(d, old[0].tenant, old[0].id, &e) &&
           doc_file_expired(d, a, &old, &n, &e) && n == 0,
       "and told, until it is deleted");
}

/* ---- Pages ---- */

enum { FILES = 10 };

/* Whether the page is files from, from + step, ... (n of them). */
static bool page_is(const struct str *id, struct doc_page page, size_t n, int from, int step,
                    bool more)
{
    struct doc_file *f;
    size_t got;
    bool rest;
    if (!doc_file_list(d, a, STR("pages"), STR_NONE, &page, &f, &got, &rest, &e) || got != n ||
        rest != more)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!str_eq(f[i].id, id[from + (int)i * step]))
            return false;
    return true;
}

static bool spread(struct db_tx *tx, void *arg, struct err *err)
{
    (void)arg;
    return db_exec(tx, err,
                   "update files set created_ms = cast(substr(id, 4) as integer) / 3"
                   " where tenant = 'pages'"); /* three share each time */
}

static void test_pages(void)
{
    struct str id[FILES];
    for (int i = 0; i < FILES; i++) {
        id[i] = arena_printf(a, "id-%02d", i);
        struct doc_file f = {.id = id[i], .tenant = STR("pages"), .purpose = STR("p")};
        doc_file_create(d, &f, &e);
    }
    db_write(d, spread, NULL, &e);
    const struct {
        const char *name;
        struct doc_page page;
        size_t n;
        int from, step;
        bool more;
    } cases[] = {
        {"newest first", {.limit = 4}, 4, 9, -1, true},
        {"the next", {.limit = 4, .after = id[6]}, 4, 5, -1, true},
        {"the last", {.limit = 4, .after = id[2]}, 2, 1, -1, false},
        {"exactly to the end", {.limit = 2, .after = id[2]}, 2, 1, -1, false},
        {"back, touching", {.limit = 3, .before = id[5]}, 3, 8, -1, true},
        {"back to the start", {.limit = 9, .before = id[5]}, 4, 9, -1, false},
        {"oldest first", {.limit = 4, .ascending = true}, 4, 0, 1, true},
        {"oldest first, next", {.limit = 9, .ascending = true, .after = id[3]}, 6, 4, 1, false},
        {"oldest first, back", {.limit = 2, .ascending = true, .before = id[4]}, 2, 2, 1, true},
        {"between",
         {.limit = 9, .ascending = true, .after = id[2], .before = id[6]},
         3,
         3,
         1,
         false},
        {"all by default", {.limit = 0}, 10, 9, -1, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        ok(page_is(id, cases[i].page, cases[i].n, cases[i].from, cases[i].step, cases[i].more),
           "files: %s", cases[i].name);
    struct doc_page bad = {.after = STR("nope")};
    struct doc_file *f;
    size_t n;
    bool more;
    ok(!doc_file_list(d, a, STR("pages"), STR_NONE, &bad, &f, &n, &more, &e) &&
           e.code == ERR_NOT_FOUND && strcmp(e.param, "after") == 0,
       "an unknown cursor: %s", e.msg);
    ok(doc_file_list(d, a, STR("pages"), STR("q"), &(struct doc_page){0}, &f, &n, &more, &e) &&
           n == 0,
       "another purpose has none");
}

static void test_document_list(void)
{
    struct doc_collection c = make_collection("listed", "documents");
    int64_t id[6];
    for (int i = 0; i < 6; i++) {
        struct doc_document x =
            document(c.id, arena_text(a, arena_printf(a, "%s/%d", i < 3 ? "in" : "inn", i)), "h");
        if (i % 2)
            doc_fail(d, &x, STR("no"), &e);
        else
            put(&x, "t", 1);
        id[i] = x.id;
    }
    const struct {
        const char *name;
        struct doc_filter f;
        size_t n;
        int first;
        bool more;
    } cases[] = {
        {"newest first", {.limit = 2}, 2, 5, true},
        {"after", {.limit = 9, .after = id[2]}, 2, 1, false},
        {"before, touching", {.limit = 2, .before = id[2]}, 2, 4, true},
        {"oldest first", {.ascending = true}, 6, 0, false},
        {"failed ones", {.ascending = true, .status = DOC_FAILED}, 3, 1, false},
        {"of a folder, not of one with a longer name", {.uri_prefix = STR("in/")}, 3, 2, false},
        {"with files", {.files_only = true}, 0, 0, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct doc_filter f = cases[i].f;
        struct doc_document *list;
        size_t n;
        bool more;
        f.collection = c.id;
        ok(doc_list(d, a, &f, &list, &n, &more, &e) && n == cases[i].n && more == cases[i].more &&
               (n == 0 || list[0].id == id[cases[i].first]),
           "documents: %s", cases[i].name);
    }
    struct doc_collection *cs;
    size_t n;
    bool more;
    ok(doc_collection_list(d, a, STR("listed"), &(struct doc_page){0}, &cs, &n, &more, &e) &&
           n == 1 && cs[0].documents[DOC_FAILED] == 3,
       "collections of a tenant");
    ok(doc_collection_list(d, a, STR_NONE, &(struct doc_page){0}, &cs, &n, &more, &e) && n > 1,
       "collections of all");
}

int main(void)
{
    char dir[TEMPDIR_SIZE];
    tempdir_make(dir);
    a = arena_new();
    if (!ok(db_open(&d, &(struct db_options){.dir = dir}, &e), "opens: %s", e.msg))
        return tap_done();
    test_collections();
    test_expiry();
    test_versions();
    test_texts();
    test_changes();
    test_files();
    test_file_expiry();
    test_pages();
    test_document_list();
    db_close(d);
    arena_free(a);
    tempdir_remove(dir);
    return tap_done();
}
