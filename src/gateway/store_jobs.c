#include "gateway/store_jobs.h"
#include "gateway/caller.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/log.h"
#include "ingest/extract.h"

#include <signal.h>

/* How long a file waits after the store could not even note that it failed: a full disk. */
#define RETRY_FIRST (2 * NS_PER_S)
#define RETRY_MOST (60 * NS_PER_S)

struct job {
    struct list link;
    struct arena *arena;
    int64_t from_ns, pause_ns; /* not before; how long it waited last */
    struct str collection, file_id;
    struct ingest_chunking chunking; /* of the collection, for documents without their own */
};

struct reading_thread {
    struct store_jobs *jobs;
    struct extract *reader; /* under lock: NULL while there is nothing to do */
    pthread_t thread;
};

struct store_jobs {
    /* set once */
    struct service *service;
    struct reading_thread *thread; /* [n] */
    unsigned n;

    /* under lock */
    struct lock lock;
    struct cond wake;
    struct list waiting;
    bool stop;
};

/* ---- One file ---- */

static bool is_waiting(struct store_jobs *q, const struct job *j, struct doc_document *d)
{
    struct err e;
    if (doc_find_file(q->service->db, j->arena, j->collection, j->file_id, d, &e))
        return d->status == DOC_IN_PROGRESS;
    if (e.code != ERR_NOT_FOUND)
        log_error("ingest", kv("file", j->file_id), kv("error", e.msg));
    return false;
}

/* A document that cannot be read gets a row that says so from ingest itself, which also notes what
 * else went wrong, so that nobody polls for ever. False when it could not, as on a full disk: then
 * the file is read again later. */
static bool read_file(struct store_jobs *q, struct extract *reader, const struct job *j)
{
    struct service *s = q->service;
    struct doc_document d;
    const char *path;
    struct err e;
    if (!is_waiting(q, j, &d))
        return true;
    struct ingest_chunking chunking = j->chunking;
    if (d.chunk_tokens)
        chunking = (struct ingest_chunking){d.chunk_tokens, d.chunk_overlap};
    if (blob_path(s->blobs, j->arena, d.file_id, &path, &e) &&
        ingest_file(&s->ingest, reader, d.collection, d.file_id, d.name, path, &chunking, &e))
        return true;
    if (e.code == ERR_CANCELLED)
        return true;
    log_warn("ingest", kv("file", d.file_id), kv("error", e.msg));
    return !is_waiting(q, j, &d);
}

/* The first whose time has come; else *until is when the next one's will. */
static struct job *next_job(struct store_jobs *q, int64_t *until)
{
    int64_t now_ns = clock_now();
    *until = CLOCK_NEVER;
    list_each (node, &q->waiting) {
        struct job *j = list_entry(node, struct job, link);
        if (j->from_ns <= now_ns) {
            list_remove(&j->link);
            return j;
        }
        *until = j->from_ns < *until ? j->from_ns : *until;
    }
    return NULL;
}

static void put_off_locked(struct store_jobs *q, struct job *j)
{
    j->pause_ns = j->pause_ns ? j->pause_ns * 2 : RETRY_FIRST;
    j->pause_ns = j->pause_ns < RETRY_MOST ? j->pause_ns : RETRY_MOST;
    j->from_ns = clock_now() + j->pause_ns;
    list_add(&q->waiting, &j->link);
    cond_wake_one(&q->wake);
}

/* With the lock held, which it drops meanwhile. */
static void work_on(struct reading_thread *t, struct job *j)
{
    struct store_jobs *q = t->jobs;
    if (!t->reader)
        t->reader = ingest_reader(&q->service->ingest);
    lock_drop(&q->lock);
    bool done = read_file(q, t->reader, j);
    if (done)
        arena_free(j->arena);
    lock_take(&q->lock);
    if (!done)
        put_off_locked(q, j);
}

/* An idle service keeps no reader process. */
static void close_reader(struct reading_thread *t)
{
    struct extract *reader = t->reader;
    t->reader = NULL;
    lock_drop(&t->jobs->lock);
    extract_close(reader);
    lock_take(&t->jobs->lock);
}

static void *thread_main(void *arg)
{
    struct reading_thread *t = arg;
    struct store_jobs *q = t->jobs;
    lock_take(&q->lock);
    while (!q->stop) {
        int64_t until;
        struct job *j = next_job(q, &until);
        if (j)
            work_on(t, j);
        else if (t->reader)
            close_reader(t);
        else
            cond_wait(&q->wake, &q->lock, until);
    }
    if (t->reader)
        close_reader(t);
    lock_drop(&q->lock);
    return NULL;
}

/* ---- Posting ---- */

