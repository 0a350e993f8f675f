#include "gateway/attach.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/utf8.h"
#include "gateway/ability.h"
#include "gateway/caller.h"
#include "gateway/chat_read.h"
#include "ingest/extract.h"
#include "run/fiber.h"
#include "run/work.h"
#include "run/work_json.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

enum {
    TEXT_MOST = 16 << 20, /* bytes of a document's text */
    READ_MS = 20000,      /* for one document */
    TURN_MS = 5,          /* between two looks whether it is one's turn */
    PDF_HEAD = 1024,      /* its mark stands somewhere in the first bytes */
};

static const struct str pdf_type = STR_INIT("application/pdf");

/* ---- What it is ---- */

struct str attach_image_type(struct str bytes)
{
    static const struct {
        struct str magic, type;
    } images[] = {
        {STR_INIT("\x89PNG\r\n\x1a\n"), STR_INIT("image/png")},
        {STR_INIT("\xff\xd8\xff"), STR_INIT("image/jpeg")},
        {STR_INIT("GIF87a"), STR_INIT("image/gif")},
        {STR_INIT("GIF89a"), STR_INIT("image/gif")},
    };
    for (size_t i = 0; i < COUNT(images); i++)
        if (str_starts(bytes, images[i].magic))
            return images[i].type;
    bool webp = str_starts(bytes, STR("RIFF")) && str_starts(str_from_at(bytes, 8), STR("WEBP"));
    return webp ? STR("image/webp") : STR_NONE;
}

static bool is_pdf(struct str bytes)
{
    return str_find(str_head(bytes, PDF_HEAD), STR("%PDF-")) != STR_NPOS;
}

static bool is_html(struct str filename)
{
    struct str extension = file_extension(filename);
    return str_ieq(extension, STR("html")) || str_ieq(extension, STR("htm")) ||
           str_ieq(extension, STR("xhtml"));
}

/* ---- Reading it, on a worker ---- */

struct reading {
    struct service *service;
    struct arena *a;
    const struct doc_file *file;
    bool pdf;   /* a PDF may stay one */
    bool image; /* nothing else will do */

    struct str media_type, data; /* base64; or, with data "", ... */
    struct str text;
    bool document; /* the sandbox has to read it */
    bool good;
    struct err e;
};

static bool read_bytes(struct reading *x, struct str *out)
{
    int fd;
    uint64_t n;
    if (!blob_read(x->service->blobs, x->file->id, &fd, &n, &x->e))
        return false;
    char *bytes = n > 0 && n <= ATTACH_MOST ? arena_bytes(x->a, (size_t)n) : NULL;
    size_t got = 0;
    while (bytes && got < n) {
        ssize_t piece = read(fd, bytes + got, (size_t)n - got);
        if (piece < 0 && errno == EINTR)
            continue;
        if (piece <= 0)
            break;
        got += (size_t)piece;
    }
    close(fd);
    *out = (struct str){bytes, got};
    if (n > ATTACH_MOST)
        return err_set(&x->e, ERR_INVALID, "it has more than the %d MB that a model is given",
                       ATTACH_MOST >> 20);
    return got == n || err_set(&x->e, ERR_IO, "the content of file '%.*s' is shorter than it was",
                               STR_FMT(x->file->id));
}

static bool encode(struct reading *x, struct str type, struct str bytes)
{
    struct buf b;
    buf_init(&b, bytes.len / 3 * 4 + 8);
    base64_encode(&b, bytes.p, bytes.len);
    x->media_type = type;
    x->data = arena_copy(x->a, buf_str(&b));
    buf_fini(&b);
    return true;
}

static bool take_bytes(struct reading *x)
{
    static const struct str mark = STR_INIT("\xef\xbb\xbf"); /* of byte order */
    struct str bytes;
    if (!read_bytes(x, &bytes))
        return false;
    struct str image = attach_image_type(bytes);
    if (image.len > 0)
        return encode(x, image, bytes);
    if (x->image)
        return err_set(&x->e, ERR_INVALID, "it is no image (PNG, JPEG, GIF or WebP)");
    if (is_pdf(bytes) && x->pdf)
        return encode(x, pdf_type, bytes);
    bool plain = !is_pdf(bytes) && !is_html(x->file->filename) && utf8_valid(bytes) &&
                 str_find_char(bytes, 0) == STR_NPOS;
    x->document = !plain;
    if (plain)
        x->text = str_starts(bytes, mark) ? str_from_at(bytes, mark.len) : bytes;
    return true;
}

