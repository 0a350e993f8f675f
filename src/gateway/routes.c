#include "gateway/routes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "gateway/embedders.h"
#include "gateway/messages_error.h"
#include "gateway/stages.h"
#include "run/fiber.h"

#include <stdio.h>

/* clang-format off */
static const struct route routes[] = {
    {"POST",   "/v1/chat/completions",              chat_create,         KEY_USER},
    {"POST",   "/v1/responses",                     responses_create,    KEY_USER},
    {"POST",   "/v1/responses/input_tokens",        responses_count,     KEY_USER},
    {"GET",    "/v1/responses/{}",                  responses_get,       KEY_USER},
    {"DELETE", "/v1/responses/{}",                  responses_delete,    KEY_USER},
    {"POST",   "/v1/responses/{}/cancel",           responses_cancel,    KEY_USER},
    {"GET",    "/v1/responses/{}/input_items",      responses_input_items, KEY_USER},
    {"POST",   "/v1/messages",                      messages_create,     KEY_USER},
    {"POST",   "/v1/messages/count_tokens",         messages_count,      KEY_USER},
    {"POST",   "/v1/completions",                   completions_create,  KEY_USER},
    {"POST",   "/v1/embeddings",                    embeddings_create,   KEY_USER},
    {"POST",   "/v1/moderations",                   moderations_create,  KEY_USER},
    {"POST",   "/v1/rerank",                        rerank_create,       KEY_USER},
    {"POST",   "/v2/rerank",                        rerank_create,       KEY_USER},
    {"GET",    "/v1/models",                        models_list,         KEY_READ_ONLY},
    {"GET",    "/v1/models/{}",                     models_get,          KEY_READ_ONLY},

    {"POST",   "/v1/files",                         files_create,        KEY_DEVELOPER},
    {"GET",    "/v1/files",                         files_list,          KEY_READ_ONLY},
    {"GET",    "/v1/files/{}",                      files_get,           KEY_READ_ONLY},
    {"GET",    "/v1/files/{}/content",              files_content,       KEY_READ_ONLY},
    {"DELETE", "/v1/files/{}",                      files_delete,        KEY_DEVELOPER},

    {"POST",   "/v1/vector_stores",                 stores_create,       KEY_DEVELOPER},
    {"GET",    "/v1/vector_stores",                 stores_list,         KEY_READ_ONLY},
    {"GET",    "/v1/vector_stores/{}",              stores_get,          KEY_READ_ONLY},
    {"POST",   "/v1/vector_stores/{}",              stores_update,       KEY_DEVELOPER},
    {"DELETE", "/v1/vector_stores/{}",              stores_delete,       KEY_DEVELOPER},
    {"POST",   "/v1/vector_stores/{}/search",       stores_search,       KEY_READ_ONLY},
    {"POST",   "/v1/vector_stores/{}/files",        stores_file_add,     KEY_DEVELOPER},
    {"GET",    "/v1/vector_stores/{}/files",        stores_file_list,    KEY_READ_ONLY},
    {"GET",    "/v1/vector_stores/{}/files/{}",     stores_file_get,     KEY_READ_ONLY},
    {"POST",   "/v1/vector_stores/{}/files/{}",     stores_file_update,  KEY_DEVELOPER},
    {"DELETE", "/v1/vector_stores/{}/files/{}",     stores_file_remove,  KEY_DEVELOPER},
    {"GET",    "/v1/vector_stores/{}/files/{}/content", stores_file_content, KEY_READ_ONLY},
    {"POST",   "/v1/vector_stores/{}/file_batches", stores_batch_create, KEY_DEVELOPER},
    {"GET",    "/v1/vector_stores/{}/file_batches/{}", stores_batch_get, KEY_READ_ONLY},
    {"POST",   "/v1/vector_stores/{}/file_batches/{}/cancel", stores_batch_cancel, KEY_DEVELOPER},
    {"GET",    "/v1/vector_stores/{}/file_batches/{}/files", stores_batch_files, KEY_READ_ONLY},

    {"POST",   "/admin/ingest",                     admin_ingest,        KEY_ADMIN},
    {"GET",    "/admin/keys",                       admin_keys_list,     KEY_ADMIN},
    {"POST",   "/admin/keys",                       admin_keys_create,   KEY_ADMIN},
    {"DELETE", "/admin/keys/{}",                    admin_keys_revoke,   KEY_ADMIN},
    {"POST",   "/admin/verify",                     admin_verify,        KEY_OPERATOR},
    {"GET",    "/admin/embeddings",                 embedders_get,       KEY_OPERATOR},
    {"POST",   "/admin/embeddings/pause",           embedders_pause,     KEY_OPERATOR},
    {"POST",   "/admin/embeddings/resume",          embedders_resume,    KEY_OPERATOR},
    {"GET",    "/admin/status",                     admin_status,        KEY_OPERATOR},
    {"GET",    "/admin/live",                       live_get,            KEY_OPERATOR},

    {"GET",    "/metrics",                          probe_metrics,       KEY_OPERATOR},
    {"GET",    "/apps/document-qa",                 apps_document_qa,        .open = true},
    {"GET",    "/apps/document-qa/app.js",          apps_document_qa_script, .open = true},
    {"GET",    "/apps/document-qa/style.css",       apps_document_qa_style,  .open = true},
    {"GET",    "/livez",                            probe_live,    .open = true},
    {"GET",    "/readyz",                           probe_ready,   .open = true},
    {"GET",    "/startupz",                         probe_started, .open = true},
    {"GET",    "/healthz",                          probe_live,    .open = true},
};
/* clang-format on */

