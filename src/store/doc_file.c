/* Uploaded files, as rows; their bytes are blobs. */
#include "store/doc_row.h"
#include "base/clock.h"
#include "base/random.h"

#define COLUMNS "id, tenant, filename, purpose, status, sha256, bytes, created_ms, expires_s"

#define VALID "(expires_s = 0 or expires_s > "

static bool no_file(struct err *e, struct str id)
{
    return err_set(e, ERR_NOT_FOUND, "there is no file '%.*s'", STR_FMT(str_head(id, 64)));
}

struct str doc_file_id(struct arena *a)
{
    char id[RANDOM_ID_SIZE];
    random_id(id, "file-");
    return arena_copy(a, str_from(id));
}

static bool create_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct doc_file *f = arg;
    return doc_tenant_ensure(tx, f->tenant, e) &&
           db_exec(tx, e,
                   "insert into files (" COLUMNS ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                   DB_TEXT(f->id), DB_TEXT(f->tenant), DB_TEXT(f->filename), DB_TEXT(f->purpose),
                   DB_TEXT(f->status), DB_TEXT(f->sha256), DB_INT(f->bytes),
                   DB_INT(clock_wall_ms()), DB_INT(f->expires_s));
}

bool doc_file_create(struct db *d, struct doc_file *f, struct err *e)
{
    f->tenant = doc_tenant(f->tenant);
    f->created_s = clock_wall_s();
    return db_write(d, create_tx, f, e);
}

static void read_file(struct arena *a, struct db_rows *rows, struct doc_file *out)
{
    *out = (struct doc_file){
        .id = doc_text(a, rows, 0),
        .tenant = doc_text(a, rows, 1),
        .filename = doc_text(a, rows, 2),
        .purpose = doc_text(a, rows, 3),
        .status = doc_text(a, rows, 4),
        .sha256 = doc_text(a, rows, 5),
        .bytes = db_int(rows, 6),
        .created_s = db_int(rows, 7) / 1000,
        .expires_s = db_int(rows, 8),
    };
}

struct file_query {
    struct arena *a;
    struct str tenant, id, status, purpose;
    const struct doc_page *page;
    struct doc_file *out;
    size_t n;
    bool more;
};

static bool find_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct file_query *q = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e,
                  "select " COLUMNS " from files where id = $1 and tenant = $2 and " VALID "$3)",
                  DB_TEXT(q->id), DB_TEXT(q->tenant), DB_INT(clock_wall_s())))
        return false;
    int got = db_step(rows, e);
    if (got > 0)
        read_file(q->a, rows, q->out);
    db_done(rows);
    return got == 0 ? no_file(e, q->id) : got > 0;
}

bool doc_file_find(struct db *d, struct arena *a, struct str tenant, struct str id,
                   struct doc_file *out, struct err *e)
{
    struct file_query q = {.a = a, .tenant = doc_tenant(tenant), .id = id, .out = out};
    return db_read(d, find_tx, &q, e);
}

static bool set_status_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct file_query *q = arg;
    if (!db_exec(tx, e, "update files set status = $1 where id = $2", DB_TEXT(q->status),
                 DB_TEXT(q->id)))
        return false;
    return db_changed(tx) > 0 || no_file(e, q->id);
}

bool doc_file_set_status(struct db *d, struct str id, struct str status, struct err *e)
{
    return db_write(d, set_status_tx, &(struct file_query){.id = id, .status = status}, e);
}

/* Its documents go one by one, because each needs its change. */
static bool delete_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct file_query *q = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e,
                  "select d.collection, d.id from documents d join files f on f.id = d.file_id"
                  " where d.file_id = $1 and f.tenant = $2",
                  DB_TEXT(q->id), DB_TEXT(q->tenant)))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        if (!doc_remove_tx(tx, db_text(rows, 0), db_int(rows, 1), e)) {
            got = -1;
            break;
        }
    }
    db_done(rows);
    if (got < 0 || !db_exec(tx, e, "delete from files where id = $1 and tenant = $2",
                            DB_TEXT(q->id), DB_TEXT(q->tenant)))
        return false;
    return db_changed(tx) > 0 || no_file(e, q->id);
}

