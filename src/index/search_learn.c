/* A space is made beside the one in use. It takes the documents of a view, round after round while
 * new ones come, and in the last step, with nobody else writing, the few that are still missing;
 * then searches have it at once. The epoch of the first view is held until then, so a number means
 * one document all the time.
 *
 * The embedder is learned from documents that everyone in the tenant may read, and from no others:
 * what a caller may not read moves no score of what he finds. A collection without enough of such
 * documents has no learned vectors. */
#include "base/log.h"
#include "index/search_part.h"
#include "store/space.h"

#include <stdatomic.h>
#include <unistd.h>

enum {
    LEARN_LEAST = 64, /* chunks: fewer say nothing of what goes with what */
    AT_ONCE = 16,     /* documents whose chunks are in memory together, for each thread */
    FEW = 64,         /* documents that are left for the last step */
    ROUNDS = 10,
    THREADS = 8
};

/* ---- Documents of a view, in batches ---- */

struct batch {
    int64_t document[AT_ONCE];
    uint32_t number[AT_ONCE], version[AT_ONCE];
    struct doc_index_document *d;
    size_t n;
};

/* Takes the next documents of `set` from *at on. */
static bool next_batch(struct batch *b, const struct attributes *v, const struct docset *set,
                       uint32_t *at)
{
    for (b->n = 0; b->n < AT_ONCE; ++*at) {
        *at = docset_next(set, *at);
        if (*at >= set->room)
            break;
        b->number[b->n] = *at;
        b->document[b->n] = attributes_id(v, *at);
        b->version[b->n++] = attributes_version(v, *at);
    }
    return b->n > 0;
}

/* Leaves out those that are of another version by now, whose change will be followed. */
static bool load_batch(struct batch *b, struct db *db, struct arena *a, struct err *e)
{
    if (!doc_index_load(db, a, b->document, NULL, b->n, &b->d, e))
        return false;
    CHECK(b->d || b->n == 0);
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (!b->d[i].id || b->d[i].version != b->version[i])
            continue;
        b->d[n] = b->d[i];
        b->number[n++] = b->number[i];
    }
    b->n = n;
    return true;
}

/* ---- Learning ---- */

bool search_learn_due(const struct collection *c)
{
    uint64_t chunks = attributes_chunks(c->attributes, NULL);
    if (c->learned && c->closed)
        return true;
    if (c->learned)
        return lsa_outgrown(c->learned->embedder, chunks, &c->learned->seen);
    return chunks >= LEARN_LEAST && chunks >= 2 * c->unlearnt;
}

static struct docset *open_documents(const struct attributes *v)
{
    struct docset *set = attributes_all(v);
    rights_apply(NULL, v, set);
    return set;
}

static struct lsa *learn(struct search_set *s, const struct attributes *v, struct err *e)
{
    struct docset *set = open_documents(v);
    struct arena *a = arena_new();
    struct lsa_learner *l = NULL;
    struct batch b = {.n = 0};
    uint32_t at = 0;
    bool good = true;
    if (attributes_chunks(v, set) >= LEARN_LEAST)
        l = lsa_learner_new(&(struct lsa_options){.stop = &s->ending});
    while (l && good && !atomic_load(&s->ending) && next_batch(&b, v, set, &at)) {
        good = load_batch(&b, s->db, a, e);
        for (size_t i = 0; good && i < b.n; i++) {
            const struct doc_index_document *d = &b.d[i];
            if (!rights_is_open(d->access))
                continue; /* since the view was made */
            enum lang lang = search_lang_of(d);
            for (size_t k = 0; k < d->n_chunks; k++)
                lsa_learner_add(l, lang, search_title_of(d), d->chunk[k].section, d->chunk[k].text);
        }
        arena_reset(a);
    }
    struct lsa *out = l && good && !atomic_load(&s->ending) ? lsa_learner_finish(l) : NULL;
    lsa_learner_free(l);
    arena_free(a);
    docset_free(set);
    if (good && !out)
        err_set(e, ERR_CANCELLED, "nothing to learn from");
    return out;
}

/* ---- Filling a space, by several threads ---- */

struct filling {
    /* set once */
    struct search_set *s;
    struct search_space *x;
    const struct attributes *v;
    const struct docset *set;
    /* under lock */
    struct lock lock;
    uint32_t at;
    struct docset *done;
    bool failed;
    struct err e;
};

static void note_failure(struct filling *f, const struct err *e)
{
    lock_take(&f->lock);
    if (!f->failed)
        f->e = *e;
    f->failed = true;
    lock_drop(&f->lock);
}

