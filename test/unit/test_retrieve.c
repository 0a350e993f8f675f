/* What retrieval promises: passages with scores between 0 and 1, best first, what each stage said
 * of them; the same once; and that a model which misbehaves costs nothing but its help. */
#include "answer/retrieve.h"

#include <math.h>

#include "tap.h"
#include "tempdir.h"

static char dir[TEMPDIR_SIZE];
static struct db *d;
static struct search_set *s;
static struct arena *a;
static struct str collection;
static struct err e;

static void put(const char *name, const char *text)
{
    struct doc_document doc = {.collection = collection,
                               .uri = str_from(name),
                               .name = str_from(name),
                               .content_hash = STR("x")};
    struct str whole = str_from(text);
    struct doc_chunk c = {.text = whole, .char_end = whole.len};
    if (!doc_put(d, &doc, &c, 1, &e))
        printf("# %s\n", e.msg);
}

static struct retrieval find(struct retrieve_query q, const char *text)
{
    const struct retriever r = {.db = d, .search = s};
    struct str question = str_from(text);
    struct retrieval out = {0};
    q.search.collection = &collection;
    q.search.n_collections = 1;
    q.text = &question;
    q.n_texts = 1;
    ok(retrieve(&r, &q, a, &out, &e), "retrieved: %s", text);
    return out;
}

static void test_scores(void)
{
    struct retrieval r = find((struct retrieve_query){.k = 10}, "zebra river");
    ok(r.n == 2 && str_eq(r.hit[0].passage.name, STR("both.md")), "the one with both words first");
    ok(r.n == 2 && r.hit[0].score > r.hit[1].score && r.hit[0].score < 1 && r.hit[1].score > 0,
       "scores fall, between 0 and 1");
    ok(r.n == 2 && r.hit[0].search.rank == 1 && r.hit[1].search.rank == 2, "ranks from 1");
    double between = r.n == 2 ? (r.hit[0].score + r.hit[1].score) / 2 : 0;
    r = find((struct retrieve_query){.k = 10, .threshold = between}, "zebra river");
    ok(r.n == 1, "what is below the threshold is left out");
    r = find((struct retrieve_query){.k = 1}, "zebra river");
    ok(r.n == 1, "at most k");
    r = find((struct retrieve_query){.k = 10}, "zebra");
    struct retrieval less = find((struct retrieve_query){.k = 10}, "zebra but not river");
    ok(less.n == 2 && less.hit[0].passage.chunk.id == r.hit[0].passage.chunk.id &&
           less.hit[0].score == r.hit[0].score && less.hit[1].score == r.hit[1].score,
       "what is not wanted earns nothing");
    r = find((struct retrieve_query){.k = 10}, "quantum");
    ok(r.n == 0, "nothing found is no failure");
}

/* Scores that are told may be equal where what orders them is not. */
static void test_order(void)
{
    static const char *const word[] = {"oven", "flour", "yeast", "dough", "crust", "knead"};
    enum { LOAVES = 120 };
    for (size_t i = 0; i < LOAVES; i++)
        put(arena_printf(a, "loaf%zu.md", i).p,
            arena_printf(a, "%s and %s, %s with %s or %s, as %zu does.", word[i % 6],
                         word[(i * 5 + 1) % 6], word[i / 6 % 6], word[(i / 3 + 2) % 6],
                         word[(i / 5 + 1) % 6], i)
                .p);
    search_catch_up(s, &e);
    search_settle(s, 60000);
    const struct search_query q = {
        .collection = &collection, .n_collections = 1, .text = STR("yeast crust"), .k = 35};
    struct search_hit *hit;
    size_t n, same = 0;
    ok(search_run(s, &q, a, &hit, &n, &e), "searched");
    struct retrieval r =
        find((struct retrieve_query){.k = 20, .level = RETRIEVE_HYBRID, .keep_duplicates = true},
             "yeast crust");
    for (size_t i = 0; i < r.n && i < n; i++)
        same += r.hit[i].passage.chunk.id == hit[i].chunk;
    ok(r.n == 20 && same == r.n, "passages come as the search ordered them: %zu", same);
}

/* ---- The same once ---- */

static void test_duplicates(void)
{
    struct retrieval r = find((struct retrieve_query){.k = 10}, "giraffe");
    ok(r.n == 2 && r.hit[0].n_copies + r.hit[1].n_copies == 1,
       "the copy stands behind its original");
    r = find((struct retrieve_query){.k = 10, .keep_duplicates = true}, "giraffe");
    ok(r.n == 3, "or is kept");
}

/* ---- Rights ---- */

static void test_rights(void)
{
    struct doc_document doc;
    const struct rights alice = {.user = STR("alice")};
    doc_find(d, a, collection, STR("none.md"), &doc, &e);
    ok(find((struct retrieve_query){.k = 10, .search.rights = &alice}, "lions").n == 1, "readable");
    doc_set_access(d, doc.id, STR("{\"users\":[\"bob\"]}"), &e);
    ok(find((struct retrieve_query){.k = 10, .search.rights = &alice}, "lions").n == 0,
       "not any more, though the index does not know yet");
    doc_set_access(d, doc.id, STR("{}"), &e);
}

/* ---- Models ---- */

enum { GOOD, FAILS, NOT_A_NUMBER, LOGITS };
static int behaviour;
static const char *says;

/* Likes what speaks of plains. */
static bool fake_rerank(void *ctx, struct str query, const struct str *text, size_t n,
                        double *score, struct arena *mem, struct err *err)
{
    (void)ctx, (void)query, (void)mem;
    if (behaviour == FAILS)
        return err_set(err, ERR_TIMEOUT, "too late");
    for (size_t i = 0; i < n; i++) {
        double good = str_find(text[i], STR("plains")) != STR_NPOS;
        score[i] = behaviour == NOT_A_NUMBER ? NAN : behaviour == LOGITS ? 8 * good - 4 : good;
    }
    return true;
}

