/* db.h - the SQL store: one interface for SQLite now and PostgreSQL later.
 *
 * SQL is written once, in what both share; parameters are $1, $2, ... Where a statement cannot be
 * portable it is listed in DESIGN.md. Reads run on a worker with a connection of their own and see
 * one snapshot. Writes go to the one writer thread, which puts those that wait together into one
 * transaction (each inside a savepoint, so that one that fails takes nothing with it) and reports
 * after the commit: what db_write has acknowledged survives kill -9.
 *
 * Errors:  ERR_FULL (disk), ERR_IO, ERR_CORRUPT (with how to repair), ERR_CONFLICT (a constraint),
 *          ERR_UNAVAILABLE (another process holds the directory).
 * Memory:  text and blobs read from a row last until the next db_step; copy what must stay. Text
 *          that is handed in is borrowed until db_done.
 * Threads: db_read and db_write: a fiber (which sleeps meanwhile) or any thread that is not a loop.
 *          A struct db_tx is only for the function that it was handed to.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct db;
struct db_tx;

struct db_options {
    const char *dir;  /* data directory, exists; the file is dir/penstock.db */
    unsigned readers; /* connections; default 4 */
};

/* Opens, locks the directory against a second process, and migrates to the newest schema. */
bool db_open(struct db **out, const struct db_options *opt, struct err *e);
void db_close(struct db *d); /* commits what waits */
/* Reads the whole file and checks every page and index: slow. ERR_CORRUPT names the first fault. */
bool db_check(struct db *d, struct err *e);

typedef bool db_fn(struct db_tx *tx, void *arg, struct err *e);

bool db_read(struct db *d, db_fn *fn, void *arg, struct err *e);
/* fn may run again from the start when its group had to be retried, so it must only write to what
 * it sets anew each time. False rolls its own writes back. */
bool db_write(struct db *d, db_fn *fn, void *arg, struct err *e);

/* ---- Statements, inside a db_fn. Prepared once per connection and kept. ---- */

struct db_value {
    enum { DB_KIND_NULL, DB_KIND_INT, DB_KIND_REAL, DB_KIND_TEXT, DB_KIND_BLOB } kind;
    union {
        int64_t i;
        double d;
        struct str s;
    };
};
#define DB_INT(v) ((struct db_value){DB_KIND_INT, {.i = (v)}})
#define DB_REAL(v) ((struct db_value){DB_KIND_REAL, {.d = (v)}})
#define DB_TEXT(v) ((struct db_value){DB_KIND_TEXT, {.s = (v)}})
#define DB_BLOB(v) ((struct db_value){DB_KIND_BLOB, {.s = (v)}})
#define DB_NULL ((struct db_value){DB_KIND_NULL, {0}})

/* Runs a statement to its end. db_exec(tx, e, "delete from t where id = $1", DB_INT(7)) */
#define db_exec(tx, e, sql, ...)                                                                   \
    db_exec_values(                                                                                \
        tx, e, sql, (const struct db_value[]){DB_NULL, ##__VA_ARGS__} + 1,                         \
        sizeof((const struct db_value[]){DB_NULL, ##__VA_ARGS__}) / sizeof(struct db_value) - 1)
bool db_exec_values(struct db_tx *tx, struct err *e, const char *sql, const struct db_value *v,
                    size_t n);

/* Rows: db_query, then db_step until it returns 0, then db_done (also after an error). */
struct db_rows;
#define db_query(tx, rows, e, sql, ...)                                                            \
    db_query_values(                                                                               \
        tx, rows, e, sql, (const struct db_value[]){DB_NULL, ##__VA_ARGS__} + 1,                   \
        sizeof((const struct db_value[]){DB_NULL, ##__VA_ARGS__}) / sizeof(struct db_value) - 1)
bool db_query_values(struct db_tx *tx, struct db_rows **rows, struct err *e, const char *sql,
                     const struct db_value *v, size_t n);
int db_step(struct db_rows *rows, struct err *e); /* 1 a row, 0 the end, -1 failed */
int64_t db_int(struct db_rows *rows, int column); /* columns from 0; NULL reads as 0 or "" */
double db_real(struct db_rows *rows, int column);
struct str db_text(struct db_rows *rows, int column); /* also blobs */
bool db_is_null(struct db_rows *rows, int column);
void db_done(struct db_rows *rows); /* accepts NULL */

int64_t db_changed(struct db_tx *tx); /* rows that the last db_exec wrote */

/* ---- The change sequence: what derived indexes follow. ---- */

enum db_change {
    DB_DOCUMENT_ADDED = 1,
    DB_DOCUMENT_REMOVED = 2,
    DB_COLLECTION_REMOVED = 3,
    DB_DOCUMENT_EMBEDDED = 4, /* its vectors are there (store/space.h) */
    DB_SPACE_CHANGED = 5,     /* of a collection: other vectors are in use */
    DB_COLLECTION_TUNED = 6   /* its keywords are weighed otherwise */
};
/* Writes a change into the transaction; numbers rise in commit order. It takes the place of the
 * document's earlier change, and that of a collection the place of all in it, or with
 * DB_SPACE_CHANGED and DB_COLLECTION_TUNED of its last of that kind. DB_DOCUMENT_EMBEDDED remembers
 * the number of the change whose place it takes. */
bool db_change(struct db_tx *tx, enum db_change kind, struct str collection, int64_t document,
               struct err *e);
