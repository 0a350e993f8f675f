/* What ingest promises: a folder and its collection agree, whatever came between; each document
 * whole or not at all, also when the process is killed at any moment. */
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/random.h"
#include "ingest/ingest.h"
#include "ingest/extract.h"
#include "store/doc.h"

#include "tap.h"
#include "tempdir.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

/* ---- A store and a folder ---- */

struct world {
    char dir[TEMPDIR_SIZE];
    char docs[TEMPDIR_SIZE + 8];
    struct arena *a;
    struct db *db;
    struct str collection;
    struct ingest in;
};

static bool world_open(struct world *w, const char *data)
{
    struct err e = {0};
    struct doc_collection c;
    char dir[TEMPDIR_SIZE + 16];
    snprintf(dir, sizeof(dir), "%s/%s", w->dir, data);
    mkdir(dir, 0700);
    w->a = arena_new();
    bool good = db_open(&w->db, &(struct db_options){.dir = dir}, &e) &&
                doc_collection_ensure(w->db, w->a, STR("t"), STR("docs"), &c, &e);
    if (!good) {
        printf("# %s\n", e.msg);
        return false;
    }
    w->collection = c.id;
    w->in = (struct ingest){.db = w->db, .parallel = 2};
    snprintf(dir, sizeof(dir), "%s/%s/index", w->dir, data);
    mkdir(dir, 0700);
    if (!search_open(&w->in.search, w->db, dir, &e)) {
        printf("# %s\n", e.msg);
        return false;
    }
    return true;
}

static void world_close(struct world *w)
{
    search_close(w->in.search);
    db_close(w->db);
    arena_free(w->a);
}

static void put(const struct world *w, const char *name, const char *text)
{
    char path[TEMPDIR_SIZE + 64];
    struct err e;
    snprintf(path, sizeof(path), "%s/%s", w->docs, name);
    if (!file_replace(path, str_from(text), 0600, &e))
        printf("# %s\n", e.msg);
}

static void drop(const struct world *w, const char *name)
{
    char path[TEMPDIR_SIZE + 64];
    snprintf(path, sizeof(path), "%s/%s", w->docs, name);
    unlink(path);
}

static void world_init(struct world *w)
{
    *w = (struct world){0};
    tempdir_make(w->dir);
    snprintf(w->docs, sizeof(w->docs), "%s/docs", w->dir);
    mkdir(w->docs, 0700);
}

/* How many chunks a search for the words finds. */
static size_t hits(struct world *w, const char *words)
{
    struct search_query q = {
        .collection = &w->collection, .n_collections = 1, .text = str_from(words), .k = 100};
    struct search_hit *hit;
    struct err e;
    size_t n = 0;
    return search_run(w->in.search, &q, w->a, &hit, &n, &e) ? n : 0;
}

struct seen { /* by the report */
    int calls, errors;
    char error[200], path[300];
    int stop_after;
};

static bool note(void *ctx, const struct ingest_progress *p)
{
    struct seen *s = ctx;
    s->calls++;
    if (p->error) {
        s->errors++;
        snprintf(s->error, sizeof(s->error), "%s", p->error);
        snprintf(s->path, sizeof(s->path), "%.*s", STR_FMT(p->current));
    }
    return s->stop_after == 0 || s->calls < s->stop_after;
}

static bool run(struct world *w, struct ingest_progress *p, struct seen *s, struct err *e)
{
    struct str path = str_from(w->docs);
    return ingest_paths(&w->in, w->collection, &path, 1, NULL, STR_NONE, s ? note : NULL, s, p, e);
}

static struct doc_document *find(struct world *w, const char *name)
{
    struct doc_document *d = arena_struct(w->a, struct doc_document);
    struct err e;
    char *real = realpath(w->docs, NULL);
    struct str uri = arena_printf(w->a, "%s/%s", real, name);
    free(real);
    return doc_find(w->db, w->a, w->collection, uri, d, &e) ? d : NULL;
}

/* ---- A folder that changes ---- */

