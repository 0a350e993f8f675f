/* The quick way to find a question's words gives what the slow one of text/terms.h gives. */
#include "model/rerank_match.h"
#include "base/buf.h"
#include "base/hash.h"
#include "text/terms.h"

#include "tap.h"

static struct arena *a;

static const struct {
    const char *query;
    enum lang lang;
    const char *text, *places; /* "place:word place:word" */
} cases[] = {
    {"steam turbines", LANG_EN, "A turbine, driven by STEAM.", "1:1 4:0"},
    {"go home", LANG_EN, "He goes home; going.", "2:1 3:0"},
    {"dogs", LANG_EN, "cat dig dogma", ""},
    {"how do dogs bark?", LANG_EN, "The dog barks. How?", "1:0 2:1"},
    {"häuser kaufen", LANG_DE, "Das Haus kaufte er: Häuser!", "1:0 4:0"},
    {"x86 CPU", LANG_EN, "x86-CPU x87", "0:0 1:1"},
    {"東京", LANG_JA, "東京都", "0:0"},
    {"", LANG_EN, "nothing", ""},
    {"\xFF\xFE", LANG_EN, "\xFF words \xC3", ""},
};

static void test_cases(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rerank_match *m = rerank_match_new(str_from(cases[i].query), a);
        struct rerank_place p[16];
        uint32_t length;
        struct buf got;
        buf_init(&got, 1000);
        size_t n = rerank_match_find(m, cases[i].lang, str_from(cases[i].text), p, 16, &length);
        for (size_t k = 0; k < n; k++)
            buf_printf(&got, "%s%u:%u", k ? " " : "", p[k].at, p[k].word);
        ok(str_eq(buf_str(&got), str_from(cases[i].places)), "'%s' in '%s': %.*s", cases[i].query,
           cases[i].text, STR_FMT(buf_str(&got)));
        buf_fini(&got);
    }
}

/* Random words from a small vocabulary with endings; which of the question's each text word is, in
 * order, must agree with stemming everything. */
static void test_against_terms(void)
{
    static const char *const stems[] = {"turbin", "steam", "engin", "go",   "ski",    "sky",
                                        "valv",   "dry",   "run",   "runn", "nation", "x1"};
    static const char *const endings[] = {"", "s", "e", "es", "ing", "ed", "al", "ally"};
    uint32_t seed = 99;
    size_t wrong = 0;
    for (int round = 0; round < 200; round++) {
        struct buf query, text;
        buf_init(&query, 10000);
        buf_init(&text, 10000);
        for (int i = 0; i < 60; i++) {
            seed = seed * 1664525 + 1013904223;
            buf_printf(i < 5 ? &query : &text, "%s%s ", stems[(seed >> 8) % COUNT(stems)],
                       endings[(seed >> 16) % COUNT(endings)]);
        }
        struct rerank_match *m = rerank_match_new(buf_str(&query), a);
        struct rerank_place p[100];
        uint32_t length;
        size_t n = rerank_match_find(m, LANG_EN, buf_str(&text), p, 100, &length), found = 0;
        struct terms q, t;
        struct term term;
        uint64_t hash[8];
        size_t n_hash = 0;
        terms_begin(&q, buf_str(&query), LANG_EN, TERMS_QUERY);
        while (terms_next(&q, &term))
            hash[n_hash++] = hash_stable(term.text);
        terms_begin(&t, buf_str(&text), LANG_EN, TERMS_DOCUMENT);
        while (terms_next(&t, &term))
            for (size_t i = 0; i < n_hash; i++)
                if (hash[i] == hash_stable(term.text)) {
                    found++;
                    break;
                }
        wrong += n != found;
        buf_fini(&query);
        buf_fini(&text);
    }
    ok(wrong == 0, "as many places as stemming everything finds: %zu rounds differ", wrong);
}

int main(void)
{
    a = arena_new();
    test_cases();
    test_against_terms();
    struct rerank_match *m = rerank_match_new(STR("the visit of Ada in 1843"), a);
    ok(rerank_match_words(m) >= 3 && !rerank_match_named(m, 0), "words of a question");
    size_t named = 0;
    for (size_t i = 0; i < rerank_match_words(m); i++)
        named += rerank_match_named(m, i);
    ok(named == 2, "a name and a number");
    m = rerank_match_new(STR("VISIT OF ADA"), a);
    ok(!rerank_match_named(m, rerank_match_words(m) - 1), "capitals everywhere tell nothing");
    arena_free(a);
    return tap_done();
}
