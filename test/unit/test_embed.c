/* What background embedding promises: every document gets its vectors, whatever the embedder does
 * in between, and no text goes out twice. */
#include "ingest/embed.h"
#include "base/clock.h"
#include "run/work.h"
#include "store/space.h"

#include "tap.h"
#include "on_loop.h"
#include "tempdir.h"

static struct db *d;
static struct search_set *set;
static struct arena *a;
static struct str collection;
static struct err e;

/* ---- An embedder with moods ---- */

static int texts, calls, limit /* texts that are taken at once */, longest /* bytes of one */;
static enum err_code mood; /* of the next call */

static bool play(struct attempt *at, struct err *err)
{
    const struct chat_request *r = &at->call->req;
    enum err_code code = mood;
    mood = ERR_NONE;
    calls++;
    for (size_t i = 0; i < r->n_messages; i++)
        if ((int)r->message[i].text.len > longest)
            code = ERR_CONTEXT;
    if (code == ERR_NONE && (int)r->n_messages > limit)
        code = ERR_INVALID;
    if (code != ERR_NONE) {
        err_set(err, code, "scripted");
        err->retry_after_ms = code == ERR_RATE ? 60 : 0;
        return false;
    }
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_add(&b, STR("{\"data\":["));
    for (size_t i = 0; i < r->n_messages; i++, texts++)
        buf_printf(&b, "%s{\"embedding\":[%zu,1,2]}", i ? "," : "", r->message[i].text.len);
    buf_add(&b, STR("]}"));
    struct str raw = arena_copy(at->call->arena, buf_str(&b));
    buf_fini(&b);
    return at->sink->event(at->sink, &(struct chat_event){CHAT_RAW, .raw = raw}, err);
}

static const struct provider_kind scripted = {"scripted", CHAT_OPENAI, 1u << OP_EMBEDDING, play};
static const struct vendor vendor = {
    .name = "scripted", .kind = &scripted, .key_header = "K: ", .path = {[OP_EMBEDDING] = "/"}};

static struct embed_by by;
static bool ended;

static struct embed_by who(void *ctx, struct str name)
{
    (void)ctx;
    return str_eq(name, STR("docs")) ? by : (struct embed_by){.model = NULL};
}

static void note_end(void *ctx)
{
    (void)ctx;
    ended = true;
}

/* ---- Documents ---- */

static void put(const char *name, const char *text, size_t n)
{
    struct doc_document doc = {.collection = collection,
                               .uri = str_from(name),
                               .name = STR("n"),
                               .content_hash = STR("x")};
    struct doc_chunk *c = arena_array(a, struct doc_chunk, n);
    for (size_t i = 0; i < n; i++)
        c[i].text = arena_printf(a, "%s %zu", text, i);
    doc_put(d, &doc, c, n, &e);
}

/* Everything in the space of this name within some seconds? */
static bool arrives(const char *space)
{
    int64_t end = clock_after(clock_now(), 20000);
    while (clock_now() < end) {
        struct space live;
        struct space_progress p = {0};
        if (space_live(d, a, collection, &live, NULL, &e) && str_eq(live.name, str_from(space)) &&
            space_progress(d, collection, live.id, &p, &e) && p.done == p.documents)
            return true;
        fiber_sleep(20 * NS_PER_MS, NULL);
    }
    return false;
}

static void test(void *arg)
{
    const struct embed_options opt = {
        .db = d, .search = set, .status = embed_status_new(), .by = who, .ended = note_end};
    struct embed_report report;
    by = (struct embed_by){.model = arg, .identity = STR("p/m/1"), .batch = 4, .concurrency = 2};
    limit = 100;
    longest = 1 << 20;
    put("one", "first text", 9);
    put("two", "second text", 3);
    struct embed_job *j = embed_start(&opt);
    ok(arrives("p/m/1/3"), "every document has vectors");
    ok(texts == 12 + 1, "each text went out once: %d", texts - 1);
    put("copy", "first text", 9);
    ok(arrives("p/m/1/3") && texts == 13, "what is known does not go out again");
    limit = 1;
    put("three", "third text", 4);
    ok(arrives("p/m/1/3") && texts == 17, "batches that are not taken are halved");
    limit = 100;
    mood = ERR_RATE;
    put("four", "fourth text", 2);
    ok(arrives("p/m/1/3") && texts == 19, "a refusal is waited out");
    longest = 300;
    char *text = arena_bytes(a, 1001);
    memset(text, 'x', 1000);
    text[1000] = 0;
    put("long", text, 1);
    ok(arrives("p/m/1/3") && texts == 20, "what is too long is shortened");
    ok(embed_report(d, opt.status, a, &report, &e) && report.n == 1 &&
           report.collection[0].done == report.collection[0].documents &&
           report.collection[0].next.len == 0,
       "the report says so");
    longest = 1 << 20;
    embed_stop(j);
    while (!ended)
        fiber_sleep(NS_PER_MS, NULL);
    by.identity = STR("p/m/2");
    int before = texts;
    j = embed_start(&opt);
    ok(arrives("p/m/2/3") && texts > before, "another version embeds anew");
    ended = false;
    embed_stop(j);
    while (!ended)
        fiber_sleep(NS_PER_MS, NULL);
    embed_status_free(opt.status);
}

int main(void)
{
    char dir[TEMPDIR_SIZE];
    struct provider p;
    struct provider_endpoint at = {.url = STR("http://embed")};
    struct doc_collection c = {.name = STR("docs")};
    a = arena_new();
    tempdir_make(dir);
    work_start(2, &e);
    if (ok(provider_init(&p, a, STR("embed"), &vendor, NULL, 0, &e) &&
               db_open(&d, &(struct db_options){.dir = dir}, &e) && search_open(&set, d, dir, &e) &&
               doc_collection_create(d, a, &c, &e),
           "the store opens")) {
        collection = c.id;
        p.endpoint = &at;
        p.n_endpoints = 1;
        struct target t = {
            .provider = &p, .upstream = STR("u"), .weight = 1, .context_tokens = 1000};
        struct model m = {.name = STR("m"), .target = &t, .n_targets = 1, .max_attempts = 1};
        ok(model_places(&m, a, &e), "an embedder");
        on_loop(test, &m);
        search_close(set);
        db_close(d);
    }
    work_stop();
    tempdir_remove(dir);
    arena_free(a);
    return tap_done();
}
