/* journal.h - ledger rows that survive kill -9 the moment they are written, at 50 ns each.
 *
 * A row is copied into a file mapped into memory, so it is in the kernel's hands before the reply
 * that it accounts for is final, without a system call or a wait. A background thread moves rows to
 * SQL in groups, where the view `usage` shows them to queries, and frees their space. At
 * start what a killed process left is moved first, or later when the disk is full.
 *
 * The file has its full size from the beginning, so that a full disk is found at start, not as a
 * SIGBUS under load. When SQL cannot keep up or is full the journal fills: journal_add then fails
 * with ERR_FULL and the request that it belongs to is refused, as usage that is not recorded is not
 * served.
 *
 * Threads: one writer per journal (a loop has its own); the mover reads behind it.
 */
#pragma once

#include "store/ledger.h"

struct journal_set; /* the journals of all loops and the thread that moves their rows */
struct journal;     /* one loop's */

/* The files are dir/journal.0, .1, ...; those of loops that there were and are no more are moved
 * and removed. ERR_FULL when there is no room for the files, ERR_CORRUPT for what is no journal. */
bool journal_open(struct journal_set **out, struct db *d, const char *dir, unsigned loops,
                  struct err *e);
void journal_close(struct journal_set *s); /* moves everything */
struct journal *journal_of(struct journal_set *s, unsigned loop);
bool journal_add(struct journal *j, const struct usage_row *row, struct err *e);
/* Returns when every row added before is in SQL, or false when SQL does not take them. Not on a
 * loop's stack; a fiber sleeps. */
bool journal_flush(struct journal_set *s, struct err *e);
uint64_t journal_waiting(const struct journal_set *s); /* rows not yet in SQL */
