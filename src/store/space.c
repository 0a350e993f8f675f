/* Vectors are stored as they lie in memory on little-endian machines, which all are that we run on;
 * a blob of another length than the space's dimension is damage. */
#include "store/space.h"
#include "base/clock.h"
#include "base/digest.h"
#include "store/doc_row.h"

static struct db_value hash_value(const struct space_hash *h)
{
    return DB_BLOB(((struct str){(const char *)h->b, SPACE_HASH}));
}

struct space_hash space_hash(struct str tenant, struct str text)
{
    struct space_hash out;
    uint8_t whole[SHA256_SIZE];
    struct digest_stream *h = digest_stream_new();
    digest_stream_add(h, tenant);
    digest_stream_add(h, (struct str){"", 1}); /* no tenant's name has a NUL */
    digest_stream_add(h, text);
    digest_stream_end(h, whole);
    memcpy(out.b, whole, SPACE_HASH);
    return out;
}

/* ---- Spaces ---- */

struct naming {
    struct str name;
    uint32_t dimension;
    int64_t id;
};

static bool ensure_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct naming *n = arg;
    struct db_rows *rows;
    if (!db_exec(tx, e,
                 "insert into spaces (name, dimension, created_s) values ($1, $2, $3)"
                 " on conflict (name) do nothing",
                 DB_TEXT(n->name), DB_INT(n->dimension), DB_INT(clock_wall_s())) ||
        !db_query(tx, &rows, e, "select id, dimension from spaces where name = $1",
                  DB_TEXT(n->name)))
        return false;
    int got = db_step(rows, e);
    int64_t dimension = 0;
    if (got > 0) {
        n->id = db_int(rows, 0);
        dimension = db_int(rows, 1);
    }
    db_done(rows);
    return got > 0 &&
           (dimension == n->dimension ||
            err_set(e, ERR_CONFLICT, "the space '%.*s' has %lld dimensions, not %u",
                    STR_FMT(str_head(n->name, 150)), (long long)dimension, n->dimension));
}

bool space_ensure(struct db *d, struct str name, uint32_t dimension, int64_t *id, struct err *e)
{
    struct naming n = {name, dimension, 0};
    if (!db_write(d, ensure_tx, &n, e))
        return false;
    *id = n.id;
    return true;
}

/* ---- Of a collection ---- */

struct place {
    struct arena *a;
    struct str collection;
    struct space live, next;
};

static void read_space(struct arena *a, struct db_rows *rows, int column, struct space *out)
{
    out->id = db_int(rows, column);
    out->name = doc_text(a, rows, column + 1);
    out->dimension = (uint32_t)db_int(rows, column + 2);
}

static bool live_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct place *p = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e,
                  "select l.id, l.name, l.dimension, n.id, n.name, n.dimension"
                  " from collection_spaces c left join spaces l on l.id = c.live"
                  " left join spaces n on n.id = c.next where c.collection = $1",
                  DB_TEXT(p->collection)))
        return false;
    int got = db_step(rows, e);
    if (got > 0) {
        read_space(p->a, rows, 0, &p->live);
        read_space(p->a, rows, 3, &p->next);
    }
    db_done(rows);
    return got >= 0;
}

bool space_live(struct db *d, struct arena *a, struct str collection, struct space *live,
                struct space *next, struct err *e)
{
    struct place p = {.a = a, .collection = collection};
    if (!db_read(d, live_tx, &p, e))
        return false;
    *live = p.live;
    if (next)
        *next = p.next;
    return true;
}

struct aim {
    struct str collection;
    int64_t space;
    bool done;
};

static bool aim_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct aim *m = arg;
    if (!db_exec(tx, e,
                 "insert into collection_spaces (collection, live, next) values ($1, 0, $2)"
                 " on conflict (collection) do update set next = excluded.next",
                 DB_TEXT(m->collection), DB_INT(m->space)))
        return false;
    if (m->space)
        return true;
    if (!db_exec(tx, e, "update collection_spaces set live = 0 where collection = $1 and live <> 0",
                 DB_TEXT(m->collection)))
        return false;
    return db_changed(tx) == 0 || db_change(tx, DB_SPACE_CHANGED, m->collection, 0, e);
}

