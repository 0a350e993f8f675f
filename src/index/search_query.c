#include "index/fuse.h"
#include "index/query.h"
#include "index/search_part.h"

#include <math.h>
#include <stdlib.h>

enum { COLLECTIONS_MAX = 1000 };

/* The views of a search, and which documents of each are candidates. */
struct candidates {
    size_t n;
    struct search_view **view;
    uint32_t *which;                /* index into the request's list */
    const struct bm25_view **words; /* of each */
    const struct docset **allowed;  /* NULL = all */
    bool partly;                    /* there is something that the caller may not read */
};

static bool named_before(const struct search_query *q, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (str_eq(q->collection[k], q->collection[i]))
            return true;
    return false;
}

static bool all_readable(const struct search_view *v, const struct rights *r)
{
    return (r && r->everything) || attributes_restricted(v->attributes) == 0;
}

static struct docset *allowed_in(const struct search_view *v, const struct filter *f,
                                 const struct rights *r)
{
    if (!f && all_readable(v, r))
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
        c->partly = c->partly || !all_readable(v, q->rights);
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

static struct query *parse(const struct candidates *c, struct str text, struct arena *a)
{
    enum lang lang[WORDS_LANGS];
    size_t n_langs = words_langs(lang, c->words, c->n);
    struct query *q = arena_struct(a, struct query);
    query_parse(q, a, text, lang, n_langs, c->words, c->n);
    return q;
}

/* Where something is hidden, what words weigh is counted over the rest alone: then no score tells
 * of what the caller may not read. */
static size_t find_keywords(const struct candidates *c, struct query *q, struct hit *found,
                            size_t k)
{
    struct bm25_query base = {.allowed = c->allowed, .own_statistics = c->partly};
    return query_search(q, c->words, c->n, base, found, k);
}

/* ---- Vectors ---- */

/* The query in a collection's space: the caller's for one outside, else by the collection's own
 * embedder. NULL: there is none. */
static const float *query_vector(const struct search_view *v, const struct search_query *q,
                                 struct str text, struct arena *a, struct search_space **space)
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
    return lsa_query(v->learned->embedder, text, out) ? out : NULL;
}

/* Hits whose document the view does not know are of a version that it has not seen, or no longer
 * there: they are dropped. */
static size_t nearest_in(const struct candidates *c, size_t i, const struct search_query *q,
                         struct str text, struct arena *a, struct hit *out, size_t k)
{
    struct search_view *v = c->view[i];
    struct search_space *space = NULL;
    struct err e;
    size_t found = 0, n = 0;
    struct search_explain *x = q->explain ? &q->explain[c->which[i]] : NULL;
    const float *vector = query_vector(v, q, text, a, &space);
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
                           const struct query *parsed, struct arena *a, size_t k,
                           struct hit **found)
{
    size_t n = 0;
    *found = arena_array(a, struct hit, k * c->n);
    for (size_t i = 0; i < c->n; i++)
        n += nearest_in(c, i, q, parsed->text, a, *found + n, k);
    n = bm25_fitting(c->words, c->n, parsed->clause, parsed->n_held, *found, n);
    if (n)
        qsort(*found, n, sizeof(**found), by_score);
    return size_min(n, k);
}

/* ---- Both ---- */

static float weight_of(float asked, float other, float usual)
{
    return asked > 0 || other > 0 ? asked : usual;
}

/* Keyword scores have no upper end; this keeps their order between 0 and 1. */
static float keyword_share(float score)
{
    enum { HALF = 10 };
    return score / (score + HALF);
}

static float vector_share(float score)
{
    return score < 0 ? 0 : score > 1 ? 1 : score;
}

/* Fused scores order a result and say nothing beyond it, so what is told is what the engines said
 * of each hit, by weight, bent to fall as the order does: halfway between the least of all before
 * it and the most of all behind it. */
static void score_hits(struct search_hit *hit, size_t n, float keyword_weight, float vector_weight)
{
    float sum = keyword_weight + vector_weight, least = 1, most = 0;
    for (size_t i = 0; i < n; i++) {
        float said =
            keyword_weight * (hit[i].keyword.rank ? keyword_share(hit[i].keyword.score) : 0);
        said += vector_weight * (hit[i].vector.rank ? vector_share(hit[i].vector.score) : 0);
        hit[i].score = sum > 0 ? said / sum : 0;
    }
    for (size_t i = n; i-- > 0;) {
        most = hit[i].score > most ? hit[i].score : most;
        hit[i].score = (hit[i].score + most) / 2;
    }
    for (size_t i = 0; i < n; i++) {
        least = hit[i].score < least ? hit[i].score : least;
        hit[i].score = least;
    }
}

static struct search_hit hit_of(const struct candidates *c, const struct fuse_hit *f,
                                const struct hit *words, const struct hit *vectors)
{
    const struct attributes *at = c->view[f->view]->attributes;
    struct search_hit out = {.chunk = f->key,
                             .document = attributes_id(at, (uint32_t)f->document),
                             .collection = c->which[f->view]};
    if (f->rank[0])
        out.keyword = (struct search_found){f->rank[0], words[f->rank[0] - 1].score};
    if (f->rank[1])
        out.vector = (struct search_found){f->rank[1], vectors[f->rank[1] - 1].score};
    return out;
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
    size_t k = size_min(q->k, BM25_MAX_HITS), depth = size_max(k, FUSE_DEPTH);
    struct hit *words = arena_array(a, struct hit, depth), *vectors = NULL;
    struct query *parsed = parse(&c, q->text, a);
    struct fuse_list list[2] = {
        {.hit = words, .weight = weight_of(q->keyword_weight, q->vector_weight, FUSE_TEXT)},
        {.weight = weight_of(q->vector_weight, q->keyword_weight, FUSE_EMBEDDING), .missing = NAN},
    };
    if (engines & SEARCH_KEYWORD)
        list[0].n = find_keywords(&c, parsed, words, depth);
    if (engines & SEARCH_VECTOR)
        list[1].n = find_vectors(&c, q, parsed, a, depth, &vectors);
    list[1].hit = vectors;
    struct fuse_hit *fused = arena_array(a, struct fuse_hit, k);
    *n = fuse_lists(list, fused, k);
    *hit = arena_array(a, struct search_hit, *n);
    for (size_t i = 0; i < *n; i++)
        (*hit)[i] = hit_of(&c, &fused[i], words, vectors);
    score_hits(*hit, *n, list[0].n ? list[0].weight : 0, list[1].n ? list[1].weight : 0);
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
