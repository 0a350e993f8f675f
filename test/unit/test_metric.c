/* What metric promises: nothing counted is lost, also by threads that have ended; quantiles within
 * 6.25 %; text that Prometheus reads. */
#include "base/mem.h"
#include "base/metric.h"

#include "tap.h"

#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 4, ROUNDS = 20000 };

static struct metric *counter, *sizes;

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        metric_add(counter, 2);
        metric_observe(sizes, i);
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t thread[THREADS];
    counter = metric_plain(metric_family("t_lines_total", METRIC_COUNTER, "", "Lines."));
    sizes = metric_plain(metric_histogram("t_size_bytes", 1, "", "Sizes."));
    bool good = true, rises = true;
    for (int i = 0; i < THREADS; i++)
        good = good && pthread_create(&thread[i], NULL, count, NULL) == 0;
    count(NULL);
    int64_t last = 0;
    while (last < 2 * ROUNDS * THREADS) { /* reading beside counting */
        int64_t now = metric_value(counter);
        rises = rises && now >= last;
        last = now;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    ok(good && rises, "a counter that is read while it counts only rises");
    ok(metric_value(counter) == 2 * ROUNDS * (THREADS + 1), "nothing is lost when threads end");
    ok(metric_count(sizes) == (uint64_t)ROUNDS * (THREADS + 1), "observations neither");
    ok(metric_value(sizes) == (int64_t)ROUNDS * (ROUNDS - 1) / 2 * (THREADS + 1), "nor their sum");
}

static const double quantiles[] = {0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1};

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Values spread over many powers of two, against the sorted list. */
static void test_quantiles(void)
{
    enum { N = 5000 };
    static int64_t value[N];
    struct metric *m = metric_plain(metric_histogram("t_wait_seconds", 1e-9, "", "Waits."));
    ok(metric_quantile(m, 0.5) == 0, "empty");
    uint32_t seed = 11;
    for (int i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        value[i] = (int64_t)(seed >> 8) << (seed >> 3 & 31) >> 20;
        metric_observe(m, value[i]);
    }
    qsort(value, N, sizeof(value[0]), by_value);
    for (size_t i = 0; i < COUNT(quantiles); i++) {
        size_t at = quantiles[i] * N <= 1 ? 0 : (size_t)(quantiles[i] * N + 0.9999) - 1;
        double want = (double)value[at] * 1e-9, got = metric_quantile(m, quantiles[i]);
        ok(got >= want * 0.9375 && got <= want * 1.0625, "quantile %g: %g for %g", quantiles[i],
           got, want);
    }
    struct metric *edge = metric_plain(metric_histogram("t_edge_bytes", 1, "", "Edges."));
    metric_observe(edge, INT64_MAX);
    ok(metric_quantile(edge, 0.5) > 9e18, "the largest value");
    metric_observe(edge, -5);
    ok(metric_quantile(edge, 0.1) == 0 && metric_value(edge) == INT64_MAX, "below zero is zero");
}

static void set_gauge(void *arg)
{
    metric_set(arg, 42);
}

static void has(const struct buf *b, const char *name, const char *lines)
{
    ok(str_find(buf_str(b), str_from(lines)) != STR_NPOS, "shown: %s", name);
}

