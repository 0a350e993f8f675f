/* Who may do what: any number of callers wait for the store's changes to be applied, one of them
 * does it for all. `busy` marks that one; it alone touches what the collections' writers own, and
 * it holds no lock while it reads from the store. Readers take a view under the lock and let go. */
#include "index/search.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "index/snapshot.h"
#include "run/work.h"
#include "store/doc.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

struct collection {
    struct bm25 *index;
    char *id;
    /* the busy one's */
    int64_t seq;         /* changes up to here are in it */
    uint64_t unsaved;    /* chunks that came or went since the last snapshot */
    bool staged;         /* there is something to commit */
    int64_t *load;       /* documents to load from the store */
    size_t n_load, room; /* of them */
};

struct search_set {
    /* set once */
    struct db *db;
    char *dir;
    struct lock lock;
    struct cond idle;
    /* under lock; the map is changed by the busy one only, under lock */
    struct map collections;
    bool busy;
    uint64_t begun, ended; /* catch-ups */
    struct err outcome;    /* of the one that ended last */
    /* the busy one's */
    int64_t seq; /* changes up to here are in all indexes */
    struct words words;
};

enum {
    CHANGES_AT_ONCE = 1024,
    DOCUMENTS_AT_ONCE = 16, /* whose chunks are in memory together */
    SNAPSHOT_AFTER =
        1 << 13 /* chunks; and a quarter of all, so that the work stays in proportion */
};

/* ---- Collections ---- */

static struct str path_of(const struct search_set *s, struct arena *a, struct str id)
{
    return arena_printf(a, "%s/%016jx.bm25", s->dir, (uintmax_t)hash_stable(id));
}

static void collection_free(struct collection *c)
{
    bm25_free(c->index);
    mem_free(c->id);
    mem_free(c->load);
    mem_free(c);
}

static struct collection *collection_new(struct str id)
{
    struct collection *c = mem_new(sizeof(*c));
    c->index = bm25_new(BM25_DEFAULT);
    c->id = mem_new(id.len + 1);
    memcpy(c->id, id.p, id.len);
    return c;
}

/* A snapshot is good when it can be read and the store has got as far. */
static void load_snapshot(struct search_set *s, struct collection *c, int64_t newest)
{
    struct arena *a = arena_new();
    struct str id = str_from(c->id);
    struct err e = {0};
    const char *path = path_of(s, a, id).p;
    bool good = snapshot_read(c->index, &c->seq, path, id, &e);
    if (good && c->seq > newest) {
        good = err_set(&e, ERR_CORRUPT, "the snapshot is ahead of the store");
        bm25_clear(c->index);
        bm25_commit(c->index);
        c->seq = 0;
    }
    if (!good && e.code != ERR_NOT_FOUND)
        log_warn("index_rebuild", kv("collection", id), kv("reason", str_from(e.msg)));
    arena_free(a);
}

static struct collection *collection_of(struct search_set *s, struct str id, int64_t newest)
{
    struct collection *c = map_get(&s->collections, id);
    if (c)
        return c;
    c = collection_new(id);
    load_snapshot(s, c, newest);
    lock_take(&s->lock);
    map_set(&s->collections, id, c);
    lock_drop(&s->lock);
    return c;
}

static void drop_collection(struct search_set *s, struct str id)
{
    struct arena *a = arena_new();
    unlink(path_of(s, a, id).p);
    arena_free(a);
    lock_take(&s->lock);
    struct collection *c = map_remove(&s->collections, id);
    lock_drop(&s->lock);
    if (c)
        collection_free(c);
}

/* ---- Following the store ---- */

static void note(struct search_set *s, const struct doc_change *change, int64_t newest)
{
    if (change->kind == DB_COLLECTION_REMOVED) {
        drop_collection(s, change->collection);
        return;
    }
    struct collection *c = collection_of(s, change->collection, newest);
    if (change->seq <= c->seq || change->kind == DB_SPACE_CHANGED ||
        (change->kind == DB_DOCUMENT_EMBEDDED && change->content <= c->seq))
        return;
    if (bm25_remove(c->index, change->document))
        c->unsaved++;
    c->staged = true;
    if (change->kind == DB_DOCUMENT_REMOVED)
        return;
    if (c->n_load == c->room) {
        c->room = c->room * 2 + 64;
        c->load = mem_resize(c->load, c->room, sizeof(*c->load));
    }
    c->load[c->n_load++] = change->document;
}

