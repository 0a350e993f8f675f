/* One fiber on a loop of its own does all the sending; requests and it share a list under a lock.
 * It naps between batches, and whoever fills one wakes it. */
#include "obs/otlp.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/random.h"
#include "net/client.h"
#include "run/fiber.h"

enum {
    BATCH = 512,
    QUEUE = 8192,
    INTERVAL_MS = 1000,
    GIVE_UP_MS = 30000,
    BACKOFF_FIRST_MS = 500,
    BACKOFF_MOST_MS = 5000,
    BATCH_BYTES = 64 << 20,
    ANSWER_MOST = 64 << 10,
};

/* What one request has left. */
struct parcel {
    struct parcel *next;
    struct buf spans;
    size_t n;
};

struct otlp {
    /* set once */
    struct arena *arena;
    struct http_origin origin;
    struct tls_client *tls;
    struct str lines, head; /* header lines of a request; its body up to the spans */
    size_t batch, queue;
    int64_t interval_ms, give_up_ms;
    struct metric *exported, *dropped;
    struct loop *loop;
    pthread_t thread;
    int64_t close_ms;

    /* under lock */
    struct lock lock;
    struct parcel *first, **end;
    size_t waiting; /* spans in the list */
    bool wants;     /* the sender naps, and a full batch is to wake it */

    /* its thread only */
    struct http_client *http;
    struct fiber *sender;
    struct loop_timer patience;
    bool closing;
    bool failing; /* the last batch could not be delivered, which has been logged */
};

static const struct str behind = STR_INIT("]}]}]}");

/* ---- The queue ---- */

static void wake(void *arg)
{
    struct otlp *o = arg;
    fiber_wake(o->sender);
}

static void parcel_free(struct parcel *p)
{
    buf_fini(&p->spans);
    mem_free(p);
}

void otlp_add(struct otlp *o, struct buf *spans, size_t n)
{
    struct parcel *p = mem_new(sizeof(*p));
    bool full = false;
    *p = (struct parcel){.spans = *spans, .n = n};
    *spans = (struct buf){0};
    lock_take(&o->lock);
    bool fits = buf_ok(&p->spans) && o->waiting + n <= o->queue;
    if (fits) {
        *o->end = p;
        o->end = &p->next;
        o->waiting += n;
        full = o->wants && o->waiting >= o->batch;
        if (full)
            o->wants = false;
    }
    lock_drop(&o->lock);
    if (full)
        loop_post(o->loop, wake, o);
    if (!fits) {
        metric_add(o->dropped, (int64_t)n);
        parcel_free(p);
    }
}

/* Up to a batch; at least one parcel when there is one. */
static struct parcel *take(struct otlp *o, size_t *n)
{
    lock_take(&o->lock);
    struct parcel *all = o->first, **link = &o->first;
    *n = 0;
    while (*link && (*n == 0 || *n + (*link)->n <= o->batch)) {
        *n += (*link)->n;
        link = &(*link)->next;
    }
    o->first = *link;
    if (!o->first)
        o->end = &o->first;
    *link = NULL;
    o->waiting -= *n;
    lock_drop(&o->lock);
    return *n ? all : NULL;
}

/* ---- One batch ---- */

enum outcome { DELIVERED, REFUSED, LATER };

/* A collector may take a part of what it was sent, and says so. */
static void note_rejected(struct otlp *o, struct str answer, size_t n)
{
    struct arena *a = arena_scratch();
    struct arena_mark mark = arena_mark(a);
    struct json doc;
    int64_t rejected = 0;
    if (json_parse(&doc, a, answer, 0, NULL)) {
        struct json_value v = json_path(json_root(&doc), "partialSuccess.rejectedSpans");
        if (!json_int(v, &rejected))
            str_to_i64(json_text(v, a), &rejected);
    }
    arena_rewind(a, mark);
    if (rejected < 0 || rejected > (int64_t)n)
        rejected = 0;
    metric_add(o->dropped, rejected);
    metric_add(o->exported, (int64_t)n - rejected);
}

static int64_t retry_after_ms(const struct http_head *head)
{
    struct str value;
    uint64_t s;
    if (http_header_get(&head->headers, STR("retry-after"), &value) && str_to_u64(value, &s))
        return s < 3600 ? (int64_t)s * 1000 : 3600 * 1000;
    return 0;
}