static void open_file(void *arg)
{
    struct reading *x = arg;
    x->good = take_bytes(x);
}

static bool extract(struct reading *x)
{
    struct extract_document out;
    struct extract *reader = extract_open(&(struct extract_options){
        .reader_path = x->service->ingest.reader_path,
        .memory = x->service->ingest.reader_memory,
        .max_result = TEXT_MOST,
        .timeout_ms = READ_MS,
    });
    int fd;
    uint64_t n;
    bool good = blob_read(x->service->blobs, x->file->id, &fd, &n, &x->e);
    if (good) {
        good = extract_run(reader, fd, file_extension(x->file->filename), x->a, &out, &x->e);
        close(fd);
    }
    extract_close(reader);
    if (good)
        x->text = out.text;
    return good;
}

static void read_document(void *arg)
{
    struct reading *x = arg;
    x->good = extract(x);
}

static bool read_in_turn(struct reading *x)
{
    static atomic_flag busy = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
        if (!fiber_sleep(TURN_MS * INT64_C(1000000), &x->e))
            return false;
    work_run(read_document, x);
    atomic_flag_clear_explicit(&busy, memory_order_release);
    return x->good;
}

/* What is wrong with the file is wrong with the request; the rest is ours. */
static bool is_about_file(enum err_code code)
{
    return code == ERR_INVALID || code == ERR_MEDIA || code == ERR_TOO_LARGE ||
           code == ERR_TIMEOUT || code == ERR_LIMIT || code == ERR_CONTENT || code == ERR_NOT_FOUND;
}

/* ---- A file of ours ---- */

static bool find(struct request *r, struct str id, struct doc_file *f, struct err *e)
{
    return doc_file_find(r->service->db, r->call.early, request_tenant(r), id, f, e) &&
           caller_may_read_file(r, f, e);
}

/* The name that was asked for may be a collection: that is answered by the engine inside. */
static bool takes_pdf(const struct request *r)
{
    const struct config_model *m = config_model_find(r->config, r->call.req.model);
    return m && ability_known(&m->model, VENDOR_PDF);
}

/* The same file counts each time, as it is sent each time; so does the text of a document beside
 * its bytes, which may be few. */
static bool fits(struct request *r, size_t bytes, struct err *e)
{
    r->attached += bytes;
    if (r->n_attached > ATTACH_FILES_MOST)
        return err_set(e, ERR_INVALID, "a request names %d files at most", ATTACH_FILES_MOST);
    return r->attached <= ATTACH_ALL_MOST ||
           err_set(e, ERR_INVALID, "the files of a request have %d MB at most together",
                   ATTACH_ALL_MOST >> 20);
}

static bool load(struct request *r, const struct doc_file *f, bool image, struct reading *x)
{
    *x = (struct reading){
        .service = r->service, .a = r->call.early, .file = f, .pdf = takes_pdf(r), .image = image};
    r->n_attached++;
    if (!fits(r, (size_t)f->bytes, &x->e))
        return false;
    work_run(open_file, x);
    return x->good && (!x->document || (read_in_turn(x) && fits(r, x->text.len, &x->e)));
}

static bool tell(const struct member_at *at, struct err *why, struct str id, struct err *e)
{
    struct buf path;
    if (!is_about_file(why->code)) {
        *e = *why;
        return false;
    }
    buf_init(&path, 256);
    member_path(at, &path);
    err_param(e, why->code == ERR_NOT_FOUND ? ERR_NOT_FOUND : ERR_INVALID, buf_text(&path),
              "the file '%.*s' cannot be used: %s", STR_FMT(str_head(id, 64)), why->msg);
    buf_fini(&path);
    return false;
}

/* ---- Responses ---- */

bool attach_part(struct request *r, struct chat_part *p, const struct member_at *at, struct err *e)
{
    struct reading *x = arena_struct(r->call.early, struct reading);
    struct doc_file f;
    struct err why;
    if (!find(r, p->id, &f, &why))
        return tell(at, &why, p->id, e);
    if (!load(r, &f, p->kind == PART_IMAGE, x))
        return tell(at, &x->e, p->id, e);
    bool image = x->data.len > 0 && !str_eq(x->media_type, pdf_type);
    struct str name = p->name.len > 0 || p->kind == PART_IMAGE ? p->name : f.filename;
    *p = (struct chat_part){.kind = image ? PART_IMAGE : PART_FILE,
                            .name = image && p->kind == PART_FILE ? STR_NONE : name,
                            .media_type = x->data.len > 0 ? x->media_type : STR("text/plain"),
                            .data = x->data,
                            .text = x->text,
                            .cache = p->cache};
    return true;
}

