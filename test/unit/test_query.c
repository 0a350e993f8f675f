/* What a typed query finds; questions in natural language are read as they are. */
#include "index/query.h"
#include "base/hash.h"
#include "tap.h"

#include <stdlib.h>

static const char *const passages[] = {
    "A suspension bridge hangs from steel ropes.",                        /* 0 */
    "An arch bridge is built of stone.",                                  /* 1 */
    "The bridge of steel needs no suspension.",                           /* 2 */
    "Configuration files configure the service; conflicts are reported.", /* 3 */
    "The colour of the bridge is red.",                                   /* 4 */
    "Call getUserName before user_id is read from os.path.join.",         /* 5 */
    "東京都の橋は長い。",                                                 /* 6 */
    "京都の東の寺。",                                                     /* 7 */
    "ประเทศไทยมีสะพานแขวนหลายแห่ง",                                         /* 8 */
    "The state of the art in bridges.",                                   /* 9 */
};

static struct bm25_view *view;

static struct bm25 *make_index(void)
{
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    struct words w = {0};
    for (uint32_t i = 0; i < COUNT(passages); i++) {
        enum lang lang = i == 6 || i == 7 ? LANG_JA : i == 8 ? LANG_TH : LANG_EN;
        words_of_passage(&w, lang, STR("Notes"), STR(""), str_from(passages[i]));
        struct bm25_passage p = words_passage(&w);
        bm25_add(ix, i, lang, i, &p);
        if (i == 4)
            bm25_commit(ix);
    }
    bm25_commit(ix);
    words_fini(&w);
    return ix;
}

static bool read_texts(void *arg, const int64_t *key, size_t n, phrase_seen *seen, void *to,
                       struct err *e)
{
    (void)arg;
    (void)e;
    for (size_t i = 0; i < n; i++)
        seen(to, i, STR("Notes"), STR(""), str_from(passages[key[i]]));
    return true;
}

static const struct phrase_texts texts = {read_texts, NULL};

static struct query *parse(struct arena *a, const char *text)
{
    const struct bm25_view *v = view;
    enum lang lang[WORDS_LANGS];
    size_t n = words_langs(lang, &v, 1);
    struct query *q = arena_struct(a, struct query);
    query_parse(q, a, str_from(text), lang, n, &v, 1, NULL);
    return q;
}

/* `all`: exactly these; else these are among the hits. */
static const struct {
    const char *query, *hits;
} cases[] = {
    {"suspension bridge", "01249"},
    {"\"suspension bridge\"", "0"},
    {"\"suspension bridges\"", "0"},
    {"“suspension bridge”", "0"},
    {"+\"bridge suspension\"", ""},
    {"\"bridge suspension\"", "01249"},
    {"\"state of the art\"", "9"},
    {"\"bridge suspension\"~1", "0"},
    {"\"bridge suspension\"~3", "0"},
    {"\"bridge suspension\"~4", "02"},
    {"\"suspension bridge\"~0", "0"},
    {"\"suspension bridge\"~", "0"},
    {"\"suspension bridge\"~101", "0"},
    {"\"suspension bridge\"~5x", "0"},
    {"+\"bridge suspension\"~", ""},
    {"+\"suspension bridge bridge\"~100", ""},
    {"+\"ropes bridge\"~2", ""},
    {"\"ropes bridge\"~2", "01249"}, /* nowhere: as words */
    {"“ropes bridge”~3", "0"},
    {"+\"bridges art\"~1", "9"},
    {"bridge -\"steel suspension\"~2", "0149"},
    {"bridge -\"steel suspension\"~3", "149"},
    {"\"art state\"~2", "9"},
    {"+\"寺 京都\"~4", "7"},
    {"+\"寺 京都\"~2", ""},
    {"bridge +steel", "02"},
    {"bridge -steel", "149"},
    {"bridge -\"suspension bridge\"", "1249"},
    {"bridge NOT steel", "149"},
    {"bridge +steel -ropes", "2"},
    {"conf*", "3"},
    {"color~", "4"},
    {"colr~2", "45"},
    {"colr~1", ""},
    {"get user", "5"},
    {"getusername", "5"},
    {"user_id", "5"},
    {"os.path.join", "5"},
    {"\"東京都\"", "6"},
    {"+東京", "6"},
    {"京都", "67"},
    {"สะพาน", "8"},
    {"bridge -สะพาน", "01249"},
    /* natural language */
    {"What isn't a suspension bridge?", "01249"},
    {"What does the -steel bridge do?", "01249"},
    {"a well-known bridge", "01249"},
    {"the bridge - steel", "01249"},
    {"an unclosed \"suspension bridge", "01249"},
    {"the \"bridge\" of stone", "01249"},
    {"steel + stone", "012"},
    {"you should NOT use a bridge", "01249"},
    {"C++ and bridges", "01249"},
    {"bridge* **bridge**", "01249"},
    {"~ * + - \" NOT", ""},
    {"-bridge", ""},
};

