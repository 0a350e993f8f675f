/* The image: a head, the dictionary's table, the combinations of counts, the postings, the words,
 * the passages, and PACK_SLACK zeros.
 *
 * A list of postings that is one block: its highest share in 255ths, rounded up and never 0; the
 * block. A longer one: 0, the number of blocks, a head for each (struct block_head), and the blocks
 * with their numbers of postings in front. A block of PACK_BLOCK postings: the gaps less 1, then
 * the codes, as pack_block writes them. A shorter one: the parameter of its Rice codes, then gap
 * and code by turns, codes with parameter 0.
 *
 * The passages: of each document its number and how many it has, of each passage its key and its
 * lengths, in few bytes because they are written as differences from what is likely. */
#include "index/segment_part.h"

#include <math.h>
#include <stdlib.h>

struct segment *segment_ref(struct segment *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void segment_unref(struct segment *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    segment_holder_unref(s->holder);
    dict_fini(&s->dict);
    mem_free(s->document);
    mem_free(s->by_number);
    mem_free(s->key);
    mem_free(s->owner);
    mem_free(s->length);
    mem_free(s);
}

struct segment_holder *segment_holder_new(struct arena *arena, char *bytes)
{
    struct segment_holder *h = mem_new(sizeof(*h));
    h->refs = 1;
    h->arena = arena;
    h->bytes = bytes;
    return h;
}

void segment_holder_unref(struct segment_holder *h)
{
    if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (h->arena)
        arena_free(h->arena);
    mem_free(h->bytes);
    mem_free(h);
}

const struct segment_document *segment_find_document(const struct segment *s, uint32_t number)
{
    uint32_t low = 0, high = s->n_documents;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (s->document[s->by_number[mid]].number < number)
            low = mid + 1;
        else
            high = mid;
    }
    const struct segment_document *d =
        low < s->n_documents ? &s->document[s->by_number[low]] : NULL;
    return d && d->number == number ? d : NULL;
}

/* ---- The postings of a word ---- */

static const uint8_t *list_of(const struct segment *s, const struct dict_cursor *c)
{
    return s->list + c->list;
}

uint32_t segment_n_blocks(const struct segment *s, const struct dict_cursor *c)
{
    const uint8_t *p = list_of(s, c), *end = p + c->n_list;
    return *p++ ? 1 : (uint32_t)pack_unvarint(&p, end);
}

void segment_blocks(const struct segment *s, const struct dict_cursor *c,
                    struct segment_block *block)
{
    const uint8_t *p = list_of(s, c), *end = p + c->n_list;
    if (*p) {
        *block = (struct segment_block){.after = UINT32_MAX,
                                        .last = s->n_passages - 1,
                                        .n = c->df,
                                        .max = (float)*p / SEGMENT_SHARES,
                                        .at = c->list + 1};
        return;
    }
    p++;
    uint32_t n = (uint32_t)pack_unvarint(&p, end), after = UINT32_MAX;
    uint64_t at = c->list + (uint64_t)(p - list_of(s, c)) + (uint64_t)n * BLOCK_HEAD;
    for (uint32_t i = 0; i < n; i++, p += BLOCK_HEAD) {
        struct block_head h = block_head_at(p);
        block[i] = (struct segment_block){
            .after = after, .last = h.last, .max = (float)h.max / SEGMENT_SHARES, .at = at};
        after = h.last;
        at += h.size;
    }
}

void segment_unpack(const struct segment *s, const struct segment_block *b,
                    struct segment_postings *out)
{
    const uint8_t *p = s->list + b->at;
    out->n = b->n ? b->n : *p++;
    if (out->n == PACK_BLOCK) {
        p = pack_unblock(p, out->passage);
        pack_unblock(p, out->code);
        pack_sum(out->passage, b->after);
        return;
    }
    unsigned k = *p++;
    size_t bit = 0;
    uint32_t passage = b->after;
    for (uint32_t i = 0; i < out->n; i++) {
        passage += pack_unrice(p, &bit, k) + 1;
        out->passage[i] = passage;
        out->code[i] = pack_unrice(p, &bit, 0);
    }
}

