/* A question of any bytes: bounded work, sane hits, and a passage with the same text is among them
 * whenever the question has a word at all. Read as what is typed into a search box, it finds
 * nothing that does not fit. The first byte chooses the languages. */
#include "index/highlight.h"

#include <math.h>
#include <stdint.h>

enum { K = 20 };

static const char *const others[] = {"the bridge over the river", "die Brücke über den Fluss",
                                     "橋は川の上にある", "a b c d e f 1 2 3"};

/* The text that is typed is passage 1. */
static bool read_texts(void *arg, const int64_t *key, size_t n, phrase_seen *seen, void *to,
                       struct err *e)
{
    const struct str *text = arg;
    (void)e;
    for (size_t i = 0; i < n; i++)
        seen(to, i, STR_NONE, STR_NONE, key[i] == 1 ? *text : str_from(others[key[i] - 2]));
    return true;
}

static struct bm25 *make_index(enum lang lang, struct str text)
{
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    struct words w = {0};
    words_of_passage(&w, lang, STR_NONE, STR_NONE, text);
    struct bm25_passage p = words_passage(&w);
    bm25_add(ix, 1, lang, 1, &p);
    for (size_t i = 0; i < COUNT(others); i++) {
        words_of_passage(&w, LANG_EN, STR_NONE, STR_NONE, str_from(others[i]));
        p = words_passage(&w);
        bm25_add(ix, 2 + (uint32_t)i, LANG_EN, 2 + (int64_t)i, &p);
    }
    bm25_commit(ix);
    words_fini(&w);
    return ix;
}

static void type(const struct bm25_view *v, struct str text, const enum lang lang[2])
{
    struct arena *a = arena_new();
    struct query q;
    struct hit hit[K];
    struct highlight_span *span;
    query_parse(&q, a, text, lang, 2, &v, 1, NULL);
    CHECK(q.n <= BM25_MAX_WORDS && q.n_clauses <= QUERY_CLAUSES && q.n_phrases <= QUERY_CLAUSES);
    struct err e;
    size_t n, fitting;
    struct phrase_texts texts = {read_texts, &text};
    struct phrase_check *check = query_check(&q, a, &v, 1, &texts);
    CHECK(query_search(&q, check, (struct bm25_query){0}, hit, K, &n, &e));
    for (size_t i = 0; i < n; i++)
        CHECK(isfinite(hit[i].score) && hit[i].score > 0);
    fitting = n;
    CHECK(phrase_fitting(check, q.n_held, hit, &fitting, &e) && fitting == n);
    size_t spans = highlight(&span, a, &q, 1, text, lang[0]);
    for (size_t i = 0; i < spans; i++)
        CHECK(span[i].start < span[i].end && span[i].end <= text.len &&
              (i == 0 || span[i - 1].end <= span[i].start));
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > WORDS_QUERY_BYTES)
        return 0;
    enum lang lang[2] = {(enum lang)(data[0] % LANG_COUNT), LANG_EN};
    struct str text = {(const char *)data + 1, size - 1};
    struct bm25_word word[BM25_MAX_WORDS];
    struct hit hit[K];
    struct bm25 *ix = make_index(lang[0], text);
    const struct bm25_view *v = bm25_view(ix);
    struct bm25_query q = {.word = word, .n = words_of_query(word, text, lang, 2)};
    CHECK(q.n <= BM25_MAX_WORDS);
    size_t n = bm25_search(&v, 1, &q, hit, K);
    bool found = q.n == 0;
    for (size_t i = 0; i < n; i++) {
        CHECK(isfinite(hit[i].score) && hit[i].score > 0);
        CHECK(i == 0 || hit[i - 1].score >= hit[i].score);
        found = found || hit[i].key == 1;
    }
    CHECK(found);
    type(v, text, lang);
    bm25_view_free((struct bm25_view *)v);
    bm25_free(ix);
    return 0;
}
