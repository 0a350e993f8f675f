#include "cmd/local.h"
#include "base/clock.h"
#include "base/log.h"
#include "cmd/cli.h"
#include "gateway/service.h"
#include "net/sse.h"
#include "run/fiber.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_MAX = 256 << 20, EVENT_MAX = 64 << 20, DRAIN_MS = 5000 };

struct local {
    struct arena *arena;
    struct http_client *client;
    struct http_origin origin;
    int (*fn)(struct local *l, void *arg);
    void *arg;
};

struct arena *local_arena(struct local *l)
{
    return l->arena;
}

/* ---- Requests ---- */

/* The message of {"error":{"message":...}}, or the status when there is none. */
static bool refused(struct local *l, struct http_exchange *x, struct err *e)
{
    int status = x->head.status;
    struct str body;
    struct json doc;
    bool read = http_exchange_body(x, &body, ANSWER_MAX, e);
    http_exchange_end(x);
    if (!read)
        return false;
    if (json_parse(&doc, l->arena, body, 0, e)) {
        struct json_value m = json_path(json_root(&doc), "error.message");
        if (json_is(m, JSON_STRING))
            return err_set(e, ERR_INVALID, "%.*s", STR_FMT(json_text(m, l->arena)));
    }
    return err_set(e, ERR_UPSTREAM, "the service answered with status %d", status);
}

bool local_start(struct local *l, const char *method, struct str path, struct str body,
                 struct http_exchange **x, struct err *e)
{
    const struct http_deadlines d = {
        .connect_ms = 5000, .first_byte_ms = 3600 * 1000, .idle_ms = 3600 * 1000};
    struct str type = body.len ? STR("Content-Type: application/json\r\n") : STR_NONE;
    if (!http_exchange_start(x, l->client, l->arena, l->arena, &l->origin, str_from(method), path,
                             type, &body, body.len ? 1 : 0, &d, e))
        return false;
    return (*x)->head.status < 400 || refused(l, *x, e);
}

bool local_call(struct local *l, const char *method, struct str path, struct str body,
                struct json *answer, struct err *e)
{
    struct http_exchange *x;
    struct str text;
    if (!local_start(l, method, path, body, &x, e))
        return false;
    bool good = http_exchange_body(x, &text, ANSWER_MAX, e);
    if (good)
        text = arena_copy(l->arena, text);
    http_exchange_end(x);
    return good && json_parse(answer, l->arena, text, 0, e);
}

static bool one_event(struct str data,
                      bool (*fn)(void *ctx, const struct json *data, struct err *e), void *ctx,
                      struct err *e)
{
    struct arena *a = arena_new(); /* streams may be long */
    struct json doc;
    bool good = json_parse(&doc, a, data, 0, e);
    struct json_value message =
        good ? json_path(json_root(&doc), "error.message") : (struct json_value){0};
    if (json_is(message, JSON_STRING))
        good = err_set(e, ERR_UPSTREAM, "%.*s", STR_FMT(json_text(message, a)));
    good = good && fn(ctx, &doc, e);
    arena_free(a);
    return good;
}

bool local_events(struct http_exchange *x,
                  bool (*fn)(void *ctx, const struct json *data, struct err *e), void *ctx,
                  struct err *e)
{
    struct sse_reader reader;
    struct sse_event ev;
    struct str piece;
    bool good = true, done = false;
    sse_init(&reader, EVENT_MAX);
    while (good && !done) {
        int got = http_exchange_read(x, &piece, e);
        good = got >= 0;
        if (got <= 0)
            break;
        sse_feed(&reader, piece);
        int more;
        while (good && !done && (more = sse_next(&reader, &ev, e)) != 0) {
            done = more > 0 && str_eq(ev.data, STR("[DONE]"));
            good = more > 0 && (done || one_event(ev.data, fn, ctx, e));
        }
    }
    sse_fini(&reader);
    http_exchange_end(x);
    return good;
}

/* ---- Where the service is ---- */

bool local_running(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(at.sun_path))
        return false;
    memcpy(at.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    if (fd >= 0)
        close(fd);
    return yes;
}

/* ---- A fiber for a command ---- */

struct command_run {
    struct loop *loop;
    struct fiber *fiber;
    int (*fn)(void *arg);
    void *arg;
    int code;
};

static void command_fiber(void *arg)
{
    struct command_run *c = arg;
    c->code = c->fn(c->arg);
    loop_stop(c->loop);
}

static void on_interrupt(void *arg, int signo)
{
    struct command_run *c = arg;
    (void)signo;
    fiber_cancel(c->fiber);
}

static void start_command(void *arg)
{
    struct command_run *c = arg;
    struct err e;
    if (!loop_on_signal(c->loop, SIGINT, on_interrupt, c, &e) ||
        !loop_on_signal(c->loop, SIGTERM, on_interrupt, c, &e)) {
        c->code = cli_fail(&e);
        loop_stop(c->loop);
        return;
    }
    c->fiber = fiber_go(command_fiber, c, "command");
}

int local_fiber(int (*fn)(void *arg), void *arg)
{
    struct err e;
    struct command_run c = {.loop = loop_new(&e), .fn = fn, .arg = arg, .code = CLI_FAILED};
    if (!c.loop)
        return cli_fail(&e);
    loop_post(c.loop, start_command, &c);
    loop_run(c.loop);
    loop_free(c.loop);
    return c.code;
}

static int call_service(void *arg)
{
    struct local *l = arg;
    l->client = http_client_new(NULL);
    int code = l->fn(l, l->arg);
    http_client_free(l->client);
    return code;
}

/* What was brought in is learned from now, as the next command would end too soon for it as well.
 * Signals are blocked: one that waits ends this. */
static void learn(struct service *own)
{
    enum { SLICE_MS = 100, MOST_MS = 10 * 60 * 1000 };
    sigset_t waiting;
    bool stop = false;
    for (int ms = 0; !stop && ms < MOST_MS && !search_settle(own->search, SLICE_MS); ms += SLICE_MS)
        stop = sigpending(&waiting) == 0 &&
               (sigismember(&waiting, SIGINT) == 1 || sigismember(&waiting, SIGTERM) == 1);
}

int local_run(const struct local_options *opt, int (*fn)(struct local *l, void *arg), void *arg)
{
    struct err e;
    struct service *own = NULL;
    struct local l = {.arena = arena_new(), .fn = fn, .arg = arg};
    struct str socket = service_socket(l.arena, opt->data_dir);
    const struct service_options so = {
        .data_dir = opt->data_dir, .config_file = opt->config_file, .private_only = true};
    int code;
    loop_block_signals();
    log_for_people(true);
    bool ready = log_open(NULL, LOG_WARN, &e) && http_origin_parse(&l.origin, l.arena, socket, &e);
    if (ready && !local_running(socket.p + 5))
        ready = service_open(&own, &so, &e) && service_start(own, &e);
    code = ready ? local_fiber(call_service, &l) : cli_fail(&e);
    if (own) {
        if (ready && opt->learn && code != CLI_INTERRUPTED)
            learn(own);
        if (ready)
            service_drain(own, DRAIN_MS);
        service_close(own);
    }
    log_close();
    arena_free(l.arena);
    return code;
}
