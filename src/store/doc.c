/* Documents: found, listed, begun, put, failed, removed; and what all files behind doc.h share. */
#include "store/doc_row.h"
#include "base/clock.h"

static const char *const status_names[DOC_STATUS_COUNT] = {
    [DOC_ANY] = "",          [DOC_IN_PROGRESS] = "in_progress", [DOC_COMPLETED] = "completed",
    [DOC_FAILED] = "failed", [DOC_CANCELLED] = "cancelled",
};

const char *doc_status_name(enum doc_status s)
{
    return status_names[s];
}

/* ---- Shared ---- */

struct str doc_text(struct arena *a, struct db_rows *rows, int column)
{
    return arena_copy(a, db_text(rows, column));
}

struct texts_query {
    struct arena *a;
    const char *query;
    struct str *out;
    size_t n;
};

static bool texts_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct texts_query *q = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, q->query))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        q->out = arena_room(q->a, q->out, q->n, sizeof(*q->out));
        q->out[q->n++] = doc_text(q->a, rows, 0);
    }
    db_done(rows);
    return got == 0;
}

bool doc_texts(struct db *d, struct arena *a, const char *query, struct str **out, size_t *n,
               struct err *e)
{
    struct texts_query q = {.a = a, .query = query};
    if (!db_read(d, texts_tx, &q, e))
        return false;
    *out = q.out;
    *n = q.n;
    return true;
}

struct str doc_json(struct str object)
{
    return object.len ? object : STR("{}");
}

struct str doc_tenant(struct str tenant)
{
    return tenant.len ? tenant : STR("default");
}

bool doc_tenant_ensure(struct db_tx *tx, struct str tenant, struct err *e)
{
    return db_exec(tx, e,
                   "insert into tenants (id, name, created_s) values ($1, $2, $3)"
                   " on conflict (id) do nothing",
                   DB_TEXT(tenant), DB_TEXT(tenant), DB_INT(clock_wall_s()));
}

static bool cursor(struct db_tx *tx, const char *sql, struct str id, struct str tenant,
                   const char *param, int64_t *created_ms, struct err *e)
{
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, sql, DB_TEXT(id), DB_TEXT(tenant)))
        return false;
    int got = db_step(rows, e);
    *created_ms = got > 0 ? db_int(rows, 0) : 0;
    db_done(rows);
    return got > 0 || (got == 0 && err_param(e, ERR_NOT_FOUND, param, "there is no '%.*s'",
                                             STR_FMT(str_head(id, 64))));
}

static int64_t page_limit(uint32_t limit)
{
    return limit == 0 ? DOC_PAGE_DEFAULT : limit > DOC_PAGE_MAX ? DOC_PAGE_MAX : limit;
}

/* "after" is further down the list, so in an ascending list it is the lower bound. A page before an
 * id is the one that touches it: it is read from there backwards and turned round. */
bool doc_bounds_find(struct db_tx *tx, const struct doc_page *page, const char *sql,
                     struct str tenant, struct doc_bounds *out, struct err *e)
{
    struct str low = page->ascending ? page->after : page->before;
    struct str high = page->ascending ? page->before : page->after;
    *out = (struct doc_bounds){
        .low_ms = INT64_MIN,
        .high_ms = INT64_MAX,
        .low_id = low,
        .high_id = high,
        .limit = page_limit(page->limit) + 1,
        .reversed = page->before.len && !page->after.len,
    };
    out->ascending = page->ascending != out->reversed;
    const char *of_low = page->ascending ? "after" : "before";
    const char *of_high = page->ascending ? "before" : "after";
    return (!low.len || cursor(tx, sql, low, tenant, of_low, &out->low_ms, e)) &&
           (!high.len || cursor(tx, sql, high, tenant, of_high, &out->high_ms, e));
}

