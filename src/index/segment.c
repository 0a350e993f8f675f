#include "index/segment.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>

/* ---- The image ---- */

struct head { /* 64 bytes; the arrays follow in order of their alignment */
    uint32_t n_passages, n_terms, n_blocks, n_postings, n_documents;
    float k1, b, mean_length;
    uint64_t length;
    uint64_t reserved[3]; /* zero */
};

static size_t round8(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

static size_t image_size(const struct head *h)
{
    return round8(sizeof(*h) + (size_t)h->n_terms * 8 + (size_t)h->n_passages * 8 +
                  (size_t)h->n_documents * sizeof(struct segment_document) +
                  ((size_t)h->n_blocks + 1) * sizeof(struct segment_block) +
                  ((size_t)h->n_terms + 1) * 4 + (size_t)h->n_passages * 4 +
                  (size_t)h->n_postings * 3);
}

/* Sets the pointers into the image. */
static void lay_out(struct segment *s, const char *image, const struct head *h)
{
    s->n_passages = h->n_passages;
    s->n_terms = h->n_terms;
    s->n_blocks = h->n_blocks;
    s->n_postings = h->n_postings;
    s->n_documents = h->n_documents;
    s->params = (struct bm25_params){h->k1, h->b};
    s->mean_length = h->mean_length;
    s->length = h->length;
    s->image = (struct str){image, image_size(h)};
    s->term = (const uint64_t *)(image + sizeof(*h));
    s->key = (const int64_t *)(s->term + s->n_terms);
    s->document = (const struct segment_document *)(s->key + s->n_passages);
    s->block = (const struct segment_block *)(s->document + s->n_documents);
    s->term_block = (const uint32_t *)(s->block + s->n_blocks + 1);
    s->passage_length = s->term_block + s->n_terms + 1;
    s->distance = (const uint16_t *)(s->passage_length + s->n_passages);
    s->count = (const uint8_t *)(s->distance + s->n_postings);
}

/* About four terms share a bucket: finding one costs two cache misses. */
static void fill_buckets(struct segment *s)
{
    uint32_t bits = 2;
    while (bits < 28 && s->n_terms >> bits > 4)
        bits++;
    s->bucket_shift = 64 - bits;
    s->bucket = mem_array((1u << bits) + 1, sizeof(uint32_t));
    uint32_t b = 0;
    for (uint32_t i = 0; i < s->n_terms; i++)
        while (b <= s->term[i] >> s->bucket_shift)
            s->bucket[b++] = i;
    while (b <= 1u << bits)
        s->bucket[b++] = s->n_terms;
}

static void fill_owners(struct segment *s)
{
    s->owner = mem_array(s->n_passages, sizeof(*s->owner));
    for (uint32_t d = 0; d < s->n_documents; d++)
        for (uint32_t k = 0; k < s->document[d].n; k++)
            s->owner[s->document[d].first + k] = d;
}

struct segment *segment_ref(struct segment *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void segment_unref(struct segment *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (s->holder)
        segment_holder_unref(s->holder);
    else
        mem_free((void *)s->image.p);
    mem_free(s->bucket);
    mem_free(s->owner);
    mem_free(s);
}

uint32_t segment_find(const struct segment *s, uint64_t term)
{
    uint64_t b = term >> s->bucket_shift;
    uint32_t low = s->bucket[b], high = s->bucket[b + 1];
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (s->term[mid] < term)
            low = mid + 1;
        else
            high = mid;
    }
    return low < s->n_terms && s->term[low] == term ? low : SEGMENT_NO_TERM;
}

const struct segment_document *segment_find_document(const struct segment *s, int64_t id)
{
    uint32_t low = 0, high = s->n_documents;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (s->document[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < s->n_documents && s->document[low].id == id ? &s->document[low] : NULL;
}

/* ---- A draft: what building and merging write term by term, until the sizes are known ---- */

struct draft {
    struct head head;
    uint64_t *term;
    uint32_t *term_block;
    struct segment_block *block;
    uint16_t *distance;
    uint8_t *count;
    uint32_t room_terms, room_blocks, room_postings;
    /* given by the maker, who owns them */
    uint32_t *passage_length;
    int64_t *key;
    struct segment_document *document;
};

static void *grow(void *p, uint32_t *room, uint32_t need, size_t size)
{
    if (need <= *room)
        return p;
    *room = need + need / 2 + 64;
    return mem_resize(p, *room, size);
}

static void draft_term(struct draft *d, uint64_t term)
{
    struct head *h = &d->head;
    uint32_t room = d->room_terms;
    d->term = grow(d->term, &room, h->n_terms + 2, sizeof(*d->term));
    d->term_block = grow(d->term_block, &d->room_terms, h->n_terms + 2, sizeof(*d->term_block));
    d->term[h->n_terms] = term;
    d->term_block[h->n_terms++] = h->n_blocks;
}

static struct segment_block *draft_block(struct draft *d, uint32_t base)
{
    struct head *h = &d->head;
    d->block = grow(d->block, &d->room_blocks, h->n_blocks + 2, sizeof(*d->block));
    struct segment_block *b = &d->block[h->n_blocks++];
    *b = (struct segment_block){.base = base, .at = h->n_postings};
    return b;
}

/* A posting of the last term; passages rise. */
static void draft_posting(struct draft *d, uint32_t passage, uint8_t count)
{
    struct head *h = &d->head;
    struct segment_block *b = h->n_blocks ? &d->block[h->n_blocks - 1] : NULL;
    bool first = d->term_block[h->n_terms - 1] == h->n_blocks;
    if (first || h->n_postings - b->at == SEGMENT_BLOCK || passage - b->base > UINT16_MAX)
        b = draft_block(d, passage);
    uint32_t room = d->room_postings;
    d->distance = grow(d->distance, &room, h->n_postings + 1, sizeof(*d->distance));
    d->count = grow(d->count, &d->room_postings, h->n_postings + 1, sizeof(*d->count));
    d->distance[h->n_postings] = (uint16_t)(passage - b->base);
    d->count[h->n_postings++] = count;
    b->last = passage;
    struct bm25_params p = {h->k1, h->b};
    float length = (float)d->passage_length[passage];
    b->max = fmaxf(b->max, bm25_tf(&p, count, length, h->mean_length));
}

static int by_id(const void *a, const void *b)
{
    int64_t x = ((const struct segment_document *)a)->id;
    int64_t y = ((const struct segment_document *)b)->id;
    return (x > y) - (x < y);
}

static char *put(char *to, const void *from, size_t n, size_t size)
{
    if (n)
        memcpy(to, from, n * size);
    return to + n * size;
}

static struct segment *draft_end(struct draft *d)
{
    struct head *h = &d->head;
    draft_term(d, 0); /* end marks: their place is there */
    h->n_terms--;
    draft_block(d, 0);
    h->n_blocks--;
    if (h->n_documents)
        qsort(d->document, h->n_documents, sizeof(*d->document), by_id);

    char *image = mem_new(image_size(h));
    char *to = put(image, h, 1, sizeof(*h));
    to = put(to, d->term, h->n_terms, sizeof(*d->term));
    to = put(to, d->key, h->n_passages, sizeof(*d->key));
    to = put(to, d->document, h->n_documents, sizeof(*d->document));
    to = put(to, d->block, h->n_blocks + 1, sizeof(*d->block));
    to = put(to, d->term_block, h->n_terms + 1, sizeof(*d->term_block));
    to = put(to, d->passage_length, h->n_passages, sizeof(*d->passage_length));
    to = put(to, d->distance, h->n_postings, sizeof(*d->distance));
    put(to, d->count, h->n_postings, sizeof(*d->count));
    mem_free(d->term);
    mem_free(d->term_block);
    mem_free(d->block);
    mem_free(d->distance);
    mem_free(d->count);

    struct segment *s = mem_new(sizeof(*s));
    s->refs = 1;
    lay_out(s, image, h);
    fill_buckets(s);
    fill_owners(s);
    return s;
}

static float mean_of(uint64_t length, uint32_t n)
{
    return length ? (float)((double)length / n) : 1;
}

/* ---- Building ---- */

struct posting {
    uint32_t term, passage; /* term: local number */
    uint8_t count;
};

struct segment_builder {
    struct bm25_params params;
    /* passages and documents so far */
    uint32_t n_passages, n_documents, room_lengths, room_keys, room_documents;
    uint32_t *length;
    int64_t *key;
    struct segment_document *document;
    uint64_t total_length;
    /* terms: local number by hash; open addressing, half full at most */
    uint32_t n_terms, room_hashes, table_bits;
    uint64_t *hash;
    uint32_t *slot; /* local number + 1 */
    uint64_t salt;  /* odd: outsiders cannot choose terms that collide in the table */
    uint32_t n_postings, room_postings;
    struct posting *posting;
};

enum { TABLE_BITS = 12 };

struct segment_builder *segment_builder_new(struct bm25_params params)
{
    struct segment_builder *b = mem_new(sizeof(*b));
    b->params = params;
    b->salt = random_u64() | 1;
    b->table_bits = TABLE_BITS;
    b->slot = mem_array((size_t)1 << TABLE_BITS, sizeof(*b->slot));
    return b;
}

static void drop_arrays(struct segment_builder *b)
{
    mem_free(b->length);
    mem_free(b->key);
    mem_free(b->document);
    mem_free(b->hash);
    mem_free(b->slot);
    mem_free(b->posting);
}

void segment_builder_free(struct segment_builder *b)
{
    if (!b)
        return;
    drop_arrays(b);
    mem_free(b);
}

uint32_t segment_builder_passages(const struct segment_builder *b)
{
    return b->n_passages;
}

uint64_t segment_builder_postings(const struct segment_builder *b)
{
    return b->n_postings;
}

bool segment_builder_holds(const struct segment_builder *b, int64_t document)
{
    for (uint32_t i = 0; i < b->n_documents; i++)
        if (b->document[i].id == document)
            return true;
    return false;
}

static uint32_t *slot_of(struct segment_builder *b, uint64_t hash)
{
    uint32_t mask = (1u << b->table_bits) - 1;
    uint32_t i = (uint32_t)((hash * b->salt) >> (64 - b->table_bits));
    while (b->slot[i] && b->hash[b->slot[i] - 1] != hash)
        i = (i + 1) & mask;
    return &b->slot[i];
}

static uint32_t number_of(struct segment_builder *b, uint64_t hash)
{
    uint32_t *slot = slot_of(b, hash);
    if (*slot)
        return *slot - 1;
    b->hash = grow(b->hash, &b->room_hashes, b->n_terms + 1, sizeof(*b->hash));
    b->hash[b->n_terms++] = hash;
    *slot = b->n_terms;
    if (b->n_terms > 1u << (b->table_bits - 1)) {
        mem_free(b->slot);
        b->table_bits++;
        b->slot = mem_array((size_t)1 << b->table_bits, sizeof(*b->slot));
        for (uint32_t i = 0; i < b->n_terms; i++)
            *slot_of(b, b->hash[i]) = i + 1;
    }
    return b->n_terms - 1;
}

static int by_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void segment_builder_add(struct segment_builder *b, int64_t document, enum lang lang, int64_t key,
                         uint64_t *term, size_t n, uint32_t length)
{
    uint32_t passage = b->n_passages++;
    b->length = grow(b->length, &b->room_lengths, b->n_passages, sizeof(*b->length));
    b->key = grow(b->key, &b->room_keys, b->n_passages, sizeof(*b->key));
    b->length[passage] = length;
    b->key[passage] = key;
    b->total_length += length;
    if (b->n_documents == 0 || b->document[b->n_documents - 1].id != document) {
        uint32_t need = ++b->n_documents;
        b->document = grow(b->document, &b->room_documents, need, sizeof(*b->document));
        b->document[need - 1] = (struct segment_document){document, passage, 0, lang, 0};
    }
    b->document[b->n_documents - 1].n++;

    if (n)
        qsort(term, n, sizeof(*term), by_u64);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && term[end] == term[i]; end++)
            ;
        uint32_t number = number_of(b, term[i]);
        b->posting = grow(b->posting, &b->room_postings, b->n_postings + 1, sizeof(*b->posting));
        b->posting[b->n_postings++] =
            (struct posting){number, passage, (uint8_t)size_min(end - i, UINT8_MAX)};
    }
}

struct ranked {
    uint64_t hash;
    uint32_t number;
};

/* By counting: postings are in order of passages and stay so within each term. */
struct segment *segment_build(struct segment_builder *b)
{
    CHECK(b->n_passages > 0);
    struct draft d = {.head = {.n_passages = b->n_passages,
                               .n_documents = b->n_documents,
                               .k1 = b->params.k1,
                               .b = b->params.b,
                               .mean_length = mean_of(b->total_length, b->n_passages),
                               .length = b->total_length},
                      .passage_length = b->length,
                      .key = b->key,
                      .document = b->document};
    struct ranked *rank = mem_array(b->n_terms, sizeof(*rank));
    for (uint32_t i = 0; i < b->n_terms; i++)
        rank[i] = (struct ranked){b->hash[i], i};
    if (b->n_terms)
        qsort(rank, b->n_terms, sizeof(*rank), by_u64); /* the hash comes first */

    uint32_t *start = mem_array((size_t)b->n_terms + 1, sizeof(*start));
    uint32_t *order = mem_array(b->n_postings, sizeof(*order));
    for (uint32_t i = 0; i < b->n_postings; i++)
        start[b->posting[i].term + 1]++;
    for (uint32_t i = 0; i < b->n_terms; i++)
        start[i + 1] += start[i];
    for (uint32_t i = 0; i < b->n_postings; i++)
        order[start[b->posting[i].term]++] = i; /* start[t] is now the start of t + 1 */
    for (uint32_t i = 0; i < b->n_terms; i++) {
        uint32_t t = rank[i].number;
        draft_term(&d, rank[i].hash);
        for (uint32_t k = t ? start[t - 1] : 0; k < start[t]; k++)
            draft_posting(&d, b->posting[order[k]].passage, b->posting[order[k]].count);
    }
    mem_free(rank);
    mem_free(start);
    mem_free(order);
    struct segment *s = draft_end(&d);

    drop_arrays(b);
    *b = (struct segment_builder){.params = b->params, .salt = b->salt, .table_bits = TABLE_BITS};
    b->slot = mem_array((size_t)1 << TABLE_BITS, sizeof(*b->slot));
    return s;
}

/* ---- Merging ---- */

struct source {
    const struct segment *s;
    uint32_t *to;  /* number in the merged segment, UINT32_MAX for the dead */
    uint32_t next; /* term to merge next */
};

/* Numbers the living, copies what is known of them, and adds up the lengths. */
static void merge_passages(struct draft *d, struct source *src, const uint64_t *const *dead,
                           size_t n)
{
    struct head *h = &d->head;
    for (size_t i = 0; i < n; i++) {
        const struct segment *s = src[i].s;
        src[i].to = mem_array(s->n_passages, sizeof(*src[i].to));
        for (uint32_t p = 0; p < s->n_passages; p++) {
            bool gone = dead[i] && dead[i][p / 64] >> p % 64 & 1;
            src[i].to[p] = gone ? UINT32_MAX : h->n_passages++;
            if (gone)
                continue;
            d->passage_length[src[i].to[p]] = s->passage_length[p];
            d->key[src[i].to[p]] = s->key[p];
            h->length += s->passage_length[p];
        }
        /* A document lives or dies as a whole. */
        for (uint32_t k = 0; k < s->n_documents; k++) {
            struct segment_document doc = s->document[k];
            doc.first = src[i].to[doc.first];
            if (doc.first != UINT32_MAX)
                d->document[h->n_documents++] = doc;
        }
    }
}

static void merge_term(struct draft *d, struct source *src, size_t n, uint64_t term)
{
    bool begun = false;
    for (size_t i = 0; i < n; i++) {
        const struct segment *s = src[i].s;
        if (src[i].next == s->n_terms || s->term[src[i].next] != term)
            continue;
        uint32_t t = src[i].next++;
        for (uint32_t k = s->term_block[t]; k < s->term_block[t + 1]; k++)
            for (uint32_t at = s->block[k].at; at < s->block[k + 1].at; at++) {
                uint32_t to = src[i].to[s->block[k].base + s->distance[at]];
                if (to == UINT32_MAX)
                    continue;
                if (!begun)
                    draft_term(d, term);
                begun = true;
                draft_posting(d, to, s->count[at]);
            }
    }
}

struct segment *segment_merge(struct segment *const *s, const uint64_t *const *dead, size_t n)
{
    struct source *src = mem_array(n, sizeof(*src));
    size_t passages = 0, documents = 0;
    for (size_t i = 0; i < n; i++) {
        src[i].s = s[i];
        passages += s[i]->n_passages;
        documents += s[i]->n_documents;
    }
    struct draft d = {.head = {.k1 = s[0]->params.k1, .b = s[0]->params.b}};
    d.passage_length = mem_array(passages, sizeof(*d.passage_length));
    d.key = mem_array(passages, sizeof(*d.key));
    d.document = mem_array(documents, sizeof(*d.document));
    merge_passages(&d, src, dead, n);
    d.head.mean_length = mean_of(d.head.length, d.head.n_passages);

    for (;;) {
        bool any = false;
        uint64_t term = UINT64_MAX;
        for (size_t i = 0; i < n; i++)
            if (src[i].next < src[i].s->n_terms) {
                uint64_t t = src[i].s->term[src[i].next];
                term = t < term ? t : term;
                any = true;
            }
        if (!any)
            break;
        merge_term(&d, src, n, term);
    }
    struct segment *merged = draft_end(&d);
    for (size_t i = 0; i < n; i++)
        mem_free(src[i].to);
    mem_free(src);
    mem_free(d.passage_length);
    mem_free(d.key);
    mem_free(d.document);
    return merged;
}

/* ---- Loading ---- */

static bool terms_fit(const struct segment *s)
{
    for (uint32_t t = 0; t < s->n_terms; t++)
        if ((t && s->term[t - 1] >= s->term[t]) || s->term_block[t] >= s->term_block[t + 1])
            return false;
    return s->term_block[0] == 0 && s->term_block[s->n_terms] == s->n_blocks;
}

static bool block_fits(const struct segment *s, const struct segment_block *b, uint32_t after)
{
    uint32_t end = b[1].at;
    if (end <= b->at || end > s->n_postings || end - b->at > SEGMENT_BLOCK)
        return false;
    if (b->base < after || b->last >= s->n_passages || s->distance[b->at] != 0)
        return false;
    if (!(b->max >= 0 && b->max <= s->params.k1 + 1))
        return false;
    for (uint32_t at = b->at; at < end; at++)
        if (s->count[at] == 0 || (at > b->at && s->distance[at] <= s->distance[at - 1]))
            return false;
    return b->last - b->base == s->distance[end - 1];
}

static bool blocks_fit(const struct segment *s)
{
    for (uint32_t t = 0; t < s->n_terms; t++) {
        uint32_t after = 0;
        for (uint32_t k = s->term_block[t]; k < s->term_block[t + 1]; k++) {
            if (!block_fits(s, &s->block[k], after))
                return false;
            after = s->block[k].last + 1;
        }
    }
    return s->block[0].at == 0 && s->block[s->n_blocks].at == s->n_postings;
}

/* Every passage belongs to one document. */
static bool documents_fit(const struct segment *s)
{
    bool *owned = mem_array(s->n_passages, sizeof(*owned));
    uint64_t passages = 0, length = 0;
    bool good = true;
    for (uint32_t i = 0; i < s->n_documents && good; i++) {
        const struct segment_document *d = &s->document[i];
        good = d->first < s->n_passages && d->n > 0 && d->n <= s->n_passages - d->first &&
               d->lang < LANG_COUNT && (i == 0 || d[-1].id < d->id);
        for (uint32_t p = d->first; good && p < d->first + d->n; p++) {
            good = !owned[p];
            owned[p] = true;
        }
        passages += d->n;
    }
    for (uint32_t i = 0; i < s->n_passages; i++)
        length += s->passage_length[i];
    mem_free(owned);
    return good && passages == s->n_passages && length == s->length;
}

static bool head_fits(const struct head *h, size_t len)
{
    return h->n_passages > 0 && h->n_passages <= SEGMENT_MAX_PASSAGES && h->n_terms < 1u << 31 &&
           h->n_blocks < 1u << 31 && h->n_postings <= SEGMENT_MAX_POSTINGS &&
           h->n_documents <= h->n_passages && h->k1 >= 0 && h->k1 <= 1000 && h->b >= 0 &&
           h->b <= 1 && h->mean_length > 0 && isfinite(h->mean_length) && image_size(h) == len;
}

struct segment_holder *segment_holder_new(struct arena *arena)
{
    struct segment_holder *h = mem_new(sizeof(*h));
    h->refs = 1;
    h->arena = arena;
    return h;
}

void segment_holder_unref(struct segment_holder *h)
{
    if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_free(h->arena);
    mem_free(h);
}

bool segment_load(struct segment **out, struct str image, struct segment_holder *holder,
                  struct err *e)
{
    struct head h;
    if (image.len < sizeof(h))
        return err_set(e, ERR_CORRUPT, "a segment is cut short at %zu bytes", image.len);
    memcpy(&h, image.p, sizeof(h));
    if (!head_fits(&h, image.len))
        return err_set(e, ERR_CORRUPT, "a segment's head does not fit its %zu bytes", image.len);
    struct segment *s = mem_new(sizeof(*s));
    s->refs = 1;
    if (holder && (uintptr_t)image.p % 8 == 0) {
        atomic_fetch_add_explicit(&holder->refs, 1, memory_order_relaxed);
        s->holder = holder;
    }
    lay_out(s, s->holder ? image.p : mem_copy(image.p, image.len), &h);
    if (!terms_fit(s) || !blocks_fit(s) || !documents_fit(s)) {
        segment_unref(s);
        return err_set(e, ERR_CORRUPT, "a segment's arrays contradict each other");
    }
    fill_buckets(s);
    fill_owners(s);
    *out = s;
    return true;
}
