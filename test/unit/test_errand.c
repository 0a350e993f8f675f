/* What errands promise: what a model sends back is used when it is what was asked for, and refused
 * by name when it is not. */
#include "model/errand.h"
#include "base/clock.h"
#include "run/work.h"

#include "tap.h"
#include "on_loop.h"

static const char *says; /* the body of the answer; NULL: an error */

static bool play(struct attempt *a, struct err *e)
{
    if (!says)
        return err_set(e, ERR_INVALID, "scripted");
    a->usage = (struct chat_usage){.input = 3};
    struct str text = str_from(says);
    struct chat_event ev = {.kind = a->call->req.op == OP_CHAT ? CHAT_TEXT : CHAT_RAW};
    *(ev.kind == CHAT_TEXT ? &ev.text : &ev.raw) = text;
    return a->sink->event(a->sink, &ev, e);
}

static const struct provider_kind scripted = {
    "scripted", CHAT_OPENAI, 1u << OP_CHAT | 1u << OP_EMBEDDING | 1u << OP_RERANK, play};
static const struct vendor vendor = {
    .name = "scripted",
    .kind = &scripted,
    .key_header = "K: ",
    .path = {[OP_CHAT] = "/", [OP_EMBEDDING] = "/e", [OP_RERANK] = "/r"}};

static const struct {
    const char *says;
    uint32_t wanted; /* dimensions */
    bool good;
} vectors[] = {
    {"{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[3,4]}]}", 0, true},
    {"{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[3,4]}]}", 2, true},
    {"{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[3,4]}]}", 3, false},
    {"{\"data\":[{\"embedding\":\"AACAPwAAAEA=\"},{\"embedding\":[3,4]}]}", 2, true},
    {"{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[3]}]}", 0, false},
    {"{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[3,4,5]}]}", 0, false},
    {"{\"data\":[{\"embedding\":[1,2]}]}", 0, false},
    {"{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[1,2]},{\"embedding\":[1,2]}]}", 0, false},
    {"{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[0,0]}]}", 0, false},
    {"{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[1,1e99]}]}", 0, false},
    {"{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[1,null]}]}", 0, false},
    {"{\"data\":[{\"embedding\":[]},{\"embedding\":[]}]}", 0, false},
    {"{\"data\":[]}", 0, false},
    {"{}", 0, false},
};

static const struct {
    const char *says;
    bool good;
} rankings[] = {
    {"{\"results\":[{\"index\":1,\"relevance_score\":0.9},{\"index\":0,\"relevance_score\":-2}]}",
     true},
    {"{\"results\":[{\"index\":1,\"relevance_score\":0.9}]}", false},
    {"{\"results\":[{\"index\":5,\"relevance_score\":1},{\"index\":0,\"relevance_score\":1}]}",
     false},
    {"{}", false},
};

static void test(void *arg)
{
    struct model *m = arg;
    struct arena *a = arena_new();
    struct errand x = {.deadline_ns = clock_after(clock_now(), 5000)};
    const struct str text[] = {STR("one"), STR("two")};
    struct err e = {0};
    for (size_t i = 0; i < COUNT(vectors); i++) {
        struct errand_vectors v = {0};
        says = vectors[i].says;
        bool good = errand_embed(&x, m, text, 2, vectors[i].wanted, a, &v, &e);
        ok(good == vectors[i].good && (good || e.code == ERR_UPSTREAM), "vectors %zu: %s", i,
           good ? "" : e.msg);
        if (good)
            ok(v.dimension == 2 && v.v[0] == 1 && v.v[1] == 2, "as they are");
    }
    for (size_t i = 0; i < COUNT(rankings); i++) {
        double score[2];
        says = rankings[i].says;
        bool good = errand_rerank(&x, m, STR("q"), text, 2, score, a, &e);
        ok(good == rankings[i].good && (!good || (score[1] == 0.9 && score[0] == -2)),
           "ranking %zu", i);
    }
    struct str out;
    says = "four";
    ok(errand_text(&x, m, STR("be brief"), STR("2 + 2"), 10, a, &out, &e) &&
           str_eq(out, STR("four")),
       "a text");
    says = NULL;
    ok(!errand_text(&x, m, STR("be brief"), STR("2 + 2"), 10, a, &out, &e) && e.code == ERR_INVALID,
       "a failure");
    ok(fiber_deadline_get() == CLOCK_NEVER, "the fiber's own deadline holds again");
    arena_free(a);
}

int main(void)
{
    struct arena *a = arena_new();
    struct err e;
    struct provider p;
    struct provider_endpoint at = {.url = STR("http://x")};
    work_start(2, &e);
    ok(provider_init(&p, a, STR("scripted"), &vendor, NULL, 0, &e), "a provider");
    p.endpoint = &at;
    p.n_endpoints = 1;
    struct target t = {.provider = &p, .upstream = STR("u"), .weight = 1, .context_tokens = 1000};
    struct model m = {.name = STR("m"), .target = &t, .n_targets = 1, .max_attempts = 1};
    ok(model_places(&m, a, &e), "a model");
    on_loop(test, &m);
    work_stop();
    arena_free(a);
    return tap_done();
}
