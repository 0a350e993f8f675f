/* Connections, prepared statements, values and rows over the SQLite library.
 *
 * Durability. Every connection uses the write-ahead log with synchronous = NORMAL. A commit is then
 * a write() to the log: it is in the kernel's hands before db_write returns, so a process that is
 * killed loses nothing. The log is synced before its pages are copied into the database, and every
 * frame carries a checksum, so after a power loss the database is that of some earlier commit,
 * never a mix. What power loss may take is the commits since the last sync; db.c checkpoints (which
 * syncs) as soon as the writer has been idle for a moment, so that is the last second or so.
 * synchronous = FULL would close that gap at the price of a disk flush for each group of commits:
 * 0.2 to 10 ms depending on the disk, on the path of every write.
 *
 * Statements are prepared once per connection and found again by the address of their text, which
 * for literals is one probe; the text itself is compared too, since a text built at run time may
 * stand where another one stood.
 */
#include "store/sqlite.h"

#include <sqlite3.h>
#include <stdio.h>

enum {
    SLOTS = 512,      /* power of two; statements known at build time are far fewer */
    SLOTS_USED = 384, /* beyond, statements are prepared and dropped */
    BUSY_MS = 5000,   /* another program (a shell, a backup) looks at the file */
};

struct place {   /* of a parameter */
    int at;      /* in SQLite's numbering, 0 = not in the statement */
    bool is_int; /* what is bound there is this number */
    int64_t value;
};

struct db_rows { /* a prepared statement and its run */
    struct db_tx *tx;
    sqlite3_stmt *stmt;
    const char *key;     /* address of the caller's text */
    char *sql;           /* NULL: not kept */
    struct place *place; /* place[i] of $<i+1> */
    size_t n_places;
    bool busy;
};

struct db_tx {
    sqlite3 *db;
    struct db_rows *slot[SLOTS];
    enum sqlite_use use;
    unsigned n_slots, log_pages;
    unsigned busy; /* statements between query and done */
};

/* ---- Errors ---- */

/* ENOSPC comes as SQLITE_FULL. A quota or a limit on the size of files comes as a failed write, and
 * by then errno is lost: a disk that fails is the rarer cause, and the message names both. */
static enum err_code code_of(int extended)
{
    if (extended == SQLITE_IOERR_WRITE || extended == SQLITE_IOERR_SHMSIZE)
        return ERR_FULL;
    switch (extended & 0xff) {
    case SQLITE_FULL: return ERR_FULL;
    case SQLITE_CONSTRAINT: return ERR_CONFLICT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ERR_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ERR_UNAVAILABLE;
    case SQLITE_TOOBIG: return ERR_TOO_LARGE;
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN: return ERR_IO;
    default: return ERR_INTERNAL;
    }
}

static bool fail(struct db_tx *tx, struct err *e, const char *sql)
{
    const char *why = sqlite3_errmsg(tx->db);
    enum err_code code = code_of(sqlite3_extended_errcode(tx->db));
    switch (code) {
    case ERR_FULL:
        return err_set(e, code,
                       "cannot write the database: the disk is full, over its quota, or failing");
    case ERR_CORRUPT:
        return err_set(e, code,
                       "the database is damaged (%s): see 'penstock doctor', or restore a backup",
                       why);
    case ERR_UNAVAILABLE:
        return err_set(e, code, "the database is locked by another program: %s", why);
    case ERR_IO: return err_set(e, code, "cannot read or write the database: %s", why);
    case ERR_INTERNAL: return err_set(e, code, "database: %s in '%.80s'", why, sql);
    default: return err_set(e, code, "database: %s", why);
    }
}

/* ---- Statements ---- */

static void free_statement(struct db_rows *st)
{
    sqlite3_finalize(st->stmt);
    mem_free(st->sql);
    mem_free(st->place);
    mem_free(st);
}

/* SQLite numbers parameters in order of appearance and takes "$7" for a name, so each number is
 * looked up once. Gaps are allowed: a parameter may go unused. */
static void resolve_places(struct db_rows *st)
{
    int last = 0, n = sqlite3_bind_parameter_count(st->stmt);
    for (int i = 1; i <= n; i++) {
        const char *name = sqlite3_bind_parameter_name(st->stmt, i);
        uint64_t number = 0;
        CHECK(name && name[0] == '$' && str_to_u64(str_from(name + 1), &number));
        CHECK(number >= 1 && number <= 32766);
        last = (int)number > last ? (int)number : last;
    }
    st->n_places = (size_t)last;
    st->place = mem_array(st->n_places, sizeof(*st->place));
    for (int i = 1; i <= n; i++) {
        uint64_t number = 0;
        str_to_u64(str_from(sqlite3_bind_parameter_name(st->stmt, i) + 1), &number);
        st->place[number - 1].at = i;
    }
}

