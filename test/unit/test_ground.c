/* What grounding promises: the chunks that a question finds become passages: neighbours of a
 * section joined exactly, duplicates dropped, inside the budget; and a conversation within its
 * share. */
#include "answer/answer.h"
#include "store/doc.h"
#include "text/token.h"

#include "tap.h"
#include "tempdir.h"

static char dir[TEMPDIR_SIZE];
static struct db *d;
static struct search_set *s;
static struct arena *a;
static struct str collection;
static struct err e;

/* A document whose chunks are the stretches of its text that `cut` names. */
static const char *guide =
    "Zebras graze on the plains of the north. They walk in herds. Herds of zebras follow the rain. "
    "Rain comes in April. After the rain the zebras return to the river.";

static void put(const char *name, const char *text, const size_t (*cut)[2],
                const char *const *section, size_t n)
{
    struct doc_document doc = {.collection = collection,
                               .uri = str_from(name),
                               .name = str_from(name),
                               .content_hash = STR("x")};
    struct doc_chunk *c = arena_array(a, struct doc_chunk, n);
    for (size_t i = 0; i < n; i++) {
        struct str part = {text + cut[i][0], cut[i][1] - cut[i][0]};
        c[i] = (struct doc_chunk){.text = part,
                                  .section = str_from(section[i]),
                                  .char_start = cut[i][0],
                                  .char_end = cut[i][1],
                                  .line_start = (uint32_t)i + 1,
                                  .line_end = (uint32_t)i + 1,
                                  .tokens = (uint32_t)token_count(part),
                                  .hash = part.len};
    }
    if (!doc_put(d, &doc, c, n, &e))
        printf("# %s\n", e.msg);
}

static void put_one(const char *name, const char *text)
{
    put(name, text, (const size_t[][2]){{0, strlen(text)}}, (const char *const[]){""}, 1);
}

static void fill(void)
{
    static const size_t cuts[][2] = {{0, 61}, {41, 93}, {94, 158}};
    put("guide.md", guide, cuts, (const char *const[]){"Zebras", "Zebras", "Zebras > Rain"}, 3);
    put_one("copy.md", "Giraffes eat leaves of tall trees.");
    put_one("copy2.md", "Giraffes eat leaves of tall trees.");
    put_one("a<b>[c].md", "Lions sleep twenty hours a day.");
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 300; i++)
        buf_printf(&b, "Elephant number %d remembers the way to the water. ", i);
    buf_char(&b, 0);
    put_one("long.md", b.p);
    buf_fini(&b);
    ok(search_catch_up(s, &e), "the index follows");
}

static struct call ask(const struct chat_message *m, size_t n, const struct answer_options *opt)
{
    struct call c = {.arena = a};
    c.req.message = arena_array(a, struct chat_message, n);
    memcpy(c.req.message, m, n * sizeof(*m));
    c.req.n_messages = n;
    const struct retriever from = {.db = d, .search = s};
    const struct retrieve_query q = {.search = {.collection = &collection, .n_collections = 1}};
    ok(answer_ground(&from, &q, opt, &c, &e) && c.req.grounded, "grounded");
    return c;
}

static struct call ask_one(const char *question, const struct answer_options *opt)
{
    return ask(&(struct chat_message){CHAT_USER, str_from(question)}, 1, opt);
}

static void test_passages(void)
{
    static const struct answer_options none = {0};
    struct call c = ask_one("Where do zebras graze, in herds?", &none);
    const struct passage *p = c.req.passage;
    ok(c.req.n_passages == 2, "three chunks of two sections are two passages, %zu",
       c.req.n_passages);
    const struct passage *joined =
        c.req.n_passages == 2 && p[0].text.len > p[1].text.len ? &p[0] : &p[1];
    ok(str_eq(joined->text, (struct str){guide, 93}) && joined->char_start == 0,
       "neighbours are joined without the overlap");
    ok(joined->line_start == 1 && joined->line_end == 2 && str_eq(joined->section, STR("Zebras")),
       "and keep their place");
    ok(str_eq(c.req.question, STR("Where do zebras graze, in herds?")),
       "the question stays as it is");

    c = ask_one("What do giraffes eat?", &none);
    ok(c.req.n_passages == 1, "the same text from two documents stands once");
    c = ask_one("How many hours do lions sleep?", &none);
    ok(c.req.n_passages > 0 && str_eq(c.req.passage[0].name, STR("a(b)(c).md")),
       "a name cannot break a marker");
    c = ask_one("quantum chromodynamics", &none);
    ok(c.req.n_passages == 0, "nothing found is no failure");
    c = ask_one("zebras giraffes lions", &(struct answer_options){.passages = 2});
    ok(c.req.n_passages == 2, "at most as many as asked for");
}

