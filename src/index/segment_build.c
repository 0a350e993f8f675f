/* Making segments: from words as they come, and from other segments. Both go through a draft,
 * which takes postings word by word and compresses them at once. */
#include "index/segment_part.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>

static void *grow(void *p, size_t *room, size_t need, size_t size)
{
    if (need <= *room)
        return p;
    *room = need + need / 2 + 64;
    return mem_resize(p, *room, size);
}

/* Bytes that only get more. */
struct bytes {
    uint8_t *p;
    size_t len, room;
};

static uint8_t *bytes_room(struct bytes *b, size_t n)
{
    b->p = grow(b->p, &b->room, b->len + n, 1);
    return b->p + b->len;
}

static void bytes_put(struct bytes *b, const void *from, size_t n)
{
    if (n)
        memcpy(bytes_room(b, n), from, n);
    b->len += n;
}

static void bytes_varint(struct bytes *b, uint64_t v)
{
    uint8_t *to = bytes_room(b, PACK_VARINT_MAX);
    b->len += pack_varint(to, v);
}

/* ---- The table of passages ---- */

struct table_writer {
    struct bytes out;
    uint64_t number, key;
    uint32_t lang;
};

static void table_document(struct table_writer *w, uint32_t number, uint32_t n, uint32_t lang,
                           bool fields)
{
    bytes_varint(&w->out, pack_zigzag((int64_t)(number - w->number)));
    bytes_varint(&w->out, (uint64_t)n << 2 | (uint64_t)fields << 1 | (lang != w->lang));
    if (lang != w->lang)
        bytes_varint(&w->out, lang);
    w->lang = lang;
    w->number = (uint64_t)number + 1;
}

static void table_passage(struct table_writer *w, int64_t key, const uint32_t length[BM25_FIELDS],
                          bool fields)
{
    bytes_varint(&w->out, pack_zigzag((int64_t)((uint64_t)key - w->key)));
    bytes_varint(&w->out, length[BM25_BODY]);
    if (fields) {
        bytes_varint(&w->out, length[BM25_TITLE]);
        bytes_varint(&w->out, length[BM25_SECTION]);
    }
    w->key = (uint64_t)key + 1;
}

/* ---- A draft ---- */

struct draft {
    struct segment_head head;
    struct table_writer table;
    struct segment_code code[SEGMENT_CODES];
    float count[SEGMENT_CODES]; /* weighted */
    const float *length;        /* [n_passages], the maker's */
    struct dict_writer dict;
    struct bytes list;
    /* the word at hand */
    struct bytes heads, blocks;
    uint32_t df, n_blocks, before;
    uint8_t max; /* of its only block */
    /* the block at hand */
    uint32_t n;
    uint32_t passage[PACK_BLOCK], posting_code[PACK_BLOCK];
};

static size_t put_postings(uint8_t *out, const struct draft *d)
{
    uint32_t gap[PACK_BLOCK], before = d->before;
    for (uint32_t i = 0; i < d->n; i++) {
        gap[i] = d->passage[i] - before - 1;
        before = d->passage[i];
    }
    if (d->n == PACK_BLOCK) {
        size_t n = pack_block(out, gap);
        return n + pack_block(out + n, d->posting_code);
    }
    double mean = (double)(before - d->before - d->n) / d->n;
    unsigned k = pack_rice_of(mean);
    struct pack_bits bits = {out + 1, 0};
    out[0] = (uint8_t)k;
    for (uint32_t i = 0; i < d->n; i++) {
        pack_rice(&bits, gap[i], k);
        pack_rice(&bits, d->posting_code[i], 0);
    }
    return 1 + (bits.bit + 7) / 8;
}

