/* The engine without a model: does it answer what the passages hold, from the right passage, and
 * refuse what they do not?
 *
 *   bench_answer [--features] DIR
 *
 * DIR has test collections as ../shared/testdata/ir has them. Questions with one right passage each
 * (XQuAD) are asked of the five best passages by keywords:
 *
 *   answerable     as they are found, the right one among them
 *   without        the right passage is taken out of the collection before
 *   elsewhere      asked of a collection about something else
 *
 * --features prints a line of numbers for each question, for fitting what decides. */
#include "testset.h"
#include "base/clock.h"
#include "index/words.h"
#include "model/excerpt.h"

#include <stdio.h>
#include <stdlib.h>

enum { PASSAGES = 5 };

struct collection {
    struct testset set;
    struct bm25 *index; /* by number of a document, from 1 */
};

static void open_collection(struct collection *c, const char *dir, const char *name)
{
    struct words w = {0};
    *c = (struct collection){.index = bm25_new(BM25_DEFAULT)};
    testset_read(&c->set, dir, name);
    for (size_t i = 0; i < c->set.n; i++) {
        const struct testset_document *d = &c->set.document[i];
        words_of_passage(&w, d->lang, d->title, STR_NONE, d->text);
        struct bm25_passage p = words_passage(&w);
        bm25_add(c->index, (uint32_t)i + 1, d->lang, (int64_t)i + 1, &p);
    }
    words_fini(&w);
    bm25_commit(c->index);
}

static void close_collection(struct collection *c)
{
    bm25_free(c->index);
    testset_free(&c->set);
}

/* The best passages by keywords but for number `without`; number[] says which they are. */
static size_t find(const struct collection *c, struct str question, size_t without,
                   struct passage *p, size_t *number)
{
    const struct bm25_view *view = bm25_view(c->index);
    struct bm25_word word[BM25_MAX_WORDS];
    enum lang lang[WORDS_LANGS];
    struct hit hit[PASSAGES + 1];
    struct bm25_query q = {.word = word};
    q.n = words_of_query(word, question, lang, words_langs(lang, &view, 1));
    size_t found = bm25_search(&view, 1, &q, hit, PASSAGES + 1), n = 0;
    for (size_t i = 0; i < found && n < PASSAGES; i++) {
        size_t at = (size_t)hit[i].key;
        if (at == without)
            continue;
        number[n] = at;
        p[n++] = (struct passage){.text = c->set.document[at - 1].text,
                                  .name = STR("document"),
                                  .keyword = hit[i].score,
                                  .score = hit[i].score / hit[0].score};
    }
    bm25_view_free((struct bm25_view *)view);
    return n;
}

struct counts {
    size_t asked, answered, right;
    int64_t ns;
};

/* `right`: the number of the passage that holds the answer. */
static void ask(const struct collection *c, struct str question, size_t right, size_t without,
                bool features, struct counts *out)
{
    struct arena *a = arena_new();
    struct passage p[PASSAGES];
    struct excerpt x[EXCERPT_MOST];
    size_t number[PASSAGES];
    size_t n = find(c, question, without, p, number);
    int64_t start = clock_thread_cpu();
    size_t got = excerpt_select(question, question, p, n, x, a);
    out->ns += clock_thread_cpu() - start;
    out->asked++;
    out->answered += got > 0;
    bool found = false;
    for (size_t i = 0; i < got; i++)
        found = found || number[x[i].passage - p] == right;
    out->right += found;
    struct excerpt_support s;
    if (features && excerpt_support(question, question, p, n, &s, a))
        printf("%g %g %g %g %g %g %g %g %g\n", (double)s.near, (double)s.around, (double)s.has,
               (double)s.named, (double)s.wants, (double)s.fits, (double)s.pairs, (double)s.terms,
               (double)s.margin);
    arena_free(a);
}

static void tell(const char *what, const char *name, const struct counts *n)
{
    double all = (double)size_max(n->asked, 1);
    printf("%-26s %-10s %5zu asked: %5.1f %% answered, %5.1f %% refused", name, what, n->asked,
           100 * (double)n->answered / all, 100 * (1 - (double)n->answered / all));
    if (n->right)
        printf("; right passage in %.1f %% of the answers",
               100 * (double)n->right / (double)n->answered);
    printf("; %.0f us\n", (double)n->ns / all / (double)NS_PER_US);
}

static void measure(const char *dir, const char *name, const char *const *others, size_t n_others,
                    bool features)
{
    struct collection c;
    struct counts with = {0}, without = {0};
    open_collection(&c, dir, name);
    for (int out = 0; out < 2; out++) {
        if (features)
            printf("# %s %s\n", name, out ? "without" : "answerable");
        for (size_t i = 0; i < c.set.n_questions; i++) {
            size_t right = c.set.question[i].judged->document + 1;
            ask(&c, c.set.question[i].text, right, out ? right : 0, features,
                out ? &without : &with);
        }
    }
    if (!features) {
        tell("answerable", name, &with);
        tell("without", name, &without);
    }
    for (size_t k = 0; k < n_others; k++) {
        struct collection o;
        struct counts elsewhere = {0};
        char title[64];
        open_collection(&o, dir, others[k]);
        snprintf(title, sizeof(title), "%s of %s", name, others[k]);
        if (features)
            printf("# %s elsewhere %s\n", name, others[k]);
        for (size_t i = 0; i < c.set.n_questions; i += 4)
            ask(&o, c.set.question[i].text, 0, 0, features, &elsewhere);
        if (!features)
            tell("elsewhere", title, &elsewhere);
        close_collection(&o);
    }
    close_collection(&c);
}

int main(int argc, char **argv)
{
    static const char *const others[] = {"cranfield", "med", "cisi", "time"};
    bool features = argc > 1 && strcmp(argv[1], "--features") == 0;
    if (argc != 2 + features) {
        fprintf(stderr, "usage: bench_answer [--features] DIR\n");
        return 2;
    }
    measure(argv[1 + features], "xquad-en", others, COUNT(others), features);
    measure(argv[1 + features], "xquad-de", NULL, 0, features);
    return 0;
}
