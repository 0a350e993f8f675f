/* The course of one retrieval. What several searches of a question found is joined by reciprocal
 * ranks (Cormack, Clarke and Büttcher, 2009), weighted by what the search is: their scores do not
 * compare, as each counts the words of its own text. One search alone keeps its scores. */
#include "answer/retrieve_part.h"
#include "answer/questions.h"
#include "answer/retrieve_cache.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "run/work.h"

#include <stdlib.h>

enum {
    FEEDBACK_BEST = 5, /* passages from which words are taken ... */
    FEEDBACK_ALL = 20, /* ... beside these, which tell what is common */
    RECIPROCAL = 60,
};
#define FEEDBACK_WEIGHT 0.5
/* Likeness below this is what passages about one thing have anyway. */
#define LIKE_LEAST 0.15
#define LIKE_COST 0.3

const char *retrieve_ranker_name(enum retrieve_ranker r)
{
#define X(name, text) text,
    static const char *const names[] = {RETRIEVE_RANKERS(X)};
#undef X
    return names[r];
}

void retrieve_note(struct retrieval *out, struct arena *a, const char *stage, const struct err *why)
{
    struct metric_family *f =
        metric_family("penstock_retrieval_fallbacks_total", METRIC_COUNTER, "stage",
                      "Stages of retrieval that were done in the built-in way because a model "
                      "failed or was late.");
    metric_add(metric_with(f, &(struct str){stage, strlen(stage)}), 1);
    log_info("retrieval_fallback", kv("stage", stage), kv("error", err_name(why->code)));
    if (out->n_notes < COUNT(out->note))
        out->note[out->n_notes++] =
            arena_printf(a, "%s: %s; done in the built-in way", stage, why->msg);
}

struct str retrieve_text(const struct doc_passage *p, struct arena *a)
{
    struct str title = p->title.len ? p->title : p->name, section = p->chunk.section;
    return arena_printf(a, "%.*s\n%.*s%s%.*s", STR_FMT(title), STR_FMT(section),
                        section.len ? "\n" : "", STR_FMT(p->chunk.text));
}

/* ---- Searching ---- */

struct searching {
    struct search_set *set;
    const struct retrieve_query *q;
    struct retrieval *out;
    struct candidates *all;
    size_t from;                  /* questions from here on */
    struct search_vector *vector; /* [questions][n_spaces]; NULL: none */
    size_t n_spaces;
    size_t k;
    struct arena *a;
    bool good;
    struct err err;
};

static struct candidate *candidate_of(struct candidates *all, int64_t chunk)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->c[i].r.passage.chunk.id == chunk)
            return &all->c[i];
    if (all->n == all->room)
        return NULL;
    struct candidate *c = &all->c[all->n++];
    *c = (struct candidate){.r.passage.chunk.id = chunk};
    return c;
}

/* Of several searches the best rank. */
static void note_found(struct retrieved_stage *to, const struct search_found *from)
{
    if (from->rank && (!to->rank || from->rank < to->rank))
        *to = (struct retrieved_stage){from->rank, from->score};
}

static void take_hit(struct searching *s, size_t question, const struct search_hit *h, size_t rank)
{
    struct candidate *c = candidate_of(s->all, h->chunk);
    if (!c)
        return;
    c->r.asked |= UINT64_C(1) << question;
    c->r.collection = h->collection;
    c->r.passage.chunk.document = h->document;
    c->order = (double)h->fused;
    if ((double)h->score > c->r.search.score)
        c->r.search.score = (double)h->score;
    note_found(&c->r.keyword, &h->keyword);
    note_found(&c->r.vector, &h->vector);
    c->joined += s->out->question[question].weight / (double)(RECIPROCAL + rank);
}

/* What was asked for further words' sake has the question's own vector. */
static size_t vector_of(const struct searching *s, size_t question)
{
    return strcmp(s->out->question[question].kind, "expanded") == 0 ? 0 : question;
}

