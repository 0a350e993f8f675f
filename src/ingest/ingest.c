#include "ingest/ingest.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/list.h"
#include "base/lock.h"
#include "ingest/load.h"
#include "ingest/walk.h"
#include "store/doc.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* ---- Settings ---- */

struct extract *ingest_reader(const struct ingest *in)
{
    return extract_open(&(struct extract_options){.reader_path = in->reader_path,
                                                  .memory = in->reader_memory,
                                                  .timeout_ms = in->reader_timeout_ms});
}

static struct load load_settings(const struct ingest *in, struct str collection,
                                 const struct ingest_chunking *chunking)
{
    struct ingest_chunking c = chunking ? *chunking : (struct ingest_chunking){0};
    if (c.max_tokens == 0)
        c = (struct ingest_chunking){INGEST_TOKENS, c.overlap ? c.overlap : INGEST_OVERLAP};
    return (struct load){
        .db = in->db,
        .limits = {c.max_tokens, c.overlap},
        .max_bytes = in->max_file_bytes ? in->max_file_bytes : UINT64_C(512) << 20,
        .collection = collection,
    };
}

unsigned ingest_threads(const struct ingest *in)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = in->parallel ? in->parallel : cores > 0 ? (size_t)cores : 1;
    enum { MOST = 64 };
    return (unsigned)size_min(n, MOST);
}

/* ---- Many files: threads take the next one and hand over how it ended ---- */

struct result {
    struct list link;
    size_t file;
    struct load_result r;
};

struct run;

struct reader_thread {
    struct run *run;
    struct extract *reader;
    pthread_t thread;
};

struct run {
    /* set once */
    struct load settings;
    struct walk walk;

    /* under lock */
    struct lock lock;
    struct cond finished;
    struct list results;
    size_t next;    /* file */
    size_t running; /* threads */
    bool stop;      /* cancelled, or something is wrong with us */
    struct err why; /* of the latter */
    bool broken;

    /* calling thread only */
    struct ingest_progress now;
    ingest_report *report;
    void *ctx;
    bool *gone; /* [walk.n]: deleted while we worked */
    bool cancelled;
};

static void finish(struct run *run, struct result *res, bool good, const struct err *e)
{
    lock_take(&run->lock);
    if (good) {
        list_add(&run->results, &res->link);
    } else {
        mem_free(res);
        if (!run->broken && !run->stop)
            run->why = *e;
        run->broken = run->broken || !run->stop;
        run->stop = true;
    }
    cond_wake_one(&run->finished);
    lock_drop(&run->lock);
}

static void load_next(struct reader_thread *t, size_t i)
{
    struct run *run = t->run;
    const struct walk_file *file = &run->walk.file[i];
    struct result *res = mem_new(sizeof(*res));
    res->file = i;
    struct err e = {0};
    bool good = true;
    if (file->error) {
        res->r.end = LOAD_FAILED;
        err_set(&res->r.why, ERR_IO, "%s", file->error);
    } else {
        struct load l = run->settings;
        l.reader = t->reader;
        l.path = file->path.p;
        l.uri = file->path;
        l.name = file_name(file->path);
        good = load_file(&l, &res->r, &e);
    }
    finish(run, res, good, &e);
}

static void *thread_main(void *arg)
{
    struct reader_thread *t = arg;
    struct run *run = t->run;
    for (;;) {
        lock_take(&run->lock);
        size_t i = run->stop ? run->walk.n : run->next;
        run->next += i < run->walk.n;
        if (i >= run->walk.n) {
            run->running--;
            cond_wake_one(&run->finished);
            lock_drop(&run->lock);
            return NULL;
        }
        lock_drop(&run->lock);
        load_next(t, i);
    }
}

static bool report(struct run *run, struct str current, const char *error)
{
    run->now.current = current;
    run->now.error = error;
    if (run->report && !run->cancelled && !run->report(run->ctx, &run->now))
        run->cancelled = true;
    return !run->cancelled;
}

