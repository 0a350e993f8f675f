/* How long a start takes: a store with many chunks is opened, with the snapshots of its indexes.
 *
 *     build/bench_start [chunks] [directory]
 *
 * Made once (documents of 10 passages of 80 words, drawn as words of a language are, by Zipf's
 * law), learned and saved; then opened five times: the database, and the indexes caught up with it.
 * At last the program itself, the `penstock` beside this one, is started five times, each until
 * /readyz says 200 on the socket in its data directory.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "index/search.h"
#include "store/doc.h"

#include <fcntl.h>
#include <libgen.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PASSAGES = 10,
    WORDS = 80,
    VOCABULARY = 60000,
    OPENINGS = 5,
    SETTLE_MS = 900000,
    READY_MS = 30000
};

static struct db *d;
static struct search_set *s;
static struct err e;

static void must(bool good)
{
    if (!good) {
        fprintf(stderr, "bench_start: %s\n", e.msg);
        exit(1);
    }
}

static void open_all(const char *dir)
{
    must(db_open(&d, &(struct db_options){.dir = dir}, &e));
    must(search_open(&s, d, dir, &e));
}

static void close_all(void)
{
    search_close(s);
    db_close(d);
}

static double random_unit(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (double)(*seed >> 11) / (double)(UINT64_C(1) << 53);
}

/* Documents have subjects: half of their words come from a narrow part of the vocabulary. */
static struct str passage(struct arena *a, uint64_t *seed, unsigned subject)
{
    char text[WORDS * 12];
    size_t len = 0;
    for (int i = 0; i < WORDS; i++) {
        unsigned rank = (unsigned)exp(random_unit(seed) * log(VOCABULARY));
        if (i % 2)
            rank = 1000 + subject * 100 + rank % 100;
        len += (size_t)snprintf(text + len, sizeof(text) - len, "w%ux ", rank % VOCABULARY);
    }
    return arena_copy(a, (struct str){text, len});
}

static void fill(size_t chunks)
{
    struct arena *a = arena_new();
    struct doc_collection c = {.name = STR("bench")};
    uint64_t seed = 7;
    must(doc_collection_create(d, a, &c, &e));
    struct str id = {mem_text(c.id.p), c.id.len};
    for (size_t i = 0; i < chunks / PASSAGES; i++) {
        struct doc_chunk chunk[PASSAGES];
        for (int k = 0; k < PASSAGES; k++)
            chunk[k] = (struct doc_chunk){.text = passage(a, &seed, (unsigned)(i % 500))};
        struct doc_document doc = {.collection = id,
                                   .uri = arena_printf(a, "file%zu.md", i),
                                   .name = arena_printf(a, "file%zu.md", i),
                                   .language = STR("en"),
                                   .attributes = arena_printf(a, "{\"part\":%zu}", i % 17)};
        must(doc_put(d, &doc, chunk, PASSAGES, &e));
        arena_reset(a);
    }
    mem_free((char *)id.p);
    arena_free(a);
}

/* ---- The program ---- */

static bool ready(const char *dir)
{
    static const char ask[] = "GET /readyz HTTP/1.1\r\nHost: local\r\nConnection: close\r\n\r\n";
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s/penstock.sock", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char answer[13] = "";
    bool yes = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
               write(fd, ask, sizeof(ask) - 1) == sizeof(ask) - 1 &&
               recv(fd, answer, 12, MSG_WAITALL) == 12 && strcmp(answer, "HTTP/1.1 200") == 0;
    close(fd);
    return yes;
}

static pid_t start_program(const char *program, const char *dir)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDOUT_FILENO);
    execl(program, program, "serve", "--data", dir, "--listen", "127.0.0.1:0", (char *)NULL);
    fprintf(stderr, "bench_start: %s does not start\n", program);
    _exit(127);
}

static void serve_once(const char *program, const char *dir)
{
    int64_t start = clock_now();
    pid_t pid = start_program(program, dir);
    bool up = false;
    while (!up && clock_now() - start < READY_MS * NS_PER_MS && waitpid(pid, NULL, WNOHANG) == 0) {
        up = ready(dir);
        usleep(200);
    }
    double took = (double)(clock_now() - start) / 1e6;
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    if (!up) {
        fprintf(stderr, "bench_start: %s was not ready in %d s\n", program, READY_MS / 1000);
        exit(1);
    }
    printf("served             %8.1f ms until /readyz says 200\n", took);
}

int main(int argc, char **argv)
{
    size_t chunks = argc > 1 ? (size_t)atoll(argv[1]) : 100000;
    char made[] = "/tmp/bench-start-XXXXXX";
    const char *dir = argc > 2 ? argv[2] : mkdtemp(made);
    mkdir(dir, 0700);
    open_all(dir);
    int64_t start = clock_now();
    fill(chunks);
    printf("stored             %8.1f s\n", (double)(clock_now() - start) / 1e9);
    start = clock_now();
    must(search_catch_up(s, &e));
    printf("words indexed      %8.1f s\n", (double)(clock_now() - start) / 1e9);
    start = clock_now();
    search_settle(s, SETTLE_MS);
    printf("learned, embedded  %8.1f s\n", (double)(clock_now() - start) / 1e9);
    start = clock_now();
    close_all();
    printf("closed             %8.1f s\n", (double)(clock_now() - start) / 1e9);
    for (int i = 0; i < OPENINGS; i++) {
        int64_t from = clock_now(), cpu = clock_thread_cpu();
        must(db_open(&d, &(struct db_options){.dir = dir}, &e));
        int64_t database = clock_now();
        must(search_open(&s, d, dir, &e));
        int64_t end = clock_now();
        printf("opened             %8.1f ms (%.1f ms the database), %.1f ms of CPU, %zu chunks\n",
               (double)(end - from) / 1e6, (double)(database - from) / 1e6,
               (double)(clock_thread_cpu() - cpu) / 1e6, chunks);
        search_settle(s, SETTLE_MS);
        close_all();
    }
    char self[4096], program[4200];
    snprintf(self, sizeof(self), "%s", argv[0]);
    snprintf(program, sizeof(program), "%s/penstock", dirname(self));
    for (int i = 0; i < OPENINGS; i++)
        serve_once(program, dir);
    return 0;
}
