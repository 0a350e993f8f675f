/* How well are supported sentences told from others?
 *
 *   bench_faithful [--features] FILE.jsonl...
 *
 * A file has an object a line with "context", "claim" and "label" (supported, unsupported; others
 * are skipped). Printed for each: area under the ROC curve and balanced accuracy at the one
 * threshold that the product uses, of evidence_check; beside it, of the share of the claim's terms
 * that the context has, at the threshold that suits the file best. --features: a line of numbers
 * for each claim, for fitting the weights. */
#include "answer/evidence.h"
#include "base/clock.h"
#include "base/file.h"
#include "text/terms.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS_MOST = 65536 };

struct row {
    float score;
    bool supported;
};

struct rows {
    struct row row[ROWS_MOST];
    size_t n;
};

static int by_score(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return x->score < y->score ? -1 : x->score > y->score;
}

/* The chance that a supported one scores higher than another, ties counting half. */
static double area(struct rows *r)
{
    double ranks = 0, supported = 0;
    qsort(r->row, r->n, sizeof(r->row[0]), by_score);
    for (size_t i = 0, end; i < r->n; i = end) {
        double here = 0;
        for (end = i; end < r->n && r->row[end].score == r->row[i].score; end++)
            here += r->row[end].supported;
        ranks += here * ((double)(i + end + 1) / 2);
        supported += here;
    }
    double other = (double)r->n - supported;
    return (ranks - supported * (supported + 1) / 2) / (supported * other);
}

static double balanced(const struct rows *r, float from)
{
    double right = 0, all = 0, refused = 0;
    for (size_t i = 0; i < r->n; i++) {
        bool yes = r->row[i].score >= from;
        all += r->row[i].supported;
        right += r->row[i].supported && yes;
        refused += !r->row[i].supported && !yes;
    }
    return (right / all + refused / ((double)r->n - all)) / 2;
}

static double best_balanced(const struct rows *r)
{
    double best = 0;
    for (size_t i = 0; i < r->n; i++) {
        double here = balanced(r, r->row[i].score);
        best = here > best ? here : best;
    }
    return best;
}

/* Word overlap: the share of the claim's search terms that the context has. */
static float overlap(struct str claim, struct str context, struct arena *a)
{
    struct terms it, in;
    struct term t, c;
    float n = 0, found = 0;
    terms_begin(&it, claim, LANG_EN, TERMS_QUERY);
    while (terms_next(&it, &t)) {
        struct str term = arena_copy(a, t.text);
        bool there = false;
        terms_begin(&in, context, LANG_EN, TERMS_QUERY);
        while (!there && terms_next(&in, &c))
            there = str_eq(c.text, term);
        n++;
        found += there;
    }
    return n > 0 ? found / n : 1;
}

static void read_file(struct str text, struct rows *ours, struct rows *words, bool features)
{
    struct arena *a = arena_new();
    for (struct str line; str_split(&text, '\n', &line);) {
        struct json doc;
        struct err e;
        arena_reset(a);
        if (!line.len || !json_parse(&doc, a, line, 0, &e) || ours->n == ROWS_MOST)
            continue;
        struct json_value root = json_root(&doc), label = json_get(root, "label");
        bool supported = json_text_is(label, "supported");
        if (!supported && !json_text_is(label, "unsupported"))
            continue;
        struct passage p = {.text = json_text(json_get(root, "context"), a)};
        struct str claim = json_text(json_get(root, "claim"), a);
        struct evidence *v = evidence_new(&p, 1, a);
        if (features) {
            struct evidence_features f = evidence_features(v, claim);
            printf("%d %g %g %g %g %g %g %g\n", supported, (double)f.missing, (double)f.facts,
                   (double)f.pairs, (double)f.denies, (double)f.personal, (double)f.asks,
                   (double)f.words);
        }
        struct verdict got = evidence_check(v, claim);
        float score = got.reason == EVIDENCE_NONE || got.reason == EVIDENCE_SUPPORT
                          ? got.score
                          : got.score * EVIDENCE_SUPPORTED; /* a fact is a reason by itself */
        ours->row[ours->n++] = (struct row){score, supported};
        words->row[words->n++] = (struct row){overlap(claim, p.text, a), supported};
    }
    arena_free(a);
}

int main(int argc, char **argv)
{
    static struct rows ours, words;
    bool features = argc > 1 && strcmp(argv[1], "--features") == 0;
    if (argc < 2 + features) {
        fprintf(stderr, "usage: bench_faithful [--features] FILE.jsonl...\n");
        return 2;
    }
    for (int i = 1 + features; i < argc; i++) {
        struct arena *a = arena_new();
        struct str text;
        struct err e;
        if (!file_read(&text, a, argv[i], 1 << 30, &e)) {
            fprintf(stderr, "%s\n", e.msg);
            return 1;
        }
        ours.n = words.n = 0;
        if (features)
            printf("# %s\n", argv[i]);
        read_file(text, &ours, &words, features);
        if (!features)
            printf("%-40.*s %5zu claims: AUROC %.3f, balanced accuracy %.3f (%.3f at its best "
                   "threshold); word overlap %.3f, "
                   "%.3f at its best threshold\n",
                   STR_FMT(file_name(str_from(argv[i]))), ours.n, area(&ours),
                   balanced(&ours, EVIDENCE_SUPPORTED), best_balanced(&ours), area(&words),
                   best_balanced(&words));
        arena_free(a);
    }
    return 0;
}
