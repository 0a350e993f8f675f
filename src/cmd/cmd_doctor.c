/* cmd_doctor.c - looks at everything that a service needs and says how to mend what is wrong.
 *
 * Each check is a function that fills one finding; the table at the end is the order. Checks change
 * nothing, but for making the data directory and bringing its schema up to date.
 */
#include "base/file.h"
#include "cmd/cli.h"
#include "cmd/local.h"
#include "gateway/discover.h"
#include "gateway/service.h"
#include "ingest/extract.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum verdict { GOOD, WARNING, BAD };

struct doctor {
    struct service_options opt;
    struct arena *arena;
    struct config *config; /* NULL: could not be read */
    bool json;
    int bad;
    struct json_writer *out;
};

struct finding {
    enum verdict verdict;
    struct str what;
    struct str fix; /* what to do, when it is not good */
};

static struct finding good(struct str what)
{
    return (struct finding){GOOD, what, STR_NONE};
}

static struct finding failed(struct doctor *d, const struct err *e, const char *fix)
{
    return (struct finding){BAD, arena_copy(d->arena, str_from(e->msg)), str_from(fix)};
}

/* ---- The checks ---- */

static struct finding check_config(struct doctor *d)
{
    struct err e;
    if (!config_load(&d->config, d->opt.config_file, &e))
        return failed(d, &e, "mend that line; 'penstock config reference' lists all keys");
    return good(arena_printf(d->arena, "%s: %zu providers, %zu models",
                             d->opt.config_file ? d->opt.config_file : "defaults",
                             d->config->n_providers, d->config->n_models));
}

static struct finding check_directory(struct doctor *d)
{
    const char *dir = d->opt.data_dir;
    struct err e;
    struct stat st;
    struct statvfs fs;
    if (!file_make_dirs(dir, 0700, &e))
        return failed(d, &e, "choose a place that this user may write to with --data DIR");
    if (access(dir, W_OK | X_OK) < 0 || stat(dir, &st) < 0 || statvfs(dir, &fs) < 0) {
        err_sys(&e, ERR_IO, "cannot write to '%s'", dir);
        return failed(d, &e, "give this user write permission, or choose another --data DIR");
    }
    double gb = (double)fs.f_bavail * (double)fs.f_frsize / 1e9;
    struct str what = arena_printf(d->arena, "%s, %.1f GB free", dir, gb);
    if (st.st_mode & 077)
        return (struct finding){WARNING, what,
                                arena_printf(d->arena,
                                             "others can look into it: "
                                             "chmod 700 '%s'",
                                             dir)};
    if (gb < 1)
        return (struct finding){WARNING, what, STR("make room: under 1 GB is little")};
    return good(what);
}

static struct finding check_store(struct doctor *d)
{
    struct service *s;
    struct err e;
    struct str socket = service_socket(d->arena, d->opt.data_dir);
    if (local_running(socket.p + 5))
        return good(STR("a service is using it and answers"));
    if (!service_open(&s, &d->opt, &e))
        return failed(d, &e,
                      e.code == ERR_CORRUPT ? "restore the data directory from a backup"
                                            : "see the message");
    bool whole = db_check(s->db, &e);
    size_t keys = key_count(s->keys);
    service_close(s);
    if (!whole)
        return failed(d, &e, "restore the data directory from a backup");
    return good(arena_printf(d->arena, "whole; %zu API keys", keys));
}

/* A small document through the whole sandbox. */
static struct finding check_reader(struct doctor *d)
{
    static const char text[] = "# Doctor\n\nIs the reader well?\n";
    struct extract_options opt = {0};
    struct extract_document doc;
    struct err e;
    int fd = memfd_create("doctor", MFD_CLOEXEC);
    if (d->config && d->config->ingest.reader.len)
        opt.reader_path = d->config->ingest.reader.p;
    if (fd < 0 || !file_write_all(fd, text, sizeof(text) - 1, &e)) {
        err_sys(&e, ERR_IO, "cannot make a document to read");
        return failed(d, &e, "see the message");
    }
    extract_options_defaults(&opt);
    struct extract *x = extract_open(&opt);
    bool read = extract_run(x, fd, STR("md"), d->arena, &doc, &e);
    extract_close(x);
    close(fd);
    if (!read)
        return failed(d, &e,
                      "install penstock-reader beside penstock, or name it in the "
                      "configuration as ingest.reader");
    return good(STR("reads documents in its sandbox"));
}

static struct finding check_descriptors(struct doctor *d)
{
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    struct str what = arena_printf(d->arena, "%ju open files allowed", (uintmax_t)r.rlim_max);
    uint64_t wanted = d->config ? (uint64_t)d->config->limits.connections * 2 : 0;
    if (r.rlim_max < wanted)
        return (struct finding){WARNING, what,
                                arena_printf(d->arena,
                                             "for limits.connections = %jd allow %ju: "
                                             "LimitNOFILE in systemd, or ulimit -n",
                                             (intmax_t)d->config->limits.connections,
                                             (uintmax_t)wanted)};
    return good(what);
}

/* One question to one address with one key. */
struct ping {
    struct doctor *d;
    const struct provider *p;
    size_t endpoint, key;
    struct finding found;
};