static uint8_t highest_share(const struct draft *d)
{
    const struct bm25_params *p = &d->head.params;
    float max = 0;
    for (uint32_t i = 0; i < d->n; i++) {
        float share = bm25_share(p, d->count[d->posting_code[i]], d->length[d->passage[i]],
                                 d->head.mean_length);
        max = fmaxf(max, share);
    }
    float steps = ceilf(max * SEGMENT_SHARES * 1.00001f);
    return (uint8_t)fminf(fmaxf(steps, 1), SEGMENT_SHARES);
}

static void end_block(struct draft *d)
{
    enum { ROOM = 2 * PACK_BLOCK_MAX + PACK_BLOCK * 2 * PACK_RICE_BITS / 8 };
    uint8_t *to = bytes_room(&d->blocks, 1 + ROOM);
    memset(to, 0, 1 + ROOM);
    to[0] = (uint8_t)d->n;
    size_t size = 1 + put_postings(to + 1, d);
    d->blocks.len += size;
    d->max = highest_share(d);
    block_head_put(
        bytes_room(&d->heads, BLOCK_HEAD),
        (struct block_head){.last = d->passage[d->n - 1], .size = (uint16_t)size, .max = d->max});
    d->heads.len += BLOCK_HEAD;
    d->n_blocks++;
    d->before = d->passage[d->n - 1];
    d->n = 0;
}

static void begin_word(struct draft *d)
{
    d->heads.len = d->blocks.len = 0;
    d->df = d->n_blocks = d->n = 0;
    d->before = UINT32_MAX;
}

static void put_posting(struct draft *d, uint32_t passage, uint32_t code)
{
    d->passage[d->n] = passage;
    d->posting_code[d->n++] = code;
    d->df++;
    if (d->n == PACK_BLOCK)
        end_block(d);
}

static void end_word(struct draft *d, struct str word)
{
    if (d->n)
        end_block(d);
    if (d->df == 0)
        return;
    size_t start = d->list.len;
    if (d->n_blocks == 1) {
        bytes_put(&d->list, &d->max, 1);
        bytes_put(&d->list, d->blocks.p + 1, d->blocks.len - 1);
    } else {
        bytes_varint(&d->list, 0);
        bytes_varint(&d->list, d->n_blocks);
        bytes_put(&d->list, d->heads.p, d->heads.len);
        bytes_put(&d->list, d->blocks.p, d->blocks.len);
    }
    dict_put(&d->dict, word, d->df, d->list.len - start);
    d->head.n_postings += d->df;
}

/* Takes the combinations of counts that are used, the most frequent first. number[] says under
 * which number each now goes. */
static int by_uses(const void *a, const void *b)
{
    const struct segment_code *x = a, *y = b;
    if (x->uses != y->uses)
        return x->uses < y->uses ? 1 : -1;
    return memcmp(x->count, y->count, sizeof(x->count));
}

static uint32_t combination(const uint8_t count[BM25_FIELDS])
{
    return (uint32_t)count[BM25_TITLE] << 10 | (uint32_t)count[BM25_SECTION] << 8 |
           count[BM25_BODY];
}

static void number_codes(struct draft *d, const uint32_t uses[SEGMENT_CODES],
                         uint16_t number[SEGMENT_CODES])
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < SEGMENT_CODES; i++)
        if (uses[i])
            d->code[n++] = (struct segment_code){
                .count = {(uint8_t)(i >> 10), (uint8_t)(i >> 8 & 3), (uint8_t)i}, .uses = uses[i]};
    if (n)
        qsort(d->code, n, sizeof(*d->code), by_uses);
    for (uint32_t i = 0; i < n; i++) {
        number[combination(d->code[i].count)] = (uint16_t)i;
        d->count[i] = bm25_count(&d->head.params, &d->code[i]);
    }
    d->head.n_codes = n;
}

static void draft_free(struct draft *d)
{
    dict_writer_fini(&d->dict);
    mem_free(d->table.out.p);
    mem_free(d->list.p);
    mem_free(d->heads.p);
    mem_free(d->blocks.p);
    mem_free(d);
}

static char *put(char *to, const void *from, size_t n)
{
    if (n)
        memcpy(to, from, n);
    return to + n;
}

