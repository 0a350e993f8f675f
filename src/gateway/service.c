#include "gateway/service.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "gateway/discover.h"
#include "gateway/embedders.h"
#include "gateway/routes.h"
#include "gateway/stages.h"
#include "gateway/store_jobs.h"
#include "gateway/upkeep.h"
#include "obs/otlp.h"
#include "run/fiber.h"
#include "run/work.h"
#include "store/doc.h"

#include <build_info.h>
#include <sched.h>
#include <stdio.h>

enum { UPLOAD_ROOM = 1 << 20 /* for what stands around an uploaded file */ };
enum { LAST_SPANS_MS = 2000 }; /* for what is still to be exported when the service ends */

const char *service_state_name(int state)
{
    static const char *const names[] = {"starting", "ready", "draining"};
    return names[state];
}

/* ---- Opening: everything that needs no thread of a loop ---- */

static unsigned cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static void setup_ingest(struct service *s)
{
    const struct config_ingest *c = &s->config->ingest;
    s->ingest = (struct ingest){
        .db = s->db,
        .search = s->search,
        .reader_path = c->reader.len ? c->reader.p : NULL,
        .parallel = (unsigned)c->parallel,
        .max_file_bytes = (uint64_t)c->file_bytes,
        .reader_memory = (uint64_t)c->memory_bytes,
        .reader_timeout_ms = c->timeout_ms,
    };
}

bool service_open(struct service **out, const struct service_options *opt, struct err *e)
{
    struct service *s = mem_new(sizeof(*s));
    s->opt = *opt;
    s->started_s = clock_wall_s();
    if (!config_load(&s->config, opt->config_file, e))
        goto fail;
    config_apply(s->config);
    s->n_loops = opt->private_only      ? 1
                 : s->config->loops > 0 ? (unsigned)s->config->loops
                                        : cores();
    if (!file_make_dirs(opt->data_dir, 0700, e))
        goto fail;
    const struct db_options dbo = {.dir = opt->data_dir};
    if (!db_open(&s->db, &dbo, e) || !key_ring_open(&s->keys, s->db, opt->data_dir, e) ||
        !blob_open(&s->blobs, opt->data_dir, e) ||
        !search_open(&s->search, s->db, opt->data_dir, e) ||
        !journal_open(&s->journals, s->db, opt->data_dir, s->n_loops, e))
        goto fail;
    if (s->config->tls.certificate.len &&
        !tls_server_new(&s->tls, s->config->tls.certificate.p, s->config->tls.key.p, e))
        goto fail;
    s->limits = limit_set_new();
    setup_ingest(s);
    s->embedding = embed_status_new();
    s->cache = retrieve_cache_new((size_t)s->config->retrieval.cache_bytes);
    s->retriever = (struct retriever){.db = s->db, .search = s->search, .cache = s->cache};
    routes_init();
    stages_init();
    *out = s;
    return true;

fail:
    service_close(s);
    return false;
}

void service_close(struct service *s)
{
    if (!s)
        return;
    journal_close(s->journals);
    retrieve_cache_free(s->cache);
    embed_status_free(s->embedding);
    search_close(s->search);
    blob_close(s->blobs);
    key_ring_close(s->keys);
    db_close(s->db);
    tls_server_free(s->tls);
    limit_set_free(s->limits);
    config_unref(s->config);
    arena_free(s->found_arena);
    mem_free(s->loop);
    mem_free(s);
}

struct str service_socket(struct arena *a, const char *data_dir)
{
    return arena_printf(a, "unix:%s/penstock.sock", data_dir);
}

/* ---- The loops ---- */

static bool listen_on(struct service_loop *l, struct str address, bool local, struct err *e)
{
    const struct service *s = l->service;
    const struct config_limits *lim = &l->config->limits;
    const struct http_server_options opt = {
        .limits = {.line = (uint32_t)(lim->header_bytes / 2),
                   .headers = (uint32_t)lim->header_bytes,
                   .body = (uint64_t)lim->body_bytes},
        .upload = (uint64_t)l->config->ingest.file_bytes + UPLOAD_ROOM,
        .idle_timeout_ms = lim->idle_timeout_ms,
        .max_connections = (uint32_t)lim->connections,
        .tls = local ? NULL : s->tls,
        .handler = routes_handle,
        .refusal = routes_refuse,
        .ctx = l,
    };
    CHECK(l->n_servers < SERVICE_LISTEN_MAX);
    char text[160];
    snprintf(text, sizeof(text), "%.*s", STR_FMT(address));
    if (!http_server_open(&l->server[l->n_servers], text, &opt, e))
        return false;
    size_t colon = str_rfind_char(address, ':');
    bool any_port = str_ends(address, STR(":0"));
    if (any_port && !str_starts(address, STR("unix:")))
        snprintf(l->address[l->n_servers], sizeof(text), "%.*s:%d", (int)colon, address.p,
                 (int)http_server_port(l->server[l->n_servers]));
    else
        memcpy(l->address[l->n_servers], text, sizeof(text));
    l->n_servers++;
    return true;
}

