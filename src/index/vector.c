/* The life of the index: what is staged, what a commit does with it, which views there are. The
 * files: vector_part.h has the layout; vector_view.c tables and blocks; vector_scale.c bytes;
 * hnsw_*.c the graph; vector_search.c plans; vector_file.c snapshots. */
#include "index/vector_part.h"

#include <unistd.h>

enum { CONSOLIDATE_AT = 8 /* one in so many is removed and linked */ };

/* ---- Views ---- */

struct view *vector_take(struct vector_index *ix)
{
    lock_take(&ix->lock);
    struct view *v = ix->view;
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    lock_drop(&ix->lock);
    return v;
}

void vector_drop(struct vector_index *ix, struct view *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    lock_take(&ix->lock);
    list_remove(&v->in_use);
    lock_drop(&ix->lock);
    vector_view_fini(v);
    mem_free(v);
}

/* The number of the oldest view that somebody may be reading. */
static uint64_t oldest(struct vector_index *ix)
{
    lock_take(&ix->lock);
    struct list *first = ix->views.next;
    uint64_t number =
        first == &ix->views ? ix->next.number : CONTAINER_OF(first, struct view, in_use)->number;
    lock_drop(&ix->lock);
    return number;
}

void vector_publish(struct vector_index *ix, struct view *v)
{
    v->number = ix->next.number++;
    lock_take(&ix->lock);
    struct view *old = ix->view;
    ix->view = v;
    list_add(&ix->views, &v->in_use);
    lock_drop(&ix->lock);
    vector_drop(ix, old);
}

/* ---- Slots ---- */

static void slots_add(struct slots *s, uint32_t slot)
{
    if (s->n == s->room) {
        s->room = s->room * 2 + 64;
        s->slot = mem_resize(s->slot, s->room, sizeof(*s->slot));
    }
    s->slot[s->n++] = slot;
}

static void slots_fini(struct slots *s)
{
    mem_free(s->slot);
    *s = (struct slots){0};
}

/* 15 in 16 nodes are in the lowest layer alone, and so on. By the slot's number, so that a slot
 * that is used again has its level, whose records are there. */
