/* bench_question - what a whole question costs: its vector, both searches, fusion, the closer look,
 * and the answer's sentences.
 *
 *     bench_question [PASSAGES [QUESTIONS [DIR]]]     default 300000 and 200
 *
 * With DIR the collection is made there, stays, and is used again by the next run.
 *
 * Passages are 80 words of a vocabulary of 50,000, drawn by Zipf's law and, half of them, from one
 * of 200 topics of 300 words, so that there is something to learn vectors from. They lie in the
 * store as documents of 20, indexed and learned from as the product does it; a question is 3 to 8
 * different words of one passage. What is counted is CPU time of the whole process while nothing
 * else goes on in it: retrieve() at level 3 with the default of 50 candidates, then the extractive
 * engine's choice of sentences from the best five. Nothing is cached. How often the passage that a
 * question was taken from is among its five shows that the questions are real. */
#include "draw.h"
#include "answer/retrieve.h"
#include "base/clock.h"
#include "base/file.h"
#include "model/excerpt.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    VOCABULARY = 50000,
    TOPICS = 200,
    TOPIC_WORDS = 300,
    WORDS = 80,
    CHUNKS = 20, /* of a document */
    TEXT_MAX = WORDS * 14,
    STOP = 30,
    BEST = 5,
    SETTLE_MS = 3600 * 1000,
};

static const char *dir;

static void die(const char *what, const struct err *e)
{
    fprintf(stderr, "bench_question: %s: %s\n", what, e->msg);
    exit(2);
}

static uint32_t topic_word(uint32_t topic)
{
    return STOP + (uint32_t)((topic * 7919u + draw_number() % TOPIC_WORDS * 104729u) %
                             (VOCABULARY - STOP));
}

/* Sentences of twelve words. */
static struct str draw_passage(struct arena *a, uint32_t topic, uint32_t word[WORDS])
{
    char *text = arena_bytes(a, TEXT_MAX);
    size_t n = 0;
    for (size_t i = 0; i < WORDS; i++) {
        word[i] = draw_number() % 2 ? topic_word(topic) : draw_word(VOCABULARY);
        size_t start = n;
        n += draw_spell(text + n, word[i]);
        if (i % 12 == 0)
            text[start] = (char)(text[start] - 'a' + 'A');
        if (i % 12 == 11)
            text[n++] = '.';
        text[n++] = ' ';
    }
    return (struct str){text, n - 1};
}

struct question {
    struct str text, source; /* the passage that it was taken from */
};

