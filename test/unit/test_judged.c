/* Judgments in their three forms, and what a bad line is answered. */
#include "model/judged.h"
#include "base/file.h"

#include "tap.h"
#include "tempdir.h"

#include <math.h>

static char dir[TEMPDIR_SIZE];
static struct arena *a;
static struct err e;

static const char *put_file(const char *name, const char *text)
{
    const char *path = arena_printf(a, "%s/%s", dir, name).p;
    ok(file_replace(path, str_from(text), 0600, &e), "%s", name);
    return path;
}

static void test_folder(void)
{
    struct judged j = {0};
    put_file("corpus.jsonl", "{\"_id\":\"1\",\"title\":\"Otter\",\"text\":\"Otters hold hands.\"}\n"
                             "{\"_id\":\"2\",\"title\":\"\",\"text\":\"Herons eat frogs.\"}\n\n"
                             "{\"_id\":\"3\",\"title\":\"\",\"text\":\"Otters eat crabs.\"}\n");
    put_file("queries.jsonl", "{\"_id\":\"a\",\"text\":\"what do otters eat\"}\n"
                              "{\"_id\":\"b\",\"text\":\"unjudged\"}\n");
    put_file("qrels.tsv", "query-id\tcorpus-id\tscore\na\t3\t2\na\t1\t0\na\t9\t1\n");
    ok(judged_folder(&j, dir, a, &e) && j.n == 1, "one query is judged: %s", e.msg);
    const struct judged_query *q = &j.q[0];
    size_t at = 0;
    while (at < q->n && q->grade[at] == 0)
        at++;
    ok(q->n == 3 && at < q->n && str_eq(q->c[at].text, STR("Otters eat crabs.")) &&
           q->grade[at] == 2,
       "its candidates, with grades");
    ok(q->c[0].score >= q->c[1].score, "as the search ordered them");
    ok(fabs(q->ideal - (2 + 1 / log2(3))) < 1e-9, "the ideal knows what was not found");
    uint32_t order[3] = {(uint32_t)at, at == 0 ? 1 : 0, at == 2 ? 1 : 2};
    ok(fabs(judged_ndcg(q, order) - 2 / q->ideal) < 1e-9, "nDCG of an order");
    ok(!judged_folder(&j, "/nonexistent", a, &e) && e.code == ERR_NOT_FOUND, "%s", e.msg);
}

static void test_lines(void)
{
    struct judged j = {0};
    const char *path =
        put_file("lines", "{\"query\":\"otters\",\"text\":\"Herons.\",\"grade\":0}\n"
                          "{\"query\":\"frogs\",\"text\":\"Frogs.\",\"grade\":1}\n"
                          "{\"query\":\"otters\",\"document\":\"Otters.\",\"grade\":3}\n");
    ok(judged_lines(&j, path, a, &e) && j.n == 2 && j.q[0].n == 2 && j.q[1].n == 1,
       "lines of a query come together");
    ok(j.q[0].grade[0] == 3 && j.q[0].ideal == 3, "what the search finds comes first");
    ok(!judged_lines(&j, put_file("bad", "{\"query\":\"x\",\"text\":\"y\"}\n"), a, &e) &&
           strstr(e.msg, ":1:"),
       "%s", e.msg);
    ok(!judged_lines(&j, put_file("bad", "\n\n{"), a, &e) && strstr(e.msg, ":3:"), "%s", e.msg);
}

static void test_clicks(void)
{
    struct judged j = {0};
    const char *path = put_file(
        "clicks", "{\"query\":\"q\",\"shown\":[{\"text\":\"a\"},{\"text\":\"b\"},{\"text\":\"c\"},"
                  "{\"text\":\"d\"},{\"text\":\"e\"}],\"clicked\":[1,3]}\n"
                  "{\"query\":\"q\",\"shown\":[{\"text\":\"a\"}],\"clicked\":[]}\n");
    ok(judged_clicks(&j, path, a, &e) && j.n == 1, "a page without a click says nothing");
    const struct judged_query *q = &j.q[0];
    ok(q->n == 4 && q->grade[0] == 1 && q->grade[1] == 0 && q->grade[2] == 3 && q->grade[3] == 0,
       "a click counts as its place is rarely looked at; what was not seen is left out");
    ok(!judged_clicks(&j, put_file("bad", "{\"query\":\"q\",\"shown\":[],\"clicked\":[1]}"), a, &e),
       "%s", e.msg);
}

int main(void)
{
    tempdir_make(dir);
    a = arena_new();
    test_folder();
    test_lines();
    test_clicks();
    arena_free(a);
    tempdir_remove(dir);
    return tap_done();
}
