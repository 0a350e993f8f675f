/* sqlite.h - one connection to the SQLite file, as db.c drives it. What runs inside a transaction
 * uses store/db.h.
 *
 * Memory:  a connection owns its prepared statements.
 * Threads: a connection belongs to one thread at a time.
 */
#pragma once

#include "store/db.h"

enum sqlite_use { SQLITE_FOR_READING, SQLITE_FOR_WRITING };

/* Opens the file (FOR_WRITING: creates it) and sets how it is to be used. */
bool sqlite_connect(struct db_tx **out, const char *path, enum sqlite_use use, struct err *e);
void sqlite_disconnect(struct db_tx *tx); /* accepts NULL */

/* A reading connection sees one snapshot from its first query to sqlite_end. */
bool sqlite_begin(struct db_tx *tx, struct err *e);
bool sqlite_commit(struct db_tx *tx, struct err *e); /* on failure nothing of it is written */
void sqlite_end(struct db_tx *tx);                   /* rolls back what is not committed */
/* False after an error (a full disk, say) on which SQLite has rolled everything back by itself. */
bool sqlite_in_transaction(const struct db_tx *tx);

/* One job among several in a transaction. */
bool sqlite_savepoint(struct db_tx *tx, struct err *e);
bool sqlite_release(struct db_tx *tx, struct err *e);
bool sqlite_rollback_to(struct db_tx *tx, struct err *e);

/* ERR_CORRUPT when a page or an index is not as it must be. A db_fn. */
bool sqlite_check(struct db_tx *tx, void *arg, struct err *e);

/* Moves the write-ahead log into the database file and syncs both; blocks nobody. */
void sqlite_checkpoint(struct db_tx *tx);
unsigned sqlite_log_pages(const struct db_tx *tx); /* written since the last checkpoint */
