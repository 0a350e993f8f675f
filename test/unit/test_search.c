/* Indexes follow the store: what is committed is found after a catch-up, what is removed is not,
 * and a lost or damaged snapshot changes nothing. */
#include "base/file.h"
#include "base/mem.h"
#include "index/search.h"
#include "index/snapshot.h"
#include "store/doc.h"
#include "tap.h"
#include "tempdir.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

static char dir[TEMPDIR_SIZE];
static struct db *d;
static struct arena *a;
static struct search_set *s;
static struct err e;
static struct str manual, notes; /* collections */

static struct str make_collection(const char *name)
{
    struct doc_collection c = {.name = str_from(name)};
    if (!doc_collection_create(d, a, &c, &e))
        printf("# %s\n", e.msg);
    return c.id;
}

/* A document of one chunk per text; returns its id. */
static int64_t put(struct arena *mem, struct str collection, const char *name, const char *section,
                   const char *const *text, size_t n)
{
    struct err mine;
    struct doc_document doc = {.collection = collection,
                               .uri = str_from(name),
                               .name = str_from(name),
                               .content_hash = str_from("x")};
    struct doc_chunk *c = arena_array(mem, struct doc_chunk, n);
    for (size_t i = 0; i < n; i++)
        c[i] = (struct doc_chunk){.text = str_from(text[i]), .section = str_from(section)};
    if (!doc_put(d, &doc, c, n, &mine))
        printf("# %s\n", mine.msg);
    return doc.id;
}

static int64_t put_one(struct str collection, const char *name, const char *text)
{
    return put(a, collection, name, "", &text, 1);
}

/* Document of the best hit, 0 = none; *n: number of hits. */
static int64_t best(const struct str *collection, size_t n_collections, const char *text, size_t *n)
{
    struct search_query q = {
        .collection = collection, .n_collections = n_collections, .text = str_from(text), .k = 10};
    struct search_hit *hit;
    size_t found;
    if (!search_run(s, &q, a, &hit, &found, &e))
        return -1;
    if (n)
        *n = found;
    return found ? hit[0].document : 0;
}

static void test_following(void)
{
    size_t n;
    int64_t bridge = put_one(manual, "bridge.md", "The old bridge was repaired in spring.");
    int64_t tower = put_one(manual, "tower.md", "The tower stands on a hill.");
    ok(best(&manual, 1, "bridge", &n) == 0, "not found before a catch-up");
    ok(search_catch_up(s, &e), "catches up: %s", e.msg);
    ok(best(&manual, 1, "repairing bridges", &n) == bridge && n == 1, "found by other forms");
    ok(best(&manual, 1, "hill", NULL) == tower, "the other one too");
    ok(search_chunks(s, manual) == 2, "chunks are counted");

    const char *text[] = {"First part about rivers.", "Second part about lakes."};
    ok(put(a, manual, "bridge.md", "Water > Fresh", text, 2) == bridge, "a new version");
    search_catch_up(s, &e);
    ok(best(&manual, 1, "repaired", NULL) == 0, "the old version is gone");
    ok(best(&manual, 1, "lakes", NULL) == bridge, "the new one is there");
    ok(best(&manual, 1, "fresh water", &n) == bridge && n == 2, "found by its section");
    ok(best(&manual, 1, "tower.md", NULL) == tower, "found by its name");

    ok(doc_remove(d, tower, &e) && search_catch_up(s, &e), "removed");
    ok(best(&manual, 1, "hill", NULL) == 0 && search_chunks(s, manual) == 2, "and no longer found");
    doc_remove(d, bridge, &e);
}

static const struct filter *name_filter(const char *name)
{
    struct json *j = arena_struct(a, struct json);
    const struct filter *f = NULL;
    struct str text =
        arena_printf(a, "{\"type\":\"eq\",\"key\":\"filename\",\"value\":\"%s\"}", name);
    ok(json_parse(j, a, text, 0, &e) && filter_parse(&f, a, json_root(j), &e), "a filter");
    return f;
}

