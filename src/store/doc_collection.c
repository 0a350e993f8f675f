/* Collections: made, found, changed, listed, and gone when their time has come. */
#include "store/doc_row.h"
#include "base/clock.h"
#include "base/random.h"

enum { DAY_S = 86400, TOUCH_S = 60 };

#define COLUMNS                                                                                    \
    "id, tenant, name, metadata, chunk_tokens, chunk_overlap, expires_days, created_ms,"           \
    " last_active_s, expires_s, description, keywords"

static bool no_collection(struct err *e, struct str id)
{
    return err_set(e, ERR_NOT_FOUND, "there is no collection '%.*s'", STR_FMT(str_head(id, 64)));
}

static int64_t expiry(uint32_t days, int64_t last_active_s)
{
    return days ? last_active_s + (int64_t)days * DAY_S : 0;
}

static void read_collection(struct arena *a, struct db_rows *rows, struct doc_collection *out)
{
    *out = (struct doc_collection){
        .id = doc_text(a, rows, 0),
        .tenant = doc_text(a, rows, 1),
        .name = doc_text(a, rows, 2),
        .metadata = doc_text(a, rows, 3),
        .chunk_tokens = (uint32_t)db_int(rows, 4),
        .chunk_overlap = (uint32_t)db_int(rows, 5),
        .expires_days = (uint32_t)db_int(rows, 6),
        .created_s = db_int(rows, 7) / 1000,
        .last_active_s = db_int(rows, 8),
        .expires_s = db_int(rows, 9),
        .description = doc_text(a, rows, 10),
        .keywords = doc_text(a, rows, 11),
    };
    out->expired = out->expires_s > 0 && out->expires_s <= clock_wall_s();
}

static bool count_documents(struct db_tx *tx, struct doc_collection *c, struct err *e)
{
    struct db_rows *rows;
    if (!db_query(tx, &rows, e,
                  "select status, count(*), sum(bytes), sum(chunks) from documents"
                  " where collection = $1 group by status",
                  DB_TEXT(c->id)))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        for (int s = DOC_ANY + 1; s < DOC_STATUS_COUNT; s++)
            if (str_eq(db_text(rows, 0), str_from(doc_status_name(s))))
                c->documents[s] = (uint64_t)db_int(rows, 1);
        c->documents[DOC_ANY] += (uint64_t)db_int(rows, 1);
        c->bytes += (uint64_t)db_int(rows, 2);
        c->chunks += (uint64_t)db_int(rows, 3);
    }
    db_done(rows);
    return got == 0;
}

/* ---- Finding ---- */

struct find {
    struct arena *a;
    const char *sql;
    struct str tenant, key;
    struct doc_collection *out;
    struct doc_collection *made; /* by ensure, when there is none */
};

/* $3 is the time; of the two statements only one uses it. */
static bool find_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct find *f = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, f->sql, DB_TEXT(f->tenant), DB_TEXT(f->key),
                  DB_INT(clock_wall_s())))
        return false;
    int got = db_step(rows, e);
    if (got > 0 && f->out)
        read_collection(f->a, rows, f->out);
    db_done(rows);
    if (got == 0)
        return no_collection(e, f->key);
    return got > 0 && (!f->out || count_documents(tx, f->out, e));
}

static const char by_id[] = "select " COLUMNS " from collections where tenant = $1 and id = $2";
static const char by_name[] =
    "select " COLUMNS " from collections where tenant = $1 and name = $2 and name <> ''"
    " and (expires_s = 0 or expires_s > $3) order by created_ms, id limit 1";

bool doc_collection_find(struct db *d, struct arena *a, struct str tenant, struct str id,
                         struct doc_collection *out, struct err *e)
{
    struct find f = {a, by_id, doc_tenant(tenant), id, out};
    return db_read(d, find_tx, &f, e);
}

bool doc_collection_by_name(struct db *d, struct arena *a, struct str tenant, struct str name,
                            struct doc_collection *out, struct err *e)
{
    struct find f = {a, by_name, doc_tenant(tenant), name, out};
    return db_read(d, find_tx, &f, e);
}

/* ---- Creating and changing ---- */

