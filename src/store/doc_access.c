/* What a caller may not read is left out of lists and counts. Who may read what is decided by
 * whoever asks (struct doc_reader); the store only goes through what carries an access list, which
 * is little or nothing in most collections. */
#include "store/doc_row.h"

bool doc_may_read(const struct doc_reader *r, struct str access)
{
    return !r || access.len == 0 || r->may_read(r->who, access);
}

/* ---- Files ---- */

bool doc_file_readable_tx(struct db_tx *tx, const struct doc_reader *r, struct str file_id,
                          bool *may, struct err *e)
{
    struct db_rows *rows;
    size_t n = 0;
    *may = false;
    if (!db_query(tx, &rows, e, "select access from documents where file_id = $1",
                  DB_TEXT(file_id)))
        return false;
    int got;
    while (!*may && (got = db_step(rows, e)) > 0) {
        *may = doc_may_read(r, db_text(rows, 0));
        n++;
    }
    db_done(rows);
    *may = *may || n == 0;
    return *may || got == 0;
}

struct file_asked {
    const struct doc_reader *r;
    struct str file_id;
    bool may;
};

static bool readable_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct file_asked *f = arg;
    return doc_file_readable_tx(tx, f->r, f->file_id, &f->may, e);
}

bool doc_file_readable(struct db *d, const struct doc_reader *r, struct str file_id, bool *may,
                       struct err *e)
{
    struct file_asked f = {r, file_id, true};
    bool good = !r || db_read(d, readable_tx, &f, e);
    *may = f.may;
    return good;
}

/* ---- Counts ---- */

struct hidden_query {
    const struct doc_reader *r;
    struct str collection, batch;
    struct doc_hidden *out;
};

static bool hidden_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct hidden_query *q = arg;
    struct db_rows *rows;
    *q->out = (struct doc_hidden){0};
    if (!db_query(
            tx, &rows, e,
            "select access, status, bytes, chunks from documents"
            " where collection = $1 and access <> ''"
            " and ($2 = '' or id in (select document from file_batch_items where batch = $2))",
            DB_TEXT(q->collection), DB_TEXT(q->batch)))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        if (doc_may_read(q->r, db_text(rows, 0)))
            continue;
        q->out->documents[doc_status_of(db_text(rows, 1))]++;
        q->out->documents[DOC_ANY]++;
        q->out->bytes += (uint64_t)db_int(rows, 2);
        q->out->chunks += (uint64_t)db_int(rows, 3);
    }
    db_done(rows);
    return got == 0;
}

bool doc_hidden(struct db *d, const struct doc_reader *r, struct str collection, struct str batch,
                struct doc_hidden *out, struct err *e)
{
    *out = (struct doc_hidden){0};
    return !r || db_read(d, hidden_tx, &(struct hidden_query){r, collection, batch, out}, e);
}