static void test_collections(void)
{
    int64_t one = put_one(manual, "one.md", "A zebra eats grass.");
    int64_t two = put_one(notes, "two.md", "A zebra and a zebra and a zebra.");
    search_catch_up(s, &e);
    struct str both[] = {manual, notes, manual, STR("vs_unknown")};
    size_t n;
    ok(best(&manual, 1, "zebra", &n) == one && n == 1, "a collection is searched alone");
    ok(best(both, 4, "zebra", &n) == two && n == 2,
       "two are searched as one; repeated and unknown ones add nothing");
    struct search_query q = {.filter = name_filter("one.md")};
    struct search_hit *hit;
    q.collection = both;
    q.n_collections = 2;
    q.text = STR("zebra");
    q.k = 10;
    ok(search_run(s, &q, a, &hit, &n, &e) && n == 1 && hit[0].document == one &&
           hit[0].collection == 0,
       "only the documents that were asked for");
    q.filter = name_filter("none.md");
    ok(search_run(s, &q, a, &hit, &n, &e) && n == 0, "a filter that nothing passes allows none");
    q = (struct search_query){.collection = both, .n_collections = 2, .text = STR(""), .k = 10};
    ok(search_run(s, &q, a, &hit, &n, &e) && n == 0, "an empty question finds nothing");
    q.n_collections = 100000;
    ok(!search_run(s, &q, a, &hit, &n, &e) && e.code == ERR_LIMIT, "too many collections: %s",
       e.msg);

    ok(doc_collection_delete(d, STR_NONE, notes, &e) && search_catch_up(s, &e), "one is deleted");
    ok(best(&notes, 1, "zebra", NULL) == 0 && search_chunks(s, notes) == 0, "and finds nothing");
    ok(best(&manual, 1, "zebra", NULL) == one, "the other does");
}

/* ---- Rights ---- */

static size_t seen_by(const struct rights *r, const char *text)
{
    struct search_query q = {
        .collection = &manual, .n_collections = 1, .text = str_from(text), .k = 10, .rights = r};
    struct search_hit *hit;
    size_t n;
    return search_run(s, &q, a, &hit, &n, &e) ? n : 99;
}

static void test_rights(void)
{
    const struct str board = STR("board");
    const struct rights alice = {.user = STR("alice")},
                        bob = {.user = STR("bob"), .group = &board, .n_groups = 1};
    int64_t plan = put_one(manual, "plan.md", "The walrus plan.");
    search_catch_up(s, &e);
    uint64_t version = search_version(s, manual);
    ok(seen_by(NULL, "walrus") == 1, "without a list everyone reads it");
    ok(doc_set_access(d, plan, STR("{\"users\":[\"alice\"]}"), &e) && search_catch_up(s, &e),
       "now it is Alice's");
    ok(search_version(s, manual) != version, "which is another version of the collection");
    ok(seen_by(NULL, "walrus") == 0 && seen_by(&bob, "walrus") == 0, "others do not find it");
    ok(seen_by(&alice, "walrus") == 1 && seen_by(&rights_all, "walrus") == 1, "she does");
    struct search_count all = search_count(s, manual, NULL, &rights_all),
                        his = search_count(s, manual, NULL, &bob);
    ok(all.documents == his.documents + 1 && all.chunks == his.chunks + 1, "nor is it counted");
    doc_set_access(d, plan, STR("{\"groups\":[\"board\"]}"), &e);
    search_catch_up(s, &e);
    ok(seen_by(&bob, "walrus") == 1 && seen_by(&alice, "walrus") == 0, "now it is the board's");
    put_one(manual, "plan.md", "The second walrus plan.");
    search_catch_up(s, &e);
    ok(seen_by(&bob, "second walrus") == 1 && seen_by(&alice, "walrus") == 0,
       "and stays so in its next version");
    doc_remove(d, plan, &e);
    search_catch_up(s, &e);
}

/* A word with * stands for those of it that the caller may read, however many others there are. */
static void test_crowded(void)
{
    const struct rights bob = {.user = STR("bob")};
    char many[2000] = "";
    for (int i = 0; i < 100; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "waltz%c%c ", 'a' + i / 10,
                 'k' + i % 10);
    const char *twice[] = {many, many};
    int64_t open = put_one(manual, "open.md", "One waltzky.");
    int64_t hidden = put(a, manual, "hidden.md", "", twice, 2);
    search_catch_up(s, &e);
    ok(seen_by(&bob, "waltz*") == 2, "more words than are looked for crowd out one");
    doc_set_access(d, hidden, STR("{\"users\":[\"alice\"]}"), &e);
    search_catch_up(s, &e);
    ok(seen_by(&bob, "waltz*") == 1 && seen_by(&bob, "waltzkz~") == 1, "not when they are hidden");
    doc_remove(d, open, &e);
    search_catch_up(s, &e);
    ok(seen_by(&bob, "waltz*") == 0, "nor are they found");
    doc_remove(d, hidden, &e);
    search_catch_up(s, &e);
}