void doc_page_finish(void *array, size_t *n, size_t size, int64_t limit, bool reversed, bool *more)
{
    *more = (int64_t)*n >= limit;
    if (*more)
        --*n;
    char *p = array, swap[512];
    CHECK(size <= sizeof(swap));
    for (size_t i = 0; reversed && i < *n / 2; i++) {
        char *a = p + i * size, *b = p + (*n - 1 - i) * size;
        memcpy(swap, a, size);
        memcpy(a, b, size);
        memcpy(b, swap, size);
    }
}

/* ---- Reading ---- */

enum doc_status doc_status_of(struct str name)
{
    for (int s = DOC_ANY + 1; s < DOC_STATUS_COUNT; s++)
        if (str_eq(name, str_from(status_names[s])))
            return s;
    return DOC_FAILED;
}

void doc_read_document(struct arena *a, struct db_rows *rows, struct doc_document *out)
{
    *out = (struct doc_document){
        .id = db_int(rows, 0),
        .collection = doc_text(a, rows, 1),
        .uri = doc_text(a, rows, 2),
        .file_id = doc_text(a, rows, 3),
        .name = doc_text(a, rows, 4),
        .title = doc_text(a, rows, 5),
        .doc_type = doc_text(a, rows, 6),
        .language = doc_text(a, rows, 7),
        .author = doc_text(a, rows, 8),
        .content_hash = doc_text(a, rows, 9),
        .attributes = doc_text(a, rows, 10),
        .bytes = db_int(rows, 11),
        .mtime_ns = db_int(rows, 12),
        .last_updated_s = db_int(rows, 13),
        .version = (uint32_t)db_int(rows, 14),
        .status = doc_status_of(db_text(rows, 15)),
        .error = doc_text(a, rows, 16),
        .chunks = (uint32_t)db_int(rows, 17),
        .created_s = db_int(rows, 18),
        .updated_s = db_int(rows, 19),
        .chunk_tokens = (uint32_t)db_int(rows, 20),
        .chunk_overlap = (uint32_t)db_int(rows, 21),
        .error_code = doc_text(a, rows, 22),
        .access = doc_text(a, rows, 23),
    };
}

struct find {
    struct arena *a;
    const char *sql;
    struct str collection, name;
    int64_t id;
    struct doc_document *out;
};

/* $1 collection, $2 uri or file id, $3 document id; each statement uses its own. */
static bool find_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct find *f = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, f->sql, DB_TEXT(f->collection), DB_TEXT(f->name), DB_INT(f->id)))
        return false;
    int got = db_step(rows, e);
    if (got > 0)
        doc_read_document(f->a, rows, f->out);
    db_done(rows);
    if (got == 0 && f->id)
        return err_set(e, ERR_NOT_FOUND, "there is no document %lld", (long long)f->id);
    return got > 0 || (got == 0 && err_set(e, ERR_NOT_FOUND, "there is no document '%.*s'",
                                           STR_FMT(str_head(f->name, 200))));
}

bool doc_find(struct db *d, struct arena *a, struct str collection, struct str uri,
              struct doc_document *out, struct err *e)
{
    struct find f = {.a = a, .collection = collection, .name = uri, .out = out};
    f.sql = "select " DOC_COLUMNS " from documents where collection = $1 and uri = $2";
    return db_read(d, find_tx, &f, e);
}

bool doc_find_file(struct db *d, struct arena *a, struct str collection, struct str file_id,
                   struct doc_document *out, struct err *e)
{
    struct find f = {.a = a, .collection = collection, .name = file_id, .out = out};
    f.sql = "select " DOC_COLUMNS " from documents where collection = $1 and file_id = $2";
    return db_read(d, find_tx, &f, e);
}

bool doc_by_id(struct db *d, struct arena *a, int64_t document, struct doc_document *out,
               struct err *e)
{
    struct find f = {.a = a, .id = document, .out = out};
    f.sql = "select " DOC_COLUMNS " from documents where id = $3";
    return db_read(d, find_tx, &f, e);
}

struct list_query {
    struct arena *a;
    const struct doc_filter *f;
    struct doc_document *out;
    size_t n;
    bool more;
};

