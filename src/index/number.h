/* number.h - the numbers under which a collection's indexes know its documents.
 *
 * Numbers are small, so that a set of documents is a row of bits. Each version of a document has a
 * number of its own: an index that already has the next version shows it to nobody who looks with
 * the rights and attributes of the one before. A number that a version has lost is given to another
 * only when no reader knows it any more. Readers are counted by epoch: an epoch ends when what a
 * catch-up has changed is published, and the numbers that were lost then become free when it and
 * all epochs before it have no readers left.
 *
 * Memory:  an epoch keeps what it needs after the numbers have gone.
 * Threads: everything on struct numbers: one at a time; epoch_ref, epoch_unref, numbers_end: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct numbers;
struct epoch;

struct numbers *numbers_new(void);
void numbers_free(struct numbers *n); /* accepts NULL */

/* For loading: document and number belong together. All numbers below the highest that is not named
 * so must be handed to numbers_spare. */
void numbers_set(struct numbers *n, int64_t document, uint32_t number);
void numbers_spare(struct numbers *n, uint32_t number);

/* The document's number; false when it has none. */
bool numbers_find(const struct numbers *n, int64_t document, uint32_t *number);
/* A new number for the document; the one that it had is lost. */
uint32_t numbers_take(struct numbers *n, int64_t document);
/* The document has gone, and its number is lost. */
void numbers_drop(struct numbers *n, int64_t document);

/* Ends the epoch: what was lost up to now is not in what readers see from now on. */
void numbers_turn(struct numbers *n);
struct epoch *numbers_epoch(struct numbers *n); /* the present one, with a reader more */
/* Another reader of an epoch that has one. It holds all later ones too: numbers that were not free
 * in this epoch are not given to others. */
struct epoch *epoch_ref(struct epoch *e);
void epoch_unref(struct epoch *e); /* accepts NULL */
/* Every number that was ever given is below; may be asked beside everything else. */
uint32_t numbers_end(const struct numbers *n);
