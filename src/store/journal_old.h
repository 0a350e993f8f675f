/* journal_old.h - journals of versions 1 and 2, whose rows had numbers of their own.
 *
 * A killed process of that time leaves such a file, and may have moved rows of it without a note of
 * it: these are recognised by their number.
 *
 * Threads: one, before journals are open.
 */
#pragma once

#include "store/db.h"

bool journal_old_is(const char *path);
/* Moves what is left in it; the caller then removes the file. */
bool journal_old_move(struct db *d, const char *path, struct err *e);
