#include "index/search_part.h"

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

bool search_run(struct search_set *s, const struct search_query *q, struct arena *a,
                struct search_hit **hit, size_t *n, struct err *e)
{
    struct candidates c;
    if (q->n_collections > COLLECTIONS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d collections in one search", COLLECTIONS_MAX);
    take_views(&c, s, q, a);
    struct hit *found = arena_array(a, struct hit, size_min(q->k, BM25_MAX_HITS));
    *n = find_keywords(&c, q, a, found);
    *hit = arena_array(a, struct search_hit, *n);
    for (size_t i = 0; i < *n; i++) {
        const struct attributes *at = c.view[found[i].view]->attributes;
        (*hit)[i] = (struct search_hit){.chunk = found[i].key,
                                        .document = attributes_id(at, (uint32_t)found[i].document),
                                        .score = found[i].score,
                                        .collection = c.which[found[i].view],
                                        .keyword = {(uint32_t)i + 1, found[i].score}};
    }
    give_back_views(&c);
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