/* Frees the draft. */
static struct segment *draft_end(struct draft *d)
{
    struct segment_head *h = &d->head;
    h->n_words = d->dict.n;
    h->n_list = d->list.len;
    h->n_text = d->dict.len;
    h->n_passage_bytes = d->table.out.len;
    char *image = mem_new(segment_image_size(h));
    char *to = put(image, h, sizeof(*h));
    to = put(to, d->dict.at, (size_t)dict_blocks(h->n_words) * 16);
    to = put(to, d->code, h->n_codes * sizeof(*d->code));
    to = put(to, d->list.p, d->list.len);
    to = put(to, d->dict.text, d->dict.len);
    put(to, d->table.out.p, d->table.out.len);
    struct bm25_params params = h->params;
    draft_free(d);
    struct segment_holder *holder = segment_holder_new(NULL, image);
    struct segment *s = segment_open(image, holder, &params, false);
    segment_holder_unref(holder);
    CHECK(s);
    return s;
}

static struct draft *draft_new(const struct bm25_params *params)
{
    struct draft *d = mem_new(sizeof(*d));
    d->head.params = *params;
    return d;
}

static float mean_of(double length, uint32_t n)
{
    return length > 0 ? (float)(length / n) : 1;
}

/* ---- Building ---- */

struct logged { /* a token */
    uint32_t word, passage;
    uint8_t field;
};

struct built_passage {
    int64_t key;
    uint32_t length[BM25_FIELDS];
};

struct built_word {
    uint64_t hash;
    size_t at; /* in text */
    uint32_t len;
};

struct segment_builder {
    struct built_passage *passage;
    struct segment_document *document;
    struct built_word *word;
    struct logged *token;
    size_t n_passages, room_passages, n_documents, room_documents, n_words, room_words;
    size_t n_tokens, room_tokens;
    struct bytes text; /* of the words */
    /* number of a word by hash: open addressing, half full at most */
    unsigned table_bits;
    uint32_t *slot; /* number + 1 */
    uint64_t salt;  /* odd: outsiders cannot choose words that collide in the table */
};

enum { TABLE_BITS = 12 };

static void empty(struct segment_builder *b)
{
    mem_free(b->passage);
    mem_free(b->document);
    mem_free(b->word);
    mem_free(b->token);
    mem_free(b->text.p);
    mem_free(b->slot);
    *b = (struct segment_builder){.salt = b->salt, .table_bits = TABLE_BITS};
}

struct segment_builder *segment_builder_new(void)
{
    struct segment_builder *b = mem_new(sizeof(*b));
    b->salt = random_u64() | 1;
    empty(b);
    return b;
}

void segment_builder_free(struct segment_builder *b)
{
    if (!b)
        return;
    empty(b);
    mem_free(b);
}

uint32_t segment_builder_passages(const struct segment_builder *b)
{
    return (uint32_t)b->n_passages;
}

uint64_t segment_builder_tokens(const struct segment_builder *b)
{
    return b->n_tokens;
}

bool segment_builder_holds(const struct segment_builder *b, uint32_t document)
{
    for (size_t i = 0; i < b->n_documents; i++)
        if (b->document[i].number == document)
            return true;
    return false;
}

static uint32_t *slot_of(struct segment_builder *b, uint64_t hash)
{
    uint32_t mask = (1u << b->table_bits) - 1;
    uint32_t i = (uint32_t)((hash * b->salt) >> (64 - b->table_bits));
    while (b->slot[i] && b->word[b->slot[i] - 1].hash != hash)
        i = (i + 1) & mask;
    return &b->slot[i];
}

static void widen_table(struct segment_builder *b)
{
    mem_free(b->slot);
    b->table_bits++;
    b->slot = mem_array((size_t)1 << b->table_bits, sizeof(*b->slot));
    for (uint32_t i = 0; i < b->n_words; i++)
        *slot_of(b, b->word[i].hash) = i + 1;
}

