/* ops_api.c - embeddings, moderations and reranking in front: calls with one whole answer.
 *
 * The three differ in what they read and in what is done to the provider's answer before it goes
 * out; all else of it stays byte for byte.
 */
#include "gateway/embedding.h"
#include "gateway/ops_read.h"
#include "gateway/rerank_reply.h"
#include "gateway/routes.h"
#include "gateway/stages.h"
#include "run/work.h"
#include "run/work_json.h"

enum { ANSWER_MAX = 256 << 20 };

struct holder {
    struct chat_sink sink;
    struct str raw; /* the whole answer, in the call's arena */
};

static bool read_with(struct request *r, ops_reader *read, struct err *e)
{
    struct json body;
    return request_json(r, &body, e) && read(&r->call.req, &body, r->call.early, e);
}

/* Nobody answers these calls but with one whole answer in the client's dialect. */
static bool on_event(struct chat_sink *sink, const struct chat_event *ev, struct err *e)
{
    struct holder *h = CONTAINER_OF(sink, struct holder, sink);
    (void)e;
    CHECK(ev->kind == CHAT_RAW);
    h->raw = ev->raw;
    return true;
}

static struct chat_sink *make_sink(struct request *r)
{
    struct holder *h = arena_struct(r->call.arena, struct holder);
    h->sink.event = on_event;
    return &h->sink;
}

static struct str answer_of(const struct request *r)
{
    return CONTAINER_OF(r->answer, struct holder, sink)->raw;
}

static bool end_as_is(struct request *r, struct err *e)
{
    return reply_text(r, 200, "application/json", answer_of(r), e);
}

/* ---- Embeddings ---- */

static bool read_embedding(struct request *r, struct err *e)
{
    return read_with(r, ops_read_embedding, e);
}

struct conversion {
    const struct json *answer;
    bool base64, good;
    struct buf out;
    struct err *e;
};

static void convert(void *arg)
{
    struct conversion *c = arg;
    c->good = embedding_convert(&c->out, c->answer, c->base64, c->e);
}

static bool end_embedding(struct request *r, struct err *e)
{
    struct json_value format = json_get(json_root(&r->call.req.body), "encoding_format");
    struct json answer;
    struct conversion c = {.answer = &answer, .base64 = json_text_is(format, "base64"), .e = e};
    if (!work_json_parse(&answer, r->call.arena, answer_of(r), 0, e))
        return false;
    if (embedding_fits(&answer, c.base64))
        return end_as_is(r, e);
    buf_init(&c.out, ANSWER_MAX);
    work_run(convert, &c);
    if (c.good)
        return reply_json(r, 200, &c.out, e);
    buf_fini(&c.out);
    return false;
}

static const struct codec embeddings = {
    .name = "embeddings", .read = read_embedding, .sink = make_sink, .end = end_embedding};

bool embeddings_create(struct request *r, struct err *e)
{
    return stages_call(r, &embeddings, e);
}

/* ---- Moderations ---- */

static bool read_moderation(struct request *r, struct err *e)
{
    return read_with(r, ops_read_moderation, e);
}

static const struct codec moderations = {
    .name = "moderations", .read = read_moderation, .sink = make_sink, .end = end_as_is};

bool moderations_create(struct request *r, struct err *e)
{
    return stages_call(r, &moderations, e);
}

/* ---- Rerank ---- */

static bool read_rerank(struct request *r, struct err *e)
{
    return read_with(r, ops_read_rerank, e);
}

static bool end_rerank(struct request *r, struct err *e)
{
    struct call *c = &r->call;
    struct json answer;
    if (!work_json_parse(&answer, c->arena, answer_of(r), 0, e))
        return false;
    struct str body = rerank_reply(&answer, &c->req, c->usage.input, c->arena);
    return reply_text(r, 200, "application/json", body, e);
}

static const struct codec reranks = {
    .name = "rerank", .read = read_rerank, .sink = make_sink, .end = end_rerank};

bool rerank_create(struct request *r, struct err *e)
{
    return stages_call(r, &reranks, e);
}
