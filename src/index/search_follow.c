/* A change says which document; what it is now is read from the store, text and access list in one
 * snapshot. Each version of a document gets a number of its own (index/number.h), so what is staged
 * under it shows nowhere before it is published with its rights. When only attributes or rights
 * have changed the version is the same, and so is the number.
 *
 * What a failure leaves half staged is staged again next time: the store says once more which
 * documents changed, and the numbers that were taken for them are dropped as those of any older
 * version. */
#include "index/search_part.h"
#include "index/tuning.h"

#include <stdlib.h>

enum {
    CHANGES_AT_ONCE = 1024,
    DOCUMENTS_AT_ONCE = 16, /* whose chunks are in memory together */
    ATTRIBUTES_AT_ONCE = 1024
};

/* ---- What has changed ---- */

static void load_later(struct collection *c, struct wanted w)
{
    if (c->n_load == c->room) {
        c->room = c->room * 2 + 64;
        c->load = mem_resize(c->load, c->room, sizeof(*c->load));
    }
    c->load[c->n_load++] = w;
}

static void note(struct search_set *s, const struct doc_change *change, int64_t newest)
{
    if (change->kind == DB_COLLECTION_REMOVED) {
        search_collection_drop(s, change->collection);
        return;
    }
    struct collection *c = search_collection_make(s, change->collection, newest);
    if (change->seq <= c->seq)
        return;
    if (change->kind == DB_SPACE_CHANGED) {
        search_keep(s, c, SEARCH_OUTSIDE);
        return;
    }
    if (change->kind == DB_COLLECTION_TUNED) {
        c->tuned = false;
        return;
    }
    c->staged = true; /* a document that was removed is found to be gone */
    load_later(c, (struct wanted){change->document, change->kind == DB_DOCUMENT_EMBEDDED});
}

static int by_number(const void *a, const void *b)
{
    const struct wanted *p = a, *q = b;
    return p->document != q->document ? (p->document > q->document) - (p->document < q->document)
                                      : q->embedded - p->embedded;
}

/* A document that changed while the changes were read is listed twice and must be added once. */
static void sort_load(struct collection *c)
{
    if (c->n_load)
        qsort(c->load, c->n_load, sizeof(*c->load), by_number);
    size_t n = 0;
    for (size_t i = 0; i < c->n_load; i++)
        if (n == 0 || c->load[n - 1].document != c->load[i].document)
            c->load[n++] = c->load[i];
    c->n_load = n;
}

/* Weighs keywords as the store says, if that has changed. */
static bool tune(struct search_set *s, struct collection *c, struct err *e)
{
    if (c->tuned)
        return true;
    struct arena *a = arena_new();
    struct bm25_params p;
    struct str text;
    c->tuned = doc_collection_keywords(s->db, a, str_from(c->id), &text, e) &&
               tuning_parse(&p, a, text, e);
    if (c->tuned && !bm25_same_params(&p, &c->tuning)) {
        bm25_configure(c->index, p);
        c->tuning = p;
        c->staged = true;
    }
    arena_free(a);
    return c->tuned;
}

/* ---- Into the indexes ---- */

/* Changes of attributes, gathered: applying many at once costs little more than one. */
struct gathered {
    struct collection *c;
    struct arena *a;
    struct attribute_change *change;
    size_t n, room;
};

static void apply(struct gathered *g)
{
    struct attributes *next = attributes_apply(g->c->attributes, g->change, g->n);
    attributes_unref(g->c->attributes);
    g->c->attributes = next;
    g->n = 0;
    arena_reset(g->a);
}

static void gather(struct gathered *g, uint32_t number, const struct attribute_document *d)
{
    if (g->n == g->room) {
        g->room = g->room * 2 + 64;
        g->change = mem_resize(g->change, g->room, sizeof(*g->change));
    }
    g->change[g->n++] = (struct attribute_change){number, d};
}

/* As the document says; else by the first chunk that is long enough to tell. */
enum lang search_lang_of(const struct doc_index_document *d)
{
    enum lang said = lang_from_code(d->language);
    if (said != LANG_OTHER || str_eq(d->language, STR("und")) || d->n_chunks == 0)
        return said;
    size_t i = 0;
    while (i + 1 < d->n_chunks && d->chunk[i].text.len < 4 * LANG_MIN_LETTERS)
        i++;
    return lang_detect(d->chunk[i].text);
}

