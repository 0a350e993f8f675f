/* Training finds what judgments prefer, changes little for few of them, and repeats itself. */
#include "model/rerank_train.h"

#include "tap.h"

enum { QUERIES = 60, EACH = 4 };

/* The good passage has the word in its title; the search prefers another one. */
static void make(struct judged *j, struct arena *a)
{
    j->q = arena_array(a, struct judged_query, QUERIES);
    j->n = QUERIES;
    for (size_t i = 0; i < QUERIES; i++) {
        struct judged_query *q = &j->q[i];
        struct str word = arena_printf(a, "word%zu", i);
        *q = (struct judged_query){.text = word, .n = EACH, .ideal = 1, .weight = 1};
        q->c = arena_array(a, struct rerank_candidate, EACH);
        q->grade = arena_array(a, float, EACH);
        for (size_t k = 0; k < EACH; k++)
            q->c[k] = (struct rerank_candidate){.text = word, .score = (double)(EACH - k)};
        q->c[2].title = word;
        q->grade[2] = 1;
    }
}

int main(void)
{
    struct arena *a = arena_new();
    struct judged j = {0};
    struct rerank_table t;
    struct rerank_weights start = {.weight = {[RERANK_RETRIEVAL] = 2}}, w, again, few;
    bool half[QUERIES] = {0}, other[QUERIES] = {0}, one[QUERIES] = {true};
    make(&j, a);
    rerank_table_make(&t, &j, a);
    for (size_t i = 0; i < QUERIES; i++)
        *(i % 2 ? &half[i] : &other[i]) = true;
    rerank_train(&t, half, &start, &w);
    struct rerank_quality q = rerank_evaluate(&t, other, &w);
    ok(q.queries == QUERIES / 2 && q.before < .6 && q.after > .99,
       "questions that were not seen get better: %.3f, %.3f", q.before, q.after);
    ok(w.weight[RERANK_TITLE] > .5, "the title counts: %.2f", w.weight[RERANK_TITLE]);
    for (int k = 0; k < RERANK_FEATURE_COUNT; k++)
        ok(w.weight[k] >= 0 || k == RERANK_LENGTH || k == RERANK_DENSITY || k == RERANK_BEGIN,
           "%s speaks for, or not at all", rerank_feature_name((enum rerank_feature)k));
    rerank_train(&t, half, &start, &again);
    ok(memcmp(&w, &again, sizeof(w)) == 0, "the same twice");
    rerank_train(&t, one, &start, &few);
    ok(few.weight[RERANK_RETRIEVAL] > w.weight[RERANK_RETRIEVAL],
       "one question moves less than thirty: %.2f, %.2f", few.weight[RERANK_RETRIEVAL],
       w.weight[RERANK_RETRIEVAL]);
    arena_free(a);
    return tap_done();
}
