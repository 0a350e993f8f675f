/* probes.c - what orchestrators and Prometheus ask: /livez, /readyz, /startupz, /metrics. */
#include "base/metric.h"
#include "gateway/routes.h"
#include "run/work.h"

static bool probe(struct request *r, bool good, struct err *e)
{
    const struct http_header h[] = {
        {STR("Content-Type"), STR("text/plain")},
        {STR("Cache-Control"), STR("no-store")},
        {STR("x-request-id"), str_from(r->call.id)},
    };
    struct str body = good ? STR("ok\n") : STR("not ready\n");
    return http_reply(r->http, good ? 200 : 503, h, COUNT(h), &body, 1, e);
}

/* That this is answered at all says that the loop runs. */
bool probe_live(struct request *r, struct err *e)
{
    return probe(r, true, e);
}

bool probe_ready(struct request *r, struct err *e)
{
    return probe(r, atomic_load(&r->service->state) == SERVICE_READY, e);
}

bool probe_started(struct request *r, struct err *e)
{
    return probe(r, atomic_load(&r->service->state) != SERVICE_STARTING, e);
}

static void render(void *b)
{
    metric_render(b);
}

bool probe_metrics(struct request *r, struct err *e)
{
    struct buf b;
    buf_init(&b, 16 << 20);
    work_run(render, &b); /* reads /proc */
    bool sent = buf_ok(&b) ? reply_text(r, 200, "text/plain; version=0.0.4", buf_str(&b), e)
                           : err_set(e, ERR_INTERNAL, "there are more metrics than fit");
    buf_fini(&b);
    return sent;
}
