#include "index/dict.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "index/pack.h"

#include <string.h>

/* ---- Reading ----
 *
 * A word: shared and own length, four bits each when both are below 15, else 255 and two bytes; its
 * own bytes; df and n_list. The first word of a block shares nothing. */

enum { LONG = 255 };

static const uint8_t *end_of(const struct dict *d)
{
    return (const uint8_t *)d->text.p + d->text.len;
}

/* Reads the word at c->next. Everything is checked, since dict_open uses it. */
static bool read_word(struct dict_cursor *c)
{
    const uint8_t *end = end_of(c->d), *p = c->next;
    if (p >= end)
        return false;
    size_t shared = *p >> 4, own = *p & 15;
    if (*p++ == LONG) {
        if (end - p < 2)
            return false;
        shared = *p++;
        own = *p++;
    }
    bool fits = shared <= c->len && shared + own <= DICT_WORD_MAX && own <= (size_t)(end - p);
    if (!fits)
        return false;
    memcpy(c->word + shared, p, own);
    c->len = (uint8_t)(shared + own);
    p += own;
    c->df = (uint32_t)pack_unvarint(&p, end);
    c->n_list = pack_unvarint(&p, end);
    c->next = p;
    return true;
}

static bool seek_block(struct dict_cursor *c, const struct dict *d, uint32_t block)
{
    const uint64_t *at = d->at + (size_t)block * 2;
    c->d = d;
    c->number = block * DICT_BLOCK;
    if (c->number >= d->n || at[0] >= d->text.len)
        return false;
    c->next = (const uint8_t *)d->text.p + at[0];
    c->list = at[1];
    c->len = 0;
    return read_word(c);
}

bool dict_next(struct dict_cursor *c)
{
    c->list += c->n_list;
    if (++c->number >= c->d->n)
        return false;
    if (c->number % DICT_BLOCK == 0)
        c->len = 0;
    return read_word(c);
}

bool dict_seek(struct dict_cursor *c, const struct dict *d, uint32_t number)
{
    if (number >= d->n || !seek_block(c, d, number / DICT_BLOCK))
        return false;
    while (c->number < number)
        if (!dict_next(c))
            return false;
    return true;
}

/* The last block whose first word is not behind `word`; 0 when all are. */
static uint32_t block_of(struct dict_cursor *c, const struct dict *d, struct str word)
{
    uint32_t low = 0, high = dict_blocks(d->n);
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (seek_block(c, d, mid) && str_cmp(dict_word(c), word) <= 0)
            low = mid;
        else
            high = mid;
    }
    return low;
}

bool dict_lower(struct dict_cursor *c, const struct dict *d, struct str word)
{
    if (d->n == 0 || !seek_block(c, d, block_of(c, d, word)))
        return false;
    while (str_cmp(dict_word(c), word) < 0)
        if (!dict_next(c))
            return false;
    return true;
}

static uint64_t *slot_of(const struct dict *d, uint64_t hash, size_t step)
{
    size_t mask = ((size_t)1 << (64 - d->slot_shift)) - 1;
    return &d->slot[((hash * UINT64_C(0x9e3779b97f4a7c15) >> d->slot_shift) + step) & mask];
}

static uint64_t half(uint64_t hash)
{
    return hash & UINT64_C(0xffffffff00000000);
}

bool dict_find(struct dict_cursor *c, const struct dict *d, uint64_t hash)
{
    if (d->n == 0)
        return false;
    for (size_t step = 0;; step++) {
        uint64_t slot = *slot_of(d, hash, step);
        if (slot == 0)
            return false;
        if (half(slot) == half(hash) && dict_seek(c, d, (uint32_t)slot - 1) &&
            hash_stable(dict_word(c)) == hash)
            return true;
    }
}

void dict_prefix(const struct dict *d, struct str word, dict_found *found, void *arg)
{
    struct dict_cursor c;
    bool more = dict_lower(&c, d, word);
    while (more && str_starts(dict_word(&c), word)) {
        if (!found(arg, &c, 0))
            return;
        more = dict_next(&c);
    }
}

/* ---- Words that are nearly alike ---- */

enum { FUZZY_MOST = 2, FUZZY_WORD = 64 }; /* characters; longer words are looked up as they are */

struct walk {
    uint32_t want[FUZZY_WORD]; /* the characters looked for */
    size_t n;
    unsigned most;
    uint32_t have[DICT_WORD_MAX]; /* the characters of the word before, as far as rows are made */
    size_t rows;
    uint8_t row[DICT_WORD_MAX + 1][FUZZY_WORD + 1];
};

/* The row behind one more character of a word: row[i][k] is the distance of its first i characters
 * from the first k wanted. False when no word that goes on from here can be near enough. */
static bool add_row(struct walk *w, size_t i, uint32_t c)
{
    const uint8_t *above = w->row[i];
    uint8_t *row = w->row[i + 1], least;
    row[0] = least = (uint8_t)size_min(i + 1, UINT8_MAX);
    for (size_t k = 0; k < w->n; k++) {
        unsigned best = above[k] + (unsigned)(w->want[k] != c);
        best = above[k + 1] + 1u < best ? above[k + 1] + 1u : best;
        best = row[k] + 1u < best ? row[k] + 1u : best;
        row[k + 1] = (uint8_t)(best < UINT8_MAX ? best : UINT8_MAX);
        least = row[k + 1] < least ? row[k + 1] : least;
    }
    w->have[i] = c;
    return least <= w->most;
}

/* Makes rows for a word, from where it differs from the one before. Returns its distance, or more
 * than `most`; then words that begin with its first *dead bytes are too far as well, if not 0. */
