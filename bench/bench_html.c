/* How well the HTML reader tells an article from what stands around it, and what a page costs.
 *
 *     build/bench_html GOLD.jsonl [-v]
 *
 * A line of GOLD has "file" (beside GOLD) and either "articleBody", compared as runs of four words
 * with the mean over pages of what was found in common (as the article-extraction-benchmark does),
 * or "with" and "without", passages that must and must not be in the text. The heading that repeats
 * the page's title is no part of the article there and is left out here. -v: a line per page.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "reader/readers.h"
#include "text/unicode.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Runs of four words ---- */

enum { RUN = 4 };

struct grams {
    uint64_t *hash; /* sorted */
    size_t n;
};

static int by_value(const void *x, const void *y)
{
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return a < b ? -1 : a > b;
}

static struct grams grams_of(struct arena *a, struct str text)
{
    uint64_t *word = arena_array(a, uint64_t, text.len + 1);
    size_t n = 0, start = 0;
    bool in = false;
    for (size_t at = 0, before = 0; at <= text.len; before = at) {
        bool end = at == text.len;
        uint32_t c = end ? ' ' : utf8_next(text, &at);
        bool part = !end && (c == '_' || unicode_kind(c) != UNICODE_OTHER);
        if (part && !in)
            start = before;
        if (!part && in)
            word[n++] = hash64((struct str){text.p + start, before - start});
        in = part;
        if (end)
            break;
    }
    size_t runs = n >= RUN ? n - RUN + 1 : n > 0;
    struct grams g = {arena_array(a, uint64_t, runs + 1), runs};
    for (size_t i = 0; i < runs; i++)
        g.hash[i] = hash64((struct str){(const char *)&word[i], size_min(RUN, n) * sizeof(*word)});
    qsort(g.hash, g.n, sizeof(*g.hash), by_value);
    return g;
}

static size_t in_common(struct grams x, struct grams y)
{
    size_t n = 0;
    for (size_t i = 0, j = 0; i < x.n && j < y.n;) {
        if (x.hash[i] == y.hash[j])
            n++, i++, j++;
        else if (x.hash[i] < y.hash[j])
            i++;
        else
            j++;
    }
    return n;
}

/* ---- Pages ---- */

struct sums {
    double tp, fp, fn; /* shares of each page, or passages */
    size_t pages, missing;
    int64_t ns;
    uint64_t bytes;
};

static struct str page_text(struct arena *a, struct str html)
{
    struct blocks b;
    struct err e;
    struct str json = STR_NONE;
    blocks_init(&b, a, 256 << 20);
    struct json doc = {0};
    if (html_read(&b, html, &e) && blocks_end(&b, &json, &e))
        json_parse(&doc, a, arena_copy(a, json), 0, &e);
    blocks_fini(&b);
    struct buf out;
    buf_init(&out, 256 << 20);
    struct str title = doc.n ? json_text(json_get(json_root(&doc), "title"), a) : STR_NONE;
    if (doc.n)
        json_each(it, json_get(json_root(&doc), "blocks"))
        {
            struct str text = json_text(json_get(it.value, "text"), a);
            bool repeats = json_text_is(json_get(it.value, "kind"), "heading") &&
                           (str_find(title, text) != STR_NPOS);
            if (!repeats)
                buf_add(&out, text), buf_add(&out, STR("\n\n"));
        }
    struct str s = arena_copy(a, buf_str(&out));
    buf_fini(&out);
    return s;
}

static void count_passages(struct arena *a, struct json_value list, struct str text, double *found,
                           double *lost)
{
    json_each(it, list)
    {
        struct str want = blocks_fold(a, json_text(it.value, a));
        if (str_find(text, want) != STR_NPOS)
            *found += 1;
        else
            *lost += 1;
    }
}

static void judge(struct arena *a, struct json_value row, struct str text, struct sums *s, bool say)
{
    double tp = 0, fp = 0, fn = 0;
    struct json_value body = json_get(row, "articleBody");
    if (json_exists(body)) {
        struct grams want = grams_of(a, json_text(body, a)), got = grams_of(a, text);
        double both = (double)in_common(want, got);
        double all = (double)want.n + (double)got.n - both;
        tp = all > 0 ? both / all : 0;
        fp = all > 0 ? ((double)got.n - both) / all : 0;
        fn = all > 0 ? ((double)want.n - both) / all : 0;
    } else {
        double kept_out = 0;
        text = blocks_fold(a, text);
        count_passages(a, json_get(row, "with"), text, &tp, &fn);
        count_passages(a, json_get(row, "without"), text, &fp, &kept_out);
    }
    if (say)
        printf("%.3f precision %.3f recall  %.*s\n", tp > 0 ? tp / (tp + fp) : 0,
               tp > 0 ? tp / (tp + fn) : 0, STR_FMT(json_text(json_get(row, "file"), a)));
    s->tp += tp, s->fp += fp, s->fn += fn;
}

static void one_page(struct str folder, struct str line, struct sums *s, bool say)
{
    struct arena *a = arena_new();
    struct json row;
    struct err e;
    struct str html;
    if (json_parse(&row, a, line, 0, &e)) {
        struct str file = json_text(json_get(json_root(&row), "file"), a);
        struct str path = arena_printf(a, "%.*s%.*s", STR_FMT(folder), STR_FMT(file));
        if (file_read(&html, a, path.p, 64 << 20, &e)) {
            int64_t start = clock_thread_cpu();
            struct str text = page_text(a, html);
            s->ns += clock_thread_cpu() - start;
            s->bytes += html.len;
            s->pages++;
            judge(a, json_root(&row), text, s, say);
        } else {
            s->missing++;
        }
    }
    arena_free(a);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_html GOLD.jsonl [-v]\n");
        return 2;
    }
    struct arena *a = arena_new();
    struct str gold, line, path = str_from(argv[1]);
    struct err e;
    if (!file_read(&gold, a, argv[1], 256 << 20, &e)) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    html_prepare();
    struct sums s = {0};
    struct str folder = str_head(path, path.len - file_name(path).len);
    while (str_split(&gold, '\n', &line))
        if (line.len > 0)
            one_page(folder, line, &s, argc > 2);
    double precision = s.tp / (s.tp + s.fp), recall = s.tp / (s.tp + s.fn);
    printf("%zu pages (%zu missing): precision %.4f, recall %.4f, F1 %.4f; %.2f ms a page, %.1f "
           "MB/s\n",
           s.pages, s.missing, precision, recall, 2 * precision * recall / (precision + recall),
           (double)s.ns / 1e6 / (double)s.pages, (double)s.bytes * 1e3 / (double)s.ns);
    arena_free(a);
    return 0;
}
