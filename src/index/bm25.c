/* One writer stages changes in a list of parts of its own; bm25_commit makes the list a view that
 * readers take by reference. A part is a segment and what is deleted from it. Published parts are
 * never written again: the writer copies one (its bits, not its segment) before it deletes more. */
#include "index/bm25_part.h"
#include "base/lock.h"

/* Takes over the reference to `s`. */
static struct part *part_new(struct segment *s)
{
    struct part *p = mem_new(sizeof(*p));
    p->refs = 1;
    p->segment = s;
    p->n_live = s->n_passages;
    p->length = s->length;
    for (uint32_t d = 0; d < s->n_documents; d++)
        p->by_lang[s->document[d].lang] += s->document[d].n;
    return p;
}

static void part_unref(struct part *p)
{
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    segment_unref(p->segment);
    mem_free(p->dead);
    mem_free(p->df);
    mem_free(p->fresh);
    mem_free(p);
}

void bm25_view_free(struct bm25_view *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < v->n_parts; i++)
        part_unref(v->part[i]);
    mem_free(v);
}

struct bm25_stats bm25_stats(const struct bm25_view *v)
{
    struct bm25_stats st = {.passages = v->n_live, .length = v->length, .segments = v->n_parts};
    memcpy(st.by_lang, v->by_lang, sizeof(st.by_lang));
    for (uint32_t i = 0; i < v->n_parts; i++)
        st.bytes += v->part[i]->segment->image.len;
    return st;
}

/* ---- Writing ---- */

struct bm25 {
    struct bm25_params params; /* set once */
    /* writer only */
    struct segment_builder *builder;
    struct part **part;
    uint32_t n_parts, room;
    int64_t last_document; /* that was added to the builder */
    /* under lock */
    struct lock lock;
    struct bm25_view *view;
};

/* A builder that has grown to this becomes a segment at the next document. */
enum { FLUSH_POSTINGS = 4 << 20 };

static void publish(struct bm25 *ix)
{
    struct bm25_view *v = mem_new(sizeof(*v) + ix->n_parts * sizeof(v->part[0]));
    v->refs = 1;
    v->n_parts = ix->n_parts;
    v->params = ix->params;
    for (uint32_t i = 0; i < ix->n_parts; i++) {
        struct part *p = ix->part[i];
        p->published = true;
        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
        v->part[i] = p;
        v->n_live += p->n_live;
        v->length += p->length;
        for (int l = 0; l < LANG_COUNT; l++)
            v->by_lang[l] += p->by_lang[l];
    }
    lock_take(&ix->lock);
    struct bm25_view *old = ix->view;
    ix->view = v;
    lock_drop(&ix->lock);
    bm25_view_free(old);
}

struct bm25_view *bm25_view(struct bm25 *ix)
{
    lock_take(&ix->lock);
    struct bm25_view *v = ix->view;
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    lock_drop(&ix->lock);
    return v;
}

struct bm25 *bm25_new(struct bm25_params params)
{
    struct bm25 *ix = mem_new(sizeof(*ix));
    ix->params = params;
    lock_init(&ix->lock);
    ix->builder = segment_builder_new(params);
    publish(ix);
    return ix;
}

static void drop_parts(struct bm25 *ix)
{
    for (uint32_t i = 0; i < ix->n_parts; i++)
        part_unref(ix->part[i]);
    ix->n_parts = 0;
}

void bm25_free(struct bm25 *ix)
{
    if (!ix)
        return;
    drop_parts(ix);
    mem_free(ix->part);
    segment_builder_free(ix->builder);
    bm25_view_free(ix->view);
    lock_fini(&ix->lock);
    mem_free(ix);
}

static void append(struct bm25 *ix, struct part *p)
{
    if (ix->n_parts == ix->room) {
        ix->room = ix->room * 2 + 8;
        ix->part = mem_resize(ix->part, ix->room, sizeof(struct part *));
    }
    ix->part[ix->n_parts++] = p;
}

static void flush(struct bm25 *ix)
{
    if (segment_builder_passages(ix->builder))
        append(ix, part_new(segment_build(ix->builder)));
}

void bm25_add(struct bm25 *ix, int64_t document, enum lang lang, int64_t key, uint64_t *term,
              size_t n, uint32_t length)
{
    bool new_document = segment_builder_passages(ix->builder) == 0 || document != ix->last_document;
    if (new_document && segment_builder_postings(ix->builder) >= FLUSH_POSTINGS)
        flush(ix);
    ix->last_document = document;
    segment_builder_add(ix->builder, document, lang, key, term, n, length);
}

