/* Nothing unreadable shows: random access lists, new versions, removals and learning go on while
 * callers with random rights search by words and by vectors. Each hit must be a chunk that its
 * caller was allowed to read at some moment of the search; when all is quiet, hits and counts are
 * exactly those that the model says, and scores those of a collection that has nothing else. */
#include "base/mem.h"
#include "base/random.h"
#include "index/search.h"
#include "store/doc.h"
#include "tap.h"
#include "tempdir.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

enum { DOCUMENTS = 300, OPERATIONS = 700, READERS = 3, NAMES = 4, STATES = DOCUMENTS + OPERATIONS };

static char dir[TEMPDIR_SIZE];
static struct db *d;
static struct search_set *s;
static struct str collection;

/* What a document was, from one tick of the clock to another. Bits 0 to 3: users, 4 to 7: groups;
 * 0 = for everyone. */
struct state {
    int64_t document, chunk;
    unsigned access;
    uint64_t from;
    _Atomic uint64_t until; /* UINT64_MAX = it still is */
};
static struct state state[STATES];
static _Atomic size_t n_states;
static _Atomic uint64_t now;
static _Atomic bool over;
static int current[DOCUMENTS]; /* index of its state, -1 = removed */

static uint32_t random_below(uint64_t *seed, uint32_t n)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % n;
}

/* ---- The writer ---- */

static struct str access_text(struct arena *a, unsigned bits)
{
    struct str out = STR("{\"users\":[");
    const char *comma = "";
    for (int i = 0; i < NAMES; i++)
        if (bits >> i & 1) {
            out = arena_printf(a, "%.*s%s\"u%d\"", STR_FMT(out), comma, i);
            comma = ",";
        }
    out = arena_printf(a, "%.*s],\"groups\":[", STR_FMT(out));
    comma = "";
    for (int i = 0; i < NAMES; i++)
        if (bits >> (4 + i) & 1) {
            out = arena_printf(a, "%.*s%s\"g%d\"", STR_FMT(out), comma, i);
            comma = ",";
        }
    return arena_printf(a, "%.*s]}", STR_FMT(out));
}

static unsigned random_access(uint64_t *seed)
{
    return random_below(seed, 3) ? random_below(seed, 256) & random_below(seed, 256) : 0;
}

static struct str random_text(struct arena *a, uint64_t *seed)
{
    static const char *const words[] = {"walrus",  "herring", "ice",  "salary",
                                        "whisker", "tusk",    "plan", "budget",
                                        "north",   "beach",   "seal", "meeting"};
    struct str out = STR("common");
    for (int i = 0; i < 12; i++)
        out = arena_printf(a, "%.*s %s", STR_FMT(out), words[random_below(seed, COUNT(words))]);
    return out;
}

/* Half of them look at texts as well. */
static struct str random_question(struct arena *a, uint64_t *seed)
{
    static const char *const demands[] = {
        "+\"walrus herring\"", "-\"tusk plan\"", "\"north ice beach\"~4", "", "", ""};
    struct str text = random_text(a, seed);
    return arena_printf(a, "%.*s %s", STR_FMT(text), demands[random_below(seed, COUNT(demands))]);
}

static size_t begin_state(int64_t document, unsigned access)
{
    size_t i = atomic_load(&n_states);
    state[i].document = document;
    state[i].access = access;
    state[i].from = ++now;
    atomic_store(&state[i].until, UINT64_MAX);
    atomic_store(&n_states, i + 1);
    return i;
}

static bool put(struct str where, int number, struct str text, struct str access, int64_t *document,
                int64_t *chunk, struct err *e)
{
    struct arena *a = arena_new();
    struct doc_document doc = {.collection = where,
                               .uri = arena_printf(a, "d%d", number),
                               .name = STR("name"),
                               .content_hash = STR("x"),
                               .access = access};
    struct doc_chunk c = {.text = text}, *stored;
    size_t n;
    bool good = doc_put(d, &doc, &c, 1, e) && doc_chunks_range(d, a, doc.id, 0, 1, &stored, &n, e);
    *document = doc.id;
    *chunk = good && n ? stored[0].id : 0;
    arena_free(a);
    return good;
}

