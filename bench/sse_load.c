/* Streams from a gateway, or straight from mock_provider: how long until the first event, and how
 * long each event was under way.
 *
 *     sse_load --port N [--conns 64] [--seconds 5] [--body 1024] [--key K] [--model mock] [--hold]
 *
 * Each connection asks for a stream, reads it to its end and asks again, until the time is over.
 * With --hold each asks once; when all streams have begun a line "held N" is printed, and they are
 * held for the time given. The result is one line of JSON. Answers are read with the parsers of
 * the product, strictly: anything but a whole stream is counted as an error. What is counted are
 * events that arrive here and say when they were sent: all of an answer, but not the usage behind
 * it, which a gateway may ask for on its own.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "net/http.h"
#include "net/sse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_MAX = 1 << 16, RAMP = 200 /* streams on their way to the first event, with --hold */ };

static struct {
    int port, conns, body;
    double seconds;
    const char *key, *model;
    bool hold;
} opt = {.port = 9100, .conns = 64, .body = 1024, .seconds = 5, .key = "none", .model = "mock"};

struct series {
    uint32_t *us10; /* tenths of a microsecond */
    size_t n, cap;
};

struct stream {
    int fd;
    int64_t asked_ns;
    bool begun, in_body; /* the first event, the head have been seen */
    struct buf head;
    struct http_chunked chunked;
    struct sse_reader sse;
};

static int epoll_fd;
static struct buf request;
static struct series ttft, relay;
static uint64_t done, errors, events;
static int opened, held;
static const struct http_limits limits = {1 << 14, 1 << 16, UINT64_MAX};

static void add(struct series *s, int64_t ns)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 1 << 16;
        s->us10 = mem_resize(s->us10, s->cap, sizeof(*s->us10));
    }
    int64_t us10 = ns / 100;
    s->us10[s->n++] = us10 < 0 ? 0 : us10 > UINT32_MAX ? UINT32_MAX : (uint32_t)us10;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double quantile(const struct series *s, double q) /* of a sorted one; us */
{
    return s->n ? s->us10[(size_t)((double)(s->n - 1) * q)] / 10.0 : 0;
}

static void ask(struct stream *s)
{
    s->asked_ns = clock_now();
    s->begun = s->in_body = false;
    s->chunked = (struct http_chunked){0};
    buf_reset(&s->head);
    sse_fini(&s->sse);
    sse_init(&s->sse, 1 << 20);
    if (send(s->fd, request.p, request.len, MSG_NOSIGNAL) != (ssize_t)request.len)
        shutdown(s->fd, SHUT_RDWR); /* the reader then counts it */
}

static void dial(struct stream *s)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(s->fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) != 0) {
        perror("sse_load: cannot connect");
        exit(1);
    }
    opened++;
    ask(s);
}

static void again(struct stream *s)
{
    held -= s->begun;
    if (!opt.hold) {
        ask(s);
        return;
    }
    errors++; /* a held stream must not end */
    close(s->fd);
    s->fd = -1;
}

static void broken(struct stream *s)
{
    errors++;
    held -= s->begun;
    close(s->fd);
    s->fd = -1;
    if (!opt.hold)
        dial(s);
}

/* ---- Reading ---- */

static void event(struct stream *s, struct str data, int64_t now_ns)
{
    if (!s->begun) {
        s->begun = true;
        held++;
        add(&ttft, now_ns - s->asked_ns);
    }
    size_t at = str_find(data, STR("\"fp_"));
    int64_t sent_ns;
    if (at == STR_NPOS)
        return;
    struct str stamp = str_from_at(data, at + 4);
    if (str_to_i64(str_head(stamp, str_find_char(stamp, '"')), &sent_ns)) {
        events++;
        add(&relay, now_ns - sent_ns);
    }
}

/* 1 = the stream has ended, 0 = it goes on, -1 = it is broken. */
static int body(struct stream *s, struct str in, int64_t now_ns)
{
    struct sse_event ev;
    struct str piece;
    while (in.len) {
        ssize_t used = http_chunked_next(&s->chunked, in, &piece, &limits, NULL);
        if (used <= 0)
            return -1;
        in = str_from_at(in, (size_t)used);
        sse_feed(&s->sse, piece);
        int got;
        while ((got = sse_next(&s->sse, &ev, NULL)) > 0)
            event(s, ev.data, now_ns);
        if (got < 0)
            return -1;
        if (s->chunked.state == CHUNK_END)
            return in.len || !s->begun ? -1 : 1;
    }
    return 0;
}

static int head(struct stream *s, struct str in, int64_t now_ns)
{
    static struct http_header space[HTTP_HEADERS_MAX];
    struct http_head h;
    buf_add(&s->head, in);
    ssize_t used = http_parse_response(&h, space, buf_str(&s->head), &limits, false, NULL);
    if (used <= 0)
        return (int)used;
    if (h.status != 200 || h.framing != HTTP_CHUNKED)
        return -1;
    s->in_body = true;
    return body(s, str_from_at(buf_str(&s->head), (size_t)used), now_ns);
}

