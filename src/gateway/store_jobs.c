#include "gateway/store_jobs.h"
#include "base/log.h"
#include "run/work.h"

/* What the background job needs; its own memory, as the request ends before it. */
struct job {
    struct service *service;
    struct doc_document doc;
    const char *path;
    struct ingest_chunking chunking;
    struct arena *arena;
};

/* A document that cannot be read gets a row that says so from ingest itself; what else can go wrong
 * (a full disk) is noted here, so that nobody polls for ever. */
static void run_job(void *arg)
{
    struct job *j = arg;
    const struct doc_document *d = &j->doc;
    struct err e, also;
    if (!ingest_file(&j->service->ingest, d->collection, d->file_id, d->name, j->path,
                     d->attributes, &j->chunking, &e)) {
        log_warn("ingest", kv("file", d->file_id), kv("error", e.msg));
        if (!doc_fail(j->service->db, &j->doc, str_from(e.msg), &also))
            log_error("ingest", kv("file", d->file_id), kv("error", also.msg));
    }
    arena_free(j->arena);
}

/* Hands a document that has been begun to a worker. */
static bool start_job(struct service *s, const struct doc_document *d,
                      const struct doc_collection *c, struct err *e)
{
    struct arena *a = arena_new();
    struct job *j = arena_struct(a, struct job);
    *j = (struct job){.service = s,
                      .doc = {.collection = arena_copy(a, d->collection),
                              .uri = arena_copy(a, d->uri),
                              .file_id = arena_copy(a, d->file_id),
                              .name = arena_copy(a, d->name),
                              .attributes = arena_copy(a, d->attributes),
                              .bytes = d->bytes},
                      .chunking = {c->chunk_tokens, c->chunk_overlap},
                      .arena = a};
    if (!blob_path(s->blobs, a, j->doc.file_id, &j->path, e)) {
        arena_free(a);
        return false;
    }
    work_post(run_job, j);
    return true;
}

bool store_jobs_add(struct request *r, const struct doc_collection *c, struct str file_id,
                    struct str attributes, struct err *e)
{
    struct doc_file f;
    if (!doc_file_find(r->service->db, r->call.arena, request_tenant(r), file_id, &f, e))
        return e->code == ERR_NOT_FOUND
                   ? err_param(e, ERR_NOT_FOUND, "file_id", "there is no file '%.*s'",
                               STR_FMT(str_head(file_id, 80)))
                   : false;
    struct doc_document d = {.collection = c->id,
                             .uri = f.id,
                             .file_id = f.id,
                             .name = f.filename,
                             .attributes = attributes,
                             .bytes = f.bytes};
    return doc_begin(r->service->db, &d, e) && start_job(r->service, &d, c, e);
}

static bool resume_collection(struct service *s, const struct doc_collection *c, struct arena *a,
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
        if (!doc_list(s->db, a, &f, &list, &n, &more, e))
            return false;
        for (size_t i = 0; i < n; i++) {
            if (!start_job(s, &list[i], c, e))
                return false;
            f.after = list[i].id;
        }
    }
    return true;
}

bool store_jobs_resume(struct service *s, struct err *e)
{
    struct arena *a = arena_new();
    struct doc_page page = {.limit = DOC_PAGE_MAX, .ascending = true};
    bool more = true, good = true;
    while (good && more) {
        struct doc_collection *list;
        size_t n;
        good = doc_collection_list(s->db, a, STR_NONE, &page, &list, &n, &more, e);
        for (size_t i = 0; good && i < n; i++) {
            page.after = list[i].id;
            if (list[i].documents[DOC_IN_PROGRESS])
                good = resume_collection(s, &list[i], a, e);
        }
    }
    arena_free(a);
    return good;
}
