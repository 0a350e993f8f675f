/* How keywords are weighed: read, refused, written again. */
#include "index/tuning.h"
#include "tap.h"

static const struct {
    const char *text, *param; /* NULL: it is good, and reads the same written again */
} cases[] = {
    {"", NULL},
    {"null", NULL},
    {"{}", NULL},
    {"{\"k1\":0,\"b\":0}", NULL},
    {"{\"k1\":1000,\"b\":1,\"title\":0.001,\"section\":1000,\"body\":0.3}", NULL},
    {"{\"k1\":-0.1}", "keywords.k1"},
    {"{\"k1\":1000.1}", "keywords.k1"},
    {"{\"k1\":\"1\"}", "keywords.k1"},
    {"{\"b\":1.01}", "keywords.b"},
    {"{\"title\":0}", "keywords.title"},
    {"{\"body\":1e9}", "keywords.body"},
    {"{\"heading\":1}", "keywords.heading"},
    {"[1]", "keywords"},
    {"2", "keywords"},
};

static struct str written(struct arena *a, const struct bm25_params *p)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 1024);
    json_begin(&w, &b);
    tuning_put(&w, p);
    struct str out = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    return out;
}

int main(void)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bm25_params p, again;
        struct err e = {0};
        bool good = tuning_parse(&p, a, str_from(cases[i].text), &e);
        if (cases[i].param)
            ok(!good && e.code == ERR_INVALID && strcmp(e.param, cases[i].param) == 0, "%s: %s",
               cases[i].text, e.msg);
        else
            ok(good && tuning_parse(&again, a, written(a, &p), &e) &&
                   memcmp(&p, &again, sizeof(p)) == 0,
               "%s", cases[i].text);
    }
    struct bm25_params p;
    struct err e;
    bool good = tuning_parse(&p, a, STR("{\"b\": 0.3, \"title\": 2}"), &e);
    ok(str_eq(written(a, &p), STR("{\"k1\":1.2,\"b\":0.3,\"title\":2,\"section\":1,\"body\":1}")),
       "the rest is as usual, and numbers are as they were written: %s", written(a, &p).p);
    ok(good && p.b == 0.3f && p.weight[BM25_TITLE] == 2, "what was said");
    arena_free(a);
    return tap_done();
}
