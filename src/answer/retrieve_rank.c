/* The closer look: a re-ranking model, a chat model as judge, or what is built in. */
#include "answer/judge.h"
#include "answer/questions.h"
#include "answer/retrieve_part.h"
#include "model/rerank.h"
#include "run/work.h"

#include <math.h>
#include <stdlib.h>

static int best_first(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->r.score != y->r.score)
        return x->r.score < y->r.score ? 1 : -1;
    return (x->r.passage.chunk.id > y->r.passage.chunk.id) -
           (x->r.passage.chunk.id < y->r.passage.chunk.id);
}

/* The texts that a passage is compared with: the question, and its parts; each part's best passage
 * is as good as the whole question's. What is named as not wanted earns nothing here either. */
static size_t asked_for(const struct retrieval *out, struct str text[RETRIEVE_QUESTIONS],
                        struct arena *a)
{
    size_t n = 0;
    for (size_t i = 0; i < out->n_questions; i++)
        if (strcmp(out->question[i].kind, "asked") == 0 ||
            strcmp(out->question[i].kind, "part") == 0)
            text[n++] = query_wanted(out->question[i].text, a);
    return n;
}

struct scoring {
    const struct retrieve_query *q;
    const struct retrieval *out;
    struct candidates *all;
    const struct str *text;
    double *score;
    struct arena *a;
};

static void score_built_in(void *arg)
{
    struct scoring *s = arg;
    struct str asked[RETRIEVE_QUESTIONS];
    size_t n = asked_for(s->out, asked, s->a);
    struct rerank_candidate *c = arena_array(s->a, struct rerank_candidate, s->all->n + 1);
    double *score = arena_array(s->a, double, s->all->n + 1);
    for (size_t k = 0; k < s->all->n; k++) {
        const struct doc_passage *p = &s->all->c[k].r.passage;
        c[k] = (struct rerank_candidate){.title = p->title.len ? p->title : p->name,
                                         .section = p->chunk.section,
                                         .text = p->chunk.text,
                                         .score = s->all->c[k].order,
                                         .lang = lang_from_code(p->language),
                                         .idx = p->chunk.idx};
    }
    for (size_t i = 0; i < n; i++) {
        rerank_score(s->q->weights, asked[i], c, s->all->n, score, s->a);
        for (size_t k = 0; k < s->all->n; k++)
            s->score[k] = fmax(s->score[k], score[k]);
    }
    if (!s->q->report || !n)
        return;
    const float *f = rerank_features(asked[0], c, s->all->n, true, s->a);
    for (size_t k = 0; k < s->all->n; k++)
        s->all->c[k].r.feature = f + k * RERANK_FEATURE_COUNT;
}

/* Some give probabilities, others logits of any size. */
static void to_unit(double *score, size_t n)
{
    bool inside = true;
    for (size_t i = 0; i < n; i++)
        inside = inside && score[i] >= 0 && score[i] <= 1;
    for (size_t i = 0; !inside && i < n; i++)
        score[i] = 1 / (1 + exp(-score[i]));
}

static bool all_numbers(const double *score, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(score[i]))
            return err_set(e, ERR_UPSTREAM, "the re-ranker's scores are no numbers");
    return true;
}

static bool score_by_model(const struct retrieve_query *q, struct scoring *s, struct err *e)
{
    const struct retrieve_models *m = q->models;
    size_t n = s->all->n;
    if (!m || !m->rerank)
        return err_set(e, ERR_NOT_FOUND, "no re-ranker is configured");
    if (!m->rerank(m->ctx, s->out->question[0].text, s->text, n, s->score, s->a, e) ||
        !all_numbers(s->score, n, e))
        return false;
    to_unit(s->score, n);
    return true;
}

/* What is over the judge's limit keeps its order behind the rest. */
static bool score_by_judge(const struct retrieve_query *q, struct scoring *s, struct err *e)
{
    const struct retrieve_models *m = q->models;
    size_t n = size_min(s->all->n, JUDGE_MOST);
    struct str answer, question = s->out->question[0].text;
    if (!m || !m->ask)
        return err_set(e, ERR_NOT_FOUND, "no chat model is configured");
    if (!m->ask(m->ctx, judge_instructions(), judge_message(question, s->text, n, s->a), s->a,
                &answer, e) ||
        !judge_read(answer, s->score, n, s->a, e))
        return false;
    for (size_t i = 0; i < s->all->n; i++) /* equal marks: as the search had them */
        s->score[i] = (i < n ? 0.98 * s->score[i] : 0) + 0.02 * s->all->c[i].joined;
    return true;
}

static enum retrieve_ranker choose(const struct retrieve_query *q)
{
    const struct retrieve_models *m = q->models;
    if (q->ranker != RANKER_AUTO)
        return q->ranker;
    return m && m->rerank ? RANKER_MODEL : m && m->ask && m->judge ? RANKER_JUDGE : RANKER_BUILT_IN;
}

