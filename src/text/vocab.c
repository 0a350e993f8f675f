/* Merging: a piece is a list of tokens, at first one for each byte; of all neighbours that some
 * token joins those with the least rank are joined, until none is left. A heap holds the
 * candidates; an entry is stale when one of its two tokens has changed since, and is dropped when
 * it comes up. So a run of 100,000 equal letters costs n log n and not n squared. */
#include "text/vocab.h"
#include "base/arena.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "text/token.h"
#include "text/unicode.h"
#include "text/vocab_set.h"

enum { FILE_MOST = 256 << 20, ON_STACK = 64 };

/* ---- The set of tokens ---- */

static uint32_t power_of_two(size_t least)
{
    uint32_t n = 16;
    while (n < least)
        n *= 2;
    return n;
}

struct vocab *vocab_new(size_t tokens, size_t bytes)
{
    struct vocab *v = mem_new(sizeof(*v));
    atomic_init(&v->refs, 1);
    v->cap = (uint32_t)tokens;
    v->bytes = mem_new(bytes + 1);
    v->start = mem_array(tokens + 1, sizeof(v->start[0]));
    v->id = mem_array(tokens + 1, sizeof(v->id[0]));
    v->slots = power_of_two(tokens * 2);
    v->slot = mem_array(v->slots, sizeof(v->slot[0]));
    return v;
}

struct vocab *vocab_ref(struct vocab *v)
{
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    return v;
}

void vocab_unref(struct vocab *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    mem_free(v->bytes);
    mem_free(v->start);
    mem_free(v->id);
    mem_free(v->slot);
    mem_free(v->pair);
    mem_free(v);
}

struct str vocab_bytes(const struct vocab *v, uint32_t token)
{
    return str_span(v->bytes + v->start[token], v->bytes + v->start[token + 1]);
}

/* The slot of these bytes, or the free one where they would go. */
static uint32_t *slot_of(const struct vocab *v, struct str bytes)
{
    uint32_t i = (uint32_t)hash64(bytes) & (v->slots - 1);
    while (v->slot[i] && !str_eq(vocab_bytes(v, v->slot[i] - 1), bytes))
        i = (i + 1) & (v->slots - 1);
    return &v->slot[i];
}

bool vocab_add(struct vocab *v, struct str bytes, uint32_t id)
{
    uint32_t *slot = slot_of(v, bytes);
    if (*slot || v->n == v->cap)
        return false;
    memcpy(v->bytes + v->start[v->n], bytes.p, bytes.len);
    v->id[v->n] = id;
    v->start[v->n + 1] = v->start[v->n] + (uint32_t)bytes.len;
    *slot = ++v->n;
    v->longest = bytes.len > v->longest ? (uint32_t)bytes.len : v->longest;
    return true;
}

int64_t vocab_find(const struct vocab *v, struct str bytes)
{
    return bytes.len > v->longest ? VOCAB_NO_TOKEN : (int64_t)*slot_of(v, bytes) - 1;
}

