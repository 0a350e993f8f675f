/* A block is one piece of bytes, the same in memory and on disk: a head with what each row is, a
 * table of columns sorted by key and kind, then keys, rows, values and texts, at offsets. A change
 * takes the values of the rows that stay, adds those of the rows that come, sorts and writes a new
 * block: some 0.2 ms, whatever the size of the collection. */
#include "index/attribute.h"
#include "base/json.h"
#include "base/mem.h"
#include "index/rights.h"

#include <stdatomic.h>
#include <stdlib.h>

/* What blocks of a loaded image share. */
struct image {
    _Atomic uint32_t refs;
    void (*release)(void *);
    void *holder;
};

struct head {
    uint32_t size; /* of the block, a multiple of 8 */
    uint32_t n_columns;
    uint64_t live[ATTRIBUTE_WORDS], restricted[ATTRIBUTE_WORDS];
    int64_t id[ATTRIBUTE_ROWS];
    uint32_t version[ATTRIBUTE_ROWS], chunks[ATTRIBUTE_ROWS];
};

struct column { /* offsets from the start of the block */
    uint32_t key_at, key_len, kind, n;
    uint32_t row_at, value_at, text_at, bytes_at, n_texts, n_bytes;
};

struct attribute_block {
    _Atomic uint32_t refs;
    struct image *image; /* NULL: the bytes are the block's own */
    const struct head *head;
};

struct attributes {
    _Atomic uint32_t refs;
    uint32_t documents, restricted;
    uint64_t chunks;
    uint32_t n;
    struct attribute_block *block[];
};

static const struct column *columns(const struct attribute_block *b)
{
    return (const struct column *)(b->head + 1);
}

static const void *at(const struct attribute_block *b, uint32_t offset)
{
    return (const char *)b->head + offset;
}

static bool bit(const uint64_t *bits, uint32_t i)
{
    return bits[i / 64] >> i % 64 & 1;
}

/* ---- Views ---- */

static struct attributes *view_new(uint32_t n)
{
    struct attributes *v = mem_new(sizeof(*v) + n * sizeof(v->block[0]));
    v->refs = 1;
    v->n = n;
    return v;
}

struct attributes *attributes_new(void)
{
    return view_new(0);
}

struct attributes *attributes_ref(struct attributes *v)
{
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    return v;
}

static void image_unref(struct image *i)
{
    if (atomic_fetch_sub(&i->refs, 1) != 1)
        return;
    i->release(i->holder);
    mem_free(i);
}

static void block_unref(struct attribute_block *b)
{
    if (!b || atomic_fetch_sub(&b->refs, 1) != 1)
        return;
    if (b->image)
        image_unref(b->image);
    else
        mem_free((void *)b->head);
    mem_free(b);
}

void attributes_unref(struct attributes *v)
{
    if (!v || atomic_fetch_sub(&v->refs, 1) != 1)
        return;
    for (uint32_t i = 0; i < v->n; i++)
        block_unref(v->block[i]);
    mem_free(v);
}

static void count(struct attributes *v)
{
    for (uint32_t i = 0; i < v->n; i++) {
        const struct head *h = v->block[i]->head;
        for (uint32_t w = 0; w < ATTRIBUTE_WORDS; w++) {
            v->documents += (uint32_t)__builtin_popcountll(h->live[w]);
            v->restricted += (uint32_t)__builtin_popcountll(h->restricted[w]);
        }
        for (uint32_t row = 0; row < ATTRIBUTE_ROWS; row++)
            v->chunks += bit(h->live, row) ? h->chunks[row] : 0;
    }
}

uint32_t attributes_room(const struct attributes *v)
{
    return v->n * ATTRIBUTE_ROWS;
}

uint32_t attributes_documents(const struct attributes *v)
{
    return v->documents;
}

uint32_t attributes_restricted(const struct attributes *v)
{
    return v->restricted;
}