static void test_cases(void)
{
    const struct bm25_view *v = view;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new();
        struct query *q = parse(a, cases[i].query);
        struct hit hit[COUNT(passages)];
        char got[COUNT(passages) + 1] = "";
        size_t n, len = 0;
        struct err e;
        struct phrase_check *check = query_check(q, a, &v, 1, &texts);
        bool good = query_search(q, check, (struct bm25_query){0}, hit, COUNT(hit), &n, &e);
        for (int64_t p = 0; p < (int64_t)COUNT(passages); p++)
            for (size_t h = 0; h < n; h++)
                if (hit[h].key == p)
                    got[len++] = (char)('0' + p);
        ok(good && strcmp(got, cases[i].hits) == 0, "%s: %s", cases[i].query, got);
        arena_free(a);
    }
}

static void test_unwanted(void)
{
    struct arena *a = arena_new();
    ok(str_eq(parse(a, "bridges but not suspension bridges")->text, STR("bridges ")),
       "what stands behind 'but not' earns nothing");
    ok(str_eq(parse(a, "stone bridges except arches, in red")->text,
              STR("stone bridges , in red ")),
       "up to the next mark");
    ok(str_eq(query_wanted(STR("bridges but not suspension bridges"), a), STR("bridges ")) &&
           str_eq(query_wanted(STR("-rope"), a), STR("-rope")),
       "told without an index, and never nothing");
    ok(str_eq(parse(a, "it works but nothing happens")->text, STR("it works but nothing happens ")),
       "nothing else is touched");
    ok(str_eq(parse(a, "\"steel ropes\" bridge -red")->text, STR("steel ropes bridge ")),
       "the text for other engines has no operators");
    arena_free(a);
}

/* Hits of another engine are held to the same demands. */
static void test_fitting(void)
{
    struct arena *a = arena_new();
    const struct bm25_view *v = view;
    struct query *q = parse(a, "bridge -steel +suspension");
    struct query *near = parse(a, "+\"bridge suspension\"~1");
    struct hit both[] = {{2, 2, 1, 0}, {0, 0, 1, 0}};
    size_t n = 2;
    struct err e;
    ok(phrase_fitting(query_check(near, a, &v, 1, &texts), 1, both, &n, &e) && n == 1 &&
           both[0].key == 0,
       "near it");
    struct hit hit[] = {{4, 4, 1, 0}, {2, 2, 1, 0}, {77, 2, 1, 0}, {0, 99, 1, 0}};
    ok(bm25_fitting(&v, 1, q->clause, 1, hit, 2) == 1 && hit[0].key == 4, "no steel");
    ok(bm25_fitting(&v, 1, q->clause, 2, hit, 1) == 0, "and suspension");
    ok(bm25_fitting(&v, 1, q->clause, 1, hit + 2, 2) == 0, "unknown passages do not fit");
    ok(bm25_fitting(&v, 1, NULL, 0, hit, 4) == 4, "no demands: all stay");
    arena_free(a);
}

static void test_limits(void)
{
    struct arena *a = arena_new();
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 3000; i++)
        buf_printf(&text, "+w%d \"a%d b%d\" -x%d c%d* d%d~2 ", i, i, i, i, i, i);
    struct query *q = parse(a, buf_text(&text));
    ok(q->n <= BM25_MAX_WORDS && q->n_clauses <= QUERY_CLAUSES && q->n_phrases <= QUERY_CLAUSES,
       "%zu words, %zu clauses, %zu phrases of a long one", q->n, q->n_clauses, q->n_phrases);
    buf_fini(&text);
    arena_free(a);
}

int main(void)
{
    struct bm25 *ix = make_index();
    view = bm25_view(ix);
    test_cases();
    test_unwanted();
    test_fitting();
    test_limits();
    bm25_view_free(view);
    bm25_free(ix);
    return tap_done();
}