static enum outcome post(struct otlp *o, struct arena *a, struct str body, size_t n,
                         int64_t *after_ms, struct err *e)
{
    struct http_exchange *x;
    struct str answer = STR_NONE, path = o->origin.base_path.len ? STR("") : STR("/");
    *after_ms = 0;
    if (!http_exchange_start(&x, o->http, a, a, &o->origin, STR("POST"), path, o->lines, &body, 1,
                             NULL, e))
        return LATER;
    int status = x->head.status;
    *after_ms = retry_after_ms(&x->head);
    bool whole = http_exchange_body(x, &answer, ANSWER_MOST, e); /* the status says enough */
    http_exchange_end(x);
    if (status >= 200 && status < 300) {
        note_rejected(o, whole ? answer : STR_NONE, n);
        return DELIVERED;
    }
    err_set(e, ERR_UPSTREAM, "the collector answered with status %d", status);
    return status == 429 || status >= 500 ? LATER : REFUSED;
}

static int64_t pause_ms(int tries, int64_t after_ms)
{
    int64_t most = BACKOFF_FIRST_MS;
    for (int i = 1; i < tries && most < BACKOFF_MOST_MS; i++)
        most *= 2;
    return after_ms > 0 ? after_ms : 1 + (int64_t)(random_u64() % (uint64_t)most);
}

/* Until then, until the service closes or, `for_work`, until a batch is full. */
static void nap(struct otlp *o, int64_t until_ns, bool for_work)
{
    bool more = true;
    while (more && !o->closing) {
        lock_take(&o->lock);
        more = !for_work || o->waiting < o->batch;
        o->wants = for_work && more;
        lock_drop(&o->lock);
        more = more && fiber_wait(until_ns) == FIBER_WOKEN;
    }
}

static void tell(struct otlp *o, const struct err *why, size_t n)
{
    if (why && !o->failing)
        log_warn("trace_export", kv("message", (const char *)why->msg), kv("dropped", n));
    else if (!why && o->failing)
        log_info("trace_export", kv("message", "the collector takes spans again"));
    o->failing = why != NULL;
}

static void deliver(struct otlp *o, struct arena *a, struct str body, size_t n)
{
    int64_t give_up_ns = clock_after(clock_now(), o->give_up_ms);
    for (int tries = 1;; tries++) {
        struct err e;
        int64_t after_ms;
        enum outcome out = post(o, a, body, n, &after_ms, &e);
        if (out == DELIVERED) {
            tell(o, NULL, n);
            return;
        }
        int64_t until = clock_after(clock_now(), pause_ms(tries, after_ms));
        if (out == LATER && until <= give_up_ns && !o->closing)
            nap(o, until, false);
        if (out == REFUSED || until > give_up_ns || o->closing) {
            metric_add(o->dropped, (int64_t)n);
            tell(o, &e, n);
            return;
        }
    }
}

static void send_batch(struct otlp *o, struct parcel *p, size_t n)
{
    struct arena *a = arena_new();
    struct buf body;
    buf_init(&body, BATCH_BYTES);
    buf_add(&body, o->head);
    while (p) {
        struct parcel *next = p->next;
        buf_add(&body, buf_str(&p->spans));
        if (next)
            buf_char(&body, ',');
        parcel_free(p);
        p = next;
    }
    buf_add(&body, behind);
    if (buf_ok(&body))
        deliver(o, a, buf_str(&body), n);
    else
        metric_add(o->dropped, (int64_t)n);
    buf_fini(&body);
    arena_free(a);
}

/* ---- Its thread ---- */

static void sender(void *arg)
{
    struct otlp *o = arg;
    size_t n;
    o->http = http_client_new(NULL);
    do {
        struct parcel *p;
        nap(o, clock_after(clock_now(), o->interval_ms), true);
        while (!fiber_cancelled() && (p = take(o, &n)) != NULL)
            send_batch(o, p, n);
    } while (!o->closing);
    loop_timer_stop(&o->patience);
    http_client_free(o->http);
    loop_stop(o->loop);
}

static void start(void *arg)
{
    struct otlp *o = arg;
    o->sender = fiber_go(sender, o, "trace export");
}

static void lose_patience(void *arg)
{
    struct otlp *o = arg;
    fiber_cancel(o->sender);
}

static void begin_to_close(void *arg)
{
    struct otlp *o = arg;
    o->closing = true;
    loop_timer_start(&o->patience, clock_after(clock_now(), o->close_ms), lose_patience, o);
    fiber_wake(o->sender);
}

static void *run(void *loop)
{
    loop_run(loop);
    return NULL;
}

