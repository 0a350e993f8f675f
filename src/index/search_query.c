#include "index/fuse.h"
#include "index/query.h"
#include "index/search_part.h"
#include "math/dot.h"

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

/* What words with * and ~ stand for tells nothing of what the caller may not read either. */
static struct query *parse(const struct candidates *c, struct str text, struct arena *a)
{
    enum lang lang[WORDS_LANGS];
    size_t n_langs = words_langs(lang, c->words, c->n);
    struct query *q = arena_struct(a, struct query);
    query_parse(q, a, text, lang, n_langs, c->words, c->n, c->partly ? c->allowed : NULL);
    return q;
}

/* Where something is hidden, what words weigh is counted over the rest alone: then no score tells
 * of what the caller may not read. */
static bool find_keywords(const struct candidates *c, struct query *q, struct phrase_check *check,
                          struct hit *found, size_t k, size_t *n, struct err *e)
{
    struct bm25_query base = {.allowed = c->allowed, .own_statistics = c->partly};
    return query_search(q, check, base, found, k, n, e);
}

/* ---- The texts of passages that have all words of a phrase ---- */

struct passing_on {
    phrase_seen *seen;
    void *to;
};

static void pass_on(void *arg, size_t i, const struct doc_index_document *d,
                    const struct doc_index_chunk *chunk)
{
    const struct passing_on *p = arg;
    p->seen(p->to, i, search_title_of(d), chunk->section, chunk->text);
}

static bool read_texts(void *arg, const int64_t *key, size_t n, phrase_seen *seen, void *to,
                       struct err *e)
{
    return doc_index_texts(arg, key, n, pass_on, &(struct passing_on){seen, to}, e);
}

/* ---- Vectors ---- */

/* The query in a collection's space: the caller's for one outside, else by the collection's own
 * embedder. */
struct asked {
    const float *v; /* NULL: there is none */
    float *moved;   /* by feedback, beside it; NULL: not moved */
    struct search_space *space;
    bool outside;
};

static struct asked query_vector(const struct search_view *v, const struct search_query *q,
                                 struct str text, struct arena *a)
{
    for (size_t i = 0; v->outside && i < q->n_vectors; i++)
        if (q->vector[i].space == v->outside->outside &&
            q->vector[i].dimension == vector_dimension(v->outside->vectors))
            return (struct asked){.v = q->vector[i].v, .space = v->outside, .outside = true};
    if (!v->learned)
        return (struct asked){0};
    float *out = arena_array(a, float, lsa_dimension(v->learned->embedder));
    return (struct asked){.v = lsa_query(v->learned->embedder, text, out) ? out : NULL,
                          .space = v->learned};
}

/* Hits whose document the view does not know are of a version that it has not seen, or no longer
 * there: they are dropped. */
static size_t nearest_in(const struct candidates *c, size_t i, const struct search_query *q,
                         const struct asked *asked, struct hit *out, size_t k)
{
    struct search_view *v = c->view[i];
    struct err e;
    size_t found = 0, n = 0;
    struct search_explain *x = q->explain && asked->v ? &q->explain[c->which[i]] : NULL;
    struct vector_query query = {.v = asked->moved ? asked->moved : asked->v,
                                 .allowed = c->allowed[i],
                                 .explain = x ? &x->nearest : NULL};
    if (x) {
        x->vectors = true;
        x->outside = asked->outside;
    }
    if (!asked->v || !vector_search(asked->space->vectors, &query, out, k, &found, &e))
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

/* found[k * c->n]; asked[c->n]. */
static bool find_vectors(const struct candidates *c, const struct search_query *q,
                         const struct query *parsed, struct phrase_check *check,
                         const struct asked *asked, size_t k, struct hit *found, size_t *n,
                         struct err *e)
{
    *n = 0;
    for (size_t i = 0; i < c->n; i++)
        *n += nearest_in(c, i, q, &asked[i], found + *n, k);
    if (!phrase_fitting(check, parsed->n_held, found, n, e))
        return false;
    if (*n)
        qsort(found, *n, sizeof(*found), by_score);
    *n = size_min(*n, k);
    return true;
}

/* ---- Both ---- */

static float weight_of(float asked, float other, float usual)
{
    return asked > 0 || other > 0 ? asked : usual;
}

/* Moves the questions in learned spaces towards what was found first. False: none was moved. */
static bool feedback(const struct candidates *c, struct asked *asked, const struct fuse_hit *best,
                     size_t n, struct arena *a)
{
    bool moved = false;
    for (size_t i = 0; i < c->n; i++) {
        const float *passage[FUSE_FEEDBACK];
        float score[FUSE_FEEDBACK];
        size_t m = 0;
        if (!asked[i].v || asked[i].outside)
            continue;
        uint32_t d = lsa_dimension(asked[i].space->embedder);
        for (size_t h = 0; h < n; h++) {
            float *v = best[h].view == i ? arena_array(a, float, d) : NULL;
            if (v &&
                vector_get(asked[i].space->vectors, (uint32_t)best[h].document, best[h].key, v)) {
                passage[m] = v;
                score[m++] = best[h].score;
            }
        }
        if (m == 0)
            continue;
        asked[i].moved = arena_array(a, float, d);
        memcpy(asked[i].moved, asked[i].v, d * sizeof(float));
        fuse_feedback(asked[i].moved, d, passage, score, m);
        moved = true;
    }
    return moved;
}

/* What is told of a hit is its nearness to the question as it was asked. */
static void restore_score(const struct asked *asked, const struct fuse_hit *f,
                          struct search_hit *hit)
{
    float v[LSA_DIMENSION];
    if (hit->vector.rank && asked->moved && lsa_dimension(asked->space->embedder) <= COUNT(v) &&
        vector_get(asked->space->vectors, (uint32_t)f->document, f->key, v))
        hit->vector.score = dot_product(asked->v, v, lsa_dimension(asked->space->embedder));
}

static bool all_learned(const struct candidates *c, const struct asked *asked)
{
    for (size_t i = 0; i < c->n; i++)
        if (asked[i].outside)
            return false;
    return true;
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
                             .fused = f->score,
                             .collection = c->which[f->view]};
    if (f->rank[0])
        out.keyword = (struct search_found){f->rank[0], words[f->rank[0] - 1].score};
    if (f->rank[1])
        out.vector = (struct search_found){f->rank[1], vectors[f->rank[1] - 1].score};
    return out;
}

