#include "store/response.h"
#include "base/clock.h"
#include "store/doc_row.h"

#define COLUMNS "id, tenant, previous, input, answer"

static bool no_response(struct err *e, struct str id)
{
    return err_set(e, ERR_NOT_FOUND, "there is no response '%.*s'", STR_FMT(str_head(id, 64)));
}

/* The previous one may have been deleted since it was read: then this one begins anew. */
static bool add_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct response *r = arg;
    return doc_tenant_ensure(tx, r->tenant, e) &&
           db_exec(tx, e,
                   "insert into responses (" COLUMNS ", created_ms, conversation)"
                   " values ($1, $2, $3, $4, $5, $6, coalesce("
                   "(select conversation from responses where id = $3 and tenant = $2), $1))",
                   DB_TEXT(r->id), DB_TEXT(r->tenant), DB_TEXT(r->previous), DB_TEXT(r->input),
                   DB_TEXT(r->answer), DB_INT(clock_wall_ms()));
}

bool response_add(struct db *d, const struct response *r, struct err *e)
{
    struct response row = *r;
    row.tenant = doc_tenant(r->tenant);
    return db_write(d, add_tx, &row, e);
}

struct lookup {
    struct arena *a;
    struct str tenant, id;
    size_t most;
    struct response *out;
    size_t n;
};

static bool find_row(struct db_tx *tx, const struct lookup *q, struct str id, struct response *out,
                     struct err *e)
{
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, "select " COLUMNS " from responses where id = $1 and tenant = $2",
                  DB_TEXT(id), DB_TEXT(q->tenant)))
        return false;
    int got = db_step(rows, e);
    if (got > 0)
        *out = (struct response){
            .id = doc_text(q->a, rows, 0),
            .tenant = doc_text(q->a, rows, 1),
            .previous = doc_text(q->a, rows, 2),
            .input = doc_text(q->a, rows, 3),
            .answer = doc_text(q->a, rows, 4),
        };
    db_done(rows);
    return got == 0 ? no_response(e, id) : got > 0;
}

static bool find_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct lookup *q = arg;
    return find_row(tx, q, q->id, q->out, e);
}

bool response_find(struct db *d, struct arena *a, struct str tenant, struct str id,
                   struct response *out, struct err *e)
{
    struct lookup q = {.a = a, .tenant = doc_tenant(tenant), .id = id, .out = out};
    return db_read(d, find_tx, &q, e);
}

static void turn_around(struct response *r, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct response other = r[i];
        r[i] = r[n - 1 - i];
        r[n - 1 - i] = other;
    }
}

/* A response can only name one that was there before it, so the chain ends. */
static bool chain_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct lookup *q = arg;
    size_t bytes = 0;
    struct str id = q->id;
    q->n = 0;
    q->out = NULL;
    while (id.len > 0) {
        q->out = arena_room(q->a, q->out, q->n, sizeof(*q->out));
        struct response *r = &q->out[q->n];
        if (!find_row(tx, q, id, r, e))
            return false;
        bytes += r->input.len + r->answer.len;
        if (bytes > q->most)
            return err_set(e, ERR_TOO_LARGE,
                           "the conversation up to '%.*s' is longer than %zu bytes",
                           STR_FMT(str_head(q->id, 64)), q->most);
        id = r->previous;
        q->n++;
    }
    turn_around(q->out, q->n);
    return true;
}

bool response_chain(struct db *d, struct arena *a, struct str tenant, struct str id, size_t most,
                    struct response **out, size_t *n, struct err *e)
{
    struct lookup q = {.a = a, .tenant = doc_tenant(tenant), .id = id, .most = most};
    if (!db_read(d, chain_tx, &q, e))
        return false;
    *out = q.out;
    *n = q.n;
    return true;
}

static bool delete_tx(struct db_tx *tx, void *arg, struct err *e)
{
    const struct lookup *q = arg;
    if (!db_exec(tx, e, "delete from responses where id = $1 and tenant = $2", DB_TEXT(q->id),
                 DB_TEXT(q->tenant)))
        return false;
    return db_changed(tx) > 0 || no_response(e, q->id);
}

bool response_delete(struct db *d, struct str tenant, struct str id, struct err *e)
{
    return db_write(d, delete_tx, &(struct lookup){.tenant = doc_tenant(tenant), .id = id}, e);
}

struct expiry {
    int64_t before_ms;
    size_t n;
};

static bool expire_tx(struct db_tx *tx, void *arg, struct err *e)
{
    struct expiry *x = arg;
    if (!db_exec(tx, e,
                 "delete from responses where id in"
                 " (select id from responses r where created_ms < $1 and not exists"
                 "  (select 1 from responses later where later.conversation = r.conversation"
                 "   and later.created_ms >= $1) order by created_ms limit $2)",
                 DB_INT(x->before_ms), DB_INT(RESPONSE_BATCH)))
        return false;
    x->n = (size_t)db_changed(tx);
    return true;
}

bool response_expire(struct db *d, int64_t before_ms, size_t *n, struct err *e)
{
    struct expiry x = {.before_ms = before_ms};
    if (!db_write(d, expire_tx, &x, e))
        return false;
    *n = x.n;
    return true;
}
