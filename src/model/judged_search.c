#include "model/judged_search.h"
#include "math/dot.h"

#include <math.h>

enum { LEARN_LEAST = 100 /* documents */ };

static void index_words(struct judged_search *s)
{
    struct words w = {0};
    s->index = bm25_new(BM25_DEFAULT);
    for (size_t i = 0; i < s->n; i++) {
        const struct rerank_candidate *d = &s->doc[i];
        words_of_passage(&w, d->lang, d->title, d->section, d->text);
        const struct bm25_passage p = words_passage(&w);
        bm25_add(s->index, (uint32_t)i, d->lang, (int64_t)i, &p);
    }
    words_fini(&w);
    bm25_commit(s->index);
    s->view = bm25_view(s->index);
}

static void index_vectors(struct judged_search *s)
{
    const struct lsa_options o = {.seed = 1};
    struct lsa_learner *l = lsa_learner_new(&o);
    for (size_t i = 0; i < s->n; i++)
        lsa_learner_add(l, s->doc[i].lang, s->doc[i].title, s->doc[i].section, s->doc[i].text);
    s->lsa = lsa_learner_finish(l);
    lsa_learner_free(l);
    if (!s->lsa)
        return;
    uint32_t d = lsa_dimension(s->lsa);
    s->vector = mem_array(s->n * d + 1, sizeof(*s->vector));
    s->placed = mem_array(s->n + 1, sizeof(*s->placed));
    for (size_t i = 0; i < s->n; i++)
        s->placed[i] = lsa_passage(s->lsa, s->doc[i].lang, s->doc[i].title, s->doc[i].section,
                                   s->doc[i].text, s->vector + i * d, NULL);
}

void judged_search_init(struct judged_search *s, const struct rerank_candidate *doc, size_t n)
{
    *s = (struct judged_search){.doc = doc, .n = n};
    index_words(s);
    if (n >= LEARN_LEAST)
        index_vectors(s);
}

void judged_search_fini(struct judged_search *s)
{
    bm25_view_free((struct bm25_view *)s->view);
    bm25_free(s->index);
    lsa_unref(s->lsa);
    mem_free(s->vector);
    mem_free(s->placed);
}

static size_t ask_words(const struct judged_search *s, struct str text, struct hit *hit)
{
    struct bm25_word *word = mem_array(BM25_MAX_WORDS, sizeof(*word));
    enum lang lang[WORDS_LANGS];
    struct bm25_query q = {.word = word};
    q.n = words_of_query(word, text, lang, words_langs(lang, &s->view, 1));
    size_t n = bm25_search(&s->view, 1, &q, hit, FUSE_DEPTH);
    mem_free(word);
    return n;
}

static size_t nearest(const struct judged_search *s, const float *question, struct hit *hit)
{
    struct top top = {.hit = hit, .k = FUSE_DEPTH};
    uint32_t d = lsa_dimension(s->lsa);
    for (size_t i = 0; i < s->n; i++)
        if (s->placed[i])
            top_offer(&top, (struct hit){.key = (int64_t)i,
                                         .document = (int64_t)i,
                                         .score = dot_product(question, s->vector + i * d, d)});
    top_sort(&top);
    return top.n;
}

/* Moves the question towards the best passages, as collections do. */
static void feed_back(const struct judged_search *s, float *question, const struct fuse_hit *hit,
                      size_t n)
{
    const float *best[FUSE_FEEDBACK];
    float score[FUSE_FEEDBACK];
    uint32_t d = lsa_dimension(s->lsa);
    size_t kept = 0;
    for (size_t i = 0; i < n && kept < FUSE_FEEDBACK; i++)
        if (s->placed[hit[i].key]) {
            best[kept] = s->vector + (size_t)hit[i].key * d;
            score[kept++] = hit[i].score;
        }
    fuse_feedback(question, d, best, score, kept);
}

size_t judged_search_ask(const struct judged_search *s, struct str text, struct fuse_hit *hit,
                         size_t k)
{
    struct hit word[FUSE_DEPTH], near[FUSE_DEPTH];
    float question[LSA_DIMENSION];
    struct fuse_list list[2] = {{word, ask_words(s, text, word), FUSE_TEXT, 0},
                                {near, 0, FUSE_EMBEDDING, NAN}};
    if (s->lsa && lsa_query(s->lsa, text, question)) {
        list[1].n = nearest(s, question, near);
        size_t n = fuse_lists(list, hit, k);
        feed_back(s, question, hit, n);
        list[1].n = nearest(s, question, near);
    }
    return fuse_lists(list, hit, k);
}
