/* live_api.c - GET /admin/live: what /metrics counts, as JSON for those who draw it. Counters only
 * rise, so two answers give rates; a histogram is a list of [value, observations], so two answers
 * give the quantiles of the time between them. */
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "gateway/routes.h"
#include "run/work.h"

#include <build_info.h>

static const struct {
    const char *name; /* in the answer */
    struct str family;
} shown[] = {
    {"requests", STR_INIT("penstock_requests_total")},
    {"request_ns", STR_INIT("penstock_request_seconds")},
    {"tokens", STR_INIT("penstock_tokens_total")},
    {"first_token_ns", STR_INIT("penstock_first_token_seconds")},
    {"attempts", STR_INIT("penstock_provider_attempts_total")},
    {"errors", STR_INIT("penstock_provider_errors_total")},
    {"steps", STR_INIT("penstock_dispatch_steps_total")},
    {"breakers", STR_INIT("penstock_breaker_state")},
    {"endpoints", STR_INIT("penstock_endpoint_up")},
    {"at_provider", STR_INIT("penstock_provider_in_flight")},
    {"limit", STR_INIT("penstock_provider_limit")},
    {"queued", STR_INIT("penstock_queue_depth")},
    {"in_flight", STR_INIT("penstock_requests_in_flight")},
};

static void put_buckets(struct json_writer *w, const struct metric_sample *s)
{
    json_key(w, "buckets");
    json_array(w);
    for (size_t i = 0; i < s->n_buckets; i++) {
        if (!s->bucket[i])
            continue;
        json_array(w);
        json_put_int(w, (int64_t)metric_bucket_middle(i));
        json_put_int(w, (int64_t)s->bucket[i]);
        json_end(w);
    }
    json_end(w);
}

static void put_sample(void *arg, const struct metric_sample *s)
{
    struct json_writer *w = arg;
    json_object(w);
    for (size_t i = 0; i < s->n_labels; i++) {
        json_key_str(w, s->name[i]);
        json_put_str(w, s->value[i]);
    }
    if (s->bucket)
        put_buckets(w, s);
    else
        json_kv_int(w, "value", s->number);
    json_end(w);
}

static void put_service(struct json_writer *w, const struct service *s)
{
    struct metric_process p;
    metric_process(&p);
    json_kv_text(w, "object", "live");
    json_kv_int(w, "at_ms", clock_wall_ms());
    json_kv_text(w, "version", BUILD_VERSION);
    json_kv_text(w, "status", service_state_name(atomic_load(&s->state)));
    json_kv_int(w, "started_at_ms", p.started_ms);
    json_kv_int(w, "loops", s->n_loops);
    json_kv_real(w, "cpu_seconds", p.cpu_seconds);
    json_kv_int(w, "memory_bytes", p.resident_bytes);
    json_kv_int(w, "jobs_queued", (int64_t)work_queued());
    json_kv_int(w, "ledger_rows_waiting", (int64_t)journal_waiting(s->journals));
    json_kv_int(w, "log_lines_dropped", (int64_t)log_dropped());
}

struct live {
    const struct service *service;
    struct buf out;
};

static void write_live(void *arg)
{
    struct live *l = arg;
    struct json_writer w;
    json_begin(&w, &l->out);
    json_object(&w);
    put_service(&w, l->service);
    metric_refresh();
    for (size_t i = 0; i < COUNT(shown); i++) {
        json_key(&w, shown[i].name);
        json_array(&w);
        metric_each(shown[i].family, put_sample, &w);
        json_end(&w);
    }
    json_end(&w);
}

bool live_get(struct request *r, struct err *e)
{
    struct live l = {.service = r->service};
    buf_init(&l.out, 64 << 20);
    work_run(write_live, &l); /* reads /proc */
    return reply_json(r, 200, &l.out, e);
}
