/* vocab_set.h - inside text/vocab: what a loaded vocabulary is made of, and how the reader of a
 * format fills it.
 *
 * Tokens are found by their bytes; which two neighbours merge first is told by a rank. In a rank
 * file the rank of the merged token is its id, so no list of pairs is needed; a tokenizer.json
 * lists pairs, in order.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "text/vocab_cut.h"

#include <stdatomic.h>

enum { VOCAB_MOST = 1 << 20, VOCAB_TOKEN_MOST = 1024 /* bytes */ };

struct vocab_pair {
    uint32_t left, right; /* indexes of tokens */
    uint32_t rank, token;
};

struct vocab {
    atomic_int refs;
    enum vocab_cut cut;
    bool has_pairs;    /* merges go by `pair`, else by the id of the merged token */
    bool whole_first;  /* a piece that is a token is not merged to see whether it gets there */
    bool prefix_space; /* text is read as if a space stood in front */
    bool nfc;          /* text is composed first */
    char *bytes;       /* of all tokens */
    uint32_t *start;   /* [n + 1] in bytes */
    uint32_t *id;      /* [n] */
    uint32_t n, cap, longest;
    uint32_t *slot;          /* token + 1 by hash of its bytes; 0 = free */
    uint32_t slots;          /* a power of two */
    struct vocab_pair *pair; /* by hash of left and right; left = right = 0 and rank = UINT32_MAX:
                                free */
    uint32_t pair_slots;
    uint32_t single[256]; /* token of each byte */
};

enum { VOCAB_NO_TOKEN = -1 };

struct vocab *vocab_new(size_t tokens, size_t bytes); /* room for so many */
/* False: there is one of these bytes already, or no room. */
bool vocab_add(struct vocab *v, struct str bytes, uint32_t id);
int64_t vocab_find(const struct vocab *v, struct str bytes); /* index, or VOCAB_NO_TOKEN */
struct str vocab_bytes(const struct vocab *v, uint32_t token);
void vocab_reserve_pairs(struct vocab *v, size_t n);
/* The first one told of a pair counts. */
void vocab_add_pair(struct vocab *v, struct vocab_pair pair);
/* ERR_INVALID: there is a byte that no token stands for. */
bool vocab_finish(struct vocab *v, struct err *e);

/* Formats. */
bool vocab_ranks_parse(struct vocab **out, struct str text, struct err *e);
bool vocab_json_parse(struct vocab **out, struct str text, struct err *e);
