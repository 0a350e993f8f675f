/* ledger.h - rows of the ledger: what one is, how it lies in a journal's file, how groups of them
 * come into SQL, where the view `usage` shows them.
 *
 * What rows have in common (whose key, which model, how it ended) is a label in SQL, of which rows
 * hold the number: a row with all its texts would cost three times as much.
 *
 * A group comes into SQL once and only once, because how far SQL has got with a journal is written
 * in the transaction that inserts the rows, and a group from before that place writes nothing.
 *
 * Threads: a ledger belongs to one at a time; packing is free.
 */
#pragma once

#include "store/db.h"

/* One attempt at one provider. Texts are cut to what a packed row has room for, between
 * characters. */
struct usage_row {
    int64_t at_ms;      /* wall time of the end */
    struct str request; /* x-request-id */
    struct str key;     /* id of the API key */
    struct str tenant;
    struct str model; /* as asked for */
    struct str provider;
    struct str upstream_model;
    struct str error; /* err_name, "" = success */
    int32_t attempt;  /* from 1 */
    int32_t status;   /* HTTP status given to the caller, or the provider's when it failed */
    int64_t input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens;
    int64_t cost_microusd;
    int64_t latency_us, first_token_us;
    bool counted; /* tokens were counted here because the provider did not tell */
    bool streamed;
};

/* ---- As it lies in a file: what is not used of `text` is neither written nor read. ---- */

enum { /* the most bytes of each text */
       LEDGER_REQUEST = 32,
       LEDGER_KEY = 32,
       LEDGER_TENANT = 32,
       LEDGER_MODEL = 48, /* of either */
       LEDGER_PROVIDER = 32,
       LEDGER_ERROR = 16,
       LEDGER_LABEL_TEXT =
           LEDGER_KEY + LEDGER_TENANT + 2 * LEDGER_MODEL + LEDGER_PROVIDER + LEDGER_ERROR,
       LEDGER_TEXTS = 6, /* of a label: key, tenant, model, provider, upstream_model, error */
};

struct ledger_label { /* its texts follow */
    int32_t attempt, status;
    uint8_t counted, streamed, len[LEDGER_TEXTS];
};

struct ledger_packed {
    int64_t at_ms;
    int64_t input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens;
    int64_t cost_microusd, latency_us, first_token_us;
    uint32_t label_len; /* with its texts */
    uint32_t request_len;
    struct ledger_label label;
    char text[LEDGER_LABEL_TEXT + LEDGER_REQUEST]; /* the label's, then the request */
};

void ledger_pack(struct ledger_packed *to, const struct usage_row *row);
/* How much of it is used; 0 when the lengths in it cannot be. */
size_t ledger_packed_size(const struct ledger_packed *p);

/* ---- Into SQL ---- */

/* Of one transaction, some 3 ms. More than the half of its slots at which a journal calls the
 * mover, so that what comes until the mover is there goes with them. */
enum { LEDGER_GROUP = 5120 };

struct ledger_group {
    int64_t journal;   /* the file that it comes from */
    uint64_t from, to; /* positions in it: row[] is what there is from one up to the other */
    size_t n;
    const struct ledger_packed *row[LEDGER_GROUP];
};

struct ledger *ledger_new(struct db *d);
void ledger_free(struct ledger *l);
/* Up to which position SQL has the rows of a journal; 0 for one that it does not know. */
bool ledger_reached(struct db *d, int64_t journal, uint64_t *position, struct err *e);
/* Sets *position to how far SQL has got: to g->to, or where it was when that is beyond g->from, and
 * then nothing was written. */
bool ledger_write(struct ledger *l, const struct ledger_group *g, uint64_t *position,
                  struct err *e);
/* The number of the label that a row has; makes one when there is none. */
bool ledger_label(struct db_tx *tx, const struct usage_row *row, int64_t *number, struct err *e);
