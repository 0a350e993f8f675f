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
 * Both sides index the same texts and answer the same questions one by one on one thread; what is
 * counted is CPU time of the thread, queries as text to ids and scores. FTS5 keeps no content and
 * ranks by its bm25(); its size is that of its pages in use, ours that of the snapshot. How many of
 * the ten are the same shows that both answer the same question (their idf differs a little, and so
 * do stems and stop words in real text).
 *
 * Then phrases of two words, as +"a b": those that stand side by side most often; pairs out of
 * passages; and pairs of the most frequent words that never do, which is the worst case, since all
 * passages with both are read. FTS5 keeps places for them, we read the texts from a table. */
#include "draw.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/map.h"
#include "index/query.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { VOCABULARY = 200000, WORDS = 80, TEXT_MAX = WORDS * 12, STOP = 30, K = 10, TERMS_MAX = 8 };

static struct str draw_passage(char *text, uint32_t word[WORDS])
{
    size_t n = 0;
    for (size_t i = 0; i < WORDS; i++) {
        word[i] = i && draw_number() % 8 == 0 ? word[draw_number() % i] : draw_word(VOCABULARY);
        n += draw_spell(text + n, word[i]);
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
    size_t want = 3 + draw_number() % (TERMS_MAX - 2), n = 0, len = 0;
    for (size_t tries = 0; n < want && tries < 200; tries++) {
        uint32_t w = word[draw_number() % WORDS];
        bool known = w < STOP;
        for (size_t i = 0; i < n; i++)
            known = known || pick[i] == w;
        if (!known)
            pick[n++] = w;
    }
    for (size_t i = 0; i < n; i++) {
        len += draw_spell(words + len, pick[i]);
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

static void build(struct corpus *c, struct bm25 *ix, sqlite3 *db, sqlite3 *texts)
{
    struct words w = {0};
    struct str s;
    sqlite3_stmt *st, *keep;
    int64_t ours = 0, theirs = 0, bytes = 0, n = 0;
    run_sql(texts, "create table p(id integer primary key, t text)");
    run_sql(texts, "begin");
    check(sqlite3_prepare_v2(texts, "insert into p values (?, ?)", -1, &keep, NULL), SQLITE_OK,
          texts, "prepare");
    run_sql(db, "create virtual table f using fts5(t, content='')");
    run_sql(db, "begin");
    check(sqlite3_prepare_v2(db, "insert into f(rowid, t) values (?, ?)", -1, &st, NULL), SQLITE_OK,
          db, "prepare");
    for (; next_passage(c, &s); n++) {
        bytes += (int64_t)s.len;
        sqlite3_bind_int64(keep, 1, n);
        sqlite3_bind_text(keep, 2, s.p, (int)s.len, SQLITE_STATIC);
        check(sqlite3_step(keep), SQLITE_DONE, texts, "insert");
        sqlite3_reset(keep);
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
    sqlite3_finalize(keep);
    sqlite3_finalize(st);
    run_sql(texts, "commit");
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
    printf("size       %.1f MB in %d segments, FTS5 %.1f MB: %.1f %%\n", mb, (int)stats.segments,
           fts5, 100 * mb / fts5);
}

/* ---- Phrases ---- */

enum { COMMON = 300, PHRASES = 100, LETTERS = 3 };

/* The words of a passage: letters and digits, small ones. */
static bool next_word(struct str *text, char word[32], size_t *len)
{
    size_t at = 0;
    *len = 0;
    for (; at < text->len; at++) {
        char c = text->p[at];
        bool in = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!in && *len)
            break;
        if (in && *len < 31)
            word[(*len)++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    *text = str_from_at(*text, at);
    return *len > 0;
}

struct common {
    const char *text;
    uint32_t times;
};

struct pair {
    uint32_t first, second, times;
};

static int by_times(const void *a, const void *b)
{
    const struct common *x = a, *y = b;
    return x->times != y->times ? (x->times < y->times ? 1 : -1) : strcmp(x->text, y->text);
}

static int by_pair_times(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    return (x->times < y->times) - (x->times > y->times);
}

static bool is_plain(struct str word)
{
    return word.len >= LETTERS && !terms_is_stop(LANG_EN, word) && !(word.p[0] <= '9');
}

/* Goes over the table of passages. */
static bool step_text(sqlite3_stmt *st, struct str *text)
{
    if (sqlite3_step(st) != SQLITE_ROW)
        return false;
    *text =
        (struct str){(const char *)sqlite3_column_text(st, 0), (size_t)sqlite3_column_bytes(st, 0)};
    return true;
}

/* The words that come most often, by their number plus 1 in *number. */
static struct common *most_common(struct arena *a, sqlite3_stmt *st, struct map *number)
{
    struct map words;
    struct str text;
    char word[32];
    size_t len, n = 0;
    map_init(&words);
    while (step_text(st, &text))
        while (next_word(&text, word, &len)) {
            struct str w = {word, len};
            if (is_plain(w))
                map_set(&words, w, (void *)((uintptr_t)map_get(&words, w) + 1));
        }
    sqlite3_reset(st);
    struct common *all = mem_array(words.n + 1, sizeof(*all));
    map_each (slot, &words) {
        all[n++] = (struct common){arena_text(a, slot->key), (uint32_t)(uintptr_t)slot->value};
    }
    qsort(all, n, sizeof(*all), by_times);
    struct common *out = arena_array(a, struct common, COMMON);
    for (uintptr_t i = 0; i < size_min(n, COMMON); i++) {
        out[i] = all[i];
        map_set(number, str_from(out[i].text), (void *)(i + 1));
    }
    map_fini(&words);
    mem_free(all);
    return out;
}

/* How often common words stand side by side; and pairs of any words, one out of each of some
 * passages, to drawn[]. */
static void count_pairs(sqlite3_stmt *st, const struct map *number, struct pair *pair,
                        struct arena *a, struct str drawn[PHRASES], size_t every)
{
    struct str text;
    char word[2][32];
    size_t len[2] = {0}, n = 0, row = 0;
    for (; step_text(st, &text); row++) {
        size_t before = 0, at = 0;
        bool plain = false, want = row % every == every / 2 && n < PHRASES;
        for (size_t k = 0; next_word(&text, word[at], &len[at]); k++, at = 1 - at) {
            struct str w = {word[at], len[at]};
            size_t common = (size_t)(uintptr_t)map_get(number, w);
            if (before && common)
                pair[(before - 1) * COMMON + common - 1].times++;
            if (want && k > 20 && plain && is_plain(w)) {
                drawn[n++] = arena_printf(a, "%.*s %.*s", (int)len[1 - at], word[1 - at],
                                          (int)len[at], word[at]);
                want = false;
            }
            before = common;
            plain = is_plain(w);
        }
    }
    sqlite3_reset(st);
}

struct source {
    sqlite3_stmt *st;
    size_t read;
};

static bool read_texts(void *arg, const int64_t *key, size_t n, phrase_seen *seen, void *to,
                       struct err *e)
{
    struct source *s = arg;
    (void)e;
    for (size_t i = 0; i < n; i++, s->read++) {
        struct str text;
        sqlite3_bind_int64(s->st, 1, key[i]);
        if (step_text(s->st, &text))
            seen(to, i, STR_NONE, STR_NONE, text);
        sqlite3_reset(s->st);
    }
    return true;
}

static size_t search_phrase(const struct bm25_view *v, struct source *s, struct str words)
{
    struct arena *a = arena_new();
    enum lang lang[WORDS_LANGS];
    struct hit hit[K];
    struct query q;
    struct err e;
    size_t n = 0, n_langs = words_langs(lang, &v, 1);
    struct phrase_texts texts = {read_texts, s};
    query_parse(&q, a, arena_printf(a, "+\"%.*s\"", STR_FMT(words)), lang, n_langs, &v, 1, NULL);
    struct phrase_check *check = query_check(&q, a, &v, 1, &texts);
    if (!query_search(&q, check, (struct bm25_query){0}, hit, K, &n, &e))
        fprintf(stderr, "bench_bm25: %s\n", e.msg);
    arena_free(a);
    return n;
}

static void run_phrases(const char *what, const struct bm25_view *v, struct source *s, sqlite3 *db,
                        sqlite3_stmt *fts5, const struct str *words, size_t n)
{
    int64_t ours = 0, theirs = 0, most = 0, id[K];
    size_t hits[2] = {0};
    s->read = 0;
    for (size_t i = 0; i < n; i++) {
        char match[80];
        snprintf(match, sizeof(match), "\"%.*s\"", STR_FMT(words[i]));
        int64_t start = clock_thread_cpu();
        hits[0] += search_phrase(v, s, words[i]);
        int64_t middle = clock_thread_cpu();
        hits[1] += search_fts5(db, fts5, match, id);
        theirs += clock_thread_cpu() - middle;
        ours += middle - start;
        most = middle - start > most ? middle - start : most;
    }
    printf("phrases    %-14s mean us %9.1f (most %9.1f), FTS5 %9.1f; %.1f hits, FTS5 %.1f; "
           "%.0f texts read\n",
           what, (double)ours / 1e3 / (double)n, (double)most / 1e3,
           (double)theirs / 1e3 / (double)n, (double)hits[0] / (double)n,
           (double)hits[1] / (double)n, (double)s->read / (double)n);
}

static void bench_phrases(struct arena *a, const struct bm25_view *v, sqlite3 *texts, sqlite3 *db,
                          sqlite3_stmt *fts5)
{
    sqlite3_stmt *all;
    struct source s = {0};
    struct map number;
    struct str out[PHRASES], drawn[PHRASES] = {{0}};
    check(sqlite3_prepare_v2(texts, "select t from p", -1, &all, NULL), SQLITE_OK, texts, "all");
    check(sqlite3_prepare_v2(texts, "select t from p where id = ?", -1, &s.st, NULL), SQLITE_OK,
          texts, "one");
    map_init(&number);
    const struct common *common = most_common(a, all, &number);
    struct pair *pair = mem_array((size_t)COMMON * COMMON, sizeof(*pair));
    for (uint32_t i = 0; i < COMMON * COMMON; i++)
        pair[i] = (struct pair){i / COMMON, i % COMMON, 0};
    count_pairs(all, &number, pair, a, drawn, bm25_stats(v).passages / PHRASES);
    size_t n = 0, absent = 0;
    while (n < PHRASES && drawn[n].len)
        n++;
    for (size_t tries = 0; absent < PHRASES && tries < 100000; tries++) {
        const struct pair *p = &pair[draw_number() % (COMMON * COMMON)];
        if (p->times == 0 && p->first != p->second && common[p->first].text &&
            common[p->second].text)
            out[absent++] = arena_printf(a, "%s %s", common[p->first].text, common[p->second].text);
    }
    run_phrases("out of texts", v, &s, db, fts5, drawn, n);
    run_phrases("that are absent", v, &s, db, fts5, out, absent);
    qsort(pair, (size_t)COMMON * COMMON, sizeof(*pair), by_pair_times);
    for (size_t i = 0; i < PHRASES; i++)
        out[i] = arena_printf(a, "%s %s", common[pair[i].first].text, common[pair[i].second].text);
    run_phrases("most frequent", v, &s, db, fts5, out, PHRASES);
    sqlite3_finalize(all);
    sqlite3_finalize(s.st);
    map_fini(&number);
    mem_free(pair);
}

int main(int argc, char **argv)
{
    struct corpus c = open_corpus(argc, argv);
    struct bm25 *ix = bm25_new(BM25_DEFAULT);
    sqlite3 *db, *texts;
    sqlite3_stmt *st;
    check(sqlite3_open(":memory:", &db), SQLITE_OK, db, "open");
    check(sqlite3_open(":memory:", &texts), SQLITE_OK, texts, "open");
    build(&c, ix, db, texts);

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
    bench_phrases(c.arena, v, texts, db, st);
    sqlite3_finalize(st);
    sqlite3_close(db);
    sqlite3_close(texts);
    bm25_view_free((struct bm25_view *)v);
    bm25_free(ix);
    mem_free(us[0].us);
    mem_free(us[1].us);
    mem_free(c.question);
    arena_free(c.arena);
    return 0;
}