/* The part at ix->part[i], in a form that may be written. */
static struct part *writable(struct bm25 *ix, uint32_t i)
{
    struct part *p = ix->part[i];
    const struct segment *s = p->segment;
    if (p->published) {
        struct part *copy = part_new(segment_ref(p->segment));
        if (p->dead)
            copy->dead = mem_copy(p->dead, words_of(s->n_passages) * sizeof(uint64_t));
        copy->n_live = p->n_live;
        copy->length = p->length;
        memcpy(copy->by_lang, p->by_lang, sizeof(copy->by_lang));
        if (p->df)
            copy->df = mem_copy(p->df, s->n_terms * sizeof(*p->df));
        ix->part[i] = copy;
        part_unref(p);
        p = copy;
    }
    if (!p->dead)
        p->dead = mem_array(words_of(s->n_passages), sizeof(uint64_t));
    if (!p->fresh) {
        p->fresh = mem_array(words_of(s->n_passages), sizeof(uint64_t));
        p->from = UINT32_MAX;
        p->to = 0;
    }
    return p;
}

/* Takes a document that has died out of the part's numbers. */
static void count_out(struct part *p, const struct segment_document *d)
{
    for (uint32_t k = d->first; k < d->first + d->n; k++)
        p->length -= p->segment->passage_length[k];
    p->n_live -= d->n;
    p->by_lang[d->lang] -= d->n;
}

static bool remove_from(struct bm25 *ix, uint32_t i, int64_t document)
{
    const struct segment *s = ix->part[i]->segment;
    const struct segment_document *d = segment_find_document(s, document);
    if (!d || (ix->part[i]->dead && bit(ix->part[i]->dead, d->first)))
        return false;
    struct part *p = writable(ix, i);
    for (uint32_t k = d->first; k < d->first + d->n; k++) {
        p->dead[k / 64] |= UINT64_C(1) << k % 64;
        p->fresh[k / 64] |= UINT64_C(1) << k % 64;
    }
    p->from = d->first < p->from ? d->first : p->from;
    p->to = d->first + d->n > p->to ? d->first + d->n : p->to;
    count_out(p, d);
    return true;
}

bool bm25_remove(struct bm25 *ix, int64_t document)
{
    if (segment_builder_holds(ix->builder, document))
        flush(ix);
    bool any = false;
    for (uint32_t i = 0; i < ix->n_parts; i++)
        any = remove_from(ix, i, document) || any;
    return any;
}

void bm25_clear(struct bm25 *ix)
{
    flush(ix);
    drop_parts(ix);
}

/* Takes those that have died out of df. Only blocks that reach into their range are looked at: for
 * one document that is little more than a walk over the heads of the blocks. */
static void count_df(struct part *p)
{
    const struct segment *s = p->segment;
    if (!p->df) {
        p->df = mem_array(s->n_terms, sizeof(*p->df));
        for (uint32_t t = 0; t < s->n_terms; t++)
            p->df[t] = segment_postings(s, t);
    }
    for (uint32_t t = 0; t < s->n_terms; t++)
        for (uint32_t k = s->term_block[t]; k < s->term_block[t + 1]; k++) {
            const struct segment_block *b = &s->block[k];
            if (b->last < p->from || b->base >= p->to)
                continue;
            for (uint32_t at = b->at; at < b[1].at; at++)
                p->df[t] -= bit(p->fresh, b->base + s->distance[at]);
        }
    mem_free(p->fresh);
    p->fresh = NULL;
}

/* Joins the parts [from, to) into one. */
static void merge(struct bm25 *ix, uint32_t from, uint32_t to)
{
    uint32_t n = to - from;
    struct segment **s = mem_array(n, sizeof(*s));
    const uint64_t **dead = mem_array(n, sizeof(*dead));
    for (uint32_t i = 0; i < n; i++) {
        s[i] = ix->part[from + i]->segment;
        dead[i] = ix->part[from + i]->dead;
    }
    struct part *merged = part_new(segment_merge(s, dead, n));
    for (uint32_t i = from; i < to; i++)
        part_unref(ix->part[i]);
    ix->part[from] = merged;
    memmove(ix->part + from + 1, ix->part + to, (ix->n_parts - to) * sizeof(struct part *));
    ix->n_parts -= n - 1;
    mem_free(s);
    mem_free(dead);
}

/* Where the longest tail begins in which no part is more than twice all those behind it: merging it
 * keeps the number of parts logarithmic and the work per passage too. */
static uint32_t tail_to_merge(const struct bm25 *ix)
{
    uint32_t from = ix->n_parts;
    uint64_t live = 0, postings = 0;
    while (from > 0) {
        const struct part *p = ix->part[from - 1];
        if (live && p->n_live > 2 * live)
            break;
        live += p->n_live;
        postings += p->segment->n_postings;
        if (postings > SEGMENT_MAX_POSTINGS || live > SEGMENT_MAX_PASSAGES)
            break;
        from--;
    }
    return from;
}

void bm25_commit(struct bm25 *ix)
{
    flush(ix);
    uint32_t n = 0;
    for (uint32_t i = 0; i < ix->n_parts; i++)
        if (ix->part[i]->n_live)
            ix->part[n++] = ix->part[i];
        else
            part_unref(ix->part[i]);
    ix->n_parts = n;
    uint32_t from = tail_to_merge(ix);
    if (from + 1 < ix->n_parts)
        merge(ix, from, ix->n_parts);
    for (uint32_t i = 0; i < ix->n_parts; i++) {
        const struct part *p = ix->part[i];
        if (p->n_live < p->segment->n_passages / 4 * 3) /* a quarter is dead weight */
            merge(ix, i, i + 1);
        else if (p->fresh)
            count_df(ix->part[i]);
    }
    publish(ix);
}

