/* What each number says: it is larger for the passage that is meant to have more of it. */
#include "model/rerank_features.h"

#include "tap.h"

static const struct {
    enum rerank_feature f;
    const char *query;
    struct {
        const char *title, *section, *text;
    } more, less;
} cases[] = {
    {RERANK_BM25, "steam engine", {"", "", "steam steam engine"}, {"", "", "an engine of iron"}},
    {RERANK_COVERAGE, "steam engine", {"engine", "", "steam"}, {"", "", "steam steam steam"}},
    {RERANK_ALL, "steam engine", {"", "engine", "steam"}, {"", "", "steam"}},
    {RERANK_TITLE, "steam engine", {"Steam engines", "", "x"}, {"Steam", "", "steam engine"}},
    {RERANK_SECTION, "steam engine", {"", "Steam", "x"}, {"", "", "steam engine"}},
    {RERANK_FOCUS, "steam engine", {"Steam", "", "x"}, {"Steam and much else", "", "x"}},
    {RERANK_WINDOW,
     "steam engine",
     {"", "", "steam engine"},
     {"", "", "steam a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f engine"}},
    {RERANK_PAIRS, "steam engine", {"", "", "steam engine"}, {"", "", "steam of the engine"}},
    {RERANK_PHRASES, "steam engine", {"", "", "steam engine"}, {"", "", "engine steam"}},
    {RERANK_EARLY,
     "steam",
     {"", "", "steam and so on"},
     {"", "",
      "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 "
      "4 5 6 7 8 9 0 1 2 3 4 5 steam"}},
    {RERANK_DENSITY, "steam", {"", "", "steam"}, {"", "", "steam and other things"}},
    {RERANK_NAMES, "the engine of Watt 1769", {"", "", "Watt, 1769"}, {"", "", "engine of Watt"}},
    {RERANK_LENGTH, "steam", {"", "", "one two three four five"}, {"", "", "one"}},
};

int main(void)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct rerank_candidate c[] = {
            {str_from(cases[i].less.title), str_from(cases[i].less.section),
             str_from(cases[i].less.text), 2, LANG_EN, 0},
            {str_from(cases[i].more.title), str_from(cases[i].more.section),
             str_from(cases[i].more.text), 1, LANG_EN, 1},
        };
        const float *f = rerank_features(str_from(cases[i].query), c, 2, true, a);
        float less = f[cases[i].f], more = f[RERANK_FEATURE_COUNT + cases[i].f];
        ok(more > less && more <= 1.001f && less >= 0, "%s: %.3f, %.3f",
           rerank_feature_name(cases[i].f), less, more);
        ok(f[RERANK_RETRIEVAL] == 1 && f[RERANK_FEATURE_COUNT + RERANK_RETRIEVAL] == 0 &&
               f[RERANK_RANK] > f[RERANK_FEATURE_COUNT + RERANK_RANK] && f[RERANK_BEGIN] == 1 &&
               f[RERANK_FEATURE_COUNT + RERANK_BEGIN] == 0,
           "what the search said");
    }
    struct rerank_candidate one = {.text = STR("x")};
    ok(rerank_features(STR("x"), &one, 1, true, a)[RERANK_RETRIEVAL] == 1,
       "a single one is the best");
    ok(rerank_features(STR(""), &one, 1, true, a) && rerank_features(STR("x"), NULL, 0, true, a),
       "nothing");
    arena_free(a);
    return tap_done();
}