static void search_all(void *arg)
{
    struct searching *s = arg;
    s->good = true;
    for (size_t i = s->from; s->good && i < s->out->n_questions; i++) {
        struct search_query query = s->q->search;
        struct search_hit *hit;
        size_t n;
        query.text = s->out->question[i].text;
        query.k = s->k;
        query.engines = s->out->level == RETRIEVE_VECTOR ? SEARCH_VECTOR : query.engines;
        query.n_vectors = s->n_spaces;
        query.vector = s->vector ? s->vector + vector_of(s, i) * s->n_spaces : NULL;
        if (s->q->report && i == 0) {
            s->out->n_engines = query.n_collections;
            s->out->engine = query.explain =
                arena_array(s->a, struct search_explain, query.n_collections + 1);
        }
        s->good = search_run(s->set, &query, s->a, &hit, &n, &s->err);
        for (size_t k = 0; s->good && k < n; k++)
            take_hit(s, i, &hit[k], k + 1);
    }
}

static int by_order(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? 1 : -1;
    return (x->r.passage.chunk.id > y->r.passage.chunk.id) -
           (x->r.passage.chunk.id < y->r.passage.chunk.id);
}

/* Puts them in order, and keeps the best. */
static void join(const struct retrieval *out, struct candidates *all, size_t keep)
{
    double most = 0;
    for (size_t i = 0; i < out->n_questions; i++)
        most += out->question[i].weight / (RECIPROCAL + 1);
    for (size_t i = 0; i < all->n; i++) {
        struct candidate *c = &all->c[i];
        c->joined = out->n_questions == 1 ? c->r.search.score : c->joined / most;
        c->order = out->n_questions == 1 ? c->order : c->joined;
    }
    if (all->n)
        qsort(all->c, all->n, sizeof(*all->c), by_order);
    all->n = size_min(all->n, keep);
    for (size_t i = 0; i < all->n; i++) {
        struct retrieved *r = &all->c[i].r;
        r->search.rank = (uint32_t)i + 1;
        r->score = all->c[i].joined;
    }
}

/* Joined scores as sums again, for more searches to add to. */
static void unjoin(const struct retrieval *out, struct candidates *all)
{
    double most = 0;
    for (size_t i = 0; i < out->n_questions; i++)
        most += out->question[i].weight / (RECIPROCAL + 1);
    for (size_t i = 0; i < all->n; i++)
        all->c[i].joined = out->n_questions == 1
                               ? out->question[0].weight / (double)(RECIPROCAL + i + 1)
                               : all->c[i].joined * most;
}

/* ---- Loading ---- */

/* The texts of those that have none yet. What has gone since the search is dropped, and what the
 * caller may no longer read. */
static bool load(const struct retriever *r, const struct rights *who, struct candidates *all,
                 struct arena *a, struct err *e)
{
    int64_t *id = arena_array(a, int64_t, all->n + 1);
    size_t n = 0, kept = 0, next = 0;
    struct doc_passage *p;
    for (size_t i = 0; i < all->n; i++)
        if (!all->c[i].loaded)
            id[n++] = all->c[i].r.passage.chunk.id;
    if (!doc_chunks_load(r->db, a, id, n, &p, e))
        return false;
    for (size_t i = 0; i < all->n; i++) {
        struct candidate *c = &all->c[i];
        if (!c->loaded) {
            c->r.passage = p[next++];
            c->loaded = c->r.passage.chunk.id != 0 && rights_allow(who, c->r.passage.access);
        }
        if (c->loaded)
            all->c[kept++] = *c;
    }
    all->n = kept;
    return true;
}

/* ---- Level 4: again, with words of what was found ---- */

struct feeding {
    const struct retrieve_query *q;
    const struct candidates *all;
    struct arena *a;
    struct str words;
};

