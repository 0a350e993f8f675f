/* One writer stages changes in a list of parts of its own; bm25_commit makes the list a view that
 * readers take by reference. A part is a segment and what is deleted from it. Published parts are
 * never written again: the writer copies one (its bits, not its segment) before it deletes more.
 *
 * A merge works on the segments of the view that is published when it begins, which do not change.
 * When it ends, the list and the view may have moved on: it replaces the segments in both, in each
 * with what has been deleted from them since. If they are no longer there side by side, it has
 * worked in vain. */
#include "index/bm25_part.h"
#include "base/lock.h"

/* Takes over the reference to `s`. */
static struct part *part_new(struct segment *s)
{
    struct part *p = mem_new(sizeof(*p));
    p->refs = 1;
    p->segment = s;
    p->n_live = s->n_passages;
    p->length = s->total_length;
    for (uint32_t d = 0; d < s->n_documents; d++)
        p->by_lang[s->document[d].lang] += s->document[d].n;
    return p;
}

static struct part *part_ref(struct part *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

static void part_unref(struct part *p)
{
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    segment_unref(p->segment);
    mem_free(p->dead);
    mem_free((void *)p->df);
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
    /* writer only */
    struct segment_builder *builder;
    uint32_t last_document; /* that was added to the builder */
    /* under stage, which is taken before lock */
    struct lock stage;
    struct bm25_params params;
    struct part **part; /* as they will be at the next commit */
    uint32_t n_parts, room;
    bool merging;
    const struct segment *merging_last; /* of those being merged */
    /* under lock */
    struct lock lock;
    struct bm25_view *view; /* changed under both */
};

enum {
    FLUSH_TOKENS = 4 << 20,  /* a builder with so many becomes a segment at the next document */
    TINY_POSTINGS = 1 << 16, /* joined at once when it is committed: some 3 ms */
};

/* Makes parts[] the view. */
static void publish_locked(struct bm25 *ix, struct part *const *parts, uint32_t n)
{
    struct bm25_view *v = mem_new(sizeof(*v) + n * sizeof(v->part[0]));
    v->refs = 1;
    v->n_parts = n;
    v->params = ix->params;
    for (uint32_t i = 0; i < n; i++) {
        struct part *p = v->part[i] = part_ref(parts[i]);
        p->published = true;
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
    lock_init(&ix->stage);
    ix->builder = segment_builder_new();
    publish_locked(ix, NULL, 0);
    return ix;
}

static void drop_parts(struct part **part, uint32_t *n)
{
    for (uint32_t i = 0; i < *n; i++)
        part_unref(part[i]);
    *n = 0;
}

void bm25_free(struct bm25 *ix)
{
    if (!ix)
        return;
    CHECK(!ix->merging);
    drop_parts(ix->part, &ix->n_parts);
    mem_free(ix->part);
    segment_builder_free(ix->builder);
    bm25_view_free(ix->view);
    lock_fini(&ix->stage);
    lock_fini(&ix->lock);
    mem_free(ix);
}

static void append_locked(struct bm25 *ix, struct part *p)
{
    if (ix->n_parts == ix->room) {
        ix->room = ix->room * 2 + 8;
        ix->part = mem_resize(ix->part, ix->room, sizeof(struct part *));
    }
    ix->part[ix->n_parts++] = p;
}

static void flush(struct bm25 *ix)
{
    if (segment_builder_passages(ix->builder) == 0)
        return;
    struct part *p = part_new(segment_build(ix->builder, &ix->params));
    lock_take(&ix->stage);
    append_locked(ix, p);
    lock_drop(&ix->stage);
}

void bm25_add(struct bm25 *ix, uint32_t document, enum lang lang, int64_t key,
              const struct bm25_passage *p)
{
    bool new_document = segment_builder_passages(ix->builder) == 0 || document != ix->last_document;
    if (new_document && segment_builder_tokens(ix->builder) >= FLUSH_TOKENS)
        flush(ix);
    ix->last_document = document;
    segment_builder_add(ix->builder, document, lang, key, p);
}

/* The part in *slot, in a form that may be written. */
static struct part *writable(struct part **slot)
{
    struct part *p = *slot;
    size_t words = words_of(p->segment->n_passages);
    if (p->published) {
        struct part *copy = part_new(segment_ref(p->segment));
        if (p->dead)
            copy->dead = mem_copy(p->dead, words * sizeof(uint64_t));
        copy->n_live = p->n_live;
        copy->length = p->length;
        memcpy(copy->by_lang, p->by_lang, sizeof(copy->by_lang));
        *slot = copy;
        part_unref(p);
        p = copy;
    }
    if (!p->dead)
        p->dead = mem_array(words, sizeof(uint64_t));
    if (!p->df)
        p->df = mem_array(p->segment->dict.n, sizeof(*p->df));
    return p;
}

/* Takes a document that has died out of the part's numbers. */
static void count_out(struct part *p, const struct segment_document *d)
{
    for (uint32_t k = d->first; k < d->first + d->n; k++)
        p->length -= (double)p->segment->length[k];
    p->n_live -= d->n;
    p->by_lang[d->lang] -= d->n;
}

static const struct segment_document *living(const struct part *p, uint32_t document)
{
    const struct segment_document *d = segment_find_document(p->segment, document);
    return d && !(p->dead && bit(p->dead, d->first)) ? d : NULL;
}

static bool remove_from(struct part **slot, uint32_t document)
{
    const struct segment_document *d = living(*slot, document);
    if (!d)
        return false;
    struct part *p = writable(slot);
    for (uint32_t k = d->first; k < d->first + d->n; k++)
        p->dead[k / 64] |= UINT64_C(1) << k % 64;
    count_out(p, d);
    return true;
}

bool bm25_remove(struct bm25 *ix, uint32_t document)
{
    if (segment_builder_holds(ix->builder, document))
        flush(ix);
    bool any = false;
    lock_take(&ix->stage);
    for (uint32_t i = 0; i < ix->n_parts; i++)
        any = remove_from(&ix->part[i], document) || any;
    lock_drop(&ix->stage);
    return any;
}

void bm25_clear(struct bm25 *ix)
{
    flush(ix);
    lock_take(&ix->stage);
    drop_parts(ix->part, &ix->n_parts);
    lock_drop(&ix->stage);
}

/* ---- Merging ---- */

/* Joins the parts into one, which lives. */
static struct part *merged(struct part *const *part, uint32_t n, const struct bm25_params *params)
{
    struct segment **s = mem_array(n, sizeof(*s));
    const uint64_t **dead = mem_array(n, sizeof(*dead));
    for (uint32_t i = 0; i < n; i++) {
        s[i] = part[i]->segment;
        dead[i] = part[i]->dead;
    }
    struct part *p = part_new(segment_merge(s, dead, n, params));
    mem_free(s);
    mem_free(dead);
    return p;
}

/* Where the longest tail begins in which no part is more than twice all those behind it: merging it
 * keeps the number of parts logarithmic and the work per passage too. Not beyond `stop`, nor with
 * more postings than `most`. */
static uint32_t tail_to_merge(struct part *const *part, uint32_t n, const struct segment *stop,
                              uint64_t most)
{
    uint32_t from = n;
    uint64_t live = 0, postings = 0;
    while (from > 0) {
        const struct part *p = part[from - 1];
        if (p->segment == stop || (live && p->n_live > 2 * live))
            break;
        live += p->n_live;
        postings += p->segment->n_postings;
        if (postings > most || live > SEGMENT_MAX_PASSAGES)
            break;
        from--;
    }
    return from;
}

static void replace(struct part **part, uint32_t *n, uint32_t from, uint32_t to, struct part *by)
{
    for (uint32_t i = from; i < to; i++)
        part_unref(part[i]);
    part[from] = by;
    memmove(part + from + 1, part + to, (*n - to) * sizeof(struct part *));
    *n -= to - from - 1;
}

void bm25_commit(struct bm25 *ix)
{
    flush(ix);
    lock_take(&ix->stage);
    uint32_t n = 0;
    for (uint32_t i = 0; i < ix->n_parts; i++)
        if (ix->part[i]->n_live)
            ix->part[n++] = ix->part[i];
        else
            part_unref(ix->part[i]);
    ix->n_parts = n;
    uint32_t from =
        tail_to_merge(ix->part, n, ix->merging ? ix->merging_last : NULL, TINY_POSTINGS);
    if (from + 1 < n)
        replace(ix->part, &ix->n_parts, from, n, merged(ix->part + from, n - from, &ix->params));
    publish_locked(ix, ix->part, ix->n_parts);
    lock_drop(&ix->stage);
}

enum { RUN = 4 }; /* parts of like size that are joined though smaller ones stand behind them */

/* What is worth merging: a tail, or a run of RUN parts further up, a part of which a quarter is
 * dead weight, or one that was made for other parameters. With `all` any two that fit in one. */
static bool due(const struct bm25_view *v, bool all, uint32_t *from, uint32_t *to)
{
    for (uint32_t end = v->n_parts; end >= 2; end--) {
        uint32_t least = end == v->n_parts ? 2 : RUN;
        *from = tail_to_merge(v->part, end, NULL, SEGMENT_MAX_POSTINGS);
        *to = end;
        if (end - *from >= least)
            return true;
    }
    if (all && v->n_parts >= 2) {
        uint64_t postings = 0;
        for (*from = v->n_parts, *to = v->n_parts; *from > 0; --*from) {
            postings += v->part[*from - 1]->segment->n_postings;
            if (postings > SEGMENT_MAX_POSTINGS)
                break;
        }
        if (*to - *from >= 2)
            return true;
    }
    for (uint32_t i = 0; i < v->n_parts; i++) {
        const struct segment *s = v->part[i]->segment;
        *from = i;
        *to = i + 1;
        if (v->part[i]->n_live && (v->part[i]->n_live < s->n_passages / 4 * 3 ||
                                   !bm25_same_params(&s->params, &v->params)))
            return true;
    }
    return false;
}

/* Where the segments of run[] stand in part[]; UINT32_MAX when they do not. */
static uint32_t find_run(struct part *const *part, uint32_t n, struct part *const *run,
                         uint32_t n_run)
{
    for (uint32_t i = 0; i + n_run <= n; i++) {
        uint32_t k = 0;
        while (k < n_run && part[i + k]->segment == run[k]->segment)
            k++;
        if (k == n_run)
            return i;
    }
    return UINT32_MAX;
}

/* The merged part without what has died in now[] that lived in run[]. */
static struct part *carry_over(struct part *by, struct part *const *run, struct part *const *now,
                               uint32_t n)
{
    struct part *p = part_ref(by);
    p->published = true; /* so that a copy is written */
    for (uint32_t i = 0; i < n; i++) {
        if (now[i]->dead == run[i]->dead)
            continue;
        const struct segment *s = run[i]->segment;
        for (uint32_t d = 0; d < s->n_documents; d++) {
            uint32_t first = s->document[d].first;
            if (bit(now[i]->dead, first) && !(run[i]->dead && bit(run[i]->dead, first)))
                remove_from(&p, s->document[d].number);
        }
    }
    return p;
}

static void install_locked(struct bm25 *ix, struct part *by, struct part *const *run, uint32_t n)
{
    uint32_t at = find_run(ix->view->part, ix->view->n_parts, run, n);
    if (at == UINT32_MAX)
        return;
    uint32_t n_parts = ix->view->n_parts;
    struct part **part = mem_copy(ix->view->part, n_parts * sizeof(*part));
    for (uint32_t i = 0; i < n_parts; i++)
        part_ref(part[i]);
    struct part *shown = carry_over(by, run, part + at, n);
    uint32_t staged_at = find_run(ix->part, ix->n_parts, run, n);
    if (staged_at != UINT32_MAX)
        replace(ix->part, &ix->n_parts, staged_at, staged_at + n,
                carry_over(by, run, ix->part + staged_at, n));
    replace(part, &n_parts, at, at + n, shown);
    publish_locked(ix, part, n_parts);
    drop_parts(part, &n_parts);
    mem_free(part);
}

bool bm25_merge(struct bm25 *ix, bool all)
{
    uint32_t from, to;
    lock_take(&ix->stage);
    struct bm25_view *v = bm25_view(ix);
    bool go = !ix->merging && due(v, all, &from, &to);
    if (go) {
        ix->merging = true;
        ix->merging_last = v->part[to - 1]->segment;
    }
    lock_drop(&ix->stage);
    if (go) {
        struct part *by = merged(v->part + from, to - from, &v->params);
        lock_take(&ix->stage);
        install_locked(ix, by, v->part + from, to - from);
        ix->merging = false;
        lock_drop(&ix->stage);
        part_unref(by);
    }
    bm25_view_free(v);
    return go;
}

/* A part of the same segment with lengths by other weights. */
static struct part *reweighed(const struct part *p, const struct bm25_params *params)
{
    struct segment *s;
    struct err e;
    CHECK(segment_load(&s, p->segment->image, p->segment->holder, params, &e));
    struct part *copy = part_new(s);
    for (uint32_t d = 0; p->dead && d < s->n_documents; d++)
        if (bit(p->dead, s->document[d].first))
            remove_from(&copy, s->document[d].number);
    return copy;
}

void bm25_configure(struct bm25 *ix, struct bm25_params params)
{
    flush(ix);
    lock_take(&ix->stage);
    bool weights = !bm25_same_weights(&params, &ix->params);
    ix->params = params;
    for (uint32_t i = 0; weights && i < ix->n_parts; i++) {
        struct part *old = ix->part[i];
        ix->part[i] = reweighed(old, &params);
        part_unref(old);
    }
    publish_locked(ix, ix->part, ix->n_parts);
    lock_drop(&ix->stage);
}

/* ---- On disk: a head, then per part its head, its segment's image and its dead ---- */

struct saved {
    uint32_t n_parts, reserved; /* zero */
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
    struct saved head = {.n_parts = v->n_parts};
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

/* Takes what a saved part's bits say out of it. Documents die as a whole, and nothing dies that is
 * not there. */
static bool bury(struct part **slot, const uint64_t *dead)
{
    const struct segment *s = (*slot)->segment;
    uint64_t gone = 0, found = 0;
    for (size_t i = 0; i < words_of(s->n_passages); i++)
        found += (uint64_t)__builtin_popcountll(dead[i]);
    for (uint32_t d = 0; d < s->n_documents; d++) {
        const struct segment_document *doc = &s->document[d];
        for (uint32_t k = 0; k < doc->n; k++)
            if (bit(dead, doc->first + k) != bit(dead, doc->first))
                return false;
        if (bit(dead, doc->first) && remove_from(slot, doc->number))
            gone += doc->n;
    }
    return gone == found;
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
    if (!segment_load(&s, str_head(*in, head.image), holder, &ix->params, e))
        return NULL;
    *in = str_from_at(*in, head.image);
    struct part *p = part_new(s);
    size_t need = words_of(s->n_passages) * sizeof(uint64_t);
    bool good = head.dead == 0 || head.dead == need;
    if (good && head.dead) {
        uint64_t *dead = mem_copy(in->p, need);
        good = bury(&p, dead);
        mem_free(dead);
        *in = str_from_at(*in, need);
    }
    if (good)
        return p;
    part_unref(p);
    err_set(e, ERR_CORRUPT, "a part of the index does not fit its segment");
    return NULL;
}

/* A document lives in one part alone: together they could not be merged. */
static bool repeats(struct part *const *part, uint32_t n, const struct part *p)
{
    for (uint32_t d = 0; d < p->segment->n_documents; d++) {
        uint32_t document = p->segment->document[d].number;
        for (uint32_t i = 0; i < n; i++)
            if (living(part[i], document) && living(p, document))
                return true;
    }
    return false;
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
        bool twice = repeats(fresh->part, fresh->n_parts, p);
        append_locked(fresh, p);
        if (twice)
            return err_set(e, ERR_CORRUPT, "a document of the index is there twice");
    }
    return saved.len == 0 || err_set(e, ERR_CORRUPT, "%zu bytes stand behind the index", saved.len);
}

bool bm25_load(struct bm25 *ix, struct str saved, struct arena *arena, struct err *e)
{
    struct bm25 fresh = {0};
    bool lies = arena && (uintptr_t)saved.p % 8 == 0; /* as images must */
    char *copy = lies ? NULL : mem_copy(saved.p, saved.len);
    struct segment_holder *holder = segment_holder_new(arena, copy);
    bool good = load_parts(ix, &fresh, lies ? saved : (struct str){copy, saved.len}, holder, e);
    segment_holder_unref(holder); /* the segments have their own references */
    if (!good) {
        drop_parts(fresh.part, &fresh.n_parts);
        mem_free(fresh.part);
        return false;
    }
    bm25_clear(ix);
    lock_take(&ix->stage);
    mem_free(ix->part);
    ix->part = fresh.part;
    ix->n_parts = fresh.n_parts;
    ix->room = fresh.room;
    publish_locked(ix, ix->part, ix->n_parts);
    lock_drop(&ix->stage);
    return true;
}
