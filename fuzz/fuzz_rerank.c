/* The first line of an input is a question, the rest a passage with its headings: title, section
 * and text, a line each. Numbers stay finite and within bounds, places rise and are words of the
 * question. */
#include "model/rerank.h"
#include "model/rerank_match.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { ROOM = 64 };
    struct str rest = {(const char *)data, size};
    struct str query = STR_NONE, title = STR_NONE, section = STR_NONE;
    struct rerank_place place[ROOM];
    uint32_t length;
    if (size == 0)
        return 0;
    str_split(&rest, '\n', &query);
    str_split(&rest, '\n', &title);
    str_split(&rest, '\n', &section);
    struct arena *a = arena_new();
    struct rerank_match *m = rerank_match_new(query, a);
    size_t n = rerank_match_find(m, (enum lang)(size % LANG_COUNT), rest, place, ROOM, &length);
    CHECK(rerank_match_words(m) <= RERANK_WORDS && n <= ROOM);
    for (size_t i = 0; i < n; i++)
        CHECK(place[i].word < rerank_match_words(m) && place[i].at <= length &&
              (i == 0 || place[i].at >= place[i - 1].at));
    const struct rerank_candidate c[] = {
        {title, section, rest, 1, (enum lang)(size % LANG_COUNT), 0},
        {section, title, query, 0, LANG_OTHER, 1},
    };
    double score[COUNT(c)];
    const float *f = rerank_features(query, c, COUNT(c), true, a);
    for (size_t i = 0; i < COUNT(c) * RERANK_FEATURE_COUNT; i++)
        CHECK(f[i] >= -.001f && f[i] <= 1.6f);
    rerank_score(NULL, query, c, COUNT(c), score, a);
    CHECK(score[0] >= 0 && score[0] <= 1 && isfinite(score[1]));
    arena_free(a);
    return 0;
}
