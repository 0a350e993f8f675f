/* files_api.c - /v1/files: upload, list, read back, delete.
 *
 * The bytes are a blob under an id of ours; the client's file name is data and never a path.
 */
#include "gateway/routes.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/body.h"
#include "gateway/caller.h"
#include "gateway/upload.h"
#include "run/work.h"

#include <unistd.h>

enum { LIST_MAX = 64 << 20 };
enum { EXPIRY_LEAST_S = 3600, EXPIRY_MOST_S = 30 * 86400 };

static const char *const purposes[] = {"assistants", "batch",     "fine-tune",
                                       "vision",     "user_data", "evals"};

static void put_file(struct json_writer *w, const struct doc_file *f)
{
    json_object(w);
    json_kv_str(w, "id", f->id);
    json_kv_text(w, "object", "file");
    json_kv_int(w, "bytes", f->bytes);
    json_kv_int(w, "created_at", f->created_s);
    json_kv_str(w, "filename", f->filename);
    json_kv_str(w, "purpose", f->purpose);
    json_kv_str(w, "status", f->status);
    if (f->expires_s)
        json_kv_int(w, "expires_at", f->expires_s);
    json_end(w);
}

static bool reply_file(struct request *r, const struct doc_file *f, struct err *e)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 1 << 20);
    json_begin(&w, &b);
    put_file(&w, f);
    return reply_json(r, 200, &b, e);
}

/* ---- The bytes, on a worker ---- */

struct blob_job {
    struct service *service;
    struct str id;
    int fd;
    uint64_t bytes;
    bool good;
    struct err e;
};

static void delete_blob(void *arg)
{
    struct blob_job *o = arg;
    o->good = blob_delete(o->service->blobs, o->id, &o->e);
}

/* ---- Upload ---- */

static bool check_upload(const struct upload *u, struct err *e)
{
    const struct str *purpose = upload_field(u, STR("purpose"));
    if (!u->has_file || !u->has_filename || !u->filename.len)
        return err_param(e, ERR_MISSING, "file", "the part 'file' with a file name is missing");
    if (!u->bytes)
        return err_param(e, ERR_INVALID, "file", "the file '%.*s' is empty",
                         STR_FMT(str_head(u->filename, 100)));
    if (!purpose)
        return err_param(e, ERR_MISSING, "purpose", "the part 'purpose' is missing");
    for (size_t i = 0; i < COUNT(purposes); i++)
        if (str_eq(*purpose, str_from(purposes[i])))
            return true;
    return err_param(e, ERR_INVALID, "purpose", "the purpose '%.*s' is unknown",
                     STR_FMT(str_head(*purpose, 40)));
}

static bool check_fields(const struct upload *u, struct err *e)
{
    static const struct str known[] = {STR_INIT("purpose"), STR_INIT("expires_after[anchor]"),
                                       STR_INIT("expires_after[seconds]")};
    for (size_t i = 0; i < u->n_fields; i++) {
        struct str name = str_head(u->field[i].name, 60);
        size_t k = 0;
        while (k < COUNT(known) && !str_eq(u->field[i].name, known[k]))
            k++;
        if (k == COUNT(known))
            return err_param(e, ERR_INVALID, body_path("%.*s", STR_FMT(name)).text,
                             "there is no parameter '%.*s' here", STR_FMT(name));
    }
    return true;
}

/* expires_after[anchor] and expires_after[seconds], both or none. */
static bool take_expiry(const struct upload *u, int64_t *expires_s, struct err *e)
{
    const struct str *anchor = upload_field(u, STR("expires_after[anchor]"));
    const struct str *after = upload_field(u, STR("expires_after[seconds]"));
    int64_t seconds;
    if (!anchor && !after)
        return true;
    if (!anchor || !str_eq(*anchor, STR("created_at")))
        return err_param(e, ERR_INVALID, "expires_after[anchor]",
                         "'expires_after[anchor]' must be created_at");
    if (!after || !str_to_i64(*after, &seconds) || seconds < EXPIRY_LEAST_S ||
        seconds > EXPIRY_MOST_S)
        return err_param(e, ERR_INVALID, "expires_after[seconds]",
                         "'expires_after[seconds]' must be a whole number from %d to %d",
                         EXPIRY_LEAST_S, EXPIRY_MOST_S);
    *expires_s = clock_wall_s() + seconds;
    return true;
}

static bool store_upload(struct request *r, struct upload *u, struct doc_file *f, struct err *e)
{
    *f = (struct doc_file){.tenant = request_tenant(r), .status = STR("processed")};
    if (!upload_read(r, u, e) || !check_upload(u, e) || !check_fields(u, e) ||
        !take_expiry(u, &f->expires_s, e) || !upload_commit(u, e))
        return false;
    f->id = u->id;
    f->filename = u->filename;
    f->purpose = *upload_field(u, STR("purpose"));
    f->sha256 = str_from(u->sha256);
    f->bytes = (int64_t)u->bytes;
    return doc_file_create(r->service->db, f, e);
}