static void test_changes(void)
{
    struct world w;
    world_init(&w);
    if (!ok(world_open(&w, "data"), "open"))
        return;
    struct ingest_progress p;
    struct err e = {0};
    put(&w, "a.md",
        "---\ntitle: The title\nauthor: Ann\ndate: 1970-01-03\nlang: de\n---\n# Head\n\nSome "
        "text.\n");
    put(&w, "b.txt", "Plain text of the second file, long enough to tell that it is English.\n");
    put(&w, "c.zip", "PK\3\4");
    struct seen s = {0};
    ok(run(&w, &p, &s, &e) && p.files_found == 3 && p.files_done == 3 && p.files_failed == 1 &&
           p.files_unchanged == 0 && p.chunks == 2,
       "three files: two stored, one not %s", e.msg);
    ok(s.calls == 5 && s.errors == 1 && strstr(s.error, "unsupported format") &&
           strstr(s.path, "c.zip"),
       "each was reported, the failed one with its reason");
    ok(hits(&w, "second file") == 1, "what is stored is found");

    const struct doc_document *d = find(&w, "a.md");
    ok(d && d->status == DOC_COMPLETED && str_eq(d->title, STR("The title")) &&
           str_eq(d->author, STR("Ann")) && str_eq(d->language, STR("de")) &&
           str_eq(d->doc_type, STR("markdown")) && str_eq(d->name, STR("a.md")) &&
           d->last_updated_s == 2 * 86400 && d->version == 1,
       "what the document says of itself is stored");
    struct doc_chunk *c;
    size_t n = 0;
    ok(d && doc_chunks_range(w.db, w.a, d->id, 0, UINT32_MAX, &c, &n, &e) && n == 1 &&
           str_eq(c[0].text, STR("Head\n\nSome text.")) && str_eq(c[0].section, STR("Head")) &&
           c[0].line_start == 7 && c[0].line_end == 9 && c[0].char_end == 16 && c[0].total == 1,
       "its chunk knows its place");
    d = find(&w, "c.zip");
    ok(d && d->status == DOC_FAILED && str_eq(d->error, STR("unsupported format")),
       "the failed one has a row that says why");

    ok(run(&w, &p, NULL, &e) && p.files_unchanged == 2 && p.files_failed == 1 && p.chunks == 2,
       "again: nothing changed");
    put(&w, "a.md", "# Other\n");
    put(&w, "c.zip", "now it is text\n");
    drop(&w, "b.txt");
    ok(run(&w, &p, NULL, &e) && p.files_found == 2 && p.files_unchanged == 0 &&
           p.files_failed == 0 && p.files_removed == 1,
       "one changed, one mended, one deleted");
    d = find(&w, "a.md");
    ok(d && d->version == 2, "the changed one has a new version");
    ok(!find(&w, "b.txt") && hits(&w, "second file") == 0, "the deleted one has gone");
    ok(find(&w, "c.zip") && find(&w, "c.zip")->status == DOC_COMPLETED, "the mended one is there");

    put(&w, "a.md", "PK\3\4");
    ok(run(&w, &p, NULL, &e) && p.files_failed == 1, "one is broken now");
    d = find(&w, "a.md");
    ok(d && d->status == DOC_FAILED &&
           doc_chunks_range(w.db, w.a, d->id, 0, UINT32_MAX, &c, &n, &e) && n == 1,
       "its last good version stays searchable");
    world_close(&w);
    tempdir_remove(w.dir);
}

static void test_limits(void)
{
    struct world w;
    world_init(&w);
    world_open(&w, "data");
    struct ingest_progress p;
    struct err e = {0};
    char name[32];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "%02d.txt", i);
        put(&w, name, name);
    }
    struct seen s = {.stop_after = 5};
    bool good = run(&w, &p, &s, &e);
    ok(!good && e.code == ERR_CANCELLED && p.files_done >= 4 && p.files_done < 40,
       "cancelled after %d of 40", (int)p.files_done);
    ok(run(&w, &p, NULL, &e) && p.files_unchanged >= 3 && p.files_done == 40, "then the rest");

    struct str gone = STR("/nonexistent/folder");
    ok(!ingest_paths(&w.in, w.collection, &gone, 1, NULL, STR_NONE, NULL, NULL, &p, &e) &&
           e.code == ERR_NOT_FOUND,
       "a folder that is not there: %s", e.msg);
    ok(find(&w, "00.txt"), "takes nothing away");
    w.in.reader_path = "/nonexistent/reader";
    put(&w, "00.txt", "changed");
    ok(!run(&w, &p, NULL, &e) && e.code == ERR_UNAVAILABLE, "no reader: %s", e.msg);
    ok(find(&w, "00.txt")->status == DOC_COMPLETED, "is no fault of the documents");
    w.in.reader_path = NULL;
    w.in.max_file_bytes = 5;
    ok(run(&w, &p, NULL, &e) && p.files_failed == 40, "all are larger than 5 bytes");
    struct str nowhere = str_from(w.docs);
    ok(!ingest_paths(&w.in, STR("vs_none"), &nowhere, 1, NULL, STR_NONE, NULL, NULL, &p, &e),
       "no such collection: %s", e.msg);
    world_close(&w);
    tempdir_remove(w.dir);
}