/* ---- Opening ---- */

static uint64_t round8(uint64_t n)
{
    return (n + 7) & ~UINT64_C(7);
}

uint64_t segment_image_size(const struct segment_head *h)
{
    return round8(sizeof(*h) + (uint64_t)dict_blocks(h->n_words) * 16 +
                  (uint64_t)h->n_codes * sizeof(struct segment_code) + h->n_list + h->n_text +
                  h->n_passage_bytes + PACK_SLACK);
}

/* Sets the pointers into the image. */
static void lay_out(struct segment *s, const char *image, const struct segment_head *h)
{
    s->n_passages = h->n_passages;
    s->n_codes = h->n_codes;
    s->n_documents = h->n_documents;
    s->n_postings = h->n_postings;
    s->n_list = h->n_list;
    s->params = h->params;
    s->mean_length = h->mean_length;
    s->image = (struct str){image, segment_image_size(h)};
    s->dict.n = h->n_words;
    s->dict.at = (const uint64_t *)(image + sizeof(*h));
    s->code = (const struct segment_code *)(s->dict.at + (size_t)dict_blocks(h->n_words) * 2);
    s->list = (const uint8_t *)(s->code + h->n_codes);
    s->dict.text = (struct str){(const char *)s->list + h->n_list, h->n_text};
    s->passages = (struct str){s->dict.text.p + h->n_text, h->n_passage_bytes};
}

static float weigh_lengths(const struct bm25_params *p, const uint32_t length[BM25_FIELDS])
{
    float sum = 0;
    for (int f = 0; f < BM25_FIELDS; f++)
        sum += p->weight[f] * (float)length[f];
    return sum;
}

bool segment_table_next(struct segment_table *t, struct segment_document *doc)
{
    uint32_t next = doc->first + doc->n; /* zeros before the first */
    doc->number = (uint32_t)(t->number + (uint64_t)pack_unzigzag(pack_unvarint(&t->p, t->end)));
    t->number = (uint64_t)doc->number + 1;
    uint64_t head = pack_unvarint(&t->p, t->end);
    t->fields = head & 2;
    if (head & 1)
        t->lang = (uint32_t)pack_unvarint(&t->p, t->end);
    doc->lang = t->lang;
    doc->first = next;
    doc->n = (uint32_t)(head >> 2);
    return head >> 2 > 0 && head >> 2 <= SEGMENT_MAX_PASSAGES && t->lang < LANG_COUNT;
}

void segment_table_passage(struct segment_table *t, int64_t *key, uint32_t length[BM25_FIELDS])
{
    *key = (int64_t)(t->key + (uint64_t)pack_unzigzag(pack_unvarint(&t->p, t->end)));
    t->key = (uint64_t)*key + 1;
    length[BM25_BODY] = (uint32_t)pack_unvarint(&t->p, t->end);
    length[BM25_TITLE] = t->fields ? (uint32_t)pack_unvarint(&t->p, t->end) : 0;
    length[BM25_SECTION] = t->fields ? (uint32_t)pack_unvarint(&t->p, t->end) : 0;
}

struct segment_table segment_table_of(const struct segment *s)
{
    return (struct segment_table){.p = (const uint8_t *)s->passages.p,
                                  .end = (const uint8_t *)s->passages.p + s->passages.len};
}

