/* Where sentences end: each case lists its sentences, in order, parted by '~'. */
#include "text/sentence.h"
#include "base/mem.h"
#include "tap.h"

#include <stdlib.h>

static const struct {
    const char *name, *text, *want;
} cases[] = {
    {"nothing", "", ""},
    {"only white space", " \n\t\n ", ""},
    {"two sentences", "It rains. We stay.", "It rains.~We stay."},
    {"no mark at the end", "It rains. We stay", "It rains.~We stay"},
    {"question and cry", "Why? Because! Fine.", "Why?~Because!~Fine."},
    {"decimal", "It costs 3.50 euros. Really.", "It costs 3.50 euros.~Really."},
    {"version and domain", "Get 1.2.3 from example.com now. Ok.",
     "Get 1.2.3 from example.com now.~Ok."},
    {"title", "Dr. Smith met Mrs. Jones. They spoke.", "Dr. Smith met Mrs. Jones.~They spoke."},
    {"initials", "J. R. R. Tolkien wrote it. I read it.", "J. R. R. Tolkien wrote it.~I read it."},
    {"for example", "Use tools, e.g. Make. It works.", "Use tools, e.g. Make.~It works."},
    {"German", "Das gilt z.B. Montags. Vgl. Abb. 3. Danach nicht.",
     "Das gilt z.B. Montags.~Vgl. Abb. 3.~Danach nicht."},
    {"a lower case word goes on", "He said etc. and left. Gone.", "He said etc. and left.~Gone."},
    {"dots", "Well... Maybe. \"No!\" she said. End", "Well...~Maybe.~\"No!\"~she said.~End"},
    {"quote closes the sentence", "He said \"Go.\" She went. (It rained.) Then sun.",
     "He said \"Go.\"~She went.~(It rained.)~Then sun."},
    {"Chinese", "你好。今天下雨。我们走吧", "你好。~今天下雨。~我们走吧"},
    {"Japanese with quotes", "「はい。」彼は言った。本当？はい",
     "「はい。」~彼は言った。~本当？~はい"},
    {"Hindi", "यह है। वह नहीं।", "यह है।~वह नहीं।"},
    {"empty line", "A heading\n\nA paragraph. More.", "A heading~A paragraph.~More."},
    {"wrapped line", "one line\nand another. Next", "one line\nand another.~Next"},
    {"list", "Items:\n- first one\n- second one\n  wrapped\n* third",
     "Items:~- first one~- second one\n  wrapped~* third"},
    {"numbered list", "1. First thing\n2. Second thing. More\n10) Tenth",
     "1. First thing~2. Second thing.~More~10) Tenth"},
    {"markdown heading", "# Title\nText here. More", "# Title~Text here.~More"},
    {"table rows", "| a | b |\n| 1 | 2 |\nText", "| a | b |~| 1 | 2 |~Text"},
    {"CRLF", "One.\r\n\r\nTwo.\r\n", "One.~Two."},
    {"bullet", "• eins\n• zwei", "• eins~• zwei"},
};

static void join(char *out, size_t size, struct str text)
{
    struct sentence_iter it = sentence_begin(text);
    struct sentence s;
    size_t n = 0;
    while (sentence_next(&it, &s))
        n += (size_t)snprintf(out + n, size - n, "%s%.*s", n ? "~" : "", (int)(s.end - s.start),
                              text.p + s.start);
    out[n] = 0;
}

static void test_cases(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        char got[512];
        join(got, sizeof(got), str_from(cases[i].text));
        if (!ok(strcmp(got, cases[i].want) == 0, "%s", cases[i].name))
            printf("# got:  %s\n# want: %s\n", got, cases[i].want);
    }
}

/* Order, no overlap, no white space at the ends, and nothing but white space left out. */
static bool covers(struct str text)
{
    struct sentence_iter it = sentence_begin(text);
    struct sentence s;
    size_t at = 0;
    while (sentence_next(&it, &s)) {
        if (s.start < at || s.end <= s.start || s.end > text.len)
            return false;
        if (str_trim(str_span(text.p + at, text.p + s.start)).len)
            return false;
        if (str_trim(str_span(text.p + s.start, text.p + s.end)).len != s.end - s.start)
            return false;
        at = s.end;
    }
    return str_trim(str_from_at(text, at)).len == 0;
}

static void test_random_text_is_covered(void)
{
    static const char alphabet[] = "aA1.?!\n \t\r-#|)\"*\xe3\x80\x82\xc3";
    unsigned seed = 7;
    bool good = true;
    for (int round = 0; round < 20000 && good; round++) {
        char text[48];
        size_t n = (size_t)rand_r(&seed) % sizeof(text);
        for (size_t i = 0; i < n; i++)
            text[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
        good = covers((struct str){text, n});
    }
    ok(good, "every byte that is no white space is in exactly one sentence");
}

/* A quadratic search would need hours for these. */
static void test_hostile_runs(void)
{
    static const char *const units[] = {".", "a.", "1", "\n ", ".)", "?!", "- \n", "\xe2\x80\xa6"};
    enum { TIMES = 300000 };
    for (size_t i = 0; i < COUNT(units); i++) {
        size_t len = strlen(units[i]);
        char *text = mem_new(len * TIMES);
        for (size_t k = 0; k < TIMES; k++)
            memcpy(text + k * len, units[i], len);
        ok(covers((struct str){text, len * TIMES}), "run %zu ends", i);
        mem_free(text);
    }
}

int main(void)
{
    test_cases();
    test_random_text_is_covered();
    test_hostile_runs();
    return tap_done();
}
