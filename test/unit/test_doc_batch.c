/* Batches of files: begun together, counted by what became of them, cancelled. */
#include "store/doc.h"

#include "tap.h"
#include "tempdir.h"

static struct db *d;
static struct arena *a;
static struct err e;

static struct str collection(const char *name)
{
    struct doc_collection c = {.name = str_from(name)};
    ok(doc_collection_create(d, a, &c, &e), "collection %s", name);
    return c.id;
}

static struct doc_document file_in(struct str collection)
{
    struct doc_file f = {.id = doc_file_id(a), .purpose = STR("assistants")};
    f.status = STR("processed");
    ok(doc_file_create(d, &f, &e), "file");
    return (struct doc_document){
        .collection = collection, .uri = f.id, .file_id = f.id, .name = STR("x")};
}

static bool counts(struct str collection, struct str batch, uint64_t working, uint64_t done,
                   uint64_t failed, uint64_t cancelled)
{
    struct doc_batch b;
    return doc_batch_find(d, a, collection, batch, &b, &e) &&
           b.documents[DOC_IN_PROGRESS] == working && b.documents[DOC_COMPLETED] == done &&
           b.documents[DOC_FAILED] == failed && b.documents[DOC_CANCELLED] == cancelled &&
           b.documents[DOC_ANY] == working + done + failed + cancelled;
}

static size_t listed(struct str collection, struct str batch, int status)
{
    struct doc_filter f = {.collection = collection, .batch = batch, .status = status};
    struct doc_document *list;
    size_t n = 0;
    return doc_list(d, a, &f, &list, &n, NULL, &e) ? n : 0;
}

int main(void)
{
    char dir[TEMPDIR_SIZE];
    tempdir_make(dir);
    a = arena_new();
    ok(db_open(&d, &(struct db_options){.dir = dir}, &e), "open: %s", e.msg);
    struct str one = collection("one"), two = collection("two");
    struct doc_document doc[4] = {file_in(one), file_in(one), file_in(one), file_in(one)};
    doc[1].attributes = STR("{\"a\":1}");
    doc[1].chunk_tokens = 200;
    doc[1].chunk_overlap = 20;
    struct doc_batch b = {.collection = one}, got;
    ok(doc_batch_create(d, a, &b, doc, 4, &e) && str_starts(b.id, STR("vsfb_")) && doc[3].id,
       "created: %s", e.msg);
    ok(counts(one, b.id, 4, 0, 0, 0), "all in progress");
    struct doc_document found;
    ok(doc_by_id(d, a, doc[1].id, &found, &e) && found.chunk_tokens == 200 &&
           found.chunk_overlap == 20 && str_eq(found.attributes, doc[1].attributes),
       "a document keeps what was said of it");
    ok(!doc_batch_find(d, a, two, b.id, &got, &e) && e.code == ERR_NOT_FOUND,
       "not in another collection: %s", e.msg);
    ok(!doc_batch_cancel(d, two, b.id, &e) && e.code == ERR_NOT_FOUND, "nor cancelled from there");

    ok(doc_put(d, &doc[0], NULL, 0, &e) && doc_fail(d, &doc[1], STR("no"), &e) &&
           counts(one, b.id, 2, 1, 1, 0),
       "one done, one failed");
    ok(doc_batch_cancel(d, one, b.id, &e) && counts(one, b.id, 0, 1, 1, 2), "the rest cancelled");
    ok(doc_batch_find(d, a, one, b.id, &got, &e) && got.cancelled, "which is noted");
    ok(!doc_put(d, &doc[2], NULL, 0, &e) && e.code == ERR_CANCELLED &&
           !doc_fail(d, &doc[3], STR("late"), &e) && counts(one, b.id, 0, 1, 1, 2),
       "and stays so when its reader comes late");
    ok(listed(one, b.id, DOC_CANCELLED) == 2 && listed(one, b.id, DOC_ANY) == 4 &&
           listed(one, STR("vsfb_none"), DOC_ANY) == 0,
       "listed by status");

    struct doc_batch again = {.collection = one};
    struct doc_document twice[2] = {doc[2], doc[2]};
    ok(doc_batch_create(d, a, &again, twice, 2, &e) && counts(one, again.id, 1, 0, 0, 0),
       "a file that is named twice is one; begun again");
    struct doc_document lost[2] = {doc[3], {.collection = one, .uri = STR("x")}};
    lost[1].file_id = STR("file-none");
    ok(!doc_batch_create(d, a, &again, lost, 2, &e) && listed(one, b.id, DOC_CANCELLED) == 1,
       "all or none");
    ok(doc_remove(d, doc[0].id, &e) && counts(one, b.id, 1, 0, 1, 1),
       "what is removed is not counted");
    ok(doc_collection_delete(d, STR_NONE, one, &e) && !doc_batch_find(d, a, one, b.id, &got, &e),
       "a batch goes with its collection");
    db_close(d);
    arena_free(a);
    tempdir_remove(dir);
    return tap_done();
}