static const struct head *head_of(const struct attributes *v, uint32_t number)
{
    const struct head *h =
        number < attributes_room(v) ? v->block[number / ATTRIBUTE_ROWS]->head : NULL;
    return h && bit(h->live, number % ATTRIBUTE_ROWS) ? h : NULL;
}

int64_t attributes_id(const struct attributes *v, uint32_t number)
{
    const struct head *h = head_of(v, number);
    return h ? h->id[number % ATTRIBUTE_ROWS] : 0;
}

uint32_t attributes_version(const struct attributes *v, uint32_t number)
{
    const struct head *h = head_of(v, number);
    return h ? h->version[number % ATTRIBUTE_ROWS] : 0;
}

uint32_t attributes_chunks_of(const struct attributes *v, uint32_t number)
{
    const struct head *h = head_of(v, number);
    return h ? h->chunks[number % ATTRIBUTE_ROWS] : 0;
}

uint64_t attributes_chunks(const struct attributes *v, const struct docset *among)
{
    if (!among)
        return v->chunks;
    uint64_t n = 0;
    for (uint32_t i = docset_next(among, 0); i < among->room; i = docset_next(among, i + 1))
        n += attributes_chunks_of(v, i);
    return n;
}

struct docset *attributes_all(const struct attributes *v)
{
    struct docset *s = docset_new(attributes_room(v));
    for (uint32_t i = 0; i < v->n; i++)
        memcpy(s->bits + (size_t)i * ATTRIBUTE_WORDS, v->block[i]->head->live,
               ATTRIBUTE_WORDS * sizeof(uint64_t));
    return s;
}

/* ---- Blocks as filters read them ---- */

uint32_t attributes_blocks(const struct attributes *v)
{
    return v->n;
}

const struct attribute_block *attributes_block(const struct attributes *v, uint32_t i)
{
    return v->block[i];
}

const uint64_t *attribute_restricted(const struct attribute_block *b)
{
    return b->head->restricted;
}

static void read_column(const struct attribute_block *b, const struct column *c,
                        struct attribute_column *out)
{
    bool text = c->kind == ATTRIBUTE_TEXT || c->kind == ATTRIBUTE_ACCESS;
    *out = (struct attribute_column){
        .kind = (enum attribute_kind)c->kind,
        .n = c->n,
        .row = at(b, c->row_at),
        .n_texts = c->n_texts,
        .text_at = at(b, c->text_at),
        .text_bytes = at(b, c->bytes_at),
    };
    if (text)
        out->text = at(b, c->value_at);
    else
        out->number = at(b, c->value_at);
}

static int compare_columns(struct str key, uint32_t kind, struct str other, uint32_t other_kind)
{
    int order = str_cmp(key, other);
    return order ? order : (kind > other_kind) - (kind < other_kind);
}

bool attribute_column(const struct attribute_block *b, struct str key, enum attribute_kind kind,
                      struct attribute_column *out)
{
    uint32_t low = 0, high = b->head->n_columns;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct column *c = columns(b) + mid;
        struct str name = {at(b, c->key_at), c->key_len};
        int order = compare_columns(key, kind, name, c->kind);
        if (order == 0) {
            read_column(b, c, out);
            return true;
        }
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return false;
}

struct str attribute_text(const struct attribute_column *c, uint32_t i)
{
    return (struct str){c->text_bytes + c->text_at[i], c->text_at[i + 1] - c->text_at[i]};
}

uint32_t attribute_place(const struct attribute_column *c, struct str text, bool *same)
{
    uint32_t low = 0, high = c->n_texts;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (str_cmp(text, attribute_text(c, mid)) <= 0)
            high = mid;
        else
            low = mid + 1;
    }
    *same = low < c->n_texts && str_eq(attribute_text(c, low), text);
    return low;
}

/* ---- Building ---- */

struct value {
    struct str key, text;
    double number;
    uint8_t kind, row;
};

enum {
    VALUES_PER_DOCUMENT = 256, /* what is over is not found by: a list of thousands of tags */
    TEXT_MAX = 1024            /* bytes that are compared */
};