/* A new version, other readers, or the end of a document; visible when it returns. */
static bool change(int number, uint64_t *seed, struct err *e)
{
    struct arena *a = arena_new();
    int old = current[number];
    uint32_t what = old < 0 ? 0 : random_below(seed, 5);
    bool good;
    if (what < 2) {
        unsigned access = random_access(seed);
        size_t i = begin_state(0, access);
        good = put(collection, number, random_text(a, seed), access_text(a, access),
                   &state[i].document, &state[i].chunk, e);
        current[number] = (int)i;
    } else if (what < 4) {
        unsigned access = random_access(seed);
        size_t i = begin_state(state[old].document, access);
        state[i].chunk = state[old].chunk;
        good = doc_set_access(d, state[old].document, access_text(a, access), e);
        current[number] = (int)i;
    } else {
        good = doc_remove(d, state[old].document, e);
        current[number] = -1;
    }
    good = good && search_catch_up(s, e);
    if (old >= 0)
        atomic_store(&state[old].until, ++now);
    arena_free(a);
    return good;
}

/* ---- Readers ---- */

struct caller {
    unsigned bits;
    struct str group[NAMES];
    struct rights rights;
};

static void make_caller(struct caller *c, unsigned bits)
{
    static const struct str users[] = {STR_INIT("u0"), STR_INIT("u1"), STR_INIT("u2"),
                                       STR_INIT("u3")};
    static const struct str groups[] = {STR_INIT("g0"), STR_INIT("g1"), STR_INIT("g2"),
                                        STR_INIT("g3")};
    *c = (struct caller){.bits = bits};
    for (int i = 0; i < NAMES; i++) {
        if (bits >> i & 1)
            c->rights.user = users[i];
        if (bits >> (4 + i) & 1)
            c->group[c->rights.n_groups++] = groups[i];
    }
    c->rights.group = c->group;
}

/* One user at most. */
static unsigned random_caller(uint64_t *seed)
{
    unsigned user = random_below(seed, 5);
    return (user < 4 ? 1u << user : 0) | (random_below(seed, 16) & random_below(seed, 16)) << 4;
}

static bool may(unsigned access, unsigned caller)
{
    return access == 0 || (access & caller);
}

static bool was_readable(const struct search_hit *h, unsigned caller, uint64_t from, uint64_t to)
{
    size_t n = atomic_load(&n_states);
    for (size_t i = 0; i < n; i++)
        if (state[i].document == h->document && state[i].chunk == h->chunk &&
            may(state[i].access, caller) && state[i].from <= to &&
            atomic_load(&state[i].until) >= from)
            return true;
    return false;
}

static _Atomic size_t leaks, failures, searches, hits;

static void *read_on(void *arg)
{
    uint64_t seed = *(int *)arg;
    struct arena *a = arena_new();
    while (!atomic_load(&over)) {
        struct caller c;
        struct err e;
        struct search_hit *hit;
        size_t n = 0;
        make_caller(&c, random_caller(&seed));
        static const enum search_engines engines[] = {SEARCH_KEYWORD, SEARCH_VECTOR, SEARCH_HYBRID};
        struct search_query q = {.collection = &collection,
                                 .n_collections = 1,
                                 .text = random_question(a, &seed),
                                 .k = 1 + random_below(&seed, 200),
                                 .rights = c.bits ? &c.rights : NULL,
                                 .engines = engines[random_below(&seed, 3)]};
        uint64_t from = atomic_load(&now);
        failures += !search_run(s, &q, a, &hit, &n, &e);
        uint64_t to = atomic_load(&now);
        for (size_t i = 0; i < n; i++)
            leaks += !was_readable(&hit[i], c.bits, from, to);
        hits += n;
        searches++;
        arena_reset(a);
    }
    arena_free(a);
    return NULL;
}