static uint32_t number_of(struct segment_builder *b, const struct bm25_token *t, const char *text)
{
    if (!b->slot)
        b->slot = mem_array((size_t)1 << b->table_bits, sizeof(*b->slot));
    uint32_t *slot = slot_of(b, t->term);
    if (*slot)
        return *slot - 1;
    b->word = grow(b->word, &b->room_words, b->n_words + 1, sizeof(*b->word));
    b->word[b->n_words++] = (struct built_word){t->term, b->text.len, t->len};
    bytes_put(&b->text, text + t->at, t->len);
    *slot = (uint32_t)b->n_words;
    if (b->n_words > 1u << (b->table_bits - 1))
        widen_table(b);
    return (uint32_t)b->n_words - 1;
}

void segment_builder_add(struct segment_builder *b, uint32_t document, enum lang lang, int64_t key,
                         const struct bm25_passage *p)
{
    uint32_t passage = (uint32_t)b->n_passages++;
    b->passage = grow(b->passage, &b->room_passages, b->n_passages, sizeof(*b->passage));
    b->passage[passage] = (struct built_passage){.key = key};
    memcpy(b->passage[passage].length, p->length, sizeof(p->length));
    if (b->n_documents == 0 || b->document[b->n_documents - 1].number != document) {
        size_t need = ++b->n_documents;
        b->document = grow(b->document, &b->room_documents, need, sizeof(*b->document));
        b->document[need - 1] = (struct segment_document){document, passage, 0, lang};
    }
    b->document[b->n_documents - 1].n++;
    b->token = grow(b->token, &b->room_tokens, b->n_tokens + p->n, sizeof(*b->token));
    for (size_t i = 0; i < p->n; i++) {
        const struct bm25_token *t = &p->token[i];
        b->token[b->n_tokens++] = (struct logged){number_of(b, t, p->text), passage, t->field};
    }
}

/* One posting: the tokens of a word in a passage, cut off where counts are. */
struct posting {
    uint8_t count[BM25_FIELDS];
};

static size_t take_posting(const struct segment_builder *b, const uint32_t *order, size_t at,
                           size_t end, struct posting *p)
{
    static const uint8_t most[BM25_FIELDS] = {SEGMENT_SMALL_COUNT, SEGMENT_SMALL_COUNT,
                                              SEGMENT_COUNT_MAX};
    *p = (struct posting){0};
    uint32_t passage = b->token[order[at]].passage;
    for (; at < end && b->token[order[at]].passage == passage; at++) {
        const struct logged *t = &b->token[order[at]];
        p->count[t->field] += p->count[t->field] < most[t->field];
    }
    return at;
}

/* The tokens by words, those of a word in the order in which they came: start[w] to start[w + 1].
 */
static uint32_t *order_tokens(const struct segment_builder *b, size_t *start)
{
    uint32_t *order = mem_array(b->n_tokens, sizeof(*order));
    for (size_t i = 0; i < b->n_tokens; i++)
        start[b->token[i].word + 2]++;
    for (size_t i = 2; i < b->n_words + 2; i++)
        start[i] += start[i - 1];
    for (size_t i = 0; i < b->n_tokens; i++)
        order[start[b->token[i].word + 1]++] = (uint32_t)i;
    return order;
}

struct ranked {
    const char *p;
    uint32_t len, word;
};

