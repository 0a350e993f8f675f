/* Vectors lie in slabs of 1,024 that never move. The writer fills the last slab behind what readers
 * have been told of; a view tells them how far to read and which are dead. Views and slabs are
 * counted, so either goes when its last reader does. */
#include "index/vector.h"
#include "base/lock.h"
#include "base/mem.h"
#include "math/dot.h"

#include <math.h>
#include <stdatomic.h>

enum { SLAB = 1024, SLAB_WORDS = SLAB / 64 };

struct slab {
    _Atomic uint32_t refs;
    int64_t key[SLAB], document[SLAB];
    float number[]; /* [SLAB][dimension], row-major; for cosine of length 1 */
};

struct dead { /* of one slab */
    uint64_t bits[SLAB_WORDS];
};

struct view {
    _Atomic uint32_t refs;
    uint32_t n_slabs;
    size_t n, n_live; /* vectors */
    struct slab **slab;
    struct dead *dead; /* [n_slabs] */
};

struct vector_index {
    /* set once */
    uint32_t dimension;
    enum vector_metric metric;
    /* writer only: as the next view will be */
    struct view next;
    uint32_t room;
    /* under lock */
    struct lock lock;
    struct view *view;
};

static void slab_unref(struct slab *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        mem_free(s);
}

static void view_unref(struct view *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < v->n_slabs; i++)
        slab_unref(v->slab[i]);
    mem_free(v->slab);
    mem_free(v->dead);
    mem_free(v);
}

static struct view *view_take(struct vector_index *ix)
{
    lock_take(&ix->lock);
    struct view *v = ix->view;
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    lock_drop(&ix->lock);
    return v;
}

static bool is_dead(const struct view *v, size_t i)
{
    return v->dead[i / SLAB].bits[i % SLAB / 64] >> i % 64 & 1;
}

static const float *row(const struct vector_index *ix, const struct view *v, size_t i)
{
    return v->slab[i / SLAB]->number + i % SLAB * ix->dimension;
}

/* ---- Writing ---- */

static void drop_slabs(struct vector_index *ix, uint32_t from)
{
    for (uint32_t i = from; i < ix->next.n_slabs; i++)
        slab_unref(ix->next.slab[i]);
    ix->next.n_slabs = from;
}

/* A place for one more vector, in the last slab or a new one. */
static struct slab *last_slab(struct vector_index *ix)
{
    struct view *next = &ix->next;
    if (next->n < (size_t)next->n_slabs * SLAB)
        return next->slab[next->n_slabs - 1];
    if (next->n_slabs == ix->room) {
        ix->room = ix->room * 2 + 4;
        next->slab = mem_resize(next->slab, ix->room, sizeof(struct slab *));
        next->dead = mem_resize(next->dead, ix->room, sizeof(struct dead));
    }
    struct slab *s = mem_new(sizeof(*s) + (size_t)SLAB * ix->dimension * sizeof(float));
    s->refs = 1;
    next->dead[next->n_slabs] = (struct dead){{0}};
    next->slab[next->n_slabs++] = s;
    return s;
}

static void append(struct vector_index *ix, int64_t document, int64_t key, const float *v,
                   float scale)
{
    struct slab *s = last_slab(ix);
    size_t at = ix->next.n % SLAB;
    s->key[at] = key;
    s->document[at] = document;
    for (uint32_t i = 0; i < ix->dimension; i++)
        s->number[at * ix->dimension + i] = v[i] * scale;
    ix->next.n++;
    ix->next.n_live++;
}

/* What a vector is to be multiplied by: for cosine 1 / length. */
static bool scale_of(const struct vector_index *ix, const float *v, float *scale, struct err *e)
{
    double square = 0;
    for (uint32_t i = 0; i < ix->dimension; i++)
        square += (double)v[i] * v[i];
    if (!isfinite(square))
        return err_set(e, ERR_INVALID, "a vector has a number that is not finite");
    *scale = 1;
    if (ix->metric != VECTOR_COSINE)
        return true;
    *scale = (float)(1 / sqrt(square));
    if (!isfinite(*scale) || *scale == 0)
        return err_set(e, ERR_INVALID, "a vector is zero, so it has no direction");
    return true;
}

