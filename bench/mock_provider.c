/* A provider to measure gateways against: it answers like a server of OpenAI's protocol or of
 * Anthropic's, costs little itself, and does the same thing every time.
 *
 *     POST .../chat/completions   a completion of some 400 bytes; a stream when "stream" is true
 *     POST .../messages           the same as Anthropic's API has it
 *     GET  .../models             the one model, "mock"
 *
 *     mock_provider --port N [--chunks 20] [--delay-ms 5] [--first-ms 0]
 *
 * It says on which port it listens; with 0 that is one that is free.
 * A stream has `chunks` events, `delay-ms` apart, the first `first-ms` behind the request. Each
 * says when it was sent ("fp_" and monotonic nanoseconds; in the text where the protocol has no
 * place for it), so that a reader on the same machine knows how long it was under way. A request
 * with "include_usage" also gets an event with the usage, as the protocol has it; it does not say
 * when it was sent, so that those who count the ones that do count the same with and without it.
 * One thread, level-triggered epoll. All streams have the same delay, so the one that is due first
 * is the one that was queued first: the timers are two plain lists.
 */
#include "base/clock.h"
#include "base/list.h"
#include "base/str.h"

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

enum { IN_MAX = 1 << 20, EVENT_MAX = 512 };

static struct {
    int port, chunks;
    int64_t delay_ns, first_ns;
} opt = {.port = 9100, .chunks = 20, .delay_ns = 5 * NS_PER_MS};

static int epoll_fd, listener;
static struct list first = {&first, &first}, next = {&next, &next}; /* streams by due time */

struct client {
    int fd;
    char *in; /* a request that has not come as a whole; NULL when there is none */
    size_t in_len;
    struct list due; /* in one of the lists while a stream goes on */
    int64_t due_ns;
    int sent;      /* chunks of this stream */
    bool messages; /* in Anthropic's protocol */
    bool usage;    /* wanted at the end of the stream */
};

static const char completion[] =
    "{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion\",\"created\":1700000000,"
    "\"model\":\"mock\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
    "\"The report says that the bridge will be open again in spring, as planned.\"},"
    "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":210,"
    "\"completion_tokens\":17,\"total_tokens\":227},\"system_fingerprint\":\"fp_0\"}";
static const char message[] =
    "{\"id\":\"msg_0123456789abcdef\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
    "\"mock\",\"content\":[{\"type\":\"text\",\"text\":\"The report says that the bridge will be "
    "open again in spring, as planned.\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,"
    "\"usage\":{\"input_tokens\":210,\"output_tokens\":17}}";
static const char models[] =
    "{\"object\":\"list\",\"data\":[{\"id\":\"mock\",\"object\":\"model\",\"created\":1700000000,"
    "\"owned_by\":\"bench\"}]}";
static const char stream_head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                  "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

static void hang_up(struct client *c)
{
    close(c->fd);
    list_remove(&c->due);
    mem_free(c->in);
    mem_free(c);
}

/* A client so slow that the socket is full is cut off: this is no test of that. */
static bool put(struct client *c, const char *p, size_t n)
{
    if (send(c->fd, p, n, MSG_NOSIGNAL) == (ssize_t)n)
        return true;
    hang_up(c);
    return false;
}

static bool put_json(struct client *c, const char *status, const char *json)
{
    char out[1024];
    int n =
        snprintf(out, sizeof(out),
                 "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                 status, strlen(json), json);
    return put(c, out, (size_t)n);
}

/* ---- Streams ---- */

/* An event as a chunk; `type` names it in Anthropic's protocol, NULL in OpenAI's. */
static int event(char *out, size_t size, const char *type, const char *data)
{
    char name[64] = "";
    if (type)
        snprintf(name, sizeof(name), "event: %s\n", type);
    return snprintf(out, size, "%zx\r\n%sdata: %s\n\n\r\n", strlen(name) + strlen(data) + 8, name,
                    data);
}

/* Where usage is wanted all chunks before that with the usage say that it is null. */
static int put_completion_chunk(char *out, size_t size, bool last, bool usage, int64_t now_ns)
{
    static const char totals[] =
        "{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":"
        "1700000000,\"model\":\"mock\",\"choices\":[],\"usage\":{\"prompt_tokens\":210,"
        "\"completion_tokens\":17,\"total_tokens\":227}}";
    char data[EVENT_MAX];
    snprintf(
        data, sizeof(data),
        "{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":"
        "1700000000,\"model\":\"mock\",\"system_fingerprint\":\"fp_%lld\",\"choices\":[{"
        "\"index\":0,\"delta\":{\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":%s}]%s}",
        (long long)now_ns, last ? "\"stop\"" : "null", usage ? ",\"usage\":null" : "");
    int n = event(out, size, NULL, data);
    if (last && usage)
        n += event(out + n, size - (size_t)n, NULL, totals);
    if (last)
        n += event(out + n, size - (size_t)n, NULL, "[DONE]");
    return n;
}