static struct db_rows *prepare(struct db_tx *tx, const char *sql, unsigned flags, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v3(tx->db, sql, -1, flags, &stmt, NULL) != SQLITE_OK) {
        fail(tx, e, sql);
        return NULL;
    }
    struct db_rows *st = mem_new(sizeof(*st));
    st->tx = tx;
    st->stmt = stmt;
    resolve_places(st);
    return st;
}

/* Finds or prepares. One that is running (the same text nested in its own rows) is not shared. */
static struct db_rows *statement(struct db_tx *tx, const char *sql, struct err *e)
{
    size_t at = ((uintptr_t)sql * UINT64_C(0x9E3779B97F4A7C15)) >> 32 & (SLOTS - 1);
    for (; tx->slot[at]; at = (at + 1) & (SLOTS - 1)) {
        struct db_rows *st = tx->slot[at];
        if (st->key == sql && strcmp(st->sql, sql) == 0)
            return st->busy ? prepare(tx, sql, 0, e) : st;
    }
    bool keep = tx->n_slots < SLOTS_USED;
    struct db_rows *st = prepare(tx, sql, keep ? SQLITE_PREPARE_PERSISTENT : 0, e);
    if (st && keep) {
        st->key = sql;
        st->sql = mem_text(sql);
        tx->slot[at] = st;
        tx->n_slots++;
    }
    return st;
}

/* Text is bound in place: it stays the caller's until db_done. A statement runs again only when all
 * of its places have been bound anew, so nothing is cleared behind it, and a number that stands
 * there already stays: half of what a ledger row has is the same as 128 rows before. A NULL
 * pointer would bind NULL. */
static int bind_one(sqlite3_stmt *stmt, struct place *at, const struct db_value *v)
{
    const char *p = v->s.p ? v->s.p : "";
    int place = at->at;
    bool is_int = v->kind == DB_KIND_INT;
    if (is_int && at->is_int && at->value == v->i)
        return SQLITE_OK;
    at->is_int = is_int;
    at->value = is_int ? v->i : 0;
    switch (v->kind) {
    case DB_KIND_INT: return sqlite3_bind_int64(stmt, place, v->i);
    case DB_KIND_REAL: return sqlite3_bind_double(stmt, place, v->d);
    case DB_KIND_TEXT:
        return sqlite3_bind_text64(stmt, place, p, v->s.len, SQLITE_STATIC, SQLITE_UTF8);
    case DB_KIND_BLOB: return sqlite3_bind_blob64(stmt, place, p, v->s.len, SQLITE_STATIC);
    case DB_KIND_NULL: break;
    }
    return sqlite3_bind_null(stmt, place);
}

bool db_query_values(struct db_tx *tx, struct db_rows **rows, struct err *e, const char *sql,
                     const struct db_value *v, size_t n)
{
    *rows = NULL;
    struct db_rows *st = statement(tx, sql, e);
    if (!st)
        return false;
    CHECK(st->n_places <= n);
    st->busy = true;
    tx->busy++;
    for (size_t i = 0; i < st->n_places; i++) {
        if (st->place[i].at && bind_one(st->stmt, &st->place[i], &v[i]) != SQLITE_OK) {
            st->place[i].is_int = false;
            fail(tx, e, sql);
            db_done(st);
            return false;
        }
    }
    *rows = st;
    return true;
}

int db_step(struct db_rows *rows, struct err *e)
{
    switch (sqlite3_step(rows->stmt)) {
    case SQLITE_ROW: return 1;
    case SQLITE_DONE: return 0;
    default: fail(rows->tx, e, sqlite3_sql(rows->stmt)); return -1;
    }
}

void db_done(struct db_rows *rows)
{
    if (!rows)
        return;
    CHECK(rows->busy);
    rows->busy = false;
    rows->tx->busy--;
    if (rows->sql) {
        sqlite3_reset(rows->stmt); /* repeats the error that db_step has told */
    } else {
        free_statement(rows);
    }
}

bool db_exec_values(struct db_tx *tx, struct err *e, const char *sql, const struct db_value *v,
                    size_t n)
{
    struct db_rows *rows;
    if (!db_query_values(tx, &rows, e, sql, v, n))
        return false;
    int got;
    while ((got = db_step(rows, e)) > 0)
        ;
    db_done(rows);
    return got == 0;
}

int64_t db_int(struct db_rows *rows, int column)
{
    return sqlite3_column_int64(rows->stmt, column);
}

double db_real(struct db_rows *rows, int column)
{
    return sqlite3_column_double(rows->stmt, column);
}

struct str db_text(struct db_rows *rows, int column)
{
    const void *p = sqlite3_column_type(rows->stmt, column) == SQLITE_BLOB
                        ? sqlite3_column_blob(rows->stmt, column)
                        : sqlite3_column_text(rows->stmt, column);
    return (struct str){p ? p : "", (size_t)sqlite3_column_bytes(rows->stmt, column)};
}

