/* Ids are random, spans are encoded when the request has ended: what a request does until then is
 * to fill in structs of its arena. */
#include "obs/trace.h"
#include "base/clock.h"
#include "base/random.h"

enum { SPANS_MOST = 32 << 20 }; /* bytes of one request's spans; prompts can be long */
enum { ASKED_MOST = 64 << 10, TEXT_MOST = 1024, CONTENT_MOST = 1 << 20 };

struct trace {
    struct traceparent parent; /* as it came; span 0: the trace begins here */
    struct str state;          /* tracestate, "" = none */
    bool recorded;
    struct trace_options opt;
    uint64_t span; /* the request's */
    struct arena *arena;
    struct str path;
    struct str asked; /* attributes, encoded, with commas between them */
    struct buf input; /* messages as JSON with commas between them; with content alone ... */
    struct buf said;  /* ... and so is the answer's text */
    struct trace_attempt *first, **end;
};

static uint64_t new_id(void)
{
    uint64_t id;
    do
        id = random_u64();
    while (id == 0);
    return id;
}

/* The value of a header that is there once. */
static bool find_one(const struct http_headers *h, struct str name, struct str *value)
{
    const struct http_header *first = http_header_next(h, name, NULL);
    if (!first || http_header_next(h, name, first))
        return false;
    *value = first->value;
    return true;
}

static void forget_content(void *arg)
{
    struct trace *t = arg;
    buf_fini(&t->input);
    buf_fini(&t->said);
}

/* A trace that begins here has no one else to decide for it. */
static bool chosen(double sample)
{
    return (double)(random_u64() >> 11) * 0x1p-53 < sample;
}

struct trace *trace_begin(struct arena *a, const struct http_headers *headers, struct str path,
                          const struct trace_options *opt)
{
    struct traceparent parent = {0};
    struct str value = STR_NONE, state = STR_NONE;
    bool given = find_one(headers, STR("traceparent"), &value) && traceparent_parse(&parent, value);
    if (!given && (!opt->to || !chosen(opt->sample)))
        return NULL;

    struct trace *t = arena_struct(a, struct trace);
    *t = (struct trace){.arena = a, .opt = *opt, .span = new_id()};
    t->end = &t->first;
    if (given) {
        t->parent = parent;
        t->recorded = opt->to && (parent.flags & TRACEPARENT_SAMPLED);
        if (find_one(headers, STR("tracestate"), &state) && traceparent_state_ok(state))
            t->state = arena_copy(a, state);
    } else {
        t->parent =
            (struct traceparent){.trace = {new_id(), new_id()}, .flags = TRACEPARENT_SAMPLED};
        t->recorded = true;
    }
    if (t->recorded)
        t->path = arena_copy(a, str_head(path, TEXT_MOST));
    if (trace_content(t)) {
        buf_init(&t->input, CONTENT_MOST);
        buf_init(&t->said, CONTENT_MOST);
        arena_defer(a, forget_content, t);
    }
    return t;
}

struct str trace_id(const struct trace *t)
{
    if (!t)
        return STR_NONE;
    char *text = arena_alloc(t->arena, TRACEPARENT_TRACE);
    traceparent_trace(&t->parent, text);
    return (struct str){text, TRACEPARENT_TRACE};
}

bool trace_recorded(const struct trace *t)
{
    return t && t->recorded;
}

bool trace_content(const struct trace *t)
{
    return trace_recorded(t) && t->opt.content;
}

struct trace_attempt *trace_attempt(struct trace *t)
{
    if (!trace_recorded(t))
        return NULL;
    struct trace_attempt *at = arena_struct(t->arena, struct trace_attempt);
    *at = (struct trace_attempt){.span = new_id(), .start_ns = clock_now()};
    *t->end = at;
    t->end = &at->next;
    return at;
}

struct str trace_lines_with(const struct trace *t, const struct trace_attempt *at, struct arena *a,
                            struct str lines)
{
    char text[TRACEPARENT_SIZE];
    struct traceparent sent = t->parent;
    if (at)
        sent.span = at->span;
    traceparent_format(&sent, text);
    return arena_printf(a, "%.*straceparent: %.*s\r\n%s%.*s%s", STR_FMT(lines), TRACEPARENT_SIZE,
                        text, t->state.len ? "tracestate: " : "", STR_FMT(t->state),
                        t->state.len ? "\r\n" : "");
}

