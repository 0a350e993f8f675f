/* A query: how it is answered, and the last step, which is the same for all plans: the best by
 * bytes are scored with the numbers as they were given.
 *
 * The planner compares rows that would have to be read. A scan reads those of all candidates; their
 * number follows from the filter's documents. A walk that keeps only some goes as far as one of an
 * effort that is larger by the share that it passes over, and how many rows that takes was measured
 * on this graph (struct curve). Where that estimate is wrong, because what the filter allows lies
 * far from the query, the walk is given up when a scan would have been done. */
#include "index/vector_part.h"
#include "math/dot.h"

enum {
    WALKED_ROW = 2, /* a row met on a walk costs as much as so many in a scan */
    SPARE = 16,     /* more than k are taken from the bytes */
};
#define RECALL_DEFAULT 0.98F

const char *vector_plan_name(enum vector_plan plan)
{
#define X(name, text) text,
    static const char *const names[] = {VECTOR_PLANS(X)};
#undef X
    return names[plan];
}

/* One query on one view. */
struct find {
    const struct view *view;
    const float *q; /* [n], for cosine of length 1 */
    uint32_t n;
    const struct docset *allowed;
    uint32_t allowed_documents;
    size_t k;
    struct probe probe;
    struct walk walk;
    struct vector_explain x;
};

/* ---- What the graph is expected to do ---- */

/* Between two measured points, and beyond them, the share that is missed falls by a power of the
 * effort. */
static float slope(const struct curve *c, int i)
{
    float from = logf(1 - c->recall[i - 1]), to = logf(1 - c->recall[i]);
    return (to - from) / logf((float)c->effort[i] / (float)c->effort[i - 1]);
}

/* The effort that reaches a recall. */
static uint32_t effort_for(const struct curve *c, float recall)
{
    if (!c->measured_at)
        return 128;
    if (recall <= c->recall[0])
        return c->effort[0];
    for (int i = 1; i < CURVE; i++)
        if (recall <= c->recall[i]) {
            float by = logf((1 - recall) / (1 - c->recall[i - 1])) / slope(c, i);
            return (uint32_t)ceilf((float)c->effort[i - 1] * expf(by));
        }
    return c->effort[CURVE - 1];
}

static int part_of(const struct curve *c, float effort)
{
    int i = 1;
    while (i < CURVE - 1 && (float)c->effort[i] < effort)
        i++;
    return i;
}

static float expected_recall(const struct curve *c, float effort)
{
    if (!c->measured_at)
        return 0.9F;
    if (effort >= (float)c->effort[CURVE - 1])
        return c->recall[CURVE - 1];
    int i = part_of(c, effort);
    float by = slope(c, i) * logf(effort / (float)c->effort[i - 1]);
    return fmaxf(0, 1 - (1 - c->recall[i - 1]) * expf(by));
}

static float expected_rows(const struct curve *c, float effort)
{
    if (!c->measured_at)
        return effort * 16;
    int i = part_of(c, effort);
    float from = (float)c->effort[i - 1], to = (float)c->effort[i], rows = c->compared[i - 1];
    return fmaxf(effort, rows + (c->compared[i] - rows) * (effort - from) / (to - from));
}

/* ---- Scans ---- */

static void compare(struct find *f, const uint32_t *slot, size_t n, uint32_t room, uint32_t *found)
{
    uint32_t distance[64];
    hnsw_search_distances(f->view, &f->probe, slot, n, distance);
    for (size_t i = 0; i < n; i++)
        near_put(f->walk.pool, found, room, near_make(distance[i], slot[i]));
    f->x.compared += (uint32_t)n;
}

static bool is_allowed(const struct find *f, uint32_t slot)
{
    return !f->allowed || docset_has(f->allowed, ids_of(f->view, slot)->document[slot % SLAB]);
}

static uint32_t scan_all(struct find *f, uint32_t room)
{
    uint32_t slot[64], n = 0, found = 0;
    for (uint32_t word = 0; word < (f->view->n_slots + 63) / 64; word++) {
        uint64_t live = f->view->marks[word / SLAB_WORDS].live[word % SLAB_WORDS];
        for (; live; live &= live - 1) {
            uint32_t s = word * 64 + (uint32_t)__builtin_ctzll(live);
            if (s < f->view->n_slots && is_allowed(f, s))
                slot[n++] = s;
            if (n == COUNT(slot)) {
                compare(f, slot, n, room, &found);
                n = 0;
            }
        }
    }
    compare(f, slot, n, room, &found);
    return found;
}

