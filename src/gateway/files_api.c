/* files_api.c - /v1/files: upload, list, read back, delete.
 *
 * The bytes are a blob under an id of ours; the client's file name is data and never a path.
 */
#include "gateway/routes.h"
#include "base/clock.h"
#include "gateway/body.h"
#include "net/multipart.h"
#include "run/work.h"

#include <unistd.h>

enum { PARTS_MAX = 16, LIST_MAX = 64 << 20 };
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

/* ---- Upload ---- */

struct upload {
    struct service *service;
    struct str id, content;
    uint64_t limit;
    char sha256[65];
    uint64_t bytes;
    bool good;
    struct err e;
};

static void store_blob(void *arg)
{
    struct upload *u = arg;
    struct blob_writer *w;
    if (!blob_begin(u->service->blobs, u->id, u->limit, &w, &u->e))
        return;
    if (!blob_write(w, u->content, &u->e)) {
        blob_abort(w);
        return;
    }
    u->good = blob_commit(w, u->sha256, &u->bytes, &u->e);
}

static const struct multipart_part *part_named(const struct multipart_part *part, size_t n,
                                               struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(part[i].name, name))
            return &part[i];
    return NULL;
}

static bool check_upload(const struct multipart_part *file, const struct multipart_part *purpose,
                         struct err *e)
{
    if (!file || !file->has_filename || !file->filename.len)
        return err_param(e, ERR_MISSING, "file", "the part 'file' with a file name is missing");
    if (!file->content.len)
        return err_param(e, ERR_INVALID, "file", "the file '%.*s' is empty",
                         STR_FMT(str_head(file->filename, 100)));
    if (!purpose)
        return err_param(e, ERR_MISSING, "purpose", "the part 'purpose' is missing");
    for (size_t i = 0; i < COUNT(purposes); i++)
        if (str_eq(purpose->content, str_from(purposes[i])))
            return true;
    return err_param(e, ERR_INVALID, "purpose", "the purpose '%.*s' is unknown",
                     STR_FMT(str_head(purpose->content, 40)));
}

/* expires_after[anchor] and expires_after[seconds], both or none. */
static bool take_expiry(const struct multipart_part *part, size_t n, int64_t *expires_s,
                        struct err *e)
{
    const struct multipart_part *anchor = part_named(part, n, STR("expires_after[anchor]"));
    const struct multipart_part *after = part_named(part, n, STR("expires_after[seconds]"));
    int64_t seconds;
    if (!anchor && !after)
        return true;
    if (!anchor || !str_eq(anchor->content, STR("created_at")))
        return err_param(e, ERR_INVALID, "expires_after[anchor]",
                         "'expires_after[anchor]' must be created_at");
    if (!after || !str_to_i64(after->content, &seconds) || seconds < EXPIRY_LEAST_S ||
        seconds > EXPIRY_MOST_S)
        return err_param(e, ERR_INVALID, "expires_after[seconds]",
                         "'expires_after[seconds]' must be a whole number from %d to %d",
                         EXPIRY_LEAST_S, EXPIRY_MOST_S);
    *expires_s = clock_wall_s() + seconds;
    return true;
}

static bool check_parts(const struct multipart_part *part, size_t n, struct err *e)
{
    static const struct str known[] = {STR_INIT("file"), STR_INIT("purpose"),
                                       STR_INIT("expires_after[anchor]"),
                                       STR_INIT("expires_after[seconds]")};
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < COUNT(known) && !str_eq(part[i].name, known[k]))
            k++;
        const char *name = k < COUNT(known) ? known[k].p : "";
        if (k == COUNT(known))
            return err_param(
                e, ERR_INVALID, body_path("%.*s", STR_FMT(str_head(part[i].name, 60))).text,
                "there is no parameter '%.*s' here", STR_FMT(str_head(part[i].name, 60)));
        if (part_named(part, i, part[i].name))
            return err_param(e, ERR_INVALID, name, "the part '%s' is there twice", name);
    }
    return true;
}

bool files_create(struct request *r, struct err *e)
{
    struct multipart_part part[PARTS_MAX];
    struct str type, body;
    size_t n;
    if (!http_header_get(&r->http->head.headers, STR("Content-Type"), &type))
        return err_set(e, ERR_MEDIA, "the content type must be multipart/form-data");
    if (!http_request_body(r->http, &body, e) ||
        !multipart_parse(type, body, r->call.arena, part, PARTS_MAX, &n, e))
        return false;
    const struct multipart_part *file = part_named(part, n, STR("file"));
    const struct multipart_part *purpose = part_named(part, n, STR("purpose"));
    int64_t expires_s = 0;
    if (!check_upload(file, purpose, e) || !check_parts(part, n, e) ||
        !take_expiry(part, n, &expires_s, e))
        return false;

    struct upload *u = arena_struct(r->call.arena, struct upload);
    *u = (struct upload){.service = r->service,
                         .id = doc_file_id(r->call.arena),
                         .content = file->content,
                         .limit = (uint64_t)r->config->ingest.file_bytes};
    work_run(store_blob, u);
    if (!u->good) {
        *e = u->e;
        return false;
    }
    struct doc_file f = {.id = u->id,
                         .tenant = request_tenant(r),
                         .filename = file->filename,
                         .purpose = purpose->content,
                         .status = STR("processed"),
                         .sha256 = str_from(u->sha256),
                         .expires_s = expires_s,
                         .bytes = (int64_t)u->bytes};
    return doc_file_create(r->service->db, &f, e) && reply_file(r, &f, e);
}

/* ---- Reading ---- */

static bool find_file(struct request *r, struct doc_file *f, struct err *e)
{
    return doc_file_find(r->service->db, r->call.arena, request_tenant(r), r->param[0], f, e);
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
    if (!request_page(r, &page, e) ||
        !doc_file_list(r->service->db, r->call.arena, request_tenant(r), purpose, &page, &list, &n,
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

struct opening {
    struct service *service;
    struct str id;
    int fd;
    uint64_t bytes;
    bool good;
    struct err e;
};

static void open_blob(void *arg)
{
    struct opening *o = arg;
    o->good = blob_read(o->service->blobs, o->id, &o->fd, &o->bytes, &o->e);
}

bool files_content(struct request *r, struct err *e)
{
    struct doc_file f;
    struct opening o = {.service = r->service, .id = r->param[0]};
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

static void delete_blob(void *arg)
{
    struct opening *o = arg;
    o->good = blob_delete(o->service->blobs, o->id, &o->e);
}

bool files_delete(struct request *r, struct err *e)
{
    struct opening o = {.service = r->service, .id = r->param[0]};
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
