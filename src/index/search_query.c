#include "index/search_part.h"

#include <stdlib.h>

enum { COLLECTIONS_MAX = 1000 };

/* The views of a search, and which documents of each are candidates. */
struct candidates {
    size_t n;
    struct search_view **view;
    uint32_t *which;                /* index into the request's list */
    const struct bm25_view **words; /* of each */
    const struct docset **allowed;  /* NULL = all */
};

static bool named_before(const struct search_query *q, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (str_eq(q->collection[k], q->collection[i]))
            return true;
    return false;
}

static struct docset *allowed_in(const struct search_view *v, const struct filter *f,
                                 const struct rights *r)
{
    bool all_readable = (r && r->everything) || attributes_restricted(v->attributes) == 0;
    if (!f && all_readable)
        return NULL;
    struct docset *set = attributes_all(v->attributes);
    rights_apply(r, v->attributes, set);
    filter_apply(f, v->attributes, set);
    return set;
}

static void take_views(struct candidates *c, struct search_set *s, const struct search_query *q,
                       struct arena *a)
{
    *c = (struct candidates){
        .view = arena_array(a, struct search_view *, q->n_collections),
        .which = arena_array(a, uint32_t, q->n_collections),
        .words = arena_array(a, const struct bm25_view *, q->n_collections),
        .allowed = arena_array(a, const struct docset *, q->n_collections),
    };
    for (size_t i = 0; i < q->n_collections; i++) {
        struct search_view *v = named_before(q, i) ? NULL : search_view(s, q->collection[i]);
        if (!v)
            continue;
        c->view[c->n] = v;
        c->which[c->n] = (uint32_t)i;
        c->words[c->n] = v->keywords;
        c->allowed[c->n] = allowed_in(v, q->filter, q->rights);
        c->n++;
    }
}

static void explain_views(const struct candidates *c, const struct search_query *q)
{
    for (size_t i = 0; q->explain && i < q->n_collections; i++)
        q->explain[i] = (struct search_explain){0};
    for (size_t i = 0; q->explain && i < c->n; i++) {
        const struct attributes *v = c->view[i]->attributes;
        q->explain[c->which[i]] = (struct search_explain){
            .documents = c->allowed[i] ? docset_count(c->allowed[i]) : attributes_documents(v),
            .chunks = attributes_chunks(v, c->allowed[i]),
            .words = q->engines != SEARCH_VECTOR,
        };
    }
}

static void give_back_views(struct candidates *c)
{
    for (size_t i = 0; i < c->n; i++) {
        docset_free((struct docset *)c->allowed[i]);
        search_view_unref(c->view[i]);
    }
}

static size_t find_keywords(const struct candidates *c, const struct search_query *q,
                            struct arena *a, struct hit *found)
{
    enum lang lang[WORDS_LANGS];
    struct bm25_word *word = arena_array(a, struct bm25_word, BM25_MAX_WORDS);
    size_t n_langs = words_langs(lang, c->words, c->n);
    struct bm25_query query = {
        .word = word, .n = words_of_query(word, q->text, lang, n_langs), .allowed = c->allowed};
    return bm25_search(c->words, c->n, &query, found, size_min(q->k, BM25_MAX_HITS));
}

/* ---- Vectors ---- */

/* The query in a collection's space: the caller's for one outside, else by the collection's own
 * embedder. NULL: there is none. */
static const float *query_vector(const struct search_view *v, const struct search_query *q,
                                 struct arena *a, struct search_space **space)
{
    for (size_t i = 0; v->outside && i < q->n_vectors; i++) {
        if (q->vector[i].space != v->outside->outside ||
            q->vector[i].dimension != vector_dimension(v->outside->vectors))
            continue;
        *space = v->outside;
        return q->vector[i].v;
    }
    if (!v->learned)
        return NULL;
    *space = v->learned;
    float *out = arena_array(a, float, lsa_dimension(v->learned->embedder));
    return lsa_query(v->learned->embedder, q->text, out) ? out : NULL;
}

/* Hits whose document the view does not know are of a version that it has not seen, or no longer
 * there: they are dropped. */
static size_t nearest_in(const struct candidates *c, size_t i, const struct search_query *q,
                         struct arena *a, struct hit *out, size_t k)
{
    struct search_view *v = c->view[i];
    struct search_space *space = NULL;
    struct err e;
    size_t found = 0, n = 0;
    struct search_explain *x = q->explain ? &q->explain[c->which[i]] : NULL;
    const float *vector = query_vector(v, q, a, &space);
    struct vector_query query = {
        .v = vector, .allowed = c->allowed[i], .explain = x && vector ? &x->nearest : NULL};
    if (x && vector) {
        x->vectors = true;
        x->outside = space == v->outside;
    }
    if (!vector || !vector_search(space->vectors, &query, out, k, &found, &e))
        return 0;
    for (size_t h = 0; h < found; h++) {
        if (!attributes_id(v->attributes, (uint32_t)out[h].document))
            continue;
        out[n] = out[h];
        out[n++].view = (uint32_t)i;
    }
    return n;
}