bool vector_add(struct vector_index *ix, int64_t document, int64_t key, const float *v,
                struct err *e)
{
    float scale = 1;
    if (!scale_of(ix, v, &scale, e))
        return false;
    append(ix, document, key, v, scale);
    return true;
}

bool vector_remove(struct vector_index *ix, int64_t document)
{
    struct view *next = &ix->next;
    bool any = false;
    for (size_t i = 0; i < next->n; i++)
        if (next->slab[i / SLAB]->document[i % SLAB] == document && !is_dead(next, i)) {
            next->dead[i / SLAB].bits[i % SLAB / 64] |= UINT64_C(1) << i % 64;
            next->n_live--;
            any = true;
        }
    return any;
}

void vector_clear(struct vector_index *ix)
{
    drop_slabs(ix, 0);
    ix->next.n = ix->next.n_live = 0;
}

/* The living into new slabs, when most are dead. */
static void compact(struct vector_index *ix)
{
    struct view old = ix->next;
    ix->next = (struct view){0};
    ix->room = 0;
    for (size_t i = 0; i < old.n; i++)
        if (!is_dead(&old, i)) {
            const struct slab *s = old.slab[i / SLAB];
            append(ix, s->document[i % SLAB], s->key[i % SLAB], row(ix, &old, i), 1);
        }
    for (uint32_t i = 0; i < old.n_slabs; i++)
        slab_unref(old.slab[i]);
    mem_free(old.slab);
    mem_free(old.dead);
}

void vector_commit(struct vector_index *ix)
{
    if (ix->next.n > 2 * ix->next.n_live)
        compact(ix);
    const struct view *next = &ix->next;
    struct view *v = mem_new(sizeof(*v));
    *v = (struct view){.refs = 1, .n_slabs = next->n_slabs, .n = next->n, .n_live = next->n_live};
    v->slab = mem_copy(next->slab, next->n_slabs * sizeof(struct slab *));
    v->dead = mem_copy(next->dead, next->n_slabs * sizeof(struct dead));
    for (uint32_t i = 0; i < v->n_slabs; i++)
        atomic_fetch_add_explicit(&v->slab[i]->refs, 1, memory_order_relaxed);
    lock_take(&ix->lock);
    struct view *old = ix->view;
    ix->view = v;
    lock_drop(&ix->lock);
    view_unref(old);
}

struct vector_index *vector_new(uint32_t dimension, enum vector_metric metric)
{
    CHECK(dimension > 0 && dimension <= VECTOR_MAX_DIMENSION);
    struct vector_index *ix = mem_new(sizeof(*ix));
    ix->dimension = dimension;
    ix->metric = metric;
    lock_init(&ix->lock);
    vector_commit(ix);
    return ix;
}

void vector_free(struct vector_index *ix)
{
    if (!ix)
        return;
    vector_clear(ix);
    mem_free(ix->next.slab);
    mem_free(ix->next.dead);
    view_unref(ix->view);
    lock_fini(&ix->lock);
    mem_free(ix);
}

/* ---- Searching ---- */

static bool allows(const struct vector_query *q, int64_t document)
{
    size_t low = 0, high = q->n_documents;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (q->document[mid] < document)
            low = mid + 1;
        else
            high = mid;
    }
    return low < q->n_documents && q->document[low] == document;
}

static float score(const struct vector_index *ix, const float *a, const float *b)
{
    return ix->metric == VECTOR_L2 ? -sqrtf(dot_distance(a, b, ix->dimension))
                                   : dot_product(a, b, ix->dimension);
}