/* ---- Chats ---- */

struct rewriting {
    struct request *r;
    struct buf b;
    struct str text; /* the body */
    size_t done;     /* of it */
};

static void put_content(struct json_writer *w, const struct doc_file *f, const struct reading *x)
{
    bool pdf = str_eq(x->media_type, pdf_type);
    json_object(w);
    if (x->data.len == 0) {
        json_kv_text(w, "type", "text");
        json_key(w, "text");
        json_put_raw(w, STR("\""));
        json_escape(w->out, f->filename);
        buf_add(w->out, STR("\\n\\n"));
        json_escape(w->out, x->text);
        buf_char(w->out, '"');
        json_end(w);
        return;
    }
    json_kv_text(w, "type", pdf ? "file" : "image_url");
    json_key(w, pdf ? "file" : "image_url");
    json_object(w);
    if (pdf)
        json_kv_str(w, "filename", f->filename);
    json_key(w, pdf ? "file_data" : "url");
    json_put_raw(w, STR("\"data:"));
    buf_add(w->out, x->media_type);
    buf_add(w->out, STR(";base64,"));
    buf_add(w->out, x->data); /* has nothing to escape */
    buf_char(w->out, '"');
    json_end(w);
    json_end(w);
}

/* The part's text in the body is left out, and what it stands for comes in its place. */
static bool replace(struct rewriting *t, struct json_value part, const struct member_at *at,
                    struct err *e)
{
    struct request *r = t->r;
    struct reading *x = arena_struct(r->call.early, struct reading);
    struct json_value file = json_get(part, "file");
    struct member_at at_file = member_at(at, STR("file")),
                     at_id = member_at(&at_file, STR("file_id"));
    struct str id = json_text(json_get(file, "file_id"), r->call.early), raw = json_raw(part);
    struct doc_file f;
    struct err why;
    struct json_writer w;
    if (!json_text_is(json_get(part, "type"), "file") || id.len == 0 ||
        body_given(json_get(file, "file_data")))
        return true;
    if (!find(r, id, &f, &why))
        return why.code == ERR_NOT_FOUND || tell(&at_id, &why, id, e);
    if (!load(r, &f, false, x))
        return tell(&at_id, &x->e, id, e);
    size_t from = (size_t)(raw.p - t->text.p);
    buf_add(&t->b, str_span(t->text.p + t->done, raw.p));
    json_begin(&w, &t->b);
    put_content(&w, &f, x);
    t->done = from + raw.len;
    return true;
}

static bool replace_all(struct rewriting *t, struct err *e)
{
    const struct chat_request *c = &t->r->call.req;
    const struct member_at list = member_at(NULL, STR("messages"));
    for (size_t i = 0; i < c->n_messages; i++) {
        struct json_value content = json_get(c->message[i].raw, "content");
        struct member_at message = member_item(&list, i), at = member_at(&message, STR("content"));
        size_t k = 0;
        if (!json_is(content, JSON_ARRAY))
            continue;
        json_each(it, content)
        {
            struct member_at here = member_item(&at, k++);
            if (!replace(t, it.value, &here, e))
                return false;
        }
    }
    return true;
}

bool attach_chat(struct request *r, struct err *e)
{
    struct rewriting t = {.r = r, .text = r->call.req.body.text};
    struct json doc;
    buf_init(&t.b, JSON_TEXT_MAX);
    bool good = replace_all(&t, e);
    if (!good || t.done == 0) {
        buf_fini(&t.b);
        return good;
    }
    buf_add(&t.b, str_from_at(t.text, t.done));
    good = buf_ok(&t.b) || err_set(e, ERR_TOO_LARGE, "the request is too large with its files");
    struct str body = good ? arena_copy(r->call.early, buf_str(&t.b)) : STR_NONE;
    buf_fini(&t.b);
    r->call.req = (struct chat_request){0};
    return good && work_json_parse(&doc, r->call.early, body, JSON_UNIQUE, e) &&
           chat_read(&r->call.req, &doc, r->call.early, e);
}
