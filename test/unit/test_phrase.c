/* Phrases and nearness, by the texts: the best passages that have them, each text read once. */
#include "index/phrase.h"
#include "base/hash.h"
#include "index/words.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXTS = 600, LENGTH = 14, VOCABULARY = 9 };

static unsigned seed = 77;

static unsigned draw(unsigned below)
{
    return (unsigned)rand_r(&seed) % below;
}

/* Word i is "w<i>"; those from 20 on stand for two words each, as several forms do. */
static unsigned text[TEXTS][LENGTH];

static uint64_t term(unsigned word)
{
    char name[16];
    return hash_stable((struct str){name, (size_t)snprintf(name, sizeof(name), "w%u", word)});
}

static struct str spell(struct arena *a, unsigned t)
{
    struct buf out;
    buf_init(&out, 1 << 12);
    for (size_t i = 0; i < LENGTH; i++)
        buf_printf(&out, "w%u%s", text[t][i], i % 5 == 4 ? ". " : " ");
    struct str s = arena_copy(a, buf_str(&out));
    buf_fini(&out);
    return s;
}

static struct bm25 *make_index(void)
{
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    struct words w = {0};
    struct arena *a = arena_new();
    for (unsigned t = 0; t < TEXTS; t++) {
        for (size_t i = 0; i < LENGTH; i++)
            text[t][i] = draw(4) ? draw(VOCABULARY) : 20 + 2 * draw(4);
        words_of_passage(&w, t % 3 ? LANG_EN : LANG_DE, STR_NONE, STR_NONE, spell(a, t));
        struct bm25_passage p = words_passage(&w);
        bm25_add(ix, t, t % 3 ? LANG_EN : LANG_DE, t, &p);
        if (t == TEXTS / 2)
            bm25_commit(ix);
    }
    bm25_commit(ix);
    words_fini(&w);
    arena_free(a);
    return ix;
}

struct source {
    struct arena *a;
    size_t times[TEXTS]; /* each was read */
    size_t texts;
    bool falling, fails;
    const bool *gone; /* [TEXTS]; NULL: none */
};

static bool read_texts(void *arg, const int64_t *key, size_t n, phrase_seen *seen, void *to,
                       struct err *e)
{
    struct source *s = arg;
    for (size_t i = 0; i < n; i++) {
        s->times[key[i]]++;
        s->texts++;
        s->falling = s->falling || (i && key[i] <= key[i - 1]);
        if (!s->gone || !s->gone[key[i]])
            seen(to, i, STR_NONE, STR_NONE, spell(s->a, (unsigned)key[i]));
    }
    return !s->fails || err_set(e, ERR_IO, "the disk is gone");
}

/* ---- Trying everything ---- */

struct wanted {
    unsigned word[4];
    size_t n;
    struct bm25_clause clause;
    struct bm25_spot spot[8];
};

static bool is(unsigned have, unsigned want)
{
    return have == want || have == want / 2 * 2 + 20;
}

/* Whether the words from `from` on find places of their own in text[low, high). */
static bool seated(const unsigned *in, size_t low, size_t high, const struct wanted *w, size_t from,
                   unsigned taken)
{
    bool good = from == w->n;
    for (size_t i = low; i < high && !good; i++)
        good = !(taken >> i & 1) && is(in[i], w->word[from]) &&
               seated(in, low, high, w, from + 1, taken | 1U << i);
    return good;
}

static bool has(const unsigned *in, const struct wanted *w)
{
    bool found = false;
    for (size_t low = 0; low < LENGTH && !found; low++) {
        if (w->clause.further) {
            found = seated(in, low, size_min(low + w->n + w->clause.further, LENGTH), w, 0, 0);
            continue;
        }
        size_t k = 0;
        while (k < w->n && low + k < LENGTH && is(in[low + k], w->word[k]))
            k++;
        found = k == w->n;
    }
    return found;
}

static void draw_clause(struct wanted *w)
{
    w->n = 2 + draw(3);
    for (size_t i = 0; i < w->n; i++) {
        w->word[i] = draw(VOCABULARY);
        w->spot[2 * i] = (struct bm25_spot){term(w->word[i]), (uint32_t)i};
        w->spot[2 * i + 1] = (struct bm25_spot){term(w->word[i] / 2 * 2 + 20), (uint32_t)i};
    }
    w->clause = (struct bm25_clause){.demand = draw(3) ? BM25_MUST : BM25_MUST_NOT,
                                     .spot = w->spot,
                                     .n = 2 * w->n,
                                     .further = draw(2) ? 1 + draw(5) : 0};
}

/* ---- Searches ---- */