static void fetch_row(const struct view *v, uint32_t slot)
{
    const uint8_t *row = row_of(v, slot);
    for (size_t i = 0; i < v->shape.padded; i += 64)
        __builtin_prefetch(row + i);
}

/* From document to document, along their chains. A damaged file may have led a chain into a ring or
 * elsewhere: steps are bounded, and what is found is looked at. */
static uint32_t scan_allowed(struct find *f, uint32_t room)
{
    const struct view *v = f->view;
    uint32_t slot[64], n = 0, found = 0,
                       last = (uint32_t)size_min(f->allowed->room, v->n_documents);
    size_t steps = (size_t)v->n_slots * 2 + 16;
    for (uint32_t d = docset_next(f->allowed, 0); d < last; d = docset_next(f->allowed, d + 1)) {
        if (!v->first[d / SLAB])
            continue;
        uint32_t s = v->first[d / SLAB][d % SLAB];
        while (s < v->n_slots && steps--) {
            if (is_live(v, s) && ids_of(v, s)->document[s % SLAB] == d) {
                fetch_row(v, s);
                slot[n++] = s;
            }
            if (n == COUNT(slot)) {
                compare(f, slot, n, room, &found);
                n = 0;
            }
            s = atomic_load_explicit(&ids_of(v, s)->next[s % SLAB], memory_order_acquire);
        }
    }
    compare(f, slot, n, room, &found);
    return found;
}

/* ---- Walks ---- */

static uint32_t walk(struct find *f, uint32_t effort, struct accept *accept)
{
    near from = hnsw_search_descend(f->view, &f->probe, 0, &f->walk);
    uint32_t n = hnsw_search_layer(f->view, &f->probe, 0, &from, 1, effort, accept, &f->walk);
    f->x.compared = f->walk.compared;
    return n;
}

static uint32_t scan(struct find *f, uint32_t room)
{
    hnsw_search_room(&f->walk, room);
    if (f->allowed && f->allowed_documents < f->view->n_owners / 4 * 3)
        return scan_allowed(f, room);
    return scan_all(f, room);
}

/* Leaves out slots that are used again since the view was made. */
static uint32_t living(const struct view *v, near *pool, uint32_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (is_live(v, near_slot(pool[i])))
            pool[kept++] = pool[i];
    return kept;
}

/* What the plan finds by bytes, in f->walk.pool. */
static uint32_t candidates(struct find *f)
{
    const struct view *v = f->view;
    uint32_t room = (uint32_t)f->k * 2 + SPARE, n;
    if (v->shape.walked < v->shape.dimension || f->n < v->shape.dimension)
        room *= 2; /* the bytes tell less */
    if (f->x.plan == VECTOR_SCAN || f->x.plan == VECTOR_SCAN_ALLOWED)
        return scan(f, room);
    struct accept accept = {f->allowed, UINT32_MAX, false};
    size_t enough = size_min(f->k, f->x.candidates);
    if (f->allowed)
        accept.budget = f->x.candidates / WALKED_ROW + 1024;
    if (!f->allowed && v->n_used == v->n_live) {
        n = walk(f, f->x.effort, NULL);
        n = living(v, f->walk.pool, n);
        if (n >= enough)
            return n;
    }
    n = walk(f, f->x.effort, &accept);
    if (accept.over || n < enough) {
        if (f->allowed)
            f->x.plan = VECTOR_WALK_THEN_SCAN;
        f->x.recall = 1;
        n = scan(f, room);
    }
    return n;
}

/* ---- Choosing ---- */