struct str search_title_of(const struct doc_index_document *d)
{
    return d->title.len ? d->title : d->name;
}

static void index_chunks(struct search_set *s, struct collection *c, uint32_t number,
                         const struct doc_index_document *d)
{
    enum lang lang = search_lang_of(d);
    for (size_t i = 0; i < d->n_chunks; i++) {
        words_of_passage(&s->words, lang, search_title_of(d), d->chunk[i].section,
                         d->chunk[i].text);
        struct bm25_passage p = words_passage(&s->words);
        bm25_add(c->index, number, lang, d->chunk[i].id, &p);
    }
    if (c->learned)
        search_space_embed(c->learned, number, d);
}

static const struct attribute_document *
copy_attributes(struct arena *a, const struct doc_index_document *d, uint32_t chunks)
{
    struct attribute_document *out = arena_struct(a, struct attribute_document);
    *out = (struct attribute_document){
        .id = d->id,
        .version = d->version,
        .chunks = chunks,
        .attributes = arena_copy(a, d->attributes),
        .access = arena_copy(a, d->access),
        .filename = arena_copy(a, d->name),
        .title = arena_copy(a, d->title),
        .doc_type = arena_copy(a, d->doc_type),
        .language = arena_copy(a, d->language),
        .author = arena_copy(a, d->author),
        .last_updated_s = d->last_updated_s,
        .created_s = d->created_s,
    };
    return out;
}

static bool was_open(const struct attributes *v, uint32_t number)
{
    const struct attribute_block *b = attributes_block(v, number / ATTRIBUTE_ROWS);
    return !(attribute_restricted(b)[number % ATTRIBUTE_ROWS / 64] >> number % 64 & 1);
}

/* What is indexed of the document goes. */
static void drop(struct gathered *g, int64_t document, uint32_t number)
{
    struct collection *c = g->c;
    c->changes += 1 + attributes_chunks_of(c->attributes, number);
    bm25_remove(c->index, number);
    search_space_remove(c->learned, number);
    search_space_remove(c->outside, number);
    numbers_drop(c->numbers, document);
    gather(g, number, NULL);
}

/* A number that is given anew may stand in vectors that were saved later than the rest. */
static uint32_t take_number(struct collection *c, int64_t document)
{
    uint32_t number = numbers_take(c->numbers, document);
    search_space_remove(c->learned, number);
    search_space_remove(c->outside, number);
    return number;
}

struct known {
    bool there;
    uint32_t number, version; /* 0: of none that is whole */
};

/* Sets the document's number; false when it has none any more. */
static bool stage_document(struct search_set *s, struct gathered *g, int64_t document,
                           struct known *known, const struct doc_index_document *d)
{
    struct collection *c = g->c;
    bool open = known->there && known->version && was_open(c->attributes, known->number);
    if (open && d->id && !rights_is_open(d->access))
        c->closed = true;
    if (d->id && known->there && known->version && d->version == known->version) {
        uint32_t chunks = attributes_chunks_of(c->attributes, known->number);
        gather(g, known->number, copy_attributes(g->a, d, chunks));
        c->changes++;
        return true;
    }
    if (known->there)
        drop(g, document, known->number);
    if (!d->id)
        return false;
    known->number = take_number(c, document);
    index_chunks(s, c, known->number, d);
    gather(g, known->number, copy_attributes(g->a, d, d->n_chunks));
    c->changes += 1 + d->n_chunks;
    return true;
}

/* What is indexed of documents. Of those whose vectors have come all is loaded, so that only the
 * vectors of the version that has the number are taken. */
static void known_versions(const struct collection *c, const struct wanted *w, size_t n,
                           struct known *known, uint32_t *skip)
{
    for (size_t i = 0; i < n; i++) {
        known[i] = (struct known){0};
        known[i].there = numbers_find(c->numbers, w[i].document, &known[i].number);
        if (known[i].there)
            known[i].version = attributes_version(c->attributes, known[i].number);
        skip[i] = c->outside && w[i].embedded ? 0 : known[i].version;
    }
}