/* The lists of both engines: of words, and of vectors. */
static bool find_both(const struct candidates *c, const struct search_query *q,
                      struct query *parsed, struct phrase_check *check, struct asked *asked,
                      size_t depth, struct arena *a, struct fuse_list list[2], struct err *e)
{
    enum search_engines engines = q->engines ? q->engines : SEARCH_HYBRID;
    struct hit *words = arena_array(a, struct hit, depth);
    struct hit *vectors = arena_array(a, struct hit, depth * c->n);
    list[0] = (struct fuse_list){
        .hit = words, .weight = weight_of(q->keyword_weight, q->vector_weight, FUSE_TEXT)};
    list[1] =
        (struct fuse_list){.hit = vectors,
                           .weight = weight_of(q->vector_weight, q->keyword_weight, FUSE_EMBEDDING),
                           .missing = NAN};
    if (engines & SEARCH_KEYWORD && !find_keywords(c, parsed, check, words, depth, &list[0].n, e))
        return false;
    for (size_t i = 0; i < c->n && (engines & SEARCH_VECTOR); i++)
        asked[i] = query_vector(c->view[i], q, parsed->text, a);
    if (!find_vectors(c, q, parsed, check, asked, depth, vectors, &list[1].n, e))
        return false;
    if (engines != SEARCH_HYBRID || list[0].weight <= 0 || list[1].weight <= 0)
        return true;
    if (q->keyword_weight <= 0 && q->vector_weight <= 0 && all_learned(c, asked))
        list[1].weight *= fuse_support(list);
    struct fuse_hit best[FUSE_FEEDBACK];
    return !feedback(c, asked, best, fuse_lists(list, best, FUSE_FEEDBACK), a) ||
           find_vectors(c, q, parsed, check, asked, depth, vectors, &list[1].n, e);
}

bool search_run(struct search_set *s, const struct search_query *q, struct arena *a,
                struct search_hit **hit, size_t *n, struct err *e)
{
    struct candidates c;
    struct fuse_list list[2];
    if (q->n_collections > COLLECTIONS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d collections in one search", COLLECTIONS_MAX);
    take_views(&c, s, q, a);
    explain_views(&c, q);
    size_t k = size_min(q->k, SEARCH_MAX_HITS);
    struct asked *asked = arena_array(a, struct asked, c.n);
    struct query *parsed = parse(&c, q->text, a);
    const struct phrase_texts texts = {read_texts, s->db};
    struct phrase_check *check = query_check(parsed, a, c.words, c.n, &texts);
    bool good = find_both(&c, q, parsed, check, asked, size_max(k, FUSE_DEPTH), a, list, e);
    if (good) {
        struct fuse_hit *fused = arena_array(a, struct fuse_hit, k);
        *n = fuse_lists(list, fused, k);
        *hit = arena_array(a, struct search_hit, *n);
        for (size_t i = 0; i < *n; i++) {
            (*hit)[i] = hit_of(&c, &fused[i], list[0].hit, list[1].hit);
            restore_score(&asked[fused[i].view], &fused[i], &(*hit)[i]);
        }
        score_hits(*hit, *n, list[0].n ? list[0].weight : 0, list[1].n ? list[1].weight : 0);
    }
    give_back_views(&c);
    return good;
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

void search_question(struct search_set *s, const struct search_query *q, struct arena *a,
                     struct query *out)
{
    struct candidates c;
    take_views(&c, s, q, a);
    *out = *parse(&c, q->text, a);
    give_back_views(&c);
}