/* ---- Attributes ---- */

static void begin_attribute(struct json_writer *w, const char *name)
{
    json_object(w);
    json_kv_text(w, "key", name);
    json_key(w, "value");
    json_object(w);
}

static void end_attribute(struct json_writer *w)
{
    json_end(w);
    json_end(w);
}

static void put_str(struct json_writer *w, const char *name, struct str value)
{
    if (!value.len)
        return;
    begin_attribute(w, name);
    json_kv_str(w, "stringValue", value);
    end_attribute(w);
}

static void put_text(struct json_writer *w, const char *name, const char *value)
{
    put_str(w, name, str_from(value));
}

/* 64-bit integers are strings in JSON. */
static void put_int(struct json_writer *w, const char *name, int64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%jd", (intmax_t)value);
    begin_attribute(w, name);
    json_kv_str(w, "intValue", (struct str){text, (size_t)n});
    end_attribute(w);
}

static void put_real(struct json_writer *w, const char *name, double value)
{
    begin_attribute(w, name);
    json_kv_real(w, "doubleValue", value);
    end_attribute(w);
}

static void put_bool(struct json_writer *w, const char *name, bool value)
{
    begin_attribute(w, name);
    json_kv_bool(w, "boolValue", value);
    end_attribute(w);
}

static void begin_list(struct json_writer *w, const char *name)
{
    begin_attribute(w, name);
    json_key(w, "arrayValue");
    json_object(w);
    json_key(w, "values");
    json_array(w);
}

static void put_item(struct json_writer *w, struct str value)
{
    json_object(w);
    json_kv_str(w, "stringValue", value);
    json_end(w);
}

static void end_list(struct json_writer *w)
{
    json_end(w);
    json_end(w);
    end_attribute(w);
}

/* ---- What was asked for ---- */

static void take_real(struct json_writer *w, const char *name, struct json_value v)
{
    double d;
    if (json_double(v, &d))
        put_real(w, name, d);
}

static void take_int(struct json_writer *w, const char *name, struct json_value v)
{
    int64_t n;
    if (json_int(v, &n))
        put_int(w, name, n);
}

/* One text or several. */
static void take_texts(struct json_writer *w, const char *name, struct json_value v,
                       struct arena *a)
{
    if (!json_is(v, JSON_STRING) && !(json_is(v, JSON_ARRAY) && json_count(v)))
        return;
    begin_list(w, name);
    if (json_is(v, JSON_STRING))
        put_item(w, str_head(json_text(v, a), TEXT_MOST));
    json_each(it, v) put_item(w, str_head(json_text(it.value, a), TEXT_MOST));
    end_list(w);
}

static struct json_value either(struct json_value object, const char *one, const char *other)
{
    struct json_value v = json_get(object, one);
    return json_exists(v) && !json_is(v, JSON_NULL) ? v : json_get(object, other);
}

void trace_asked(struct trace *t, struct json_value body)
{
    struct buf b;
    struct json_writer w;
    bool stream;
    if (!trace_recorded(t))
        return;
    buf_init(&b, ASKED_MOST);
    json_begin(&w, &b);
    json_array(&w);
    take_real(&w, "gen_ai.request.temperature", json_get(body, "temperature"));
    take_real(&w, "gen_ai.request.top_p", json_get(body, "top_p"));
    take_real(&w, "gen_ai.request.frequency_penalty", json_get(body, "frequency_penalty"));
    take_real(&w, "gen_ai.request.presence_penalty", json_get(body, "presence_penalty"));
    take_int(&w, "gen_ai.request.top_k", json_get(body, "top_k"));
    take_int(&w, "gen_ai.request.max_tokens", either(body, "max_completion_tokens", "max_tokens"));
    take_int(&w, "gen_ai.request.seed", json_get(body, "seed"));
    take_int(&w, "gen_ai.request.choice.count", json_get(body, "n"));
    take_texts(&w, "gen_ai.request.stop_sequences", either(body, "stop_sequences", "stop"),
               t->arena);
    if (json_bool(json_get(body, "stream"), &stream))
        put_bool(&w, "gen_ai.request.stream", stream);
    struct json_value conversation = json_get(body, "conversation");
    if (json_is(conversation, JSON_OBJECT))
        conversation = json_get(conversation, "id");
    else if (!json_exists(conversation))
        conversation = json_path(body, "metadata.conversation_id");
    put_str(&w, "gen_ai.conversation.id", str_head(json_text(conversation, t->arena), TEXT_MOST));
    json_end(&w);
    /* Without its brackets: the span's other attributes stand before and behind. */
    if (buf_ok(&b) && b.len > 2)
        t->asked = arena_copy(t->arena, (struct str){b.p + 1, b.len - 2});
    buf_fini(&b);
}