bool doc_file_delete(struct db *d, struct str tenant, struct str id, struct err *e)
{
    return db_write(d, delete_tx, &(struct file_query){.tenant = doc_tenant(tenant), .id = id}, e);
}

#define LIST                                                                                       \
    "select " COLUMNS " from files where tenant = $1 and ($2 = '' or purpose = $2)"                \
    " and (created_ms, id) > ($3, $4) and (created_ms, id) < ($5, $6) and " VALID "$8) "

static bool list_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct file_query *q = arg;
    struct doc_bounds b;
    struct db_rows *rows;
    q->n = 0;
    static const char place[] = "select created_ms from files where id = $1 and tenant = $2";
    if (!doc_bounds_find(tx, q->page, place, q->tenant, &b, e))
        return false;
    const char *sql = b.ascending ? LIST "order by created_ms, id limit $7"
                                  : LIST "order by created_ms desc, id desc limit $7";
    if (!db_query(tx, &rows, e, sql, DB_TEXT(q->tenant), DB_TEXT(q->purpose), DB_INT(b.low_ms),
                  DB_TEXT(b.low_id), DB_INT(b.high_ms), DB_TEXT(b.high_id),
                  DB_INT(q->page->reader ? INT64_MAX : b.limit), DB_INT(clock_wall_s())))
        return false;
    int got = 0;
    bool may = true, good = true;
    while (good && (int64_t)q->n < b.limit && (got = db_step(rows, e)) > 0) {
        q->out = arena_room(q->a, q->out, q->n, sizeof(*q->out));
        read_file(q->a, rows, &q->out[q->n]);
        good =
            !q->page->reader || doc_file_readable_tx(tx, q->page->reader, q->out[q->n].id, &may, e);
        q->n += may;
    }
    db_done(rows);
    doc_page_finish(q->out, &q->n, sizeof(*q->out), b.limit, b.reversed, &q->more);
    return good && got >= 0;
}

bool doc_file_list(struct db *d, struct arena *a, struct str tenant, struct str purpose,
                   const struct doc_page *page, struct doc_file **out, size_t *n, bool *more,
                   struct err *e)
{
    struct file_query q = {.a = a, .tenant = doc_tenant(tenant), .purpose = purpose, .page = page};
    if (!db_read(d, list_tx, &q, e))
        return false;
    *out = q.out;
    *n = q.n;
    if (more)
        *more = q.more;
    return true;
}

struct expired_query {
    struct arena *a;
    struct doc_expired *out;
    size_t n;
};

static bool expired_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct expired_query *q = arg;
    struct db_rows *rows;
    q->n = 0;
    if (!db_query(tx, &rows, e,
                  "select tenant, id from files where expires_s > 0 and expires_s <= $1 limit $2",
                  DB_INT(clock_wall_s()), DB_INT(DOC_PAGE_MAX)))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        q->out = arena_room(q->a, q->out, q->n, sizeof(*q->out));
        q->out[q->n++] = (struct doc_expired){doc_text(q->a, rows, 0), doc_text(q->a, rows, 1)};
    }
    db_done(rows);
    return got == 0;
}

bool doc_file_expired(struct db *d, struct arena *a, struct doc_expired **out, size_t *n,
                      struct err *e)
{
    struct expired_query q = {.a = a};
    if (!db_read(d, expired_tx, &q, e))
        return false;
    *out = q.out;
    *n = q.n;
    return true;
}

bool doc_file_ids(struct db *d, struct arena *a, struct str **out, size_t *n, struct err *e)
{
    return doc_texts(d, a, "select id from files", out, n, e);
}