static void plan(struct find *f, const struct vector_query *q)
{
    const struct view *v = f->view;
    float recall = q->recall > 0 ? q->recall : RECALL_DEFAULT, share = 1;
    f->x.candidates = v->n_live;
    if (f->allowed) {
        f->allowed_documents = docset_count(f->allowed);
        share = fminf(1, (float)f->allowed_documents / (float)(v->n_owners + 1));
        f->x.candidates = (uint32_t)(share * (float)v->n_live) + 1;
    }
    f->x.plan = f->allowed ? VECTOR_SCAN_ALLOWED : VECTOR_SCAN;
    f->x.recall = 1;
    if (!v->graph || recall >= 1)
        return;
    /* What is filtered needs less than 1 / share of the effort: among few that are allowed, the
     * k nearest lie deeper in the part of the graph that the walk covers. */
    uint32_t effort = q->effort ? q->effort : effort_for(&v->curve, recall);
    effort = (uint32_t)size_max(effort, f->k + f->k / 4);
    if (f->allowed && !q->effort)
        effort = (uint32_t)size_max((size_t)((float)effort * sqrtf(share)), f->k * 2);
    float reach = (float)effort / share;
    float rows = expected_rows(&v->curve, reach) * WALKED_ROW;
    if (rows >= (float)f->x.candidates + (float)f->allowed_documents / 4)
        return;
    f->x.plan = f->allowed ? VECTOR_WALK_ALLOWED : VECTOR_WALK;
    f->x.effort = effort;
    f->x.recall = expected_recall(&v->curve, (float)effort / sqrtf(share));
}

/* ---- Scoring ---- */

/* How far bytes may put a distance from the true one: each product of two bytes is off by as much
 * as rounding half a step makes it, and these add as chance does. Five deviations. */
static uint32_t margin(const struct find *f, uint32_t slot)
{
    const uint8_t *row = row_of(f->view, slot);
    uint64_t square = 0;
    for (uint32_t i = 0; i < f->view->shape.padded; i++) {
        int32_t b = row[i] - 128;
        square += (uint64_t)(b * b + f->probe.v[i] * f->probe.v[i]);
    }
    return (uint32_t)(2 * 5 * sqrt((double)square / 12));
}

/* Of n candidates those that may be among the best k. */
static uint32_t contenders(const struct find *f, uint32_t n)
{
    const struct shape *s = &f->view->shape;
    if (n <= f->k || s->walked < s->dimension || f->n < s->dimension)
        return n;
    uint64_t last =
        (uint64_t)near_distance(f->walk.pool[f->k - 1]) + margin(f, near_slot(f->walk.pool[0]));
    uint32_t kept = (uint32_t)f->k;
    while (kept < n && near_distance(f->walk.pool[kept]) <= last)
        kept++;
    return kept;
}

static float score(const struct find *f, const float *x)
{
    switch (f->view->shape.metric) {
    case VECTOR_L2: return -sqrtf(dot_distance(f->q, x, f->n));
    case VECTOR_DOT: return dot_product(f->q, x, f->n);
    case VECTOR_COSINE: break;
    }
    float product = dot_product(f->q, x, f->n);
    if (f->n == f->view->shape.dimension)
        return product;
    float square = dot_product(x, x, f->n);
    return square > 0 ? product / sqrtf(square) : 0;
}

static void fetch_exact(const struct find *f, uint32_t slot)
{
    const float *x = exact_of(f->view, slot);
    for (uint32_t i = 0; i < f->n; i += 16)
        __builtin_prefetch(x + i);
}

static size_t rescore(struct find *f, uint32_t n, struct hit *hit)
{
    const near *pool = f->walk.pool;
    struct top top = {.hit = hit, .k = f->k};
    uint32_t kept = contenders(f, n);
    for (uint32_t i = 0; i < kept; i++) {
        uint32_t slot = near_slot(pool[i]);
        if (i + 1 < kept)
            fetch_exact(f, near_slot(pool[i + 1]));
        const struct ids *ids = ids_of(f->view, slot);
        float got = score(f, exact_of(f->view, slot));
        top_offer(&top, (struct hit){ids->key[slot % SLAB], ids->document[slot % SLAB], got, 0});
        f->x.rescored++;
    }
    top_sort(&top);
    return top.n;
}

