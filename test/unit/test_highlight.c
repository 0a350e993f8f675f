/* Spans are the words that matched, as bytes of the text. */
#include "index/highlight.h"
#include "tap.h"

static const struct {
    const char *query, *text, *want; /* the text with spans in brackets, phrases in angles */
    enum lang lang;
} cases[] = {
    {"bridge", "Bridges, a bridge.", "[Bridges], a [bridge].", LANG_EN},
    {"nothing", "Bridges.", "Bridges.", LANG_EN},
    {"", "Bridges.", "Bridges.", LANG_EN},
    {"\"steel ropes\"", "ropes of steel, steel ropes", "[ropes] of [steel], <steel ropes>",
     LANG_EN},
    {"\"rope steel\"~1", "steel, steel or rope, old rope", "[steel], <steel> or <rope>, old [rope]",
     LANG_EN},
    {"\"state of the art\"", "The state of the art.", "The <state of the art>.", LANG_EN},
    {"bridge -steel", "steel bridge", "steel [bridge]", LANG_EN},
    {"brücken", "Die Brücke über den Fluß", "Die [Brücke] über den Fluß", LANG_DE},
    {"東京都", "東京都の橋", "[東京都]の橋", LANG_JA},
    {"สะพาน", "มีสะพานแขวน", "มี[สะพาน]แขวน", LANG_TH},
    {"user name", "getUserName(x)", "get[User][Name](x)", LANG_EN},
    {"os.path", "import os.path", "import [os.path]", LANG_EN},
};

static void show(char *out, const char *text, const struct highlight_span *span, size_t n)
{
    size_t at = 0, len = 0;
    for (size_t i = 0; i < n; i++) {
        len += (size_t)sprintf(out + len, "%.*s%c%.*s%c", (int)(span[i].start - at), text + at,
                               span[i].phrase ? '<' : '[', (int)(span[i].end - span[i].start),
                               text + span[i].start, span[i].phrase ? '>' : ']');
        at = span[i].end;
    }
    strcpy(out + len, text + at);
}

int main(void)
{
    enum lang lang[] = {LANG_EN, LANG_DE, LANG_JA, LANG_TH};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new();
        struct query q;
        struct highlight_span *span;
        char got[256];
        query_parse(&q, a, str_from(cases[i].query), lang, COUNT(lang), NULL, 0, NULL);
        size_t n = highlight(&span, a, &q, 1, str_from(cases[i].text), cases[i].lang);
        show(got, cases[i].text, span, n);
        ok(strcmp(got, cases[i].want) == 0, "%s: %s", cases[i].query, got);
        arena_free(a);
    }
    struct arena *a = arena_new();
    struct query both[2];
    struct highlight_span *span;
    char got[64];
    query_parse(&both[0], a, STR("ropes"), lang, COUNT(lang), NULL, 0, NULL);
    query_parse(&both[1], a, STR("\"steel bridge\""), lang, COUNT(lang), NULL, 0, NULL);
    const char *text = "ropes of a steel bridge";
    size_t n = highlight(&span, a, both, 2, str_from(text), LANG_EN);
    show(got, text, span, n);
    ok(strcmp(got, "[ropes] of a <steel bridge>") == 0, "two queries: %s", got);
    arena_free(a);
    return tap_done();
}