static int by_text(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = memcmp(x->p, y->p, size_min(x->len, y->len));
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static struct ranked *rank_words(const struct segment_builder *b)
{
    struct ranked *rank = mem_array(b->n_words, sizeof(*rank));
    for (uint32_t i = 0; i < b->n_words; i++)
        rank[i] = (struct ranked){(const char *)b->text.p + b->word[i].at, b->word[i].len, i};
    if (b->n_words)
        qsort(rank, b->n_words, sizeof(*rank), by_text);
    return rank;
}

/* The passages, their lengths by the draft's weights, and the mean. */
static float *put_passages(struct draft *d, const struct segment_builder *b)
{
    float *length = mem_array(b->n_passages, sizeof(*length));
    double total = 0;
    for (size_t k = 0; k < b->n_documents; k++) {
        const struct segment_document *doc = &b->document[k];
        bool fields = false;
        for (uint32_t i = doc->first; i < doc->first + doc->n; i++)
            fields =
                fields || b->passage[i].length[BM25_TITLE] || b->passage[i].length[BM25_SECTION];
        table_document(&d->table, doc->number, doc->n, doc->lang, fields);
        for (uint32_t i = doc->first; i < doc->first + doc->n; i++) {
            table_passage(&d->table, b->passage[i].key, b->passage[i].length, fields);
            for (int f = 0; f < BM25_FIELDS; f++)
                length[i] += d->head.params.weight[f] * (float)b->passage[i].length[f];
            total += (double)length[i];
        }
    }
    d->head.n_passages = (uint32_t)b->n_passages;
    d->head.n_documents = (uint32_t)b->n_documents;
    d->head.mean_length = mean_of(total, d->head.n_passages);
    return length;
}

struct segment *segment_build(struct segment_builder *b, const struct bm25_params *params)
{
    CHECK(b->n_passages > 0);
    struct draft *d = draft_new(params);
    float *length = put_passages(d, b);
    d->length = length;
    size_t *start = mem_array(b->n_words + 2, sizeof(*start));
    uint32_t *order = order_tokens(b, start);
    struct ranked *rank = rank_words(b);
    uint32_t *uses = mem_array(SEGMENT_CODES, sizeof(*uses));
    uint16_t *number = mem_array(SEGMENT_CODES, sizeof(*number));
    struct posting p;
    for (size_t w = 0; w < b->n_words; w++)
        for (size_t at = start[w]; at < start[w + 1]; uses[combination(p.count)]++)
            at = take_posting(b, order, at, start[w + 1], &p);
    number_codes(d, uses, number);
    for (size_t i = 0; i < b->n_words; i++) {
        size_t end = start[rank[i].word + 1];
        begin_word(d);
        for (size_t at = start[rank[i].word]; at < end;) {
            uint32_t passage = b->token[order[at]].passage;
            at = take_posting(b, order, at, end, &p);
            put_posting(d, passage, number[combination(p.count)]);
        }
        end_word(d, (struct str){rank[i].p, rank[i].len});
    }
    struct segment *s = draft_end(d);
    mem_free(length);
    mem_free(start);
    mem_free(order);
    mem_free(rank);
    mem_free(uses);
    mem_free(number);
    empty(b);
    return s;
}

/* ---- Merging ---- */

struct source {
    const struct segment *s;
    uint32_t *to;   /* number in the merged segment, UINT32_MAX for the dead */
    uint16_t *code; /* number of each of its codes there */
    struct dict_cursor c;
    bool more;
    struct segment_block *block;
    size_t room;
};

/* Numbers the living, and copies what is known of them. */
static void merge_passages(struct draft *d, struct source *src, const uint64_t *dead, float *length,
                           double *total)
{
    const struct segment *s = src->s;
    struct segment_table t = segment_table_of(s);
    struct segment_document doc = {0};
    src->to = mem_array(s->n_passages, sizeof(*src->to));
    for (uint32_t k = 0; k < s->n_documents; k++) {
        segment_table_next(&t, &doc);
        bool gone = dead && dead[doc.first / 64] >> doc.first % 64 & 1; /* as a whole */
        if (!gone) {
            table_document(&d->table, doc.number, doc.n, doc.lang, t.fields);
            d->head.n_documents++;
        }
        for (uint32_t i = doc.first; i < doc.first + doc.n; i++) {
            int64_t key;
            uint32_t each[BM25_FIELDS];
            segment_table_passage(&t, &key, each);
            src->to[i] = UINT32_MAX;
            if (gone)
                continue;
            table_passage(&d->table, key, each, t.fields);
            uint32_t to = src->to[i] = d->head.n_passages++;
            for (int f = 0; f < BM25_FIELDS; f++)
                length[to] += d->head.params.weight[f] * (float)each[f];
            *total += (double)length[to];
        }
    }
}

static void merge_codes(struct draft *d, struct source *src, size_t n)
{
    uint32_t *uses = mem_array(SEGMENT_CODES, sizeof(*uses));
    uint16_t *number = mem_array(SEGMENT_CODES, sizeof(*number));
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < src[i].s->n_codes; k++) {
            uint32_t *sum = &uses[combination(src[i].s->code[k].count)];
            uint64_t both = (uint64_t)*sum + src[i].s->code[k].uses + 1;
            *sum = both < UINT32_MAX ? (uint32_t)both : UINT32_MAX;
        }
    number_codes(d, uses, number);
    for (size_t i = 0; i < n; i++) {
        src[i].code = mem_array(src[i].s->n_codes, sizeof(*src[i].code));
        for (uint32_t k = 0; k < src[i].s->n_codes; k++)
            src[i].code[k] = number[combination(src[i].s->code[k].count)];
    }
    mem_free(uses);
    mem_free(number);
}

