/* Batches: which uploaded files one request added to a collection. What became of them is with the
 * documents, so a batch is only the list, and whether it was cancelled. */
#include "store/doc_row.h"
#include "base/clock.h"
#include "base/random.h"

static bool no_batch(struct err *e, struct str id)
{
    return err_set(e, ERR_NOT_FOUND, "there is no file batch '%.*s'", STR_FMT(str_head(id, 64)));
}

/* ---- Creating ---- */

struct creation {
    struct doc_batch *b;
    struct doc_document *doc;
    size_t n;
};

static bool create_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct creation *c = arg;
    if (!db_exec(tx, e,
                 "insert into file_batches (id, collection, created_ms, cancelled)"
                 " values ($1, $2, $3, 0)",
                 DB_TEXT(c->b->id), DB_TEXT(c->b->collection), DB_INT(clock_wall_ms())))
        return false;
    for (size_t i = 0; i < c->n; i++)
        if (!doc_begin_tx(tx, &c->doc[i], e) ||
            !db_exec(tx, e,
                     "insert into file_batch_items (batch, document) values ($1, $2)"
                     " on conflict do nothing",
                     DB_TEXT(c->b->id), DB_INT(c->doc[i].id)))
            return false;
    return true;
}

bool doc_batch_create(struct db *d, struct arena *a, struct doc_batch *b, struct doc_document *doc,
                      size_t n, struct err *e)
{
    char id[RANDOM_ID_SIZE];
    random_id(id, "vsfb_");
    b->id = arena_copy(a, str_from(id));
    b->created_s = clock_wall_s();
    return db_write(d, create_tx, &(struct creation){b, doc, n}, e);
}

/* ---- Finding ---- */

struct find {
    struct arena *a;
    struct str collection, id;
    struct doc_batch *out;
};

static bool count_documents(struct db_tx *tx, struct doc_batch *b, struct err *e)
{
    struct db_rows *rows;
    if (!db_query(tx, &rows, e,
                  "select d.status, count(*) from file_batch_items i"
                  " join documents d on d.id = i.document where i.batch = $1 group by d.status",
                  DB_TEXT(b->id)))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        b->documents[doc_status_of(db_text(rows, 0))] = (uint64_t)db_int(rows, 1);
        b->documents[DOC_ANY] += (uint64_t)db_int(rows, 1);
    }
    db_done(rows);
    return got == 0;
}

static bool find_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct find *f = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e,
                  "select created_ms, cancelled from file_batches"
                  " where id = $1 and collection = $2",
                  DB_TEXT(f->id), DB_TEXT(f->collection)))
        return false;
    int got = db_step(rows, e);
    if (got > 0)
        *f->out = (struct doc_batch){
            .id = arena_copy(f->a, f->id),
            .collection = arena_copy(f->a, f->collection),
            .created_s = db_int(rows, 0) / 1000,
            .cancelled = db_int(rows, 1) != 0,
        };
    db_done(rows);
    if (got == 0)
        return no_batch(e, f->id);
    return got > 0 && count_documents(tx, f->out, e);
}

bool doc_batch_find(struct db *d, struct arena *a, struct str collection, struct str id,
                    struct doc_batch *out, struct err *e)
{
    return db_read(d, find_tx, &(struct find){a, collection, id, out}, e);
}

/* ---- Cancelling ---- */

static bool cancel_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct find *f = arg;
    if (!db_exec(tx, e, "update file_batches set cancelled = 1 where id = $1 and collection = $2",
                 DB_TEXT(f->id), DB_TEXT(f->collection)))
        return false;
    if (db_changed(tx) == 0)
        return no_batch(e, f->id);
    return db_exec(tx, e,
                   "update documents set status = 'cancelled', updated_s = $1"
                   " where status = 'in_progress'"
                   " and id in (select document from file_batch_items where batch = $2)",
                   DB_INT(clock_wall_s()), DB_TEXT(f->id));
}

bool doc_batch_cancel(struct db *d, struct str collection, struct str id, struct err *e)
{
    return db_write(d, cancel_tx, &(struct find){.collection = collection, .id = id}, e);
}
