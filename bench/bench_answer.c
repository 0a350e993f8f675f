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
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/map.h"
#include "index/words.h"
#include "model/excerpt.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILE_MOST = 1 << 30, PASSAGES = 5, TEXTS_MOST = 4096 };

struct collection {
    const char *name;
    struct arena *a;
    struct bm25 *index;
    struct str text[TEXTS_MOST + 1]; /* by number, from 1 */
    size_t n;
    struct map number; /* id -> index into text, as a pointer into `text` */
};

struct question {
    struct str text;
    size_t right; /* number of its passage */
};

static void die(const char *what, const struct err *e)
{
    fprintf(stderr, "bench_answer: %s: %s\n", what, e->msg);
    exit(1);
}

static bool next_line(struct str *rest, struct arena *a, struct json *out)
{
    struct str line;
    struct err e;
    while (str_split(rest, '\n', &line))
        if (str_trim(line).len) {
            if (!json_parse(out, a, line, 0, &e))
                die("a line", &e);
            return true;
        }
    return false;
}

static struct str read_part(struct arena *a, const char *dir, const char *name, const char *file)
{
    struct err e;
    struct str text;
    struct str path = arena_printf(a, "%s/%s/%s", dir, name, file);
    if (!file_read(&text, a, path.p, FILE_MOST, &e))
        die(path.p, &e);
    return text;
}

static struct collection *open_collection(const char *dir, const char *name)
{
    struct arena *a = arena_new();
    struct collection *c = arena_struct(a, struct collection);
    struct words w = {0};
    struct json doc;
    *c = (struct collection){.name = name, .a = a, .index = bm25_new(BM25_DEFAULT)};
    map_init(&c->number);
    struct str rest = read_part(a, dir, name, "corpus.jsonl");
    while (c->n < TEXTS_MOST && next_line(&rest, a, &doc)) {
        struct json_value v = json_root(&doc);
        struct str text = json_text(json_get(v, "text"), a);
        enum lang lang = lang_detect(text);
        c->text[++c->n] = text;
        map_set(&c->number, json_text(json_get(v, "_id"), a), &c->text[c->n]);
        words_of_passage(&w, lang, json_text(json_get(v, "title"), a), STR_NONE, text);
        struct bm25_passage p = words_passage(&w);
        bm25_add(c->index, (uint32_t)c->n, lang, (int64_t)c->n, &p);
    }
    words_fini(&w);
    bm25_commit(c->index);
    return c;
}

static void close_collection(struct collection *c)
{
    bm25_free(c->index);
    map_fini(&c->number);
    arena_free(c->a);
}

static size_t read_questions(struct collection *c, const char *dir, struct question *q)
{
    struct map right;
    struct json doc;
    struct str line, id, passage, rest = read_part(c->a, dir, c->name, "qrels.tsv");
    size_t n = 0;
    map_init(&right);
    str_split(&rest, '\n', &line);
    while (str_split(&rest, '\n', &line))
        if (str_split(&line, '\t', &id) && str_split(&line, '\t', &passage)) {
            void *text = map_get(&c->number, passage);
            if (text)
                map_set(&right, id, text);
        }
    rest = read_part(c->a, dir, c->name, "queries.jsonl");
    while (n < TEXTS_MOST && next_line(&rest, c->a, &doc)) {
        struct json_value v = json_root(&doc);
        const struct str *text = map_get(&right, json_text(json_get(v, "_id"), c->a));
        if (text)
            q[n++] =
                (struct question){json_text(json_get(v, "text"), c->a), (size_t)(text - c->text)};
    }
    map_fini(&right);
    return n;
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
        p[n++] = (struct passage){.text = c->text[at],
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

static void ask(const struct collection *c, const struct question *q, size_t without, bool features,
                struct counts *out)
{
    struct arena *a = arena_new();
    struct passage p[PASSAGES];
    struct excerpt x[EXCERPT_MOST];
    size_t number[PASSAGES];
    size_t n = find(c, q->text, without, p, number);
    int64_t start = clock_thread_cpu();
    size_t got = excerpt_select(q->text, q->text, p, n, x, a);
    out->ns += clock_thread_cpu() - start;
    out->asked++;
    out->answered += got > 0;
    bool right = false;
    for (size_t i = 0; i < got; i++)
        right = right || number[x[i].passage - p] == q->right;
    out->right += right;
    struct excerpt_support s;
    if (features && excerpt_support(q->text, q->text, p, n, &s, a))
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
    static struct question q[TEXTS_MOST];
    struct collection *c = open_collection(dir, name);
    size_t n = read_questions(c, dir, q);
    struct counts with = {0}, without = {0};
    if (features)
        printf("# %s answerable\n", name);
    for (size_t i = 0; i < n; i++)
        ask(c, &q[i], 0, features, &with);
    if (features)
        printf("# %s without\n", name);
    for (size_t i = 0; i < n; i++)
        ask(c, &q[i], q[i].right, features, &without);
    if (!features) {
        tell("answerable", name, &with);
        tell("without", name, &without);
    }
    for (size_t k = 0; k < n_others; k++) {
        struct collection *o = open_collection(dir, others[k]);
        struct counts elsewhere = {0};
        char title[64];
        snprintf(title, sizeof(title), "%s of %s", name, others[k]);
        if (features)
            printf("# %s elsewhere %s\n", name, others[k]);
        for (size_t i = 0; i < n; i += 4)
            ask(o, &(struct question){q[i].text, SIZE_MAX}, 0, features, &elsewhere);
        if (!features)
            tell("elsewhere", title, &elsewhere);
        close_collection(o);
    }
    close_collection(c);
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