bool vector_search(struct vector_index *ix, const struct vector_query *q, struct hit *hit, size_t k,
                   size_t *n, struct err *e)
{
    const struct shape *s = &ix->shape;
    uint32_t given = q->dimension ? q->dimension : s->dimension;
    float factor = 1;
    *n = 0;
    if (given > s->dimension)
        return err_set(e, ERR_INVALID, "a vector has %u numbers where the index has %u", given,
                       s->dimension);
    if (!vector_scale_factor(s->metric, q->v, given, &factor, e))
        return false;
    struct view *v = vector_take(ix);
    struct find f = {.view = v, .n = given, .allowed = q->allowed, .k = size_min(k, v->n_live)};
    if (f.k) {
        float numbers[VECTOR_MAX_DIMENSION];
        _Alignas(64) int8_t bytes[VECTOR_MAX_DIMENSION];
        for (uint32_t i = 0; i < given; i++)
            numbers[i] = q->v[i] * factor;
        f.q = numbers;
        vector_scale_query(v, numbers, given, bytes, &f.probe);
        plan(&f, q);
        *n = rescore(&f, candidates(&f), hit);
        hnsw_search_fini(&f.walk);
    }
    if (q->explain)
        *q->explain = f.x;
    vector_drop(ix, v);
    return true;
}

/* Along the document's chain, with the cautions of scan_allowed. */
bool vector_get(struct vector_index *ix, uint32_t document, int64_t key, float *out)
{
    struct view *v = vector_take(ix);
    bool found = false;
    size_t steps = v->n_slots;
    uint32_t s = document < v->n_documents && v->first[document / SLAB]
                     ? v->first[document / SLAB][document % SLAB]
                     : NO_SLOT;
    while (!found && s < v->n_slots && steps--) {
        const struct ids *ids = ids_of(v, s);
        found = is_live(v, s) && ids->document[s % SLAB] == document && ids->key[s % SLAB] == key;
        if (found)
            memcpy(out, exact_of(v, s), v->shape.dimension * sizeof(*out));
        s = atomic_load_explicit(&ids->next[s % SLAB], memory_order_acquire);
    }
    vector_drop(ix, v);
    return found;
}

/* ---- Measuring ---- */

/* Questions are vectors of the collection's own, best those that are not in the graph yet. Of one
 * that is, the walk may not meet the node, so it has no use of its links; but others were struck
 * out by it, which makes it harder to find what lies around. What is all but the same as the
 * question, 32 times nearer than others around it, is hidden too: whoever asks has no copy of the
 * question in the index. Two standard errors are added to what is missed: that estimates are too
 * low is the better side to err on. bench_recall has what comes of it for sets of many kinds.
 */
enum { BATCH = 8, MEASURED_K = 10, AROUND = 128, SAME = 32 * 32 };

struct sample {
    struct find find;
    near pool[AROUND];
    int8_t bytes[VECTOR_MAX_DIMENSION];
    struct hit truth[MEASURED_K];
    uint32_t slot, n, hidden[AROUND], n_hidden;
};

struct measure {
    const struct view *view;
    const uint32_t *slot; /* [n] */
    size_t n;
    _Atomic uint32_t missed[CURVE], squares[CURVE], compared[CURVE], samples, asked;
};

static bool is_linked(const struct view *v, uint32_t slot)
{
    return is_live(v, slot) && tail_of(v, slot)->n > 0;
}

/* Many samples are compared with a row while it is at hand. */
static void scan_around(const struct view *v, struct sample *s, size_t n)
{
    uint32_t slot[64], n_slots = 0;
    for (uint32_t at = 0; at <= v->n_slots; at++) {
        if (at < v->n_slots && is_linked(v, at))
            slot[n_slots++] = at;
        if (n_slots < COUNT(slot) && at < v->n_slots)
            continue;
        for (size_t i = 0; i < n; i++)
            compare(&s[i].find, slot, n_slots, AROUND, &s[i].n);
        n_slots = 0;
    }
}

