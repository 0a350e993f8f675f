#include "base/hash.h"
#include "cmd/cli.h"
#include "model/rerank_train.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { HOLD_OUT = 5 /* one question of so many is not learned from, to be judged on */ };

static int is_visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A collection, or a folder of collections. */
static bool read_folder(struct judged *j, const char *path, struct arena *a, struct err *e)
{
    struct stat st;
    if (stat(arena_printf(a, "%s/corpus.jsonl", path).p, &st) == 0)
        return judged_folder(j, path, a, e);
    struct dirent **entry = NULL;
    int n = scandir(path, &entry, is_visible, alphasort);
    bool good = n >= 0 || err_sys(e, ERR_IO, "cannot read '%s'", path);
    size_t folders = 0;
    for (int i = 0; i < n; i++) {
        const char *inner = arena_printf(a, "%s/%s", path, entry[i]->d_name).p;
        if (good && is_folder(inner)) {
            good = judged_folder(j, inner, a, e);
            folders++;
        }
        free(entry[i]);
    }
    free(entry);
    return good && (folders > 0 || err_set(e, ERR_NOT_FOUND,
                                           "'%s' has no corpus.jsonl, nor folders with one", path));
}

static bool read_all(struct judged *j, const char *judgments, const char *clicks, struct arena *a,
                     struct err *e)
{
    if (judgments && !(is_folder(judgments) ? read_folder(j, judgments, a, e)
                                            : judged_lines(j, judgments, a, e)))
        return false;
    if (clicks && !judged_clicks(j, clicks, a, e))
        return false;
    return j->n > 0 || err_set(e, ERR_INVALID, "there is no judged question");
}

/* Which questions are held out depends on their text alone. */
static void split(const struct judged *j, bool *learn, bool *held)
{
    for (size_t i = 0; i < j->n; i++) {
        held[i] = hash_stable(j->q[i].text) % HOLD_OUT == 0;
        learn[i] = !held[i];
    }
}

static void show(const char *what, const struct rerank_quality *q)
{
    printf("  %-18s search %.4f   ranked again %.4f (%+.4f)\n", what, q->before, q->after,
           q->after - q->before);
}

static int train(const struct judged *j, const struct rerank_weights *start, const char *out,
                 struct str note, struct arena *a)
{
    struct rerank_table t;
    struct rerank_weights w;
    struct err e;
    bool *learn = arena_array(a, bool, j->n), *held = arena_array(a, bool, j->n);
    rerank_table_make(&t, j, a);
    split(j, learn, held);
    rerank_train(&t, learn, start, &w);
    struct rerank_quality before = rerank_evaluate(&t, held, start);
    struct rerank_quality after = rerank_evaluate(&t, held, &w);
    printf("%zu questions; nDCG@10 on the %zu that were not learned from:\n", j->n, after.queries);
    show("weights before", &before);
    show("weights learned", &after);
    rerank_train(&t, NULL, start, &w); /* what is kept has learned from all of them */
    if (!rerank_weights_write(&w, out, note, &e))
        return cli_fail(&e);
    printf("%s is written; 'rerank_weights' in 'retrieval' of the configuration names it\n", out);
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    const char *judgments = NULL, *clicks = NULL, *out = NULL, *from = NULL;
    const struct cli_option options[] = {
        {"--judgments", "PATH", &judgments,
         "file of lines {\"query\", \"text\", \"grade\"}, or folder with corpus.jsonl, "
         "queries.jsonl "
         "and qrels.tsv, or folder of such"},
        {"--clicks", "FILE", &clicks,
         "lines {\"query\", \"shown\": [{\"text\"}, ...], \"clicked\": [places]}"},
        {"--start", "FILE", &from, "weights to start from; else the built-in ones"},
        {"--out", "FILE", &out, "where the weights go"},
    };
    int code = cli_parse(&cmd_train, options, COUNT(options), &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 1 || strcmp(argv[0], "rerank") != 0)
        return cli_usage_error(&cmd_train, "train what? 'rerank' is what there is");
    if (!out || (!judgments && !clicks))
        return cli_usage_error(&cmd_train, "--out and --judgments or --clicks must be given");
    struct arena *a = arena_new();
    struct judged j = {0};
    struct rerank_weights start = *rerank_weights_built_in();
    struct err e;
    struct str note = arena_printf(a, "%s%s%s", judgments ? judgments : "",
                                   judgments && clicks ? ", " : "", clicks ? clicks : "");
    if ((from && !rerank_weights_read(&start, from, &e)) || !read_all(&j, judgments, clicks, a, &e))
        code = cli_fail(&e);
    else
        code = train(&j, &start, out, note, a);
    arena_free(a);
    return code;
}

const struct command cmd_train = {
    "train", "train rerank --judgments PATH [--clicks FILE] --out FILE [--start FILE]",
    "Learn the weights of the built-in re-ranker.\n\n"
    "From judgments (how well passages answer questions) or clicks on results. A fifth of the\n"
    "questions is held out to show what was won; the file that is written has learned from all.\n"
    "The same input gives the same weights. No service is needed.",
    run};
