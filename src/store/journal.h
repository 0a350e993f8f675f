/* journal.h - ledger rows that survive kill -9 the moment they are written, at 50 ns each.
 *
 * A row is copied into a file mapped into memory, so it is in the kernel's hands before the reply
 * that it accounts for is final, without a system call or a wait. A background thread moves rows to
 * SQL in groups, where the view `usage` shows them to queries, and frees their space. At
 * start what a killed process left is moved first, or later when the disk is full; a row has a
 * number of its own, so moving it twice does nothing.
 *
 * The file has its full size from the beginning, so that a full disk is found at start, not as a
 * SIGBUS under load. When SQL cannot keep up or is full the journal fills: journal_add then fails
 * with ERR_FULL and the request that it belongs to is refused, as usage that is not recorded is not
 * served.
 *
 * Threads: one writer per journal (a loop has its own); the mover reads behind it.
 */
#pragma once

#include "store/db.h"

/* One attempt at one provider. Text is cut to its field; all of it fits one cache-line-aligned
 * slot. */
struct usage_row {
    uint64_t id;      /* set by journal_add */
    int64_t at_ms;    /* wall time of the end */
    char request[32]; /* x-request-id */
    char key[32];     /* id of the API key */
    char tenant[32];
    char model[48]; /* as asked for */
    char provider[32];
    char upstream_model[48];
    int32_t attempt; /* from 1 */
    int32_t status;  /* HTTP status given to the caller, or the provider's when it failed */
    char error[16];  /* err_name, "" = success */
    int64_t input_tokens, output_tokens, cached_tokens, reasoning_tokens;
    int64_t cost_microusd;
    int64_t latency_us, first_token_us;
    uint8_t counted; /* 1 = tokens counted here because the provider did not tell */
    uint8_t streamed;
    int64_t cache_write_tokens; /* the last one, as journals of version 1 have none */
};

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