static void test_beside_each_other(void)
{
    pthread_t thread[READERS];
    int number[READERS];
    uint64_t seed = 11;
    struct err e = {0};
    bool good = true;
    for (int i = 0; i < DOCUMENTS; i++)
        current[i] = -1;
    for (int i = 0; i < DOCUMENTS && good; i++)
        good = change(i, &seed, &e);
    for (int i = 0; i < READERS; i++) {
        number[i] = i + 1;
        pthread_create(&thread[i], NULL, read_on, &number[i]);
    }
    for (int i = DOCUMENTS; i < STATES && good; i++)
        good = change((int)random_below(&seed, DOCUMENTS), &seed, &e);
    search_settle(s, 60000);
    atomic_store(&over, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(thread[i], NULL);
    ok(good, "%d operations: %s", STATES, e.msg);
    ok(leaks == 0 && failures == 0 && hits > 0, "%zu of %zu hits of %zu searches were not readable",
       (size_t)leaks, (size_t)hits, (size_t)searches);
}

/* ---- Quiet ---- */

static size_t run(struct str where, const struct caller *c, const char *text,
                  enum search_engines engines, struct arena *a, struct search_hit **hit)
{
    struct err e;
    size_t n;
    struct search_query q = {.collection = &where,
                             .n_collections = 1,
                             .text = str_from(text),
                             .k = 1000,
                             .rights = &c->rights,
                             .engines = engines};
    return search_run(s, &q, a, hit, &n, &e) ? n : 9999;
}

static bool expects(const struct caller *c, struct arena *a)
{
    struct search_hit *hit;
    size_t want = 0, n = run(collection, c, "common", SEARCH_KEYWORD, a, &hit), right = 0;
    for (int i = 0; i < DOCUMENTS; i++) {
        if (current[i] < 0 || !may(state[current[i]].access, c->bits))
            continue;
        want++;
        for (size_t h = 0; h < n; h++)
            right += hit[h].chunk == state[current[i]].chunk;
    }
    struct search_count count = search_count(s, collection, NULL, &c->rights);
    return n == want && right == want && count.documents == want && count.chunks == want;
}

static void test_quiet(void)
{
    struct arena *a = arena_new();
    size_t wrong = 0;
    for (unsigned bits = 0; bits < 256; bits++) {
        struct caller c;
        if ((bits & 15) & ((bits & 15) - 1))
            continue; /* two users */
        make_caller(&c, bits);
        wrong += !expects(&c, a);
        arena_reset(a);
    }
    ok(wrong == 0, "%zu callers do not find and count exactly what they may read", wrong);
    arena_free(a);
}

/* A collection of what the caller may read and of nothing else. */
static struct str make_twin(unsigned caller, struct arena *a)
{
    struct doc_collection c = {.name = STR("twin")};
    struct err e;
    if (!doc_collection_create(d, a, &c, &e))
        printf("# %s\n", e.msg);
    for (int i = 0; i < DOCUMENTS; i++) {
        struct doc_passage *p;
        int64_t document, chunk;
        if (current[i] < 0 || !may(state[current[i]].access, caller))
            continue;
        if (!doc_chunks_load(d, a, &state[current[i]].chunk, 1, &p, &e) ||
            !put(c.id, i, p->chunk.text, STR_NONE, &document, &chunk, &e))
            printf("# %s\n", e.msg);
    }
    search_catch_up(s, &e);
    return c.id;
}

static void test_scores(void)
{
    enum { CALLERS = 6 };
    struct arena *a = arena_new();
    uint64_t seed = 3;
    size_t wrong = 0;
    for (int i = 0; i < CALLERS; i++) {
        struct caller c;
        struct search_hit *hit, *twin;
        make_caller(&c, random_caller(&seed));
        struct str other = make_twin(c.bits, a);
        size_t n = run(collection, &c, "salary of the walrus", SEARCH_KEYWORD, a, &hit);
        size_t m = run(other, &c, "salary of the walrus", SEARCH_KEYWORD, a, &twin);
        wrong += n != m || n == 0;
        for (size_t h = 0; h < n && h < m; h++)
            wrong += fabsf(hit[h].keyword.score - twin[h].keyword.score) > 1e-4f;
    }
    ok(wrong == 0, "%zu scores tell of what is hidden", wrong);
    arena_free(a);
}

int main(void)
{
    struct err e;
    struct doc_collection c = {.name = STR("papers")};
    struct arena *a = arena_new();
    tempdir_make(dir);
    if (!ok(db_open(&d, &(struct db_options){.dir = dir}, &e) && search_open(&s, d, dir, &e) &&
                doc_collection_create(d, a, &c, &e),
            "opens: %s", e.msg))
        return tap_done();
    collection = c.id;
    test_beside_each_other();
    test_quiet();
    test_scores();
    search_close(s);
    if (ok(search_open(&s, d, dir, &e), "opens again: %s", e.msg))
        test_quiet();
    search_close(s);
    db_close(d);
    arena_free(a);
    tempdir_remove(dir);
    return tap_done();
}
