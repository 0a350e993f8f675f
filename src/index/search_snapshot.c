#include "base/hash.h"
#include "base/log.h"
#include "index/search_part.h"

enum {
    SNAPSHOT_AFTER =
        1 << 13 /* chunks; and a quarter of all, so that the work stays in proportion */
};
static const size_t part_limit = (size_t)16 << 30;

/* ---- Loading ---- */

static void release(void *arena)
{
    arena_free(arena);
}

static bool load_keywords(struct collection *c, const struct snapshot *s, struct err *e)
{
    struct arena *a = arena_new();
    struct str saved;
    if (snapshot_map(s, SNAPSHOT_KEYWORDS, a, &saved, e))
        return bm25_load(c->index, saved, a, e);
    arena_free(a);
    return false;
}

static bool load_attributes(struct collection *c, const struct snapshot *s, struct err *e)
{
    struct arena *a = arena_new();
    struct str saved;
    struct attributes *v;
    if (!snapshot_map(s, SNAPSHOT_ATTRIBUTES, a, &saved, e)) {
        arena_free(a);
        return false;
    }
    if (!attributes_load(&v, saved, release, a, e))
        return false;
    attributes_unref(c->attributes);
    c->attributes = v;
    return true;
}

static void load_numbers(struct collection *c)
{
    for (uint32_t i = 0; i < attributes_room(c->attributes); i++) {
        int64_t document = attributes_id(c->attributes, i);
        if (document)
            numbers_set(c->numbers, document, i);
        else
            numbers_spare(c->numbers, i);
    }
}

/* Vectors may have been saved a little later than the rest: numbers that nobody has by the
 * attributes are taken out. */
static void drop_strangers(const struct collection *c, struct search_space *x, uint32_t numbers)
{
    for (uint32_t i = 0; i < numbers; i++)
        if (!attributes_id(c->attributes, i))
            search_space_remove(x, i);
    search_space_commit(x);
}

static bool load_vectors(struct collection *c, const struct snapshot *s, enum snapshot_part part,
                         struct vector_index **out, struct err *e)
{
    char path[SNAPSHOT_PATH_MAX];
    int64_t seq;
    snapshot_part_path(s, part, path);
    return vector_open(out, path, str_from(c->id), &seq, e);
}

static bool load_learned(struct collection *c, const struct snapshot *s, struct err *e)
{
    struct arena *a = arena_new();
    struct str saved;
    struct vector_index *vectors = NULL;
    struct lsa *m = snapshot_map(s, SNAPSHOT_EMBEDDER, a, &saved, e) ? lsa_load(saved, e) : NULL;
    bool good = m && load_vectors(c, s, SNAPSHOT_VECTORS, &vectors, e);
    arena_free(a);
    if (good && vector_dimension(vectors) != lsa_dimension(m))
        good = err_set(e, ERR_CORRUPT, "the vectors are of another embedder");
    if (!good) {
        lsa_unref(m);
        vector_free(vectors);
        return false;
    }
    c->learned = search_space_with(m, 0, vectors);
    c->saved_embedder = lsa_version(m);
    drop_strangers(c, c->learned, s->numbers);
    return true;
}

static bool load_outside(struct collection *c, const struct snapshot *s, struct err *e)
{
    struct vector_index *vectors;
    if (!load_vectors(c, s, SNAPSHOT_OUTSIDE, &vectors, e))
        return false;
    c->outside = search_space_with(NULL, s->space, vectors);
    drop_strangers(c, c->outside, s->numbers);
    return true;
}

/* What can be made anew while the rest answers. */
static void load_spaces(struct collection *c, const struct snapshot *s)
{
    struct err e;
    if (s->part[SNAPSHOT_VECTORS].generation && !load_learned(c, s, &e))
        log_warn("index_rebuild", kv("collection", str_from(c->id)), kv("reason", str_from(e.msg)));
    if (!s->part[SNAPSHOT_OUTSIDE].generation || load_outside(c, s, &e))
        return;
    log_warn("index_rebuild", kv("collection", str_from(c->id)), kv("reason", str_from(e.msg)));
    c->due |= SEARCH_OUTSIDE;
}

struct space_loading {
    struct collection *c;
    const struct snapshot *s;
};

static void *load_spaces_aside(void *arg)
{
    const struct space_loading *l = arg;
    load_spaces(l->c, l->s);
    return NULL;
}

/* Words are checked while vectors and embedder are read: each takes its part of a start. */
static bool load_parts(struct collection *c, const struct snapshot *s, struct err *e)
{
    struct space_loading l = {c, s};
    pthread_t thread;
    if (!load_attributes(c, s, e))
        return false;
    bool aside = pthread_create(&thread, NULL, load_spaces_aside, &l) == 0;
    if (!aside)
        load_spaces(c, s);
    bool good = load_keywords(c, s, e);
    if (aside)
        pthread_join(thread, NULL);
    return good;
}