/* ---- Snapshots ---- */

static void reopen(void)
{
    search_close(s);
    s = NULL;
    if (!search_open(&s, d, dir, &e))
        printf("# %s\n", e.msg);
}

/* Path of the only file of a kind; "" when there is none. */
static const char *snapshot_file(const char *ending, size_t *n)
{
    static char path[2 * TEMPDIR_SIZE];
    char index[TEMPDIR_SIZE + 8];
    snprintf(index, sizeof(index), "%s/index", dir);
    path[0] = 0;
    *n = 0;
    DIR *list = opendir(index);
    for (struct dirent *f; list && (f = readdir(list));)
        if (str_ends(str_from(f->d_name), str_from(ending))) {
            (*n)++;
            snprintf(path, sizeof(path), "%s/%s", index, f->d_name);
        }
    closedir(list);
    return path;
}

static bool finds_all(int64_t zebra)
{
    size_t n;
    return best(&manual, 1, "zebra", NULL) == zebra && best(&manual, 1, "sentence", &n) > 0 &&
           n == 10 && search_chunks(s, manual) == 41;
}

/* Keywords alone: their score of the best hit, and its document. */
static float weighed(struct str collection, const char *text, int64_t *document)
{
    struct search_query q = {.collection = &collection,
                             .n_collections = 1,
                             .text = str_from(text),
                             .k = 10,
                             .engines = SEARCH_KEYWORD};
    struct search_hit *hit;
    size_t n;
    bool good = search_run(s, &q, a, &hit, &n, &e) && n == 2;
    *document = good ? hit[0].document : 0;
    return good ? hit[0].keyword.score : -1;
}

static bool tune(struct str collection, const char *keywords)
{
    struct doc_collection c;
    if (!doc_collection_find(d, a, STR_NONE, collection, &c, &e))
        return false;
    c.keywords = str_from(keywords);
    return doc_collection_update(d, &c, &e) && search_catch_up(s, &e);
}

static void test_tuning(void)
{
    struct str tuned = make_collection("tuned");
    int64_t title = put_one(tuned, "zebra", "Eats grass and drinks at the river.");
    int64_t body = put_one(tuned, "animals", "A zebra and a zebra at the river.");
    int64_t first;
    search_catch_up(s, &e);
    uint64_t version = search_version(s, tuned);
    float usual = weighed(tuned, "zebra", &first);
    ok(first == body, "the text that says it twice comes first");
    ok(tune(tuned, "{\"title\":20,\"section\":1,\"body\":1}"), "tuned: %s", e.msg);
    ok(search_version(s, tuned) > version, "caches are told");
    float heavy = weighed(tuned, "zebra", &first);
    ok(first == title, "at once it is the title that does");
    int64_t other = put_one(tuned, "other", "Nothing of that.");
    search_catch_up(s, &e);
    doc_remove(d, other, &e);
    search_catch_up(s, &e);
    reopen();
    ok(weighed(tuned, "zebra", &first) == heavy && first == title, "after a restart too");
    ok(tune(tuned, "{\"k1\":0}") && weighed(tuned, "zebra", &first) < usual, "k1 alone");
    ok(tune(tuned, "") && weighed(tuned, "zebra", &first) == usual && first == body, "as usual");
    ok(doc_collection_delete(d, STR_NONE, tuned, &e) && search_catch_up(s, &e), "gone");
}

static void test_question(void)
{
    struct query q;
    struct search_query asked = {
        .collection = &manual, .n_collections = 1, .text = STR("zeb* \"eats grass\"")};
    search_question(s, &asked, a, &q);
    ok(q.n_phrases == 1 && q.n > 2, "a question is read, with words that begin so");
    asked.collection = &STR("vs_unknown");
    search_question(s, &asked, a, &q);
    ok(q.n_phrases == 1, "where nothing is too");
}