static void test_text(void)
{
    struct metric_family *f =
        metric_family("t_requests_total", METRIC_COUNTER, "route, code", "Requests \\ by\nroute.");
    ok(f == metric_family("t_requests_total", METRIC_COUNTER, "route, code", ""), "one family");
    struct str chat[] = {STR("/v1/chat"), STR("200")}, odd[] = {STR("a\"b\\c\nd\xFF"), STR("")};
    struct metric *m = metric_with(f, chat);
    ok(m == metric_with(f, chat) && m != metric_with(f, odd), "one series for equal values");
    metric_add(m, 3);
    struct metric *gauge = metric_plain(metric_family("t_open", METRIC_GAUGE, "", "Open."));
    metric_on_read(set_gauge, gauge);
    struct metric_family *h = metric_histogram("t_took_seconds", 1e-9, "route", "Times.");
    m = metric_with(h, chat);
    metric_observe(m, 900);        /* 0.9 us */
    metric_observe(m, 24000);      /* 24 us */
    metric_observe(m, 1500000000); /* 1.5 s */

    struct buf b;
    buf_init(&b, 1 << 20);
    metric_render(&b);
    has(&b, "counters, escaped",
        "# HELP t_requests_total Requests \\\\ by\\nroute.\n"
        "# TYPE t_requests_total counter\n"
        "t_requests_total{route=\"/v1/chat\",code=\"200\"} 3\n"
        "t_requests_total{route=\"a\\\"b\\\\c\\nd\xEF\xBF\xBD\",code=\"\"} 0\n");
    has(&b, "a gauge", "# TYPE t_open gauge\nt_open 42\n");
    has(&b, "the first bounds of a histogram",
        "# TYPE t_took_seconds histogram\n"
        "t_took_seconds_bucket{route=\"/v1/chat\",le=\"1e-05\"} 1\n"
        "t_took_seconds_bucket{route=\"/v1/chat\",le=\"2.5e-05\"} 2\n");
    has(&b, "bounds around a value",
        "t_took_seconds_bucket{route=\"/v1/chat\",le=\"1\"} 2\n"
        "t_took_seconds_bucket{route=\"/v1/chat\",le=\"2.5\"} 3\n");
    has(&b, "its sum",
        "t_took_seconds_bucket{route=\"/v1/chat\",le=\"+Inf\"} 3\n"
        "t_took_seconds_sum{route=\"/v1/chat\"} 1.5000249\n"
        "t_took_seconds_count{route=\"/v1/chat\"} 3\n");
    has(&b, "CPU", "\nprocess_cpu_seconds_total ");
    has(&b, "memory", "\nprocess_resident_memory_bytes ");
    has(&b, "start", "\nprocess_start_time_seconds ");
    has(&b, "files", "\nprocess_open_fds ");
    buf_fini(&b);
}

static void test_too_many(void)
{
    struct metric_family *f = metric_family("t_wild_total", METRIC_COUNTER, "who", "Wild.");
    struct metric *last = NULL;
    int different = 0;
    for (int i = 0; i < 3000; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        struct str who = str_from(text);
        struct metric *m = metric_with(f, &who);
        different += m != last;
        metric_add(m, 1);
        last = m;
    }
    struct str other = STR("other");
    ok(different == 2001 && last == metric_with(f, &other) && metric_value(last) == 1000,
       "behind 2000 series there is one more, \"other\"");
}

struct seen {
    size_t n;
    int64_t sum;
    uint64_t observed;
    bool labels;
};

static void see(void *arg, const struct metric_sample *s)
{
    struct seen *t = arg;
    t->n++;
    t->sum += s->number;
    t->labels = s->n_labels == 1 && str_eq(s->name[0], STR("way")) && s->value[0].len == 1;
    for (size_t i = 0; i < s->n_buckets; i++)
        t->observed += s->bucket[i];
}

static void test_each(void)
{
    struct metric_family *f = metric_family("t_each_total", METRIC_COUNTER, "way", "Each.");
    struct metric_family *h = metric_histogram("t_each_bytes", 1, "way", "Each.");
    struct seen seen = {0};
    metric_add(metric_with(f, &STR("a")), 2);
    metric_add(metric_with(f, &STR("b")), 3);
    metric_each(STR("t_each_total"), see, &seen);
    ok(seen.n == 2 && seen.sum == 5 && seen.labels && !seen.observed, "each series of a family");
    metric_observe(metric_with(h, &STR("a")), 10);
    metric_observe(metric_with(h, &STR("a")), 1000);
    seen = (struct seen){0};
    metric_each(STR("t_each_bytes"), see, &seen);
    ok(seen.n == 1 && seen.sum == 1010 && seen.observed == 2, "histograms too");
    metric_each(STR("t_nothing_total"), see, &seen);
    ok(seen.n == 1, "one that nobody has registered has none");
    ok(metric_bucket_middle(10) == 10, "small values are exact");
    struct metric_process p;
    metric_process(&p);
    ok(p.resident_bytes > 0 && p.cpu_seconds > 0 && p.started_ms > 0, "the process");
}

int main(void)
{
    test_each();
    test_threads();
    test_quantiles();
    test_text();
    test_too_many();
    return tap_done();
}
