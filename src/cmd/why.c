#include "cmd/why.h"
#include "cmd/cli.h"

#include <stdio.h>

void why_print_place(struct json_value p, struct arena *a)
{
    int64_t rank = 0, page = 0, from = 0, to = 0;
    double score = 0;
    struct str section = json_text(json_get(p, "section"), a);
    json_int(json_get(p, "rank"), &rank);
    json_double(json_get(p, "score"), &score);
    printf("%3jd  %.3f  %s%.*s%s", (intmax_t)rank, score, cli_bold(),
           STR_FMT(json_text(json_get(p, "name"), a)), cli_plain());
    if (section.len)
        printf(", %.*s", STR_FMT(section));
    if (json_int(json_get(p, "page"), &page) && page > 0)
        printf(", page %jd", (intmax_t)page);
    if (json_int(json_get(p, "line_start"), &from) && from > 0 &&
        json_int(json_get(p, "line_end"), &to))
        printf(from == to ? ", line %jd" : ", lines %jd-%jd", (intmax_t)from, (intmax_t)to);
    printf("\n");
}

static void print_stage(const char *name, struct json_value stage, bool *more)
{
    int64_t rank;
    double score = 0;
    if (!json_int(json_get(stage, "rank"), &rank))
        return;
    json_double(json_get(stage, "score"), &score);
    printf("%s%s #%jd %.3f", *more ? ", " : "", name, (intmax_t)rank, score);
    *more = true;
}

static void print_words(struct json_value list, struct arena *a)
{
    const char *before = "; words: ";
    json_each(it, list)
    {
        printf("%s%.*s", before, STR_FMT(json_text(it.value, a)));
        before = ", ";
    }
}

/* Of the closer look: those that say something. */
static void print_features(struct json_value features, struct arena *a)
{
    const char *before = "\n            looks: ";
    (void)a;
    json_each(it, features)
    {
        double value = 0;
        if (json_double(it.value, &value) && value >= 0.005) {
            printf("%s%.*s %.2f", before, STR_FMT(it.name), value);
            before = ", ";
        }
    }
}

void why_print_stages(struct json_value retrieval, struct json_value p, struct arena *a)
{
    bool more = false;
    double like = 0;
    uint32_t copies = json_count(json_get(p, "copies"));
    struct str ranker = json_text(json_get(retrieval, "ranker"), a);
    printf("            %s", cli_dim());
    print_stage("keyword", json_get(p, "keyword"), &more);
    print_stage("vector", json_get(p, "vector"), &more);
    print_stage("search", json_get(p, "search"), &more);
    print_stage(arena_text(a, ranker), json_get(p, "rerank"), &more);
    print_words(json_get(p, "matched"), a);
    if (json_count(json_get(retrieval, "searches")) > 1) {
        const char *before = "; by search ";
        json_each(it, json_get(p, "searches"))
        {
            int64_t i = 0;
            json_int(it.value, &i);
            printf("%s%jd", before, (intmax_t)i + 1);
            before = ", ";
        }
    }
    if (json_double(json_get(p, "redundancy"), &like) && like > 0)
        printf("; like a better one: %.2f", like);
    if (copies)
        printf("; %u that say%s the same left out", copies, copies == 1 ? "s" : "");
    print_features(json_get(p, "features"), a);
    printf("%s\n", cli_plain());
}

static intmax_t number(struct json_value object, const char *path)
{
    int64_t n = 0;
    json_int(json_path(object, path), &n);
    return (intmax_t)n;
}

static void print_searches(struct json_value list, struct arena *a)
{
    size_t i = 0;
    if (json_count(list) < 2)
        return;
    json_each(it, list)
    {
        double weight = 0;
        json_double(json_get(it.value, "weight"), &weight);
        printf("search %zu (%.*s, %.1f): %.*s\n", ++i,
               STR_FMT(json_text(json_get(it.value, "kind"), a)), weight,
               STR_FMT(json_text(json_get(it.value, "text"), a)));
    }
}

static void print_collections(struct json_value list, struct arena *a)
{
    json_each(it, list)
    {
        struct json_value v = json_get(it.value, "vectors");
        double recall = 0;
        printf("%jd documents, %jd chunks; ", number(it.value, "documents"),
               number(it.value, "chunks"));
        if (json_double(json_get(v, "recall"), &recall))
            printf("vectors (%.*s): %.*s, %jd candidates, %jd compared, recall %.3f\n",
                   STR_FMT(json_text(json_get(v, "of"), a)),
                   STR_FMT(json_text(json_get(v, "plan"), a)), number(v, "candidates"),
                   number(v, "compared"), recall);
        else
            printf("no vectors\n");
    }
}

void why_print_summary(struct json_value r, struct arena *a)
{
    printf("%slevel %jd, %jd candidates, ranked by %.*s, cache %.*s; search %jd us, load %jd us, "
           "rank %jd us, all %jd us\n",
           cli_dim(), number(r, "level"), number(r, "candidates"),
           STR_FMT(json_text(json_get(r, "ranker"), a)),
           STR_FMT(json_text(json_get(r, "cache"), a)), number(r, "microseconds.search"),
           number(r, "microseconds.load"), number(r, "microseconds.rerank"),
           number(r, "microseconds.total"));
    print_searches(json_get(r, "searches"), a);
    print_collections(json_get(r, "collections"), a);
    json_each(it, json_get(r, "notes")) printf("%.*s\n", STR_FMT(json_text(it.value, a)));
    printf("%s", cli_plain());
}