struct values {
    struct arena *a;
    struct value *v;
    size_t n, room;
    size_t first; /* of the row that is being added */
};

static bool is_text(uint32_t kind)
{
    return kind == ATTRIBUTE_TEXT || kind == ATTRIBUTE_ACCESS;
}

static void push(struct values *s, struct value v)
{
    if (s->n == s->room) {
        s->room = s->room * 2 + 1024;
        s->v = mem_resize(s->v, s->room, sizeof(*s->v));
    }
    s->v[s->n++] = v;
}

/* Who may read is never cut short; that would let nobody else in, but still not be what was said.
 */
static void add(struct values *s, uint32_t row, struct str key, enum attribute_kind kind,
                struct str text, double number)
{
    bool access = kind == ATTRIBUTE_ACCESS;
    if (access || s->n - s->first < VALUES_PER_DOCUMENT)
        push(s, (struct value){.key = key,
                               .text = access ? text : str_head(text, TEXT_MAX),
                               .number = number,
                               .kind = (uint8_t)kind,
                               .row = (uint8_t)row});
}

static void add_json(struct values *s, uint32_t row, struct str key, struct json_value v)
{
    double number;
    bool flag;
    if (json_is(v, JSON_STRING))
        add(s, row, key, ATTRIBUTE_TEXT, json_text(v, s->a), 0);
    else if (json_bool(v, &flag))
        add(s, row, key, ATTRIBUTE_BOOL, STR_NONE, flag);
    else if (json_double(v, &number))
        add(s, row, key, ATTRIBUTE_NUMBER, STR_NONE, number);
    else if (json_is(v, JSON_ARRAY)) {
        json_each(it, v) if (!json_is(it.value, JSON_ARRAY)) add_json(s, row, key, it.value);
    }
}

static struct str decoded(struct arena *a, struct str raw)
{
    struct json name;
    struct str quoted = arena_printf(a, "\"%.*s\"", STR_FMT(raw));
    if (str_find_char(raw, '\\') == STR_NPOS || !json_parse(&name, a, quoted, 0, NULL))
        return raw;
    return json_text(json_root(&name), a);
}

static bool has_key(const struct values *s, struct str key)
{
    for (size_t i = s->first; i < s->n; i++)
        if (str_eq(s->v[i].key, key))
            return true;
    return false;
}

static void add_fixed(struct values *s, uint32_t row, const struct attribute_document *d)
{
    struct str level = rights_is_open(d->access) ? STR("tenant") : STR("restricted");
    const struct {
        struct str key, text;
    } texts[] = {{STR("filename"), d->filename}, {STR("title"), d->title},
                 {STR("doc_type"), d->doc_type}, {STR("language"), d->language},
                 {STR("author"), d->author},     {STR("access_level"), level}};
    for (size_t i = 0; i < COUNT(texts); i++)
        if (texts[i].text.len && !has_key(s, texts[i].key))
            add(s, row, texts[i].key, ATTRIBUTE_TEXT, texts[i].text, 0);
    if (d->last_updated_s && !has_key(s, STR("last_updated")))
        add(s, row, STR("last_updated"), ATTRIBUTE_DATE, STR_NONE, (double)d->last_updated_s);
    if (d->created_s && !has_key(s, STR("created")))
        add(s, row, STR("created"), ATTRIBUTE_DATE, STR_NONE, (double)d->created_s);
}

struct access_row {
    struct values *s;
    uint32_t row;
};

static void add_access(void *ctx, struct str who)
{
    struct access_row *r = ctx;
    add(r->s, r->row, STR_NONE, ATTRIBUTE_ACCESS, who, 0);
}

static void add_document(struct values *s, uint32_t row, const struct attribute_document *d)
{
    struct json j;
    s->first = s->n;
    if (d->attributes.len && json_parse(&j, s->a, d->attributes, 0, NULL) &&
        json_is(json_root(&j), JSON_OBJECT)) {
        json_each(it, json_root(&j)) add_json(s, row, decoded(s->a, it.name), it.value);
    }
    add_fixed(s, row, d);
    rights_each(d->access, s->a, add_access, &(struct access_row){s, row});
}