static bool create_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct doc_collection *c = arg;
    return doc_tenant_ensure(tx, c->tenant, e) &&
           db_exec(tx, e,
                   "insert into collections (" COLUMNS ")"
                   " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                   DB_TEXT(c->id), DB_TEXT(c->tenant), DB_TEXT(c->name), DB_TEXT(c->metadata),
                   DB_INT(c->chunk_tokens), DB_INT(c->chunk_overlap), DB_INT(c->expires_days),
                   DB_INT(clock_wall_ms()), DB_INT(c->last_active_s), DB_INT(c->expires_s),
                   DB_TEXT(c->description), DB_TEXT(c->keywords));
}

static void prepare(struct arena *a, struct doc_collection *c)
{
    char id[RANDOM_ID_SIZE];
    random_id(id, "vs_");
    c->id = arena_copy(a, str_from(id));
    c->tenant = doc_tenant(c->tenant);
    c->metadata = doc_json(c->metadata);
    c->created_s = c->last_active_s = clock_wall_s();
    c->expires_s = expiry(c->expires_days, c->last_active_s);
}

bool doc_collection_create(struct db *d, struct arena *a, struct doc_collection *c, struct err *e)
{
    prepare(a, c);
    return db_write(d, create_tx, c, e);
}

/* Two that ensure the same name at once must not make two: found and made in one transaction. */
static bool ensure_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct find *f = arg;
    struct err none = {0};
    return find_tx(tx, f, &none) ||
           (none.code == ERR_NOT_FOUND ? create_tx(tx, f->made, e) : (*e = none, false));
}

bool doc_collection_ensure(struct db *d, struct arena *a, struct str tenant, struct str name,
                           struct doc_collection *out, struct err *e)
{
    if (doc_collection_by_name(d, a, tenant, name, out, e))
        return true;
    if (e->code != ERR_NOT_FOUND)
        return false;
    struct doc_collection made = {.tenant = tenant, .name = name};
    struct find f = {.a = a, .sql = by_name, .tenant = doc_tenant(tenant), .key = name};
    f.made = &made;
    prepare(a, &made);
    return db_write(d, ensure_tx, &f, e) && doc_collection_by_name(d, a, tenant, name, out, e);
}

static bool tune(struct db_tx *tx, const struct doc_collection *c, struct err *e)
{
    return db_exec(tx, e,
                   "update collections set keywords = $1"
                   " where id = $2 and tenant = $3 and keywords <> $1",
                   DB_TEXT(c->keywords), DB_TEXT(c->id), DB_TEXT(doc_tenant(c->tenant))) &&
           (db_changed(tx) == 0 || db_change(tx, DB_COLLECTION_TUNED, c->id, 0, e));
}

static bool update_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct doc_collection *c = arg;
    if (!db_exec(tx, e,
                 "update collections set name = $1, metadata = $2, expires_days = $3,"
                 " description = $6,"
                 " expires_s = case when $3 = 0 then 0 else last_active_s + $3 * 86400 end"
                 " where id = $4 and tenant = $5",
                 DB_TEXT(c->name), DB_TEXT(doc_json(c->metadata)), DB_INT(c->expires_days),
                 DB_TEXT(c->id), DB_TEXT(doc_tenant(c->tenant)), DB_TEXT(c->description)))
        return false;
    return db_changed(tx) > 0 ? tune(tx, c, e) : no_collection(e, c->id);
}

bool doc_collection_update(struct db *d, const struct doc_collection *c, struct err *e)
{
    struct doc_collection copy = *c;
    return db_write(d, update_tx, &copy, e);
}

struct target {
    struct str tenant, id;
    int64_t now_s;
};

static bool delete_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct target *c = arg;
    if (!db_exec(tx, e, "delete from collections where id = $1 and tenant = $2", DB_TEXT(c->id),
                 DB_TEXT(c->tenant)))
        return false;
    if (db_changed(tx) == 0)
        return no_collection(e, c->id);
    return db_change(tx, DB_COLLECTION_REMOVED, c->id, 0, e);
}

bool doc_collection_delete(struct db *d, struct str tenant, struct str id, struct err *e)
{
    return db_write(d, delete_tx, &(struct target){.tenant = doc_tenant(tenant), .id = id}, e);
}

/* ---- Listing ---- */

struct list_query {
    struct arena *a;
    struct str tenant;
    const struct doc_page *page;
    struct doc_collection *out;
    size_t n;
    bool more;
};

#define LIST                                                                                       \
    "select " COLUMNS " from collections where ($1 = '' or tenant = $1)"                           \
    " and (created_ms, id) > ($2, $3) and (created_ms, id) < ($4, $5) "

