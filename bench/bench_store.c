/* What the store costs: checking a key, a ledger row into the journal and from there to SQL, a
 * write committed alone and among many, a document of 20 chunks put, a passage loaded.
 *
 *     build/bench_store [directory]
 */
#include "base/clock.h"
#include "base/mem.h"
#include "store/doc.h"
#include "store/journal.h"
#include "tenant/key.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct db *d;
static struct err e;

static void must(bool good)
{
    if (!good) {
        fprintf(stderr, "bench_store: %s\n", e.msg);
        exit(1);
    }
}

static double process_cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void bench_key(const char *dir)
{
    enum { KEYS = 1000, CHECKS = 200000 };
    static char text[KEYS][KEY_TEXT_SIZE];
    struct key_ring *r;
    must(key_ring_open(&r, d, dir, &e));
    for (int i = 0; i < KEYS; i++)
        must(key_create(r, &(struct key_spec){.name = STR("bench"), .role = KEY_USER}, text[i],
                        NULL, &e));
    int64_t start = clock_thread_cpu();
    for (int i = 0; i < CHECKS; i++)
        CHECK(key_check(r, (struct str){text[i % KEYS], 46}));
    printf("key_check          %8.0f ns\n", (double)(clock_thread_cpu() - start) / CHECKS);
    key_ring_close(r);
}

/* The journal is filled to half its size in turn with being emptied; the CPU of moving is that of
 * the process less that of adding. */
static void bench_journal(const char *dir)
{
    enum { TURNS = 50, ROWS = 4000 };
    struct journal_set *s;
    must(journal_open(&s, d, dir, 1, &e));
    struct usage_row row = {
        .at_ms = clock_wall_ms(),
        .request = STR("req_0123456789abcdef01234567"),
        .key = STR("key_0123456789abcdef01234567"),
        .tenant = STR("default"),
        .model = STR("gpt-4o-mini"),
        .provider = STR("openai"),
        .upstream_model = STR("gpt-4o-mini-2024-07-18"),
        .attempt = 1,
        .status = 200,
        .input_tokens = 1234,
        .output_tokens = 321,
        .cost_microusd = 432,
        .latency_us = 123456,
        .first_token_us = 23456,
    };
    int64_t added = 0, best = INT64_MAX;
    double cpu = process_cpu_us();
    for (int t = 0; t < TURNS; t++) {
        int64_t start = clock_now();
        for (int i = 0; i < ROWS; i++, row.at_ms++)
            must(journal_add(journal_of(s, 0), &row, &e));
        int64_t took = clock_now() - start;
        added += took;
        best = took < best ? took : best;
        must(journal_flush(s, &e));
    }
    cpu = process_cpu_us() - cpu - (double)added / 1e3;
    printf("journal_add        %8.0f ns (best %.0f)\n", (double)added / TURNS / ROWS,
           (double)best / ROWS);
    printf("row moved to SQL   %8.2f us of CPU\n", cpu / TURNS / ROWS);
    journal_close(s);
}

static bool set_value(struct db_tx *tx, void *arg, struct err *err)
{
    (void)arg;
    return db_exec(tx, err,
                   "insert into settings (key, value) values ('bench', '1')"
                   " on conflict (key) do update set value = excluded.value");
}

enum { WRITES = 2000, THREADS = 32 };

static void *write_some(void *arg)
{
    (void)arg;
    struct err err;
    for (int i = 0; i < WRITES; i++)
        CHECK(db_write(d, set_value, NULL, &err));
    return NULL;
}

static void bench_write(void)
{
    pthread_t t[THREADS];
    int64_t start = clock_now();
    double cpu = process_cpu_us();
    write_some(NULL);
    printf("db_write, alone    %8.1f us, %.1f of CPU\n",
           (double)(clock_now() - start) / 1e3 / WRITES, (process_cpu_us() - cpu) / WRITES);
    start = clock_now();
    cpu = process_cpu_us();
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, write_some, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    printf("db_write, 32 wait  %8.1f us, %.1f of CPU\n",
           (double)(clock_now() - start) / 1e3 / WRITES / THREADS,
           (process_cpu_us() - cpu) / WRITES / THREADS);
}

static void bench_doc(void)
{
    enum { DOCS = 1000, CHUNKS = 20, LOADS = 20 };
    static char text[1800];
    memset(text, 'x', sizeof(text));
    struct arena *a = arena_new();
    struct doc_collection c;
    must(doc_collection_ensure(d, a, STR_NONE, STR("bench"), &c, &e));
    struct doc_chunk chunk[CHUNKS];
    for (int i = 0; i < CHUNKS; i++)
        chunk[i] = (struct doc_chunk){.text = {text, sizeof(text)}, .section = STR("A > B")};
    int64_t start = clock_now();
    double cpu = process_cpu_us();
    for (int i = 0; i < DOCS; i++) {
        struct doc_document doc = {.collection = c.id, .uri = arena_printf(a, "doc %d", i)};
        must(doc_put(d, &doc, chunk, CHUNKS, &e));
    }
    printf("chunk put          %8.1f us, %.1f of CPU\n",
           (double)(clock_now() - start) / 1e3 / DOCS / CHUNKS,
           (process_cpu_us() - cpu) / DOCS / CHUNKS);

    int64_t id[LOADS];
    start = clock_thread_cpu();
    for (int i = 0; i < DOCS; i++) {
        struct arena_mark mark = arena_mark(a);
        struct doc_passage *p;
        for (int k = 0; k < LOADS; k++)
            id[k] = 1 + (i * 7919 + k * 104729) % (DOCS * CHUNKS);
        must(doc_chunks_load(d, a, id, LOADS, &p, &e));
        arena_rewind(a, mark);
    }
    printf("passage loaded     %8.1f us of CPU (20 at a time)\n",
           (double)(clock_thread_cpu() - start) / 1e3 / DOCS / LOADS);
    arena_free(a);
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "/tmp/penstock-bench";
    mkdir(dir, 0700);
    must(db_open(&d, &(struct db_options){.dir = dir}, &e));
    bench_key(dir);
    bench_journal(dir);
    bench_write();
    bench_doc();
    db_close(d);
    return 0;
}