static void post(struct store_jobs *q, const struct doc_collection *c, struct str file_id)
{
    struct arena *a = arena_new();
    struct job *j = arena_struct(a, struct job);
    *j = (struct job){.arena = a,
                      .collection = arena_copy(a, c->id),
                      .file_id = arena_copy(a, file_id),
                      .chunking = {c->chunk_tokens, c->chunk_overlap}};
    lock_take(&q->lock);
    list_add(&q->waiting, &j->link);
    cond_wake_one(&q->wake);
    lock_drop(&q->lock);
}

bool store_jobs_document(struct request *r, const struct doc_collection *c, struct str file_id,
                         const char *param, struct doc_document *out, struct err *e)
{
    struct doc_file f;
    if (!doc_file_find(r->service->db, r->call.arena, request_tenant(r), file_id, &f, e) ||
        !caller_may_read_file(r, &f, e))
        return e->code == ERR_NOT_FOUND
                   ? err_param(e, ERR_NOT_FOUND, param, "there is no file '%.*s'",
                               STR_FMT(str_head(file_id, 80)))
                   : false;
    *out = (struct doc_document){
        .collection = c->id, .uri = f.id, .file_id = f.id, .name = f.filename, .bytes = f.bytes};
    return true;
}

void store_jobs_post(struct request *r, const struct doc_collection *c,
                     const struct doc_document *d, size_t n)
{
    for (size_t i = 0; i < n; i++)
        post(r->service->store_jobs, c, d[i].file_id);
}

/* ---- Start and end ---- */

static bool resume_collection(struct store_jobs *q, const struct doc_collection *c, struct arena *a,
                              struct err *e)
{
    struct doc_filter f = {.collection = c->id,
                           .status = DOC_IN_PROGRESS,
                           .files_only = true,
                           .limit = DOC_PAGE_MAX,
                           .ascending = true};
    bool more = true;
    while (more) {
        struct doc_document *list;
        size_t n;
        if (!doc_list(q->service->db, a, &f, &list, &n, &more, e))
            return false;
        for (size_t i = 0; i < n; i++) {
            post(q, c, list[i].file_id);
            f.after = list[i].id;
        }
    }
    return true;
}

static bool resume(struct store_jobs *q, struct err *e)
{
    const struct config_retrieval *r = &q->service->config->retrieval;
    struct arena *a = arena_new();
    struct doc_page page = {.limit = DOC_PAGE_MAX, .ascending = true};
    bool more = true, good = true;
    while (good && more) {
        struct doc_collection *list;
        size_t n;
        good = doc_collection_list(q->service->db, a, STR_NONE, &page, &list, &n, &more, e);
        for (size_t i = 0; good && i < n; i++) {
            page.after = list[i].id;
            if (!list[i].chunk_tokens) {
                list[i].chunk_tokens = (uint32_t)r->chunk_tokens;
                list[i].chunk_overlap = (uint32_t)r->chunk_overlap;
            }
            if (list[i].documents[DOC_IN_PROGRESS])
                good = resume_collection(q, &list[i], a, e);
        }
    }
    arena_free(a);
    return good;
}

static bool start_threads(struct store_jobs *q, struct err *e)
{
    unsigned most = ingest_threads(&q->service->ingest);
    sigset_t all, had;
    q->thread = mem_array(most, sizeof(*q->thread));
    sigfillset(&all); /* signals are for the threads that expect them */
    pthread_sigmask(SIG_BLOCK, &all, &had);
    for (; q->n < most; q->n++) {
        struct reading_thread *t = &q->thread[q->n];
        t->jobs = q;
        if (pthread_create(&t->thread, NULL, thread_main, t) != 0)
            break;
    }
    pthread_sigmask(SIG_SETMASK, &had, NULL);
    return q->n > 0 || err_set(e, ERR_UNAVAILABLE, "cannot start a thread to read files");
}

bool store_jobs_start(struct store_jobs **out, struct service *s, struct err *e)
{
    struct store_jobs *q = mem_new(sizeof(*q));
    q->service = s;
    lock_init(&q->lock);
    cond_init(&q->wake);
    list_init(&q->waiting);
    if (!resume(q, e) || !start_threads(q, e)) {
        store_jobs_stop(q);
        return false;
    }
    *out = q;
    return true;
}

void store_jobs_stop(struct store_jobs *q)
{
    if (!q)
        return;
    lock_take(&q->lock);
    q->stop = true;
    for (unsigned i = 0; i < q->n; i++)
        if (q->thread[i].reader)
            extract_cancel(q->thread[i].reader);
    cond_wake_all(&q->wake);
    lock_drop(&q->lock);
    for (unsigned i = 0; i < q->n; i++)
        pthread_join(q->thread[i].thread, NULL);
    list_each (node, &q->waiting)
        arena_free(list_entry(node, struct job, link)->arena);
    cond_fini(&q->wake);
    lock_fini(&q->lock);
    mem_free(q->thread);
    mem_free(q);
}
