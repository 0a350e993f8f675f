/* schema.h - the tables of the store, made and changed by numbered steps.
 *
 * Step n brings a database from version n - 1 to n and is never edited once released: a change is a
 * new step. Each step is one transaction together with its row in schema_version, so a process
 * that is killed in between starts over where it was.
 *
 * Threads: one, before anybody else uses the database.
 */
#pragma once

#include "store/db.h"

enum { SCHEMA_VERSION = 9 };

/* Inside a transaction: takes the next step, or sets *newest when there is none left to take.
 * ERR_CONFLICT when the database was written by a newer penstock. */
bool schema_step(struct db_tx *tx, bool *newest, struct err *e);