/* Every passage belongs to one document, and the table ends where it should. */
static bool open_passages(struct segment *s, const struct bm25_params *params)
{
    struct segment_table t = segment_table_of(s);
    struct segment_document doc = {0};
    s->document = mem_array(s->n_documents, sizeof(*s->document));
    s->key = mem_array(s->n_passages, sizeof(*s->key));
    s->owner = mem_array(s->n_passages, sizeof(*s->owner));
    s->length = mem_array(s->n_passages, sizeof(*s->length));
    s->total_length = 0;
    for (uint32_t d = 0; d < s->n_documents; d++) {
        if (!segment_table_next(&t, &doc) || doc.n > s->n_passages - doc.first)
            return false;
        s->document[d] = doc;
        for (uint32_t i = doc.first; i < doc.first + doc.n; i++) {
            uint32_t length[BM25_FIELDS];
            segment_table_passage(&t, &s->key[i], length);
            s->length[i] = weigh_lengths(params, length);
            s->total_length += (double)s->length[i];
            s->owner[i] = d;
        }
    }
    return doc.first + doc.n == s->n_passages && t.p == t.end;
}

static int by_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Numbers are given once. Mostly they rise, and nothing is to be sorted. */
static bool open_numbers(struct segment *s)
{
    bool rising = true, once = true;
    s->by_number = mem_array(s->n_documents, sizeof(*s->by_number));
    for (uint32_t d = 0; d < s->n_documents; d++) {
        s->by_number[d] = d;
        rising = rising && (d == 0 || s->document[d - 1].number < s->document[d].number);
    }
    if (rising)
        return true;
    uint64_t *sort = mem_array(s->n_documents, sizeof(*sort));
    for (uint32_t d = 0; d < s->n_documents; d++)
        sort[d] = (uint64_t)s->document[d].number << 32 | d;
    qsort(sort, s->n_documents, sizeof(*sort), by_u64);
    for (uint32_t d = 0; d < s->n_documents; d++) {
        once = once && (d == 0 || sort[d - 1] >> 32 != sort[d] >> 32);
        s->by_number[d] = (uint32_t)sort[d];
    }
    mem_free(sort);
    return once;
}

/* ---- Checking what comes from a file ---- */

static bool block_fits(const struct segment *s, const struct segment_block *b, size_t size,
                       bool last_known, uint32_t *n)
{
    const uint8_t *p = s->list + b->at;
    size_t used = 0, more;
    if (b->n == 0 && (size == 0 || *p == 0 || *p > PACK_BLOCK))
        return false;
    size_t head = b->n == 0;
    *n = b->n ? b->n : *p;
    if (*n == PACK_BLOCK) {
        if (!pack_block_fits(p + head, size - head, &used) ||
            !pack_block_fits(p + head + used, size - head - used, &more) ||
            head + used + more != size)
            return false;
    } else { /* each number is of a bit at least */
        if (size <= head || p[head] > 31 || *n > (size - head) * 8)
            return false;
        size_t bit = 0;
        for (uint32_t i = 0; i < *n; i++) {
            pack_unrice(p + head + 1, &bit, p[head]);
            pack_unrice(p + head + 1, &bit, 0);
            if (bit > (size - head - 1) * 8)
                return false;
        }
    }
    struct segment_postings out;
    segment_unpack(s, b, &out);
    uint32_t before = b->after;
    for (uint32_t i = 0; i < out.n; i++) {
        if (out.passage[i] >= s->n_passages || out.code[i] >= s->n_codes ||
            (before != UINT32_MAX && out.passage[i] <= before))
            return false;
        before = out.passage[i];
    }
    return !last_known || before == b->last;
}

static bool list_fits(const struct segment *s, const struct dict_cursor *c)
{
    if (c->n_list == 0)
        return false;
    const uint8_t *p = list_of(s, c), *end = p + c->n_list;
    uint32_t n;
    if (*p) {
        struct segment_block b;
        segment_blocks(s, c, &b);
        return c->df <= PACK_BLOCK && block_fits(s, &b, c->n_list - 1, false, &n);
    }
    p++;
    uint64_t blocks = pack_unvarint(&p, end), df = 0;
    uint64_t left = (uint64_t)(end - p);
    if (blocks == 0 || blocks > left / BLOCK_HEAD)
        return false;
    left -= blocks * BLOCK_HEAD;
    struct segment_block b = {.after = UINT32_MAX, .at = c->list + c->n_list - left};
    for (uint64_t i = 0; i < blocks; i++, p += BLOCK_HEAD) {
        struct block_head h = block_head_at(p);
        b.last = h.last;
        if (h.size > left || !block_fits(s, &b, h.size, true, &n))
            return false;
        df += n;
        left -= h.size;
        b.at += h.size;
        b.after = h.last;
    }
    return left == 0 && df == c->df;
}