/* ---- On disk: a head, then per part its head, its segment's image and its dead ---- */

struct saved {
    uint32_t n_parts;
    struct bm25_params params;
    uint32_t reserved; /* zero */
};

struct saved_part {
    uint64_t image, dead; /* bytes */
};

static struct str bytes_of(const void *p, size_t n)
{
    return (struct str){p, n};
}

bool bm25_save(const struct bm25_view *v, struct buf *out)
{
    struct saved head = {.n_parts = v->n_parts, .params = v->params};
    buf_add(out, bytes_of(&head, sizeof(head)));
    for (uint32_t i = 0; i < v->n_parts; i++) {
        const struct part *p = v->part[i];
        size_t dead = p->dead ? words_of(p->segment->n_passages) * sizeof(uint64_t) : 0;
        struct saved_part part = {p->segment->image.len, dead};
        buf_add(out, bytes_of(&part, sizeof(part)));
        buf_add(out, p->segment->image);
        buf_add(out, bytes_of(p->dead, dead));
    }
    return buf_ok(out);
}

/* Off the front of *in. */
static bool take(struct str *in, void *out, size_t n)
{
    if (in->len < n)
        return false;
    memcpy(out, in->p, n);
    *in = str_from_at(*in, n);
    return true;
}

/* Documents die as a whole, and nothing dies that is not there. */
static bool dead_fits(const struct part *p)
{
    const struct segment *s = p->segment;
    uint64_t dead = 0, found = 0;
    for (size_t i = 0; i < words_of(s->n_passages); i++)
        found += (uint64_t)__builtin_popcountll(p->dead[i]);
    for (uint32_t d = 0; d < s->n_documents; d++) {
        bool gone = bit(p->dead, s->document[d].first);
        for (uint32_t k = 0; k < s->document[d].n; k++)
            if (bit(p->dead, s->document[d].first + k) != gone)
                return false;
        dead += gone ? s->document[d].n : 0;
    }
    return dead == found;
}

static struct part *load_part(struct bm25 *ix, struct str *in, struct segment_holder *holder,
                              struct err *e)
{
    struct saved_part head;
    struct segment *s;
    if (!take(in, &head, sizeof(head)) || head.image > in->len ||
        head.dead > in->len - head.image) {
        err_set(e, ERR_CORRUPT, "the index is cut short");
        return NULL;
    }
    if (!segment_load(&s, str_head(*in, head.image), holder, e))
        return NULL;
    *in = str_from_at(*in, head.image);
    struct part *p = part_new(s);
    size_t need = words_of(s->n_passages) * sizeof(uint64_t);
    bool good = s->params.k1 == ix->params.k1 && s->params.b == ix->params.b &&
                (head.dead == 0 || head.dead == need);
    if (good && head.dead) {
        p->dead = mem_copy(in->p, need);
        *in = str_from_at(*in, need);
        good = dead_fits(p);
    }
    if (!good) {
        part_unref(p);
        err_set(e, ERR_CORRUPT, "a part of the index does not fit its segment");
        return NULL;
    }
    for (uint32_t d = 0; p->dead && d < s->n_documents; d++)
        if (bit(p->dead, s->document[d].first))
            count_out(p, &s->document[d]);
    if (p->dead) {
        p->fresh = mem_copy(p->dead, need);
        p->from = 0;
        p->to = s->n_passages;
        count_df(p);
    }
    return p;
}

static bool load_parts(struct bm25 *ix, struct bm25 *fresh, struct str saved,
                       struct segment_holder *holder, struct err *e)
{
    struct saved head;
    if (!take(&saved, &head, sizeof(head)))
        return err_set(e, ERR_CORRUPT, "the index is cut short");
    for (uint32_t i = 0; i < head.n_parts; i++) {
        struct part *p = load_part(ix, &saved, holder, e);
        if (!p)
            return false;
        append(fresh, p);
    }
    return saved.len == 0 || err_set(e, ERR_CORRUPT, "%zu bytes stand behind the index", saved.len);
}

bool bm25_load(struct bm25 *ix, struct str saved, struct arena *arena, struct err *e)
{
    struct bm25 fresh = {.params = ix->params};
    struct segment_holder *holder = arena ? segment_holder_new(arena) : NULL;
    bool good = load_parts(ix, &fresh, saved, holder, e);
    segment_holder_unref(holder); /* the segments have their own references */
    if (!good) {
        drop_parts(&fresh);
        mem_free(fresh.part);
        return false;
    }
    bm25_clear(ix);
    mem_free(ix->part);
    ix->part = fresh.part;
    ix->n_parts = fresh.n_parts;
    ix->room = fresh.room;
    publish(ix);
    return true;
}
