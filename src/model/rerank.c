#include "model/rerank.h"
#include "index/words.h"

#include <math.h>

enum { SAMPLE = 2048, SAMPLE_EACH = 256 };

/* What a detector looks at is short: a little of each text, from all over the list. */
static enum lang language(struct str query, const struct str *text, size_t n)
{
    struct buf sample;
    size_t step = n / (SAMPLE / SAMPLE_EACH) + 1;
    buf_init(&sample, 2 * SAMPLE + SAMPLE_EACH);
    buf_add(&sample, str_head(query, SAMPLE_EACH));
    for (size_t i = 0; i < n; i += step) {
        buf_char(&sample, '\n');
        buf_add(&sample, str_head(text[i], SAMPLE_EACH));
    }
    enum lang l = lang_detect(buf_str(&sample));
    buf_fini(&sample);
    return l;
}

static int by_term(const void *a, const void *b)
{
    const struct bm25_word *x = a, *y = b;
    return (x->term > y->term) - (x->term < y->term);
}

static const struct bm25_word *find(const struct bm25_word *word, size_t n, uint64_t term)
{
    const struct bm25_word key = {.term = term};
    return n ? bsearch(&key, word, n, sizeof(*word), by_term) : NULL;
}

/* The query's words in each text. */
struct counts {
    struct bm25_word word[BM25_MAX_WORDS]; /* by term */
    size_t n_words;
    uint32_t in[BM25_MAX_WORDS]; /* texts that have the word */
    uint16_t *times;             /* [texts][n_words] */
    uint32_t *length;            /* [texts] */
    double mean;
};

static void count_text(struct counts *c, size_t i, const struct words *w)
{
    uint16_t *times = &c->times[i * c->n_words];
    c->length[i] = w->length;
    c->mean += w->length;
    for (size_t k = 0; k < w->n; k++) {
        const struct bm25_word *hit = find(c->word, c->n_words, w->term[k]);
        if (hit && times[hit - c->word] < UINT16_MAX)
            times[hit - c->word]++;
    }
    for (size_t k = 0; k < c->n_words; k++)
        c->in[k] += times[k] > 0;
}

static void count(struct counts *c, struct str query, const struct str *text, size_t n,
                  struct arena *a)
{
    enum lang lang = language(query, text, n);
    struct words w = {0};
    c->n_words = words_of_query(c->word, query, &lang, 1);
    qsort(c->word, c->n_words, sizeof(c->word[0]), by_term);
    c->times = arena_array(a, uint16_t, n * c->n_words + 1);
    c->length = arena_array(a, uint32_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        words_of_passage(&w, lang, STR_NONE, STR_NONE, text[i]);
        count_text(c, i, &w);
    }
    words_fini(&w);
    c->mean = n && c->mean > 0 ? c->mean / (double)n : 1;
}

static int best_first(const void *a, const void *b)
{
    const struct rerank_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

struct rerank_hit *rerank(struct str query, const struct str *text, size_t n, struct arena *a)
{
    const struct bm25_params p = BM25_DEFAULT;
    struct counts *c = arena_struct(a, struct counts);
    struct rerank_hit *hit = arena_array(a, struct rerank_hit, n + 1);
    double weight[BM25_MAX_WORDS], once = 0;
    CHECK(n <= RERANK_MOST);
    count(c, query, text, n, a);
    for (size_t k = 0; k < c->n_words; k++) {
        double rarity = log(1 + ((double)n - c->in[k] + .5) / (c->in[k] + .5));
        weight[k] = c->word[k].weight * rarity * (p.k1 + 1);
        once += c->word[k].weight * rarity; /* of a text of the mean length */
    }
    for (size_t i = 0; i < n; i++) {
        double score = 0, room = p.k1 * (1 - p.b + p.b * c->length[i] / c->mean);
        for (size_t k = 0; k < c->n_words; k++) {
            double times = c->times[i * c->n_words + k];
            score += times > 0 ? weight[k] * times / (times + room) : 0;
        }
        hit[i] = (struct rerank_hit){(uint32_t)i, once > 0 ? 1 - exp2(-2 * score / once) : 0};
    }
    qsort(hit, n, sizeof(*hit), best_first);
    return hit;
}

void rerank_score(const struct rerank_weights *w, struct str query,
                  const struct rerank_candidate *c, size_t n, double *score, struct arena *a)
{
    if (!w)
        w = rerank_weights_built_in();
    const float *f = rerank_features(query, c, n, w->weight[RERANK_AGREE] != 0, a);
    for (size_t i = 0; i < n; i++, f += RERANK_FEATURE_COUNT) {
        double sum = w->bias;
        for (int k = 0; k < RERANK_FEATURE_COUNT; k++)
            sum += w->weight[k] * f[k];
        score[i] = 1 / (1 + exp(-sum));
    }
}
