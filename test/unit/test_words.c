/* What passages and queries become, and that they meet. */
#include "index/words.h"
#include "base/hash.h"
#include "tap.h"

#include <stdlib.h>

static bool holds(const struct words *w, const char *term)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->term[i] == hash_stable(str_from(term)))
            return true;
    return false;
}

static void test_passages(void)
{
    struct words w = {0};
    words_of_passage(&w, LANG_EN, STR("The Manual"), STR("Install > Sources"),
                     STR("Running it is easy."));
    ok(w.n == 5 && w.length == 5, "stop words do not count");
    ok(holds(&w, "manual") && holds(&w, "sourc") && holds(&w, "run"), "title, section and text");
    words_of_passage(&w, LANG_JA, STR(""), STR(""), STR("今日は"));
    ok(w.n == 5 && w.length == 2, "single characters are there but do not count");
    words_of_passage(&w, LANG_EN, STR("One two"), STR("three"), STR("the four"));
    ok(w.n == 4 && w.field_length[BM25_TITLE] == 2 && w.field_length[BM25_SECTION] == 1 &&
           w.field_length[BM25_BODY] == 1,
       "each field has its length");
    words_of_passage(&w, LANG_EN, STR(""), STR(""), STR(""));
    ok(w.n == 0 && w.length == 0, "nothing");
    words_fini(&w);
}

static void test_walk(void)
{
    static const char *const want[] = {"one",   "two",     "three", "the",
                                       "fours", "getuser", "get",   "user"};
    static const uint32_t place[] = {0, 1, 10, 19, 20, 21, 21, 21};
    struct words_walk w;
    struct term term;
    size_t n = 0, right = 0;
    words_walk_begin(&w, LANG_OTHER, STR("One two"), STR("three"), STR("the fours getUser"));
    for (; words_walk_next(&w, &term); n++)
        right += n < COUNT(want) && str_eq(term.text, str_from(want[n])) &&
                 term.place == place[n] &&
                 w.field == (n < 2   ? BM25_TITLE
                             : n < 3 ? BM25_SECTION
                                     : BM25_BODY);
    ok(n == COUNT(want) && right == n, "one by one: fields are apart, stop words have a place");
    words_walk_begin(&w, LANG_EN, STR(""), STR(""), STR(""));
    ok(!words_walk_next(&w, &term), "nothing");
}

static const struct {
    const char *name, *text;
    enum lang lang[3];
    size_t n_langs, terms, groups;
    float most; /* the largest weight */
} queries[] = {
    {"nothing", "", {LANG_EN}, 1, 0, 0, 0},
    {"stop words", "to be or not to be", {LANG_EN}, 1, 0, 0, 0},
    {"two words", "red bricks", {LANG_EN}, 1, 2, 2, 1},
    {"a word twice, in two forms", "brick and bricks", {LANG_EN}, 1, 1, 1, 2},
    {"forms in two languages", "connections", {LANG_EN, LANG_OTHER}, 2, 2, 1, 1},
    {"forms that meet", "connections connected", {LANG_EN, LANG_OTHER}, 2, 3, 1, 2},
    {"a stop word of one language", "der connection", {LANG_EN, LANG_DE}, 2, 2, 1, 1},
    {"the same in both languages", "x86", {LANG_EN, LANG_DE}, 2, 1, 1, 1},
    {"pairs of characters", "今日は", {LANG_JA, LANG_EN}, 2, 2, 2, 1},
};

static void test_queries(void)
{
    for (size_t i = 0; i < COUNT(queries); i++) {
        struct bm25_word word[BM25_MAX_WORDS];
        size_t n =
            words_of_query(word, str_from(queries[i].text), queries[i].lang, queries[i].n_langs);
        size_t groups = 0;
        float most = 0;
        for (size_t k = 0; k < n; k++) {
            groups += k == 0 || word[k].group != word[k - 1].group;
            most = word[k].weight > most ? word[k].weight : most;
        }
        ok(n == queries[i].terms && groups == queries[i].groups && most == queries[i].most,
           "%s: %zu terms in %zu groups, at most %g times", queries[i].name, n, groups, most);
    }
}

static void test_long_queries(void)
{
    enum { LEN = 1 << 20 };
    char *text = mem_new(LEN);
    for (size_t i = 0; i < LEN; i++)
        text[i] = i % 5 == 4 ? ' ' : (char)('a' + i * i / 7 % 26);
    struct bm25_word word[BM25_MAX_WORDS];
    enum lang lang[] = {LANG_EN, LANG_DE, LANG_FR};
    size_t n = words_of_query(word, (struct str){text, LEN}, lang, 3);
    ok(n > 0 && n <= BM25_MAX_WORDS, "a megabyte of query gives %zu terms", n);
    mem_free(text);
}

static void add(struct bm25 *ix, uint32_t document, enum lang lang, const char *text)
{
    struct words w = {0};
    words_of_passage(&w, lang, STR(""), STR(""), str_from(text));
    struct bm25_passage p = words_passage(&w);
    bm25_add(ix, document, lang, document, &p);
    words_fini(&w);
}

static int64_t best(const struct bm25_view *v, const char *text)
{
    enum lang lang[WORDS_LANGS];
    struct bm25_word word[BM25_MAX_WORDS];
    struct hit hit[1];
    size_t n_langs = words_langs(lang, &v, 1);
    struct bm25_query q = {.word = word, .n = words_of_query(word, str_from(text), lang, n_langs)};
    return bm25_search(&v, 1, &q, hit, 1) ? hit[0].key : -1;
}

/* One index with texts in three languages, asked in each. */
static void test_languages_side_by_side(void)
{
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    bm25_commit(ix);
    struct bm25_view *empty = bm25_view(ix);
    enum lang lang[WORDS_LANGS];
    ok(words_langs(lang, (const struct bm25_view *const *)&empty, 1) == 1 && lang[0] == LANG_EN,
       "an empty index is asked in English");
    bm25_view_free(empty);
    add(ix, 1, LANG_EN, "The houses were connected by tunnels.");
    add(ix, 2, LANG_DE, "Die Häuser waren durch Gänge verbunden.");
    add(ix, 3, LANG_JA, "家はトンネルでつながっていた。");
    for (uint32_t i = 4; i < 40; i++)
        add(ix, i, LANG_EN, "Nothing of interest.");
    bm25_commit(ix);
    struct bm25_view *v = bm25_view(ix);
    ok(words_langs(lang, (const struct bm25_view *const *)&v, 1) == 3 && lang[0] == LANG_EN,
       "three languages, the most frequent first");
    ok(best(v, "connecting house") == 1, "English inflection");
    ok(best(v, "HAUS") == 2, "German plural");
    ok(best(v, "トンネル") == 3, "Japanese");
    ok(best(v, "家") == 3, "a single character");
    ok(best(v, "the") == -1, "a stop word alone finds nothing");
    bm25_view_free(v);
    bm25_free(ix);
}

int main(void)
{
    test_passages();
    test_walk();
    test_queries();
    test_long_queries();
    test_languages_side_by_side();
    return tap_done();
}