static unsigned distance_of(struct walk *w, struct str word, size_t *dead)
{
    size_t at = 0, i = 0;
    bool same = true;
    *dead = 0;
    for (; at < word.len; i++) {
        uint32_t c = utf8_next(word, &at);
        same = same && i < w->rows && w->have[i] == c;
        if (same)
            continue;
        w->rows = i;
        if (!add_row(w, i, c)) {
            *dead = at;
            return w->most + 1;
        }
        w->rows = i + 1;
    }
    return w->row[i][w->n];
}

/* Behind all words that begin with `word`. */
static bool skip_prefix(struct dict_cursor *c, struct str word)
{
    uint32_t block = c->number / DICT_BLOCK + 1, blocks = dict_blocks(c->d->n);
    struct dict_cursor head;
    bool jump = false;
    for (; block < blocks && seek_block(&head, c->d, block); block++) {
        if (!str_starts(dict_word(&head), word))
            break;
        jump = true;
    }
    if (jump && !seek_block(c, c->d, block - 1))
        return false;
    while (str_starts(dict_word(c), word))
        if (!dict_next(c))
            return false;
    return true;
}

void dict_fuzzy(const struct dict *d, struct str word, unsigned most, dict_found *found, void *arg)
{
    struct walk w = {.most = most < FUZZY_MOST ? most : FUZZY_MOST};
    for (size_t at = 0; at < word.len && w.n < FUZZY_WORD;)
        w.want[w.n++] = utf8_next(word, &at);
    for (size_t k = 0; k <= w.n; k++)
        w.row[0][k] = (uint8_t)k;
    struct dict_cursor c;
    bool more = d->n && seek_block(&c, d, 0);
    while (more) {
        size_t dead;
        unsigned distance = distance_of(&w, dict_word(&c), &dead);
        if (distance <= w.most && !found(arg, &c, distance))
            return;
        if (dead) {
            char start[DICT_WORD_MAX];
            memcpy(start, c.word, dead);
            more = skip_prefix(&c, (struct str){start, dead});
        } else {
            more = dict_next(&c);
        }
    }
}

/* ---- Writing ---- */

static void room_for(struct dict_writer *w, size_t n)
{
    if (w->len + n <= w->room)
        return;
    w->room = (w->len + n) * 3 / 2 + 4096;
    w->text = mem_resize(w->text, w->room, 1);
}

static void begin_block(struct dict_writer *w)
{
    size_t block = w->n / DICT_BLOCK;
    if ((block + 1) * 2 > w->room_at) {
        w->room_at = w->room_at * 2 + 128;
        w->at = mem_resize(w->at, w->room_at, sizeof(*w->at));
    }
    w->at[block * 2] = w->len;
    w->at[block * 2 + 1] = w->list;
    w->last_len = 0;
}

void dict_put(struct dict_writer *w, struct str word, uint32_t df, size_t n_list)
{
    CHECK(word.len <= DICT_WORD_MAX);
    if (w->n % DICT_BLOCK == 0)
        begin_block(w);
    size_t shared = 0;
    while (shared < w->last_len && shared < word.len && w->last[shared] == word.p[shared])
        shared++;
    size_t own = word.len - shared;
    room_for(w, word.len + 3 + 2 * PACK_VARINT_MAX);
    uint8_t *p = (uint8_t *)w->text + w->len;
    if (shared < 15 && own < 15) {
        *p++ = (uint8_t)(shared << 4 | own);
    } else {
        *p++ = LONG;
        *p++ = (uint8_t)shared;
        *p++ = (uint8_t)own;
    }
    memcpy(p, word.p + shared, own);
    p += own;
    p += pack_varint(p, df);
    p += pack_varint(p, n_list);
    w->len = (size_t)(p - (uint8_t *)w->text);
    memcpy(w->last + shared, word.p + shared, own);
    w->last_len = (uint8_t)word.len;
    w->list += n_list;
    w->n++;
}

void dict_writer_fini(struct dict_writer *w)
{
    mem_free(w->text);
    mem_free(w->at);
}

/* ---- Opening ---- */

static void put_slot(struct dict *d, uint64_t hash, uint32_t number)
{
    uint64_t *slot;
    size_t step = 0;
    while (*(slot = slot_of(d, hash, step)))
        step++;
    *slot = half(hash) | (number + 1);
}

static void make_table(struct dict *d)
{
    unsigned bits = 4;
    while ((uint64_t)d->n * 3 / 2 >> bits)
        bits++;
    d->slot_shift = 64 - bits;
    d->slot = mem_array((size_t)1 << bits, sizeof(*d->slot));
}

bool dict_open(struct dict *d, uint64_t *list)
{
    struct dict_cursor c = {.d = d, .next = (const uint8_t *)d->text.p};
    char before[DICT_WORD_MAX];
    size_t len = 0;
    d->slot = NULL;
    if (d->n > UINT32_MAX / 2 || d->n > d->text.len)
        return false;
    make_table(d);
    for (; c.number < d->n; c.number++) {
        const uint64_t *at = d->at + (size_t)c.number / DICT_BLOCK * 2;
        bool head = c.number % DICT_BLOCK == 0;
        if (head && (at[0] != (size_t)(c.next - (const uint8_t *)d->text.p) || at[1] != c.list))
            return false;
        c.len = head ? 0 : c.len;
        if (!read_word(&c) || c.df == 0 || c.n_list > UINT32_MAX)
            return false;
        if (c.number && str_cmp((struct str){before, len}, dict_word(&c)) >= 0)
            return false;
        memcpy(before, c.word, c.len);
        len = c.len;
        put_slot(d, hash_stable(dict_word(&c)), c.number);
        c.list += c.n_list;
    }
    *list = c.list;
    return c.next == end_of(d);
}

void dict_fini(struct dict *d)
{
    mem_free(d->slot);
    d->slot = NULL;
}
