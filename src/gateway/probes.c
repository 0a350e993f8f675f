/* probes.c - what orchestrators and Prometheus ask: /livez, /readyz, /startupz, /metrics. */
#include "base/metric.h"
#include "gateway/routes.h"
#include "run/work.h"

static bool probe(struct request *r, bool good, struct err *e)
{
    struct http_header h[REPLY_HEADERS + 1];
    size_t n = reply_headers(r, "text/plain", h);
    h[n++] = (struct http_header){STR("Cache-Control"), STR("no-store")};
    struct str body = good ? STR("ok\n") : STR("not ready\n");
    return http_reply(r->http, good ? 200 : 503, h, n, &body, 1, e);
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
    bool sent = buf_ok(&b)
                    ? reply_text(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&b), e)
                    : err_set(e, ERR_INTERNAL, "there are more metrics than fit");
    buf_fini(&b);
    return sent;
}