/* Does the path have this pattern's shape? Sets the segments that stand for {}. */
static bool match(const char *pattern, struct str path, struct str param[REQUEST_PARAMS])
{
    const char *at = path.p, *end = path.p + path.len;
    if (str_eq(path, (struct str){pattern, strlen(pattern)}))
        return true;
    for (; *pattern; pattern++) {
        if (*pattern != '{') {
            if (at == end || *at++ != *pattern)
                return false;
            continue;
        }
        const char *segment = at;
        while (at < end && *at != '/')
            at++;
        if (at == segment)
            return false;
        *param++ = str_span(segment, at);
        pattern++; /* the closing brace */
    }
    return at == end;
}

static bool method_is(const struct route *t, struct str method)
{
    return str_eq(method, str_from(t->method)) ||
           (str_eq(method, STR("HEAD")) && str_eq(str_from(t->method), STR("GET")));
}

__attribute__((noinline)) static const struct route *find(struct request *r, struct err *e)
{
    struct str path = r->http->path, method = r->http->head.method;
    struct buf allow;
    buf_init(&allow, sizeof(e->param) - 1);
    for (size_t i = 0; i < COUNT(routes); i++) {
        if (!match(routes[i].path, path, r->param))
            continue;
        if (method_is(&routes[i], method)) {
            buf_fini(&allow);
            return &routes[i];
        }
        buf_printf(&allow, "%s%s", allow.len ? ", " : "", routes[i].method);
    }
    if (allow.len)
        err_param(e, ERR_METHOD, buf_text(&allow), "this path takes %s, not %.*s", buf_text(&allow),
                  STR_FMT(str_head(method, 20)));
    else
        err_set(e, ERR_URL, "there is nothing at '%.*s'", STR_FMT(str_head(path, 150)));
    buf_fini(&allow);
    return NULL;
}

/* ---- Counting. Series are found once for each route and status, then kept. ---- */

enum { STATUS_FIRST = 100, STATUS_MAX = 600 };

static struct route_metrics {
    _Atomic(struct metric *) status[STATUS_MAX - STATUS_FIRST];
    _Atomic(struct metric *) seconds;
    /* Its method and path as fields of a log line (log_made). */
    struct str logged;
} metrics[COUNT(routes) + 1]; /* the last: no such path */

static struct metric_family *requests, *seconds; /* set once, by routes_init */
static struct metric *in_flight;
static struct arena *texts; /* the same, of `logged` */

