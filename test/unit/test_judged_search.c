/* The search behind judgments: words alone over few texts, words and learned vectors over many. */
#include "model/judged_search.h"

#include "tap.h"

enum { MANY = 300, K = 10 };

int main(void)
{
    struct arena *a = arena_new();
    struct rerank_candidate *doc = arena_array(a, struct rerank_candidate, MANY);
    for (size_t i = 0; i < MANY; i++)
        doc[i] = (struct rerank_candidate){
            .text =
                arena_printf(a, "%s number%zu %s", i % 3 ? "boiler steam piston" : "budget vote", i,
                             i % 3 ? "engine pressure" : "parliament law"),
            .lang = LANG_EN};
    struct judged_search few, many;
    struct fuse_hit hit[K];
    judged_search_init(&few, doc, 20);
    size_t n = judged_search_ask(&few, STR("number7"), hit, K);
    ok(!few.lsa && n == 1 && hit[0].key == 7, "few texts: by words alone");
    judged_search_fini(&few);
    judged_search_init(&many, doc, MANY);
    n = judged_search_ask(&many, STR("steam number7"), hit, K);
    ok(many.lsa && n == K && hit[0].key == 7, "many texts: the best first");
    size_t about = 0;
    for (size_t i = 0; i < n; i++)
        about += hit[i].key % 3 != 0;
    ok(about > n / 2, "and what speaks of the same behind it: %zu", about);
    ok(judged_search_ask(&many, STR(""), hit, K) == 0, "no question, no hit");
    judged_search_fini(&many);
    arena_free(a);
    return tap_done();
}
