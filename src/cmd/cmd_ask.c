#include "cmd/cli.h"
#include "cmd/local.h"
#include "cmd/why.h"

#include <stdio.h>

struct asking {
    const char *question, *model;
    bool stream, json, explain;
    int citations;
    struct buf sources; /* a line for each */
    struct buf why;     /* the event of a stream that tells it */
};

static struct str body(struct arena *a, const struct asking *q)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 4 << 20);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_text(&w, "model", q->model);
    json_kv_bool(&w, "stream", q->stream);
    if (q->explain) {
        json_key(&w, "penstock");
        json_object(&w);
        json_kv_bool(&w, "explain", true);
        json_end(&w);
    }
    json_key(&w, "messages");
    json_array(&w);
    json_object(&w);
    json_kv_text(&w, "role", "user");
    json_kv_text(&w, "content", q->question);
    json_end(&w);
    json_end(&w);
    json_end(&w);
    struct str s = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

/* [1] manual.md, Install > From source, lines 12-18 */
static void note_citation(struct asking *q, struct json_value c, struct arena *a)
{
    struct buf *b = &q->sources;
    int64_t page = 0, from = 0, to = 0;
    struct str section = json_text(json_get(c, "section"), a);
    buf_printf(b, "[%d] %.*s", ++q->citations, STR_FMT(json_text(json_get(c, "filename"), a)));
    if (section.len)
        buf_printf(b, ", %.*s", STR_FMT(section));
    if (json_int(json_get(c, "page"), &page))
        buf_printf(b, ", page %jd", (intmax_t)page);
    if (json_int(json_get(c, "line_start"), &from) && json_int(json_get(c, "line_end"), &to)) {
        if (from == to)
            buf_printf(b, ", line %jd", (intmax_t)from);
        else
            buf_printf(b, ", lines %jd-%jd", (intmax_t)from, (intmax_t)to);
    }
    buf_char(b, '\n');
}

/* Sources stand below the answer, also when it comes in pieces. */
static void note_citations(struct asking *q, struct json_value list, struct arena *a)
{
    json_each(it, list) note_citation(q, it.value, a);
}

static void print_sources(const struct asking *q)
{
    printf("\n");
    if (q->citations)
        printf("\n%s%.*s%s", cli_dim(), STR_FMT(buf_str(&q->sources)), cli_plain());
}

static void print_why(const struct asking *q, struct json_value answer, struct arena *a)
{
    struct json_value why = json_path(answer, "penstock.retrieval");
    if (!q->explain || !json_exists(why))
        return;
    printf("\n");
    json_each(it, json_get(why, "passages"))
    {
        why_print_place(it.value, a);
        why_print_stages(why, it.value, a);
    }
    why_print_summary(why, a);
}

static bool on_chunk(void *ctx, const struct json *chunk, struct err *e)
{
    struct asking *q = ctx;
    struct arena *a = arena_new();
    struct json_value delta = json_path(json_root(chunk), "choices.0.delta");
    (void)e;
    if (q->json) {
        printf("%.*s\n", STR_FMT(chunk->text));
    } else {
        struct str text = json_text(json_get(delta, "content"), a);
        fwrite(text.p, 1, text.len, stdout);
        note_citations(q, json_get(delta, "annotations"), a);
        if (json_exists(json_get(json_root(chunk), "penstock")))
            buf_add(&q->why, chunk->text);
    }
    fflush(stdout);
    arena_free(a);
    return true;
}

static bool ask_stream(struct local *l, struct asking *q, struct err *e)
{
    struct http_exchange *x;
    if (!local_start(l, "POST", STR("/v1/chat/completions"), body(local_arena(l), q), &x, e) ||
        !local_events(x, on_chunk, q, e))
        return false;
    if (q->json)
        return true;
    print_sources(q);
    struct json told;
    if (q->why.len && json_parse(&told, local_arena(l), buf_str(&q->why), 0, NULL))
        print_why(q, json_root(&told), local_arena(l));
    return true;
}

static bool ask_whole(struct local *l, struct asking *q, struct err *e)
{
    struct json answer;
    struct arena *a = local_arena(l);
    if (!local_call(l, "POST", STR("/v1/chat/completions"), body(a, q), &answer, e))
        return false;
    if (q->json) {
        printf("%.*s\n", STR_FMT(answer.text));
        return true;
    }
    struct json_value message = json_path(json_root(&answer), "choices.0.message");
    printf("%.*s", STR_FMT(json_text(json_get(message, "content"), a)));
    note_citations(q, json_get(message, "annotations"), a);
    print_sources(q);
    print_why(q, json_root(&answer), a);
    return true;
}

static int ask_fiber(struct local *l, void *arg)
{
    struct asking *q = arg;
    struct err e;
    return (q->stream ? ask_stream(l, q, &e) : ask_whole(l, q, &e)) ? CLI_OK : cli_fail(&e);
}

static int run(int argc, char **argv)
{
    const char *data = NULL;
    struct local_options opt = {0};
    struct asking q = {.model = "docs"};
    const struct cli_option options[] = {
        {"--model", "NAME", &q.model, "Which model or collection answers; default docs."},
        {"--stream", NULL, &q.stream, "Print the answer as it comes."},
        {"--explain", NULL, &q.explain, "Why the passages behind the answer were chosen."},
        {"--data", "DIR", &data, "Data directory of the service."},
        {"--config", "FILE", &opt.config_file, "Configuration, when no service runs."},
        {"--json", NULL, &q.json, "The answer as it comes over the API."},
    };
    struct arena *a = arena_new();
    struct err e;
    int code = cli_parse(&cmd_ask, options, COUNT(options), &argc, argv);
    if (code < 0 && argc != 1)
        code = cli_usage_error(&cmd_ask, argc ? "put the question in quotes" : "which question?");
    if (code < 0) {
        q.question = argv[0];
        buf_init(&q.sources, 4 << 20);
        buf_init(&q.why, 16 << 20);
        code = cli_data_dir(data, a, &opt.data_dir, &e) ? local_run(&opt, ask_fiber, &q)
                                                        : cli_fail(&e);
    }
    buf_fini(&q.sources);
    buf_fini(&q.why);
    arena_free(a);
    return code;
}

const struct command cmd_ask = {
    "ask", "ask \"QUESTION\" [options]",
    "Ask a question and print the answer with its sources.\n\n"
    "Works with the service that runs on the data directory, or without one.",
    run};