static void forget(struct collection *c)
{
    bm25_clear(c->index);
    search_space_unref(c->learned);
    search_space_unref(c->outside);
    c->learned = c->outside = NULL;
    attributes_unref(c->attributes);
    c->attributes = attributes_new();
}

void search_load(struct collection *c, int64_t newest)
{
    struct err e = {0};
    struct snapshot s = {0};
    bool good = snapshot_open(&s, c->stem, str_from(c->id), &e);
    if (good && s.seq > newest)
        good = err_set(&e, ERR_CORRUPT, "the snapshot is ahead of the store");
    good = good && load_parts(c, &s, &e);
    if (good) {
        load_numbers(c);
        c->seq = s.seq;
        c->saved = s;
        return;
    }
    forget(c);
    if (e.code == ERR_NOT_FOUND)
        return;
    log_warn("index_rebuild", kv("collection", str_from(c->id)), kv("reason", str_from(e.msg)));
    snapshot_remove(c->stem, &s);
}

/* ---- Saving ---- */

static bool put(struct snapshot *s, enum snapshot_part part, struct buf *out, bool whole,
                struct err *e)
{
    bool good = whole ? snapshot_put(s, part, buf_str(out), e)
                      : err_set(e, ERR_LIMIT, "an index is larger than a snapshot may be");
    buf_fini(out);
    return good;
}

static bool save_texts(struct snapshot *s, const struct search_view *v, struct err *e)
{
    struct buf out;
    buf_init(&out, part_limit);
    bool whole = bm25_save(v->keywords, &out);
    if (!put(s, SNAPSHOT_KEYWORDS, &out, whole, e))
        return false;
    buf_init(&out, part_limit);
    whole = attributes_save(v->attributes, &out);
    return put(s, SNAPSHOT_ATTRIBUTES, &out, whole, e);
}

static bool save_vectors(struct snapshot *s, enum snapshot_part part, struct search_space *x,
                         const struct collection *c, int64_t seq, struct err *e)
{
    char path[SNAPSHOT_PATH_MAX];
    snapshot_path(s, part, path);
    return vector_save(x->vectors, path, str_from(c->id), seq, e) && snapshot_note(s, part, e);
}

/* An embedder does not change, so its file is written once. */
static bool save_embedder(struct snapshot *s, struct collection *c, const struct lsa *m,
                          struct err *e)
{
    if (c->saved.part[SNAPSHOT_EMBEDDER].generation && c->saved_embedder == lsa_version(m)) {
        snapshot_keep(s, SNAPSHOT_EMBEDDER, &c->saved);
        return true;
    }
    struct buf out;
    buf_init(&out, part_limit);
    bool whole = lsa_save(m, &out);
    return put(s, SNAPSHOT_EMBEDDER, &out, whole, e);
}

static bool save_spaces(struct snapshot *s, struct collection *c, const struct search_view *v,
                        struct err *e)
{
    if (v->learned && (!save_embedder(s, c, v->learned->embedder, e) ||
                       !save_vectors(s, SNAPSHOT_VECTORS, v->learned, c, v->seq, e)))
        return false;
    s->space = v->outside ? v->outside->outside : 0;
    return !v->outside || save_vectors(s, SNAPSHOT_OUTSIDE, v->outside, c, v->seq, e);
}

bool search_save(struct search_set *s, struct collection *c, struct err *e)
{
    struct snapshot next;
    struct search_view *v = search_view_of(s, c);
    snapshot_begin(&next, c->stem, str_from(c->id), &c->saved);
    bool good = save_texts(&next, v, e) && save_spaces(&next, c, v, e);
    next.numbers = numbers_end(c->numbers);
    good = good && snapshot_finish(&next, v->seq, &c->saved, e);
    if (good) {
        c->saved = next;
        c->saved_embedder = v->learned ? lsa_version(v->learned->embedder) : 0;
    } else {
        snapshot_abandon(&next);
    }
    /* After a failure, too: it is tried again after as many changes, or when the set is closed. */
    lock_take(&s->lock);
    c->saved_changes = v->changes - !good;
    lock_drop(&s->lock);
    search_view_unref(v);
    return good;
}

bool search_save_due(struct search_set *s, struct collection *c)
{
    lock_take(&s->lock);
    uint64_t unsaved = c->changes - c->saved_changes;
    lock_drop(&s->lock);
    return unsaved >= SNAPSHOT_AFTER && unsaved >= attributes_chunks(c->attributes, NULL) / 4;
}

void search_sweep(struct search_set *s)
{
    const struct snapshot **keep = mem_array(s->collections.n + 1, sizeof(*keep));
    size_t n = 0;
    map_each (slot, &s->collections) {
        const struct collection *c = slot->value;
        keep[n++] = &c->saved;
    }
    snapshot_sweep(s->dir, keep, n);
    mem_free(keep);
}