static void make_texts(void)
{
    if (texts)
        return;
    texts = arena_new();
    for (size_t i = 0; i < COUNT(routes); i++)
        metrics[i].logged = log_made(
            texts,
            (struct log_field[]){kv("method", routes[i].method), kv("route", routes[i].path)}, 2);
}

void routes_init(void)
{
    make_texts();
    requests = metric_family("penstock_requests_total", METRIC_COUNTER, "route,status",
                             "Requests answered, by path and HTTP status.");
    seconds = metric_histogram("penstock_request_seconds", 1e-9, "route",
                               "From the first byte of a request to the end of its answer.");
    in_flight = metric_plain(metric_family("penstock_requests_in_flight", METRIC_GAUGE, "",
                                           "Requests that are being answered now."));
}

static struct route_metrics *metrics_of(const struct request *r)
{
    return &metrics[r->route ? (size_t)(r->route - routes) : COUNT(routes)];
}

static struct str path_of(const struct request *r)
{
    return r->route ? str_from(r->route->path) : STR("other");
}

static struct metric *series(_Atomic(struct metric *) *slot, struct metric_family *f,
                             const struct request *r)
{
    struct metric *m = atomic_load_explicit(slot, memory_order_acquire);
    if (!m) {
        char status[12];
        snprintf(status, sizeof(status), "%d", r->http->status);
        const struct str label[] = {path_of(r), str_from(status)};
        m = metric_with(f, label); /* finding it twice at once gives the same one */
        atomic_store_explicit(slot, m, memory_order_release);
    }
    return m;
}

__attribute__((noinline)) static void count(const struct request *r, int64_t now)
{
    struct route_metrics *m = metrics_of(r);
    int status = r->http->status;
    if (status >= STATUS_FIRST && status < STATUS_MAX)
        metric_add(series(&m->status[status - STATUS_FIRST], requests, r), 1);
    metric_observe(series(&m->seconds, seconds, r), now - r->call.start_ns);
}

/* What a model call adds. */
static size_t call_fields(struct log_field *f, const struct call *c)
{
    size_t n = 0;
    f[n++] = kv("model", c->req.model);
    if (c->logged) {
        f[n++] = log_kv_made(*c->logged);
    } else {
        f[n++] = kv("provider", c->provider);
        f[n++] = kv("upstream", c->upstream_model);
    }
    f[n++] = kv("tier", c->tier);
    f[n++] = kv("attempts", c->attempts);
    f[n++] = kv("tokens_in", c->usage.input);
    f[n++] = kv("tokens_out", c->usage.output);
    f[n++] = kv("usd", (double)c->cost_microusd * 1e-6);
    return n;
}

static size_t caller_fields(struct log_field *f, const struct key_info *k)
{
    if (k->logged.len) {
        f[0] = log_kv_made(k->logged);
        return 1;
    }
    f[0] = kv("key", k->id);
    f[1] = kv("tenant", k->tenant);
    return 2;
}

static size_t route_fields(struct log_field *f, const struct request *r)
{
    struct str method = r->http->head.method;
    if (r->route && str_eq(method, str_from(r->route->method))) {
        f[0] = log_kv_made(metrics_of(r)->logged);
        return 1;
    }
    f[0] = kv("method", method);
    f[1] = kv("route", path_of(r));
    return 2;
}

__attribute__((noinline)) static void access_line(const struct request *r, const struct err *why,
                                                  int64_t now)
{
    const struct call *c = &r->call;
    struct log_field f[24];
    size_t n = 0;
    if (!log_wants(LOG_INFO))
        return;
    f[n++] = kv("id", c->id);
    if (r->client_id)
        f[n++] = kv("client_id", r->client_id);
    if (c->trace)
        f[n++] = kv("trace", trace_id(c->trace));
    f[n++] = kv("peer", r->http->peer);
    n += route_fields(f + n, r);
    f[n++] = kv("status", r->http->status);
    f[n++] = kv("us", (now - c->start_ns) / NS_PER_US);
    if (r->http->first_byte_ns)
        f[n++] = kv("first_us", (r->http->first_byte_ns - c->start_ns) / NS_PER_US);
    f[n++] = kv("bytes", r->http->sent);
    if (c->key)
        n += caller_fields(f + n, c->key);
    if (c->attempts)
        n += call_fields(f + n, c);
    if (why)
        f[n++] = kv("error", err_name(why->code));
    log_write_at(now, LOG_INFO, "request", f, n);
}