/* The passages of a document follow each other: its filter is looked up once. */
static void search_view(const struct vector_index *ix, const struct view *v,
                        const struct vector_query *q, float scale, struct top *top)
{
    int64_t last = 0;
    bool known = false, allowed = true;
    for (size_t i = 0; i < v->n; i++) {
        const struct slab *s = v->slab[i / SLAB];
        int64_t document = s->document[i % SLAB];
        if (q->document && (!known || document != last))
            allowed = allows(q, document);
        last = document;
        known = true;
        if (!allowed || is_dead(v, i))
            continue;
        float got = score(ix, q->v, row(ix, v, i)) * scale;
        if (got >= top_needed(top, -INFINITY))
            top_offer(top, (struct hit){s->key[i % SLAB], document, got, 0});
    }
    top_sort(top);
}

bool vector_search(struct vector_index *ix, const struct vector_query *q, struct hit *hit, size_t k,
                   size_t *n, struct err *e)
{
    float scale = 1;
    *n = 0;
    if (!scale_of(ix, q->v, &scale, e))
        return false;
    if (k == 0)
        return true;
    struct view *v = view_take(ix);
    struct top top = {.hit = hit, .k = k};
    search_view(ix, v, q, scale, &top);
    view_unref(v);
    *n = top.n;
    return true;
}

size_t vector_count(struct vector_index *ix)
{
    struct view *v = view_take(ix);
    size_t n = v->n_live;
    view_unref(v);
    return n;
}

/* ---- On disk: a head, then each living vector with its key and document ---- */

struct saved {
    uint64_t n;
    uint32_t dimension, metric;
};

bool vector_save(struct vector_index *ix, struct buf *out)
{
    struct view *v = view_take(ix);
    struct saved head = {v->n_live, ix->dimension, ix->metric};
    buf_add(out, (struct str){(const char *)&head, sizeof(head)});
    for (size_t i = 0; i < v->n && buf_ok(out); i++) {
        const struct slab *s = v->slab[i / SLAB];
        if (is_dead(v, i))
            continue;
        buf_add(out, (struct str){(const char *)&s->key[i % SLAB], sizeof(int64_t)});
        buf_add(out, (struct str){(const char *)&s->document[i % SLAB], sizeof(int64_t)});
        buf_add(out, (struct str){(const char *)row(ix, v, i), ix->dimension * sizeof(float)});
    }
    view_unref(v);
    return buf_ok(out);
}

bool vector_load(struct vector_index *ix, struct str saved, struct err *e)
{
    struct saved head;
    size_t each = 2 * sizeof(int64_t) + ix->dimension * sizeof(float);
    if (saved.len < sizeof(head))
        return err_set(e, ERR_CORRUPT, "the vectors are cut short at %zu bytes", saved.len);
    memcpy(&head, saved.p, sizeof(head));
    size_t room = saved.len - sizeof(head);
    if (head.dimension != ix->dimension || head.metric != ix->metric)
        return err_set(e, ERR_CORRUPT, "the vectors are of another dimension or metric");
    if (head.n != room / each || room % each)
        return err_set(e, ERR_CORRUPT, "%zu bytes are not %ju vectors", room, (uintmax_t)head.n);
    struct vector_index *fresh = vector_new(ix->dimension, ix->metric);
    float *v = mem_array(ix->dimension, sizeof(float));
    bool good = true;
    for (size_t i = 0; i < head.n && good; i++) {
        const char *p = saved.p + sizeof(head) + i * each;
        int64_t key, document;
        memcpy(&key, p, sizeof(key));
        memcpy(&document, p + sizeof(key), sizeof(document));
        memcpy(v, p + 2 * sizeof(int64_t), ix->dimension * sizeof(float));
        good = vector_add(fresh, document, key, v, e);
    }
    mem_free(v);
    if (good) {
        vector_clear(ix);
        mem_free(ix->next.slab);
        mem_free(ix->next.dead);
        ix->next = fresh->next;
        ix->room = fresh->room;
        fresh->next = (struct view){0};
        vector_commit(ix);
    } else if (e) {
        e->code = ERR_CORRUPT;
    }
    vector_free(fresh);
    return good;
}