/* Of all hits by words, those that fit come in the same order, with the same scores. */
static bool same_as_filtered(const struct bm25_view *v, const struct bm25_query *q,
                             const struct wanted *w, size_t clauses, const struct hit *got,
                             size_t n, size_t k)
{
    static struct hit all[TEXTS];
    struct bm25_query words = *q;
    words.n_clauses = 0;
    size_t m = bm25_search(&v, 1, &words, all, TEXTS), at = 0;
    for (size_t i = 0; i < m && at < k; i++) {
        bool fits = true;
        for (size_t c = 0; c < clauses; c++)
            fits = fits && has(text[all[i].key], &w[c]) == (w[c].clause.demand == BM25_MUST);
        if (!fits)
            continue;
        if (at == n || got[at].key != all[i].key || got[at].score != all[i].score)
            return false;
        at++;
    }
    return at == n;
}

static void test_searches(const struct bm25_view *v)
{
    enum { ROUNDS = 600 };
    size_t wrong = 0, found = 0, again = 0, unfit = 0, texts = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct arena *a = arena_new();
        struct wanted w[2];
        struct bm25_clause clause[2];
        struct bm25_word word[3];
        struct hit hit[TEXTS];
        struct source s = {.a = a};
        struct err e;
        size_t clauses = 1 + draw(2), k = draw(4) ? 1 + draw(20) : TEXTS, n, kept;
        for (size_t c = 0; c < clauses; c++) {
            draw_clause(&w[c]);
            clause[c] = w[c].clause;
        }
        for (uint32_t i = 0; i < COUNT(word); i++)
            word[i] = (struct bm25_word){term(draw(3) + 3 * i), 1, i};
        const struct phrase_texts from = {read_texts, &s};
        struct phrase_check *p = phrase_check_new(a, &v, 1, clause, clauses, &from);
        struct bm25_query q = {
            .word = word, .n = COUNT(word), .clause = clause, .n_clauses = clauses};
        bool good =
            phrase_search(p, &q, hit, k, &n, &e) && same_as_filtered(v, &q, w, clauses, hit, n, k);
        found += n;
        wrong += !good || s.falling;
        for (int64_t t = 0; t < TEXTS; t++)
            hit[t] = (struct hit){.key = t, .document = t};
        kept = TEXTS;
        good = phrase_fitting(p, 1, hit, &kept, &e); /* the first clause alone */
        for (size_t t = 0, at = 0; t < TEXTS; t++) {
            bool fits = has(text[t], &w[0]) == (clause[0].demand == BM25_MUST);
            bool got = at < kept && hit[at].key == (int64_t)t;
            at += got;
            unfit += !good || got != fits;
        }
        for (size_t t = 0; t < TEXTS; t++)
            again += s.times[t] > 1;
        texts += s.texts;
        arena_free(a);
    }
    ok(wrong == 0 && found > ROUNDS, "%zu hits, %zu searches unlike trying everything", found,
       wrong);
    ok(unfit == 0, "%zu hits of others judged otherwise", unfit);
    ok(again == 0, "%zu of %zu texts read twice for one query", again, texts);
}

/* A query for w1 and w2, in a phrase. */
struct plain {
    struct bm25_word word[2];
    struct bm25_spot spot[2];
    struct bm25_clause clause;
    struct bm25_query q;
};

static void plain(struct plain *p, enum bm25_demand demand)
{
    for (uint32_t i = 0; i < 2; i++) {
        p->word[i] = (struct bm25_word){term(i + 1), 1, i};
        p->spot[i] = (struct bm25_spot){term(i + 1), i};
    }
    p->clause = (struct bm25_clause){.demand = demand, .spot = p->spot, .n = 2};
    p->q = (struct bm25_query){.word = p->word, .n = 2, .clause = &p->clause, .n_clauses = 1};
}

static void test_work(const struct bm25_view *v)
{
    struct arena *a = arena_new();
    struct source s = {.a = a};
    const struct phrase_texts from = {read_texts, &s};
    struct plain p;
    struct hit hit[TEXTS];
    struct err e;
    size_t n, with_both = 0;
    plain(&p, BM25_MUST);
    for (size_t t = 0; t < TEXTS; t++) {
        bool one = false, two = false;
        for (size_t i = 0; i < LENGTH; i++) {
            one = one || text[t][i] == 1;
            two = two || text[t][i] == 2;
        }
        with_both += one && two;
    }
    ok(phrase_search(phrase_check_new(a, &v, 1, &p.clause, 1, &from), &p.q, hit, 1, &n, &e) &&
           n == 1 && s.texts <= 64,
       "one hit of %zu passages with the words: %zu texts read", with_both, s.texts);
    s = (struct source){.a = a};
    ok(phrase_search(phrase_check_new(a, &v, 1, &p.clause, 1, &from), &p.q, hit, TEXTS, &n, &e) &&
           s.texts == with_both,
       "all hits: those with the words, %zu texts", s.texts);
    s = (struct source){.a = a};
    struct docset *some = docset_new(TEXTS);
    for (uint32_t t = 0; t < TEXTS; t += 7)
        docset_add(some, t);
    p.q.allowed = (const struct docset *const *)&some;
    p.q.own_statistics = true;
    bool good =
        phrase_search(phrase_check_new(a, &v, 1, &p.clause, 1, &from), &p.q, hit, TEXTS, &n, &e);
    for (size_t t = 0; t < TEXTS; t++)
        good = good && (t % 7 == 0 || s.times[t] == 0);
    ok(good && s.texts > 0, "nothing is read that may not be found");
    docset_free(some);
    arena_free(a);
}