/* Parts what is around a sample into the same and the true nearest; how many these are. */
static size_t find_truth(struct sample *s)
{
    const struct view *v = s->find.view;
    struct top top = {.hit = s->truth, .k = MEASURED_K};
    float distance[AROUND], farthest = 0;
    uint32_t n = s->n;
    for (uint32_t i = 0; i < n; i++) {
        distance[i] = dot_distance(s->find.q, exact_of(v, near_slot(s->pool[i])), s->find.n);
        farthest = fmaxf(farthest, distance[i]);
    }
    s->hidden[s->n_hidden++] = s->slot;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = near_slot(s->pool[i]);
        if (slot == s->slot)
            continue;
        if (distance[i] * SAME < farthest && s->n_hidden < AROUND)
            s->hidden[s->n_hidden++] = slot;
        else
            top_offer(&top, (struct hit){slot, 0, score(&s->find, exact_of(v, slot)), 0});
    }
    top_sort(&top);
    return farthest > 0 ? top.n : 0; /* all the same: nothing to learn */
}

static void measure_one(struct measure *m, struct sample *s, struct walk *w)
{
    const struct view *v = m->view;
    size_t n = find_truth(s);
    if (n == 0)
        return;
    m->samples++;
    m->asked += (uint32_t)n;
    struct find f = s->find;
    f.k = MEASURED_K;
    f.walk = *w;
    for (int c = 0; c < CURVE; c++) {
        struct hit got[MEASURED_K];
        uint32_t right = 0;
        f.walk.compared = 0;
        f.walk.hidden = s->hidden;
        f.walk.n_hidden = s->n_hidden;
        size_t n_got = rescore(&f, walk(&f, v->curve.effort[c], NULL), got);
        for (size_t i = 0; i < n_got; i++) /* of equal ones any is right */
            right += got[i].score >= s->truth[n - 1].score;
        uint32_t missed = (uint32_t)n - (uint32_t)size_min(right, n);
        m->missed[c] += missed;
        m->squares[c] += missed * missed;
        m->compared[c] += f.walk.compared;
    }
    f.walk.n_hidden = 0;
    *w = f.walk;
}

/* Somewhere in the i-th part: what comes in turns is not to be met in step. */
static uint32_t some_slot(const struct view *v, uint32_t i)
{
    uint32_t part = v->n_slots / MEASURED_WITH + 1, within = i * UINT32_C(0x9e3779b1) >> 8;
    uint32_t slot = (uint32_t)((uint64_t)i * v->n_slots / MEASURED_WITH) + within % part;
    while (slot < v->n_slots && !is_linked(v, slot))
        slot++;
    return slot < v->n_slots ? slot : v->n_slots;
}

static void measure_some(void *arg, size_t begin, size_t end, struct walk *w)
{
    struct measure *m = arg;
    const struct view *v = m->view;
    struct sample *s = mem_array(BATCH, sizeof(*s));
    size_t n = 0;
    for (size_t i = begin; i < end; i++) {
        uint32_t slot = m->n ? m->slot[i] : some_slot(v, (uint32_t)i);
        if (slot == v->n_slots)
            break;
        struct sample *each = &s[n++];
        each->slot = slot;
        each->find = (struct find){.view = v, .q = exact_of(v, slot), .n = v->shape.dimension};
        each->find.walk.pool = each->pool;
        vector_scale_query(v, each->find.q, each->find.n, each->bytes, &each->find.probe);
    }
    scan_around(v, s, n);
    for (size_t i = 0; i < n; i++)
        measure_one(m, &s[i], w);
    mem_free(s);
}

void vector_search_measure(struct view *v, const uint32_t *slot, size_t n, unsigned threads)
{
    static const uint32_t efforts[CURVE] = {16, 32, 64, 128, 256, 512};
    struct measure m = {.view = v, .slot = slot, .n = n};
    memcpy(v->curve.effort, efforts, sizeof(efforts));
    hnsw_build_spread(measure_some, &m, n ? n : MEASURED_WITH, BATCH, threads);
    for (int c = 0; c < CURVE && m.asked; c++) {
        float missed = (float)m.missed[c] + 2 * sqrtf((float)m.squares[c]) + 1;
        float recall = fmaxf(0, 1 - missed / (float)m.asked);
        v->curve.recall[c] = c ? fmaxf(recall, v->curve.recall[c - 1]) : recall;
        v->curve.compared[c] = (float)m.compared[c] / (float)m.samples;
    }
    v->curve.measured_at = m.asked ? v->n_live : 0;
}
