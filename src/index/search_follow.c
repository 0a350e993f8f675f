/* A change says which document; what it is now is read from the store, text and access list in one
 * snapshot. Each version of a document gets a number of its own (index/number.h), so what is staged
 * under it shows nowhere before it is published with its rights. When only attributes or rights
 * have changed the version is the same, and so is the number.
 *
 * What a failure leaves half staged is staged again next time: the store says once more which
 * documents changed, and the numbers that were taken for them are dropped as those of any older
 * version. */
#include "index/search_part.h"
#include "store/doc.h"

#include <stdlib.h>

enum {
    CHANGES_AT_ONCE = 1024,
    DOCUMENTS_AT_ONCE = 16, /* whose chunks are in memory together */
    ATTRIBUTES_AT_ONCE = 1024
};

/* ---- What has changed ---- */

static void load_later(struct collection *c, int64_t document)
{
    if (c->n_load == c->room) {
        c->room = c->room * 2 + 64;
        c->load = mem_resize(c->load, c->room, sizeof(*c->load));
    }
    c->load[c->n_load++] = document;
}

static void note(struct search_set *s, const struct doc_change *change, int64_t newest)
{
    if (change->kind == DB_COLLECTION_REMOVED) {
        search_collection_drop(s, change->collection);
        return;
    }
    struct collection *c = search_collection_make(s, change->collection, newest);
    if (change->seq <= c->seq || change->kind == DB_SPACE_CHANGED)
        return;
    c->staged = true;
    load_later(c, change->document); /* one that was removed is found to be gone */
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* A document that changed while the changes were read is listed twice and must be added once. */
static void sort_load(struct collection *c)
{
    if (c->n_load)
        qsort(c->load, c->n_load, sizeof(*c->load), by_number);
    size_t n = 0;
    for (size_t i = 0; i < c->n_load; i++)
        if (n == 0 || c->load[n - 1] != c->load[i])
            c->load[n++] = c->load[i];
    c->n_load = n;
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
static enum lang lang_of(const struct doc_index_document *d)
{
    enum lang said = lang_from_code(d->language);
    if (said != LANG_OTHER || str_eq(d->language, STR("und")) || d->n_chunks == 0)
        return said;
    size_t i = 0;
    while (i + 1 < d->n_chunks && d->chunk[i].text.len < 4 * LANG_MIN_LETTERS)
        i++;
    return lang_detect(d->chunk[i].text);
}

static void index_chunks(struct search_set *s, struct collection *c, uint32_t number,
                         const struct doc_index_document *d)
{
    enum lang lang = lang_of(d);
    struct str title = d->title.len ? d->title : d->name;
    for (size_t i = 0; i < d->n_chunks; i++) {
        words_of_passage(&s->words, lang, title, d->chunk[i].section, d->chunk[i].text);
        bm25_add(c->index, number, lang, d->chunk[i].id, s->words.term, s->words.n,
                 s->words.length);
    }
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

/* What is indexed of the document goes. */
static void drop(struct gathered *g, int64_t document, uint32_t number)
{
    struct collection *c = g->c;
    c->unsaved += 1 + attributes_chunks_of(c->attributes, number);
    bm25_remove(c->index, number);
    numbers_drop(c->numbers, document);
    gather(g, number, NULL);
}

static void stage_document(struct search_set *s, struct gathered *g, int64_t document,
                           uint32_t known, const struct doc_index_document *d)
{
    struct collection *c = g->c;
    uint32_t number;
    bool there = numbers_find(c->numbers, document, &number);
    if (d->id && there && known && d->version == known) {
        gather(g, number, copy_attributes(g->a, d, attributes_chunks_of(c->attributes, number)));
        c->unsaved++;
        return;
    }
    if (there)
        drop(g, document, number);
    if (!d->id)
        return;
    number = numbers_take(c->numbers, document);
    index_chunks(s, c, number, d);
    gather(g, number, copy_attributes(g->a, d, d->n_chunks));
    c->unsaved += 1 + d->n_chunks;
}

/* Versions that are indexed, 0 = none. */
static void known_versions(const struct collection *c, const int64_t *document, size_t n,
                           uint32_t *known)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t number;
        bool there = numbers_find(c->numbers, document[i], &number);
        known[i] = there ? attributes_version(c->attributes, number) : 0;
    }
}

static bool load_documents(struct search_set *s, struct collection *c, struct err *e)
{
    struct arena *a = arena_new();
    struct gathered g = {.c = c, .a = arena_new()};
    bool good = true;
    sort_load(c);
    for (size_t at = 0; at < c->n_load && good; at += DOCUMENTS_AT_ONCE) {
        size_t n = size_min(c->n_load - at, DOCUMENTS_AT_ONCE);
        uint32_t known[DOCUMENTS_AT_ONCE];
        struct doc_index_document *d;
        known_versions(c, c->load + at, n, known);
        good = doc_index_load(s->db, a, c->load + at, known, n, &d, e);
        for (size_t i = 0; good && i < n; i++)
            stage_document(s, &g, c->load[at + i], known[i], &d[i]);
        if (g.n >= ATTRIBUTES_AT_ONCE)
            apply(&g);
        arena_reset(a);
    }
    if (g.n)
        apply(&g);
    mem_free(g.change);
    arena_free(g.a);
    arena_free(a);
    return good;
}

/* Stages all changes from s->seq on; *seq is how far it got. */
static bool stage(struct search_set *s, int64_t *seq, struct err *e)
{
    struct arena *a = arena_new();
    int64_t newest;
    bool good = doc_change_last(s->db, &newest, e);
    size_t n = CHANGES_AT_ONCE;
    *seq = s->seq;
    map_each (slot, &s->collections) {
        struct collection *c = slot->value;
        c->n_load = 0;
    }
    while (good && n == CHANGES_AT_ONCE) {
        struct doc_change *change;
        good = doc_changes(s->db, a, STR_NONE, *seq, CHANGES_AT_ONCE, &change, &n, e);
        for (size_t i = 0; good && i < n; i++) {
            note(s, &change[i], newest);
            *seq = change[i].seq;
        }
        arena_reset(a);
    }
    arena_free(a);
    map_each (slot, &s->collections) {
        struct collection *c = slot->value;
        good = good && load_documents(s, c, e);
    }
    return good;
}

bool search_follow(struct search_set *s, struct err *e)
{
    int64_t seq;
    if (!stage(s, &seq, e))
        return false;
    s->seq = seq;
    map_each (slot, &s->collections) {
        struct collection *c = slot->value;
        c->seq = seq > c->seq ? seq : c->seq;
        if (!c->staged)
            continue;
        search_publish(s, c);
        search_save_if_due(c);
    }
    return true;
}