/* A message with one part, as the conventions have it; `finish` "" = not an answer. */
static void put_message(struct json_writer *w, const char *role, struct str text, struct str finish)
{
    json_object(w);
    json_kv_text(w, "role", role);
    json_key(w, "parts");
    json_array(w);
    json_object(w);
    json_kv_text(w, "type", "text");
    json_kv_str(w, "content", text);
    json_end(w);
    json_end(w);
    if (finish.len)
        json_kv_str(w, "finish_reason", finish);
    json_end(w);
}

/* In a buffer of its own first: a message is there whole or not at all. */
void trace_message(struct trace *t, const char *role, struct str text)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, CONTENT_MOST);
    if (t->input.len)
        buf_char(&b, ',');
    json_begin(&w, &b);
    put_message(&w, role, text, STR_NONE);
    if (buf_ok(&b))
        buf_add(&t->input, buf_str(&b));
    buf_fini(&b);
}

void trace_said(struct trace *t, struct str piece)
{
    buf_add(&t->said, piece);
}

static void put_said(struct json_writer *w, const struct trace *t, struct str finish)
{
    struct buf b;
    struct json_writer inner;
    buf_init(&b, 8 * CONTENT_MOST);
    json_begin(&inner, &b);
    json_array(&inner);
    put_message(&inner, "assistant", buf_str(&t->said), finish.len ? finish : STR("stop"));
    json_end(&inner);
    put_str(w, "gen_ai.output.messages", buf_str(&b));
    buf_fini(&b);
}

/* ---- Spans ---- */

enum kind { INTERNAL = 1, SERVER = 2, CLIENT = 3 };
enum { STATUS_ERROR = 2 };

struct encoding {
    const struct trace *t;
    int64_t wall_ns; /* added to a monotonic time */
    struct buf *out;
    struct json_writer w;
    size_t n;
};

static void put_hex(struct json_writer *w, const char *name, const char *hex, size_t n)
{
    json_kv_str(w, name, (struct str){hex, n});
}

static void put_time(struct encoding *c, const char *name, int64_t ns)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%jd", (intmax_t)(ns + c->wall_ns));
    json_kv_str(&c->w, name, (struct str){text, (size_t)n});
}

/* Up to the list of attributes, which is left open. parent 0: none. */
static void begin_span(struct encoding *c, uint64_t id, uint64_t parent, enum kind kind,
                       struct str name, int64_t start_ns, int64_t end_ns)
{
    char trace[TRACEPARENT_TRACE], span[TRACEPARENT_SPAN];
    if (c->n++)
        buf_char(c->out, ',');
    json_begin(&c->w, c->out);
    json_object(&c->w);
    traceparent_trace(&c->t->parent, trace);
    put_hex(&c->w, "traceId", trace, sizeof(trace));
    traceparent_span(id, span);
    put_hex(&c->w, "spanId", span, sizeof(span));
    if (parent) {
        traceparent_span(parent, span);
        put_hex(&c->w, "parentSpanId", span, sizeof(span));
    }
    if (c->t->state.len)
        json_kv_str(&c->w, "traceState", c->t->state);
    json_kv_int(&c->w, "flags", TRACEPARENT_SAMPLED);
    json_kv_str(&c->w, "name", name);
    json_kv_int(&c->w, "kind", kind);
    put_time(c, "startTimeUnixNano", start_ns);
    put_time(c, "endTimeUnixNano", end_ns > start_ns ? end_ns : start_ns);
    json_key(&c->w, "attributes");
    json_array(&c->w);
}

static void end_span(struct encoding *c, bool failed)
{
    json_end(&c->w);
    json_key(&c->w, "status");
    json_object(&c->w);
    if (failed)
        json_kv_int(&c->w, "code", STATUS_ERROR);
    json_end(&c->w);
    json_end(&c->w);
}