/* The values of a block, but those of the rows that change. */
static void add_old(struct values *s, const struct attribute_block *b, const uint64_t *changed)
{
    for (uint32_t i = 0; i < b->head->n_columns; i++) {
        struct attribute_column c;
        read_column(b, columns(b) + i, &c);
        struct str key = {at(b, columns(b)[i].key_at), columns(b)[i].key_len};
        for (uint32_t k = 0; k < c.n; k++) {
            struct value v = {.key = key, .kind = (uint8_t)c.kind, .row = c.row[k]};
            if (bit(changed, v.row))
                continue;
            if (is_text(c.kind))
                v.text = attribute_text(&c, c.text[k]);
            else
                v.number = c.number[k];
            push(s, v);
        }
    }
}

static int by_column(const void *x, const void *y)
{
    const struct value *a = x, *b = y;
    int order = compare_columns(a->key, a->kind, b->key, b->kind);
    if (order == 0 && is_text(a->kind))
        order = str_cmp(a->text, b->text);
    return order ? order : (a->row > b->row) - (a->row < b->row);
}

static uint32_t place(struct buf *out, size_t align)
{
    while (out->len % align)
        buf_char(out, 0);
    return (uint32_t)out->len;
}

static bool same_text(const struct value *v, size_t i)
{
    return i > 0 && str_eq(v[i].text, v[i - 1].text);
}

/* Values of one column, sorted: rows, places of texts or numbers, and the texts. */
static void write_column(struct buf *out, size_t column_at, const struct value *v, size_t n)
{
    struct column c = {.key_len = (uint32_t)v->key.len, .kind = v->kind, .n = (uint32_t)n};
    c.key_at = place(out, 1);
    buf_add(out, v->key);
    c.row_at = place(out, 1);
    for (size_t i = 0; i < n; i++)
        buf_char(out, (char)v[i].row);
    c.value_at = place(out, 8);
    for (size_t i = 0; i < n; i++) {
        c.n_texts += is_text(v->kind) && !same_text(v, i);
        uint32_t text = c.n_texts - 1;
        buf_add(out, is_text(v->kind)
                         ? (struct str){(const char *)&text, sizeof(text)}
                         : (struct str){(const char *)&v[i].number, sizeof(v[i].number)});
    }
    c.text_at = place(out, 4);
    for (size_t i = 0; is_text(v->kind) && i < n; i++) {
        if (same_text(v, i))
            continue;
        buf_add(out, (struct str){(const char *)&c.n_bytes, sizeof(c.n_bytes)});
        c.n_bytes += (uint32_t)v[i].text.len;
    }
    buf_add(out, (struct str){(const char *)&c.n_bytes, sizeof(c.n_bytes)});
    c.bytes_at = place(out, 1);
    for (size_t i = 0; is_text(v->kind) && i < n; i++)
        if (!same_text(v, i))
            buf_add(out, v[i].text);
    memcpy(out->p + column_at, &c, sizeof(c));
}

static bool same_column(const struct value *a, const struct value *b)
{
    return a->kind == b->kind && str_eq(a->key, b->key);
}

static size_t column_end(const struct values *s, size_t from)
{
    size_t end = from;
    while (end < s->n && same_column(&s->v[end], &s->v[from]))
        end++;
    return end;
}

