/* Chunks as answers and indexes read them, and the changes that indexes follow. */
#include "store/doc_row.h"

#define CHUNK_COLUMNS                                                                              \
    "c.id, c.document, c.idx, c.total, c.text, c.section, c.page, c.line_start, c.line_end,"       \
    " c.char_start, c.char_end, c.tokens, c.hash"

static void read_chunk(struct arena *a, struct db_rows *rows, struct doc_chunk *out)
{
    *out = (struct doc_chunk){
        .id = db_int(rows, 0),
        .document = db_int(rows, 1),
        .idx = (uint32_t)db_int(rows, 2),
        .total = (uint32_t)db_int(rows, 3),
        .text = doc_text(a, rows, 4),
        .section = doc_text(a, rows, 5),
        .page = (uint32_t)db_int(rows, 6),
        .line_start = (uint32_t)db_int(rows, 7),
        .line_end = (uint32_t)db_int(rows, 8),
        .char_start = (uint64_t)db_int(rows, 9),
        .char_end = (uint64_t)db_int(rows, 10),
        .tokens = (uint32_t)db_int(rows, 11),
        .hash = (uint64_t)db_int(rows, 12),
    };
}

struct load {
    struct arena *a;
    const int64_t *id;
    size_t n;
    struct doc_passage *out;
};

static bool load_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct load *l = arg;
    for (size_t i = 0; i < l->n; i++) {
        struct db_rows *rows;
        if (!db_query(tx, &rows, e,
                      "select " CHUNK_COLUMNS ", d.collection, d.file_id, d.name, d.title, d.uri,"
                      " d.doc_type, d.language, d.attributes, d.access, d.content_hash,"
                      " d.author, d.version, d.updated_s, d.last_updated_s"
                      " from chunks c join documents d on d.id = c.document where c.id = $1",
                      DB_INT(l->id[i])))
            return false;
        int got = db_step(rows, e);
        if (got > 0) {
            struct doc_passage *p = &l->out[i];
            read_chunk(l->a, rows, &p->chunk);
            struct str *field[] = {&p->collection, &p->file_id,      &p->name,     &p->title,
                                   &p->uri,        &p->doc_type,     &p->language, &p->attributes,
                                   &p->access,     &p->content_hash, &p->author};
            for (size_t f = 0; f < COUNT(field); f++)
                *field[f] = doc_text(l->a, rows, 13 + (int)f);
            p->version = (uint32_t)db_int(rows, 24);
            p->updated_s = db_int(rows, 25);
            p->last_updated_s = db_int(rows, 26);
        }
        db_done(rows);
        if (got < 0)
            return false;
    }
    return true;
}

bool doc_chunks_load(struct db *d, struct arena *a, const int64_t *chunk_id, size_t n,
                     struct doc_passage **out, struct err *e)
{
    struct load l = {a, chunk_id, n, arena_array(a, struct doc_passage, n)};
    *out = l.out;
    return db_read(d, load_tx, &l, e);
}

struct range {
    struct arena *a;
    int64_t document;
    uint32_t from, to;
    struct doc_chunk *out;
    size_t n;
};

static bool range_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct range *r = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e,
                  "select " CHUNK_COLUMNS " from chunks c"
                  " where c.document = $1 and c.idx >= $2 and c.idx < $3 order by c.idx",
                  DB_INT(r->document), DB_INT(r->from), DB_INT(r->to)))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        r->out = arena_room(r->a, r->out, r->n, sizeof(*r->out));
        read_chunk(r->a, rows, &r->out[r->n++]);
    }
    db_done(rows);
    return got == 0;
}

bool doc_chunks_range(struct db *d, struct arena *a, int64_t document, uint32_t from, uint32_t to,
                      struct doc_chunk **out, size_t *n, struct err *e)
{
    struct range r = {.a = a, .document = document, .from = from, .to = to};
    if (!db_read(d, range_tx, &r, e))
        return false;
    *out = r.out;
    *n = r.n;
    return true;
}

/* ---- Indexes ---- */

struct follow {
    struct arena *a;
    struct str collection;
    int64_t after, limit;
    struct doc_change *out;
    size_t n;
};

#define FOLLOW "select seq, document, kind, collection, content from changes where seq > $1 "

static bool follow_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct follow *f = arg;
    const char *sql = f->collection.len ? FOLLOW "and collection = $3 order by seq limit $2"
                                        : FOLLOW "order by seq limit $2";
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, sql, DB_INT(f->after), DB_INT(f->limit), DB_TEXT(f->collection)))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        f->out = arena_room(f->a, f->out, f->n, sizeof(*f->out));
        f->out[f->n++] = (struct doc_change){
            .seq = db_int(rows, 0),
            .document = db_int(rows, 1),
            .kind = (enum db_change)db_int(rows, 2),
            .collection = doc_text(f->a, rows, 3),
            .content = db_int(rows, 4),
        };
    }
    db_done(rows);
    return got == 0;
}

bool doc_changes(struct db *d, struct arena *a, struct str collection, int64_t after, size_t limit,
                 struct doc_change **out, size_t *n, struct err *e)
{
    struct follow f = {.a = a, .collection = collection, .after = after, .limit = (int64_t)limit};
    if (!db_read(d, follow_tx, &f, e))
        return false;
    *out = f.out;
    *n = f.n;
    return true;
}

struct number {
    const char *sql;
    struct str collection;
    int64_t value;
};

