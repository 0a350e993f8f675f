#include "answer/retrieve_cache.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/metric.h"
#include "model/rerank_features.h"

enum { KEY_MOST = 1 << 16, ENTRY_SHARE = 8 /* of the memory at most for one */ };

struct entry {
    struct list node; /* in order of use, the last used first */
    struct str key;
    struct arena *arena; /* holds this struct and all of the result */
    struct retrieval r;
    size_t bytes;
};

struct retrieve_cache {
    struct lock lock;
    /* under lock */
    struct map entries;
    struct list used;
    size_t bytes, most;
    /* set once */
    struct metric *hits, *misses, *size;
};

/* ---- Copies ---- */

static void copy_text(struct arena *a, struct str *s, size_t *bytes)
{
    *s = arena_copy(a, *s);
    *bytes += s->len + 16;
}

static const float *copy_features(struct arena *a, const float *from, size_t *bytes)
{
    if (!from)
        return NULL;
    float *to = arena_array(a, float, RERANK_FEATURE_COUNT);
    memcpy(to, from, RERANK_FEATURE_COUNT * sizeof(*to));
    *bytes += RERANK_FEATURE_COUNT * sizeof(*to);
    return to;
}

/* All that a result points to, into `a`; returns its size, nearly. */
static size_t copy_result(struct arena *a, struct retrieval *to, const struct retrieval *from)
{
    size_t bytes = sizeof(*to) + from->n * sizeof(struct retrieved);
    *to = *from;
    to->engine = NULL;
    to->n_engines = 0;
    to->hit = arena_array(a, struct retrieved, from->n + 1);
    for (size_t i = 0; i < from->n; i++) {
        struct retrieved *h = &to->hit[i];
        *h = from->hit[i];
        struct doc_passage *p = &h->passage;
        struct str *text[] = {&p->chunk.text, &p->chunk.section, &p->collection, &p->file_id,
                              &p->name,       &p->title,         &p->uri,        &p->doc_type,
                              &p->language,   &p->attributes,    &p->access,     &p->content_hash,
                              &p->author};
        for (size_t k = 0; k < COUNT(text); k++)
            copy_text(a, text[k], &bytes);
        int64_t *copy = arena_array(a, int64_t, h->n_copies + 1);
        if (h->n_copies)
            memcpy(copy, h->copy, h->n_copies * sizeof(*copy));
        h->copy = copy;
        h->feature = copy_features(a, h->feature, &bytes);
        bytes += h->n_copies * sizeof(*copy);
    }
    for (size_t i = 0; i < to->n_questions; i++)
        copy_text(a, &to->question[i].text, &bytes);
    for (size_t i = 0; i < to->n_notes; i++)
        copy_text(a, &to->note[i], &bytes);
    copy_text(a, &to->space, &bytes);
    return bytes;
}

/* ---- The table ---- */

static void drop_locked(struct retrieve_cache *c, struct entry *x)
{
    map_remove(&c->entries, x->key);
    list_remove(&x->node);
    c->bytes -= x->bytes;
    arena_free(x->arena);
}

static void shrink_locked(struct retrieve_cache *c, size_t most)
{
    while (c->bytes > most && !list_empty(&c->used))
        drop_locked(c, list_entry(c->used.prev, struct entry, node));
}

struct retrieve_cache *retrieve_cache_new(size_t bytes)
{
    struct retrieve_cache *c = mem_new(sizeof(*c));
    struct metric_family *f =
        metric_family("penstock_retrieval_cache_total", METRIC_COUNTER, "outcome",
                      "Questions whose result was kept, or had to be found.");
    lock_init(&c->lock);
    map_init_borrowing(&c->entries);
    list_init(&c->used);
    c->most = bytes;
    c->hits = metric_with(f, &(struct str)STR_INIT("hit"));
    c->misses = metric_with(f, &(struct str)STR_INIT("miss"));
    c->size = metric_plain(metric_family("penstock_retrieval_cache_bytes", METRIC_GAUGE, "",
                                         "Memory of kept results."));
    return c;
}

void retrieve_cache_free(struct retrieve_cache *c)
{
    if (!c)
        return;
    shrink_locked(c, 0);
    map_fini(&c->entries);
    lock_fini(&c->lock);
    mem_free(c);
}

void retrieve_cache_resize(struct retrieve_cache *c, size_t bytes)
{
    lock_take(&c->lock);
    size_t before = c->bytes;
    c->most = bytes;
    shrink_locked(c, bytes);
    metric_add(c->size, (int64_t)c->bytes - (int64_t)before);
    lock_drop(&c->lock);
}

/* ---- Keys ---- */

static void put_part(struct buf *b, struct str s)
{
    buf_printf(b, "%zu:", s.len);
    buf_add(b, s);
}

static void put_models(struct buf *b, const struct retrieve_models *m)
{
    if (m)
        put_part(b, m->identity);
}

struct str retrieve_cache_key(const struct retriever *r, const struct retrieve_query *q,
                              struct arena *a)
{
    struct buf b;
    bool known = !q->search.filter || q->filter_text.len;
    buf_init(&b, KEY_MOST);
    for (size_t i = 0; known && i < q->search.n_collections; i++) {
        uint64_t version = search_version(r->search, q->search.collection[i]);
        put_part(&b, q->search.collection[i]);
        buf_printf(&b, "%ju;", (uintmax_t)version);
        known = version != 0;
    }
    rights_key(q->search.rights, &b);
    put_part(&b, q->filter_text);
    for (size_t i = 0; i < q->n_texts; i++)
        put_part(&b, q->text[i]);
    buf_printf(&b, "|%d,%zu,%zu,%d,%d,%a,%d|", (int)q->search.engines, q->k, q->candidates,
               (int)q->level, (int)q->ranker, q->threshold, (int)q->keep_duplicates);
    buf_printf(&b, "%a,%a|", (double)q->search.keyword_weight, (double)q->search.vector_weight);
    if (q->weights)
        put_part(&b, (struct str){(const char *)q->weights, sizeof(*q->weights)});
    put_models(&b, q->models);
    struct str key = STR_NONE;
    if (known && buf_ok(&b))
        key = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    return key;
}

/* ---- Use ---- */

bool retrieve_cache_get(struct retrieve_cache *c, struct str key, struct arena *a,
                        struct retrieval *out)
{
    lock_take(&c->lock);
    struct entry *x = map_get(&c->entries, key);
    if (x) {
        list_remove(&x->node);
        list_push(&c->used, &x->node);
        copy_result(a, out, &x->r);
    }
    lock_drop(&c->lock);
    metric_add(x ? c->hits : c->misses, 1);
    return x != NULL;
}

void retrieve_cache_put(struct retrieve_cache *c, struct str key, const struct retrieval *r)
{
    struct arena *a = arena_new();
    struct entry *x = arena_struct(a, struct entry);
    x->arena = a;
    x->key = arena_copy(a, key);
    x->bytes = copy_result(a, &x->r, r) + key.len + sizeof(*x);
    if (x->bytes < ARENA_FIRST)
        x->bytes = ARENA_FIRST;
    lock_take(&c->lock);
    size_t before = c->bytes;
    struct entry *old = map_get(&c->entries, key);
    if (old)
        drop_locked(c, old);
    if (x->bytes <= c->most / ENTRY_SHARE) {
        shrink_locked(c, c->most - x->bytes);
        map_set(&c->entries, x->key, x);
        list_push(&c->used, &x->node);
        c->bytes += x->bytes;
        a = NULL;
    }
    metric_add(c->size, (int64_t)c->bytes - (int64_t)before);
    lock_drop(&c->lock);
    arena_free(a);
}
