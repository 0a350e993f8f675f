/* What level 4 is made of: parts of a question, what a model said read with care, words that the
 * best passages share. */
#include "answer/questions.h"
#include "base/buf.h"

#include "tap.h"

static struct arena *a;
static struct err e;

static const struct {
    const char *question;
    size_t n;
    const char *part[3];
} splits[] = {
    {"What is a zebra?", 0, {0}},
    {"What is a zebra and how fast does it run?", 2, {"What is a zebra", "how fast does it run?"}},
    {"Who wrote it? When was it printed?", 2, {"Who wrote it?", "When was it printed?"}},
    {"What do lions eat, and where do they sleep; when do they hunt?",
     3,
     {"What do lions eat", "where do they sleep", "when do they hunt?"}},
    {"What is the difference between HTTP and HTTPS?", 2, {"HTTP", "HTTPS"}},
    {"compare cats with dogs", 2, {"cats", "dogs"}},
    {"postgres vs sqlite", 2, {"postgres", "sqlite"}},
    {"Was ist ein Vertrag und wann gilt er?", 2, {"Was ist ein Vertrag", "wann gilt er?"}},
    {"bread and butter pudding", 0, {0}},
    {"salt and pepper", 0, {0}},
    {"How do I set up the north and south gates?", 0, {0}},
    {"", 0, {0}},
    {" and what is that", 0, {0}},
};

static void test_split(void)
{
    for (size_t i = 0; i < COUNT(splits); i++) {
        struct str part[QUESTIONS_PARTS];
        size_t n = questions_split(str_from(splits[i].question), part, a);
        bool same = n == splits[i].n;
        for (size_t k = 0; same && k < n; k++)
            same = str_eq(part[k], str_from(splits[i].part[k]));
        ok(same, "%s", splits[i].question);
    }
}

static void test_read(void)
{
    struct questions_said s;
    ok(questions_read(
           &s,
           STR("Sure!\n```json\n{\"standalone\": \"How fast do zebras run?\", \"parts\": "
               "[\"zebra speed\", \"zebra speed\", 7, \"x\"], \"reworded\": [\"top speed "
               "of\\nzebras\"]}\n```"),
           a, &e) &&
           str_eq(s.standalone, STR("How fast do zebras run?")) && s.n_parts == 1 &&
           s.n_reworded == 1 && str_eq(s.reworded[0], STR("top speed of zebras")),
       "JSON inside of prose; repeats, numbers and trifles left out");
    static const char *const bad[] = {
        "",    "I cannot help with that.", "{",           "}{",   "{\"parts\": [}",
        "[1]", "{\"parts\": \"no list\"}", "{\"a\": {}}", "null",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        ok(!questions_read(&s, str_from(bad[i]), a, &e) && e.code == ERR_UPSTREAM, "refused: %s",
           bad[i]);
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_add(&b, STR("{\"reworded\":["));
    for (int i = 0; i < 20; i++)
        buf_printf(&b, "%s\"%0*d\"", i ? "," : "", 1000, i);
    buf_add(&b, STR("]}"));
    ok(questions_read(&s, buf_str(&b), a, &e) && s.n_reworded <= QUESTIONS_PARTS &&
           s.reworded[0].len == QUESTIONS_BYTES,
       "no more and no longer than allowed");
    buf_fini(&b);
}

static void test_feedback(void)
{
    const struct str text[] = {
        STR("Zebras of the savanna flee from lions."),
        STR("The savanna is the home of zebras."),
        STR("Zebras in the zoo eat hay from the city."),
        STR("The city council met on Tuesday."),
        STR("The city opened a road."),
    };
    struct str words = questions_feedback(STR("where do zebras live"), text, COUNT(text), 3, a);
    ok(str_eq(words, STR("savanna")), "what the best share: '%.*s'", STR_FMT(words));
    ok(questions_feedback(STR("x"), text, 0, 0, a).len == 0, "nothing from nothing");
}

int main(void)
{
    a = arena_new();
    test_split();
    test_read();
    test_feedback();
    arena_free(a);
    return tap_done();
}