static int ping_fiber(void *arg)
{
    struct ping *q = arg;
    const struct provider_endpoint *at = &q->p->endpoint[q->endpoint];
    const struct http_deadlines limit = {.connect_ms = 5000, .first_byte_ms = 5000};
    struct http_client *client = http_client_new(NULL);
    struct http_exchange *x;
    struct err e;
    struct arena *a = q->d->arena;
    const char *path = q->p->vendor->models ? q->p->vendor->models : "/";
    if (!http_exchange_start(&x, client, a, a, &at->origin, STR("GET"), str_from(path),
                             q->p->key[q->key].lines, NULL, 0, &limit, &e)) {
        q->found = failed(q->d, &e, "check the url, the network, and ca");
    } else {
        int status = x->head.status;
        struct str what = arena_printf(a, "%.*s answers with status %d", STR_FMT(at->url), status);
        q->found =
            status == 401 || status == 403
                ? (struct finding){BAD, what,
                                   arena_printf(a, "its key number %zu is refused: check 'key'",
                                                q->key + 1)}
                : good(what);
        http_exchange_end(x);
    }
    http_client_free(client);
    return CLI_OK;
}

static struct finding ping(struct doctor *d, const struct provider *p, size_t endpoint, size_t key)
{
    struct ping q = {.d = d, .p = p, .endpoint = endpoint, .key = key};
    if (local_fiber(ping_fiber, &q) != CLI_OK && !q.found.what.p)
        q.found = (struct finding){BAD, STR("could not be asked"), STR("see the message above")};
    return q.found;
}

/* ---- Servers that are found ---- */

struct search {
    struct doctor *d;
    struct config_found found[DISCOVER_MOST];
    size_t n;
};

static int search_fiber(void *arg)
{
    struct search *s = arg;
    struct http_client *client = http_client_new(NULL);
    s->n = discover(s->d->config, client, NULL, 0, s->d->arena, s->found);
    http_client_free(client);
    return CLI_OK;
}

static struct finding check_local_servers(struct doctor *d)
{
    struct search *s = arena_struct(d->arena, struct search);
    struct str list = STR_NONE;
    s->d = d;
    if (!d->config || local_fiber(search_fiber, s) != CLI_OK || !s->n)
        return good(STR("none was found"));
    for (size_t i = 0; i < s->n; i++)
        list = arena_printf(d->arena, "%.*s%s%s at %.*s with %zu models", STR_FMT(list),
                            i > 0 ? ", " : "", s->found[i].vendor->name, STR_FMT(s->found[i].url),
                            s->found[i].n_models);
    return good(list);
}

/* ---- Telling ---- */

static void tell(struct doctor *d, const char *name, struct finding f)
{
    static const char *const words[] = {"ok", "warning", "BAD"};
    d->bad += f.verdict == BAD;
    if (d->json) {
        json_object(d->out);
        json_kv_text(d->out, "check", name);
        json_kv_text(d->out, "verdict", f.verdict == BAD ? "bad" : words[f.verdict]);
        json_kv_str(d->out, "what", f.what);
        if (f.fix.len)
            json_kv_str(d->out, "fix", f.fix);
        json_end(d->out);
        return;
    }
    printf("%s%-8s%s %-16s %.*s\n", f.verdict == GOOD ? cli_dim() : cli_bold(), words[f.verdict],
           cli_plain(), name, STR_FMT(f.what));
    if (f.fix.len)
        printf("%26s-> %.*s\n", "", STR_FMT(f.fix));
}

static const struct {
    const char *name;
    struct finding (*run)(struct doctor *d);
} checks[] = {
    {"configuration", check_config},
    {"data directory", check_directory},
    {"store", check_store},
    {"reader", check_reader},
    {"descriptors", check_descriptors},
    {"local servers", check_local_servers},
};

/* Every address and every key, each at least once. */
static void check_provider(struct doctor *d, const struct provider *p)
{
    size_t n = p->n_endpoints ? size_max(p->n_endpoints, p->n_keys) : 0;
    for (size_t i = 0; i < n; i++)
        tell(d, arena_text(d->arena, p->name), ping(d, p, i % p->n_endpoints, i % p->n_keys));
}

static void examine(struct doctor *d)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 16 << 20);
    json_begin(&w, &b);
    d->out = &w;
    if (d->json)
        json_array(&w);
    for (size_t i = 0; i < COUNT(checks); i++)
        tell(d, checks[i].name, checks[i].run(d));
    for (size_t i = 0; d->config && i < d->config->n_providers; i++)
        check_provider(d, &d->config->provider[i].provider);
    if (d->json) {
        json_end(&w);
        printf("%.*s\n", STR_FMT(buf_str(&b)));
    }
    buf_fini(&b);
}

static int run(int argc, char **argv)
{
    const char *data = NULL;
    struct doctor d = {.opt.private_only = true};
    const struct cli_option options[] = {
        {"--data", "DIR", &data, "Data directory of the service."},
        {"--config", "FILE", &d.opt.config_file, "Configuration of the service."},
        {"--json", NULL, &d.json, "A JSON list of findings."},
    };
    struct err e;
    int code = cli_parse(&cmd_doctor, options, COUNT(options), &argc, argv);
    if (code < 0 && argc > 0)
        code = cli_usage_error(&cmd_doctor, "'%s' is one too many", argv[0]);
    if (code >= 0)
        return code;
    d.arena = arena_new();
    loop_block_signals();
    if (cli_data_dir(data, d.arena, &d.opt.data_dir, &e)) {
        examine(&d);
        code = d.bad ? CLI_FAILED : CLI_OK;
    } else {
        code = cli_fail(&e);
    }
    config_unref(d.config);
    arena_free(d.arena);
    return code;
}

const struct command cmd_doctor = {
    "doctor", "doctor [options]",
    "Check everything that the service needs and say what to mend.\n\n"
    "Exit code 1 when something is bad.",
    run};
