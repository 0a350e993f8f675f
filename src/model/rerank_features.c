#include "model/rerank_features.h"
#include "model/rerank_agree.h"
#include "model/rerank_match.h"

#include <math.h>

enum { PLACES = 4096, WINDOW = 30, NEAR = 8, EARLY = 50, HEADING_PLACES = 64 };

/* A word is as rare as if nine times as many texts without it had been seen: the candidates were
 * picked for having the question's words. */
#define UNSEEN 9.0
#define K1 1.2
#define B 0.75

const char *rerank_feature_name(enum rerank_feature f)
{
#define X(name, text) text,
    static const char *const names[] = {RERANK_FEATURES(X)};
#undef X
    return names[f];
}

/* One candidate's text and headings. */
struct view {
    struct rerank_place *place;
    size_t n;
    uint32_t length, title_length;
    uint64_t in_text, in_title, in_section; /* bit i: word i is there */
    uint32_t title_hits;
};

struct looking {
    struct rerank_match *m;
    size_t n_words;
    double weight[RERANK_WORDS], all; /* of the words, and their sum */
    uint64_t named;
    double mean_length;
};

static uint64_t words_in(const struct rerank_place *p, size_t n)
{
    uint64_t set = 0;
    for (size_t i = 0; i < n; i++)
        set |= UINT64_C(1) << p[i].word;
    return set;
}

static void look(struct looking *l, const struct rerank_candidate *c, enum lang lang,
                 struct rerank_place *space, struct view *v, struct arena *a)
{
    struct rerank_place heading[HEADING_PLACES];
    uint32_t ignored;
    v->n = rerank_match_find(l->m, lang, c->text, space, PLACES, &v->length);
    v->place = arena_array(a, struct rerank_place, v->n + 1);
    if (v->n)
        memcpy(v->place, space, v->n * sizeof(*space));
    v->in_text = words_in(v->place, v->n);
    size_t n = rerank_match_find(l->m, lang, c->title, heading, HEADING_PLACES, &v->title_length);
    v->in_title = words_in(heading, n);
    v->title_hits = (uint32_t)n;
    n = rerank_match_find(l->m, lang, c->section, heading, HEADING_PLACES, &ignored);
    v->in_section = words_in(heading, n);
}

static void weigh(struct looking *l, const struct view *v, size_t n)
{
    double texts = (double)n * (1 + UNSEEN), length = 0;
    for (size_t k = 0; k < l->n_words; k++) {
        double in = 0;
        for (size_t i = 0; i < n; i++)
            in += (v[i].in_text | v[i].in_title | v[i].in_section) >> k & 1;
        l->weight[k] = log(1 + (texts - in + .5) / (in + .5));
        l->all += l->weight[k];
        l->named |= (uint64_t)rerank_match_named(l->m, k) << k;
    }
    for (size_t i = 0; i < n; i++)
        length += v[i].length;
    l->mean_length = length > 0 ? length / (double)n : 1;
}

static double share(const struct looking *l, uint64_t words)
{
    double sum = 0;
    for (; words; words &= words - 1)
        sum += l->weight[__builtin_ctzll(words)];
    return l->all > 0 ? sum / l->all : 0;
}

/* 0 to 1: what a text with each word very often would have is 1. */
static double bm25(const struct looking *l, const struct view *v)
{
    uint32_t times[RERANK_WORDS] = {0};
    double score = 0, room = K1 * (1 - B + B * v->length / l->mean_length);
    for (size_t i = 0; i < v->n; i++)
        times[v->place[i].word]++;
    for (size_t k = 0; k < l->n_words; k++)
        score += l->weight[k] * times[k] / (times[k] + room);
    return l->all > 0 ? score / l->all : 0;
}

/* Two ends move along the places; the counts say what lies between. */
static double window(const struct looking *l, const struct view *v)
{
    uint32_t times[RERANK_WORDS] = {0};
    double now = 0, best = 0;
    for (size_t from = 0, to = 0; to < v->n; to++) {
        uint32_t w = v->place[to].word;
        now += times[w]++ == 0 ? l->weight[w] : 0;
        for (; v->place[to].at - v->place[from].at >= WINDOW; from++)
            now -= --times[v->place[from].word] == 0 ? l->weight[v->place[from].word] : 0;
        best = now > best ? now : best;
    }
    return l->all > 0 ? best / l->all : 0;
}

static double lighter(const struct looking *l, size_t k)
{
    return fmin(l->weight[k], l->weight[k + 1]);
}

/* For each two words that are neighbours in the question: how close they come in the text. A pair
 * in order and side by side counts whole, and is a phrase. */
