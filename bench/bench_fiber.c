/* What fibers cost: a switch, a start and end, a wait, a job on a worker, ten thousand held.
 *
 * usage: bench_fiber      prints one figure per line; times are CPU, of the thread or, with
 * workers, of the process
 */
#include "base/clock.h"
#include "run/fiber.h"
#include "run/io.h"
#include "run/stack.h"
#include "run/switch.h"
#include "run/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 15 };

static int64_t cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void show(const char *what, double value, const char *unit)
{
    printf("%-64s %10.2f %s\n", what, value, unit);
    fflush(stdout);
}

/* The best of some rounds of fn, which returns ns per operation: what else the machine does can
 * only add to it. */
static void measure(const char *what, double (*fn)(int), int arg)
{
    double best = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        double ns = fn(arg);
        best = ns < best ? ns : best;
    }
    show(what, best, "ns");
}

/* ---- The bare switch ---- */

static void *main_sp, *other_sp;

static void bounce(void *arg)
{
    (void)arg;
    for (;;)
        switch_back(&other_sp, main_sp);
}

static double bare_switch(int n)
{
    static _Alignas(16) char stack[16384];
    other_sp = switch_prepare(stack + sizeof(stack), bounce, NULL);
    int64_t start = clock_thread_cpu();
    for (int i = 0; i < n; i++)
        switch_to(&main_sp, other_sp);
    return (double)(clock_thread_cpu() - start) / n / 2;
}

/* ---- Turns ---- */

static int yields_each;

static void yielder(void *arg)
{
    (void)arg;
    for (int i = 0; i < yields_each; i++)
        fiber_yield();
}

static double yields(int fibers)
{
    yields_each = 400000 / fibers;
    int64_t start = clock_thread_cpu();
    struct fiber_group g;
    fiber_group_init(&g, CLOCK_NEVER);
    for (int i = 0; i < fibers; i++)
        fiber_group_go(&g, yielder, NULL, "yield");
    fiber_group_wait(&g);
    fiber_group_fini(&g);
    return (double)(clock_thread_cpu() - start) / yields_each / fibers;
}

struct link {
    struct fiber *f;
    struct link *next;
};

static void ring_main(void *arg)
{
    struct link *l = arg;
    for (int i = 0; i < yields_each; i++) {
        fiber_wait(CLOCK_NEVER);
        fiber_wake(l->next->f);
    }
}

/* Each fiber of a ring wakes the next. */
static double wakes(int fibers)
{
    static struct link ring[10000];
    yields_each = 500000 / fibers;
    for (int i = 0; i < fibers; i++) {
        ring[i].next = &ring[(i + 1) % fibers];
        ring[i].f = fiber_go(ring_main, &ring[i], "ring");
    }
    fiber_yield();
    int64_t start = clock_thread_cpu();
    fiber_wake(ring[0].f);
    while (fiber_count() > 1)
        fiber_sleep(NS_PER_MS, NULL);
    return (double)(clock_thread_cpu() - start) / yields_each / fibers;
}

/* ---- Starting and ending ---- */

static void nothing(void *arg)
{
    (void)arg;
}

static double start_and_end(int n)
{
    int64_t start = clock_thread_cpu();
    for (int i = 0; i < n; i++) {
        fiber_go(nothing, NULL, "nothing");
        if (i % 100 == 99)
            fiber_yield();
    }
    return (double)(clock_thread_cpu() - start) / n;
}

static double start_and_join(int n)
{
    int64_t start = clock_thread_cpu();
    for (int i = 0; i < n; i++) {
        struct fiber_group g;
        fiber_group_init(&g, CLOCK_NEVER);
        fiber_group_go(&g, nothing, NULL, "nothing");
        fiber_group_wait(&g);
        fiber_group_fini(&g);
    }
    return (double)(clock_thread_cpu() - start) / n;
}

/* ---- A byte that is waited for ---- */

static int64_t io_deadline_ns;

static void echo(void *arg)
{
    struct io *io = arg;
    char c;
    while (io_wait(io, EPOLLIN, io_deadline_ns, NULL) && read(io->fd, &c, 1) == 1)
        ;
}

static double byte(int n)
{
    int fd[2];
    struct io io;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
    CHECK(io_open(&io, fd[0], NULL, NULL));
    struct fiber_group g;
    fiber_group_init(&g, CLOCK_NEVER);
    io_deadline_ns = loop_now() + 3600 * NS_PER_S;
    fiber_group_go(&g, echo, &io, "echo");
    fiber_yield();
    int64_t start = clock_thread_cpu();
    for (int i = 0; i < n; i++) {
        CHECK(write(fd[1], "x", 1) == 1);
        fiber_yield();
    }
    double ns = (double)(clock_thread_cpu() - start) / n;
    close(fd[1]);
    fiber_group_fini(&g);
    io_close(&io);
    return ns;
}

