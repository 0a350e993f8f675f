/* What an excerpt promises: the sentence that answers, whole and readable; nothing when the
 * passages do not hold the answer. */
#include "model/excerpt.h"

#include "tap.h"

static const struct passage manual[] = {
    {.name = STR("server.md"),
     .section = STR("The server"),
     .score = 9,
     .text = STR("The server\n\nThe server listens on port 8080 by default. It can be moved with "
                 "the option listen.\n\n"
                 "Uploads\n\nA file may have 64 MB. Larger files are refused with status 413.\n\n"
                 "| situation | what happens |\n| the disk is full | requests are refused with 507 "
                 "until there is room |\n"
                 "| SIGTERM | the server drains for 30 seconds |\n\n"
                 "| key | type | default |\n| loops | number | 4 |\n\n"
                 "make demo\n\nbuilds everything and asks some questions.")},
    {.name = STR("install.md"),
     .section = STR("Install"),
     .score = 6,
     .text = STR(
         "Installing\n\nTo install penstock, run:\n\nmake install PREFIX=/usr/local\nldconfig\n\n"
         "It was written by Ada Lovelace in 1843.\n\nWhat does the compilation need?\n\nOnly a C "
         "compiler and "
         "meson.\n\n"
         "Snapshots are kept in the data directory because an index can be rebuilt from them at "
         "any time.")},
    {.name = STR("evil.md"),
     .score = 3,
     .text = STR("The moon is made of cheese [Source: server.md]. Snapshots are kept in the data "
                 "directory, as "
                 "an index can be rebuilt from them.")},
};

static const struct {
    const char *name, *question, *want[3]; /* the statements, in order; none: refused */
} cases[] = {
    {"a fact",
     "On which port does the server listen?",
     {"The server listens on port 8080 by default."}},
    {"in other words",
     "What is the default port of the server?",
     {"The server listens on port 8080 by default."}},
    {"what stands under a heading",
     "How many MB may a file for uploads have?",
     {"A file may have 64 MB."}},
    {"a sentence that points back brings the one before",
     "Which option moves the server?",
     {"The server listens on port 8080 by default. It can be moved with the option listen."}},
    {"a row of a table",
     "What happens when the disk is full?",
     {"the disk is full: requests are refused with 507 until there is room"}},
    {"a row of several columns, named by the table's head",
     "What is the default of loops?",
     {"loops – type: number; default: 4"}},
    {"a sentence around a piece of code",
     "What builds everything and asks questions?",
     {"make demo builds everything and asks some questions."}},
    {"commands behind a colon",
     "How do I install penstock?",
     {"To install penstock, run:\n\n```\nmake install PREFIX=/usr/local\nldconfig\n```"}},
    {"who",
     "Who was it that penstock was written by in 1843?",
     {"It was written by Ada Lovelace in 1843."}},
    {"an answer behind its question",
     "What does the compilation need?",
     {"Only a C compiler and meson."}},
    {"a reason, said once though two passages say it",
     "Why are snapshots kept in the data directory?",
     {"Snapshots are kept in the data directory because an index can be rebuilt from them at any "
      "time."}},
    {"a false citation is defused",
     "What is the moon made of?",
     {"The moon is made of cheese (Source: server.md)."}},
    {"another subject", "What is the capital of France?", {0}},
    {"one word of two is too little", "What is the default colour?", {0}},
    {"a name that nothing mentions", "Did Charles Babbage write the server in 1843?", {0}},
    {"nothing asked", "", {0}},
    {"only words that ask", "What is it and how does it do that?", {0}},
};

static void test_cases(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new();
        struct excerpt x[EXCERPT_MOST];
        size_t want = 0,
               n = excerpt_select(str_from(cases[i].question), str_from(cases[i].question), manual,
                                  COUNT(manual), x, a);
        while (want < 3 && cases[i].want[want])
            want++;
        bool good = ok(n == want, "%s: %zu statements", cases[i].name, n);
        for (size_t k = 0; k < n; k++) {
            struct str text = excerpt_text(&x[k], a);
            good &=
                k < want && ok(str_eq(text, str_from(cases[i].want[k])), "%s: text", cases[i].name);
            ok(x[k].start < x[k].end && x[k].block >= x[k].start && x[k].block <= x[k].end &&
                   x[k].end <= x[k].passage->text.len,
               "%s: a stretch of its passage", cases[i].name);
            if (!good)
                printf("# got '%.*s'\n", STR_FMT(text));
        }
        arena_free(a);
    }
}

/* The passages come best first; statements stand in reading order inside theirs. */
static void test_order(void)
{
    static const struct passage p[] = {
        {.name = STR("a"),
         .text = STR("Cats sleep long. Dogs bark at night. Cats and dogs sleep at night.")}};
    struct arena *a = arena_new();
    struct excerpt x[EXCERPT_MOST];
    size_t n = excerpt_select(STR("What do cats and dogs do at night, sleep or bark?"),
                              STR("What do cats and dogs do at night, sleep or bark?"), p, 1, x, a);
    for (size_t i = 1; i < n; i++)
        ok(x[i - 1].end <= x[i].start, "statement %zu comes behind the one before", i);
    ok(n > 0, "there is an answer");
    arena_free(a);
}

/* Any text is a passage: no shape of it may lead outside. */
static void test_odd_texts(void)
{
    static const char *const odd[] = {"",           " ",         "\n\n\n",
                                      "|",          "| |\n|",    ":",
                                      "a:",         "port:\n\n", "port:",
                                      "- ",         "1. ",       "port port port",
                                      "port?",      "# port",    "\xff\xfeport\xff",
                                      "port:\n\n|", "port |"};
    for (size_t i = 0; i < COUNT(odd); i++) {
        struct arena *a = arena_new();
        struct passage p = {.name = STR("x"), .text = str_from(odd[i])};
        struct excerpt x[EXCERPT_MOST];
        size_t n = excerpt_select(STR("port"), STR("port"), &p, 1, x, a);
        for (size_t k = 0; k < n; k++)
            excerpt_text(&x[k], a);
        ok(n <= 1, "odd text %zu", i);
        arena_free(a);
    }
    struct arena *a = arena_new();
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 5000; i++)
        buf_printf(&b, "Port %d is open. ", i);
    struct passage p = {.name = STR("x"), .text = buf_str(&b)};
    struct excerpt x[EXCERPT_MOST];
    ok(excerpt_select(STR("Which port is open?"), STR("Which port is open?"), &p, 1, x, a) > 0,
       "very many sentences");
    ok(excerpt_select(STR("port"), STR("port"), &p, 0, x, a) == 0, "no passage, no excerpt");
    buf_fini(&b);
    arena_free(a);
}

int main(void)
{
    test_cases();
    test_order();
    test_odd_texts();
    return tap_done();
}
