/* bench_bm25 - top-10 search over many passages, beside SQLite's FTS5 in the same run.
 *
 *     bench_bm25 [PASSAGES [QUERIES]]     default 300000 and 300
 *     bench_bm25 DIR                      DIR/passages.tsv (number, tab, text) and DIR/queries.txt
 *
 * Without a folder passages are 80 words of a vocabulary of 200,000, drawn by Zipf's law as in
 * natural text; every eighth word of a document repeats one of its own. A query is 3 to 8 different
 * words out of one passage, without the 30 most frequent, joined by OR. bench/keywords.sh makes a
 * folder of real text and runs Xapian on it as well.
 *
 * Both sides index the same texts, with the places of words, and answer the same questions one by
 * one on one thread; what is counted is CPU time of the thread, queries as text to ids and scores.
 * FTS5 keeps no content and ranks by its bm25(); its size is that of its pages in use, ours that of
 * the snapshot. How many of the ten are the same shows that both answer the same question (their
 * idf differs a little, and so do stems and stop words in real text). */
#include "base/clock.h"
#include "base/file.h"
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

static struct str draw_passage(char *text, uint32_t word[WORDS])
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
    struct str words; /* for us */
    struct str match; /* for FTS5: quoted, joined by OR; a NUL behind it */
};

static struct question question_of(struct arena *a, struct str words)
{
    struct buf match;
    struct str word;
    buf_init(&match, 65536);
    for (struct str rest = words; str_split(&rest, ' ', &word);)
        if (word.len)
            buf_printf(&match, "%s\"%.*s\"", match.len ? " OR " : "", STR_FMT(word));
    struct question q = {arena_copy(a, words), arena_copy(a, buf_str(&match))};
    buf_fini(&match);
    return q;
}

struct corpus {
    size_t n, n_questions;
    struct question *question;
    size_t room;
    bool from_file;      /* else drawn */
    struct str passages; /* what is left of the file */
    size_t drawn;
    char text[TEXT_MAX];
    struct arena *arena;
};

/* Different words of a passage; false when it has too few. */
static bool make_question(struct corpus *c, const uint32_t word[WORDS])
{
    uint32_t pick[TERMS_MAX];
    char words[TERMS_MAX * 12];
    size_t want = 3 + draw() % (TERMS_MAX - 2), n = 0, len = 0;
    for (size_t tries = 0; n < want && tries < 200; tries++) {
        uint32_t w = word[draw() % WORDS];
        bool known = w < STOP;
        for (size_t i = 0; i < n; i++)
            known = known || pick[i] == w;
        if (!known)
            pick[n++] = w;
    }
    for (size_t i = 0; i < n; i++) {
        len += spell(words + len, pick[i]);
        words[len++] = ' ';
    }
    if (n >= 3)
        c->question[c->n_questions++] = question_of(c->arena, (struct str){words, len - 1});
    return n >= 3;
}

/* The next passage; false at the end. A drawn one may leave a question behind. */
static bool next_passage(struct corpus *c, struct str *text)
{
    if (c->from_file) {
        struct str line, number;
        if (!str_split(&c->passages, '\n', &line) || !str_split(&line, '\t', &number))
            return false;
        *text = line;
        return true;
    }
    uint32_t word[WORDS];
    if (c->drawn == c->n)
        return false;
    *text = draw_passage(c->text, word);
    if (c->n_questions < c->room && c->drawn % (c->n / c->room / 2) == 0)
        make_question(c, word);
    c->drawn++;
    return true;
}

static struct str read_or_die(struct arena *a, const char *dir, const char *name)
{
    struct str text;
    struct err e;
    if (file_read(&text, a, arena_printf(a, "%s/%s", dir, name).p, (size_t)4 << 30, &e))
        return text;
    fprintf(stderr, "bench_bm25: %s\n", e.msg);
    exit(2);
}