static int by_score(const void *x, const void *y)
{
    const struct hit *a = x, *b = y;
    if (a->score != b->score)
        return a->score < b->score ? 1 : -1;
    return a->key != b->key ? (a->key > b->key) - (a->key < b->key)
                            : (a->view > b->view) - (a->view < b->view);
}

static size_t find_vectors(const struct candidates *c, const struct search_query *q,
                           struct arena *a, size_t k, struct hit **found)
{
    size_t n = 0;
    *found = arena_array(a, struct hit, k * c->n);
    for (size_t i = 0; i < c->n; i++)
        n += nearest_in(c, i, q, a, *found + n, k);
    if (n)
        qsort(*found, n, sizeof(**found), by_score);
    return size_min(n, k);
}

/* ---- Both ---- */

static struct search_hit new_hit(const struct candidates *c, const struct hit *h)
{
    const struct attributes *at = c->view[h->view]->attributes;
    return (struct search_hit){.chunk = h->key,
                               .document = attributes_id(at, (uint32_t)h->document),
                               .collection = c->which[h->view]};
}

static struct search_found found_at(const struct hit *h, size_t i)
{
    return (struct search_found){.rank = (uint32_t)i + 1, .score = h->score};
}

struct by_chunk {
    int64_t chunk;
    size_t at;
};

static int compare_chunks(const void *x, const void *y)
{
    const struct by_chunk *a = x, *b = y;
    return (a->chunk > b->chunk) - (a->chunk < b->chunk);
}

/* Passages that were found by their words get what the vectors say of them; others stand behind. */
static size_t add_nearest(const struct candidates *c, const struct hit *nearest, size_t n,
                          struct search_hit *all, size_t n_words, struct arena *a)
{
    struct by_chunk *known = arena_array(a, struct by_chunk, n_words);
    size_t n_all = n_words;
    for (size_t i = 0; i < n_words; i++)
        known[i] = (struct by_chunk){all[i].chunk, i};
    if (n_words)
        qsort(known, n_words, sizeof(*known), compare_chunks);
    for (size_t i = 0; i < n; i++) {
        const struct by_chunk key = {.chunk = nearest[i].key};
        const struct by_chunk *same =
            n_words ? bsearch(&key, known, n_words, sizeof(key), compare_chunks) : NULL;
        if (!same)
            all[n_all] = new_hit(c, &nearest[i]);
        all[same ? same->at : n_all].vector = found_at(&nearest[i], i);
        n_all += !same;
    }
    return n_all;
}

bool search_run(struct search_set *s, const struct search_query *q, struct arena *a,
                struct search_hit **hit, size_t *n, struct err *e)
{
    struct candidates c;
    if (q->n_collections > COLLECTIONS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d collections in one search", COLLECTIONS_MAX);
    take_views(&c, s, q, a);
    explain_views(&c, q);
    enum search_engines engines = q->engines ? q->engines : SEARCH_HYBRID;
    size_t k = size_min(q->k, BM25_MAX_HITS), n_words = 0, n_vectors = 0;
    struct hit *words = arena_array(a, struct hit, k), *vectors = NULL;
    if (engines & SEARCH_KEYWORD)
        n_words = find_keywords(&c, q, a, words);
    if (engines & SEARCH_VECTOR)
        n_vectors = find_vectors(&c, q, a, k, &vectors);
    struct search_hit *all = arena_array(a, struct search_hit, n_words + n_vectors);
    for (size_t i = 0; i < n_words; i++) {
        all[i] = new_hit(&c, &words[i]);
        all[i].keyword = found_at(&words[i], i);
        all[i].score = words[i].score;
    }
    size_t n_all = add_nearest(&c, vectors, n_vectors, all, n_words, a);
    give_back_views(&c);
    *hit = all;
    *n = size_min(n_all, k);
    return true;
}

size_t search_chunks(struct search_set *s, struct str collection)
{
    return (size_t)search_count(s, collection, NULL, &rights_all).chunks;
}

struct search_count search_count(struct search_set *s, struct str collection,
                                 const struct filter *f, const struct rights *r)
{
    struct search_view *v = search_view(s, collection);
    if (!v)
        return (struct search_count){0};
    struct docset *set = allowed_in(v, f, r);
    struct search_count out = {
        .documents = set ? docset_count(set) : attributes_documents(v->attributes),
        .chunks = attributes_chunks(v->attributes, set),
    };
    docset_free(set);
    search_view_unref(v);
    return out;
}

uint64_t search_version(struct search_set *s, struct str collection)
{
    struct search_view *v = search_view(s, collection);
    uint64_t version = v ? v->version : 0;
    search_view_unref(v);
    return version;
}
