/* What the server costs by itself: CPU of the loop's thread per request (1 KB POST, 400 bytes of
 * answer, 32 connections kept alive), and memory per idle connection and per held stream. The
 * client runs in another thread of the same process over loopback; its sockets are kernel memory
 * and its arrays are there from the start, so what the process grows by is the server's.
 *
 * The requests' rounds include waiting for a client that shares the machine: CPU is what counts. */
#include "base/clock.h"
#include "net/server.h"
#include "run/fiber.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CONNECTIONS = 32, ROUNDS = 6000, HELD = 4000 };

static struct loop *loop;
static struct http_server *server;
static uint16_t port;
static sem_t done;
static struct rusage usage;
static char request[2048], answer[400];
static size_t request_len;
static atomic_bool holding; /* answers are streams that do not end */

static void handler(struct http_request *r, void *ctx)
{
    (void)ctx;
    struct str body;
    const struct http_header type = {STR("Content-Type"), STR("application/json")};
    CHECK(http_request_body(r, &body, NULL) && body.len == 1024);
    if (holding) {
        const struct str piece = STR("data: x\n\n");
        if (http_reply_start(r, 200, &type, 1, NULL) && http_reply_write(r, &piece, 1, NULL))
            fiber_sleep(3600 * NS_PER_S, NULL);
        return;
    }
    const struct str text = {answer, sizeof(answer)};
    http_reply(r, 200, &type, 1, &text, 1, NULL);
}

static void open_server(void *arg)
{
    (void)arg;
    struct err e;
    const struct http_server_options opt = {.handler = handler};
    CHECK(http_server_open(&server, "127.0.0.1:0", &opt, &e));
    port = http_server_port(server);
    sem_post(&done);
}

static void close_server(void *arg)
{
    (void)arg;
    http_server_close(server);
    sem_post(&done);
}

static void read_usage(void *arg)
{
    (void)arg;
    getrusage(RUSAGE_THREAD, &usage);
    sem_post(&done);
}

static struct rusage on_loop(void (*fn)(void *))
{
    loop_post(loop, fn, NULL);
    sem_wait(&done);
    return usage;
}

static int dial(void)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    return fd;
}

static void one_round(const int *fd)
{
    char in[2048];
    for (int i = 0; i < CONNECTIONS; i++)
        CHECK(send(fd[i], request, request_len, 0) == (ssize_t)request_len);
    for (int i = 0; i < CONNECTIONS; i++)
        CHECK(recv(fd[i], in, sizeof(in), 0) > (ssize_t)sizeof(answer));
}

static double us(struct timeval a, struct timeval b)
{
    return (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_usec - a.tv_usec);
}

static void requests(void)
{
    int fd[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++)
        fd[i] = dial();
    for (int i = 0; i < 200; i++)
        one_round(fd);
    struct rusage from = on_loop(read_usage);
    for (int i = 0; i < ROUNDS; i++)
        one_round(fd);
    struct rusage to = on_loop(read_usage);
    double n = (double)ROUNDS * CONNECTIONS;
    double user = us(from.ru_utime, to.ru_utime) / n, sys = us(from.ru_stime, to.ru_stime) / n;
    printf("request: %.2f us of CPU, %.2f user\n", user + sys, user);
    for (int i = 0; i < CONNECTIONS; i++)
        close(fd[i]);
}

static double resident_kb(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fscanf(f, "%*d %ld", &pages) == 1);
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static void memory(void)
{
    static int fd[HELD];
    char in[512];
    double before = resident_kb();
    for (int i = 0; i < HELD; i++)
        fd[i] = dial();
    on_loop(read_usage);
    usleep(300000); /* all accepted */
    double idle = resident_kb();
    atomic_store(&holding, true);
    for (int i = 0; i < HELD; i++)
        CHECK(send(fd[i], request, request_len, 0) > 0 && recv(fd[i], in, sizeof(in), 0) > 0);
    double held = resident_kb();
    sleep(4); /* stacks that wait give back what they do not use */
    double later = resident_kb();
    printf("idle connection: %.2f KB; held stream: %.2f KB, after some seconds %.2f KB\n",
           (idle - before) / HELD, (held - before) / HELD, (later - before) / HELD);
    for (int i = 0; i < HELD; i++)
        close(fd[i]);
}

static void *client(void *arg)
{
    (void)arg;
    on_loop(open_server);
    requests();
    memory();
    on_loop(close_server);
    loop_stop(loop);
    return NULL;
}

int main(void)
{
    struct err e;
    pthread_t thread;
    struct rlimit files = {3 * HELD, 3 * HELD};
    setrlimit(RLIMIT_NOFILE, &files);
    memset(answer, 'x', sizeof(answer));
    request_len = (size_t)snprintf(request, sizeof(request),
                                   "POST /v1/chat/completions HTTP/1.1\r\n"
                                   "Host: 127.0.0.1:8080\r\nConnection: keep-alive\r\n"
                                   "Authorization: Bearer sk-0123456789abcdef0123456789abcdef\r\n"
                                   "Content-Type: application/json\r\nAccept: application/json\r\n"
                                   "User-Agent: OpenAI/JS 6.0.0\r\nContent-Length: 1024\r\n\r\n"
                                   "%01024d",
                                   0);
    sem_init(&done, 0, 0);
    loop = loop_new(&e);
    CHECK(loop && pthread_create(&thread, NULL, client, NULL) == 0);
    loop_run(loop);
    pthread_join(thread, NULL);
    loop_free(loop);
    return 0;
}
