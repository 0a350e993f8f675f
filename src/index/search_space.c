#include "index/search_part.h"
#include "store/space.h"

#include <stdatomic.h>

struct search_space *search_space_with(struct lsa *embedder, int64_t outside,
                                       struct vector_index *vectors)
{
    struct search_space *x = mem_new(sizeof(*x));
    x->refs = 1;
    x->embedder = embedder;
    x->outside = outside;
    x->vectors = vectors;
    return x;
}

struct search_space *search_space_new(struct lsa *embedder, int64_t outside, uint32_t dimension)
{
    return search_space_with(embedder, outside, vector_new(dimension, VECTOR_COSINE));
}

struct search_space *search_space_ref(struct search_space *x)
{
    if (x)
        atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
    return x;
}

void search_space_unref(struct search_space *x)
{
    if (!x || atomic_fetch_sub(&x->refs, 1) != 1)
        return;
    lsa_unref(x->embedder);
    vector_free(x->vectors);
    mem_free(x);
}

/* A passage without a direction has no place here, and one more than an index can hold is found by
 * its words: neither is a failure. */
static void add(struct search_space *x, uint32_t number, int64_t chunk, const float *v)
{
    struct err e;
    if (vector_add(x->vectors, number, chunk, v, &e))
        x->staged = true;
}

void search_space_embed(struct search_space *x, uint32_t number, const struct doc_index_document *d)
{
    float *v = mem_array(lsa_dimension(x->embedder), sizeof(*v));
    enum lang lang = search_lang_of(d);
    struct str title = d->title.len ? d->title : d->name;
    for (size_t i = 0; i < d->n_chunks; i++)
        if (lsa_passage(x->embedder, lang, title, d->chunk[i].section, d->chunk[i].text, v,
                        &x->seen))
            add(x, number, d->chunk[i].id, v);
    mem_free(v);
}

void search_space_remove(struct search_space *x, uint32_t number)
{
    if (x && vector_remove(x->vectors, number))
        x->staged = true;
}

void search_space_commit(struct search_space *x)
{
    if (x && x->staged)
        vector_commit(x->vectors);
    if (x)
        x->staged = false;
}

static bool has_chunk(const struct doc_index_document *d, int64_t chunk)
{
    for (size_t i = 0; i < d->n_chunks; i++)
        if (d->chunk[i].id == chunk)
            return true;
    return false;
}

bool search_space_fetch(struct search_space *x, struct db *db, const struct doc_index_document *d,
                        const uint32_t *number, size_t n, struct err *e)
{
    struct arena *a = arena_new();
    struct space space = {.id = x->outside, .dimension = vector_dimension(x->vectors)};
    struct space_vector *v;
    int64_t *document = arena_array(a, int64_t, n + 1);
    size_t n_vectors = 0, k = 0;
    for (size_t i = 0; i < n; i++)
        document[i] = d[i].id;
    bool good = space_vectors(db, a, &space, document, n, &v, &n_vectors, e);
    for (size_t i = 0; good && i < n_vectors; i++) {
        while (d[k].id != v[i].document)
            k++; /* they come in the order of document[] */
        if (has_chunk(&d[k], v[i].chunk))
            add(x, number[k], v[i].chunk, v[i].v);
    }
    arena_free(a);
    return good;
}
