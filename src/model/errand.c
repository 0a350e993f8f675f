#include "model/errand.h"
#include "base/base64.h"
#include "base/clock.h"
#include "run/fiber.h"
#include "run/work.h"
#include "run/work_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MOST = 1 << 20, BODY_MOST = 256 << 20 };

/* ---- A call ---- */

struct gather {
    struct chat_sink sink;
    struct arena *a;
    struct buf text;
    struct str raw;
    bool cut; /* the model was stopped by the limit */
};

static bool take(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct gather *g = CONTAINER_OF(sink, struct gather, sink);
    if (ev->kind == CHAT_TEXT && !buf_add(&g->text, ev->text))
        return err_set(e, ERR_UPSTREAM, "the model's answer is too long");
    if (ev->kind == CHAT_RAW)
        g->raw = ev->raw;
    return true;
}

static struct call *call_new(const struct errand *x, const struct model *m, enum chat_op op,
                             struct arena *a)
{
    struct call *c = arena_struct(a, struct call);
    *c = (struct call){.arena = a,
                       .early = a,
                       .key = x->key,
                       .start_ns = clock_now(),
                       .deadline_ns = x->deadline_ns,
                       .journal = x->journal,
                       .http = x->http};
    if (x->request)
        snprintf(c->id, sizeof(c->id), "%s", x->request);
    else
        random_id(c->id, "req_");
    c->req = (struct chat_request){.op = op, .dialect = CHAT_OPENAI, .model = m->name};
    return c;
}

/* The fiber's own deadline holds too, and again behind the call. */
static bool run(const struct model *m, struct call *c, struct gather *g, struct err *e)
{
    int64_t outer = fiber_deadline_get();
    if (outer < c->deadline_ns)
        c->deadline_ns = outer;
    if (!dispatch_can(m, c->req.op))
        return err_set(e, ERR_INVALID, "the model '%.*s' cannot do that", STR_FMT(m->name));
    fiber_deadline(c->deadline_ns);
    g->sink.event = take;
    bool good = dispatch(m, c, &g->sink, e);
    buf_fini(&c->said.text);
    fiber_deadline(outer);
    return good;
}

static bool parse_body(struct call *c, struct buf *b, struct err *e)
{
    struct str body = arena_copy(c->arena, buf_str(b));
    bool whole = buf_ok(b);
    buf_fini(b);
    if (!whole)
        return err_set(e, ERR_TOO_LARGE, "the call to '%.*s' is too large", STR_FMT(c->req.model));
    return work_json_parse(&c->req.body, c->arena, body, 0, e);
}

static void add_message(struct call *c, enum chat_role role, struct str text)
{
    struct chat_message *m = &c->req.message[c->req.n_messages++];
    *m = (struct chat_message){.role = role, .text = text};
}

/* ---- Texts ---- */

static void add_part(struct call *c, enum chat_role role, struct str text)
{
    add_message(c, role, text);
    struct chat_message *m = &c->req.message[c->req.n_messages - 1];
    m->part = arena_struct(c->arena, struct chat_part);
    *m->part = (struct chat_part){.kind = PART_TEXT, .text = text};
    m->n_parts = 1;
}

/* In no dialect, so that every provider writes it in its own and gives back events. */
bool errand_text(const struct errand *x, const struct model *m, struct str instructions,
                 struct str message, int64_t max_tokens, struct arena *a, struct str *out,
                 struct err *e)
{
    struct call *c = call_new(x, m, OP_CHAT, a);
    struct gather g = {.a = a};
    c->req.dialect = CHAT_NO_DIALECT;
    c->req.max_tokens = max_tokens;
    c->req.options = arena_struct(a, struct chat_options);
    c->req.message = arena_array(a, struct chat_message, 2);
    add_part(c, CHAT_SYSTEM, instructions);
    add_part(c, CHAT_USER, message);
    buf_init(&g.text, TEXT_MOST);
    bool good = run(m, c, &g, e);
    if (good)
        *out = arena_copy(a, buf_str(&g.text));
    buf_fini(&g.text);
    return good;
}

/* ---- Rankings ---- */

bool errand_rerank(const struct errand *x, const struct model *m, struct str query,
                   const struct str *text, size_t n, double *score, struct arena *a, struct err *e)
{
    struct call *c = call_new(x, m, OP_RERANK, a);
    struct gather g = {.a = a};
    struct buf b;
    struct json_writer w;
    struct json answer;
    buf_init(&b, BODY_MOST);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_str(&w, "model", m->name);
    json_kv_str(&w, "query", query);
    json_key(&w, "documents");
    json_array(&w);
    c->req.message = arena_array(a, struct chat_message, n + 1);
    add_message(c, CHAT_USER, query);
    for (size_t i = 0; i < n; i++) {
        json_put_str(&w, text[i]);
        add_message(c, CHAT_USER, text[i]);
    }
    json_end(&w);
    json_kv_int(&w, "top_n", (int64_t)n);
    json_end(&w);
    c->req.n_inputs = c->req.n_wanted = n;
    if (!parse_body(c, &b, e) || !run(m, c, &g, e) || !work_json_parse(&answer, a, g.raw, 0, e))
        return false;
    size_t found = 0;
    json_each(it, json_get(json_root(&answer), "results"))
    {
        int64_t i;
        if (json_int(json_get(it.value, "index"), &i) && i >= 0 && (uint64_t)i < n &&
            json_double(json_get(it.value, "relevance_score"), &score[i]) && isfinite(score[i]))
            found++;
    }
    return found == n ||
           err_set(e, ERR_UPSTREAM, "the ranking of '%.*s' is not whole", STR_FMT(m->name));
}