static bool fake_ask(void *ctx, struct str instructions, struct str message, struct arena *mem,
                     struct str *answer, struct err *err)
{
    (void)ctx, (void)instructions, (void)message, (void)mem;
    if (!says)
        return err_set(err, ERR_UPSTREAM, "broke off");
    *answer = str_from(says);
    return true;
}

static void test_rankers(void)
{
    const struct retrieve_models m = {.rerank = fake_rerank, .ask = fake_ask};
    const struct retrieve_models judge = {.ask = fake_ask, .judge = true};
    struct retrieve_query q = {.k = 10, .models = &m};
    behaviour = GOOD;
    struct retrieval r = find(q, "zebra river");
    ok(strcmp(r.ranker, "model") == 0 && str_eq(r.hit[0].passage.name, STR("one.md")) &&
           r.hit[0].rerank.rank == 1 && r.hit[0].search.rank == 2 && r.n_notes == 0,
       "the model's order, and where the search had it");
    behaviour = LOGITS;
    r = find(q, "zebra river");
    ok(r.hit[0].score < 1 && r.hit[0].score > .9 && r.hit[1].score < .1, "logits become 0 to 1");
    for (behaviour = FAILS; behaviour <= NOT_A_NUMBER; behaviour++) {
        r = find(q, "zebra river");
        ok(r.n == 2 && strcmp(r.ranker, "built-in") == 0 && r.n_notes == 1 &&
               str_eq(r.hit[0].passage.name, STR("both.md")),
           "without its help: %.*s", STR_FMT(r.note[0]));
    }
    behaviour = GOOD;
    q.ranker = RANKER_NONE;
    r = find(q, "zebra river");
    ok(strcmp(r.ranker, "none") == 0 && r.hit[0].rerank.rank == 0, "none when none is wanted");
    q.level = RETRIEVE_HYBRID;
    q.ranker = RANKER_AUTO;
    r = find(q, "zebra river");
    ok(strcmp(r.ranker, "none") == 0, "nor below level 3");
    q = (struct retrieve_query){.k = 10, .models = &judge};
    says = "[[1, 1], [2, 9]]";
    r = find(q, "zebra river");
    ok(strcmp(r.ranker, "judge") == 0 && str_eq(r.hit[0].passage.name, STR("one.md")),
       "the judge's order");
    says = "I like the second one.";
    r = find(q, "zebra river");
    ok(strcmp(r.ranker, "built-in") == 0 && r.n_notes == 1, "a judge that only talks");
    q.ranker = RANKER_MODEL;
    r = find(q, "zebra river");
    ok(strcmp(r.ranker, "built-in") == 0 && r.n_notes == 1, "one that is not configured");
}

/* ---- Level 4 ---- */

static void test_expansion(void)
{
    const struct retrieve_models m = {.ask = fake_ask};
    struct retrieve_query q = {.k = 10, .level = RETRIEVE_EXPANDED};
    struct retrieval r = find(q, "How long do lions sleep and what do giraffes eat?");
    ok(r.n_questions >= 3 && strcmp(r.question[1].kind, "part") == 0 && r.n >= 3,
       "two questions in one are searched for apart: %zu", r.n_questions);
    ok(r.n >= 2 && !str_eq(r.hit[0].passage.name, r.hit[1].passage.name) &&
           (str_eq(r.hit[0].passage.name, STR("none.md")) ||
            str_eq(r.hit[1].passage.name, STR("none.md"))),
       "both answers stand on top");
    q.models = &m;
    says = "{\"reworded\": [\"king of the animals resting\", \"lions asleep hours\"]}";
    r = find(q, "quantum nap");
    ok(r.n == 1 && str_eq(r.hit[0].passage.name, STR("none.md")) && r.hit[0].asked == 4,
       "other words find what the question's own do not");
    says = NULL;
    r = find(q, "zebra river");
    ok(r.n == 2 && r.n_notes == 1, "a model that breaks off costs nothing: %.*s",
       STR_FMT(r.note[0]));
    struct retrieval again = find(q, "zebra river");
    ok(again.n == r.n && again.hit[0].score == r.hit[0].score &&
           again.hit[1].passage.chunk.id == r.hit[1].passage.chunk.id,
       "the same again");
}

int main(void)
{
    struct doc_collection c = {.name = STR("zoo")};
    tempdir_make(dir);
    a = arena_new();
    const struct db_options opt = {.dir = dir};
    if (!db_open(&d, &opt, &e) || !doc_collection_create(d, a, &c, &e))
        return printf("Bail out! %s\n", e.msg), 1;
    collection = c.id;
    put("both.md", "Zebras drink at the river.");
    put("one.md", "Zebras graze on the plains of the north all day long.");
    put("none.md", "Lions sleep twenty hours a day.");
    put("tall.md", "Giraffes eat leaves of tall trees in the dry season, and grass when it rains.");
    put("copy.md", "Giraffes eat leaves of tall trees in the dry season, and grass when it rains");
    put("other.md", "A giraffe drinks once in three days.");
    if (!search_open(&s, d, dir, &e))
        return printf("Bail out! %s\n", e.msg), 1;
    test_scores();
    test_duplicates();
    test_rights();
    test_rankers();
    test_expansion();
    test_order();
    search_close(s);
    db_close(d);
    arena_free(a);
    tempdir_remove(dir);
    return tap_done();
}
