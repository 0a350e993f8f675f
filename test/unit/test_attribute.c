/* Attributes by number: views that do not change, against a plain model; images that are damaged.
 */
#include "index/attribute.h"
#include "base/json.h"
#include "index/filter.h"

#include "tap.h"

enum { NUMBERS = 1500, ROUNDS = 60, CHANGES = 40 };

struct row {
    int64_t id;
    uint32_t version, chunks;
    int color, year; /* -1 = none */
};

static struct arena *a;
static struct err e;
static uint64_t seed = 5;

static uint32_t random_below(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static const struct filter *filter_of(struct str text)
{
    struct json *j = arena_struct(a, struct json);
    const struct filter *f = NULL;
    if (!json_parse(j, a, text, 0, &e) || !filter_parse(&f, a, json_root(j), &e))
        printf("# %s\n", e.msg);
    return f;
}

static bool equals(const struct attributes *v, const struct row *model)
{
    uint32_t documents = 0;
    uint64_t chunks = 0;
    int color = (int)random_below(50), year = (int)random_below(30);
    const struct filter *f = filter_of(arena_printf(
        a,
        "{\"type\":\"or\",\"filters\":[{\"type\":\"lt\",\"key\":\"color\",\"value\":\"c%02d\"},"
        "{\"type\":\"gte\",\"key\":\"year\",\"value\":%d}]}",
        color, year));
    struct docset *set = attributes_all(v);
    bool good = true;
    filter_apply(f, v, set);
    for (uint32_t i = 0; i < NUMBERS; i++) {
        const struct row *r = &model[i];
        bool match = r->id && ((r->color >= 0 && r->color < color) || (r->year >= year));
        good = good && attributes_id(v, i) == r->id && attributes_version(v, i) == r->version &&
               attributes_chunks_of(v, i) == r->chunks && docset_has(set, i) == match;
        documents += r->id != 0;
        chunks += r->chunks;
    }
    docset_free(set);
    return good && attributes_documents(v) == documents && attributes_chunks(v, NULL) == chunks;
}

static struct attribute_document random_document(struct row *r)
{
    *r = (struct row){.id = 1 + random_below(1000000),
                      .version = 1 + random_below(5),
                      .chunks = random_below(9),
                      .color = (int)random_below(60) - 10,
                      .year = (int)random_below(40) - 10};
    struct str color =
        r->color < 0 ? STR("{\"x\":1") : arena_printf(a, "{\"color\":\"c%02d\"", r->color);
    struct str year = r->year < 0 ? STR("}") : arena_printf(a, ",\"year\":%d}", r->year);
    return (struct attribute_document){
        .id = r->id,
        .version = r->version,
        .chunks = r->chunks,
        .filename = arena_printf(a, "%d.md", (int)r->id),
        .attributes = arena_printf(a, "%.*s%.*s", STR_FMT(color), STR_FMT(year))};
}

static struct attributes *change_some(const struct attributes *v, struct row *model)
{
    static struct attribute_document d[CHANGES];
    struct attribute_change c[CHANGES];
    for (int i = 0; i < CHANGES; i++) {
        c[i] = (struct attribute_change){.number = random_below(NUMBERS), .document = &d[i]};
        if (random_below(4) == 0) {
            c[i].document = NULL;
            model[c[i].number] = (struct row){.color = -1, .year = -1};
        } else {
            d[i] = random_document(&model[c[i].number]);
        }
    }
    return attributes_apply(v, c, CHANGES);
}

static void no_release(void *holder)
{
    ++*(int *)holder;
}

static struct attributes *copy_of(const struct attributes *v, struct buf *b, int *released)
{
    struct attributes *out;
    buf_init(b, 1 << 26);
    return attributes_save(v, b) && attributes_load(&out, buf_str(b), no_release, released, &e)
               ? out
               : NULL;
}

static void test_against_model(void)
{
    static struct row now[NUMBERS], before[NUMBERS];
    for (int i = 0; i < NUMBERS; i++)
        now[i] = (struct row){.color = -1, .year = -1};
    struct attributes *v = attributes_new();
    bool good = true, kept = true;
    for (int i = 0; i < ROUNDS; i++) {
        memcpy(before, now, sizeof(now));
        struct attributes *next = change_some(v, now);
        good = good && equals(next, now);
        kept = kept && equals(v, before);
        attributes_unref(v);
        v = next;
        arena_reset(a);
    }
    ok(good, "a view has what was changed");
    ok(kept, "the one before still has what it had");

    struct buf saved;
    int released = 0;
    struct attributes *loaded = copy_of(v, &saved, &released);
    ok(loaded && equals(loaded, now), "saved and loaded");
    memcpy(before, now, sizeof(now));
    struct attributes *next = change_some(loaded, now);
    ok(equals(next, now) && equals(loaded, before), "and changed again");
    attributes_unref(loaded);
    attributes_unref(next);
    ok(released == 1, "what was loaded is released once");

    bool refused = true;
    for (size_t len = 0; len < saved.len; len += 1 + len / 16) {
        char *cut = mem_copy(saved.p, len + 1);
        struct attributes *x;
        refused = refused &&
                  !attributes_load(&x, (struct str){cut, len}, no_release, &released, &e) &&
                  e.code == ERR_CORRUPT;
        mem_free(cut);
    }
    ok(refused, "truncations are refused");
    buf_fini(&saved);
    attributes_unref(v);
}

/* Whatever stands in an image: it is refused, or read within its bounds (the sanitizers look). */
static void test_damage(void)
{
    struct row r;
    struct attribute_document d = random_document(&r);
    struct attributes *none = attributes_new(), *x;
    struct attributes *v = attributes_apply(none, &(struct attribute_change){3, &d}, 1);
    struct buf saved;
    int released = 0, loads = 0;
    attributes_unref(copy_of(v, &saved, &released));
    const struct filter *f =
        filter_of(STR("{\"type\":\"gt\",\"key\":\"filename\",\"value\":\"5\"}"));
    for (size_t at = 0; at < saved.len; at++) {
        saved.p[at] ^= (char)(1 + random_below(255));
        if (attributes_load(&x, buf_str(&saved), no_release, &released, &e)) {
            struct docset *set = attributes_all(x);
            filter_apply(f, x, set);
            docset_free(set);
            attributes_unref(x);
            loads++;
        }
    }
    ok(released == (int)saved.len + 1, "released each time, %d times good", loads);
    buf_fini(&saved);
    attributes_unref(v);
    attributes_unref(none);
}

int main(void)
{
    a = arena_new();
    test_against_model();
    test_damage();
    arena_free(a);
    return tap_done();
}