/* Begins the file's document, and reads it. */
static bool upload(struct world *w, struct extract *reader, const char *id, const char *name,
                   const char *path, const char *attributes, struct err *e)
{
    struct doc_document d = {.collection = w->collection,
                             .uri = str_from(id),
                             .file_id = str_from(id),
                             .name = str_from(name),
                             .attributes = str_from(attributes)};
    return doc_begin(w->db, &d, e) &&
           ingest_file(&w->in, reader, w->collection, d.file_id, d.name, path, NULL, e);
}

static void test_upload(void)
{
    struct world w;
    world_init(&w);
    world_open(&w, "data");
    struct err e = {0};
    put(&w, "blob", "# Uploaded\n\ntext\n");
    char path[TEMPDIR_SIZE + 64];
    snprintf(path, sizeof(path), "%s/blob", w.docs);
    struct doc_document d;
    static const char *const ids[] = {"file-1", "file-2", "file-3"};
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct doc_file f = {.id = str_from(ids[i]),
                             .tenant = STR("t"),
                             .filename = STR("x"),
                             .purpose = STR("assistants"),
                             .status = STR("uploaded")};
        ok(doc_file_create(w.db, &f, &e), "file %s", ids[i]);
    }
    struct extract *reader = ingest_reader(&w.in);
    ok(upload(&w, reader, "file-1", "note.md", path, "{\"a\":1}", &e) &&
           doc_find_file(w.db, w.a, w.collection, STR("file-1"), &d, &e) &&
           d.status == DOC_COMPLETED && str_eq(d.name, STR("note.md")) &&
           str_eq(d.attributes, STR("{\"a\":1}")) && str_eq(d.doc_type, STR("markdown")),
       "an uploaded file %s", e.msg);
    ok(upload(&w, reader, "file-1", "note.md", path, "{\"a\":2}", &e) &&
           doc_find_file(w.db, w.a, w.collection, STR("file-1"), &d, &e) && d.version == 2 &&
           str_eq(d.attributes, STR("{\"a\":2}")),
       "again, with other attributes");
    put(&w, "blob", "PK\3\4");
    ok(upload(&w, reader, "file-2", "x.zip", path, "", &e) &&
           doc_find_file(w.db, w.a, w.collection, STR("file-2"), &d, &e) &&
           d.status == DOC_FAILED && str_eq(d.error_code, STR("unsupported_file")),
       "one that cannot be read has a row");
    ok(!upload(&w, reader, "file-3", "x", "/nonexistent/blob", "", &e) &&
           doc_find_file(w.db, w.a, w.collection, STR("file-3"), &d, &e) &&
           d.status == DOC_FAILED && str_eq(d.error_code, STR("server_error")),
       "lost bytes: %s", e.msg);
    ok(ingest_remove_file(&w.in, w.collection, STR("file-1"), &e) &&
           !doc_find_file(w.db, w.a, w.collection, STR("file-1"), &d, &e),
       "removed");
    ok(!ingest_remove_file(&w.in, w.collection, STR("file-1"), &e) && e.code == ERR_NOT_FOUND,
       "and then it is not there");
    put(&w, "blob", "text");
    ok(!ingest_file(&w.in, reader, w.collection, STR("file-1"), STR("x.md"), path, NULL, &e) &&
           e.code == ERR_CANCELLED &&
           !doc_find_file(w.db, w.a, w.collection, STR("file-1"), &d, &e),
       "and does not come back when it was removed while it was read");
    extract_close(reader);
    world_close(&w);
    tempdir_remove(w.dir);
}