/* The first loop also has the socket for commands, and the ports that it was given for ":0" are
 * those of the others. Sockets in the file system have no SO_REUSEPORT, so they are its alone. */
static bool listen_all(struct service_loop *l, struct err *e)
{
    const struct service *s = l->service;
    struct arena *a = arena_scratch();
    struct arena_mark mark = arena_mark(a);
    bool good = true;
    const struct service_loop *first = &s->loop[0];
    if (l->index == 0)
        good = listen_on(l, service_socket(a, s->opt.data_dir), true, e);
    for (size_t i = 1; l->index > 0 && good && i < first->n_servers; i++)
        if (!str_starts(str_from(first->address[i]), STR("unix:")))
            good = listen_on(l, str_from(first->address[i]), false, e);
    if (l->index == 0 && !s->opt.private_only) {
        const struct str given = str_from(s->opt.listen);
        const struct str *address = given.len ? &given : l->config->listen;
        size_t n = given.len ? 1 : l->config->n_listen;
        for (size_t i = 0; good && i < n; i++)
            good = listen_on(l, address[i], false, e);
    }
    arena_rewind(a, mark);
    return good;
}

/* Asks something of a loop from the controlling thread, and waits for the answer. */
struct question {
    struct service_loop *l;
    bool (*fn)(struct service_loop *l);
    struct lock lock;
    struct cond cond;
    bool answered, answer; /* under lock */
};

static void answer_question(void *arg)
{
    struct question *q = arg;
    bool answer = q->fn(q->l);
    lock_take(&q->lock);
    q->answer = answer;
    q->answered = true;
    cond_wake_one(&q->cond);
    lock_drop(&q->lock); /* *q is the asker's, and gone from here on */
}

static bool ask(struct service_loop *l, bool (*fn)(struct service_loop *l))
{
    struct question q = {.l = l, .fn = fn};
    lock_init(&q.lock);
    cond_init(&q.cond);
    loop_post(l->loop, answer_question, &q);
    lock_take(&q.lock);
    while (!q.answered)
        cond_wait(&q.cond, &q.lock, CLOCK_NEVER);
    lock_drop(&q.lock);
    cond_fini(&q.cond);
    lock_fini(&q.lock);
    return q.answer;
}

/* ---- Snapshots in use ---- */

/* A loop's reference to a snapshot, counted for its requests and for the loop itself: requests come
 * and go on one thread, so they need no atomics, and loops do not wait for each other's. */
struct config_hold {
    struct config *config;
    size_t n;
};

static void drop_hold(void *hold)
{
    struct config_hold *h = hold;
    if (!h || --h->n > 0)
        return;
    config_unref(h->config);
    mem_free(h);
}

/* Takes over the reference to `c`. */
static void use_config(struct service_loop *l, struct config *c)
{
    struct config_hold *old = l->hold;
    l->hold = mem_new(sizeof(*l->hold));
    *l->hold = (struct config_hold){c, 1};
    l->config = c;
    drop_hold(old);
}

const struct config *service_config(struct service_loop *l, struct arena *a)
{
    l->hold->n++;
    arena_defer(a, drop_hold, l->hold);
    return l->config;
}

/* ---- Health checks: of the first loop, with a snapshot of their own ---- */

static void checks_ended(void *config)
{
    config_unref(config);
}

/* Those of the new snapshot instead of those that run. A service for one command has none. */
static void start_checks(struct service_loop *l)
{
    if (l->index > 0 || l->service->opt.private_only)
        return;
    check_stop(l->checks);
    struct config *c = config_ref(l->config);
    l->checks = check_start(l->http, c->check, c->n_checks, checks_ended, c);
}

static void stop_checks(struct service_loop *l)
{
    check_stop(l->checks);
    l->checks = NULL;
}

/* Ends a loop from inside: connections are cut off, the requests on them end, then the client pool
 * that they used can go. */
static void tear_down(void *arg)
{
    struct service_loop *l = arg;
    for (size_t i = 0; i < l->n_servers; i++)
        http_server_close(l->server[i]);
    l->n_servers = 0;
    stop_checks(l);
    embedders_stop(l);
    upkeep_stop(l->upkeep);
    l->upkeep = NULL;
    while (fiber_count() > 1)
        fiber_sleep(NS_PER_MS, NULL);
    http_client_free(l->http);
    loop_stop(l->loop);
}

static void start_tear_down(void *loop)
{
    fiber_go(tear_down, loop, "tear down");
}

