/* Stems: inflected forms meet, unstemmed languages keep their words, threads do not share. */
#include "text/stem.h"
#include "base/mem.h"
#include "tap.h"

#include <pthread.h>
#include <stdio.h>

static const struct {
    enum lang lang;
    const char *word, *want;
} cases[] = {
    {LANG_EN, "connections", "connect"},
    {LANG_EN, "connected", "connect"},
    {LANG_EN, "x86", "x86"},
    {LANG_DE, "häuser", "haus"},
    {LANG_FR, "continuellement", "continuel"},
    {LANG_RU, "мостами", "мост"},
    {LANG_PL, "mostem", "mostem"},
    {LANG_OTHER, "running", "running"},
    {LANG_EN, "", ""},
};

static void *stem_all(void *arg)
{
    bool *good = arg;
    for (int round = 0; round < 1000; round++)
        for (size_t i = 0; i < COUNT(cases); i++)
            *good = *good && str_eq(stem_word(cases[i].lang, str_from(cases[i].word)),
                                    str_from(cases[i].want));
    return NULL;
}

int main(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str got = stem_word(cases[i].lang, str_from(cases[i].word));
        ok(str_eq(got, str_from(cases[i].want)), "%s '%s' -> '%.*s'", lang_code(cases[i].lang),
           cases[i].word, STR_FMT(got));
    }
    bool same = true;
    for (int round = 0; round < 2; round++) /* more words than are kept */
        for (int i = 0; i < 20000; i++) {
            char word[32], want[32];
            snprintf(word, sizeof(word), "w%dings", i);
            snprintf(want, sizeof(want), "w%ding", i);
            for (int again = 0; again < 2; again++)
                same = same && str_eq(stem_word(LANG_EN, str_from(word)), str_from(want)) &&
                       str_eq(stem_word(LANG_DE, str_from(word)), str_from(want)) &&
                       str_eq(stem_word(LANG_OTHER, str_from(word)), str_from(word));
        }
    ok(same, "the same stem whether it is kept or not, in each language");
    pthread_t thread[4];
    bool good[4];
    for (size_t i = 0; i < COUNT(thread); i++) {
        good[i] = true;
        pthread_create(&thread[i], NULL, stem_all, &good[i]);
    }
    for (size_t i = 0; i < COUNT(thread); i++) {
        pthread_join(thread[i], NULL);
        ok(good[i], "thread %zu stems alone", i);
    }
    return tap_done();
}