static void test_failures(const struct bm25_view *v)
{
    struct arena *a = arena_new();
    bool gone[TEXTS] = {false};
    struct source s = {.a = a, .fails = true};
    const struct phrase_texts from = {read_texts, &s};
    struct plain p;
    struct hit hit[TEXTS], before[TEXTS];
    struct err e = {0};
    size_t n, m;
    plain(&p, BM25_MUST);
    struct phrase_check *check = phrase_check_new(a, &v, 1, &p.clause, 1, &from);
    ok(!phrase_search(check, &p.q, hit, 5, &n, &e) && e.code == ERR_IO,
       "texts that cannot be read are an error: %s", e.msg);
    check = phrase_check_new(a, &v, 1, &p.clause, 1, &from);
    n = 5;
    for (int64_t i = 0; i < 5; i++)
        hit[i] = (struct hit){.key = i, .document = i};
    p.clause.demand = BM25_MUST_NOT;
    ok(!phrase_fitting(check, 1, hit, &n, &e), "also for hits of others");
    for (int demand = 0; demand < 2; demand++) {
        s = (struct source){.a = a};
        plain(&p, demand ? BM25_MUST_NOT : BM25_MUST);
        check = phrase_check_new(a, &v, 1, &p.clause, 1, &from);
        bool good = phrase_search(check, &p.q, before, TEXTS, &n, &e) && n > 3;
        s.gone = gone;
        gone[before[0].key] = gone[before[2].key] = true;
        check = phrase_check_new(a, &v, 1, &p.clause, 1, &from);
        good = good && phrase_search(check, &p.q, hit, TEXTS, &m, &e) && m == n - 2 &&
               hit[0].key == before[1].key && hit[1].key == before[3].key;
        ok(good, "a passage that has gone fits no %s", demand ? "absence" : "phrase");
        gone[before[0].key] = gone[before[2].key] = false;
    }
    arena_free(a);
}

/* ---- Fields, languages ---- */

static bool read_fields(void *arg, const int64_t *key, size_t n, phrase_seen *seen, void *to,
                        struct err *e)
{
    const struct str *field = arg;
    (void)e;
    for (size_t i = 0; i < n; i++)
        if (key[i] == 1)
            seen(to, i, field[0], field[1], field[2]);
    return true;
}

static const struct {
    const char *name;
    enum lang lang;
    const char *phrase;
    uint32_t further;
    bool found;
} cases[] = {
    {"in the title", LANG_EN, "running tests", 0, true},
    {"in the section", LANG_EN, "first step", 0, true},
    {"in the text", LANG_EN, "os path", 0, true},
    {"not across fields", LANG_EN, "tests first", 0, false},
    {"near across fields", LANG_EN, "tests first", 8, true},
    {"not so near", LANG_EN, "tests first", 7, false},
    {"over a stop word", LANG_EN, "call of names", 0, true},
    {"with any in its place", LANG_EN, "call the names", 0, true},
    {"part of a name", LANG_EN, "user call", 0, true},
    {"in the language of the passage", LANG_DE, "running tests", 0, false},
};

static void test_fields(void)
{
    static const struct str field[] = {STR_INIT("Running tests"), STR_INIT("First steps"),
                                       STR_INIT("getUser calls of names with os.path joined")};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new();
        struct bm25 *ix = bm25_new(BM25_DEFAULT);
        struct words w = {0};
        words_of_passage(&w, cases[i].lang, field[0], field[1], field[2]);
        struct bm25_passage passage = words_passage(&w);
        bm25_add(ix, 4, cases[i].lang, 1, &passage);
        bm25_commit(ix);
        const struct bm25_view *v = bm25_view(ix);
        struct bm25_spot spot[8];
        const enum lang en = LANG_EN;
        struct bm25_clause c = {
            .spot = spot,
            .n = words_spots(spot, COUNT(spot), str_from(cases[i].phrase), &en, 1),
            .further = cases[i].further};
        const struct phrase_texts from = {read_fields, (void *)field};
        struct hit hit = {.key = 1, .document = 4};
        size_t n = 1;
        struct err e;
        bool good = phrase_fitting(phrase_check_new(a, &v, 1, &c, 1, &from), 1, &hit, &n, &e);
        ok(good && n == cases[i].found, "%s: \"%s\"", cases[i].name, cases[i].phrase);
        bm25_view_free((struct bm25_view *)v);
        bm25_free(ix);
        words_fini(&w);
        arena_free(a);
    }
}

int main(void)
{
    struct bm25 *ix = make_index();
    struct bm25_view *v = bm25_view(ix);
    test_searches(v);
    test_work(v);
    test_failures(v);
    test_fields();
    bm25_view_free(v);
    bm25_free(ix);
    return tap_done();
}
