/* Which language a text is in. */
#include "text/lang.h"
#include "base/mem.h"
#include "tap.h"

#include <stdlib.h>

static const struct {
    const char *text;
    enum lang want;
} texts[] = {
    {"The committee will meet on Thursday to discuss what should be done about the old bridge.",
     LANG_EN},
    {"THE COMMITTEE WILL MEET ON THURSDAY TO DISCUSS WHAT SHOULD BE DONE ABOUT THE OLD BRIDGE.",
     LANG_EN},
    {"Der Ausschuss trifft sich am Donnerstag, um zu besprechen, was mit der alten Brücke "
     "geschehen "
     "soll.",
     LANG_DE},
    {"Le comité se réunira jeudi pour discuter de ce qu'il faut faire du vieux pont.", LANG_FR},
    {"El comité se reunirá el jueves para hablar de lo que debe hacerse con el viejo puente.",
     LANG_ES},
    {"Il comitato si riunirà giovedì per discutere che cosa fare del vecchio ponte.", LANG_IT},
    {"De commissie komt donderdag bijeen om te bespreken wat er met de oude brug moet gebeuren.",
     LANG_NL},
    {"Комитет соберётся в четверг, чтобы обсудить, что делать со старым мостом.", LANG_RU},
    {"Komitet spotka się w czwartek, aby omówić, co należy zrobić ze starym mostem.", LANG_PL},
    {"委员会将于星期四开会，讨论应该如何处理那座旧桥。", LANG_ZH},
    {"委員会は木曜日に集まり、古い橋をどうするかを話し合う。", LANG_JA},
};

static const struct {
    const char *name, *text;
    enum lang want;
} shorts[] = {
    {"nothing", "", LANG_EN},          {"a word", "hello", LANG_EN},
    {"Greek", "γεφυρα", LANG_EL},      {"Cyrillic", "мост", LANG_RU},
    {"kana", "はし", LANG_JA},         {"Han", "旧桥", LANG_ZH},
    {"Han and kana", "橋は", LANG_JA}, {"Hangul", "다리", LANG_KO},
    {"Thai", "สะพาน", LANG_TH},        {"broken bytes", "\xff\xfe", LANG_OTHER},
};

static const struct {
    const char *code;
    enum lang want;
} codes[] = {
    {"en", LANG_EN},    {"EN", LANG_EN},  {"en-US", LANG_EN},      {"de_AT.UTF-8", LANG_DE},
    {"xx", LANG_OTHER}, {"", LANG_OTHER}, {"english", LANG_OTHER},
};

int main(void)
{
    for (size_t i = 0; i < COUNT(texts); i++) {
        enum lang got = lang_detect(str_from(texts[i].text));
        ok(got == texts[i].want, "a sentence in %s: %s", lang_code(texts[i].want), lang_code(got));
    }
    for (size_t i = 0; i < COUNT(shorts); i++)
        ok(lang_detect(str_from(shorts[i].text)) == shorts[i].want, "short: %s", shorts[i].name);
    for (size_t i = 0; i < COUNT(codes); i++)
        ok(lang_from_code(str_from(codes[i].code)) == codes[i].want, "code '%s'", codes[i].code);
    ok(lang_unless(LANG_DE, STR("hello")) == LANG_DE, "what is said holds");
    ok(lang_unless(LANG_OTHER, STR("hello")) == LANG_EN, "what is not said is detected");
    for (int l = 0; l < LANG_COUNT; l++)
        ok(lang_from_code(str_from(lang_code((enum lang)l))) == (enum lang)l, "code of %s",
           lang_code((enum lang)l));

    unsigned seed = 5;
    for (int round = 0; round < 200; round++) {
        char bytes[300];
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (char)rand_r(&seed);
        lang_detect((struct str){bytes, (size_t)rand_r(&seed) % sizeof(bytes)});
    }
    ok(true, "any bytes have some language");
    return tap_done();
}
