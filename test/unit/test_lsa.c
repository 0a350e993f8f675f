/* What the learned embedder promises: neighbours in meaning, unseen words, stability, bounds. */
#include "index/lsa.h"
#include "base/hash.h"
#include "base/mem.h"
#include "tap.h"

#include <math.h>
#include <string.h>

static const char *const passages[] = {
    "The doctor treated the patient with medicine in the hospital.",
    "A physician gave the patient medicine at the hospital.",
    "The physician and the nurse work in the clinic with a patient.",
    "The doctor visited the clinic to see the nurse.",
    "The car has an engine and four wheels on the road.",
    "An automobile with a strong engine drives on the road.",
    "The automobile lost its wheels on the motorway.",
    "Cars and engines need oil for the motorway.",
};

static float dot(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static struct lsa *learn(const char *const *text, size_t n, enum lang lang, struct lsa_options o)
{
    struct lsa_learner *l = lsa_learner_new(&o);
    for (size_t i = 0; i < n; i++)
        lsa_learner_add(l, lang, STR_NONE, STR_NONE, str_from(text[i]));
    struct lsa *m = lsa_learner_finish(l);
    lsa_learner_free(l);
    return m;
}

static float likeness(const struct lsa *m, const char *query, const char *passage)
{
    float a[LSA_DIMENSION], b[LSA_DIMENSION];
    if (!lsa_query(m, str_from(query), a) ||
        !lsa_passage(m, LANG_EN, STR_NONE, STR_NONE, str_from(passage), b, NULL))
        return NAN;
    return dot(a, b, lsa_dimension(m));
}

static void test_meaning(void)
{
    struct lsa *m = learn(passages, COUNT(passages), LANG_EN, (struct lsa_options){.dimension = 2});
    ok(lsa_dimension(m) == 2, "as many dimensions as were asked for");
    ok(likeness(m, "doctor", passages[1]) > likeness(m, "doctor", passages[5]) + .5f,
       "a doctor is near a physician, though no passage of it says so");
    ok(likeness(m, "car", passages[6]) > likeness(m, "car", passages[2]) + .5f,
       "a car is near an automobile");
    ok(likeness(m, "automobilist", passages[4]) > likeness(m, "automobilist", passages[2]),
       "an unseen word is near its kin");
    float v[2];
    ok(lsa_query(m, STR("physician nurse"), v) && fabsf(dot(v, v, 2) - 1) < 1e-5f,
       "vectors have length one");
    ok(!lsa_query(m, STR("the of and"), v) && v[0] == 0, "stop words have no direction");
    ok(!lsa_query(m, STR_NONE, v), "nor has nothing");
    ok(!lsa_query(m, STR("\xff\xfe\x80"), v), "nor have broken bytes");
    lsa_unref(m);
}

static void test_same(void)
{
    struct lsa *a = learn(passages, COUNT(passages), LANG_EN, (struct lsa_options){.seed = 1});
    struct lsa *b = learn(passages, COUNT(passages), LANG_EN, (struct lsa_options){.seed = 1});
    struct lsa *c = learn(passages, COUNT(passages) - 1, LANG_EN, (struct lsa_options){.seed = 1});
    ok(lsa_version(a) == lsa_version(b), "the same passages give the same version");
    ok(lsa_version(a) != lsa_version(c), "others another");
    ok(lsa_dimension(a) <= COUNT(passages), "no more dimensions than passages");
    lsa_unref(b);
    lsa_unref(c);

    struct buf saved;
    struct err e;
    buf_init(&saved, 1 << 24);
    ok(lsa_save(a, &saved), "saved");
    b = lsa_load(buf_str(&saved), &e);
    ok(b && lsa_version(a) == lsa_version(b), "loaded as the same version");
    float x[LSA_DIMENSION], y[LSA_DIMENSION];
    lsa_query(a, STR("the nurse"), x);
    ok(b && lsa_query(b, STR("the nurse"), y) && memcmp(x, y, lsa_dimension(a) * sizeof(*x)) == 0,
       "and gives the same vectors");
    lsa_unref(b);
    saved.p[saved.len / 2] ^= 1;
    ok(!lsa_load(buf_str(&saved), &e) && e.code == ERR_CORRUPT, "a changed byte is seen");
    ok(!lsa_load(str_head(buf_str(&saved), saved.len - 1), &e), "and a missing one");
    ok(!lsa_load(STR_NONE, &e), "and nothing");
    buf_fini(&saved);
    lsa_unref(a);
}

static void test_edges(void)
{
    static const char *const one[] = {"word"}, *const none[] = {"", "the", "!"};
    static const char *const same[] = {"green tea", "green tea", "green tea", "green tea"};
    static const char *const dense[] = {"今日は天気がいいです", "明日は雨が降ります",
                                        "今日の天気予報は雨です"};
    struct lsa_options o = {0};
    ok(!learn(NULL, 0, LANG_EN, o), "nothing is learned from nothing");
    ok(!learn(none, COUNT(none), LANG_EN, o), "nor from passages without words");

    struct lsa *m = learn(one, 1, LANG_EN, o);
    ok(m && lsa_dimension(m) == 1 && likeness(m, "word", "word") > .999f, "from one word, it");
    lsa_unref(m);
    m = learn(same, COUNT(same), LANG_EN, o);
    ok(m && lsa_dimension(m) == 1 && likeness(m, "tea", "green tea") > .999f,
       "identical passages have one direction");
    lsa_unref(m);
    m = learn(dense, COUNT(dense), LANG_JA, o);
    ok(m && likeness(m, "天気", dense[2]) > likeness(m, "天気", dense[1]),
       "a script without spaces");
    ok(m && !isnan(likeness(m, "雨予", dense[1])), "and a pair that was not seen");
    lsa_unref(m);

    atomic_bool stop = true;
    o.stop = &stop;
    ok(!learn(passages, COUNT(passages), LANG_EN, o), "learning can be stopped");
}

static struct lsa *learn_sample(size_t n)
{
    struct lsa_options o = {.sample = 4};
    struct lsa_learner *l = lsa_learner_new(&o);
    for (size_t i = 0; i < n; i++)
        lsa_learner_add(l, LANG_EN, STR("title"), STR("section"),
                        str_from(passages[i % COUNT(passages)]));
    struct lsa *m = lsa_learner_finish(l);
    lsa_learner_free(l);
    ok(m && lsa_dimension(m) <= 4, "of %zu passages, four", n);
    return m;
}

static void test_growth(void)
{
    struct lsa *m = learn_sample(1000);
    struct lsa_seen seen = {0};
    ok(!lsa_outgrown(m, 1015, &seen), "a few more are not reason enough to learn anew");
    ok(lsa_outgrown(m, 1025, &seen), "a fiftieth is");
    seen.passages = 25;
    ok(lsa_outgrown(m, 1000, &seen), "so are others in their place");
    lsa_unref(m);
    m = learn_sample(10);
    seen.passages = 7;
    ok(!lsa_outgrown(m, 17, &seen) && lsa_outgrown(m, 18, &seen), "very few never");
    lsa_unref(m);

    const uint64_t large = LSA_SAMPLE + 10000;
    float v[4];
    m = learn_sample(large);
    seen = (struct lsa_seen){0};
    ok(!lsa_outgrown(m, large + large / 2, &seen), "a large collection: not half as many again");
    ok(lsa_outgrown(m, large * 2, &seen), "twice as many");
    for (size_t i = 0; i < 6000; i++)
        lsa_passage(m, LANG_EN, STR_NONE, STR_NONE, STR("quantum chromodynamics of gluons"), v,
                    &seen);
    ok(seen.passages == 6000 && seen.words == 18000 && seen.unknown == 18000,
       "unknown words are counted");
    ok(lsa_outgrown(m, large + 6000, &seen), "and a new subject is a reason too");
    lsa_unref(lsa_ref(m));
    lsa_unref(m);
}

int main(void)
{
    test_meaning();
    test_same();
    test_edges();
    test_growth();
    return tap_done();
}