#define LIST                                                                                       \
    "select " DOC_COLUMNS " from documents where collection = $1 and id > $2 and id < $3"          \
    " and ($4 = '' or status = $4) and ($5 = 0 or file_id is not null)"                            \
    " and substr(uri, 1, length($6)) = $6"                                                         \
    " and ($8 = '' or id in (select document from file_batch_items where batch = $8)) "

static bool list_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct list_query *q = arg;
    const struct doc_filter *f = q->f;
    int64_t low = f->ascending ? f->after : f->before, high = f->ascending ? f->before : f->after;
    int64_t limit = page_limit(f->limit) + 1;
    bool reversed = f->before && !f->after;
    const char *sql =
        f->ascending != reversed ? LIST "order by id limit $7" : LIST "order by id desc limit $7";
    const char *status = f->status > DOC_ANY ? doc_status_name((enum doc_status)f->status) : "";
    struct db_rows *rows;
    q->n = 0;
    if (!db_query(tx, &rows, e, sql, DB_TEXT(f->collection), DB_INT(low),
                  DB_INT(high ? high : INT64_MAX), DB_TEXT(str_from(status)), DB_INT(f->files_only),
                  DB_TEXT(f->uri_prefix), DB_INT(f->reader ? INT64_MAX : limit), DB_TEXT(f->batch)))
        return false;
    int got = 0;
    while ((int64_t)q->n < limit && (got = db_step(rows, e)) > 0) {
        q->out = arena_room(q->a, q->out, q->n, sizeof(*q->out));
        doc_read_document(q->a, rows, &q->out[q->n]);
        q->n += doc_may_read(f->reader, q->out[q->n].access);
    }
    db_done(rows);
    doc_page_finish(q->out, &q->n, sizeof(*q->out), limit, reversed, &q->more);
    return got >= 0;
}

bool doc_list(struct db *d, struct arena *a, const struct doc_filter *f, struct doc_document **out,
              size_t *n, bool *more, struct err *e)
{
    struct list_query q = {.a = a, .f = f};
    if (!db_read(d, list_tx, &q, e))
        return false;
    *out = q.out;
    *n = q.n;
    if (more)
        *more = q.more;
    return true;
}

/* ---- Writing ---- */

struct change {
    struct doc_document *doc;
    const struct doc_chunk *chunk;
    size_t n;
    struct str error;
};

static bool collection_exists(struct db_tx *tx, struct str id, struct err *e)
{
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, "select 1 from collections where id = $1", DB_TEXT(id)))
        return false;
    int got = db_step(rows, e);
    db_done(rows);
    return got > 0 || (got == 0 && err_set(e, ERR_NOT_FOUND, "there is no collection '%.*s'",
                                           STR_FMT(str_head(id, 64))));
}

#define INSERT                                                                                     \
    "insert into documents (collection, uri, file_id, name, title, doc_type, language, author,"    \
    " content_hash, attributes, bytes, mtime_ns, last_updated_s, version, status, error, chunks,"  \
    " created_s, updated_s, chunk_tokens, chunk_overlap, error_code, access)"                      \
    " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,"    \
    " $18, $19, $20, $21, $22) on conflict (collection, uri) do update set "

/* A good version replaces everything but id, the time of creation, and, when it does not say who
 * may read it, that. */
static const char upsert_put[] =
    INSERT "file_id = excluded.file_id, name = excluded.name, title = excluded.title,"
           " doc_type = excluded.doc_type, language = excluded.language, author = excluded.author,"
           " content_hash = excluded.content_hash, attributes = case when excluded.file_id is null"
           " then excluded.attributes else documents.attributes end,"
           " bytes = excluded.bytes, mtime_ns = excluded.mtime_ns,"
           " last_updated_s = excluded.last_updated_s, version = documents.version + 1,"
           " status = excluded.status, error = excluded.error, chunks = excluded.chunks,"
           " updated_s = excluded.updated_s, error_code = excluded.error_code,"
           " access = case when excluded.access = '' then documents.access else excluded.access end"
           " returning id, version, chunks";
