/* bench_ir - retrieval quality on test collections with judged queries.
 *
 *     bench_ir DIR [NAME...]
 *
 * DIR holds one folder per collection: corpus.jsonl (_id, title, text), queries.jsonl (_id, text),
 * qrels.tsv (query, document, grade; one line of headings). Documents go through what the product
 * does to passages (language, terms, index), queries through what it does to questions; no setting
 * differs between collections.
 *
 * nDCG@10 has linear gain and log2 discount; all measures are means over the queries that have a
 * relevant document, as trec_eval computes them. The reference is a plain BM25 (k1 1.2, b .75,
 * Porter stems) over the same files. */
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/map.h"
#include "index/words.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    double ndcg;
} references[] = {
    {"cranfield", .385}, {"med", .683},      {"cisi", .382},
    {"time", .683},      {"xquad-en", .965}, {"xquad-de", .929},
};

enum { DEPTH = 100, FILE_MAX = 1 << 30 };

struct collection {
    struct arena *arena;
    struct bm25 *index;
    struct map number; /* of a document: its id to a pointer to its place, from 1 */
    int64_t n;
    struct map judged; /* of a query: its id to a struct judgement list */
};

struct judgement {
    int64_t document;
    int grade;
    struct judgement *next;
};

struct measures {
    double ndcg, recall, mrr, micros;
    size_t queries;
};

static void die(const char *path, const struct err *e)
{
    fprintf(stderr, "bench_ir: %s: %s\n", path, e->msg);
    exit(2);
}

static struct str read_part(struct arena *a, const char *dir, const char *name, const char *file)
{
    struct err e;
    struct str text;
    struct str path = arena_printf(a, "%s/%s/%s", dir, name, file);
    if (!file_read(&text, a, path.p, FILE_MAX, &e))
        die(path.p, &e);
    return text;
}

static struct str field(struct json_value v, const char *name, struct arena *a)
{
    return json_text(json_get(v, name), a);
}

/* The next line of *rest as JSON; false at the end. */
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

static void index_corpus(struct collection *c, struct str rest)
{
    struct json doc;
    struct words w = {0};
    while (next_line(&rest, c->arena, &doc)) {
        struct json_value v = json_root(&doc);
        struct str title = field(v, "title", c->arena), text = field(v, "text", c->arena);
        int64_t *number = arena_struct(c->arena, int64_t);
        *number = ++c->n;
        map_set(&c->number, field(v, "_id", c->arena), number);
        enum lang lang = lang_detect(text);
        words_of_passage(&w, lang, title, STR_NONE, text);
        struct bm25_passage p = words_passage(&w);
        bm25_add(c->index, (uint32_t)c->n, lang, c->n, &p);
    }
    words_fini(&w);
    bm25_commit(c->index);
}

static void read_judgements(struct collection *c, struct str rest)
{
    struct str line, query, document;
    str_split(&rest, '\n', &line); /* headings */
    while (str_split(&rest, '\n', &line)) {
        if (!str_split(&line, '\t', &query) || !str_split(&line, '\t', &document))
            continue;
        uint64_t grade = 0;
        const int64_t *number = map_get(&c->number, document);
        if (!number || !str_to_u64(str_trim(line), &grade) || grade == 0)
            continue;
        struct judgement *j = arena_struct(c->arena, struct judgement);
        *j = (struct judgement){*number, (int)grade, map_get(&c->judged, query)};
        map_set(&c->judged, query, j);
    }
}

static int grade_of(const struct judgement *j, int64_t document)
{
    while (j && j->document != document)
        j = j->next;
    return j ? j->grade : 0;
}

/* The best ten grades in order, discounted. */
static double ideal_gain(const struct judgement *list)
{
    double gain = 0;
    int rank = 0;
    for (int grade = 16; grade > 0; grade--)
        for (const struct judgement *j = list; j && rank < 10; j = j->next)
            if (j->grade == grade)
                gain += grade / log2(rank++ + 2);
    return gain;
}