static unsigned draw_level(uint32_t slot)
{
    uint64_t x = (slot + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    unsigned level = 0;
    for (; level < MAX_LEVEL && x % 16 == 0; x /= 16)
        level++;
    return level;
}

/* The records of a node lie in one chunk. */
static void give_level(struct view *v, uint32_t slot)
{
    struct tail *t = tail_of(v, slot);
    unsigned level = draw_level(slot);
    if (level && v->n_upper % SLAB + level > SLAB)
        v->n_upper = (v->n_upper / SLAB + 1) * SLAB;
    while (level && v->n_upper + level > v->n_chunks * SLAB)
        vector_view_add_chunk(v);
    t->level = (uint8_t)level;
    t->upper = v->n_upper;
    v->n_upper += level;
}

static bool give_slot(struct vector_index *ix, uint32_t *slot, struct err *e)
{
    struct view *v = &ix->next;
    if (ix->free.n) {
        *slot = ix->free.slot[--ix->free.n];
        struct tail *t = tail_of(v, *slot);
        if (t->level > MAX_LEVEL || t->upper > v->n_upper || t->level > v->n_upper - t->upper)
            t->level = 0; /* a damaged file */
        return true;
    }
    if (v->n_slots >= VECTOR_MOST)
        return err_set(e, ERR_LIMIT, "an index has no room for more than %u vectors", VECTOR_MOST);
    if (v->n_slots == v->n_slabs * SLAB)
        vector_view_add_slab(v);
    *slot = v->n_slots++;
    give_level(v, *slot);
    return true;
}

static void mark(uint64_t *bits, uint32_t slot, bool on)
{
    uint64_t bit = UINT64_C(1) << slot % 64;
    bits[slot % SLAB / 64] = on ? bits[slot % SLAB / 64] | bit : bits[slot % SLAB / 64] & ~bit;
}

/* ---- Adding and removing ---- */

static uint16_t *staged(const struct view *v, uint32_t slot)
{
    return &tail_of(v, slot)->staged;
}

/* In front of the slots that the document has: those that views know stay reachable for them. */
static void chain(struct view *v, uint32_t document, uint32_t slot)
{
    uint32_t *first = &vector_view_firsts(v, document)[document % SLAB], before = *first;
    struct ids *ids = ids_of(v, slot);
    ids->document[slot % SLAB] = document;
    atomic_store_explicit(&ids->next[slot % SLAB], before, memory_order_relaxed);
    *first = slot;
    if (document >= v->n_documents)
        v->n_documents = document + 1;
    v->n_owners += before >= v->n_slots || !(is_live(v, before) || *staged(v, before));
}

bool vector_add(struct vector_index *ix, uint32_t document, int64_t key, const float *v,
                struct err *e)
{
    float factor = 1;
    uint32_t slot = 0;
    if (!vector_scale_factor(ix->shape.metric, v, ix->shape.dimension, &factor, e))
        return false;
    if (document >= VECTOR_MAX_DOCUMENTS)
        return err_set(e, ERR_LIMIT, "document %u is beyond what an index holds", document);
    lock_take(&ix->writing);
    bool good = give_slot(ix, &slot, e);
    if (good) {
        struct view *next = &ix->next;
        float *exact = next->slab[slot / SLAB].exact + (size_t)(slot % SLAB) * ix->shape.dimension;
        for (uint32_t i = 0; i < ix->shape.dimension; i++)
            exact[i] = v[i] * factor;
        ids_of(next, slot)->key[slot % SLAB] = key;
        chain(next, document, slot);
        *staged(next, slot) = 1;
        slots_add(&ix->staged, slot);
    }
    lock_drop(&ix->writing);
    return good;
}

bool vector_remove(struct vector_index *ix, uint32_t document)
{
    bool any = false;
    lock_take(&ix->writing);
    struct view *v = &ix->next;
    uint32_t slot = NO_SLOT;
    if (document / SLAB < v->n_firsts && v->first[document / SLAB])
        slot = v->first[document / SLAB][document % SLAB];
    /* Behind the first that is neither live nor staged all are removed. */
    for (; slot < v->n_slots && (is_live(v, slot) || *staged(v, slot));
         slot = ids_of(v, slot)->next[slot % SLAB]) {
        if (is_live(v, slot)) {
            mark(v->marks[slot / SLAB].live, slot, false);
            v->n_live--;
        }
        if (*staged(v, slot)) /* a save may be reading what is committed */
            *staged(v, slot) = 0;
        any = true;
    }
    v->n_owners -= any && v->n_owners;
    lock_drop(&ix->writing);
    return any;
}

/* Everything in `next`, with new slots to come. */
static void reset(struct vector_index *ix)
{
    uint64_t number = ix->next.number;
    vector_view_fini(&ix->next);
    ix->next = (struct view){.number = number, .shape = ix->shape, .scale = 1, .entry = NO_SLOT};
    slots_fini(&ix->staged);
    slots_fini(&ix->free);
    for (size_t i = 0; i < ix->n_waiting; i++)
        slots_fini(&ix->waiting[i].slots);
    ix->n_waiting = 0;
    ix->fitted_at = ix->changed = 0;
}

void vector_clear(struct vector_index *ix)
{
    lock_take(&ix->writing);
    reset(ix);
    lock_drop(&ix->writing);
}

/* ---- Slots that come back ---- */

static void wait_for_readers(struct vector_index *ix, struct slots slots)
{
    if (!slots.n)
        return;
    ix->waiting = mem_resize(ix->waiting, ix->n_waiting + 1, sizeof(*ix->waiting));
    ix->waiting[ix->n_waiting++] = (struct waiting){slots, ix->next.number};
}

static int by_slot(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool is_among(const struct slots *s, uint32_t slot)
{
    return bsearch(&slot, s->slot, s->n, sizeof(slot), by_slot) != NULL;
}

/* Ends the chain of a document in front of the first slot that is given back: all behind that was
 * removed no later. */
static void cut(struct view *v, uint32_t document, const struct slots *back)
{
    if (document / SLAB >= v->n_firsts || !v->first[document / SLAB])
        return;
    uint32_t slot = v->first[document / SLAB][document % SLAB], before = NO_SLOT;
    for (uint32_t steps = 0; slot < v->n_slots && steps <= v->n_slots; steps++) {
        if (is_among(back, slot)) {
            if (before == NO_SLOT)
                vector_view_firsts(v, document)[document % SLAB] = NO_SLOT;
            else
                atomic_store_explicit(&ids_of(v, before)->next[before % SLAB], NO_SLOT,
                                      memory_order_release);
            return;
        }
        before = slot;
        slot = atomic_load_explicit(&ids_of(v, slot)->next[slot % SLAB], memory_order_relaxed);
    }
}

static void give_back(struct vector_index *ix, struct slots *back)
{
    struct view *v = &ix->next;
    uint32_t last = NO_SLOT;
    qsort(back->slot, back->n, sizeof(*back->slot), by_slot);
    for (size_t i = 0; i < back->n; i++) {
        uint32_t document = ids_of(v, back->slot[i])->document[back->slot[i] % SLAB];
        if (document != last)
            cut(v, document, back);
        last = document;
    }
    for (size_t i = back->n; i-- > 0;)
        slots_add(&ix->free, back->slot[i]);
    slots_fini(back);
}

static void collect(struct vector_index *ix)
{
    size_t kept = 0;
    uint64_t first = oldest(ix);
    for (size_t i = 0; i < ix->n_waiting; i++)
        if (ix->waiting[i].until <= first)
            give_back(ix, &ix->waiting[i].slots);
        else
            ix->waiting[kept++] = ix->waiting[i];
    ix->n_waiting = kept;
}

/* Takes the removed out of the graph, when they are many. */
static void consolidate(struct vector_index *ix)
{
    struct view *v = &ix->next;
    uint32_t removed = v->n_used - v->n_live;
    if (removed == 0 || (v->graph && removed < v->n_used / CONSOLIDATE_AT + 16))
        return;
    if (v->graph)
        hnsw_repair(v, ix->threads);
    struct slots back = {0};
    for (uint32_t slot = 0; slot < v->n_slots; slot++)
        if (is_used(v, slot) && !is_live(v, slot)) {
            mark(v->marks[slot / SLAB].used, slot, false);
            slots_add(&back, slot);
        }
    v->n_used = v->n_live;
    wait_for_readers(ix, back);
}

/* ---- Committing ---- */

struct rows {
    struct view *view;
    const uint32_t *slot;
    _Atomic uint32_t cut;
};

static void make_rows(void *arg, size_t begin, size_t end, struct walk *w)
{
    (void)w;
    struct rows *r = arg;
    uint32_t n = 0;
    for (size_t i = begin; i < end; i++)
        n += vector_scale_row(r->view, r->slot[i]);
    atomic_fetch_add_explicit(&r->cut, n, memory_order_relaxed);
}

/* Of the numbers, how many were cut off. */
static float scale_rows(struct vector_index *ix, const struct slots *s)
{
    struct rows r = {&ix->next, s->slot, 0};
    hnsw_build_spread(make_rows, &r, s->n, 256, ix->threads);
    return s->n ? (float)r.cut / ((float)s->n * (float)ix->shape.walked) : 0;
}

static struct slots live_slots(const struct view *v)
{
    struct slots s = {0};
    for (uint32_t slot = 0; slot < v->n_slots; slot++)
        if (is_live(v, slot))
            slots_add(&s, slot);
    return s;
}

/* Rows of another scale in new blocks, with the links as they are: views keep the old ones. */
static void rescale(struct vector_index *ix, float scale)
{
    struct view *v = &ix->next;
    v->scale = scale;
    uint32_t n_slabs = v->n_slabs;
    size_t size = (size_t)SLAB * ix->shape.stride;
    struct slab *old = mem_copy(v->slab, n_slabs * sizeof(*old));
    for (uint32_t i = 0; i < n_slabs; i++) {
        v->n_slabs = i;
        vector_view_give_nodes(v, &v->slab[i]);
        v->node[i] = v->slab[i].node;
        memcpy(v->node[i], old[i].node, size);
    }
    v->n_slabs = n_slabs;
    struct slots all = {0};
    for (uint32_t slot = 0; slot < v->n_slots; slot++)
        if (is_used(v, slot))
            slots_add(&all, slot);
    scale_rows(ix, &all);
    slots_fini(&all);
    for (uint32_t i = 0; i < n_slabs; i++)
        vector_view_drop(old[i].node_block);
    mem_free(old);
}

/* Fits the scale at first and when the index has doubled or the new rows do not fit in; takes it
 * over when it is another by more than a tenth. */
static void fit_scale(struct vector_index *ix, float cut)
{
    struct view *v = &ix->next;
    float scale;
    if ((ix->changed < ix->fitted_at && cut < 0.01F) || !vector_scale_fit(v, &scale))
        return;
    ix->fitted_at = v->n_live;
    ix->changed = 0;
    if (fabsf(scale / v->scale - 1) > 0.1F)
        rescale(ix, scale);
}

static void first_rows(struct vector_index *ix, const struct slots *s)
{
    struct view *v = &ix->next;
    v->scale = 1;
    if (vector_scale_fit(v, &v->scale)) {
        ix->fitted_at = v->n_live;
        ix->changed = 0;
    }
    scale_rows(ix, s);
}

static bool is_measuring_due(const struct view *v)
{
    uint32_t at = v->curve.measured_at;
    return v->graph && (v->n_live / 2 >= at || v->n_live < at / 2);
}

/* Of many, some come last, so that the graph is measured with what it does not have yet. */
static void link_and_measure(struct vector_index *ix, struct slots *s)
{
    struct view *v = &ix->next;
    bool due = is_measuring_due(v);
    size_t held = due && s->n >= 4 * MEASURED_WITH ? MEASURED_WITH : 0, first = s->n - held;
    for (size_t i = 0; i < held; i++) {
        size_t at = i * (first / held);
        uint32_t slot = s->slot[at];
        s->slot[at] = s->slot[first + i];
        s->slot[first + i] = slot;
        hnsw_build_set_links(v, slot, 0, NULL, 0); /* of what had the slot before */
    }
    hnsw_build_insert(ix->build, v, s->slot, first, ix->threads);
    if (due)
        vector_search_measure(v, s->slot + first, held, ix->threads);
    hnsw_build_insert(ix->build, v, s->slot + first, held, ix->threads);
}

static void link_rows(struct vector_index *ix, struct slots *fresh)
{
    struct view *v = &ix->next;
    if (v->graph) {
        link_and_measure(ix, fresh);
    } else if (v->n_live >= GRAPH_FROM) {
        struct slots all = live_slots(v);
        v->graph = true;
        link_and_measure(ix, &all);
        slots_fini(&all);
    }
}

static void mark_live(struct view *v, uint32_t slot)
{
    mark(v->marks[slot / SLAB].live, slot, true);
    mark(v->marks[slot / SLAB].used, slot, true);
    v->n_live++;
    v->n_used++;
}

/* All that is live into new slots. Views keep the old ones. */
static void rebuild(struct vector_index *ix)
{
    struct view old = ix->next;
    struct slots all = {0};
    ix->next = (struct view){0};
    reset(ix);
    ix->next.number = old.number;
    for (uint32_t from = 0, to = 0; from < old.n_slots; from++) {
        if (!is_live(&old, from) || !give_slot(ix, &to, NULL))
            continue;
        const struct ids *ids = ids_of(&old, from);
        memcpy((void *)(uintptr_t)exact_of(&ix->next, to), exact_of(&old, from),
               ix->shape.dimension * sizeof(float));
        ids_of(&ix->next, to)->key[to % SLAB] = ids->key[from % SLAB];
        chain(&ix->next, ids->document[from % SLAB], to);
        mark_live(&ix->next, to);
        slots_add(&all, to);
    }
    vector_view_fini(&old);
    first_rows(ix, &all);
    link_rows(ix, &all);
    slots_fini(&all);
}

/* What was staged becomes live, what was removed before its commit waits. */
static struct slots take_staged(struct vector_index *ix)
{
    struct view *v = &ix->next;
    struct slots fresh = {0}, undone = {0};
    for (size_t i = 0; i < ix->staged.n; i++) {
        uint32_t slot = ix->staged.slot[i];
        if (*staged(v, slot)) {
            *staged(v, slot) = 0;
            mark_live(v, slot);
            slots_add(&fresh, slot);
        } else {
            slots_add(&undone, slot);
        }
    }
    slots_fini(&ix->staged);
    wait_for_readers(ix, undone);
    return fresh;
}

void vector_commit(struct vector_index *ix)
{
    struct view *v = &ix->next;
    lock_take(&ix->writing);
    collect(ix);
    /* So much is gone that mending leaves a worse graph, or most slots are empty. */
    bool anew = v->n_used - v->n_live > v->n_used / 5 * 2 || v->n_slots / 2 > v->n_live + SLAB;
    if (!anew)
        consolidate(ix);
    struct slots fresh = take_staged(ix);
    ix->changed += (uint32_t)fresh.n;
    if (anew) {
        rebuild(ix);
    } else {
        if (!ix->fitted_at)
            first_rows(ix, &fresh);
        else
            fit_scale(ix, scale_rows(ix, &fresh));
        link_rows(ix, &fresh);
    }
    vector_publish(ix, vector_view_copy(v));
    lock_drop(&ix->writing);
    slots_fini(&fresh);
}

/* ---- Life ---- */

struct vector_index *vector_make(const struct view *v, int file)
{
    struct vector_index *ix = mem_new(sizeof(*ix));
    ix->shape = v->shape;
    ix->next = *v;
    ix->next.number = 1;
    ix->file = file;
    ix->fitted_at = v->n_live;
    ix->build = hnsw_build_new();
    vector_threads(ix, 0);
    lock_init(&ix->lock);
    lock_init(&ix->writing);
    list_init(&ix->views);
    for (uint32_t slot = v->n_slots; slot-- > 0;)
        if (!is_used(v, slot))
            slots_add(&ix->free, slot);
    vector_publish(ix, vector_view_copy(&ix->next));
    return ix;
}

struct vector_index *vector_new_short(uint32_t dimension, uint32_t walked,
                                      enum vector_metric metric)
{
    CHECK(dimension > 0 && dimension <= VECTOR_MAX_DIMENSION);
    CHECK(walked > 0 && walked <= dimension);
    struct shape shape = {.dimension = dimension, .walked = walked, .metric = metric};
    vector_view_shape(&shape);
    return vector_make(&(struct view){.shape = shape, .scale = 1, .entry = NO_SLOT}, -1);
}

struct vector_index *vector_new(uint32_t dimension, enum vector_metric metric)
{
    return vector_new_short(dimension, dimension, metric);
}

void vector_free(struct vector_index *ix)
{
    if (!ix)
        return;
    reset(ix);
    vector_view_fini(&ix->next);
    vector_drop(ix, ix->view);
    if (ix->file >= 0)
        close(ix->file);
    mem_free(ix->waiting);
    hnsw_build_free(ix->build);
    lock_fini(&ix->lock);
    lock_fini(&ix->writing);
    mem_free(ix);
}

void vector_threads(struct vector_index *ix, unsigned n)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    ix->threads = n ? n : cores > 0 ? (unsigned)cores : 1;
}

uint32_t vector_dimension(const struct vector_index *ix)
{
    return ix->shape.dimension;
}

enum vector_metric vector_metric(const struct vector_index *ix)
{
    return ix->shape.metric;
}

size_t vector_count(struct vector_index *ix)
{
    struct view *v = vector_take(ix);
    size_t n = v->n_live;
    vector_drop(ix, v);
    return n;
}

size_t vector_memory(struct vector_index *ix)
{
    struct view *v = vector_take(ix);
    size_t n = vector_view_memory(v);
    vector_drop(ix, v);
    return n;
}