static bool take_batch(struct filling *f, struct batch *b)
{
    lock_take(&f->lock);
    bool any = !f->failed && !atomic_load(&f->s->ending) && next_batch(b, f->v, f->set, &f->at);
    lock_drop(&f->lock);
    return any;
}

struct embedded {
    float *v;
    bool *good;
    size_t n;
};

static struct embedded embed(const struct lsa *m, struct arena *a, const struct batch *b)
{
    struct embedded out = {0};
    size_t n = 0, dimension = lsa_dimension(m);
    for (size_t i = 0; i < b->n; i++)
        n += b->d[i].n_chunks;
    out.v = arena_alloc_array(a, n + 1, dimension * sizeof(*out.v));
    out.good = arena_array(a, bool, n + 1);
    for (size_t i = 0; i < b->n; i++) {
        const struct doc_index_document *d = &b->d[i];
        enum lang lang = search_lang_of(d);
        for (size_t k = 0; k < d->n_chunks; k++, out.n++)
            out.good[out.n] = lsa_passage(m, lang, search_title_of(d), d->chunk[k].section,
                                          d->chunk[k].text, out.v + out.n * dimension, NULL);
    }
    return out;
}

/* An index takes vectors from one thread at a time. */
static void add_batch(struct filling *f, const struct batch *b, const struct embedded *m)
{
    uint32_t dimension = vector_dimension(f->x->vectors);
    struct err e;
    size_t at = 0;
    for (size_t i = 0; i < b->n; i++) {
        docset_add(f->done, b->number[i]);
        for (size_t k = 0; m && k < b->d[i].n_chunks; k++, at++)
            if (m->good[at])
                vector_add(f->x->vectors, b->number[i], b->d[i].chunk[k].id, m->v + at * dimension,
                           &e); /* what an index cannot hold is found by its words */
    }
    f->x->staged = true;
}

static void *fill_some(void *arg)
{
    struct filling *f = arg;
    struct arena *a = arena_new();
    struct batch b = {.n = 0};
    struct err e;
    while (take_batch(f, &b)) {
        bool good = load_batch(&b, f->s->db, a, &e);
        struct embedded m = {0};
        if (good && f->x->embedder)
            m = embed(f->x->embedder, a, &b);
        lock_take(&f->lock);
        if (good)
            add_batch(f, &b, f->x->embedder ? &m : NULL);
        lock_drop(&f->lock);
        if (good && !f->x->embedder) {
            /* one thread alone, so no lock is needed while the store is read */
            good = search_space_fetch(f->x, f->s->db, b.d, b.number, b.n, &e);
        }
        if (!good)
            note_failure(f, &e);
        arena_reset(a);
    }
    arena_free(a);
    return NULL;
}

static unsigned threads_for(const struct filling *f)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    bool many = docset_count(f->set) > 4 * AT_ONCE;
    return f->x->embedder && many && cores > 1 ? (unsigned)size_min((size_t)cores, THREADS) : 1;
}

/* Adds the documents of `set` to the space, and notes in `done` which. */
static bool fill(struct search_set *s, struct search_space *x, const struct attributes *v,
                 const struct docset *set, struct docset *done, struct err *e)
{
    struct filling f = {.s = s, .x = x, .v = v, .set = set, .done = done};
    pthread_t thread[THREADS];
    unsigned n = threads_for(&f), running = 0;
    lock_init(&f.lock);
    while (running + 1 < n && pthread_create(&thread[running], NULL, fill_some, &f) == 0)
        running++;
    fill_some(&f);
    while (running)
        pthread_join(thread[--running], NULL);
    lock_fini(&f.lock);
    if (f.failed)
        *e = f.e;
    else if (atomic_load(&s->ending))
        return err_set(e, ERR_CANCELLED, "the set is being closed");
    return !f.failed;
}

/* ---- The space's way into the collection ---- */

struct making {
    struct search_set *s;
    struct collection *c;
    struct search_space *x;
    struct docset *done; /* numbers that are in it */
};

/* Numbers of the view that are not in the space yet. */
static struct docset *missing(struct making *m, const struct attributes *v)
{
    struct docset *larger =
        docset_new(attributes_room(v) > m->done->room ? attributes_room(v) : m->done->room);
    docset_or(larger, m->done);
    docset_free(m->done);
    m->done = larger;
    struct docset *set = attributes_all(v);
    for (uint32_t i = docset_next(set, 0); i < set->room; i = docset_next(set, i + 1))
        if (docset_has(m->done, i))
            docset_drop(set, i);
    return set;
}