static struct question take_question(struct arena *a, struct str passage,
                                     const uint32_t word[WORDS])
{
    struct question q = {.source = arena_copy(a, passage)};
    size_t n = 3 + draw_number() % 6;
    struct str text = STR_NONE;
    for (size_t i = 0; n > 0 && i < 200; i++) {
        char spelled[DRAW_SPELLED];
        uint32_t w = word[draw_number() % WORDS];
        if (w < STOP)
            continue;
        size_t len = draw_spell(spelled, w);
        text = arena_printf(a, "%.*s%s%.*s", STR_FMT(text), text.len ? " " : "", (int)len, spelled);
        n--;
    }
    q.text = text;
    return q;
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Without a store it takes the questions alone: the same as when it was filled. */
static void fill(struct db *d, struct str collection, size_t passages, struct question *q,
                 size_t n_questions, struct arena *keep)
{
    struct err e;
    size_t taken = 0, step = passages / n_questions + 1;
    for (size_t at = 0; at < passages; at += CHUNKS) {
        struct arena *a = arena_new();
        struct doc_chunk c[CHUNKS] = {{0}};
        uint32_t topic = (uint32_t)(draw_number() % TOPICS), word[WORDS];
        size_t n = size_min(CHUNKS, passages - at);
        for (size_t i = 0; i < n; i++) {
            c[i].text = draw_passage(a, topic, word);
            if ((at + i) % step == 0 && taken < n_questions)
                q[taken++] = take_question(keep, c[i].text, word);
        }
        struct str name = arena_printf(a, "document-%zu.txt", at / CHUNKS);
        struct doc_document doc = {.collection = collection,
                                   .uri = name,
                                   .name = name,
                                   .language = STR("en"),
                                   .content_hash = name};
        if (d && !doc_put(d, &doc, c, n, &e))
            die("cannot store", &e);
        arena_free(a);
    }
    while (taken < n_questions) {
        q[taken] = q[taken - 1];
        taken++;
    }
}

struct sums {
    double search_us, load_us, rerank_us, total_us;
    size_t found, sentences;
};

/* The best five as passages, and the sentences of an answer from them. */
static void answer(const struct question *q, const struct retrieval *r, struct arena *a,
                   struct sums *s)
{
    struct passage p[BEST] = {{0}};
    struct excerpt out[EXCERPT_MOST];
    size_t n = size_min(r->n, BEST);
    for (size_t i = 0; i < n; i++) {
        p[i] = (struct passage){.chunk = r->hit[i].passage.chunk.id,
                                .text = r->hit[i].passage.chunk.text,
                                .lang = lang_from_code(r->hit[i].passage.language),
                                .name = r->hit[i].passage.name,
                                .score = (float)r->hit[i].score};
        s->found += str_eq(p[i].text, q->source);
    }
    s->sentences += excerpt_select(q->text, q->text, p, n, out, a);
}

static void measure(const struct retriever *r, struct str collection, const struct question *q,
                    size_t n, enum retrieve_level level, const char *name)
{
    struct sums s = {0};
    double start = cpu_s();
    for (size_t i = 0; i < n; i++) {
        struct arena *a = arena_new();
        struct retrieval out;
        struct err e;
        const struct retrieve_query query = {
            .search = {.collection = &collection, .n_collections = 1, .rights = &rights_all},
            .text = &q[i].text,
            .n_texts = 1,
            .k = 4 * BEST, /* as answers ask for */
            .level = level};
        if (!retrieve(r, &query, a, &out, &e))
            die("cannot retrieve", &e);
        answer(&q[i], &out, a, &s);
        s.search_us += (double)out.search_us;
        s.load_us += (double)out.load_us;
        s.rerank_us += (double)out.rerank_us;
        s.total_us += (double)out.total_us;
        arena_free(a);
    }
    double ms = (cpu_s() - start) * 1000 / (double)n, k = 1000.0 * (double)n;
    printf("%-22s %6.2f ms of CPU a question (elapsed: search %.2f, load %.2f, rank %.2f, all "
           "%.2f ms); the source is among the five for %.0f %%, %.1f sentences\n",
           name, ms, s.search_us / k, s.load_us / k, s.rerank_us / k, s.total_us / k,
           100.0 * (double)s.found / (double)n, (double)s.sentences / (double)n);
}

static void remove_all(const char *path)
{
    char command[256];
    snprintf(command, sizeof(command), "rm -rf '%s'", path);
    if (system(command) != 0)
        fprintf(stderr, "bench_question: cannot remove %s\n", path);
}

int main(int argc, char **argv)
{
    size_t passages = argc > 1 ? strtoul(argv[1], NULL, 10) : 300000;
    size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 200;
    char path[PATH_MAX] = "/var/tmp/penstock-bench-XXXXXX";
    struct arena *keep = arena_new();
    struct question *q = arena_array(keep, struct question, n);
    struct doc_collection c = {.name = STR("bench")};
    struct db *d;
    struct search_set *set;
    struct err e;
    bool kept = argc > 3;
    if (!passages || !n || (!kept && !mkdtemp(path)))
        return 2;
    dir = kept ? argv[3] : path;
    if (!db_open(&d, &(struct db_options){.dir = dir}, &e))
        die("cannot open", &e);
    bool found = doc_collection_by_name(d, keep, STR_NONE, c.name, &c, &e);
    if (!found && !doc_collection_create(d, keep, &c, &e))
        die("cannot create", &e);
    double start = cpu_s();
    fill(found ? NULL : d, c.id, passages, q, n, keep);
    double stored = cpu_s();
    if (!search_open(&set, d, dir, &e))
        die("cannot index", &e);
    if (!search_settle(set, SETTLE_MS))
        fprintf(stderr, "bench_question: learning has not ended\n");
    printf("%zu passages: stored in %.1f s of CPU, indexed and learned in %.1f s\n", passages,
           stored - start, cpu_s() - stored);
    const struct retriever r = {.db = d, .search = set};
    measure(&r, c.id, q, n, RETRIEVE_RERANKED, "warming up");
    measure(&r, c.id, q, n, RETRIEVE_VECTOR, "level 1, vectors");
    measure(&r, c.id, q, n, RETRIEVE_HYBRID, "level 2, hybrid");
    measure(&r, c.id, q, n, RETRIEVE_RERANKED, "level 3, ranked again");
    measure(&r, c.id, q, n, RETRIEVE_EXPANDED, "level 4, expanded");
    search_close(set);
    db_close(d);
    arena_free(keep);
    if (!kept)
        remove_all(path);
    return 0;
}
