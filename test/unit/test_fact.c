/* What counts as a number, date, name or quotation, and which of them say the same. */
#include "answer/fact.h"
#include "base/arena.h"
#include "tap.h"

#include <stdlib.h>

static const struct {
    const char *text, *facts; /* kind letter and text, joined by | */
    enum lang lang;
} cases[] = {
    {"It has 1,000 seats and 3.5 m of snow.", "n1,000|n3.5", LANG_EN},
    {"1. First of 2 steps", "n2", LANG_EN},
    {"On 3 May 2021, May 3rd or 2021-05-03 and 3. Mai", "d3 May 2021|dMay 3rd|d2021-05-03|d3. Mai",
     LANG_EN},
    {"In May 2021 it may be 3 may bugs.", "dMay 2021|n3", LANG_EN},
    {"Version 1.2.3 of 2021", "q1.2.3|n2021", LANG_EN},
    {"The 2nd time twenty-five people ate three million eggs", "ntwenty-five|nthree million",
     LANG_EN},
    {"Yesterday the Queen of Norway met John. Then she left.", "nmQueen|nmNorway|nmJohn", LANG_EN},
    {"Marie Curie was here", "nmMarie|nmCurie", LANG_EN},
    {"Das Haus der HTTP2-Brücke in Bonn", "nmHTTP2-Brücke", LANG_DE},
    {"He said \"to be or not to be\" and \"no\".", "qto be or not to be", LANG_EN},
    {"Run `make -j` first, “as the manual says” here", "qmake -j|qas the manual says", LANG_EN},
    {"Set max_size to $5 or 10 %", "nmmax_size|n5|n10 %", LANG_EN},
    {"", "", LANG_EN},
};

static void test_found(struct arena *a)
{
    static const char *const letter[] = {"n", "d", "nm", "q"};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fact_iter it = fact_begin(str_from(cases[i].text), cases[i].lang);
        struct str got = STR("");
        for (struct fact f; fact_next(&it, &f);)
            got = arena_printf(a, "%.*s%s%s%.*s", STR_FMT(got), got.len ? "|" : "", letter[f.kind],
                               (int)(f.end - f.start), cases[i].text + f.start);
        ok(str_eq(got, str_from(cases[i].facts)), "%s: %.*s", cases[i].text, STR_FMT(got));
    }
}

static const struct {
    const char *said, *found;
    bool same;
} pairs[] = {
    {"1,000", "1000", true},
    {"1.000", "1000", true},
    {"1.000", "1", true},
    {"1.50", "1,5", true},
    {"1.5 million", "1,500,000", true},
    {"three", "3", true},
    {"two hundred", "200", true},
    {"300 seconds", "5 minutes", true},
    {"5 km", "5 miles", false},
    {"5 km", "5", true},
    {"5-minute", "5 minutes", true},
    {"$5", "5 dollars", true},
    {"$5", "5 euros", false},
    {"10 %", "10 percent", true},
    {"2 GB", "2000 MB", true},
    {" -5", "5", false},
    {"12,5 Prozent", "12.5%", true},
    {"136", "137", false},
    {"3 May 2021", "2021-05-03", true},
    {"May 3, 2021", "03.05.2021", true},
    {"3. Mai", "3 May 2021", true},
    {"May 2021", "2021-05-03", true},
    {"3 May 2021", "May 2021", false},
    {"3 May 2021", "May 3", false},
    {"4 May 2021", "3 May 2021", false},
    {"3/5/2021", "March 5, 2021", true},
    {"3/5/2021", "3 May 2021", true},
    {"13/5/2021", "13 May 2021", true},
    {"5/13/2021", "13 May 2021", true},
};

static void test_same(void)
{
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct fact said = {0}, found = {0};
        struct fact_iter a = fact_begin(str_from(pairs[i].said), LANG_EN);
        struct fact_iter b = fact_begin(str_from(pairs[i].found), LANG_EN);
        bool both = fact_next(&a, &said) && fact_next(&b, &found) && said.kind == found.kind;
        bool same = both && (said.kind == FACT_DATE ? fact_same_date(&said, &found)
                                                    : fact_same_number(&said, &found));
        ok(both && same == pairs[i].same, "%s is%s %s", pairs[i].said, pairs[i].same ? "" : " not",
           pairs[i].found);
    }
}

static void test_any_bytes(void)
{
    static const char signs[] = "1.,-/\"`'% $ \nMay3Aa_\xc2\xa0\xff\xe2";
    unsigned seed = 3;
    bool good = true;
    for (int round = 0; round < 20000; round++) {
        char text[40];
        size_t n = (size_t)rand_r(&seed) % sizeof(text), end = 0;
        for (size_t i = 0; i < n; i++)
            text[i] = signs[(size_t)rand_r(&seed) % (sizeof(signs) - 1)];
        struct fact_iter it = fact_begin((struct str){text, n}, LANG_EN);
        for (struct fact f; fact_next(&it, &f); end++)
            good = good && f.start < f.end && f.end <= n && end < 2 * n;
    }
    ok(good, "any bytes give facts that lie in the text, and an end");
}

int main(void)
{
    struct arena *a = arena_new();
    test_found(a);
    test_same();
    test_any_bytes();
    arena_free(a);
    return tap_done();
}
