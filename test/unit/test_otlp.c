/* What otlp promises: batches, tries again, gives up, a bound on what waits, an end in time. */
#include "obs/otlp.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/metric.h"
#include "run/work.h"

#include "peer.h"
#include "tap.h"

#define YES "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
#define PARTLY                                                                                     \
    "HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n{\"partialSuccess\":{\"rejectedSpans\":\"2\"}} " \
    "  "
#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
#define NO "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"

static int64_t count(const char *outcome)
{
    const struct str label = str_from(outcome);
    return metric_value(
        metric_with(metric_family("penstock_trace_spans_total", METRIC_COUNTER, "outcome",
                                  "Spans for the collector of traces: exported, or "
                                  "dropped."),
                    &label));
}

static struct otlp *start(uint16_t port, struct otlp_options opt)
{
    struct otlp *o = NULL;
    struct err e;
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1/traces", port);
    opt.url = str_from(url);
    opt.service = STR("test");
    opt.version = STR("1");
    ok(otlp_open(&o, &opt, &e), "opens");
    return o;
}

static void add(struct otlp *o, const char *spans, size_t n)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_add(&b, str_from(spans));
    otlp_add(o, &b, n);
}

static void test_batch(void)
{
    static const struct act acts[] = {{ACT_ACCEPT}, {ACT_READ},         {ACT_SEND, BUSY},
                                      {ACT_READ},   {ACT_SEND, PARTLY}, {ACT_END}};
    struct peer p;
    struct json doc;
    struct err e;
    struct arena *a = arena_new();
    int64_t exported = count("exported"), dropped = count("dropped");
    peer_start(&p, acts);
    struct otlp *o =
        start(p.port,
              (struct otlp_options){.header = &STR("x-token: secret"), .n_headers = 1, .batch = 3});
    add(o, "{\"name\":\"a\"}", 1);
    add(o, "{\"name\":\"b\"},{\"name\":\"c\"}", 2);
    CHECK(pthread_join(p.thread, NULL) == 0); /* a full batch goes at once, and again after a 503 */
    otlp_close(o, 2000);
    ok(p.failed == 0, "sent, refused for now, sent again");
    ok(strstr(p.request, "POST /v1/traces HTTP/1.1\r\n") &&
           strstr(p.request, "\r\nx-token: secret\r\n") &&
           strstr(p.request, "\r\nContent-Type: application/json\r\n"),
       "the request");
    const char *body = strstr(p.request, "\r\n\r\n");
    ok(body && json_parse(&doc, a, str_from(body + 4), JSON_UNIQUE, &e), "the body is JSON");
    struct json_value resource = json_path(json_root(&doc), "resourceSpans.0");
    ok(json_count(json_path(resource, "scopeSpans.0.spans")) == 3, "three spans in one batch");
    ok(json_text_is(json_path(resource, "resource.attributes.0.value.stringValue"), "test"),
       "the service's name");
    ok(count("exported") == exported + 1 && count("dropped") == dropped + 2,
       "what the collector did not take counts as dropped");
    close(p.listener);
    mem_free(p.request);
    arena_free(a);
}

static void test_refused(void)
{
    static const struct act acts[] = {{ACT_ACCEPT}, {ACT_READ},      {ACT_SEND, NO},
                                      {ACT_READ},   {ACT_SEND, YES}, {ACT_END}};
    struct peer p;
    int64_t exported = count("exported"), dropped = count("dropped");
    peer_start(&p, acts);
    struct otlp *o = start(p.port, (struct otlp_options){.batch = 2});
    add(o, "{}", 1);
    add(o, "{}", 1);
    add(o, "{}", 1);
    otlp_close(o, 10000);
    ok(peer_stop(&p), "a refused batch is not sent again; the next one is");
    ok(count("dropped") == dropped + 2 && count("exported") == exported + 1, "and both counted");
}

static void test_away(void)
{
    uint16_t port = 0;
    int listener = peer_listen("127.0.0.1", &port, 1);
    int64_t dropped = count("dropped");
    close(listener); /* nobody listens there now */
    struct otlp *o = start(port, (struct otlp_options){.queue = 5, .interval_ms = 3600 * 1000});
    for (int i = 0; i < 4; i++)
        add(o, "{},{}", 2);
    ok(count("dropped") == dropped + 4, "what is over the bound is dropped at once");
    otlp_close(o, 10000);
    ok(count("dropped") == dropped + 8, "and the rest when nobody is there at the end");
}

static void test_silent(void)
{
    static const struct act acts[] = {{ACT_ACCEPT}, {ACT_READ}, {ACT_AWAIT_EOF}, {ACT_END}};
    struct peer p;
    int64_t dropped = count("dropped");
    peer_start(&p, acts);
    struct otlp *o = start(p.port, (struct otlp_options){.batch = 1});
    add(o, "{}", 1);
    otlp_close(o, 50);
    ok(peer_stop(&p), "a collector that never answers is left at the end");
    ok(count("dropped") == dropped + 1, "and counted");
}

static void test_wrong(void)
{
    struct otlp *o;
    struct err e;
    ok(!otlp_open(&o, &(struct otlp_options){.url = STR("nonsense")}, &e), "no address: %s", e.msg);
    ok(!otlp_open(&o,
                  &(struct otlp_options){
                      .url = STR("http://x/"), .header = &STR("no colon"), .n_headers = 1},
                  &e),
       "no header: %s", e.msg);
    otlp_close(NULL, 1);
}

int main(void)
{
    struct err e;
    CHECK(work_start(1, &e));
    test_batch();
    test_refused();
    test_away();
    test_silent();
    test_wrong();
    work_stop();
    return tap_done();
}