/* Where words stand the texts in the store say. */
static void test_phrases(void)
{
    struct str c = make_collection("phrases");
    const char *text[] = {"A steel bridge over the bay.", "The bridge, all steel, over the bay."};
    int64_t doc = put(a, c, "Golden Gate.md", "Spans > Long ones", text, 2);
    int64_t other = put_one(c, "other.md", "Steel for a bridge. Long gates, golden ones.");
    size_t n;
    search_catch_up(s, &e);
    ok(best(&c, 1, "+\"steel bridge\"", &n) == doc && n == 1, "a phrase");
    ok(best(&c, 1, "+\"golden gate\" steel", &n) == doc && n == 2, "in the title");
    ok(best(&c, 1, "+\"long one\" steel", &n) == doc && n == 2, "in the section");
    ok(best(&c, 1, "+\"bay long\" steel", &n) == 0, "not from one field into another");
    ok(best(&c, 1, "+\"steel bridge\"~2", &n) > 0 && n == 3, "near each other");
    ok(best(&c, 1, "bridge -\"steel bridge\" -\"golden gate\"", &n) == other && n == 1,
       "without phrases");
    ok(best(&c, 1, "\"bay bridge\"", &n) > 0 && n == 3, "one that is nowhere counts as words");
    text[0] = "The steel bridge is closed.";
    put(a, c, "Golden Gate.md", "", text, 1);
    ok(best(&c, 1, "+\"steel bridge\"", &n) == 0, "a text that has gone from the store fits none");
    ok(best(&c, 1, "steel -\"iron bridge\"", &n) == other && n == 1, "nor the absence of one");
    search_catch_up(s, &e);
    ok(best(&c, 1, "+\"steel bridge\"", &n) == doc && n == 1, "its next version does");
    ok(doc_collection_delete(d, STR_NONE, c, &e) && search_catch_up(s, &e), "gone");
}

static void test_snapshots(void)
{
    int64_t zebra = best(&manual, 1, "zebra", NULL);
    for (int i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%d.txt", i);
        put_one(manual, name, "Some sentence about nothing in particular.");
    }
    search_catch_up(s, &e);
    ok(finds_all(zebra), "found before closing");
    reopen();
    size_t n;
    snapshot_file(".manifest", &n);
    ok(n == 1, "one snapshot after closing");
    ok(finds_all(zebra), "found after opening again");

    static const char *const part[] = {".manifest", ".keywords", ".attributes"};
    static const size_t percent[] = {0, 1, 50, 99};
    for (size_t i = 0; i < COUNT(part) * COUNT(percent); i++) {
        struct str content;
        search_close(s);
        const char *path = snapshot_file(part[i % COUNT(part)], &n);
        ok(file_read(&content, a, path, 1 << 20, &e), "snapshot: %s", path);
        file_replace(path, str_head(content, content.len * percent[i / COUNT(part)] / 100), 0600,
                     &e);
        ok(search_open(&s, d, dir, &e) && finds_all(zebra), "found when %zu %% of %s is left",
           percent[i / COUNT(part)], part[i % COUNT(part)]);
    }
    search_close(s);
    unlink(snapshot_file(".manifest", &n));
    ok(search_open(&s, d, dir, &e) && finds_all(zebra), "found when it is lost");

    /* From another life of the database: it says that it has seen changes that never were. */
    search_close(s);
    struct snapshot snapshot;
    char stem[2 * TEMPDIR_SIZE];
    snprintf(stem, sizeof(stem), "%s", snapshot_file(".manifest", &n));
    stem[strlen(stem) - strlen(".manifest")] = 0;
    ok(snapshot_open(&snapshot, stem, manual, &e), "it can be read");
    ok(snapshot_finish(&snapshot, snapshot.seq + 1000000, &snapshot, &e), "and forged");
    ok(search_open(&s, d, dir, &e) && finds_all(zebra), "one ahead of the store is not believed");

    /* The store goes on while no index is open. */
    search_close(s);
    int64_t late = put_one(manual, "late.md", "An okapi came late.");
    char orphan[2 * TEMPDIR_SIZE + 8];
    snprintf(orphan, sizeof(orphan), "%s/index/0123.bm25", dir);
    file_replace(orphan, STR("x"), 0600, &e);
    ok(search_open(&s, d, dir, &e) && best(&manual, 1, "okapi", NULL) == late,
       "what came in between is found");
    ok(!file_exists(orphan), "snapshots of nobody are removed");
    doc_remove(d, late, &e);
    search_catch_up(s, &e);
}