static bool list_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct list_query *q = arg;
    struct doc_bounds b;
    struct db_rows *rows;
    q->n = 0;
    static const char place[] =
        "select created_ms from collections where id = $1 and ($2 = '' or tenant = $2)";
    if (!doc_bounds_find(tx, q->page, place, q->tenant, &b, e))
        return false;
    const char *sql = b.ascending ? LIST "order by created_ms, id limit $6"
                                  : LIST "order by created_ms desc, id desc limit $6";
    if (!db_query(tx, &rows, e, sql, DB_TEXT(q->tenant), DB_INT(b.low_ms), DB_TEXT(b.low_id),
                  DB_INT(b.high_ms), DB_TEXT(b.high_id), DB_INT(b.limit)))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        q->out = arena_room(q->a, q->out, q->n, sizeof(*q->out));
        read_collection(q->a, rows, &q->out[q->n++]);
    }
    db_done(rows);
    if (got < 0)
        return false;
    doc_page_finish(q->out, &q->n, sizeof(*q->out), b.limit, b.reversed, &q->more);
    for (size_t i = 0; i < q->n; i++)
        if (!count_documents(tx, &q->out[i], e))
            return false;
    return true;
}

bool doc_collection_list(struct db *d, struct arena *a, struct str tenant,
                         const struct doc_page *page, struct doc_collection **out, size_t *n,
                         bool *more, struct err *e)
{
    struct list_query q = {.a = a, .tenant = tenant, .page = page};
    if (!db_read(d, list_tx, &q, e))
        return false;
    *out = q.out;
    *n = q.n;
    if (more)
        *more = q.more;
    return true;
}

bool doc_collection_ids(struct db *d, struct arena *a, struct str **out, size_t *n, struct err *e)
{
    return doc_texts(d, a, "select id from collections", out, n, e);
}

static bool keywords_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct find *f = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, "select keywords from collections where id = $1", DB_TEXT(f->key)))
        return false;
    int got = db_step(rows, e);
    f->out->keywords = got > 0 ? doc_text(f->a, rows, 0) : STR_NONE;
    db_done(rows);
    return got >= 0;
}

bool doc_collection_keywords(struct db *d, struct arena *a, struct str id, struct str *out,
                             struct err *e)
{
    struct doc_collection c;
    struct find f = {.a = a, .key = id, .out = &c};
    if (!db_read(d, keywords_tx, &f, e))
        return false;
    *out = c.keywords;
    return true;
}

/* ---- Use and expiry ---- */

static bool last_active_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct target *c = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, "select last_active_s from collections where id = $1",
                  DB_TEXT(c->id)))
        return false;
    int got = db_step(rows, e);
    c->now_s = got > 0 ? db_int(rows, 0) : 0;
    db_done(rows);
    return got == 0 ? no_collection(e, c->id) : got > 0;
}

static bool touch_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct target *c = arg;
    return db_exec(tx, e,
                   "update collections set last_active_s = $1,"
                   " expires_s = case when expires_days = 0 then 0 else $1 + expires_days * 86400"
                   " end where id = $2",
                   DB_INT(c->now_s), DB_TEXT(c->id));
}

bool doc_collection_touch(struct db *d, struct str id, struct err *e)
{
    struct target c = {.id = id};
    int64_t now_s = clock_wall_s();
    if (!db_read(d, last_active_tx, &c, e))
        return false;
    if (now_s - c.now_s < TOUCH_S)
        return true;
    c.now_s = now_s;
    return db_write(d, touch_tx, &c, e);
}

struct expire {
    int64_t now_s;
    size_t n;
};

/* One at a time: its change must be written too. */
static bool expire_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct expire *x = arg;
    struct db_rows *rows;
    x->n = 0;
    if (!db_query(tx, &rows, e,
                  "select id from collections c where expires_s > 0 and expires_s <= $1"
                  " and exists (select 1 from documents where collection = c.id)",
                  DB_INT(x->now_s)))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        struct str id = db_text(rows, 0);
        if (!db_exec(tx, e, "delete from documents where collection = $1", DB_TEXT(id)) ||
            !db_change(tx, DB_COLLECTION_REMOVED, id, 0, e)) {
            got = -1;
            break;
        }
        x->n++;
    }
    db_done(rows);
    return got == 0;
}

bool doc_collection_expire(struct db *d, size_t *emptied, struct err *e)
{
    struct expire x = {.now_s = clock_wall_s()};
    bool good = db_write(d, expire_tx, &x, e);
    *emptied = good ? x.n : 0;
    return good;
}
