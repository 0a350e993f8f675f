/* What counting costs, in ns: a counter, and an observation of a histogram. */
#include "base/clock.h"
#include "base/metric.h"

#include <stdio.h>

int main(void)
{
    enum { N = 20000000 };
    struct metric *m = metric_plain(metric_family("b_total", METRIC_COUNTER, "", "Counts."));
    struct metric *h = metric_plain(metric_histogram("b_seconds", 1e-9, "", "Times."));
    int64_t start = clock_thread_cpu();
    for (int64_t i = 0; i < N; i++)
        metric_add(m, i);
    int64_t middle = clock_thread_cpu();
    for (int64_t i = 0; i < N; i++)
        metric_observe(h, i);
    int64_t end = clock_thread_cpu();
    printf("%.1f ns per count, %.1f ns per observation\n", (double)(middle - start) / N,
           (double)(end - middle) / N);
    return 0;
}
