/* cmd_top.c - penstock top: what a running service does, live. */
#include "base/clock.h"
#include "cmd/cli.h"
#include "cmd/live.h"
#include "cmd/local.h"
#include "gateway/service.h"
#include "run/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum {
    EVERY_MS = 1000,
    WINDOW = 10, /* answers that are kept: rates are those of so many seconds */
    SCREEN_MOST = 1 << 20,
    ANY_ROWS = 1000000, /* when it is no screen */
    ANY_COLUMNS = 900,
};

struct top_run {
    bool once, json;
    struct io keys;
    struct termios before;
    struct answer {
        struct arena *arena;
        struct json doc;
    } kept[WINDOW]; /* the last ones, as a ring */
    size_t n;       /* that ever came */
};

/* ---- Answers ---- */

/* Each lies in an arena of its own, as the command may run for days. */
static bool ask(struct local *l, struct top_run *t, struct err *e)
{
    struct answer *to = &t->kept[t->n % WINDOW];
    struct arena_mark mark = arena_mark(local_arena(l));
    struct json doc;
    bool good = local_call(l, "GET", STR("/admin/live"), STR_NONE, &doc, e);
    if (good) {
        if (to->arena)
            arena_reset(to->arena);
        else
            to->arena = arena_new();
        good = json_parse(&to->doc, to->arena, arena_copy(to->arena, doc.text), 0, e);
        t->n++;
    }
    arena_rewind(local_arena(l), mark);
    return good;
}

static void draw(const struct top_run *t, struct buf *out, size_t rows, size_t columns)
{
    const struct answer *last = &t->kept[(t->n - 1) % WINDOW];
    const struct answer *first = &t->kept[t->n > WINDOW ? t->n % WINDOW : 0];
    struct json_value old = json_root(&first->doc);
    live_draw(out, json_root(&last->doc), t->n > 1 ? &old : NULL, rows, columns);
}

static bool print_once(struct local *l, struct top_run *t, struct err *e)
{
    struct buf b;
    if (!ask(l, t, e))
        return false;
    if (t->json) {
        printf("%.*s\n", STR_FMT(t->kept[0].doc.text));
        return true;
    }
    buf_init(&b, SCREEN_MOST);
    draw(t, &b, ANY_ROWS, ANY_COLUMNS);
    printf("%.*s", STR_FMT(buf_str(&b)));
    buf_fini(&b);
    return true;
}

/* ---- The screen ---- */

/* Keys come through a description of our own, so that making it non-blocking changes nobody's.
 * Ctrl-C stays a signal. */
static bool take_terminal(struct top_run *t, struct err *e)
{
    int fd = open("/dev/tty", O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || tcgetattr(fd, &t->before) < 0) {
        err_sys(e, ERR_IO, "cannot use the terminal");
        goto fail;
    }
    if (!io_open(&t->keys, fd, NULL, e))
        goto fail;
    struct termios raw = t->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(fd, TCSANOW, &raw);
    fputs("\033[?1049h\033[?25l", stdout); /* the other screen, no cursor */
    return true;

fail:
    if (fd >= 0)
        close(fd);
    return false;
}

static void give_terminal_back(struct top_run *t)
{
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    tcsetattr(t->keys.fd, TCSANOW, &t->before);
    io_close(&t->keys);
}

/* Over what stands there, line by line, so that nothing flickers. */
static void show(const struct top_run *t)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    struct buf b;
    ioctl(t->keys.fd, TIOCGWINSZ, &size);
    buf_init(&b, SCREEN_MOST);
    draw(t, &b, size.ws_row > 1 ? size.ws_row - 1u : 1, size.ws_col ? size.ws_col : 80);
    struct str rest = buf_str(&b), row;
    fputs("\033[H", stdout);
    while (str_split(&rest, '\n', &row) && (row.len || rest.len))
        printf("%.*s\033[K\r\n", STR_FMT(row));
    printf("\033[J%sq leaves%s", cli_dim(), cli_plain());
    fflush(stdout);
    buf_fini(&b);
}

/* Waits for the next second; false: a key or the end says that it is enough. */
static bool go_on(struct top_run *t, int64_t until_ns)
{
    char key[16];
    struct err e;
    for (;;) {
        ssize_t n = io_read(&t->keys, key, sizeof(key), until_ns, &e);
        if (n < 0)
            return e.code == ERR_TIMEOUT;
        if (n == 0 || memchr(key, 'q', (size_t)n) || memchr(key, 'Q', (size_t)n))
            return false;
    }
}

static bool watch(struct local *l, struct top_run *t, struct err *e)
{
    bool good;
    int64_t next = clock_now();
    if (!take_terminal(t, e))
        return false;
    do {
        good = ask(l, t, e);
        if (good)
            show(t);
        next = clock_after(next > clock_now() ? next : clock_now(), EVERY_MS);
    } while (good && go_on(t, next));
    give_terminal_back(t);
    if (good || e->code == ERR_CANCELLED)
        return true;
    return t->n == 0 ? false : err_set(e, ERR_UNAVAILABLE, "the service has gone");
}

/* ---- The command ---- */

static int top_fiber(struct local *l, void *arg)
{
    struct top_run *t = arg;
    struct err e;
    bool good =
        t->once || t->json || !cli_terminal(STDOUT_FILENO) ? print_once(l, t, &e) : watch(l, t, &e);
    for (size_t i = 0; i < WINDOW; i++)
        if (t->kept[i].arena)
            arena_free(t->kept[i].arena);
    return good ? CLI_OK : cli_fail(&e);
}

static int run_top(struct top_run *t, const char *data, struct arena *a)
{
    struct local_options opt = {0};
    struct err e;
    if (!cli_data_dir(data, a, &opt.data_dir, &e))
        return cli_fail(&e);
    const char *socket = service_socket(a, opt.data_dir).p + strlen("unix:");
    if (!local_running(socket)) {
        err_set(&e, ERR_UNAVAILABLE, "no service runs on '%s'", opt.data_dir);
        return cli_fail(&e);
    }
    return local_run(&opt, top_fiber, t);
}

static int run(int argc, char **argv)
{
    const char *data = NULL;
    struct top_run t = {.keys = {.fd = -1}};
    const struct cli_option options[] = {
        {"--once", NULL, &t.once, "Print it once, with averages since the start, and end."},
        {"--json", NULL, &t.json, "Print it once, as it comes over the API."},
        {"--data", "DIR", &data, "Data directory of the service."},
    };
    int code = cli_parse(&cmd_top, options, COUNT(options), &argc, argv);
    if (code >= 0)
        return code;
    if (argc > 0)
        return cli_usage_error(&cmd_top, "'%s' is one too many", argv[0]);
    struct arena *a = arena_new();
    code = run_top(&t, data, a);
    arena_free(a);
    return code;
}

const struct command cmd_top = {
    "top", "top [options]",
    "Show what a running service does, live.\n\n"
    "Routes, models and providers with their rates, latencies, failures and\n"
    "circuit breakers, every second, over the last ten seconds; 'q' leaves.\n"
    "Where standard output is no terminal it is printed once.",
    run};
