/* bench_ir - retrieval quality on test collections with judged queries, through the product.
 *
 *     bench_ir DIR [NAME...]
 *
 * DIR holds one folder per collection (bench/testset.h). Documents lie in a store, one passage
 * each, and come to the indexes in two halves, between which these learn, as in a service; no
 * setting differs between collections. Then each question is asked:
 *
 *     keywords, vectors, hybrid   search_run() with either half and with both
 *     ranked                      retrieve() at level 3, the ten best
 *     exact                       hybrid without indexes: learned at once from all documents, all
 *                                 vectors compared (model/judged_search.h)
 *
 * At the end all collections are put into one, and each one's questions are asked of it: then there
 * are enough vectors for a graph, in several languages. This counts for nothing below.
 *
 * nDCG@10 has linear gain and log2 discount; all measures are means over the queries that have a
 * relevant document, as trec_eval computes them. The references are a plain BM25 (k1 1.2, b .75,
 * Porter stems) and a TF-IDF + SVD-256 ranking over the same files. Ends with 1 when the keywords
 * are more than .005 below their reference, or hybrid is more than .005 below the better of its
 * halves, on any collection; the gain over the mean of the better references is printed. */
#include "../test/unit/tempdir.h"
#include "testset.h"
#include "answer/retrieve.h"
#include "base/clock.h"
#include "model/judged_search.h"

#include <dirent.h>
#include <math.h>

static const struct {
    const char *name;
    double keywords, vectors;
} references[] = {
    {"cranfield", .385, .437}, {"med", .683, .750},      {"cisi", .382, .395},
    {"time", .683, .641},      {"xquad-en", .965, .872}, {"xquad-de", .929, .743},
};

enum { DEPTH = 100, TOP = 10, SETTLE_MS = 600 * 1000, NAMES = 64 };

enum system { KEYWORDS, VECTORS, HYBRID, RANKED, EXACT, SYSTEMS };
static const char *const system_name[] = {"keywords", "vectors", "hybrid", "ranked", "exact"};

static void must(bool good, const struct err *e)
{
    if (good)
        return;
    fprintf(stderr, "bench_ir: %s\n", e->msg);
    exit(2);
}

struct measures {
    struct testset_sums sums;
    double micros;
};

struct collection {
    struct testset set;
    char dir[TEMPDIR_SIZE];
    struct db *db;
    struct search_set *search;
    struct str id;
    int64_t first; /* id in the store of document 0; those of the others follow */
    struct judged_search exact;
    struct rerank_candidate *doc; /* of `exact` */
};

/* ---- Filling ---- */

static void store(struct collection *c, size_t i)
{
    const struct testset_document *from = &c->set.document[i];
    struct str name = arena_printf(c->set.a, "%zu.txt", i);
    struct doc_document d = {.collection = c->id,
                             .uri = name,
                             .name = from->title.len ? from->title : name,
                             .title = from->title,
                             .language = str_from(lang_code(from->lang)),
                             .content_hash = name};
    struct doc_chunk chunk = {.text = from->text};
    struct err e;
    must(doc_put(c->db, &d, &chunk, 1, &e), &e);
    c->first = i ? c->first : d.id;
    CHECK(d.id == c->first + (int64_t)i);
}

static void fill(struct collection *c)
{
    struct doc_collection made = {.name = STR("bench")};
    struct err e;
    tempdir_make(c->dir);
    must(db_open(&c->db, &(struct db_options){.dir = c->dir}, &e), &e);
    must(doc_collection_create(c->db, c->set.a, &made, &e), &e);
    must(search_open(&c->search, c->db, c->dir, &e), &e);
    c->id = made.id;
    for (size_t i = 0; i < c->set.n; i++) {
        store(c, i);
        if (i != c->set.n / 2 && i + 1 < c->set.n)
            continue;
        must(search_catch_up(c->search, &e), &e);
        if (!search_settle(c->search, SETTLE_MS))
            fprintf(stderr, "bench_ir: learning has not ended\n");
    }
    c->doc = arena_array(c->set.a, struct rerank_candidate, c->set.n);
    for (size_t i = 0; i < c->set.n; i++)
        c->doc[i] = (struct rerank_candidate){.title = c->set.document[i].title,
                                              .text = c->set.document[i].text,
                                              .lang = c->set.document[i].lang};
    judged_search_init(&c->exact, c->doc, c->set.n);
}