static int put_message_chunk(char *out, size_t size, bool first_one, bool last, int64_t now_ns)
{
    static const char start[] =
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_0123456789abcdef\",\"type\":"
        "\"message\",\"role\":\"assistant\",\"model\":\"mock\",\"content\":[],\"stop_reason\":null,"
        "\"stop_sequence\":null,\"usage\":{\"input_tokens\":210,\"output_tokens\":1}}}";
    char data[EVENT_MAX];
    int n = 0;
    if (first_one) {
        n += event(out, size, "message_start", start);
        n += event(out + n, size - (size_t)n, "content_block_start",
                   "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
                   "\"text\",\"text\":\"\"}}");
    }
    snprintf(data, sizeof(data),
             "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
             "\"text\":\" word fp_%lld\"}}",
             (long long)now_ns);
    n += event(out + n, size - (size_t)n, "content_block_delta", data);
    if (last) {
        n += event(out + n, size - (size_t)n, "content_block_stop",
                   "{\"type\":\"content_block_stop\",\"index\":0}");
        n += event(out + n, size - (size_t)n, "message_delta",
                   "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
                   "\"stop_sequence\":null},\"usage\":{\"output_tokens\":17}}");
        n += event(out + n, size - (size_t)n, "message_stop", "{\"type\":\"message_stop\"}");
    }
    return n;
}

static bool put_chunk(struct client *c, int64_t now_ns)
{
    char out[4 * EVENT_MAX];
    bool last = ++c->sent == opt.chunks;
    int n = c->messages ? put_message_chunk(out, sizeof(out), c->sent == 1, last, now_ns)
                        : put_completion_chunk(out, sizeof(out), last, c->usage, now_ns);
    if (last)
        n += snprintf(out + n, sizeof(out) - (size_t)n, "0\r\n\r\n");
    if (!put(c, out, (size_t)n))
        return false;
    if (last) {
        list_remove(&c->due);
        return true;
    }
    c->due_ns += opt.delay_ns;
    list_remove(&c->due);
    list_add(&next, &c->due);
    return true;
}

static bool start_stream(struct client *c)
{
    c->sent = 0;
    c->due_ns = clock_now() + opt.first_ns;
    if (!put(c, stream_head, sizeof(stream_head) - 1))
        return false;
    if (opt.first_ns == 0)
        return put_chunk(c, c->due_ns);
    list_add(&first, &c->due);
    return true;
}

/* Sends what is due; returns the nanoseconds to the next, -1 when there is none. */
static int64_t run_due(struct list *l)
{
    while (!list_empty(l)) {
        struct client *c = list_entry(l->next, struct client, due);
        int64_t now_ns = clock_now();
        if (c->due_ns > now_ns)
            return c->due_ns - now_ns;
        put_chunk(c, now_ns);
    }
    return -1;
}

/* ---- Requests ---- */

static struct str header(struct str head, struct str name)
{
    struct str line;
    while (str_split(&head, '\n', &line))
        if (str_istarts(line, name))
            return str_trim(str_from_at(line, name.len));
    return STR_NONE;
}

/* Is a member with this name (quoted, with its colon) true? */
static bool is_true(struct str body, struct str name)
{
    size_t at = str_find(body, name);
    return at != STR_NPOS && str_starts(str_trim(str_from_at(body, at + name.len)), STR("true"));
}