static bool lists_fit(const struct segment *s)
{
    struct dict_cursor c;
    uint64_t postings = 0;
    bool more = dict_seek(&c, &s->dict, 0);
    for (; more; more = dict_next(&c)) {
        if (!list_fits(s, &c))
            return false;
        postings += c.df;
    }
    return postings == s->n_postings;
}

static bool codes_fit(const struct segment *s)
{
    for (uint32_t i = 0; i < s->n_codes; i++) {
        const uint8_t *count = s->code[i].count;
        if (count[BM25_TITLE] > SEGMENT_SMALL_COUNT || count[BM25_SECTION] > SEGMENT_SMALL_COUNT ||
            count[BM25_TITLE] + count[BM25_SECTION] + count[BM25_BODY] == 0)
            return false;
    }
    return true;
}

static bool params_fit(const struct bm25_params *p)
{
    for (int f = 0; f < BM25_FIELDS; f++)
        if (!(p->weight[f] >= BM25_WEIGHT_MIN && p->weight[f] <= BM25_WEIGHT_MAX))
            return false;
    return p->k1 >= 0 && p->k1 <= 1000 && p->b >= 0 && p->b <= 1;
}

static bool head_fits(const struct segment_head *h, size_t len)
{
    const uint64_t most = UINT64_C(1) << 40;
    return h->n_passages > 0 && h->n_passages <= SEGMENT_MAX_PASSAGES && h->n_words < 1u << 31 &&
           h->n_codes <= SEGMENT_CODES && h->n_documents <= h->n_passages &&
           h->n_passages <= h->n_passage_bytes && h->n_list < most && h->n_text < most &&
           h->n_passage_bytes < most && params_fit(&h->params) && h->mean_length > 0 &&
           isfinite(h->mean_length) && segment_image_size(h) == len;
}

static bool same_weights(const struct bm25_params *a, const struct bm25_params *b)
{
    for (int f = 0; f < BM25_FIELDS; f++)
        if (a->weight[f] != b->weight[f])
            return false;
    return true;
}

struct segment *segment_open(const char *image, struct segment_holder *holder,
                             const struct bm25_params *params, bool check)
{
    struct segment_head h;
    memcpy(&h, image, sizeof(h));
    struct segment *s = mem_new(sizeof(*s));
    s->refs = 1;
    atomic_fetch_add_explicit(&holder->refs, 1, memory_order_relaxed);
    s->holder = holder;
    lay_out(s, image, &h);
    s->loose = !same_weights(&s->params, params);
    uint64_t list;
    bool good = dict_open(&s->dict, &list) && list == s->n_list && open_passages(s, params) &&
                open_numbers(s) && (!check || (codes_fit(s) && lists_fit(s)));
    if (good)
        return s;
    segment_unref(s);
    return NULL;
}

bool segment_load(struct segment **out, struct str image, struct segment_holder *holder,
                  const struct bm25_params *params, struct err *e)
{
    struct segment_head h;
    if (image.len < sizeof(h))
        return err_set(e, ERR_CORRUPT, "a segment is cut short at %zu bytes", image.len);
    memcpy(&h, image.p, sizeof(h));
    if (!head_fits(&h, image.len))
        return err_set(e, ERR_CORRUPT, "a segment's head does not fit its %zu bytes", image.len);
    *out = segment_open(image.p, holder, params, true);
    return *out || err_set(e, ERR_CORRUPT, "a segment's parts contradict each other");
}
