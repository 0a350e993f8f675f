#include "gateway/upload.h"
#include "base/clock.h"
#include "gateway/body.h"
#include "net/multipart.h"
#include "run/fiber.h"
#include "run/work.h"

enum { WINDOW = 256 << 10, SLOWEST = 16 /* bytes in a millisecond, on average */ };

/* ---- Steps for a worker ---- */

struct step {
    struct upload *upload;
    struct blob_store *blobs;
    uint64_t limit;
    struct str piece;
    bool good;
    struct err e;
};

static void begin(void *arg)
{
    struct step *s = arg;
    s->good = blob_begin(s->blobs, s->upload->id, s->limit, &s->upload->writer, &s->e);
}

static void write_piece(void *arg)
{
    struct step *s = arg;
    s->good = blob_write(s->upload->writer, s->piece, &s->e);
}

static void commit(void *arg)
{
    struct step *s = arg;
    s->good = blob_commit(s->upload->writer, s->upload->sha256, NULL, &s->e);
    s->upload->writer = NULL;
}

static void abandon(void *arg)
{
    blob_abort(arg);
}

static bool take(work_fn *fn, struct step *s, struct err *e)
{
    work_run(fn, s);
    if (!s->good)
        *e = s->e;
    return s->good;
}

/* ---- Parts ---- */

/* What is being read; errors are large, so it is no fiber's stack that holds it. */
struct reading {
    struct request *r;
    struct upload *u;
    struct multipart form;
    struct step step;
    struct buf value; /* of the field that is being read */
    bool in_file;
};

const struct str *upload_field(const struct upload *u, struct str name)
{
    for (size_t i = 0; i < u->n_fields; i++)
        if (str_eq(u->field[i].name, name))
            return &u->field[i].value;
    return NULL;
}

static bool begin_part(struct reading *g, const struct multipart_part *p, struct err *e)
{
    struct upload *u = g->u;
    g->in_file = str_eq(p->name, STR("file"));
    if (g->in_file ? u->has_file : upload_field(u, p->name) != NULL)
        return err_param(e, ERR_INVALID, body_path("%.*s", STR_FMT(str_head(p->name, 60))).text,
                         "the part '%.*s' is there twice", STR_FMT(str_head(p->name, 60)));
    if (g->in_file) {
        u->has_file = true;
        u->has_filename = p->has_filename;
        u->filename = p->filename;
        u->id = doc_file_id(g->r->call.arena);
        return take(begin, &g->step, e);
    }
    if (u->n_fields == UPLOAD_FIELDS)
        return err_set(e, ERR_LIMIT, "the form has more than %d parts", UPLOAD_FIELDS);
    buf_reset(&g->value);
    u->field[u->n_fields++] = (struct upload_field){.name = p->name};
    return true;
}

static bool add_content(struct reading *g, struct str piece, struct err *e)
{
    struct upload *u = g->u;
    if (g->in_file) {
        u->bytes += piece.len;
        g->step.piece = piece;
        return take(write_piece, &g->step, e);
    }
    struct upload_field *f = &u->field[u->n_fields - 1];
    if (!buf_add(&g->value, piece))
        return err_param(e, ERR_TOO_LARGE, body_path("%.*s", STR_FMT(str_head(f->name, 60))).text,
                         "the part '%.*s' has more than %d bytes", STR_FMT(str_head(f->name, 60)),
                         UPLOAD_VALUE);
    f->value = arena_copy(g->r->call.arena, buf_str(&g->value));
    return true;
}

static bool read_parts(struct reading *g, char *window, struct err *e)
{
    struct multipart_part part;
    struct str in = {window, 0};
    bool whole = false;
    for (;;) {
        switch (multipart_next(&g->form, &in, whole, &part, e)) {
        case MULTIPART_BAD: return false;
        case MULTIPART_END: return true;
        case MULTIPART_PART:
            if (!begin_part(g, &part, e))
                return false;
            break;
        case MULTIPART_CONTENT:
            if (!add_content(g, part.content, e))
                return false;
            break;
        case MULTIPART_MORE: {
            memmove(window, in.p, in.len);
            ssize_t n = http_request_read(g->r->http, window + in.len, WINDOW - in.len, e);
            if (n < 0)
                return false;
            whole = n == 0;
            in = (struct str){window, in.len + (size_t)n};
        }
        }
    }
}

bool upload_read(struct request *r, struct upload *u, struct err *e)
{
    struct reading *g = arena_struct(r->http->early, struct reading);
    struct str type;
    uint64_t limit = (uint64_t)r->config->ingest.file_bytes;
    *u = (struct upload){0};
    *g = (struct reading){.r = r, .u = u};
    g->step = (struct step){.upload = u, .blobs = r->service->blobs, .limit = limit};
    if (!http_header_get(&r->http->head.headers, STR("Content-Type"), &type))
        return err_set(e, ERR_MEDIA, "the content type must be multipart/form-data");
    if (!multipart_begin(&g->form, type, r->call.arena, e))
        return false;
    /* A large file may take longer than an answer may. */
    fiber_deadline(clock_after(r->call.deadline_ns, (int64_t)(limit / SLOWEST)));
    buf_init(&g->value, UPLOAD_VALUE);
    bool good = read_parts(g, arena_bytes(r->http->early, WINDOW), e);
    buf_fini(&g->value);
    return good;
}

bool upload_commit(struct upload *u, struct err *e)
{
    struct step s = {.upload = u};
    u->committed = take(commit, &s, e);
    return u->committed;
}

void upload_end(struct upload *u)
{
    if (u->writer)
        work_run(abandon, u->writer);
    u->writer = NULL;
}