static double pairs(const struct looking *l, const struct view *v, double *phrases)
{
    double near[RERANK_WORDS] = {0}, sum = 0, all = 0;
    uint64_t follow = 0;
    for (size_t i = 0; i < v->n; i++)
        for (size_t j = i + 1; j < v->n && v->place[j].at - v->place[i].at <= NEAR; j++) {
            uint32_t x = v->place[i].word, y = v->place[j].word;
            uint32_t gap = v->place[j].at - v->place[i].at;
            if (x + 1 != y && y + 1 != x)
                continue;
            uint32_t k = x < y ? x : y;
            near[k] = fmax(near[k], (x < y ? 1.0 : 0.8) / gap);
            follow |= (uint64_t)(x < y && gap == 1) << k;
        }
    *phrases = 0;
    for (size_t k = 0; k + 1 < l->n_words; k++) {
        all += lighter(l, k);
        sum += lighter(l, k) * near[k];
        *phrases += follow >> k & 1 ? lighter(l, k) : 0;
    }
    *phrases = all > 0 ? *phrases / all : 0;
    return all > 0 ? sum / all : 0;
}

static uint64_t early(const struct view *v)
{
    size_t n = 0;
    while (n < v->n && v->place[n].at < EARLY)
        n++;
    return words_in(v->place, n);
}

static double names(const struct looking *l, uint64_t words)
{
    int all = __builtin_popcountll(l->named);
    return all ? (double)__builtin_popcountll(words & l->named) / all : 0;
}

static void describe(const struct looking *l, const struct view *v, float *f)
{
    uint64_t words = v->in_text | v->in_title | v->in_section;
    double phrases, length = log2((v->length + 1.0) / (l->mean_length + 1));
    f[RERANK_BM25] = (float)bm25(l, v);
    f[RERANK_COVERAGE] = (float)share(l, words);
    f[RERANK_ALL] = l->n_words && words == UINT64_MAX >> (64 - l->n_words);
    f[RERANK_TITLE] = (float)share(l, v->in_title);
    f[RERANK_SECTION] = (float)share(l, v->in_section);
    f[RERANK_FOCUS] = v->title_length ? (float)v->title_hits / (float)v->title_length : 0;
    f[RERANK_WINDOW] = (float)window(l, v);
    f[RERANK_PAIRS] = (float)pairs(l, v, &phrases);
    f[RERANK_PHRASES] = (float)phrases;
    f[RERANK_EARLY] = (float)share(l, early(v));
    f[RERANK_DENSITY] = v->length ? (float)sqrt((double)v->n / v->length) : 0;
    f[RERANK_NAMES] = (float)names(l, words);
    f[RERANK_LENGTH] = (float)(.5 + fmax(-.5, fmin(.5, length / 6)));
}

/* What the search said, as it stands among the candidates. */
static void describe_search(const struct rerank_candidate *c, size_t n, float *f)
{
    double best = c[0].score, worst = c[0].score;
    for (size_t i = 1; i < n; i++) {
        best = fmax(best, c[i].score);
        worst = fmin(worst, c[i].score);
    }
    for (size_t i = 0; i < n; i++, f += RERANK_FEATURE_COUNT) {
        f[RERANK_RETRIEVAL] = best > worst ? (float)((c[i].score - worst) / (best - worst)) : 1;
        f[RERANK_RANK] = (float)(1 - log2(1.0 + (double)i) / log2(2.0 + (double)n));
        f[RERANK_BEGIN] = c[i].idx == 0;
    }
}

static void describe_agreement(const struct rerank_candidate *c, size_t n, float *f,
                               struct arena *a)
{
    struct str *text = arena_array(a, struct str, n);
    float *agree = arena_array(a, float, n);
    for (size_t i = 0; i < n; i++)
        text[i] = c[i].text;
    rerank_agree(text, n, agree, a);
    for (size_t i = 0; i < n; i++)
        f[i * RERANK_FEATURE_COUNT + RERANK_AGREE] = sqrtf(agree[i]);
}

/* The language of most, for those that do not say theirs. */
static enum lang usual(const struct rerank_candidate *c, size_t n)
{
    uint32_t count[LANG_COUNT] = {0};
    enum lang best = LANG_OTHER;
    for (size_t i = 0; i < n; i++)
        count[c[i].lang]++;
    for (int l = LANG_OTHER + 1; l < LANG_COUNT; l++)
        if (count[l] > (best == LANG_OTHER ? 0 : count[best]))
            best = (enum lang)l;
    return best;
}

float *rerank_features(struct str query, const struct rerank_candidate *c, size_t n, bool agreement,
                       struct arena *a)
{
    float *f = arena_array(a, float, n *RERANK_FEATURE_COUNT + 1);
    struct view *v = arena_array(a, struct view, n + 1);
    struct rerank_place *space = arena_array(a, struct rerank_place, PLACES);
    struct looking l = {.m = rerank_match_new(query, a)};
    enum lang most = usual(c, n);
    if (n == 0)
        return f;
    l.n_words = rerank_match_words(l.m);
    for (size_t i = 0; i < n; i++)
        look(&l, &c[i], c[i].lang == LANG_OTHER ? most : c[i].lang, space, &v[i], a);
    weigh(&l, v, n);
    for (size_t i = 0; i < n; i++)
        describe(&l, &v[i], &f[i * RERANK_FEATURE_COUNT]);
    describe_search(c, n, f);
    if (agreement)
        describe_agreement(c, n, f, a);
    return f;
}