static void readable(struct stream *s)
{
    static char in[READ_MAX];
    ssize_t n = recv(s->fd, in, sizeof(in), MSG_DONTWAIT);
    int64_t now_ns = clock_now();
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    struct str piece = {in, n > 0 ? (size_t)n : 0};
    int got = n <= 0 ? -1 : s->in_body ? body(s, piece, now_ns) : head(s, piece, now_ns);
    if (got < 0) {
        broken(s);
    } else if (got > 0) {
        done++;
        again(s);
    }
}

/* ---- The run ---- */

static void build_request(void)
{
    static const char text[] = "Summarise the report on the bridge in three points. ";
    struct buf b;
    buf_init(&b, 1 << 24);
    buf_init(&request, 1 << 24);
    buf_printf(&b,
               "{\"model\":\"%s\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"",
               opt.model);
    while (b.len + 4 < (size_t)opt.body)
        buf_char(&b, text[b.len % (sizeof(text) - 1)]);
    buf_add(&b, STR("\"}]}"));
    buf_printf(&request,
               "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
               "Content-Type: application/json\r\nAuthorization: Bearer %s\r\n"
               "Content-Length: %zu\r\n\r\n",
               opt.port, opt.key, b.len);
    buf_add(&request, buf_str(&b));
    buf_fini(&b);
}

static void wait_events(int ms)
{
    struct epoll_event ev[256];
    int n = epoll_wait(epoll_fd, ev, 256, ms);
    for (int i = 0; i < n; i++)
        readable(ev[i].data.ptr);
}

static void result(double seconds)
{
    qsort(ttft.us10, ttft.n, sizeof(*ttft.us10), by_value);
    qsort(relay.us10, relay.n, sizeof(*relay.us10), by_value);
    printf("{\"seconds\":%.3f,\"streams\":%llu,\"events\":%llu,\"errors\":%llu,\"held\":%d,"
           "\"ttft_p50_us\":%.1f,\"ttft_p99_us\":%.1f,\"relay_p50_us\":%.1f,\"relay_p99_us\":%.1f,"
           "\"relay_max_us\":%.1f}\n",
           seconds, (unsigned long long)done, (unsigned long long)events,
           (unsigned long long)errors, held, quantile(&ttft, 0.5), quantile(&ttft, 0.99),
           quantile(&relay, 0.5), quantile(&relay, 0.99), quantile(&relay, 1));
}

static bool parse(int argc, char **argv)
{
    static const struct option names[] = {{"port", 1, NULL, 'p'},    {"conns", 1, NULL, 'c'},
                                          {"seconds", 1, NULL, 's'}, {"body", 1, NULL, 'b'},
                                          {"key", 1, NULL, 'k'},     {"model", 1, NULL, 'm'},
                                          {"hold", 0, NULL, 'h'},    {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'p': opt.port = (int)strtol(optarg, NULL, 10); break;
        case 'c': opt.conns = (int)strtol(optarg, NULL, 10); break;
        case 's': opt.seconds = strtod(optarg, NULL); break;
        case 'b': opt.body = (int)strtol(optarg, NULL, 10); break;
        case 'k': opt.key = optarg; break;
        case 'm': opt.model = optarg; break;
        case 'h': opt.hold = true; break;
        default: return false;
        }
    }
    return optind == argc && opt.conns > 0 && opt.port > 0 && opt.port < 65536;
}

int main(int argc, char **argv)
{
    struct rlimit lim;
    if (!parse(argc, argv)) {
        fprintf(stderr, "sse_load --port N [--conns N] [--seconds S] [--body BYTES] [--key K] "
                        "[--model M] [--hold]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
        lim.rlim_cur = lim.rlim_max;
        setrlimit(RLIMIT_NOFILE, &lim);
    }
    build_request();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct stream *all = mem_array((size_t)opt.conns, sizeof(*all));
    int64_t patience_ns = clock_now() + 120 * NS_PER_S;
    for (int i = 0; i < opt.conns; i++) {
        buf_init(&all[i].head, 1 << 16);
        while (opt.hold && opened - held >= RAMP && errors == 0 && clock_now() < patience_ns)
            wait_events(100);
        dial(&all[i]);
    }
    while (opt.hold && held < opt.conns && errors == 0 && clock_now() < patience_ns)
        wait_events(100);
    if (opt.hold) {
        printf("held %d\n", held);
        fflush(stdout);
        relay.n = 0; /* those of the opening do not count */
    }
    int64_t start_ns = clock_now(), end_ns = start_ns + (int64_t)(opt.seconds * 1e9);
    while (clock_now() < end_ns)
        wait_events(50);
    result((double)(clock_now() - start_ns) / 1e9);
    return 0;
}