static bool count(struct run *run, const struct result *res)
{
    struct ingest_progress *p = &run->now;
    p->files_done++;
    switch (res->r.end) {
    case LOAD_GONE: run->gone[res->file] = true; break;
    case LOAD_FAILED: p->files_failed++; break;
    case LOAD_UNCHANGED: p->files_unchanged++; __attribute__((fallthrough));
    case LOAD_STORED:
        p->chunks += res->r.chunks;
        p->bytes += res->r.bytes;
        break;
    }
    return report(run, run->walk.file[res->file].path,
                  res->r.end == LOAD_FAILED ? res->r.why.msg : NULL);
}

/* Counts and reports until all threads have ended. */
static void follow(struct run *run, struct reader_thread *t, unsigned n)
{
    lock_take(&run->lock);
    while (run->running > 0 || !list_empty(&run->results)) {
        if (list_empty(&run->results)) {
            cond_wait(&run->finished, &run->lock, CLOCK_NEVER);
            continue;
        }
        struct result *res = list_entry(run->results.next, struct result, link);
        list_remove(&res->link);
        lock_drop(&run->lock);
        bool on = count(run, res);
        mem_free(res);
        lock_take(&run->lock);
        run->stop = run->stop || !on;
        for (unsigned i = 0; !on && i < n; i++)
            extract_cancel(t[i].reader);
    }
    lock_drop(&run->lock);
}