__attribute__((noinline)) static void tell_failure(const struct request *r, const struct err *why)
{
    if (err_status(why->code) >= 500)
        log_warn("failed", kv("id", r->call.id), kv("error", err_name(why->code)),
                 kv("message", why->msg));
}

/* ---- Traces. Probes are not traced: they would bury the rest. ---- */

__attribute__((noinline)) static void begin_trace(struct request *r)
{
    const struct config_tracing *t = &r->config->tracing;
    const struct trace_options opt = {
        .to = r->service->otlp, .sample = t->sample, .content = t->content};
    r->call.trace = trace_begin(r->call.arena, &r->http->head.headers, r->http->path, &opt);
    if (!r->call.trace)
        return;
    span_init(&r->call.spans, r->call.arena);
    span_open(&r->call.spans, "request", r->call.start_ns);
}

__attribute__((noinline)) static void end_trace(const struct request *r, const struct err *why,
                                                int64_t now)
{
    const struct trace_request how = {
        .id = r->call.id,
        .method = r->http->head.method,
        .route = r->route ? r->route->path : NULL,
        .status = r->http->status,
        .error = why ? err_name(why->code) : NULL,
        .failed = why && err_status(why->code) >= 500,
        .spans = &r->call.spans,
        .start_ns = r->call.start_ns,
        .end_ns = now,
    };
    trace_end(r->call.trace, &how);
}

/* ---- */

enum { CLIENT_ID_MOST = 128 };

__attribute__((noinline)) static void note_client_id(struct request *r)
{
    struct str id;
    if (http_header_get(&r->http->head.headers, STR("x-request-id"), &id))
        r->client_id = arena_text(r->call.arena, str_head(id, CLIENT_ID_MOST));
}

static bool serve(struct request *r, struct err *e)
{
    r->route = find(r, e);
    if (!r->route || !r->route->open)
        begin_trace(r);
    return r->route && (r->route->open || stages_enter(r, e)) && r->route->handle(r, e);
}

void routes_handle(struct http_request *http, void *ctx)
{
    struct service_loop *l = ctx;
    struct request *r = arena_struct(http->arena, struct request);
    r->http = http;
    r->loop = l;
    r->service = l->service;
    r->config = service_config(l, http->arena);
    r->call.arena = http->arena;
    r->call.early = http->early;
    r->call.start_ns = http->accepted_ns;
    r->call.deadline_ns = clock_after(http->accepted_ns, r->config->limits.request_timeout_ms);
    r->call.journal = l->journal;
    r->call.http = l->http;
    random_id(r->call.id, "req_");
    note_client_id(r);
    fiber_deadline(r->call.deadline_ns);

    metric_add(in_flight, 1);
    struct err why; /* large, and the only one on the stack while an answer streams */
    why.code = ERR_NONE;
    bool good = serve(r, &why);
    if (!good && !http->status)
        reply_error(r, &why);
    stages_leave(r);

    int64_t now = good && r->codec ? r->stage_ns : clock_now(); /* the last stage was the end */
    metric_add(in_flight, -1);
    count(r, now);
    access_line(r, good ? NULL : &why, now);
    if (r->call.trace)
        end_trace(r, good ? NULL : &why, now);
    if (!good)
        tell_failure(r, &why);
}

bool routes_refuse(struct json_writer *w, const struct http_request *http, const char *id,
                   const struct err *why)
{
    if (!str_starts(http->head.target, STR("/v1/messages")))
        return false;
    messages_error_json(w, id, why);
    return true;
}