static struct corpus open_corpus(int argc, char **argv)
{
    struct corpus c = {.arena = arena_new(), .n = 300000, .room = 300};
    if (argc == 2 && !str_to_u64(str_from(argv[1]), &(uint64_t){0})) {
        struct str rest = read_or_die(c.arena, argv[1], "queries.txt"), line;
        c.from_file = true;
        c.passages = read_or_die(c.arena, argv[1], "passages.tsv");
        c.question = mem_array(rest.len + 1, sizeof(*c.question));
        while (str_split(&rest, '\n', &line))
            if (line.len)
                c.question[c.n_questions++] = question_of(c.arena, line);
        return c;
    }
    c.n = argc > 1 ? strtoul(argv[1], NULL, 10) : c.n;
    c.room = argc > 2 ? strtoul(argv[2], NULL, 10) : c.room;
    if (c.n < 1000 || c.room < 1 || c.room > c.n / 2) {
        fprintf(stderr, "usage: bench_bm25 [PASSAGES [QUERIES]] | DIR\n");
        exit(2);
    }
    c.question = mem_array(c.room, sizeof(*c.question));
    return c;
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

static int64_t number_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    check(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK, db, sql);
    check(sqlite3_step(st), SQLITE_ROW, db, sql);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

static void build(struct corpus *c, struct bm25 *ix, sqlite3 *db)
{
    struct words w = {0};
    struct str s;
    sqlite3_stmt *st;
    int64_t ours = 0, theirs = 0, bytes = 0, n = 0;
    run_sql(db, "create virtual table f using fts5(t, content='')");
    run_sql(db, "begin");
    check(sqlite3_prepare_v2(db, "insert into f(rowid, t) values (?, ?)", -1, &st, NULL), SQLITE_OK,
          db, "prepare");
    for (; next_passage(c, &s); n++) {
        bytes += (int64_t)s.len;
        int64_t start = clock_thread_cpu();
        words_of_passage(&w, LANG_EN, STR_NONE, STR_NONE, s);
        struct bm25_passage p = words_passage(&w);
        bm25_add(ix, (uint32_t)n, LANG_EN, n, &p);
        int64_t middle = clock_thread_cpu();
        sqlite3_bind_int64(st, 1, n);
        sqlite3_bind_text(st, 2, s.p, (int)s.len, SQLITE_STATIC);
        check(sqlite3_step(st), SQLITE_DONE, db, "insert");
        sqlite3_reset(st);
        theirs += clock_thread_cpu() - middle;
        ours += middle - start;
    }
    sqlite3_finalize(st);
    int64_t start = clock_thread_cpu();
    bm25_commit(ix);
    while (bm25_merge(ix, true))
        ;
    int64_t middle = clock_thread_cpu();
    run_sql(db, "commit");
    run_sql(db, "insert into f(f) values ('optimize')");
    theirs += clock_thread_cpu() - middle;
    ours += middle - start;
    words_fini(&w);

    struct bm25_view *v = bm25_view(ix);
    struct bm25_stats stats = bm25_stats(v);
    bm25_view_free(v);
    int64_t pages = number_of(db, "pragma page_count") - number_of(db, "pragma freelist_count");
    double mb = (double)stats.bytes / 1e6;
    double fts5 = (double)(pages * number_of(db, "pragma page_size")) / 1e6;
    printf("%lld passages, %.0f MB of text\n", (long long)n, (double)bytes / 1e6);
    printf("build      %.1f s, FTS5 %.1f s\n", (double)ours / 1e9, (double)theirs / 1e9);
    printf("size       %.1f MB in %d segments (%.1f MB of it places), FTS5 %.1f MB: %.0f %%\n", mb,
           (int)stats.segments, (double)stats.place_bytes / 1e6, fts5, 100 * mb / fts5);
}

int main(int argc, char **argv)
{
    struct corpus c = open_corpus(argc, argv);
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    sqlite3 *db;
    sqlite3_stmt *st;
    check(sqlite3_open(":memory:", &db), SQLITE_OK, db, "open");
    build(&c, ix, db);

    const struct bm25_view *v = bm25_view(ix);
    size_t n = c.n_questions, same = 0, found = 0;
    struct times us[2] = {{mem_array(n, sizeof(double)), n}, {mem_array(n, sizeof(double)), n}};
    check(sqlite3_prepare_v2(db, "select rowid from f where f match ? order by rank limit 10", -1,
                             &st, NULL),
          SQLITE_OK, db, "prepare");
    for (size_t i = 0; i < n; i++) {
        int64_t a[K], b[K];
        struct str text = c.question[i].words;
        search_ours(v, text, a); /* once for the caches, as FTS5 has them warm from optimizing */
        int64_t start = clock_thread_cpu();
        size_t n_a = search_ours(v, text, a);
        int64_t middle = clock_thread_cpu();
        size_t n_b = search_fts5(db, st, c.question[i].match.p, b);
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
    mem_free(us[0].us);
    mem_free(us[1].us);
    mem_free(c.question);
    arena_free(c.arena);
    return 0;
}
