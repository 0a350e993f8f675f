/* Tokens: is the count exact with a vocabulary, how far off is the estimate without, and what does
 * a byte cost?
 *
 *   bench_token TEXTS.jsonl [NAME=FILE ...]
 *
 * TEXTS has an object a line with "text" and "ids": {NAME: [ids]}. For each NAME=FILE the file is
 * loaded and its ids are compared with those of that name. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "text/token.h"
#include "text/vocab.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

enum { TEXTS_MOST = 4096, IDS_MOST = 1 << 20 };

struct texts {
    struct str text[TEXTS_MOST];
    struct json_value ids[TEXTS_MOST];
    size_t n, bytes;
};

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void read_texts(struct texts *t, struct str file, struct arena *a)
{
    for (struct str line; t->n < TEXTS_MOST && str_split(&file, '\n', &line);) {
        struct json *doc = arena_struct(a, struct json);
        struct err e;
        if (!line.len || !json_parse(doc, a, line, 0, &e))
            continue;
        t->text[t->n] = json_text(json_get(json_root(doc), "text"), a);
        t->ids[t->n] = json_get(json_root(doc), "ids");
        t->bytes += t->text[t->n++].len;
    }
}

static bool same_ids(struct json_value want, const uint32_t *id, size_t n)
{
    size_t i = 0;
    bool same = true;
    json_each(it, want)
    {
        int64_t x = -1;
        json_int(it.value, &x);
        same = same && i < n && x == id[i];
        i++;
    }
    return same && i == n;
}

static void measure(const struct texts *t, struct str name, const char *path)
{
    static uint32_t id[IDS_MOST];
    struct vocab *v = NULL;
    struct err e;
    double start = cpu_s();
    if (!vocab_load(&v, path, &e)) {
        printf("%.*s: %s\n", STR_FMT(name), e.msg);
        return;
    }
    double loaded = cpu_s() - start;
    size_t exact = 0, tokens = 0;
    for (size_t i = 0; i < t->n; i++) {
        size_t n = vocab_encode(v, t->text[i], id, IDS_MOST);
        tokens += n;
        exact += same_ids(json_member(t->ids[i], name), id, n);
    }
    start = cpu_s();
    size_t rounds = 0;
    while (cpu_s() - start < 0.5) {
        for (size_t i = 0; i < t->n; i++)
            vocab_count(v, t->text[i]);
        rounds++;
    }
    double ns = (cpu_s() - start) * 1e9 / (double)(rounds * t->bytes);
    printf("%.*s: exact %zu of %zu texts, %zu tokens; loaded in %.0f ms, %.1f ns per byte\n",
           STR_FMT(name), exact, t->n, tokens, loaded * 1e3, ns);
    vocab_unref(v);
}

static void measure_estimate(const struct texts *t, struct str name)
{
    double relative = 0, got = 0, want = 0;
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        double count = json_count(json_member(t->ids[i], name));
        double guess = (double)token_count(t->text[i]);
        if (count <= 0)
            continue;
        relative += fabs(guess - count) / count;
        got += guess;
        want += count;
        n++;
    }
    if (n)
        printf("estimate against %.*s: mean error %.1f %% per text, %+.1f %% in all\n",
               STR_FMT(name), 100 * relative / (double)n, 100 * (got / want - 1));
}

int main(int argc, char **argv)
{
    static struct texts t;
    struct arena *a = arena_new();
    struct str file;
    struct err e;
    if (argc < 2 || !file_read(&file, a, argv[1], 1 << 30, &e)) {
        fprintf(stderr, "usage: bench_token TEXTS.jsonl [NAME=FILE ...]\n");
        return 2;
    }
    read_texts(&t, file, a);
    printf("%zu texts, %zu bytes\n", t.n, t.bytes);
    json_each(it, t.ids[0]) measure_estimate(&t, it.name);
    for (int i = 2; i < argc; i++) {
        struct str arg = str_from(argv[i]);
        size_t eq = str_find_char(arg, '=');
        if (eq != STR_NPOS)
            measure(&t, str_head(arg, eq), argv[i] + eq + 1);
    }
    arena_free(a);
    return 0;
}
