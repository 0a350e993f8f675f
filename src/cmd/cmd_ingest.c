#include "base/clock.h"
#include "cmd/cli.h"
#include "cmd/local.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct ingesting {
    char **path;
    int n_paths;
    const char *collection, *access;
    bool json, bar;
    int64_t start_ns;
    bool finished;
    uint64_t failed;
};

struct counts {
    int64_t found, done, unchanged, failed, removed, chunks, bytes;
};

static int64_t number(struct json_value v, const char *name)
{
    int64_t n = 0;
    json_int(json_get(v, name), &n);
    return n;
}

static struct counts read_counts(struct json_value v)
{
    return (struct counts){.found = number(v, "files_found"),
                           .done = number(v, "files_done"),
                           .unchanged = number(v, "files_unchanged"),
                           .failed = number(v, "files_failed"),
                           .removed = number(v, "files_removed"),
                           .chunks = number(v, "chunks"),
                           .bytes = number(v, "bytes")};
}

static void clear_line(const struct ingesting *g)
{
    if (g->bar)
        fprintf(stderr, "\r\033[K");
}

/* [########........]  12/40 files  380 chunks  95 chunks/s  3s left */
static void draw(const struct ingesting *g, const struct counts *c)
{
    enum { WIDTH = 24 };
    char bar[WIDTH + 1];
    double s = (double)(clock_now() - g->start_ns) / (double)NS_PER_S;
    int filled = c->found ? (int)(WIDTH * c->done / c->found) : 0;
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[WIDTH] = 0;
    fprintf(stderr, "\r\033[K[%s] %jd/%jd files  %jd chunks  %.0f chunks/s", bar, (intmax_t)c->done,
            (intmax_t)c->found, (intmax_t)c->chunks, s > 0 ? (double)c->chunks / s : 0);
    if (c->done && c->done < c->found)
        fprintf(stderr, "  %.0fs left", s / (double)c->done * (double)(c->found - c->done));
    fflush(stderr);
}

static void say_done(const struct ingesting *g, const struct counts *c)
{
    double s = (double)(clock_now() - g->start_ns) / (double)NS_PER_S;
    printf("%jd files into '%s': %jd read, %jd unchanged, %jd removed, %jd failed; %jd chunks in "
           "%.1fs\n",
           (intmax_t)c->found, g->collection, (intmax_t)(c->done - c->unchanged - c->failed),
           (intmax_t)c->unchanged, (intmax_t)c->removed, (intmax_t)c->failed, (intmax_t)c->chunks,
           s);
}

static void say_failures(const struct ingesting *g, struct json_value list, struct arena *a)
{
    if (!json_count(list))
        return;
    clear_line(g);
    json_each(it, list)
    {
        struct str path = json_text(json_get(it.value, "path"), a);
        struct str error = json_text(json_get(it.value, "error"), a);
        fprintf(stderr, "penstock: '%.*s': %.*s\n", STR_FMT(path), STR_FMT(error));
    }
}

static bool on_event(void *ctx, const struct json *event, struct err *e)
{
    struct ingesting *g = ctx;
    struct json_value root = json_root(event);
    struct json_value progress = json_get(root, "progress"), done = json_get(root, "done");
    struct arena *a = arena_new();
    (void)e;
    if (g->json) {
        printf("%.*s\n", STR_FMT(event->text));
        fflush(stdout);
    } else {
        say_failures(g, json_get(root, "failed"), a);
    }
    struct counts c = read_counts(json_exists(done) ? done : progress);
    if (!g->json && json_exists(progress) && g->bar)
        draw(g, &c);
    if (json_exists(done)) {
        g->finished = true;
        g->failed = (uint64_t)c.failed;
        clear_line(g);
        if (!g->json)
            say_done(g, &c);
    }
    arena_free(a);
    return true;
}

/* The service may run elsewhere in the file system: it gets whole paths. */
static bool put_paths(struct json_writer *w, const struct ingesting *g, struct err *e)
{
    json_key(w, "paths");
    json_array(w);
    for (int i = 0; i < g->n_paths; i++) {
        char *whole = realpath(g->path[i], NULL);
        if (!whole)
            return err_sys(e, ERR_NOT_FOUND, "cannot read '%s'", g->path[i]);
        json_put_text(w, whole);
        free(whole);
    }
    json_end(w);
    return true;
}

static bool ingest(struct local *l, struct ingesting *g, struct err *e)
{
    struct buf b;
    struct json_writer w;
    struct http_exchange *x;
    buf_init(&b, 16 << 20);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_text(&w, "collection", g->collection);
    if (g->access)
        json_kv_text(&w, "access", g->access);
    bool good = put_paths(&w, g, e);
    if (good)
        json_end(&w);
    good = good && local_start(l, "POST", STR("/admin/ingest"), buf_str(&b), &x, e) &&
           local_events(x, on_event, g, e);
    buf_fini(&b);
    if (good && !g->finished)
        good = err_set(e, ERR_UPSTREAM, "the service ended before it was done");
    clear_line(g);
    return good;
}

static int ingest_fiber(struct local *l, void *arg)
{
    struct ingesting *g = arg;
    struct err e;
    if (!ingest(l, g, &e)) {
        int code = cli_fail(&e);
        if (code == CLI_INTERRUPTED)
            fprintf(stderr,
                    "penstock: what was read is kept; the same command goes on from here\n");
        return code;
    }
    return g->failed ? CLI_FAILED : CLI_OK;
}

static int run(int argc, char **argv)
{
    const char *data = NULL;
    struct local_options opt = {.learn = true};
    struct ingesting g = {.path = argv, .collection = "docs", .start_ns = clock_now()};
    const struct cli_option options[] = {
        {"--collection", "NAME", &g.collection, "Where to; default docs. It is also a model name."},
        {"--access", "WHO", &g.access,
         "Who may read them: user:NAME,group:NAME or everyone; default as each document says."},
        {"--data", "DIR", &data, "Data directory of the service."},
        {"--config", "FILE", &opt.config_file, "Configuration, when no service runs."},
        {"--json", NULL, &g.json, "One JSON object per line instead of a progress bar."},
    };
    struct arena *a = arena_new();
    struct err e;
    int code = cli_parse(&cmd_ingest, options, COUNT(options), &argc, argv);
    if (code < 0 && argc == 0)
        code = cli_usage_error(&cmd_ingest, "which files or folders?");
    if (code < 0) {
        g.n_paths = argc;
        g.bar = !g.json && cli_terminal(STDERR_FILENO);
        code = cli_data_dir(data, a, &opt.data_dir, &e) ? local_run(&opt, ingest_fiber, &g)
                                                        : cli_fail(&e);
    }
    arena_free(a);
    return code;
}

const struct command cmd_ingest = {
    "ingest", "ingest PATH... [options]",
    "Bring files and folders into a collection, so that it answers from them.\n\n"
    "New and changed documents are read, unchanged ones skipped, deleted ones removed.\n"
    "Works with the service that runs on the data directory, or without one. Interrupted\n"
    "at any moment, the same command goes on where it stopped. Exit code 1 when a\n"
    "document could not be read; the others are in.",
    run};
