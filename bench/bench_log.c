/* What one access line costs the thread that writes it, in ns of its CPU; written to /dev/null in
 * bursts that the buffer holds, so that no line is dropped.
 *
 *     build/bench_log [bursts]
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BURST = 400 };

static int64_t burst(void)
{
    int64_t start = clock_thread_cpu();
    for (int i = 0; i < BURST; i++)
        log_info("request", kv("id", "req_7Hq2LmZp0aXcVbN4kTgYwE1s"), kv("method", "POST"),
                 kv("path", "/v1/chat/completions"), kv("status", 200), kv("model", "gpt-4o-mini"),
                 kv("key", "key_19"), kv("ms", 12.345), kv("in", i % 4096), kv("out", 512),
                 kv("stream", (bool)true));
    return clock_thread_cpu() - start;
}

int main(int argc, char **argv)
{
    struct err e;
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : 20;
    CHECK(log_open("/dev/null", LOG_INFO, &e));
    int64_t best = INT64_MAX;
    for (long i = 0; i < n; i++) {
        int64_t ns = burst();
        best = ns < best ? ns : best;
        nanosleep(&(struct timespec){.tv_nsec = 60 * NS_PER_MS}, NULL); /* the buffer is emptied */
    }
    printf("%.0f ns per access line, best of %ld bursts of %d; %llu dropped\n",
           (double)best / BURST, n, BURST, (unsigned long long)log_dropped());
    log_close();
    return 0;
}