/* A disk that takes no more leaves the snapshot that was there. */
static void test_full(void)
{
    struct rlimit limit, small;
    size_t n;
    struct str before, after;
    int64_t last = put_one(manual, "last.md", "A quagga came last.");
    search_catch_up(s, &e);
    search_settle(s, 60000);
    file_read(&before, a, snapshot_file(".manifest", &n), 1 << 20, &e);
    getrlimit(RLIMIT_FSIZE, &limit);
    small = (struct rlimit){64, limit.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    search_close(s);
    setrlimit(RLIMIT_FSIZE, &limit);
    ok(file_read(&after, a, snapshot_file(".manifest", &n), 1 << 20, &e) && n == 1 &&
           str_eq(before, after),
       "a snapshot that cannot be written leaves the one before");
    ok(search_open(&s, d, dir, &e) && best(&manual, 1, "quagga", NULL) == last,
       "which is good, and caught up with: %s", e.msg);
    doc_remove(d, last, &e);
    search_catch_up(s, &e);
}

/* ---- The learned space ---- */

static struct str zoo;
enum { DOCUMENTS = 240 };

/* Texts of a few subjects, each with words of its own, which go together within it. Those from
 * DOCUMENTS on have one of their own. */
static void put_subject(int i, int64_t *document)
{
    static const char *const words[][6] = {
        {"engine", "piston", "gearbox", "exhaust", "clutch", "brake"},
        {"oven", "flour", "yeast", "dough", "crust", "knead"},
        {"sonata", "violin", "orchestra", "melody", "chord", "tempo"},
        {"galaxy", "telescope", "nebula", "orbit", "comet", "eclipse"},
        {"saddle", "stirrup", "bridle", "gallop", "hoof", "mane"},
    };
    const char *const *w = words[i < DOCUMENTS ? i % 4 : 4];
    char name[32];
    snprintf(name, sizeof(name), "s%d", i);
    *document =
        put_one(zoo, name,
                arena_printf(a, "About %s and %s, %s with %s or %s.", w[i % 6], w[(i + 1) % 6],
                             w[(i / 6) % 6], w[(i / 3 + 2) % 6], w[(i / 5 + 1) % 6])
                    .p);
}

static size_t by_vector(const char *text, int64_t *first, const struct rights *r)
{
    struct search_query q = {.collection = &zoo,
                             .n_collections = 1,
                             .text = str_from(text),
                             .k = 10,
                             .engines = SEARCH_VECTOR,
                             .rights = r};
    struct search_hit *hit;
    size_t n;
    if (!search_run(s, &q, a, &hit, &n, &e))
        return 99;
    *first = n ? hit[0].document : 0;
    for (size_t i = 0; i < n; i++)
        if (hit[i].vector.rank != i + 1 || hit[i].keyword.rank)
            return 98;
    return n;
}

static void test_learned(void)
{
    static int64_t document[DOCUMENTS];
    int64_t first;
    zoo = make_collection("zoo");
    for (int i = 0; i < DOCUMENTS; i++)
        put_subject(i, &document[i]);
    search_catch_up(s, &e);
    ok(search_settle(s, 60000), "learns in the background");
    ok(by_vector("violin", &first, NULL) == 10, "then finds by vectors");
    int64_t late = put_one(zoo, "late", "A telescope saw a nebula and a comet.");
    search_catch_up(s, &e);
    ok(by_vector("telescope nebula comet", &first, NULL) == 10 && first == late,
       "what came later, too");
    doc_set_access(d, late, STR("{\"users\":[\"alice\"]}"), &e);
    search_catch_up(s, &e);
    ok(by_vector("telescope nebula comet", &first, NULL) == 10 && first != late,
       "but not for those who may not read it");
    search_settle(s, 60000);
    ok(by_vector("telescope nebula comet", &first, &rights_all) == 10 && first == late,
       "others do, after it was learned again without it");
    reopen();
    ok(by_vector("telescope nebula comet", &first, &rights_all) == 10 && first == late,
       "after opening again");
    doc_remove(d, late, &e);
    search_catch_up(s, &e);
    ok(by_vector("telescope nebula comet", &first, &rights_all) == 10 && first != late, "removed");

    size_t n;
    static const char *const part[] = {".embedder", ".vectors"};
    for (size_t i = 0; i < 2 * COUNT(part); i++) {
        struct str content;
        search_close(s);
        const char *path = snapshot_file(part[i % 2], &n);
        file_read(&content, a, path, 64 << 20, &e);
        file_replace(path, str_head(content, i < 2 ? 0 : content.len / 2), 0600, &e);
        ok(n == 1 && search_open(&s, d, dir, &e) && search_settle(s, 60000) &&
               by_vector("yeast", &first, &rights_all) == 10,
           "%s is damaged: learned again", part[i % 2]);
    }
    doc_collection_delete(d, STR_NONE, zoo, &e);
    search_catch_up(s, &e);
    search_settle(s, 60000);
    snapshot_file(".vectors", &n);
    ok(n == 0, "with the collection its files go");
}

/* How many of the ten nearest are of the documents from `least` on. */
static size_t nearest_from(const char *text, int64_t least)
{
    const struct search_query q = {.collection = &zoo,
                                   .n_collections = 1,
                                   .text = str_from(text),
                                   .k = 10,
                                   .engines = SEARCH_VECTOR,
                                   .rights = &rights_all};
    struct search_hit *hit;
    size_t n, found = 0;
    if (!search_run(s, &q, a, &hit, &n, &e))
        return 0;
    for (size_t i = 0; i < n; i++)
        found += hit[i].document >= least;
    return found;
}

/* A few documents on a new subject: soon the space knows which words go together there. */
static void test_learned_again(void)
{
    enum { NEW = 12 };
    int64_t document[NEW], any;
    zoo = make_collection("growing");
    for (int i = 0; i < DOCUMENTS; i++)
        put_subject(i, &any);
    search_catch_up(s, &e);
    search_settle(s, 60000);
    for (int i = 0; i < NEW; i++)
        put_subject(DOCUMENTS + i, &document[i]);
    search_catch_up(s, &e);
    search_settle(s, 60000);
    size_t found = nearest_from("stirrup", document[0]);
    ok(found == 10, "learned again when a twentieth came: %zu of 10", found);
}

/* ---- Threads ---- */

static struct str shared;
static _Atomic int unseen, searches;

/* Each puts documents and must find each right after its own catch-up. */
static void *write_and_find(void *arg)
{
    struct arena *mine = arena_new();
    struct err each;
    for (int i = 0; i < 12; i++) {
        struct search_hit *hit;
        size_t n = 0;
        struct str name = arena_printf(mine, "w%dx%d", *(int *)arg, i);
        const char *text = arena_printf(mine, "unique%dword%d and padding", *(int *)arg, i).p;
        int64_t id = put(mine, shared, name.p, "", &text, 1);
        struct search_query q = {.collection = &shared,
                                 .n_collections = 1,
                                 .text = str_head(str_from(text), 12),
                                 .k = 5};
        q.text = str_head(str_from(text), str_find_char(str_from(text), ' '));
        bool good = search_catch_up(s, &each) && search_run(s, &q, mine, &hit, &n, &each);
        unseen += !(good && n == 1 && hit[0].document == id);
        searches++;
    }
    arena_free(mine);
    return NULL;
}

static void test_threads(void)
{
    pthread_t thread[4];
    int number[4];
    shared = make_collection("shared");
    for (int i = 0; i < 4; i++) {
        number[i] = i;
        pthread_create(&thread[i], NULL, write_and_find, &number[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    ok(unseen == 0 && searches == 48, "%d of %d documents were not seen by whoever wrote them",
       unseen, searches);
    ok(search_chunks(s, shared) == 48, "all are there");
}

int main(void)
{
    tempdir_make(dir);
    a = arena_new();
    if (!ok(db_open(&d, &(struct db_options){.dir = dir}, &e), "opens: %s", e.msg) ||
        !ok(search_open(&s, d, dir, &e), "indexes of an empty store: %s", e.msg))
        return tap_done();
    manual = make_collection("manual");
    notes = make_collection("notes");
    test_following();
    test_collections();
    test_rights();
    test_crowded();
    test_tuning();
    test_question();
    test_phrases();
    test_snapshots();
    test_full();
    test_learned();
    test_learned_again();
    test_threads();
    search_close(s);
    db_close(d);
    arena_free(a);
    tempdir_remove(dir);
    return tap_done();
}
