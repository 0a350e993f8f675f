/* Nanoseconds per KB that reading a chat body costs, for each twin of the scanner, and the whole of
 * json_parse with unique keys asked for. Prose in English, the same with accents, and Chinese; and
 * one event of a stream.
 *
 *     build/bench_json [rounds]
 */
#include "base/clock.h"
#include "base/json_scan.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const prose[] = {
    "The bridge was closed for nine weeks while the cables were inspected one by one.\\n\\nWhen "
    "it opened again, \\\"nobody\\\" noticed that two of them had been replaced, and the report, "
    "which says so on page 14, was read by few. What would you change in the plan for next year? ",
    "Le pont a été fermé pendant neuf semaines, le temps d'examiner les câbles un à un.\\n\\nÀ sa "
    "réouverture, personne n'a remarqué que deux d'entre eux avaient été remplacés ; le rapport "
    "le dit à la page 14. Que changeriez-vous dans le plan de l'année prochaine ? ",
    "大桥关闭了九个星期，工程师逐根检查缆索。重新开放时，没有人注意到其中两根已经更换；报告第十四页"
    "写明了这一"
    "点，但很少有人读过。明年的计划您会改变什么？",
};

/* About `size` bytes in `messages` messages that take turns. */
static struct str body(struct arena *a, size_t size, int messages, const char *text)
{
    struct buf b;
    buf_init(&b, 2 * size + 4096);
    buf_printf(&b, "{\"model\":\"gpt-4o-mini\",\"temperature\":0.7,\"stream\":true,\"messages\":[");
    for (int i = 0; i < messages; i++) {
        buf_printf(&b, "%s{\"role\":\"%s\",\"content\":\"", i ? "," : "",
                   i % 2 ? "assistant" : "user");
        while (b.len < size * (size_t)(i + 1) / (size_t)messages - 60)
            buf_add(&b, str_from(text));
        buf_add(&b, STR("\"}"));
    }
    buf_add(&b, STR("],\"max_tokens\":512}"));
    struct str s = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

static const char event[] =
    "{\"id\":\"chatcmpl-7Hq2LmZp0aXcVbN4kTgYwE1s\",\"object\":\"chat.completion.chunk\","
    "\"created\":"
    "1790000000,\"model\":\"gpt-4o-mini\",\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":[{"
    "\"index\":0,\"delta\":{\"content\":\"Hello\"},\"logprobs\":null,\"finish_reason\":null}]}";

/* The best of several runs, in ns per KB. */
static double measure(struct arena *a, struct str text, json_scan_fn *scan, long rounds)
{
    double best = 1e9;
    json_scan_fn *usual = json_scan;
    for (int run = 0; run < 7; run++) {
        int64_t start = clock_thread_cpu();
        for (long i = 0; i < rounds; i++) {
            struct arena_mark mark = arena_mark(a);
            struct json doc;
            struct err e;
            json_scan = scan ? scan : usual;
            CHECK(json_parse(&doc, a, text, scan ? 0 : JSON_UNIQUE, &e));
            arena_rewind(a, mark);
        }
        double ns = (double)(clock_thread_cpu() - start) / (double)rounds;
        double per_kb = ns / ((double)text.len / 1024);
        best = per_kb < best ? per_kb : best;
    }
    json_scan = usual;
    return best;
}

static void report(struct arena *a, const char *name, struct str text, long scale)
{
    long rounds = scale * 1024 / (long)text.len + 1;
    double plain = measure(a, text, json_scan_plain, rounds);
    printf("%-9s %7zu  %8.1f", name, text.len, plain);
#ifdef __x86_64__
    printf(" %8.1f", measure(a, text, json_scan_sse2, rounds));
    if (__builtin_cpu_supports("avx2"))
        printf(" %8.1f", measure(a, text, json_scan_avx2, rounds));
    else
        printf(" %8s", "-");
#endif
    double unique = measure(a, text, NULL, rounds);
    printf(" %8.1f   plain / chosen = %.1f\n", unique, plain / unique);
}

int main(int argc, char **argv)
{
    static const struct {
        size_t size;
        int messages;
    } shape[] = {{1024, 2}, {8192, 9}, {65536, 40}};
    static const char *const name[] = {"English", "French", "Chinese"};
    long scale = argc > 1 ? strtol(argv[1], NULL, 10) : 20000;
    struct arena *a = arena_new();
    printf("%-9s %7s  %8s %8s %8s %8s   ns per KB\n", "prose", "bytes", "plain", "SSE2", "AVX2",
           "unique");
    for (size_t p = 0; p < COUNT(prose); p++)
        for (size_t i = 0; i < COUNT(shape); i++)
            report(a, name[p], body(a, shape[i].size, shape[i].messages, prose[p]), scale);
    report(a, "event", (struct str){event, sizeof(event) - 1}, scale);
    arena_free(a);
    return 0;
}
