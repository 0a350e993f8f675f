/* bench_ir - retrieval quality on test collections with judged queries.
 *
 *     bench_ir DIR [NAME...]
 *
 * DIR holds one folder per collection: corpus.jsonl (_id, title, text), queries.jsonl (_id, text),
 * qrels.tsv (query, document, grade; one line of headings). Documents go through what the product
 * does to passages (language, terms, index, the embedder learned from them), queries through what
 * it does to questions; no setting differs between collections. Vectors are compared exactly.
 *
 * nDCG@10 has linear gain and log2 discount; all measures are means over the queries that have a
 * relevant document, as trec_eval computes them. The references are a plain BM25 (k1 1.2, b .75,
 * Porter stems) and a TF-IDF + SVD-256 ranking over the same files. Ends with 1 when the keywords
 * are more than .005 below their reference, or the fused ranking is more than .005 below the better
 * of its halves, on any collection; the gain over the mean of the better references is printed. */
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/map.h"
#include "index/fuse.h"
#include "index/lsa.h"
#include "index/words.h"
#include "math/dot.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    double keywords, vectors;
} references[] = {
    {"cranfield", .385, .437}, {"med", .683, .750},      {"cisi", .382, .395},
    {"time", .683, .641},      {"xquad-en", .965, .872}, {"xquad-de", .929, .743},
};

enum { DEPTH = 100, FILE_MAX = 1 << 30 };

enum system { KEYWORDS, VECTORS, HYBRID, FEEDBACK, SYSTEMS };
static const char *const system_name[] = {"keywords", "vectors", "hybrid", "+feedback"};

struct passage {
    enum lang lang;
    struct str title, text;
};