static bool set_up(struct service_loop *l)
{
    l->http = http_client_new(NULL);
    if (!listen_all(l, &l->failed))
        return false;
    start_checks(l);
    embedders_start(l);
    if (l->index == 0 && !l->service->opt.private_only)
        l->upkeep = upkeep_start(l);
    return true;
}

static void *loop_main(void *loop)
{
    loop_run(loop);
    return NULL;
}

static void stop_loop(struct service_loop *l)
{
    if (!l->loop)
        return;
    loop_post(l->loop, start_tear_down, l);
    pthread_join(l->thread, NULL);
    loop_free(l->loop);
    drop_hold(l->hold);
    *l = (struct service_loop){0};
}

static bool start_loop(struct service *s, unsigned i, struct err *e)
{
    struct service_loop *l = &s->loop[i];
    *l = (struct service_loop){.service = s, .index = i, .journal = journal_of(s->journals, i)};
    l->loop = loop_new(e);
    if (!l->loop)
        return false;
    use_config(l, config_ref(s->config));
    CHECK(pthread_create(&l->thread, NULL, loop_main, l->loop) == 0);
    if (ask(l, set_up))
        return true;
    *e = l->failed;
    return false;
}

/* What the last requests leave is sent before the workers go, which look names up. */
static void stop_all(struct service *s)
{
    for (unsigned i = 0; i < s->n_loops; i++)
        stop_loop(&s->loop[i]);
    store_jobs_stop(s->store_jobs);
    s->store_jobs = NULL;
    otlp_close(s->otlp, LAST_SPANS_MS);
    s->otlp = NULL;
    work_stop();
}

static bool start_tracing(struct service *s, struct err *e)
{
    const struct config_tracing *t = &s->config->tracing;
    const struct otlp_options opt = {
        .url = t->url,
        .ca = t->ca,
        .header = t->headers,
        .n_headers = t->n_headers,
        .service = t->service_name,
        .version = STR(BUILD_VERSION),
    };
    return !t->url.len || s->opt.private_only || otlp_open(&s->otlp, &opt, e);
}

/* ---- Local servers ---- */

/* Asked of the first loop by the controlling thread, which waits. */
struct finding {
    struct service_loop *l;
    const struct config *config;
    struct arena *arena;
    struct config_found *found;
    size_t n;
    struct lock lock;
    struct cond cond;
    bool done; /* under lock */
};

/* The ports that we listen on. */
static size_t own_ports(const struct service_loop *l, uint16_t port[SERVICE_LISTEN_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < l->n_servers; i++)
        if (!str_starts(str_from(l->address[i]), STR("unix:")))
            port[n++] = http_server_port(l->server[i]);
    return n;
}

static void find_servers(void *arg)
{
    struct finding *f = arg;
    uint16_t own[SERVICE_LISTEN_MAX];
    size_t n_own = own_ports(f->l, own);
    f->found = arena_array(f->arena, struct config_found, DISCOVER_MOST);
    f->n = discover(f->config, f->l->http, own, n_own, f->arena, f->found);
    lock_take(&f->lock);
    f->done = true;
    cond_wake_one(&f->cond);
    lock_drop(&f->lock); /* *f is the asker's, and gone from here on */
}

static void start_finding(void *finding)
{
    fiber_go(find_servers, finding, "discover");
}

static void find(struct service *s, const struct config *c, struct finding *f)
{
    *f = (struct finding){.l = &s->loop[0], .config = c, .arena = arena_new()};
    if (s->opt.private_only)
        return;
    lock_init(&f->lock);
    cond_init(&f->cond);
    loop_post(s->loop[0].loop, start_finding, f);
    lock_take(&f->lock);
    while (!f->done)
        cond_wait(&f->cond, &f->lock, CLOCK_NEVER);
    lock_drop(&f->lock);
    cond_fini(&f->cond);
    lock_fini(&f->lock);
}

static void keep_found(struct service *s, const struct finding *f)
{
    arena_free(s->found_arena);
    s->found_arena = f->arena;
    s->found = f->found;
    s->n_found = f->n;
}

static void tell_found(const struct config *c)
{
    for (size_t i = 0; i < c->n_providers; i++)
        if (c->provider[i].found)
            log_info("found", kv("provider", c->provider[i].name),
                     kv("url", c->provider[i].url[0]));
}

/* ---- Reload ---- */

struct new_config {
    struct service_loop *l;
    struct config *config;
};

static void take_config(void *arg)
{
    struct new_config *n = arg;
    use_config(n->l, n->config);
    start_checks(n->l);
    embedders_start(n->l);
    mem_free(n);
}

/* Every loop takes it with its next message; requests keep what they started with. */
static void publish(struct service *s, struct config *next)
{
    struct config *old = s->config;
    for (unsigned i = 0; i < s->n_loops; i++) {
        struct new_config *n = mem_new(sizeof(*n));
        *n = (struct new_config){&s->loop[i], config_ref(next)};
        loop_post(s->loop[i].loop, take_config, n);
    }
    config_apply(next);
    retrieve_cache_resize(s->cache, (size_t)next->retrieval.cache_bytes);
    s->config = next;
    config_unref(old);
}