bool space_aim(struct db *d, struct str collection, int64_t space, struct err *e)
{
    return db_write(d, aim_tx, &(struct aim){collection, space, false}, e);
}

/* A document without chunks has nothing to embed, one that is being read again has what its last
 * version had. */
#define WITH_CHUNKS "from documents d where d.collection = $1 and d.chunks > 0"
#define IN_SPACE                                                                                   \
    "exists (select 1 from document_spaces s where s.document = d.id and s.space = $2"             \
    " and s.version = d.version)"

struct counting {
    struct str collection;
    int64_t space;
    struct space_progress out;
};

static bool progress_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct counting *c = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e,
                  "select count(*), coalesce(sum(case when " IN_SPACE
                  " then 1 else 0 end), 0) " WITH_CHUNKS,
                  DB_TEXT(c->collection), DB_INT(c->space)))
        return false;
    int got = db_step(rows, e);
    if (got > 0)
        c->out = (struct space_progress){(uint64_t)db_int(rows, 0), (uint64_t)db_int(rows, 1)};
    db_done(rows);
    return got >= 0;
}

bool space_progress(struct db *d, struct str collection, int64_t space, struct space_progress *out,
                    struct err *e)
{
    struct counting c = {.collection = collection, .space = space};
    if (!db_read(d, progress_tx, &c, e))
        return false;
    *out = c.out;
    return true;
}

struct pending {
    struct arena *a;
    struct str collection;
    int64_t space, after, limit;
    struct space_document *out;
    size_t n;
};

static bool pending_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct pending *p = arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e,
                  "select d.id, d.version, d.chunks " WITH_CHUNKS " and d.id > $3 and not " IN_SPACE
                  " order by d.id limit $4",
                  DB_TEXT(p->collection), DB_INT(p->space), DB_INT(p->after), DB_INT(p->limit)))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        p->out = arena_room(p->a, p->out, p->n, sizeof(*p->out));
        p->out[p->n++] = (struct space_document){db_int(rows, 0), (uint32_t)db_int(rows, 1),
                                                 (uint32_t)db_int(rows, 2)};
    }
    db_done(rows);
    return got == 0;
}

bool space_pending(struct db *d, struct arena *a, struct str collection, int64_t space,
                   int64_t after, size_t limit, struct space_document **out, size_t *n,
                   struct err *e)
{
    struct pending p = {
        .a = a, .collection = collection, .space = space, .after = after, .limit = (int64_t)limit};
    if (!db_read(d, pending_tx, &p, e))
        return false;
    *out = p.out;
    *n = p.n;
    return true;
}

static bool switch_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct aim *m = arg;
    m->done = false;
    if (!db_exec(tx, e,
                 "update collection_spaces set live = next where collection = $1 and live <> next"
                 " and not exists (select 1 from documents d where d.collection = $1"
                 " and d.chunks > 0 and not exists (select 1 from document_spaces s"
                 " where s.document = d.id and s.space = collection_spaces.next"
                 " and s.version = d.version))",
                 DB_TEXT(m->collection)))
        return false;
    m->done = db_changed(tx) > 0;
    return !m->done || db_change(tx, DB_SPACE_CHANGED, m->collection, 0, e);
}

bool space_switch(struct db *d, struct str collection, bool *done, struct err *e)
{
    struct aim m = {.collection = collection};
    if (!db_write(d, switch_tx, &m, e))
        return false;
    *done = m.done;
    return true;
}

/* ---- Vectors ---- */

struct texts {
    int64_t space;
    const struct space_hash *hash;
    size_t n;
    const float *vector;
    uint32_t dimension;
    bool *known;
    float *to;
};

static bool damaged(struct err *e)
{
    return err_set(e, ERR_CORRUPT, "a stored vector has not the length of its space");
}

static bool known_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct texts *t = arg;
    for (size_t i = 0; i < t->n; i++) {
        struct db_rows *rows;
        if (!db_query(tx, &rows, e, "select vector from embeddings where space = $1 and hash = $2",
                      DB_INT(t->space), hash_value(&t->hash[i])))
            return false;
        int got = db_step(rows, e);
        struct str v = got > 0 ? db_text(rows, 0) : STR_NONE;
        bool fits = !t->to || got <= 0 || v.len == t->dimension * sizeof(float);
        if (t->to && got > 0 && fits)
            memcpy(t->to, v.p, v.len);
        db_done(rows);
        if (got < 0 || !fits)
            return got < 0 ? false : damaged(e);
        t->known[i] = got > 0;
    }
    return true;
}

