/* What rerank promises: the best first, ties by index, scores between 0 and 1 that keep BM25's
 * order. */
#include "model/rerank.h"

#include "tap.h"

static const struct str texts[] = {
    STR_INIT("The harbour opens at six."),
    STR_INIT("Bananas are yellow and sweet."),
    STR_INIT("The train to Ulm leaves at ten from platform four."),
    STR_INIT("Trains are late."),
    STR_INIT(""),
};

static const struct {
    const char *query;
    uint32_t first, second;
    double least; /* score of the first */
} cases[] = {
    {"When does the train to Ulm leave?", 2, 3, .2},
    {"yellow bananas", 1, 0, .5},
    {"harbour", 0, 1, .5},
    {"nothing of this", 0, 1, 0},
    {"", 0, 1, 0},
};

int main(void)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct rerank_hit *hit = rerank(str_from(cases[i].query), texts, COUNT(texts), a);
        bool seen[COUNT(texts)] = {false}, good = true;
        for (size_t k = 0; k < COUNT(texts); k++) {
            good = good && !seen[hit[k].index] && hit[k].score >= 0 && hit[k].score < 1 &&
                   (k == 0 || hit[k].score < hit[k - 1].score ||
                    (hit[k].score == hit[k - 1].score && hit[k].index > hit[k - 1].index));
            seen[hit[k].index] = true;
        }
        ok(good, "'%s': each once, in order, from 0 to 1", cases[i].query);
        ok(hit[0].index == cases[i].first && hit[1].index == cases[i].second, "'%s': the best",
           cases[i].query);
        ok(hit[0].score >= cases[i].least, "'%s': %.3f", cases[i].query, hit[0].score);
    }
    ok(rerank(STR("x"), NULL, 0, a) != NULL, "nothing to order");
    ok(rerank(STR("harbour"), texts, 1, a)[0].score > 0, "a text alone has a score");
    arena_free(a);
    return tap_done();
}
