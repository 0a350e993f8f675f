/* Which rule matches which message. */
#include "model/static_text.h"

#include "tap.h"

static const struct {
    const char *phrase, *message;
    bool matches;
} cases[] = {
    {"refund", "I want a REFUND!", true},
    {"refund", "refunds are slow", false},
    {"money back", "Money, back please", true},
    {"money back", "back money", false},
    {"Öffnungszeiten", "wie sind die ÖFFNUNGSZEITEN?", true},
    {"opening hours", "What are your\n\nopening   hours?", true},
    {"c", "Do you know C++?", true},
    {"退款", "我要退款吗", true},
    {"退款", "退我款", false},
    {"hi", "", false},
    {"hi", "?!", false},
    {"hi", "this", false},
};

int main(void)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str phrase = static_text_words(str_from(cases[i].phrase), a);
        const struct static_rule rule = {&phrase, 1, STR("x")};
        ok((static_text_match(&rule, 1, str_from(cases[i].message), a) != NULL) == cases[i].matches,
           "'%s' in '%s': %s", cases[i].phrase, cases[i].message, cases[i].matches ? "yes" : "no");
    }
    ok(static_text_words(STR(" ?! "), a).len == 0, "no words");
    struct str phrases[] = {static_text_words(STR("one"), a), static_text_words(STR("two"), a)};
    const struct static_rule rules[] = {{&phrases[1], 1, STR("b")}, {phrases, 2, STR("ab")}};
    ok(static_text_match(rules, 2, STR("one two"), a) == &rules[0], "the first that matches");
    ok(static_text_match(rules, 2, STR("one"), a) == &rules[1], "any phrase of a rule");
    ok(!static_text_match(rules, 2, STR("three"), a), "none");
    arena_free(a);
    return tap_done();
}
