/* What support promises: which terms of a statement a text holds, and how alike two texts are. */
#include "model/support.h"
#include "base/buf.h"

#include "tap.h"

static const struct {
    const char *name, *question, *text;
    enum lang lang;
    uint64_t terms;
    uint32_t pairs;
} cases[] = {
    {"all of it, in order", "upload size limit", "The upload size limit is 64 MB.", LANG_EN, 7, 2},
    {"all of it, in another order", "upload limit", "The limit for an upload", LANG_EN, 3, 0},
    {"inflected", "configuring uploads", "the configured upload", LANG_EN, 3, 1},
    {"a beginning of the word", "config file", "the configuration of files", LANG_EN, 3, 1},
    {"words that ask do not count", "how many ports does it use", "ports", LANG_EN, 1, 0},
    {"nothing", "capital of France", "the port is 8080", LANG_EN, 0, 0},
    {"part of a compound", "Temperatur am Eingang", "die Eingangstemperatur", LANG_DE, 3, 0},
    {"no compounds in English", "ration", "the generation", LANG_EN, 0, 0},
};

int main(void)
{
    struct arena *a = arena_new();
    struct support *s = arena_struct(a, struct support);
    for (size_t i = 0; i < COUNT(cases); i++) {
        support_init(s, str_from(cases[i].question), cases[i].lang, true, a);
        struct support_found got = support_match(s, str_from(cases[i].text));
        if (cases[i].lang == LANG_DE) /* one word of the text for two of the question */
            ok(got.terms != 0, "%s", cases[i].name);
        else
            ok(got.terms == cases[i].terms && got.pairs == cases[i].pairs, "%s: %x, %u pairs",
               cases[i].name, (unsigned)got.terms, got.pairs);
    }

    support_init(s, STR("Did Acme ship 12 boxes?"), LANG_EN, true, a);
    ok(s->n == 4 && s->named == (1 | 4), "a name and a number are known as such: %x",
       (unsigned)s->named);
    s->weight[1] = 5;
    ok(support_weight(s, 3) == 6, "weights are summed");

    support_init(s, STR("The service listens on port 8080."), LANG_EN, false, a);
    ok(support_alike(s, STR("The service listens on port 8080.")) == 1, "the same is alike");
    ok(support_alike(s, STR("The service listens on port 8080 for clients of all kinds.")) < 0.9f,
       "more words are less alike");
    ok(support_alike(s, STR("Nothing here.")) == 0, "another thing is not");

    struct buf many;
    buf_init(&many, 4096);
    for (int i = 0; i < 200; i++)
        buf_printf(&many, "w%d ", i * 7919);
    support_init(s, buf_str(&many), LANG_EN, false, a);
    ok(s->n == SUPPORT_TERMS, "terms are bounded");
    ok(support_match(s, buf_str(&many)).terms == UINT64_MAX, "and the last bit is used");
    buf_fini(&many);
    arena_free(a);
    return tap_done();
}
