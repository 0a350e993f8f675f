/* otlp.h - sends spans to a collector: OTLP over HTTP, as JSON.
 *
 * A thread with a loop of its own takes what requests have left, puts up to 512 spans into a batch
 * and posts it, every second or when a batch is full. Requests only append to a queue under a lock;
 * when the collector is slow or away the queue fills up to its bound, and then spans are dropped
 * and counted. A batch is tried for a while (429, 5xx and connection errors, with back-off;
 * Retry-After is believed), then dropped and counted too.
 *
 * Counted: penstock_trace_spans_total{outcome="exported"|"dropped"}.
 *
 * Threads: one opens and closes; any adds.
 * Source:  OpenTelemetry Protocol 1, section OTLP/HTTP.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct otlp;

struct otlp_options {
    struct str url;     /* of the traces: "http://127.0.0.1:4318/v1/traces" */
    struct str ca;      /* PEM file for https, "" = the system's authorities */
    struct str *header; /* "name: value", sent with each batch */
    size_t n_headers;
    struct str service, version; /* of the resource */
    size_t batch, queue;         /* spans; 0 = 512 and 8192 */
    int64_t interval_ms;         /* 0 = 1 s */
    int64_t give_up_ms;          /* with one batch; 0 = 30 s */
};

/* Options are only looked at. */
bool otlp_open(struct otlp **out, const struct otlp_options *opt, struct err *e);
/* Sends what waits, each batch tried once, for no longer than `wait_ms` (> 0); the rest is dropped.
 * Accepts NULL. */
void otlp_close(struct otlp *o, int64_t wait_ms);
/* Takes over the buffer: `n` spans in OTLP's JSON with commas between them. Never waits. */
void otlp_add(struct otlp *o, struct buf *spans, size_t n);