static bool answer(struct client *c, struct str head, struct str body)
{
    struct str line = str_head(head, str_find_char(head, '\r'));
    if (str_find(line, STR("/models ")) != STR_NPOS)
        return put_json(c, "200 OK", models);
    c->messages = str_find(line, STR("/messages ")) != STR_NPOS;
    if (!c->messages && str_find(line, STR("/chat/completions ")) == STR_NPOS)
        return put_json(c, "404 Not Found", "{\"error\":{\"message\":\"no such path\"}}");
    c->usage = is_true(body, STR("\"include_usage\":"));
    if (is_true(body, STR("\"stream\":")))
        return start_stream(c);
    return put_json(c, "200 OK", c->messages ? message : completion);
}

/* Bytes of the first request in `in`, 0 when it is not whole; *good: the client is still there. */
static size_t take_request(struct client *c, struct str in, bool *good)
{
    size_t end = str_find(in, STR("\r\n\r\n"));
    if (end == STR_NPOS)
        return 0;
    struct str head = str_head(in, end + 4);
    uint64_t length = 0;
    str_to_u64(header(head, STR("content-length:")), &length);
    if (in.len - head.len < length)
        return 0;
    *good = answer(c, head, str_head(str_from_at(in, head.len), (size_t)length));
    return head.len + (size_t)length;
}

static void readable(struct client *c)
{
    static char fresh[IN_MAX];
    char *in = c->in ? c->in : fresh;
    ssize_t n = recv(c->fd, in + c->in_len, IN_MAX - c->in_len, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            hang_up(c);
        return;
    }
    struct str rest = {in, c->in_len + (size_t)n};
    size_t used;
    bool good = true;
    while (good && (used = take_request(c, rest, &good)) > 0)
        rest = str_from_at(rest, used);
    if (!good)
        return;
    if (rest.len == IN_MAX) {
        hang_up(c);
        return;
    }
    if (rest.len && !c->in)
        c->in = mem_new(IN_MAX);
    if (rest.len)
        memmove(c->in, rest.p, rest.len);
    c->in_len = rest.len;
    if (!rest.len) {
        mem_free(c->in);
        c->in = NULL;
    }
}

static void accept_all(void)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct client *c = mem_new(sizeof(*c));
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
        c->fd = fd;
        list_init(&c->due);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
            hang_up(c);
    }
}

/* ---- Start ---- */

static bool open_listener(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN};
    if (bind(listener, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&sa, &(socklen_t){sizeof(sa)}) != 0 ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &ev) != 0)
        return false;
    printf("listening on %d\n", ntohs(sa.sin_port));
    return fflush(stdout) == 0;
}

static void loop(void)
{
    struct epoll_event ev[256];
    for (;;) {
        int64_t a = run_due(&first), b = run_due(&next);
        int64_t ns = a < 0 || (b >= 0 && b < a) ? b : a;
        struct timespec wait = {ns / NS_PER_S, ns % NS_PER_S};
        int n = epoll_pwait2(epoll_fd, ev, 256, ns < 0 ? NULL : &wait, NULL);
        for (int i = 0; i < n; i++) {
            if (ev[i].data.ptr)
                readable(ev[i].data.ptr);
            else
                accept_all();
        }
    }
}

static bool parse(int argc, char **argv)
{
    static const struct option names[] = {{"port", 1, NULL, 'p'},
                                          {"chunks", 1, NULL, 'c'},
                                          {"delay-ms", 1, NULL, 'd'},
                                          {"first-ms", 1, NULL, 'f'},
                                          {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        long n = c == '?' ? -1 : strtol(optarg, NULL, 10);
        switch (c) {
        case 'p': opt.port = (int)n; break;
        case 'c': opt.chunks = (int)n; break;
        case 'd': opt.delay_ns = n * NS_PER_MS; break;
        case 'f': opt.first_ns = n * NS_PER_MS; break;
        default: return false;
        }
    }
    return optind == argc && opt.port >= 0 && opt.port < 65536 && opt.chunks > 0 &&
           opt.delay_ns >= 0 && opt.first_ns >= 0;
}

int main(int argc, char **argv)
{
    struct rlimit lim;
    if (!parse(argc, argv)) {
        fprintf(stderr, "mock_provider --port N [--chunks N] [--delay-ms N] [--first-ms N]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
        lim.rlim_cur = lim.rlim_max;
        setrlimit(RLIMIT_NOFILE, &lim);
    }
    if (!open_listener()) {
        perror("mock_provider");
        return 1;
    }
    loop();
}