/* Methods make names, and names come from a closed set. */
static struct str known_method(struct str method)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
    for (size_t i = 0; i < COUNT(known); i++)
        if (str_eq(method, str_from(known[i])))
            return method;
    return STR("_OTHER");
}

static void put_request(struct encoding *c, const struct trace_request *how)
{
    struct str method = known_method(how->method);
    struct str name =
        how->route ? arena_printf(c->t->arena, "%.*s %s", STR_FMT(method), how->route) : method;
    begin_span(c, c->t->span, c->t->parent.span, SERVER, name, how->start_ns, how->end_ns);
    put_str(&c->w, "http.request.method", method);
    put_text(&c->w, "http.route", how->route);
    put_str(&c->w, "url.path", c->t->path);
    if (how->status)
        put_int(&c->w, "http.response.status_code", how->status);
    put_text(&c->w, "error.type", how->error);
    put_text(&c->w, "penstock.request_id", how->id);
    end_span(c, how->failed);
}

static void put_stages(struct encoding *c, const struct trace_request *how)
{
    for (int i = 1; i < how->spans->n; i++) {
        const struct span *s = &how->spans->span[i];
        if (s->parent != 0)
            continue;
        begin_span(c, new_id(), c->t->span, INTERNAL, str_from(s->name), s->start_ns,
                   s->end_ns ? s->end_ns : how->end_ns);
        end_span(c, false);
    }
}

static void put_attempt(struct encoding *c, const struct trace_attempt *at, int64_t end_ns)
{
    struct json_writer *w = &c->w;
    struct str name = arena_printf(c->t->arena, "%s %.*s", at->operation, STR_FMT(at->model));
    begin_span(c, at->span, c->t->span, CLIENT, name, at->start_ns,
               at->end_ns ? at->end_ns : end_ns);
    put_text(w, "gen_ai.operation.name", at->operation);
    put_text(w, "gen_ai.provider.name", at->kind);
    put_str(w, "gen_ai.request.model", at->model);
    if (c->t->asked.len)
        json_put_raw(w, c->t->asked);
    put_str(w, "server.address", at->host);
    if (at->port)
        put_int(w, "server.port", at->port);
    put_str(w, "gen_ai.response.id", at->response_id);
    put_str(w, "gen_ai.response.model", at->response_model);
    if (at->finish.len) {
        begin_list(w, "gen_ai.response.finish_reasons");
        put_item(w, at->finish);
        end_list(w);
    }
    if (at->first_token_ns)
        put_real(w, "gen_ai.response.time_to_first_chunk",
                 (double)(at->first_token_ns - at->start_ns) / (double)NS_PER_S);
    if (at->usage_known) {
        put_int(w, "gen_ai.usage.input_tokens", at->input_tokens);
        put_int(w, "gen_ai.usage.output_tokens", at->output_tokens);
        put_int(w, "gen_ai.usage.cache_read.input_tokens", at->cached_tokens);
    }
    if (at->status)
        put_int(w, "http.response.status_code", at->status);
    put_text(w, "error.type", at->error);
    put_str(w, "penstock.provider", at->provider);
    if (at->number)
        put_int(w, "penstock.attempt", at->number);
    if (c->t->input.len)
        put_str(w, "gen_ai.input.messages",
                arena_printf(c->t->arena, "[%.*s]", STR_FMT(buf_str(&c->t->input))));
    if (c->t->said.len && !at->error)
        put_said(w, c->t, at->finish);
    end_span(c, at->error != NULL);
}

size_t trace_encode(const struct trace *t, const struct trace_request *how, int64_t wall_ns,
                    struct buf *out)
{
    struct encoding c = {.t = t, .wall_ns = wall_ns, .out = out};
    put_request(&c, how);
    put_stages(&c, how);
    for (const struct trace_attempt *at = t->first; at; at = at->next)
        put_attempt(&c, at, how->end_ns);
    return c.n;
}

void trace_end(struct trace *t, const struct trace_request *how)
{
    struct buf b;
    if (!trace_recorded(t))
        return;
    buf_init(&b, SPANS_MOST);
    size_t n = trace_encode(t, how, clock_wall_ns() - clock_now(), &b);
    otlp_add(t->opt.to, &b, n);
}