bool space_known(struct db *d, int64_t space, const struct space_hash *hash, size_t n, bool *known,
                 struct err *e)
{
    return db_read(d, known_tx,
                   &(struct texts){.space = space, .hash = hash, .n = n, .known = known}, e);
}

bool space_recall(struct db *d, int64_t space, const struct space_hash *hash, float *vector,
                  uint32_t dimension, bool *found, struct err *e)
{
    return db_read(d, known_tx,
                   &(struct texts){.space = space,
                                   .hash = hash,
                                   .n = 1,
                                   .dimension = dimension,
                                   .known = found,
                                   .to = vector},
                   e);
}

static bool keep_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct texts *t = arg;
    int64_t now = clock_wall_s();
    for (size_t i = 0; i < t->n; i++) {
        struct str bytes = {(const char *)(t->vector + i * t->dimension),
                            t->dimension * sizeof(float)};
        if (!db_exec(tx, e,
                     "insert into embeddings (space, hash, used_s, vector) values ($1, $2, $3, $4)"
                     " on conflict (space, hash) do nothing",
                     DB_INT(t->space), hash_value(&t->hash[i]), DB_INT(now), DB_BLOB(bytes)))
            return false;
    }
    return true;
}

bool space_keep(struct db *d, int64_t space, const struct space_hash *hash, const float *vector,
                size_t n, uint32_t dimension, struct err *e)
{
    return db_write(
        d, keep_tx,
        &(struct texts){
            .space = space, .hash = hash, .n = n, .vector = vector, .dimension = dimension},
        e);
}

struct putting {
    int64_t space;
    const struct space_document *doc;
    const struct space_hash *hash;
    size_t n;
    bool put;
};

/* The document's collection in `a`, and whether the space is the one in use there; false in *there:
 * not this version. */
static bool find_document(struct db_tx *tx, const struct putting *p, struct arena *a, bool *there,
                          struct str *collection, bool *live, struct err *e)
{
    struct db_rows *rows;
    if (!db_query(tx, &rows, e,
                  "select d.collection, coalesce(c.live, 0) from documents d"
                  " left join collection_spaces c on c.collection = d.collection"
                  " where d.id = $1 and d.version = $2",
                  DB_INT(p->doc->id), DB_INT(p->doc->version)))
        return false;
    int got = db_step(rows, e);
    *there = got > 0;
    if (got > 0) {
        *collection = doc_text(a, rows, 0);
        *live = db_int(rows, 1) == p->space;
    }
    db_done(rows);
    return got >= 0;
}

/* ids in `a`; their number is *n. */
static bool chunk_ids(struct db_tx *tx, int64_t document, struct arena *a, int64_t **id, size_t *n,
                      struct err *e)
{
    struct db_rows *rows;
    *id = NULL;
    *n = 0;
    if (!db_query(tx, &rows, e, "select id from chunks where document = $1 order by idx",
                  DB_INT(document)))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0) {
        *id = arena_room(a, *id, *n, sizeof(**id));
        (*id)[(*n)++] = db_int(rows, 0);
    }
    db_done(rows);
    return got == 0;
}

static bool refer(struct db_tx *tx, const struct putting *p, const int64_t *chunk, struct err *e)
{
    int64_t now = clock_wall_s();
    for (size_t i = 0; i < p->n; i++)
        if (!db_exec(tx, e,
                     "insert into chunk_vectors (chunk, space, hash) values ($1, $2, $3)"
                     " on conflict (chunk, space) do update set hash = excluded.hash",
                     DB_INT(chunk[i]), DB_INT(p->space), hash_value(&p->hash[i])) ||
            !db_exec(tx, e, "update embeddings set used_s = $1 where space = $2 and hash = $3",
                     DB_INT(now), DB_INT(p->space), hash_value(&p->hash[i])))
            return false;
        else if (db_changed(tx) == 0)
            return err_set(e, ERR_CONFLICT, "a vector of document %lld has gone meanwhile",
                           (long long)p->doc->id);
    return db_exec(tx, e,
                   "insert into document_spaces (document, space, version) values ($1, $2, $3)"
                   " on conflict (document, space) do update set version = excluded.version",
                   DB_INT(p->doc->id), DB_INT(p->space), DB_INT(p->doc->version));
}