static bool stage_batch(struct search_set *s, struct gathered *g, const struct wanted *w, size_t n,
                        struct arena *a, struct err *e)
{
    struct collection *c = g->c;
    struct known known[DOCUMENTS_AT_ONCE];
    uint32_t skip[DOCUMENTS_AT_ONCE], number[DOCUMENTS_AT_ONCE];
    int64_t document[DOCUMENTS_AT_ONCE];
    struct doc_index_document *d;
    size_t with_vectors = 0;
    for (size_t i = 0; i < n; i++)
        document[i] = w[i].document;
    known_versions(c, w, n, known, skip);
    if (!doc_index_load(s->db, a, document, skip, n, &d, e))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!stage_document(s, g, document[i], &known[i], &d[i]) || !c->outside || !d[i].n_chunks)
            continue;
        search_space_remove(c->outside, known[i].number);
        number[with_vectors] = known[i].number;
        d[with_vectors++] = d[i];
    }
    return !with_vectors || search_space_fetch(c->outside, s->db, d, number, with_vectors, e);
}

static bool load_documents(struct search_set *s, struct collection *c, struct err *e)
{
    struct arena *a = arena_new();
    struct gathered g = {.c = c, .a = arena_new()};
    bool good = tune(s, c, e);
    sort_load(c);
    for (size_t at = 0; at < c->n_load && good; at += DOCUMENTS_AT_ONCE) {
        size_t n = size_min(c->n_load - at, DOCUMENTS_AT_ONCE);
        good = stage_batch(s, &g, c->load + at, n, a, e);
        if (g.n >= ATTRIBUTES_AT_ONCE)
            apply(&g);
        arena_reset(a);
    }
    if (g.n)
        apply(&g);
    c->n_load = 0;
    mem_free(g.change);
    arena_free(g.a);
    arena_free(a);
    return good;
}

/* ---- Which changes ---- */

/* Notes the changes of a collection ("" = of all) behind *seq, which says then how far they go. */
static bool note_changes(struct search_set *s, struct str collection, int64_t newest, int64_t *seq,
                         struct err *e)
{
    struct arena *a = arena_new();
    size_t n = CHANGES_AT_ONCE;
    bool good = true;
    while (good && n == CHANGES_AT_ONCE) {
        struct doc_change *change;
        good = doc_changes(s->db, a, collection, *seq, CHANGES_AT_ONCE, &change, &n, e);
        for (size_t i = 0; good && i < n; i++) {
            note(s, &change[i], newest);
            *seq = change[i].seq;
        }
        arena_reset(a);
    }
    arena_free(a);
    return good;
}

static void publish_staged(struct search_set *s, struct collection *c)
{
    if (!c->staged)
        return;
    search_publish(s, c);
    unsigned due = SEARCH_MERGE;
    if (search_save_due(s, c))
        due |= SEARCH_SAVE;
    if (search_learn_due(c))
        due |= SEARCH_LEARN;
    search_keep(s, c, due);
}

static bool load_all(struct search_set *s, struct err *e)
{
    bool good = true;
    map_each (slot, &s->collections) {
        struct collection *c = slot->value;
        good = good && load_documents(s, c, e);
        c->n_load = 0;
    }
    return good;
}

bool search_follow(struct search_set *s, struct err *e)
{
    int64_t newest, seq = s->seq;
    if (!doc_change_last(s->db, &newest, e) || !note_changes(s, STR_NONE, newest, &seq, e) ||
        !load_all(s, e))
        return false;
    s->seq = seq;
    map_each (slot, &s->collections) {
        struct collection *c = slot->value;
        c->seq = seq > c->seq ? seq : c->seq;
        publish_staged(s, c);
    }
    return true;
}

/* Each collection goes on from where its snapshot ends; changes of others are not read for it. */
static bool follow_one(struct search_set *s, struct str id, int64_t newest, struct err *e)
{
    struct collection *c = search_collection_make(s, id, newest);
    int64_t seq = c->seq;
    if (!note_changes(s, id, newest, &seq, e) || !load_documents(s, c, e))
        return false;
    c->seq = seq > newest ? seq : newest;
    publish_staged(s, c);
    search_keep(s, c, SEARCH_CHECK | (search_learn_due(c) ? SEARCH_LEARN : 0));
    return true;
}

bool search_follow_first(struct search_set *s, struct err *e)
{
    struct arena *a = arena_new();
    struct str *id;
    size_t n = 0;
    int64_t newest = 0;
    bool good = doc_change_last(s->db, &newest, e) && doc_collection_ids(s->db, a, &id, &n, e);
    for (size_t i = 0; good && i < n; i++)
        good = follow_one(s, id[i], newest, e);
    s->seq = newest;
    arena_free(a);
    return good;
}