static bool number_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct number *q = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, q->sql, DB_TEXT(q->collection)))
        return false;
    int got = db_step(rows, e);
    q->value = got > 0 ? db_int(rows, 0) : 0;
    db_done(rows);
    return got >= 0;
}

bool doc_change_last(struct db *d, int64_t *seq, struct err *e)
{
    struct number q = {.sql = "select coalesce(max(seq), 0) from changes"};
    bool good = db_read(d, number_tx, &q, e);
    *seq = q.value;
    return good;
}

bool doc_chunk_count(struct db *d, struct str collection, int64_t *n, struct err *e)
{
    struct number q = {.sql = "select coalesce(sum(chunks), 0) from documents"
                              " where collection = $1",
                       .collection = collection};
    bool good = db_read(d, number_tx, &q, e);
    *n = q.value;
    return good;
}

struct index_load {
    struct arena *a;
    const int64_t *document;
    const uint32_t *known;
    size_t n;
    struct doc_index_document *out;
};

static bool index_head(struct db_tx *tx, struct index_load *l, size_t i, struct err *e)
{
    struct db_rows *rows;
    struct doc_index_document *d = &l->out[i];
    if (!db_query(tx, &rows, e,
                  "select name, title, doc_type, language, author, attributes, access, version,"
                  " last_updated_s, created_s from documents where id = $1",
                  DB_INT(l->document[i])))
        return false;
    int got = db_step(rows, e);
    if (got > 0) {
        struct str *field[] = {&d->name,   &d->title,      &d->doc_type, &d->language,
                               &d->author, &d->attributes, &d->access};
        for (size_t f = 0; f < COUNT(field); f++)
            *field[f] = doc_text(l->a, rows, (int)f);
        d->id = l->document[i];
        d->version = (uint32_t)db_int(rows, 7);
        d->last_updated_s = db_int(rows, 8);
        d->created_s = db_int(rows, 9);
    }
    db_done(rows);
    return got >= 0;
}

static bool index_chunks(struct db_tx *tx, struct index_load *l, struct doc_index_document *d,
                         struct err *e)
{
    struct db_rows *rows;
    if (!db_query(tx, &rows, e,
                  "select id, text, section from chunks where document = $1"
                  " order by idx",
                  DB_INT(d->id)))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        d->chunk = arena_room(l->a, d->chunk, d->n_chunks, sizeof(*d->chunk));
        d->chunk[d->n_chunks++] = (struct doc_index_chunk){
            .id = db_int(rows, 0),
            .text = doc_text(l->a, rows, 1),
            .section = doc_text(l->a, rows, 2),
        };
    }
    db_done(rows);
    return got == 0;
}

static bool index_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct index_load *l = arg;
    for (size_t i = 0; i < l->n; i++) {
        struct doc_index_document *d = &l->out[i];
        if (!index_head(tx, l, i, e))
            return false;
        bool wanted = d->id && !(l->known && d->version == l->known[i]);
        if (wanted && !index_chunks(tx, l, d, e))
            return false;
    }
    return true;
}

bool doc_index_load(struct db *d, struct arena *a, const int64_t *document, const uint32_t *known,
                    size_t n, struct doc_index_document **out, struct err *e)
{
    struct index_load l = {a, document, known, n, arena_array(a, struct doc_index_document, n)};
    *out = l.out;
    return db_read(d, index_tx, &l, e);
}

struct index_texts {
    const int64_t *chunk;
    size_t n;
    doc_index_seen *seen;
    void *to;
    struct doc_index_document document; /* of the chunk before: mostly that of the next, too */
    struct arena *a;                    /* its name and title */
};

static bool index_names(struct db_tx *tx, struct index_texts *t, int64_t document, struct err *e)
{
    struct db_rows *rows;
    if (t->document.id == document)
        return true;
    if (!db_query(tx, &rows, e, "select name, title from documents where id = $1",
                  DB_INT(document)))
        return false;
    int got = db_step(rows, e);
    if (got > 0) {
        arena_reset(t->a);
        t->document = (struct doc_index_document){
            .id = document, .name = doc_text(t->a, rows, 0), .title = doc_text(t->a, rows, 1)};
    }
    db_done(rows);
    return got > 0 || (got == 0 && err_set(e, ERR_CORRUPT, "a chunk has no document"));
}

static bool index_texts_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct index_texts *t = arg;
    int got = 0;
    for (size_t i = 0; i < t->n && got >= 0; i++) {
        struct db_rows *rows;
        if (!db_query(tx, &rows, e, "select document, text, section from chunks where id = $1",
                      DB_INT(t->chunk[i])))
            return false;
        got = db_step(rows, e);
        if (got > 0 && !index_names(tx, t, db_int(rows, 0), e))
            got = -1;
        if (got > 0) {
            struct doc_index_chunk c = {t->chunk[i], db_text(rows, 1), db_text(rows, 2)};
            t->seen(t->to, i, &t->document, &c);
        }
        db_done(rows);
    }
    return got >= 0;
}

bool doc_index_texts(struct db *d, const int64_t *chunk_id, size_t n, doc_index_seen *seen,
                     void *to, struct err *e)
{
    struct index_texts t = {.chunk = chunk_id, .n = n, .seen = seen, .to = to, .a = arena_new()};
    bool good = db_read(d, index_texts_tx, &t, e);
    arena_free(t.a);
    return good;
}