static void find_words(void *arg)
{
    struct feeding *f = arg;
    struct str text[FEEDBACK_ALL];
    size_t n = size_min(f->all->n, FEEDBACK_ALL);
    for (size_t i = 0; i < n; i++)
        text[i] = f->all->c[i].r.passage.chunk.text;
    f->words = questions_feedback(f->q->text[0], text, n, size_min(n, FEEDBACK_BEST), f->a);
}

static bool feed_back(const struct retriever *r, struct searching *s, size_t keep, struct err *e)
{
    struct feeding f = {s->q, s->all, s->a, STR_NONE};
    work_run(find_words, &f);
    if (!f.words.len || s->out->n_questions == RETRIEVE_QUESTIONS)
        return true;
    unjoin(s->out, s->all);
    s->from = s->out->n_questions;
    s->out->question[s->out->n_questions++] = (struct retrieve_question){
        arena_printf(s->a, "%.*s %.*s", STR_FMT(s->q->text[0]), STR_FMT(f.words)), "expanded",
        FEEDBACK_WEIGHT};
    work_run(search_all, s);
    if (!s->good) {
        *e = s->err;
        return false;
    }
    join(s->out, s->all, keep);
    return load(r, s->q->search.rights, s->all, s->a, e);
}

/* ---- What is given out ---- */

struct choosing {
    const struct retrieve_query *q;
    struct candidates *all;
    struct arena *a;
    struct retrieval *out;
};

static void add_copy(struct candidate *of, const struct candidate *copy, struct arena *a)
{
    int64_t *list = arena_array(a, int64_t, of->r.n_copies + 1);
    if (of->r.n_copies)
        memcpy(list, of->r.copy, of->r.n_copies * sizeof(*list));
    list[of->r.n_copies++] = copy->r.passage.chunk.id;
    of->r.copy = list;
}

static void collapse(struct candidates *all, struct arena *a)
{
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++) {
        size_t k = 0;
        while (k < n && !near_same(&all->c[k].near, &all->c[i].near))
            k++;
        if (k < n)
            add_copy(&all->c[k], &all->c[i], a);
        else
            all->c[n++] = all->c[i];
    }
    all->n = n;
}

/* Maximal marginal relevance (Carbonell and Goldstein, 1998), mildly: what repeats a better passage
 * loses up to LIKE_COST of its score. */
static void choose(void *arg)
{
    struct choosing *ch = arg;
    struct candidates *all = ch->all;
    struct retrieval *out = ch->out;
    const struct retrieve_query *q = ch->q;
    if (!q->keep_duplicates) {
        for (size_t i = 0; i < all->n; i++)
            near_sketch(&all->c[i].near, all->c[i].r.passage.chunk.text);
        collapse(all, ch->a);
    }
    while (out->n < q->k && all->n > 0) {
        size_t best = 0;
        double score = -1;
        for (size_t i = 0; i < all->n; i++) {
            double mine = all->c[i].r.score * (1 - LIKE_COST * all->c[i].r.redundancy);
            if (mine > score) {
                score = mine;
                best = i;
            }
        }
        struct candidate c = all->c[best];
        memmove(&all->c[best], &all->c[best + 1], (--all->n - best) * sizeof(c));
        c.r.score = score;
        if (score < q->threshold)
            break; /* so are all that are left */
        out->hit[out->n++] = c.r;
        for (size_t i = 0; !q->keep_duplicates && i < all->n; i++) {
            double like = near_likeness(&c.near, &all->c[i].near);
            if (like > LIKE_LEAST && like > all->c[i].r.redundancy)
                all->c[i].r.redundancy = like;
        }
    }
}

/* ---- All of it ---- */

static enum retrieve_level level_of(const struct retrieve_query *q)
{
    return q->level == RETRIEVE_DEFAULT ? RETRIEVE_RERANKED : q->level;
}

