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

static void forget(struct collection *c)
{
    bm25_clear(c->index);
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
    good = good && load_keywords(c, &s, &e) && load_attributes(c, &s, &e);
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

static bool save_keywords(struct snapshot *s, const struct search_view *v, struct err *e)
{
    struct buf out;
    buf_init(&out, part_limit);
    bool good = bm25_save(v->keywords, &out)
                    ? snapshot_put(s, SNAPSHOT_KEYWORDS, buf_str(&out), e)
                    : err_set(e, ERR_LIMIT, "an index is larger than a snapshot may be");
    buf_fini(&out);
    return good;
}

static bool save_attributes(struct snapshot *s, const struct search_view *v, struct err *e)
{
    struct buf out;
    buf_init(&out, part_limit);
    bool good = attributes_save(v->attributes, &out)
                    ? snapshot_put(s, SNAPSHOT_ATTRIBUTES, buf_str(&out), e)
                    : err_set(e, ERR_LIMIT, "attributes are larger than a snapshot may be");
    buf_fini(&out);
    return good;
}

bool search_save(struct collection *c, struct err *e)
{
    struct snapshot s;
    snapshot_begin(&s, c->stem, str_from(c->id), &c->saved);
    if (!save_keywords(&s, c->view, e) || !save_attributes(&s, c->view, e) ||
        !snapshot_finish(&s, c->seq, &c->saved, e)) {
        snapshot_abandon(&s);
        return false;
    }
    c->saved = s;
    c->unsaved = 0;
    return true;
}

/* A failure to save is no failure to catch up: the old snapshot, or none, is as good, only slower.
 */
void search_save_if_due(struct collection *c)
{
    struct err e;
    uint64_t chunks = attributes_chunks(c->attributes, NULL);
    if (c->unsaved >= SNAPSHOT_AFTER && c->unsaved >= chunks / 4 && !search_save(c, &e)) {
        log_warn("index_snapshot", kv("collection", str_from(c->id)), kv("error", str_from(e.msg)));
        c->unsaved = 0; /* try again after as many changes, or when it closes */
    }
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