static bool put_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct putting *p = arg;
    struct arena *a = arena_new();
    struct str collection = STR_NONE;
    int64_t *chunk;
    size_t n = 0;
    bool there, live = false;
    p->put = false;
    bool good = find_document(tx, p, a, &there, &collection, &live, e) &&
                (!there || chunk_ids(tx, p->doc->id, a, &chunk, &n, e));
    if (good && there && n == p->n) {
        good = refer(tx, p, chunk, e) &&
               (!live || db_change(tx, DB_DOCUMENT_EMBEDDED, collection, p->doc->id, e));
        p->put = good;
    }
    arena_free(a);
    return good;
}

bool space_put(struct db *d, int64_t space, const struct space_document *doc,
               const struct space_hash *hash, size_t n, bool *put, struct err *e)
{
    struct putting p = {.space = space, .doc = doc, .hash = hash, .n = n};
    if (!db_write(d, put_tx, &p, e))
        return false;
    *put = p.put;
    return true;
}

struct loading {
    struct arena *a;
    const struct space *s;
    const int64_t *document;
    size_t n_documents;
    struct space_vector *out;
    size_t n;
};

static bool vectors_of(struct db_tx *tx, struct loading *l, int64_t document, struct err *e)
{
    struct db_rows *rows;
    if (!db_query(tx, &rows, e,
                  "select c.id, e.vector from documents d"
                  " join document_spaces s on s.document = d.id and s.space = $2"
                  " and s.version = d.version"
                  " join chunks c on c.document = d.id"
                  " join chunk_vectors v on v.chunk = c.id and v.space = $2"
                  " join embeddings e on e.space = $2 and e.hash = v.hash"
                  " where d.id = $1 order by c.idx",
                  DB_INT(document), DB_INT(l->s->id)))
        return false;
    int got;
    bool good = true;
    while (good && (got = db_step(rows, e)) > 0) {
        struct str bytes = db_text(rows, 1);
        size_t want = l->s->dimension * sizeof(float);
        good = bytes.len == want || damaged(e);
        if (!good)
            break;
        float *v = arena_array(l->a, float, l->s->dimension);
        memcpy(v, bytes.p, want);
        l->out = arena_room(l->a, l->out, l->n, sizeof(*l->out));
        l->out[l->n++] = (struct space_vector){db_int(rows, 0), document, v};
    }
    db_done(rows);
    return good && got == 0;
}

static bool vectors_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct loading *l = arg;
    for (size_t i = 0; i < l->n_documents; i++)
        if (!vectors_of(tx, l, l->document[i], e))
            return false;
    return true;
}

bool space_vectors(struct db *d, struct arena *a, const struct space *s, const int64_t *document,
                   size_t n_documents, struct space_vector **out, size_t *n, struct err *e)
{
    struct loading l = {.a = a, .s = s, .document = document, .n_documents = n_documents};
    if (!db_read(d, vectors_tx, &l, e))
        return false;
    *out = l.out;
    *n = l.n;
    return true;
}

struct sweep {
    int64_t before_s, limit, dropped;
};

static bool sweep_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct sweep *s = arg;
    if (!db_exec(tx, e,
                 "delete from embeddings where (space, hash) in"
                 " (select e.space, e.hash from embeddings e where e.used_s < $1"
                 " and not exists (select 1 from chunk_vectors v where v.space = e.space"
                 " and v.hash = e.hash) limit $2)",
                 DB_INT(s->before_s), DB_INT(s->limit)))
        return false;
    s->dropped = db_changed(tx);
    return true;
}

bool space_sweep(struct db *d, int64_t before_s, size_t limit, size_t *dropped, struct err *e)
{
    struct sweep s = {before_s, (int64_t)limit, 0};
    if (!db_write(d, sweep_tx, &s, e))
        return false;
    *dropped = (size_t)s.dropped;
    return true;
}