/* The others leave what the last good version said. */
static const char upsert_begin[] =
    INSERT "status = excluded.status, error = excluded.error, updated_s = excluded.updated_s,"
           " error_code = excluded.error_code returning id, version, chunks";
static const char upsert_begin_upload[] =
    INSERT "status = excluded.status, error = excluded.error, updated_s = excluded.updated_s,"
           " error_code = excluded.error_code, attributes = excluded.attributes,"
           " chunk_tokens = excluded.chunk_tokens, chunk_overlap = excluded.chunk_overlap,"
           " access = case when excluded.access = '' then documents.access else excluded.access end"
           " returning id, version, chunks";
static const char upsert_fail[] =
    INSERT "status = excluded.status, error = excluded.error, updated_s = excluded.updated_s,"
           " error_code = excluded.error_code, content_hash = excluded.content_hash"
           " returning id, version, chunks";

static bool upsert(struct db_tx *tx, const char *sql, struct doc_document *doc, size_t n_chunks,
                   enum doc_status status, struct str error, struct err *e)
{
    struct db_rows *rows;
    struct db_value file_id = doc->file_id.len ? DB_TEXT(doc->file_id) : DB_NULL;
    if (!collection_exists(tx, doc->collection, e) ||
        !db_query(tx, &rows, e, sql, DB_TEXT(doc->collection), DB_TEXT(doc->uri), file_id,
                  DB_TEXT(doc->name), DB_TEXT(doc->title), DB_TEXT(doc->doc_type),
                  DB_TEXT(doc->language), DB_TEXT(doc->author), DB_TEXT(doc->content_hash),
                  DB_TEXT(doc_json(doc->attributes)), DB_INT(doc->bytes), DB_INT(doc->mtime_ns),
                  DB_INT(doc->last_updated_s), DB_INT(status == DOC_COMPLETED),
                  DB_TEXT(str_from(doc_status_name(status))), DB_TEXT(error),
                  DB_INT((int64_t)n_chunks), DB_INT(clock_wall_s()), DB_INT(doc->chunk_tokens),
                  DB_INT(doc->chunk_overlap), DB_TEXT(doc->error_code), DB_TEXT(doc->access)))
        return false;
    int got = db_step(rows, e);
    if (got > 0) {
        doc->id = db_int(rows, 0);
        doc->version = (uint32_t)db_int(rows, 1);
        doc->chunks = (uint32_t)db_int(rows, 2);
        got = db_step(rows, e); /* to the end: only then is it written */
    }
    db_done(rows);
    return got == 0;
}

static bool insert_chunk(struct db_tx *tx, int64_t document, size_t idx, size_t total,
                         const struct doc_chunk *c, struct err *e)
{
    return db_exec(tx, e,
                   "insert into chunks (document, idx, total, text, section, page, line_start,"
                   " line_end, char_start, char_end, tokens, hash)"
                   " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                   DB_INT(document), DB_INT((int64_t)idx), DB_INT((int64_t)total), DB_TEXT(c->text),
                   DB_TEXT(c->section), DB_INT(c->page), DB_INT(c->line_start), DB_INT(c->line_end),
                   DB_INT((int64_t)c->char_start), DB_INT((int64_t)c->char_end), DB_INT(c->tokens),
                   DB_INT((int64_t)c->hash));
}

/* Of an uploaded file: is it still wanted? What was said of it since it was begun holds. */
static bool still_begun(struct db_tx *tx, struct doc_document *doc, struct err *e)
{
    struct db_rows *rows;
    if (!doc->file_id.len)
        return true;
    if (!db_query(tx, &rows, e,
                  "select 1 from documents where collection = $1 and uri = $2"
                  " and status = 'in_progress'",
                  DB_TEXT(doc->collection), DB_TEXT(doc->uri)))
        return false;
    int got = db_step(rows, e);
    db_done(rows);
    return got > 0 || (got == 0 && err_set(e, ERR_CANCELLED, "'%.*s' was cancelled or removed",
                                           STR_FMT(str_head(doc->uri, 64))));
}