static void judge(struct measures *m, const struct judgement *list, const struct hit *hit, size_t n)
{
    double gain = 0, found = 0, relevant = 0, first = 0;
    for (size_t i = 0; i < n; i++) {
        int grade = grade_of(list, hit[i].key);
        found += grade > 0;
        gain += i < 10 ? grade / log2((double)i + 2) : 0;
        if (grade > 0 && first == 0 && i < 10)
            first = 1.0 / ((double)i + 1);
    }
    for (const struct judgement *j = list; j; j = j->next)
        relevant++;
    m->ndcg += gain / ideal_gain(list);
    m->recall += found / relevant;
    m->mrr += first;
    m->queries++;
}

static void ask(struct collection *c, struct str rest, struct measures *m)
{
    const struct bm25_view *view = bm25_view(c->index);
    struct json line;
    int64_t ns = 0;
    while (next_line(&rest, c->arena, &line)) {
        struct json_value v = json_root(&line);
        const struct judgement *list = map_get(&c->judged, field(v, "_id", c->arena));
        if (!list)
            continue;
        struct hit hit[DEPTH];
        struct bm25_word word[BM25_MAX_WORDS];
        enum lang lang[WORDS_LANGS];
        struct str text = field(v, "text", c->arena);
        int64_t start = clock_thread_cpu();
        struct bm25_query q = {.word = word};
        q.n = words_of_query(word, text, lang, words_langs(lang, &view, 1));
        size_t n = bm25_search(&view, 1, &q, hit, DEPTH);
        ns += clock_thread_cpu() - start;
        judge(m, list, hit, n);
    }
    double n = (double)size_max(m->queries, 1);
    m->ndcg /= n;
    m->recall /= n;
    m->mrr /= n;
    m->micros = (double)ns / n / NS_PER_US;
    bm25_view_free((struct bm25_view *)view);
}

static double reference_of(const char *name)
{
    for (size_t i = 0; i < COUNT(references); i++)
        if (strcmp(references[i].name, name) == 0)
            return references[i].ndcg;
    return 0;
}

/* False when the collection has a reference and is more than .005 below it. */
static bool measure(const char *dir, const char *name)
{
    struct collection c = {.arena = arena_new(), .index = bm25_new(BM25_DEFAULT)};
    struct measures m = {0};
    map_init(&c.number);
    map_init(&c.judged);
    index_corpus(&c, read_part(c.arena, dir, name, "corpus.jsonl"));
    read_judgements(&c, read_part(c.arena, dir, name, "qrels.tsv"));
    ask(&c, read_part(c.arena, dir, name, "queries.jsonl"), &m);

    double reference = reference_of(name), difference = m.ndcg - reference;
    printf("%-12s %7jd %7zu   %.4f   %.4f   %.4f   %7.1f", name, (intmax_t)c.n, m.queries, m.ndcg,
           m.recall, m.mrr, m.micros);
    if (reference > 0)
        printf("   %.3f  %+.4f  %s", reference, difference,
               difference < -.005  ? "BELOW"
               : difference > .005 ? "above"
                                   : "within .005");
    printf("\n");
    map_fini(&c.number);
    map_fini(&c.judged);
    bm25_free(c.index);
    arena_free(c.arena);
    return reference == 0 || difference >= -.005;
}

static int is_visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_ir DIR [NAME...]\n");
        return 2;
    }
    bool good = true;
    printf("%-12s %7s %7s   %s   %s   %s   %s   %s\n", "collection", "docs", "queries", "nDCG@10",
           "R@100 ", "MRR@10", "us/query", "reference");
    for (int i = 2; i < argc; i++)
        good = measure(argv[1], argv[i]) && good;
    struct dirent **entry = NULL;
    int n = argc > 2 ? 0 : scandir(argv[1], &entry, is_visible, alphasort);
    if (n < 0)
        perror(argv[1]);
    for (int i = 0; i < n; i++) {
        good = measure(argv[1], entry[i]->d_name) && good;
        free(entry[i]);
    }
    free(entry);
    return n < 0 ? 2 : good ? 0 : 1;
}