/* Rounds until few documents are missing. */
static bool fill_rounds(struct making *m, struct err *e)
{
    bool good = true, enough = false;
    for (int round = 0; good && !enough && round < ROUNDS; round++) {
        struct search_view *v = search_view_of(m->s, m->c);
        struct docset *set = missing(m, v->attributes);
        enough = round > 0 && docset_count(set) <= FEW;
        good = enough || fill(m->s, m->x, v->attributes, set, m->done, e);
        docset_free(set);
        search_view_unref(v);
        search_space_commit(m->x);
    }
    return good;
}

/* What went since the first round goes, what came is added, and the space is the collection's. The
 * busy one. */
static bool hand_over(struct making *m, struct search_space **place, struct err *e)
{
    struct collection *c = m->c;
    struct docset *set = missing(m, c->attributes);
    bool good = !c->dropped && fill(m->s, m->x, c->attributes, set, m->done, e);
    docset_free(set);
    if (!good)
        return c->dropped ? err_set(e, ERR_NOT_FOUND, "the collection has gone") : false;
    for (uint32_t i = docset_next(m->done, 0); i < m->done->room; i = docset_next(m->done, i + 1))
        if (!attributes_id(c->attributes, i))
            search_space_remove(m->x, i);
    search_space_commit(m->x);
    search_space_unref(*place);
    *place = search_space_ref(m->x);
    c->changes++;
    search_publish(m->s, c);
    return true;
}

static bool make(struct search_set *s, struct collection *c, struct search_space *x,
                 struct search_space **place, struct err *e)
{
    struct making m = {.s = s, .c = c, .x = x, .done = docset_new(0)};
    struct search_view *first = search_view_of(s, c);
    struct epoch *pin = epoch_ref(first->epoch);
    search_view_unref(first);
    bool good = fill_rounds(&m, e);
    if (good) {
        search_enter(s);
        good = hand_over(&m, place, e);
        search_leave(s);
    }
    epoch_unref(pin);
    docset_free(m.done);
    return good;
}

static void tell(const struct collection *c, const char *what, const struct err *e)
{
    if (e->code != ERR_CANCELLED && e->code != ERR_NOT_FOUND)
        log_warn("index_learn", kv("collection", str_from(c->id)), kv("what", what),
                 kv("error", str_from(e->msg)));
}

void search_learn(struct search_set *s, struct collection *c)
{
    struct err e = {0};
    struct search_view *v = search_view_of(s, c);
    uint64_t chunks = attributes_chunks(v->attributes, NULL);
    struct lsa *m = learn(s, v->attributes, &e);
    search_view_unref(v);
    if (atomic_load(&s->ending)) {
        lsa_unref(m);
        return;
    }
    if (!m) { /* what there was may not be used any more, or there was none */
        tell(c, "embedder", &e);
        search_enter(s);
        if (c->closed && !c->dropped) {
            search_space_unref(c->learned);
            c->learned = NULL;
            c->closed = false;
            search_publish(s, c);
        }
        c->unlearnt = chunks;
        search_leave(s);
        return;
    }
    search_enter(s);
    c->closed = false; /* what is closed from here on counts for the next */
    search_leave(s);
    struct search_space *x = search_space_new(m, 0, lsa_dimension(m));
    if (!make(s, c, x, &c->learned, &e))
        tell(c, "embedder", &e);
    else
        log_info("index_learned", kv("collection", str_from(c->id)), kv("chunks", chunks));
    search_space_unref(x);
    search_keep(s, c, SEARCH_SAVE);
}

/* ---- Vectors from outside ---- */

void search_learn_outside(struct search_set *s, struct collection *c)
{
    struct err e = {0};
    struct arena *a = arena_new();
    struct space live = {0};
    struct search_space *x = NULL;
    bool good = space_live(s->db, a, str_from(c->id), &live, NULL, &e);
    if (good && live.id) {
        x = search_space_new(NULL, live.id, live.dimension);
        good = make(s, c, x, &c->outside, &e);
    } else if (good) {
        search_enter(s);
        if (c->outside && !c->dropped) {
            search_space_unref(c->outside);
            c->outside = NULL;
            search_publish(s, c);
        }
        search_leave(s);
    }
    if (!good)
        tell(c, "vectors from outside", &e);
    search_space_unref(x);
    arena_free(a);
    search_keep(s, c, SEARCH_SAVE);
}