/* ---- Killed at any moment ---- */

enum { FILES = 40, ROUNDS = 12 };

static void make_folder(const struct world *w)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < FILES; i++) {
        buf_reset(&text);
        for (int k = 0; k < 5 + i * 3; k++)
            buf_printf(&text,
                       "## Part %d\n\nThis is paragraph %d of document %d, in which nothing "
                       "is said that matters. It has a second sentence.\n\n",
                       k, k, i);
        char name[32];
        snprintf(name, sizeof(name), "%02d.%s", i, i % 4 == 3 ? "txt" : "md");
        put(w, name, i == 17 ? "PK\3\4" : buf_text(&text));
    }
    buf_fini(&text);
}

/* One number for all that the store holds of the folder; 0 when a document is not whole. */
static uint64_t state(struct world *w)
{
    struct doc_filter f = {
        .collection = w->collection, .status = -1, .limit = DOC_PAGE_MAX, .ascending = true};
    struct doc_document *d;
    struct err e;
    size_t n, m;
    bool more;
    uint64_t sum = 1;
    if (!doc_list(w->db, w->a, &f, &d, &n, &more, &e))
        return 0;
    for (size_t i = 0; i < n; i++) {
        struct doc_chunk *c;
        if (d[i].status == DOC_IN_PROGRESS ||
            !doc_chunks_range(w->db, w->a, d[i].id, 0, UINT32_MAX, &c, &m, &e) || m != d[i].chunks)
            return 0;
        uint64_t h = hash_stable(d[i].name) + (uint64_t)d[i].status;
        for (size_t k = 0; k < m; k++) {
            if (c[k].idx != k || c[k].total != m || c[k].hash != hash_stable(c[k].text))
                return 0;
            h = h * 31 + c[k].hash;
        }
        sum += h; /* in whatever order they came */
    }
    return sum;
}

static pid_t start_child(char *self, char *dir)
{
    char word[] = "child", *argv[] = {self, word, dir, NULL};
    pid_t pid = 0;
    return posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) == 0 ? pid : 0;
}

static int child_main(const char *dir)
{
    struct world w = {0};
    struct err e = {0};
    snprintf(w.dir, sizeof(w.dir), "%s", dir);
    snprintf(w.docs, sizeof(w.docs), "%s/docs", dir);
    bool good = world_open(&w, "killed") && run(&w, NULL, NULL, &e);
    world_close(&w);
    return good ? 0 : 1;
}

static void test_killed(char *self)
{
    struct world w;
    world_init(&w);
    make_folder(&w);
    struct ingest_progress p;
    struct err e = {0};
    int64_t start = clock_now();
    ok(world_open(&w, "whole") && run(&w, &p, NULL, &e), "an uninterrupted run %s", e.msg);
    uint64_t took_us = (uint64_t)(clock_now() - start) / 1000 + 20000;
    uint64_t want = state(&w);
    size_t found = hits(&w, "paragraph document");
    world_close(&w);
    ok(want != 0 && found > 0, "leaves every document whole");

    int broken = 0, killed = 0;
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = start_child(self, w.dir);
        usleep((useconds_t)(took_us * (uint64_t)(i + 1) / (ROUNDS + 2)));
        kill(pid, SIGKILL);
        int status = 0;
        waitpid(pid, &status, 0);
        killed += WIFSIGNALED(status);
        if (!world_open(&w, "killed")) {
            broken++;
            break;
        }
        broken += state(&w) == 0;
        world_close(&w);
        if (i % 4 == 3) { /* from the start again, later than before */
            char path[TEMPDIR_SIZE + 32];
            snprintf(path, sizeof(path), "%s/killed", w.dir);
            tempdir_remove(path);
        }
    }
    ok(broken == 0, "after %d kills every document is whole or absent", killed);
    ok(world_open(&w, "killed") && run(&w, &p, NULL, &e) && p.files_done == FILES,
       "the next run does the rest %s", e.msg);
    ok(state(&w) == want && hits(&w, "paragraph document") == found,
       "and ends where the uninterrupted one did");
    world_close(&w);
    tempdir_remove(w.dir);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return child_main(argv[2]);
    test_changes();
    test_limits();
    test_upload();
    test_killed(argv[0]);
    return tap_done();
}