static struct attribute_block *write_block(struct head *head, struct values *s)
{
    struct buf out;
    buf_init(&out, UINT32_MAX / 2);
    if (s->n)
        qsort(s->v, s->n, sizeof(*s->v), by_column);
    for (size_t i = 0; i < s->n; i = column_end(s, i))
        head->n_columns++;
    buf_add(&out, (struct str){(const char *)head, sizeof(*head)});
    size_t column_at = out.len;
    static const struct column none;
    for (uint32_t i = 0; i < head->n_columns; i++)
        buf_add(&out, (struct str){(const char *)&none, sizeof(none)});
    for (size_t i = 0, end; i < s->n; i = end) {
        end = column_end(s, i);
        write_column(&out, column_at, s->v + i, end - i);
        column_at += sizeof(struct column);
    }
    uint32_t size = place(&out, 8);
    CHECK(buf_ok(&out));
    memcpy(out.p + offsetof(struct head, size), &size, sizeof(size));
    struct attribute_block *b = mem_new(sizeof(*b));
    b->refs = 1;
    b->head = mem_copy(out.p, out.len);
    buf_fini(&out);
    return b;
}

static void set_row(struct head *h, const struct attribute_change *c)
{
    uint32_t row = c->number % ATTRIBUTE_ROWS;
    uint64_t mask = UINT64_C(1) << row % 64;
    h->live[row / 64] &= ~mask;
    h->restricted[row / 64] &= ~mask;
    h->id[row] = 0;
    h->version[row] = h->chunks[row] = 0;
    if (!c->document)
        return;
    h->live[row / 64] |= mask;
    if (!rights_is_open(c->document->access))
        h->restricted[row / 64] |= mask;
    h->id[row] = c->document->id;
    h->version[row] = c->document->version;
    h->chunks[row] = c->document->chunks;
}

/* `old` NULL: an empty block. The last change of a row counts. */
static struct attribute_block *change_block(const struct attribute_block *old,
                                            const struct attribute_change *c, size_t n)
{
    struct head *head = mem_new(sizeof(*head));
    struct arena *a = arena_new();
    struct values s = {.a = a};
    const struct attribute_change *last[ATTRIBUTE_ROWS] = {0};
    uint64_t changed[ATTRIBUTE_WORDS] = {0};
    if (old)
        *head = *old->head;
    head->n_columns = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t row = c[i].number % ATTRIBUTE_ROWS;
        last[row] = &c[i];
        changed[row / 64] |= UINT64_C(1) << row % 64;
    }
    if (old)
        add_old(&s, old, changed);
    for (uint32_t row = 0; row < ATTRIBUTE_ROWS; row++) {
        if (!last[row])
            continue;
        set_row(head, last[row]);
        if (last[row]->document)
            add_document(&s, row, last[row]->document);
    }
    struct attribute_block *b = write_block(head, &s);
    mem_free(s.v);
    arena_free(a);
    mem_free(head);
    return b;
}

struct ordered {
    struct attribute_change change;
    size_t i;
};

static int by_block(const void *x, const void *y)
{
    const struct ordered *a = x, *b = y;
    uint32_t p = a->change.number / ATTRIBUTE_ROWS, q = b->change.number / ATTRIBUTE_ROWS;
    return p != q ? (p > q) - (p < q) : (a->i > b->i) - (a->i < b->i);
}

static struct attribute_change *sorted(const struct attribute_change *c, size_t n)
{
    struct ordered *o = mem_array(n + 1, sizeof(*o));
    struct attribute_change *out = mem_array(n + 1, sizeof(*out));
    for (size_t i = 0; i < n; i++)
        o[i] = (struct ordered){c[i], i};
    if (n)
        qsort(o, n, sizeof(*o), by_block);
    for (size_t i = 0; i < n; i++)
        out[i] = o[i].change;
    mem_free(o);
    return out;
}

struct attributes *attributes_apply(const struct attributes *v, const struct attribute_change *c,
                                    size_t n)
{
    struct attribute_change *change = sorted(c, n);
    uint32_t blocks = v->n;
    if (n && change[n - 1].number / ATTRIBUTE_ROWS >= blocks)
        blocks = change[n - 1].number / ATTRIBUTE_ROWS + 1;
    struct attributes *out = view_new(blocks);
    size_t from = 0;
    for (uint32_t i = 0; i < blocks; i++) {
        struct attribute_block *old = i < v->n ? v->block[i] : NULL;
        size_t end = from;
        while (end < n && change[end].number / ATTRIBUTE_ROWS == i)
            end++;
        if (old && end == from) {
            atomic_fetch_add_explicit(&old->refs, 1, memory_order_relaxed);
            out->block[i] = old;
        } else {
            out->block[i] = change_block(old, change + from, end - from);
        }
        from = end;
    }
    mem_free(change);
    count(out);
    return out;
}

