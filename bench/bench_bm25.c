/* bench_bm25 - top-10 search over many passages, beside SQLite's FTS5 in the same run.
 *
 *     bench_bm25 [PASSAGES [QUERIES]]     default 300000 and 300
 *
 * Passages are 80 words of a vocabulary of 200,000, drawn by Zipf's law as in natural text; every
 * eighth word of a document repeats one of its own. A query is 3 to 8 different words out of one
 * passage, without the 30 most frequent, joined by OR. Both sides index the same texts and answer
 * the same questions one by one on one thread; what is counted is CPU time of the thread, queries
 * as text to ids and scores. FTS5 keeps no content and ranks by its bm25(). How many of the ten are
 * the same shows that both answer the same question (their idf differs a little). */
#include "base/clock.h"
#include "index/words.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { VOCABULARY = 200000, WORDS = 80, TEXT_MAX = WORDS * 12, STOP = 30, K = 10, TERMS_MAX = 8 };

static uint64_t state = 1;

static uint64_t draw(void) /* xorshift64* */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Rank of a word: its frequency is in proportion to 1 / (rank + 2.7) (Mandelbrot's form). */
static uint32_t draw_word(void)
{
    double u = (double)(draw() >> 11) / 9007199254740992.0, q = 2.7;
    double rank = q * pow((VOCABULARY + q) / q, u) - q;
    return rank < VOCABULARY ? (uint32_t)rank : VOCABULARY - 1;
}

/* A spelling that no stemmer changes: consonants and o, then x. */
static size_t spell(char *out, uint32_t word)
{
    static const char consonants[] = "bdfgklmnprtvz";
    size_t n = 0;
    do {
        out[n++] = consonants[word % 13];
        out[n++] = 'o';
        word /= 13;
    } while (word);
    out[n++] = 'x';
    return n;
}

static struct str passage(char *text, uint32_t word[WORDS])
{
    size_t n = 0;
    for (size_t i = 0; i < WORDS; i++) {
        word[i] = i && draw() % 8 == 0 ? word[draw() % i] : draw_word();
        n += spell(text + n, word[i]);
        text[n++] = i % 12 == 11 ? '.' : ' ';
    }
    return (struct str){text, n};
}

static void check(int got, int want, sqlite3 *db, const char *what)
{
    if (got == want)
        return;
    fprintf(stderr, "bench_bm25: %s: %s\n", what, sqlite3_errmsg(db));
    exit(2);
}

static void run_sql(sqlite3 *db, const char *sql)
{
    check(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, db, sql);
}

struct question {
    char words[TERMS_MAX * 12]; /* for us */
    char match[TERMS_MAX * 18]; /* for FTS5: quoted, joined by OR */
};

/* Different words of a passage; false when it has too few. */
static bool make_question(struct question *q, const uint32_t word[WORDS])
{
    uint32_t pick[TERMS_MAX];
    size_t want = 3 + draw() % (TERMS_MAX - 2), n = 0, len = 0, at = 0;
    for (size_t tries = 0; n < want && tries < 200; tries++) {
        uint32_t w = word[draw() % WORDS];
        bool known = w < STOP;
        for (size_t i = 0; i < n; i++)
            known = known || pick[i] == w;
        if (!known)
            pick[n++] = w;
    }
    for (size_t i = 0; i < n; i++) {
        char spelled[12];
        int length = (int)spell(spelled, pick[i]);
        len += (size_t)snprintf(q->words + len, sizeof(q->words) - len, "%.*s ", length, spelled);
        at += (size_t)snprintf(q->match + at, sizeof(q->match) - at, "%s\"%.*s\"", i ? " OR " : "",
                               length, spelled);
    }
    return n >= 3;
}

static size_t search_ours(const struct bm25_view *v, struct str text, int64_t id[K])
{
    struct bm25_word word[BM25_MAX_WORDS];
    struct hit hit[K];
    enum lang lang[WORDS_LANGS];
    struct bm25_query q = {.word = word};
    q.n = words_of_query(word, text, lang, words_langs(lang, &v, 1));
    size_t n = bm25_search(&v, 1, &q, hit, K);
    for (size_t i = 0; i < n; i++)
        id[i] = hit[i].key;
    return n;
}

static size_t search_fts5(sqlite3 *db, sqlite3_stmt *st, const char *match, int64_t id[K])
{
    size_t n = 0;
    int code;
    sqlite3_bind_text(st, 1, match, -1, SQLITE_STATIC);
    while ((code = sqlite3_step(st)) == SQLITE_ROW && n < K)
        id[n++] = sqlite3_column_int64(st, 0);
    check(code == SQLITE_ROW ? SQLITE_DONE : code, SQLITE_DONE, db, match);
    sqlite3_reset(st);
    return n;
}

struct times {
    double *us;
    size_t n;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double report(const char *name, struct times *t)
{
    double sum = 0;
    for (size_t i = 0; i < t->n; i++)
        sum += t->us[i];
    qsort(t->us, t->n, sizeof(*t->us), by_value);
    printf("%-10s top-10 us: mean %9.1f  p50 %9.1f  p95 %9.1f  p99 %9.1f\n", name,
           sum / (double)t->n, t->us[t->n / 2], t->us[t->n * 95 / 100], t->us[t->n * 99 / 100]);
    return sum / (double)t->n;
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 300000;
    size_t n_questions = argc > 2 ? strtoul(argv[2], NULL, 10) : 300, made = 0;
    if (n < 1000 || n_questions < 1 || n_questions > n / 2) {
        fprintf(stderr, "usage: bench_bm25 [PASSAGES [QUERIES]]\n");
        return 2;
    }
    struct question *question = mem_array(n_questions, sizeof(*question));
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    struct words w = {0};
    sqlite3 *db;
    sqlite3_stmt *st;
    check(sqlite3_open(":memory:", &db), SQLITE_OK, db, "open");
    run_sql(db, "create virtual table f using fts5(t, content='')");
    run_sql(db, "begin");
    check(sqlite3_prepare_v2(db, "insert into f(rowid, t) values (?, ?)", -1, &st, NULL), SQLITE_OK,
          db, "prepare");
    int64_t ours = 0, theirs = 0, bytes = 0;
    for (size_t i = 0; i < n; i++) {
        char text[TEXT_MAX];
        uint32_t word[WORDS];
        struct str s = passage(text, word);
        bytes += (int64_t)s.len;
        if (made < n_questions && i % (n / n_questions / 2) == 0)
            made += make_question(&question[made], word);
        int64_t start = clock_thread_cpu();
        words_of_passage(&w, LANG_EN, STR_NONE, STR_NONE, s);
        bm25_add(ix, (int64_t)i, LANG_EN, (int64_t)i, w.term, w.n, w.length);
        int64_t middle = clock_thread_cpu();
        sqlite3_bind_int64(st, 1, (int64_t)i);
        sqlite3_bind_text(st, 2, s.p, (int)s.len, SQLITE_STATIC);
        check(sqlite3_step(st), SQLITE_DONE, db, "insert");
        sqlite3_reset(st);
        theirs += clock_thread_cpu() - middle;
        ours += middle - start;
    }
    sqlite3_finalize(st);
    int64_t start = clock_thread_cpu();
    bm25_commit(ix);
    int64_t middle = clock_thread_cpu();
    run_sql(db, "commit");
    run_sql(db, "insert into f(f) values ('optimize')");
    theirs += clock_thread_cpu() - middle;
    ours += middle - start;

    const struct bm25_view *v = bm25_view(ix);
    struct bm25_stats stats = bm25_stats(v);
    printf("%zu passages, %.0f MB of text\n", n, (double)bytes / 1e6);
    printf("build      %.1f s, FTS5 %.1f s; index %.0f MB in %d segments\n", (double)ours / 1e9,
           (double)theirs / 1e9, (double)stats.bytes / 1e6, (int)stats.segments);

    struct times us[2] = {{mem_array(made, sizeof(double)), made},
                          {mem_array(made, sizeof(double)), made}};
    size_t same = 0, found = 0;
    check(sqlite3_prepare_v2(db, "select rowid from f where f match ? order by rank limit 10", -1,
                             &st, NULL),
          SQLITE_OK, db, "prepare");
    for (size_t i = 0; i < made; i++) {
        int64_t a[K], b[K];
        struct str text = str_from(question[i].words);
        search_ours(v, text, a); /* once for the caches, as FTS5 has them warm from optimizing */
        start = clock_thread_cpu();
        size_t n_a = search_ours(v, text, a);
        middle = clock_thread_cpu();
        size_t n_b = search_fts5(db, st, question[i].match, b);
        us[1].us[i] = (double)(clock_thread_cpu() - middle) / 1e3;
        us[0].us[i] = (double)(middle - start) / 1e3;
        found += n_b;
        for (size_t x = 0; x < n_a; x++)
            for (size_t y = 0; y < n_b; y++)
                same += a[x] == b[y];
    }
    double mine = report("penstock", &us[0]), fts5 = report("FTS5", &us[1]);
    printf("%.0f %% of the hits are the same; %.0f times as fast as FTS5\n",
           100.0 * (double)same / (double)size_max(found, 1), fts5 / mine);
    sqlite3_finalize(st);
    sqlite3_close(db);
    bm25_view_free((struct bm25_view *)v);
    bm25_free(ix);
    words_fini(&w);
    mem_free(us[0].us);
    mem_free(us[1].us);
    mem_free(question);
    return 0;
}
