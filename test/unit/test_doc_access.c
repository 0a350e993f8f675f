/* Lists and counts leave out what a caller may not read. */
#include "base/mem.h"
#include "store/doc.h"

#include "tap.h"
#include "tempdir.h"

static struct db *d;
static struct arena *a;
static struct err e;
static struct str collection;

/* Lists are words here: who is named may read. */
static bool is_named(const void *who, struct str access)
{
    return str_eq(access, str_from(who));
}
static const struct doc_reader alice = {is_named, "alice"}, bob = {is_named, "bob"};

static struct str upload(const char *name)
{
    struct doc_file f = {.id = doc_file_id(a),
                         .filename = str_from(name),
                         .purpose = STR("assistants"),
                         .status = STR("processed")};
    if (!doc_file_create(d, &f, &e))
        printf("# %s\n", e.msg);
    return f.id;
}

static void put(const char *uri, struct str file_id, const char *access)
{
    struct doc_document doc = {.collection = collection,
                               .uri = file_id.len ? file_id : str_from(uri),
                               .file_id = file_id,
                               .name = str_from(uri),
                               .access = str_from(access),
                               .bytes = 10};
    struct doc_chunk chunk = {.text = str_from(uri)};
    if (!doc_begin(d, &doc, &e) || !doc_put(d, &doc, &chunk, 1, &e))
        printf("# %s\n", e.msg);
}

static size_t listed(const struct doc_reader *r, uint32_t limit, bool *more)
{
    struct doc_filter f = {
        .collection = collection, .limit = limit, .ascending = true, .reader = r};
    struct doc_document *list;
    size_t n;
    return doc_list(d, a, &f, &list, &n, more, &e) ? n : 99;
}

static void test_documents(void)
{
    bool more;
    struct doc_hidden hidden;
    put("open", STR_NONE, "");
    put("a1", STR_NONE, "alice");
    put("b", STR_NONE, "bob");
    put("a2", STR_NONE, "alice");
    ok(listed(NULL, 10, &more) == 4 && listed(&alice, 10, &more) == 3 && !more &&
           listed(&bob, 10, &more) == 2,
       "each lists what may be read");
    ok(listed(&alice, 2, &more) == 2 && more && listed(&alice, 3, &more) == 3 && !more,
       "pages are full, and say whether there is more");
    ok(doc_hidden(d, &alice, collection, STR_NONE, &hidden, &e) &&
           hidden.documents[DOC_COMPLETED] == 1 && hidden.documents[DOC_ANY] == 1 &&
           hidden.bytes == 10 && hidden.chunks == 1,
       "what is hidden is counted");
    ok(doc_hidden(d, NULL, collection, STR_NONE, &hidden, &e) && hidden.documents[DOC_ANY] == 0,
       "nothing is from who reads everything");
}

static size_t files(const struct doc_reader *r, uint32_t limit)
{
    struct doc_page page = {.limit = limit, .reader = r};
    struct doc_file *list;
    size_t n;
    bool more;
    return doc_file_list(d, a, STR_NONE, STR_NONE, &page, &list, &n, &more, &e) ? n : 99;
}

static void test_files(void)
{
    struct str loose = upload("loose"), bobs = upload("bobs");
    bool may;
    put("bobs", bobs, "bob");
    ok(files(NULL, 10) == 2 && files(&alice, 10) == 1 && files(&bob, 10) == 2, "files are listed");
    ok(files(&alice, 1) == 1, "in full pages");
    ok(doc_file_readable(d, &alice, loose, &may, &e) && may, "one in no collection is for all");
    ok(doc_file_readable(d, &alice, bobs, &may, &e) && !may, "one in others' hands is not");
    struct doc_collection c = {.name = STR("second")};
    doc_collection_create(d, a, &c, &e);
    collection = c.id;
    put("bobs", bobs, "");
    ok(doc_file_readable(d, &alice, bobs, &may, &e) && may, "unless it is open elsewhere");
}

int main(void)
{
    char dir[TEMPDIR_SIZE];
    struct doc_collection c = {.name = STR("first")};
    tempdir_make(dir);
    a = arena_new();
    if (!ok(db_open(&d, &(struct db_options){.dir = dir}, &e) &&
                doc_collection_create(d, a, &c, &e),
            "opens: %s", e.msg))
        return tap_done();
    collection = c.id;
    test_documents();
    test_files();
    db_close(d);
    arena_free(a);
    tempdir_remove(dir);
    return tap_done();
}