void service_discover(struct service *s)
{
    struct finding f;
    struct config *next;
    struct err e;
    find(s, s->config, &f);
    if (discover_same(f.found, f.n, s->found, s->n_found)) {
        arena_free(f.arena);
    } else if (config_load_found(&next, s->config, f.found, f.n, &e)) {
        keep_found(s, &f);
        publish(s, next);
        tell_found(next);
    } else {
        arena_free(f.arena);
        log_warn("discover", kv("error", e.msg));
    }
}

/* The file, with the servers that are found now. */
static bool read_again(struct service *s, struct config **out, struct finding *f, struct err *e)
{
    struct config *c;
    if (!config_load(&c, s->opt.config_file, e))
        return false;
    find(s, c, f);
    bool good = config_load_found(out, c, f->found, f->n, e);
    if (!good)
        arena_free(f->arena);
    config_unref(c);
    return good;
}

static bool same_texts(const struct str *a, size_t n_a, const struct str *b, size_t n_b)
{
    bool same = n_a == n_b;
    for (size_t i = 0; same && i < n_a; i++)
        same = str_eq(a[i], b[i]);
    return same;
}

static bool needs_restart(const struct config *old, const struct config *next)
{
    const struct config_tracing *a = &old->tracing, *b = &next->tracing;
    return !same_texts(next->listen, next->n_listen, old->listen, old->n_listen) ||
           next->loops != old->loops || next->workers != old->workers ||
           !str_eq(next->tls.certificate, old->tls.certificate) ||
           !str_eq(next->tls.key, old->tls.key) || !str_eq(a->url, b->url) ||
           !str_eq(a->ca, b->ca) || !str_eq(a->service_name, b->service_name) ||
           !same_texts(a->headers, a->n_headers, b->headers, b->n_headers);
}

bool service_reload(struct service *s, struct err *e)
{
    struct config *next;
    struct finding f;
    if (!read_again(s, &next, &f, e))
        return false;
    if (s->tls && !tls_server_reload(s->tls, e)) {
        arena_free(f.arena);
        config_unref(next);
        return false;
    }
    keep_found(s, &f);
    if (needs_restart(s->config, next))
        log_warn("reload", kv("message", "listen, loops, workers, the paths in tls, and where "
                                         "traces go change only with a restart"));
    publish(s, next);
    log_info("reload", kv("providers", next->n_providers), kv("models", next->n_models));
    return true;
}

/* ---- Start ---- */

/* Comes behind what was published before. */
static bool has_config(struct service_loop *l)
{
    return l->config != NULL;
}

bool service_start(struct service *s, struct err *e)
{
    if (!work_start((unsigned)s->config->workers, e))
        return false;
    if (!start_tracing(s, e)) {
        work_stop();
        return false;
    }
    s->loop = mem_array(s->n_loops, sizeof(*s->loop));
    for (unsigned i = 0; i < s->n_loops; i++)
        if (!start_loop(s, i, e))
            goto fail;
    if (!store_jobs_start(&s->store_jobs, s, e))
        goto fail;
    service_discover(s);
    for (unsigned i = 0; i < s->n_loops; i++)
        ask(&s->loop[i], has_config);
    atomic_store(&s->state, SERVICE_READY);
    for (size_t i = 0; i < s->loop[0].n_servers; i++)
        log_info("listening", kv("address", s->loop[0].address[i]), kv("loops", s->n_loops));
    return true;

fail:
    stop_all(s);
    return false;
}

/* ---- Drain ---- */

static void drain_loop(void *arg)
{
    struct service_loop *l = arg;
    for (size_t i = 0; i < l->n_servers; i++)
        http_server_drain(l->server[i]);
    stop_checks(l);
    embedders_stop(l);
}

static bool drained(struct service_loop *l)
{
    bool all = true;
    for (size_t i = 0; i < l->n_servers; i++)
        all = all && http_server_drained(l->server[i]);
    return all;
}

void service_drain(struct service *s, int64_t timeout_ms)
{
    int64_t deadline = clock_after(clock_now(), timeout_ms);
    const struct timespec pause = {.tv_nsec = 10 * NS_PER_MS};
    atomic_store(&s->state, SERVICE_DRAINING);
    for (unsigned i = 0; i < s->n_loops; i++)
        loop_post(s->loop[i].loop, drain_loop, &s->loop[i]);
    for (unsigned i = 0; i < s->n_loops; i++)
        while (!ask(&s->loop[i], drained) && clock_now() < deadline)
            nanosleep(&pause, NULL);
    stop_all(s);
}