static bool put_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct change *c = arg;
    if (!still_begun(tx, c->doc, e) ||
        !upsert(tx, upsert_put, c->doc, c->n, DOC_COMPLETED, STR_NONE, e) ||
        !db_exec(tx, e, "delete from chunks where document = $1", DB_INT(c->doc->id)))
        return false;
    for (size_t i = 0; i < c->n; i++)
        if (!insert_chunk(tx, c->doc->id, i, c->n, &c->chunk[i], e))
            return false;
    return db_change(tx, DB_DOCUMENT_ADDED, c->doc->collection, c->doc->id, e);
}

bool doc_put(struct db *d, struct doc_document *doc, const struct doc_chunk *chunk, size_t n,
             struct err *e)
{
    return db_write(d, put_tx, &(struct change){.doc = doc, .chunk = chunk, .n = n}, e);
}

bool doc_begin_tx(struct db_tx *tx, struct doc_document *doc, struct err *e)
{
    const char *sql = doc->file_id.len ? upsert_begin_upload : upsert_begin;
    if (!upsert(tx, sql, doc, 0, DOC_IN_PROGRESS, STR_NONE, e))
        return false;
    /* The version that is there has other attributes now, and perhaps other readers. */
    bool told = doc->file_id.len && doc->version;
    return !told || db_change(tx, DB_DOCUMENT_ADDED, doc->collection, doc->id, e);
}

static bool begin_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct change *c = arg;
    return doc_begin_tx(tx, c->doc, e);
}

bool doc_begin(struct db *d, struct doc_document *doc, struct err *e)
{
    return db_write(d, begin_tx, &(struct change){.doc = doc}, e);
}

static bool fail_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct change *c = arg;
    return still_begun(tx, c->doc, e) &&
           upsert(tx, upsert_fail, c->doc, 0, DOC_FAILED, c->error, e);
}

bool doc_fail(struct db *d, struct doc_document *doc, struct str error, struct err *e)
{
    return db_write(d, fail_tx, &(struct change){.doc = doc, .error = error}, e);
}

bool doc_remove_tx(struct db_tx *tx, struct str collection, int64_t document, struct err *e)
{
    return db_exec(tx, e, "delete from documents where id = $1", DB_INT(document)) &&
           db_change(tx, DB_DOCUMENT_REMOVED, collection, document, e);
}

static bool remove_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const int64_t *document = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, "select collection from documents where id = $1",
                  DB_INT(*document)))
        return false;
    int got = db_step(rows, e);
    bool good = got > 0 && doc_remove_tx(tx, db_text(rows, 0), *document, e);
    db_done(rows);
    return got ? good
               : err_set(e, ERR_NOT_FOUND, "there is no document %lld", (long long)*document);
}

bool doc_remove(struct db *d, int64_t document, struct err *e)
{
    return db_write(d, remove_tx, &document, e);
}

struct field_change {
    const char *sql; /* sets the field of document $2 to $1, and returns its collection */
    int64_t document;
    struct str value;
};

static bool set_field_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct field_change *c = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, c->sql, DB_TEXT(c->value), DB_INT(c->document)))
        return false;
    int got = db_step(rows, e);
    bool good = got > 0 && db_change(tx, DB_DOCUMENT_ADDED, db_text(rows, 0), c->document, e);
    if (good)
        good = db_step(rows, e) == 0; /* to the end: only then is it written */
    db_done(rows);
    return got ? good
               : err_set(e, ERR_NOT_FOUND, "there is no document %lld", (long long)c->document);
}

bool doc_set_attributes(struct db *d, int64_t document, struct str attributes, struct err *e)
{
    struct field_change c = {.sql = "update documents set attributes = $1 where id = $2"
                                    " returning collection",
                             .document = document,
                             .value = doc_json(attributes)};
    return db_write(d, set_field_tx, &c, e);
}

bool doc_set_access(struct db *d, int64_t document, struct str access, struct err *e)
{
    struct field_change c = {.sql = "update documents set access = $1 where id = $2"
                                    " returning collection",
                             .document = document,
                             .value = access};
    return db_write(d, set_field_tx, &c, e);
}