static void drop(struct collection *c)
{
    judged_search_fini(&c->exact);
    search_close(c->search);
    db_close(c->db);
    tempdir_remove(c->dir);
    testset_free(&c->set);
}

/* ---- Asking; each gives numbers of documents, best first ---- */

static size_t ask_search(const struct collection *c, struct str text, enum search_engines engines,
                         size_t found[DEPTH], struct arena *a)
{
    const struct search_query q = {.collection = &c->id,
                                   .n_collections = 1,
                                   .text = text,
                                   .k = DEPTH,
                                   .rights = &rights_all,
                                   .engines = engines};
    struct search_hit *hit;
    struct err e;
    size_t n;
    must(search_run(c->search, &q, a, &hit, &n, &e), &e);
    for (size_t i = 0; i < n; i++)
        found[i] = (size_t)(hit[i].document - c->first);
    return n;
}

static size_t ask_retrieve(const struct collection *c, struct str text, size_t found[DEPTH],
                           struct arena *a)
{
    const struct retriever r = {.db = c->db, .search = c->search};
    const struct retrieve_query q = {
        .search = {.collection = &c->id, .n_collections = 1, .rights = &rights_all},
        .text = &text,
        .n_texts = 1,
        .k = TOP};
    struct retrieval out;
    struct err e;
    must(retrieve(&r, &q, a, &out, &e), &e);
    for (size_t i = 0; i < out.n; i++)
        found[i] = (size_t)(out.hit[i].passage.chunk.document - c->first);
    return out.n;
}

static size_t ask_exact(const struct collection *c, struct str text, size_t found[DEPTH])
{
    struct fuse_hit hit[DEPTH];
    size_t n = judged_search_ask(&c->exact, text, hit, DEPTH);
    for (size_t i = 0; i < n; i++)
        found[i] = (size_t)hit[i].key;
    return n;
}

static size_t ask_one(const struct collection *c, enum system s, struct str text,
                      size_t found[DEPTH], struct arena *a)
{
    switch (s) {
    case KEYWORDS: return ask_search(c, text, SEARCH_KEYWORD, found, a);
    case VECTORS: return ask_search(c, text, SEARCH_VECTOR, found, a);
    case HYBRID: return ask_search(c, text, SEARCH_HYBRID, found, a);
    case RANKED: return ask_retrieve(c, text, found, a);
    default: return ask_exact(c, text, found);
    }
}

static void ask(const struct collection *c, size_t from, size_t to, struct measures m[SYSTEMS])
{
    struct arena *a = arena_new();
    for (int s = 0; s < SYSTEMS; s++) {
        int64_t start = clock_thread_cpu();
        for (size_t i = from; i < to; i++) {
            size_t found[DEPTH];
            size_t n = ask_one(c, (enum system)s, c->set.question[i].text, found, a);
            testset_judge(&m[s].sums, &c->set.question[i], found, n);
            arena_reset(a);
        }
        double n = (double)size_max(to - from, 1);
        m[s].micros = (double)(clock_thread_cpu() - start) / n / NS_PER_US;
        m[s].sums.ndcg /= n;
        m[s].sums.recall /= n;
        m[s].sums.mrr /= n;
    }
    arena_free(a);
}

/* ---- Telling ---- */

struct totals {
    size_t n, references;
    double system[SYSTEMS], better, reference;
    bool good;
};

static void reference_of(const char *name, double *keywords, double *vectors)
{
    *keywords = *vectors = 0;
    for (size_t i = 0; i < COUNT(references); i++)
        if (strcmp(references[i].name, name) == 0) {
            *keywords = references[i].keywords;
            *vectors = references[i].vectors;
        }
}