static uint32_t pair_hash(uint32_t left, uint32_t right)
{
    uint64_t h = ((uint64_t)left << 32 | right) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

static struct vocab_pair *pair_of(const struct vocab *v, uint32_t left, uint32_t right)
{
    uint32_t i = pair_hash(left, right) & (v->pair_slots - 1);
    while (v->pair[i].rank != UINT32_MAX && (v->pair[i].left != left || v->pair[i].right != right))
        i = (i + 1) & (v->pair_slots - 1);
    return &v->pair[i];
}

void vocab_reserve_pairs(struct vocab *v, size_t n)
{
    v->has_pairs = true;
    v->pair_slots = power_of_two(n * 2);
    v->pair = mem_array(v->pair_slots, sizeof(v->pair[0]));
    for (uint32_t i = 0; i < v->pair_slots; i++)
        v->pair[i].rank = UINT32_MAX;
}

void vocab_add_pair(struct vocab *v, struct vocab_pair pair)
{
    struct vocab_pair *at = pair_of(v, pair.left, pair.right);
    if (at->rank == UINT32_MAX)
        *at = pair;
}

bool vocab_finish(struct vocab *v, struct err *e)
{
    for (unsigned i = 0; i < 256; i++) {
        char byte = (char)i;
        int64_t token = vocab_find(v, (struct str){&byte, 1});
        if (token == VOCAB_NO_TOKEN)
            return err_set(e, ERR_INVALID, "the vocabulary has no token for the byte %u", i);
        v->single[i] = (uint32_t)token;
    }
    return true;
}

/* ---- Rank files ---- */

/* How many ranks the published vocabularies have, and what cuts their text. */
static const struct {
    uint32_t ranks;
    enum vocab_cut cut;
} published[] = {
    {50256, VOCAB_CUT_R50K},    /* r50k_base, GPT-2 */
    {50280, VOCAB_CUT_R50K},    /* p50k_base */
    {100256, VOCAB_CUT_CL100K}, /* cl100k_base */
    {199998, VOCAB_CUT_O200K},  /* o200k_base */
    {128000, VOCAB_CUT_CL100K}, /* Llama 3 */
    {151643, VOCAB_CUT_QWEN},   /* Qwen */
};

static bool add_line(struct vocab *v, struct str line, struct buf *bytes, struct err *e)
{
    size_t space = str_find_char(line, ' ');
    uint64_t rank = 0;
    buf_reset(bytes);
    if (space == STR_NPOS || !str_to_u64(str_from_at(line, space + 1), &rank) ||
        rank >= UINT32_MAX || !base64_decode(bytes, str_head(line, space)) || bytes->len == 0 ||
        bytes->len > VOCAB_TOKEN_MOST)
        return err_set(e, ERR_INVALID, "a line is not a token in base64 and its rank");
    return vocab_add(v, buf_str(bytes), (uint32_t)rank) ||
           err_set(e, ERR_INVALID, "the token with rank %u is there twice", (unsigned)rank);
}

static bool find_cut(struct vocab *v, struct err *e)
{
    for (size_t i = 0; i < COUNT(published); i++)
        if (published[i].ranks == v->n) {
            v->cut = published[i].cut;
            return true;
        }
    return err_set(e, ERR_INVALID,
                   "%u ranks are none of r50k_base, p50k_base, cl100k_base, o200k_base, Llama 3 or "
                   "Qwen, so it is not known how text is cut; use the model's tokenizer.json",
                   v->n);
}

bool vocab_ranks_parse(struct vocab **out, struct str text, struct err *e)
{
    size_t lines = 1, number = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.p[i] == '\n';
    if (lines > VOCAB_MOST)
        return err_set(e, ERR_INVALID, "it has more than %d tokens", VOCAB_MOST);
    struct vocab *v = vocab_new(lines, text.len);
    struct buf bytes;
    bool good = true;
    buf_init(&bytes, FILE_MOST);
    for (struct str line; good && str_split(&text, '\n', &line);) {
        number++;
        line = str_trim(line);
        good = line.len == 0 || add_line(v, line, &bytes, e) || err_prefix(e, "%zu: ", number);
    }
    buf_fini(&bytes);
    if (good && vocab_finish(v, e) && find_cut(v, e)) {
        v->whole_first = true;
        *out = v;
        return true;
    }
    vocab_unref(v);
    return false;
}

/* ---- Loading ---- */

bool vocab_parse(struct vocab **out, struct str text, struct err *e)
{
    return str_starts(str_trim(text), STR("{")) ? vocab_json_parse(out, text, e)
                                                : vocab_ranks_parse(out, text, e);
}

bool vocab_load(struct vocab **out, const char *path, struct err *e)
{
    struct arena *a = arena_new();
    struct str text;
    bool good = file_read(&text, a, path, FILE_MOST, e) &&
                (vocab_parse(out, text, e) || err_prefix(e, "'%s': ", path));
    arena_free(a);
    return good;
}

size_t vocab_size(const struct vocab *v)
{
    return v->n;
}

/* ---- Merging ---- */

struct part {
    uint32_t token, start, end; /* in the piece */
    int32_t before, after;      /* parts; -1 = none */
    uint32_t changed;           /* how often: candidates made before are stale */
};

struct candidate {
    uint32_t rank, token;
    uint32_t left, right; /* parts */
    uint32_t changed;     /* of both together, when it was made */
};

struct merging {
    const struct vocab *v;
    struct str piece;
    struct part *part;
    struct candidate *heap;
    size_t n_heap;
};

/* By rank, then from left to right. */
static bool is_before(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static void push(struct merging *m, struct candidate c)
{
    size_t i = m->n_heap++;
    for (size_t up; i > 0 && is_before(&c, &m->heap[up = (i - 1) / 2]); i = up)
        m->heap[i] = m->heap[up];
    m->heap[i] = c;
}

static struct candidate pop(struct merging *m)
{
    struct candidate top = m->heap[0], last = m->heap[--m->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < m->n_heap; i = child) {
        if (child + 1 < m->n_heap && is_before(&m->heap[child + 1], &m->heap[child]))
            child++;
        if (!is_before(&m->heap[child], &last))
            break;
        m->heap[i] = m->heap[child];
    }
    m->heap[i] = last;
    return top;
}

/* What joins the two, if anything does. */
static bool joined(const struct merging *m, const struct part *left, const struct part *right,
                   struct candidate *c)
{
    const struct vocab *v = m->v;
    if (v->has_pairs) {
        const struct vocab_pair *pair = pair_of(v, left->token, right->token);
        c->rank = pair->rank;
        c->token = pair->token;
        return pair->rank != UINT32_MAX;
    }
    int64_t token = vocab_find(v, str_span(m->piece.p + left->start, m->piece.p + right->end));
    if (token == VOCAB_NO_TOKEN)
        return false;
    c->token = (uint32_t)token;
    c->rank = v->id[token];
    return true;
}

static void consider(struct merging *m, int32_t left, int32_t right)
{
    struct candidate c = {.left = (uint32_t)left, .right = (uint32_t)right};
    if (left < 0 || right < 0 || !joined(m, &m->part[left], &m->part[right], &c))
        return;
    c.changed = m->part[left].changed + m->part[right].changed;
    push(m, c);
}

static bool is_stale(const struct merging *m, const struct candidate *c)
{
    const struct part *left = &m->part[c->left], *right = &m->part[c->right];
    return left->after != (int32_t)c->right || right->before != (int32_t)c->left ||
           left->changed + right->changed != c->changed;
}

static void merge(struct merging *m, const struct candidate *c)
{
    struct part *left = &m->part[c->left], *right = &m->part[c->right];
    left->token = c->token;
    left->end = right->end;
    left->after = right->after;
    left->changed++;
    right->before = right->after = -1;
    if (left->after >= 0)
        m->part[left->after].before = (int32_t)c->left;
    consider(m, left->before, (int32_t)c->left);
    consider(m, (int32_t)c->left, left->after);
}

/* ---- Encoding ---- */

struct encoding {
    const struct vocab *v;
    uint32_t *id;
    size_t n, most;
};

static void put(struct encoding *x, uint32_t token)
{
    if (x->n < x->most)
        x->id[x->n] = x->v->id[token];
    x->n++;
}

static void encode_merged(struct encoding *x, struct str piece, struct part *part,
                          struct candidate *heap)
{
    struct merging m = {x->v, piece, part, heap, 0};
    CHECK(piece.len > 0);
    for (size_t i = 0; i < piece.len; i++)
        part[i] = (struct part){x->v->single[(unsigned char)piece.p[i]],
                                (uint32_t)i,
                                (uint32_t)i + 1,
                                (int32_t)i - 1,
                                i + 1 < piece.len ? (int32_t)i + 1 : -1,
                                0};
    for (size_t i = 0; i + 1 < piece.len; i++)
        consider(&m, (int32_t)i, (int32_t)i + 1);
    while (m.n_heap > 0) {
        struct candidate c = pop(&m);
        if (!is_stale(&m, &c))
            merge(&m, &c);
    }
    for (int32_t i = 0; i >= 0; i = part[i].after)
        put(x, part[i].token);
}

/* Each byte makes one candidate at first, and each merge two more at most. */
static void encode_piece(struct encoding *x, struct str piece)
{
    int64_t whole = x->v->whole_first || piece.len == 1 ? vocab_find(x->v, piece) : VOCAB_NO_TOKEN;
    if (whole != VOCAB_NO_TOKEN) {
        put(x, (uint32_t)whole);
    } else if (piece.len <= ON_STACK) {
        struct part part[ON_STACK] = {0};
        struct candidate heap[3 * ON_STACK];
        encode_merged(x, piece, part, heap);
    } else {
        struct part *part = mem_array(piece.len, sizeof(*part));
        struct candidate *heap = mem_array(3 * piece.len, sizeof(*heap));
        encode_merged(x, piece, part, heap);
        mem_free(part);
        mem_free(heap);
    }
}

static void encode(struct encoding *x, struct str text)
{
    for (size_t at = 0; at < text.len;) {
        size_t end = vocab_cut_end(x->v->cut, text, at);
        encode_piece(x, str_span(text.p + at, text.p + end));
        at = end;
    }
}

/* The text as the vocabulary wants it, in `b` when that differs from how it came. */
static struct str prepared(const struct vocab *v, struct str text, struct buf *b)
{
    size_t at = 0;
    bool prefix = v->prefix_space && text.len > 0 &&
                  !(unicode_category(utf8_next(text, &at)) & UNICODE_SPACE);
    if (!prefix && !v->nfc)
        return text;
    if (prefix)
        buf_char(b, ' ');
    if (v->nfc)
        unicode_compose(b, text);
    else
        buf_add(b, text);
    return buf_str(b);
}

size_t vocab_encode(const struct vocab *v, struct str text, uint32_t *id, size_t most)
{
    struct encoding x = {.v = v, .id = id, .most = most};
    struct buf b;
    buf_init(&b, SIZE_MAX);
    encode(&x, prepared(v, text, &b));
    buf_fini(&b);
    return x.n;
}

size_t vocab_count(const struct vocab *v, struct str text)
{
    return vocab_encode(v, text, NULL, 0);
}

size_t vocab_tokens(const struct vocab *v, struct str text)
{
    return v ? vocab_count(v, text) : token_count(text);
}
