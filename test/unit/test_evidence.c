/* Which sentences the passages support, and what is said against the others. */
#include "answer/evidence.h"
#include "tap.h"

static const struct passage passages[] = {
    {.name = STR("report.pdf"),
     .section = STR("Results > Berlin"),
     .text =
         STR("The bridge was opened on 3 May 2021 by Anna Schmidt. It is 1,250 metres long and "
             "carries 40,000 cars a day. \"Nobody believed that it would ever stand\", said the "
             "engineer. The toll does not apply to buses.")},
    {.name = STR("manual.md"),
     .text = STR("Snapshots are written every ten minutes to `data/snap`. The server listens on "
                 "port 8080. Germany and France paid for it. The limit is 1.5 million rows.")},
};

static const struct {
    const char *sentence;
    enum evidence_reason reason;
} cases[] = {
    {"The bridge was opened on May 3, 2021.", EVIDENCE_NONE},
    {"Anna Schmidt opened the bridge in 2021.", EVIDENCE_NONE},
    {"It was opened on 4 May 2021.", EVIDENCE_DATE},
    {"It is 1250 m long.", EVIDENCE_NONE},
    {"It is 1.25 km long.", EVIDENCE_NONE},
    {"It is 1,350 metres long.", EVIDENCE_NUMBER},
    {"The bridge carries 50,000 cars a day.", EVIDENCE_NUMBER},
    {"It was opened by Angela Schmidt.", EVIDENCE_NAME},
    {"The results for Berlin are in report.pdf.", EVIDENCE_NONE},
    {"The engineer said “nobody believed that it would ever stand”.", EVIDENCE_NONE},
    {"The engineer said \"everybody believed that it would stand\".", EVIDENCE_QUOTATION},
    {"Snapshots are written to `data/snap` every 600 seconds.", EVIDENCE_NONE},
    {"Snapshots are written to `data/other`.", EVIDENCE_QUOTATION},
    {"The server listens on port 8080.", EVIDENCE_NONE},
    {"The limit is 1,500,000 rows.", EVIDENCE_NONE},
    {"The German government paid for it.", EVIDENCE_NONE},
    {"Wombats dig deep burrows and sleep there all day long.", EVIDENCE_SUPPORT},
    {"I would personally recommend visiting the museum next door.", EVIDENCE_SUPPORT},
    {"...", EVIDENCE_NONE},
    {"Die Brücke wurde am 3. Mai 2021 von einer Frau aus der Stadt eröffnet.", EVIDENCE_NONE},
    {"Die Brücke wurde am 5. Mai 2021 von einer Frau aus der Stadt eröffnet.", EVIDENCE_DATE},
};

static void test_reasons(const struct evidence *v)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct verdict got = evidence_check(v, str_from(cases[i].sentence));
        ok(got.reason == cases[i].reason, "%s: %s %.2f", cases[i].sentence,
           evidence_reason_name(got.reason), (double)got.score);
    }
    struct verdict got = evidence_check(v, STR("It carries 50,000 cars."));
    ok(got.start == 11 && got.end == 17, "it says which number");
}

static void test_order(const struct evidence *v)
{
    float same = evidence_check(v, STR("It carries 40,000 cars a day")).score;
    float mixed = evidence_check(v, STR("day a cars 40,000 carries It")).score;
    float denied = evidence_features(v, STR("It never carries cars")).denies;
    ok(same > mixed, "words in their order support more: %.2f, %.2f", (double)same, (double)mixed);
    ok(denied == 0, "a passage denies something too");
}

static void test_nothing(struct arena *a)
{
    const struct evidence *none = evidence_new(NULL, 0, a);
    ok(evidence_check(none, STR("The port is 8080.")).reason == EVIDENCE_NUMBER,
       "no passage, no support");
    ok(evidence_check(none, STR("")).reason == EVIDENCE_NONE, "nothing said, nothing wrong");
}

int main(void)
{
    struct arena *a = arena_new();
    const struct evidence *v = evidence_new(passages, COUNT(passages), a);
    test_reasons(v);
    test_order(v);
    test_nothing(a);
    arena_free(a);
    return tap_done();
}