/* As the document says; else by the first chunk that is long enough to tell. */
static enum lang lang_of(const struct doc_index_chunk *chunk, size_t n)
{
    enum lang said = lang_from_code(chunk->language);
    if (said != LANG_OTHER || str_eq(chunk->language, STR("und")))
        return said;
    size_t i = 0;
    while (i + 1 < n && chunk[i].text.len < 4 * LANG_MIN_LETTERS)
        i++;
    return lang_detect(chunk[i].text);
}

static void index_document(struct search_set *s, struct collection *c,
                           const struct doc_index_chunk *chunk, size_t n)
{
    enum lang lang = lang_of(chunk, n);
    for (size_t i = 0; i < n; i++) {
        words_of_passage(&s->words, lang, chunk[i].title, chunk[i].section, chunk[i].text);
        bm25_add(c->index, chunk[i].document, lang, chunk[i].id, s->words.term, s->words.n,
                 s->words.length);
    }
    c->unsaved += n;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* A document that changed while the changes were read is listed twice and must be added once. */
static void sort_load(struct collection *c)
{
    if (c->n_load)
        qsort(c->load, c->n_load, sizeof(*c->load), by_number);
    size_t n = 0;
    for (size_t i = 0; i < c->n_load; i++)
        if (n == 0 || c->load[n - 1] != c->load[i])
            c->load[n++] = c->load[i];
    c->n_load = n;
}

static bool load_documents(struct search_set *s, struct collection *c, struct err *e)
{
    struct arena *a = arena_new();
    bool good = true;
    sort_load(c);
    for (size_t at = 0; at < c->n_load && good; at += DOCUMENTS_AT_ONCE) {
        struct doc_index_chunk *chunk;
        size_t n;
        good = doc_index_chunks(s->db, a, c->load + at, size_min(c->n_load - at, DOCUMENTS_AT_ONCE),
                                &chunk, &n, e);
        for (size_t i = 0, end; good && i < n; i = end) {
            for (end = i + 1; end < n && chunk[end].document == chunk[i].document; end++)
                ;
            index_document(s, c, chunk + i, end - i);
        }
        arena_reset(a);
    }
    arena_free(a);
    return good;
}

/* Stages all changes from s->seq on; *seq is how far it got. What a failure leaves half staged is
 * staged again next time, which removes it first. */
static bool stage(struct search_set *s, int64_t *seq, struct err *e)
{
    struct arena *a = arena_new();
    int64_t newest;
    bool good = doc_change_last(s->db, &newest, e);
    size_t n = CHANGES_AT_ONCE;
    *seq = s->seq;
    map_each (slot, &s->collections) {
        struct collection *c = slot->value;
        c->n_load = 0;
    }
    while (good && n == CHANGES_AT_ONCE) {
        struct doc_change *change;
        good = doc_changes(s->db, a, STR_NONE, *seq, CHANGES_AT_ONCE, &change, &n, e);
        for (size_t i = 0; good && i < n; i++) {
            note(s, &change[i], newest);
            *seq = change[i].seq;
        }
        arena_reset(a);
    }
    arena_free(a);
    map_each (slot, &s->collections) {
        struct collection *c = slot->value;
        good = good && load_documents(s, c, e);
    }
    return good;
}

static bool save(struct search_set *s, struct collection *c, struct err *e)
{
    struct arena *a = arena_new();
    struct bm25_view *v = bm25_view(c->index);
    struct str id = str_from(c->id);
    bool good = snapshot_write(path_of(s, a, id).p, id, c->seq, v, e);
    if (good)
        c->unsaved = 0;
    bm25_view_free(v);
    arena_free(a);
    return good;
}

/* A failure to save is no failure to catch up: the old snapshot, or none, is as good, only slower.
 */
static void save_if_due(struct search_set *s, struct collection *c)
{
    struct bm25_view *v = bm25_view(c->index);
    uint64_t chunks = bm25_stats(v).passages;
    bm25_view_free(v);
    struct err e;
    if (c->unsaved >= SNAPSHOT_AFTER && c->unsaved >= chunks / 4 && !save(s, c, &e)) {
        log_warn("index_snapshot", kv("collection", str_from(c->id)), kv("error", str_from(e.msg)));
        c->unsaved = 0; /* try again after as many changes, or when it closes */
    }
}

static bool follow(struct search_set *s, struct err *e)
{
    int64_t seq;
    if (!stage(s, &seq, e))
        return false;
    s->seq = seq;
    map_each (slot, &s->collections) {
        struct collection *c = slot->value;
        c->seq = seq > c->seq ? seq : c->seq;
        if (!c->staged)
            continue;
        c->staged = false;
        bm25_commit(c->index);
        save_if_due(s, c);
    }
    return true;
}

struct catch_up {
    struct search_set *s;
    struct err *e;
    bool good;
};

/* A catch-up that begins after the call sees all that was committed before it; one that was already
 * under way may not. */
static void catch_up_now(void *arg)
{
    struct catch_up *job = arg;
    struct search_set *s = job->s;
    lock_take(&s->lock);
    uint64_t want = s->begun + 1;
    while (s->ended < want) {
        if (s->busy) {
            cond_wait(&s->idle, &s->lock, CLOCK_NEVER);
            continue;
        }
        s->busy = true;
        uint64_t mine = ++s->begun;
        lock_drop(&s->lock);
        struct err e = {0};
        bool good = follow(s, &e);
        lock_take(&s->lock);
        s->busy = false;
        s->ended = mine;
        s->outcome = good ? (struct err){0} : e;
        cond_wake_all(&s->idle);
    }
    job->good = s->outcome.code == ERR_NONE;
    if (!job->good && job->e)
        *job->e = s->outcome;
    lock_drop(&s->lock);
}

bool search_catch_up(struct search_set *s, struct err *e)
{
    struct catch_up job = {s, e, false};
    work_run(catch_up_now, &job);
    return job.good;
}

/* ---- Snapshots ---- */

static bool save_all(struct search_set *s, struct err *e)
{
    bool good = true;
    map_each (slot, &s->collections) {
        struct collection *c = slot->value;
        struct err each;
        if (c->unsaved && !save(s, c, &each)) {
            if (good && e)
                *e = each;
            good = false;
        }
    }
    return good;
}

static void snapshot_now(void *arg)
{
    struct catch_up *job = arg;
    struct search_set *s = job->s;
    lock_take(&s->lock);
    while (s->busy)
        cond_wait(&s->idle, &s->lock, CLOCK_NEVER);
    s->busy = true;
    lock_drop(&s->lock);
    job->good = save_all(s, job->e);
    lock_take(&s->lock);
    s->busy = false;
    cond_wake_all(&s->idle);
    lock_drop(&s->lock);
}

bool search_snapshot(struct search_set *s, struct err *e)
{
    struct catch_up job = {s, e, false};
    work_run(snapshot_now, &job);
    return job.good;
}

/* ---- Opening and closing ---- */

/* Snapshots of collections that the store does not know. */
static void drop_orphans(struct search_set *s)
{
    DIR *dir = opendir(s->dir);
    if (!dir)
        return;
    struct arena *a = arena_new();
    struct map known;
    map_init(&known);
    map_each (slot, &s->collections) {
        map_set(&known, file_name(path_of(s, a, slot->key)), s);
    }
    for (struct dirent *f; (f = readdir(dir));) {
        struct str name = str_from(f->d_name);
        if (str_ends(name, STR(".bm25")) && !map_get(&known, name))
            unlinkat(dirfd(dir), f->d_name, 0);
    }
    map_fini(&known);
    arena_free(a);
    closedir(dir);
}

static void set_free(struct search_set *s)
{
    map_each (slot, &s->collections) {
        collection_free(slot->value);
    }
    map_fini(&s->collections);
    words_fini(&s->words);
    cond_fini(&s->idle);
    lock_fini(&s->lock);
    mem_free(s->dir);
    mem_free(s);
}

bool search_open(struct search_set **out, struct db *d, const char *dir, struct err *e)
{
    struct search_set *s = mem_new(sizeof(*s));
    struct arena *a = arena_new();
    s->db = d;
    s->dir = mem_text(arena_printf(a, "%s/index", dir).p);
    arena_free(a);
    map_init(&s->collections);
    lock_init(&s->lock);
    cond_init(&s->idle);
    if (!file_make_dirs(s->dir, 0700, e) || !search_catch_up(s, e)) {
        set_free(s);
        return false;
    }
    drop_orphans(s);
    *out = s;
    return true;
}

void search_close(struct search_set *s)
{
    struct err e;
    if (!s)
        return;
    if (!save_all(s, &e))
        log_warn("index_snapshot", kv("error", str_from(e.msg)));
    set_free(s);
}

/* ---- Searching ---- */

static struct bm25_view *view_of(struct search_set *s, struct str id)
{
    lock_take(&s->lock);
    struct collection *c = map_get(&s->collections, id);
    struct bm25_view *v = c ? bm25_view(c->index) : NULL;
    lock_drop(&s->lock);
    return v;
}

size_t search_chunks(struct search_set *s, struct str collection)
{
    struct bm25_view *v = view_of(s, collection);
    size_t n = v ? bm25_stats(v).passages : 0;
    bm25_view_free(v);
    return n;
}

static bool named_before(const struct search_query *q, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (str_eq(q->collection[k], q->collection[i]))
            return true;
    return false;
}

/* The query's documents as a set; NULL when it may find all. */
static struct docset *allowed_set(const struct search_query *q)
{
    if (!q->document)
        return NULL;
    int64_t last = q->n_documents ? q->document[q->n_documents - 1] : -1;
    struct docset *set = docset_new(last < UINT32_MAX ? (uint32_t)(last + 1) : UINT32_MAX);
    for (size_t i = 0; i < q->n_documents && q->document[i] < set->room; i++)
        docset_add(set, (uint32_t)q->document[i]);
    return set;
}

bool search_run(struct search_set *s, const struct search_query *q, struct arena *a,
                struct search_hit **hit, size_t *n, struct err *e)
{
    enum { COLLECTIONS_MAX = 1000 };
    if (q->n_collections > COLLECTIONS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d collections in one search", COLLECTIONS_MAX);
    struct bm25_view **view = arena_array(a, struct bm25_view *, q->n_collections);
    uint32_t *which = arena_array(a, uint32_t, q->n_collections);
    size_t n_views = 0;
    for (size_t i = 0; i < q->n_collections; i++) {
        struct bm25_view *v = named_before(q, i) ? NULL : view_of(s, q->collection[i]);
        if (v) {
            which[n_views] = (uint32_t)i;
            view[n_views++] = v;
        }
    }
    const struct bm25_view *const *views = (const struct bm25_view *const *)view;
    enum lang lang[WORDS_LANGS];
    struct bm25_word *word = arena_array(a, struct bm25_word, BM25_MAX_WORDS);
    size_t n_langs = words_langs(lang, views, n_views);
    struct docset *set = allowed_set(q);
    const struct docset **allowed = arena_array(a, const struct docset *, n_views);
    for (size_t i = 0; i < n_views; i++)
        allowed[i] = set;
    struct bm25_query query = {
        .word = word, .n = words_of_query(word, q->text, lang, n_langs), .allowed = allowed};
    size_t k = size_min(q->k, BM25_MAX_HITS);
    struct hit *found = arena_array(a, struct hit, k);
    *n = bm25_search(views, n_views, &query, found, k);
    *hit = arena_array(a, struct search_hit, *n);
    for (size_t i = 0; i < *n; i++)
        (*hit)[i] = (struct search_hit){.chunk = found[i].key,
                                        .document = found[i].document,
                                        .score = found[i].score,
                                        .collection = which[found[i].view]};
    docset_free(set);
    for (size_t i = 0; i < n_views; i++)
        bm25_view_free(view[i]);
    return true;
}