static void tell(const char *name, const struct measures m[SYSTEMS], struct totals *t)
{
    double better = fmax(m[KEYWORDS].sums.ndcg, m[VECTORS].sums.ndcg), keywords, vectors;
    reference_of(name, &keywords, &vectors);
    printf("%s: %zu queries\n", name, m[0].sums.questions);
    for (int s = 0; s < SYSTEMS; s++) {
        const struct testset_sums *x = &m[s].sums;
        printf("  %-10s %.4f   ", system_name[s], x->ndcg);
        printf(s == RANKED ? "         " : "%.4f   ", x->recall);
        printf("%.4f  %8.1f", x->mrr, m[s].micros);
        if (s >= HYBRID)
            printf("   %+.4f to the better half", x->ndcg - better);
        printf("\n");
        t->system[s] += x->ndcg;
    }
    t->n++;
    t->better += better;
    t->references += keywords > 0;
    t->reference += fmax(keywords, vectors);
    t->good =
        t->good && m[KEYWORDS].sums.ndcg >= keywords - .005 && m[HYBRID].sums.ndcg >= better - .005;
}

static void tell_means(const struct totals *t)
{
    double n = (double)size_max(t->n, 1);
    printf("means:");
    for (int s = 0; s < SYSTEMS; s++)
        printf(" %s %.4f,", system_name[s], t->system[s] / n);
    printf(" better halves %.4f", t->better / n);
    if (t->references == t->n)
        printf(", better references %.4f, gain over these %+.4f", t->reference / n,
               (t->system[HYBRID] - t->reference) / n);
    printf("\n");
}

/* ---- All of it ---- */

static void measure(const char *dir, const char *name, struct totals *t)
{
    struct collection c = {.first = 0};
    struct measures m[SYSTEMS] = {{{0}}};
    testset_read(&c.set, dir, name);
    fill(&c);
    ask(&c, 0, c.set.n_questions, m);
    tell(name, m, t);
    drop(&c);
}

static void measure_together(const char *dir, char *const *name, size_t n)
{
    struct collection c = {.first = 0};
    struct totals t = {.good = true};
    size_t end[NAMES];
    for (size_t i = 0; i < n; i++) {
        testset_read(&c.set, dir, name[i]);
        end[i] = c.set.n_questions;
    }
    fill(&c);
    printf("\nall in one collection of %zu documents\n", c.set.n);
    for (size_t i = 0; i < n; i++) {
        struct measures m[SYSTEMS] = {{{0}}};
        ask(&c, i ? end[i - 1] : 0, end[i], m);
        tell(name[i], m, &t);
    }
    tell_means(&t);
    drop(&c);
}

static int is_visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static size_t names_of(const char *dir, char *name[NAMES])
{
    struct dirent **entry = NULL;
    int n = scandir(dir, &entry, is_visible, alphasort), kept = 0;
    if (n < 0)
        perror(dir);
    for (int i = 0; i < n; i++) {
        if (kept < NAMES)
            name[kept++] = mem_text(entry[i]->d_name);
        free(entry[i]);
    }
    free(entry);
    return (size_t)kept;
}

int main(int argc, char **argv)
{
    char *found[NAMES], **name = found;
    struct totals t = {.good = true};
    size_t n = 0;
    if (argc == 2)
        n = names_of(argv[1], found);
    else if (argc > 2 && argc - 2 <= NAMES) {
        name = argv + 2;
        n = (size_t)argc - 2;
    }
    if (n == 0) {
        fprintf(stderr, "usage: bench_ir DIR [NAME...]\n");
        return 2;
    }
    printf("%-12s %s  %s   %s   %s\n", "", "nDCG@10", "R@100 ", "MRR@10", "us/query");
    for (size_t i = 0; i < n; i++)
        measure(argv[1], name[i], &t);
    tell_means(&t);
    if (n > 1)
        measure_together(argv[1], name, n);
    for (size_t i = 0; name == found && i < n; i++)
        mem_free(found[i]);
    return t.good ? 0 : 1;
}
