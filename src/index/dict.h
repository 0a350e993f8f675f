/* dict.h - the words of a segment in order of their bytes, and where the postings of each lie.
 *
 * Words are written in blocks of DICT_BLOCK: of each only what differs from the one before
 * (front coding: Witten, Moffat and Bell, "Managing Gigabytes", 1999), then how many passages have
 * it and how many bytes its postings take. Beside it in memory there is a hash table, so that a
 * word is found with two or three cache misses; the order serves words that begin alike, and words
 * that are nearly alike.
 *
 * Memory:  a dictionary borrows its image; dict_fini frees the table.
 * Threads: any number may read. A cursor belongs to one.
 */
#pragma once

#include "base/str.h"

#include <stdint.h>

enum { DICT_BLOCK = 16, DICT_WORD_MAX = 255 };

struct dict {
    uint32_t n;
    struct str text;     /* the blocks */
    const uint64_t *at;  /* [blocks][2]: where a block begins in the text, and in postings */
    uint64_t *slot;      /* hash table: leading half of a word's hash, number + 1 */
    unsigned slot_shift; /* the table has 2^(64 - shift) slots */
};

static inline uint32_t dict_blocks(uint32_t n)
{
    return (n + DICT_BLOCK - 1) / DICT_BLOCK;
}

/* One word; what a cursor stands on. */
struct dict_cursor {
    const struct dict *d;
    uint32_t number;       /* of the word, in order */
    uint32_t df;           /* passages that have it */
    uint64_t list, n_list; /* where its postings begin, and their bytes */
    /* inside */
    const uint8_t *next;
    uint8_t len;
    char word[DICT_WORD_MAX + 1];
};

static inline struct str dict_word(const struct dict_cursor *c)
{
    return (struct str){c->word, c->len};
}

/* To the word with this number; number <= n: at n there is none. */
bool dict_seek(struct dict_cursor *c, const struct dict *d, uint32_t number);
bool dict_next(struct dict_cursor *c); /* false behind the last */
/* To the first word that is not before `word`. */
bool dict_lower(struct dict_cursor *c, const struct dict *d, struct str word);
/* To the word with this hash_stable. */
bool dict_find(struct dict_cursor *c, const struct dict *d, uint64_t hash);

/* Calls found(arg, cursor, distance) for the words that begin with `word`, until it returns false.
 */
typedef bool dict_found(void *arg, const struct dict_cursor *c, unsigned distance);
void dict_prefix(const struct dict *d, struct str word, dict_found *found, void *arg);
/* The same for the words at most `most` (at most 2) characters inserted, dropped or replaced away:
 * a walk over the dictionary as a trie, with a row of the distance table for each character. */
void dict_fuzzy(const struct dict *d, struct str word, unsigned most, dict_found *found, void *arg);

/* ---- Making one ---- */

struct dict_writer {
    uint32_t n;
    char *text;
    size_t len, room;
    uint64_t *at;
    size_t room_at;
    uint64_t list;
    uint8_t last_len;
    char last[DICT_WORD_MAX];
};

/* Words come in rising order. */
void dict_put(struct dict_writer *w, struct str word, uint32_t df, size_t n_list);
void dict_writer_fini(struct dict_writer *w);

/* Checks all of it and makes the table; n, text and at are set, and `text` is followed by bytes
 * that may be read. False: it is damaged. Where the last word's postings end: *list. */
bool dict_open(struct dict *d, uint64_t *list);
void dict_fini(struct dict *d);