/* A blob without its row would stay for ever. */
static void delete_orphan(struct request *r, const struct upload *u)
{
    struct blob_job j = {.service = r->service, .id = u->id};
    work_run(delete_blob, &j);
    if (!j.good && j.e.code != ERR_NOT_FOUND)
        log_warn("upload", kv("file", u->id), kv("error", j.e.msg));
}

bool files_create(struct request *r, struct err *e)
{
    struct upload *u = arena_struct(r->call.arena, struct upload);
    struct doc_file f;
    bool good = store_upload(r, u, &f, e);
    upload_end(u);
    if (!good && u->committed)
        delete_orphan(r, u);
    return good && reply_file(r, &f, e);
}

/* ---- Reading ---- */

static bool find_file(struct request *r, struct doc_file *f, struct err *e)
{
    return doc_file_find(r->service->db, r->call.arena, request_tenant(r), r->param[0], f, e) &&
           caller_may_read_file(r, f, e);
}

bool files_get(struct request *r, struct err *e)
{
    struct doc_file f;
    return find_file(r, &f, e) && reply_file(r, &f, e);
}

bool files_list(struct request *r, struct err *e)
{
    struct doc_page page;
    struct doc_file *list;
    struct str purpose = STR_NONE;
    size_t n;
    bool more;
    http_query_get(r->http->query, r->call.arena, STR("purpose"), &purpose);
    if (!request_page(r, &page, e))
        return false;
    page.reader = caller_reader(r);
    if (!doc_file_list(r->service->db, r->call.arena, request_tenant(r), purpose, &page, &list, &n,
                       &more, e))
        return false;
    struct buf b;
    struct json_writer w;
    buf_init(&b, LIST_MAX);
    json_begin(&w, &b);
    reply_list_begin(&w);
    for (size_t i = 0; i < n; i++)
        put_file(&w, &list[i]);
    reply_list_end(&w, n ? list[0].id : STR_NONE, n ? list[n - 1].id : STR_NONE, more);
    return reply_json(r, 200, &b, e);
}

struct reading {
    int fd;
    char *to;
    size_t n;
    ssize_t got;
};

static void read_piece(void *arg)
{
    struct reading *d = arg;
    d->got = read(d->fd, d->to, d->n);
}

static bool send_content(struct request *r, int fd, uint64_t bytes, struct err *e)
{
    enum { PIECE = 64 << 10 };
    struct reading *d = arena_struct(r->call.arena, struct reading);
    *d = (struct reading){.fd = fd, .to = arena_bytes(r->call.arena, PIECE), .n = PIECE};
    for (uint64_t sent = 0; sent < bytes; sent += (uint64_t)d->got) {
        work_run(read_piece, d);
        if (d->got <= 0)
            return err_set(e, ERR_IO, "the content of file '%.*s' is shorter than it was",
                           STR_FMT(r->param[0]));
        struct str piece = {d->to, (size_t)d->got};
        if (!http_reply_write(r->http, &piece, 1, e))
            return false;
    }
    return http_reply_end(r->http, NULL, 0, e);
}

static void open_blob(void *arg)
{
    struct blob_job *o = arg;
    o->good = blob_read(o->service->blobs, o->id, &o->fd, &o->bytes, &o->e);
}

bool files_content(struct request *r, struct err *e)
{
    struct doc_file f;
    struct blob_job o = {.service = r->service, .id = r->param[0]};
    if (!find_file(r, &f, e))
        return false;
    work_run(open_blob, &o);
    if (!o.good) {
        *e = o.e;
        return false;
    }
    /* Never as something that a browser would run. */
    struct http_header h[REPLY_HEADERS + 2];
    size_t n = reply_headers(r, "application/octet-stream", h);
    h[n++] = (struct http_header){STR("Content-Disposition"), STR("attachment")};
    h[n++] = (struct http_header){STR("X-Content-Type-Options"), STR("nosniff")};
    bool sent = http_reply_start(r->http, 200, h, n, e) && send_content(r, o.fd, o.bytes, e);
    close(o.fd);
    if (!sent)
        http_reply_abort(r->http);
    return sent;
}

/* ---- Deleting ---- */

bool files_delete(struct request *r, struct err *e)
{
    struct blob_job o = {.service = r->service, .id = r->param[0]};
    if (!doc_file_delete(r->service->db, request_tenant(r), r->param[0], e) ||
        !search_catch_up(r->service->search, e))
        return false;
    work_run(delete_blob, &o);
    if (!o.good && o.e.code != ERR_NOT_FOUND) {
        *e = o.e;
        return false;
    }
    return reply_deleted(r, r->param[0], "file", e);
}