/* Searches that the model calls add to what stands with the question. */
static void test_called(void)
{
    static const struct answer_options none = {0};
    const struct retriever from = {.db = d, .search = s};
    const struct retrieve_query q = {.search = {.collection = &collection, .n_collections = 1}};
    const struct str text[] = {STR("giraffe food"), STR("What do giraffes eat?")};
    struct answer_found found;
    struct call c = ask_one("How many hours do lions sleep?", &none);
    size_t before = c.req.n_passages;
    const struct passage first = c.req.passage[0];
    ok(answer_search(&from, &q, &none, &c, text, 2, &found, &e) && found.n > 0 && !found.full,
       "a search by two texts");
    ok(c.req.n_passages == before + c.req.n_beside && c.req.n_beside > 0 &&
           str_eq(c.req.passage[0].text, first.text),
       "what it found is behind what was there");
    size_t now = c.req.n_passages;
    ok(answer_search(&from, &q, &none, &c, text, 1, &found, &e) && found.n > 0 &&
           c.req.n_passages == now,
       "found again it is there once");
    ok(answer_search(&from, &q, &none, &c, &STR("quantum chromodynamics"), 1, &found, &e) &&
           found.n == 0 && !found.full && c.req.n_passages == now,
       "nothing found is no failure");
    c.req.prompt_tokens = 8000;
    ok(answer_search(&from, &q, &none, &c, text, 1, &found, &e) && found.full &&
           c.req.n_passages == now,
       "a full window has no room for more");

    struct chat_message m = {CHAT_USER, STR("What do giraffes eat?")};
    struct call own = {.arena = a, .req = {.message = &m, .n_messages = 1}};
    own.req.searching = SEARCH_CALLED;
    ok(answer_ground(&from, &q, &none, &own, &e) && own.req.grounded && own.req.n_passages == 0 &&
           str_eq(own.req.question, m.text),
       "where the model is to look itself nothing is looked for");
}

static void test_budget(void)
{
    static const struct answer_options small = {.context_tokens = 400,
                                                .instruction_share = 0.3f,
                                                .conversation_share = 0.2f,
                                                .context_share = 0.5f};
    struct call c = ask_one("Which elephant remembers the way to the water?", &small);
    ok(c.req.n_passages == 1 && c.req.passage[0].tokens <= 200 && c.req.passage[0].tokens > 100,
       "a long passage is cut to the budget, %u tokens",
       c.req.n_passages ? c.req.passage[0].tokens : 0);
    ok(str_ends(c.req.passage[0].text, STR(".")), "behind a sentence");
}

static void test_conversation(void)
{
    static const struct answer_options small = {.context_tokens = 400,
                                                .instruction_share = 0.3f,
                                                .conversation_share = 0.2f,
                                                .context_share = 0.5f};
    struct str old =
        arena_printf(a, "%0300d and so on and so on and so on and so on, over and over", 1);
    const struct chat_message m[] = {
        {CHAT_SYSTEM, STR("Be nice.")},
        {CHAT_USER, old},
        {CHAT_ASSISTANT, old},
        {CHAT_USER, STR("What do zebras do?")},
        {CHAT_ASSISTANT, STR("They graze.")},
        {CHAT_USER, STR("Where do they do it?")},
    };
    struct call c = ask(m, COUNT(m), &small);
    ok(c.req.n_left_out == 3, "old messages over the share are left out, %zu", c.req.n_left_out);
    ok(str_eq(c.req.question, STR("zebras: Where do they do it?")),
       "the question is made standalone: '%.*s'", STR_FMT(c.req.question));
    ok(c.req.n_passages > 0, "and finds what it is about");
    c = ask(m, COUNT(m), &(struct answer_options){0});
    ok(c.req.n_left_out == 0, "a large window keeps everything");
    struct chat_message tools[] = {{CHAT_USER, old},
                                   {CHAT_ASSISTANT, STR("calls")},
                                   {CHAT_TOOL, STR("result")},
                                   {CHAT_USER, STR("zebras?")},
                                   {CHAT_ASSISTANT, STR("calls")},
                                   {CHAT_TOOL, STR("result")}};
    c = ask(tools, COUNT(tools), &small);
    ok(c.req.n_left_out == 3, "what is kept begins with a user's message, %zu", c.req.n_left_out);
}

int main(void)
{
    a = arena_new();
    tempdir_make(dir);
    if (ok(db_open(&d, &(struct db_options){.dir = dir}, &e) && search_open(&s, d, dir, &e),
           "the store opens %s", e.msg)) {
        struct doc_collection c = {.name = STR("docs")};
        doc_collection_create(d, a, &c, &e);
        collection = c.id;
        fill();
        test_passages();
        test_called();
        test_budget();
        test_conversation();
        search_close(s);
        db_close(d);
    }
    tempdir_remove(dir);
    arena_free(a);
    return tap_done();
}
