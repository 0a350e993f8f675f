/* Whatever a provider of Anthropic's protocol answers, as a stream or as a whole: it is read to a
 * client of the same protocol and to one of another. What is good for the first is good for the
 * second, with the same usage and end; a good answer has one end, and it comes last; a tool's
 * arguments follow its call; a failure says why. The first byte of an input says whether it is a
 * stream. The answer comes over a socket, from a fiber of the same loop. */
#include "base/clock.h"
#include "model/provider.h"
#include "run/io.h"

#include "../test/unit/on_loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Where the provider listens, for all runs: ports would be used up. */
static struct sockaddr_un place = {.sun_family = AF_UNIX};
static int listener = -1;

struct run {
    struct str answer;
    bool stream, decode;
    /* what came of it */
    bool good;
    struct attempt attempt;
    struct chat_sink sink;
    size_t finished;
    bool in_call;
};

static void remove_place(void)
{
    unlink(place.sun_path);
}

static void open_listener(void)
{
    if (listener >= 0)
        return;
    snprintf(place.sun_path, sizeof(place.sun_path), "/tmp/penstock-fuzz-%d.sock", (int)getpid());
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&place, sizeof(place)) == 0);
    CHECK(listen(listener, 1) == 0 && atexit(remove_place) == 0);
}

/* Answers one request and closes, which is the end of its body. */
static void serve(void *arg)
{
    struct run *r = arg;
    struct io door, io;
    struct err e;
    char request[16384];
    struct str head = r->stream ? STR("HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n\r\n")
                                : STR("HTTP/1.1 200 X\r\nContent-Type: application/json\r\n\r\n");
    struct iovec out[] = {{(void *)head.p, head.len}, {(void *)r->answer.p, r->answer.len}};
    CHECK(io_open(&door, dup(listener), NULL, &e) && io_wait(&door, EPOLLIN, CLOCK_NEVER, &e));
    int fd = accept4(door.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    CHECK(fd >= 0 && io_open(&io, fd, NULL, &e));
    io_read(&io, request, sizeof(request), CLOCK_NEVER, &e);
    io_writev(&io, out, 2, CLOCK_NEVER, &e);
    shutdown(fd, SHUT_WR);
    while (io_read(&io, request, sizeof(request), CLOCK_NEVER, &e) > 0)
        ;
    io_close(&io);
    io_close(&door);
}

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct run *r = CONTAINER_OF(sink, struct run, sink);
    (void)e;
    CHECK((ev->kind == CHAT_RAW) == !r->decode && r->finished == 0);
    CHECK(ev->kind != CHAT_ARGUMENTS || r->in_call);
    CHECK(ev->kind != CHAT_RAW || ev->raw.len > 0);
    if (ev->kind == CHAT_TOOL_CALL)
        r->in_call = true;
    r->finished += ev->kind == CHAT_FINISH;
    return true;
}

static void run(void *arg)
{
    struct run *r = arg;
    struct arena *a = arena_new();
    struct err e = {0};
    struct provider p;
    struct provider_endpoint endpoint = {0};
    struct str key = STR("k");
    struct target target = {.provider = &p, .upstream = STR("claude-x")};
    struct chat_message m = {.role = CHAT_USER, .text = STR("Hi")};
    struct call c = {.arena = a,
                     .early = a,
                     .id = "req_1",
                     .deadline_ns = CLOCK_NEVER,
                     .http = http_client_new(NULL),
                     .req = {.dialect = r->decode ? CHAT_OPENAI : CHAT_ANTHROPIC,
                             .model = STR("m"),
                             .stream = r->stream,
                             .message = &m,
                             .n_messages = 1,
                             .options = arena_struct(a, struct chat_options)}};
    CHECK(json_parse(&c.req.body, a, STR("{\"model\":\"m\",\"messages\":[]}"), 0, &e));
    CHECK(provider_init(&p, a, STR("p"), vendor_find(STR("anthropic")), &key, 1, &e));
    CHECK(http_origin_parse(&endpoint.origin, a, arena_printf(a, "unix:%s", place.sun_path), &e));
    p.endpoint = &endpoint;
    p.n_endpoints = 1;
    c.said.keep = true;
    buf_init(&c.said.text, 1 << 20);
    r->sink.event = take;
    r->attempt = (struct attempt){.call = &c,
                                  .target = &target,
                                  .endpoint = &endpoint,
                                  .key = p.key,
                                  .sink = &r->sink,
                                  .said = &c.said};
    fiber_go(serve, r, "serve");
    r->good = provider_anthropic.answer(&r->attempt, &e);
    CHECK(r->good || (e.code != ERR_NONE && e.msg[0]));
    CHECK(r->finished == (r->good && r->decode));
    http_client_free(c.http);
    buf_fini(&c.said.text);
    arena_free(a);
}

static void read_as(struct run *r, const uint8_t *data, size_t size, bool decode)
{
    *r = (struct run){
        .answer = {(const char *)data + 1, size - 1}, .stream = data[0] & 1, .decode = decode};
    open_listener();
    on_loop(run, r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run own, other;
    if (size < 1 || size > 65536)
        return 0;
    read_as(&own, data, size, false);
    read_as(&other, data, size, true);
    const struct chat_usage *u = &own.attempt.usage, *v = &other.attempt.usage;
    CHECK(!own.good || other.good);
    CHECK(!own.good || (u->input == v->input && u->output == v->output && u->cached == v->cached &&
                        own.attempt.finish == other.attempt.finish));
    return 0;
}