/* How many are looked at: what is ranked again, or enough that k are left without duplicates. */
static size_t width(const struct retrieve_query *q, enum retrieve_level level)
{
    size_t spare = q->k + q->k / 2 + 5;
    size_t ranked = q->candidates ? q->candidates : RETRIEVE_CANDIDATES;
    return size_min(level >= RETRIEVE_RERANKED ? size_max(spare, ranked) : spare, RETRIEVE_MOST);
}

static bool find(const struct retriever *r, struct searching *s, enum retrieve_level level,
                 struct err *e)
{
    int64_t began = clock_now();
    s->vector = retrieve_embed(r, s->q, s->a, s->out, &s->n_spaces);
    int64_t start = clock_now();
    s->out->embed_us = (start - began) / NS_PER_US;
    work_run(search_all, s);
    if (!s->good) {
        *e = s->err;
        return false;
    }
    join(s->out, s->all, s->k);
    int64_t found = clock_now();
    s->out->search_us = (found - start) / NS_PER_US;
    if (!load(r, s->q->search.rights, s->all, s->a, e) ||
        (level >= RETRIEVE_EXPANDED && s->all->n && !feed_back(r, s, s->k, e)))
        return false;
    s->out->load_us = (clock_now() - found) / NS_PER_US;
    s->out->n_found = s->all->n;
    return true;
}

static bool find_anew(const struct retriever *r, const struct retrieve_query *q, struct arena *a,
                      struct retrieval *out, struct err *e)
{
    int64_t start = clock_now();
    enum retrieve_level level = level_of(q);
    size_t k = width(q, level);
    struct candidates all = {.n = 0};
    *out = (struct retrieval){
        .hit = arena_array(a, struct retrieved, size_min(q->k, k) + 1),
        .level = level,
        .ranker = "none",
        .cache = "off",
    };
    for (size_t i = 0; i < size_min(q->n_texts, RETRIEVE_QUESTIONS - 1); i++)
        out->question[out->n_questions++] = (struct retrieve_question){q->text[i], "asked", 1};
    if (level >= RETRIEVE_EXPANDED && q->n_texts)
        retrieve_plan(q, a, out);
    all.room = k * (out->n_questions + (level >= RETRIEVE_EXPANDED));
    all.c = arena_array(a, struct candidate, all.room);

    struct searching s = {.set = r->search, .q = q, .out = out, .all = &all, .k = k, .a = a};
    if (!find(r, &s, level, e))
        return false;
    int64_t found = clock_now();
    if (level >= RETRIEVE_RERANKED)
        retrieve_rank(q, &all, a, out);
    out->rerank_us = (clock_now() - found) / NS_PER_US;
    work_run(choose, &(struct choosing){q, &all, a, out});
    out->total_us = (clock_now() - start) / NS_PER_US;
    return true;
}

/* What a model's failure made poorer is not kept. */
static bool find_kept(const struct retriever *r, const struct retrieve_query *q, struct arena *a,
                      struct retrieval *out, struct err *e)
{
    int64_t start = clock_now();
    struct str key = STR_NONE;
    if (r->cache && !q->no_cache)
        key = retrieve_cache_key(r, q, a);
    if (!key.len)
        return find_anew(r, q, a, out, e);
    if (retrieve_cache_get(r->cache, key, a, out)) {
        out->cache = "hit";
        out->embed_us = out->search_us = out->load_us = out->rerank_us = 0;
        out->total_us = (clock_now() - start) / NS_PER_US;
        return true;
    }
    if (!find_anew(r, q, a, out, e))
        return false;
    out->cache = "miss";
    if (!out->n_notes)
        retrieve_cache_put(r->cache, key, out);
    return true;
}

bool retrieve(const struct retriever *r, const struct retrieve_query *q, struct arena *a,
              struct retrieval *out, struct err *e)
{
    if (!find_kept(r, q, a, out, e))
        return false;
    if (q->report)
        *q->report = *out;
    return true;
}