/* ---- Life ---- */

static void put_resource(struct json_writer *w, const char *name, struct str value)
{
    json_object(w);
    json_kv_text(w, "key", name);
    json_key(w, "value");
    json_object(w);
    json_kv_str(w, "stringValue", value);
    json_end(w);
    json_end(w);
}

/* {"resourceSpans":[{"resource":{...},"scopeSpans":[{"scope":{...},"spans":[ */
static struct str make_head(struct arena *a, const struct otlp_options *opt)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 64 << 10);
    buf_add(&b, STR("{\"resourceSpans\":[{\"resource\":"));
    json_begin(&w, &b);
    json_object(&w);
    json_key(&w, "attributes");
    json_array(&w);
    put_resource(&w, "service.name", opt->service);
    put_resource(&w, "service.version", opt->version);
    put_resource(&w, "telemetry.sdk.language", STR("c"));
    json_end(&w);
    json_end(&w);
    buf_add(&b, STR(",\"scopeSpans\":[{\"scope\":"));
    json_begin(&w, &b);
    json_object(&w);
    json_kv_text(&w, "name", "penstock");
    json_kv_str(&w, "version", opt->version);
    json_end(&w);
    buf_add(&b, STR(",\"spans\":["));
    struct str head = arena_copy(a, buf_str(&b));
    buf_fini(&b);
    return head;
}

static bool make_lines(struct otlp *o, const struct otlp_options *opt, struct err *e)
{
    o->lines = STR("Content-Type: application/json\r\n");
    for (size_t i = 0; i < opt->n_headers; i++) {
        struct str line = str_trim(opt->header[i]);
        size_t colon = str_find_char(line, ':');
        bool good = colon != STR_NPOS && colon > 0;
        for (size_t j = 0; j < line.len; j++)
            good = good && !http_is_control(line.p[j]) && (j > colon || line.p[j] != ' ');
        if (!good)
            return err_set(e, ERR_INVALID, "a header for the collector must be 'name: value'");
        o->lines = arena_printf(o->arena, "%.*s%.*s\r\n", STR_FMT(o->lines), STR_FMT(line));
    }
    return true;
}

static void free_all(struct otlp *o)
{
    size_t n;
    struct parcel *p;
    while ((p = take(o, &n)) != NULL) {
        metric_add(o->dropped, (int64_t)n);
        while (p) {
            struct parcel *next = p->next;
            parcel_free(p);
            p = next;
        }
    }
    tls_client_free(o->tls);
    lock_fini(&o->lock);
    arena_free(o->arena);
    mem_free(o);
}

bool otlp_open(struct otlp **out, const struct otlp_options *opt, struct err *e)
{
    struct metric_family *spans =
        metric_family("penstock_trace_spans_total", METRIC_COUNTER, "outcome",
                      "Spans for the collector of traces: exported, or dropped.");
    struct otlp *o = mem_new(sizeof(*o));
    *o = (struct otlp){
        .arena = arena_new(),
        .batch = opt->batch ? opt->batch : BATCH,
        .queue = opt->queue ? opt->queue : QUEUE,
        .interval_ms = opt->interval_ms ? opt->interval_ms : INTERVAL_MS,
        .give_up_ms = opt->give_up_ms ? opt->give_up_ms : GIVE_UP_MS,
        .exported = metric_with(spans, &STR("exported")),
        .dropped = metric_with(spans, &STR("dropped")),
    };
    lock_init(&o->lock);
    o->end = &o->first;
    o->head = make_head(o->arena, opt);
    if (!make_lines(o, opt, e) || !http_origin_parse(&o->origin, o->arena, opt->url, e))
        goto fail;
    const char *ca = opt->ca.len ? arena_text(o->arena, opt->ca) : NULL;
    if (o->origin.https && !tls_client_new(&o->tls, ca, false, e))
        goto fail;
    o->origin.tls = o->tls;
    o->loop = loop_new(e);
    if (!o->loop)
        goto fail;
    loop_post(o->loop, start, o);
    CHECK(pthread_create(&o->thread, NULL, run, o->loop) == 0);
    *out = o;
    return true;

fail:
    free_all(o);
    return err_prefix(e, "tracing: ");
}

void otlp_close(struct otlp *o, int64_t wait_ms)
{
    if (!o)
        return;
    o->close_ms = wait_ms;
    loop_post(o->loop, begin_to_close, o);
    pthread_join(o->thread, NULL);
    loop_free(o->loop);
    free_all(o);
}