struct collection {
    struct arena *arena;
    struct bm25 *index;
    struct lsa *lsa;
    struct passage *passage;
    float *vector;     /* [n][dimension] */
    bool *placed;      /* [n] has a vector */
    struct map number; /* of a document: its id to a pointer to its place, from 1 */
    int64_t n;
    struct map judged; /* of a query: its id to a struct judgement list */
    double learn_s, embed_us;
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

static void read_corpus(struct collection *c, struct str rest)
{
    struct json doc;
    size_t room = 0;
    while (next_line(&rest, c->arena, &doc)) {
        struct json_value v = json_root(&doc);
        if ((size_t)c->n == room) {
            room = room * 2 + 1024;
            c->passage = mem_resize(c->passage, room, sizeof(*c->passage));
        }
        struct passage *p = &c->passage[c->n];
        *p = (struct passage){.title = field(v, "title", c->arena),
                              .text = field(v, "text", c->arena)};
        p->lang = lang_detect(p->text);
        int64_t *number = arena_struct(c->arena, int64_t);
        *number = ++c->n;
        map_set(&c->number, field(v, "_id", c->arena), number);
    }
}

static void index_words(struct collection *c)
{
    struct words w = {0};
    for (int64_t i = 0; i < c->n; i++) {
        const struct passage *p = &c->passage[i];
        words_of_passage(&w, p->lang, p->title, STR_NONE, p->text);
        struct bm25_passage passage = words_passage(&w);
        bm25_add(c->index, (uint32_t)i + 1, p->lang, i + 1, &passage);
    }
    words_fini(&w);
    bm25_commit(c->index);
}

static void index_vectors(struct collection *c)
{
    struct lsa_options o = {.seed = 1};
    struct lsa_learner *l = lsa_learner_new(&o);
    int64_t start = clock_thread_cpu();
    for (int64_t i = 0; i < c->n; i++)
        lsa_learner_add(l, c->passage[i].lang, c->passage[i].title, STR_NONE, c->passage[i].text);
    c->lsa = lsa_learner_finish(l);
    lsa_learner_free(l);
    if (!c->lsa) {
        fprintf(stderr, "bench_ir: nothing could be learned\n");
        exit(2);
    }
    int64_t learned = clock_thread_cpu();
    uint32_t d = lsa_dimension(c->lsa);
    c->vector = mem_array((size_t)c->n * d, sizeof(float));
    c->placed = mem_array((size_t)c->n, sizeof(bool));
    for (int64_t i = 0; i < c->n; i++)
        c->placed[i] = lsa_passage(c->lsa, c->passage[i].lang, c->passage[i].title, STR_NONE,
                                   c->passage[i].text, c->vector + i * d, NULL);
    c->learn_s = (double)(learned - start) / NS_PER_S;
    c->embed_us = (double)(clock_thread_cpu() - learned) / (double)c->n / NS_PER_US;
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

struct answer {
    struct hit keyword[DEPTH], vector[DEPTH];
    size_t keywords, vectors;
    float question[LSA_DIMENSION];
    float support;
    int64_t ns[SYSTEMS];
};

static void ask_keywords(const struct collection *c, struct str text, struct answer *a)
{
    const struct bm25_view *view = bm25_view(c->index);
    struct bm25_word word[BM25_MAX_WORDS];
    enum lang lang[WORDS_LANGS];
    int64_t start = clock_thread_cpu();
    struct bm25_query q = {.word = word};
    q.n = words_of_query(word, text, lang, words_langs(lang, &view, 1));
    a->keywords = bm25_search(&view, 1, &q, a->keyword, DEPTH);
    a->ns[KEYWORDS] += clock_thread_cpu() - start;
    bm25_view_free((struct bm25_view *)view);
}

static void nearest(const struct collection *c, struct answer *a)
{
    struct top top = {.hit = a->vector, .k = DEPTH};
    uint32_t d = lsa_dimension(c->lsa);
    for (int64_t i = 0; i < c->n; i++)
        if (c->placed[i])
            top_offer(&top, (struct hit){.key = i + 1,
                                         .document = i + 1,
                                         .score = dot_product(a->question, c->vector + i * d, d)});
    top_sort(&top);
    a->vectors = top.n;
}

static void ask_vectors(const struct collection *c, struct str text, struct answer *a)
{
    int64_t start = clock_thread_cpu();
    a->vectors = 0;
    if (lsa_query(c->lsa, text, a->question))
        nearest(c, a);
    a->ns[VECTORS] += clock_thread_cpu() - start;
}

/* As index/search.c does: support is that of the first look. */
static size_t fuse(struct answer *a, bool first, struct fuse_hit out[DEPTH])
{
    struct fuse_list list[2] = {{a->keyword, a->keywords, FUSE_TEXT, 0},
                                {a->vector, a->vectors, FUSE_EMBEDDING, NAN}};
    if (first)
        a->support = fuse_support(list);
    list[1].weight *= a->support;
    return fuse_lists(list, out, DEPTH);
}

static size_t to_hits(const struct fuse_hit *from, size_t n, struct hit *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (struct hit){.key = from[i].key, .score = from[i].score};
    return n;
}

static void ask_once(const struct collection *c, struct str text, struct answer *a,
                     const struct judgement *list, struct measures m[SYSTEMS])
{
    struct fuse_hit fused[DEPTH];
    struct hit hit[DEPTH];
    ask_keywords(c, text, a);
    ask_vectors(c, text, a);
    judge(&m[KEYWORDS], list, a->keyword, a->keywords);
    judge(&m[VECTORS], list, a->vector, a->vectors);
    int64_t start = clock_thread_cpu();
    size_t n = fuse(a, true, fused);
    a->ns[HYBRID] += clock_thread_cpu() - start;
    judge(&m[HYBRID], list, hit, to_hits(fused, n, hit));

    start = clock_thread_cpu();
    const float *best[FUSE_FEEDBACK];
    float score[FUSE_FEEDBACK];
    uint32_t d = lsa_dimension(c->lsa);
    size_t n_best = size_min(n, FUSE_FEEDBACK);
    for (size_t i = 0; i < n_best; i++) {
        best[i] = c->vector + (fused[i].key - 1) * d;
        score[i] = fused[i].score;
    }
    fuse_feedback(a->question, d, best, score, n_best);
    nearest(c, a);
    n = fuse(a, false, fused);
    a->ns[FEEDBACK] += clock_thread_cpu() - start;
    judge(&m[FEEDBACK], list, hit, to_hits(fused, n, hit));
}

static void ask(struct collection *c, struct str rest, struct measures m[SYSTEMS])
{
    struct json line;
    struct answer a = {0};
    while (next_line(&rest, c->arena, &line)) {
        struct json_value v = json_root(&line);
        const struct judgement *list = map_get(&c->judged, field(v, "_id", c->arena));
        if (list)
            ask_once(c, field(v, "text", c->arena), &a, list, m);
    }
    for (int s = 0; s < SYSTEMS; s++) {
        double n = (double)size_max(m[s].queries, 1);
        m[s].ndcg /= n;
        m[s].recall /= n;
        m[s].mrr /= n;
        m[s].micros = (double)a.ns[s] / n / NS_PER_US;
    }
}

/* Sums over the collections that have references. */
struct totals {
    size_t n;
    double system[SYSTEMS], better, reference;
    bool good;
};

static void tell(const char *name, const struct collection *c, const struct measures m[SYSTEMS],
                 struct totals *t)
{
    double better = fmax(m[KEYWORDS].ndcg, m[VECTORS].ndcg), keywords = 0, vectors = 0;
    for (size_t i = 0; i < COUNT(references); i++)
        if (strcmp(references[i].name, name) == 0) {
            keywords = references[i].keywords;
            vectors = references[i].vectors;
        }
    printf(
        "%s: %jd documents, %zu queries, %u dimensions learned in %.2f s, %.0f us to embed one\n",
        name, (intmax_t)c->n, m[0].queries, lsa_dimension(c->lsa), c->learn_s, c->embed_us);
    for (int s = 0; s < SYSTEMS; s++) {
        printf("  %-10s %.4f   %.4f   %.4f  %8.1f", system_name[s], m[s].ndcg, m[s].recall,
               m[s].mrr, m[s].micros);
        if (s >= HYBRID)
            printf("   %+.4f to the better half", m[s].ndcg - better);
        if (keywords > 0)
            printf("   %+.4f to the reference",
                   m[s].ndcg - (s == KEYWORDS  ? keywords
                                : s == VECTORS ? vectors
                                               : fmax(keywords, vectors)));
        printf("\n");
        t->system[s] += keywords > 0 ? m[s].ndcg : 0;
    }
    t->good = t->good && m[KEYWORDS].ndcg >= keywords - .005 && m[HYBRID].ndcg >= better - .005 &&
              m[FEEDBACK].ndcg >= better - .005;
    if (keywords > 0) {
        t->n++;
        t->better += better;
        t->reference += fmax(keywords, vectors);
    }
}

static void measure(const char *dir, const char *name, struct totals *t)
{
    struct collection c = {.arena = arena_new(), .index = bm25_new(BM25_DEFAULT)};
    struct measures m[SYSTEMS] = {{0}};
    map_init(&c.number);
    map_init(&c.judged);
    read_corpus(&c, read_part(c.arena, dir, name, "corpus.jsonl"));
    index_words(&c);
    index_vectors(&c);
    read_judgements(&c, read_part(c.arena, dir, name, "qrels.tsv"));
    ask(&c, read_part(c.arena, dir, name, "queries.jsonl"), m);
    tell(name, &c, m, t);
    map_fini(&c.number);
    map_fini(&c.judged);
    mem_free(c.passage);
    mem_free(c.vector);
    mem_free(c.placed);
    lsa_unref(c.lsa);
    bm25_free(c.index);
    arena_free(c.arena);
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
    struct totals t = {.good = true};
    printf("%-12s %s  %s   %s   %s\n", "", "nDCG@10", "R@100 ", "MRR@10", "us/query");
    for (int i = 2; i < argc; i++)
        measure(argv[1], argv[i], &t);
    struct dirent **entry = NULL;
    int n = argc > 2 ? 0 : scandir(argv[1], &entry, is_visible, alphasort);
    if (n < 0)
        perror(argv[1]);
    for (int i = 0; i < n; i++) {
        measure(argv[1], entry[i]->d_name, &t);
        free(entry[i]);
    }
    free(entry);
    if (t.n) {
        double count = (double)t.n;
        printf("means:");
        for (int s = 0; s < SYSTEMS; s++)
            printf(" %s %.4f", system_name[s], t.system[s] / count);
        printf("; better halves %.4f, better references %.4f, gain over these %+.4f\n",
               t.better / count, t.reference / count, (t.system[FEEDBACK] - t.reference) / count);
    }
    return n < 0 ? 2 : t.good ? 0 : 1;
}
