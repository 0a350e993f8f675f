#include "base/log.h"
#include "cmd/cli.h"
#include "gateway/discover.h"
#include "gateway/service.h"
#include "run/loop.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DRAIN_MS = 30 * 1000 };

/* The first start makes the admin's key. It goes to standard output, never into the log. */
static bool first_key(struct service *s, struct err *e)
{
    char text[KEY_TEXT_SIZE];
    const struct key_spec spec = {.name = STR("first admin key"), .role = KEY_ADMIN};
    if (key_count(s->keys))
        return true;
    if (!key_create(s->keys, &spec, text, NULL, e))
        return false;
    printf("admin key (shown only now): %s\n", text);
    fflush(stdout);
    return true;
}

/* Where to point a client, for the person who started it at a terminal. */
static void greet(const struct service *s)
{
    const struct service_loop *l = &s->loop[0];
    for (size_t i = 0; i < l->n_servers; i++)
        if (!str_starts(str_from(l->address[i]), STR("unix:")))
            printf("listening on %s://%s/v1  (data in %s)\n", s->tls ? "https" : "http",
                   l->address[i], s->opt.data_dir);
    for (size_t i = 0; i < s->config->n_providers; i++) {
        const struct config_provider *p = &s->config->provider[i];
        if (p->found)
            printf("found %.*s at %.*s\n", STR_FMT(p->name), STR_FMT(p->url[0]));
    }
    fflush(stdout);
}

static bool open_log(const struct service *s, struct err *e)
{
    enum log_level level;
    CHECK(log_level_parse(s->config->log.level, &level)); /* config_load has checked it */
    return log_open(s->config->log.file.len ? s->config->log.file.p : NULL, level, e);
}

static void serve_until_told(struct service *s)
{
    sigset_t set;
    int signo;
    struct err e;
    const struct timespec pause = {.tv_sec = DISCOVER_EVERY_MS / 1000};
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    do {
        signo = sigtimedwait(&set, NULL, &pause);
        if (signo < 0)
            service_discover(s);
        /* Opening the log anew is also how log files are rotated. */
        else if (signo == SIGHUP && (!service_reload(s, &e) || !open_log(s, &e)))
            log_error("reload", kv("error", e.msg));
    } while (signo < 0 || signo == SIGHUP);
    log_info("draining", kv("signal", signo));
}

/* Each connection is a descriptor: as many as the machine allows. */
static void raise_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

static bool serve(const struct service_options *opt, struct err *e)
{
    struct service *s;
    if (!service_open(&s, opt, e))
        return false;
    bool good = open_log(s, e) && first_key(s, e) && service_start(s, e);
    if (good) {
        greet(s);
        serve_until_told(s);
        service_drain(s, DRAIN_MS);
    }
    service_close(s);
    return good;
}

static int run(int argc, char **argv)
{
    const char *data = NULL;
    struct service_options opt = {0};
    const struct cli_option options[] = {
        {"--config", "FILE", &opt.config_file, "Configuration in YAML; without it the defaults."},
        {"--data", "DIR", &data, "Data directory; made when it is not there."},
        {"--listen", "ADDR", &opt.listen, "HOST:PORT in place of the configured; port 0 is any."},
    };
    struct arena *a = arena_new();
    struct err e;
    int code = cli_parse(&cmd_serve, options, COUNT(options), &argc, argv);
    if (code < 0 && argc > 0)
        code = cli_usage_error(&cmd_serve, "'%s' is one too many", argv[0]);
    if (code < 0) {
        raise_descriptors();
        loop_block_signals();
        log_for_people(isatty(STDERR_FILENO));
        code = cli_data_dir(data, a, &opt.data_dir, &e) && serve(&opt, &e) ? CLI_OK : cli_fail(&e);
        log_close();
    }
    arena_free(a);
    return code;
}

const struct command cmd_serve = {
    "serve", "serve [--config FILE] [--data DIR] [--listen ADDR]",
    "Run the service.\n\n"
    "Without a configuration it listens on 127.0.0.1:8080 and keeps its data in\n"
    "$PENSTOCK_DATA, $XDG_STATE_HOME/penstock or ~/.local/state/penstock. The first\n"
    "start prints an admin key, once. SIGHUP reads the configuration again, SIGTERM\n"
    "finishes what runs and ends.",
    run};