/* ---- On disk: how many blocks there are, then block behind block. ---- */

bool attributes_save(const struct attributes *v, struct buf *out)
{
    uint64_t n = v->n;
    bool good = buf_add(out, (struct str){(const char *)&n, sizeof(n)});
    for (uint32_t i = 0; good && i < v->n; i++) {
        const struct head *h = v->block[i]->head;
        good = buf_add(out, (struct str){(const char *)h, h->size});
    }
    return good;
}

static bool within(uint32_t offset, uint64_t n, uint64_t each, uint32_t align, uint32_t size)
{
    return offset % align == 0 && (uint64_t)offset + n * each <= size;
}

static bool texts_fit(const struct attribute_block *b, const struct column *c)
{
    struct attribute_column v;
    read_column(b, c, &v);
    for (uint32_t i = 0; i < c->n_texts; i++)
        if (v.text_at[i] > v.text_at[i + 1])
            return false;
    if (v.text_at[0] != 0 || v.text_at[c->n_texts] != c->n_bytes)
        return false;
    for (uint32_t i = 0; i < c->n; i++)
        if (v.text[i] >= c->n_texts)
            return false;
    return true;
}

static bool column_fits(const struct attribute_block *b, const struct column *c)
{
    uint32_t size = b->head->size;
    bool text = is_text(c->kind);
    return c->kind <= ATTRIBUTE_ACCESS && within(c->key_at, c->key_len, 1, 1, size) &&
           within(c->row_at, c->n, 1, 1, size) &&
           within(c->value_at, c->n, text ? 4 : 8, 8, size) &&
           within(c->text_at, (uint64_t)c->n_texts + 1, 4, 4, size) &&
           within(c->bytes_at, c->n_bytes, 1, 1, size) && (!text || texts_fit(b, c));
}

static bool block_fits(const struct attribute_block *b, struct str rest)
{
    const struct head *h = b->head;
    if (rest.len < sizeof(*h) || h->size > rest.len || h->size % 8 ||
        !within(sizeof(*h), h->n_columns, sizeof(struct column), 1, h->size))
        return false;
    for (uint32_t i = 0; i < h->n_columns; i++)
        if (!column_fits(b, columns(b) + i))
            return false;
    return true;
}

/* A view over the image, or NULL; the blocks that it got hold the image. */
static struct attributes *read_view(struct str saved, struct image *image)
{
    uint64_t n = 0;
    if (saved.len >= sizeof(n))
        memcpy(&n, saved.p, sizeof(n));
    struct str rest = str_from_at(saved, sizeof(n));
    if (saved.len < sizeof(n) || n > rest.len / sizeof(struct head))
        return NULL;
    struct attributes *v = view_new((uint32_t)n);
    for (uint32_t i = 0; i < v->n; i++) {
        struct attribute_block *b = v->block[i] = mem_new(sizeof(*b));
        b->refs = 1;
        b->image = image;
        atomic_fetch_add(&image->refs, 1);
        b->head = (const struct head *)rest.p;
        if (!block_fits(b, rest)) {
            attributes_unref(v);
            return NULL;
        }
        rest = str_from_at(rest, b->head->size);
    }
    count(v);
    return v;
}

bool attributes_load(struct attributes **out, struct str saved, void (*release)(void *),
                     void *holder, struct err *e)
{
    struct image *image = mem_new(sizeof(*image));
    *image = (struct image){.refs = 1, .release = release, .holder = holder};
    *out = read_view(saved, image);
    image_unref(image);
    return *out || err_set(e, ERR_CORRUPT, "the attributes are damaged");
}