bool db_is_null(struct db_rows *rows, int column)
{
    return sqlite3_column_type(rows->stmt, column) == SQLITE_NULL;
}

int64_t db_changed(struct db_tx *tx)
{
    return sqlite3_changes64(tx->db);
}

/* ---- Transactions ---- */

bool sqlite_begin(struct db_tx *tx, struct err *e)
{
    /* The writer takes its lock at once: a lock taken after a read cannot be waited for. */
    return tx->use == SQLITE_FOR_WRITING ? db_exec(tx, e, "begin immediate")
                                         : db_exec(tx, e, "begin");
}

bool sqlite_commit(struct db_tx *tx, struct err *e)
{
    CHECK(tx->busy == 0); /* a db_fn that left without db_done */
    if (db_exec(tx, e, "commit"))
        return true;
    sqlite_end(tx);
    return false;
}

void sqlite_end(struct db_tx *tx)
{
    CHECK(tx->busy == 0);
    if (sqlite_in_transaction(tx))
        CHECK(db_exec(tx, NULL, "rollback") || !sqlite_in_transaction(tx));
}

bool sqlite_in_transaction(const struct db_tx *tx)
{
    return !sqlite3_get_autocommit(tx->db);
}

bool sqlite_savepoint(struct db_tx *tx, struct err *e)
{
    return db_exec(tx, e, "savepoint job");
}

bool sqlite_release(struct db_tx *tx, struct err *e)
{
    return db_exec(tx, e, "release job");
}

bool sqlite_rollback_to(struct db_tx *tx, struct err *e)
{
    return db_exec(tx, e, "rollback to job") && sqlite_release(tx, e);
}

bool sqlite_check(struct db_tx *tx, void *arg, struct err *e)
{
    (void)arg;
    struct db_rows *rows;
    if (!db_query(tx, &rows, e, "pragma integrity_check(1)"))
        return false;
    int got = db_step(rows, e);
    struct str fault = got > 0 ? db_text(rows, 0) : STR_NONE;
    bool good = got > 0 && str_eq(fault, STR("ok"));
    if (got > 0 && !good) { /* a line that names the file, then the fault */
        size_t line = str_find_char(fault, '\n');
        fault = line == STR_NPOS ? fault : str_from_at(fault, line + 1);
        err_set(e, ERR_CORRUPT, "the database is damaged (%.*s): restore a backup",
                STR_FMT(str_head(fault, 160)));
    }
    db_done(rows);
    return good;
}

void sqlite_checkpoint(struct db_tx *tx)
{
    /* That a reader holds back part of it is normal; what failed for good fails the next commit. */
    int in_log = 0, moved = 0;
    int rc = sqlite3_wal_checkpoint_v2(tx->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
    if (rc == SQLITE_OK && moved == in_log)
        tx->log_pages = 0;
}

unsigned sqlite_log_pages(const struct db_tx *tx)
{
    return tx->log_pages;
}

static int on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct db_tx *tx = arg;
    (void)db, (void)name;
    tx->log_pages = (unsigned)pages;
    return SQLITE_OK;
}

/* ---- Connections ---- */

static bool settle_in(struct db_tx *tx, struct err *e)
{
    sqlite3_busy_timeout(tx->db, BUSY_MS);
    bool good = db_exec(tx, e, "pragma journal_mode = wal") &&
                db_exec(tx, e, "pragma synchronous = normal") &&
                db_exec(tx, e, "pragma foreign_keys = on") &&
                db_exec(tx, e, "pragma temp_store = memory");
    if (tx->use == SQLITE_FOR_READING)
        return good && db_exec(tx, e, "pragma query_only = on");
    if (good && sqlite3_db_readonly(tx->db, "main"))
        return err_set(e, ERR_IO, "the file is read-only: make it writable for this user");
    sqlite3_wal_hook(tx->db, on_commit, tx); /* takes the place of automatic checkpoints */
    /* A log that one large transaction has blown up shrinks again. */
    return good && db_exec(tx, e, "pragma journal_size_limit = 67108864");
}

bool sqlite_connect(struct db_tx **out, const char *path, enum sqlite_use use, struct err *e)
{
    struct db_tx *tx = mem_new(sizeof(*tx));
    tx->use = use;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (use == SQLITE_FOR_WRITING)
        flags |= SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(path, &tx->db, flags, NULL) != SQLITE_OK) {
        CHECK(tx->db); /* NULL only without memory */
        fail(tx, e, "open");
        sqlite_disconnect(tx);
        return false;
    }
    if (!settle_in(tx, e)) {
        sqlite_disconnect(tx);
        return false;
    }
    *out = tx;
    return true;
}

void sqlite_disconnect(struct db_tx *tx)
{
    if (!tx)
        return;
    CHECK(tx->busy == 0);
    for (size_t i = 0; i < SLOTS; i++)
        if (tx->slot[i])
            free_statement(tx->slot[i]);
    sqlite3_close(tx->db);
    mem_free(tx);
}
