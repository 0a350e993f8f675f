/* Passages that share words with the first ones agree with them; a stranger does not. */
#include "model/rerank_agree.h"

#include "tap.h"

int main(void)
{
    struct arena *a = arena_new();
    const struct str text[] = {
        STR("Boilers make steam under pressure; the piston moves."),
        STR("Steam under pressure drives the piston of an engine with a boiler."),
        STR("Parliament voted on the budget of the year."),
        STR("The pistons, moved by pressured steam from boilers."),
    };
    float agree[COUNT(text)];
    rerank_agree(text, COUNT(text), agree, a);
    for (size_t i = 0; i < COUNT(text); i++)
        ok(agree[i] >= 0 && agree[i] <= 1, "%zu: %.3f", i, agree[i]);
    ok(agree[0] > agree[2] && agree[1] > agree[2] && agree[3] > agree[2], "the stranger is last");
    const struct str dense[] = {STR("蒸気機関は圧力で動く"), STR("蒸気機関の圧力"),
                                STR("予算の議会")};
    rerank_agree(dense, COUNT(dense), agree, a);
    ok(agree[0] > agree[2] && agree[1] > agree[2], "in a script without spaces");
    rerank_agree(text, 1, agree, a);
    ok(agree[0] == 0, "one alone agrees with nobody");
    const struct str broken[] = {STR("\xFF\xC3"), STR("\xE3\x81"), STR("")};
    rerank_agree(broken, COUNT(broken), agree, a);
    ok(agree[2] == 0, "broken text is no trouble");
    arena_free(a);
    return tap_done();
}
