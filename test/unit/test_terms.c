/* Search terms: each case lists them in order, parted by '|'; extra ones in brackets. */
#include "text/terms.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    enum lang lang;
    enum terms_for use;
    const char *text, *want;
} cases[] = {
    {"nothing", LANG_EN, TERMS_DOCUMENT, "", ""},
    {"only marks", LANG_EN, TERMS_DOCUMENT, " .,; -- ", ""},
    {"words are stemmed", LANG_EN, TERMS_DOCUMENT, "Running connections", "run|connect"},
    {"stop words go", LANG_EN, TERMS_QUERY, "the cat and the dog", "cat|dog"},
    {"only stop words", LANG_EN, TERMS_QUERY, "to the", ""},
    {"German", LANG_DE, TERMS_DOCUMENT, "Die Häuser der Straße", "haus|strass"},
    {"no stemmer", LANG_OTHER, TERMS_DOCUMENT, "running the", "running|the"},
    {"numbers", LANG_EN, TERMS_DOCUMENT, "3.14 and 2,000 x86", "3|14|2|000|x86"},
    {"identifiers", LANG_EN, TERMS_DOCUMENT, "snake_case foo->bar", "snake|case|foo|bar"},
    {"apostrophe", LANG_FR, TERMS_DOCUMENT, "l'avion", "l|avion"},
    {"composed and decomposed", LANG_OTHER, TERMS_DOCUMENT, "\xc3\xa9t\xc3\xa9 e\xcc\x81te\xcc\x81",
     "\xc3\xa9t\xc3\xa9|\xc3\xa9t\xc3\xa9"},
    {"soft hyphen", LANG_OTHER, TERMS_DOCUMENT, "zu\xc2\xadsammen", "zusammen"},
    {"pairs for a query", LANG_JA, TERMS_QUERY, "今日は", "今日|日は"},
    {"pairs and characters for a document", LANG_JA, TERMS_DOCUMENT, "今日は",
     "[今]|今日|[日]|日は|[は]"},
    {"a lonely character", LANG_ZH, TERMS_DOCUMENT, "猫。", "猫"},
    {"a lonely character asked for", LANG_ZH, TERMS_QUERY, "猫", "猫"},
    {"mixed scripts", LANG_ZH, TERMS_QUERY, "使用Linux系统", "使用|linux|系统"},
    {"Korean", LANG_KO, TERMS_QUERY, "한국어 책", "한국|국어|책"},
    {"Thai", LANG_TH, TERMS_QUERY, "กขค", "กข|ขค"},
    {"broken bytes part words", LANG_EN, TERMS_DOCUMENT,
     "ab\xff"
     "cd",
     "ab|cd"},
};

static void test_cases(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        static struct terms t;
        struct term term;
        char got[256];
        size_t n = 0;
        terms_begin(&t, str_from(cases[i].text), cases[i].lang, cases[i].use);
        while (terms_next(&t, &term))
            n += (size_t)snprintf(got + n, sizeof(got) - n, term.extra ? "%s[%.*s]" : "%s%.*s",
                                  n ? "|" : "", STR_FMT(term.text));
        got[n] = 0;
        if (!ok(strcmp(got, cases[i].want) == 0, "%s", cases[i].name))
            printf("# got %s, want %s\n", got, cases[i].want);
    }
}

static void test_offsets(void)
{
    struct str text = STR("The Größe counts");
    static struct terms t;
    struct term term;
    terms_begin(&t, text, LANG_EN, TERMS_DOCUMENT);
    terms_next(&t, &term);
    ok(str_eq(str_span(text.p + term.start, text.p + term.end), STR("Größe")),
       "offsets show the word as it stands in the text");
}

static void test_long_words(void)
{
    enum { LEN = 100000 };
    static char word[LEN];
    memset(word, 'q', LEN);
    static struct terms t;
    struct term term;
    terms_begin(&t, (struct str){word, LEN}, LANG_EN, TERMS_QUERY);
    ok(terms_next(&t, &term) && term.text.len == TERMS_WORD_MAX && term.end == LEN,
       "a long word is cut and is one word");
    ok(!terms_next(&t, &term), "nothing behind it");
}

static void test_any_bytes(void)
{
    unsigned seed = 11;
    bool good = true;
    for (int round = 0; round < 20000; round++) {
        char bytes[80];
        size_t n = (size_t)rand_r(&seed) % sizeof(bytes), last = 0, count = 0;
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)(rand_r(&seed) % 3 ? 0xe0 + rand_r(&seed) % 16 : rand_r(&seed));
        static struct terms t;
        struct term term;
        terms_begin(&t, (struct str){bytes, n}, (enum lang)(rand_r(&seed) % LANG_COUNT),
                    rand_r(&seed) % 2 ? TERMS_DOCUMENT : TERMS_QUERY);
        while (terms_next(&t, &term) && count++ < 200) {
            good = good && term.start >= last && term.end > term.start && term.end <= n;
            good = good && term.text.len && utf8_valid(term.text);
            last = term.start;
        }
        good = good && count <= 2 * n;
    }
    ok(good, "terms of any bytes are valid text, in order and inside");
}

static const struct {
    const char *text, *want;
} names[] = {
    {"getUserName", "getusernam|[get]|[user]|[name]"},
    {"HTTPServer2 x86", "httpserver2|[http]|[server2]|x86"},
    {"snake_case_name", "[snake_case_name]|snake|case|name"},
    {"os.path.join.", "[os.path.join]|os|path|join"},
    {"version 3.14", "version|[3.14]|3|14"},
    {"e.g. the U.S. economy", "e|g|u|s|economi"},
    {"iPhone", "iphon|[phone]"},
    {"plain words", "plain|word"},
    {"a_ _b __init__", "b|init"},
};

static void test_names(void)
{
    for (size_t i = 0; i < COUNT(names); i++) {
        struct terms t;
        struct term term;
        char got[256] = "";
        size_t len = 0;
        terms_begin(&t, str_from(names[i].text), LANG_EN, TERMS_DOCUMENT);
        t.identifiers = true;
        while (terms_next(&t, &term))
            len +=
                (size_t)snprintf(got + len, sizeof(got) - len, "%s%s%.*s%s", len ? "|" : "",
                                 term.extra ? "[" : "", STR_FMT(term.text), term.extra ? "]" : "");
        ok(strcmp(got, names[i].want) == 0, "%s: %s", names[i].text, got);
    }
}

int main(void)
{
    test_cases();
    test_names();
    test_offsets();
    test_long_words();
    test_any_bytes();
    return tap_done();
}