/* ---- Workers ---- */

static int jobs_each;

static void jobs(void *arg)
{
    (void)arg;
    for (int i = 0; i < jobs_each; i++)
        work_run(nothing, NULL);
}

static double round_trips(int in_flight)
{
    jobs_each = 50000 / in_flight;
    int64_t start = cpu_now();
    struct fiber_group g;
    fiber_group_init(&g, CLOCK_NEVER);
    for (int i = 0; i < in_flight; i++)
        fiber_group_go(&g, jobs, NULL, "jobs");
    fiber_group_wait(&g);
    fiber_group_fini(&g);
    return (double)(cpu_now() - start) / jobs_each / in_flight;
}

/* ---- Memory ---- */

/* KB of the kind that a line of /proc/self/smaps_rollup or status counts. */
static double memory_kb(const char *path, const char *line)
{
    char text[256];
    double kb = 0;
    FILE *f = fopen(path, "r");
    CHECK(f);
    while (fgets(text, sizeof(text), f))
        if (strncmp(text, line, strlen(line)) == 0)
            kb = strtod(text + strlen(line), NULL);
    fclose(f);
    return kb;
}

/* About as deep as a request that writes to its client: formatting, then a wait. */
static void held(void *arg)
{
    char line[512];
    snprintf(line, sizeof(line), "data: %g %p\n", 1.5, arg);
    fiber_wait(CLOCK_NEVER);
    if (line[0] != 'd')
        abort();
}

static int count_mappings(void)
{
    int lines = 0, c;
    FILE *f = fopen("/proc/self/maps", "r");
    CHECK(f);
    while ((c = getc(f)) != EOF)
        lines += c == '\n';
    fclose(f);
    return lines;
}

static void hold(int n)
{
    static struct fiber *f[10000];
    CHECK(n <= (int)(sizeof(f) / sizeof(f[0])));
    double rss = memory_kb("/proc/self/smaps_rollup", "Private_Dirty:");
    double pte = memory_kb("/proc/self/status", "VmPTE:");
    for (int i = 0; i < n; i++)
        f[i] = fiber_go(held, f, "held");
    fiber_sleep(NS_PER_MS, NULL);
    double first = memory_kb("/proc/self/smaps_rollup", "Private_Dirty:") - rss;
    fiber_sleep(4 * NS_PER_S, NULL);
    double later = memory_kb("/proc/self/smaps_rollup", "Private_Dirty:") - rss;
    show("10,000 fibers held: memory each, at first", first / n, "KB");
    show("                    after 4 s of waiting", later / n, "KB");
    show("                    page tables each",
         (memory_kb("/proc/self/status", "VmPTE:") - pte) / n, "KB");
    show("                    mappings of the process", count_mappings(), "");
    show("                    deepest stack", (double)fiber_stack_high() / 1024, "KB");
    for (int i = 0; i < n; i++)
        fiber_wake(f[i]);
    fiber_sleep(3 * NS_PER_S, NULL);
    show("10,000 fibers ended: memory left, all together",
         memory_kb("/proc/self/smaps_rollup", "Private_Dirty:") - rss, "KB");
}

static void run_all(void *arg)
{
    hold(10000); /* first, as it counts fresh memory */
    measure("bare switch", bare_switch, 2000000);
    measure("wait and wake, 2 fibers (two switches and the run queue)", wakes, 2);
    measure("wait and wake, 100 fibers in a ring", wakes, 100);
    measure("wait and wake, 1,000 fibers in a ring", wakes, 1000);
    measure("wait and wake, 10,000 fibers in a ring", wakes, 10000);
    measure("yield, 1 fiber (and a look at the descriptors)", yields, 1);
    measure("yield, 100 fibers", yields, 100);
    measure("start and end on a pooled stack", start_and_end, 200000);
    measure("start and join one child", start_and_join, 200000);
    measure("byte over a socket pair, with deadline", byte, 50000);
    measure("job on a worker, 1 in flight: CPU of both threads", round_trips, 1);
    measure("job on a worker, 4 in flight", round_trips, 4);
    measure("job on a worker, 32 in flight", round_trips, 32);
    measure("job on a worker, 256 in flight", round_trips, 256);
    loop_stop(arg);
}

static void start(void *arg)
{
    fiber_go(run_all, arg, "bench");
}

int main(void)
{
    struct err e;
    struct loop *l = loop_new(&e);
    CHECK(l && work_start(1, &e));
    loop_post(l, start, l);
    loop_run(l);
    work_stop();
    loop_free(l);
    return 0;
}
