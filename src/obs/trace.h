/* trace.h - what one request tells a collector of traces: a span for the request, one for each
 * stage, one for each attempt at a provider.
 *
 * Few requests are traced. Those that are not have no struct trace, and pay one branch for it:
 *
 *     struct trace *t = trace_begin(...);           // NULL: nothing to record, nothing to pass on
 *     ...
 *     struct trace_attempt *at = trace_attempt(t);  // NULL for a NULL trace
 *     lines = trace_lines(t, at, arena, lines);     // `lines` itself for a NULL trace
 *     ... the provider answers ...
 *     if (at)
 *         fill it in
 *     ...
 *     trace_end(t, &how);                           // encodes, and hands over to the exporter
 *
 * A request that carries a trace which is not recorded here (nobody collects, or it is not in the
 * sample) sends on what it carries, unchanged: such a trace is there, but has no attempts.
 *
 * Never in a span: a key. Prompts and answers only when configuration says so.
 *
 * Memory:  a trace lives in the request's arena, with all that it points to.
 * Threads: the fiber of the request.
 * Source:  OpenTelemetry's conventions for HTTP and for generative AI clients.
 */
#pragma once

#include "base/json.h"
#include "base/span.h"
#include "net/http.h"
#include "obs/otlp.h"
#include "obs/traceparent.h"

/* One attempt at a provider. The fields that are not known stay zero and are not exported. */
struct trace_attempt {
    struct trace_attempt *next;
    uint64_t span; /* its id, which the provider is told */

    /* who was asked for what; texts live as long as the request */
    const char *operation; /* "chat", "text_completion", "embeddings", "rerank", ... */
    struct str provider;   /* as configured */
    const char *kind;      /* which sort: "openai", "anthropic", ... */
    struct str model;      /* the provider's name for it */
    struct str host;       /* where it went; "" = no server */
    uint16_t port;
    int number; /* of the attempt, from 1 */

    /* how it went */
    int64_t start_ns, end_ns;
    int64_t first_token_ns; /* 0: none, or no stream */
    int status;             /* the provider's, 0 = no answer came */
    const char *error;      /* what kind of failure; NULL = it was good */
    struct str response_id, response_model;
    struct str finish; /* why the answer ended, in the word of whoever gave it */
    bool usage_known;
    int64_t input_tokens, output_tokens, cached_tokens;
};

struct trace;

/* How much is recorded. */
struct trace_options {
    struct otlp *to; /* NULL: nobody collects */
    double sample;   /* of the traces that begin here, 0 to 1; the others have decided already */
    bool content;    /* prompts and answers too */
};

/* Headers and path are only looked at. */
struct trace *trace_begin(struct arena *a, const struct http_headers *headers, struct str path,
                          const struct trace_options *opt);
/* "4bf92f3577b34da6a3ce929d0e0e4736"; "" for NULL. */
struct str trace_id(const struct trace *t);
bool trace_recorded(const struct trace *t); /* false for NULL */
bool trace_content(const struct trace *t);  /* is the text of question and answer wanted? */

/* What the client asked for, as far as the conventions name it: temperature, limits, stops. */
void trace_asked(struct trace *t, struct json_value body);
/* For a trace with content: a message of the question, and the answer piece by piece, in order.
 * Copied; what is over a megabyte is left out. */
void trace_message(struct trace *t, const char *role, struct str text);
void trace_said(struct trace *t, struct str piece);

/* A new attempt, listed behind those before; NULL when none is recorded. */
struct trace_attempt *trace_attempt(struct trace *t);
/* `lines` (header lines with CRLF) and those that tell the provider of the trace, in `a`. */
struct str trace_lines_with(const struct trace *t, const struct trace_attempt *at, struct arena *a,
                            struct str lines);
static inline struct str trace_lines(const struct trace *t, const struct trace_attempt *at,
                                     struct arena *a, struct str lines)
{
    return t ? trace_lines_with(t, at, a, lines) : lines;
}

/* How the request went. */
struct trace_request {
    const char *id; /* x-request-id */
    struct str method;
    const char *route; /* template, NULL = no such path */
    int status;
    const char *error;         /* kind of failure, NULL = good */
    bool failed;               /* it is ours or a provider's, not the client's */
    const struct spans *spans; /* the first is the request itself, its children are the stages */
    int64_t start_ns, end_ns;
};

/* Hands what was recorded to the exporter. Nothing happens for a trace that is not. */
void trace_end(struct trace *t, const struct trace_request *how);
/* The spans as OTLP's JSON, with a comma between them; returns how many. `wall_ns` is what
 * CLOCK_REALTIME shows when the monotonic clock shows 0. For trace_end, and its test. */
size_t trace_encode(const struct trace *t, const struct trace_request *how, int64_t wall_ns,
                    struct buf *out);