/* ---- Vectors ---- */

struct reading {
    struct json_value list;
    size_t n;
    struct arena *a;
    struct errand_vectors *out;
    const char *wrong; /* NULL: all is well */
};

static bool read_numbers(struct json_value v, float *to, uint32_t dimension)
{
    uint32_t i = 0;
    json_each(it, v)
    {
        if (i == dimension || !json_is(it.value, JSON_NUMBER))
            return false;
        to[i++] = strtof(json_raw(it.value).p, NULL); /* what follows ends the number */
    }
    return i == dimension;
}

static bool read_base64(struct json_value v, float *to, uint32_t dimension, struct arena *a)
{
    struct buf b;
    buf_init(&b, (size_t)ERRAND_DIMENSION_MOST * sizeof(float));
    bool good = base64_decode(&b, json_text(v, a)) && b.len == dimension * sizeof(float);
    if (good)
        memcpy(to, b.p, b.len);
    buf_fini(&b);
    return good;
}

static uint32_t length_of(struct json_value v, struct arena *a)
{
    if (json_is(v, JSON_ARRAY))
        return json_count(v);
    size_t len = json_text(v, a).len, pad = 0;
    struct str text = json_text(v, a);
    while (pad < len && text.p[len - 1 - pad] == '=')
        pad++;
    return (uint32_t)((len / 4 * 3 - pad) / sizeof(float));
}

/* A vector without direction cannot be compared. */
static bool is_vector(const float *v, uint32_t dimension)
{
    double sum = 0;
    for (uint32_t i = 0; i < dimension; i++)
        sum += (double)v[i] * (double)v[i];
    return isfinite(sum) && sum > 0;
}

static void read_vectors(void *arg)
{
    struct reading *r = arg;
    uint32_t d = length_of(json_get(json_at(r->list, 0), "embedding"), r->a);
    size_t i = 0;
    r->wrong = d == 0 || d > ERRAND_DIMENSION_MOST ? "vectors of a length that cannot be" : NULL;
    if (r->wrong)
        return;
    r->out->dimension = d;
    r->out->v = arena_array(r->a, float, r->n *d);
    json_each(it, r->list)
    {
        struct json_value v = json_get(it.value, "embedding");
        float *to = r->out->v + i * d;
        if (i++ == r->n)
            break;
        if (!(json_is(v, JSON_STRING) ? read_base64(v, to, d, r->a) : read_numbers(v, to, d)))
            r->wrong = "vectors of different lengths";
        else if (!is_vector(to, d))
            r->wrong = "a vector that is none";
        if (r->wrong)
            return;
    }
    if (i != r->n)
        r->wrong = "vectors for a part of the texts";
}

static bool ask_vectors(struct call *c, const struct str *text, size_t n, uint32_t dimension,
                        struct err *e)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, BODY_MOST);
    json_begin(&w, &b);
    json_object(&w);
    json_kv_str(&w, "model", c->req.model);
    json_key(&w, "input");
    json_array(&w);
    c->req.message = arena_array(c->arena, struct chat_message, n);
    for (size_t i = 0; i < n; i++) {
        json_put_str(&w, text[i]);
        add_message(c, CHAT_USER, text[i]);
    }
    json_end(&w);
    json_kv_text(&w, "encoding_format", "float");
    if (dimension)
        json_kv_int(&w, "dimensions", dimension);
    json_end(&w);
    c->req.n_inputs = c->req.n_wanted = n;
    return parse_body(c, &b, e);
}

bool errand_embed(const struct errand *x, const struct model *m, const struct str *text, size_t n,
                  uint32_t dimension, struct arena *a, struct errand_vectors *out, struct err *e)
{
    struct call *c = call_new(x, m, OP_EMBEDDING, a);
    struct gather g = {.a = a};
    struct json answer;
    if (!ask_vectors(c, text, n, dimension, e) || !run(m, c, &g, e) ||
        !work_json_parse(&answer, a, g.raw, 0, e))
        return false;
    struct reading r = {json_get(json_root(&answer), "data"), n, a, out, NULL};
    work_run(read_vectors, &r);
    if (!r.wrong && dimension && out->dimension != dimension)
        return err_set(e, ERR_UPSTREAM, "'%.*s' gives vectors of %u numbers, not %u",
                       STR_FMT(m->name), out->dimension, dimension);
    return !r.wrong || err_set(e, ERR_UPSTREAM, "'%.*s' gave %s", STR_FMT(m->name), r.wrong);
}