/* The postings of the word that the source stands on. */
static void merge_list(struct draft *d, struct source *src)
{
    const struct segment *s = src->s;
    uint32_t n = segment_n_blocks(s, &src->c);
    src->block = grow(src->block, &src->room, n, sizeof(*src->block));
    segment_blocks(s, &src->c, src->block);
    for (uint32_t k = 0; k < n; k++) {
        struct segment_postings p;
        segment_unpack(s, &src->block[k], &p);
        for (uint32_t i = 0; i < p.n; i++) {
            uint32_t to = src->to[p.passage[i]];
            if (to != UINT32_MAX)
                put_posting(d, to, src->code[p.code[i]]);
        }
    }
}

/* The source with the first word in order; NULL when all are at their end. */
static struct source *first_of(struct source *src, size_t n)
{
    struct source *first = NULL;
    for (size_t i = 0; i < n; i++)
        if (src[i].more && (!first || str_cmp(dict_word(&src[i].c), dict_word(&first->c)) < 0))
            first = &src[i];
    return first;
}

static void merge_words(struct draft *d, struct source *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        src[i].more = dict_seek(&src[i].c, &src[i].s->dict, 0);
    for (struct source *first; (first = first_of(src, n));) {
        char word[DICT_WORD_MAX];
        size_t len = first->c.len;
        memcpy(word, first->c.word, len);
        begin_word(d);
        for (struct source *x = first; x < src + n; x++) /* those before it have later words */
            if (x->more && str_eq(dict_word(&x->c), (struct str){word, len})) {
                merge_list(d, x);
                x->more = dict_next(&x->c);
            }
        end_word(d, (struct str){word, len});
    }
}

struct segment *segment_merge(struct segment *const *s, const uint64_t *const *dead, size_t n,
                              const struct bm25_params *params)
{
    struct source *src = mem_array(n, sizeof(*src));
    struct draft *d = draft_new(params);
    size_t passages = 0;
    double total = 0;
    for (size_t i = 0; i < n; i++)
        passages += s[i]->n_passages;
    float *length = mem_array(passages, sizeof(*length));
    for (size_t i = 0; i < n; i++) {
        src[i].s = s[i];
        merge_passages(d, &src[i], dead[i], length, &total);
    }
    d->length = length;
    d->head.mean_length = mean_of(total, d->head.n_passages);
    merge_codes(d, src, n);
    merge_words(d, src, n);
    struct segment *merged = draft_end(d);
    for (size_t i = 0; i < n; i++) {
        mem_free(src[i].to);
        mem_free(src[i].code);
        mem_free(src[i].block);
    }
    mem_free(src);
    mem_free(length);
    return merged;
}
