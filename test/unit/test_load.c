/* One file into the store: how it can end, and what of the document is kept. */
#include "base/file.h"
#include "ingest/load.h"
#include "store/doc.h"

#include "tap.h"
#include "tempdir.h"

static char dir[TEMPDIR_SIZE], path[TEMPDIR_SIZE + 16];

static void put(const char *text)
{
    struct err e;
    if (!file_replace(path, str_from(text), 0600, &e))
        printf("# %s\n", e.msg);
}

static const struct {
    const char *date;
    int64_t days; /* since 1970; 0: no date */
} dates[] = {
    {"1970-01-02", 1},
    {"2000-02-29", 11016},
    {"2000-03-01", 11017},
    {"1969-12-31", -1},
    {"2026-11-21T08:00:00Z", 20778},
    {"2100-03-01", 47541},
    {"2026-13-01", 0},
    {"21.11.2026", 0},
    {"yesterday", 0},
};

static void test_dates(struct load *l)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(dates); i++) {
        struct load_result r;
        struct doc_document d = {0};
        struct err e;
        put(arena_printf(a, "---\ndate: %s\n---\ntext\n", dates[i].date).p);
        ok(load_file(l, &r, &e) && doc_find(l->db, a, l->collection, l->uri, &d, &e) &&
               d.last_updated_s == dates[i].days * 86400,
           "date '%s'", dates[i].date);
    }
    arena_free(a);
}

int main(void)
{
    struct arena *a = arena_new();
    struct err e = {0};
    struct doc_collection c;
    struct db *db = NULL;
    tempdir_make(dir);
    snprintf(path, sizeof(path), "%s/note.md", dir);
    if (!ok(db_open(&db, &(struct db_options){.dir = dir}, &e) &&
                doc_collection_ensure(db, a, STR("t"), STR("docs"), &c, &e),
            "open"))
        return tap_done();
    struct load l = {.db = db,
                     .reader = extract_open(&(struct extract_options){.reader_path = NULL}),
                     .limits = {64, 8},
                     .max_bytes = 1000,
                     .collection = c.id,
                     .path = path,
                     .uri = str_from(path),
                     .name = STR("note.md")};
    struct load_result r;
    struct doc_document d;
    ok(load_file(&l, &r, &e) && r.end == LOAD_GONE, "no such file");
    put("---\nlang: en-GB\ntags: [x, y]\n---\ntext\n\n# Late heading\n\nmore\n");
    ok(load_file(&l, &r, &e) && r.end == LOAD_STORED && r.chunks == 2 && r.bytes > 0, "stored");
    ok(doc_find(db, a, c.id, l.uri, &d, &e) && str_eq(d.language, STR("en")) &&
           str_eq(d.title, STR("Late heading")) && str_eq(d.attributes, STR("{\"tags\":\"x, y\"}")),
       "language as a code, a heading near the start as the title, the rest as attributes");
    ok(load_file(&l, &r, &e) && r.end == LOAD_UNCHANGED && r.chunks == 2, "unchanged");
    put("\1\2\3");
    ok(load_file(&l, &r, &e) && r.end == LOAD_FAILED && r.why.code == ERR_MEDIA, "failed: %s",
       r.why.msg);
    ok(doc_find(db, a, c.id, l.uri, &d, &e) && d.status == DOC_FAILED, "with a row");
    l.max_bytes = 2;
    ok(load_file(&l, &r, &e) && r.end == LOAD_FAILED && r.why.code == ERR_TOO_LARGE, "%s",
       r.why.msg);
    l.max_bytes = 1000;
    test_dates(&l);
    extract_cancel(l.reader);
    put("other");
    ok(!load_file(&l, &r, &e) && e.code == ERR_CANCELLED, "cancelled is no fault of the file");
    extract_close(l.reader);
    db_close(db);
    tempdir_remove(dir);
    arena_free(a);
    return tap_done();
}