void retrieve_rank(const struct retrieve_query *q, struct candidates *all, struct arena *a,
                   struct retrieval *out)
{
    struct str *text = arena_array(a, struct str, all->n + 1);
    struct scoring s = {q, out, all, text, arena_array(a, double, all->n + 1), a};
    enum retrieve_ranker who = choose(q);
    struct err e;
    if (who == RANKER_NONE || all->n == 0)
        return;
    for (size_t i = 0; who != RANKER_BUILT_IN && i < all->n; i++)
        text[i] = retrieve_text(&all->c[i].r.passage, a);
    if ((who == RANKER_MODEL && !score_by_model(q, &s, &e)) ||
        (who == RANKER_JUDGE && !score_by_judge(q, &s, &e))) {
        retrieve_note(out, a, retrieve_ranker_name(who), &e);
        who = RANKER_BUILT_IN;
        for (size_t i = 0; i < all->n; i++)
            s.score[i] = 0;
    }
    if (who == RANKER_BUILT_IN)
        work_run(score_built_in, &s);
    out->ranker = retrieve_ranker_name(who);
    for (size_t i = 0; i < all->n; i++)
        all->c[i].r.score = all->c[i].r.rerank.score = s.score[i];
    qsort(all->c, all->n, sizeof(*all->c), best_first);
    for (size_t i = 0; i < all->n; i++)
        all->c[i].r.rerank.rank = (uint32_t)i + 1;
}

/* ---- Vectors of the question ---- */

static bool has_space(const struct space *list, size_t n, int64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].id == id)
            return true;
    return false;
}

/* The different spaces outside that the collections use. */
static bool spaces_of(const struct retriever *r, const struct retrieve_query *q, struct arena *a,
                      struct space *list, size_t *n, struct err *e)
{
    *n = 0;
    for (size_t i = 0; i < q->search.n_collections; i++) {
        struct space live;
        if (!space_live(r->db, a, q->search.collection[i], &live, NULL, e))
            return false;
        if (live.id && !has_space(list, *n, live.id))
            list[(*n)++] = live;
    }
    return true;
}

struct search_vector *retrieve_embed(const struct retriever *r, const struct retrieve_query *q,
                                     struct arena *a, struct retrieval *out, size_t *n_spaces)
{
    const struct retrieve_models *m = q->models;
    struct space *space = arena_array(a, struct space, q->search.n_collections + 1);
    struct str text[RETRIEVE_QUESTIONS];
    size_t n = out->n_questions, found = 0;
    struct err e;
    *n_spaces = 0;
    if (!m || !m->embed || !n)
        return NULL;
    if (!spaces_of(r, q, a, space, &found, &e)) {
        retrieve_note(out, a, "embedding", &e);
        return NULL;
    }
    struct search_vector *v = arena_array(a, struct search_vector, n * found + 1);
    for (size_t i = 0; i < n; i++)
        text[i] = out->question[i].text;
    for (size_t s = 0; s < found; s++) {
        float *numbers = arena_array(a, float, n *space[s].dimension);
        if (!m->embed(m->ctx, &space[s], text, n, numbers, a, &e)) {
            retrieve_note(out, a, "embedding", &e);
            continue; /* such an entry has space 0, which is none */
        }
        out->space = space[s].name;
        for (size_t i = 0; i < n; i++)
            v[i * found + s] = (struct search_vector){space[s].id, numbers + i * space[s].dimension,
                                                      space[s].dimension};
    }
    *n_spaces = found;
    return found ? v : NULL;
}

/* ---- Level 4 ---- */

static void add_question(struct retrieval *out, struct str text, const char *kind, double weight)
{
    for (size_t i = 0; i < out->n_questions; i++)
        if (str_ieq(out->question[i].text, text))
            return;
    if (out->n_questions < RETRIEVE_QUESTIONS - 1) /* one is left for feedback */
        out->question[out->n_questions++] = (struct retrieve_question){text, kind, weight};
}

static bool plan_by_model(const struct retrieve_query *q, struct arena *a,
                          struct questions_said *said, struct err *e)
{
    const struct retrieve_models *m = q->models;
    struct str answer;
    struct str message =
        arena_printf(a, "<question>%.*s</question>", STR_FMT(str_head(q->text[0], 8192)));
    return m->ask(m->ctx, questions_instructions(), message, a, &answer, e) &&
           questions_read(said, answer, a, e);
}

void retrieve_plan(const struct retrieve_query *q, struct arena *a, struct retrieval *out)
{
    struct questions_said said = {.n_parts = 0};
    struct err e;
    if (q->models && q->models->ask && !plan_by_model(q, a, &said, &e))
        retrieve_note(out, a, "expansion", &e);
    if (said.n_parts == 0)
        said.n_parts = questions_split(q->text[0], said.part, a);
    if (said.standalone.len)
        add_question(out, said.standalone, "reworded", 1.0);
    for (size_t i = 0; i < said.n_parts; i++)
        add_question(out, said.part[i], "part", 0.8);
    for (size_t i = 0; i < said.n_reworded; i++)
        add_question(out, said.reworded[i], "reworded", 0.5);
}