static bool load_all(struct ingest *in, struct run *run, struct err *e)
{
    unsigned n = (unsigned)size_min(ingest_threads(in), run->walk.n);
    struct reader_thread *t = mem_array(n, sizeof(*t));
    sigset_t all, had;
    sigfillset(&all); /* signals are for the threads that expect them */
    pthread_sigmask(SIG_BLOCK, &all, &had);
    run->running = n;
    unsigned started = 0;
    for (; started < n; started++) {
        t[started] = (struct reader_thread){.run = run, .reader = ingest_reader(in)};
        if (pthread_create(&t[started].thread, NULL, thread_main, &t[started]) != 0) {
            extract_close(t[started].reader);
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &had, NULL);
    lock_take(&run->lock);
    run->running -= n - started;
    lock_drop(&run->lock);
    follow(run, t, started);
    for (unsigned i = 0; i < started; i++) {
        pthread_join(t[i].thread, NULL);
        extract_close(t[i].reader);
    }
    mem_free(t);
    if (n > 0 && started == 0)
        return err_set(e, ERR_UNAVAILABLE, "cannot start a thread to read documents");
    if (run->broken) {
        *e = run->why;
        return false;
    }
    return true;
}

/* ---- What is no longer there ---- */

static int path_order(const void *key, const void *file)
{
    return str_cmp(*(const struct str *)key, ((const struct walk_file *)file)->path);
}

/* Whether a stored document's file was found now, or stands in a folder that cannot be looked into.
 */
static bool is_there(const struct run *run, struct str uri)
{
    for (struct str path = uri;;) {
        const struct walk_file *f =
            run->walk.n ? bsearch(&path, run->walk.file, run->walk.n, sizeof(*f), path_order)
                        : NULL;
        if (f && (path.len == uri.len || f->error))
            return !run->gone[f - run->walk.file];
        size_t slash = str_rfind_char(path, '/');
        if (slash == STR_NPOS || slash == 0)
            return false;
        path = str_head(path, slash);
    }
}

static bool remove_deleted(struct run *run, struct str folder, struct err *e)
{
    struct arena *a = arena_new();
    bool root = str_eq(folder, STR("/"));
    struct doc_filter f = {.collection = run->settings.collection,
                           .uri_prefix =
                               arena_printf(a, "%.*s%s", STR_FMT(folder), root ? "" : "/"),
                           .status = -1,
                           .limit = DOC_PAGE_MAX,
                           .ascending = true};
    bool good = true, more = true;
    struct arena_mark mark = arena_mark(a);
    while (good && more && !run->cancelled) {
        struct doc_document *doc;
        size_t n;
        arena_rewind(a, mark);
        good = doc_list(run->settings.db, a, &f, &doc, &n, &more, e);
        for (size_t i = 0; good && i < n && !run->cancelled; i++) {
            f.after = doc[i].id;
            if (doc[i].file_id.len > 0 || is_there(run, doc[i].uri))
                continue;
            good = doc_remove(run->settings.db, doc[i].id, e);
            run->now.files_removed += good;
            report(run, doc[i].uri, NULL);
        }
    }
    arena_free(a);
    return good;
}

/* ---- The whole ---- */

static bool run_all(struct ingest *in, struct run *run, struct err *e)
{
    if (!report(run, STR_NONE, NULL))
        return true;
    if (!load_all(in, run, e))
        return false;
    for (size_t i = 0; i < run->walk.n_folders; i++)
        if (!run->cancelled && !remove_deleted(run, run->walk.folder[i], e))
            return false;
    return true;
}

bool ingest_paths(struct ingest *in, struct str collection, const struct str *path, size_t n,
                  const struct ingest_chunking *chunking, struct str access,
                  ingest_report *report_fn, void *ctx, struct ingest_progress *total, struct err *e)
{
    struct arena *a = arena_new();
    struct run run = {
        .settings = load_settings(in, collection, chunking), .report = report_fn, .ctx = ctx};
    run.settings.access = access;
    lock_init(&run.lock);
    cond_init(&run.finished);
    list_init(&run.results);
    bool good = walk_paths(path, n, a, &run.walk, e);
    if (good) {
        run.gone = arena_array(a, bool, run.walk.n + 1);
        run.now.files_found = run.walk.n;
        good = run_all(in, &run, e);
        struct err late;
        bool visible = search_catch_up(in->search, good ? e : &late);
        good = good && visible;
    }
    bool cancelled = run.cancelled;
    if (good)
        report(&run, STR_NONE, NULL);
    run.now.current = STR_NONE;
    run.now.error = NULL;
    if (total)
        *total = run.now;
    cond_fini(&run.finished);
    lock_fini(&run.lock);
    arena_free(a);
    if (good && cancelled)
        return err_set(e, ERR_CANCELLED, "cancelled");
    return good;
}

bool ingest_file(struct ingest *in, struct extract *reader, struct str collection,
                 struct str file_id, struct str filename, const char *blob_path,
                 const struct ingest_chunking *chunking, struct err *e)
{
    struct load l = load_settings(in, collection, chunking);
    l.path = blob_path;
    l.uri = file_id;
    l.file_id = file_id;
    l.name = filename;
    l.reader = reader;
    struct load_result r;
    struct err why = {0};
    bool good = load_file(&l, &r, &why);
    if (good && r.end == LOAD_GONE)
        good = err_set(&why, ERR_NOT_FOUND, "the bytes of file '%.*s' are not there",
                       STR_FMT(file_id));
    if (good)
        return search_catch_up(in->search, e);
    struct doc_document doc = {.collection = collection,
                               .uri = file_id,
                               .file_id = file_id,
                               .name = filename,
                               .error_code = load_error_code(why.code)};
    struct err late; /* when the store is what is broken, it cannot note that */
    if (why.code != ERR_CANCELLED)
        doc_fail(in->db, &doc, str_from(why.msg), &late);
    if (e)
        *e = why;
    return false;
}

bool ingest_remove_file(struct ingest *in, struct str collection, struct str file_id, struct err *e)
{
    struct arena *a = arena_new();
    struct doc_document doc;
    bool good = doc_find_file(in->db, a, collection, file_id, &doc, e) &&
                doc_remove(in->db, doc.id, e) && search_catch_up(in->search, e);
    arena_free(a);
    return good;
}
