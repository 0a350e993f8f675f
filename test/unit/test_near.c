/* What sketches promise: copies are recognised, other texts are not, and numbers matter. */
#include "answer/near.h"
#include "base/buf.h"
#include "base/mem.h"

#include "tap.h"

#define LONG                                                                                       \
    "The committee met on Tuesday to discuss the new rules for bicycles in the old town. Members " \
    "agreed that signs should be put up at every gate before the summer, and that riders may "     \
    "cross the market square outside its opening hours. Complaints go to the office of the mayor."

static const struct {
    const char *name, *a, *b;
    bool same;
} cases[] = {
    {"the same", LONG, LONG, true},
    {"case and white space", "Hello,  World", "hello world", true},
    {"one word", LONG " It closed at noon.", LONG " It closed at night.", true},
    {"another number", LONG " It cost 12 euros.", LONG " It cost 13 euros.", false},
    {"a number elsewhere is the same number", "5 " LONG, LONG " 5", true},
    {"something else", LONG, "Zebras graze on the plains of the north and drink at the river.",
     false},
    {"short and different", "yes", "no", false},
    {"nothing and something", "", "word", false},
    {"Chinese copies", "今天天气很好，我们去公园散步，看到了很多花和鸟，孩子们都很高兴。",
     "今天天气很好,我们去公园散步,看到了很多花和鸟,孩子们都很高兴", true},
};

static void test_pairs(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct near a, b;
        near_sketch(&a, str_from(cases[i].a));
        near_sketch(&b, str_from(cases[i].b));
        ok(near_same(&a, &b) == cases[i].same, "%s: %.2f", cases[i].name, near_likeness(&a, &b));
        ok(near_likeness(&a, &b) == near_likeness(&b, &a), "either way");
    }
}

/* Texts of 400 random words, of which a share is exchanged: the estimate follows. */
static void test_estimate(void)
{
    uint32_t seed = 1;
    double last = 1.1;
    for (int share = 0; share <= 60; share += 20) {
        struct buf x, y;
        struct near a, b;
        buf_init(&x, 1 << 16);
        buf_init(&y, 1 << 16);
        for (int i = 0; i < 400; i++) {
            seed = seed * 1664525 + 1013904223;
            buf_printf(&x, "w%c%c%c%c ", 'a' + (seed >> 28), 'a' + (seed >> 24 & 15),
                       'a' + (seed >> 20 & 15), 'a' + (seed >> 16 & 15));
            if (i % 100 < share)
                buf_printf(&y, "other%c ", 'a' + i % 26);
            else
                buf_add(&y, str_from_at(buf_str(&x), x.len - 6));
        }
        near_sketch(&a, buf_str(&x));
        near_sketch(&b, buf_str(&y));
        double l = near_likeness(&a, &b);
        ok(l < last, "%d %% exchanged: %.2f", share, l);
        last = l;
        buf_fini(&x);
        buf_fini(&y);
    }
    ok(last < 0.4, "most exchanged: %.2f", last);
}

int main(void)
{
    test_pairs();
    test_estimate();
    return tap_done();
}
